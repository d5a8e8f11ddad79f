#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The harness itself, with QEMU: each of Debian's kernels boots in each QEMU,
# and the in-tree driver with QEMU's own device moves memory, which shows that
# what the harness measures is real.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

# balloon_is MIB-OF-RAM - QEMU's figure, the size of the guest without balloon
balloon_is() {
	[ "$(guest_qmp vm query-balloon | jq .actual)" -eq $(($1 * MIB)) ]
}

set_balloon() {
	guest_qmp vm '{"execute": "balloon",
		"arguments": {"value": '$(($1 * MIB))'}}' >/dev/null
}

boots_and_obeys() {
	local kernel=$1 qemu=$2

	guest_start vm "$kernel" qemu="$qemu" device=qemu || return
	case $(guest vm 'uname -r') in
	"$kernel".*) ;;
	*)	fail "this kernel is not $kernel" ;;
	esac
	check guest vm 'insmod /lib/ballonet.ko && rmmod ballonet'
}

# Touched and freed again first: the balloon can free only what was allocated.
balloon_moves_memory() {
	local before small after

	check guest vm 'modprobe virtio_balloon && memload touch 256' || return
	before=$(guest_mem_blocks vm) || return
	check set_balloon 256 && within 30 balloon_is 256 || return
	small=$(guest_mem_blocks vm)
	at_least $(((before - small) / MIB)) 150 "MiB freed"
	check set_balloon 512 && within 30 balloon_is 512 || return
	check guest vm 'memload touch 256'
	after=$(guest_mem_blocks vm)
	at_least $(((after - small) / MIB)) 150 "MiB taken again"
}

for kernel in 6.1 6.12 7.3; do
	for qemu in 11 debian; do
		run_test "$kernel boots in QEMU $qemu" \
			boots_and_obeys $kernel $qemu
		run_test "its own balloon moves memory, $kernel, QEMU $qemu" \
			balloon_moves_memory
		run_test "$kernel powers off with a clean log, QEMU $qemu" \
			guest_stop vm
	done
done

test_memory_on_huge_pages() {
	[ "$(id -u)" -eq 0 ] || { skip "mounts a tmpfs: root only"; return; }
	guest_start huge 6.1 ram=thp || return
	check guest huge 'memload touch 64'
	at_least "$(awk '/^ShmemPmdMapped/ { n += $2 } END { print n }' \
		"/proc/$(guest_pid huge)/smaps")" 20480 "KiB mapped huge"
	guest_stop huge
}

# ram_is_measured RAM - what a guest touches is found in its memory file
ram_is_measured() {
	local before

	[ "$1" != hugetlb ] || hugetlb_reserve 256 ||
		{ skip "no 256 MiB of huge pages to be had"; return; }
	guest_start "$1" 6.1 "ram=$1" mem=256M || return
	before=$(guest_mem_blocks "$1") || return
	check guest "$1" memload touch \
		$(($(meminfo "$1" MemAvailable) / MIB - 24))
	at_least $((($(guest_mem_blocks "$1") - before) / MIB)) 60 "MiB more"
	guest_stop "$1"
}

for ram in shm file hugetlb; do
	run_test "memory of kind $ram is measured" ram_is_measured $ram
done

run_tests
