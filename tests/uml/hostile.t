#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A host that lies: ballonet.ko in User-Mode Linux against tests/uml/liar.c.
# Whatever the host says, the guest goes on, its memory is what it wrote, and
# once the device has been reset and is honest, the driver works again.
# hostile-debug.t runs it on the debug kernel.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/lib/liar.sh"

kernel=${UML_KERNEL:-uml}

# Offsets in configuration space.
NUM_PAGES=0 HINT_ID=8 BLOCK_SIZE=16 MAX_RANGES=20 MAX_FRAMES=24

# Statuses.
INVALID=1 REFUSED=4 IO=5

# What the kernel keeps in slabs is no leak, nor is KASAN's quarantine, which
# may grow to a 32nd of all memory. A lost request is more: 64 MiB.
SLACK=$((4 * MIB))
[ "$kernel" = uml ] || SLACK=$((24 * MIB))

# What virtio's core says of a ring that is broken, and the driver of an answer.
MAY_SAY='virtio-uml\.0-[a-z_]+:id [0-9]+ (out of range|is not a head)'
MAY_SAY+="|ballonet virtio0: (host's answer|host did|host refuses|host owes|request of|a virtqueue is broken|device is reset|device broke)"
MAY_SAY+='|(answer_finish|failure_note): [0-9]+ callbacks suppressed'
MAY_SAY+='|ballonet virtio0: host (wrote|does not take the standby table)'
# A machine that was busy elsewhere.
MAY_SAY+='|hrtimer: interrupt took'

log_seen=0

# guest_meets_liar FEATURES - boots, with known data in its memory
guest_meets_liar() {
	liar_start vm "$1"
	guest_start vm "$kernel" "socket=$WORK/vm.sock" || return
	# Waiting that nobody notices is no hung task.
	guest vm 'echo 4 >/proc/sys/kernel/hung_task_timeout_secs'
	check guest vm memload fill 48
	check guest vm 'insmod /lib/ballonet.ko && rmmod ballonet'
	log_seen=$(wc -l <"$WORK/vm.log")
	total=$(meminfo vm MemTotal)
	free=$(free_bytes vm)
}

guest_leaves() {
	liar_is_content
	guest_stop vm
	within 5 gone "$liar_pid"
}

liar_is_content() {
	eq "$(count violations)" 0 "violations by the driver" ||
		tail -n 20 "$WORK/liar.log"
}

# Since the last look, the driver has said little, and nobody else anything.
log_is_quiet() {
	local new

	new=$(tail -n +$((log_seen + 1)) "$WORK/vm.log")
	log_seen=$(wc -l <"$WORK/vm.log")
	printf '%s\n' "$new"
	eq "$(grep -avE "$MAY_SAY|^\$" <<<"$new")" "" "the guest's log"
	at_most "$(wc -l <<<"$new")" 30 "lines in the guest's log"
}

# state_is WORD SECONDS
state_is() {
	within "$2" knob_is vm state "$1" || echo "it is $(knob vm state)"
}

# load [PARAMETER...] - a device that breaks the protocol stays broken, so that
# it can be looked at; unless said otherwise
load() {
	check guest vm insmod /lib/ballonet.ko "${*:-resets=0}"
}

# unload - within the time that the driver gives the host, and complete
unload() {
	local begin=${EPOCHREALTIME/.} ms

	check guest vm rmmod ballonet
	ms=$(((${EPOCHREALTIME/.} - begin) / 1000))
	echo "unloaded in $ms ms"
	at_most $ms 15000 "ms to unload"
	eq "$(meminfo vm MemTotal)" "$total" MemTotal
	within 10 has_free vm $((free - SLACK))
	check guest vm memload check
}

# works_again - an honest device: up, down, and gone
works_again() {
	tell honest
	tell target 40
	load
	within 20 knob_is vm actual $((40 * MIB))
	host_has 40
	check guest vm memload check
	tell target 0
	within 20 knob_is vm actual 0
	state_is idle 5
	unload
}

# after_a_lie - what has to hold after each of them
after_a_lie() {
	check guest vm memload check
	check guest vm memload touch 32
	unload
	works_again
	liar_is_content
	log_is_quiet
}

# all_is_there - free, or in the balloon: for use with within, as what is being
# reported is neither. A frame that comes back meanwhile shall be counted twice.
all_is_there() {
	local actual

	actual=$(knob vm actual)
	[ $((actual + $(free_bytes vm))) -ge $((free - SLACK)) ]
}

