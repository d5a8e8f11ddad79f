# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# How soon a host that has become short is above its floor again. One guest
# grows beyond what there is; three have nothing but memory that they do not
# need, either free or as caches. Source it after farm.sh.

# MiB that are missing to the floor in the end
declare -A RECOVER_DEPTH=([cache]=96 [free]=192)
RECOVER_GIVES=300	# MiB that each giver does not need
RECOVER_FLOOR=48	# MiB; less than a host keeps, so that nothing is taken before
RECOVER_HOST=1536	# MiB
RECOVER_TRIES=${RECOVER_TRIES:-15}
RECOVER_GIVERS='cache.1 cache.2 cache.3'

# recover_start - a farm without loads
recover_start() {
	local name

	# shellcheck disable=SC2086 # a list of words
	farm_boot_all on ballonet ramp $RECOVER_GIVERS || return
	for name in "${FARM_NAMES[@]}"; do
		farm_prepare "$name" || return
	done
	# Closed by its last user, a disk loses what is cached of it.
	for name in $RECOVER_GIVERS; do
		guest "$name" 'sleep 100000 </dev/zram1 >/dev/null 2>&1 &'
	done
	farm_watch
	farm_follow
}

# all_have_all - nobody has a balloon
all_have_all() {
	ctl --json list | jq -e 'all(.actual == 0)' >/dev/null
}

# is_above_floor - and has been so since hostwatch last said otherwise
is_above_floor() {
	[ $((FARM_HOST - $(occupied))) -ge "$FARM_FLOOR" ]
}

# occupied - MiB, by all guests
occupied() {
	ctl --json list | jq '[.[].resident] | add / 1048576 | floor'
}

# in_givers CMD... - ask all of them
in_givers() {
	local name

	for name in $RECOVER_GIVERS; do
		guest_ask "$name" "$*"
	done
}

# givers_end - what they were asked is done
givers_end() {
	local name

	for name in $RECOVER_GIVERS; do
		guest_answer "$name" 60 >/dev/null || return
	done
}

# all_set auto|--balloon=BYTES - of all guests
all_set() {
	local name

	for name in "${FARM_NAMES[@]}"; do
		ctl set "$name" "$1" >/dev/null || return
	done
}

# recover_give free|cache - the givers have used their memory, or do so now: what
# is free in a guest is soon the host's in any case
recover_give() {
	case $1 in
	cache)	in_givers "dd if=/dev/zram1 of=/dev/null bs=1M \
			count=$RECOVER_GIVES 2>/dev/null"
		givers_end && all_set auto ;;
	free)	all_set auto && in_givers "memload touch $RECOVER_GIVES" ;;
	esac
}

# recover_try free|cache - the longest of what hostwatch saw of it is added to
# $WORK/short.KIND
recover_try() {
	local kind=$1 fill seen

	guest ramp 'memload drop' >/dev/null 2>&1
	in_givers 'echo 3 >/proc/sys/vm/drop_caches'
	givers_end && all_set --balloon=0 || return
	within 20 all_have_all || return
	sleep 3
	fill=$((FARM_HOST - $(occupied) - 3 * RECOVER_GIVES - FARM_FLOOR +
		${RECOVER_DEPTH[$kind]}))
	seen=$(wc -l <"$WORK/spells")
	recover_give "$kind" && guest ramp "memload fill $fill" || return
	[ "$kind" = cache ] || givers_end || return
	sleep 1
	within 30 is_above_floor || return
	sleep 1
	farm_decided
	# A host that took it in time was never short.
	tail -n "+$((seen + 1))" "$WORK/spells" | awk '$1 == "short"' |
		sort -k 3n | tail -n 1 >>"$WORK/short.$kind"
}

# recover_rows - of a table, one for each kind
recover_rows() {
	local kind

	for kind in free cache; do
		awk '{ print $3 }' "$WORK/short.$kind" | sort -n >"$WORK/ms"
		echo "| $kind | $(wc -l <"$WORK/ms") of $RECOVER_TRIES |" \
			"$(percentile 50 <"$WORK/ms") |" \
			"$(percentile 95 <"$WORK/ms") |" \
			"$(percentile 100 <"$WORK/ms") |"
	done
}

# recover - the table
recover() {
	local FARM_HOST=$RECOVER_HOST FARM_FLOOR=$RECOVER_FLOOR i

	recover_start || return
	for ((i = 0; i < RECOVER_TRIES; i++)); do
		recover_try free && recover_try cache || return
	done
	farm_watched
	echo '| guests have | was short | ms until above the floor, p50 | p95 | most |'
	echo '|---|---:|---:|---:|---:|'
	recover_rows
}
