#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What tests/tools/pressure makes of what it has measured, without any guest.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/pressure/farm.sh"
. "$TOP/tests/pressure/room.sh"
. "$TOP/tests/pressure/recover.sh"

# short VM SECONDS... - what a guest told
short() {
	local vm=$1 at
	shift

	for at; do
		echo "{\"type\": \"short\", \"vm\": \"$vm\", \"time_us\": ${at}000000}"
	done
}

test_percentiles_are_of_sorted_numbers() {
	eq "$(seq 20 | percentile 50)" 10 median
	eq "$(seq 20 | percentile 95)" 19 "95 %"
	eq "$(seq 20 | percentile 100)" 20 most
	eq "$(percentile 50 </dev/null)" - "of none"
}

test_relief_is_from_what_was_told_to_the_next_larger_target() {
	# VM, since, until, from, to, and why.
	cat >"$WORK/decisions" <<-END
		a 100050000 100050000 10 20 need orange 7
		a 100050000 100050000 10 20 need orange 7
		a 110000000 110000000 20 10 take-idle red 1
		b 200300000 200300000 10 20 grow red 0
	END
	# a tells again while that is acted upon, and once to no effect.
	{
		short a 100 101 110
		short b 200
		echo '{"type": "plenty", "vm": "b", "time_us": 200200000}'
	} >"$WORK/events"
	eq "$(relief_ms | paste -sd,)" "50 need orange 7,300 grow red 0" relief
}

test_the_way_back_is_counted_by_what_the_host_lacks() {
	printf '%s\n' '400 30' '90 12' >"$WORK/recover.free"
	: >"$WORK/recover.cache"
	RECOVER_TRIES=3
	eq "$(recover_rows | head -n 1)" "| free | 2 of 3 | 90 | 400 | 400 |" \
		"row of what was free"
	eq "$(recover_rows | tail -n 1)" "| cache | 0 of 3 | - | - | - |" \
		"row of what was cached"
}

test_roles_are_changed_so_that_a_slower_guest_does_not_count() {
	# compile.2 is twice as slow; being managed costs a hundredth.
	half() {
		case $2 in
		*.1) costs+=(1010000 2000000) ;;
		*.2) costs+=(2020000 1000000) ;;
		esac
	}
	pair compile >"$WORK/room.pairs"
	eq "$(room_row compile)" \
		"| compile | 1 | 1414 | 1428 | +1.0 % | +1.0 % to +1.0 % |" row
}

run_tests
