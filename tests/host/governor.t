#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manager decides who keeps how much memory: guests that follow their
# targets and tell statistics (vmm/live.c), on a host that is as small as its
# budget says.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/manager.sh"

MIB=$((1 << 20))
RAM=$((128 * MIB))
# Arrays, so that the fake guest needs no more than the standard.
FEATURES=0x0008000160000007
declare -A TYPE=([short]=1 [plenty]=2 [wish]=3)
# Of a machine that has more than enough of it.
HOST=('[host]' 'period = 0.25' 'reserve = 16M')
: >"$WORK/figures"

# guest VM VALUE=... - a VMM with a guest of 128 MiB that lives; with $empty
# it has used none of that yet
declare -A guest_in guest_pid seq
guest() {
	local vm=$1 fd
	shift
	rm -f "$WORK/$vm.fifo"
	mkfifo "$WORK/$vm.fifo"
	"$VMM" <"$WORK/$vm.fifo" >>"$WORK/$vm.said" 2>&1 &
	guest_pid[$vm]=$!
	background "${guest_pid[$vm]}"
	disown
	exec {fd}>"$WORK/$vm.fifo"
	guest_in[$vm]=$fd
	seq[$vm]=0
	tell "$vm" ram 128M
	[ -n "${empty:-}" ] || tell "$vm" fill
	tell "$vm" connect "$RUN/vm/$vm.sock"
	tell "$vm" hello "$FEATURES"
	tell "$vm" guest floor=8M swap_free=1G "$@"
	tell "$vm" start
	[ -z "${standby:-}" ] || stand_by "$vm"
	tell "$vm" live
	within 20 is_state "$vm" running
}

# stand_by VM - 80 MiB of it; its balloon does not move
stand_by() {
	tell "$1" guest deaf=1
	tell "$1" ranges inflate type=3 64:1
	tell "$1" offer 0 1024 40
}

tell() {
	local vm=$1
	shift
	echo "$*" >&"${guest_in[$vm]}"
}

# now VM VALUE=... - from now on its guest is so
now() {
	tell "$1" guest "${@:2}"
	tell "$1" live
}

# event VM TYPE [VALUE] - its driver tells this; says when
event() {
	tell "$1" event "${TYPE[$2]}" "$((seq[$1]++))" "${3:-4096}" stamp
	tell "$1" live
}

# heard VM TYPE - the manager knows of its last event
heard() {
	ctl --json events --last "$1" | jq -se --argjson seq $((seq[$1] - 1)) \
		--arg type "$2" 'any(.seq == $seq and .type == $type)'
}

# leave VM - its VMM ends
leave() {
	local fd=${guest_in[$1]}
	kill -KILL "${guest_pid[$1]}"
	exec {fd}>&-
	unset "guest_pid[$1]" "guest_in[$1]"
}

# end - all VMMs and the manager end
end() {
	local vm
	for vm in "${!guest_pid[@]}"; do
		leave "$vm"
	done
	[ -z "$manager_pid" ] || manager_end TERM
}

# fresh LINE... - a manager of this configuration, and nobody else
fresh() {
	end
	rm -f "$RUN/leases"
	conf "$@"
	manager_start
}

reload() {
	conf "$@"
	ctl reload
}

# kept VM - what it is told to keep, in bytes
kept() {
	echo $((RAM - $(status "$1" target)))
}

# keeps_most VM MIB, keeps_least VM MIB
keeps_most() {
	[ "$(kept "$1")" -le $(($2 * MIB)) ]
}

keeps_least() {
	[ "$(kept "$1")" -ge $(($2 * MIB)) ]
}

host() {
	ctl --json host | jq -r ".$1"
}

host_is() {
	[ "$(host level)" = "$1" ]
}

# why VM FILTER - of what is told about its decisions
why() {
	ctl --json why "$1" | jq -r "$2"
}

reason_is() {
	[ "$(why "$1" .now.reason)" = "$2" ]
}

