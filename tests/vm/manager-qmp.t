#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonetd manages a real QEMU with its own virtio-balloon, with Linux's driver
# and with ours: one guest for most tests, in their order.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/host/manager.sh"

MON=$WORK/vm.monitor

# vm_start - the guest, with a monitor for the manager
vm_start() {
	rm -f "$MON"
	guest_start vm 6.12 device=qemu mem=${GUEST_MIB}M \
		"args=-qmp unix:$MON,server=on,wait=off"
}

# reason_is TEXT - why it is not running
reason_is() {
	[[ $(status vm reason) == *"$1"* ]]
}

# has FIELD VALUE - of its status
has() {
	[ "$(status vm "$1")" = "$2" ]
}

qmp() {
	check guest_qmp vm "{\"execute\": \"$1\", \"arguments\": {${2:-}}}" \
		>/dev/null
}

test_a_guest_without_driver_is_not_touched() {
	vm_start || return
	conf '[host]' 'manage = off' '[vm vm]' "qmp = $MON" 'qmp_period = 0.5'
	manager_start
	within 60 is_state vm connected || return
	within 30 reason_is 'has sent no statistics' || return
	within 30 has memory $((GUEST_MIB * MIB))
	ctl_fails 6 'has sent no statistics' stats vm
	eq "$(describe vm pid)" "${guest_pids[vm]}" "process of the VMM"
}

test_the_driver_of_Linux_is_managed() {
	local total before

	check driver_load vm virtio_balloon
	within 60 is_state vm running || return
	total=$(ctl --json stats vm | jq .stats.total)
	eq "$total" "$(meminfo vm MemTotal)" "MemTotal"
	check guest vm memload touch $(($(meminfo vm MemAvailable) / MIB - 24))
	before=$(guest_mem_blocks vm)
	check ctl set vm --balloon=128M --wait=120 >/dev/null
	within 60 resident_at_most vm $((before - 64 * MIB))
	at_least "$(status vm resident)" $((32 * MIB)) resident
	check ctl set vm $((GUEST_MIB))M --wait=120 >/dev/null
}

test_a_paused_VM_is_seen_as_one() {
	qmp stop
	within 30 reason_is 'paused'
	within 30 is_state vm connected
	qmp cont
	within 60 is_state vm running
}

# To where it takes long.
test_a_VM_that_migrates_is_seen_as_one() {
	qmp migrate-set-parameters '"max-bandwidth": 4096'
	qmp migrate '"uri": "exec:cat >/dev/null"'
	# It is asked for each ten seconds.
	within 60 reason_is 'migrates'
	qmp migrate_cancel
	within 60 is_state vm running
}

test_the_balloon_outlives_the_manager() {
	check ctl set vm --balloon=64M --wait=120 >/dev/null
	manager_end KILL
	manager_start
	within 60 is_state vm running || return
	within 30 has actual $((64 * MIB))
}

test_the_driver_of_ours_is_managed_the_same_way() {
	check ctl set vm --balloon=0 --wait=120 >/dev/null
	check guest vm rmmod virtio_balloon
	check driver_load vm ballonet
	check ctl set vm --balloon=128M --wait=120 >/dev/null
	within 60 fresh
	within 30 knob_is vm actual $((128 * MIB))
	check ctl set vm --balloon=0 --wait=120 >/dev/null
}

fresh() {
	[ "$(ctl --json stats vm | jq .age_ms)" -le 3000 ]
}

# An idle guest that occupies more than there is for all VMs.
test_the_planner_takes_from_it_what_is_idle() {
	check ctl set vm auto
	manager_end TERM
	conf '[host]' 'manage = on' 'budget = 128M' 'period = 0.5' \
		'[vm vm]' "qmp = $MON" 'min = 64M'
	manager_start
	within 60 is_state vm running || return
	within 120 eval '[ "$(status vm actual)" -ge '$((32 * MIB))' ]' ||
		ctl why vm
	check ctl why vm
}

test_a_VMM_that_is_killed_and_started_again_is_another_VM() {
	guest_kill vm
	within 30 is_state vm waiting || return
	conf '[host]' 'manage = off' '[vm vm]' "qmp = $MON"
	check ctl reload
	vm_start || return
	check driver_load vm ballonet
	within 60 is_state vm running || return
	within 30 has actual 0
	guest_stop vm
}

test_a_VM_without_a_balloon_device_is_seen_as_one() {
	rm -f "$MON"
	guest_start vm 6.12 device=none mem=${GUEST_MIB}M \
		"args=-qmp unix:$MON,server=on,wait=off" || return
	within 60 is_state vm refused || return
	within 30 reason_is 'no balloon device'
	ctl_fails 6 'no balloon device' set vm --balloon=64M
	guest_stop vm
}

run_tests
