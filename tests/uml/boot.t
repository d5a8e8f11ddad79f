#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The harness itself, with User-Mode Linux: a guest boots, obeys and is measured.

. "$(dirname "$0")/../lib/test.sh"

test_uml_boots() {
	guest_start vm uml mem=256M
}

test_a_command_gives_output_and_status() {
	eq "$(guest vm 'echo one; printf "two\n\nfour"')" \
		$'one\ntwo\n\nfour' "the output"
	guest vm 'exit 3'
	eq $? 3 "the status"
	guest vm 'kill -9 $$'
	eq $? 137 "the status of a killed command"
}

test_a_command_that_hangs_is_ended() {
	GUEST_COMMAND_LIMIT=1 guest vm 'sleep 100'
	eq $? 124 "the status"
	eq "$(guest vm 'echo alive')" alive "the next command"
}

test_background_work_does_not_hold_up_its_command() {
	check guest vm 'sleep 50 &'
	check guest vm 'pidof sleep'
}

test_many_lines_come_through_whole() {
	eq "$(guest vm 'seq 1 3000')" "$(seq 1 3000)" "the output"
}

test_modules_are_this_kernels() {
	check guest vm 'insmod /lib/ballonet.ko && rmmod ballonet' || return
	check guest vm 'modprobe virtio_balloon && rmmod virtio_balloon'
}

test_memory_touched_in_the_guest_is_seen_on_the_host() {
	local before after

	before=$(guest_mem_blocks vm) || return
	check guest vm 'memload fill 128' || return
	after=$(guest_mem_blocks vm)
	# Some of it was touched before: what the kernel unpacked at its start.
	at_least $(((after - before) >> 20)) 96 "growth in MiB"
}

test_memload_verifies_what_it_filled() {
	check guest vm 'memload check'
	check guest vm 'memload check && memload drop'
	refused guest vm 'memload check'
}

test_uml_powers_off_with_a_clean_log() {
	guest_stop vm
}

test_a_warning_in_the_log_is_found() {
	guest_start vm uml mem=128M || return
	guest vm 'echo "WARNING: CPU: 0 PID: 1 at planted" >/dev/kmsg'
	# Not a failure of this test, so not in this shell.
	refused eval '(guest_stop vm)'
}

test_memory_on_huge_pages() {
	[ "$(id -u)" -eq 0 ] || { skip "mounts a tmpfs: root only"; return; }
	guest_start huge uml mem=256M ram=thp || return
	check guest huge 'memload touch 64'
	at_least "$(awk '/^ShmemPmdMapped/ { n += $2 } END { print n }' \
		"/proc/$(guest_pid huge)/smaps")" 20480 "KiB mapped huge"
	guest_stop huge
}

run_tests
