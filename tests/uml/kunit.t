#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tests of tests/kunit/, which run inside the debug kernel.

. "$(dirname "$0")/../lib/test.sh"

results=/sys/kernel/debug/kunit/ballonet_request/results

test_the_tests_run_in_the_kernel() {
	guest_start vm uml-debug || return
	check guest vm 'modprobe kunit && insmod /lib/ballonet_kunit.ko'
	guest vm cat "$results" >"$WORK/ktap"
	check grep -qE '^ +1\.\.[1-9]' "$WORK/ktap"
}

# one NAME VERDICT - what the kernel said of a test
one() {
	[ "$2" = ok ] || fail "$(sed -n "/^ *# $1/p" "$WORK/ktap")"
}

# Within the suite, every test has a line, more deeply indented than the suite.
test_no_test_of_the_kernel_is_lost() {
	eq "$(grep -cE '^ +(not )?ok ' "$WORK/ktap")" \
		"$(sed -nE 's/^ +1\.\.//p' "$WORK/ktap")" "number of tests"
}

test_the_log_is_clean() {
	check guest vm 'rmmod ballonet_kunit && rmmod kunit'
	guest_stop vm
}

results_in_words() {
	local verdict name

	while read -r verdict name; do
		run_test "${name//_/ }" one "$name" "$verdict"
	done < <(sed -nE 's/^ +(not )?ok [0-9]+ (\S+).*/\1ok \2/p' "$WORK/ktap" |
		sed 's/^not ok/not-ok/')
}

run_test "the tests run in the kernel" test_the_tests_run_in_the_kernel
[ ! -s "$WORK/ktap" ] || results_in_words
unset -f test_the_tests_run_in_the_kernel
run_tests
