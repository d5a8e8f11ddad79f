#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonet and Linux's virtio_balloon want the same device: who gets it at boot,
# and how it changes hands in a guest that runs.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

takeover=$TOP/driver/compat/takeover

# modules_for CONF - what the kernel's request for a driver loads
modules_for() {
	local root=$WORK/root release

	release=$(<"$CACHE/kernels/6.12/release")
	rm -rf "$root"
	mkdir -p "$root/lib/modules/$release" "$root/conf"
	cp "$CACHE/kernels/6.12/modules/virtio_balloon.ko" \
		"$TOP/build/modules/6.12/ballonet.ko" \
		"$root/lib/modules/$release"
	touch "$root/lib/modules/$release"/modules.{order,builtin}
	depmod -b "$root" "$release" 2>/dev/null
	cp "$1" "$root/conf/test.conf"
	modprobe -d "$root" -C "$root/conf" -S "$release" \
		--resolve-alias virtio:d00000005v00001AF4 | sort | xargs
}

test_without_our_file_both_modules_are_loaded() {
	eq "$(modules_for /dev/null)" "ballonet virtio_balloon" modules
}

test_with_our_file_only_ballonet_is_loaded() {
	eq "$(modules_for "$TOP/driver/modprobe-ballonet.conf")" ballonet \
		modules
}

# device RELEASE BIT... - takeover --check of a device with these features
device() {
	local release=$1 bit bits=
	local dir=$WORK/sys/bus/virtio/drivers/virtio_balloon/virtio3
	shift

	for ((bit = 0; bit < 64; bit++)); do
		case " $* " in
		*" $bit "*) bits+=1 ;;
		*)	bits+=0 ;;
		esac
	done
	mkdir -p "$dir"
	echo "$bits" >"$dir/features"
	SYSFS=$WORK/sys RELEASE=$release "$takeover" --check
}

test_a_takeover_that_would_panic_is_refused() {
	local release

	for release in 6.11.0-generic 6.12.95+deb12-cloud-amd64 6.12 6.12-rc1 \
		6.12.9 6.13.7 6.19.10 6.20.1 7.0.4; do
		refused device "$release" 0 1 2 5 32
		refused device "$release" 5
		refused device "$release" 0 3 5
		refused device "$release" 3
		check device "$release" 0 1 2 32
		check device "$release" 1 3 5
		check device "$release" 1 3
		check device "$release" 0 2
	done
	eq "$(device 6.12.95+deb12-cloud-amd64 1 5 2>&1)" \
		"takeover: kernel 6.12.95+deb12-cloud-amd64 may panic when virtio3 is unbound: a queue is missing. Install modprobe-ballonet.conf and boot again." \
		"the reason"
}

test_a_takeover_that_is_safe_is_not_refused() {
	local release

	for release in 6.1.0-56-cloud-amd64 6.10.11 6.12.96 \
		6.12.117+deb12-cloud-amd64 6.12.100 7.1.0 7.3.4+deb13-amd64; do
		check device "$release" 0 1 2 5 32
	done
	rm -r "$WORK/sys"
	check env "SYSFS=$WORK/sys" "$takeover"
}

bound_to() {
	guest vm "basename \$(readlink /sys/bus/virtio/devices/virtio*/driver)"
}

# With a queue missing in the middle.
test_a_full_balloon_changes_hands() {
	guest_start vm 6.12 device=none "args=-device virtio-balloon-pci,id=balloon,deflate-on-oom=on,free-page-reporting=on" ||
		return
	check guest vm memload fill 48
	check driver_load vm virtio_balloon
	check balloon_set vm qemu $((64 * MIB))
	within 30 balloon_is vm qemu $((64 * MIB))
	check driver_load vm ballonet
	eq "$(bound_to)" virtio_balloon driver
	check guest vm "$(<"$takeover")"
	eq "$(bound_to)" ballonet driver
	within 30 knob_is vm actual $((64 * MIB))
	check guest vm memload check
}

test_and_back() {
	check guest vm 'cd /sys/bus/virtio/drivers && name=$(ls -d ballonet/virtio*) &&
		echo ${name#*/} >ballonet/unbind &&
		echo ${name#*/} >virtio_balloon/bind'
	eq "$(bound_to)" virtio_balloon driver
	within 30 balloon_is vm qemu $((64 * MIB))
	check guest vm memload check
	guest_stop vm
}

run_tests