# plans NUMBER - wait until there were so many more plans for VM a
plans() {
	local i last
	for ((i = 0; i < $1; i++)); do
		last=$(why a .now.time_us)
		within 20 eval '[ "$(why a .now.time_us)" != '"$last"' ]'
	done
}

test_a_dry_run_says_what_it_would_do_and_changes_nothing() {
	fresh "${HOST[@]}" 'budget = 160M' '[vm a]' '[vm b]'
	guest a used=16M
	guest b used=16M
	within 20 eval '[ "$(why a ".decisions[0].dry_run")" = true ]'
	within 20 eval '[ "$(why b ".decisions[0].dry_run")" = true ]'
	plans 4
	eq "$(status a target)" 0 "balloon of a"
	eq "$(status b target)" 0 "balloon of b"
	check logged "a: would keep"
	check grep -q "^manage  *dry-run" <<<"$(ctl host)"
	check grep -q "dry run: nothing is done" <<<"$(ctl why a)"
	eq "$(why a '.decisions[0] | .from == 134217728 and .to < .from')" \
		true "decision"
}

test_a_reload_turns_it_on_and_a_short_host_takes_what_is_idle() {
	now b used=80M
	# What was heard before says that it needs less.
	within 20 eval '[ "$(why b .now.used)" -ge $((79 * MIB)) ]' || return
	check reload "${HOST[@]}" 'manage = on' 'budget = 208M' '[vm a]' \
		'[vm b]'
	within 60 keeps_most a 72
	within 60 eval '[ "$(host available)" -ge $((16 * MIB)) ]'
	# It demands 120 MiB: what it uses, and room.
	within 60 keeps_least b 112
	within 60 eval '[ "$(status a resident)" -le $((80 * MIB)) ]'
}

test_why_names_the_evidence() {
	local text
	text=$(ctl why a)
	echo "$text"
	check grep -qE '^20.*  128 MiB -> [0-9.]+ MiB in [0-9]+ steps' \
		<<<"$text"
	check grep -q "take-idle: the host is short" <<<"$text"
	# It may have all that it wants by the last of the steps.
	check grep -qE 'host +[a-z]+: [0-9.]+ ([KM]i)?B free, 16 MiB to keep' \
		<<<"$text"
	check grep -qE 'uses 16 MiB .*, demands 56 MiB' <<<"$text"
	check grep -qE 'it says +[0-9.]+ MiB available \([0-9.]+ s before\)' \
		<<<"$text"
	eq "$(why a '.decisions[0] | .reason == "take-idle" and .used == 16777216
		and .demand == 58720256 and .from > .to and .steps > 1')" true \
		"evidence"
	ctl_fails 4 "nobody: no such VM" why nobody
}

test_list_and_status_show_how_the_host_is_and_what_a_guest_needs() {
	eq "$(status a demand)" 58720256 demand
	eq "$(ctl --json list | jq '.[] | select(.name == "a").demand')" \
		58720256 "demand in the list"
	check grep -qE '^demand +56 MiB' <<<"$(ctl status a)"
	check grep -qE '^host is +(green|yellow|orange|red|black)$' \
		<<<"$(ctl status a)"
	check grep -qE '^host is +(green|yellow|orange|red|black)$' \
		<<<"$(ctl list)"
}

test_the_minimum_is_left_however_short_the_host_is() {
	fresh "${HOST[@]}" 'manage = on' 'budget = 96M' '[class small]' \
		'min = 48M' '[vm a]' 'class = small' '[vm b]'
	guest a used=16M
	guest b used=16M
	within 60 keeps_most a 49
	# Nobody said what b needs: it is left 35 % of its memory.
	within 60 keeps_most b 50
	plans 8
	at_least "$(kept a)" $((48 * MIB)) "what a keeps"
	at_least "$(kept b)" $((128 * MIB * 35 / 100)) "what b keeps"
	at_least "$(host missing)" 1 "missing bytes"
}

