#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Live migration from one QEMU to another, with its own balloon device and free
# page hinting, of a guest that checks and rewrites its memory all the time. Not
# a byte is lost, free memory is not transferred, and the balloon arrives.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

DEVICE="-object iothread,id=io -device virtio-balloon-pci,id=balloon,\
deflate-on-oom=on,free-page-hint=on,iothread=io"
DIRTY=288	# MiB that were written to and are free again

# qmp NAME COMMAND [ARGUMENTS] - without what it answers
qmp() {
	guest_qmp "$1" "{\"execute\": \"$2\", \"arguments\": {${3:-}}}" \
		>/dev/null
}

# load_begin NAME - known data, checked and rewritten until load_end
load_begin() {
	check guest "$1" memload fill 40
	check guest "$1" 'while ! [ -e /run/load.end ]; do
			memload check || echo lost
			sleep 0.2
		done >/run/load.log 2>&1 &'
}

load_rounds() {
	guest "$1" 'grep -c unchanged /run/load.log'
}

load_goes_on() {
	local was

	was=$(load_rounds "$1")
	within 60 load_is_beyond "$1" "$was"
}

load_is_beyond() {
	[ "$(load_rounds "$1")" -gt "$2" ]
}

load_end() {
	check guest "$1" touch /run/load.end
	within 60 guest "$1" memload check
	eq "$(guest "$1" "grep -v unchanged /run/load.log")" "" \
		"what the load found"
}

# migration_begin FROM TO - slowly
migration_begin() {
	guest_start "$2" "$kernel" device=none "args=$DEVICE" \
		"incoming=$WORK/$2.migration" || return
	check qmp "$1" migrate-set-parameters "\"max-bandwidth\": $MIB,
		\"downtime-limit\": 3000"
	check qmp "$1" migrate "\"uri\": \"unix:$WORK/$2.migration\""
}

migration_is() {
	[ "$(guest_qmp "$1" query-migrate | jq -r .status)" = "$2" ]
}

# migrate FROM TO [HINTED-MIB] - fast, once as much is hinted. $sent_mib is what
# was transferred whole
migrate() {
	migration_begin "$1" "$2" || return
	if [ -n "${3:-}" ]; then
		within 60 knob_at_least "$1" hinted $(($3 * MIB)) || return
	fi
	check qmp "$1" migrate-set-parameters \
		"\"max-bandwidth\": $((4096 * MIB))"
	within 120 migration_is "$1" completed || return
	guest_qmp "$1" query-migrate | jq -c '{"total-time", downtime} + .ram'
	sent_mib=$(guest_qmp "$1" query-migrate | jq '.ram.normal / 256 | floor')
	guest_kill "$1"
	guest_log_clean "$1"
	load_goes_on "$2"
}

# migration_cancel FROM TO
migration_cancel() {
	check qmp "$1" migrate_cancel
	within 30 migration_is "$1" cancelled
	guest_kill "$2"
}

# guest_boots KERNEL - with the load, and much that is free but was written to
guest_boots() {
	kernel=$1
	guest_start a "$kernel" device=none "args=$DEVICE" || return
	load_begin a
	check guest a memload touch $DIRTY
}

# balloon_obeys NAME - up and down again, and the driver goes
balloon_obeys() {
	check balloon_set "$1" qemu $((160 * MIB))
	within 60 balloon_is "$1" qemu $((160 * MIB))
	balloon_is_given_back "$1" qemu
	within 20 knob_is "$1" hinted 0
	load_end "$1"
	check guest "$1" rmmod ballonet
	guest_stop "$1"
}

# free_memory_stays KERNEL - behind, that is
free_memory_stays() {
	guest_boots "$1" || return
	check driver_load a ballonet
	migrate a b 192 || return
	# What the load writes meanwhile goes twice, on a busy machine all of it.
	at_most "$sent_mib" $((DIRTY - 32)) "MiB transferred"
	within 20 knob_is b hinted 0
	balloon_obeys b
}

test_a_guest_without_a_driver_is_migrated_whole() {
	guest_boots 6.12 || return
	migrate a b || return
	at_least "$sent_mib" $DIRTY "MiB transferred"
	whole=$sent_mib
}

test_a_balloon_is_ready_to_be_migrated() {
	check driver_load b ballonet
	check balloon_set b qemu $((64 * MIB))
	within 60 balloon_is b qemu $((64 * MIB))
}

test_what_was_hinted_comes_back_to_a_guest_that_needs_it() {
	local available hinted

	available=$(meminfo b MemAvailable)
	migration_begin b c || return
	within 60 knob_rests b hinted $((64 * MIB)) || return
	hinted=$(knob b hinted)
	within 10 has_available b $(($(knob b floor) - 8 * MIB))
	check guest b memload touch $((available / MIB - 32))
	at_most "$(knob b hinted)" $((hinted / 2)) "hinted under pressure"
	load_goes_on b
}

test_what_was_hinted_comes_back_when_a_migration_is_cancelled() {
	migration_cancel b c
	within 30 knob_is b hinted 0
	load_goes_on b
}

test_the_driver_may_be_unbound_while_it_hints() {
	check guest b memload touch 200
	migration_begin b c || return
	within 60 knob_at_least b hinted $((64 * MIB)) || return
	check guest b 'cd /sys/bus/virtio/drivers/ballonet &&
		echo virtio0 >unbind && echo virtio0 >bind'
	within 60 balloon_is b qemu $((64 * MIB))
	eq "$(knob b hinted)" 0 "hinted, to a device that was reset"
	migration_cancel b c
	load_goes_on b
}

test_free_memory_is_not_transferred() {
	check guest b memload touch 224
	migrate b c 160 || return
	echo "$whole MiB without, $sent_mib MiB with hinting"
	at_most "$sent_mib" $((whole - 128)) "MiB transferred"
	within 20 knob_is c hinted 0
}

test_a_migrated_balloon_is_whole_and_obeys() {
	check balloon_is c qemu $((64 * MIB))
	eq "$(knob c actual)" $((64 * MIB)) "the guest's actual"
	eq "$(knob c state)" idle state
	balloon_obeys c
}

test_free_memory_of_6_1_is_not_transferred() {
	free_memory_stays 6.1
}

test_free_memory_of_7_3_is_not_transferred() {
	free_memory_stays 7.3
}

run_tests
