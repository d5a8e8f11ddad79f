#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Static analysis of userspace, and who may include whom.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/common.sh"

# What userspace/build.mk gives the compiler, less what depends on the flags of
# one build.
CPPFLAGS=(-Iuserspace/lib -Iinclude/uapi -D_GNU_SOURCE
	-DBALLONET_VERSION='"0"' -DBALLONET_LIBEXECDIR='"/libexec"'
	-DBALLONET_SYSCONFDIR='"/etc"')

mapfile -t sources < <(files 'userspace/*.c')

# One file a process: what clang-tidy saw in one file misleads it in the next.
tidy() {
	printf '%s\0' "$@" | xargs -0 -P 2 -I '{}' clang-tidy-14 --quiet '{}' \
		-- -std=gnu11 "${CPPFLAGS[@]}" 2>"$WORK/tidy.err" |
		sed "s|^$TOP/||"
	# The number of warnings that it does not show goes to stderr.
	grep -v 'warnings\{0,1\} generated\.$' "$WORK/tidy.err"
	return 0
}

# Allocated memory is lost, and a null pointer is followed.
plant() {
	cat >"$WORK/planted.c" <<-'END'
	#include <stdlib.h>
	int f(int n)
	{
		char *p = malloc(4);
		int *q = NULL;

		if (!p)
			return -1;
		if (n > 3)
			return *q;
		p = malloc(5);
		return p != NULL;
	}
	END
}

test_clang_tidy_finds_what_is_planted() {
	plant
	cp .clang-tidy "$WORK/"
	tidy "$WORK/planted.c" >"$WORK/found"
	check grep -q core.NullDereference "$WORK/found"
	check grep -q unix.Malloc "$WORK/found"
}

# The analyzer is slow: what it found clean, it does not look at again until
# the preprocessed text or its configuration is another.
TIDIED=build/lint/tidied

tidy_key() {
	{
		cat .clang-tidy
		clang-tidy-14 --version
		${CC:-cc} -E "${CPPFLAGS[@]}" "$1"
	} | sha256sum | sed "s|^|$TIDIED/|; s| .*||"
}