test_bad_settings_are_refused_and_the_old_ones_stay() {
	ctl_fails_reload 'd.conf:4: [vm a]: min: 2 GiB is more than max' \
		'[vm a]' '' 'max = 1G' 'min = 2G'
	ctl_fails_reload "d.conf:2: manage: 'yes': expected off, dry-run or on" \
		'[host]' 'manage = yes'
	ctl_fails_reload 'd.conf:2: [vm a]: class: there is no [class x]' \
		'[vm a]' 'class = x'
	eq "$(host total)" $((96 * MIB)) "budget"
	eq "$(host manage)" on "mode"
	check is_state a running
}

ctl_fails_reload() {
	local expected=$1 out
	shift
	conf "$@"
	out=$(ctl reload 2>&1) && fail "accepted: $*"
	echo "$out"
	[[ $out == *"$expected"* ]] || fail "does not say: $expected"
}

# rung FIELD - of what is on standby
rung() {
	ctl --json ladder | jq ".rungs[] | select(.rung == \"standby\").$1"
}

taken_least() {
	[ "$(status a taken)" -ge $(($1 * MIB)) ]
}

# 48 MiB are missing; more goes while the host's memory falls. How often its
# balloon was decided about is in $asked.
standby_goes() {
	local FEATURES=0x001c000160000007 standby=1

	fresh "${HOST[@]}" 'manage = dry-run' 'budget = 160M' \
		'[class default]' 'standby = on-demand' '[vm a]'
	guest a used=16M
	within 20 eval '[ "$(why a .now.standby)" = $((80 * MIB)) ]'
	within 20 eval '[ "$(why a .now.take)" -ge $((48 * MIB)) ]'
	check grep -q '^    standby  80 MiB, of which the host takes' \
		<<<"$(ctl why a)"
	eq "$(status a taken)" 0 "bytes taken in a dry run"
	# Of 160 MiB its guest occupies 128.
	at_most "$(host available)" $((32 * MIB)) "bytes that are there"
	check reload "${HOST[@]}" 'manage = on' 'budget = 160M' \
		'[class default]' 'standby = on-demand' '[vm a]'
	within 20 taken_least 48
	within 60 host_is green
	plans 4
	asked=$(why a '.decisions | map(select(.dry_run | not)) | length')
	within 20 eval '[ "$(rung freed)" -ge $((48 * MIB)) ]'
	check logged 'of what it has on standby'
}

# A back-end that has no processor for seconds is not waited for.
test_what_is_on_standby_goes_before_anything_is_asked() {
	local i asked

	for i in 1 2 3 4; do
		standby_goes || return
		[ "$asked" != 0 ] || break
	done
	eq "$asked" 0 "decisions about its balloon, in $i tries"
	eq "$(status a target)" 0 "balloon of a"
}

test_what_a_guest_has_back_is_counted() {
	tell a back 0 40
	tell a live
	within 20 eval '[ "$(rung returned)" -ge $((48 * MIB)) ]'
	eq "$(status a standby)" 0 "bytes on standby"
}

test_balloons_are_asked_for_what_is_not_on_standby() {
	tell a offer 0 1024 8
	tell a live
	check reload "${HOST[@]}" 'manage = on' 'budget = 88M' \
		'[class default]' 'standby = on-demand' '[vm a]'
	within 20 taken_least 16
	within 60 eval '[ "$(status a target)" -gt 0 ]'
}

