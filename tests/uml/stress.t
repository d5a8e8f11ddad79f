#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The property that matters most: no page that the guest uses is ever
# reclaimed. A guest program keeps checking and rewriting its memory while
# everything that can happen to a balloon happens, in random order: targets
# from both sides, floors, reports of free pages, compaction, demand for all of
# the guest's memory with and without swap, back-ends that are killed and
# started again by ballonetd, drivers that are unbound and unloaded, blocks on
# standby that the host takes, also with a back-end that dies over it.
#
# STRESS_SECONDS	for each guest, at least (default 30)
# STRESS_SEED		another order (default 1; tests/tools/soak picks one)
# STRESS_GUEST		"KERNEL DRIVER", to run only that one
# STRESS_PROGRESS	say every so many seconds how far it is

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

seconds=${STRESS_SECONDS:-30}
: "${STRESS_SEED:=1}"
run=$WORK/run
exec 3>&1

FILL=128	# MiB of known data
SWAP=256	# MiB, compressed in the guest's own memory
ZRAM=/dev/zram0
# It needs memory to swap to, more than it frees while it swaps known data: the
# kernel's own reserve, less than 3 MiB, runs out.
ZRAM_KIB=16384

# What a step does, and how often compared with others.
KINDS='host 6 touch 2 wait 2 compact 2 kill 2 refill 1 report 1 rebind 1 reload 1'
KINDS_BALLONET='knob 2 floor 1 demand 1 swap 1 take 3'

manager() {
	"$BIN/ballonetctl" "--control=$run/control" "$@"
}

backend_pid() {
	pgrep -P "$manager_pid" -f -- "--name=$1( |\$)"
}

backend_runs() {
	[ "$(manager --json status "$1" | jq -r .state)" = running ]
}

actual_is() {
	[ "$(manager --json status "$1" | jq -r .actual)" = "$2" ]
}

# reported NAME - frames of reports, by this process of the back-end
reported() {
	manager --json counters "$1" 2>/dev/null | jq -r .frames_reported
}

# backend_kill - and remember what it had counted
backend_kill() {
	local n

	n=$(reported "$name")
	frames_reported=$((frames_reported + ${n:-0}))
	check kill -KILL "$(backend_pid "$name")"
}

# take SIZE - of what is on standby, into $taken; there may be less, or none
take() {
	taken=$(manager --json take "$name" "$1" 2>/dev/null | jq -r .taken)
	taken=${taken:-0}
}

# some_is_taken - of what is on standby; for use with within
some_is_taken() {
	take 1G
	all_taken=$((all_taken + taken))
	[ "$(manager --json status "$name" | jq -r .taken)" -gt 0 ]
}

# random_size MIB - below that, whole frames, into $size
random_size() {
	size=$(((RANDOM << 15 | RANDOM) % ($1 * MIB / 4096) * 4096))
}

# Both kinds of memory, as much as there is without a balloon. The first comes
# as fast as programs can fault it in, the second as fast as a kernel copies.
take_all() {
	local name=$1 mib=$2

	if [ "$how" = 0 ]; then
		check guest "$name" memload touch "$mib"
	else
		check guest "$name" "dd if=/dev/zero of=/tmp/all bs=1M \
			count=$mib 2>/dev/null; s=\$?; rm /tmp/all; exit \$s"
	fi
}

step_host() {
	random_size 320
	within 20 manager set "$name" --balloon $size >/dev/null
}

step_knob() {
	random_size 320
	check knob "$name" target $size
}

step_floor() {
	random_size 120
	check knob "$name" floor $((size + 8 * MIB))
}

step_touch() {
	check guest "$name" memload touch $((1 + RANDOM % 64))
}

step_wait() {
	sleep 0.$((RANDOM % 5))
}

# As much data in one piece, or with holes, so that what is free is in pieces.
step_refill() {
	within 20 backend_runs "$name" || return
	# Linux's own driver gives too little at a time.
	if [ "$driver" != ballonet ]; then
		check manager set "$name" --balloon 0 --wait >/dev/null
	fi
	check guest "$name" memload drop
	if [ $((RANDOM % 3)) = 0 ]; then
		check guest "$name" memload fill $FILL
	else
		check guest "$name" memload holes $((2 * FILL))
	fi
}

step_compact() {
	check guest "$name" 'echo 1 >/proc/sys/vm/compact_memory'
}

