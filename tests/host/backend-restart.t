#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A back-end that is killed at any moment and started again: neither the guest
# nor the VMM notices. keeper.c plays systemd's or the manager's part.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/host/backend.sh"

# keeper_start - a back-end that is started again whenever it is killed
keeper_start() {
	rm -rf "$WORK/kept"
	mkdir "$WORK/kept"
	fresh_log vm
	"$TOOLS/keeper" "$WORK/kept" "$BIN/vhost-user-balloon" --name=vm \
		"--socket-path=$WORK/vm.sock" "--control-path=$WORK/vm.ctl" \
		>>"$WORK/vm.backend.log" 2>&1 </dev/null &
	backend_pids[vm]=$!
	background $!
	within 5 test -S "$WORK/vm.ctl"
}

starts() {
	cat "$WORK/kept/starts"
}

# killer - kill the back-end every few milliseconds, in the background
killer() {
	while sleep "0.0$((RANDOM % 9))$((RANDOM % 10))"; do
		kill -KILL "$(cat "$WORK/kept/pid")" 2>/dev/null
		# On a busy machine it takes that long to start.
		[ $((RANDOM % 8)) != 0 ] || sleep 0.7
	done
}

# Kills the back-end from within a script, and waits for the next one.
KILL='sh n=$(cat KEPT/starts); kill -KILL $(cat KEPT/pid); until [ $(cat KEPT/starts) -gt $n ]; do sleep 0.01; done'
KILL=${KILL//KEPT/$WORK/kept}

test_a_ballooned_guest_survives() {
	keeper_start || return
	vmm vm <<-END
		ram 256M memfd 128M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:4096
		write 4 00100000
		$KILL
		ranges inflate 0x100000:512
		expect status 0 id 77 done 512 freed 2097152
		check zero
		config 0 8
		expect 0000000000100000
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "state":"running","memory":268435456,"target":0,"operator":0,"wish":0,"actual":16777216
		$KILL
		ranges deflate 1024:4096
		check
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":8192}
		$KILL
		changes
		expect 1
		config 0 4
		expect 02000000
		stop
		expect bases 2 1 0 in
	END
	ended vm 0
	eq "$(starts)" 4 "starts"
	eq "$(cat "$WORK/kept/stored")" "" "what is still kept"
}

test_a_held_stats_buffer_survives() {
	keeper_start || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello
		start
		stats 4:4096
		call CTL io.ballonet.Stats {"vm":"vm"}
		$KILL
		statsback
		stats 4:8192
		call CTL io.ballonet.Stats {"vm":"vm"}
		expect "free":8192
		sleep 1100
		call CTL io.ballonet.Stats {"vm":"vm"}
		statsback
		stop
		expect bases 0 0 2 in
	END
	ended vm 0
}

test_a_request_that_waits_survives() {
	keeper_start || return
	vmm vm <<-END
		ram 1100M
		connect SOCK
		hello
		fill
		start
		ranges inflate nowait=1 1024:262144
		sleep 20
		$KILL
		response
		expect status 0 id 77 done 262144
		mark out 1024 262144
		check zero
	END
	ended vm 0
}

test_a_message_that_was_not_answered_survives() {
	keeper_start || return
	# Stopped, it is killed with the message still in its socket.
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello
		start
		sh kill -STOP \$(cat $WORK/kept/pid)
		raw 24 1 16 0 00000000040000000000000000000000
		$KILL
		answer 24
		expect answer 16 bytes
		sh kill -STOP \$(cat $WORK/kept/pid)
		raw 11 1 8 0 0000000000000000
		$KILL
		answer 11
		expect answer 8 bytes, first 0
		config 0 4
	END
	ended vm 0
}

test_a_stop_that_has_begun_survives() {
	keeper_start || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello
		start
		enable 0 0
		$KILL
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":8192}
		changes
		expect 0
		enable 0 1
		changes
		expect 1
	END
	ended vm 0
}

# killed_at CALL WHEN - from now on, the back-end is killed in its WHENth such
# system call
killed_at() {
	inject "$WORK/kept/pid" "$1" "signal=KILL:when=$2"
}

test_a_ring_that_was_stopping_goes_on_where_it_was() {
	keeper_start || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:512
		$(killed_at epoll_ctl 1)
		stop
		expect bases 1 0 0 in
		refill
		start
		sleep 200
		check
	END
	ended vm 0
	eq "$(starts)" 2 "starts"
}

test_rings_without_memory_go_on_where_they_were() {
	keeper_start || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:512
		$(killed_at epoll_ctl 1)
		forget 0
		refill
		memory slots
		sleep 200
		check
	END
	ended vm 0
	eq "$(starts)" 2 "starts"
}

test_a_state_that_nobody_can_use_is_given_up() {
	keeper_start || return
	# Killed when the new table is in force, and the old one is forgotten.
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello
		start
		$(killed_at sendmsg 2)
		table 0x2000000 0x200000 0x100000000 0
		eof
	END
	ended vm 1
	eq "$(starts)" 2 "starts"
	logged vm "ring 0: descriptor table lies outside the memory regions"
	eq "$(cat "$WORK/kept/stored")" "" "what is still kept"
	refused test -e "$WORK/vm.ctl"
}

test_a_keeper_that_sleeps_gets_the_descriptors_later() {
	keeper_start || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello
		fill
		start
		sh kill -STOP ${backend_pids[vm]}
		memory
		memory
		memory
		memory
		memory
		memory
		memory
		timed 2000 config 0 4
		timed 2000 memory
		sh kill -CONT ${backend_pids[vm]}
		sleep 500
		$KILL
		ranges inflate 1024:512
		expect status 0
		check zero
	END
	ended vm 0
	eq "$(starts)" 2 "starts"
	eq "$(cat "$WORK/kept/stored")" "" "what is still kept"
	logged vm "all descriptors are stored"
}

test_a_damaged_state_is_given_up() {
	keeper_start || return
	# 5200 is the offset of state.table_now.
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello
		start
		sh pid=\$(cat $WORK/kept/pid); for f in /proc/\$pid/fd/*; do case \$(readlink \$f) in *balloon-state*) printf '\\377\\377' | dd of=\$f bs=1 seek=5200 conv=notrunc 2>/dev/null; esac; done; kill -KILL \$pid
		eof
	END
	ended vm 1
	logged vm "the state that was kept is damaged"
	eq "$(cat "$WORK/kept/stored")" "" "what is still kept"
}

# Ranges and events.
EVENTS=0x000c000160000007

test_wishes_and_events_survive() {
	keeper_start || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello $EVENTS
		start
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":8192}
		event 1 7 1M
		event 3 8 16M
		$KILL
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "target":16777216,"operator":8192,"wish":16777216,
		expect "pressure":"short"
		expect "type":"short","value":1048576,"seq":7,
		event 3 9 0
		config 0 4
		expect 02000000
		$KILL
		config 0 4
		expect 02000000
		event 4 12 4096
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "events":1,"events_bad":0,"events_unknown":0,"events_dropped":0,"events_missed":2,"events_repeated":0
		stop
		expect bases 0 0 0 4 in
	END
	ended vm 0
}

# Stops the back-end from within a script, and waits until all of it stands.
STOP='sh pid=$(cat KEPT/pid); kill -STOP $pid; while grep -q "^State:.[^T]" /proc/$pid/task/*/status; do sleep 0.01; done'
STOP=${STOP//KEPT/$WORK/kept}

test_events_in_flight_are_taken_once() {
	keeper_start || return
	# Killed before it has read three; and when it has read one of two, and
	# wakes the other thread for it.
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello $EVENTS
		start
		event 1 1 4096
		$STOP
		event 1 2 8192 nokick
		event 3 3 16M nokick
		event 4 4 4096 nowait
		$KILL
		event 2 5 4096
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "events":4,
		expect "events_missed":0,"events_repeated":0
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "wish":16777216,
		$(killed_at write 1)
		event 1 6 12288 nokick
		event 2 7 20480
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "events_missed":0,"events_repeated":1
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "pressure":"plenty"
		expect "value":20480,"seq":7,
		stop
		expect bases 0 0 0 7 in
	END
	ended vm 0
}

# for_state COMMAND - the line of a script that does so to the state, "$f", of
# a back-end that stands still, and then kills it; waits for the next one
for_state() {
	cat <<-END
		sh pid=\$(cat $WORK/kept/pid) n=\$(cat $WORK/kept/starts); kill -STOP \$pid; for f in /proc/\$pid/fd/*; do case \$(readlink \$f) in *balloon-state*) $1;; esac; done; kill -KILL \$pid; until [ \$(cat $WORK/kept/starts) -gt \$n ]; do sleep 0.01; done
	END
}

test_the_state_of_the_first_version_is_taken_over() {
	keeper_start || return
	# It had 5888 bytes, and its size at offset 8.
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello $EVENTS
		fill
		start
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":8192}
		ranges inflate 1024:512
		event 3 1 16M
		event 3 2 0
		$(for_state "truncate -s 5888 \$f; printf '\\000\\027' | dd of=\$f bs=1 seek=8 conv=notrunc 2>/dev/null")
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "target":8192,"operator":8192,"wish":0,
		event 3 1 16M
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "target":16777216,"operator":8192,"wish":16777216,
		ranges deflate 1024:512
		check
	END
	ended vm 0
	logged vm "its state has 5888 bytes"
}

test_a_state_with_damaged_events_is_given_up() {
	keeper_start || return
	# 5912 is the offset of state.events[0].pressure.
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello $EVENTS
		start
		event 1 1 4096
		$(for_state "printf '\\377\\377' | dd of=\$f bs=1 seek=5912 conv=notrunc 2>/dev/null")
		eof
	END
	ended vm 1
	logged vm "the state that was kept is damaged"
}

test_the_state_of_a_later_version_is_taken_over() {
	keeper_start || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello $EVENTS
		start
		event 3 1 16M
		$(for_state "truncate -s 16384 \$f; printf '\\000\\100' | dd of=\$f bs=1 seek=8 conv=notrunc 2>/dev/null")
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "target":16777216,"operator":0,"wish":16777216,
	END
	ended vm 0
	logged vm "its state has 16384 bytes"
}

test_a_VMM_that_has_not_come_survives() {
	keeper_start || return
	vmm vm <<-END
		sh true
		$KILL
		ram 64M
		connect SOCK
		$KILL
		hello
		start
		ranges inflate 1024:16
		expect status 0
	END
	ended vm 0
}

# storm FEATURES [WORD...] - balloon at random under fire
storm() {
	local features=$1 killer over=$WORK/over
	shift

	rm -f "$over"
	keeper_start || return
	killer &
	killer=$!
	background $killer
	{
		sleep 8
		until [ "$(starts)" -ge 20 ]; do
			sleep 0.1
		done
		: >"$over"
	} &
	background $!
	vmm vm <<-END
		ram 128M memfd 64M
		connect SOCK
		hello $features
		fill
		start
		storm $over $RANDOM $*
		stop
		sh kill $killer
		config 0 4
	END
	kill $killer 2>/dev/null
	ended vm 0
	echo "$(starts) starts"
	at_least "$(starts)" 20 "starts"
}

test_memory_stays_whole_while_it_is_killed() {
	storm 0x160000007
}

test_messages_get_one_answer_while_it_is_killed() {
	storm 0x160000007 chat
}

test_the_end_of_the_VMM_leaves_nothing_behind() {
	keeper_start || return
	vmm vm <<-'END'
		ram 64M
		connect SOCK
		hello
		start
	END
	ended vm 0
	eq "$(cat "$WORK/kept/stored")" "" "what is still kept"
	refused test -e "$WORK/vm.sock"
	refused test -e "$WORK/vm.ctl"
}

run_tests
