# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the subjects have to do. Sourced by run. A work has one boot of its own
# for each subject, in each round.

# name		kernel's command line	ways that it makes sense for
WORK_TABLE='
touched		init_on_alloc=0		qmp vhost take mem alone raw
zeroing		init_on_alloc=1		qmp vhost take mem
untouched	init_on_alloc=0		qmp vhost mem raw
untouched-zeroing init_on_alloc=1	qmp vhost mem
fragmented	init_on_alloc=0		qmp vhost mem raw
busy		init_on_alloc=0		qmp vhost take mem
stopped		init_on_alloc=0		take
freed		init_on_alloc=0		report idle
compile		init_on_alloc=0		report idle managed
counts		init_on_alloc=0		qmp vhost take mem
crowd-1		init_on_alloc=0		qmp vhost take
crowd-4		init_on_alloc=0		qmp vhost take
crowd-16	init_on_alloc=0		qmp vhost take
'

# Of the shrink when there is no whole block free, in percent of the usual.
FRAGMENTED_PERCENT=45
# A guest of a crowd; below that, its floor is all it has.
# shellcheck disable=SC2153 # run sets it
CROWD_RAM_MIB=$((RAM_MIB / 4 > 256 ? RAM_MIB / 4 : 256))
CROWD_MIB=$((SIZE_MIB / 4))
# Memory that the guest keeps to itself when it touches all that it can.
SPARE_MIB=$((24 + RAM_MIB / 50))
SPIN_SECONDS=4
# What runs there has a size of its own.
COMPILE_RAM_MIB=1024

work_names() {
	awk 'NF { print $1 }' <<<"$WORK_TABLE"
}

work_cmdline() {
	awk -v name="$1" '$1 == name { print $2 }' <<<"$WORK_TABLE"
}

# work_fits NAME - the subject that is set
work_fits() {
	awk -v name="$1" -v way="$way" '$1 == name { $1 = $2 = ""; print $0 " " }' \
		<<<"$WORK_TABLE" | grep -q " $way " &&
		{ [ "$1" != compile ] || [[ $kernel = uml* ]]; }
}

# note METRIC VALUE - a result; of a time, for a GiB
note() {
	printf '%s\t%s\t%s\t%s\t%s\n' "$round" "$subject" "$work" "$1" "$2" \
		>>"$RESULTS"
}

# note_time METRIC US MIB
note_time() {
	note "$1" $(($2 * 1024 / $3))
}

# touch_word - what fills memory quickest
touch_word() {
	case $kernel,$(work_cmdline "$work") in
	uml*,*=1) echo allocate ;;
	uml*)	echo write ;;
	*)	echo touch ;;
	esac
}

# touch_all NAME - make all free memory resident; microseconds into $touch. What
# is on standby has to be free for that, and not reported before it is again.
touch_all() {
	local available

	if [ "$way" = take ]; then
		knob "$1" standby_limit 0
		within 30 knob_is "$1" standby 0
	fi
	available=$(($(meminfo "$1" MemAvailable) / MIB - SPARE_MIB))
	touch=$(guest "$1" work "$(touch_word)" $available) ||
		fail "$subject: cannot touch $available MiB" || return
	[ "$way" != take ] || knob "$1" standby_limit 1024G
}

# gather NAME MIB - of what is taken from standby, so much has to be there
gather() {
	[ "$way" != take ] || within 60 gathered "$@"
}

gathered() {
	[ "$(knob "$1" standby)" -ge $(($2 * MIB)) ] && return
	sleep 0.5
	return 1
}

# shrink NAME MIB - and what that brought: "really" is the time for a GiB that
# the host has got
shrink() {
	local before freed

	before=$(occupied "$1")
	give $(($2 * MIB)) "$1" || return
	[ "$cycle" -gt 0 ] || return 0
	freed=$(((before - $(occupied "$1")) / MIB))
	note_time shrink "$us" "$2"
	note freed $((freed * 1024 / $2))
	[ $freed -le 0 ] || note_time really "$us" $freed
}

# grow NAME MIB - how long it took is in $grown; what the host took from standby
# has no other way back than being touched
grow() {
	grown=0
	[ "$way" != take ] || return 0
	give 0 "$1" || return
	grown=$us
	[ "$cycle" -eq 0 ] || note_time grow "$us" "$2"
}

