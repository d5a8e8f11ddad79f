# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A libvirt of a test script's own, and domains as ballonetd(8) shows them. Source
# it after test.sh, manager.sh.
#
# It is the libvirt of a user's session, in namespaces: it sees no network and no
# process of this machine, changes nothing outside of $LIBVIRT_HOME, and nothing
# of it outlives the script. Its guests are emulated.

LIBVIRT_HOME=$WORK/virt
libvirt_init=		# process 1 of its namespace
declare -A guest_kernel guest_ram guest_tmp

# As an ordinary user whose home is $LIBVIRT_HOME.
session=(env -u XDG_CONFIG_HOME -u XDG_CACHE_HOME -u XDG_DATA_HOME
	"HOME=$LIBVIRT_HOME" "XDG_RUNTIME_DIR=$LIBVIRT_HOME/run"
	"PATH=$PATH:/usr/sbin"
	unshare --user --map-user=1000 --map-group=1000 --mount --net
	--pid --fork --mount-proc --kill-child)

# libvirt_is_there - or the test is skipped
libvirt_is_there() {
	local program

	for program in libvirtd virsh; do
		PATH=$PATH:/usr/sbin type -P $program >"$WORK/program" ||
			{ skip "no $program on this machine"; return 1; }
	done
}

# has_libvirt - likewise, of what one of a session needs
has_libvirt() {
	libvirt_is_there || return
	"${session[@]}" true 2>"$WORK/session" ||
		{ skip "no namespaces for libvirt: $(<"$WORK/session")"
			return 1; }
}

virsh() {
	command virsh --connect \
		"qemu+unix:///session?socket=$LIBVIRT_HOME/run/libvirt/libvirt-sock" \
		"$@"
}

libvirt_answers() {
	virsh version >"$WORK/libvirt.version" 2>/dev/null
}

# libvirt_start - one that is started again whenever it ends
libvirt_start() {
	local pid

	mkdir -p "$LIBVIRT_HOME"/{run,.config/libvirt}
	chmod 700 "$LIBVIRT_HOME/run"
	# No daemon of its own for logs.
	printf '%s\n' 'security_driver = "none"' 'stdio_handler = "file"' \
		>"$LIBVIRT_HOME/.config/libvirt/qemu.conf"
	"${session[@]}" sh -c 'while :; do libvirtd; sleep 0.1; done' \
		>>"$WORK/libvirtd.log" 2>&1 </dev/null &
	pid=$!
	disown
	at_exit+=(libvirt_keep_logs)
	background $pid
	within 30 libvirt_answers || return
	libvirt_init=$(pgrep -P $pid)
}

# Of all that it leaves, what is worth a look.
libvirt_keep_logs() {
	local log

	for log in "$LIBVIRT_HOME"/.cache/libvirt/qemu/log/*.log; do
		mv "$log" "$WORK/qemu-${log##*/}"
	done
	rm -rf "$LIBVIRT_HOME"
}

# libvirt_process PATTERN - the number of libvirtd, or of a QEMU it has started
libvirt_process() {
	pgrep -P "$libvirt_init" -f -- "$1"
}

# domain_shown PATTERN - the domain in the manual that has a line like this
domain_shown() {
	awk -v pattern="$1" '
		/^<domain/ { text = "" }
		{ text = text $0 "\n" }
		/^<\/domain>/ && text ~ pattern { printf "%s", text }' \
		"$TOP/userspace/man/ballonetd.8.scd"
}

# domain_define NAME PATTERN QEMU - such a domain, with a test guest in it
domain_define() {
	local name=$1 kernel=6.12

	[ "$(domain_shown "$2" | grep -c '^<domain')" = 1 ] ||
		fail "not one domain in the manual has $2" || return
	guest_prepare $kernel || fail "no guest for $kernel" || return
	guest_kernel[$name]=$kernel
	guest_ram[$name]=memfd
	guest_tmp[$name]=$WORK/$name.huge
	domain_shown "$2" | sed \
		-e "s|type='kvm'|type='qemu'|" \
		-e "s|web-1|$name|" \
		-e "s|/run/ballonet/|$RUN/|" \
		-e "s|<memory .*|<memory unit='MiB'>$GUEST_MIB</memory>|" \
		-e "s|<emulator>.*||" \
		-e "s|</os>|<kernel>$CACHE/kernels/$kernel/vmlinuz</kernel>\
			<initrd>$TOP/build/guest/$kernel.cpio</initrd>\
			<cmdline>console=ttyS0 loglevel=5 panic=-1\
			mitigations=off agent=ttyS1</cmdline></os>|" \
		-e "s|<devices>|<devices><emulator>$3</emulator>\
			<serial type='file'><source path='$WORK/$name.log'\
			append='on'/></serial>\
			<serial type='pipe'><source path='$WORK/$name.agent'/>\
			</serial>|" >"$WORK/$name.xml"
	: >"$WORK/$name.log"
	check virsh define --validate "$WORK/$name.xml"
}

# domain_start NAME - boot, return when its guest answers
domain_start() {
	make_pipe "$1.agent"
	guest_in[$1]=$pipe_in
	guest_out[$1]=$pipe_out
	domain_run "$1" && domain_booted "$1"
}

# domain_run NAME - have libvirt start it
domain_run() {
	check virsh start "$1" || return
	guest_pids[$1]=$(libvirt_process "guest=$1,")
	[ -n "${guest_pids[$1]}" ] || fail "domain $1 has no process"
}

# domain_booted NAME - its guest's agent says that it is there
domain_booted() {
	read_line "${guest_out[$1]}" "${guest_pids[$1]}" "$GUEST_BOOT_LIMIT" &&
		[ "$REPLY" = "=0" ] && return
	tail -n 30 "$WORK/$1.log"
	fail "domain $1 does not boot"
}

# emulator_new - a QEMU that has vhost-user-test-device-pci, for libvirt, which asks
# it for all that it knows: of the machine's modules, that are of another
# version, it must see none
emulator_new() {
	local qemu

	qemu=$("$TOP/tests/tools/qemu") || return
	if ! [ -d "$CACHE/qemu/tree" ]; then
		echo "$qemu"
		return
	fi
	cat >"$WORK/emulator" <<-END
	#!/bin/sh
	exec unshare --user --map-root-user --mount sh -c '
		mount -t tmpfs none /usr/lib/x86_64-linux-gnu/qemu 2>/dev/null
		exec "\$0" "\$@"' $qemu "\$@"
	END
	chmod +x "$WORK/emulator"
	echo "$WORK/emulator"
}