# inflate_with STATE LIE... - the driver asks, is lied to, and knows
inflate_with() {
	local state=$1
	shift
	tell lie in "$@"
	tell target 64
	load
	state_is "$state" 16
}

# deflate_with STATE LIE...
deflate_with() {
	local state=$1
	shift
	tell target 64
	load
	within 20 knob_is vm actual $((64 * MIB))
	tell lie out "$@"
	tell target 16
	state_is "$state" 16
}

test_the_guest_meets_an_honest_device() {
	guest_meets_liar $((TELL | STATS | REPORTING | VERSION_1 | RANGES)) ||
		return
	works_again
	liar_is_content
	log_is_quiet
}

# broken_by in|de LIE... - an answer that is none: the driver says so, and asks
# no more
broken_by() {
	local asked

	"$1flate_with" broken "${@:2}"
	asked=$(($(count in) + $(count out)))
	tell target 80
	tell target 8
	check guest vm memload touch 32
	eq $(($(count in) + $(count out))) $asked "requests in all"
	after_a_lie
}

test_an_inflate_answer_of_no_byte_is_none() { broken_by in len=0; }
test_an_inflate_answer_of_31_bytes_is_none() { broken_by in len=31; }
test_an_inflate_answer_for_another_request_is_none() { broken_by in id=1; }
test_an_inflate_of_more_than_was_offered_is_none() { broken_by in more=1; }
test_an_inflate_of_all_there_is_is_none() { broken_by in done=-1; }
test_an_inflate_that_is_ok_but_short_is_none() { broken_by in more=-1; }
test_an_inflate_that_fails_for_too_many_is_none() {
	broken_by in status=$IO done=1000000
}
test_a_deflate_answer_of_no_byte_is_none() { broken_by de len=0; }
test_a_deflate_answer_of_31_bytes_is_none() { broken_by de len=31; }
test_a_deflate_answer_for_another_request_is_none() { broken_by de id=-1; }
test_a_deflate_of_more_than_was_asked_is_none() { broken_by de more=1; }
test_a_deflate_that_is_ok_but_none_is_none() { broken_by de done=0; }
test_a_deflate_that_is_refused_for_too_many_is_none() {
	broken_by de status=$REFUSED done=1000000
}

test_an_answer_for_an_unknown_descriptor_breaks_the_ring() {
	broken_by in head=300
}
test_an_answer_for_a_descriptor_not_in_use_breaks_the_ring() {
	broken_by de head=9
}
test_a_used_index_that_jumps_breaks_the_ring() { broken_by in jump=5; }
test_a_used_index_that_jumps_far_breaks_the_ring() {
	broken_by de jump=30000
}
test_an_answer_that_comes_twice_breaks_the_ring() { broken_by in twice; }
test_an_answer_to_nothing_breaks_the_ring() {
	load
	state_is idle 5
	tell jump out 3
	state_is broken 5
	after_a_lie
}

test_a_broken_device_works_again_when_bound_anew() {
	inflate_with broken len=0
	tell honest
	check guest vm 'cd /sys/bus/virtio/drivers/ballonet &&
		echo virtio0 >unbind && echo virtio0 >bind'
	within 20 knob_is vm actual $((64 * MIB))
	after_a_lie
}

# said TIMES TEXT - by the driver in all; for use with within
said() {
	[ "$(grep -ac "ballonet virtio0: $2" "$WORK/vm.log")" -ge "$1" ]
}

test_a_device_that_breaks_the_protocol_is_reset_and_goes_on() {
	local kind n

	n=$(grep -ac 'device is reset' "$WORK/vm.log")
	tell target 64
	load resets=5
	within 20 knob_is vm actual $((64 * MIB))
	for kind in len=0 head=300 twice; do
		n=$((n + 1))
		tell lie out $kind
		tell target 48
		within 20 said $n "device is reset"
		tell honest
		# By then nothing is held, and it grows.
		within 30 knob_is vm actual $((48 * MIB))
		tell target 64
		within 30 knob_is vm actual $((64 * MIB))
		within 10 knob_is vm state idle
		host_has 64
		check guest vm memload check
	done
	after_a_lie
}

