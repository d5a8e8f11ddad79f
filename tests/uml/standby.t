#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Blocks on standby: ballonet.ko in User-Mode Linux with the real back-end, at
# native speed. standby-debug.t runs it on the debug kernel.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/lib/liar.sh"

kernel=${UML_KERNEL:-uml}

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
	within 60 knob_at_least vm standby $((96 * MIB)) || return
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
	at_least "$(driver_count vm standby_inflated)" 8 "blocks of the inflate"
	reliefs=$(driver_count vm relief_oom)
	take 1G
	at_least "$(vm_status vm taken)" $((64 * MIB)) "taken, as the host has it"
	check guest vm memload touch 330
	eq "$(driver_count vm relief_oom)" "$reliefs" "reliefs by the balloon"
	eq "$(vmstat vm oom_kill)" 0 "processes killed"
	at_least "$(driver_count vm standby_released)" 32 "blocks had back"
	check guest vm memload check
	check balloon_set vm vhost 0
	within 30 knob_is vm actual 0
}

# victim NAME - there is a process that the kernel kills first; and it does
victim() {
	check guest "$1" 'sleep 1000 & echo 1000 >/proc/$!/oom_score_adj &&
		echo f >/proc/sysrq-trigger'
}

# As the kernel does when all else has failed: it asks first.
test_before_a_process_is_killed_all_of_it_comes_back() {
	local before pool

	within 60 knob_at_least vm standby $((96 * MIB)) || return
	# Neither grows nor shrinks any more.
	check knob vm standby_limit 96M
	within 30 knob_is vm standby $((96 * MIB))
	take 48M
	before=$(driver_count vm standby_released)
	pool=$(($(knob vm standby) >> 21))
	guest_log_clean vm
	# Told to, it kills somebody whatever comes back.
	victim vm
	within 20 grep -aq "Killed process" "$WORK/vm.log"
	: >"$WORK/vm.log"
	within 20 driver_count_at_least vm standby_released $((before + pool))
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
	within 60 knob_at_least vm standby $((64 * MIB))
}

test_all_is_back_when_the_driver_goes() {
	take 1G
	at_least "$taken" $((32 * MIB)) "bytes taken"
	check guest vm 'cd /sys/bus/virtio/drivers/ballonet &&
		echo virtio0 >unbind && echo virtio0 >bind'
	within 60 knob_at_least vm standby $((64 * MIB))
	take 32M
	eq "$taken" $((32 * MIB)) "bytes taken, of the next table"
	eq "$(driver_count vm standby_nonsense)" 0 "nonsense in the table"
	check guest vm rmmod ballonet
	check guest vm memload touch 240
	check guest vm memload check
	guest_stop vm
	backend_stop vm
}

# touches_more_than_is_free MODE - of vm.overcommit_memory
touches_more_than_is_free() {
	local mib=$((available / MIB - 64))

	# The last one's.
	within 60 knob_at_least lender standby $((available / 2)) || return
	check guest lender "echo 100 >/proc/sys/vm/overcommit_ratio &&
		echo $1 >/proc/sys/vm/overcommit_memory"
	at_least $((mib * MIB)) $(($(free_bytes lender) + 16 * MIB)) \
		"bytes to touch"
	check guest lender memload touch $mib
	check guest lender 'echo 1 >/proc/sys/vm/overcommit_memory'
}

# Where the kernel zeroes what it allocates, that would have the host find it.
test_what_the_guest_never_had_does_not_become_the_hosts() {
	local before

	# No deflating on OOM: see the next test.
	liar_start lender $((TELL | STATS | VERSION_1 | RANGES | STANDBY))
	guest_start lender "$kernel" "socket=$WORK/lender.sock" \
		cmdline=init_on_alloc=1 || return
	total=$(meminfo lender MemTotal)
	available=$(meminfo lender MemAvailable)
	check driver_load lender ballonet
	before=$(guest_mem_blocks lender)
	# As long as it takes elsewhere to have all of it.
	sleep 4
	at_most "$(guest_mem_blocks lender)" $((before + available / 4)) \
		"bytes resident"
	at_most "$(knob lender standby)" $((available / 4)) standby
	check guest lender memload touch $((available / MIB - 64))
}

