#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manager's side of QMP with a guest behind it: one guest for all tests, in
# their order.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/lib/qmp.sh"

# link_at_least NAME FIELD VALUE - for use with within
link_at_least() {
	[ "$(link_vm "$1" "$2")" -ge "$3" ]
}

test_a_guest_without_driver_has_no_statistics() {
	guest_start vm 6.12 device=qemu mem=${GUEST_MIB}M \
		"args=-qmp unix:$WORK/vm.monitor,server=on,wait=off" || return
	link_start vm "$WORK/vm.monitor" 300 1
	within 60 link_said vm '{"up":true' || return
	within 30 link_is vm running true
	eq "$(link_vm vm memory)" $((GUEST_MIB * MIB)) memory
	eq "$(link_vm vm age_ms)" -1 age
	eq "$(link_vm vm 'stats|length')" 0 statistics
}

test_the_statistics_of_virtio_balloon_are_read() {
	local total

	check driver_load vm virtio_balloon
	within 60 link_at_least vm age_ms 0 || return
	total=$(link_vm vm 'stats["stat-total-memory"]')
	eq "$total" "$(meminfo vm MemTotal)" "MemTotal"
	at_least "$(link_vm vm 'stats["stat-available-memory"]')" $((64 * MIB)) \
		"MemAvailable"
	at_most "$(link_vm vm 'stats["stat-available-memory"]')" "$total" \
		"MemAvailable"
	eq "$(link_vm vm impossible)" 0 "impossible numbers"
}

test_a_target_is_reached_and_given_back() {
	local bytes=$((128 * MIB)) before

	check guest vm memload touch \
		$(($(meminfo vm MemAvailable) / MIB - 24))
	before=$(guest_mem_blocks vm)
	link_set vm $bytes
	within 60 link_is vm actual $bytes || return
	at_most "$(guest_mem_blocks vm)" $((before - bytes / 2)) resident
	link_set vm 0
	within 60 link_is vm actual 0
}

# On the VM's clock: QEMU does not ask a paused guest.
test_the_statistics_of_a_paused_guest_grow_old() {
	check guest_qmp vm stop >/dev/null
	within 30 link_is vm running false
	within 60 link_at_least vm age_ms 3000
	check guest_qmp vm cont >/dev/null
	within 30 link_is vm running true
	within 60 fresh
}

# At most once a second they are new; the machine may be busy.
fresh() {
	[ "$(link_vm vm age_ms)" -ge 0 ] && [ "$(link_vm vm age_ms)" -le 2000 ]
}

test_the_driver_of_ours_is_driven_the_same_way() {
	check guest vm rmmod virtio_balloon
	check driver_load vm ballonet
	link_set vm $((64 * MIB))
	within 60 link_is vm actual $((64 * MIB))
	within 60 fresh
	eq "$(link_vm vm impossible)" 0 "impossible numbers"
}

test_the_end_of_the_VMM_is_told() {
	guest_stop vm
	within 60 link_said vm '{"up":false'
	link_stop vm
}

run_tests
