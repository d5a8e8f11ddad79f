#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make bench works: a table comes of it. How fast anything is has no part in it.

. "$(dirname "$0")/../lib/test.sh"

bench() {
	BENCH_OUT=$WORK/bench ROUNDS=1 CYCLES=1 SIZE_MIB=128 \
		SUBJECTS=$1 WORKS=$2 "$TOP/tests/bench/run"
}

# row SUBJECT METRIC - of this there is one, with a median
row() {
	check grep -qE "^\| $1 \| $2(, ms/GiB)? \| [0-9.e+]+ \|" \
		"$WORK/bench/table.md"
}

test_a_guest_and_the_raw_limit_are_measured() {
	check bench 'uml-ballonet-memfd raw-memfd' touched || return
	row uml-ballonet-memfd shrink
	row uml-ballonet-memfd grow
	row raw-memfd shrink
	check test -s "$WORK/bench/touched.svg"
}

test_the_back_end_is_measured_without_a_guest() {
	check bench alone-memfd touched || return
	row alone-memfd shrink
	row alone-memfd return
}

test_counts_are_taken() {
	check bench uml-ballonet-memfd counts || return
	row uml-ballonet-memfd shrink-kicks
	row uml-ballonet-memfd shrink-discards
}

test_a_name_that_nobody_has_is_refused() {
	refused bench no-such-subject touched
}

run_tests
