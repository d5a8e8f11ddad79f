#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonetd and a real libvirt, with the very domains that ballonetd(8) shows:
# one with libvirt's balloon and a second monitor, on Debian's own QEMU; one with
# a balloon of ours. Tests are in the order of their lives.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/host/manager.sh"
. "$TOP/tests/lib/libvirt.sh"

LIBVIRT_MONITOR='domain-*/monitor.sock'
QMP=$RUN/qmp/one
is_up=		# domain "one" is there
two_is_up=

# needs_one - a test that goes on where the first one ended
needs_one() {
	has_libvirt || return
	[ -n "$is_up" ] || fail "the domain has not come up"
}

# reason_is VM TEXT - why it is not running
reason_is() {
	[[ $(status "$1" reason) == *"$2"* ]]
}

# has VM FIELD VALUE - of its status
has() {
	[ "$(status "$1" "$2")" = "$3" ]
}

# memstat DOMAIN FIELD - as libvirt has it from the guest, in KiB or as it is
memstat() {
	virsh dommemstat "$1" | sed -n "s/^$2 //p"
}

# memstat_is DOMAIN FIELD VALUE - for use with within
memstat_is() {
	[ "$(memstat "$1" "$2")" = "$3" ]
}

# monitor DOMAIN COMMAND [ARGUMENTS] - what QEMU answers, by libvirt's own monitor
monitor() {
	virsh qemu-monitor-command "$1" \
		"{\"execute\": \"$2\", \"arguments\": {${3:-}}}" |
		jq -c .return
}

# interval DOMAIN - how often QEMU asks its guest, in seconds
interval() {
	monitor "$1" qom-get '"path": "/machine/peripheral/balloon0",
		"property": "guest-stats-polling-interval"'
}

# interval_is DOMAIN SECONDS - for use with within
interval_is() {
	[ "$(interval "$1")" = "$2" ]
}

# fresh VM - its guest was heard a moment ago: for use with within
fresh() {
	local age

	age=$(ctl --json stats "$1" 2>/dev/null | jq .age_ms)
	[ "${age:-never}" != never ] && [ "$age" -le 3000 ]
}

test_a_domain_with_the_balloon_of_libvirt_is_managed() {
	has_libvirt || return
	libvirt_start || return
	echo "# $(grep ^Using.library "$WORK/libvirt.version"), $(
		qemu-system-x86_64 --version | head -n 1)"
	conf '[host]' 'manage = off' '[vm one]' "qmp = $QMP" \
		'qmp_period = 0.5' '[vm two]'
	manager_start
	domain_define one -qmp "$(command -v qemu-system-x86_64)" || return
	domain_start one || return
	is_up=yes
	check driver_load one virtio_balloon
	within 60 is_state one running || return
	eq "$(describe one pid)" "${guest_pids[one]}" "process of the VMM"
	has one memory $((GUEST_MIB * MIB)) || fail "its memory"
	within 30 has one 'features | join(" ")' \
		"qmp stats deflate-on-oom reporting"
}

test_both_see_the_statistics_of_its_guest() {
	needs_one || return
	within 60 fresh one
	# libvirt sets its own at the end of the start.
	within 60 interval_is one 1
	eq "$(($(memstat one available) * 1024))" \
		"$(ctl --json stats one | jq .stats.total)" "MemTotal"
	at_least "$(memstat one last_update)" $(($(date +%s) - 60)) \
		"when libvirt has heard of it"
}

test_a_longer_interval_of_libvirt_does_not_stay() {
	needs_one || return
	check virsh dommemstat one --period 60 --live
	within 60 interval_is one 1
}

test_the_monitor_of_libvirt_is_refused() {
	local path

	needs_one || return
	path=$(find "$LIBVIRT_HOME" -path "*/$LIBVIRT_MONITOR")
	check test -S "$path"
	ctl_fails 1 "libvirt's" add x "--qmp=$path"
}

test_its_balloon_is_set_and_libvirt_sees_it() {
	local before

	needs_one || return
	check guest one memload touch $(($(meminfo one MemAvailable) / MIB - 24))
	within 30 eval '[ "$(status one resident)" -ge '$((384 * MIB))' ]'
	before=$(status one resident)
	check ctl set one --balloon=128M --wait=120 >/dev/null
	within 60 eval '[ "$(status one resident)" -le '$((
		before - 64 * MIB))' ]'
	within 30 memstat_is one actual $(((GUEST_MIB - 128) * 1024))
	check grep -q "Used memory: *$(((GUEST_MIB - 128) * 1024)) KiB" \
		<(virsh dominfo one)
	check ctl set one --balloon=0 --wait=120 >/dev/null
	within 30 memstat_is one actual $((GUEST_MIB * 1024))
}

# keeps MIB - so much is left of domain one, and both know that it is meant so
keeps() {
	has one actual $(((GUEST_MIB - $1) * MIB)) &&
		has one target $(((GUEST_MIB - $1) * MIB)) &&
		memstat_is one actual $(($1 * 1024))
}

test_the_last_one_to_set_a_balloon_wins() {
	needs_one || return
	check virsh setmem one 400M --live
	within 60 keeps 400
	check logged "one: another has set its balloon to 112 MiB"
	check ctl set one --balloon=64M --wait=120 >/dev/null
	within 30 keeps $((GUEST_MIB - 64))
	check virsh setmem one 448M --live
	check virsh setmem one 384M --live
	within 60 keeps 384
}

# managed LINE... - from now on by the plan
managed() {
	conf '[host]' 'manage = on' 'period = 0.5' 'reserve = 64M' "$@" \
		'[vm one]' "qmp = $QMP" 'min = 64M' '[vm two]'
	check ctl set one auto
	check ctl reload
}

