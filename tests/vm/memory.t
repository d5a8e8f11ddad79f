#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Memory is plugged into a guest with a balloon, put offline and unplugged.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

# dimm NAME MIB - QEMU's arguments for what it can plug
dimm() {
	echo "-object memory-backend-memfd,id=$1,share=on,size=$2M"
}

boots() {
	check backend_start vm ${2:+"$2"}
	guest_start vm "$1" "socket=$WORK/vm.sock" \
		"args=-m slots=2,maxmem=4G $(dimm movable 128) $(dimm kernel 512)" ||
		return
	check driver_load vm ballonet
	check guest vm memload fill 48
	total=$(meminfo vm MemTotal)
	floor=$(knob vm floor)
}

# plug ID - and have the guest use it for what its name says; leaves the new
# memory blocks' names in $blocks
plug() {
	local path=/sys/devices/system/memory before

	before=$(guest vm "ls -d $path/memory[0-9]*")
	guest vm "echo online_$1 >$path/auto_online_blocks"
	check guest_qmp vm '{"execute": "device_add", "arguments": {
		"driver": "pc-dimm", "id": "dimm-'"$1"'", "memdev": "'"$1"'"}}'
	within 30 total_is $((total + $2 * MIB)) || return
	blocks=$(guest vm "ls -d $path/memory[0-9]*" |
		grep -vxF "$before")
}

total_is() {
	[ "$(meminfo vm MemTotal)" -eq "$1" ]
}

# backend_maps - regions of memory that the back-end knows
backend_maps() {
	grep -c memfd "/proc/${backend_pids[vm]}/maps"
}

# frames_moved - what compaction and hot-unplug moved
frames_moved() {
	guest vm "sed -n 's/^balloon_migrate //p' /proc/vmstat"
}

unplugged() {
	[ "$(guest_qmp vm query-memory-devices)" = '[]' ]
}

# In memory that has to stay movable the balloon has only single frames, and
# those when there are no blocks any more.
unplugs_memory_with_frames() {
	local maps actual moved

	maps=$(backend_maps)
	plug movable 128 || return
	at_least "$(backend_maps)" $((maps + 1)) "regions that the back-end maps"
	check knob vm target 8G
	within 60 rests_at_floor vm
	# Blocks are given back first. There has to be room for the frames.
	actual=$(($(knob vm actual) - 200 * MIB))
	check knob vm target $actual
	within 20 knob_is vm actual $actual
	moved=$(frames_moved)
	check guest_qmp vm '{"execute": "device_del",
		"arguments": {"id": "dimm-movable"}}'
	within 120 unplugged || return
	at_least $(($(frames_moved) - moved)) 8192 "frames moved"
	within 20 total_is "$total"
	within 10 eval '[ $(backend_maps) -eq '"$maps"' ]'
	eq "$(knob vm actual)" "$actual" actual
	check guest vm memload check
}

grows_into_plugged_memory() {
	local actual

	check knob vm target 8G
	within 60 rests_at_floor vm
	actual=$(knob vm actual)
	plug kernel 512 || return
	within 60 knob_at_least vm actual $((actual + 416 * MIB))
	eq "$(knob vm floor)" $((floor + 32 * MIB)) "the default floor"
}

# In memory for everything the kernel may have something of its own, which
# keeps a memory block online. Not in all four.
takes_blocks_offline() {
	local block offline=0 actual

	actual=$(knob vm actual)
	for block in $blocks; do
		guest vm "echo offline >$block/state" || continue
		offline=$((offline + 1))
	done
	echo "# memory blocks that went offline: $offline of 4"
	at_least $offline 1 "memory blocks offline"
	within 10 total_is $((total + (512 - 128 * offline) * MIB))
	within 60 rests_at_floor vm
	at_most "$(knob vm actual)" $((actual - 96 * MIB * offline)) actual
	eq "$(knob vm floor)" $((floor + (32 - 8 * offline) * MIB)) \
		"the default floor"
	check guest vm memload check
}

leaves_nothing_behind() {
	check knob vm target 0
	within 30 knob_is vm actual 0
	check guest vm rmmod ballonet
	check guest vm memload check
	guest_stop vm
	backend_stop vm
}

