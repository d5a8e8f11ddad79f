# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Test guests: start, command, measure, stop. Sourced by test.sh.
#
# A guest's command channel and, with QEMU, its monitor are pairs of fifos that
# this shell holds open; one command at a time. See tests/guest/agent.c.

# Seconds; with TCG on a busy machine.
GUEST_BOOT_LIMIT=${GUEST_BOOT_LIMIT:-240}
GUEST_COMMAND_LIMIT=180

declare -A guest_pids guest_in guest_out guest_qmp_in guest_qmp_out
declare -A guest_insns_in guest_insns_out
declare -A guest_ram guest_tmp guest_kernel guest_asked backend_pids

# Found in a kernel's log, any of these is a failure.
GUEST_LOG_BAD='WARNING:|BUG:|BUG |Oops|Call Trace|Kernel panic|KASAN|UBSAN'
GUEST_LOG_BAD+='|KFENCE|general protection|deadlock detected|lock state'
GUEST_LOG_BAD+='|invalid context|suspicious RCU|blocked for more than'
GUEST_LOG_BAD+='|oom-kill|Out of memory|soft lockup|rcu.*stall|Bad page'

# make_pipe NAME.PART - fifos for QEMU's chardev "pipe", held open so that none
# is ever at its end; the descriptors are in $pipe_in and $pipe_out
make_pipe() {
	rm -f "$WORK/$1.in" "$WORK/$1.out"
	mkfifo "$WORK/$1.in" "$WORK/$1.out"
	exec {pipe_in}<>"$WORK/$1.in" {pipe_out}<>"$WORK/$1.out"
}

# read_line FD PID SECONDS - a line into $REPLY; fails if PID dies or time is up
read_line() {
	local fd=$1 pid=$2 end=$((SECONDS + $3)) part status alive

	REPLY=
	while :; do
		alive=yes
		kill -0 "$pid" 2>/dev/null || alive=
		IFS= read -r -t 1 -u "$fd" part
		status=$?
		REPLY+=$part
		[ $status -ne 0 ] || return 0
		[ -n "$alive" ] || return 1
		[ $SECONDS -lt $end ] || return 1
	done
}

# guest_prepare KERNEL - what tests/run has done already for all of them
guest_prepare() {
	[ -z "${BALLONET_PREPARED:-}" ] || return 0
	case $1 in
	uml*)	;;
	*)	"$TOP/tests/tools/qemu" >/dev/null ;;
	esac &&
		"$TOP/tests/tools/build-module" "$1" &&
		"$TOP/tests/guest/mkinitrd" "$1"
}

# ram_object RAM MEM NAME - QEMU's memory backend for the contract's word
ram_object() {
	local ram=$1 mem=$2 name=$3

	case $ram in
	memfd)	echo "memory-backend-memfd,id=ram,size=$mem,share=on" ;;
	shm)	echo "memory-backend-shm,id=ram,size=$mem,share=on" ;;
	file)	echo "memory-backend-file,id=ram,size=$mem,share=on,mem-path=$WORK/$name.ram" ;;
	thp)	echo "memory-backend-file,id=ram,size=$mem,share=on,align=2M,mem-path=${guest_tmp[$name]}/ram" ;;
	hugetlb) echo "memory-backend-memfd,id=ram,size=$mem,share=on,hugetlb=on,hugetlbsize=2M" ;;
	private) echo "memory-backend-ram,id=ram,size=$mem" ;;
	*)	return 1 ;;
	esac
}

# nodes_args NODES MIB - QEMU's arguments for RAM on several nodes, as much on
# each; processors are of the first
nodes_args() {
	local i

	for ((i = 0; i < $1; i++)); do
		echo "-object memory-backend-memfd,id=ram$i,share=on,size=$((
			$2 / $1))M -numa node,nodeid=$i,memdev=ram$i"
	done
}

