#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A device that cannot go on: QEMU's own balloon, on whose ring somebody has
# written nonsense, asks for a reset, and gets one.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

# ring_address - of what the guest makes available on inflateq: its address in
# the guest's memory, which is the offset in the memory file
ring_address() {
	guest_qmp vm '{"execute": "x-query-virtio-queue-status", "arguments": {
		"path": "/machine/peripheral/balloon/virtio-backend",
		"queue": 0}}' | jq '."vring-avail"'
}

# patch OFFSET - standard input into the guest's memory
patch() {
	dd "of=$(guest_mem_file vm)" bs=1 conv=notrunc "seek=$1" status=none
}

# break_ring - one more buffer, with a number that no buffer has. QEMU looks at
# its rings when it starts.
break_ring() {
	local address index

	check guest_qmp vm stop >/dev/null
	address=$(ring_address)
	index=$(od -An -tu2 -N2 -j$((address + 2)) "$(guest_mem_file vm)")
	printf '\xff%.0s' {1..256} | patch $((address + 4))
	index=$(printf '%04x' $(((index + 1) & 0xffff)))
	printf '%b' "\\x${index:2}\\x${index:0:2}" | patch $((address + 2))
	check guest_qmp vm cont >/dev/null
}

test_a_guest_with_a_full_balloon_boots() {
	guest_start vm "$kernel" device=qemu || return
	check driver_load vm ballonet
	check guest vm memload fill 48
	total=$(meminfo vm MemTotal)
	check balloon_set vm qemu $((128 * MIB))
	within 30 balloon_is vm qemu $((128 * MIB))
}

# said TIMES TEXT - in the guest's log
said() {
	[ "$(grep -ac "ballonet virtio0: $2" "$WORK/vm.log")" -eq "$1" ]
}

goes_on() {
	within 30 knob_is vm state idle
	check balloon_set vm qemu $((64 * MIB))
	within 30 balloon_is vm qemu $((64 * MIB))
	check balloon_set vm qemu $((128 * MIB))
	within 30 balloon_is vm qemu $((128 * MIB))
	eq "$(meminfo vm MemTotal)" "$total" MemTotal
	check guest vm memload check
}

test_a_device_that_asks_for_a_reset_is_reset() {
	break_ring
	within 30 said 1 'device asks for a reset[[:space:]]*$'
	goes_on
}

test_a_device_that_asks_again_and_again_is_left_alone() {
	local i

	for i in 2 3 4 5; do
		break_ring
		within 30 said $i 'device asks for a reset[[:space:]]*$'
		within 30 knob_is vm state idle
		# A ring in use would be mended by the guest's next buffer.
		within 30 knob_is vm actual $((128 * MIB))
		within 30 knob_is vm state idle
	done
	break_ring
	within 30 said 1 'device broke after 5 resets'
	eq "$(knob vm state)" broken state
	check guest vm memload check
}

test_unbinding_and_binding_the_driver_helps_then() {
	check guest vm 'rmmod ballonet && insmod /lib/ballonet.ko'
	goes_on
}

test_the_log_is_clean() {
	guest_stop vm
}

# Transports differ in what the driver can ask them for.
for kernel in 6.1 7.3; do
	for name in $(names_of_tests); do
		run_test "${name//_/ }, $kernel" "test_$name"
	done
done
kernel=6.12
run_tests
