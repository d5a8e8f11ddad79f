#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What VIRTIO 1.3 demands of a balloon's driver, as a device sees it that
# watches for violations and makes use of every right it has: tests/uml/liar.c.
# driver/requirements.md says which test is for which requirement.
# requirements-debug.t runs it on the debug kernel.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/lib/liar.sh"

kernel=${UML_KERNEL:-uml}

# More feature bits than a lying host has.
DEFLATE=$((1 << 2)) POISON=$((1 << 4))
INDIRECT=$((1 << 28)) EVENT_IDX=$((1 << 29)) PLATFORM=$((1 << 33))
POISON_VAL=12	# offset in configuration space

# meet FEATURES [KERNEL [CMDLINE]] - a guest with known data, without driver
meet() {
	liar_start vm "$1"
	guest_start vm "${2:-$kernel}" "socket=$WORK/vm.sock" "cmdline=${3:-}" ||
		return
	check guest vm memload fill 48
	free=$(free_bytes vm)
}

load() {
	check driver_load vm ballonet
}

# part - unloaded, as it was; the device has nothing to complain about
part() {
	check guest vm rmmod ballonet
	# Nor was the guest left waiting for it.
	eq "$(guest vm 'dmesg | grep "did not give all back"')" "" "the log"
	check guest vm memload check
	eq "$(count violations)" 0 "violations by the driver" ||
		tail -n 20 "$WORK/liar.log"
}

leave() {
	part
	guest_stop vm
	within 5 gone "$liar_pid"
}

accepted() {
	echo $(($(count accepted) & $1))
}

test_what_is_offered_and_of_use_is_accepted() {
	meet $((TELL | STATS | REPORTING | VERSION_1 | RANGES)) || return
	load
	within 10 knob_is vm state idle
	eq "$(count accepted)" \
		$((TELL | STATS | REPORTING | VERSION_1 | RANGES)) features
}

test_statistics_are_supplied_once_for_each_buffer_used() {
	local i n

	within 10 count_is stats 1
	for i in 2 3 4 5 6 7 8 9; do
		check guest vm memload touch 8
		n=$(liar answer stats)
		eq "$n" 1 "statistics buffers that the device had"
		within 10 count_is stats $i
	done
}

test_a_balloon_grows_and_shrinks_with_num_pages() {
	tell target 96
	within 20 count_is held $((96 * 256))
	tell target 32
	within 20 count_is held $((32 * 256))
}

test_actual_is_written_after_each_change() {
	within 10 count_is actual $((32 * 256))
	check knob vm target 48M
	within 20 count_is actual $((48 * 256))
	check knob vm target 0
	within 20 count_is actual $((32 * 256))
	tell target 0
	within 20 count_is actual 0
	eq "$(count held)" 0 "frames that the host has"
}

# The device writes over what it was given until it has answered.
test_a_page_is_not_used_before_its_deflate_is_answered() {
	# Not as it is now: what is being reported is not free for that moment.
	local before=$((free - 128 * MIB))

	tell target 128
	within 20 count_is held $((128 * 256))
	tell lie out silent
	tell target 0
	within 10 count_at_least owed 1
	check guest vm memload touch 96
	at_most "$(free_bytes vm)" $((before + 8 * MIB)) "free memory"
	tell lie out
	at_least "$(liar answer out)" 1 "late answers"
	within 20 knob_is vm actual 0
	within 10 has_free vm $((before + 120 * MIB))
	check guest vm memload check
}

test_a_page_is_not_asked_back_before_its_inflate_is_answered() {
	local asked

	asked=$(count out)
	tell lie in silent
	tell target 64
	within 10 count_at_least owed 1
	tell target 0
	tell changed 10
	check guest vm memload touch 64
	eq "$(count out)" "$asked" "deflate requests"
	at_most "$(free_bytes vm)" $((free - 60 * MIB)) "free memory"
	tell honest
	at_least "$(liar answer in)" 1 "late answers"
	within 20 count_at_least out $((asked + 1))
	within 20 knob_is vm actual 0
	check guest vm memload check
}