# hugetlb_pool PAGES - so many more in the machine's pool of 2 MiB pages, or less;
# another script may do the same now. Fails if this machine has them not to give
hugetlb_pool() {
	local pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages want

	(
		flock 9
		want=$(($(<$pool) + $1))
		echo $want >$pool
		[ "$(<$pool)" -ge $want ]
	) 9>"$TOP/build/hugetlb.lock" 2>/dev/null
}

# hugetlb_reserve MIB - that much more in the pool, given back at the end of the
# script
hugetlb_reserve() {
	if ! hugetlb_pool $(($1 / 2)); then
		hugetlb_pool -$(($1 / 2))
		return 1
	fi
	at_exit+=("hugetlb_pool -$(($1 / 2))")
}

# device_args DEVICE SOCKET
device_args() {
	case $1 in
	vhost)	echo -chardev "socket,id=balloon-socket,path=$2" \
			-device "vhost-user-test-device-pci,id=balloon,chardev=balloon-socket,virtio-id=5,num_vqs=5,vq_size=128,config_size=32" ;;
	qemu)	echo -device virtio-balloon-pci,id=balloon,deflate-on-oom=on ;;
	none)	;;
	*)	return 1 ;;
	esac
}

# spawn NAME CMD... - in a process group of its own, output to NAME.log; for
# transparent huge pages below a private tmpfs that makes them
spawn() {
	local name=$1 huge=()
	shift
	if [ "${guest_ram[$name]}" = thp ]; then
		mkdir -p "${guest_tmp[$name]}"
		# shellcheck disable=SC2016 # expanded by the inner shell
		huge=(unshare --mount sh -c
			'mount -t tmpfs -o huge=always none "$0" && exec "$@"'
			"${guest_tmp[$name]}")
	fi
	setsid "${huge[@]}" "$@" >>"$WORK/$name.log" 2>&1 </dev/null &
	guest_pids[$name]=$!
}

start_qemu() {
	local name=$1 kernel=$2
	local -n o=$3
	local qemu=$CACHE/qemu/qemu-system-x86_64 object ram device accel insns=

	[ "${o[qemu]}" != debian ] || qemu="qemu-system-x86_64"
	if [ "${o[insns]}" = on ]; then
		accel=tcg
		make_pipe "$name.insns"
		guest_insns_in[$name]=$pipe_in
		guest_insns_out[$name]=$pipe_out
		insns="-plugin $TOP/build/tests/insns.so,path=$WORK/$name.insns"
	else
		accel=$("$TOP/tests/tools/accel" "$kernel") ||
			fail "no accelerator for QEMU" || return
	fi
	object=$(ram_object "${o[ram]}" "${o[mem]}" "$name") ||
		fail "no such ram: ${o[ram]}" || return
	ram="-machine memory-backend=ram -object $object,prealloc=${o[prealloc]}"
	[ "${o[nodes]}" -eq 1 ] || ram=$(nodes_args "${o[nodes]}" "${o[mem]%M}")
	device=$(device_args "${o[device]}" "${o[socket]}") ||
		fail "no such device: ${o[device]}" || return
	make_pipe "$name.qmp"
	guest_qmp_in[$name]=$pipe_in
	guest_qmp_out[$name]=$pipe_out
	# shellcheck disable=SC2086 # lists of words without blanks
	spawn "$name" "$qemu" -nodefaults -no-user-config -display none \
		-no-reboot -accel "$accel" -machine q35 $ram -m "${o[mem]}" \
		-smp "${o[smp]}" \
		-kernel "$CACHE/kernels/$kernel/vmlinuz" \
		-initrd "$TOP/build/guest/$kernel.cpio" \
		-append "console=ttyS0 loglevel=5 panic=-1 mitigations=off agent=ttyS1 ${o[cmdline]}" \
		-chardev "file,id=console,path=$WORK/$name.log,append=on" \
		-serial chardev:console \
		-chardev "pipe,id=agent,path=$WORK/$name.agent" \
		-serial chardev:agent \
		-qmp "pipe:$WORK/$name.qmp" $device $insns ${o[args]} \
		${o[incoming]:+-incoming "unix:${o[incoming]}"}
}

