#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A guest with two NUMA nodes, of which the second is short: from which node
# the balloon takes, and to which it gives back.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

# What else the guest allocates and frees meanwhile, and what is free but put
# aside for a processor.
SLACK=$((20 * MIB))

# node_free NODE - bytes
node_free() {
	echo $(($(guest vm "sed -n 's/.*MemFree: *\([0-9]*\) kB/\1/p' \
		/sys/devices/system/node/node$1/meminfo") * 1024))
}

# node_has NODE BYTES - about as much free
node_has() {
	local off=$(($(node_free "$1") - $2))

	[ ${off#-} -le $SLACK ]
}

# has NODE BYTES - it will: what is given arrives after the balloon has shrunk
has() {
	within 10 node_has "$@" ||
		fail "node $1 has $(($(node_free "$1") / MIB)) MiB free, not $(($2 / MIB))"
}

balloon_gets() {
	check knob vm target "$1"
	within 30 knob_is vm actual "$1"
}

# boots_short_of_memory_on_node_1 KERNEL
boots_short_of_memory_on_node_1() {
	check backend_start vm
	guest_start vm "$1" mem=768M nodes=2 "socket=$WORK/vm.sock" || return
	eq "$(guest vm cat /sys/devices/system/node/has_memory)" 0-1 nodes
	total=$(meminfo vm MemTotal)
	check guest vm memload fill 200 1
	# Before anything is reported: it is not free for that moment.
	before=$(free_bytes vm)
	free0=$(node_free 0)
	free1=$(node_free 1)
	at_most "$free1" $((free0 / 4 * 3)) "free on the short node"
	check driver_load vm ballonet
}

takes_in_proportion() {
	local bytes=$((220 * MIB)) share1

	share1=$((bytes / MIB * (free1 / MIB) / ((free0 + free1) / MIB) * MIB))
	balloon_gets $bytes
	has 0 $((free0 - bytes + share1))
	has 1 $((free1 - share1))
}

gives_to_the_shortest_first() {
	local short

	short=$(node_free 1)
	balloon_gets $((180 * MIB))
	has 1 $((short + 40 * MIB))
	balloon_gets 0
	has 0 "$free0"
	has 1 "$free1"
}

prefers_the_node_it_is_told() {
	eq "$(knob vm node)" any "node at first"
	check knob vm node 1
	eq "$(knob vm node)" 1 node
	balloon_gets $((80 * MIB))
	has 0 "$free0"
	has 1 $((free1 - 80 * MIB))
	check knob vm node 0
	balloon_gets $((180 * MIB))
	has 0 $((free0 - 100 * MIB))
	# The other's go first.
	balloon_gets $((100 * MIB))
	has 0 $((free0 - 100 * MIB))
	has 1 "$free1"
}

# Node 1 has not half of this.
goes_on_where_the_preferred_has_no_more() {
	balloon_gets 0
	check knob vm node 1
	balloon_gets $((300 * MIB))
	at_most "$(node_free 1)" $((32 * MIB)) "free on node 1"
	eq "$(knob vm state)" idle state
	check guest vm memload check
	balloon_gets 0
}

refuses_what_is_no_node() {
	local value

	for value in '' x 2 -1 -2 1.5 1024 '1 0' 99999999999; do
		eq "$(knob vm node "$value" 2>&1)" \
			"sh: write error: Invalid argument" "writing '$value'"
		eq "$(knob vm node)" 1 node
	done
	check knob vm node any
	eq "$(knob vm node)" any node
}

leaves_nothing_behind() {
	balloon_gets $((200 * MIB))
	check guest vm rmmod ballonet
	eq "$(meminfo vm MemTotal)" "$total" MemTotal
	within 10 has_free vm $((before - 8 * MIB))
	check guest vm memload check
	guest_stop vm
}

# numa KERNEL
numa() {
	run_test "$1 boots, short of memory on one node" \
		boots_short_of_memory_on_node_1 "$1"
	[ -z "$test_failed" ] || return
	run_test "each node gives in proportion, $1" takes_in_proportion
	run_test "the shortest node is given back to first, $1" \
		gives_to_the_shortest_first
	run_test "a node can be preferred, $1" prefers_the_node_it_is_told
	run_test "a preferred node that has no more stops nothing, $1" \
		goes_on_where_the_preferred_has_no_more
	run_test "what is no node is refused, $1" refuses_what_is_no_node
	run_test "the driver leaves nothing behind, $1" leaves_nothing_behind
}

numa 6.1
numa 7.3
run_tests
