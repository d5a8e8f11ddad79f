#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonetd: configuration, control, and who may do what. No VM is hurt here;
# the life of back-ends is in manager-life.t.

. "$(dirname "$0")/../lib/test.sh"
. "$(dirname "$0")/manager.sh"

conf '[vm web-1]' 'balloon = 64M' '[vm db]'
manager_start

test_configured_vms_are_listened_for() {
	eq "$(ctl --json list | jq -r '.[].name' | xargs)" "web-1 db" "VMs"
	check is_state web-1 waiting
	eq "$(status web-1 target)" $((64 << 20)) "target"
	eq "$(stat -c %a "$RUN/vm/web-1.sock")" 660 "mode of the socket"
	eq "$(stat -c %a "$RUN/vm")" 750 "mode of the directory"
	eq "$(stat -c %a "$RUN/qmp")" 1770 "mode of the directory for monitors"
}

test_a_balloon_is_remembered_until_there_is_a_vmm() {
	check ctl set db --balloon=8M
	eq "$(status db target)" $((8 << 20)) "target"
}

test_an_unknown_vm_is_told() {
	ctl_fails 4 "nobody: no such VM" status nobody
	ctl_fails 4 "nobody: no such VM" set nobody --balloon=4K
	ctl_fails 4 "nobody: no such VM" stats nobody
	ctl_fails 4 "nobody: no such VM" counters nobody
	ctl_fails 4 "nobody: no such VM" remove nobody
	ctl_fails 4 "nobody: no such VM" restart nobody
}

test_values_out_of_range_are_refused() {
	ctl_fails 2 "db: bytes 4097 is out of range" set db --balloon=4097
	eq "$(call io.ballonet.SetBalloon '{"vm":"db","bytes":-4096}' |
		jq -r .error)" io.ballonet.OutOfRange "answer to -4096"
	eq "$(call io.ballonet.SetBalloon '{"vm":"db","bytes":1e3}' |
		jq -r .parameters.parameter)" bytes "wrong parameter"
	eq "$(status db target)" $((8 << 20)) "target"
}

test_what_needs_a_vmm_is_not_ready_without() {
	ctl_fails 6 "db: no VMM is connected" stats db
	ctl_fails 6 "db: no VMM is connected" counters db
	ctl_fails 6 "db: no back-end is ready" restart db
}

test_vms_are_added_and_removed() {
	eq "$(ctl add new)" "$RUN/vm/new.sock" "socket"
	check test -S "$RUN/vm/new.sock"
	ctl_fails 1 "new: there is such a VM already" add new
	check ctl remove new
	refused test -e "$RUN/vm/new.sock"
	ctl_fails 4 "new: no such VM" status new
}

test_names_that_are_no_file_names_are_refused() {
	local name
	for name in '' . .. a/b ../x .x 'a b' "$(printf '%065d' 0)"; do
		ctl_fails 2 "parameter vm" add "$name"
	done
	eq "$(ctl --json list | jq length)" 2 "VMs"
}

test_a_socket_in_use_is_told_and_left_alone() {
	socat "UNIX-LISTEN:$RUN/vm/busy.sock" - </dev/null >/dev/null 2>&1 &
	background $!
	disown
	within 5 test -S "$RUN/vm/busy.sock"
	ctl_fails 1 "busy: $RUN/vm/busy.sock: in use" add busy
	check test -S "$RUN/vm/busy.sock"
	echo data >"$RUN/vm/file.sock"
	ctl_fails 1 "file: $RUN/vm/file.sock: exists and is no socket" add file
	eq "$(cat "$RUN/vm/file.sock")" data "content"
	rm -f "$RUN/vm/file.sock"
}

