# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests of the back-end share: the fake VMM (vmm/) with a script on
# its standard input, against the real program.

TOOLS=$TOP/build/tests
around=()		# a command that the VMM runs in

# vmm NAME - run the script on standard input against back-end NAME; in it
# SOCK, CTL and LOG stand for the back-end's paths. Its output is in $said.
vmm() {
	local name=$1 status

	sed -e "s|SOCK|$WORK/$name.sock|g; s|CTL|$WORK/$name.ctl|g" \
		-e "s|LOG|$WORK/$name.backend.log|g" >"$WORK/$name.script"
	said=$("${around[@]}" "$TOOLS/vmm" <"$WORK/$name.script" 2>&1)
	status=$?
	echo "$said"
	[ $status -eq 0 ] || fail "the VMM's script failed"
}

# with_backend [OPTION...] <SCRIPT - a fresh back-end, a script against it, and
# its end: it has to leave with the VMM, without complaint of its own
with_backend() {
	backend_start vm "$@" || return
	echo "${backend_pids[vm]}" >"$WORK/vm.pid"
	vmm vm
	ended vm 0
}

# in_time CMD... - CMD shows what can be seen only as long as a big request is
# worked on: on a busy machine it may be done before the next look
in_time() {
	for _ in {1..20}; do
		("$@" && [ -z "$test_failed" ]) && return
	done
	fail "never in time: $*"
}

# inject PIDFILE CALL WHAT - the line of a script from which on strace does
# WHAT to such system calls of the process. strace.pid is its number: who looks
# for leaks cannot do so while it is there.
inject() {
	cat <<-END
		sh strace -qq -f -p \$(cat $1) -e trace=$2 -e inject=$2:$3 >/dev/null 2>$WORK/strace & echo \$! >$WORK/strace.pid; while grep -q "^TracerPid:.0\$" /proc/\$(cat $1)/task/*/status; do sleep 0.01; done; sleep 0.5
	END
}

# ended NAME STATUS - the back-end ends by itself with this status
ended() {
	local pid=${backend_pids[$1]} status

	within 5 gone "$pid" || kill -KILL "$pid"
	wait "$pid"
	status=$?
	unset "backend_pids[$1]"
	eq $status "$2" "the back-end's exit status" || cat "$WORK/$1.backend.log"
}

# logged NAME TEXT - the back-end said it
logged() {
	grep -qF -- "$2" "$WORK/$1.backend.log" ||
		fail "not in the log: $2: $(cat "$WORK/$1.backend.log")"
}

# silent NAME - the back-end complained about nothing
silent() {
	refused grep -E 'error|warning' "$WORK/$1.backend.log"
}

# fresh_log NAME
fresh_log() {
	: >"$WORK/$1.backend.log"
}
