#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a program frees is soon the host's, and nobody asks for it: blocks on
# standby that the host takes eagerly, and free page reporting of what they leave.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

# Of this size, where reports are of 2 MiB as on x86, the kernel reports if a 16th
# of the guest is free, and does not if it is a 32nd.
test_a_program_uses_all_of_the_guest() {
	check backend_start vm --standby=eager
	guest_start vm uml "socket=$WORK/vm.sock" mem=1280M \
		cmdline=page_reporting.page_reporting_order=9 || return
	# The processor puts little aside, and the kernel does not reclaim while
	# all that is free is in a report.
	check guest vm 'cd /proc/sys/vm && echo 1024 >min_free_kbytes &&
		echo 100000 >percpu_pagelist_high_fraction'
	check driver_load vm ballonet
	check knob vm standby_limit 0
	mib=$(($(meminfo vm MemAvailable) / MIB - 16))
	check guest vm "dd if=/dev/zero of=/program bs=1M count=$mib 2>&1"
	used=$(guest_mem_blocks vm)
	at_least "$used" $((mib * MIB)) "bytes resident"
	check knob vm standby_limit 8G
	# The kernel reports two seconds after a block became free. Now none is,
	# so the next report is that long after the program has ended.
	sleep 3
}

# The host does not answer it for a while.
test_the_pool_stays_while_the_rest_is_in_a_report() {
	local reports released

	reports=$(driver_count vm report)
	released=$(driver_count vm standby_released)
	check kill -STOP "${backend_pids[vm]}"
	check guest vm rm /program
	within 30 knob_at_least vm standby $((mib * MIB / 2))
	within 30 driver_count_at_least vm report $((reports + 1))
	# Several looks of the pool.
	sleep 3
	eq "$(driver_count vm standby_released)" "$released" "blocks had back"
	check kill -CONT "${backend_pids[vm]}"
}

test_99_percent_of_what_the_program_had_is_the_hosts() {
	within 60 resident_at_most vm $((used - mib * MIB / 100 * 99))
	guest_stop vm
	backend_stop vm
}

run_tests
