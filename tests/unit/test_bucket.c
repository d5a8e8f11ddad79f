// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "bucket.h"

/* How many tokens there are at a time. */
static unsigned int drain(struct bucket *bucket, uint64_t now_ms,
			  uint32_t per_s, uint32_t size)
{
	unsigned int n = 0;

	while (n < 2 * size && bucket_take(bucket, now_ms, per_s, size))
		n++;
	return n;
}

static void a_bucket_begins_full(void **state)
{
	struct bucket bucket = { 0 };

	(void)state;
	assert_int_equal(drain(&bucket, 5000, 10, 7), 7);
	assert_false(bucket_take(&bucket, 5000, 10, 7));
}

static void tokens_come_back_at_the_rate(void **state)
{
	struct bucket bucket = { 0 };
	unsigned int n = 0, ms;

	(void)state;
	assert_int_equal(drain(&bucket, 1, 10, 100), 100);
	assert_int_equal(drain(&bucket, 100, 10, 100), 0);
	assert_int_equal(drain(&bucket, 101, 10, 100), 1);
	assert_int_equal(drain(&bucket, 601, 10, 100), 5);
	/* However often it is asked. */
	for (ms = 601; ms <= 1601; ms++)
		n += drain(&bucket, ms, 10, 100);
	assert_int_equal(n, 10);
}

static void there_are_never_more_than_the_bucket_holds(void **state)
{
	struct bucket bucket = { 0 };

	(void)state;
	assert_int_equal(drain(&bucket, 1, 10, 4), 4);
	assert_int_equal(drain(&bucket, 1000000, 10, 4), 4);
	assert_int_equal(drain(&bucket, UINT64_MAX, UINT32_MAX, 4), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_begins_full),
		cmocka_unit_test(tokens_come_back_at_the_rate),
		cmocka_unit_test(there_are_never_more_than_the_bucket_holds),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
