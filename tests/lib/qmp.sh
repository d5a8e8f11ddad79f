# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The manager's side of QMP, by itself (tests/tools/qmpctl.c). Source it after
# test.sh.

MIB=$((1 << 20))
QMPCTL=${BIN%/bin}/tests/qmpctl

declare -A link_pids link_in

# link_start NAME ARG... - watch a VM; what it says is in $WORK/NAME.link
link_start() {
	local name=$1 fd
	shift
	rm -f "$WORK/$name.input"
	: >"$WORK/$name.link"
	mkfifo "$WORK/$name.input"
	exec {fd}<>"$WORK/$name.input"
	link_in[$name]=$fd
	"$QMPCTL" "$@" <"$WORK/$name.input" >>"$WORK/$name.link" \
		2>"$WORK/$name.link.err" {fd}>&- &
	link_pids[$name]=$!
	background $!
	disown $!
}

# link_stop NAME - it has to end by itself, cleanly
link_stop() {
	local fd=${link_in[$1]}

	echo end >&"$fd"
	exec {fd}>&-
	within 10 gone "${link_pids[$1]}"
	[ ! -s "$WORK/$1.link.err" ] || fail "$(cat "$WORK/$1.link.err")"
}

# link_vm NAME FIELD - the newest that it said of the VM
link_vm() {
	grep -a '^{"vm"' "$WORK/$1.link" | tail -n 1 | jq -r ".vm.$2"
}

# link_is NAME FIELD VALUE - for use with within
link_is() {
	[ "$(link_vm "$1" "$2")" = "$3" ]
}

# link_said NAME TEXT - for use with within
link_said() {
	grep -qaF -- "$2" "$WORK/$1.link"
}

# link_set NAME BYTES - the balloon
link_set() {
	printf '%s\n' "$2" >&"${link_in[$1]}"
}
