#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the guest tells the host (BALLONET_F_EVENTS), and when: ballonet.ko in
# User-Mode Linux with the real back-end, and with tests/uml/liar.c where a host
# has to be unwilling. Guest and host have one clock. events-debug.t runs it on
# the debug kernel.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/lib/liar.sh"

kernel=${UML_KERNEL:-uml}
# From the guest's trouble to the host's knowledge: what is asked for. The debug
# kernel is several times slower, with everything.
LIMIT_MS=100 ROUNDS=9
[ "$kernel" = uml ] || LIMIT_MS=500 ROUNDS=5
# A guest that waits for processors for more of its time, in percent, is on a busy
# machine.
BUSY=20

# Events.
SHORT=1 PLENTY=2 WISH=3 FLOOR=4
# As often as this, in ms, each type may come.
GAP_MS=100

# event NAME TYPE - what the back-end says of the last one: "BYTES MS", the time
# since the epoch; fails if there was none
event() {
	local bytes time

	read -r bytes time < <(TZ=UTC ctl "$1" status "$1" |
		sed -nE "s/^last $2 .* ([0-9]+) at (.*)/\1 \2/p") || return
	echo "$bytes $(date -u -d "$time" +%s%3N)"
}

# event_after NAME TYPE MS - for use with within
event_after() {
	local bytes ms

	read -r bytes ms < <(event "$1" "$2") && [ "$ms" -ge "$3" ]
}

now_ms() {
	echo $((${EPOCHREALTIME/.} / 1000))
}

# wish_is NAME BYTES - for use with within
wish_is() {
	[ "$(vm_status "$1" wish)" = "$2" ]
}

# liar_event TYPE - how many came, and the last one's value
liar_event() {
	liar event "$1" | cut -d' ' -f1,2
}

# liar_told TYPE [TIMES] - that there were so many; for use with within
liar_told() {
	[ "$(liar_event "$1" | cut -d' ' -f1)" -ge "${2:-1}" ]
}

# nth N NUMBER... - the N-th smallest of the others
nth() {
	printf '%s\n' "${@:2}" | sort -n | sed -n "$1p"
}

test_the_driver_and_the_back_end_agree_on_events() {
	backend_start vm
	guest_start vm "$kernel" "socket=$WORK/vm.sock" || return
	check driver_load vm ballonet
	within 5 knob_is vm state idle
	check grep -qw events <<<"$(vm_status vm 'features | join(" ")')"
	eq "$(knob vm psi)" none psi
}

test_the_knob_is_a_wish_that_the_host_grants() {
	check knob vm target 64M
	within 5 wish_is vm $((64 * MIB))
	within 10 knob_is vm actual $((64 * MIB))
	eq "$(knob vm host_target)" $((64 * MIB)) host_target
	eq "$(vm_status vm operator)" 0 "what the operator set"
	check knob vm target 0
	within 5 wish_is vm 0
	within 10 knob_is vm actual 0
}

test_the_host_hears_what_the_floor_keeps() {
	local bytes ms start actual

	start=$(now_ms)
	check balloon_set vm vhost $((480 * MIB))
	within 20 knob_is vm state floor
	within 10 event_after vm floor "$start"
	actual=$(knob vm actual)
	read -r bytes ms < <(event vm floor)
	at_least "$bytes" $((480 * MIB - actual - 16 * MIB)) "missing"
	at_most "$bytes" $((480 * MIB - actual + 16 * MIB)) "missing"
}

# first_short US - print the time of the first alarm after that one, if it came
first_short() {
	local us

	us=$(jq "select(.type == \"short\" and .time_us >= $1) | .time_us" \
		"$WORK/told" 2>/dev/null | head -n 1)
	echo "$us"
	[ -n "$us" ]
}

# trouble_round - be short of memory once, with a balloon down to the floor;
# prints how many ms later the host knew
trouble_round() {
	local floor began

	floor=$(knob vm floor)
	check balloon_set vm vhost 0
	within 30 knob_is vm state idle
	within 60 not_short || return
	check balloon_set vm vhost $((480 * MIB))
	within 60 knob_is vm state floor
	began=$(guest vm trouble $((floor / 2))) || return
	within 10 first_short "$began" >/dev/null || return
	echo $((($(first_short "$began") - began) / 1000))
}

# guest_waited - how long it has run, and waited for a processor, in ns
guest_waited() {
	cut -d' ' -f1,2 "/proc/${guest_pids[vm]}/schedstat"
}

not_short() {
	[ "$(vm_status vm pressure)" != short ]
}

