// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "decision.h"

#define S 1000000ULL

static struct decision step(uint64_t time_us, uint64_t from, uint64_t to,
			    enum plan_reason reason)
{
	return (struct decision){
		.time_us = time_us,
		.from = from,
		.to = to,
		.plan.reason = reason,
		.available = PLAN_UNKNOWN,
		.stats_ms = DECISION_NEVER,
		.short_ms = 7,
	};
}

static bool add(struct decision_log *log, struct decision decision)
{
	return decision_log_add(log, &decision);
}

static void steps_of_one_way_are_one_decision(void **state)
{
	struct decision_log log = { 0 };
	const struct decision *last;

	(void)state;
	assert_true(add(&log, step(1 * S, 900, 800, PLAN_TAKE_IDLE)));
	assert_false(add(&log, step(2 * S, 800, 700, PLAN_TAKE_IDLE)));
	assert_false(add(&log, step(9 * S, 700, 600, PLAN_TAKE_IDLE)));
	last = decision_log_get(&log, 0);
	assert_int_equal(last->steps, 3);
	assert_int_equal(last->from, 900);
	assert_int_equal(last->to, 600);
	assert_int_equal(last->since_us, 1 * S);
	assert_int_equal(last->time_us, 9 * S);
	assert_null(decision_log_get(&log, 1));
}

static void what_is_another_decision_is_kept_apart(void **state)
{
	struct decision_log log = { 0 };
	struct decision dry = step(15 * S, 950, 850, PLAN_TAKE_IDLE);

	(void)state;
	assert_true(add(&log, step(1 * S, 900, 800, PLAN_TAKE_IDLE)));
	/* another reason */
	assert_true(add(&log, step(2 * S, 800, 700, PLAN_TAKE_CACHE)));
	/* another direction */
	assert_true(add(&log, step(3 * S, 700, 900, PLAN_TAKE_CACHE)));
	/* somebody else was there in between */
	assert_true(add(&log, step(4 * S, 950, 960, PLAN_TAKE_CACHE)));
	/* much later */
	assert_true(add(&log, step(15 * S, 960, 970, PLAN_TAKE_CACHE)));
	dry.dry = true;
	assert_true(add(&log, dry));
	assert_int_equal(log.nr, 6);
}

static void a_dry_run_that_goes_on_is_one_decision(void **state)
{
	struct decision_log log = { 0 };
	struct decision dry = step(1 * S, 900, 890, PLAN_TAKE_IDLE);

	(void)state;
	dry.dry = true;
	assert_true(add(&log, dry));
	dry.time_us = 2 * S;
	dry.to = 880;
	assert_false(add(&log, dry));
	assert_int_equal(decision_log_get(&log, 0)->to, 880);
}

static void only_the_last_ones_are_kept(void **state)
{
	struct decision_log log = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 3 * DECISION_LOG_MAX; i++)
		add(&log, step((i + 1) * 100 * S, i, i + 1, PLAN_GROW));
	for (i = 0; i < DECISION_LOG_MAX; i++)
		assert_int_equal(decision_log_get(&log, i)->to,
				 3 * DECISION_LOG_MAX - i);
	assert_null(decision_log_get(&log, i));
	assert_null(decision_log_get(&log, SIZE_MAX));
}

static void a_decision_survives_the_wire(void **state)
{
	struct decision out = step(5 * S, 900, UINT64_MAX, PLAN_NEED), in;
	json_t *json;

	(void)state;
	out.level = PLAN_RED;
	out.plan.need = true;
	out.plan.demand = 123;
	out.steps = 1;
	json = decision_pack(&out);
	assert_int_equal(decision_unpack(json, &in), 0);
	json_decref(json);
	assert_int_equal(in.plan.reason, PLAN_NEED);
	assert_int_equal(in.level, PLAN_RED);
	assert_true(in.plan.need);
	assert_int_equal(in.plan.demand, 123);
	assert_int_equal(in.from, 900);
	assert_int_equal(in.to, INT64_MAX);
	assert_int_equal(in.available, PLAN_UNKNOWN);
	assert_int_equal(in.stats_ms, DECISION_NEVER);
	assert_int_equal(in.short_ms, 7);
}

/* What has come since is 0: a new tool and a manager not started again. */
static void what_an_older_manager_does_not_tell_is_nothing(void **state)
{
	struct decision out = step(5 * S, 900, 800, PLAN_NEED), in;
	json_t *json;

	(void)state;
	out.plan.demand = 123;
	json = decision_pack(&out);
	json_object_del(json, "take");
	json_object_del(json, "standby");
	assert_int_equal(decision_unpack(json, &in), 0);
	json_decref(json);
	assert_int_equal(in.take, 0);
	assert_int_equal(in.plan.demand, 123);
}

static void what_is_no_decision_is_refused(void **state)
{
	struct decision good = step(5 * S, 900, 800, PLAN_NEED);
	struct decision in = { .steps = 77 };
	static const char *const broken[] = {
		"{\"reason\": \"nonsense\"}", "{\"level\": 3}",
		"{\"from\": -1}", "{\"to\": \"x\"}", "{\"to\": null}",
		"{\"available\": -1}",
	};
	json_t *json, *change;
	size_t i;

	(void)state;
	assert_int_equal(decision_unpack(NULL, &in), -EBADMSG);
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		json = decision_pack(&good);
		change = json_loads(broken[i], 0, NULL);
		json_object_update(json, change);
		if (decision_unpack(json, &in) != -EBADMSG)
			fail_msg("accepted: %s", broken[i]);
		json_decref(json);
		json_decref(change);
	}
	assert_int_equal(in.steps, 77);
}

static void every_reason_has_a_meaning(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < PLAN_NR_REASONS; i++)
		assert_true(strlen(decision_meaning(i)) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_of_one_way_are_one_decision),
		cmocka_unit_test(what_is_another_decision_is_kept_apart),
		cmocka_unit_test(a_dry_run_that_goes_on_is_one_decision),
		cmocka_unit_test(only_the_last_ones_are_kept),
		cmocka_unit_test(a_decision_survives_the_wire),
		cmocka_unit_test(
			what_an_older_manager_does_not_tell_is_nothing),
		cmocka_unit_test(what_is_no_decision_is_refused),
		cmocka_unit_test(every_reason_has_a_meaning),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
