#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# driver/requirements.md: every function and every test that it names exists,
# and every row names a test. Of driver/comparison.md, every test exists.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/common.sh"

PAGE=driver/requirements.md
COMPARISON=driver/comparison.md

# rows - of its tables, without their heads
rows() {
	grep -E '^\| ' "$1" | grep -vE '^\| (section|.* shown by) '
}

# named PAGE REGEX - what is between backquotes in its rows and looks like that
named() {
	rows "$1" | grep -oE '`[^`]+`' | tr -d '`' | grep -E "$2" | sort -u
}

# functions_missing PAGE
functions_missing() {
	local file name

	while IFS=': ' read -r file name; do
		grep -qE "\b${name%'()'}(\(|\[\])" "driver/$file" 2>/dev/null ||
			echo "$file: no $name"
	done < <(named "$1" '^[a-z]+\.[ch]: ')
}

# tests_missing PAGE
tests_missing() {
	local file name

	while IFS=: read -r file name; do
		name=${name# }
		grep -qE "^test_${name// /_}\(\)" "tests/$file" 2>/dev/null ||
			echo "tests/$file: no test '$name'"
	done < <(named "$1" '^[a-z]+/[a-z-]+\.t: ')
}

# rows_without_test PAGE
rows_without_test() {
	rows "$1" | grep -vE '`[a-z]+/[a-z-]+\.t: [^`]+` \|$'
}

test_what_is_missing_is_found() {
	printf '%s\n' '| section | x |' \
		'| 1 | x | `main.c: no_such()` | `uml/boot.t: no such` |' \
		'| 2 | x | core | none |' >"$WORK/page.md"
	check grep -q no_such <(functions_missing "$WORK/page.md")
	check grep -q 'no such' <(tests_missing "$WORK/page.md")
	eq "$(rows_without_test "$WORK/page.md" | wc -l)" 1 \
		"rows without a test"
}

test_every_function_in_the_table_exists() {
	at_least "$(named $PAGE '^[a-z]+\.[ch]: ' | wc -l)" 20 functions
	silent functions_missing $PAGE
}

test_every_test_in_the_table_exists() {
	at_least "$(named $PAGE '^[a-z]+/[a-z-]+\.t: ' | wc -l)" 20 tests
	silent tests_missing $PAGE
}

test_what_the_comparison_names_exists() {
	local file missing=0

	at_least "$(rows $COMPARISON | wc -l)" 50 rows
	silent tests_missing $COMPARISON
	while read -r file; do
		[ -e "tests/$file" ] || { echo "no $file"; missing=1; }
	done < <(named $COMPARISON '^[a-z]+/[a-z-]+\.t$')
	return $missing
}

test_every_requirement_has_a_test() {
	at_least "$(rows $PAGE | wc -l)" 50 rows
	eq "$(rows_without_test $PAGE)" '' "rows without a test"
}

run_tests
