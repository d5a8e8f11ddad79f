# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What is compared: who gives memory, to whom, and what that memory is made of.
# Sourced by run.
#
# A subject's "way" says how the host asks for memory and knows that it has it:
#	qmp	QEMU's own balloon device
#	vhost	vhost-user-balloon
#	take	likewise, but what is on standby
#	idle	likewise, by itself: reports, and the host takes standby eagerly
#	report	nobody asks: free page reporting alone, to QEMU's own device; by
#		User-Mode Linux, to vhost-user-balloon
#	managed	as idle, and ballonetd manages it, on a host that is short
#	mem	virtio-mem
#	raw	nobody's memory: one process that frees its own (raw.c)
#	alone	vhost-user-balloon and the fake VMM of tests/host/vmm

# name			kernel	driver		way	ram
SUBJECT_TABLE='
intree-qemu-anon	6.12	virtio_balloon	qmp	private
intree-qemu-memfd	6.12	virtio_balloon	qmp	memfd
intree-qemu-thp		6.12	virtio_balloon	qmp	thp
intree-qemu-hugetlb	6.12	virtio_balloon	qmp	hugetlb
intree-ours-memfd	6.12	virtio_balloon	vhost	memfd
intree-ours-thp		6.12	virtio_balloon	vhost	thp
mem-memfd		6.12	virtio_mem	mem	memfd
mem-thp			6.12	virtio_mem	mem	thp
report-memfd		6.12	virtio_balloon	report	memfd
ballonet-memfd		6.12	ballonet	vhost	memfd
ballonet-thp		6.12	ballonet	vhost	thp
ballonet-hugetlb	6.12	ballonet	vhost	hugetlb
standby-memfd		6.12	ballonet	take	memfd
standby-thp		6.12	ballonet	take	thp
idle-memfd		6.12	ballonet	idle	memfd
uml-intree-memfd	uml	virtio_balloon	vhost	memfd
uml-intree-thp		uml	virtio_balloon	vhost	thp
uml-ballonet-memfd	uml	ballonet	vhost	memfd
uml-ballonet-thp	uml	ballonet	vhost	thp
uml-standby-memfd	uml	ballonet	take	memfd
uml-standby-thp		uml	ballonet	take	thp
uml-idle-memfd		uml	ballonet	idle	memfd
uml-idle-thp		uml	ballonet	idle	thp
uml-report-memfd	uml	virtio_balloon	report	memfd
uml-report-thp		uml	virtio_balloon	report	thp
uml-managed-memfd	uml	ballonet	managed	memfd
uml-managed-thp		uml	ballonet	managed	thp
alone-memfd		-	-		alone	memfd
alone-thp		-	-		alone	thp
alone-hugetlb		-	-		alone	hugetlb
raw-memfd		-	-		raw	memfd
raw-thp			-	-		raw	thp
raw-hugetlb		-	-		raw	hugetlb
'

subject_names() {
	awk 'NF { print $1 }' <<<"$SUBJECT_TABLE"
}

# subject_is NAME - the one that the functions below are about
subject_is() {
	subject=$1
	read -r kernel driver way ram < <(awk -v name="$1" '
		$1 == name { print $2, $3, $4, $5 }' <<<"$SUBJECT_TABLE")
	[ -n "${ram:-}" ] || fail "no such subject: $1"
}

# virtio-mem's guest has a quarter of its memory as usual, the rest plugged.
MEM_BASE=$((RAM_MIB / 4))
MEM_PLUG=$((RAM_MIB - MEM_BASE))
MEM_PATH=/machine/peripheral/mem

mem_args() {
	local object="memory-backend-memfd,id=plug,size=${MEM_PLUG}M,share=on"

	[ "$ram" != thp ] ||
		object="memory-backend-file,id=plug,size=${MEM_PLUG}M,share=on,align=2M,mem-path=$WORK/$1.huge/plug"
	echo "-m slots=2,maxmem=$((2 * RAM_MIB))M -object $object -device" \
		"virtio-mem-pci,id=mem,memdev=plug,requested-size=${MEM_PLUG}M"
}

# backend_of NAME - for the ways that have one
backend_of() {
	case $way in
	vhost)	backend_start "$1" ;;
	take)	backend_start "$1" --standby=on-demand ;;
	idle)	backend_start "$1" --standby=eager ;;
	report)	[[ $kernel != uml* ]] || backend_start "$1" ;;
	managed) managed "$1" ;;
	esac
}

# What a host has for a guest of twice as much, if not told otherwise.
MANAGED_MIB=${MANAGED_MIB:-448}

# managed NAME - ballonetd, and as the socket of the guest the one it made
managed() {
	local run=$WORK/run

	printf '%s\n' '[host]' 'manage = on' "budget = ${MANAGED_MIB}M" \
		"[vm $1]" "min = $((MANAGED_MIB / 4))M" \
		'standby = eager' >"$WORK/d.conf"
	"$BIN/ballonetd" "--config=$WORK/d.conf" "--runtime-dir=$run" \
		"--backend=$BIN/vhost-user-balloon" \
		>"$WORK/$1.backend.log" 2>&1 </dev/null &
	backend_pids[$1]=$!
	within 5 test -S "$run/vm/$1.sock" &&
		ln -sf "$run/vm/$1.sock" "$WORK/$1.sock"
}

