#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonetctl against a manager that says what the test wants. What it says to
# the real one is in manager.t.

. "$(dirname "$0")/../lib/test.sh"

CTL=$BIN/ballonetctl
SOCK=$WORK/control

# What the false manager runs for each client: the Nth call gets the Nth line of
# $WORK/answers, and the last line again from then on. "last ANSWER" is followed
# by the end of the connection.
cat >"$WORK/answer" <<'END'
#!/bin/bash
while IFS= read -r -d '' call; do
	printf '%s\n' "$call" >>"$1/calls"
	n=$(wc -l <"$1/calls") max=$(wc -l <"$1/answers")
	line=$(sed -n "$((n < max ? n : max))p" "$1/answers")
	case $line in
	silence) sleep 30 ;;
	close)	exit ;;
	"last "*) printf '%s\0' "${line#last }"; exit ;;
	*)	printf '%s\0' "$line" ;;
	esac
done
END
chmod +x "$WORK/answer"

socat "UNIX-LISTEN:$SOCK,fork" "EXEC:$WORK/answer $WORK" 2>/dev/null &
background $!
disown
within 5 test -S "$SOCK"

# ctl STATUS ARG... - run it, expect this exit code; output in $WORK/out, err
ctl() {
	local expected=$1 status
	shift
	: >"$WORK/calls"
	"$CTL" --control="$SOCK" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null
	status=$?
	cat "$WORK/out" "$WORK/err"
	eq $status "$expected" "exit code of $*"
}

answers() {
	printf '%s\n' "$@" >"$WORK/answers"
}

# vm STATE MEMORY TARGET ACTUAL [REASON] - an answer with a VM
vm() {
	jq -nc --arg s "$1" --argjson m "$2" --argjson t "$3" --argjson a "$4" \
		--arg r "${5-}" '{parameters: {vm: ({name: "web-1", state: $s,
		memory: $m, target: $t, actual: $a, resident: ($m - $a),
		freed: $a, features: ["stats", "ranges"]} +
		if $r == "" then {} else {reason: $r} end)}}'
}

error() {
	jq -nc --arg e "$1" --argjson p "$2" '{error: $e, parameters: $p}'
}

said() {
	grep -qF -- "$1" "$WORK/err" || fail "stderr does not say: $1"
}

shown() {
	grep -qE -- "$1" "$WORK/out" || fail "stdout does not show: $1"
}

G=$((1 << 30))

test_help_lists_commands_sizes_and_exit_codes() {
	local word

	ctl 0 --help
	for word in 'list ' 'status VM' 'set VM SIZE' 'set VM --balloon=SIZE' \
		'stats VM' 'counters VM' 'events \[VM\]' 'add VM' \
		'remove VM' 'restart VM' \
		'reload' 'powers of 1024' 'Exit codes' '3  --wait'; do
		shown "$word"
	done
}

test_version_is_told() {
	ctl 0 --version
	shown '^ballonetctl [0-9]+\.[0-9]'
}

test_wrong_usage_exits_with_2_and_asks_nobody() {
	local args
	local -a words

	while read -r args; do
		read -ra words <<<"$args"
		ctl 2 "${words[@]}"
		eq "$(cat "$WORK/calls")" '' "what was asked by '$args'"
		[ -s "$WORK/err" ] || fail "no message for '$args'"
	done <<-'END'

	bogus
	list web-1
	status
	status a b
	set
	set web-1
	set web-1 1G 2G
	set web-1 1G --balloon=1G
	set web-1 --balloon
	status web-1 --wait
	list --balloon=1G
	status web-1 --last
	events web-1 db
	events --wait
	set web-1 --balloon=1G --wait=soon
	set web-1 --balloon=1G --wait=-1
	set web-1 --balloon=1G --wait=nan
	--bogus
	END
}

test_a_wrong_size_names_the_vm_and_the_value() {
	local size

	for size in much 1X 1.5 1GB 99999999999G 9223372036854775808; do
		ctl 2 set web-1 "$size"
		said "web-1:"
		said "'$size'"
		ctl 2 set web-1 --balloon="$size"
		said "'$size'"
		eq "$(cat "$WORK/calls")" '' "what was asked for $size"
	done
	ctl 2 set web-1 99999999999G
	said "limit 9223372036854775807 bytes"
}

test_no_manager_exits_with_5_and_names_the_path() {
	ctl 5 --control="$WORK/nobody" list
	said "$WORK/nobody: No such file"
}

