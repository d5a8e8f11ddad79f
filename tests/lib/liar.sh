# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A host that lies or does less than it should: tests/uml/liar.c. Source it
# after test.sh.

liar_dir=${BALLONET_BIN:-$TOP/build/bin}/../tests

# Feature bits.
TELL=$((1 << 0)) STATS=$((1 << 1)) HINT=$((1 << 3)) REPORTING=$((1 << 5))
VERSION_1=$((1 << 32)) RANGES=$((1 << 50)) EVENTS=$((1 << 51))
STANDBY=$((1 << 52))

# liar_start NAME FEATURES - the device on $WORK/NAME.sock, one at a time
liar_start() {
	rm -f "$WORK/$1.sock"
	make_pipe liar
	liar_in=$pipe_in liar_out=$pipe_out
	"$liar_dir/liar" "$WORK/$1.sock" "$2" <"$WORK/liar.in" \
		>"$WORK/liar.out" 2>>"$WORK/liar.log" &
	liar_pid=$!
	background $liar_pid
	within 5 test -S "$WORK/$1.sock"
}

# liar COMMAND... - tell it, print what it answers
liar() {
	printf '%s\n' "$*" >&"$liar_in"
	read_line "$liar_out" "$liar_pid" 60 ||
		fail "the liar does not answer: $*" || return
	printf '%s\n' "$REPLY"
}

# tell COMMAND... - the same, for commands that only succeed
tell() {
	eq "$(liar "$@")" ok "answer to '$*'"
}

# count KEY - what the liar has counted
count() {
	liar count "$1"
}

# count_is KEY N
count_is() {
	[ "$(count "$1")" = "$2" ]
}

# host_has MIB - in the balloon, as the host sees it: of a page that is being moved
# it has two frames for a moment
host_has() {
	within 10 count_is held $(($1 * 256))
}

# count_at_least KEY N
count_at_least() {
	[ "$(count "$1")" -ge "$2" ]
}
