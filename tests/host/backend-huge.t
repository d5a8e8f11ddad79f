#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Guest RAM of pages larger than a frame: they go back whole or not at all.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/host/backend.sh"

# huge_tmpfs - for the VMM, from then on: /mnt is a tmpfs of huge pages, which
# only its process sees
huge_tmpfs() {
	around=(unshare -m --propagation private sh -c
		"mount -t tmpfs -o huge=always none /mnt && exec \"\$0\"")
	"${around[@]}" /bin/true 2>/dev/null ||
		{ skip "no tmpfs with huge pages"; return 1; }
}

# on_huge_tmpfs [OPTION...] <SCRIPT - as with_backend; its RAM is /mnt/ram
on_huge_tmpfs() {
	local around
	huge_tmpfs || return
	with_backend "$@"
}

test_the_guest_is_told_the_page_size() {
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello
		start
		config 16 4
		expect 00002000
	END
}

test_whole_pages_are_freed() {
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello
		fill
		start
		blocks
		expect 67108864
		ranges inflate 1024:512
		expect status 0 id 77 done 512 freed 2097152
		ranges inflate 2048:4096
		expect freed 16777216
		check zero
	END
}

test_a_page_is_freed_when_its_last_frame_is_out() {
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:511
		expect status 0 id 77 done 511 freed 0
		ranges inflate 2560:1
		expect freed 0
		ranges inflate 1535:1
		expect freed 2097152
		check
		blocks
		expect 65011712
	END
}

test_arrays_of_4_KiB_frames_free_huge_pages() {
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello 0x160000007
		num 2
		fill
		start
		inflate 1000 1100
		blocks
		expect 62914560
		check
	END
}

test_a_frame_that_came_back_keeps_its_page() {
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:511
		ranges deflate 1030:1
		ranges inflate 1535:1
		expect freed 0
		check
		ranges inflate 1030:1
		expect freed 2097152
		check zero
	END
}

test_frames_that_were_not_taken_do_not_complete_a_page() {
	on_huge_tmpfs <<-END
		ram 64M file:/mnt/ram
		connect SOCK
		hello
		fill
		start
		$(inject "$WORK/vm.pid" madvise error=EIO:when=1)
		ranges inflate 1024:512
		expect status 5 id 77 done 0 freed 0
		sh kill \$(cat $WORK/strace.pid)
		ranges inflate 1535:1
		expect status 0 id 77 done 1 freed 0
		check
	END
}

test_reports_complete_a_page_only_for_themselves() {
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello 0x4000160000027
		fill
		start
		ranges inflate 1024:256
		report 1280:255
		ranges inflate 1535:1
		expect freed 0
		check
		report 1280:255
		resident
		expect 62914560
	END
}

test_a_stopped_ring_gives_all_frames_back() {
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:511
		stop
		reset
		fill
		start
		ranges inflate 1535:1
		expect freed 0
		check
	END
}

test_a_driver_that_does_not_tell_is_not_remembered() {
	# Without MUST_TELL_HOST frames are used again without a word.
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello 0x4000160000006
		fill
		start
		ranges inflate 1024:511
		ranges inflate 1535:1
		expect freed 0
		ranges inflate 2048:512
		expect freed 2097152
	END
}

test_a_region_keeps_pages_that_it_has_a_part_of() {
	on_huge_tmpfs <<-'END'
		ram 64M file:/mnt/ram 31M
		connect SOCK
		hello
		fill
		start
		ranges inflate 7680:256
		expect status 0 id 77 done 256 freed 0
		ranges inflate 0x100000:256
		expect status 0 id 77 done 256 freed 0
		ranges inflate 0x100100:512
		expect freed 2097152
		check
	END
}

test_whole_pages_are_made_ready_as_such() {
	local around
	huge_tmpfs || return
	backend_start vm --prefault=on || return
	vmm vm <<-'END'
		ram 64M file:/mnt/ram
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:1024
		ranges deflate nowait=1 1024:512 1600:10
		response deflate
		until 65011712 blocks
		until "prefaulted":2097152, call CTL io.ballonet.Status {"vm":"vm"}
		mark in 1600 10
		ranges inflate 1024:512 1600:10
		expect freed 4194304
		check zero
	END
	ended vm 0
}

# What stands by for the host, with the driver's table told.
STANDBY='hello 0x0014000160000007
		fill
		start
		ranges inflate type=3 64:1'
TAKE='call CTL io.ballonet.Take {"vm":"vm","bytes":1073741824}'

test_blocks_on_standby_are_taken_as_whole_pages() {
	on_huge_tmpfs --standby=on-demand <<-END
		ram 64M file:/mnt/ram
		connect SOCK
		$STANDBY
		offer 0 1024 8
		offer 8 8192 1
		$TAKE
		expect "taken":18874368,"freed":18874368
		blocks
		expect 48234496
		took 0 9
		check zero
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "standby_calls":2
		back 0 9
		check
	END
}

test_of_blocks_on_standby_beside_pages_only_whole_pages_go() {
	on_huge_tmpfs --standby=on-demand <<-END
		ram 64M file:/mnt/ram 31M
		connect SOCK
		$STANDBY
		offer 0 0x100000 1
		$TAKE
		expect "taken":2097152,"freed":0
		offer 1 0x100200 3
		$TAKE
		expect "taken":6291456,"freed":4194304
		took 0 4
		check
	END
}

test_hugetlb_pages_on_standby_are_taken() {
	hugetlb_reserve 64 ||
		{ skip "no 64 MiB of huge pages to be had"; return; }
	with_backend --standby=on-demand <<-END
		ram 64M hugetlb
		connect SOCK
		$STANDBY
		offer 0 1024 8
		$TAKE
		expect "taken":16777216,"freed":16777216
		took 0 8
		check zero
	END
}

test_hugetlb_pages_are_freed() {
	hugetlb_reserve 64 ||
		{ skip "no 64 MiB of huge pages to be had"; return; }
	with_backend <<-'END'
		ram 64M hugetlb
		connect SOCK
		hello
		fill
		start
		config 16 4
		expect 00002000
		ranges inflate 1024:512
		expect freed 2097152
		ranges inflate 2048:511
		expect freed 0
		ranges inflate 2559:1
		expect freed 2097152
		check zero
	END
}

run_tests
