#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ballonetd and the libvirt of a whole host, which is a guest here: QEMU is not
# root's, and has a cgroup. Its domain is that of ballonetd(8); it is not run.

. "$(dirname "$0")/../lib/test.sh"
. "$TOP/tests/host/manager.sh"
. "$TOP/tests/lib/libvirt.sh"

GUEST_MIB=128	# of the guest's guest
is_up=		# the domain is there

host() {
	guest host "export PATH=/bin:/usr/bin:/usr/sbin; $*"
}

status() {
	host "ballonetctl --json status web-1" | jq -r ".$1"
}

is_status() {
	[ "$(status "$1")" = "$2" ]
}

# host_is_set_up - cgroup v2 as systemd would have it; the manager runs
host_is_set_up() {
	# A cgroup with controllers has no processes of its own.
	host 'mount -t cgroup2 none /sys/fs/cgroup && cd /sys/fs/cgroup &&
		mkdir init && echo 1 >init/cgroup.procs &&
		for p in $(cat cgroup.procs); do
			echo $p >init/cgroup.procs
		done 2>/dev/null
		echo "+memory +cpu" >cgroup.subtree_control' &&
	host "printf '%s\n' '[manager]' 'vm_group = libvirt-qemu' \
		'[host]' 'manage = off' '[vm web-1]' \
		'qmp = /run/ballonet/qmp/web-1' 'qmp_period = 0.5' \
		>/run/d.conf &&
		ballonetd --config=/run/d.conf >/run/log 2>&1 &" &&
	within 30 host test -d /run/ballonet/qmp
}

test_the_libvirt_of_a_host_starts_a_domain_with_our_monitor() {
	libvirt_is_there || return
	"$TOP/tests/guest/mklibvirt" || fail "no host" || return
	guest_start host 6.12 mem=1G \
		"args=-initrd $TOP/build/guest/libvirt.cpio" || return
	check host_is_set_up || return
	check host 'ip link set lo up; libvirtd --daemon' || return
	within 60 host 'virsh version' || return
	domain_shown -qmp | sed -e "s|type='kvm'|type='qemu'|" \
		-e "s|<memory .*|<memory unit='MiB'>$GUEST_MIB</memory>|" \
		>"$WORK/web-1.xml"
	check host "cat >/run/web-1.xml <<'END'
$(<"$WORK/web-1.xml")
END
		virsh define /run/web-1.xml" || return
	check host 'virsh start web-1 --paused' || return
	is_up=yes
}

# needs_domain - a test that goes on where the first one ended
needs_domain() {
	libvirt_is_there || return
	[ -n "$is_up" ] || fail "the domain has not come up"
}

test_QEMU_that_is_not_root_is_managed() {
	needs_domain || return
	# shellcheck disable=SC2016 # expanded there
	check host 'grep "^Uid:.64055" /proc/$(cat /run/libvirt/qemu/web-1.pid)/status'
	within 60 is_status state connected || { host cat /run/log; return; }
	within 30 is_status reason 'it is paused'
	is_status memory $((GUEST_MIB << 20)) || fail "its memory"
}

test_its_cgroup_is_found() {
	needs_domain || return
	# shellcheck disable=SC2016 # expanded there
	within 30 host 'ls -l /proc/$(pidof ballonetd)/fd |
		grep "/sys/fs/cgroup/machine/qemu-1-web-1.libvirt-qemu$"'
}

test_the_monitor_of_that_libvirt_is_refused() {
	local path

	needs_domain || return
	path=$(host 'find /var/lib/libvirt -name monitor.sock')
	check host "test -S '$path'"
	host "ballonetctl add x --qmp='$path'" >"$WORK/add" 2>&1
	cat "$WORK/add"
	check grep -q "libvirt's" "$WORK/add"
	check host 'virsh destroy web-1'
	within 30 is_status state waiting
	guest_stop host
}

run_tests