# Without a host nothing comes back, and programs are killed rightly.
step_demand() {
	how=$((RANDOM % 2))
	within 20 backend_runs "$name" || return
	take_all "$name" $((available / MIB - 48))
}

# Half of what swap holds is known data, which does not compress.
step_swap() {
	how=$((RANDOM % 2))
	within 20 backend_runs "$name" || return
	check guest "$name" swapon $ZRAM
	take_all "$name" $((available / MIB + SWAP / 8))
	check guest "$name" swapoff $ZRAM
}

# What is free now and has been touched is reported after a while. All of it is
# touched: a little would fit between the data, where no whole block is free.
step_report() {
	local before

	if [ "$driver" = ballonet ]; then
		check knob "$name" target 0
		# It would have what is free before that is reported.
		check knob "$name" standby_limit 0
	fi
	within 20 manager set "$name" --balloon 0 >/dev/null
	within 30 actual_is "$name" 0 || return
	before=$(reported "$name")
	check guest "$name" memload touch $((available / MIB - 48))
	within 30 eval '[ "$(reported "$name")" -gt '"$before"' ]'
	[ "$driver" != ballonet ] || check knob "$name" standby_limit 8G
}

# Whatever there is now, with a back-end that may die meanwhile: in the middle,
# before, or when all is done.
step_take() {
	local job

	within 20 backend_runs "$name" || return
	random_size 320
	if [ $((RANDOM % 3)) = 0 ]; then
		manager take "$name" $((size + 1)) >/dev/null 2>&1 &
		job=$!
		sleep 0.0$((RANDOM % 10))
		backend_kill
		wait $job
	else
		take $((size + 1))
		all_taken=$((all_taken + taken))
	fi
}

step_kill() {
	# It may be on its way up from the last time.
	within 20 backend_runs "$name" || return
	backend_kill
}

step_rebind() {
	check guest "$name" "cd /sys/bus/virtio/drivers/$driver &&
		echo virtio0 >unbind && echo virtio0 >bind"
}

step_reload() {
	check guest "$name" rmmod "$driver"
	check driver_load "$name" "$driver"
}

