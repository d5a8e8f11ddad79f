#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The back-end's balloon: what is freed, and what bad input it takes.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/host/backend.sh"

test_arrays_free_exactly_their_frames() {
	fresh_log vm
	with_backend <<-'END'
		ram 256M memfd 128M
		connect SOCK
		hello 0x160000007
		fill
		start
		resident
		expect 266338304
		inflate 1024 4096
		inflate 0x100000 512
		resident
		expect 247463936
		check zero
		expect kept 60416 gone 4608
		deflate 1024 4096
		deflate 0x100000 512
		check
		expect kept 65024 gone 0
	END
	silent vm
}

test_arrays_in_one_drain_are_merged() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello 0x160000007
		fill
		start
		inflate 1024 8192
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "requests":32,
		expect "ranges":1,"frames_in":8192,
		expect "discard_calls":2,
	END
}

test_a_gib_goes_in_one_request() {
	with_backend <<-'END'
		ram 1100M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:262144
		expect status 0 id 77 done 262144 freed 1073741824
		check zero
		expect gone 262144
		counts
		expect kicks 1 calls 1
		ranges deflate 1024:262144
		expect status 0 id 77 done 262144 freed 0
		check
	END
}

test_memory_that_comes_back_is_made_ready_if_asked_for() {
	backend_start vm --prefault=on || return
	vmm vm <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:4096 6000:100
		blocks
		expect 49922048
		ranges deflate nowait=1 6000:10 1024:4096
		response deflate
		expect status 0
		until 66740224 blocks
		until "prefaulted":16818176, call CTL io.ballonet.Status {"vm":"vm"}
		ranges inflate 1024:4096
		expect freed 16777216
		mark in 6000 10
		check zero
	END
	ended vm 0
	silent vm
}

test_nothing_is_made_ready_for_a_guest_that_gives_it_again() {
	backend_start vm --prefault=on || return
	vmm vm <<-'END'
		ram 300M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:65536
		ranges deflate nowait=1 1024:65536
		response deflate
		ranges inflate 1024:65536
		expect status 0 id 77 done 65536
		blocks
		expect 46137344
		same-after 300 blocks
		check zero
	END
	ended vm 0
	silent vm
}

test_memory_that_comes_back_waits_for_its_first_touch() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:4096
		ranges deflate nowait=1 1024:4096
		response deflate
		blocks
		expect 50331648
		same-after 200 blocks
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "bytes_prefaulted":0,
	END
	refused "$BIN/vhost-user-balloon" --socket-path="$WORK/x" --prefault=yes
}

test_requests_are_taken_in_any_pieces() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate pieces=7 id=5 2048:512 1024:512 600:1
		expect status 0 id 5 done 1025 freed 4198400
		check zero
		ranges inflate pieces=49 2100:1
		expect status 0
	END
}

test_several_requests_in_flight_are_all_answered() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate nowait=1 1024:512
		ranges inflate nowait=1 2048:512
		ranges inflate nowait=1 4096:512
		wait
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "requests":3,
	END
}

# range START:NR... STATUS - a request that is refused without any effect
refused_range() {
	local ranges=$1 status=$2

	cat <<-END
		ranges inflate $ranges
		expect status $status
		check
		expect gone 0
	END
}

test_bad_ranges_are_refused_and_nothing_is_done() {
	fresh_log vm
	with_backend < <(
		printf '%s\n' 'ram 64M' 'connect SOCK' hello fill start
		refused_range '1024:16 2048:0' '2 id 77 done 0 freed 0'
		refused_range '1024:16 0xfffffffffffff:16' 2	# wraps in bytes
		refused_range '1024:16 0xffffffffffffffff:2' 2	# wraps in frames
		refused_range '1024:0xffffffffffffffff' 2
		refused_range '1024:16 16380:8' 2		# beyond the end
		refused_range '1024:16 0x100000:1' 2		# between regions
		refused_range '1024:16 1030:2' 2		# overlap
		refused_range '1024:16 1024:16' 2		# the same twice
	)
	silent vm
}

test_malformed_requests_are_refused_and_nothing_is_done() {
	with_backend < <(
		printf '%s\n' 'ram 64M' 'connect SOCK' hello fill start
		refused_range 'reserved=1 1024:16' '1 id 77 done 0 freed 0'
		refused_range 'type=2 1024:16' 1
		refused_range 'type=0 1024:16' 1
		refused_range 'type=9 1024:16' 1
		refused_range 'nr=2 1024:16' 1
		refused_range 'nr=0xffffffff 1024:16' 1
		refused_range 'cut=8 1024:16' '1 id 0'
		refused_range 'cut=15 1024:16' '1 id 0'
		refused_range 'cut=16 1024:16' '1 id 77'
		refused_range 'cut=31 1024:16' '1 id 77'
		refused_range 'cut=33 1024:16' '1 id 77'
		refused_range 'to=0x10000000 1024:16' 1
		refused_range 'to=0xfffffffffffffff8 1024:16' 1
	)
}