start_uml() {
	local name=$1 kernel=$2
	local -n o=$3
	local device=() in=${guest_in[$name]} out=${guest_out[$name]}

	[ "${o[device]}" != vhost ] ||
		device=("virtio_uml.device=${o[socket]}:5")
	# Its memory is a file in TMPDIR.
	if [ "${o[ram]}" != thp ]; then
		guest_tmp[$name]=$(mktemp -d /dev/shm/bn.XXXXXX)
		at_exit+=("rm -rf ${guest_tmp[$name]}")
	fi
	# shellcheck disable=SC2086 # a list of words without blanks
	spawn "$name" env "TMPDIR=${guest_tmp[$name]}" "$TOP/build/$kernel/linux" \
		"mem=${o[mem]}" "initrd=$TOP/build/guest/$kernel.cpio" \
		"uml_dir=$WORK/" "umid=$name.uml" con=null con0=null,fd:1 \
		ssl=null "ssl0=fd:$in,fd:$out" loglevel=5 agent=ttyS0 \
		"${device[@]}" ${o[cmdline]}
}

# guest_start NAME KERNEL [OPTION=VALUE...] - boot, return when it answers
#
# KERNEL is uml, uml-debug (User-Mode Linux), or 6.1, 6.12, 7.3 (QEMU). Options:
#	mem=512M	size of RAM
#	socket=PATH	of a vhost-user balloon
#	device=WORD	vhost (default if there is a socket), qemu (QEMU's own
#			virtio-balloon-pci, id "balloon"), none
#	qemu=11|debian	which QEMU: 11 or newer, or the machine's own
#	ram=WORD	memfd, shm, file, hugetlb, private, thp
#	prealloc=on	all of its memory is allocated at the start (QEMU)
#	nodes=1		NUMA nodes that RAM is spread over (QEMU, memfd)
#	smp=1		processors
#	cmdline=TEXT	more of the kernel's command line
#	args=TEXT	more of QEMU's
#	insns=on	count its instructions, for guest_insns; emulated (QEMU)
#	incoming=PATH	do not boot: wait at this socket for a guest that is
#			migrated here. It answers when it has arrived (QEMU)
guest_start() {
	local name=$1 kernel=$2 option
	local -A options=([mem]=512M [socket]= [device]= [qemu]=11 [ram]=memfd
		[prealloc]=off [nodes]=1 [smp]=1 [cmdline]= [args]=
		[insns]=off [incoming]=)
	shift 2
	for option; do
		[ -v "options[${option%%=*}]" ] ||
			fail "no such option: $option" || return
		options[${option%%=*}]=${option#*=}
	done
	if [ -z "${options[device]}" ]; then
		options[device]=${options[socket]:+vhost}
		options[device]=${options[device]:-none}
	fi
	# Left by a test that ended early.
	[ -z "${guest_pids[$name]:-}" ] || guest_kill "$name"
	guest_prepare "$kernel" || fail "no guest for $kernel" || return
	guest_ram[$name]=${options[ram]}
	guest_kernel[$name]=$kernel
	guest_tmp[$name]=$WORK/$name.huge
	: >"$WORK/$name.log"
	make_pipe "$name.agent"
	guest_in[$name]=$pipe_in
	guest_out[$name]=$pipe_out
	case $kernel in
	uml*)	start_uml "$name" "$kernel" options ;;
	*)	start_qemu "$name" "$kernel" options ;;
	esac || return
	if [ -n "${options[incoming]}" ]; then
		within 30 test -S "${options[incoming]}"
		return
	fi
	if ! read_line "${guest_out[$name]}" "${guest_pids[$name]}" \
		"$GUEST_BOOT_LIMIT" || [ "$REPLY" != "=0" ]; then
		tail -n 30 "$WORK/$name.log"
		fail "guest $name ($kernel) does not boot"
		return
	fi
}