# schedule KIND WEIGHT... - each kind once, in any order, into $first; each as
# often as it weighs into $any
schedule() {
	local i j kind

	first=() any=()
	while [ $# -gt 0 ]; do
		first+=("$1")
		for ((i = 0; i < $2; i++)); do
			any+=("$1")
		done
		shift 2
	done
	for ((i = ${#first[@]} - 1; i > 0; i--)); do
		j=$((RANDOM % (i + 1)))
		kind=${first[i]}
		first[i]=${first[j]}
		first[j]=$kind
	done
}

so_far() {
	local kind text="$driver on $kernel, seed $STRESS_SEED: $steps steps:"

	for kind in "${first[@]}"; do
		text+=" ${counts[$kind]:-0} $kind,"
	done
	echo "${text%,}"
}

# steps_take - until the time is up and each kind has had its turn
steps_take() {
	local end=$((SECONDS + seconds)) kind
	local told=$SECONDS

	while [ -z "$test_failed" ] &&
		{ [ $SECONDS -lt $end ] || [ "$steps" -lt ${#first[@]} ]; }; do
		kind=${first[steps]:-${any[RANDOM % ${#any[@]}]}}
		echo "step $steps: $kind"
		"step_$kind"
		check guest "$name" memload check >/dev/null
		counts[$kind]=$((${counts[$kind]:-0} + 1))
		steps=$((steps + 1))
		[ -n "${STRESS_PROGRESS:-}" ] || continue
		[ $((SECONDS - told)) -lt "$STRESS_PROGRESS" ] && continue
		told=$SECONDS
		echo "# $(so_far)" >&3
	done
}

# standby_is_taken - however the guest was left, some of it can be
standby_is_taken() {
	check knob "$name" target 0
	check knob "$name" floor 8M
	check manager set "$name" --balloon 0 --wait >/dev/null
	check guest "$name" memload drop
	check guest "$name" memload fill $FILL
	within 60 some_is_taken
	check guest "$name" memload check
	eq "$(driver_count "$name" standby_nonsense)" 0 "nonsense"
}

# all_is_back - the guest's and the host's memory is as before the driver came
all_is_back() {
	local slack=$((8 * MIB)) n

	# KASAN keeps what is freed for a while, up to a 32nd of all memory.
	[ "$kernel" = uml ] || slack=$((32 * MIB))
	within 20 backend_runs "$name"
	[ "$driver" != ballonet ] || standby_is_taken
	check manager set "$name" --balloon 0 --wait >/dev/null
	check guest "$name" memload check
	n=$(reported "$name")
	frames_reported=$((frames_reported + n))
	check guest "$name" rmmod "$driver"
	check guest "$name" memload drop
	check guest "$name" memload fill $FILL
	eq "$(meminfo "$name" MemTotal)" "$total" MemTotal
	check guest "$name" 'echo 3 >/proc/sys/vm/drop_caches'
	within 10 has_free "$name" $((free - slack))
	how=1
	take_all "$name" $((available / MIB - 48))
	at_least "$(guest_mem_blocks "$name")" $((GUEST_MIB * MIB * 3 / 4)) \
		"bytes of the memory file"
	check guest "$name" memload check
	eq "$(vmstat "$name" oom_kill)" 0 "processes killed"
	at_least "$frames_reported" 1 "frames reported"
	echo "# $(so_far)" >&3
	echo "# $frames_reported frames reported," \
		"$(vmstat "$name" balloon_migrate) moved by compaction," \
		"$((all_taken / MIB)) MiB taken ($mode)" >&3
}

# As far as kmemleak says: for good it gives up, and refuses to scan, when it
# finds no memory for itself, which a guest short of memory may not have.
nothing_leaked() {
	local leaks=/sys/kernel/debug/kmemleak

	guest "$name" test -e $leaks || return 0
	if ! guest "$name" "echo scan >$leaks" 2>/dev/null; then
		echo "# kmemleak has given up" >&3
		return 0
	fi
	# A block is a leak when two scans found nobody who points to it.
	check guest "$name" "sleep 6; echo scan >$leaks"
	eq "$(guest "$name" "grep -A20 ballonet $leaks")" "" \
		"what kmemleak found"
}

# stress KERNEL DRIVER
stress() {
	local kernel=$1 driver=$2 name=$2 steps=0 frames_reported=0
	local socket size how total free available first any
	local all_taken=0 taken=0 mode modes
	local -A counts=()
	local kinds=$KINDS

	[ "${STRESS_GUEST:-$1 $2}" = "$1 $2" ] ||
		{ skip "not $STRESS_GUEST"; return; }
	RANDOM=$STRESS_SEED
	# With the next seed it is the other one.
	modes=(on-demand eager)
	[ "$kernel" != uml ] || modes=(eager on-demand)
	mode=${modes[STRESS_SEED % 2]}
	echo "seed $STRESS_SEED, standby $mode"
	printf '[class default]\nstandby = %s\n' "$mode" >"$WORK/ballonetd.conf"
	check manager reload
	socket=$(manager add "$name") || fail "add failed" || return
	guest_start "$name" "$kernel" "socket=$socket" || return
	check guest "$name" "mount -o remount,size=100% /tmp && modprobe zram &&
		echo ${SWAP}M >/sys/block/zram0/disksize &&
		mkswap $ZRAM && echo $ZRAM_KIB >/proc/sys/vm/min_free_kbytes" \
		>/dev/null
	check guest "$name" memload fill $FILL
	total=$(meminfo "$name" MemTotal)
	free=$(free_bytes "$name")
	available=$(meminfo "$name" MemAvailable)
	check driver_load "$name" "$driver"
	[ "$driver" != ballonet ] || kinds+=" $KINDS_BALLONET"
	# shellcheck disable=SC2086 # a list of words
	schedule $kinds
	steps_take
	[ -z "$test_failed" ] || return
	all_is_back
	check guest "$name" memload drop
	nothing_leaked
	guest_stop "$name"
	within 5 manager remove "$name" >/dev/null
}

test_the_manager_starts() {
	: >"$WORK/ballonetd.conf"
	"$BIN/ballonetd" "--config=$WORK/ballonetd.conf" \
		"--runtime-dir=$run" "--backend=$BIN/vhost-user-balloon" \
		>"$WORK/ballonetd.log" 2>&1 </dev/null &
	manager_pid=$!
	background $manager_pid
	within 5 test -S "$run/control"
}

test_ballonet_loses_no_byte() {
	stress uml ballonet
}

test_ballonet_loses_no_byte_on_the_debug_kernel() {
	stress uml-debug ballonet
}

test_virtio_balloon_loses_no_byte_with_our_back_end() {
	stress uml virtio_balloon
}

run_tests
