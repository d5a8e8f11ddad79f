#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The driver as the kernel's build and sparse see it: not one word of warning
# for any of the kernels.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/common.sh"

SPARSE=(C=2 CF=-D__CHECK_ENDIAN__)

# copy_build COPY KERNEL MAKE-ARGUMENT... - in a copy of the tree made by
# copy_tree: an object that is up to date is not compiled, hence not warned
# about, and the objects of other tests stay as they are
copy_tree() {
	local copy=$BUILD/$1

	rm -rf "$copy"
	mkdir -p "$copy/build" "$copy/tests"
	cp -r Kbuild driver include "$copy"
	cp -r tests/tools "$copy/tests"
	ln -s "$TOP/build/cache" "$copy/build/cache"
}

copy_build() {
	local copy=$BUILD/$1
	shift

	"$copy/tests/tools/build-module" "$@"
}

test_sparse_finds_a_planted_endian_bug() {
	copy_tree planted
	echo '__le16 planted(void); __le16 planted(void) { return 5; }' \
		>>"$BUILD/planted/driver/size.c"
	copy_build planted 6.12 "${SPARSE[@]}" >"$WORK/planted.log" 2>&1
	grep 'incorrect type in return' "$WORK/planted.log" ||
		{ cat "$WORK/planted.log"; return 1; }
}

build_is_silent() {
	copy_tree clean
	silent copy_build clean "$@"
}

kernel_versions() {
	grep -HnE 'LINUX_VERSION_CODE|KERNEL_VERSION|LINUX_VERSION_MAJOR|<(linux/version|generated/utsrelease|(linux|sys)/utsname)\.h>|UTS_RELEASE|uname\(|VERMAGIC_STRING' \
		-- "$@"
}

test_no_kernel_version_outside_driver_compat() {
	local all

	mapfile -t all < <(files 'driver/*' 'include/*' 'userspace/*' Kbuild |
		grep -v ^driver/compat/)
	echo '#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)' >"$WORK/v.h"
	loud kernel_versions "$WORK/v.h" && ! kernel_versions "${all[@]}"
}

# What an administrator sees of the module before he loads it.
modinfo_is_complete() {
	local ko=$TOP/build/modules/$1/ballonet.ko field version

	version=$(sed -nE 's/^PACKAGE_VERSION="(.*)"/\1/p' dkms.conf)
	for field in description author; do
		check grep -q '[a-z].* ' <<<"$(modinfo -F $field "$ko")" ||
			echo "no $field"
	done
	eq "$(modinfo -F name "$ko")" ballonet name
	eq "$(modinfo -F license "$ko")" GPL licence
	eq "$(modinfo -F version "$ko")" "$version" version
	eq "$(modinfo -F alias "$ko")" 'virtio:d00000005v*' alias
	check grep -qxE '[0-9A-F]{23,}' <<<"$(modinfo -F srcversion "$ko")"
	eq "$(modinfo -F vermagic "$ko" | sed 's/ .*//')" \
		"$(<"$TOP/build/cache/kernels/$1/release")" "the kernel of vermagic"
	# name:what it is (type)
	refused eval 'modinfo -F parm "$ko" | grep -vE "^[a-z_]+:.+ \([a-z ]+\)$"'
}

for series in 6.1 6.12 7.3; do
	run_test "modinfo is complete on $series" modinfo_is_complete "$series"
done
for series in 6.1 6.12; do
	run_test "compiler and sparse are silent on $series" \
		build_is_silent "$series" W=1 "${SPARSE[@]}"
done
# Built with the compiler of its own Debian, where sparse is not.
run_test "compiler is silent on 7.3" build_is_silent 7.3 W=1
run_tests
