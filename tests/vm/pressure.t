#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Demand at the fastest rate that a guest can make, against a full balloon:
# nobody is killed, no byte is lost, with and without swap, on each of Debian's
# kernels. The times that it takes are printed beside those without a balloon.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

exec 3>&1
MEM=512		# MiB of the guests
FILL=48		# MiB of known data in them
BEYOND=96	# MiB more than there is, for swap
ALONE=48	# MiB that whoever allocates leaves to the rest of the system
# Built into all three kernels.
SWAP=/dev/nvme0n1

# as_fast_as_possible NAME HOW MIB - allocate that much
as_fast_as_possible() {
	case $2 in
	one)	check guest "$1" memload touch "$3" ;;
	four)	check guest "$1" "for i in 1 2 3 4; do
			memload touch $(($3 / 4)) & p=\"\$p \$!\"; done
			for i in \$p; do wait \$i || exit; done" ;;
	file)	check guest "$1" "dd if=/dev/zero of=/tmp/all bs=1M \
			count=$3 2>/dev/null; s=\$?; rm /tmp/all; exit \$s" ;;
	esac
}

# settled NAME - at the floor, and not on the way there
settled() {
	local actual

	actual=$(knob "$1" actual)
	[ "$(knob "$1" state)" = floor ] && sleep 0.3 &&
		[ "$(knob "$1" actual)" = "$actual" ] &&
		[ "$actual" -gt $(((available - $(knob "$1" floor)) * 3 / 4)) ]
}

# full_balloon NAME - of a driver that has not been short of memory before
full_balloon() {
	check guest "$1" rmmod ballonet
	check driver_load "$1" ballonet
	check knob "$1" target 64G
	within 60 settled "$1"
}

# demand NAME HOW MIB - against a full balloon
demand() {
	local name=$1 how=$2 mib=$3 swapped

	full_balloon "$name" || return
	swapped=$(vmstat "$name" pswpout)
	timed as_fast_as_possible "$name" "$how" "$mib"
	echo "# $label, $how: $mib MiB in $ms ms," \
		"$(($(vmstat "$name" pswpout) - swapped)) pages swapped out," \
		"$(($(knob "$name" actual) / MIB)) MiB of balloon left" >&3
	check guest "$name" memload check
	eq "$(vmstat "$name" oom_kill)" 0 "processes killed"
}

# guest_under_pressure KERNEL OPTION...
guest_under_pressure() {
	local kernel=$1
	shift

	label=$kernel
	truncate -s 1G "$WORK/swap"
	guest_start vm "$kernel" mem=${MEM}M "$@" \
		"args=-drive file=$WORK/swap,if=none,id=swap,format=raw,cache=unsafe -device nvme,drive=swap,serial=swap ${args:-}" ||
		return
	check guest vm "mount -o remount,size=100% /tmp && mkswap $SWAP" \
		>/dev/null
	check guest vm memload fill $FILL
	check driver_load vm ballonet
	available=$(meminfo vm MemAvailable)
	most=$((available / MIB - ALONE))
}

# The first touch of all has the host allocate it.
without_balloon() {
	local how

	as_fast_as_possible vm one "$most"
	for how in one file; do
		timed as_fast_as_possible vm $how "$most"
		echo "# $label, $how: $most MiB in $ms ms without balloon" >&3
	done
}

nobody_is_killed() {
	local how

	check backend_start vm || return
	guest_under_pressure "$1" "socket=$WORK/vm.sock" || return
	without_balloon
	for how in one four file; do
		demand vm $how "$most"
	done
	# Swapping takes memory itself, and 7.3 complains where it has none.
	check guest vm "echo 16384 >/proc/sys/vm/min_free_kbytes &&
		swapon $SWAP"
	label+=" with swap"
	for how in one four file; do
		demand vm $how $((most + BEYOND))
	done
	guest_stop vm
	within 5 gone "${backend_pids[vm]}"
}

test_nobody_is_killed_on_6_1() {
	nobody_is_killed 6.1
}

test_nobody_is_killed_on_6_12() {
	nobody_is_killed 6.12
}

test_nobody_is_killed_on_7_3() {
	nobody_is_killed 7.3
}

# What the host has not asked for is the guest's, whatever it offers.
test_nobody_is_killed_where_the_host_does_not_let_the_balloon_deflate() {
	local how args="-device virtio-balloon-pci,id=balloon,deflate-on-oom=off"

	guest_under_pressure 6.12 device=none || return
	label+=" without deflate-on-oom"
	# MemTotal has shrunk: one process is refused what four may have.
	for how in four file; do
		demand vm $how "$most"
	done
	guest_stop vm
}

run_tests
