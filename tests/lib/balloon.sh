# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The balloon of a test guest, from both sides. Source it after test.sh.

MIB=$((1 << 20))
GUEST_MIB=512	# RAM of the guests here, unless said otherwise

# ctl NAME VERB... - ballonetctl at the stand-alone back-end of this name
ctl() {
	local name=$1
	shift
	"$BIN/ballonetctl" "--control=$WORK/$name.ctl" "$@"
}

# vm_status NAME FIELD - what the back-end says of its VM
vm_status() {
	ctl "$1" --json status "$1" | jq -r ".$2"
}

# counter NAME KEY - what the back-end counted
counter() {
	ctl "$1" --json counters "$1" | jq -r ".$2"
}

# knob NAME FILE [VALUE] - read or write a file of the driver's sysfs knob
knob() {
	local path="/sys/bus/virtio/devices/virtio*/balloon/$2"

	if [ $# -gt 2 ]; then
		guest "$1" "echo '$3' > \$(echo $path)"
	else
		guest "$1" "cat $path"
	fi
}

# knob_is NAME FILE VALUE - for use with within
knob_is() {
	[ "$(knob "$1" "$2")" = "$3" ]
}

# knob_at_least NAME FILE BYTES - likewise
knob_at_least() {
	[ "$(knob "$1" "$2")" -ge "$3" ]
}

# knob_rests NAME FILE BYTES - it is at least that, and stays as it is: likewise
knob_rests() {
	local was

	was=$(knob "$1" "$2")
	[ "$was" -ge "$3" ] && sleep 2 && knob_is "$1" "$2" "$was"
}

# driver_count NAME KEY - what the driver counted
driver_count() {
	guest "$1" "sed -n 's/^$2 //p' /sys/kernel/debug/ballonet/*/counters"
}

# driver_count_at_least NAME KEY N - for use with within
driver_count_at_least() {
	[ "$(driver_count "$1" "$2")" -ge "$3" ]
}

# resident_at_most NAME BYTES - of the guest's memory; for use with within
resident_at_most() {
	[ "$(guest_mem_blocks "$1")" -le "$2" ]
}

# frees_for_standby NAME MIB BYTES - touch so much, and have so much on standby soon
# afterwards: for use with within, as free page reporting may be sooner
frees_for_standby() {
	check guest "$1" memload touch "$2" || return
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(knob "$1" standby)" -lt "$3" ] || return 0
		sleep 0.5
	done
	return 1
}

# meminfo NAME FIELD - in bytes
meminfo() {
	echo $(($(guest "$1" "sed -n 's/^$2: *//p' /proc/meminfo" |
		cut -d' ' -f1) * 1024))
}

# rests_at_floor NAME - and has all answers: for use with within
rests_at_floor() {
	knob_is "$1" state floor && knob_rests "$1" actual 1
}

# free_bytes NAME - in the guest; what a processor has put aside is free too. In
# one look, since pages come and go between the two.
free_bytes() {
	echo $((4096 * $(guest "$1" "awk '/^ *pages free/ { n += \$3 }
		/^ *count:/ { n += \$2 } END { print n }' /proc/zoneinfo")))
}

# has_free NAME BYTES - for use with within, as what was freed may be on its way
has_free() {
	[ "$(free_bytes "$1")" -ge "$2" ]
}

# available_bytes NAME - in the guest, with what a processor has put aside, up to an
# eighth of memory, which MemAvailable does not count
available_bytes() {
	guest "$1" "awk '/^MemAvailable:/ { n += \$2 * 1024 }
		/^ *count:/ { n += \$2 * 4096 } END { print n }' \
		/proc/meminfo /proc/zoneinfo"
}

# has_available NAME BYTES - for use with within, since blocks that are being
# reported do not count for a moment
has_available() {
	[ "$(available_bytes "$1")" -ge "$2" ]
}

# has_available_at_most NAME BYTES - likewise
has_available_at_most() {
	[ "$(meminfo "$1" MemAvailable)" -le "$2" ]
}

# vmstat NAME FIELD
vmstat() {
	guest "$1" "sed -n 's/^$2 //p' /proc/vmstat"
}

# timed CMD... - how long it took, into $ms
timed() {
	local begin=${EPOCHREALTIME/.}

	"$@"
	ms=$(((${EPOCHREALTIME/.} - begin) / 1000))
}

# driver_load NAME ballonet|virtio_balloon - unload with rmmod
driver_load() {
	case $2 in
	ballonet) guest "$1" insmod /lib/ballonet.ko ;;
	*)	guest "$1" modprobe "$2" ;;
	esac
}

# balloon_set NAME HOST BYTES - the host's target; HOST is the kind of device,
# vhost or qemu
balloon_set() {
	local name=$1 host=$2 bytes=$3 ram

	case $host in
	vhost)	ctl "$name" set "$name" --balloon "$bytes" >/dev/null ;;
	qemu)	# QEMU counts what the guest keeps.
		ram=$((GUEST_MIB * MIB))
		guest_qmp "$name" "{\"execute\": \"balloon\", \"arguments\":
			{\"value\": $((ram - bytes))}}" >/dev/null ;;
	esac
}

# balloon_actual NAME HOST - bytes, as the host knows them from the guest
balloon_actual() {
	case $2 in
	vhost)	vm_status "$1" actual ;;
	qemu)	echo $((GUEST_MIB * MIB -
			$(guest_qmp "$1" query-balloon | jq .actual))) ;;
	esac
}

# balloon_is NAME HOST BYTES - for use with within
balloon_is() {
	[ "$(balloon_actual "$1" "$2")" = "$3" ]
}

# host_memory_falls NAME HOST BYTES - make all of the guest's memory resident,
# inflate, and see 99 % of the balloon gone from the memory file
host_memory_falls() {
	local name=$1 host=$2 bytes=$3 before after ram available

	ram=$((GUEST_MIB * MIB))
	available=$(meminfo "$name" MemAvailable)
	# Where free pages are reported, some may be gone before we look.
	for _ in 1 2 3 4 5; do
		check guest "$name" memload touch $((available / MIB - 24))
		before=$(guest_mem_blocks "$name")
		[ "$before" -lt $((ram - 96 * MIB)) ] || break
	done
	at_least "$before" $((ram - 96 * MIB)) "resident before"
	check balloon_set "$name" "$host" "$bytes"
	within 60 balloon_is "$name" "$host" "$bytes" || return
	after=$(guest_mem_blocks "$name")
	at_most "$after" $((ram - bytes / 100 * 99)) "resident after"
}

# balloon_is_given_back NAME HOST - down to nothing, and the guest has it all
balloon_is_given_back() {
	local name=$1 host=$2

	check balloon_set "$name" "$host" 0
	within 60 balloon_is "$name" "$host" 0 || return
	check guest "$name" memload touch \
		$(($(meminfo "$name" MemAvailable) / MIB - 24))
}

# nothing_leaks NAME - of the driver's; skips where the kernel has no kmemleak
nothing_leaks() {
	local leaks=/sys/kernel/debug/kmemleak

	guest "$1" test -e $leaks ||
		{ skip "no kmemleak in this kernel"; return; }
	# A block is a leak when two scans found nobody who points to it.
	check guest "$1" "echo scan > $leaks; sleep 6; echo scan > $leaks"
	eq "$(guest "$1" "grep -A20 -e ballonet -e psi_ $leaks")" "" \
		"what kmemleak found"
}
