#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The debug kernel (KASAN, lockdep, kmemleak, ...) finds nothing in a guest at rest.

. "$(dirname "$0")/../lib/test.sh"

test_the_debug_kernel_boots_clean() {
	guest_start vm uml-debug mem=512M || return
	check guest vm 'memload touch 64'
	guest_log_clean vm
}

test_the_module_loads_and_unloads_clean() {
	check guest vm 'insmod /lib/ballonet.ko && rmmod ballonet'
	guest_log_clean vm
}

test_no_memory_is_leaked() {
	check guest vm 'echo scan > /sys/kernel/debug/kmemleak'
	eq "$(guest vm 'cat /sys/kernel/debug/kmemleak')" '' "kmemleak's list"
}

test_it_powers_off() {
	guest_stop vm
}

test_which_lines_of_the_driver_ran_is_known() {
	check "$TOP/tests/tools/coverage" report >"$WORK/report"
	cat "$WORK/report"
	check grep -qE '^  main\.c +[1-9][0-9]* of +[0-9]+ lines' "$WORK/report"
	check grep -qE '^  total +[1-9][0-9]* of' "$WORK/report"
}

run_tests
