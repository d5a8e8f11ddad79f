#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The back-end and its VMM: messages of any order and form, configuration
# space, stopping, memory that changes, RAM that must not be taken, sockets.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/host/backend.sh"

# ends COMMAND TEXT - after this the connection is over, with this message
ends() {
	fresh_log vm
	backend_start vm || return
	vmm vm <<-END
		ram 64M
		connect SOCK
		$1
		eof
	END
	ended vm 1
	logged vm "error: connection ended: "
	logged vm "$2"
}

# raw REQUEST FLAGS SIZE NRFDS [HEX]
test_malformed_messages_end_the_connection() {
	ends "raw 99 1 0 0" "request 99 is not known"
	ends "raw 6 1 8 0 0000000000000000" "request 6 is not known"
	ends "raw 1 2 0 0" "request 1: protocol version 2, expected 1"
	ends "raw 1 5 0 0" "request 1: is a reply"
	ends "raw 2 1 4 0 00000000" \
		"SET_FEATURES: payload of 4 bytes, expected 8 to 8"
	ends "raw 5 1 4000000000 0" "SET_MEM_TABLE: payload of 4000000000 bytes"
	ends "raw 2 1 8 1 0000000000000000" \
		"SET_FEATURES: 1 descriptors, expected 0"
	ends "raw 12 1 8 2 0000000000000000" "SET_VRING_KICK: 2 descriptors"
	ends "raw 5 1 8 20 0800000000000000" "SET_MEM_TABLE: more than 8"
	ends "raw 5 1 8 1 0200000000000000" "SET_MEM_TABLE: 1 descriptors"
	ends "raw 5 1 8 0 0900000000000000" "SET_MEM_TABLE: 9 regions, limit 8"
	ends "raw 5 1 8 1 0100000000000000" "SET_MEM_TABLE: 1 regions"
	ends "raw 2 1 8 0 0000" "message truncated"
	ends "raw 2 1 8 0 ffffffffffffffff" "SET_FEATURES: 0xffffffffffffffff"
	ends "raw 16 1 8 0 0200000000000000" "SET_PROTOCOL_FEATURES: 0x2,"
	ends "raw 8 1 8 0 0800000080000000" "SET_VRING_NUM: ring 8, limit 7"
	ends "raw 8 1 8 0 0000000003000000" "SET_VRING_NUM: ring 0, 3 entries"
	ends "raw 8 1 8 0 0000000000000000" "SET_VRING_NUM: ring 0, 0 entries"
	ends "raw 8 1 8 0 0000000000080000" "SET_VRING_NUM: ring 0, 2048"
	ends "raw 10 1 8 0 0000000000000100" \
		"SET_VRING_BASE: ring 0, index 65536, limit 65535"
	ends "raw 12 1 8 0 0901000000000000" "SET_VRING_KICK: ring 9"
	ends "raw 11 1 8 0 ffffffff00000000" "GET_VRING_BASE: ring 4294967295"
	ends "raw 18 1 8 0 0000000002000000" "SET_VRING_ENABLE: ring 0, 2"
	ends "raw 21 1 0 0" "SET_BACKEND_REQ_FD: 0 descriptors, expected 1"
	ends "raw 25 1 12 0 000000000400000000000000" \
		"SET_CONFIG: 4 bytes announced, 0 sent"
	ends "raw 37 1 40 0 $(printf '%080d' 0)" \
		"ADD_MEM_REG: 0 descriptors, expected 1"
	ends "raw 38 1 40 0 $(printf '%080d' 0)" "REM_MEM_REG: there is no region"
}

# le NUMBER... - 64-bit little-endian, in hexadecimal
le() {
	local n i

	for n; do
		for i in 0 8 16 24 32 40 48 56; do
			printf '%02x' $((n >> i & 255))
		done
	done
}

test_wrong_memory_regions_end_the_connection() {
	# SET_MEM_TABLE with the RAM's own descriptor: "table" in vmm/
	ends "table 0 0x100 0 0" "empty or not aligned to pages"
	ends "table 0 0 0 0" "empty or not aligned to pages"
	ends "table 0 0x8000000 0 0" "ends at byte 134217728 of its file"
	ends "table 0xfffffffffffff000 0x2000 0 0" "wraps around"
	ends "table 0 0x2000 0xfffffffffffff000 0" "wraps around"
	ends "table 0 0x2000 0 0x7ffffffffffff000" "wraps around"
	ends "table 0 0x2000 0 0 0x1000 0x1000 0x100000 0" "overlaps"
	ends "table 0 0x2000 0 0 0x4000 0x1000 0x1000 0" "overlaps"
}

