#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What can happen to a guest with a full balloon: it sleeps, hibernates, starts
# another kernel, loses its balloon device and gets it back. Each time its data
# stays, its memory is complete, and the balloon goes on.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

FULL=$((200 * MIB))

# One that can be unplugged: not on the root bus.
BALLOON='"driver": "vhost-user-test-device-pci", "id": "balloon", "bus": "rootport",
	"chardev": "balloon-socket", "virtio-id": 5, "num_vqs": 5,
	"vq_size": 128, "config_size": 32'
PORT="-device pcie-root-port,id=rootport"

# disk NAME FILE - QEMU's arguments for a disk; in the guest $DISK finds it
disk() {
	echo "-drive if=none,id=$1,format=raw,file=$2 -device nvme,drive=$1,serial=$1"
}

# Their numbers are those of a race.
DISK='disk() { echo /dev/$(cd /sys/class/nvme && grep -l $1 */serial |
	cut -d/ -f1)n1; };'

# device_is_there NAME - the guest has its balloon, with a driver
device_is_there() {
	guest "$1" 'test -e /sys/bus/virtio/devices/virtio*/balloon'
}

device_is_gone() {
	guest "$1" '! test -e /sys/bus/virtio/devices/virtio*'
}

plug() {
	check guest_qmp "$1" \
		"{\"execute\": \"device_add\", \"arguments\": {$BALLOON}}"
}

unplug() {
	check guest_qmp "$1" \
		'{"execute": "device_del", "arguments": {"id": "balloon"}}'
}

# When a guest has slept its clock jumps: that is no stall.
CMDLINE="hibernate=nocompress rcupdate.rcu_cpu_stall_suppress=1"

# boots NAME KERNEL [QEMU-ARGUMENT...] - with a balloon that can be unplugged,
# and no driver yet
boots() {
	local name=$1 kernel=$2
	shift 2
	check backend_start "$name" || return
	guest_start "$name" "$kernel" device=none "cmdline=$CMDLINE" \
		"args=$PORT $* -chardev \
		socket,id=balloon-socket,path=$WORK/$name.sock" || return
	plug "$name"
}

# comes_to_life NAME - known data in its memory, and the driver
comes_to_life() {
	check guest "$1" memload fill 48
	total=$(meminfo "$1" MemTotal)
	check driver_load "$1" ballonet
	within 20 device_is_there "$1"
}

balloon_fills() {
	check knob "$1" target $FULL
	within 30 balloon_is_full "$1"
}

balloon_is_full() {
	knob_is "$1" actual $FULL && balloon_is "$1" vhost $FULL
}

data_and_balloon_are_unchanged() {
	within 30 balloon_is_full "$1"
	eq "$(meminfo "$1" MemTotal)" "$total" MemTotal
	check guest "$1" memload check
}

suspended() {
	[ "$(guest_qmp "$1" query-status | jq -r .status)" = suspended ]
}

# Nobody sees from outside when it sleeps: an empty line wakes it, or it is too
# early and keeps it from sleeping.
wake_by_line() {
	local end=$((SECONDS + 40))

	until read -r -t 0 -u "${guest_out[$1]}" || [ $SECONDS -ge $end ]; do
		sleep 1
		echo >&"${guest_in[$1]}"
	done
}

# sleeps_and_wakes NAME freeze|mem
sleeps_and_wakes() {
	local name=$1 state=$2

	balloon_fills "$name"
	guest_ask "$name" "echo enabled >/sys/class/tty/ttyS1/power/wakeup
		until echo $state >/sys/power/state; do sleep 1; done"
	if [ "$state" = mem ]; then
		within 30 suspended "$name"
		check guest_qmp "$name" system_wakeup
	else
		wake_by_line "$name"
	fi
	check guest_answer "$name" 30
	data_and_balloon_are_unchanged "$name"
	# To the host the device was new, and it was told again.
	eq "$(knob "$name" target)" $FULL "the wish"
	within 10 eval '[ "$(vm_status "$name" wish)" = $FULL ]'
}

# comes_and_goes NAME - the driver, at moments that nobody chose
comes_and_goes() {
	local name=$1 i free

	check knob "$name" target 0
	within 30 knob_is "$name" actual 0
	free=$(free_bytes "$name")
	for i in 1 2 3 4 5 6; do
		check knob "$name" target $FULL
		check guest "$name" usleep $((RANDOM * 10))
		if [ $((i % 2)) -eq 0 ]; then
			check guest "$name" 'rmmod ballonet &&
				insmod /lib/ballonet.ko'
		else
			check guest "$name" 'cd /sys/bus/virtio/drivers/ballonet
				for i in virtio*; do
					echo $i >unbind && echo $i >bind
				done'
		fi
		eq "$(knob "$name" target)" 0 "target of a driver that is new"
	done
	check knob "$name" target 0
	within 30 knob_is "$name" actual 0
	eq "$(meminfo "$name" MemTotal)" "$total" MemTotal
	within 10 has_free "$name" $((free - 4 * MIB))
	check guest "$name" memload check
}

