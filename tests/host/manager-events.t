#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What guests tell, on its way through back-ends and ballonetd to those who
# follow it.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/manager.sh"

FEATURES=0x000c000160000007
declare -A TYPE=([short]=1 [plenty]=2 [wish]=3 [floor]=4)

conf '[vm a]' '[vm b]' 'wishes = report' '[vm c]'
manager_start
: >"$WORK/figures"

# guest VM - a VMM with a guest that does what it is told; tell VM COMMAND...
declare -A guest_in guest_pid
guest() {
	local fd
	mkfifo "$WORK/$1.fifo"
	"$VMM" <"$WORK/$1.fifo" >"$WORK/$1.said" 2>&1 &
	guest_pid[$1]=$!
	background "${guest_pid[$1]}"
	disown
	exec {fd}>"$WORK/$1.fifo"
	guest_in[$1]=$fd
	tell "$1" ram 64M
	tell "$1" connect "$RUN/vm/$1.sock"
	tell "$1" hello "$FEATURES"
	tell "$1" start
	within 5 is_state "$1" running
}

tell() {
	local vm=$1
	shift
	echo "$*" >&"${guest_in[$vm]}"
}

# event VM TYPE SEQ VALUE [stamp] - its driver tells this
event() {
	tell "$1" event "${TYPE[$2]}" "${@:3}"
}

# leave VM - its VMM ends
leave() {
	kill "${guest_pid[$1]}"
	within 5 gone "${guest_pid[$1]}"
	within 5 is_state "$1" waiting
}

# follow NAME [ARG...] - ballonetctl events in the background, its process in
# $follower, what it prints in $WORK/NAME
follow() {
	local name=$1
	shift
	: >"$WORK/$name"
	"$BIN/ballonetctl" --control="$CONTROL" --json events "$@" \
		>>"$WORK/$name" 2>"$WORK/$name.err" &
	follower=$!
	background "$follower"
	disown
}

# How many connections the manager has, of whomever.
connections() {
	find "/proc/$manager_pid/fd" -lname 'socket:*' | wc -l
}

# at_rest - are none of them just coming or going?
at_rest() {
	local before
	before=$(connections)
	sleep 0.2
	[ "$(connections)" = "$before" ]
}

