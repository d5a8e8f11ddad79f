#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The systemd unit: understood, and confined.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/common.sh"

# Exposure as systemd-analyze sees it, in tenths: 0 is nothing, 100 all. What it
# calls OK ends at 49; the manager has 20.
MAX_EXPOSURE=30

# units - the templates, filled in as userspace/build.mk does, with programs
# that exist in whatever place
units() {
	local template unit program

	mkdir -p "$WORK/sbin"
	while read -r template; do
		unit=$WORK/$(basename "${template%.in}")
		sed -E "s|@[A-Z]*BINDIR@\|@LIBEXECDIR@|$WORK/sbin|g;
			s|@SYSCONFDIR@|/etc|g" "$template" >"$unit"
		grep -oE "$WORK/sbin/[a-z-]+" "$unit" | sort -u |
			while read -r program; do
				ln -sf /bin/true "$program"
			done
		echo "$unit"
	done < <(files 'userspace/systemd/*.service*' \
		'userspace/systemd/*.socket*')
}

has_systemd() {
	command -v systemd-analyze >/dev/null ||
		{ skip 'no systemd-analyze on this machine'; return 1; }
}

test_every_placeholder_of_the_unit_is_filled_in() {
	local all

	mapfile -t all < <(units)
	at_least ${#all[@]} 1 'number of units' || return
	refused grep -n '@[A-Z]*@' -- "${all[@]}"
}

test_systemd_understands_the_unit() {
	local all

	has_systemd || return
	mapfile -t all < <(units)
	printf '[Service]\nExecStart=/bin/true\nRestrat=always\n' \
		>"$WORK/bad.service"
	loud systemd-analyze verify --man=no "$WORK/bad.service" &&
		silent systemd-analyze verify --man=no "${all[@]}"
}

test_systemd_finds_the_unit_confined() {
	local all unit

	has_systemd || return
	mapfile -t all < <(units | grep '\.service$')
	for unit in "${all[@]}"; do
		systemd-analyze security --no-pager --offline=true \
			--threshold=$MAX_EXPOSURE "$unit" >"$WORK/security" ||
			{ grep -E '✗|level' "$WORK/security"; fail "$unit"; }
	done
}

run_tests
