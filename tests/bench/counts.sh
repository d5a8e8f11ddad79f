# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Counts, which are the same on every machine: what of it takes so long. They
# are taken apart from times, since counting takes time. Sourced by run.

# calls_begin NAME - of the process that discards
calls_begin() {
	local pid=${guest_pids[$1]}

	[ "$way" = qmp ] || [ "$way" = mem ] || pid=${backend_pids[$1]}
	rm -f "$WORK/calls"
	strace -qq -f -c -U name,calls -o "$WORK/calls" -p "$pid" &
	strace=$!
	within 10 being_traced "$pid"
}

being_traced() {
	! grep -q '^TracerPid:.0$' /proc/"$1"/task/*/status
}

# calls_end METRIC - notes discards and all calls, for a GiB
calls_end() {
	kill -INT "$strace"
	wait "$strace"
	note "$1-discards" $(($(calls 'fallocate|madvise') * 1024 / SIZE_MIB))
	note "$1-calls" $(($(calls '[a-z].*') * 1024 / SIZE_MIB))
}

# calls REGEX - of these names
calls() {
	awk -v name="^($1)\$" '$1 ~ name && $1 != "total" && $2 ~ /^[0-9]+$/ {
		n += $2 } END { print n + 0 }' "$WORK/calls"
}

# kicks NAME - notifications by the guest so far
kicks() {
	case $way in
	qmp | mem) grep -ac virtio_queue_notify "$WORK/$1.log" ;;
	*)	counter "$1" kicks ;;
	esac
}

trace_kicks() {
	case $way in
	qmp | mem) guest_qmp "$1" '{"execute": "trace-event-set-state",
			"arguments": {"name": "virtio_queue_notify",
			"enable": true}}' >/dev/null ;;
	esac
}

work_counts() {
	subject_boot vm "$RAM_MIB" "$(work_cmdline "$work")" || return
	trace_kicks vm
	# Each look is some calls, too.
	local look_us=500000
	touch_all vm && gather vm "$SIZE_MIB" &&
		counted_cycle
	subject_end vm
}

counted_cycle() {
	count_one shrink $((SIZE_MIB * MIB)) || return
	[ "$way" = take ] || count_one grow 0
}

# count_one METRIC BYTES
count_one() {
	local before

	before=$(kicks vm)
	calls_begin vm && give "$2" vm || return
	calls_end "$1"
	note "$1-kicks" $((($(kicks vm) - before) * 1024 / SIZE_MIB))
}