# loses_its_device NAME - and finds it again
loses_its_device() {
	local name=$1 free

	balloon_fills "$name"
	free=$(free_bytes "$name")
	unplug "$name"
	within 30 device_is_gone "$name"
	eq "$(meminfo "$name" MemTotal)" "$total" "MemTotal without a device"
	within 10 has_free "$name" $((free + FULL - 4 * MIB))
	check guest "$name" memload check
	plug "$name"
	within 30 device_is_there "$name"
	balloon_fills "$name"
	data_and_balloon_are_unchanged "$name"
}

# is_reset_from_below NAME - by an administrator, who knows of no driver
is_reset_from_below() {
	balloon_fills "$1"
	check guest "$1" 'cd -P /sys/bus/virtio/devices/virtio*/.. &&
		echo 1 >reset'
	data_and_balloon_are_unchanged "$1"
	check knob "$1" target 0
	within 30 balloon_is "$1" vhost 0
	balloon_fills "$1"
	check guest "$1" memload check
}

# starts_another_kernel NAME - while the balloon is being moved
starts_another_kernel() {
	local name=$1

	check guest "$name" "$DISK cat \$(disk kernel) >/tmp/kernel
		cat \$(disk initrd) >/tmp/initrd" || return
	check knob "$name" target 0
	guest_ask "$name" "cd /sys/bus/virtio/devices/virtio*/balloon
		echo $FULL >target
		exec kexec /tmp/kernel /tmp/initrd \"\$(cat /proc/cmdline)\""
	# The first word of the next agent.
	check guest_answer "$name" "$GUEST_BOOT_LIMIT" || return
	eq "$(guest "$name" cat /sys/kernel/kexec_loaded)" 0 kexec_loaded
	comes_to_life "$name"
	balloon_fills "$name"
	data_and_balloon_are_unchanged "$name"
}

# The second guest is the machine that was switched on again. The balloon leaves
# less memory than the copy of the first one's takes.
hibernates() {
	local kernel=$1 swap

	rm -f "$WORK/swap"
	truncate -s 1G "$WORK/swap"
	swap=$(disk swap "$WORK/swap")
	boots before "$kernel" "$swap" || return
	comes_to_life before
	check knob before target 8G
	within 60 rests_at_floor before
	check guest before 'mkswap /dev/nvme0n1 && swapon /dev/nvme0n1 &&
		echo shutdown >/sys/power/disk' >/dev/null
	guest_ask before 'echo disk >/sys/power/state'
	within 60 gone "$(guest_pid before)" || return
	guest_forget before
	guest_log_clean before
	boots after "$kernel" "$swap" || return
	guest_ask after 'cat /sys/class/block/nvme0n1/dev >/sys/power/resume'
	# To what the other one was asked.
	check guest_answer after 60 || return
	eq "$(guest after "sed -n 's/^pswpout //p' /proc/vmstat")" 0 \
		"pages swapped out to make room"
	within 60 rests_at_floor after
	within 10 balloon_is after vhost "$(knob after actual)"
	eq "$(meminfo after MemTotal)" "$total" MemTotal
	check guest after memload check
	guest_stop after
}

# life KERNEL - one guest's
life() {
	local kernel=$1 vm=vm-$1

	run_test "$kernel boots" boots "$vm" "$kernel" \
		"$(disk kernel "$CACHE/kernels/$kernel/vmlinuz")" \
		"$(disk initrd "$TOP/build/guest/$kernel.cpio")"
	[ -z "$test_failed" ] || return
	run_test "$kernel takes the driver" comes_to_life "$vm"
	run_test "$kernel suspends to idle with a full balloon" \
		sleeps_and_wakes "$vm" freeze
	run_test "$kernel binds and unbinds the driver in the middle of a move" \
		comes_and_goes "$vm"
	run_test "$kernel loses its device with a full balloon" \
		loses_its_device "$vm"
	[ "$kernel" != 7.3 ] ||
		run_test "$kernel resets the device below the driver" \
			is_reset_from_below "$vm"
	run_test "$kernel starts another kernel in the middle of a move" \
		starts_another_kernel "$vm"
	run_test "$kernel suspends to RAM with a full balloon" \
		sleeps_and_wakes "$vm" mem
	run_test "the log of $kernel is clean" guest_log_clean "$vm"
	# After that sleep QEMU's guests cannot switch themselves off.
	guest_kill "$vm"
	run_test "$kernel hibernates with a balloon at the floor" hibernates "$kernel"
}

life 6.1
life 6.12
life 7.3
run_tests