# lowmem_is_left MIB - free beyond what page reclaim keeps, outside of memory that
# is only for what can be moved
lowmem_is_left() {
	[ "$(guest vm "awk '/^Node/ { zone = \$4 }
		zone == \"Movable\" { next }
		/^ *pages free / { n += \$3 }
		/^ *high / { n -= \$2 }
		END { print n }' /proc/zoneinfo")" -ge $(($1 * MIB / 4096)) ]
}

# half_movable_boots KERNEL [OPTIONS] - with a back-end that has them; half of its
# memory is only for what can be moved, where no block is from
half_movable_boots() {
	check backend_start vm ${2:+"$2"}
	guest_start vm "$1" "socket=$WORK/vm.sock" mem=1024M \
		"cmdline=init_on_alloc=0 movablecore=512M" || return
	check driver_load vm ballonet
}

balloon_leaves_free_what_the_kernel_needs() {
	half_movable_boots "$1" || return
	check knob vm target 8G
	within 60 rests_at_floor vm
	# Half of the floor, and all of the rest is taken.
	check lowmem_is_left 40
	at_most "$(meminfo vm MemAvailable)" $(($(knob vm floor) + 4 * MIB)) \
		MemAvailable
	check guest vm rmmod ballonet
	guest_stop vm
	backend_stop vm
}

pool_leaves_free_what_the_kernel_needs() {
	half_movable_boots "$1" --standby=on-demand || return
	within 60 knob_rests vm standby $((128 * MIB)) || return
	# The margin is 32; half of it may be gone.
	within 30 lowmem_is_left 12
	check guest vm rmmod ballonet
	guest_stop vm
	backend_stop vm
}

# virtio_mem_is BYTES
virtio_mem_is() {
	[ "$(guest_qmp vm '{"execute": "qom-get", "arguments": {
		"path": "/machine/peripheral/mem", "property": "size"}}')" = "$1" ]
}

# It is plugged as movable: blocks of ours would keep it where it is.
unplugs_virtio_mem() {
	check backend_start vm --standby=eager
	guest_start vm "$1" "socket=$WORK/vm.sock" mem=512M \
		"cmdline=init_on_alloc=0 memhp_default_state=online_movable" \
		"args=-m maxmem=4G $(dimm movable 256) -device
			virtio-mem-pci,id=mem,memdev=movable,requested-size=256M" ||
		return
	check driver_load vm virtio_mem
	within 60 virtio_mem_is $((256 * MIB)) || return
	check driver_load vm ballonet
	check guest vm memload fill 48
	check knob vm target 128M
	within 30 knob_is vm actual $((128 * MIB))
	within 60 knob_rests vm standby $((32 * MIB)) || return
	check guest_qmp vm '{"execute": "qom-set", "arguments": {
		"path": "/machine/peripheral/mem", "property": "requested-size",
		"value": 0}}'
	within 60 virtio_mem_is 0
	check guest vm memload check
	knob_is vm actual $((128 * MIB)) || fail "the balloon has changed"
	guest_stop vm
	backend_stop vm
}

# memory KERNEL [OPTION] - of the back-end
memory() {
	run_test "$* boots" boots "$@"
	[ -z "$test_failed" ] || return
	run_test "memory with single frames can be unplugged, $*" \
		unplugs_memory_with_frames
	run_test "the balloon grows into memory that is plugged, $*" \
		grows_into_plugged_memory
	run_test "memory with huge blocks can be put offline, $*" \
		takes_blocks_offline
	run_test "the driver leaves nothing behind, $*" leaves_nothing_behind
}

memory 6.1
memory 6.12
memory 7.3
memory 7.3 --standby=eager
run_test "memory of virtio-mem is unplugged" unplugs_virtio_mem 6.12
for kernel in 6.1 6.12 7.3; do
	run_test "the balloon leaves free what the kernel needs, $kernel" \
		balloon_leaves_free_what_the_kernel_needs $kernel
done
run_test "the pool leaves free what the kernel needs" \
	pool_leaves_free_what_the_kernel_needs 6.12
run_tests
