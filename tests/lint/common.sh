# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Shared by the checks of tests/lint: what they look at, and where the kernel's
# own checkers are. Source it after tests/lib/test.sh.

LINUX=$TOP/build/cache/linux-6.12

cd "$TOP" || exit

# Copies of the tree and what is built of them.
mkdir -p build/lint
BUILD=$(mktemp -d "$TOP/build/lint/XXXXXX")
at_exit+=("rm -rf '$BUILD'")

# What a later commit would hold; without git, whatever lies there.
mapfile -t all_files < <(
	git -c safe.directory='*' ls-files -co --exclude-standard 2>/dev/null ||
		find . \( -path ./build -o -name '*.o' -o -name '*.ko' \
			-o -name '*.mod*' -o -name '.*.cmd' \) -prune \
			-o -type f -printf '%P\n'
)

# files GLOB... - the project's files that match a pattern; * matches / too
files() {
	local file glob

	for file in "${all_files[@]}"; do
		for glob; do
			# shellcheck disable=SC2053 # it is a pattern
			if [[ $file == $glob && -f $file ]]; then
				echo "$file"
				break
			fi
		done
	done
}

# scripts - those with a shell's first line, and what they source
scripts() {
	files '*' | xargs -d '\n' grep -lE \
		'^#!.*/(ba)?sh( |$)|^# shellcheck shell=' --
}

# linux_source - have the kernel's checkers unpacked
linux_source() {
	[ -x "$LINUX/scripts/checkpatch.pl" ] || "$TOP/tests/tools/uml"
}

# silent CMD... - whatever CMD prints is a finding
silent() {
	local out rc

	out=$("$@" 2>&1)
	rc=$?
	[ -z "$out" ] || printf '%s\n' "$out"
	[ $rc -eq 0 ] && [ -z "$out" ]
}

# loud CMD... - CMD has to find what was planted for it
loud() {
	local out

	out=$("$@" 2>&1)
	[ -n "$out" ] || echo "not found: $*"
	[ -n "$out" ]
}
