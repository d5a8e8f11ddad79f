#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The manager's second way to a VM: by the monitor of a QEMU that has its own
# balloon, and its third, by its process alone. What says that it is QEMU is
# tests/host/monitors.c, or a script; tests/vm/manager-qmp.t has real ones.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/manager.sh"

MIB=$((1 << 20))
around=()		# a command that the manager runs in

# false_vmm COMMAND - what is at $MON/false instead of a monitor
false_vmm() {
	mkdir -p "$MON"
	rm -f "$MON/false"
	printf '#!/bin/sh\n%s\n' "$1" >"$WORK/false"
	chmod +x "$WORK/false"
	socat "UNIX-LISTEN:$MON/false,fork" "EXEC:$WORK/false" 2>/dev/null &
	false_pid=$!
	disown
	background $false_pid
	within 10 test -S "$MON/false"
}

is_status() {
	[ "$(status "$1" "$2")" = "$3" ]
}

test_a_VM_is_managed_by_its_monitor() {
	monitors_start 3
	conf '[host]' 'manage = off' '[vm a]' "qmp = $MON/1.qmp" \
		'[vm b]' "qmp = $MON/2.qmp" 'balloon = 128M' 'qmp_period = 0.2'
	manager_start
	within 30 is_state a running || return
	within 10 is_status a memory $((1024 * MIB))
	within 10 is_status a actual 0
	eq "$(status a freed)" null "what nobody measures"
	within 10 is_status a 'features | join(" ")' \
		"qmp stats deflate-on-oom"
	eq "$(describe a socket)" "$MON/1.qmp" socket
	eq "$(describe a pid)" "$monitors_pid" "process of the VMM"
}

test_its_balloon_is_set_and_waited_for() {
	local out

	check ctl set a 768M --wait=30 >/dev/null
	eq "$(status a actual)" $((256 * MIB)) balloon
	eq "$(status a operator)" $((256 * MIB)) "what the operator wants"
	# What its line in the configuration says.
	within 30 is_status b actual $((128 * MIB))
	ctl_fails 2 'out of range' set a --balloon=1G
	out=$(ctl list)
	[[ $out == *"256 MiB"* ]] || fail "not in the list: $out"
	check ctl set a --balloon=0 --wait=30 >/dev/null
}

test_its_statistics_have_the_names_and_units_of_the_others() {
	within 30 eval 'ctl --json stats a >"$WORK/stats" 2>/dev/null'
	eq "$(jq .stats.total "$WORK/stats")" $((1024 * MIB)) total
	eq "$(jq .stats.available "$WORK/stats")" $((512 * MIB)) available
	at_most "$(jq .age_ms "$WORK/stats")" 60000 age
	check ctl counters a >/dev/null
	# It has events, of which none ever comes.
	check ctl events --last a >/dev/null
}

test_what_there_is_not_is_said() {
	ctl_fails 6 'it has no back-end' restart a
}

# One VMM must not choose another's monitor.
test_a_monitor_that_is_a_link_is_refused() {
	ln -s "$MON/3.qmp" "$MON/link.qmp"
	check ctl add link "--qmp=$MON/link.qmp" >/dev/null
	within 30 grep -q 'link: .*symbolic links' "$WORK/log"
	is_state link running && fail "its monitor is another's"
	check ctl remove link
	rm "$MON/link.qmp"
}

test_a_VM_is_added_kept_over_a_restart_and_removed() {
	eq "$(ctl add c "--qmp=$MON/3.qmp")" "$MON/3.qmp" "what add prints"
	within 30 is_state c running || return
	check ctl set c --balloon=64M --wait=30 >/dev/null
	manager_end TERM
	manager_start
	within 30 is_state c running || return
	# As it was left, and that of b as well, though its line says more.
	within 10 is_status c actual $((64 * MIB))
	manager_end KILL
	manager_start
	within 30 is_state c running || return
	check ctl remove c
	ctl_fails 4 'no such VM' status c
	manager_end TERM
	manager_start
	ctl_fails 4 'no such VM' status c
	within 30 is_state a running
}

test_a_balloon_set_by_hand_outlives_the_manager() {
	within 30 is_state b running || return
	check ctl set b --balloon=32M --wait=30 >/dev/null
	manager_end TERM
	manager_start
	within 30 is_state b running || return
	# Not that of the file.
	within 10 is_status b actual $((32 * MIB))
}

