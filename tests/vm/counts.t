#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a GiB costs, in numbers that no machine changes: instructions of the
# guest, notifications, system calls of the host, huge pages that are lost.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

kernel=6.12
GUEST_MIB=1536
BALLOON=$((1024 * MIB))
PAGES=$((BALLOON / 4096))
BLOCKS=$((PAGES / 512))
CYCLES=10

# Zeroing is work of the page allocator, and an instruction of x86 can zero any
# number of bytes.
guest_of() {
	local name=$1
	shift
	guest_start "$name" $kernel "mem=${GUEST_MIB}M" insns=on \
		cmdline=init_on_alloc=0 "$@"
}

# costs NAME HOST - leaves the instructions that a GiB takes to the host in
# $inflate, and back in $deflate. Nobody else has the guest do something.
costs() {
	local begin

	begin=$(guest_insns "$1")
	check balloon_set "$1" "$2" $BALLOON || return
	within 60 balloon_is "$1" "$2" $BALLOON || return
	inflate=$(($(guest_insns "$1") - begin))
	begin=$(guest_insns "$1")
	check balloon_set "$1" "$2" 0
	within 60 balloon_is "$1" "$2" 0 || return
	deflate=$(($(guest_insns "$1") - begin))
}

test_what_a_gibibyte_costs_with_the_driver_and_the_device_of_others() {
	guest_of theirs device=qemu || return
	check driver_load theirs virtio_balloon
	costs theirs qemu || return
	their_inflate=$inflate
	their_deflate=$deflate
	echo "# instructions of the guest: inflate $inflate, deflate $deflate"
	guest_stop theirs
}

# counted - kicks, calls and discards of the back-end
counted() {
	ctl ours --json counters ours |
		jq -r '"\(.kicks) \(.calls) \(.discard_calls)"'
}

test_the_guest_runs_a_twentieth_of_their_instructions() {
	backend_start ours
	guest_of ours "socket=$WORK/ours.sock" ram=thp || return
	check driver_load ours ballonet
	costs ours vhost || return
	echo "# instructions of the guest: inflate $inflate, deflate $deflate;" \
		"$((their_inflate / inflate)) and" \
		"$((their_deflate / deflate)) times fewer"
	at_most "$inflate" $((their_inflate / 20)) "instructions to inflate"
	at_most "$deflate" $((their_deflate / 20)) "instructions to deflate"
}

# moves BYTES - the balloon gets there; leaves in $kicks, $calls and $discards
# how often the host was told by the guest, the guest by the host, and how often
# the host's kernel was called to free memory. Free pages that are reported are
# not counted
moves() {
	local before after

	read -ra before < <(counted)
	check balloon_set ours vhost "$1" || return
	within 60 balloon_is ours vhost "$1" || return
	read -ra after < <(counted)
	kicks=$((after[0] - before[0]))
	calls=$((after[1] - before[1]))
	discards=$((after[2] - before[2]))
	echo "# notifications $kicks, interrupts $calls, discards $discards"
}

test_a_gibibyte_takes_four_notifications_and_as_many_interrupts() {
	moves $BALLOON || return
	at_most "$kicks" 4 notifications
	at_most "$calls" 4 interrupts
}

test_a_gibibyte_of_whole_blocks_takes_a_call_of_the_kernel_each() {
	at_least "${discards:-0}" 1 "calls to discard"
	at_most "$discards" $((BLOCKS + BLOCKS / 100)) "calls to discard"
}

# Free pages that are reported cost it a few calls, whenever that is.
test_no_page_that_comes_back_costs_a_system_call() {
	local worker pid

	worker=$(grep -l '^rings$' \
		"/proc/${backend_pids[ours]}/task"/*/comm | cut -d/ -f5)
	strace -o "$WORK/strace" -p "$worker" 2>"$WORK/strace.err" &
	pid=$!
	background $pid
	within 10 grep -q attached "$WORK/strace.err" || return
	moves 0 || return
	kill $pid
	wait $pid 2>/dev/null
	echo "# $(wc -l <"$WORK/strace") system calls for $PAGES pages"
	at_least "$(wc -l <"$WORK/strace")" 1 "system calls"
	at_most "$(wc -l <"$WORK/strace")" $((PAGES / 64)) "system calls"
	at_most "$kicks" 4 notifications
	at_most "$calls" 4 interrupts
	eq "$discards" 0 "calls to discard"
}

# mapped_huge - KiB of the guest's memory, in page tables of the VMM
mapped_huge() {
	awk '/^ShmemPmdMapped/ { n += $2 } END { print n }' \
		"/proc/$(guest_pid ours)/smaps"
}

# refused_huge - how often this host had no huge page for a file
refused_huge() {
	awk '/^thp_file_fallback / { print $2 }' /proc/vmstat
}

test_ten_cycles_cost_no_huge_page() {
	local most before after refused i

	[ "$(id -u)" -eq 0 ] && echo 1 >/proc/sys/vm/compact_memory
	most=$(($(meminfo ours MemAvailable) / MIB - 64))
	check guest ours memload touch $most
	before=$(mapped_huge)
	[ "$before" -ge $((most * 512)) ] ||
		{ skip "this host has no huge pages to give"; return; }
	refused=$(refused_huge)
	for ((i = 0; i < CYCLES; i++)); do
		moves $BALLOON || return
		moves 0 || return
		check guest ours memload touch 64
	done
	check guest ours memload touch $most
	after=$(mapped_huge)
	refused=$(($(refused_huge) - refused))
	echo "# huge pages: $before KiB before, $after after;" \
		"this host had none $refused times"
	[ "$after" -ge $((before * 95 / 100)) ] ||
		[ $((after + refused * 2048)) -lt $((before * 95 / 100)) ] ||
		{ skip "this host has run out of huge pages"; return; }
	at_least "$after" $((before * 95 / 100)) "KiB of huge pages"
}

test_the_log_is_clean() {
	guest_stop ours
	within 5 gone "${backend_pids[ours]}"
}

test_all_pages_of_hugetlb_come_back_to_the_pool() {
	local before

	hugetlb_reserve 512 ||
		{ skip "no 512 MiB of huge pages to be had"; return; }
	backend_start ours
	guest_start ours $kernel "socket=$WORK/ours.sock" ram=hugetlb \
		prealloc=on || return
	before=$(guest_mem_blocks ours)
	eq "$before" $((512 * MIB)) "bytes of huge pages"
	check driver_load ours ballonet
	moves $((256 * MIB)) || return
	at_least $((before - $(guest_mem_blocks ours))) \
		$((256 * MIB * 99 / 100)) "bytes that came back"
	guest_stop ours
	within 5 gone "${backend_pids[ours]}"
}

run_tests