# What was freed while the pool may not grow, as by its limit, is not forgotten.
# This host is not shown what is free.
test_what_programs_freed_is_for_the_pool_also_when_it_may_grow_later() {
	within 60 knob_at_least lender standby $((available / 2)) || return
	check knob lender standby_limit 0
	within 30 knob_is lender standby 0
	check guest lender memload touch 64
	# Long after all is at rest.
	sleep 4
	check knob lender standby_limit 8G
	within 60 knob_at_least lender standby $((available / 2))
}

# Of a host that does not let a balloon deflate on OOM: a balloon has MemTotal
# become less there. The pool is no balloon.
test_the_pool_is_memory_that_the_guest_has() {
	within 60 knob_at_least lender standby $((available / 2)) || return
	eq "$(meminfo lender MemTotal)" "$total" MemTotal
	within 30 has_available lender $((available - 48 * MIB))
	touches_more_than_is_free 0
	touches_more_than_is_free 2
	eq "$(vmstat lender oom_kill)" 0 "processes killed"
}

# is_without NAME BYTES - no more than these are available: for use with within
is_without() {
	[ "$(available_bytes "$1")" -le "$2" ]
}

test_a_block_that_the_host_was_at_is_available_when_it_no_longer_is() {
	local pool=$((128 * MIB)) all

	check knob lender standby_limit $pool
	within 60 knob_is lender standby $pool || return
	all=$(available_bytes lender)
	at_least "$(liar scribble 1 2)" 64 "blocks that it is at"
	check knob lender standby_limit 0
	within 30 is_without lender $((all - pool * 3 / 4))
	eq "$(knob lender standby)" $pool "standby, which cannot be had"
	check knob lender standby_limit $pool
	at_least "$(liar scribble 2 3)" 64 "blocks that it has taken"
	within 30 has_available lender $((all - pool / 4))
	eq "$(knob lender standby)" $pool standby
}

test_before_a_process_is_killed_the_host_may_end_what_it_is_at() {
	local pool=$((64 * MIB)) all

	check knob lender standby_limit $pool
	within 60 knob_is lender standby $pool || return
	all=$(available_bytes lender)
	liar scribble 3 2 >/dev/null
	liar scribble 1 2 >/dev/null
	guest_log_clean lender
	victim lender
	within 30 is_without lender $((all - pool * 3 / 4))
	liar scribble 2 3 >/dev/null
	within 30 knob_is lender standby 0
	within 20 grep -aq "Killed process" "$WORK/lender.log"
	: >"$WORK/lender.log"
}

test_the_guest_of_that_host_leaves() {
	check knob lender standby_limit 0
	within 30 knob_is lender standby 0
	eq "$(driver_count lender standby_nonsense)" 0 "nonsense in the table"
	guest_stop lender
	within 5 gone "$liar_pid"
}

# Nor what the host had, until it was shown that it is free.
test_what_was_reported_does_not_become_the_hosts_again() {
	local before

	backend_start idler --standby=on-demand
	guest_start idler "$kernel" "socket=$WORK/idler.sock" \
		cmdline=init_on_alloc=1 || return
	check driver_load idler ballonet
	check knob idler standby_limit 0
	before=$(guest_mem_blocks idler)
	check guest idler memload touch 320
	# The rest is in pieces.
	within 60 resident_at_most idler $((before + 160 * MIB)) || return
	check knob idler standby_limit 8G
	# As long as it takes elsewhere to have all of it.
	sleep 4
	at_most "$(guest_mem_blocks idler)" $((before + 208 * MIB)) \
		"bytes resident"
	# What is used again may be taken again.
	within 60 frees_for_standby idler 320 $((96 * MIB))
	guest_stop idler
	backend_stop idler
}

run_tests
