#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The driver's behaviour, at native speed: ballonet.ko in User-Mode Linux with
# the real back-end. driver-debug.t runs it on the debug kernel.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

kernel=${UML_KERNEL:-uml}

test_the_driver_loads() {
	backend_start vm
	guest_start vm "$kernel" "socket=$WORK/vm.sock" || return
	check driver_load vm ballonet
	within 5 knob_is vm state idle
	eq "$(vm_status vm state)" running "the back-end's state"
	eq "$(vm_status vm 'features | sort | join(" ")')" \
		"deflate-on-oom event-idx events must-tell-host ranges reporting stats" features
}

test_what_the_host_takes_is_freed_and_data_stays() {
	check guest vm memload fill 48
	host_memory_falls vm vhost $((256 * MIB))
	eq "$(knob vm actual)" $((256 * MIB)) actual
	eq "$(knob vm host_target)" $((256 * MIB)) host_target
	eq "$(knob vm state)" idle state
	check guest vm memload check
}

test_what_was_taken_comes_back_whole() {
	local total free

	total=$(meminfo vm MemTotal)
	free=$(free_bytes vm)
	check balloon_set vm vhost 0
	within 10 balloon_is vm vhost 0
	eq "$(meminfo vm MemTotal)" "$total" MemTotal
	# Blocks that are being reported do not count for a moment.
	within 10 has_free vm $((free + 255 * MIB))
	check guest vm memload check
}

test_a_balloon_that_shrinks_a_little_keeps_the_rest() {
	check balloon_set vm vhost $((100 * MIB))
	within 10 knob_is vm actual $((100 * MIB))
	# Less than a block: one has to be split.
	check balloon_set vm vhost $((100 * MIB - 4096))
	within 10 knob_is vm actual $((100 * MIB - 4096))
	check balloon_set vm vhost $((33 * MIB + 8192))
	within 10 knob_is vm actual $((33 * MIB + 8192))
	check balloon_set vm vhost 0
	within 10 knob_is vm actual 0
}

test_the_knob_takes_and_gives() {
	check knob vm target 64M
	within 10 knob_is vm actual $((64 * MIB))
	eq "$(knob vm target)" $((64 * MIB)) target
	within 5 balloon_is vm vhost $((64 * MIB))
	check knob vm target $((32 * MIB))
	within 10 knob_is vm actual $((32 * MIB))
	check knob vm target 0
	within 10 knob_is vm actual 0
}

test_the_larger_of_knob_and_host_holds() {
	check knob vm target 64M
	check balloon_set vm vhost $((96 * MIB))
	within 10 knob_is vm actual $((96 * MIB))
	check balloon_set vm vhost $((16 * MIB))
	within 10 knob_is vm actual $((64 * MIB))
	check knob vm target 0
	within 10 knob_is vm actual $((16 * MIB))
	check balloon_set vm vhost 0
	within 10 knob_is vm actual 0
}

test_bad_input_is_refused_and_changes_nothing() {
	local value file

	check knob vm target 8M
	within 10 knob_is vm actual $((8 * MIB))
	for value in '' x -1 1.5M 4095 512MB '1 M' 0x1000 16T \
		99999999999999999999 '8M x'; do
		for file in target floor; do
			eq "$(knob vm $file "$value" 2>&1)" \
				"sh: write error: Invalid argument" \
				"writing '$value' to $file"
		done
	done
	refused knob vm floor 1T
	for file in actual host_target state; do
		refused knob vm $file 0
	done
	eq "$(knob vm target)" $((8 * MIB)) target
	eq "$(knob vm actual)" $((8 * MIB)) actual
	check knob vm target 0
	within 10 knob_is vm actual 0
}

test_a_node_is_preferred_if_there_is_such_a_node() {
	local value

	eq "$(knob vm node)" any "the initial node"
	check knob vm node 0
	eq "$(knob vm node)" 0 node
	for value in '' x -1 -2 1 64 99999 9999999999 '0 1' any0; do
		eq "$(knob vm node "$value" 2>&1)" \
			"sh: write error: Invalid argument" "writing '$value'"
	done
	eq "$(knob vm node)" 0 node
	check knob vm target 8M
	within 10 knob_is vm actual $((8 * MIB))
	check knob vm node any
	eq "$(knob vm node)" any node
	check knob vm target 0
	within 10 knob_is vm actual 0
	eq "$(knob vm hinted)" 0 hinted
}

test_a_target_beyond_reach_settles_at_the_floor() {
	local floor

	floor=$(knob vm floor)
	at_least "$floor" $((56 * MIB)) "the default floor"
	check knob vm target 8G
	within 20 knob_is vm state floor
	sleep 1
	eq "$(knob vm state)" floor state
	eq "$(knob vm target)" $((8192 * MIB)) target
	within 10 has_available vm $((floor - 4 * MIB))
	within 10 has_available_at_most vm $((floor + 16 * MIB))
	check guest vm memload check
}

test_a_lower_floor_lets_the_balloon_grow() {
	local before

	before=$(knob vm actual)
	check knob vm floor 32M
	within 10 knob_at_least vm actual $((before + 24 * MIB))
	within 10 has_available vm $((28 * MIB))
}

test_demand_against_a_full_balloon_kills_nobody() {
	# The log is checked for OOM kills when the guest is stopped.
	check guest vm memload drop
	check guest vm memload touch 200
	eq "$(knob vm state)" pressure state
	within 10 has_available vm $((64 * MIB))
}