test_another_VMM_gets_what_the_configuration_says() {
	monitors_end
	within 30 is_state b waiting || return
	[[ $(status b reason) == *monitor* ]] || fail "$(status b reason)"
	ctl_fails 6 'monitor' stats b
	monitors_start 3
	within 60 is_status b actual $((128 * MIB))
	within 60 is_state a running || return
	# It has no line.
	within 10 is_status a actual 0
}

test_a_reload_changes_the_way() {
	conf '[host]' 'manage = off' '[vm a]' "qmp = $MON/3.qmp" \
		'[vm b]' 'qmp_period = 0.2'
	check ctl reload
	within 30 is_state a running || return
	eq "$(describe a socket)" "$MON/3.qmp" "the other monitor"
	eq "$(status b state)" waiting "for a VMM of the first way"
	check test -S "$RUN/vm/b.sock"
}

test_a_reload_whose_new_way_is_refused_leaves_the_old_one() {
	conf '[host]' 'manage = off' '[vm b]' 'qmp_period = 0.2' '[vm a]' \
		'qmp = /var/lib/libvirt/qemu/domain-1-a/monitor.sock'
	ctl_fails 1 "libvirt's" reload
	is_state a running || fail "after a file that makes no sense"
	mkdir "$RUN/vm/a.sock"
	conf '[host]' 'manage = off' '[vm a]' '[vm b]' 'qmp_period = 0.2'
	ctl_fails 1 'cannot listen for 1 of 2 VMs' reload
	eq "$(describe a socket)" "$MON/3.qmp" "the old monitor"
	is_state a running || fail "after a socket that cannot be made"
	check logged "a: stays as it was, managed by $MON/3.qmp"
	rmdir "$RUN/vm/a.sock"
	check ctl reload
	check test -S "$RUN/vm/a.sock"
	conf '[host]' 'manage = off' '[vm a]' "qmp = $MON/3.qmp" \
		'[vm b]' 'qmp_period = 0.2'
	check ctl reload
	within 30 is_state a running
}

test_ways_that_make_no_sense_are_refused() {
	ctl_fails 1 'expected an absolute path' add x --qmp=relative
	ctl_fails 1 'expected auto, hold or borrow' add x "--qmp=$MON/1.qmp" \
		--qmp-mode=steal
	ctl_fails 1 'expected one of them' add x "--qmp=$MON/1.qmp" \
		--pidfile=/x
	ctl_fails 1 "libvirt's" add x \
		--qmp=/var/lib/libvirt/qemu/domain-1-a/monitor.sock
	ctl_fails 1 'limit 107' add x "--qmp=/$(printf '%0120d' 0)"
	ctl_fails 2 'belong to add' status a --qmp=/x
	ctl_fails 4 'no such VM' status x
	printf '[vm x]\nqmp = /a\npidfile = /b\n' >"$WORK/x.conf"
	refused "$BIN/ballonetd" --check-config --config="$WORK/x.conf" \
		2>"$WORK/err"
	check grep -q 'x.conf:3: .*either qmp or pidfile' "$WORK/err"
}

# hostile COMMAND REASON - a monitor that does this is told apart, and the
# others do not notice
hostile() {
	false_vmm "$1" || return
	check ctl add f "--qmp=$MON/false" >/dev/null
	within 60 eval '[[ $(status f reason) == *"'"$2"'"* ]]' ||
		fail "$(status f reason)"
	is_state a running || fail "another VM has suffered"
	check ctl remove f
	kill "$false_pid"
	within 10 gone "$false_pid"
}

DEEP=$(printf '[%.0s' {1..40})

test_hostile_monitors_are_given_up() {
	hostile 'echo hello; sleep 60' 'not QMP'
	hostile 'true' 'closed its monitor'
	hostile 'tr "\0" " " </dev/zero' 'longer than 1048576 bytes'
	hostile "echo '{\"QMP\": {}}'; echo '{\"return\": $DEEP'; sleep 60" \
		'nested deeper'
	hostile "echo '{\"QMP\": {}}'; yes '{\"event\": \"X\"}'" \
		'more than 100 QMP events'
	hostile 'sleep 60' 'no greeting'
	hostile "echo '{\"QMP\": {}}'; sleep 60" 'does not answer'
	at_most "$(manager_rss_mib)" 64 "resident memory of the manager"
}

manager_rss_mib() {
	awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$manager_pid/status"
}