# subject_boot NAME MIB CMDLINE - a guest with its driver
subject_boot() {
	local name=$1 mem=$2M device=vhost args='' cmdline="nokaslr $3"

	case $way in
	qmp)	device=qemu ;;
	mem)	device=none mem=${MEM_BASE}M args=$(mem_args "$name")
		cmdline+=' memhp_default_state=online_movable' ;;
	report)	[[ $kernel = uml* ]] || device=none
		args='-device virtio-balloon-pci,id=balloon,free-page-reporting=on' ;;
	esac
	# Reports are of 2 MiB, as on x86; left alone, it has 4 MiB.
	[[ $kernel != uml* ]] ||
		cmdline+=' page_reporting.page_reporting_order=9'
	backend_of "$name" &&
		guest_start "$name" "$kernel" "ram=$ram" "mem=$mem" \
			"device=$device" "socket=$WORK/$name.sock" \
			"args=$args" "cmdline=$cmdline" || return
	[[ $kernel = uml* ]] || guest_qmp "$name" query-status >/dev/null
	# As udev does where it is not told otherwise.
	driver_load "$name" "$driver" || return
	[ "$way" != managed ] || guest "$name" ballonet-psi || return
	[ "$way" != mem ] || within 60 mem_is_plugged "$name"
}

# A block counts when it is online, too: that is done at once.
mem_is_plugged() {
	[ "$(guest_qmp "$1" "$(qmp qom-get \
		"{\"path\":\"$MEM_PATH\",\"property\":\"size\"}")")" = \
		$((MEM_PLUG * MIB)) ]
}

subject_end() {
	guest_stop "$1"
	[ -z "${backend_pids[$1]:-}" ] || backend_stop "$1"
	rm -f "$WORK/$1".{sock,ctl}
}

# varlink METHOD PARAMETERS - a call of the back-end's
varlink() {
	jq -nc --arg m "io.ballonet.$1" --argjson p "$2" \
		'{ method: $m, parameters: $p }'
}

# qmp NAME ARGUMENTS
qmp() {
	printf '{"execute":"%s","arguments":%s}' "$1" "$2"
}

# command NAME BYTES - how this subject gives so much, into the list $command:
# arguments of the stopwatch
command() {
	local name=$1 bytes=$2 plug
	local set="{\"vm\":\"$name\",\"bytes\":$2}"

	command=(-i "${guest_qmp_in[$name]:-0}" -o "${guest_qmp_out[$name]:-0}")
	case $way in
	qmp)	bytes=$((guest_mib * MIB - bytes))
		command+=("$(qmp balloon "{\"value\":$bytes}")"
			"$(qmp query-balloon '{}')" "\"actual\": $bytes}") ;;
	mem)	bytes=$((MEM_PLUG * MIB - bytes))
		plug="\"path\":\"$MEM_PATH\",\"property\""
		command+=("$(qmp qom-set \
				"{$plug:\"requested-size\",\"value\":$bytes}")"
			"$(qmp qom-get "{$plug:\"size\"}")"
			"\"return\": $bytes") ;;
	vhost)	command=(-s "$WORK/$name.ctl" "$(varlink SetBalloon "$set")"
			"$(varlink Status "{\"vm\":\"$name\"}")"
			"\"actual\":$bytes,") ;;
	take)	command=(-s "$WORK/$name.ctl" "$(varlink Take "$set")") ;;
	esac
}

# Between two looks whether a guest has given what it should.
look_us=500

# give BYTES NAME... - have the guests give so much each, all at once; how long
# until the last one has, in microseconds, into $us
give() {
	local bytes=$1 name pids=() at=0
	shift

	[ $# -eq 1 ] || at=$((${EPOCHREALTIME/.} + 500000))
	for name; do
		command "$name" "$bytes"
		"$STOPWATCH" -e $look_us -a $at "${command[@]}" >"$WORK/$name.us" &
		pids+=($!)
	done
	wait_all "${pids[@]}" || fail "$subject: no $bytes bytes" || return
	us=$(for name; do cat "$WORK/$name.us"; done | awk '
		NR == 1 || $1 < first { first = $1 }
		$2 > last { last = $2 }
		END { print last - first }')
}

wait_all() {
	local pid bad=0

	for pid; do
		wait "$pid" || bad=1
	done
	return $bad
}

# occupied NAME - bytes that the guest's memory occupies on the host
occupied() {
	local pid=${guest_pids[$1]} fd sum=0

	if [ "$ram" = private ]; then
		awk '{ print ($2 - $3) * 4096 }' "/proc/$pid/statm"
		return
	fi
	for fd in /proc/"$pid"/fd/*; do
		case $(readlink "$fd") in
		*memory-backend-memfd* | "${guest_tmp[$1]}/"*)
			sum=$((sum + $(stat -L -c %b "$fd") * 512)) ;;
		esac
	done
	echo $sum
}

# huge_mappings NAME - KiB of its memory that are mapped by huge pages
huge_mappings() {
	awk '/^ShmemPmdMapped:/ { print $2 }' \
		"/proc/${guest_pids[$1]}/smaps_rollup"
}