# heard NAME TEXT - it has printed this: "VM TYPE SEQ" of each event, in a row of
# that VM's
heard() {
	local all
	all=$(jq -r --arg vm "${2%% *}" 'select(.vm == $vm) |
		"\(.vm) \(.type) \(.seq)"' "$WORK/$1" | paste -sd,)
	[[ ,$all, == *,$2,* ]]
}

test_who_follows_hears_of_all_vms_at_once() {
	guest a
	guest b
	event a floor 0 1M
	within 5 eval 'ctl events --last | grep -q "a .*floor"'
	follow all
	within 5 heard all "a floor 0"
	follow only-b b
	event b short 0 4096
	within 5 heard only-b "b short 0"
	event a short 1 8192
	event b plenty 1 4096
	within 5 heard only-b "b short 0,b plenty 1"
	within 5 heard all "a short 1"
	within 5 heard all "b plenty 1"
	eq "$(wc -l <"$WORK/all")" 4 "events of all"
	eq "$(wc -l <"$WORK/only-b")" 2 "events of b"
	eq "$(jq -s '.[1].value' "$WORK/only-b")" 4096 "value"
}

test_the_last_events_are_told_without_waiting() {
	check ctl events --last b
	eq "$(ctl --json events --last b | jq -r .type | paste -sd' ')" \
		"short plenty" "events of b"
	eq "$(ctl --json events --last c)" '' "events of c"
	ctl_fails 4 "nobody: no such VM" events nobody
	ctl_fails 4 "nobody: no such VM" events --last nobody
}

test_status_shows_what_the_guest_told() {
	local text
	text=$(ctl status a)
	echo "$text"
	check grep -qE '^guest memory +short$' <<<"$text"
	check grep -qE '^last floor +1 MiB +1048576 at 20' <<<"$text"
	check grep -qE '^guest wishes +0 B +0$' <<<"$text"
	eq "$(status b pressure)" plenty "pressure of b"
	eq "$(status c pressure)" null "pressure of c"
}

test_a_wish_is_granted_or_reported_as_configured() {
	event a wish 2 16M
	event b wish 2 16M
	within 5 heard all "a wish 2"
	within 5 heard all "b wish 2"
	within 5 eval '[ "$(status a target)" = $((16 << 20)) ]'
	eq "$(status a operator)" 0 "what the operator wants of a"
	eq "$(status b target)" 0 "target of b"
	eq "$(status b wish)" $((16 << 20)) "wish of b"
	check grep -qE '^guest wishes +16 MiB' <<<"$(ctl status b)"
}

test_who_sets_less_than_is_wished_is_told() {
	ctl_fails 3 "the guest wishes for a balloon of 16 MiB" \
		set a --balloon=4M --wait=20
	eq "$(status a operator)" $((4 << 20)) "what the operator wants"
	eq "$(status a target)" $((16 << 20)) "target"
	event a wish 3 0
	within 5 eval '[ "$(status a target)" = $((4 << 20)) ]'
	check ctl set a --balloon=0
}

test_other_wishes_are_used_from_the_reload_on() {
	conf '[vm a]' 'wishes = report' '[vm b]' '[vm c]'
	check ctl reload
	within 5 eval '[ "$(status b target)" = $((16 << 20)) ]'
	event a wish 4 8M
	within 5 heard all "a wish 4"
	eq "$(status a target)" 0 "target of a"
	# By a successor, too.
	check ctl restart a
	within 5 is_restarted a 1
	within 5 is_state a running
	eq "$(status a target)" 0 "target of a"
	conf '[vm a]' '[vm b]' 'wishes = report' '[vm c]'
	check ctl reload
	within 5 eval '[ "$(status a target)" = $((8 << 20)) ]'
	within 5 eval '[ "$(status b target)" = 0 ]'
}

test_memory_is_made_ready_for_the_guest_from_the_reload_on() {
	eq "$(status a prefaulted)" null "prefaulted of a"
	conf '[vm a]' 'prefault = on' '[vm b]' 'wishes = report' '[vm c]'
	check ctl reload
	within 5 eval '[ "$(status a prefaulted)" = 0 ]'
	check grep -qE '^prefaulted +0 B' <<<"$(ctl status a)"
	# By a successor, too.
	check ctl restart a
	within 5 is_restarted a 2
	within 5 is_state a running
	eq "$(status a prefaulted)" 0 "prefaulted of a"
	conf '[vm a]' '[vm b]' 'wishes = report' '[vm c]'
	check ctl reload
	within 5 eval '[ "$(status a prefaulted)" = null ]'
}

test_events_go_on_when_the_back_end_was_killed() {
	local before
	before=$(describe a restarts)
	event a short 5 4096
	within 5 heard all "a short 5"
	kill -KILL "$(describe a pid)"
	event a plenty 6 4096
	within 5 is_restarted a $((before + 1))
	event a floor 7 4096
	within 8 heard all "a floor 7"
	within 8 heard all "a plenty 6"
	eq "$(jq -c 'select(.vm == "a" and .seq >= 5)' "$WORK/all" | wc -l)" 3 \
		"events, each once"
}

test_the_next_manager_knows_what_was_told() {
	follow orphan a
	within 5 test -s "$WORK/orphan"
	manager_end KILL
	within 5 gone "$follower"
	check grep -q "$CONTROL: no answer" "$WORK/orphan.err"
	manager_start
	within 8 is_state a running
	within 8 eval '[ "$(ctl --json events --last a | wc -l)" = 4 ]'
	follow all
	within 5 heard all "a floor 7"
	event a short 8 4096
	within 5 heard all "a short 8"
}

test_those_who_left_are_forgotten() {
	local before pids=() i
	within 8 at_rest
	before=$(connections)
	for i in 1 2 3 4 5 6 7 8 9 10; do
		follow "leaver$i"
		pids+=("$follower")
	done
	within 5 eval '[ "$(connections)" = '$((before + 10))' ]'
	kill "${pids[@]}"
	within 5 eval '[ "$(connections)" = '"$before"' ]'
}

test_a_call_can_be_followed_with_the_real_varlinkctl() {
	local varlinkctl

	varlinkctl=$("$TOP/tests/host/varlinkctl") || return
	"$varlinkctl" --more --json=short call "unix:$CONTROL" \
		io.ballonet.Monitor '{"vm": "a"}' >"$WORK/followed" &
	background $!
	disown
	within 10 grep -q '}$' "$WORK/followed" || return
	eq "$(head -n 1 "$WORK/followed" | jq '.events | length')" 4 "events"
	eq "$("$varlinkctl" call "unix:$CONTROL" io.ballonet.Monitor '{}' |
		jq .lost)" 0 "events that were lost"
}

