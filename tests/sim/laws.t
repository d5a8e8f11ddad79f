#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The planner against the laws of others, on generated traces: a short version
# of tests/sim/report. Everything but the times is the same on every machine.

. "$(dirname "$0")/../lib/test.sh"

SIM=${BALLONET_SIM:-$TOP/build/tests/sim}
RIVALS='squeezed|qmemman|MOM|Proxmox'

# Two drivers at once: there are two processors.
"$SIM" -s 4 -d plain >"$WORK/plain" &
"$SIM" -s 4 -d ballonet >"$WORK/ballonet"
wait $! || exit
# As QEMU's own device is asked, at most once a second.
"$SIM" -s 4 -d oom -i 1 -l ballonet >"$WORK/oom"
# A host of another size, for minutes.
"$SIM" -n 1000 -s 1 -t 800 mix flood broken >"$WORK/large" || exit

cat "$WORK"/{plain,ballonet,oom,large} | sed 's/^/# /'

# ours CONDITION FILE... - lines of our law for which a condition of awk holds;
# fields by their names
ours() {
	fields "\$5 == \"ballonet\" && ($1)" "${@:2}"
}

# fields CONDITION FILE...
fields() {
	awk -F'\t' '
		FNR == 1 { next }
		{
			scenario = $1; fits = $2 == "fits"; law = $5
			kills = $6 + $7; stall = $8; reversals = $10
			unasked = $11; below = $12; steps = $16
		}
		'"$1"' { print FILENAME ": " $0 }' "${@:2}"
}

# beaten COLUMN FACTOR SLACK OURS RIVALS - scenarios in which our number is
# more than the factor times the best rival's, and the slack
beaten() {
	awk -F'\t' -v column="$1" -v factor="$2" -v slack="$3" \
		-v rivals="^($RIVALS)\$" '
		FNR == 1 { file++; next }
		{ value = column == "kills" ? $6 + $7 : $8 }
		file == 1 && $5 == "ballonet" { ours[$1] = value }
		file == 2 && $5 ~ rivals && (!($1 in best) || value < best[$1]) {
			best[$1] = value; who[$1] = $5
		}
		END {
			for (s in ours)
				if (ours[s] > factor * best[s] + slack)
					print s ": " column " " ours[s] ", " \
						who[s] " " best[s]
		}' "$4" "$5"
}

none() {
	local found

	found=$("$@")
	[ -z "$found" ] || fail "$found"
}

test_every_law_ran_on_every_scenario() {
	eq "$(sed 1d "$WORK/plain" | wc -l)" 84 'lines with a plain driver'
	eq "$(sed 1d "$WORK/ballonet" | wc -l)" 84 'lines with our driver'
	eq "$(sed 1d "$WORK/large" | wc -l)" 21 'lines of a large host'
}

test_nothing_is_killed_where_demand_fits() {
	none ours 'fits && kills > 0' "$WORK"/{ballonet,oom,plain,large}
}

test_elsewhere_a_tenth_of_what_the_best_rival_kills() {
	none beaten kills 0.1 0 "$WORK/plain" "$WORK/plain"
	none beaten kills 0.1 0 "$WORK/ballonet" "$WORK/plain"
	none beaten kills 1 0 "$WORK/ballonet" "$WORK/ballonet"
}

# A tenth of a second in an hour is not worth an argument.
test_guests_wait_least_of_all() {
	none beaten stall 1 0.1 "$WORK/ballonet" "$WORK/ballonet"
	none beaten stall 1 0.1 "$WORK/ballonet" "$WORK/plain"
	none beaten stall 1 0.1 "$WORK/large" "$WORK/large"
}

test_guests_with_the_kernels_own_driver_fare_no_worse_than_with_rivals() {
	none beaten kills 1 0.5 "$WORK/plain" "$WORK/plain"
	none beaten stall 1 0.5 "$WORK/plain" "$WORK/plain"
}

test_targets_do_not_go_back_and_forth_unasked() {
	none ours 'unasked > 6' "$WORK"/{ballonet,large}
}

test_the_host_keeps_its_floor_where_demand_fits() {
	none ours 'fits && below > 5' "$WORK"/{ballonet,large}
}

test_a_plan_takes_a_bounded_number_of_looks_at_each_guest() {
	none ours 'steps > 80' "$WORK"/{ballonet,plain,large}
}

run_tests
