#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The property that matters most: no page that the guest uses is ever
# reclaimed. A guest program keeps checking and rewriting its memory while the
# balloon moves at random, from both sides, and the back-end is killed and
# started again by ballonetd.
#
# STRESS_SECONDS for each guest (default 30), STRESS_SEED to repeat a run.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

seconds=${STRESS_SECONDS:-30}
RANDOM=${STRESS_SEED:=$RANDOM}
run=$WORK/run

manager() {
	"$BIN/ballonetctl" "--control=$run/control" "$@"
}

backend_pid() {
	pgrep -P "$manager_pid" -f -- "--name=$1( |\$)"
}

# disturb NAME DRIVER - one random thing
disturb() {
	local name=$1 driver=$2 pid

	case $((RANDOM % 8)) in
	[0-3])	manager set "$name" --balloon \
			$((RANDOM % 320))M >/dev/null ;;
	4)	[ "$driver" != ballonet ] ||
			knob "$name" target $((RANDOM % 320))M ;;
	5)	guest "$name" memload touch $((1 + RANDOM % 64)) ;;
	6)	# It may be on its way up from the last time.
		pid=$(backend_pid "$name") && kill -KILL "$pid" &&
			kills=$((kills + 1)) ;;
	7)	sleep 0.$((RANDOM % 5)) ;;
	esac
}

# stress KERNEL DRIVER
stress() {
	local kernel=$1 driver=$2 name=$2 end kills=0 steps=0

	echo "seed $STRESS_SEED"
	socket=$(manager add "$name") || fail "add failed" || return
	guest_start "$name" "$kernel" "socket=$socket" || return
	check driver_load "$name" "$driver"
	check guest "$name" memload fill 128
	end=$((SECONDS + seconds))
	while [ $SECONDS -lt $end ] && [ -z "$test_failed" ]; do
		disturb "$name" "$driver"
		check guest "$name" memload check >/dev/null
		steps=$((steps + 1))
	done
	echo "$steps steps, $kills kills"
	at_least $steps 10 steps
	at_least $kills 1 kills
	eq "$(manager --json status "$name" | jq -r .state)" running \
		"state at the end"
	[ "$driver" != ballonet ] || check knob "$name" target 0
	check manager set "$name" --balloon 0 --wait >/dev/null
	check guest "$name" memload check
	check guest "$name" memload drop
	check guest "$name" rmmod "$driver"
	guest_stop "$name"
	within 5 manager remove "$name" >/dev/null
}

test_the_manager_starts() {
	: >"$WORK/ballonetd.conf"
	"$BIN/ballonetd" "--config=$WORK/ballonetd.conf" \
		"--runtime-dir=$run" "--backend=$BIN/vhost-user-balloon" \
		>"$WORK/ballonetd.log" 2>&1 </dev/null &
	manager_pid=$!
	background $manager_pid
	within 5 test -S "$run/control"
}

test_ballonet_loses_no_byte() {
	stress uml ballonet
}

test_ballonet_loses_no_byte_on_the_debug_kernel() {
	stress uml-debug ballonet
}

test_virtio_balloon_loses_no_byte_with_our_back_end() {
	stress uml virtio_balloon
}

run_tests
