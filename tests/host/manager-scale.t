#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a hundred VMs at 1 Hz cost the manager, by both ways to them. Its part of
# a processor differs with the machine and is only shown; how often it calls the
# system does not.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/manager.sh"

NR=100
SECONDS_SEEN=10

# are STATE - are all VMs in it?
are() {
	[ "$(ctl --json list | jq "map(select(.state == \"$1\")) |
		length")" = $NR ]
}

# Time on a processor, in ns.
cpu_ns() {
	cut -d ' ' -f 1 "/proc/$manager_pid/schedstat"
}

# cost WAY - what the manager costs now; its calls are in $WORK/strace
cost() {
	local cpu strace_pid

	cpu=$(cpu_ns)
	sleep $SECONDS_SEEN
	cpu=$((($(cpu_ns) - cpu) / SECONDS_SEEN))
	echo "# manager of $NR VMs, $1, at 1 Hz: $((cpu / 1000)) ppm of a core, limit 5000"
	: >"$WORK/strace"
	strace -c -f -o "$WORK/strace" -p "$manager_pid" 2>/dev/null &
	strace_pid=$!
	sleep $SECONDS_SEEN
	kill $strace_pid
	wait $strace_pid
	[ -s "$WORK/strace" ] ||
		echo "# system calls were not counted: strace may not attach"
}

# calls NAME - how often in a second, of the table of strace -c
calls() {
	awk -v name="$1" -v s=$SECONDS_SEEN '
		$NF == name { n = $4 } END { print int(n / s) }' "$WORK/strace"
}

test_a_hundred_monitors_are_asked_at_little_cost() {
	local i commands begin took

	monitors_start $NR
	{
		printf '[host]\nmanage = on\n'
		for i in $(seq $NR); do
			printf '[vm v%d]\nqmp = %s/%d.qmp\n' "$i" "$MON" "$i"
		done
	} >"$CONF"
	manager_start
	within 60 are running || return
	begin=$SECONDS
	kill -USR1 "$monitors_pid"
	cost "by QMP"
	kill -USR1 "$monitors_pid"
	took=$((SECONDS - begin + 1))
	within 10 eval '[ "$(wc -l <"$WORK/monitors")" = 3 ]'
	commands=$(tail -n 1 "$WORK/monitors")
	# Statistics and migration each second; four more each ten seconds.
	at_most "$commands" $((3 * NR * took)) "commands in $took s"
	at_least "$commands" $NR "commands"
	# Send, receive, and look at the process; and the rest of the manager.
	at_most "$(calls sendto)" $((2 * NR)) "sendto in a second"
	at_most "$(calls recvfrom)" $((2 * NR)) "recvfrom in a second"
	at_most "$(calls total)" $((6 * NR)) "system calls in a second"
	manager_end TERM
	monitors_end
}

test_a_hundred_back_ends_are_looked_at_at_little_cost() {
	local i

	{
		printf '[host]\nmanage = on\n'
		printf '[vm v%d]\n' $(seq $NR)
	} >"$CONF"
	manager_start
	for i in $(seq $NR); do
		"$TOP/build/tests/crowd" "$RUN/vm/v$i.sock" 1 >/dev/null &
		background $!
		disown $!
	done
	within 120 are connected || return
	cost "with back-ends"
	# The gauge, and the VMM's process; no conversation.
	at_most "$(calls pread64)" $((3 * NR)) "pread64 in a second"
	at_most "$(calls sendto)" $((NR / 2)) "sendto in a second"
	at_most "$(calls recvfrom)" $((NR / 2)) "recvfrom in a second"
	at_most "$(calls total)" $((6 * NR)) "system calls in a second"
}

run_tests
