// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "policy.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static void without_a_minimum_the_cap_holds_always(void **state)
{
	struct policy policy = { 0 };
	struct plan_limits limits;

	(void)state;
	policy_limits(&policy, 100 * MIB, &limits);
	assert_int_equal(limits.min, 35 * MIB);
	assert_int_equal(limits.max, 0);
	policy.given = POLICY_CAP;
	policy.cap = 40;
	policy_limits(&policy, 100 * MIB, &limits);
	assert_int_equal(limits.min, 60 * MIB);
	assert_int_equal(limits.cap, 40);
	assert_int_equal(limits.cap_swapless, 40);
}

static void a_minimum_is_taken_at_its_word(void **state)
{
	struct policy policy = { .given = POLICY_MIN, .min = 0 };
	struct plan_limits limits;

	(void)state;
	policy_limits(&policy, 100 * MIB, &limits);
	assert_int_equal(limits.min, 0);
	policy.min = 77 * MIB;
	policy_limits(&policy, 100 * MIB, &limits);
	assert_int_equal(limits.min, 77 * MIB);
}

static void only_0_shares_mean_not_managed(void **state)
{
	struct policy policy = { 0 };

	(void)state;
	assert_true(policy_is_managed(&policy));
	policy.given = POLICY_SHARES;
	assert_false(policy_is_managed(&policy));
	policy.shares = 1;
	assert_true(policy_is_managed(&policy));
}

static void a_budget_is_a_smaller_host(void **state)
{
	struct plan_host host = { .total = 64 * GIB, .available = 60 * GIB };

	(void)state;
	policy_budget(&host, 4 * GIB, GIB);
	assert_int_equal(host.total, 4 * GIB);
	assert_int_equal(host.available, 3 * GIB);
	/* More than the budget is occupied: nothing is available. */
	host = (struct plan_host){ .total = 64 * GIB, .available = 60 * GIB };
	policy_budget(&host, 4 * GIB, 5 * GIB);
	assert_int_equal(host.available, 0);
}

static void a_budget_does_not_hide_that_the_machine_is_short(void **state)
{
	struct plan_host host = { .total = 64 * GIB };

	(void)state;
	/* Exactly at twice what it should keep free: so is the small one. */
	host.available = 2 * plan_min_free(host.total);
	policy_budget(&host, 4 * GIB, 0);
	assert_in_range(host.available, 2 * plan_min_free(4 * GIB) - 1,
			2 * plan_min_free(4 * GIB));
	/* With a reserve that was set, both have the same. */
	host = (struct plan_host){ .total = 64 * GIB, .available = 300 * MIB,
				   .min_free = 200 * MIB };
	policy_budget(&host, 4 * GIB, 0);
	assert_int_equal(host.available, 300 * MIB);
}

static void no_budget_or_one_beyond_the_machine_changes_nothing(void **state)
{
	struct plan_host host = { .total = 4 * GIB, .available = GIB };

	(void)state;
	policy_budget(&host, 0, 3 * GIB);
	policy_budget(&host, 5 * GIB, 3 * GIB);
	assert_int_equal(host.total, 4 * GIB);
	assert_int_equal(host.available, GIB);
	host = (struct plan_host){ 0 };
	policy_budget(&host, UINT64_MAX, UINT64_MAX);
	assert_int_equal(host.available, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_minimum_the_cap_holds_always),
		cmocka_unit_test(a_minimum_is_taken_at_its_word),
		cmocka_unit_test(only_0_shares_mean_not_managed),
		cmocka_unit_test(a_budget_is_a_smaller_host),
		cmocka_unit_test(
			a_budget_does_not_hide_that_the_machine_is_short),
		cmocka_unit_test(
			no_budget_or_one_beyond_the_machine_changes_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
