# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Runs in the guest of faults.t: make each allocation fail in turn that the
# driver's code leads to, and see that the driver goes on.
#
# A task's fail-nth counts allocations with the driver on the stack, so all of
# those of a probe. The engine runs in any worker, so there it is the number
# of bytes (failslab) or pages (fail_page_alloc) that pass before one fails.

debug=/sys/kernel/debug
driver=/sys/bus/virtio/drivers/ballonet
balloon=$driver/virtio0/balloon

# set_up BYTES-OF-TEXT - only what has the driver on its stack may fail
set_up() {
	start=$(cat /sys/module/ballonet/sections/.text)
	# User-Mode Linux forgets to give the descriptor free if this fails.
	reject=$(sort /proc/kallsyms | grep -A1 ' um_request_irq$' |
		sed 's/ .*//; s/^/0x/' | paste -sd' ')
	for fault in failslab fail_page_alloc; do
		printf '0x%x' $((start)) >$debug/$fault/require-start
		printf '0x%x' $((start + $1)) >$debug/$fault/require-end
		echo "${reject% *}" >$debug/$fault/reject-start
		echo "${reject#* }" >$debug/$fault/reject-end
		echo N >$debug/$fault/ignore-gfp-wait
		echo 0 >$debug/$fault/verbose
	done
	echo 0 >$debug/fail_page_alloc/min-order
	echo N >$debug/fail_page_alloc/ignore-gfp-highmem
	# Allocations of kmemleak and the like are not the driver's.
	echo Y >$debug/failslab/cache-filter
	for cache in /sys/kernel/slab/kmalloc-*; do
		echo 1 >"$cache/failslab"
	done
}

# actual_is SIZE TRIES - soon
actual_is() {
	tries=0
	while [ $((tries += 1)) -lt "$2" ]; do
		[ "$(cat $balloon/actual)" != "$1" ] || return 0
		usleep 50000
	done
	return 1
}

# goes_to SIZE - the balloon does. The host's word, which the wish comes back
# as, may be lost with an allocation of the transport: the next one is heard.
goes_to() {
	echo "$1" >$balloon/target
	actual_is "$1" 100 && return
	echo $(($1 + 4096)) >$balloon/target
	sleep 1
	echo "$1" >$balloon/target
	actual_is "$1" 600 && return
	echo "actual is $(cat $balloon/actual), not $1, $(cat $balloon/state)"
	return 1
}

# works SIZE - the balloon goes there and back
works() {
	goes_to "$1" && goes_to 0
}

# walk_task VERB - bind or unbind with allocation 1, 2, 3... failing
walk_task() {
	n=0 left=0 survived=0
	while [ "$left" = 0 ]; do
		n=$((n + 1))
		if [ "$1" = unbind ]; then
			echo virtio0 >$driver/bind &&
				goes_to 8388608 || return
		fi
		# A shell of its own: the count is the task's.
		left=$(sh -c 'echo $0 >/proc/self/fail-nth
			echo virtio0 >'"$driver/$1"' 2>/dev/null
			read left </proc/self/fail-nth
			echo 0 >/proc/self/fail-nth; echo $left' $n)
		if [ "$1" = unbind ]; then
			[ ! -e $driver/virtio0 ] || return
		elif [ -e $driver/virtio0 ]; then
			[ "$left" != 0 ] || survived=$((survived + 1))
			works 4194304 || { echo "allocation $n"; return 1; }
			echo virtio0 >$driver/unbind
		fi
	done
	echo "$((n - 1)) allocations, $survived not needed"
}

# fail_next FAULT - the first that comes
fail_next() {
	echo 1 >"$debug/$1/interval"
	echo 0 >"$debug/$1/space"
	echo 1 >"$debug/$1/times"
	echo 100 >"$debug/$1/probability"
}

# walk_engine FAULT STEP SIZE - a balloon of SIZE up and down, with the
# allocation failing before which 0, STEP, 2 STEP... have passed
walk_engine() {
	fault=$debug/$1 space=1 hits=0 left=0
	echo 1 >"$fault/interval"
	while [ "$left" = 0 ]; do
		echo $space >"$fault/space"
		echo 1 >"$fault/times"
		echo 100 >"$fault/probability"
		works "$3"
		rc=$?
		echo 0 >"$fault/probability"
		left=$(cat "$fault/times")
		[ $rc = 0 ] || { echo "before it: $space"; return 1; }
		hits=$((hits + 1))
		space=$((space + $2))
	done
	echo "$((hits - 1)) failures"
}
