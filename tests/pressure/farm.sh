# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Guests under one manager on a host with too little memory for all of them.
# Source it after tests/lib/test.sh. The host's memory is a budget: of what
# guests occupy, hostwatch knows when it is exceeded. See loads for what they do.

. "$TOP/tests/lib/balloon.sh"
. "$TOP/tests/host/manager.sh"

# MiB that all guests may occupy: what their loads use at most, and the floor
FARM_HOST=${FARM_HOST:-1536}
FARM_GUEST=${FARM_GUEST:-512}		# MiB of each of them
FARM_MIN=${FARM_MIN:-128}		# MiB that none has less than
FARM_KINDS=${FARM_KINDS:-compile cache sort ramp hoard idle}
FARM_SWAP=${FARM_SWAP:-compile sort hoard}	# those with swap space
FARM_SEED=${FARM_SEED:-1}
# MiB to keep free; by default the planner's min_free of a host below 16 GiB
FARM_FLOOR=${FARM_FLOOR:-$((FARM_HOST / 16))}

declare -A farm_driver
FARM_NAMES=()

# farm_kind NAME - of its load: what the name begins with
farm_kind() {
	echo "${1%%.*}"
}

# farm_conf on|off - the manager's configuration; whoever is called *.fixed keeps
# all of its memory
farm_conf() {
	local name

	echo '[host]'
	echo "manage = $1"
	echo "budget = ${FARM_HOST}M"
	echo "reserve = ${FARM_FLOOR}M"
	for name in "${FARM_NAMES[@]}"; do
		echo "[vm $name]"
		case $name in
		*.fixed) echo 'shares = 0' ;;
		*)	echo "min = ${FARM_MIN}M" ;;
		esac
	done
}

# farm_manager on|off - start ballonetd for guests of these names
farm_manager() {
	farm_conf "$1" >"$CONF"
	manager_start
}

# farm_manage on|off - from now on, on the host as it is now
farm_manage() {
	farm_conf "$1" >"$CONF"
	ctl reload
}

# farm_prepare NAME - what its load needs
farm_prepare() {
	local name=$1 kind

	kind=$(farm_kind "$name")
	# Linux's driver brings nothing of the kind.
	[ "${farm_driver[$name]}" != ballonet ] ||
		guest "$name" ballonet-psi || return
	guest "$name" "modprobe zram num_devices=2 &&
		echo 256M >/sys/block/zram0/disksize &&
		mkswap /dev/zram0 >/dev/null" || return
	case " $FARM_SWAP " in
	*" $kind "*) guest "$name" swapon /dev/zram0 || return ;;
	esac
	if [ "$kind" = cache ]; then
		guest "$name" 'echo 512M >/sys/block/zram1/disksize &&
			mixload disk /dev/zram1 512' || return
	fi
}

# farm_load NAME - its load, from its beginning
farm_load() {
	local name=$1 kind

	kind=$(farm_kind "$name")
	farm_prepare "$name" || return
	guest "$name" "loads $kind $((FARM_SEED + $(cksum <<<"$kind" |
		cut -d' ' -f1) % 1000)) >/run/loads.log 2>&1 &"
}

# farm_boot NAME ballonet|virtio_balloon - a guest with that driver
farm_boot() {
	local name=$1

	farm_driver[$name]=$2
	guest_start "$name" uml "mem=${FARM_GUEST}M" \
		"socket=$RUN/vm/$name.sock" \
		"cmdline=initrd=$TOP/build/guest/pressure.cpio" || return
	driver_load "$name" "$2" || return
	ln -sfn "$(guest_mem_file "$name")" "$WORK/watch/$name"
}

# farm_boot_all on|off DRIVER NAME... - manager and guests, ready for their loads
farm_boot_all() {
	local manage=$1 driver=$2 name
	shift 2

	FARM_NAMES=("$@")
	mkdir -p "$WORK/watch"
	farm_manager "$manage" || return
	for name; do
		farm_boot "$name" "$driver" || return
	done
}

# farm_start on|off DRIVER NAME... - and their loads
farm_start() {
	local name

	farm_boot_all "$@" || return
	for name in "${FARM_NAMES[@]}"; do
		farm_load "$name" || fail "no load in $name" || return
	done
}

# farm_watch [kill] - from now on, until farm_watched
farm_watch() {
	"$TOP/build/tests/hostwatch" "$WORK/watch" $((FARM_HOST * MIB)) \
		$((FARM_FLOOR * MIB)) "$WORK/held" "$@" >"$WORK/spells" &
	watch_pid=$!
	background $watch_pid
}

farm_watched() {
	kill "$watch_pid"
	wait "$watch_pid"
}

# spells KIND COLUMN - sorted, what hostwatch measured
spells() {
	awk -v kind="$1" -v n="$2" '$1 == kind { print $n }' "$WORK/spells" |
		sort -n
}

# percentile P - of the sorted numbers of the input; - if there are none
percentile() {
	awk -v p="$1" '{ all[NR] = $1 }
		END { i = int((NR * p + 99) / 100); print NR ? all[i] : "-" }'
}

# stall NAME - ms that some of its tasks have waited for memory
stall() {
	echo $(($(guest "$1" \
		"sed -n 's/^some.*total=//p' /proc/pressure/memory") / 1000))
}

# units NAME - what its load has noted
units() {
	guest "$1" 'cat /run/units 2>/dev/null'
}

# lost - units of all guests that found bytes other than they had been
lost() {
	grep -h LOST "$WORK"/*.units
}

# farm_follow - note what guests tell, from now on
farm_follow() {
	"$BIN/ballonetctl" "--control=$CONTROL" --json events >"$WORK/events" &
	background $!
	disown
}

# farm_decided - note what was decided lately: to be called every half minute
farm_decided() {
	local name

	for name in "${FARM_NAMES[@]}"; do
		ctl --json why "$name" | jq -r --arg vm "$name" '.decisions[] |
			"\($vm) \(.since_us) \(.time_us) \(.from) \(.to)" +
			" \(.reason) \(.level) \(.free / 1048576 | floor)"'
	done >>"$WORK/decisions"
}

# relief_ms - sorted, from what a guest told, "short", as the host got it, to a
# larger target for it, within two seconds; with the reason, the host's level and
# MiB that were free on it. Often there is none: it has all, or may not have more.
# What it told again, or was being acted upon, is not counted.
relief_ms() {
	sort -u "$WORK/decisions" | awk -v most=2000000 '
		NR == FNR {
			if ($5 > $4) {
				n[$1]++
				since[$1, n[$1]] = $2
				until[$1, n[$1]] = $3
				how[$1, n[$1]] = $6 " " $7 " " $8
			}
			next
		}
		{
			again = $2 - told[$1] < most
			told[$1] = $2
			best = most
			for (i = 1; i <= n[$1]; i++) {
				if (since[$1, i] < $2 &&
				    until[$1, i] > $2 - most)
					again = 1
				if (since[$1, i] >= $2 &&
				    since[$1, i] - $2 < best) {
					best = since[$1, i] - $2
					by = how[$1, i]
				}
			}
			if (!again && best < most)
				printf "%d %s\n", best / 1000, by
		}' - <(jq -r 'select(.type == "short") |
			"\(.vm) \(.time_us)"' "$WORK/events" |
			sort -u -k1,1 -k2,2n) | sort -n
}