test_what_was_set_by_hand_is_left_alone_until_auto() {
	fresh "${HOST[@]}" 'manage = on' 'budget = 96M' '[vm a]' '[vm b]' \
		'shares = 0'
	guest a used=16M
	check ctl set a 120M
	guest b used=16M
	within 20 reason_is a by-hand
	within 20 reason_is b by-hand
	within 20 host_is black
	plans 4
	eq "$(kept a)" $((120 * MIB)) "what a keeps"
	eq "$(kept b)" "$RAM" "what b keeps"
	# By the next manager, too.
	manager_end KILL
	manager_start
	within 20 is_state a running
	within 20 reason_is a by-hand
	within 20 host_is black
	plans 4
	eq "$(kept a)" $((120 * MIB)) "what a keeps"
	check ctl set a auto
	within 60 keeps_most a 60
	eq "$(kept b)" "$RAM" "what b keeps"
	manager_end KILL
	manager_start
	within 20 is_state a running
	within 20 eval '[ "$(why a .now.reason)" != null ]'
	refused reason_is a by-hand
	ctl_fails 4 "nobody: no such VM" set nobody auto
}

# The plan leaves it its minimum, and the guest wants to keep less.
test_a_granted_wish_beyond_the_minimum_is_no_new_decision_each_time() {
	local before
	fresh "${HOST[@]}" 'manage = on' 'budget = 1G' '[vm a]' 'min = 64M'
	guest a used=16M
	within 20 eval '[ "$(why a .now.reason)" != null ]'
	event a wish $((100 * MIB))
	within 20 eval '[ "$(kept a)" = $((28 * MIB)) ]' || return
	plans 8
	before=$(why a .decisions)
	plans 8
	eq "$(why a .decisions)" "$before" "decisions"
	eq "$(kept a)" $((28 * MIB)) "what a keeps"
	event a wish 0
	within 60 keeps_least a 64
}

# "short" until the new target is there, in us; of several times.
test_who_is_short_has_a_new_target_at_once() {
	local i took=() said at
	fresh "${HOST[@]}" 'manage = on' 'budget = 1G' '[vm a]'
	guest a used=16M
	for i in {1..7}; do
		event a plenty
		within 20 heard a plenty || return
		check ctl set a 64M --wait=20 || return
		check ctl set a auto
		within 20 eval '! reason_is a by-hand'
		: >"$WORK/a.said"
		event a short
		within 20 keeps_least a 100 || return
		within 20 eval 'grep -q "^target 0" "$WORK/a.said"'
		said=$(grep -E '^[0-9]{16}$' "$WORK/a.said")
		# The spare memory of this host may be handed out before.
		at=$(awk -v said="$said" '$1 == "target" && $2 < 8192 {
			print $4; exit }' "$WORK/a.said")
		[ -n "$at" ] || fail "no target" || return
		took+=($((at - said)))
	done
	mapfile -t took < <(printf '%s\n' "${took[@]}" | sort -n)
	echo "# from 'short' to the new target: ${took[3]} us (median of ${#took[@]}; ${took[*]})" \
		>>"$WORK/figures"
	# Whatever else the machine does: a quarter of them finds it at rest.
	at_most "${took[1]}" 200000 "us"
	eq "$(why a '[.decisions[].reason] | index("need") != null')" true "need"
}

# is_silent VM - are its last statistics older than the planner believes?
is_silent() {
	[ "$(why "$1" .now.stats_ms)" -gt 4000 ]
}

test_nothing_is_taken_from_who_has_gone_silent() {
	fresh "${HOST[@]}" 'manage = on' 'budget = 96M' '[vm a]' '[vm b]'
	guest a used=16M
	guest b used=16M
	within 60 keeps_most a 126
	now a silent=1
	now b silent=1
	within 20 is_silent a
	within 20 is_silent b
	silent_a=$(kept a)
	silent_b=$(kept b)
	plans 8
	check host_is black
	at_least "$(kept a)" "$silent_a" "what a keeps"
	at_least "$(kept b)" "$silent_b" "what b keeps"
	check grep -qE '^(stale|steady)$' <<<"$(why a .now.reason)"
}