# Numbers of a guest that cannot be, as QEMU passes them on.
test_absurd_numbers_are_not_believed() {
	cat >"$WORK/absurd" <<-'END'
	#!/bin/bash
	echo '{"QMP": {"version": {"qemu": {"major": -1e300}}}}'
	while read -r line; do
		id=$(sed -E 's/.*"id": ?"([^"]*)".*/\1/' <<<"$line")
		case $line in
		*guest-stats-polling*|*deflate*|*reporting*) v='"?"' ;;
		*guest-stats*)
			n=$((n + 1))
			v='{"last-update": '$n', "stats": {"stat-total-memory": 1e300,
				"stat-available-memory": -5,
				"stat-free-memory": 18446744073709551615,
				"stat-swap-in": "x"}}'
			v=${v//$'\n'/ } ;;
		*query-balloon*) v='{"actual": 18446744073709551615}' ;;
		*summary*) v='{"base-memory": 1073741824}' ;;
		*memory-devices*) v='[{"type": "dimm", "data": {"size": -1}}, 7]' ;;
		*qom-list*anon*) v='[{"name": "b", "type": "child<virtio-balloon-pci>"}]' ;;
		*qom-list*) v='"nothing"' ;;
		*query-status*) v='{"status": "running", "running": true}' ;;
		*) v='{}' ;;
		esac
		echo "{\"return\": $v, \"id\": \"$id\"}"
	done
	END
	chmod +x "$WORK/absurd"
	false_vmm "exec $WORK/absurd" || return
	check ctl add f "--qmp=$MON/false" >/dev/null
	within 30 eval '[ "$(ctl --json counters f 2>/dev/null |
		jq .impossible)" -gt 2 ]' || return
	# What follows was asked for later, or is not believed either.
	within 30 is_status f memory $((1024 * MIB))
	eq "$(status f actual)" 0 balloon
	eq "$(ctl --json stats f | jq -c .stats)" '{}' "statistics"
	check ctl remove f
	kill "$false_pid"
}

# QEMU would take memory from such a guest, and give nothing back.
test_a_VM_whose_memory_is_locked_is_refused() {
	local qemu

	qemu=$("$TOP/tests/tools/qemu") || return
	"$qemu" -S -nodefaults -no-user-config -display none -accel tcg \
		-machine q35 -m 128M -overcommit mem-lock=on \
		-device virtio-balloon-pci \
		-qmp "unix:$MON/locked,server=on,wait=off" >"$WORK/qemu" 2>&1 &
	vm_pid=$!
	disown
	background $vm_pid
	within 30 test -S "$MON/locked" || return
	check ctl add l "--qmp=$MON/locked" >/dev/null
	within 60 is_state l refused || return
	[[ $(status l reason) == *"locked"* ]] || fail "$(status l reason)"
	check ctl remove l
	kill $vm_pid
	within 10 gone $vm_pid
}

test_a_VM_without_a_balloon_is_seen_as_one() {
	sleep 1000 &
	vm_pid=$!
	disown
	background $vm_pid
	echo $vm_pid >"$WORK/vm.pid"
	check ctl add p "--pidfile=$WORK/vm.pid" >/dev/null
	within 30 is_state p refused || return
	eq "$(describe p pid)" "$vm_pid" process
	[[ $(status p reason) == "no balloon"* ]] || fail "$(status p reason)"
	within 10 holds 4096
	ctl_fails 6 'no balloon' set p --balloon=4K
	kill $vm_pid
	within 30 is_state p waiting
	check ctl remove p
}

test_a_process_that_only_has_the_number_of_a_VM_is_none() {
	sleep 1000 &
	vm_pid=$!
	disown
	background $vm_pid
	echo $vm_pid >"$WORK/vm.pid"
	touch -d '1 day ago' "$WORK/vm.pid"
	check ctl add p "--pidfile=$WORK/vm.pid" >/dev/null
	within 30 eval '[[ $(status p reason) == *"is another one"* ]]'
	eq "$(status p state)" waiting state
	touch "$WORK/vm.pid"
	within 30 is_state p refused
	check ctl remove p
	kill $vm_pid
}

# holds BYTES - VM p is seen to occupy no less; fell BYTES - no more
holds() {
	[ "$(status p resident)" -ge "$1" ]
}

fell() {
	[ "$(status p resident)" -le "$1" ]
}

