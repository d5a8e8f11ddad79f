#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Style of the C code: the kernel's checkpatch.pl, and the limits of this
# project. Exceptions: .checkpatch.conf and checkpatch/, with their reasons.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/common.sh"

# checkpatch CONF,... FILE... - CONF is one of tests/lint/checkpatch
checkpatch() {
	local confs=$1 conf options=()
	shift

	for conf in ${confs//,/ }; do
		mapfile -t -O ${#options[@]} options < <(
			sed -E '/^(#|$)/d; s/ /=/' "tests/lint/checkpatch/$conf")
	done
	# It leaves a cache in the directory it runs in, and looks for names
	# below the root of the kernel, which takes long.
	mkdir -p "$WORK/cp/no-kernel/include"
	ln -sfn -t "$WORK/cp" "$TOP"/{driver,include,userspace,tests} \
		"$TOP/.checkpatch.conf"
	(cd "$WORK/cp" && printf '%s\0' "$@" | xargs -0 -n 12 -P 2 \
		perl "$LINUX/scripts/checkpatch.pl" --root=no-kernel \
		"${options[@]}" -f)
	# Its exit status says no more than its output, except that it ran.
	[ $? -ne 127 ]
}

c_files() {
	files "${@/%/\*.c}" "${@/%/\*.h}"
}

test_checkpatch_works_and_finds_what_is_planted() {
	linux_source || fail "no kernel source"
	mkdir -p "$WORK/planted"
	printf '%s\n' '// SPDX-License-Identifier: GPL-2.0-or-later' \
		'int f(void) {' '	return 0;' '}' >"$WORK/planted/f.c"
	checkpatch userspace "$WORK/planted/f.c" >"$WORK/found" 2>&1
	check grep -q OPEN_BRACE "$WORK/found"
}

test_checkpatch_is_silent_about_the_driver() {
	local all

	mapfile -t all < <(c_files driver/ include/ |
		grep -vE '^driver/(compat/|trace\.h$)')
	silent checkpatch '' "${all[@]}" && silent checkpatch trace driver/trace.h
}

test_checkpatch_is_silent_about_driver_compat() {
	local all

	mapfile -t all < <(c_files driver/compat/)
	silent checkpatch compat "${all[@]}"
}

test_checkpatch_is_silent_about_userspace() {
	local all

	mapfile -t all < <(c_files userspace/)
	silent checkpatch userspace "${all[@]}"
}

test_checkpatch_is_silent_about_the_tests() {
	local all

	mapfile -t all < <(c_files tests/)
	silent checkpatch userspace,tests "${all[@]}"
}

# Strings stay whole, to be found by grep; the wire's licence is one line.
long_lines() {
	perl -CSD -ne '
		next if /"/ || /SPDX-License-Identifier/;
		chomp;
		1 while s/\t/" " x (8 - $-[0] % 8)/e;
		print "$ARGV:$.: ", length, " columns, limit 80\n"
			if length > 80;
	} continue { close ARGV if eof;
	' -- "$@"
}

test_no_line_of_code_is_wider_than_80_columns() {
	local all

	mapfile -t all < <(c_files driver/ include/ userspace/ tests/)
	printf '\t%073d\n' 0 >"$WORK/long.c"
	loud long_lines "$WORK/long.c" && silent long_lines "${all[@]}"
}

long_files() {
	wc -l -- "$@" | awk '$2 != "total" && $1 > 700 {
		print $2 ": " $1 " lines, limit 700" }'
}

test_no_file_is_longer_than_700_lines() {
	local all

	mapfile -t all < <(c_files driver/ userspace/)
	silent long_files "${all[@]}"
}

# A function is what is between braces in the first column.
long_functions() {
	awk '/^{/ { start = FNR }
		/^}/ && start {
			if (FNR - start - 1 > 80)
				print FILENAME ":" start ": function of " \
					FNR - start - 1 " lines, limit 80"
			start = 0
		}' "$@"
}

test_no_function_is_longer_than_80_lines() {
	local all

	mapfile -t all < <(c_files driver/ userspace/)
	{ echo '{'; yes 'x;' | head -n 81; echo '}'; } >"$WORK/long.c"
	loud long_functions "$WORK/long.c" && silent long_functions "${all[@]}"
}

run_tests