test_a_killed_manager_s_successor_takes_nothing_without_evidence() {
	manager_end KILL
	manager_start
	within 20 is_state a running
	within 20 host_is black
	plans 8
	eq "$(why a .now.reason)" adopted "reason"
	at_least "$(kept a)" "$silent_a" "what a keeps"
	at_least "$(kept b)" "$silent_b" "what b keeps"
	now a silent=0
	# What the cap leaves it.
	within 60 keeps_most a 50
	at_least "$(kept b)" "$silent_b" "what b keeps"
}

test_a_guest_that_lies_hurts_only_itself() {
	local lie
	fresh "${HOST[@]}" 'manage = on' 'budget = 208M' '[vm a]' 'min = 32M' \
		'[vm b]'
	guest b used=32M
	for lie in 1 0x7fffffffffffffff 0xffffffffffffffff; do
		guest a used=16M "lies=$lie"
		plans 8
		at_least "$(kept a)" $((32 * MIB)) "what a keeps"
		# What it demands; a new guest is not judged at once.
		within 20 keeps_least b 72
		leave a
		within 20 is_state a waiting
	done
	check kill -0 "$manager_pid"
}

test_a_vm_is_admitted_if_there_is_room_and_it_is_held() {
	local out
	# Of 208 MiB, 16 stay free and a is sure of 64: 128 are left.
	fresh "${HOST[@]}" 'manage = on' 'budget = 208M' '[vm a]' 'min = 64M' \
		'[vm b]' 'min = 64M'
	guest a used=16M
	within 20 eval '[ "$(why a .now.reason)" != null ]'
	ctl_fails 8 "no room for 129 MiB: 128 MiB could be promised" admit 129M
	out=$(ctl admit 100M --name b --for 600) || fail "exit code $?"
	echo "$out"
	check grep -q "^b: 100 MiB held for 600 s.*28 MiB could be promised" \
		<<<"$out"
	within 20 eval '[ "$(host held)" = $((100 * MIB)) ]'
	ctl_fails 8 "100 MiB is held for others" admit 29M
	# The running one makes room.
	within 60 keeps_most a 110
	# The new one takes what was held for it.
	guest b used=16M
	within 20 eval '[ "$(host held)" = 0 ]'
	check ctl release b
	ctl_fails 4 "b: nothing is held" release b
}

test_a_vm_that_starts_counts_once() {
	fresh "${HOST[@]}" 'budget = 208M' '[vm b]' 'min = 64M'
	within 20 eval '[ "$(host total)" = $((208 * MIB)) ]'
	check ctl admit 100M --name b --for 600
	empty=1 guest b used=16M
	within 20 eval '[ "$(why b .now.reason)" != null ]'
	at_least "$(host held)" $((80 * MIB)) "what is held for b yet"
	# Of 208 MiB, 16 stay free: 92 are left, not 28.
	check ctl admit 80M --name c --for 600
}

test_room_is_held_until_the_time_is_over() {
	fresh "${HOST[@]}" 'budget = 208M' '[vm a]'
	within 20 eval '[ "$(host total)" = $((208 * MIB)) ]'
	check ctl admit 150M --for 1
	within 20 eval '[ "$(host held)" = 0 ]'
	eq "$(ctl --json admit 150M | jq -r .bytes)" $((150 * MIB)) "held bytes"
	check ctl release lease-2
	ctl_fails 2 "'' is no size" admit ''
	ctl_fails 2 "--for: '0' is not 1 to 86400" admit 1M --for 0
	ctl_fails 2 "'a/b' makes no sense for parameter name" \
		admit 1M --name a/b
	ctl_fails 2 "list: --for and --name belong to admit" list --for 3
}

test_what_is_held_outlives_the_manager_for_the_rest_of_its_time() {
	fresh "${HOST[@]}" 'budget = 208M' '[vm a]'
	within 20 eval '[ "$(host total)" = $((208 * MIB)) ]'
	check ctl admit 60M --name x --for 600
	check ctl admit 50M --name y --for 600
	check ctl admit 40M --name z --for 2
	check ctl release y
	manager_end KILL
	manager_start
	within 20 eval '[ "$(host held)" -ge $((60 * MIB)) ]'
	ctl_fails 4 "y: nothing is held" release y
	within 20 eval '[ "$(host held)" = $((60 * MIB)) ]'
	check ctl release x
	manager_end TERM
	manager_start
	within 20 eval '[ "$(host held)" = 0 ]'
	ctl_fails 4 "x: nothing is held" release x
}