test_a_ring_outside_RAM_ends_the_connection() {
	ends "$(cat <<-'END'
		hello
		send 2 0x4000160000007
		memory
		ring 0 0x9000000
		raw 18 1 8 0 0000000001000000
	END
	)" "ring 0: descriptor table lies outside the memory regions"
}

test_rings_that_lose_their_memory_end_the_connection() {
	local i

	# Every time: the worker may be woken by what is left of them.
	for i in 1 2 3 4 5 6 7 8; do
		ends "$(cat <<-'END'
			hello
			start
			table 0x2000000 0x200000 0x100000000 0
		END
		)" "ring 0: descriptor table lies outside the memory regions"
	done
}

test_a_VMM_that_leaves_ends_the_back_end() {
	with_backend <<-'END'
		connect SOCK
	END
	refused test -e "$WORK/vm.sock"
	refused test -e "$WORK/vm.ctl"
}

test_SIGTERM_ends_it_at_once() {
	backend_start vm && backend_stop vm
}

test_configuration_is_answered_in_any_piece() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		config 0 32
		expect 0000000000000000000000000000000000100000001000000000040000000000
		config 20 4
		expect 00100000
		config 21 2 bare
		expect 1000
		config 28 16
		expect 00000000000000000000000000000000
		config 250 6
		expect 000000000000
		config 250 7
		expect refused
		config 0xffffffff 4
		expect refused
	END
}

test_only_the_drivers_fields_can_be_written() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		write 0 ffffffff01000000ffffffff020000000000000000000000ffffffffffffffff
		config 0 32
		expect 0000000001000000000000000200000000100000001000000000040000000000
		write 5 77
		config 4 4
		expect 01770000
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "actual":124784640,
	END
}

test_changes_are_announced_only_while_rings_run() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":4096}
		changes
		expect 0
		start
		changes
		expect 1
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":8192}
		changes
		expect 2
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":8192}
		changes
		expect 2
		enable 0 0
		enable 1 0
		enable 2 0
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":12288}
		changes
		expect 2
		enable 0 1
		changes
		expect 3
		stop
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":16384}
		enable 0 1
		changes
		expect 3
		config 0 4
		expect 04000000
	END
}

test_a_stop_that_has_begun_silences_announcements() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		start
		enable 7 0
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":4096}
		changes
		expect 1
		enable 0 0
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":8192}
		changes
		expect 1
		enable 0 1
		changes
		expect 2
		raw 11 1 8 0 0100000000000000
		answer 11
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":4096}
		changes
		expect 2
	END
}

test_a_held_stats_buffer_is_handed_back() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		start
		stats 4:4096
		ranges inflate 1024:1
		call CTL io.ballonet.Stats {"vm":"vm"}
		expect "free":4096
		stop
		expect bases 1 0 0 in
		start
		call CTL io.ballonet.Stats {"vm":"vm"}
		expect "free":4096
		sleep 1100
		call CTL io.ballonet.Stats {"vm":"vm"}
		statsback
		stop
		expect bases 1 0 1 in
	END
}

test_statistics_have_names_and_unknown_ones_are_left_out() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		start
		stats 0xf003:1 0xf004:2 0xf005:3 0xf006:4 0xf007:5 0xf008:6 0xf009:7 0xf00a:0xffffffffffffffff 0xf00b:9 0xefff:10 0xffff:11
		call CTL io.ballonet.Stats {"vm":"vm"}
		expect "stats":{"refault_file":1,"refault_anon":2,"active_file":3,"inactive_file":4,"active_anon":5,"inactive_anon":6,"swap_free":7,"reliefs":9}
	END
}