# refill NAME MIB - touch as much as has come back, which is mostly what the
# guest takes first. What the host had to find for it is noted
refill() {
	local before

	[ "$way" != take ] || return 0
	before=$(occupied "$1")
	touch=$(guest "$1" work "$(touch_word)" "$2") ||
		fail "$subject: cannot touch $2 MiB" || return
	[ "$cycle" -gt 0 ] || return 0
	note_time touch "$touch" "$2"
	note_time return $((grown + touch)) "$2"
	note refilled $((($(occupied "$1") - before) * 1024 / $2 / MIB))
	note huge $(($(huge_mappings "$1") / 1024))
}

cycle_touched() {
	touch_all vm && gather vm "$SIZE_MIB" && shrink vm "$SIZE_MIB" &&
		grow vm "$SIZE_MIB" && refill vm "$SIZE_MIB"
}

# The host has nothing of what is given, from the second time on.
cycle_untouched() {
	shrink vm "$SIZE_MIB" && grow vm "$SIZE_MIB"
}

cycle_fragmented() {
	local mib=$((SIZE_MIB * FRAGMENTED_PERCENT / 100))

	touch_all vm || return
	[ "$cycle" -eq 0 ] || note blocks "$(free_blocks vm)"
	shrink vm $mib && grow vm $mib
}

# free_blocks NAME - free blocks of 2 MiB and more, in 2 MiB
free_blocks() {
	guest "$1" cat /proc/buddyinfo | awk '
		{ for (i = 14; i <= NF; i++) n += $i * 2 ^ (i - 14) }
		END { print n + 0 }'
}

# fragment - half of what is free, frame by frame, and nothing is free but that:
# what a program cannot have, the reserve, is in whole blocks, and goes to the
# pool of huge pages. virtio-mem could not move that, UML has none.
fragment() {
	local pool=/proc/sys/vm/nr_hugepages available

	guest vm 'echo never >/sys/kernel/mm/transparent_hugepage/enabled' \
		>/dev/null 2>&1
	available=$(($(meminfo vm MemAvailable) / MIB - SPARE_MIB))
	guest vm memload holes $available || return
	[ "$way" != mem ] && [[ $kernel != uml* ]] || return 0
	# What processors have put aside comes only later.
	for _ in 1 2 3; do
		guest vm "echo \$((\$(cat $pool) + $(free_blocks vm))) >$pool"
	done
}

# cycle_busy: what a program in the guest loses while memory goes and comes
cycle_busy() {
	local alone during longest

	touch_all vm && gather vm "$SIZE_MIB" || return
	# All of the answer: who reads a part would go on listening.
	read -r alone _ <<<"$(guest vm work spin $SPIN_SECONDS)"
	guest_ask vm work spin $SPIN_SECONDS
	sleep 1
	give $((SIZE_MIB * MIB)) vm
	read -r during longest <<<"$(guest_answer vm 60)"
	[ "$cycle" -eq 0 ] ||
		note_time lost $(((alone - during) * SPIN_SECONDS * 1000000 /
			alone)) "$SIZE_MIB"
	[ "$cycle" -eq 0 ] || note longest "$longest"
	[ "$way" = take ] || give 0 vm
}

cycle_stopped() {
	local pid=${guest_pids[vm]}

	touch_all vm && gather vm "$SIZE_MIB" || return
	kill -STOP "$pid"
	shrink vm "$SIZE_MIB"
	kill -CONT "$pid"
}

# cycle_freed: a program ends; how long until the host has what it had
cycle_freed() {
	local file used begin end

	sleep $((cycle ? 5 : 20))
	guest vm work "$(touch_word)" $((SIZE_MIB + 64)) >/dev/null || return
	used=$(occupied vm)
	file=$(guest_mem_file vm)
	read -r begin end < <("$STOPWATCH" -f "$file" -b \
		$((used - SIZE_MIB * MIB / 100 * 99))) ||
		fail "$subject: not reclaimed" || return
	[ "$cycle" -eq 0 ] || note_time freed-to-host $((end - begin)) "$SIZE_MIB"
}