# Where others use the processors, the guest stands still in between, and that is
# not the driver's to answer for.
test_the_host_knows_of_trouble_within_100_ms() {
	local ms all=() run wait run2 wait2 limit=$LIMIT_MS

	ctl vm --json events vm >"$WORK/told" &
	background $!
	read -r run wait < <(guest_waited)
	while [ ${#all[@]} -lt $ROUNDS ]; do
		ms=$(trouble_round) || fail "no trouble" || return
		all+=("$ms")
	done
	read -r run2 wait2 < <(guest_waited)
	wait=$((100 * (wait2 - wait) / (wait2 - wait + run2 - run)))
	ms=$(nth $(((ROUNDS + 1) / 2)) "${all[@]}")
	echo "# ms from the guest's trouble to the host's knowledge: ${all[*]}," \
		"median $ms; it waited for a processor for $wait % of its time"
	[ $wait -lt $BUSY ] || limit=$((10 * LIMIT_MS))
	at_most "$ms" $limit "the median"
}

test_the_host_hears_when_there_is_plenty_again() {
	local bytes ms short_ms

	check balloon_set vm vhost 0
	within 60 not_short
	read -r bytes ms < <(event vm plenty)
	at_least "$bytes" "$(($(knob vm floor) / 2 * 3))" "bytes available"
	read -r bytes short_ms < <(event vm short)
	# Two seconds, by another clock.
	at_least $((ms - short_ms)) 1500 "ms after the last alarm"
}

test_a_guest_in_no_trouble_says_nothing() {
	local events

	check balloon_set vm vhost $((64 * MIB))
	within 10 knob_is vm actual $((64 * MIB))
	events=$(counter vm events)
	check guest vm memload touch 32
	check guest vm 'find / -xdev -type f -exec cat {} + >/dev/null'
	sleep 3
	eq "$(counter vm events)" "$events" events
	check balloon_set vm vhost 0
	within 10 knob_is vm actual 0
}

# relieved - for use with within
relieved() {
	ctl vm --json stats vm | jq .stats >"$WORK/stats"
	jq -e '.reliefs >= 1' "$WORK/stats" >/dev/null
}

test_statistics_tell_of_refusals_and_the_working_set() {
	local name

	check balloon_set vm vhost $((480 * MIB))
	within 30 knob_is vm state floor
	check guest vm memload touch 200
	check balloon_set vm vhost 0
	within 20 relieved
	for name in refault_file refault_anon active_file inactive_file \
		active_anon inactive_anon swap_free refusal_ms reliefs; do
		check jq -e ".$name >= 0" "$WORK/stats" >"$WORK/stat" ||
			cat "$WORK/stats"
	done
	at_most "$(jq .refusal_ms "$WORK/stats")" 600000 "ms since a refusal"
	at_least "$(jq .active_anon+.inactive_anon "$WORK/stats")" 4096 \
		"anonymous memory"
}

# psi COMMAND - with descriptor 3 on /proc/pressure/memory and the knob in $psi
psi() {
	guest vm "exec 3<>/proc/pressure/memory 4<>/proc/pressure/cpu
		psi=\$(echo /sys/bus/virtio/devices/virtio*/balloon/psi)
		$1"
}

# psi_threads - how many the guest's kernel has: one while there is a trigger
psi_threads() {
	guest vm 'ps | grep -c "[p]simon"'
}

test_what_is_no_trigger_is_refused() {
	local value

	for value in '' x 3x 99999999999 '3 4' -3 17 99999; do
		refused psi "echo '$value' >\$psi" 2>/dev/null
	done
	eq "$(psi 'echo 17 >$psi' 2>&1)" \
		"sh: write error: Bad file descriptor" "a descriptor not open"
	# Of the right file, but nothing was armed.
	eq "$(psi 'echo 3 >$psi' 2>&1)" \
		"sh: write error: Invalid argument" "no trigger"
	eq "$(psi 'echo "some 100000 1000000" >&4 && echo 4 >$psi' 2>&1)" \
		"sh: write error: Invalid argument" "a trigger for processors"
	for value in /dev/null /proc/version /proc/self/stat /tmp/memory; do
		eq "$(psi "exec 5<>$value || exec 5<$value; echo 5 >\$psi" 2>&1 |
			tail -n 1)" \
			"sh: write error: Invalid argument" "$value"
	done
	# Of the right name, elsewhere.
	check guest vm 'mkdir -p /tmp/pressure && : >/tmp/pressure/memory'
	refused psi 'exec 5<>/tmp/pressure/memory; echo 5 >$psi' 2>/dev/null
	eq "$(knob vm psi)" none psi
}

test_a_trigger_outlives_who_armed_it() {
	check psi 'echo "some 25000 500000" >&3 && echo 3 >$psi'
	eq "$(knob vm psi)" armed psi
	eq "$(psi_threads)" 1 "threads for triggers"
}

test_a_refused_trigger_leaves_the_old_one() {
	refused psi 'echo 17 >$psi' 2>/dev/null
	refused psi 'echo 3 >$psi' 2>/dev/null
	eq "$(knob vm psi)" armed psi
}

test_a_trigger_is_replaced_and_let_go() {
	for _ in 1 2 3 4 5; do
		check psi 'echo "some 25000 500000" >&3 && echo 3 >$psi'
	done
	eq "$(knob vm psi)" armed psi
	check knob vm psi -1
	eq "$(knob vm psi)" none psi
	# Released with the last trigger.
	within 10 eval '[ "$(psi_threads)" = 0 ]'
}

test_triggers_are_handed_over_from_many_sides_at_once() {
	check psi 'for i in 1 2 3 4 5 6 7 8; do
			(exec 3<>/proc/pressure/memory
			 echo "some 25000 500000" >&3
			 for j in 1 2 3 4 5; do
				echo 3 >$psi
				echo -1 >$psi
			 done) &
		done; wait'
	eq "$(knob vm psi)" none psi
	within 10 eval '[ "$(psi_threads)" = 0 ]'
}

test_the_program_arms_a_trigger() {
	check guest vm ballonet-psi
	eq "$(knob vm psi)" armed psi
	check guest vm ballonet-psi --full -t 50000 -w 1000000 virtio0
	eq "$(knob vm psi)" armed psi
	check guest vm ballonet-psi --off
	eq "$(knob vm psi)" none psi
}

test_the_program_says_why_it_cannot() {
	guest vm ballonet-psi virtio7 2>"$WORK/err"
	eq $? 3 "exit code for another device"
	refused guest vm ballonet-psi -t 2 -w 1
	guest vm ballonet-psi -t x >/dev/null
	eq $? 64 "exit code for wrong arguments"
	check guest vm umount /proc
	guest vm ballonet-psi >/dev/null
	eq $? 4 "exit code without PSI"
	check guest vm mount -t proc proc /proc
}

test_the_driver_is_unbound_with_a_trigger_armed() {
	for _ in 1 2 3; do
		check guest vm ballonet-psi
		check guest vm 'cd /sys/bus/virtio/drivers/ballonet &&
			echo virtio0 >unbind && echo virtio0 >bind'
		eq "$(knob vm psi)" none psi
	done
	check guest vm ballonet-psi
	check guest vm rmmod ballonet
	within 10 eval '[ "$(psi_threads)" = 0 ]'
	guest vm ballonet-psi >/dev/null
	eq $? 3 "exit code without the driver"
	check driver_load vm ballonet
}

test_a_wish_ends_with_the_driver() {
	check knob vm target 32M
	within 5 wish_is vm $((32 * MIB))
	within 10 knob_is vm actual $((32 * MIB))
	check guest vm rmmod ballonet
	within 5 wish_is vm 0
	eq "$(vm_status vm target)" 0 "the host's target"
	check driver_load vm ballonet
}

test_nothing_leaks() {
	check guest vm rmmod ballonet
	nothing_leaks vm
}

test_the_log_is_clean() {
	guest_stop vm
	within 5 gone "${backend_pids[vm]}"
}

# A host that listens, and no more.
test_a_host_that_does_not_grant_a_wish_has_the_say() {
	liar_start vm $((TELL | STATS | VERSION_1 | RANGES | EVENTS))
	guest_start vm "$kernel" "socket=$WORK/vm.sock" || return
	check driver_load vm ballonet
	within 5 knob_is vm state idle
	check knob vm target 16M
	within 5 knob_is vm state asked
	eq "$(liar_event $WISH)" "1 $((16 * MIB))" "wishes"
	eq "$(knob vm actual)" 0 actual
	tell target 8
	within 10 knob_is vm actual $((8 * MIB))
	within 5 knob_is vm state asked
	tell target 24
	within 10 knob_is vm actual $((24 * MIB))
	within 5 knob_is vm state idle
	tell target 0
	within 10 knob_is vm actual 0
	within 5 knob_is vm state asked
	check knob vm target 0
	within 5 knob_is vm state idle
}

test_a_flood_of_wishes_goes_out_thinned_and_ends_with_the_newest() {
	local start ms count before

	read -r before _ < <(liar_event $WISH)
	start=$(now_ms)
	check guest vm 'cd /sys/bus/virtio/devices/virtio*/balloon
		for i in $(seq 1000); do echo $((i * 4096)) >target; done'
	within 5 eval '[ "$(liar_event $WISH | cut -d" " -f2)" = 4096000 ]'
	ms=$(($(now_ms) - start))
	read -r count _ < <(liar_event $WISH)
	echo "# $((count - before)) of 1000 wishes in $ms ms"
	at_most $((count - before)) $((ms / GAP_MS + 1)) "wishes sent"
	at_least $((count - before)) 2 "wishes sent"
	eq "$(count violations)" 0 "violations by the driver"
}

test_a_host_that_keeps_the_buffers_gets_the_newest_when_it_returns_them() {
	local before

	tell lie events silent
	# More than there are buffers.
	check guest vm 'cd /sys/bus/virtio/devices/virtio*/balloon
		for i in $(seq 24); do
			echo $((i * 8192)) >target; sleep 0.12
		done'
	before=$(count events)
	check guest vm 'cd /sys/bus/virtio/devices/virtio*/balloon
		echo 40960 >target; sleep 0.2; echo 1M >target'
	sleep 0.5
	eq "$(count events)" "$before" "events while no buffer is left"
	tell honest
	at_least "$(liar answer events)" 4 "buffers that the host had"
	within 5 eval '[ "$(liar_event $WISH | cut -d" " -f2)" = 1048576 ]'
	at_most "$(count events)" $((before + 1)) events
	eq "$(count violations)" 0 "violations by the driver"
	check knob vm target 0
}

# stall_round - a process waits for memory, for longer than it takes; prints how
# many ms later the host knew
stall_round() {
	local told ms began stall=/sys/module/memstall/parameters/msec

	read -r told _ < <(liar_event $SHORT)
	check guest vm "echo 300 >$stall" || return
	within 10 liar_told $SHORT $((told + 1)) || return
	began=$(guest vm cat $stall)
	read -r _ _ ms < <(liar event $SHORT)
	echo $((ms - began))
}

test_a_trigger_that_fires_tells_the_host() {
	local i ms plenty all=()

	# Without a floor nobody else finds fault, with a balloon there is
	# something that the host can give back.
	check knob vm floor 0
	tell target 16
	within 10 knob_is vm actual $((16 * MIB))
	check guest vm insmod /lib/memstall.ko
	check guest vm ballonet-psi
	for i in 1 2 3 4 5; do
		read -r plenty _ < <(liar_event $PLENTY)
		ms=$(stall_round) || fail "the host was not told" || return
		all+=("$ms")
		# What has fired has to be armed again.
		at_least "$(driver_count vm psi)" "$i" \
			"times that the trigger fired"
		within 30 liar_told $PLENTY $((plenty + 1))
	done
	echo "# ms from the beginning of a stall to the host's knowledge:" \
		"${all[*]}, median $(nth 3 "${all[@]}")"
	check guest vm rmmod memstall
	check guest vm ballonet-psi --off
	tell target 0
	within 10 knob_is vm actual 0
}

test_a_broken_event_ring_hurts_nobody() {
	tell jump events 5
	check knob vm target 2M
	sleep 0.3
	check knob vm target 0
	tell target 16
	within 10 knob_is vm actual $((16 * MIB))
	tell target 0
	within 10 knob_is vm actual 0
	check guest vm rmmod ballonet
	tell honest
	check driver_load vm ballonet
	check knob vm target 3M
	within 5 eval '[ "$(liar_event $WISH)" = "1 3145728" ]'
}

test_a_device_with_events_alone_gets_them() {
	guest_stop vm 'virtio-uml\.0-.*(out of range|not a head)'
	within 5 gone "$liar_pid"
	liar_start vm $((VERSION_1 | EVENTS))
	guest_start vm "$kernel" "socket=$WORK/vm.sock" || return
	check driver_load vm ballonet
	check knob vm target 4M
	within 5 knob_is vm state asked
	within 5 eval '[ "$(liar_event $WISH)" = "1 4194304" ]'
	tell target 2048
	within 20 knob_is vm state floor
	within 5 liar_told $FLOOR
	check guest vm rmmod ballonet
	eq "$(count violations)" 0 "violations by the driver"
	guest_stop vm
}

run_tests
