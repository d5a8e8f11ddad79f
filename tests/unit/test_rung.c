// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "rung.h"

#define MIB	(UINT64_C(1) << 20)

static void what_pays_is_used_again(void **state)
{
	struct rung rung = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		rung_did(&rung, 16 * MIB, 12 * MIB, 10000);
		rung_gave_back(&rung, 2 * MIB);
		assert_true(rung_judge(&rung, 1000 + i));
		assert_true(rung_is_ready(&rung, 1000 + i));
	}
	assert_int_equal(rung.all.calls, 100);
	assert_int_equal(rung.all.asked, 1600 * MIB);
	assert_int_equal(rung.all.freed, 1200 * MIB);
	assert_int_equal(rung.all.returned, 200 * MIB);
	assert_int_equal(rung.all.time_us, 1000000);
	assert_string_equal(rung.reason, "");
}

static void one_bad_try_is_no_judgement(void **state)
{
	struct rung rung = { 0 };

	(void)state;
	rung_did(&rung, 16 * MIB, 0, 10000);
	assert_true(rung_judge(&rung, 1000));
	rung_did(&rung, 64 * MIB, 60 * MIB, 10000);
	assert_true(rung_judge(&rung, 2000));
}

static void what_frees_nothing_is_left_alone_longer_each_time(void **state)
{
	struct rung rung = { 0 };
	uint64_t now = 1000, pause = 60000;
	unsigned int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		rung_did(&rung, 64 * MIB, 7 * MIB, 10000);
		assert_false(rung_judge(&rung, now));
		assert_string_equal(rung.reason,
				    "freed 7 MiB of 64 MiB asked for");
		assert_false(rung_is_ready(&rung, now + pause - 1));
		assert_true(rung_is_ready(&rung, now + pause));
		now += pause;
		if (pause < 960000)
			pause *= 2;
	}
	/* And trusted again once it works. */
	rung_did(&rung, 64 * MIB, 64 * MIB, 10000);
	assert_true(rung_judge(&rung, now));
	rung_did(&rung, 64 * MIB, 0, 10000);
	assert_false(rung_judge(&rung, now));
	assert_true(rung_is_ready(&rung, now + 60000));
}

static void what_comes_back_at_once_is_left_alone(void **state)
{
	struct rung rung = { 0 };

	(void)state;
	rung_did(&rung, 64 * MIB, 40 * MIB, 10000);
	rung_gave_back(&rung, 21 * MIB);
	assert_false(rung_judge(&rung, 1));
	assert_string_equal(rung.reason,
			    "21 MiB of 40 MiB freed was soon read back");
}

static void a_slow_disk_is_left_alone(void **state)
{
	struct rung rung = { 0 };

	(void)state;
	rung_did(&rung, 64 * MIB, 60 * MIB, 3900000);
	assert_true(rung_judge(&rung, 1));
	rung_did(&rung, 64 * MIB, 60 * MIB, 5000000);
	assert_false(rung_judge(&rung, 1));
	assert_string_equal(rung.reason,
			    "slow: 60 MiB freed in 5 s, less than 16 MiB a second");
}

static void any_number_is_survived(void **state)
{
	static const uint64_t values[] = { 0, 1, MIB, INT64_MAX, UINT64_MAX };
	struct rung rung = { 0 };
	unsigned int i;

	(void)state;
	srandom(1);
	for (i = 0; i < 100000; i++) {
		rung_did(&rung, values[random() % 5], values[random() % 5],
			 values[random() % 5]);
		rung_gave_back(&rung, values[random() % 5]);
		rung_judge(&rung, values[random() % 5]);
	}
	assert_true(rung.all.asked == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_pays_is_used_again),
		cmocka_unit_test(one_bad_try_is_no_judgement),
		cmocka_unit_test(
			what_frees_nothing_is_left_alone_longer_each_time),
		cmocka_unit_test(what_comes_back_at_once_is_left_alone),
		cmocka_unit_test(a_slow_disk_is_left_alone),
		cmocka_unit_test(any_number_is_survived),
	};

	return cmocka_run_group_tests_name("rung", tests, NULL, NULL);
}