test_a_device_that_breaks_it_again_and_again_is_left_alone() {
	local n

	n=$(grep -ac 'device is reset' "$WORK/vm.log")
	tell lie in len=0
	tell target 64
	load resets=3
	within 60 said $((n + 3)) "device is reset"
	within 60 said 1 "device broke after 3 resets"
	eq "$(knob vm state)" broken state
	tell target 63
	tell changed 20
	check guest vm memload touch 32
	eq "$(grep -ac 'device is reset' "$WORK/vm.log")" $((n + 3)) resets
	after_a_lie
}

test_an_answer_that_is_long_will_do() {
	inflate_with idle len=0x7fffffff
	eq "$(knob vm actual)" $((64 * MIB)) actual
	tell lie out len=4096
	tell target 0
	within 10 knob_is vm actual 0
	after_a_lie
}

test_a_host_that_refuses_is_not_asked_until_its_target_changes() {
	local asked

	inflate_with refused status=$REFUSED
	asked=$(count in)
	eq "$(knob vm actual)" 0 actual
	tell changed 100
	sleep 3
	tell changed 100
	eq "$(knob vm state)" refused state
	eq "$(count in)" "$asked" requests
	tell lie in
	tell target 63
	within 10 knob_is vm actual $((63 * MIB))
	after_a_lie
}

# nothing_done MOST STATUS... - the host took nothing, and is asked MOST times
# more, with pauses
nothing_done() {
	local most=$1 asked
	shift

	inflate_with refused "$@"
	eq "$(knob vm actual)" 0 actual
	within 10 has_free vm $((free - SLACK))
	asked=$(count in)
	sleep 2
	at_most "$(count in)" $((asked + most)) requests
	after_a_lie
}

test_an_inflate_that_is_invalid_gives_nothing() {
	nothing_done 6 status=$INVALID
}
test_an_inflate_with_an_unknown_status_gives_nothing() {
	nothing_done 6 status=0x80000005
}
test_what_a_refusal_says_of_frames_is_not_believed() {
	nothing_done 0 status=$REFUSED done=1024
}

test_of_an_inflate_that_fails_the_rest_comes_back() {
	inflate_with refused status=$IO done=3000
	# A block that the host has in part stays in the balloon.
	at_least "$(knob vm actual)" $((3000 * 4096)) actual
	tell lie in status=99 done=1
	tell target 48
	within 5 count_at_least in 2
	within 10 all_is_there
	after_a_lie
}

# asked_with_pauses LIE... - a deflate fails for ever, and is tried seldom
asked_with_pauses() {
	local before

	tell target 64
	load
	within 20 knob_is vm actual $((64 * MIB))
	tell lie out "$@"
	tell target 16
	before=$(count out)
	sleep 3
	echo "requests: $(($(count out) - before))"
	at_least $(($(count out) - before)) 2 "requests in 3 s"
	at_most $(($(count out) - before)) 12 "requests in 3 s"
	check guest vm memload touch 32
}

test_a_deflate_that_is_invalid_is_tried_again_with_pauses() {
	asked_with_pauses status=$INVALID
	tell lie out
	within 10 knob_is vm actual $((16 * MIB))
	after_a_lie
}

test_a_deflate_that_the_host_must_not_refuse_is_tried_again() {
	asked_with_pauses status=$REFUSED done=5
	# Unloading asks once more, in vain, and does not wait for ever.
	after_a_lie
}

test_of_a_deflate_that_fails_what_is_done_comes_back() {
	tell target 64
	load
	within 20 knob_is vm actual $((64 * MIB))
	tell lie out status=$IO done=2048
	tell target 16
	within 20 eval '[ "$(knob vm actual)" -lt '$((60 * MIB))' ]'
	within 10 all_is_there
	after_a_lie
}

test_a_host_that_does_not_answer_is_called_silent() {
	tell lie in silent
	tell target 64
	load
	within 5 count_at_least owed 1
	check guest vm memload touch 64
	# Nor does it help to be reminded.
	sleep 8
	tell changed 1
	state_is silent 5
	check guest vm memload touch 64
	check guest vm memload check
	eq "$(knob vm actual)" 0 actual
}

test_an_answer_after_12_seconds_is_as_good() {
	tell honest
	at_least "$(liar answer in)" 1 "answers given late"
	state_is idle 5
	eq "$(knob vm actual)" $((64 * MIB)) actual
	host_has 64
	after_a_lie
}

test_unloading_gives_a_silent_host_up() {
	tell lie in silent
	tell target 64
	load
	within 5 count_at_least owed 1
	after_a_lie
}