test_a_note_of_what_is_held_that_makes_no_sense_is_ignored() {
	local day=$((86400 * 1000)) now

	now=$(($(sed 's/\..*//' /proc/uptime) * 1000))
	manager_end TERM
	cat >"$RUN/leases" <<-END
		[1, {"name": "a/b", "bytes": 1, "until_ms": $((now + day / 2))},
		{"name": "n", "bytes": -1, "until_ms": $((now + day / 2))},
		{"name": "l", "bytes": 1, "until_ms": $((now + 2 * day))},
		{"name": "g", "bytes": 4096, "until_ms": $((now + day / 2))}]
	END
	manager_start
	check logged "leases: number 0 makes no sense"
	check logged "leases: number 3 makes no sense"
	within 20 eval '[ "$(host held)" = 4096 ]'
	manager_end TERM
	echo '[' >"$RUN/leases"
	manager_start
	check logged "what was held is forgotten"
	within 20 eval '[ "$(host held)" = 0 ]'
}

host_is_not() {
	! host_is "$1"
}

# fills_between_plans VM FREE - that much is free, then the VM takes all it has;
# fails if the host's next plan in 10 s was the first to see it
fills_between_plans() {
	local vm=$1 planned
	local lines=('period = 10' 'reserve = 16M' '[vm a]' '[vm b]' '[vm c]')

	reload '[host]' 'manage = off' "${lines[@]}" || return
	reload '[host]' "budget = $2" "${lines[@]}" || return
	within 20 host_is green || return
	planned=$(why a .now.time_us)
	tell "$vm" fill
	tell "$vm" live
	within 20 host_is_not green || return
	echo "# seen after $((($(why a .now.time_us) - planned) / 1000)) ms"
	[ $(($(why a .now.time_us) - planned)) -lt 8000000 ]
}

test_memory_that_goes_between_two_plans_is_seen_at_once() {
	local empty=1 vm

	fresh '[vm a]' '[vm b]' '[vm c]'
	for vm in a b c; do
		guest "$vm" used=16M || return
	done
	# A machine that does not get on is no failure.
	fills_between_plans a 160M || fills_between_plans b 288M ||
		fills_between_plans c 416M || fail "not before the next plan"
}

pulled() {
	ctl --json counters a | jq .stats
}

# Its guest was not asked for statistics in as much time as it is asked four
# times in.
is_left_alone() {
	local before

	before=$(pulled)
	sleep 2
	[ "$(pulled)" = "$before" ]
}

test_nothing_is_looked_at_while_it_is_off() {
	local before

	fresh '[host]' 'manage = off' '[vm a]'
	guest a used=16M
	within 20 eval '[ "$(pulled)" -ge 1 ]'
	within 20 is_left_alone || return
	before=$(pulled)
	# But by whoever wants to know.
	eq "$(ctl --json stats a | jq .stats.total)" "$RAM" "total"
	at_least "$(pulled)" $((before + 1)) "statistics"
	eq "$(ctl --json host)" '{"manage":"off"}' "host"
	eq "$(ctl --json why a)" '{"decisions":[]}' "decisions"
	ctl_fails 1 "nothing is managed" admit 1M
	check reload "${HOST[@]}" 'manage = on' 'budget = 96M' '[vm a]'
	within 60 keeps_most a 100
	check reload '[host]' 'manage = off' '[vm a]'
	eq "$(ctl --json host)" '{"manage":"off"}' "host"
	within 20 is_left_alone
	end
}

run_tests
status=$?
cat "$WORK/figures"
exit $status
