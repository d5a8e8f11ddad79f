# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# How soon a host that has become short is above its floor again. All memory of
# one VM is made at once, as when one starts that has it allocated before; three
# others have memory that they do not need: as caches, or free, but in pieces too
# small to be reported to the host, so that only a balloon gets them. Source it
# after farm.sh.

RECOVER_TRIES=${RECOVER_TRIES:-15}
RECOVER_FLOOR=72	# MiB; a twentieth of the host
RECOVER_HOG=hog.fixed
RECOVER_GIVERS='cache.1 cache.2 cache.3'

# recover_start - a farm without loads
recover_start() {
	local name

	# shellcheck disable=SC2086 # a list of words
	farm_boot_all off ballonet $RECOVER_HOG $RECOVER_GIVERS || return
	for name in $RECOVER_GIVERS; do
		farm_prepare "$name" || return
		# Closed by its last user, a disk loses what is cached of it.
		guest "$name" 'sleep 100000 </dev/zram1 >/dev/null 2>&1 &'
	done
}

# in_givers CMD... - at the same time, and wait for the end
in_givers() {
	local name rc=0

	for name in $RECOVER_GIVERS; do
		guest_ask "$name" "$*"
	done
	for name in $RECOVER_GIVERS; do
		guest_answer "$name" 60 >/dev/null || rc=1
	done
	return $rc
}

# balloon_of_all auto|--balloon=BYTES
balloon_of_all() {
	local name

	for name in "${FARM_NAMES[@]}"; do
		ctl set "$name" "$1" >/dev/null || return
	done
}

# actual_is BYTES [NAME] - of all, or of that one
actual_is() {
	ctl --json list | jq -e "all(select(.name | startswith(\"${2:-}\")) |
		.actual == $1)" >/dev/null
}

# occupied - MiB, by all guests
occupied() {
	local name sum=0

	for name in "${FARM_NAMES[@]}"; do
		sum=$((sum + $(guest_mem_blocks "$name")))
	done
	echo $((sum / MIB))
}

# is_above_floor - now
is_above_floor() {
	[ $((FARM_HOST - $(occupied))) -ge "$FARM_FLOOR" ]
}

# is_not_short - the host
is_not_short() {
	ctl --json host | jq -e '.level == "green" or .level == "yellow"' >/dev/null
}

# recover_rest - nobody has a balloon, nor much in memory
recover_rest() {
	local most=$(((FARM_GUEST - 192) * MIB))

	farm_manage off || return
	in_givers 'memload drop >/dev/null 2>&1
		echo 3 >/proc/sys/vm/drop_caches' || return
	ctl set $RECOVER_HOG --balloon=$most >/dev/null &&
		within 20 actual_is $most $RECOVER_HOG &&
		balloon_of_all --balloon=0 && within 20 actual_is 0 &&
		balloon_of_all auto
}

# recover_fill free|cache - the givers have used their memory
recover_fill() {
	case $1 in
	cache)	in_givers 'dd if=/dev/zram1 of=/dev/null bs=1M count=300 \
			2>/dev/null' ;;
	free)	in_givers 'memload holes 340' ;;
	esac
}

# recover_manage - on a host that will have nothing left when the hog has all
recover_manage() {
	local hog

	hog=$(guest_mem_blocks $RECOVER_HOG) || return
	FARM_HOST=$(($(occupied) + FARM_GUEST - hog / MIB))
	farm_manage on && within 10 is_not_short
}

# hog_fill - all of its memory, which is the end of the file
hog_fill() {
	local file size

	file=$(guest_mem_file $RECOVER_HOG) || return
	size=$(stat -L -c %s "$file")
	fallocate -o $((size - FARM_GUEST * MIB)) -l "${FARM_GUEST}M" "$file"
}

# recover_try free|cache - how long it was, from when the host was short to when
# it was so no more, is added to $WORK/recover.KIND
recover_try() {
	local kind=$1

	recover_rest && recover_fill "$kind" || return
	# What can be reported is.
	sleep 3
	recover_manage || return
	# At any moment between two looks of the manager.
	sleep "$((3 + RANDOM % 2)).$((RANDOM % 10))"
	farm_watch
	hog_fill || return
	sleep 1
	within 30 is_above_floor || return
	sleep 1
	farm_watched
	# A host that took it in time was never short.
	awk '$1 == "short" { if (!n++) from = $2; to = $2 + $3
			if ($4 > most) most = $4 }
		END { if (n) print to - from, most }' "$WORK/spells" \
		>>"$WORK/recover.$kind"
}

# recover_rows - of a table, one for each kind
recover_rows() {
	local kind

	for kind in free cache; do
		sort -n "$WORK/recover.$kind" >"$WORK/ms"
		echo "| $kind | $(wc -l <"$WORK/ms") of $RECOVER_TRIES |" \
			"$(percentile 50 <"$WORK/ms") |" \
			"$(percentile 95 <"$WORK/ms") |" \
			"$(percentile 100 <"$WORK/ms") |"
	done
}

# recover - the table
recover() {
	local FARM_HOST=$((8 * FARM_GUEST)) FARM_FLOOR=$RECOVER_FLOOR i

	recover_start || return
	for ((i = 0; i < RECOVER_TRIES; i++)); do
		recover_try free && recover_try cache || return
	done
	echo '| guests have | was short | ms until above the floor, p50 | p95 | most |'
	echo '|---|---:|---:|---:|---:|'
	recover_rows
}