# guest NAME CMD... - run a shell command in the guest, with its output and status
guest() {
	guest_ask "$@"
	guest_answer "$1" $((GUEST_COMMAND_LIMIT + 30))
}

# guest_ask NAME CMD... - have it run, and do not wait for its end
guest_ask() {
	local name=$1 cmd
	shift
	cmd=$*
	guest_asked[$name]=$cmd
	printf '%d %d\n%s' "$GUEST_COMMAND_LIMIT" "${#cmd}" "$cmd" \
		>&"${guest_in[$name]}"
}

# guest_answer NAME SECONDS - output and status of what it was asked
guest_answer() {
	local name=$1

	while read_line "${guest_out[$name]}" "${guest_pids[$name]}" "$2"; do
		case $REPLY in
		'|'*)	printf '%s\n' "${REPLY#?}" ;;
		+*)	printf '%s' "${REPLY#?}" ;;
		=*)	return "${REPLY#?}" ;;
		esac
	done
	fail "guest $name does not answer: ${guest_asked[$name]}"
	return 125
}

# guest_pid NAME
guest_pid() {
	echo "${guest_pids[$1]}"
}

# cpu_ms NAME [PID] - of the processor, by all processes that are this guest,
# those that have ended, and that one
cpu_ms() {
	# Some end meanwhile.
	{ cat /proc/[0-9]*/stat 2>/dev/null || :; } |
		sed 's/^\([0-9]*\) .*) /\1 /' |
		awk -v session="$(guest_pid "$1")" -v pid="${2:-}" '
			$5 == session || $1 == pid {
				ticks += $13 + $14 + $15 + $16 }
			END { print ticks * 10 }'
}

# guest_qmp NAME JSON|COMMAND - what QEMU answers, as one line of JSON; its
# error is a failure. The first call of a guest negotiates.
guest_qmp() {
	local name=$1 request=$2 pid=${guest_pids[$1]}
	local in=${guest_qmp_in[$1]} out=${guest_qmp_out[$1]}

	[ "${request:0:1}" = "{" ] || request="{\"execute\": \"$request\"}"
	if ! [ -e "$WORK/$name.qmp.ready" ]; then
		: >"$WORK/$name.qmp.ready"
		guest_qmp "$name" qmp_capabilities >/dev/null || return
	fi
	printf '%s\n' "$request" >&"$in"
	while read_line "$out" "$pid" 120; do
		case $REPLY in
		'{"return":'*)	jq -c .return <<<"$REPLY"; return ;;
		'{"error":'*)	jq -c .error <<<"$REPLY"; return 1 ;;
		esac
	done
	fail "QEMU of $name does not answer: $request"
	return 125
}

# guest_insns NAME - how many instructions its processors have run
guest_insns() {
	printf . >&"${guest_insns_in[$1]}"
	read_line "${guest_insns_out[$1]}" "${guest_pids[$1]}" 60 ||
		fail "the instructions of guest $1 cannot be counted" || return
	echo "$REPLY"
}

# guest_mem_file NAME - a path to the file that is the guest's memory
guest_mem_file() {
	local pid=${guest_pids[$1]} fd

	for fd in /proc/"$pid"/fd/*; do
		case $(readlink "$fd") in
		*memory-backend-memfd* | */dev/shm/qemu* | \
			"$WORK/$1.ram"* | "${guest_tmp[$1]}/"*)
			echo "$fd"
			return ;;
		esac
	done
	fail "guest $1 has no memory file"
}

# guest_mem_blocks NAME - bytes allocated in the guest's memory file
guest_mem_blocks() {
	local file

	file=$(guest_mem_file "$1") || return
	echo $(($(stat -L -c %b "$file") * 512))
}

# guest_log_clean NAME [ALLOWED-REGEX] - nothing in the log but what is allowed
guest_log_clean() {
	local name=$1 allowed=${2:-^$}

	! grep -aE "$GUEST_LOG_BAD" "$WORK/$name.log" | grep -avE "$allowed" ||
		fail "the log of guest $name is not clean"
}