# has_nearly_all - what is not worth a move may stay in its balloon
has_nearly_all() {
	[ "$(status one actual)" -le $((16 * MIB)) ]
}

test_what_virsh_takes_the_plan_gives_back() {
	needs_one || return
	managed
	within 60 has_nearly_all || return
	kill -STOP "$manager_pid"
	check virsh setmem one 384M --live
	within 60 memstat_is one actual $((384 * 1024))
	kill -CONT "$manager_pid"
	within 60 eval '[ "$(memstat one actual)" -ge '$((
		(GUEST_MIB - 16) * 1024))' ]' || ctl why one
}

why_is() {
	[ "$(ctl --json why one | jq -r .now.reason)" = "$1" ]
}

# The moment of the last plan.
planned_us() {
	ctl --json why one | jq .now.time_us
}

test_nothing_is_taken_from_a_domain_that_is_suspended() {
	local us target

	needs_one || return
	check virsh suspend one
	within 30 reason_is one 'paused'
	managed 'budget = 128M'
	within 30 why_is frozen || return
	us=$(planned_us)
	target=$(status one target)
	within 30 eval '[ "$(planned_us)" -gt '$((us + 3000000))' ]'
	eq "$(status one target)" "$target" "target of a domain that is paused"
	check virsh resume one
	within 60 is_state one running
	within 120 eval '[ "$(status one actual)" -ge '$((64 * MIB))' ]' ||
		ctl why one
}

test_libvirt_finds_it_again_when_it_is_restarted() {
	local pid

	needs_one || return
	pid=$(libvirt_process libvirtd)
	check kill "$pid"
	within 30 gone "$pid"
	within 30 libvirt_answers || return
	within 30 eval '[ "$(virsh domstate one)" = running ]'
	within 30 fresh one
	at_least "$(memstat one actual)" 1 "what libvirt sees"
}

test_a_domain_that_is_reset_is_managed_again() {
	needs_one || return
	conf '[host]' 'manage = off' '[vm one]' "qmp = $QMP" \
		'qmp_period = 0.5' '[vm two]'
	check ctl reload
	check ctl set one --balloon=64M --wait=120 >/dev/null
	check virsh reset one
	domain_booted one || return
	ctl_fails 6 'no statistics' stats one
	check driver_load one virtio_balloon
	within 60 fresh one
	within 60 keeps $((GUEST_MIB - 64))
}

test_a_domain_that_is_saved_comes_back_with_its_balloon() {
	local pid=${guest_pids[one]:-}

	needs_one || return
	check virsh managedsave one
	within 30 is_state one waiting
	domain_run one || return
	within 60 is_state one running || return
	refused test "${guest_pids[one]}" = "$pid"
	eq "$(describe one pid)" "${guest_pids[one]}" "process of the VMM"
	check guest one true
	within 60 fresh one
	within 60 keeps $((GUEST_MIB - 64))
	check ctl set one --balloon=0 --wait=120 >/dev/null
}

test_a_domain_whose_guest_powers_off_is_waited_for() {
	needs_one || return
	guest_ask one poweroff -f
	within 60 eval '[ "$(virsh domstate one)" = "shut off" ]'
	within 30 is_state one waiting
	guest_forget one
	guest_log_clean one
}

test_a_domain_with_a_balloon_of_ours_is_managed() {
	local qemu before

	has_libvirt || return
	qemu=$(emulator_new) || fail "no QEMU 10.2 or newer" || return
	echo "# $("$qemu" --version | head -n 1)"
	domain_define two vhost-user "$qemu" || return
	domain_start two || return
	two_is_up=yes
	check driver_load two ballonet
	within 60 is_state two running || return
	check logged "two: VMM has connected: process ${guest_pids[two]} "
	check guest two memload touch $(($(meminfo two MemAvailable) / MIB - 24))
	before=$(guest_mem_blocks two)
	check ctl set two --balloon=128M --wait=120 >/dev/null
	within 30 resident_at_most two $((before - 64 * MIB))
	within 30 fresh two
}

# needs_two - likewise, of the second domain
needs_two() {
	has_libvirt || return
	[ -n "$two_is_up" ] || fail "the domain has not come up"
}

test_it_is_suspended_and_resumed() {
	needs_two || return
	check virsh suspend two
	check virsh resume two
	check ctl set two --balloon=64M --wait=120 >/dev/null
	knob_is two actual $((64 * MIB)) || fail "what the guest says"
}

# By QEMU, whose device cannot be migrated.
test_it_cannot_be_saved_and_goes_on() {
	needs_two || return
	refused virsh managedsave two >"$WORK/save" 2>&1
	sed 's/^/# /' "$WORK/save"
	check grep -q vhost-user-test-device "$WORK/save"
	within 30 is_state two running
	check ctl set two --balloon=128M --wait=120 >/dev/null
}

test_it_is_reset_and_has_its_balloon_again() {
	needs_two || return
	check virsh reset two
	domain_booted two || return
	check driver_load two ballonet
	within 60 knob_is two actual $((128 * MIB))
	within 30 is_state two running
}

test_it_is_destroyed_and_started_again() {
	needs_two || return
	check virsh destroy two
	within 30 is_state two waiting
	guest_forget two
	domain_start two || return
	check driver_load two ballonet
	within 60 knob_is two actual $((128 * MIB))
	check ctl set two --balloon=0 --wait=120 >/dev/null
	check virsh destroy two
	within 30 is_state two waiting
	guest_forget two
	guest_log_clean two
}

run_tests