# grows_from NAME BYTES - to its floor, and from there only when the pause is
# over; for use with within
grows_from() {
	local before actual after

	read -r before actual after < <(guest "$1" \
		"cd /sys/bus/virtio/devices/virtio*/balloon &&
		cat state actual state" | paste -s)
	[ "$before$after" != pressurepressure ] ||
		eq "$actual" "$2" "actual during the pause"
	[ "$after" = floor ]
}

test_the_balloon_keeps_down_for_a_pause_and_grows_again() {
	local actual

	actual=$(knob vm actual)
	within 20 grows_from vm "$actual"
	at_least "$(knob vm actual)" "$actual" "actual after it"
}

test_demand_is_met_by_the_balloon_before_swap() {
	local swapped

	check guest vm 'modprobe zram && echo 256M >/sys/block/zram0/disksize &&
		mkswap /dev/zram0 && swapon /dev/zram0' >/dev/null
	check guest vm memload fill 200
	eq "$(knob vm state)" pressure state
	swapped=$(guest vm "sed -n 's/^pswpout //p' /proc/vmstat")
	echo "swapped out $swapped pages"
	at_most "$swapped" $((64 * MIB / 4096)) "pages swapped out"
	check guest vm memload check
	check guest vm memload drop
	check guest vm swapoff /dev/zram0
	check knob vm target 0
	within 10 knob_is vm actual 0
}

test_statistics_reach_the_host() {
	local total

	total=$(meminfo vm MemTotal)
	eq "$(ctl vm --json stats vm | jq .stats.total)" "$total" total
	at_least "$(ctl vm --json stats vm | jq .stats.available)" \
		$((total / 2)) available
	at_least "$(ctl vm --json stats vm | jq '.stats | length')" 16 \
		"number of statistics"
}

test_load_and_unload_leave_no_page_behind() {
	local total free i

	check guest vm rmmod ballonet
	total=$(meminfo vm MemTotal)
	free=$(free_bytes vm)
	for i in 1 2 3; do
		check driver_load vm ballonet
		check balloon_set vm vhost $((200 * MIB))
		within 10 knob_is vm actual $((200 * MIB))
		check guest vm rmmod ballonet
		check balloon_set vm vhost 0
	done
	eq "$(meminfo vm MemTotal)" "$total" MemTotal
	within 10 has_free vm $((free - 2 * MIB))
}

test_unload_in_the_middle_of_a_move() {
	local free

	free=$(free_bytes vm)
	check balloon_set vm vhost $((300 * MIB))
	check driver_load vm ballonet
	check guest vm rmmod ballonet
	check driver_load vm ballonet
	within 10 knob_is vm actual $((300 * MIB))
	check balloon_set vm vhost 0
	check guest vm rmmod ballonet
	within 10 has_free vm $((free - 2 * MIB))
}

test_nothing_leaks() {
	nothing_leaks vm
}

test_the_log_is_clean() {
	guest_stop vm
	within 5 gone "${backend_pids[vm]}"
}

# huge_blocks NAME - free blocks of 2 MiB; those that are being reported do not
# count for a moment
huge_blocks() {
	guest "$1" "awk '{ n += \$14 + 2 * \$15 } END { print n }' /proc/buddyinfo"
}

# compacts_to NAME NUMBER - for use with within. One pass ends where those who
# look for pages to move and for room meet, wherever that is.
compacts_to() {
	check guest "$1" 'echo 1 >/proc/sys/vm/compact_memory'
	[ "$(huge_blocks "$1")" -ge "$2" ]
}

# In a guest of its own: where memory that was in use before lies decides how
# far compaction comes.
test_frames_of_a_fragmented_guest_can_be_moved() {
	local available actual blocks moved

	backend_start frag
	guest_start frag "$kernel" "socket=$WORK/frag.sock" || return
	check driver_load frag ballonet
	available=$(meminfo frag MemAvailable)
	check guest frag memload holes $((available / MIB - 40)) || return
	# To the last block, and then the frames between the pages in use.
	check knob frag target 8G
	within 30 knob_is frag state floor
	actual=$(knob frag actual)
	check knob frag target "$actual"
	within 10 knob_is frag state idle
	blocks=$(huge_blocks frag)
	# Free pages, ours and the balloon's next to each other everywhere. The
	# kernel may begin by itself to move them.
	check guest frag memload thin
	within 20 compacts_to frag $((blocks + 4))
	moved=$(vmstat frag balloon_migrate)
	at_least "$moved" 100 "frames moved by compaction"
	echo "# $blocks free blocks of 2 MiB, then $(huge_blocks frag);" \
		"$moved frames moved"
	check guest frag memload check
	eq "$(knob frag actual)" "$actual" actual
	check knob frag target 0
	within 30 knob_is frag actual 0
	check guest frag memload check
	guest_stop frag
	backend_stop frag
}

test_a_gibibyte_takes_at_most_four_notifications() {
	local kicks config

	backend_start big
	guest_start big "$kernel" mem=2G "socket=$WORK/big.sock" || return
	check driver_load big ballonet
	within 5 knob_is big state idle
	kicks=$(counter big kicks)
	config=$(($(counter big config_reads) + $(counter big config_writes)))
	check ctl big set big --balloon 1G
	within 20 balloon_is big vhost $((1024 * MIB))
	kicks=$(($(counter big kicks) - kicks))
	config=$(($(counter big config_reads) + \
		$(counter big config_writes) - config))
	echo "# notifications $kicks, config accesses $config"
	at_most $kicks 4 notifications
	at_most $config 4 "accesses of configuration space"
}

test_a_guest_powers_off_in_the_middle_of_a_move() {
	local start

	check ctl big set big --balloon 0
	check ctl big set big --balloon 1500M
	start=$SECONDS
	guest_stop big
	at_most $((SECONDS - start)) 30 "seconds to power off"
}

run_tests
