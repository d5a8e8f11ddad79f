#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who works with whom: our driver and Linux's own on Debian's kernels, our
# back-end and QEMU's own device, each pair with a real inflate and deflate.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

# the_guest_tells NAME - a wish arrives, and this kernel's PSI trigger can be had;
# it stays armed
the_guest_tells() {
	check guest "$1" ballonet-psi
	check guest "$1" ballonet-psi
	eq "$(knob "$1" psi)" armed psi
	check knob "$1" target 32M
	within 30 balloon_is "$1" vhost $((32 * MIB))
	eq "$(vm_status "$1" wish)" $((32 * MIB)) "the guest's wish"
	check knob "$1" target 0
	within 30 balloon_is "$1" vhost 0
}

# the_host_takes NAME - what is on standby, and the guest has it when it needs it
the_host_takes() {
	local available took

	available=$(meminfo "$1" MemAvailable)
	within 60 frees_for_standby "$1" $((available / MIB - 24)) \
		$((128 * MIB)) || return
	eq "$(meminfo "$1" MemTotal)" "$total" "MemTotal with a pool"
	within 30 has_available "$1" $((available - 64 * MIB))
	took=$(ctl "$1" --json take "$1" 64M)
	eq "$(jq .taken <<<"$took")" $((64 * MIB)) "bytes taken"
	at_least "$(jq .freed <<<"$took")" $((48 * MIB)) "bytes freed"
	check guest "$1" memload touch $((available / MIB - 48))
	eq "$(vmstat "$1" oom_kill)" 0 "processes killed"
	check guest "$1" memload check
	check knob "$1" standby_limit 0
	within 30 knob_is "$1" standby 0
}

# cell KERNEL DRIVER HOST QEMU
cell() {
	local kernel=$1 driver=$2 host=$3 qemu=$4
	local name=guest options=(device="$host" qemu="$qemu") total free

	if [ "$host" = vhost ]; then
		check backend_start $name --standby=on-demand || return
		options+=("socket=$WORK/$name.sock")
	fi
	guest_start $name "$kernel" "${options[@]}" || return
	total=$(meminfo $name MemTotal)
	check driver_load $name "$driver"
	check guest $name memload fill 48
	host_memory_falls $name "$host" $((192 * MIB))
	check guest $name memload check
	balloon_is_given_back $name "$host"
	check guest $name memload check
	[ "$driver $host" != 'ballonet vhost' ] || the_host_takes $name
	check guest $name memload drop
	[ "$driver $host" != 'ballonet vhost' ] || the_guest_tells $name
	free=$(free_bytes $name)
	check guest $name rmmod "$driver"
	eq "$(meminfo $name MemTotal)" "$total" "MemTotal without the driver"
	within 30 has_free $name $((free - 4 * MIB))
	guest_stop $name
	[ "$host" != vhost ] || within 5 gone "${backend_pids[$name]}"
}

test_ballonet_on_6_1_with_our_back_end() {
	cell 6.1 ballonet vhost 11
}

test_virtio_balloon_on_6_1_with_our_back_end() {
	cell 6.1 virtio_balloon vhost 11
}

test_ballonet_on_6_1_with_the_device_of_QEMU_11() {
	cell 6.1 ballonet qemu 11
}

test_ballonet_on_6_12_with_our_back_end() {
	cell 6.12 ballonet vhost 11
}

test_virtio_balloon_on_6_12_with_our_back_end() {
	cell 6.12 virtio_balloon vhost 11
}

test_ballonet_on_6_12_with_the_device_of_QEMU_11() {
	cell 6.12 ballonet qemu 11
}

test_ballonet_on_7_3_with_our_back_end() {
	cell 7.3 ballonet vhost 11
}

test_virtio_balloon_on_7_3_with_our_back_end() {
	cell 7.3 virtio_balloon vhost 11
}

test_ballonet_on_7_3_with_the_device_of_QEMU_11() {
	cell 7.3 ballonet qemu 11
}

test_ballonet_on_6_12_with_the_device_of_the_QEMU_of_Debian_12() {
	cell 6.12 ballonet qemu debian
}

run_tests