test_calls_behind_one_that_waits_are_answered() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		start
		call CTL io.ballonet.Stats {"vm":"vm"} io.ballonet.Status {"vm":"vm"} io.ballonet.Stats {"vm":"vm"} io.ballonet.List {}
		expect the guest's driver has sent no statistics
		expect {"parameters":{"vm":{
		expect {"parameters":{"vms":[
	END
}

stop_a_long_discard() {
	with_backend <<-'END'
		ram 1100M
		connect SOCK
		hello
		fill
		start
		ranges inflate nowait=1 1024:262144
		unanswered
		stop
		expect bases 0 0 0 in
		under-us 100000
		blocks
		same-after 200 blocks
		refill
		check
		start
		response
		expect status 0 id 77 done 262144
		mark out 1024 262144
		check zero
	END
}

test_a_long_discard_stops_within_a_moment() {
	in_time stop_a_long_discard
}

configuration_during_a_discard() {
	with_backend <<-'END'
		ram 1100M
		connect SOCK
		hello
		fill
		start
		ranges inflate nowait=1 1024:262144
		timed 100 config 0 4
		timed 100 config 0 4
		unanswered
		response
		expect status 0
	END
}

# slowly - a line of a script: from then on each piece of a discard, 16 MiB, takes
# the back-end a second, until the line of fast is read
slowly() {
	inject "$WORK/vm.pid" madvise delay_enter=1000000
}

fast() {
	echo "sh kill \$(cat $WORK/strace.pid)"
}

# What is given back is more than a page away, also where shmem_enabled has huge
# ones.
test_other_rings_are_served_during_a_discard() {
	with_backend <<-END
		ram 300M
		connect SOCK
		hello 0x000c000160000007
		fill
		start
		ranges inflate 512:8
		$(slowly)
		ranges inflate nowait=1 2048:65536
		event 1 0 4096
		ranges deflate 512:8
		expect status 0 id 77 done 8
		stats 4:42
		until "free":42 call CTL io.ballonet.Stats {"vm":"vm"}
		unanswered
		$(fast)
		response
		expect status 0 id 77 done 65536
		mark out 2048 65536
		check zero
	END
}

# Whatever number it fails with: these two mean something else between our parts.
test_a_host_that_fails_is_told_to_the_guest() {
	local number

	for number in EAGAIN EINTR; do
		with_backend <<-END
			ram 64M
			connect SOCK
			hello
			fill
			start
			$(inject "$WORK/vm.pid" madvise error=$number:when=1)
			ranges inflate 1024:512
			expect status 5 id 77 done 0 freed 0
			$(fast)
			ranges inflate 1024:512
			expect status 0 id 77 done 512
		END
	done
}

test_frames_do_not_come_back_beside_those_that_go() {
	# An event that is answered shows that the worker has seen them all.
	with_backend <<-END
		ram 300M
		connect SOCK
		hello 0x000c000160000007
		fill
		start
		ranges inflate 1000:8
		$(slowly)
		ranges inflate nowait=1 1024:65536
		ranges deflate nowait=1 1000:8
		event 1 0 4096
		unanswered
		unanswered 1
		$(fast)
		response
		expect status 0 id 77 done 65536
		response deflate
		expect status 0 id 77 done 8
		mark in 1000 8
		mark out 1024 65536
		check zero
	END
}

test_a_frame_of_a_request_in_hand_does_not_come_back_before() {
	with_backend <<-END
		ram 300M
		connect SOCK
		hello 0x000c000160000007
		fill
		start
		$(slowly)
		ranges inflate nowait=1 1024:65536
		ranges deflate nowait=1 60000:8
		event 1 0 4096
		unanswered
		unanswered 1
		$(fast)
		response
		response deflate
		expect status 0 id 77 done 8
		mark out 1024 65536
		mark in 60000 8
		check zero
	END
}

test_configuration_is_answered_during_a_discard() {
	in_time configuration_during_a_discard
}

test_memory_may_change_while_rings_run() {
	with_backend <<-'END'
		ram 128M memfd 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:512 0x100000:512
		memory
		ranges inflate 2048:512 0x100400:512
		expect status 0 id 77 done 1024 freed 4194304
		check zero
		memory slots
		forget 1
		ranges inflate 0x100800:512
		expect status 2
		memory slots
		ranges inflate 0x100800:512
		expect status 0
		check zero
	END
}

test_memory_may_change_during_a_discard() {
	with_backend <<-'END'
		ram 1100M
		connect SOCK
		hello
		fill
		start
		ranges inflate nowait=1 1024:262144
		sleep 10
		memory
		memory
		response
		expect status 0 id 77 done 262144 freed 1073741824
		mark out 1024 262144
		check zero
		call CTL io.ballonet.Counters {"vm":"vm"}
		expect "requests":1,
	END
}

test_rings_survive_the_loss_of_all_memory() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:512
		forget 0
		config 0 4
		memory slots
		ranges inflate 2048:512
		expect status 0
	END
}

test_a_second_handshake_is_accepted() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:512
		stop
		reset
		hello
		start
		ranges inflate 2048:512
		expect status 0
		call CTL io.ballonet.SetBalloon {"vm":"vm","bytes":4096}
		changes
		expect 1
	END
}

test_a_second_handshake_may_come_with_other_memory() {
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		memory slots
		hello
		ram 128M
		memory slots
		ram 128M
		memory slots
		fill
		send 2 0x4000160000007
		parts 0 addr base num call kick
		parts 1 addr base num call kick
		enable 0 1
		enable 1 1
		features 0x4000160000007
		ranges inflate 1024:512
		expect status 0 id 77 done 512 freed 2097152
		check zero
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "memory":134217728,
	END
}

test_other_orders_of_messages_are_accepted() {
	# cloud-hypervisor: owner first, addresses before bases, channel last
	fresh_log vm
	with_backend <<-'END'
		ram 64M
		connect SOCK
		raw 3 1 0 0
		send 16 0x8229
		send 2 0x4000160000007
		memory
		parts 0 addr base num call kick
		parts 1 addr base num call kick
		enable 0 1
		enable 1 1
		enable 2 1
		enable 4 1
		features 0x4000160000007
		ranges inflate 1024:512
		expect status 0
	END
	# User-Mode Linux: kicks after everything else, each with its enable
	with_backend <<-'END'
		ram 64M
		connect SOCK
		raw 3 1 0 0
		send 2 0x4000160000007
		send 16 0x228
		memory
		parts 0 call num base addr
		parts 1 call num base addr
		parts 0 kick
		enable 0 1
		parts 1 kick
		enable 1 1
		features 0x4000160000007
		ranges inflate 1024:512
		expect status 0
	END
}

test_a_driver_that_gave_up_features_is_followed() {
	# User-Mode Linux then neither enables nor stops rings.
	with_backend <<-'END'
		ram 64M
		connect SOCK
		send 16 0x228
		send 2 0x4000160000037
		send 2 0x4000120000027
		memory
		parts 0 call num base addr
		parts 1 call num base addr
		parts 0 kick
		parts 1 kick
		features 0x4000120000027
		ranges inflate 1024:512
		expect status 0
		raw 1 1 0 0
		answer 1
		reset
		send 2 0x4000120000027
		memory
		parts 0 call num base addr
		parts 1 call num base addr
		parts 0 kick
		parts 1 kick
		ranges inflate 1024:512
		expect status 0
	END
}

test_private_RAM_is_an_error_at_once() {
	fresh_log vm
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		send 2 0x4000160000007
		config 0 4
		sleep 2300
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "state":"refused"
		expect the VMM shares no guest RAM
		config 0 4
		memory
		start
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "state":"running"
	END
	logged vm "the VMM shares no guest RAM"
}

# unusable RAM TEXT - RAM that cannot even be mapped: the message fails, the
# VMM lives
unusable() {
	fresh_log vm
	with_backend <<-END
		ram 64M $1
		connect SOCK
		hello
		send 2 0x4000160000007
		refuses memory
		config 0 4
		expect 00000000
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "state":"refused"
	END
	logged vm "$2"
}

test_sealed_RAM_is_refused() {
	unusable sealed "cannot map it: Operation not permitted"
}

test_readonly_RAM_is_refused() {
	unusable readonly "cannot map it: Permission denied"
}

# fixed RAM TEXT [COMMAND] - RAM that can be mapped but must not be taken: the
# driver is told so
fixed() {
	fresh_log vm
	with_backend <<-END
		ram 64M $1
		connect SOCK
		hello
		fill
		${3:-}
		start
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "state":"refused"
		ranges inflate 1024:512
		expect status 4 id 77 done 0 freed 0
		ranges deflate 1024:512
		expect status 0
		check
		stop
		reset
		features 0x160000007
		start
		inflate 1024 512
		deflate 1024 512
		check
		expect gone 0
	END
	logged vm "$2"
	eq "$(grep -c 'no memory is taken' "$WORK/vm.backend.log")" 1 \
		"times it was said"
}

test_RAM_that_takes_no_holes_is_refused() {
	local dir=$WORK/ramfs pid

	# ramfs has no holes; a private mount, seen by both through /proc
	mkdir -p "$dir"
	unshare -m --propagation private sh -c \
		"mount -t ramfs none $dir && echo yes >$WORK/ramfs.ok &&
		exec sleep 100" &
	pid=$!
	background $pid
	within 5 test -e "$WORK/ramfs.ok" || return
	fixed "file:/proc/$pid/root$dir/ram" "is in a file that takes no holes"
	kill $pid
}

test_locked_RAM_is_refused() {
	fixed locked "KiB of memory locked, limit 16384 KiB"
}

test_a_VMM_with_VFIO_is_refused() {
	# What counts is the name: a directory of that name in a mount of its own.
	fresh_log vm
	backend_start vm || return
	mkdir -p "$WORK/vfio"
	sed "s|SOCK|$WORK/vm.sock|; s|CTL|$WORK/vm.ctl|" >"$WORK/vfio.script" <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:512
		expect status 4
		check
	END
	unshare -m --propagation private sh -c \
		"mount -t tmpfs none /dev && mkdir /dev/vfio &&
		: >/dev/vfio/7 && exec $TOOLS/vmm 5</dev/vfio/7" \
		<"$WORK/vfio.script" || fail "the VMM's script failed"
	ended vm 0
	logged vm "the VMM has /dev/vfio/7 open"
}

test_a_VMM_that_cannot_be_looked_at_is_reported() {
	local real=$BIN

	# From a process namespace of its own, the back-end does not see it.
	mkdir -p "$WORK/bin"
	cat >"$WORK/bin/vhost-user-balloon" <<-END
		#!/bin/sh
		exec unshare -p -f --kill-child $real/vhost-user-balloon "\$@"
	END
	chmod +x "$WORK/bin/vhost-user-balloon"
	BIN=$WORK/bin
	fresh_log vm
	with_backend <<-'END'
		ram 64M
		connect SOCK
		hello
		fill
		start
		call CTL io.ballonet.Status {"vm":"vm"}
		expect "state":"running"
		expect the VMM's process cannot be looked at
		ranges inflate 1024:512
		expect status 0
		sleep 20
		ranges inflate 2048:512
		check zero
	END
	BIN=$real
	eq "$(grep -c 'cannot be looked at' "$WORK/vm.backend.log")" 1 \
		"times it was said"
}

test_a_RAM_file_on_disk_is_freed() {
	with_backend <<-END
		ram 64M file:$TOP/build/ram.$$
		sh rm $TOP/build/ram.$$
		connect SOCK
		hello
		fill
		start
		ranges inflate 1024:4096
		expect status 0 id 77 done 4096 freed 16777216
		check zero
	END
}

test_a_path_in_use_is_refused() {
	backend_start vm || return
	eq "$("$BIN/vhost-user-balloon" --socket-path="$WORK/vm.sock" 2>&1)" \
		"vhost-user-balloon[vm]: error: socket $WORK/vm.sock: in use by another process" \
		"message"
	check test -S "$WORK/vm.sock"
	backend_stop vm
}

test_a_stale_path_is_replaced() {
	backend_start vm || return
	kill -KILL "${backend_pids[vm]}"
	wait "${backend_pids[vm]}"
	check test -S "$WORK/vm.sock"
	"$BIN/vhost-user-balloon" --socket-path="$WORK/vm.sock" &
	backend_pids[vm]=$!
	vmm vm <<-'END'
		connect SOCK
		sh true
	END
	ended vm 0
}

# path_error PATH TEXT
path_error() {
	local out

	out=$("$BIN/vhost-user-balloon" --socket-path="$1" 2>&1)
	eq $? 1 "status"
	case $out in
	*"$2"*)	;;
	*)	fail "message: $out" ;;
	esac
}

test_bad_socket_paths_are_named() {
	local long

	long=$WORK/$(printf '%0120d' 0)
	path_error "$WORK/none/s" "socket $WORK/none/s: No such file or directory"
	path_error "$long" "socket $long: path is empty or too long, limit 107"
	: >"$WORK/file"
	path_error "$WORK/file" "exists and is no socket"
	path_error "" "path is empty or too long"
}

test_privileges_are_given_up() {
	local status

	case $BIN in
	*/san/*)	skip "sanitizers need system calls of their own"; return ;;
	esac
	backend_start vm || return
	# Its sockets are there a moment earlier.
	within 5 grep -q "^Seccomp:.*2" "/proc/${backend_pids[vm]}/status"
	status=$(cat "/proc/${backend_pids[vm]}/status")
	eq "$(awk '/^Seccomp:/ { print $2 }' <<<"$status")" 2 "seccomp"
	eq "$(awk '/^NoNewPrivs:/ { print $2 }' <<<"$status")" 1 "no_new_privs"
	# CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, to look at the VMM's process
	eq $((0x$(awk '/^CapEff:/ { print $2 }' <<<"$status") &
		~(1 << 2 | 1 << 19))) 0 "other capabilities"
	backend_stop vm
}

test_the_command_line_is_checked() {
	local out

	out=$("$BIN/vhost-user-balloon" 2>&1)
	eq $? 1 "status"
	eq "$out" "vhost-user-balloon[vm]: error: one of --socket-path and --fd is needed" \
		"message"
	refused "$BIN/vhost-user-balloon" --fd=99
	refused "$BIN/vhost-user-balloon" --socket-path="$WORK/x" --name=a/b
	check "$BIN/vhost-user-balloon" --help
	check "$BIN/vhost-user-balloon" --version
	eq "$("$BIN/vhost-user-balloon" --print-capabilities | jq -r .type)" \
		balloon "capability"
}

run_tests
