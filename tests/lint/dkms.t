#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The module as an administrator gets it: built by Debian's dkms from a copy of
# the few files that it needs, in trees of our own.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/common.sh"

DKMS=$BUILD/dkms
SERIES=6.12

# setting NAME - as dkms reads it
setting() {
	# shellcheck disable=SC1091 # this is what dkms does with it
	(set +u; . ./dkms.conf; echo "${!1}")
}

VERSION=$(setting PACKAGE_VERSION)

# What dkms would keep for the machine (a signing key) it shall not find.
private() {
	if [ "$(id -u)" -eq 0 ]; then
		unshare --mount sh -c '
			mount -t tmpfs none /var/lib/dkms && exec "$@"' sh "$@"
	else
		"$@"
	fi
}

run_dkms() {
	private dkms --dkmstree "$DKMS/dkms" --sourcetree "$DKMS/src" \
		--installtree "$DKMS/lib" "$@" </dev/null
}

built() {
	find "$DKMS/dkms" -path '*/module/ballonet.ko*'
}

test_dkms_builds_from_the_files_it_needs() {
	local dir=$TOP/build/cache/kernels/$SERIES release

	command -v dkms >/dev/null || { skip 'no dkms'; return; }
	check tests/tools/kernels "$SERIES" || return
	release=$(<"$dir/release")
	mkdir -p "$DKMS"/{dkms,lib,src/"ballonet-$VERSION"}
	cp -r Kbuild dkms.conf driver include "$DKMS/src/ballonet-$VERSION"
	check run_dkms add "ballonet/$VERSION" || return
	run_dkms build "ballonet/$VERSION" -k "$release" \
		--kernelsourcedir "$dir/tree/usr/src/linux-headers-$release" || {
		find "$DKMS" -name make.log -exec tail -n 20 {} +
		return 1
	}
	eq "$(built | wc -l)" 1 'number of modules'
}

test_dkms_builds_without_a_warning() {
	[ -d "$DKMS/dkms" ] || { skip 'not built'; return; }
	silent_log "$DKMS"/dkms/ballonet/"$VERSION"/*/*/log/make.log
}

silent_log() {
	check [ -s "$1" ] && refused grep -i warning "$1"
}

test_versions_of_dkms_module_and_programs_are_one() {
	eq "$(sed -nE 's/^MODULE_VERSION\("(.*)"\);/\1/p' driver/*.c)" \
		"$VERSION" MODULE_VERSION
	eq "$(sed -nE 's/^VERSION \?= //p' userspace/build.mk)" \
		"$VERSION" 'VERSION of userspace/build.mk'
	[ ! -d "$DKMS/dkms" ] ||
		eq "$(modinfo -F version "$(built)")" "$VERSION" modinfo
}

test_dkms_takes_the_kernels_that_we_support_only() {
	local regex release

	regex=$(setting BUILD_EXCLUSIVE_KERNEL)
	for release in 6.1.0-1-amd64 6.1.192 6.12.95+deb13-cloud-amd64 \
		6.2.0 6.99.1 7.0.0-rc1 7.3.1+deb14-amd64 10.0.0; do
		[[ $release =~ $regex ]] || fail "not $release"
	done
	for release in 4.19.0-1-amd64 5.10.0-1-amd64 5.19.17 6.0.0; do
		[[ ! $release =~ $regex ]] || fail "$release, too"
	done
}

run_tests
