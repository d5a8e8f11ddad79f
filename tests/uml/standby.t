#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Blocks on standby: ballonet.ko in User-Mode Linux with the real back-end, at
# native speed. standby-debug.t runs it on the debug kernel.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

kernel=${UML_KERNEL:-uml}

# knob_at_least FILE BYTES - for use with within
knob_at_least() {
	[ "$(knob vm "$1")" -ge "$2" ]
}

# count KEY - of the driver
count() {
	guest vm "sed -n 's/^$1 //p' /sys/kernel/debug/ballonet/*/counters"
}

# take SIZE - into $taken and $freed; less than that is no failure
take() {
	local json

	json=$(ctl vm --json take vm "$1")
	taken=$(jq -r .taken <<<"$json")
	freed=$(jq -r .freed <<<"$json")
}

test_the_pool_grows_while_the_guest_is_idle() {
	backend_start vm --standby=on-demand
	guest_start vm "$kernel" "socket=$WORK/vm.sock" || return
	check guest vm memload fill 48
	# So that what the host takes is there.
	check guest vm memload touch 240
	check driver_load vm ballonet
	within 60 knob_at_least standby $((96 * MIB)) || return
	eq "$(knob vm actual)" 0 actual
	eq "$(knob vm standby_taken)" 0 standby_taken
	eq "$(vm_status vm actual)" 0 "actual, as the host has it"
	at_least "$(meminfo vm MemAvailable)" "$(knob vm floor)" MemAvailable
	check guest vm memload check
}

test_the_host_takes_it_from_a_guest_that_is_stopped() {
	local before kicks pid

	pid=$(guest_pid vm)
	before=$(guest_mem_blocks vm)
	kicks=$(counter vm kicks)
	# Not its processes: it traces them, and would miss that.
	check kill -STOP "$pid"
	take 64M
	kill -CONT "$pid"
	eq "$taken" $((64 * MIB)) "bytes taken"
	at_least "$freed" $((48 * MIB)) "bytes freed"
	at_most "$(guest_mem_blocks vm)" $((before - 48 * MIB)) resident
	eq "$(counter vm kicks)" "$kicks" "notifications"
	at_least "$(knob vm standby_taken)" $((64 * MIB)) standby_taken
	check guest vm memload check
}

test_pressure_has_it_back_before_the_balloon() {
	local reliefs

	check balloon_set vm vhost $((16 * MIB))
	within 30 knob_is vm actual $((16 * MIB))
	at_least "$(count standby_inflated)" 8 "blocks of the inflate"
	reliefs=$(count relief_oom)
	take 1G
	at_least "$(vm_status vm taken)" $((64 * MIB)) "taken, as the host has it"
	check guest vm memload touch 330
	eq "$(count relief_oom)" "$reliefs" "reliefs by the balloon"
	eq "$(vmstat vm oom_kill)" 0 "processes killed"
	at_least "$(count standby_released)" 32 "blocks had back"
	check guest vm memload check
	check balloon_set vm vhost 0
	within 30 knob_is vm actual 0
}

# As the kernel does when all else has failed: it asks first.
test_before_a_process_is_killed_all_of_it_comes_back() {
	local before pool

	within 60 knob_at_least standby $((96 * MIB)) || return
	# Neither grows nor shrinks any more.
	check knob vm standby_limit 96M
	within 30 knob_is vm standby $((96 * MIB))
	take 48M
	before=$(count standby_released)
	pool=$(($(knob vm standby) >> 21))
	guest_log_clean vm
	# Told to, it kills somebody whatever comes back.
	check guest vm 'sleep 1000 & echo 1000 >/proc/$!/oom_score_adj &&
		echo f >/proc/sysrq-trigger'
	within 20 grep -aq "Killed process" "$WORK/vm.log"
	: >"$WORK/vm.log"
	within 20 eval '[ "$(count standby_released)" -ge $((before + pool)) ]'
	check guest vm memload check
	check knob vm standby_limit 8G
}

test_a_limit_holds() {
	check knob vm standby_limit 32M
	within 30 eval '[ "$(knob vm standby)" -le '$((32 * MIB))' ]'
	within 30 knob_is vm standby $((32 * MIB))
	check knob vm standby_limit 0
	within 30 knob_is vm standby 0
	refused knob vm standby_limit x
	check knob vm standby_limit 8G
	within 60 knob_at_least standby $((64 * MIB))
}

test_all_is_back_when_the_driver_goes() {
	take 1G
	at_least "$taken" $((32 * MIB)) "bytes taken"
	check guest vm 'cd /sys/bus/virtio/drivers/ballonet &&
		echo virtio0 >unbind && echo virtio0 >bind'
	within 60 knob_at_least standby $((64 * MIB))
	take 32M
	eq "$taken" $((32 * MIB)) "bytes taken, of the next table"
	eq "$(count standby_nonsense)" 0 "nonsense in the table"
	check guest vm rmmod ballonet
	check guest vm memload touch 240
	check guest vm memload check
	guest_stop vm
	backend_stop vm
}

run_tests