test_too_long_a_socket_path_names_the_limit() {
	local long
	long=$(printf '%064d' 0)
	mkdir -p "$WORK/$long"
	: >"$WORK/log2"
	"$BIN/ballonetd" --config="$CONF" --runtime-dir="$WORK/$long$long" \
		>"$WORK/log2" 2>&1
	eq $? 1 "exit code"
	check grep -q "path of .* bytes, limit" "$WORK/log2"
	"$BIN/ballonetd" --config=/dev/null --runtime-dir="$WORK/$long" \
		>"$WORK/log2" 2>&1 &
	background $!
	within 5 test -S "$WORK/$long/control"
	CONTROL=$WORK/$long/control ctl_fails 1 \
		"path is empty or too long, limit 107 bytes" add "$long"
	kill $!
	wait $!
}

test_a_second_manager_is_refused() {
	"$BIN/ballonetd" --config="$CONF" --runtime-dir="$RUN" \
		>"$WORK/log2" 2>&1
	eq $? 1 "exit code"
	check grep -q "$CONTROL: in use by another process" "$WORK/log2"
	check is_state db waiting
}

test_readers_may_look_and_not_change() {
	local as=(setpriv --reuid=65534 --regid=65534 --clear-groups)

	"${as[@]}" true 2>/dev/null || { skip "not root"; return; }
	chmod 711 "$WORK"
	"${as[@]}" "$BIN/ballonetctl" --control="$CONTROL" list
	eq $? 7 "exit code of one who may not even look"
	chgrp 65534 "$CONTROL"
	check "${as[@]}" "$BIN/ballonetctl" --control="$CONTROL" status db
	"${as[@]}" "$BIN/ballonetctl" --control="$CONTROL" set db --balloon=0
	eq $? 7 "exit code of set"
	"${as[@]}" "$BIN/ballonetctl" --control="$CONTROL" add mine
	eq $? 7 "exit code of add"
	eq "$(status db target)" $((8 << 20)) "target"
}

test_readers_cannot_lock_out_an_operator() {
	local uid sum=0 crowds=()

	setpriv --reuid=65534 --clear-groups true 2>/dev/null ||
		{ skip "not root"; return; }
	chmod 711 "$WORK"
	chmod 666 "$CONTROL"
	for uid in 65001 65002 65003 65004 65005; do
		crowd 100 setpriv --reuid=$uid --regid=$uid --clear-groups
		at_most "$crowd" 64 "clients of user $uid"
		sum=$((sum + crowd))
		crowds+=("$crowd_pid")
	done
	chmod 660 "$CONTROL"
	eq $sum 192 "clients of all"
	eq "$(grep -c 'refused a client' "$WORK/log")" 1 "complaints"
	check is_state db waiting
	kill "${crowds[@]}"
}

test_who_says_nothing_gives_way_when_places_are_short() {
	crowd 300
	eq "$crowd" 256 "clients of root"
	check kill -0 "$crowd_pid"
	within 12 is_state db waiting
	check kill -0 "$crowd_pid"
	kill "$crowd_pid"
}

test_what_is_no_varlink_ends_the_connection_and_nothing_else() {
	local text
	for text in 'GET / HTTP/1.0\r\n\r\n\0' '{\0' '\0' '[]\0' '\377\0'; do
		eq "$(printf '%b' "$text" | socat -t 5 - "UNIX-CONNECT:$CONTROL")" \
			'' "answer to $text"
	done
	head -c 2000000 /dev/zero | tr '\0' ' ' |
		socat -t 5 - "UNIX-CONNECT:$CONTROL" 2>/dev/null
	check is_state db waiting
}

test_a_client_that_reads_nothing_is_held_up() {
	local text='{"method":"io.ballonet.Status","parameters":{"vm":"db"}}'

	# 21 MB of calls: more than sockets and the manager's limits hold.
	yes "$text" | head -n 300000 | tr '\n' '\0' >"$WORK/many"
	timeout 2 socat -u "OPEN:$WORK/many" "UNIX-CONNECT:$CONTROL"
	eq $? 124 "exit code of one who could not send all of it"
	check is_state db waiting
}

