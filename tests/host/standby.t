#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Blocks on standby: the back-end takes them from the guest's table. The fake
# VMM (vmm/standby.c) is the guest; nothing of it runs while they are taken.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/host/backend.sh"

# Features with BALLONET_F_STANDBY
HELLO="hello 0x0014000160000007"
TELL="ranges inflate type=3 64:1"
# take BYTES - a line of a script
take() {
	echo "call CTL io.ballonet.Take {\"vm\":\"vm\",\"bytes\":$1}"
}

# standby MODE SCRIPT - as with_backend
standby() {
	fresh_log vm
	backend_start vm "--standby=$1" || return
	echo "${backend_pids[vm]}" >"$WORK/vm.pid"
	vmm vm
	ended vm 0
}

test_the_host_takes_what_it_orders_and_no_more() {
	standby on-demand <<-END
		ram 66M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		expect status 0 id 77 done 0 freed 0
		offer 0 1024 16
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "standby":33554432,"taken":0
		$(take 8388607)
		expect "taken":8388608,"freed":8388608
		entries 0 5
		expect 1027 1539 2051 2563 3073
		took 0 16
		expect 4
		check zero
		$(take 1)
		expect "taken":2097152,"freed":2097152
		$(take $((1 << 40)))
		expect "taken":23068672,"freed":23068672
		took 0 16
		expect 16
		check zero
		expect kept 8192 gone 8192
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "standby":0,"taken":33554432
		$(take 4096)
		expect "taken":0,"freed":0
		back 0 16
		expect 16
		check
		expect gone 0
	END
	silent vm
}

test_a_block_that_was_had_back_is_not_taken() {
	standby on-demand <<-END
		ram 34M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		offer 0 1024 8
		back 2 3
		$(take $((1 << 30)))
		expect "taken":10485760,"freed":10485760
		entries 1 5
		expect 1539 0 0 0 3587
		took 0 8
		check zero
	END
}

test_neighbours_are_discarded_together() {
	standby on-demand <<-END
		ram 34M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		entry 0 3585
		entry 1 1025
		entry 9 2561
		entry 40 2049
		entry 77 1537
		entry 511 3073
		$(take $((1 << 30)))
		expect "taken":12582912,"freed":12582912
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "takes":1,"blocks_taken":6,"standby_calls":1,"standby_freed":12582912
	END
}

test_an_eager_host_takes_what_stays_offered() {
	standby eager <<-END
		ram 34M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		offer 0 1024 8
		back 3 1
		await 0 3 3
		await 4 4 3
		entries 3 1
		expect 0
		offer 3 2560 1
		await 3 1 3
		took 0 8
		expect 8
		check zero
		back 0 8
		sleep 2100
		entries 0 3
		expect 0 0 0
		check
		expect gone 0
	END
	silent vm
}

test_other_requests_for_a_table_are_answered() {
	standby on-demand <<-END
		ram 34M
		connect SOCK
		$HELLO
		start
		ranges inflate type=3 64:1 65:1
		expect status 1 id 77 done 0
		ranges inflate type=3 reserved=1 64:1
		expect status 1
		ranges inflate type=3 cut=24 64:1
		expect status 1
		ranges inflate type=3 64:0
		expect status 2
		ranges inflate type=3 8703:2
		expect status 2
		ranges inflate type=3 0xfffffffffffff:1
		expect status 2
		ranges inflate type=3 0xffffffffffffffff:2
		expect status 2
		ranges inflate type=3 0:1025
		expect status 3
		ranges deflate type=3 64:1
		expect status 1
		$TELL
		expect status 0
		$TELL
		expect status 0
	END
	standby off <<-END
		ram 34M
		connect SOCK
		hello
		start
		ranges inflate type=3 64:1
		expect status 1
		$(take 4096)
		expect io.ballonet.NotReady
	END
	standby on-demand <<-END
		ram 34M
		connect SOCK
		$HELLO
		start
		$(take 0)
		expect io.ballonet.OutOfRange
		$(take 4096)
		expect "taken":0,"freed":0
	END
}

# Nonsense costs nobody anything: what makes no sense stays as it is.
test_a_guest_that_writes_nonsense_is_ignored() {
	local values='0 5 1028 1535 2 1026 4294967296 8705 8193
		18446744073709551104 9223372036854775808 4503599627370497
		18446744073709551105'
	local value script='' i=0

	for value in $values; do
		script+="entry $i $value"$'\n'
		i=$((i + 1))
	done
	standby on-demand <<-END
		ram 34M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		$script
		offer 20 1024 1
		offer 21 1024 1
		offer 22 512 1
		$(take $((1 << 30)))
		expect "taken":8388608,"freed":6291456
		entries 0 $i
		expect $(xargs <<<"$values" | sed 's/ 8193 / 8195 /')
		took 8 1
		took 20 3
		check zero
	END
	silent vm
}