# Time from the guest's kick to the line that who follows prints, in us.
test_news_take_milliseconds() {
	local i sent=() took=()

	"$BIN/ballonetctl" --control="$CONTROL" events c |
		perl -MTime::HiRes=time -ne 'BEGIN { $| = 1 }
			printf "%d\n", time * 1e6' >"$WORK/arrived" &
	background $!
	disown
	guest c
	event c short 0 4096
	within 5 test -s "$WORK/arrived"
	for i in {1..21}; do
		event c short "$i" 4096 stamp
		within 5 eval '[ "$(wc -l <"$WORK/arrived")" -gt '"$i"' ]'
	done
	mapfile -t sent < <(grep -E '^[0-9]{16}$' "$WORK/c.said")
	mapfile -t took < <(tail -n +2 "$WORK/arrived" | head -n 21 |
		paste - <(printf '%s\n' "${sent[@]}") |
		awk '{ print $1 - $2 }' | sort -n)
	echo "# from the kick to the line: ${took[10]} us (median of ${#took[@]})" \
		>>"$WORK/figures"
	eq ${#took[@]} 21 "events"
	at_least "${took[0]}" 1 "us"
	# Whatever else the machine does: a quarter of them finds it at rest.
	at_most "${took[5]}" 100000 "us"
}

test_a_flood_is_cut_off_and_told() {
	follow flooded c
	within 5 test -s "$WORK/flooded"
	tell c eventflood 3000 22
	# Told with the next event that is not dropped.
	within 8 eval 'event c plenty 4000 4096
		grep -q "events were lost" "$WORK/flooded.err"'
	at_most "$(wc -l <"$WORK/flooded")" 2000 "events of 3000"
	check kill -0 "$follower"
}

test_a_guest_that_starts_again_is_told() {
	tell a stop
	tell a reset
	tell a start
	event a short 0 4096
	within 5 heard all "a reset 0,a short 0"
	eq "$(ctl --json events --last a | jq -r .type | paste -sd' ')" \
		"reset short" "last events"
	eq "$(status a wish)" 0 "wish"
}

test_a_guest_that_is_gone_leaves_no_wish() {
	event a wish 1 8M
	within 5 heard all "a wish 1"
	leave a
	within 5 heard all "a wish 1,a reset 0"
	eq "$(status a wish)" 0 "wish"
	eq "$(ctl --json events --last a)" '' "events"
	leave b
	leave c
}

test_a_back_end_that_tells_without_end_harms_nobody() {
	local before pid

	manager_end TERM
	export ROGUE=$WORK/rogue
	echo "serve tell" >"$ROGUE"
	BACKEND=$TOP/build/tests/rogue manager_start
	sleep 1000 | socat - "UNIX-CONNECT:$RUN/vm/a.sock" &
	background $!
	disown
	follow slow
	pid=$follower
	within 5 test -s "$WORK/slow"
	kill -STOP "$pid"
	before=$(manager_cpu_ms)
	sleep 3
	before=$(($(manager_cpu_ms) - before))
	echo "# CPU of the manager for a back-end that tells without end: $before ms in 3 s" \
		>>"$WORK/figures"
	at_most "$before" 1500 "ms of CPU in 3 s"
	check is_state b waiting
	kill -CONT "$pid"
	within 8 grep -q "events were lost" "$WORK/slow.err"
	check kill -0 "$pid"
	kill "$pid"
	within 5 gone "$pid"
}

run_tests
status=$?
cat "$WORK/figures"
exit $status
