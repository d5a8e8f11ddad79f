#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the manager shows of what the host does besides the balloons, and other
# managers that it finds. Nothing of this machine is changed: what does that is
# in tests/vm/ladder.t.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/manager.sh"

ctl() {
	"$BIN/ballonetctl" --control="$CONTROL" "$@"
}

# shows EXPRESSION - of jq, about the ladder, is true
shows() {
	ctl --json ladder | jq -e "$1" >/dev/null
}

test_nothing_is_shown_while_nothing_is_managed() {
	conf '[host]' 'manage = off'
	manager_start
	refused ctl ladder 2>"$WORK/err"
	check grep -q "manage" "$WORK/err"
	manager_end TERM
}

test_each_rung_is_shown_the_cheapest_first() {
	conf '[host]' 'manage = on' 'ladder = reclaim'
	manager_start
	within 20 shows '.rungs | length == 6'
	eq "$(ctl ladder | awk 'NF && $1 != "RUNG" { print $1 }' | head -n 6 |
		paste -sd' ')" 'reporting standby balloon ksm zswap reclaim' rungs
	check shows '.machine.total > 0 and .machine.nodes'
	check shows '.rungs[] | select(.rung == "reclaim").on'
}

test_nothing_is_done_in_a_dry_run() {
	conf '[host]' 'manage = dry-run' 'ladder = reclaim'
	ctl reload
	within 20 shows '.rungs[] | select(.rung == "reclaim") |
		.on == false and .asked == 0'
}

# reason RUNG - why it is not used
reason() {
	ctl --json ladder | jq -r ".rungs[] | select(.rung == \"$1\").reason"
}

is_off() {
	[[ $(reason "$1") =~ ^("off: not in 'ladder'"|"this kernel has none")$ ]]
}

# What was on before is switched off by the rung's own steps.
test_rungs_are_looked_after_in_a_dry_run() {
	manager_end TERM
	conf '[host]' 'manage = dry-run' 'ladder = ksm'
	manager_start
	within 30 is_off ksm
}

# It is one by its name, and it is of a system user.
test_another_manager_is_found_told_once_and_left_its_part() {
	[ "$(id -u)" -lt 1000 ] ||
		{ skip 'only a system user can be a manager'; return; }
	manager_end TERM
	cp "$(command -v sleep)" "$WORK/ksmtuned"
	"$WORK/ksmtuned" 600 &
	background $!
	disown
	conf '[host]' 'manage = dry-run' 'ladder = reclaim'
	manager_start
	within 20 shows '[.rivals[].name] | index("ksmtuned")'
	within 20 logged 'ksmtuned (process'
	check logged 'systemctl disable --now ksmtuned'
	check grep -q 'systemctl disable' < <(ctl ladder)
	ctl reload
	eq "$(grep -c 'ksmtuned (process' "$WORK/log")" 1 "lines about it"
	manager_end TERM
}

run_tests