test_too_long_a_path_names_the_limit() {
	ctl 2 --control="$WORK/$(printf '%0120d' 0)" list
	said "limit 107"
}

test_list_shows_a_line_for_each_vm() {
	answers "$(vm running $G $((G / 4)) $((G / 8)) |
		jq -c '{parameters: {vms: [.parameters.vm,
			(.parameters.vm | .name = "db" | .state = "waiting" |
			.pressure = "short" | .memory = 0 | .target = 0 | .actual = 0)]}}')"
	ctl 0 list
	eq "$(wc -l <"$WORK/out")" 3 "lines"
	shown '^web-1 +running +1 GiB +768 MiB +896 MiB +128 MiB +896 MiB +- -$'
	shown '^db +waiting +- +- +- +0 B +- +- short$'
	ctl 0 --json list
	eq "$(jq -r '.[1].name' "$WORK/out")" db "second name"
}

test_status_shows_sizes_in_both_ways() {
	answers "$(vm refused $G $((G / 4)) 0 'device passthrough')"
	ctl 0 status web-1
	shown '^state +refused$'
	shown '^reason +device passthrough$'
	shown "^target +768 MiB +$((G / 4 * 3))$"
	shown "^balloon target +256 MiB +$((G / 4))$"
	shown '^features +stats ranges$'
	ctl 0 --json status web-1
	eq "$(jq .target "$WORK/out")" $((G / 4)) "target"
	eq "$(jq -r .parameters.vm "$WORK/calls")" web-1 "the VM asked for"
}

test_set_takes_what_the_guest_shall_not_keep() {
	answers "$(vm running $G 0 0)"
	ctl 0 set web-1 256M
	eq "$(jq -r 'select(.method == "io.ballonet.SetBalloon").parameters.bytes' \
		"$WORK/calls")" $((G / 4 * 3)) "the balloon asked for"
	shown '^web-1: guest keeps 1 GiB of 1 GiB .* balloon 0 B '
}

test_set_never_leaves_the_guest_less_than_asked() {
	answers "$(vm running $G 0 0)"
	ctl 0 set web-1 $((G - 4097))
	eq "$(jq -r 'select(.method == "io.ballonet.SetBalloon").parameters.bytes' \
		"$WORK/calls")" 4096 "the balloon asked for"
}

test_set_more_than_the_guest_has_names_vm_value_and_limit() {
	answers "$(vm running $G 0 0)"
	ctl 2 set web-1 5G
	said "web-1: cannot keep 5 GiB ($((5 * G)) bytes), the guest has 1 GiB ($G bytes)"
}

test_set_before_memory_is_known_asks_for_a_balloon() {
	answers "$(vm waiting 0 0 0)"
	ctl 6 set web-1 1G
	said "--balloon"
	ctl 0 set web-1 --balloon=1G
}

test_out_of_range_names_vm_value_and_limits() {
	answers "$(error io.ballonet.OutOfRange '{"vm": "web-1",
		"field": "bytes", "value": 8192, "minimum": 0,
		"maximum": 4096}')"
	ctl 2 set web-1 --balloon=8192
	said "web-1: bytes 8192 is out of range: 0 to 4096"
}

test_errors_have_their_exit_codes() {
	answers "$(error io.ballonet.UnknownVm '{"vm": "web-1"}')"
	ctl 4 status web-1
	said "web-1: no such VM"
	answers "$(error io.ballonet.NotReady '{"vm": "web-1",
		"reason": "no VMM is connected"}')"
	ctl 6 stats web-1
	said "web-1: no VMM is connected"
	answers "$(error org.varlink.service.PermissionDenied '{}')"
	ctl 7 set web-1 --balloon=0
	answers "$(error io.ballonet.Manager.VmExists '{"vm": "web-1"}')"
	ctl 1 add web-1
	said "web-1: there is such a VM already"
	answers "$(error org.varlink.service.MethodNotFound '{"method": "x"}')"
	ctl 1 reload
	answers "$(error org.example.Surprise '{}')"
	ctl 1 list
	said "org.example.Surprise"
}

test_wait_ends_when_the_target_is_reached() {
	answers "$(vm running $G $((G / 2)) 0)" \
		"$(vm running $G $((G / 2)) 0)" \
		"$(vm running $G $((G / 2)) $((G / 4)))" \
		"$(vm running $G $((G / 2)) $((G / 4)))" \
		"$(vm running $G $((G / 2)) $((G / 2)))"
	ctl 0 set web-1 --balloon=512M --wait
	eq "$(wc -l <"$WORK/err")" 3 "lines of progress"
	said "web-1: balloon 256 MiB of 512 MiB"
	shown 'balloon 512 MiB'
}

