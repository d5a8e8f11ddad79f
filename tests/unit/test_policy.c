// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "policy.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static void without_a_minimum_the_cap_holds_always(void **state)
{
	struct policy policy = { 0 };
	struct plan_limits limits;

	(void)state;
	policy_limits(&policy, 100 * MIB, GIB, &limits);
	assert_int_equal(limits.min, 35 * MIB);
	assert_int_equal(limits.max, 0);
	policy.given = POLICY_CAP;
	policy.cap = 40;
	policy_limits(&policy, 100 * MIB, GIB, &limits);
	assert_int_equal(limits.min, 60 * MIB);
	assert_int_equal(limits.cap, 40);
	assert_int_equal(limits.cap_swapless, 40);
}

static void nobody_has_more_than_the_host_for_the_asking(void **state)
{
	struct policy policy = { 0 };
	struct plan_limits limits;

	(void)state;
	policy_limits(&policy, UINT64_MAX, 100 * MIB, &limits);
	assert_int_equal(limits.min, 35 * MIB);
	policy.given = POLICY_MIN;
	policy.min = 200 * MIB;
	policy_limits(&policy, GIB, 100 * MIB, &limits);
	assert_int_equal(limits.min, 200 * MIB);
}

static void a_minimum_is_taken_at_its_word(void **state)
{
	struct policy policy = { .given = POLICY_MIN, .min = 0 };
	struct plan_limits limits;

	(void)state;
	policy_limits(&policy, 100 * MIB, GIB, &limits);
	assert_int_equal(limits.min, 0);
	policy.min = 77 * MIB;
	policy_limits(&policy, 100 * MIB, GIB, &limits);
	assert_int_equal(limits.min, 77 * MIB);
}

static void only_0_shares_mean_not_managed(void **state)
{
	struct policy policy = { 0 };

	(void)state;
	assert_true(policy_is_managed(&policy, false));
	policy.given = POLICY_SHARES;
	assert_false(policy_is_managed(&policy, false));
	policy.shares = 1;
	assert_true(policy_is_managed(&policy, false));
}

static void a_rivals_balloon_is_managed_if_so_said(void **state)
{
	struct policy policy = { 0 }, class = {
		.given = POLICY_RIVALS,
		.rivals = POLICY_RIVALS_IGNORE,
	};

	(void)state;
	assert_false(policy_is_managed(&policy, true));
	policy_inherit(&policy, &class);
	assert_true(policy_is_managed(&policy, true));
	policy.given |= POLICY_SHARES;
	assert_false(policy_is_managed(&policy, true));
	policy = (struct policy){ .given = POLICY_RIVALS };
	policy_inherit(&policy, &class);
	assert_false(policy_is_managed(&policy, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_minimum_the_cap_holds_always),
		cmocka_unit_test(nobody_has_more_than_the_host_for_the_asking),
		cmocka_unit_test(a_minimum_is_taken_at_its_word),
		cmocka_unit_test(only_0_shares_mean_not_managed),
		cmocka_unit_test(a_rivals_balloon_is_managed_if_so_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