test_a_table_ends_with_its_ring() {
	standby on-demand <<-END
		ram 34M
		connect SOCK
		$HELLO
		fill
		start
		changes
		expect 1
		$TELL
		offer 0 1024 8
		stop
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "standby":0,"taken":0
		start
		changes
		expect 2
		$(take $((1 << 30)))
		expect "taken":0,"freed":0
		entries 0 2
		expect 1025 1537
		entry 7 4610
		$TELL
		await 7 1 1
		$(take $((1 << 30)))
		expect "taken":16777216,"freed":16777216
	END
}

test_blocks_of_memory_that_is_gone_are_left_alone() {
	standby on-demand <<-END
		ram 66M memfd 34M
		connect SOCK
		$HELLO
		fill
		start
		memory slots
		$TELL
		offer 0 1024 2
		offer 2 0x100000 2
		forget 1
		$(take $((1 << 30)))
		expect "taken":4194304,"freed":4194304
		entries 0 4
		expect 1027 1539 1048577 1049089
		memory slots
		$(take $((1 << 30)))
		expect "taken":4194304,"freed":4194304
		took 0 4
		expect 4
		check zero
	END
	silent vm
}

test_a_table_in_memory_that_is_gone_is_none() {
	standby on-demand <<-END
		ram 66M memfd 34M
		connect SOCK
		$HELLO
		fill
		start
		memory slots
		ranges inflate type=3 0x100100:4
		expect status 0
		forget 1
		$(take $((1 << 30)))
		expect "taken":0,"freed":0
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "standby":0,"taken":0
	END
	silent vm
}

test_nothing_is_taken_where_an_inflate_is_refused() {
	fresh_log vm
	backend_start vm --standby=eager || return
	vmm vm <<-END
		ram 64M locked
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		offer 0 1024 8
		$(take $((1 << 30)))
		expect "taken":0,"freed":0
		sleep 1600
		entries 0 2
		expect 1025 1537
		check
		expect gone 0
	END
	ended vm 0
	logged vm "KiB of memory locked"
}

test_clients_take_turns() {
	standby on-demand <<-END
		ram 66M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		offer 0 1024 30
		$(take 4194304) io.ballonet.Take {"vm":"vm","bytes":2097152}
		expect "taken":4194304,"freed":4194304
		took 0 30
		expect 3
		check zero
	END
}

test_rings_are_served_while_memory_is_taken() {
	standby on-demand <<-END
		ram 514M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		offer 0 1024 250
		sh $BIN/ballonetctl --control=CTL take vm 1T >$WORK/answer &
		await 0 1 3
		ranges inflate 129024:512
		expect status 0 id 77 done 512
		config 0 4
		expect 00000000
		await 0 250 3
		took 0 250
		expect 250
		check zero
	END
}

# keeper_start - as backend-restart.t
keeper_start() {
	rm -rf "$WORK/kept"
	mkdir "$WORK/kept"
	fresh_log vm
	"$TOOLS/keeper" "$WORK/kept" "$BIN/vhost-user-balloon" --name=vm \
		"--standby=$1" \
		"--socket-path=$WORK/vm.sock" "--control-path=$WORK/vm.ctl" \
		>>"$WORK/vm.backend.log" 2>&1 </dev/null &
	backend_pids[vm]=$!
	background $!
	within 5 test -S "$WORK/vm.ctl"
}

KILL='sh n=$(cat KEPT/starts); kill -KILL $(cat KEPT/pid); until [ $(cat KEPT/starts) -gt $n ]; do sleep 0.01; done'
KILL=${KILL//KEPT/$WORK/kept}

test_a_successor_knows_the_table_and_finishes_what_was_begun() {
	keeper_start on-demand || return
	vmm vm <<-END
		ram 34M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		changes
		offer 0 1024 8
		$(take 6291456)
		expect "taken":6291456
		entry 3 2562
		entry 6 4098
		$KILL
		await 3 1 1
		await 6 1 1
		entries 0 8
		expect 1027 1539 2051 2561 3073 3585 4097 4609
		changes
		expect 1
		$(take $((1 << 30)))
		expect "taken":10485760
		took 0 8
		expect 8
		check zero
		stop
	END
	ended vm 0
	eq "$(cat "$WORK/kept/starts")" 2 "starts"
}

test_no_byte_is_lost_to_an_eager_host_that_dies_again_and_again() {
	local killer

	keeper_start eager || return
	while sleep "0.$((RANDOM % 9))"; do
		kill -KILL "$(cat "$WORK/kept/pid")" 2>/dev/null
	done &
	killer=$!
	background $killer
	vmm vm <<-END
		ram 18M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		fight 1024 7 8000
		expect had some
		check
		expect gone 0
	END
	kill $killer
	ended vm 0
}

test_no_byte_is_lost_to_a_host_that_orders_all_the_time() {
	local orders

	fresh_log vm
	backend_start vm --standby=on-demand || return
	while [ -S "$WORK/vm.ctl" ]; do
		"$BIN/ballonetctl" "--control=$WORK/vm.ctl" take vm 1G
	done >/dev/null 2>&1 &
	orders=$!
	background $orders
	vmm vm <<-END
		ram 18M
		connect SOCK
		$HELLO
		fill
		start
		$TELL
		fight 1024 7 4000
		expect taken some had some
		check
		expect gone 0
	END
	kill $orders
	ended vm 0
}

run_tests
