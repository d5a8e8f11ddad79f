#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The order in which the driver sets a device up and leaves it, as QEMU traces
# it: what VIRTIO 1.3 demands in 3.1.1, 3.3.1 and 5.5.5.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"

# Bits of the device status.
ACKNOWLEDGE=1 DRIVER=2 DRIVER_OK=4 FEATURES_OK=8

# said - what QEMU has seen since $seen lines: "status N", "notify QUEUE",
# "config" for a write to configuration space
said() {
	tail -n +$((seen + 1)) "$WORK/vm.log" | sed -nE '
		s/.*virtio_set_status vdev [^ ]+ val ([0-9]+).*/status \1/p
		s/.*virtio_queue_notify vdev [^ ]+ n ([0-9]+) .*/notify \1/p
		s/.*virtio_balloon_set_config .*/config/p'
}

# statistics - when the guest's first were received, in seconds
statistics() {
	guest_qmp vm '{"execute": "qom-get", "arguments": {"path":
		"/machine/peripheral/balloon", "property": "guest-stats"}}' |
		jq '."last-update"'
}

# Poisoning, so that there is something to write before the device is ready.
test_the_device_is_set_up_in_the_order_of_the_standard() {
	local step ready all
	local wanted=(0 "$ACKNOWLEDGE" $((ACKNOWLEDGE | DRIVER))
		$((ACKNOWLEDGE | DRIVER | FEATURES_OK))
		$((ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)))

	guest_start vm 6.12 device=none cmdline=init_on_free=1 "args=-device \
		virtio-balloon-pci,id=balloon,free-page-reporting=on,deflate-on-oom=on \
		-trace virtio_set_status -trace virtio_queue_notify \
		-trace virtio_balloon_set_config" || return
	seen=0
	guest_qmp vm '{"execute": "qom-set", "arguments": {"path":
		"/machine/peripheral/balloon", "value": 1,
		"property": "guest-stats-polling-interval"}}' >/dev/null
	check driver_load vm ballonet
	within 20 knob_is vm state idle
	said >"$WORK/said"
	cat "$WORK/said"
	# Who unloads, or tries, begins with a reset.
	all=$(grep '^status' "$WORK/said" | uniq)
	ready=$(printf 'status %s\n' "${wanted[@]}")
	eq "$(tail -n ${#wanted[@]} <<<"$all")" "$ready" "status"
	# Nothing is notified before, and poison_val is written before.
	ready="status ${wanted[-1]}"
	step=$(sed "/^$ready\$/q" "$WORK/said")
	eq "$(grep -c '^notify' <<<"$step")" 0 "notifications before DRIVER_OK"
	eq "$(grep -c '^config' <<<"$step")" 1 \
		"writes of configuration before DRIVER_OK"
	# QEMU itself looks at all queues once it is ready, so that is no proof
	# that the driver has told of the statistics; that they came is.
	within 20 eval '[ "$(statistics)" -gt 0 ]'
}

test_the_device_is_reset_when_the_driver_leaves() {
	seen=$(wc -l <"$WORK/vm.log")
	check guest vm rmmod ballonet
	eq "$(said | grep '^status' | head -n 1)" "status 0" "status"
	eq "$(said | sed '1,/^status 0$/d' | grep -c '^notify')" 0 \
		"notifications after the reset"
	guest_stop vm
}

run_tests