test_unloading_gives_up_a_host_that_keeps_what_it_has() {
	tell target 64
	load
	within 20 knob_is vm actual $((64 * MIB))
	tell lie out silent
	tell target 16
	within 5 count_at_least owed 1
	check guest vm memload touch 64
	after_a_lie
}

test_a_deflate_that_is_answered_late_comes_back() {
	tell target 64
	load
	within 20 knob_is vm actual $((64 * MIB))
	tell lie out silent
	tell target 16
	state_is silent 16
	eq "$(knob vm actual)" $((64 * MIB)) actual
	tell lie out
	at_least "$(liar answer out)" 1 "answers given late"
	within 5 knob_is vm actual $((16 * MIB))
	after_a_lie
}

# compact_once: one pass ends where those who look for pages to move and those
# who look for room meet, wherever that is
compact_once() {
	check guest vm 'echo 1 >/proc/sys/vm/compact_memory'
}

# compacts_until CMD... - for use with within
compacts_until() {
	compact_once
	"$@"
}

# balloon_of_frames [PARAMETERS] - with pages in use and free pages next to its
# frames everywhere; how large it is, in MiB, is in $size
balloon_of_frames() {
	local available

	available=$(meminfo vm MemAvailable)
	check guest vm memload drop
	check guest vm memload holes $((available / MIB - 40)) || return
	# To the last block, which the kernel may just have made, and on.
	tell target $((available / MIB))
	load "$@"
	state_is floor 30
	size=$(($(knob vm actual) / MIB))
	tell target "$size"
	state_is idle 10
	eq "$(knob vm actual)" $((size * MIB)) actual
	check guest vm memload thin
}

test_compaction_does_not_wait_for_a_silent_host() {
	local size

	balloon_of_frames || return
	tell lie in silent
	tell lie out silent
	within 20 compacts_until count_at_least owed 1
	check guest vm memload check
	tell honest
	liar answer in
	liar answer out
	state_is idle 10
	check guest vm memload check
	check guest vm memload drop
	check guest vm memload fill 48
	after_a_lie
}

test_a_move_that_is_answered_with_nonsense_ends_in_a_reset() {
	local size n

	balloon_of_frames resets=5 || return
	n=$(grep -ac 'device is reset' "$WORK/vm.log")
	tell lie in len=0
	within 20 compacts_until said $((n + 1)) "device is reset"
	tell honest
	tell target $((size - 32))
	within 30 knob_is vm actual $(((size - 32) * MIB))
	# Requests that were in use for it are as good as any.
	tell target "$size"
	within 20 knob_is vm actual $((size * MIB))
	compact_once
	state_is idle 10
	host_has "$size"
	check guest vm memload check
	check guest vm memload drop
	check guest vm memload fill 48
	after_a_lie
}

test_a_report_that_is_not_answered_hangs_nobody() {
	tell lie report silent
	load
	check guest vm memload touch 128
	within 10 count_at_least report 1
	# The kernel tells of tasks that hang for 4 s, set above.
	sleep 9
	check guest vm memload touch 128
	tell target 64
	within 10 knob_is vm actual $((64 * MIB))
	after_a_lie
}

test_a_report_that_is_answered_for_another_hangs_nobody() {
	tell lie report head=500
	load
	check guest vm memload touch 128
	within 10 count_at_least report 1
	tell target 64
	within 10 knob_is vm actual $((64 * MIB))
	after_a_lie
}

test_a_statistics_ring_that_is_broken_hurts_nobody() {
	load
	within 5 count_at_least stats 1
	tell lie stats head=77
	eq "$(liar answer stats)" 1 "buffers returned"
	tell target 64
	within 10 knob_is vm actual $((64 * MIB))
	after_a_lie
}

test_notifications_for_nothing_do_nothing() {
	local asked

	load
	tell target 32
	within 10 knob_is vm actual $((32 * MIB))
	asked=$(($(count in) + $(count out)))
	tell call in 300
	tell call out 300
	tell call stats 300
	tell call report 300
	tell changed 300
	check guest vm memload touch 32
	eq $(($(count in) + $(count out))) $asked requests
	after_a_lie
}

test_a_target_beyond_all_memory_stops_at_the_floor() {
	tell poke $NUM_PAGES 4 0xffffffff
	load
	state_is floor 20
	eq "$(knob vm host_target)" $((0xffffffff * 4096)) host_target
	within 10 has_available vm $(($(knob vm floor) - 4 * MIB))
	check guest vm memload check
	tell target 0
	within 20 knob_is vm actual 0
	after_a_lie
}