# guest_coverage NAME - which lines of the driver ran: see tests/tools/coverage;
# of other kernels than the debug kernel there is nothing, and it is no failure
guest_coverage() {
	local name=$1

	[ "${guest_kernel[$name]}" = uml-debug ] || return 0
	GUEST_COMMAND_LIMIT=60 guest "$name" 'cd /sys/kernel/debug/gcov &&
		mkdir /tmp/gcov && for file in $(find . -name "*.gcda"); do
			cat $file >/tmp/gcov/${file##*/}
		done && tar -cz -C /tmp/gcov . | base64; rm -rf /tmp/gcov' \
		>"$WORK/$name.gcov"
	"$TOP/tests/tools/coverage" add <"$WORK/$name.gcov" 2>/dev/null ||
		echo "# no coverage of $name"
	return 0
}

# guest_stop NAME [ALLOWED-REGEX] - power off; its log has to be clean
guest_stop() {
	local name=$1 pid=${guest_pids[$1]} cmd='poweroff -f'

	guest_coverage "$name"
	printf '5 %d\n%s' ${#cmd} "$cmd" >&"${guest_in[$name]}"
	within 30 gone "$pid" || kill -KILL -- "-$pid"
	guest_forget "$name"
	guest_log_clean "$@"
}

# guest_kill NAME - as if the power failed
guest_kill() {
	kill -KILL -- "-${guest_pids[$1]}" 2>/dev/null
	guest_forget "$1"
}

guest_forget() {
	local name=$1 fd

	wait "${guest_pids[$name]}" 2>/dev/null
	for fd in "${guest_in[$name]}" "${guest_out[$name]}" \
		"${guest_qmp_in[$name]:-}" "${guest_qmp_out[$name]:-}" \
		"${guest_insns_in[$name]:-}" "${guest_insns_out[$name]:-}"; do
		[ -z "$fd" ] || exec {fd}>&-
	done
	rm -f "$WORK/$name".{agent,qmp,insns}.{in,out} "$WORK/$name.qmp.ready"
	unset "guest_insns_in[$name]" "guest_insns_out[$name]"
	unset "guest_pids[$name]" "guest_in[$name]" "guest_out[$name]" \
		"guest_qmp_in[$name]" "guest_qmp_out[$name]"
}

# guests_cleanup - at the end of the script, whatever still runs
guests_cleanup() {
	local pid

	for pid in "${guest_pids[@]/#/-}" "${backend_pids[@]}"; do
		# -1 is everybody, 0 and nothing are who runs this.
		[ "${pid#-}" -gt 1 ] || continue
		kill -KILL -- "$pid"
		wait "${pid#-}"
	done 2>/dev/null
}

# gone PID - it has ended (a zombie has)
gone() {
	! kill -0 "$1" 2>/dev/null ||
		[ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null |
			cut -c1)" = Z ]
}

# backend_start NAME [OPTION...] - vhost-user-balloon on $WORK/NAME.sock and .ctl
backend_start() {
	local name=$1
	shift
	# Left by a test that ended early.
	[ -z "${backend_pids[$name]:-}" ] ||
		kill -KILL "${backend_pids[$name]}" 2>/dev/null
	rm -f "$WORK/$name.sock" "$WORK/$name.ctl"
	"$BIN/vhost-user-balloon" "--socket-path=$WORK/$name.sock" \
		"--control-path=$WORK/$name.ctl" "--name=$name" "$@" \
		>>"$WORK/$name.backend.log" 2>&1 </dev/null &
	backend_pids[$name]=$!
	within 5 test -S "$WORK/$name.sock"
}

# backend_stop NAME - ask it to end; fails if it does not do so cleanly
backend_stop() {
	local pid=${backend_pids[$1]} status

	kill -TERM "$pid" 2>/dev/null
	within 5 gone "$pid" || kill -KILL "$pid"
	wait "$pid"
	status=$?
	unset "backend_pids[$1]"
	eq "$status" 0 "exit status of back-end $1"
}
