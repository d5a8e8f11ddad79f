#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tree as a whole: licences, scripts, what must not have been left behind,
# and what belongs where.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/common.sh"

WIRE=include/uapi/linux/ballonet.h
WIRE_LICENCE='((GPL-2.0-or-later WITH Linux-syscall-note) OR BSD-3-Clause)'

# Data that has no place for a comment, prose, and what packaging reads.
NO_LICENCE_LINE='\.(md|scd|json|in|conf|config|trace|csv|txt)$|(^|/)(LICENSE|packages|(debugfs|sysfs-bus)-[^/]*)$|^\.(editorconfig|gitignore)$'

# silent_grep CMD... - CMD is a grep that has to find nothing
silent_grep() {
	"$@"
	[ $? -eq 1 ]
}

# unlicensed FILE... - without the right SPDX line; only #! or <?xml before it
unlicensed() {
	awk -v wire="$WIRE" -v wire_licence="$WIRE_LICENCE" '
		FNR == 1 { first = 1 }
		FNR == 1 && /^(#!|<\?xml)/ { first = 2 }
		FNR == first {
			want = FILENAME == wire ? wire_licence : \
				"GPL-2.0-or-later"
			text = $0
			sub(/^(\/\/|\/\*|#|<!--|\.\\"|;) SPDX-License-Identifier: /,
			    "", text)
			sub(/ (\*\/|-->)$/, "", text)
			if (text != want || text == $0)
				print FILENAME ":" FNR ": not SPDX: " $0
		}' "$@"
}

test_every_source_has_its_licence_in_the_first_line() {
	local all

	mapfile -t all < <(files '*' | grep -vE "$NO_LICENCE_LINE")
	echo 'int x; // SPDX-License-Identifier: MIT' >"$WORK/x.c"
	loud unlicensed "$WORK/x.c" && silent unlicensed "${all[@]}"
}

# A source opens with //, a header with /*, as the kernel has it.
test_licence_comments_have_the_kernels_form() {
	local all

	mapfile -t all < <(files '*.c')
	silent grep -LE '^// SPDX' -- "${all[@]}" || fail 'not // SPDX'
	mapfile -t all < <(files '*.h')
	silent grep -LE '^/\* SPDX' -- "${all[@]}" || fail 'not /* SPDX'
}

test_the_licence_text_is_there() {
	check grep -q 'GNU GENERAL PUBLIC LICENSE' LICENSE
}

# Exceptions for all scripts: .shellcheckrc. A script that is sourced sets
# variables for others (SC2034) and uses theirs (SC2154).
test_shellcheck_is_silent_about_scripts() {
	local all sourced

	mapfile -t all < <(scripts)
	mapfile -t sourced < <(grep -L '^#!' -- "${all[@]}")
	mapfile -t all < <(grep -l '^#!' -- "${all[@]}")
	check silent shellcheck -f gcc "${all[@]}"
	[ ${#sourced[@]} -eq 0 ] ||
		check silent shellcheck -f gcc -e SC2034,SC2154 "${sourced[@]}"
}

test_scripts_are_executable_and_nothing_else_is() {
	local file

	while read -r file; do
		if [ "$(head -c 2 -- "$file")" = '#!' ]; then
			[ -x "$file" ] || fail "$file is not executable"
		else
			[ ! -x "$file" ] || fail "$file is executable"
		fi
	done < <(files '*')
}

# The patterns are put together here so that this file does not hold them.
leftovers() {
	# log.X''XX is a template of mktemp.
	grep -nHE '(^|[^.[:alnum:]_])(TO''DO|FIX''ME|X''XX|HA''CK)([^[:alnum:]_]|$)' \
		-- "$@"
}

test_nothing_is_left_to_do_in_the_text() {
	local all

	mapfile -t all < <(files '*' | grep -vx LICENSE)
	echo "/* TO""DO */" >"$WORK/x.c"
	loud leftovers "$WORK/x.c" && silent_grep leftovers "${all[@]}"
}

# A path below a home directory, or the one this tree happens to lie in.
private_paths() {
	grep -nHE '(^|[^[:alnum:]_.$}*-])/(home|root|Users)/[[:alnum:]_.]|/wo''rk/' \
		-- "$@" && return
	[ "$TOP" = / ] || grep -nHF -- "$TOP/" "$@"
}

test_no_private_path_in_the_text() {
	local all

	mapfile -t all < <(files '*')
	echo "cd /ho""me/me/src" >"$WORK/x"
	loud private_paths "$WORK/x" && silent_grep private_paths "${all[@]}"
}

# Hosts that this machine's tools were told to use: they may be private.
# Public ones that everybody knows are no secret.
test_no_host_of_this_machines_configuration_in_the_text() {
	local all hosts

	hosts=$({
		cat /etc/apt/sources.list /etc/apt/sources.list.d/* \
			/etc/apt/apt.conf /etc/apt/apt.conf.d/* \
			/etc/pip.conf ~/.config/pip/pip.conf 2>/dev/null
		env | grep -iE '_(proxy|mirror|index|registry|url)='
	} | grep -oE '(https?|ftp|socks5?h?)://[^/[:space:]"'\'';]+' |
		sed -E 's|.*://||; s|.*@||; s|:[0-9]+$||' | sort -u |
		grep -vxE '(deb|security|snapshot|archive)\.debian\.org|(.*\.)?(pypi|python|github|rust-lang)\.(org|com)|localhost|127\.0\.0\.1')
	[ -n "$hosts" ] || return 0
	mapfile -t all < <(files '*')
	silent_grep grep -nHwF -- "$hosts" "${all[@]}"
}

test_only_what_belongs_there_is_at_the_top() {
	local stray

	stray=$(files '*' | sed 's|/.*||' | sort -u | grep -vxE \
		'Kbuild|Makefile|driver|include|userspace|tests|dkms\.conf|README\.md|LICENSE|\.[a-z][a-z.-]*')
	eq "$stray" '' 'what does not belong at the top'
}

test_text_files_end_in_a_newline_and_have_no_trailing_space() {
	local file

	while read -r file; do
		[ -s "$file" ] || continue
		grep -Iq . -- "$file" || continue	# binary
		[ -z "$(tail -c 1 -- "$file")" ] ||
			fail "$file does not end in a newline"
		! grep -nH '[[:space:]]$' -- "$file" | grep -v '^LICENSE:' ||
			fail "trailing space"
	done < <(files '*')
}

run_tests