test_wait_is_over_in_time_with_3() {
	answers "$(vm running $G $((G / 2)) 4096)"
	ctl 3 set web-1 --balloon=512M --wait=0.3
	said "web-1: balloon not at $((G / 2)) bytes after 0.3 s"
	shown 'balloon 4 KiB \(target 512 MiB\)'
}

test_wait_ends_when_the_vm_is_refused() {
	answers "$(vm refused $G $((G / 2)) 0 'locked memory')"
	ctl 1 set web-1 --balloon=512M --wait=20
	said "web-1: refused: locked memory"
}

test_wait_ends_when_somebody_else_sets_the_balloon() {
	answers "$(vm running $G $((G / 2)) 0)" "$(vm running $G 4096 4096)"
	ctl 3 set web-1 --balloon=512M --wait=20
	said "web-1: somebody else set the balloon to 4 KiB"
}

test_wait_outlives_the_restart_of_a_back_end() {
	answers "$(vm running $G 4096 0)" \
		"$(error io.ballonet.NotReady '{"vm": "web-1", "reason": "x"}')" \
		"$(vm running $G 4096 4096)"
	ctl 0 set web-1 --balloon=4096 --wait
}

test_stats_and_counters_are_names_and_numbers() {
	answers '{"parameters": {"age_ms": 7, "stats": {"free": 4096}}}'
	ctl 0 stats web-1
	shown '^free +4096$'
	shown '^age_ms +7$'
	ctl 0 --json stats web-1
	eq "$(jq .stats.free "$WORK/out")" 4096 "free"
	answers '{"parameters": {"counters": {"kicks": 4}}}'
	ctl 0 counters web-1
	shown '^kicks +4$'
	ctl 0 --json counters web-1
	eq "$(jq .kicks "$WORK/out")" 4 "kicks"
}

# news CONTINUES LOST EVENT... - an answer of Monitor; an event is VM TYPE VALUE
news() {
	local continues=$1 lost=$2
	shift 2
	jq -nc --argjson c "$continues" --argjson l "$lost" '{parameters: {
		events: [$ARGS.positional | range(0; length; 3) as $i |
			{vm: .[$i], type: .[$i + 1],
			value: (.[$i + 2] | tonumber), seq: 0,
			time_us: 1795305600123456}],
		lost: $l}} + if $c then {continues: true} else {} end' \
		--args "$@"
}

test_events_are_a_line_each() {
	answers "$(news false 0 web-1 short 1048576 db later 1 db wish 4096)"
	TZ=UTC ctl 0 events
	shown '^2026-11-22 00:00:00\.123 web-1 +short +1 MiB 1048576$'
	shown '^2026-11-22 00:00:00\.123 db +wish +4 KiB 4096$'
	eq "$(wc -l <"$WORK/out")" 2 "lines"
	eq "$(jq -c '[.more, .parameters]' "$WORK/calls")" '[true,{}]' "call"
	ctl 0 --json events web-1
	eq "$(jq -r .type "$WORK/out" | paste -sd' ')" "short later wish" types
	eq "$(jq -r .parameters.vm "$WORK/calls")" web-1 "the VM asked for"
	ctl 0 events --last
	eq "$(jq .more "$WORK/calls")" null "more"
}

test_events_that_were_lost_are_told() {
	answers "$(news false 7)"
	ctl 0 events
	said "7 events were lost"
}

test_events_end_with_5_when_the_manager_does() {
	answers "last $(news true 0 web-1 floor 4096)"
	ctl 5 events
	shown 'web-1 +floor'
	said "no answer: Connection reset by peer"
}

test_what_is_no_answer_exits_with_5() {
	local answer

	for answer in '{' '[]' '{"error": 1}' close; do
		answers "$answer"
		ctl 5 list
		said "no answer"
	done
}

test_an_answer_without_vm_is_a_failure() {
	answers '{"parameters": {"vm": {"name": "web-1"}}}'
	ctl 1 status web-1
	said "the answer is no VM"
}

test_a_silent_manager_is_given_up() {
	answers silence
	ctl 5 list
	said "timed out"
}

test_a_full_disk_is_a_failure() {
	answers "$(vm running $G 0 0)"
	"$CTL" --control="$SOCK" status web-1 >/dev/full
	eq $? 1 "exit code"
}

run_tests
