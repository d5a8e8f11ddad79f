#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the README promises first.

. "$(dirname "$0")/../lib/test.sh"

test_the_demo_frees_what_the_guest_gives() {
	"$TOP/tests/tools/demo" >"$WORK/demo.out" 2>&1 ||
		fail "failed: $(<"$WORK/demo.out")" || return
	eq "$(grep -c '%  ok$' "$WORK/demo.out")" 2 "steps that free memory"
}

test_the_demo_takes_less_than_a_minute() {
	local seconds

	seconds=$(sed -n 's/.*; \([0-9]*\) s$/\1/p' \
		"$WORK/demo.out")
	at_most "$seconds" 60 "duration in seconds"
}

run_tests
