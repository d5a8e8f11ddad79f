# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What being managed costs where the host has room: two guests do the same piece
# of work at the same time, one managed, one whose memory is fixed. What is
# compared is the processor time of all their processes, which other load on
# the machine changes much less than how long it takes. Source it after farm.sh.

# cpu_ms NAME - of the processor, by all processes that are this guest
cpu_ms() {
	cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' |
		awk -v session="$(guest_pid "$1")" '$4 == session {
			ticks += $12 + $13 + $14 + $15 } END { print ticks * 10 }'
}

# piece KIND - of work, for about three seconds; prints how much it was
piece() {
	case $1 in
	compile) echo 'cd /cc && for i in 1 2; do
			./cc1 -quiet -fpreprocessed -O2 conf.i -o /dev/null || exit
			./cc1 -quiet -fpreprocessed -O2 qmp.i -o /dev/null || exit
		done; echo 1000' ;;
	cache)	echo 'mixload cache /dev/zram1 512 128 3' ;;
	esac
}

# pair KIND - done by both: CPU time for a piece, and its ratio, in permille
pair() {
	local kind=$1 name units
	local -A before cost

	for name in fixed managed; do
		before[$name]=$(cpu_ms "$kind.$name")
	done
	for name in fixed managed; do
		guest_ask "$kind.$name" "$(piece "$kind")"
	done
	for name in fixed managed; do
		units=$(guest_answer "$kind.$name" 60) || return
		cost[$name]=$((($(cpu_ms "$kind.$name") - before[$name]) *
			1000000 / units))
	done
	echo "$kind ${cost[fixed]} ${cost[managed]}" \
		$((cost[managed] * 1000 / cost[fixed]))
}

# room_row KIND - of the table
room_row() {
	local -a column
	local n

	for n in 2 3 4; do
		column+=("$(awk -v kind="$1" -v n=$n '$1 == kind { print $n }' \
			"$WORK/pairs" | sort -n | percentile 50)")
	done
	echo "| $1 | $(grep -c "^$1 " "$WORK/pairs") | $((column[0] / 1000)) |" \
		"$((column[1] / 1000)) | $(awk -v p="${column[2]}" \
		'BEGIN { printf "%+.1f %%", (p - 1000) / 10 }') |"
}

# room MINUTES - the table
room() {
	local minutes=$1 end name
	# shellcheck disable=SC2034 # room for all, in farm.sh
	local FARM_HOST=$((8 * FARM_GUEST))

	farm_boot_all on ballonet compile.fixed compile.managed cache.managed \
		cache.fixed || return
	for name in "${FARM_NAMES[@]}"; do
		farm_prepare "$name" || return
	done
	end=$((SECONDS + minutes * 60))
	while [ $SECONDS -lt $end ]; do
		pair compile && pair cache || return
	done >"$WORK/pairs"
	echo '| work | pairs | fixed: ms of CPU, median | managed | median of the ratios |'
	echo '|---|---:|---:|---:|---:|'
	room_row compile
	room_row cache
}