test_introspection_works_with_the_real_varlinkctl() {
	local varlinkctl interface

	varlinkctl=$("$TOP/tests/host/varlinkctl") || return
	check "$varlinkctl" info "unix:$CONTROL"
	for interface in io.ballonet io.ballonet.Manager \
		io.ballonet.Governor org.varlink.service; do
		check "$varlinkctl" introspect "unix:$CONTROL" $interface
	done
	eq "$("$varlinkctl" call "unix:$CONTROL" io.ballonet.Status \
		'{"vm": "db"}' | jq -r .vm.state)" waiting "state"
	refused "$varlinkctl" call "unix:$CONTROL" io.ballonet.Status \
		'{"vm": "nobody"}'
	vmm_idle db
	check "$varlinkctl" info "unix:$RUN/vm/db.control"
	check "$varlinkctl" introspect "unix:$RUN/vm/db.control" io.ballonet
	eq "$("$varlinkctl" call "unix:$RUN/vm/db.control" io.ballonet.Status \
		'{"vm": "db"}' | jq -r .vm.state)" connected "state"
	kill $idle
	within 5 is_state db waiting
}

test_reload_changes_what_changed() {
	conf '[vm web-1]' 'balloon = 32M' '[vm db]' '[vm new]'
	check ctl reload
	eq "$(ctl --json list | jq -r '.[].name' | xargs)" "web-1 db new" "VMs"
	eq "$(status web-1 target)" $((32 << 20)) "target of web-1"
	eq "$(status db target)" $((8 << 20)) "target of db, set by hand"
	conf '[vm web-1]' '[vm db]'
	kill -HUP "$manager_pid"
	within 5 logged "reloaded: 2 VMs"
	ctl_fails 4 "new: no such VM" status new
}

test_a_bad_reload_names_the_line_and_changes_nothing() {
	local text='expected a size that is a multiple of 4 KiB'

	conf '[vm web-1]' '[vm other]' '' 'balloon = lots'
	kill -HUP "$manager_pid"
	within 5 logged "$CONF:4: balloon: 'lots': $text"
	check logged "the running configuration stays"
	ctl_fails 1 "$CONF:4: balloon: 'lots': $text" reload
	eq "$(ctl --json list | jq -r '.[].name' | xargs)" "web-1 db" "VMs"
}

test_a_drop_in_that_cannot_be_read_changes_nothing() {
	conf '[vm web-1]' '[vm db]'
	mkdir -p "$CONF.d"
	ln -s /nonexistent/file "$CONF.d/10.conf"
	ctl_fails 1 "$CONF.d/10.conf:0: cannot read: No such file" reload
	"$BIN/ballonetd" --config="$CONF" --check-config
	eq $? 1 "exit code"
	rm -r "$CONF.d"
	eq "$(ctl --json list | jq -r '.[].name' | xargs)" "web-1 db" "VMs"
}

test_a_file_that_has_gone_changes_nothing() {
	local run=$WORK/gone CONTROL=$WORK/gone/control pid etc

	# The default file, in an /etc of its own.
	unshare -m mount -t tmpfs none /etc 2>/dev/null ||
		{ skip "cannot mount"; return; }
	unshare -m sh -c 'mount -t tmpfs none /etc
		mkdir -p /etc/ballonet/ballonetd.conf.d
		echo "[vm dropped]" >/etc/ballonet/ballonetd.conf.d/1.conf
		exec "$0" --runtime-dir="$1"' "$BIN/ballonetd" "$run" \
		2>"$WORK/log2" &
	pid=$!
	background $pid
	disown
	within 5 grep -q "ready at" "$WORK/log2" || return
	etc=/proc/$pid/root/etc/ballonet
	eq "$(ctl --json list | jq -r '.[].name' | xargs)" dropped "VMs"
	echo '[vm main]' >"$etc/ballonetd.conf"
	check ctl reload
	eq "$(ctl --json list | jq -r '.[].name' | xargs)" "dropped main" "VMs"
	rm "$etc/ballonetd.conf"
	ctl_fails 1 "/etc/ballonet/ballonetd.conf:0: cannot read" reload
	eq "$(ctl --json list | jq -r '.[].name' | xargs)" "dropped main" "VMs"
	kill $pid
	within 5 gone $pid
}

