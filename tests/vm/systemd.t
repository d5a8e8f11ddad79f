#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonetd as a service of a real systemd, with its unit as it is installed, on
# Debian's kernel: it starts, is reloaded, restarted, killed and watched, in its
# sandbox, and the back-end of a VM goes on through all of it. This machine need
# not run under systemd; it lends its programs.

. "$(dirname "$0")/../lib/test.sh"

MIB=$((1 << 20))
# As tests/host/governor.t has them.
FEATURES=0x0008000160000007
backend=	# process of VM a's
is_up=		# the guest is there

host() {
	guest host "$*"
}

# property NAME - of the unit
property() {
	host "systemctl show -P $1 ballonetd"
}

is_property() {
	[ "$(property "$1")" = "$2" ]
}

# journal - all that was said by the unit, and by systemd of it
journal() {
	host "journalctl -q --no-pager -o cat -u ballonetd"
}

said() {
	[[ $(journal) == *"$1"* ]]
}

status() {
	host "ballonetctl --json status $1" | jq -r ".$2"
}

is_status() {
	[ "$(status "$1" "$2" 2>/dev/null)" = "$3" ]
}

# vmm LINE - for the fake VMM of VM a
vmm() {
	host "echo '$*' >/run/vmm.in"
}

# has_systemd - or the test is skipped
has_systemd() {
	local program

	for program in /lib/systemd/systemd /usr/bin/{systemctl,journalctl}; do
		[ -x "$program" ] ||
			{ skip "no $program on this machine"; return 1; }
	done
}

# needs_host - a test that goes on where the first one ended
needs_host() {
	has_systemd || return
	[ -n "$is_up" ] || fail "the guest has not come up"
}

is_ready() {
	is_property ActiveState active && said 'ready at /run/ballonet/control'
}

test_systemd_starts_it() {
	has_systemd || return
	"$TOP/tests/guest/mksystemd" || fail "no host" || return
	guest_start host 6.12 mem=768M \
		"args=-initrd $TOP/build/guest/systemd.cpio" \
		cmdline=rdinit=/init-systemd || return
	if ! within 60 is_ready; then
		host systemctl --no-pager status ballonetd
		journal
		return 1
	fi
	is_up=yes
	eq "$(host cat /proc/1/comm)" systemd "process 1"
	within 60 host test -S /run/ballonet/vm/a.sock
	echo "# ready after $(host "cut -d' ' -f1 /proc/uptime") s"
}

test_its_sandbox_is_there() {
	local pid net

	needs_host || return
	pid=$(property MainPID)
	eq "$(host "sed -n 's/^NoNewPrivs:.//p; s/^Seccomp:.//p' \
		/proc/$pid/status" | paste -sd' ')" '1 2' \
		"no new privileges, system call filter"
	net=$(host readlink "/proc/$pid/ns/net")
	[[ $net == net:* && $net != "$(host readlink /proc/1/ns/net)" ]] ||
		fail "has the network: $net"
	[[ $(host "nsenter -m -t $pid touch /usr/x 2>&1") == *Read-only* ]] ||
		fail "can write to /usr"
}

# set_balloon MIB - of VM a, and there it is
set_balloon() {
	check host ballonetctl set a "--balloon=$1M" --wait=120 >/dev/null
	within 60 is_status a actual $(($1 * MIB))
}

has_freed() {
	[ "$(status a freed 2>/dev/null)" -ge "$1" ]
}

test_a_vm_is_served_in_it() {
	local line

	needs_host || return
	host 'mkfifo /run/vmm.in; vmm <>/run/vmm.in >/run/vmm.out 2>&1 &
		echo $! >/run/vmm.pid'
	within 60 host test -p /run/vmm.in
	for line in 'ram 128M' fill 'connect /run/ballonet/vm/a.sock' \
		"hello $FEATURES" 'guest floor=8M swap_free=1G used=16M' \
		start live; do
		vmm "$line"
	done
	within 60 is_status a state running ||
		{ host cat /run/vmm.out; return 1; }
	set_balloon 32
	within 60 has_freed $((32 * MIB))
	backend=$(host pidof vhost-user-balloon)
}

# goes_on BALLOON_MIB - VM a has that balloon and its back-end
goes_on() {
	within 60 is_property ActiveState active || return
	within 60 is_status a state running || return
	within 60 is_status a actual $(($1 * MIB)) || return
	eq "$(host pidof vhost-user-balloon)" "$backend" "back-end"
	check host "kill -0 \$(cat /run/vmm.pid)"
}

test_a_reload_is_heard() {
	needs_host || return
	check host "printf '[vm b]\n' >>/etc/ballonet/ballonetd.conf &&
		systemctl reload ballonetd"
	within 60 host test -S /run/ballonet/vm/b.sock
	goes_on 32
}

test_a_restart_leaves_the_back_end() {
	local pid

	needs_host || return
	pid=$(property MainPID)
	check host systemctl restart ballonetd
	goes_on 32 || return
	[ "$(property MainPID)" != "$pid" ] || fail "it is the same process"
	set_balloon 16
	goes_on 16
}

test_a_stop_and_a_start_leave_it_too() {
	needs_host || return
	check host systemctl stop ballonetd
	eq "$(host pidof vhost-user-balloon)" "$backend" "back-end"
	check host systemctl start ballonetd
	goes_on 16
}

# is_new PID - the manager is another process, and ready
is_new() {
	is_property ActiveState active && ! is_property MainPID "$1"
}

test_one_that_is_killed_is_started_again() {
	local pid

	needs_host || return
	pid=$(property MainPID)
	check host "kill -KILL $pid"
	within 60 is_new "$pid" || return
	at_least "$(property NRestarts)" 1 restarts
	goes_on 16 || return
	set_balloon 32
}

# The unit's watchdog takes 30 s.
test_one_that_hangs_is_replaced() {
	local pid

	needs_host || return
	pid=$(property MainPID)
	check host "kill -STOP $pid"
	within 90 is_new "$pid" || return
	within 60 said 'Watchdog timeout'
	goes_on 32
}

# has_new_back_end PID - one process serves, another one
has_new_back_end() {
	local pid

	pid=$(host pidof vhost-user-balloon) && [[ $pid =~ ^[0-9]+$ ]] &&
		[ "$pid" != "$1" ]
}

test_a_back_end_that_is_killed_is_replaced() {
	needs_host || return
	check host "kill -KILL $backend"
	within 60 has_new_back_end "$backend" || return
	backend=$(host pidof vhost-user-balloon)
	goes_on 32 || return
	set_balloon 16
	goes_on 16
}

# What it may not do would be seen here.
test_the_sandbox_was_in_nobodys_way() {
	needs_host || return
	eq "$(journal | grep -E 'not permitted|denied|Read-only')" '' refusals
	guest_kill host
	guest_log_clean host 'blocked for more|stall|lockup'
}

run_tests
