#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Documentation that a program can check: kernel-doc comments, and the texts of
# the sysfs and debugfs interfaces.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/common.sh"

ABI=driver/sysfs-bus-virtio-ballonet
DEBUGFS=driver/debugfs-ballonet

kernel_doc() {
	perl "$LINUX/scripts/kernel-doc" -none -Wall "$@"
}

test_kernel_doc_finds_an_undescribed_parameter() {
	linux_source || fail "no kernel source"
	printf '%s\n' '/**' ' * f() - nothing' ' */' 'int f(int n);' \
		>"$WORK/planted.h"
	loud kernel_doc "$WORK/planted.h"
}

test_kernel_doc_of_the_driver_is_complete() {
	local all

	mapfile -t all < <(files 'driver/*.[ch]' 'include/*.h')
	silent kernel_doc "${all[@]}"
}

test_kernel_doc_of_userspace_is_complete() {
	local all

	mapfile -t all < <(files 'userspace/*.[ch]')
	silent kernel_doc "${all[@]}"
}

# declared HEADER... - names of functions; a macro's expansion does not count
declared() {
	perl -0777 -ne '
		s|/\*.*?\*/||gs;
		s/^#(?:[^\n]*\\\n)*[^\n]*$//gm;
		s/\{[^{}]*\}//g while /\{/;
		print "$1\n" while
			/^(?!typedef)[a-z_][\w \t\n*]*?\b(\w+)\([^()]*(?:\([^()]*\)[^()]*)*\)[^;]*;/gm;
		' -- "$@" | sort -u
}

described() {
	sed -nE '/^\/\*\*$/ { n; s/^ \* (struct |enum |typedef )?(\w+)(\(\))? - .*/\2/p }' \
		-- "$@" | sort -u
}

# undescribed DIR - functions that leave their file without kernel-doc
undescribed() {
	local headers all

	mapfile -t headers < <(files "$1/*.h")
	mapfile -t all < <(files "$1/*.[ch]")
	[ ${#headers[@]} -gt 0 ] || return 0
	comm -23 <(declared "${headers[@]}") <(described "${all[@]}") |
		sed "s|.*|$1: &() has no kernel-doc|"
}

test_declarations_and_descriptions_are_found() {
	cat >"$WORK/d.h" <<-'END'
	/* no(); */
	#define m(x)	\
		no(x);
	struct s {
		int (*no)(void);
	};
	int *f(int n,
	       int m);
	struct s g(void) __attribute__((pure));
	END
	cat >"$WORK/d.c" <<-'END'
	/**
	 * f() - x
	 */
	/**
	 * g - x
	 */
	END
	eq "$(declared "$WORK/d.h" | paste -sd' ')" 'f g' declared
	eq "$(described "$WORK/d.c" | paste -sd' ')" 'f g' described
}

test_functions_that_leave_their_file_are_described() {
	local dir

	for dir in driver userspace/{lib,backend,daemon,ctl}; do
		silent undescribed "$dir" || fail "$dir"
	done
}

abi_validate() {
	# It names the file by the path below the directory it is given.
	perl "$LINUX/scripts/get_abi.pl" --dir "$1" validate
}

test_the_sysfs_text_is_an_abi_text() {
	linux_source || fail "no kernel source"
	mkdir "$WORK/abi" "$WORK/bad"
	cp "$ABI" "$DEBUGFS" "$WORK/abi"
	sed 's/^Description:/Descr:/' "$ABI" >"$WORK/bad/sysfs-bad"
	loud abi_validate "$WORK/bad" && silent abi_validate "$WORK/abi"
}

test_every_sysfs_entry_has_all_fields() {
	awk -F: '
		function complete() {
			if (what && (!date || !kernel || !contact || !text)) {
				print what ": lacks a field"; bad = 1
			}
			date = kernel = contact = text = 0
		}
		/^What:/ { complete(); what = $0 }
		/^Date:/ { date = 1 }
		/^KernelVersion:/ { kernel = 1 }
		/^Contact:/ { contact = 1 }
		/^Description:.*[A-Za-z]/ { text = 1 }
		END { complete(); exit bad }' "$ABI" "$DEBUGFS"
}

# attributes - name and (RW), (RO) or (WO) of each file, as the driver has them
attributes() {
	sed -nE 's/^static DEVICE_ATTR_(RW|RO|WO)\((\w+)\);/\2 (\1)/p' \
		driver/sysfs.c | sort
}

documented() {
	awk '/^What:/ { n = split($2, part, "/"); name = part[n] }
		/^Description:/ { print name, $2 }' "$ABI" | sort
}

test_the_sysfs_text_names_exactly_the_drivers_files() {
	check [ -n "$(attributes)" ]
	check diff <(attributes) <(documented)
}

# Words in the table of the text against those in the driver.
test_the_sysfs_text_names_every_state() {
	check diff \
		<(sed -nE 's/^\t+\[BALLONET_[A-Z_]+\] = "([a-z-]+)",/\1/p' \
			driver/sysfs.c | sort) \
		<(sed -nE '/^\t\t=+ +=+$/,$ s/^\t\t([a-z-]+)  .*/\1/p' "$ABI" |
			sort)
}

test_the_debugfs_text_names_exactly_the_drivers_counters() {
	check diff \
		<(sed -nE 's/^\t\[BALLONET_C_[A-Z_]+\] = "([a-z_]+)",/\1/p' \
			driver/counters.c) \
		<(sed -nE 's/^\t\t([a-z]+(_[a-z]+)*)(  .*)?$/\1/p' "$DEBUGFS")
}

# law_names PATTERN - what the planner's law names like that
law_names() {
	grep -oE "$1" userspace/lib/plan.md | sort -u
}

test_what_the_law_names_exists() {
	local name missing=

	for name in $(law_names '(driver|userspace|tests|include|daemon|lib)/[A-Za-z0-9_./-]*[A-Za-z0-9]'); do
		[ -e "$name" ] || [ -e "userspace/$name" ] ||
			missing+=" $name"
	done
	# Tests and fields: words of four and more.
	for name in $(law_names '\b[a-z]+(_[a-z0-9]+){3,}\b'); do
		git grep -qw "$name" -- '*.[ch]' || missing+=" $name"
	done
	while read -r name; do
		git grep -qF "{ \"$name\"," -- userspace/ctl || missing+=" $name"
	done < <(law_names '`ballonetctl [a-z]+' | cut -d' ' -f2)
	[ -z "$missing" ] || fail "not there:$missing"
}

run_tests