test_targets_that_change_all_the_time_are_followed_in_the_end() {
	load
	tell storm 0 64
	check guest vm memload touch 32
	sleep 3
	check guest vm memload check
	tell honest
	tell target 24
	within 20 knob_is vm actual $((24 * MIB))
	after_a_lie
}

test_unloading_while_targets_change_all_the_time() {
	load
	tell storm 8 64
	sleep 1
	unload
	load
	unload
	works_again
	liar_is_content
	log_is_quiet
}

# limits_are FIELD SIZE VALUE... - loaded with each, it works
limits_are() {
	local field=$1 size=$2 was=$3 value
	shift 3
	for value; do
		echo "value $value"
		tell poke "$field" "$size" "$value"
		tell target 9
		load
		within 30 knob_is vm actual $((9 * MIB))
		host_has 9
		tell target 1
		within 30 knob_is vm actual $((1 * MIB))
		unload
	done
	tell poke "$field" "$size" "$was"
	tell target 0
	works_again
	liar_is_content
	log_is_quiet
}

test_no_block_size_is_absurd_enough() {
	limits_are $BLOCK_SIZE 4 4096 0 1 3 4097 0x200000 0x80000000 0xffffffff
}

test_no_limit_of_ranges_is_absurd_enough() {
	limits_are $MAX_RANGES 4 255 0 1 3 511 0x80000000 0xfffffffe 0xffffffff
}

test_no_limit_of_frames_is_absurd_enough() {
	limits_are $MAX_FRAMES 8 32768 0 1 3 1000 0xffffffff 0x100000000 \
		0x7fffffffffffffff 0xffffffffffffffff
}

test_nothing_leaks() {
	nothing_leaks vm
}

test_the_guest_leaves() {
	guest_leaves
}

test_a_device_without_ranges_may_lie_less() {
	guest_meets_liar $((STATS | VERSION_1)) || return
	works_again
	# It has no room for an answer, so there is none to believe.
	inflate_with idle len=0x7fffffff
	eq "$(knob vm actual)" $((64 * MIB)) actual
	after_a_lie
	inflate_with broken twice
	after_a_lie
	tell lie in silent
	tell target 64
	load
	within 5 count_at_least owed 1
	after_a_lie
	guest_leaves
}

# hinted_at_least MIB [ROUNDS] - shown to the host, ever
hinted_at_least() {
	count_at_least hinted $(($1 * 256)) &&
		count_at_least rounds "${2:-0}"
}

# hinting ID - start hinting with this id; most of what is free goes
hinting() {
	tell hint "$1"
	within 20 knob_at_least vm hinted $((128 * MIB))
}

# nothing_is_hinted - all of it is the guest's again
nothing_is_hinted() {
	within 20 knob_is vm hinted 0
	within 10 has_free vm $((free - SLACK - $(knob vm actual)))
}

test_a_guest_meets_a_device_that_migrates() {
	guest_meets_liar $((TELL | STATS | HINT | REPORTING | VERSION_1 |
		RANGES)) || return
	works_again
	eq "$(count hint)" 0 "hints that nobody asked for"
}

test_free_memory_is_hinted_until_the_host_is_done() {
	local before first

	load
	before=$(count hinted)
	hinting 7
	within 10 hinting_is_over
	first=$(($(count hinted) - before))
	at_least $first $(($(knob vm hinted) / 4096)) "frames hinted"
	within 10 has_free vm $(($(knob vm floor) - SLACK))
	eq "$(count rounds)" 1 rounds
	check guest vm memload check
	# Kept, and shown again.
	tell hint 0
	tell hint 8
	within 10 hinted_at_least $(((before + 2 * first) / 256 - 24)) 2
	at_least "$(knob vm hinted)" $((128 * MIB)) hinted
	tell hint 1
	nothing_is_hinted
	eq "$(knob vm hinted)" 0 hinted
	after_a_lie
}

# The driver has said STOP: it takes no more.
hinting_is_over() {
	local was

	was=$(count hint)
	sleep 0.5
	[ "$(count hint)" = "$was" ]
}