test_a_reload_that_cannot_listen_fails_and_is_tried_again() {
	conf '[vm web-1]' '[vm db]' '[vm taken]'
	echo data >"$RUN/vm/taken.sock"
	ctl_fails 1 "cannot listen for 1 of 3 VMs" reload
	check logged "taken: cannot listen at $RUN/vm/taken.sock: exists"
	rm "$RUN/vm/taken.sock"
	check ctl reload
	check is_state taken waiting
	conf '[vm web-1]' '[vm db]'
	check ctl reload
}

test_a_vm_that_is_in_use_outlives_its_configuration() {
	vmm_idle db
	conf '[vm web-1]'
	check ctl reload
	check logged "db: no longer configured, but its VMM is connected"
	check is_state db connected
	ctl_fails 1 "db: its VMM is connected" remove db
	kill $idle
	within 5 logged "db: removed"
	ctl_fails 4 "db: no such VM" status db
}

test_check_config_says_file_line_and_what_was_expected() {
	conf '[vm a]' 'ballon = 1M'
	"$BIN/ballonetd" --config="$CONF" --check-config 2>"$WORK/err"
	eq $? 1 "exit code"
	check grep -qF "$CONF:2: unknown key 'ballon': expected balloon, memory, wishes" \
		"$WORK/err"
	conf '[vm a]'
	mkdir -p "$CONF.d"
	echo '[nonsense]' >"$CONF.d/10.conf"
	"$BIN/ballonetd" --config="$CONF" --check-config 2>"$WORK/err"
	eq $? 1 "exit code"
	check grep -qF "$CONF.d/10.conf:1: unknown section [nonsense]" "$WORK/err"
	rm -r "$CONF.d"
	check "$BIN/ballonetd" --config="$CONF" --check-config
	refused "$BIN/ballonetd" --config="$WORK/missing" --check-config
}

test_a_wrong_configuration_stops_the_start() {
	conf '[vm a' ''
	"$BIN/ballonetd" --config="$CONF" --runtime-dir="$WORK/other" \
		2>"$WORK/err"
	eq $? 1 "exit code"
	check grep -qF "$CONF:1: expected ']'" "$WORK/err"
	refused test -e "$WORK/other/control"
}

test_sigterm_ends_the_manager_and_removes_its_sockets() {
	manager_end TERM
	refused test -e "$CONTROL"
	refused test -e "$RUN/vm/web-1.sock"
}

test_sockets_that_a_killed_manager_left_are_replaced() {
	conf '[vm web-1]'
	manager_start
	manager_end KILL
	check test -S "$RUN/vm/web-1.sock"
	manager_start
	check is_state web-1 waiting
	manager_end TERM
}

test_want_of_descriptors_keeps_no_processor_busy() {
	local before

	manager_start prlimit --nofile=40:40
	crowd 60
	check logged "cannot accept a connection: Too many open files"
	before=$(manager_cpu_ms)
	sleep 2
	at_most $(($(manager_cpu_ms) - before)) 100 "ms of CPU in 2 s"
	kill "$crowd_pid"
	within 5 ctl list
	manager_end TERM
}

test_the_service_manager_is_told() {
	local notify=$WORK/notify

	socat -u "UNIX-RECVFROM:$notify,fork" STDOUT >"$WORK/told" &
	background $!
	disown
	within 5 test -S "$notify"
	manager_start env NOTIFY_SOCKET="$notify" WATCHDOG_USEC=200000
	within 5 grep -q READY=1 "$WORK/told"
	within 5 grep -q WATCHDOG=1 "$WORK/told"
	kill -HUP "$manager_pid"
	within 5 grep -q RELOADING=1 "$WORK/told"
	manager_end TERM
	within 5 grep -q STOPPING=1 "$WORK/told"
}

test_the_journal_gets_levels_and_nobody_else() {
	refused grep -q '^<' "$WORK/log"
	manager_start env JOURNAL_STREAM=1:2
	check grep -q '^<6>ready at' "$WORK/log"
	manager_end TERM
}

run_tests
