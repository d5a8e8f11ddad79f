# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A manager for a test script, of its own configuration and directory. Source
# it after test.sh.

CONF=$WORK/d.conf
RUN=$WORK/run
CONTROL=$RUN/control
VMM=$TOP/build/tests/vmm
manager_pid=

# manager_start [COMMAND...] - start ballonetd, under COMMAND; it must get ready
manager_start() {
	[ ! -e "$WORK/log" ] || mv "$WORK/log" "$(mktemp "$WORK/log.XXX")"
	: >"$WORK/log"
	"$@" "$BIN/ballonetd" --config="$CONF" --runtime-dir="$RUN" \
		--backend="${BACKEND:-$BIN/vhost-user-balloon}" \
		>>"$WORK/log" 2>&1 &
	manager_pid=$!
	disown
	background $manager_pid
	within 5 logged "ready at"
}

# manager_end SIGNAL - and wait until it is gone
manager_end() {
	kill "-$1" "$manager_pid"
	within 5 gone "$manager_pid"
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

manager_cpu_ms() {
	awk '{ print ($14 + $15) * 10 }' "/proc/$manager_pid/stat"
}

# crowd NUMBER [COMMAND...] - clients that say nothing connect, under COMMAND;
# how many could stay is in $crowd, their process in $crowd_pid
crowd() {
	local n=$1
	shift
	: >"$WORK/crowd"
	"$@" "$TOP/build/tests/crowd" "$CONTROL" "$n" >"$WORK/crowd" &
	crowd_pid=$!
	disown
	background $crowd_pid
	within 5 test -s "$WORK/crowd"
	crowd=$(<"$WORK/crowd")
}

# logged TEXT - did the manager say so?
logged() {
	grep -qF -- "$1" "$WORK/log"
}

conf() {
	printf '%s\n' "$@" >"$CONF"
}

ctl() {
	"$BIN/ballonetctl" --control="$CONTROL" "$@"
}

# ctl_fails STATUS TEXT ARG... - it has to end like that and say so
ctl_fails() {
	local expected=$1 text=$2 out status
	shift 2
	out=$(ctl "$@" 2>&1)
	status=$?
	echo "$out"
	eq $status "$expected" "exit code of $*"
	[[ $out == *"$text"* ]] || fail "$* does not say: $text"
}

status() {
	ctl --json status "$1" | jq -r ".$2"
}

is_state() {
	[ "$(status "$1" state)" = "$2" ]
}

# call METHOD PARAMETERS - the answer's JSON
call() {
	printf '{"method":"%s","parameters":%s}\0' "$1" "$2" |
		socat -t 60 - "UNIX-CONNECT:$CONTROL" | tr -d '\0'
}

# describe VM FIELD - what the manager says of how it serves the VM
describe() {
	call io.ballonet.Manager.Describe "{\"vm\": \"$1\"}" |
		jq -r ".parameters.$2"
}

# is_kept VM NAME - is a descriptor of this name stored?
is_kept() {
	[[ " $(describe "$1" 'descriptors | join(" ")') " == *" $2 "* ]]
}

is_restarted() {
	[ "$(describe "$1" restarts)" = "$2" ]
}

# vmm_idle VM - a VMM that connects and says nothing; its pid is in $idle
vmm_idle() {
	sleep 1000 | socat - "UNIX-CONNECT:$RUN/vm/$1.sock" &
	idle=$!
	disown
	background $idle
	within 8 is_state "$1" connected
}

# Where what says that it is QEMU listens: 1.qmp and so on.
MON=$WORK/mon

# monitors_start NUMBER [BALLOON_MIB] - as many QEMUs of 1 GiB, as monitors.c
monitors_start() {
	mkdir -p "$MON"
	rm -f "$MON"/*.qmp
	: >"$WORK/monitors"
	"$TOP/build/tests/monitors" "$MON" "$1" 1024 "${@:2}" \
		>"$WORK/monitors" &
	monitors_pid=$!
	disown
	background $monitors_pid
	within 10 grep -q ready "$WORK/monitors"
}

monitors_end() {
	kill "$monitors_pid"
	within 10 gone "$monitors_pid"
}

# What the manager leaves running ends with the test.
back_ends_kill() {
	local pid
	for pid in $(pgrep -f -- "--control-path=$RUN/vm/"); do
		kill -KILL "$pid" 2>/dev/null
	done
}
at_exit+=(back_ends_kill)