# work_compile: a developer's machine for a minute (build). What its memory
# occupies then, as GiB x min, and how long its builds took; their processor
# time is what other load on the machine changes less
work_compile() {
	local initrd="initrd=$TOP/build/guest/pressure.cpio"
	local before built area most

	"$TOP/tests/pressure/initrd" || return
	subject_boot vm $COMPILE_RAM_MIB "$(work_cmdline "$work") $initrd" ||
		return
	guest vm 'modprobe zram num_devices=2 &&
		echo 1G >/sys/block/zram1/disksize' || return
	# Its processes take turns; on processors that are idle each turn would
	# be the wake-up of another one, which a guest has no part in.
	taskset -ap -c 0 "$(guest_pid vm)" >/dev/null
	before=$(cpu_ms vm)
	"$TOP/build/tests/meter" "$(guest_mem_file vm)" 100 >"$WORK/meter" &
	built=$(guest vm "$(<"$TOP/tests/bench/build")") ||
		fail "$subject: $built"
	kill -TERM $!
	wait $!
	[ -z "$test_failed" ] || return
	note built-cpu-ms $(($(cpu_ms vm) - before))
	note built-ms "$built"
	read -r area most <"$WORK/meter"
	note gib-min "$area"
	note most-mib "$most"
	subject_end vm
}

# crowd N - so many guests, a quarter of the size each
crowd() {
	local i names=()

	guest_mib=$CROWD_RAM_MIB
	for ((i = 1; i <= $1; i++)); do
		names+=("vm$i")
		subject_boot "vm$i" "$guest_mib" "$(work_cmdline "$work")" ||
			return
	done
	for ((cycle = 0; cycle <= CYCLES; cycle++)); do
		for i in "${names[@]}"; do
			touch_all "$i" && gather "$i" "$CROWD_MIB"
		done
		give $((CROWD_MIB * MIB)) "${names[@]}" || return
		[ $cycle -eq 0 ] ||
			note_time shrink "$us" $(($1 * CROWD_MIB))
		[ "$way" = take ] || give 0 "${names[@]}"
	done
	for i in "${names[@]}"; do
		subject_end "$i"
	done
	guest_mib=$RAM_MIB
}

# cycles - of the work that is set, in one guest
cycles() {
	local what=${work%-zeroing}

	[ "$what" != zeroing ] || what=touched
	subject_boot vm "$RAM_MIB" "$(work_cmdline "$work")" || return
	[ "$work" != fragmented ] || fragment || return
	for ((cycle = 0; cycle <= CYCLES; cycle++)); do
		"cycle_$what" || break
	done
	subject_end vm
}

# in_tmpfs CMD... - with /mnt of huge pages, which nobody else sees
in_tmpfs() {
	unshare --mount --propagation private sh -c \
		'mount -t tmpfs -o huge=always none /mnt && exec "$@"' - "$@"
}

work_raw() {
	local state=$work metric value kind=$ram

	[ "$state" != fragmented ] || state=holes
	[ "$kind" != thp ] || kind=/mnt/ram
	in_tmpfs "$TOP/build/tests/raw" "$SIZE_MIB" "$kind" "$state" "$CYCLES" |
		while read -r metric value; do
			note_time "$metric" "$value" "$SIZE_MIB"
		done
}

# work_alone: the back-end, a VMM that is no VMM, and requests without a guest
work_alone() {
	local kind=$ram frames=$((SIZE_MIB * 256)) at

	[ "$kind" != thp ] || kind=file:/mnt/ram
	backend_start vm || return
	{
		echo "ram $((SIZE_MIB + 64))M $kind"
		echo "connect $WORK/vm.sock"
		echo hello
		echo fill
		echo start
		for ((cycle = 0; cycle <= CYCLES; cycle++)); do
			echo clock
			echo "ranges inflate 4096:$frames"
			echo clock
			echo "ranges deflate nowait=1 4096:$frames"
			echo response deflate
			echo clock
			echo "touch 4096 $frames"
			echo clock
			echo fill
		done
	} >"$WORK/vm.script"
	in_tmpfs "$TOP/build/tests/vmm" <"$WORK/vm.script" >"$WORK/vm.said" ||
		fail "$subject: the fake VMM failed"
	awk '/^clock/ { print $2 }' "$WORK/vm.said" | paste - - - - |
		tail -n +2 | while read -ra at; do
			note_time shrink $((at[1] - at[0])) "$SIZE_MIB"
			note_time grow $((at[2] - at[1])) "$SIZE_MIB"
			note_time touch $((at[3] - at[2])) "$SIZE_MIB"
			note_time return $((at[3] - at[1])) "$SIZE_MIB"
		done
	wait "${backend_pids[vm]}"
	unset "backend_pids[vm]"
}