test_a_page_is_not_used_before_its_report_is_answered() {
	tell lie report silent
	check guest vm memload touch 192
	within 20 count_at_least report 1
	# Whoever got one of them now finds it written over.
	check guest vm memload touch 128
	tell honest
	at_least "$(liar answer report)" 1 "late answers"
	check guest vm memload check
}

test_large_pages_are_reported() {
	at_least "$(count report_least)" $((2 * MIB)) "bytes of the smallest"
}

test_what_the_host_wants_stays_with_it_without_deflate_on_oom() {
	local available

	available=$(meminfo vm MemAvailable)
	tell target 128
	within 20 count_is held $((128 * 256))
	check knob vm target 8G
	within 20 knob_is vm state floor
	at_least "$(count held)" $((200 * 256)) "frames that the host has"
	# Of what the guest gave beyond that it takes back what it needs. As
	# MemTotal has shrunk, the kernel would not promise it to a process.
	check guest vm 'echo 1 >/proc/sys/vm/overcommit_memory'
	check guest vm memload touch $((available / MIB - 128 - 24))
	eq "$(vmstat vm oom_kill)" 0 "processes killed"
	at_least "$(count held)" $((128 * 256)) "frames that the host has"
	check guest vm memload check
	check knob vm target 0
	tell target 0
	within 20 knob_is vm actual 0
}

test_nothing_leaks() {
	part
	nothing_leaks vm
}

test_the_guest_leaves() {
	guest_stop vm
	within 5 gone "$liar_pid"
}

# Of this guest, which has no use for some of it.
test_poison_is_not_accepted_by_a_guest_that_does_not_poison() {
	meet $((TELL | STATS | DEFLATE | POISON | INDIRECT | EVENT_IDX |
		PLATFORM | VERSION_1)) || return
	load
	within 10 knob_is vm state idle
	eq "$(accepted $POISON)" 0 "the feature bit"
}

test_indirect_descriptors_and_an_IOMMU_are_declined() {
	eq "$(count accepted)" \
		$((TELL | STATS | DEFLATE | EVENT_IDX | VERSION_1)) features
}

test_a_plain_device_of_the_standard_finds_no_violation() {
	tell target 64
	within 20 count_is actual $((64 * 256))
	eq "$(liar answer stats)" 1 "statistics buffers that the device had"
	within 10 count_is stats 2
	tell target 3
	within 20 count_is actual $((3 * 256))
	check guest vm memload check
	leave
}

# reports_are_poisoned VALUE - also of pages that were in the balloon, where
# the device has written something else
reports_are_poisoned() {
	within 10 knob_is vm state idle
	eq "$(accepted $((POISON | REPORTING)))" $((POISON | REPORTING)) \
		"feature bits"
	eq "$(count poison)" "$1" poison_val
	tell target 128
	within 30 count_is held $((128 * 256))
	tell target 0
	within 30 count_is held 0
	check guest vm memload touch 128
	within 30 count_at_least report 2
	eq "$(count poison)" "$1" poison_val
	check guest vm memload check
}

# With init_on_free KASAN finds fault with how the debug kernel starts, and only
# that one has page_poison.
case $kernel in
uml)
test_a_guest_that_clears_free_pages_says_so_and_does_it() {
	meet $((TELL | REPORTING | POISON | VERSION_1 | RANGES)) \
		uml init_on_free=1 || return
	tell poke $POISON_VAL 4 0x77777777
	load
	reports_are_poisoned 0
	leave
}

test_reporting_is_not_accepted_by_it_without_poison() {
	meet $((TELL | REPORTING | VERSION_1 | RANGES)) uml init_on_free=1 ||
		return
	load
	within 10 knob_is vm state idle
	eq "$(accepted -1)" $((TELL | VERSION_1 | RANGES)) "features"
	leave
}
;;
uml-debug)
test_a_guest_that_poisons_free_pages_says_so_and_does_it() {
	meet $((TELL | REPORTING | POISON | VERSION_1 | RANGES)) \
		uml-debug page_poison=1 || return
	load
	reports_are_poisoned $((0xaaaaaaaa))
	leave
}
;;
esac

run_tests
