#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manager's ladder on a real host: a guest that plays it, with KSM, cgroups
# and a disk to swap to. VMs are processes there (tests/tools/ladderctl.c).

. "$(dirname "$0")/../lib/test.sh"

MIB=$((1 << 20))
SIZE=32			# MiB of a VM
CTL=$TOP/build/tests/ladderctl

# host_start KERNEL - boot it, with ladderctl and swap, both on disks
host_start() {
	host=host-$1
	[ -n "${BALLONET_PREPARED:-}" ] ||
		make -s -C "$TOP" build/tests/ladderctl >/dev/null || return
	tar -C "${CTL%/*}" -cf "$WORK/tools.tar" "${CTL##*/}"
	truncate -s 256M "$WORK/swap.img"
	guest_start "$host" "$1" mem=384M smp=2 cmdline=psi=1 "args=-drive \
		if=none,id=tools,format=raw,readonly=on,file=$WORK/tools.tar \
		-device nvme,serial=tools,drive=tools -drive \
		if=none,id=swap,format=raw,file=$WORK/swap.img,discard=unmap \
		-device nvme,serial=swap,drive=swap" || return
	# Which is which is up to the kernel.
	guest "$host" 'for disk in /dev/nvme?n1; do
			if tar -xf $disk -C /bin ladderctl 2>/dev/null; then
				continue
			fi
			mkswap $disk && swapon $disk || exit 1
		done
		mount -t cgroup2 none /sys/fs/cgroup &&
		echo +memory >/sys/fs/cgroup/cgroup.subtree_control' \
		>/dev/null || fail "the host cannot be set up"
}

# hold NAME CGROUP [merge|lock] - a VM; its process is in $pid
hold() {
	guest "$host" "mkdir -p /sys/fs/cgroup/$2
		(echo 0 >/sys/fs/cgroup/$2/cgroup.procs &&
			exec ladderctl hold $SIZE ${3:-}) >/tmp/$1.out 2>&1 &
		echo \$!" >"$WORK/pid" || return
	pid=$(<"$WORK/pid")
	within 60 guest "$host" "grep -q full /tmp/$1.out"
}

# drop PID... - end VMs
drop() {
	guest "$host" "kill -KILL $*" >/dev/null
}

# ladder_start SPEED LEVEL RUNGS VM... - as ladderctl run
ladder_start() {
	guest "$host" "rm -f /tmp/ladder.json
		ladderctl run /tmp/ladder.json $* >/tmp/ladder.log 2>&1 &
		echo \$!" >"$WORK/ladder.pid"
	within 30 guest "$host" "[ -e /tmp/ladder.json ]"
}

ladder_stop() {
	guest "$host" "kill $(<"$WORK/ladder.pid"); cat /tmp/ladder.log"
}

# shows EXPRESSION - of jq, about the state of the ladder, is true
shows() {
	guest "$host" "cat /tmp/ladder.json" >"$WORK/ladder.json" &&
		jq -e "$1" "$WORK/ladder.json" >/dev/null
}

# rung NAME KEY
rung() {
	jq ".ladder.rungs[] | select(.rung == \"$1\").$2" "$WORK/ladder.json"
}

vm_rung() {
	jq ".ladder.vms[] | select(.vm == \"$1\").$2" "$WORK/ladder.json"
}

equal_memory_of_one_group_is_merged_and_taken_apart() {
	local a b c

	hold a vm-a merge && a=$pid && hold b vm-b merge && b=$pid &&
		hold c vm-c && c=$pid || return
	# Ten minutes of the ladder's clock in one.
	ladder_start 10 yellow ksm "a:g:$a:0" "b:g:$b:0" "c:h:$c:0" || return
	within 60 shows ".ladder.ksm.saved >= $((SIZE * MIB * 3 / 4))"
	within 10 shows ".ladder.ksm.profit > 0"
	echo "# merged $(rung ksm freed) of $((SIZE * MIB)) bytes in $(
		rung ksm time_us) us of a processor"
	# One of another group joins.
	guest "$host" "kill -USR1 $c"
	within 60 shows '.ladder.ksm | .run == 0 and .saved == 0'
	within 10 shows '.ladder.rungs[] | select(.rung == "ksm") |
		.reason | test("merges across groups")'
	ladder_stop
	drop "$a" "$b" "$c"
}

