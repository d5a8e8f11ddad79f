#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every allocation fails once: of probe, of removal, of an inflate and of a
# deflate, one after the other, on the debug kernel. The driver says so with an
# error or does without; nothing is lost, and afterwards all is as before.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

GUEST_COMMAND_LIMIT=240
# As in hostile.t: what slabs keep, and KASAN's quarantine.
SLACK=$((24 * MIB))

# in_guest WORDS - with the functions of walk.sh; what it says is shown
in_guest() {
	local said status

	said=$(guest vm ". /tmp/walk.sh; $*")
	status=$?
	echo "$said"
	[ "$status" -eq 0 ] || fail "failed with $status: $*"
}

# failures SAID LEAST - the number that a walk ended with
failures() {
	grep -E '^[0-9]+ ' <<<"$1" >>"$WORK/figures"
	at_least "$(sed -nE '$s/^([0-9]+) .*/\1/p' <<<"$1")" "$2" \
		"allocations that failed"
}

test_a_guest_that_can_fail() {
	local text

	backend_start vm
	guest_start vm uml-debug "socket=$WORK/vm.sock" || return
	check driver_load vm ballonet
	within 10 knob_is vm state idle
	check guest vm memload fill 32
	text=$(size -A -d "$TOP/build/modules/uml-debug/ballonet.ko" |
		awk '$1 == ".text" { print $2 }')
	check guest vm "cat >/tmp/walk.sh <<'END'
$(cat "$TOP/tests/uml/walk.sh")
END"
	in_guest set_up "$text"
	in_guest works $((64 * MIB))
	total=$(meminfo vm MemTotal)
	free=$(free_bytes vm)
}

test_each_block_of_an_inflate_can_fail() {
	local said

	said=$(in_guest walk_engine fail_page_alloc 512 $((16 * MIB)))
	echo "$said"
	failures "$said" 8
}

test_each_frame_of_an_inflate_can_fail() {
	local said

	said=$(in_guest walk_engine fail_page_alloc 1 $((8 * 4096)))
	echo "$said"
	failures "$said" 8
}

test_each_small_allocation_of_a_move_can_fail() {
	local said

	said=$(in_guest walk_engine failslab 32 $((4 * MIB + 4096)))
	echo "$said"
	failures "$said" 2
}

fault_has_fired() {
	[ "$(guest vm cat /sys/kernel/debug/failslab/times)" = 0 ]
}

# Reading it takes memory on this kernel, and the transport cannot say so.
test_a_target_that_cannot_be_read_is_the_old_one() {
	in_guest fail_next failslab
	check balloon_set vm vhost $((64 * MIB))
	within 30 fault_has_fired
	check guest vm 'echo 0 >/sys/kernel/debug/failslab/probability'
	eq "$(knob vm host_target)" 0 host_target
	eq "$(knob vm actual)" 0 actual
	check balloon_set vm vhost $((65 * MIB))
	within 30 knob_is vm actual $((65 * MIB))
	check balloon_set vm vhost 0
	within 30 knob_is vm actual 0
}

test_each_allocation_of_probe_can_fail() {
	local said

	check guest vm 'echo virtio0 >/sys/bus/virtio/drivers/ballonet/unbind'
	said=$(in_guest walk_task bind)
	echo "$said"
	failures "$said" 20
}

test_each_allocation_of_removal_can_fail() {
	local said

	said=$(in_guest walk_task unbind)
	echo "$said"
	failures "$said" 1
}

test_nothing_is_lost_and_all_works() {
	check guest vm 'echo virtio0 >/sys/bus/virtio/drivers/ballonet/bind'
	check balloon_set vm vhost $((200 * MIB))
	within 30 knob_is vm actual $((200 * MIB))
	check balloon_set vm vhost 0
	within 30 knob_is vm actual 0
	check guest vm rmmod ballonet
	check guest vm memload check
	eq "$(meminfo vm MemTotal)" "$total" MemTotal
	within 10 has_free vm $((free - SLACK))
}

test_nothing_leaks() {
	local leaks=/sys/kernel/debug/kmemleak

	check guest vm "echo scan > $leaks; sleep 6; echo scan > $leaks"
	eq "$(guest vm "grep -A20 ballonet $leaks")" "" "what kmemleak found"
}

test_the_log_is_clean() {
	guest_stop vm
	grep -a ballonet "$WORK/vm.log" | sort | uniq -c | sort -rn | head
	within 5 gone "${backend_pids[vm]}"
}

run_tests
status=$?
sed 's/^/# /' "$WORK/figures"
exit $status
