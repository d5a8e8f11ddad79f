# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What being managed costs where the host has room: two guests do the same piece
# of work at the same time, one managed, one whose memory is fixed, without any
# balloon driver; then they change roles. What differs between the two guests, or
# between one moment and the next, does so in both roles. What is compared is the
# processor time of all processes of the guest and of its back-end, which other
# load on the machine changes much less than how long it takes. Source it after
# farm.sh.

# piece KIND ROUNDS - of work, of about a second each; prints how much it was
piece() {
	case $1 in
	compile) echo "cd /cc && for i in \$(seq $2); do
			./cc1 -quiet -fpreprocessed -O2 conf.i -o /dev/null || exit
			./cc1 -quiet -fpreprocessed -O2 qmp.i -o /dev/null || exit
		done; echo $((1000 * $2))" ;;
	cache)	echo "mixload cache /dev/zram1 512 128 $2" ;;
	esac
}

# role_take NAME managed|fixed - with a driver, or without
role_take() {
	local loaded="grep -q '^ballonet ' /proc/modules"

	if [ "$2" = fixed ]; then
		guest "$1" "! $loaded || rmmod ballonet"
	else
		guest "$1" "$loaded || { insmod /lib/ballonet.ko &&
			ballonet-psi; }" && within 20 is_state "$1" running
	fi
}

# both KIND ROUNDS - do it at the same time; how much it was is in $units
both() {
	local name

	for name in "$1".{1,2}; do
		guest_ask "$name" "$(piece "$1" "$2")"
	done
	for name in "$1".{1,2}; do
		units[$name]=$(guest_answer "$name" 60) || return
	done
}

# half KIND MANAGED FIXED - processor time for a million units, of both, is added
# to $costs
half() {
	local kind=$1 name after
	local -A before units
	shift

	role_take "$1" managed && role_take "$2" fixed || return
	# As if it had been so for long.
	both "$kind" 1 || return
	for name; do
		before[$name]=$(cpu_ms "$name" "$(describe "$name" pid)")
	done
	both "$kind" 4 || return
	for name; do
		after=$(cpu_ms "$name" "$(describe "$name" pid)")
		costs+=($(((after - before[$name]) * 1000000 / units[$name])))
	done
}

# pair KIND - processor time when fixed and when managed, and the ratio: the mean
# of both roles
pair() {
	local kind=$1 costs=()

	half "$kind" "$kind.1" "$kind.2" && half "$kind" "$kind.2" "$kind.1" ||
		return
	echo "$kind ${costs[*]}" | awk '{ print $1, sqrt($3 * $5), sqrt($2 * $4),
		sqrt($2 / $3 * $4 / $5) }'
}

# column KIND N - of what pairs have found, sorted
column() {
	awk -v kind="$1" -v n="$2" '$1 == kind { print $n }' "$WORK/room.pairs" |
		sort -g
}

# room_row KIND - of the table
room_row() {
	local p quartile=()

	for p in 25 50 75; do
		quartile+=("$(column "$1" 4 | percentile $p |
			awk '{ printf "%+.1f %%", ($1 - 1) * 100 }')")
	done
	echo "| $1 | $(column "$1" 4 | wc -l) |" \
		"$(column "$1" 2 | percentile 50 |
			awk '{ printf "%d", $1 / 1000 }') |" \
		"$(column "$1" 3 | percentile 50 |
			awk '{ printf "%d", $1 / 1000 }') |" \
		"${quartile[1]} | ${quartile[0]} to ${quartile[2]} |"
}

# room MINUTES - the table
room() {
	local minutes=$1 end name
	# shellcheck disable=SC2034 # room for all, in farm.sh
	local FARM_HOST=$((8 * FARM_GUEST))

	farm_boot_all on ballonet compile.1 compile.2 cache.1 cache.2 || return
	for name in "${FARM_NAMES[@]}"; do
		farm_prepare "$name" || return
	done
	end=$((SECONDS + minutes * 60))
	while [ $SECONDS -lt $end ]; do
		pair compile && pair cache || return
	done >"$WORK/room.pairs"
	echo '| work | pairs | ms of CPU for 1000 units, fixed | managed | median of the ratios | half of them |'
	echo '|---|---:|---:|---:|---:|---:|'
	room_row compile
	room_row cache
}