test_no_id_of_a_round_is_absurd_enough() {
	local id

	load
	for id in 0x80000000 2 0xffffffff 0 2; do
		tell hint $id
		[ $id = 0 ] || within 20 knob_at_least vm hinted $((128 * MIB))
		check guest vm memload check
	done
	# Without a word, which gets lost when a guest is moved.
	tell poke $HINT_ID 4 1
	nothing_is_hinted
	after_a_lie
}

test_rounds_that_change_all_the_time_hurt_nobody() {
	local before

	before=$(count rounds)
	load
	tell rounds 100
	for _ in 1 2 3 4 5 6; do
		check guest vm memload check
		check guest vm memload touch 100
	done
	at_least "$(count rounds)" $((before + 10)) rounds
	unload
	load
	tell honest
	tell hint 1
	nothing_is_hinted
	after_a_lie
}

test_a_guest_that_needs_memory_has_what_was_hinted() {
	local available

	available=$(meminfo vm MemAvailable)
	load
	hinting 5
	check guest vm memload touch $(((available - SLACK) / MIB - 12))
	check guest vm memload check
	# After a while, in which it is left alone.
	hinting 6
	tell target 200
	within 20 knob_is vm actual $((200 * MIB))
	check guest vm memload check
	tell hint 1
	nothing_is_hinted
	tell target 0
	within 20 knob_is vm actual 0
	after_a_lie
}

test_hints_that_are_not_answered_are_few() {
	load
	tell lie hint silent
	tell hint 5
	within 5 count_at_least hint 3
	sleep 1
	at_most "$(knob vm hinted)" $((80 * MIB)) hinted
	check guest vm memload touch 200
	# Nor does the host's word make them the guest's: it may still write.
	tell hint 1
	tell target 32
	within 10 knob_is vm actual $((32 * MIB))
	at_least "$(knob vm hinted)" 1 hinted
	check guest vm memload touch 200
	at_least "$(liar answer hint)" 1 "answers given late"
	nothing_is_hinted
	after_a_lie
}

test_unloading_gives_a_host_up_that_keeps_hints() {
	load
	tell lie hint silent
	tell hint 5
	within 5 count_at_least hint 3
	after_a_lie
}

test_unloading_in_a_round_gives_everything_back() {
	load
	tell hint 5
	unload
	load
	hinting 6
	after_a_lie
}

test_a_hint_for_an_unknown_descriptor_hurts_nobody() {
	load
	hinting 5
	tell lie hint head=500
	tell hint 6
	within 10 hinting_is_over
	check guest vm memload touch 200
	tell target 64
	within 10 knob_is vm actual $((64 * MIB))
	after_a_lie
}

test_a_hint_that_is_answered_twice_hurts_nobody() {
	load
	tell lie hint twice jump=3
	tell hint 5
	within 10 hinting_is_over
	check guest vm memload touch 200
	tell hint 1
	after_a_lie
}

test_nothing_that_was_hinted_leaks() {
	nothing_leaks vm
}

test_the_guest_that_was_to_be_migrated_leaves() {
	guest_leaves
}

POOL=$((128 * MIB))

# pool_is BYTES
pool_is() {
	within 60 knob_is vm standby "$1"
}

# offer - the driver has a pool of 128 MiB, and leaves it as it is
offer() {
	load
	check knob vm standby_limit $POOL
	pool_is $POOL
	at_least "$(count tells)" 1 "tables told"
	at_least "$(liar entries 1)" 1 "blocks offered"
}

test_a_guest_meets_a_device_that_takes_from_standby() {
	guest_meets_liar $((TELL | STATS | REPORTING | VERSION_1 | RANGES |
		STANDBY)) || return
	offer
	eq "$(liar take)" $((POOL >> 21)) "blocks taken"
	eq "$(knob vm standby_taken)" $POOL standby_taken
	check knob vm standby_limit 0
	pool_is 0
	check guest vm memload touch 200
	at_least "$(driver_count vm standby_released)" $((POOL >> 21)) \
		"blocks had back"
	eq "$(driver_count vm standby_nonsense)" 0 nonsense
	after_a_lie
}

# scribbled FROM TO - the host writes that into the table, and the guest wants
# its blocks back
scribbled() {
	offer
	at_least "$(liar scribble "$@")" 1 "entries changed"
	check knob vm standby_limit 0
	check guest vm memload touch 64
}

