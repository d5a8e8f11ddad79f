#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real guests with real loads, together twice as large as their host, under
# ballonetd: for SECONDS, nobody is killed, nobody loses a byte, and the host
# keeps its budget. tests/tools/pressure compares with other laws, for hours.
#
# MANAGED_SECONDS	how long (default 60)

. "$(dirname "$0")/../lib/test.sh"
export FARM_HOST=1408
. "$TOP/tests/pressure/farm.sh"

seconds=${MANAGED_SECONDS:-60}
# A busy machine stops a guest, or the manager, for that long.
GRACE_MS=20000

kept() {
	awk -v "host=$FARM_HOST" 'NR > 1 { s = 0; for (i = 2; i <= NF; i++) s += $i
		if (s > most) most = s }
		END { printf "%d of %d", most, host }' "$WORK/held"
}

test_guests_larger_than_their_host_start() {
	"$TOP/tests/pressure/initrd" || fail "no guest" || return
	# shellcheck disable=SC2086 # a list of words
	farm_start on ballonet $FARM_KINDS || return
	farm_watch
	farm_follow
}

test_the_host_keeps_its_budget() {
	local end=$((SECONDS + seconds))

	while [ $SECONDS -lt $end ]; do
		sleep 10
		farm_decided
	done
	farm_decided
	farm_watched
	echo "# at most $(kept) MiB occupied; below the floor" \
		"$(spells short 3 | wc -l) times, for" \
		"$(spells short 3 | percentile 50) ms (median)," \
		"$(spells short 3 | percentile 100) ms at most"
	echo "# from a guest's \"short\" to its new target:" \
		"$(relief_ms | percentile 50) ms (median of $(relief_ms | wc -l))"
	at_least "$(wc -l <"$WORK/decisions")" 1 "decisions"
	at_most "$(spells over 3 | awk '{ s += $1 } END { print s + 0 }')" \
		$GRACE_MS "ms over the budget"
}

test_nobody_is_killed() {
	local name

	for name in "${FARM_NAMES[@]}"; do
		refused gone "$(guest_pid "$name")"
		eq "$(vmstat "$name" oom_kill)" 0 "processes killed in $name"
	done
}

test_all_work_is_done_and_no_byte_lost() {
	local name

	for name in "${FARM_NAMES[@]}"; do
		units "$name" >"$WORK/$name.units"
		! grep -E 'LOST|FAILED' "$WORK/$name.units" || fail "in $name"
	done
	echo "# $(cat "$WORK"/*.units | wc -l) units of work"
	at_least "$(cat "$WORK"/*.units | wc -l)" 1 "units of work"
}

test_the_guests_logs_are_clean() {
	local name

	for name in "${FARM_NAMES[@]}"; do
		guest_stop "$name"
	done
	manager_end TERM
}

run_tests
