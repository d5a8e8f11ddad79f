#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonetd with back-ends that their guests have taken over: whatever they do,
# the manager and the other VMs go on.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/manager.sh"

export ROGUE=$WORK/rogue
BACKEND=$TOP/build/tests/rogue

conf '[vm a]' '[vm b]'
manager_start

# rogue START [ANSWER] - a VMM connects to "a" and gets such a back-end
rogue() {
	echo "$*" >"$ROGUE"
	sleep 1000 | socat - "UNIX-CONNECT:$RUN/vm/a.sock" &
	idle=$!
	disown
	background "$idle"
}

# over - the VMM leaves; the manager has to be well after it
over() {
	kill "$idle" 2>/dev/null
	within 8 is_state a waiting
	check is_state b waiting
	check kill -0 "$manager_pid"
}

test_one_that_ends_at_once_is_given_up() {
	rogue end
	within 5 logged "does not start, VMM is refused"
	within 5 gone "$idle"
	over
}

test_one_that_crashes_for_ever_is_started_ever_more_slowly() {
	local before
	rogue crash
	within 8 is_restarted a 7
	before=$(describe a restarts)
	sleep 3
	at_most $(($(describe a restarts) - before)) 5 "restarts in 3 s"
	check kill -0 "$idle"
	over
}

test_one_that_can_do_nothing_with_what_is_stored_is_given_up() {
	rogue forget
	within 5 logged "giving up its VMM"
	within 5 gone "$idle"
	over
}

test_one_that_is_never_ready_is_killed_in_the_end() {
	rogue mute
	within 14 logged "is not ready in time, killing it"
	over
}

test_one_that_stores_without_end_is_limited() {
	rogue flood
	within 8 eval '[ "$(describe a "descriptors | length")" -ge 700 ]'
	within 8 logged "was not kept: Argument list too long"
	at_most "$(describe a 'descriptors | length')" 768 "descriptors"
	eq "$(grep -c 'was not kept' "$WORK/log")" 1 "complaints"
	kill -KILL "$(describe a pid)"
	over
	within 8 eval '[ "$(find "/proc/$manager_pid/fd" | wc -l)" -le 60 ]'
}

test_names_that_are_none_store_nothing() {
	rogue names
	within 5 is_kept a frontend.1
	eq "$(describe a 'descriptors | sort | join(" ")')" \
		"frontend.1 good.1" "descriptors"
	within 5 logged "was not kept: Invalid argument"
	over
}

test_others_cannot_notify_in_its_place() {
	rogue serve null
	within 5 is_kept a frontend.1
	printf 'FDSTOREREMOVE=1\nFDNAME=frontend.1' |
		socat -u - "UNIX-SENDTO:$RUN/vm/a.notify"
	sleep 0.2
	eq "$(describe a 'descriptors | join(" ")')" frontend.1 "descriptors"
	over
}

test_nonsense_for_an_answer_is_not_ready() {
	local how

	for how in garbage huge error; do
		rogue serve $how
		within 5 is_kept a frontend.1
		ctl_fails 6 "a: its back-end does not answer" status a
		over
	done
}

test_who_waits_for_it_keeps_no_processor_busy() {
	local before
	rogue serve hang
	within 5 is_kept a frontend.1
	before=$(manager_cpu_ms)
	# socat says at once that it will send no more, and waits.
	eq "$(call io.ballonet.Status '{"vm": "a"}' | jq -r .error)" \
		io.ballonet.NotReady "answer"
	at_most $(($(manager_cpu_ms) - before)) 200 "ms of CPU in 3 s"
	over
}

test_a_list_does_not_wait_for_one_that_is_silent() {
	rogue serve hang
	within 5 is_kept a frontend.1
	eq "$(ctl --json list | jq -r 'map(.state) | join(" ")')" \
		"failed waiting" "states"
	over
}

test_an_answer_about_another_vm_does_not_get_into_the_list() {
	rogue serve other
	within 5 is_kept a frontend.1
	eq "$(ctl --json list | jq -r 'map(.name + " " + .state) | join(" ")')" \
		"a failed b waiting" "list"
	over
}

test_answers_that_nobody_asked_for_are_not_taken_for_the_next() {
	rogue serve twice
	within 5 is_kept a frontend.1
	ctl_fails 1 "the answer is no VM" status a
	check is_state b waiting
	over
}

test_a_stranger_is_not_adopted_in_its_place() {
	local pid
	rogue serve stranger
	within 5 is_kept a frontend.1
	pid=$(describe a pid)
	manager_end KILL
	manager_start
	within 5 logged "a: adopted back-end $pid "
	eq "$(describe a pid)" "$pid" "process"
	over
}

# Of watched VMMs: libuv itself has one more.
epolls() {
	find "/proc/$manager_pid/fd" -lname 'anon_inode:\[eventpoll\]' | wc -l
}

test_one_that_cannot_be_adopted_leaves_nothing_behind() {
	local before
	before=$(epolls)
	rogue serve orphan
	within 5 is_kept a frontend.1
	manager_end KILL
	manager_start
	within 5 logged "could not be adopted (No such process)"
	within 5 eval '[ "$(epolls)" = '"$before"' ]'
	kill "$idle"
	back_ends_kill
	within 8 is_state a waiting
}

test_the_manager_rests_when_all_is_quiet() {
	local before
	before=$(manager_cpu_ms)
	sleep 2
	at_most $(($(manager_cpu_ms) - before)) 50 "ms of CPU in 2 s"
}

run_tests