test_clang_tidy_is_silent_about_userspace() {
	local file key new=() keys=()

	mkdir -p $TIDIED
	for file in "${sources[@]}"; do
		key=$(tidy_key "$file")
		[ -e "$key" ] && continue
		new+=("$file")
		keys+=("$key")
	done
	[ ${#new[@]} -eq 0 ] || { silent tidy "${new[@]}" && touch "${keys[@]}"; }
}

# Left out: variableScope, for declarations stand at the top of a function, as
# the kernel has them; unreadVariable does not know that the address of a
# structure was given away; missingIncludeSystem, since the C library is
# known from cppcheck's own description of it; readdirCalled, which in glibc
# is safe on a stream of one's own; getgrnamCalled, for its callers have one
# thread; legacyUninitvar and unassignedVariable, which do not see what recvmsg()
# writes through an iovec (the compiler and clang-tidy look, too);
# knownConditionTrueFalse misjudges loops that run to the smaller of two
# numbers; shadowFunction: a list may be called list where the method List is.
check_source() {
	cppcheck --quiet --error-exitcode=0 --inline-suppr --std=c11 \
		--enable=warning,style,performance,portability \
		--library=posix --library="$TOP/tests/lint/cppcheck.cfg" \
		--suppress=variableScope --suppress=unreadVariable \
		--suppress=missingIncludeSystem --suppress=readdirCalled \
		--suppress=getgrnamCalled --suppress=legacyUninitvar \
		--suppress=unassignedVariable \
		--suppress=knownConditionTrueFalse --suppress=shadowFunction \
		--template='{file}:{line}: {message} [{id}]' \
		"${CPPFLAGS[@]}" "$@"
}

test_cppcheck_finds_what_is_planted() {
	plant
	check_source "$WORK/planted.c" >"$WORK/found" 2>&1
	check grep -q memleak "$WORK/found"
}

test_cppcheck_is_silent_about_userspace() {
	silent check_source "${sources[@]}"
}

# includes FILE... - lines FILE:LINE TARGET; a header of ours as the path that
# the compiler would find, others in angle brackets
includes() {
	perl -ne '
		if (/^\s*#\s*include(?:_next)?\s*(["<])([^">]+)/) {
			my ($kind, $name, $dir) = ($1, $2, $ARGV);
			$dir =~ s|[^/]*$||;
			my @in = ("userspace/lib/", "include/uapi/");
			unshift @in, $dir if $kind eq "\"";
			my ($found) = grep { -f } map { "$_$name" } @in;
			$found //= "<$name>";
			1 while $found =~ s|[^/]+/\.\./||;
			print "$ARGV:$. $found\n";
		}
	} continue { close ARGV if eof;' -- "$@"
}

# arrow FROM... -- FORBIDDEN - files that match a pattern FROM include nothing
# whose path matches the extended regular expression
arrow() {
	local from=() all

	while [ "$1" != -- ]; do
		from+=("$1")
		shift
	done
	mapfile -t all < <(files "${from[@]}")
	[ ${#all[@]} -gt 0 ] || fail "no such file: ${from[*]}" || return
	if includes "${all[@]}" | grep -E " ($2)"; then
		fail "${from[*]} must not include that"
	fi
}

DEVICE='userspace/lib/(vhost_user|vring|region|discard|frames|fdstore)\.h'

test_include_lines_are_understood() {
	mkdir "$WORK/a" "$WORK/b"
	touch "$WORK/b/b.h"
	printf '#include "../b/b.h"\n# include <linux/ballonet.h>\n' \
		>"$WORK/a/a.c"
	eq "$(includes "$WORK/a/a.c" | sed 's/^[^ ]* //' | paste -sd' ')" \
		"$WORK/b/b.h include/uapi/linux/ballonet.h" 'what a.c includes'
}

test_the_library_includes_no_program() {
	arrow 'userspace/lib/*' -- 'userspace/(backend|daemon|ctl)/|tests/'
}

test_programs_do_not_include_each_other() {
	arrow 'userspace/backend/*' -- 'userspace/(daemon|ctl)/|tests/'
	arrow 'userspace/daemon/*' -- 'userspace/(backend|ctl)/|tests/'
	arrow 'userspace/ctl/*' -- 'userspace/(backend|daemon)/|tests/'
}

test_the_operators_tool_knows_no_device() {
	arrow 'userspace/ctl/*' -- \
		"$DEVICE|include/uapi/|<linux/(virtio|vhost)"
}

test_what_needs_no_device_knows_none() {
	arrow 'userspace/lib/size.*' 'userspace/lib/conf.*' \
		'userspace/lib/varlink*' 'userspace/lib/interface.*' \
		'userspace/lib/plan*' -- \
		"$DEVICE|include/uapi/|<linux/(virtio|vhost)"
}

test_the_planner_has_no_clock_no_file_and_no_heap() {
	arrow 'userspace/lib/plan*' -- \
		'<(time|sys/[a-z]+|unistd|fcntl|stdio|stdlib|pthread|errno)\.h>'
}

test_the_fake_vmm_is_a_second_reading_of_the_standard() {
	arrow 'tests/host/*.c' 'tests/host/*.h' -- userspace/
}

test_the_driver_includes_only_the_kernel_and_the_wire() {
	arrow 'driver/*.[ch]' -- \
		'userspace/|tests/|<(std[a-z]+|string|errno|unistd)\.h'
	arrow 'include/*' -- 'driver/|userspace/|tests/'
}

test_driver_compat_includes_only_the_kernel() {
	arrow 'driver/compat/*.h' -- '[^<]'
}

test_the_pure_files_of_the_driver_stay_pure() {
	arrow driver/floor.? driver/size.? -- 'driver/internal\.h|<linux/(mm|virtio)'
}

test_userspace_includes_nothing_of_the_driver() {
	arrow 'userspace/*' -- driver/
}

run_tests
