#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a guest tells (BALLONET_F_EVENTS): the back-end's eventq, the wishes that
# it grants, and what becomes of lies.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/host/backend.sh"

# Ranges and events; all features.
F=0x000c000160000007
STATUS='call CTL io.ballonet.Status {"vm":"vm"}'
COUNTERS='call CTL io.ballonet.Counters {"vm":"vm"}'
short=1 plenty=2 wish=3 floor=4

test_events_are_kept_by_type_and_given_back() {
	fresh_log vm
	with_backend <<-END
		ram 64M
		connect SOCK
		hello $F
		start
		$STATUS
		expect "events":[]
		event $short 1 1M
		$STATUS
		expect "pressure":"short"
		event $plenty 2 2M
		event $short 3 3M
		event $plenty 4 4M
		event $floor 5 5M
		$STATUS
		expect "pressure":"plenty"
		expect "type":"short","value":3145728,"seq":3,
		expect "type":"plenty","value":4194304,"seq":4,
		expect "type":"floor","value":5242880,"seq":5,
		$COUNTERS
		expect "events":5,"events_bad":0,"events_unknown":0,"events_dropped":0,"events_missed":0,"events_repeated":0
		stop
		expect bases 0 0 0 5 in
	END
	silent vm
}

test_the_event_queue_follows_those_that_were_negotiated() {
	local features base

	while read -r features base; do
		with_backend <<-END
			ram 64M
			connect SOCK
			hello $features
			start
			event $short 1 4096
			$STATUS
			expect "type":"short"
			stop
			expect bases $base in
		END
	done <<-'END'
		0x000c000160000005 0 0 1
		0x000c000160000007 0 0 0 1
		0x000c000160000025 0 0 0 1
		0x000c000160000037 0 0 0 0 1
		0x0008000160000005 0 0 1
	END
}

test_without_the_feature_there_is_no_event_queue() {
	with_backend <<-END
		ram 64M
		connect SOCK
		hello
		start
		$STATUS
		expect "events":[]
		stop
		expect bases 0 0 0 in
	END
}

test_a_wish_moves_the_target_and_0_withdraws_it() {
	with_backend <<-END
		ram 64M
		connect SOCK
		hello $F
		start
		event $wish 1 16M
		changes
		expect 1
		config 0 4
		expect 00100000
		$STATUS
		expect "target":16777216,"operator":0,"wish":16777216,
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":33554432}
		expect "target":33554432,"operator":33554432,"wish":16777216,
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":4096}
		expect "target":16777216,"operator":4096,"wish":16777216,
		event $wish 2 0
		changes
		expect 4
		config 0 4
		expect 01000000
		$STATUS
		expect "target":4096,"operator":4096,"wish":0,
	END
}

test_a_wish_is_bounded_by_the_guests_memory() {
	with_backend <<-END
		ram 64M
		connect SOCK
		hello $F
		start
		event $wish 1 1G
		$STATUS
		expect "target":67108864,"operator":0,"wish":1073741824,
		event $wish 2 0xffffffff000
		config 0 4
		expect 00400000
		event $wish 3 4096
		$STATUS
		expect "target":4096,"operator":0,"wish":4096,
	END
}

test_wishes_are_only_reported_if_told_so() {
	backend_start vm --wishes=report || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		hello $F
		start
		event $wish 1 16M
		changes
		expect 0
		$STATUS
		expect "target":0,"operator":0,"wish":16777216,
	END
	ended vm 0
	refused "$BIN/vhost-user-balloon" --socket-path="$WORK/x" --wishes=maybe
}

test_a_reset_forgets_and_a_pause_does_not() {
	with_backend <<-END
		ram 64M
		connect SOCK
		hello $F
		start
		event $short 1 4096
		event $wish 2 16M
		stop
		$STATUS
		expect "target":0,"operator":0,"wish":0,
		expect "events":[]
		start
		$STATUS
		expect "target":16777216,"operator":0,"wish":16777216,
		expect "pressure":"short"
		event $floor 3 4096
		stop
		reset
		start
		$STATUS
		expect "target":0,"operator":0,"wish":0,
		expect "events":[{"vm":"vm","type":"reset","value":0,"seq":0,
		event $floor 1 4096
		$COUNTERS
		expect "events":4,"events_bad":0,"events_unknown":0,"events_dropped":0,"events_missed":0
		event $wish 2 16M
		stop
		reset
		features 0x160000007
		start
		$STATUS
		expect "target":0,"operator":0,"wish":0,
		stop
		reset
		features $F
		start
		$STATUS
		expect "target":0,"operator":0,"wish":0,
	END
}

test_lies_are_dropped_and_counted() {
	fresh_log vm
	with_backend <<-END
		ram 64M
		connect SOCK
		hello $F
		start
		event $wish 1 8M
		oddevent 15 0 0
		oddevent 17 0 0
		oddevent 0 0 0
		oddevent 4096 0 0
		oddevent 16 1 0
		oddevent 16 0xffff 0
		oddevent 16 0 2
		event $wish 2 0x100000000000
		event $wish 2 0xffffffffffffffff
		event $wish 2 4097
		event $short 2 0x8000000000000000
		event 0 2 0xffffffffffffffff
		event 5 3 16M
		event 0xffff 4 16M
		event $floor 10 4096
		event $floor 3 4096
		event $floor 0x80000005 4096
		event $floor 0x80000007 4096
		$COUNTERS
		expect "events":5,"events_bad":11,"events_unknown":3,"events_dropped":0,"events_missed":6,"events_repeated":0
		$STATUS
		expect "state":"running"
		expect "wish":8388608,
	END
	silent vm
}

test_a_flood_is_cut_off_and_the_balloon_works_on() {
	local taken

	fresh_log vm
	with_backend <<-END
		ram 64M
		connect SOCK
		hello $F
		fill
		start
		eventflood 20000 1
		$COUNTERS
		expect "events_missed":0,"events_repeated":0
		ranges inflate 1024:512
		expect status 0
		sh sleep 1
		event $wish 20001 8M
		$STATUS
		expect "target":8388608,
	END
	taken=$(grep -o '"events":[0-9]*' <<<"$said" | head -n 1)
	at_most "${taken#*:}" 2000 'events taken of 20000'
	silent vm
}

run_tests