# nonsense FROM TO - no block that is in such an entry comes back, or is used
nonsense() {
	scribbled "$@"
	within 20 driver_count_at_least vm standby_nonsense 1
	check guest vm memload check
	eq "$(knob vm standby)" $POOL standby
	eq "$(grep -ac 'host wrote' <(tail -n +$((log_seen + 1)) \
		"$WORK/vm.log"))" 1 "lines about it"
	after_a_lie
}

test_an_unknown_state_of_a_block_is_nonsense() { nonsense 1 4; }
test_the_last_unknown_state_of_a_block_is_nonsense() { nonsense 1 511; }
test_an_entry_of_another_block_is_nonsense() { nonsense 1 other; }
test_a_table_that_was_wiped_out_is_nonsense() { nonsense any zero; }
test_a_table_full_of_ones_is_nonsense() { nonsense any ones; }

# harmless FROM TO - it is no lie that the driver could notice: all comes back
harmless() {
	scribbled "$@"
	pool_is 0
	eq "$(driver_count vm standby_nonsense)" 0 nonsense
	after_a_lie
}

test_what_was_never_offered_cannot_be_taken() { harmless 0 3; }
test_a_block_that_was_not_discarded_is_as_good_as_taken() { harmless 1 3; }

test_a_block_that_is_being_taken_for_ever_is_back_with_the_reset() {
	scribbled 1 2
	eq "$(driver_count vm standby_nonsense)" 0 nonsense
	eq "$(knob vm standby)" $POOL standby
	check guest vm 'cd /sys/bus/virtio/drivers/ballonet &&
		echo virtio0 >unbind && echo virtio0 >bind'
	within 60 knob_at_least vm standby $((64 * MIB))
	check knob vm standby_limit 0
	pool_is 0
	after_a_lie
}

test_a_table_that_changes_all_the_time_hurts_nobody() {
	local i

	offer
	guest_ask vm "for i in 1 2 3 4 5; do memload touch 200 && memload check ||
		exit; done"
	for ((i = 0; i < 100; i++)); do
		liar scribble $((i % 4)) $(((i * 7 + 1) % 5)) >/dev/null
	done
	guest_answer vm 120 || fail "the guest has lost something"
	after_a_lie
}

# refused_with LIE... - what the host says to the table; without it, no pool
refused_with() {
	local tells

	tells=$(count tells)
	tell lie in "$@"
	load
	within 10 count_at_least tells $((tells + 1))
	sleep 2
	eq "$(knob vm standby)" 0 standby
	tell honest
}

# then_taken - the host is asked again after a configuration change
then_taken() {
	tell changed 1
	within 60 knob_at_least vm standby $((64 * MIB))
	at_least "$(liar take)" 16 "blocks taken"
	after_a_lie
}

test_a_host_that_does_not_take_the_table_is_not_offered_anything() {
	refused_with status=$INVALID
	then_taken
}

test_a_table_that_the_host_failed_to_take_is_not_used() {
	refused_with status=$IO
	then_taken
}

test_a_table_with_an_unknown_answer_is_not_used() {
	refused_with status=0x80000005
	then_taken
}

test_a_table_without_an_answer_is_not_used() {
	refused_with silent
	at_least "$(liar answer in)" 1 "answers given late"
	then_taken
}

test_a_table_whose_answer_makes_no_sense_breaks_the_device() {
	refused_with done=1
	state_is broken 5
	after_a_lie
}

test_a_host_that_wants_no_table_any_more_has_nothing_of_the_last_one() {
	offer
	at_least "$(liar take)" 1 "blocks taken"
	tell lie in status=$INVALID
	check guest vm 'cd /sys/bus/virtio/drivers/ballonet &&
		echo virtio0 >unbind && echo virtio0 >bind'
	within 20 has_free vm $((free - SLACK))
	eq "$(knob vm standby)" 0 standby
	tell honest
	after_a_lie
}

test_nothing_of_a_table_leaks() {
	nothing_leaks vm
}

test_the_guest_with_blocks_on_standby_leaves() {
	guest_leaves
}

# All other bits of devices and vendors: nobody knows what they mean.
test_a_device_with_features_that_nobody_knows_is_served() {
	guest_meets_liar $((RANGES | VERSION_1 | 0xffffc0 | 0x7ff << 53)) ||
		return
	works_again
	guest_leaves
}

test_a_device_with_no_feature_is_served() {
	guest_meets_liar $VERSION_1 || return
	works_again
	inflate_with broken head=9
	after_a_lie
	guest_leaves
}

run_tests
