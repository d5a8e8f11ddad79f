#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What an administrator can see of the driver at work: tracepoints, counters
# in debugfs, messages in the log.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

kernel=${UML_KERNEL:-uml}
tracing=/sys/kernel/tracing

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

test_there_are_five_tracepoints() {
	backend_start vm
	guest_start vm "$kernel" "socket=$WORK/vm.sock" || return
	check driver_load vm ballonet
	check guest vm mount -t tracefs tracefs $tracing
	eq "$(guest vm "ls -d $tracing/events/ballonet/*/" |
		sed 's|.*/ballonet_||; s|/||' | paste -sd' ')" \
		"answer give refuse request take" "the events"
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
	check grep -qE "^ballonet_refuse: virtio0 floor actual=[0-9]+ host_target=0 target=$((8192 * 256)) floor=[0-9]+ available=[0-9]+ retry_ms=[0-9]+$" <<<"$(trace)"
	target_is_reached 0 0
	check guest vm "echo 0 >$tracing/events/ballonet/enable"
}

test_the_log_is_clean() {
	check guest vm rmmod ballonet
	guest_stop vm
}

run_tests