# page_out NAME PID SECONDS - all but a little; what is measured is shown
page_out() {
	ladder_start 1 red reclaim "$1:-:$2:$((SIZE - 8))" || return
	within 60 shows ".vms[0].resident < $((SIZE * MIB / 2))" || return
	within 10 shows ".ladder.vms[0].freed >= $((SIZE * MIB * 3 / 8))"
	echo "# $1: asked $(vm_rung "$1" asked), freed $(
		vm_rung "$1" freed) in $(vm_rung "$1" time_us) us"
}

# read_back NAME PID - all of it is still there
read_back() {
	guest "$host" "kill -USR2 $2"
	within 60 guest "$host" "grep -q same /tmp/$1.out"
}

a_vm_is_paged_out_by_its_cgroup() {
	hold cg vm-cg && page_out cg "$pid" || return
	eq "$(vm_rung cg way)" '"cgroup"' way
	read_back cg "$pid"
	within 10 shows ".ladder.vms[0].returned > $((4 * MIB))"
	ladder_stop
	drop "$pid"
}

a_vm_without_a_cgroup_is_paged_out_by_its_mappings() {
	hold pm . && page_out pm "$pid" || return
	eq "$(vm_rung pm way)" '"process"' way
	read_back pm "$pid"
	ladder_stop
	drop "$pid"
}

locked_memory_is_not_paged_out() {
	hold lock vm-lock lock || return
	ladder_start 1 red reclaim "lock:-:$pid:$((SIZE - 8))" || return
	within 10 shows '.vms[0] | .cgroup and (.pageable | not)'
	# A few steps later, too.
	sleep 1
	check shows '.vms[0].resident > 30000000 and .ladder.vms == []'
	ladder_stop
	drop "$pid"
}

pressure_wakes_the_manager() {
	ladder_start 1 green none || return
	within 10 shows '.host.psi'
	# Twice what it may have, again and again.
	guest "$host" "mkdir -p /sys/fs/cgroup/tight
		echo $((SIZE / 2))M >/sys/fs/cgroup/tight/memory.max
		(echo 0 >/sys/fs/cgroup/tight/cgroup.procs
		ladderctl hold $SIZE >/tmp/tight.out &
		echo \$! >/tmp/tight.pid
		until grep -q full /tmp/tight.out; do sleep 0.1; done
		while kill -USR2 \$!; do sleep 0.1; done) >/dev/null 2>&1 &"
	within 60 shows '.host.wakes > 0'
	within 10 shows '.host.stall_some >= 0'
	guest "$host" 'kill -KILL $(cat /tmp/tight.pid)'
	ladder_stop
}

what_is_paged_out_is_compressed() {
	guest "$host" "[ -e /sys/module/zswap ]" ||
		{ skip "this kernel has no zswap"; return; }
	hold z vm-z && ladder_start 1 red zswap,reclaim \
		"z:-:$pid:$((SIZE - 8))" || return
	within 10 shows '.ladder.zswap.enabled'
	within 60 shows ".ladder.zswap.stored > $((SIZE / 2 * MIB))"
	within 10 shows '.ladder.zswap.ratio > 200'
	echo "# zswap: $(jq -c .ladder.zswap "$WORK/ladder.json")"
	read_back z "$pid"
	ladder_stop
	drop "$pid"
}

for series in 6.1 7.3; do
	run_test "$series: the host boots with swap and cgroups" \
		host_start "$series"
	for name in equal_memory_of_one_group_is_merged_and_taken_apart \
		a_vm_is_paged_out_by_its_cgroup \
		a_vm_without_a_cgroup_is_paged_out_by_its_mappings \
		locked_memory_is_not_paged_out pressure_wakes_the_manager \
		what_is_paged_out_is_compressed; do
		run_test "$series: ${name//_/ }" $name
	done
	run_test "$series: the log of the host is clean" guest_stop "host-$series"
done
run_tests
