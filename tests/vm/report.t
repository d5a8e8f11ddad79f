#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Free page reporting: what a guest frees goes back to the host by itself.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

# freed_memory_goes_back KERNEL
freed_memory_goes_back() {
	local touched

	guest_start vm "$1" device=none "args=-device \
		virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on" ||
		return
	check guest vm memload fill 32
	check guest vm memload touch 320
	touched=$(guest_mem_blocks vm)
	check driver_load vm ballonet
	# The kernel looks every two seconds, at a part of what is free.
	within 40 resident_at_most vm $((touched - 288 * MIB)) || return
	check guest vm memload check
	check guest vm memload touch 320
	check guest vm memload check
	check guest vm rmmod ballonet
	guest_stop vm
}

test_memory_freed_on_6_1_goes_back_by_itself() {
	freed_memory_goes_back 6.1
}

test_memory_freed_on_6_12_goes_back_by_itself() {
	freed_memory_goes_back 6.12
}

test_memory_freed_on_7_3_goes_back_by_itself() {
	freed_memory_goes_back 7.3
}

run_tests
