# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Shared by the scripts of tests/tools: where things lie, and how something
# slow is made once and kept. Source it.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
TOOLS=$TOP/tests/tools
CACHE=$TOP/build/cache

say() {
	echo "${0##*/}: $*" >&2
}

die() {
	say "$@"
	exit 1
}

# lock NAME - wait until no other process makes NAME; held until exit
lock() {
	mkdir -p "$CACHE"
	exec {lock_fd}>"$CACHE/.lock-${1//\//-}"
	flock "$lock_fd"
}

# logged FILE CMD... - run CMD quietly; if it fails, show the end of its output
logged() {
	local log=$1
	shift
	mkdir -p "${log%/*}"
	# In the background, since a condition would switch off set -e inside.
	"$@" >"$log" 2>&1 </dev/null &
	if ! wait $!; then
		tail -n 40 "$log" >&2
		die "failed: $* (all of its output: $log)"
	fi
}

# apt_fresh - package lists of today: what old ones name may be gone
apt_fresh() {
	[ "$(id -u)" -ne 0 ] || apt-get -qq update || say "going on regardless"
}

# apt_fetch DIR PACKAGE... - download archives of the machine's own release
apt_fetch() {
	local dir=$1
	shift
	mkdir -p "$dir"
	(cd "$dir" && apt-get -qq -o APT::Sandbox::User=root download "$@")
}

# newest_package GLOB - the package of the highest version that GLOB matches
newest_package() {
	local regex=${1//./\\.}

	case $1 in
	*\**)	apt-cache pkgnames | grep -Ex -- "${regex//\*/.*}" |
			sort -V | tail -n 1 | grep . || die "no package $1" ;;
	*)	echo "$1" ;;
	esac
}

# with_libraries PROGRAM ROOT - put what it is linked with into a guest's root,
# under their names
with_libraries() {
	local lib

	ldd "$1" | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p "$2${lib%/*}"
		cp -L "$lib" "$2$lib"
	done
}
