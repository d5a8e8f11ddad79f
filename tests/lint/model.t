#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The protocol of the standby table, by a model checker, and whether that would
# find a mistake.

. "$(dirname "$0")/../lib/test.sh"

# verify [RULE] - all runs of the model, with that rule broken, into $said
verify() {
	local dir=$WORK/${1:-model}

	mkdir -p "$dir" && cd "$dir" || return
	spin ${1:+-DBROKEN_$1} -a "$TOP/tests/model/standby.pml" >spin.log &&
		gcc -w -DSAFETY -o pan pan.c &&
		./pan -m100000 >pan.log
	said=$(cat spin.log pan.log)
	echo "$said"
	cd "$TOP" && rm -rf "$dir"
}

test_the_standby_protocol_holds() {
	verify
	grep -q 'errors: 0' <<<"$said" || fail "the model checker found an error"
	refused grep -qE 'search depth too small|out of memory' <<<"$said"
	# Not by looking at nothing.
	at_least "$(sed -n 's/ states, stored.*//p' <<<"$said")" 1000 states
}

# finds RULE TEXT - without that rule, this goes wrong
finds() {
	verify "$1"
	grep -qF -- "$2" <<<"$said" || fail "without $1 nothing is found"
}

test_each_rule_is_needed() {
	finds OFFER_BEFORE_LAST_USE "assertion violated"
	finds WITHDRAW_WITHOUT_EXCHANGE "assertion violated"
	finds HAVE_BACK_TAKING "assertion violated"
	finds RESET_WITHOUT_DEVICE "assertion violated"
	finds TAKEN_BEFORE_DISCARDED "assertion violated"
	finds TAKE_WITHOUT_EXCHANGE "assertion violated"
	finds SUCCESSOR_DOES_NOT_LOOK "invalid end state"
}

run_tests