test_a_process_that_gives_memory_back_is_no_smaller_VM() {
	mkfifo "$WORK/give"
	perl -e 'my $m = "x" x ($ARGV[1] << 20); open(F, "<", $ARGV[0]);
		undef $m; sleep 1000' "$WORK/give" 64 &
	vm_pid=$!
	disown
	background $vm_pid
	echo $vm_pid >"$WORK/vm.pid"
	check ctl add p "--pidfile=$WORK/vm.pid" >/dev/null
	within 30 is_state p refused || return
	within 30 holds $((64 * MIB)) || return
	: >"$WORK/give"
	within 30 fell $((32 * MIB)) || return
	at_least "$(status p memory)" $((64 * MIB)) "its memory"
	check ctl remove p
	kill $vm_pid
}

why() {
	ctl --json why "$1" | jq -r ".now.$2"
}

# swap_in_sight - for the manager, who plans no paging out without
swap_in_sight() {
	sed 's/^SwapFree:.*/SwapFree: 1048576 kB/' /proc/meminfo >"$WORK/meminfo"
	# shellcheck disable=SC2016 # expanded by the inner shell
	around=(unshare --mount sh -c
		'mount --bind "$0" /proc/meminfo && exec "$@"' "$WORK/meminfo")
	"${around[@]}" true 2>/dev/null ||
		{ skip "no mount namespaces"; return 1; }
}

# alone BALLOON_MIB [LINE...] - a host without memory has one VM, s, whose
# driver sends no statistics; its manager runs under $around
alone() {
	manager_end TERM
	monitors_end
	rm -rf "$RUN"
	monitors_start 1 "$1"
	conf '[host]' 'manage = dry-run' 'period = 0.25' 'reserve = 64M' \
		'budget = 16M' '[vm s]' "qmp = $MON/1.qmp" "${@:2}"
	manager_start "${around[@]}"
	within 30 eval '[ "$(why s current)" != null ]'
}

test_nothing_is_taken_from_who_was_never_heard() {
	alone 64
	within 30 eval '[ "$(why s reason)" = adopted ]'
	check grep -qE '^(red|black)$' <<<"$(ctl --json host | jq -r .level)"
	eq "$(why s to)" $(((1024 - 64) * MIB)) "what it keeps"
}

test_who_may_still_be_heard_is_not_paged_out() {
	local around since=$SECONDS

	swap_in_sight || return
	alone 0 'min = 64K'
	within 60 eval '[ "$(why s page_out)" -gt 0 ]' || return
	at_least $((SECONDS - since)) 9 "seconds before it may be paged out"
}

test_a_VM_whose_monitor_does_not_answer_keeps_its_memory() {
	local current

	alone 64
	within 30 is_state s running || return
	within 30 eval '[ "$(why s current)" = $(((1024 - 64) * MIB)) ]' ||
		return
	current=$(why s current)
	kill -STOP "$monitors_pid"
	within 60 is_state s waiting || return
	within 30 eval '[ "$(why s reason)" = frozen ]'
	eq "$(why s current)" "$current" "memory it is counted with"
	# Nor does the next manager, to whom it has never said a word.
	manager_end TERM
	manager_start
	within 60 eval '[ "$(why s reason)" = fixed ]' || return
	at_least "$(why s current)" 4096 "bytes of one never heard"
	kill -CONT "$monitors_pid"
	within 60 eval '[ "$(why s current)" = '"$current"' ]' || return
	kill -KILL "$monitors_pid"
	within 30 eval '[ "$(why s current)" = null ]'
}

test_a_VMM_that_comes_between_two_rounds_is_another_one() {
	alone 64 'qmp_period = 4' 'qmp_mode = borrow'
	within 30 is_state s running || return
	eq "$(describe s pid)" "$monitors_pid" "process of the VMM"
	monitors_end
	monitors_start 1 32
	within 60 eval '[ "$(describe s pid)" = "$monitors_pid" ]' || return
	within 60 is_status s actual $((32 * MIB))
	grep -q "\"pid\": $monitors_pid" "$RUN/vm/s.way" ||
		fail "the next manager does not know it: $(<"$RUN/vm/s.way")"
}

# interval - how often VM s's QEMU asks its guest, in seconds
interval() {
	(
		echo '{"execute": "qmp_capabilities", "id": "a"}'
		echo '{"execute": "qom-get", "arguments": {"property":' \
			'"guest-stats-polling-interval"}, "id": "b"}'
	) | socat -t 5 - "UNIX-CONNECT:$MON/1.qmp" |
		jq -r 'select(.id == "b").return'
}

test_statistics_are_recent_however_seldom_they_are_asked_for() {
	alone 64 'qmp_period = 60' 'qmp_mode = borrow'
	within 30 is_state s running || return
	eq "$(interval)" 2 "seconds between statistics"
}

run_tests
