#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manager's side of QMP against real QEMUs without a guest, and against what
# only says that it is one.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/qmp.sh"

SOCK=$WORK/qmp
QEMU=$("$TOP/tests/tools/qemu") || exit

# vmm_start NAME QEMU [OPTION...] - a machine that does not run, with a monitor
# for the manager at $SOCK and one for the test
vmm_start() {
	local name=$1 qemu=$2
	shift 2

	make_pipe "$name.agent"
	guest_in[$name]=$pipe_in
	guest_out[$name]=$pipe_out
	make_pipe "$name.qmp"
	guest_qmp_in[$name]=$pipe_in
	guest_qmp_out[$name]=$pipe_out
	guest_ram[$name]=none
	rm -f "$SOCK"
	spawn "$name" "$qemu" -S -nodefaults -no-user-config -display none \
		-accel tcg -machine q35 -m 512M,slots=2,maxmem=2G \
		-qmp "pipe:$WORK/$name.qmp" \
		-qmp "unix:$SOCK,server=on,wait=off" "$@"
	within 30 test -S "$SOCK"
}

vmm_stop() {
	guest_kill "$1"
	rm -f "$SOCK"
}

# a_balloon_is_watched_and_set QEMU MAJOR
a_balloon_is_watched_and_set() {
	local path='/machine/peripheral-anon/device[0]'

	vmm_start vm "$1" -device virtio-balloon-pci,deflate-on-oom=on || return
	link_start vm "$SOCK" 200 3
	within 30 link_said vm '{"up":true' || return
	[ -z "$2" ] || eq "$(link_vm vm qemu)" "$2" "QEMU's version"
	eq "$(link_vm vm memory)" $((512 * MIB)) memory
	eq "$(link_vm vm present)" true present
	eq "$(link_vm vm actual)" 0 actual
	eq "$(link_vm vm running)" false running
	eq "$(link_vm vm pid)" "${guest_pids[vm]}" "QEMU's process"
	within 30 link_is vm deflate_on_oom 2
	eq "$(link_vm vm reporting)" 1 reporting
	# What a guest that is not there tells: nothing, and not 0.
	eq "$(link_vm vm 'stats|length')" 0 "statistics"
	eq "$(link_vm vm age_ms)" -1 "age"
	eq "$(guest_qmp vm '{"execute": "qom-get", "arguments": {"path":
		"'"$path"'", "property": "guest-stats-polling-interval"}}')" 3 \
		"period of the statistics"
	link_set vm $((64 * MIB))
	within 30 link_is vm target $((64 * MIB))
	link_set vm $((512 * MIB))
	within 30 link_said vm refused
	check guest_qmp vm cont >/dev/null
	within 30 link_is vm running true
	check guest_qmp vm stop >/dev/null
	within 30 link_is vm running false
	link_stop vm
	vmm_stop vm
}

test_the_balloon_of_QEMU_11_is_watched_and_set() {
	a_balloon_is_watched_and_set "$QEMU" ''
}

test_the_balloon_of_this_machines_QEMU_is_watched_and_set() {
	[ "$(type -P qemu-system-x86_64)" ] || {
		skip "no QEMU of the machine's own"
		return
	}
	a_balloon_is_watched_and_set qemu-system-x86_64 ''
}

test_dimms_are_memory_of_the_balloon() {
	vmm_start vm "$QEMU" -device virtio-balloon-pci,id=b \
		-object memory-backend-ram,id=d,size=128M \
		-device pc-dimm,memdev=d || return
	link_start vm "$SOCK" 200 1
	within 30 link_is vm present true
	eq "$(link_vm vm memory)" $((640 * MIB)) memory
	eq "$(link_vm vm actual)" 0 actual
	link_stop vm
	vmm_stop vm
}

test_a_balloon_that_is_plugged_in_later_is_found() {
	vmm_start vm "$QEMU" -device pcie-root-port,id=rp || return
	link_start vm "$SOCK" 200 2
	within 30 link_said vm '{"up":true' || return
	eq "$(link_vm vm present)" false present
	link_set vm $((32 * MIB))
	check guest_qmp vm '{"execute": "device_add", "arguments": {"driver":
		"virtio-balloon-pci", "bus": "rp", "id": "late"}}' >/dev/null
	within 30 link_is vm present true
	# It is found among the devices at the next search.
	within 60 link_is vm deflate_on_oom 1
	within 30 link_is vm target $((32 * MIB))
	link_stop vm
	vmm_stop vm
}

