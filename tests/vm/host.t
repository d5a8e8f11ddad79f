#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A host of our own: Debian's kernel in QEMU with two NUMA nodes, cgroup v2 and
# compressed swap, and on it ballonetd with guests in User-Mode Linux. Its memory
# is really short, it stalls, and nobody who is known to the manager loses by it.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

HOST_MIB=640
VM_MIB=224
FILL=8		# MiB of data in each VM
READ=96		# MiB of its file pages, read once
VMS='a b'
CONTROL=/run/ballonet/control

# A guest in an emulated guest: what takes a second elsewhere takes twenty, and
# on a busy machine it says nothing about us that this is not enough.
SLOW=420	# seconds, for all of it
too_slow=

# in_time CMD... - CMD succeeds before the time is up, or the rest is skipped
in_time() {
	until "$@" 2>/dev/null; do
		if [ $SECONDS -ge $SLOW ]; then
			too_slow="this machine is too slow: $*"
			test_failed=
			skip "$too_slow"
			return 1
		fi
		sleep 0.5
	done
}

host() {
	guest host "$*"
}

# host_ctl ARG... - an operator's ballonetctl on that host
host_ctl() {
	host "ballonetctl --control=$CONTROL $*"
}

# in_mib FIELD - of the host's /proc/meminfo
in_mib() {
	echo $(($(meminfo host "$1") / MIB))
}

# vm_says VM TEXT - on its console
vm_says() {
	host "grep -qs '$2' /run/vm-$1.log"
}

# checked VM - how often it has found its data as it was; a console has CR, too
checked() {
	host "tr -d '\r' </run/vm-$1.log | sed -n 's/^checked //p' | tail -n 1"
}

# goes_on VM COUNT
goes_on() {
	[ "$(checked "$1")" -gt "$2" ]
}

# taken - MiB that all balloons have
taken() {
	host_ctl --json list | jq '[.[].actual] | add / 1048576 | floor'
}

# vm_start NAME - in a cgroup of its own, as a VMM's unit has it
vm_start() {
	host "mkdir -p /sys/fs/cgroup/vm-$1 &&
		echo 0 >/sys/fs/cgroup/vm-$1/cgroup.procs && cd /uml &&
		TMPDIR=/dev/shm ./linux mem=${VM_MIB}M rdinit=/nested \
			initrd=/uml/guest.cpio uml_dir=/run/uml/ umid=vm-$1 \
			con=null con0=null,fd:1 ssl=null loglevel=5 \
			fill=$FILL read=$READ \
			virtio_uml.device=/run/ballonet/vm/$1.sock:5 \
			>/run/vm-$1.log 2>&1 </dev/null &"
}

test_a_host_with_nodes_cgroups_and_compressed_swap_boots() {
	"$TOP/tests/guest/mkhost" || fail "no host" || return
	guest_start host 6.12 mem=${HOST_MIB}M nodes=2 \
		"args=-initrd $TOP/build/guest/host.cpio" || return
	check host "mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
		echo +memory >/sys/fs/cgroup/cgroup.subtree_control &&
		mkdir /dev/shm && mount -t tmpfs -o size=100% shm /dev/shm &&
		modprobe zram && echo 512M >/sys/block/zram0/disksize &&
		mkswap /dev/zram0 >/dev/null && swapon /dev/zram0"
	eq "$(host cat /sys/devices/system/node/has_memory)" 0-1 nodes
	check host "grep -q some /proc/pressure/memory"
}

# configure on|off - whether the manager acts
configure() {
	host "printf '[host]\nmanage = $1\n' >/run/b.conf
		printf '[vm %s]\nmin = 64M\n' $VMS >>/run/b.conf"
}

# occupied - MiB that all VMs have of the host
occupied() {
	host_ctl --json list | jq '[.[].resident] | add / 1048576 | floor'
}

# settled - what guests have freed since their start has come back
settled() {
	local was

	was=$(occupied)
	host sleep 5
	[ $((was - $(occupied))) -le 2 ]
}

# Not managed until they have settled: what they read must not be taken before.
test_the_manager_runs_there_and_has_guests() {
	local vm

	configure off
	host "ballonetd --config=/run/b.conf --runtime-dir=/run/ballonet \
			--backend=/bin/vhost-user-balloon 2>&1 |
			tee /run/b.log >/dev/ttyS0 &"
	in_time host "test -S $CONTROL" || return
	for vm in $VMS; do
		vm_start "$vm"
	done
	for vm in $VMS; do
		in_time vm_says "$vm" '^checked' || return
	done
	in_time settled || return
	eq "$(host_ctl --json list | jq -r '.[].state' | sort -u)" running states
	eq "$(taken)" 0 "MiB of balloons"
	echo "# $(in_mib MemAvailable) of $(in_mib MemTotal) MiB available, guests have $(occupied) MiB"
}

# plans - the manager has begun to, and to keep $min_free MiB free
plans() {
	min_free=$(host_ctl --json host | jq '.min_free // 0 | . / 1048576 | floor')
	[ "${min_free:-0}" -gt 0 ]
}

# was_short - the manager has seen that memory ends, after what it said before
was_short() {
	host "tail -n +$((said + 1)) /run/b.log | grep -qE 'host is (red|black)'"
}

# pays - balloons have grown. What comes back in another way is used up again.
pays() {
	local missing=$(($(in_mib MemAvailable) - min_free))

	[ "$(taken)" -lt 32 ] || return 0
	[ $missing -le 0 ] || host "dd if=/dev/urandom bs=1M count=$missing \
		of=/dev/shm/more.$SECONDS"
	return 1
}

# recovered - there is as much as the manager keeps free
recovered() {
	[ "$(in_mib MemAvailable)" -ge "$min_free" ]
}

test_a_host_that_runs_short_helps_itself() {
	local vm begin
	local -A count

	[ -z "$too_slow" ] || { skip "$too_slow"; return; }
	for vm in $VMS; do
		count[$vm]=$(checked "$vm")
	done
	configure on
	check host_ctl reload
	in_time plans || return
	said=$(host 'wc -l </run/b.log')
	begin=$SECONDS
	# Stays, even if this takes longer than a command may.
	host memload fill $(($(in_mib MemAvailable) - min_free / 2))
	in_time was_short || return
	in_time pays || return
	in_time recovered || return
	echo "# back at $(in_mib MemAvailable) MiB available after" \
		"$((SECONDS - begin)) s, balloons $(taken) MiB," \
		"$(($(in_mib SwapTotal) - $(in_mib SwapFree))) MiB swapped"
	echo "# $(host "sed -n 's/^some.*total=//p' /proc/pressure/memory") us stalled"
	for vm in $VMS; do
		in_time goes_on "$vm" "${count[$vm]}" || return
	done
}

test_nobody_was_killed_and_no_byte_lost() {
	local vm

	[ -z "$too_slow" ] || { skip "$too_slow"; return; }
	eq "$(vmstat host oom_kill)" 0 "processes killed by the host"
	for vm in $VMS; do
		check host "! grep -E 'LOST|SETTLED|Out of memory' /run/vm-$vm.log"
	done
	guest_kill host
	# On a busy machine it is slow, too.
	guest_log_clean host 'blocked for more|stall|lockup|Call Trace'
}

run_tests