test_more_than_the_limits_is_refused() {
	with_backend <<-'END'
		ram 1100M
		connect SOCK
		hello
		start
		ranges inflate many=4097
		expect status 3 id 77 done 0
		ranges inflate many=4096
		expect status 0 id 77 done 4096
		ranges inflate 1024:262145
		expect status 3 id 77 done 0
	END
}

test_a_request_without_room_for_its_answer_does_nothing() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate answer=31 1024:16
		ranges inflate answer=0 1024:16
		check
		expect gone 0
		ranges inflate 1024:16
		expect status 0
	END
}

test_frames_outside_RAM_are_ignored_in_arrays() {
	fresh_log vm
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello 0x160000007
		fill
		start
		wild 0xffffff00 64 1024 64
		check zero
		expect gone 64
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "frames_bad":64,
	END
	logged vm "64 frames outside guest RAM"
}

# broken COMMAND TEXT - a ring that is malformed in this way stops the device,
# not the connection, until the guest resets it
broken() {
	fresh_log vm
	with_backend <<-END
		ram 64M
		connect SOCK
		hello
		fill
		start
		$1
		until "state":"failed" call CTL io.ballonet.Status {"vm":"vm"}
		config 8 4
		expect 00000000
		stop
		reset
		start
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "state":"running"
		ranges inflate 1024:16
		expect status 0
	END
	logged vm "$2"
}

test_a_looped_chain_stops_the_device() {
	broken loop "ring 0: chain of descriptors has a loop"
}

test_an_impossible_index_stops_the_device() {
	broken "index 300" "ring 0: available index 300, but 0 was reached"
}

test_an_indirect_descriptor_stops_the_device() {
	broken "chain 4 16" "ring 0: indirect descriptor"
}

test_a_readable_after_a_writable_descriptor_stops_the_device() {
	broken "chain 2 16 0 16" "readable descriptor after a writable one"
}

test_a_descriptor_beyond_the_table_stops_the_device() {
	broken "head 500" "ring 0: descriptor 500, the ring has 128"
}

test_an_array_of_odd_length_stops_the_device() {
	fresh_log vm
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello 0x160000007
		fill
		start
		chain 0 6
		until "state":"failed" call CTL io.ballonet.Status {"vm":"vm"}
	END
	logged vm "array of 6 bytes"
}

test_driver_without_event_index_works() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello 0x140000007
		fill
		start
		inflate 1024 8192
		check zero
		deflate 1024 8192
		check
	END
}

test_small_rings_wrap_around() {
	with_backend <<-'END'
		ram 512M
		num 2
		connect SOCK
		hello 0x160000007
		fill
		start
		inflate 1024 100000
		deflate 1024 100000
		check
		expect gone 0
	END
}

test_stats_are_asked_for_and_named() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		start
		call CTL io.ballonet.Stats {"vm":"vm"}
		expect NotReady
		stats 4:4096 5:8192 0xf000:77 999:1
		call CTL io.ballonet.Stats {"vm":"vm"}
		expect "stats":{"free":4096,"total":8192,"balloon_huge":77}
		sleep 1100
		call CTL io.ballonet.Stats {"vm":"vm"}
		statsback
		stats 4:12288
		call CTL io.ballonet.Stats {"vm":"vm"}
		expect "stats":{"free":12288}
	END
}

test_malformed_stats_stop_the_device() {
	fresh_log vm
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		start
		stats 4:4096 15
		until "state":"failed" call CTL io.ballonet.Status {"vm":"vm"}
	END
	logged vm "statistics of 15 bytes"
}

test_reported_pages_are_freed() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello 0x4000160000027
		fill
		start
		resident
		expect 65011712
		report 1024:512 4096:1024
		resident
		expect 58720256
		mark out 1024 512
		mark out 4096 1024
		check zero
		report 0x1000000:512
		ranges inflate 2048:512
		expect freed 2097152
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "reports":2,
	END
}

test_reported_pages_of_a_poisoning_guest_are_kept() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello 0x4000160000037
		fill
		write 12 aaaaaaaa
		start
		report 1024:512
		check
		write 12 00000000
		report 1024:512
		mark out 1024 512
		check zero
	END
}

test_balloon_size_is_checked() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		start
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":33554432}
		expect "target":33554432
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":33554433}
		expect {"error":"io.ballonet.OutOfRange"
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":-4096}
		expect {"error":"io.ballonet.OutOfRange"
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":67112960}
		expect "minimum":0,"maximum":67108864}
		call CTL io.ballonet.SetBalloon {"vm":"other","bytes":0}
		expect {"error":"io.ballonet.UnknownVm","parameters":{"vm":"other"}}
		config 0 4
		expect 00200000
	END
}

run_tests
