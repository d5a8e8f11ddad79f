#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an administrator can see of the driver at work: tracepoints, counters
# in debugfs, messages in the log. look-debug.t runs it on the debug kernel.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

kernel=${UML_KERNEL:-uml}
tracing=/sys/kernel/tracing
counters=/sys/kernel/debug/ballonet/virtio0/counters

# target_is_reached SIZE BYTES - by way of the knob
target_is_reached() {
	check knob vm target "$1"
	within 30 knob_is vm actual "$2"
	within 10 knob_is vm state idle
}

# trace - what was traced since the last call, without the kernel's columns
trace() {
	guest vm "sed -n 's/^.* \(ballonet_[a-z]*: \)/\1/p' $tracing/trace
		echo >$tracing/trace"
}

# frames EVENT - blocks of a trace on stdin, added up
frames() {
	awk -v event="$1:" '$1 == event {
		sub("order=", "", $4); n += 2 ^ $4 } END { print n + 0 }'
}

test_there_are_six_tracepoints() {
	backend_start vm
	guest_start vm "$kernel" "socket=$WORK/vm.sock" || return
	check driver_load vm ballonet
	check guest vm mount -t tracefs tracefs $tracing
	eq "$(guest vm "ls -d $tracing/events/ballonet/*/" |
		sed 's|.*/ballonet_||; s|/||' | paste -sd' ')" \
		"answer event give refuse request take" "the events"
	check guest vm "echo 1 >$tracing/events/ballonet/enable"
}

test_a_move_can_be_followed_from_block_to_answer() {
	local log

	target_is_reached 64M $((64 * MIB))
	log=$(trace)
	head -n 3 <<<"$log"
	grep -v ballonet_take: <<<"$log"
	eq "$(frames ballonet_take <<<"$log")" $((64 * 256)) "frames taken"
	eq "$(grep -c 'order=9' <<<"$log")" 32 "blocks of 2 MiB"
	check grep -qE '^ballonet_request: virtio0 inflate id=1 frames=[0-9]+ ranges=[0-9]+ in_flight=1$' <<<"$log"
	check grep -qE '^ballonet_answer: virtio0 inflate id=1 frames=([0-9]+) len=32 status=0 error=0 done=\1 freed=[0-9]+ usec=[0-9]+$' <<<"$log"
	target_is_reached 0 0
	log=$(trace)
	eq "$(frames ballonet_give <<<"$log")" $((64 * 256)) "frames given"
	check grep -qE '^ballonet_answer: virtio0 deflate .* error=0' <<<"$log"
}

test_a_trace_says_why_the_balloon_stays_small() {
	check knob vm target 8G
	within 20 knob_is vm state floor
	check grep -qE "^ballonet_refuse: virtio0 floor actual=[0-9]+ host_target=[0-9]+ target=$((8192 * 256)) floor=[0-9]+ available=[0-9]+ retry_ms=[0-9]+$" <<<"$(trace)"
	target_is_reached 0 0
	check guest vm "echo 0 >$tracing/events/ballonet/enable"
}

# counts NAME... - as words
counts() {
	local name

	for name; do
		driver_count vm "$name"
	done | paste -sd' '
}

test_counters_tell_what_was_done() {
	local small huge

	check guest vm 'rmmod ballonet && insmod /lib/ballonet.ko'
	within 5 knob_is vm state idle
	eq "$(counts take_huge take_small inflate_sent deflate_sent)" \
		"0 0 0 0" "counters of a balloon that has done nothing"
	target_is_reached $((64 * MIB + 8192)) $((64 * MIB + 8192))
	eq "$(counts take_huge take_small inflate_frames inflate_failed)" \
		"32 2 $((64 * 256 + 2)) 0" "counters of an inflate"
	eq "$(counts inflate_ok)" "$(counts inflate_sent)" "answers to requests"
	at_least "$(counts inflate_notified)" 1 notifications
	check balloon_set vm vhost $((65 * MIB))
	within 10 knob_is vm actual $((65 * MIB))
	at_least "$(counts config_change)" 1 "changes of configuration"
	check balloon_set vm vhost 0
	target_is_reached $((62 * MIB - 4096)) $((62 * MIB - 4096))
	at_least "$(counts split_huge)" 1 "blocks that were split"
	target_is_reached 0 0
	huge=$(($(counts take_huge) - $(counts split_huge)))
	small=$(($(counts take_small) + 512 * $(counts split_huge)))
	eq "$(counts give_huge give_small)" "$huge $small" "blocks given back"
	eq "$(counts deflate_frames)" "$(counts inflate_frames)" \
		"frames that came back"
	eq "$(counts deflate_failed deflate_nonsense deflate_not_sent)" \
		"0 0 0" "failures"
}

test_what_the_host_got_is_counted_in_bytes() {
	local available freed

	available=$(meminfo vm MemAvailable)
	check guest vm memload touch $((available / MIB - 100))
	freed=$(counts inflate_freed_bytes)
	target_is_reached 256M $((256 * MIB))
	# What was reported as free before is not freed again.
	at_least $(($(counts inflate_freed_bytes) + \
		$(counts report_bytes) - freed)) $((128 * MIB)) "bytes freed"
	at_most $(($(counts inflate_freed_bytes) - freed)) $((256 * MIB)) \
		"bytes freed"
}

test_counters_tell_why_the_balloon_stays_small() {
	check knob vm target 8G
	within 20 knob_is vm state floor
	at_least "$(counts stop_floor)" 1 "stops at the floor"
	check guest vm memload touch 200
	within 5 knob_is vm state pressure
	at_least $(($(counts relief_shrinker) + $(counts relief_oom))) 1 relief
	at_least "$(counts relief_frames)" 16384 "frames given back"
	at_least "$(counts stop_pressure)" 1 "stops for pressure"
	check knob vm target 0
	within 30 knob_is vm actual 0
}

test_counters_go_with_the_driver() {
	check guest vm 'cd /sys/bus/virtio/drivers/ballonet &&
		echo virtio0 >unbind'
	refused guest vm test -e $counters
	check guest vm 'echo virtio0 >/sys/bus/virtio/drivers/ballonet/bind'
	within 5 knob_is vm state idle
	eq "$(counts inflate_sent)" 0 "requests of the new balloon"
}

test_nothing_leaks() {
	check guest vm rmmod ballonet
	nothing_leaks vm
}

test_the_log_is_clean() {
	guest_stop vm
}

run_tests
