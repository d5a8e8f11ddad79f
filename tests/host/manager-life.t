#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonetd and its back-ends: started, killed, stopped, replaced, adopted, with
# a false VMM and a false guest whose memory is looked at.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/manager.sh"

VARLINK_NAMES='frontend\.|control\.|state'

conf '[vm a]' 'balloon = 4M' '[vm b]' '[vm c]' 'memory = 20M'
manager_start

# vmm_run VM - run a VMM with what comes from standard input after its start
vmm_run() {
	{
		echo "ram 64M"
		echo "connect $RUN/vm/$1.sock"
		printf '%s\n' hello memory start fill
		cat
	} | "$VMM"
}

# vmm_alive - does the idle VMM still have its connection?
vmm_alive() {
	kill -0 "$idle" 2>/dev/null
}

test_a_vmm_gets_a_back_end_and_its_target() {
	vmm_idle a
	eq "$(status a target)" $((4 << 20)) "target"
	eq "$(describe a restarts)" 0 "restarts"
	at_least "$(describe a 'descriptors | length')" 3 "descriptors"
	check grep -q "vhost-user-balloon" "/proc/$(describe a pid)/cmdline"
}

test_a_second_vmm_is_refused() {
	local i
	for i in 1 2 3; do
		eq "$(socat -u "UNIX-CONNECT:$RUN/vm/a.sock" -)" '' \
			"what it was told"
	done
	eq "$(grep -c "a: refused a second VMM" "$WORK/log")" 1 "complaints"
	check is_state a connected
	check vmm_alive
}

test_a_back_end_that_was_killed_is_replaced() {
	local pid names

	check ctl set a --balloon=12M
	pid=$(describe a pid)
	names=$(describe a 'descriptors | sort | tostring')
	kill -KILL "$pid"
	within 5 is_restarted a 1
	within 5 is_state a connected
	[ "$(describe a pid)" != "$pid" ] || fail "the process is the same"
	eq "$(describe a 'descriptors | sort | tostring')" "$names" "descriptors"
	eq "$(status a target)" $((12 << 20)) "target"
	check vmm_alive
	check logged "a: back-end $pid was killed by signal 9"
}

test_a_call_that_meets_a_dying_back_end_is_made_again() {
	local i

	for ((i = 0; i < 10; i++)); do
		kill -KILL "$(describe a pid)"
		check ctl set a --balloon=$((i + 1))M
		within 5 is_restarted a $((i + 2))
	done
	eq "$(status a target)" $((10 << 20)) "target"
	check vmm_alive
}

test_sigterm_to_a_back_end_does_not_lose_its_vmm() {
	local before
	before=$(describe a restarts)
	kill -TERM "$(describe a pid)"
	within 5 is_restarted a $((before + 1))
	within 5 is_state a connected
	check vmm_alive
}

test_restart_replaces_the_back_end() {
	local pid before
	pid=$(describe a pid)
	before=$(describe a restarts)
	check ctl restart a
	within 5 is_restarted a $((before + 1))
	within 5 is_state a connected
	[ "$(describe a pid)" != "$pid" ] || fail "the process is the same"
	check vmm_alive
}

test_a_back_end_that_was_stopped_holds_up_nobody_else() {
	local pid start=$SECONDS

	pid=$(describe a pid)
	kill -STOP "$pid"
	ctl_fails 6 "a: its back-end does not answer" status a
	at_most $((SECONDS - start)) 30 "seconds"
	eq "$(ctl --json list | jq -r '.[] | select(.name == "a").state')" \
		failed "state in the list"
	check is_state b waiting
	kill -CONT "$pid"
	within 5 is_state a connected
}

test_a_vmm_that_leaves_frees_its_place() {
	local pid
	pid=$(describe a pid)
	kill "$idle"
	within 5 is_state a waiting
	within 5 gone "$pid"
	within 5 eval '! test -e "$RUN/vm/a.control"'
	within 5 eval '[ "$(describe a "descriptors | length")" = 0 ]'
	eq "$(status a target)" $((10 << 20)) "target"
	vmm_idle a
	eq "$(status a target)" $((10 << 20)) "target at the next VMM"
}

test_a_stopped_back_end_is_ended_and_the_next_vmm_waits_for_it() {
	local pid
	pid=$(describe a pid)
	kill -STOP "$pid"
	kill "$idle"
	within 5 gone "$idle"
	vmm_idle a
	check gone "$pid"
	check vmm_alive
	kill "$idle"
	within 5 is_state a waiting
}

test_memory_to_keep_is_set_when_it_is_known() {
	check vmm_run c <<-END
	sh until $BIN/ballonetctl --control=$CONTROL --json status c > $WORK/c && jq -e '.target==$((44 << 20)) and .state=="running"' $WORK/c; do sleep 0.1; done
	END
	eq "$(jq .memory "$WORK/c")" $((64 << 20)) "memory"
	eq "$(jq .target "$WORK/c")" $((44 << 20)) "target"
}

