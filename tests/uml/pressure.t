#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How the balloon gives way, and comes back: at native speed, in User-Mode
# Linux. tests/vm/pressure.t has the kernels of Debian, pressure-debug.t runs
# this on the debug kernel.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/lib/liar.sh"

kernel=${UML_KERNEL:-uml}
# The debug kernel takes ten times as long for each page.
mem=1G
[ "$kernel" = uml ] || mem=256M
exec 3>&1

# demand MIB - allocated as fast as a kernel copies, and freed again
demand() {
	check guest vm "dd if=/dev/zero of=/tmp/all bs=1M count=$1 2>/dev/null
		s=\$?; rm /tmp/all; exit \$s"
}

test_demand_at_the_kernels_speed_kills_nobody() {
	local cold warm ms

	backend_start vm
	guest_start vm "$kernel" mem=$mem "socket=$WORK/vm.sock" || return
	check guest vm mount -o remount,size=100% /tmp
	check guest vm memload fill 48
	check driver_load vm ballonet
	available=$(($(meminfo vm MemAvailable) / MIB))
	# First the host has to find the memory, as it has behind a balloon.
	timed demand $((available - 48))
	cold=$ms
	timed demand $((available - 48))
	warm=$ms
	check knob vm target 8G
	within 30 knob_is vm state floor
	timed demand $((available - 48))
	echo "# $((available - 48)) MiB in $ms ms; without balloon in" \
		"$cold ms, and in $warm ms if the host has it ready" >&3
	eq "$(vmstat vm oom_kill)" 0 "processes killed"
	# Until a pause is over, which is soon where demand takes its time.
	at_least "$(driver_count vm stop_pressure)" 1 "stops for pressure"
	check guest vm memload check
}

# How long a pause is can be seen where demand takes less time.
if [ "$kernel" = uml ]; then
# seconds_down - until the balloon has grown again
seconds_down() {
	local begin=$SECONDS

	within 60 knob_is vm state floor || return
	echo $((SECONDS - begin))
}

# Where demand comes again before a pause has been over for as long as it was.
test_a_pause_that_was_too_short_is_doubled() {
	local first second

	for _ in 1 2 3; do
		first=$(seconds_down)
		demand $((available - 48))
		second=$(seconds_down)
		echo "# down for $first s, then for $second s" >&3
		[ "$second" -lt 9 ] || break
	done
	at_least "$second" 9 "seconds of the second pause"
	eq "$(vmstat vm oom_kill)" 0 "processes killed"
	check guest vm memload check
}
fi

test_nothing_leaks() {
	check guest vm rmmod ballonet
	nothing_leaks vm
}

test_the_log_is_clean() {
	guest_stop vm
	within 5 gone "${backend_pids[vm]}"
}

says_short() {
	[ "$(liar event 1 | cut -d' ' -f1)" -ge 1 ]
}

# A host may be slow, and the blocks of a report are out of sight meanwhile.
test_nobody_is_killed_while_the_host_is_shown_what_is_free() {
	local before after demand

	liar_start vm $((TELL | STATS | REPORTING | VERSION_1 | RANGES | EVENTS))
	guest_start vm "$kernel" mem=512M "socket=$WORK/vm.sock" || return
	tell lie report silent
	before=$(free_bytes vm)
	check driver_load vm ballonet
	within 60 count_at_least report 1
	after=$(free_bytes vm)
	at_least $((before - after)) $((96 * MIB)) "bytes out of sight"
	check guest vm memload touch $((before / MIB - 64)) &
	demand=$!
	within 60 says_short
	sleep 1
	while ! gone $demand; do
		liar answer report >/dev/null
		sleep 0.2
	done
	check wait $demand
	eq "$(vmstat vm oom_kill)" 0 "processes killed"
	guest_stop vm
	within 5 gone "$liar_pid"
}

run_tests