test_a_restarted_VMM_is_found_and_told_the_target_again() {
	vmm_start vm "$QEMU" -device virtio-balloon-pci || return
	link_start vm "$SOCK" 200 1
	within 30 link_is vm present true
	link_set vm $((64 * MIB))
	within 30 link_is vm target $((64 * MIB))
	vmm_stop vm
	within 30 link_said vm '{"up":false' || return
	: >"$WORK/vm.link"
	vmm_start vm "$QEMU" -device virtio-balloon-pci || return
	within 60 link_said vm '{"up":true'
	within 30 link_is vm target $((64 * MIB))
	link_stop vm
	vmm_stop vm
}

# Neither refused nor greeted: QEMU lets who comes second wait.
test_a_monitor_that_is_taken_is_told_and_had_later() {
	vmm_start vm "$QEMU" -device virtio-balloon-pci || return
	link_start first "$SOCK" 200 1
	within 30 link_said first '{"up":true' || return
	link_start second "$SOCK" 200 1
	within 60 link_said second 'another client has this monitor' || return
	link_stop first
	within 60 link_said second '{"up":true'
	link_stop second
	vmm_stop vm
}

test_a_borrowed_monitor_is_free_between_rounds() {
	vmm_start vm "$QEMU" -device virtio-balloon-pci || return
	link_start borrower "$SOCK.not" 200 1
	link_stop borrower
	link_start borrower --borrow "$SOCK" 1000 1
	within 30 link_said borrower '{"up":true' || return
	link_start other "$SOCK" 200 1
	within 60 link_said other '{"up":true' || return
	link_set other $((64 * MIB))
	within 30 link_is other target $((64 * MIB))
	link_stop other
	# And the borrower goes on.
	: >"$WORK/borrower.link"
	link_set borrower $((32 * MIB))
	within 60 link_is borrower target $((32 * MIB))
	link_stop borrower
	vmm_stop vm
}

test_a_VMM_that_hangs_is_given_up_and_found_again() {
	vmm_start vm "$QEMU" -device virtio-balloon-pci || return
	link_start vm "$SOCK" 200 1
	within 30 link_said vm '{"up":true' || return
	kill -STOP "${guest_pids[vm]}"
	within 60 link_said vm 'the VMM does not answer'
	kill -CONT "${guest_pids[vm]}"
	: >"$WORK/vm.link"
	within 90 link_said vm '{"up":true'
	link_stop vm
	vmm_stop vm
}

test_a_VMM_without_a_balloon_is_up_all_the_same() {
	vmm_start vm "$QEMU" || return
	link_start vm "$SOCK" 200 1
	within 30 link_said vm '{"up":true'
	eq "$(link_vm vm present)" false present
	eq "$(link_vm vm actual)" -1 actual
	link_stop vm
	vmm_stop vm
}

# false_vmm COMMAND - what is at $SOCK instead of a VMM
false_vmm() {
	rm -f "$SOCK"
	printf '#!/bin/sh\n%s\n' "$1" >"$WORK/false"
	chmod +x "$WORK/false"
	socat "UNIX-LISTEN:$SOCK,fork" "EXEC:$WORK/false" 2>/dev/null &
	background $!
	false_pid=$!
	disown $!
	within 10 test -S "$SOCK"
}

# told_apart COMMAND REASON
told_apart() {
	local name=false

	false_vmm "$1" || return
	link_start $name "$SOCK" 200 1
	within 60 link_said $name '{"up":false' || return
	check link_said $name "$2"
	link_stop $name
	kill "$false_pid"
	within 10 gone "$false_pid"
}

test_what_is_no_VMM_is_told_apart() {
	told_apart 'echo hello; sleep 60' "not QMP: 'hello'"
	told_apart 'true' 'the VMM closed its monitor'
	told_apart 'tr "\0" " " </dev/zero' 'longer than 1048576 bytes'
	told_apart "yes '{\"QMP\": {}}'" 'neither answer nor event'
	told_apart "echo '{\"QMP\": {}}'; sleep 60" 'the VMM does not answer'
	told_apart "echo '{\"QMP\": {}}'; yes '{\"event\": \"X\"}'" \
		'more than 100 QMP events'
}

test_sockets_that_must_not_be_taken_are_refused() {
	local path

	path=$WORK/$(printf '%0120d' 0)
	refused "$QMPCTL" "$path" 200 1 2>"$WORK/err" </dev/null
	check grep -q "limit 107" "$WORK/err"
	refused "$QMPCTL" "$SOCK" 0 1 2>"$WORK/err" </dev/null
	check grep -q "period is 0" "$WORK/err"
}

run_tests