test_what_was_set_by_hand_outlives_a_manager_and_a_back_end() {
	local go=$WORK/go pid vmm

	vmm_run c <<<"sh while [ ! -e $go ]; do sleep 0.1; done" &
	vmm=$!
	within 5 eval '[ "$(status c target)" = $((44 << 20)) ]'
	check ctl set c --balloon=8M
	manager_end KILL
	manager_start
	within 5 logged "c: adopted back-end"
	eq "$(status c target)" $((8 << 20)) "target when adopted"
	kill -KILL "$(describe c pid)"
	within 5 is_restarted c 1
	within 5 is_state c running
	within 5 eval '[ "$(status c target)" = $((8 << 20)) ]'
	sleep 1
	eq "$(status c target)" $((8 << 20)) "target after that"
	: >"$go"
	wait $vmm
	eq $? 0 "the VMM's verdict"
}

test_a_balloon_beyond_memory_names_the_limit() {
	check vmm_run b <<-END
	sh ! $BIN/ballonetctl --control=$CONTROL set b --balloon=64.5M 2> $WORK/b
	END
	cat "$WORK/b"
	check grep -q "b: bytes 67633152 is out of range: 0 to 67108864" \
		"$WORK/b"
}

test_no_byte_differs_while_back_ends_are_killed() {
	local go=$WORK/go1 vmm kills=0 pid end=$((SECONDS + 6))

	vmm_run b <<<"storm $go 7 chat" >"$WORK/vmm.out" 2>&1 &
	vmm=$!
	while ! gone $vmm && { [ $SECONDS -lt $end ] || [ $kills -lt 5 ]; }; do
		sleep 0.2
		pid=$(describe b pid)
		! kill -KILL "$pid" 2>/dev/null || kills=$((kills + 1))
	done
	: >"$go"
	wait $vmm
	eq $? 0 "the VMM's verdict"
	cat "$WORK/vmm.out"
	at_least $kills 5 "kills"
	within 5 is_state b waiting
}

test_a_vmm_that_breaks_the_protocol_is_given_up() {
	# It is the manager who ends this connection: nobody else would.
	{ printf 'GET / HTTP/1.1\r\n\r\n'; sleep 3; } |
		timeout 60 socat - "UNIX-CONNECT:$RUN/vm/b.sock"
	eq $? 0 "exit code of the VMM"
	within 5 logged "giving up its VMM"
	within 5 is_state b waiting
	eq "$(describe b restarts)" 0 "restarts"
}

test_back_ends_outlive_the_manager_and_are_adopted() {
	local pid

	vmm_idle a
	check ctl set a --balloon=20M
	check ctl add extra
	vmm_idle extra
	pid=$(describe a pid)
	manager_end KILL
	check kill -0 "$pid"
	manager_start
	within 5 logged "a: adopted back-end $pid"
	eq "$(describe a pid)" "$pid" "process"
	eq "$(status a target)" $((20 << 20)) "target"
	check is_state extra connected
	[[ $(describe a 'descriptors | join(" ")') =~ $VARLINK_NAMES ]] ||
		fail "no descriptors"
	manager_end TERM
	check kill -0 "$pid"
	manager_start
	within 5 logged "a: adopted back-end $pid"
	kill -KILL "$pid"
	within 5 is_restarted a 1
	within 5 is_state a connected
	eq "$(status a target)" $((20 << 20)) "target"
	check vmm_alive
}

test_the_storm_survives_the_end_of_the_manager() {
	local go=$WORK/go2 vmm i pid

	vmm_run b <<<"storm $go 8" >"$WORK/vmm.out" 2>&1 &
	vmm=$!
	within 5 is_state b running
	for i in 1 2 3; do
		manager_end KILL
		manager_start
		within 5 logged "b: adopted back-end"
		pid=$(describe b pid)
		kill -KILL "$pid"
		within 5 is_restarted b 1
		sleep 0.3
	done
	: >"$go"
	wait $vmm
	eq $? 0 "the VMM's verdict"
	cat "$WORK/vmm.out"
}

test_a_first_back_end_that_dies_does_not_take_the_target_along() {
	manager_end TERM
	back_ends_kill
	rm -rf "$RUN"
	cat >"$WORK/dies-once" <<-END
	#!/bin/sh
	[ -e $WORK/died ] && exec $BIN/vhost-user-balloon "\$@"
	: >$WORK/died
	END
	chmod +x "$WORK/dies-once"
	BACKEND=$WORK/dies-once manager_start
	vmm_idle a
	eq "$(describe a restarts)" 1 "restarts"
	within 2 eval '[ "$(status a target)" = $((4 << 20)) ]'
	kill "$idle"
	within 5 is_state a waiting
}

test_without_a_back_end_program_a_vmm_is_refused() {
	manager_end TERM
	back_ends_kill
	rm -rf "$RUN"
	BACKEND=$WORK/missing manager_start
	check logged "$WORK/missing: No such file or directory: VMs will be refused"
	check timeout 60 socat -u "UNIX-CONNECT:$RUN/vm/a.sock" -
	check logged "a: $WORK/missing does not start, VMM is refused"
	check is_state a waiting
	manager_end TERM
}

run_tests
