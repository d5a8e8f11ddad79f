# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What a test script needs. Source it, define functions test_*, call run_tests:
#
#	. "$(dirname "$0")/../lib/test.sh"
#	test_inflate_frees_the_frames() { ...; }
#	run_tests
#
# A test passes if its function returns 0 and no check in it failed. A failed
# check is remembered, so nothing is lost if the test goes on; where going on
# makes no sense: eq "$a" "$b" "what" || return. Tests run in this shell, one
# after the other in the order of the file; their output is shown on failure,
# and always the lines that begin with "# ".

set -uo pipefail
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CACHE=$TOP/build/cache
# The programs under test; a build with sanitizers lies elsewhere.
BIN=${BALLONET_BIN:-$TOP/build/bin}
# Short, because a socket's path is.
WORK=$(mktemp -d /tmp/bn.XXXXXX)

test_failed=		# why this test failed: the first check that did
test_skipped=		# why this test was skipped
test_running=		# its name, as long as it does
tests_run=0
tests_failed=0
PATIENCE=${PATIENCE:-4}
at_exit=()		# commands for the end of the script
exec {tap}>&1

# fail MESSAGE... - this test has failed
fail() {
	echo "$*" >&2
	test_failed=${test_failed:-${*:-a check failed}}
	return 1
}

# skip REASON... - this test cannot be done here; return after it
skip() {
	test_skipped=$*
}

# check CMD... - CMD has to succeed
check() {
	"$@" || fail "failed with $?: $*"
}

# refused CMD... - CMD has to fail
refused() {
	! "$@" || fail "succeeded: $*"
}

# eq IS EXPECTED WHAT
eq() {
	[ "$1" = "$2" ] || fail "$3 is '$1', not '$2'"
}

# at_least IS LIMIT WHAT - both integers
at_least() {
	[ "$1" -ge "$2" ] || fail "$3 is $1, less than $2"
}

# at_most IS LIMIT WHAT - both integers
at_most() {
	[ "$1" -le "$2" ] || fail "$3 is $1, more than $2"
}

# within SECONDS CMD... - CMD has to succeed before the time is up, on a machine
# that has time for it; a busy one is given PATIENCE times as much
within() {
	local seconds=$(($1 * PATIENCE)) end
	shift
	end=$((SECONDS + seconds + 1))
	until "$@"; do
		[ $SECONDS -lt $end ] ||
			fail "not within $seconds s: $*" || return
		sleep 0.05
	done
}

# background PID - kill this process when the script ends
background() {
	at_exit+=("kill -KILL $1; wait $1")
}

# run_test NAME FUNCTION [ARG...] - one test; NAME says its behaviour in words
run_test() {
	local name=$1 status
	shift
	test_failed='' test_skipped='' test_running=$name
	"$@" >"$WORK/test.out" 2>&1
	status=$?
	test_running=
	tests_run=$((tests_run + 1))
	if [ -n "$test_failed" ] ||
		{ [ $status -ne 0 ] && [ -z "$test_skipped" ]; }; then
		tests_failed=$((tests_failed + 1))
		echo "not ok $tests_run - $name"
		# A check in a shell of its own can only print.
		: "${test_failed:=$(tail -n 1 "$WORK/test.out")}"
		echo "# ${test_failed//$'\n'/ }"
		sed 's/^/# /' "$WORK/test.out"
	elif [ -n "$test_skipped" ]; then
		echo "ok $tests_run - $name # SKIP $test_skipped"
	else
		echo "ok $tests_run - $name"
		# What was measured.
		grep '^# ' "$WORK/test.out"
	fi
}

# names_of_tests - of the functions test_*, in their order
names_of_tests() {
	# shellcheck disable=SC2046 # names of functions are words
	(shopt -s extdebug; declare -F \
		$(compgen -A function test_ || echo none) |
		sort -k2,2n | sed 's/ .*//; s/^test_//')
}

# run_tests - each of them, then the plan
run_tests() {
	local name

	while read -r name; do
		run_test "${name//_/ }" "test_$name"
	done < <(names_of_tests)
	echo "1..$tests_run"
	[ $tests_failed -eq 0 ]
}

# What is left of a failed run is worth a look.
finish() {
	local i keep

	# A test that ends the script has its output redirected still.
	exec >&"$tap"
	if [ -n "$test_running" ]; then
		tests_failed=$((tests_failed + 1))
		sed 's/^/# /' "$WORK/test.out"
		echo "# ended in: $test_running"
	fi
	guests_cleanup
	for ((i = ${#at_exit[@]} - 1; i >= 0; i--)); do
		eval "${at_exit[i]}" 2>/dev/null
	done
	if [ $tests_failed -gt 0 ]; then
		keep=$TOP/build/log/$(basename "$(dirname "$0")")-$(basename "$0")
		rm -rf "$keep"
		mkdir -p "$keep"
		find "$WORK" -type f -size -4M -exec cp -t "$keep" {} +
		echo "# logs: ${keep#"$TOP/"}"
	fi
	rm -rf "$WORK"
}
trap finish EXIT
trap 'exit 1' HUP INT PIPE TERM

# shellcheck source=guest.sh
. "$TOP/tests/lib/guest.sh"
