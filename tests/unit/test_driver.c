// SPDX-License-Identifier: GPL-2.0-or-later
/* The pure files of the driver, built against tests/unit/shim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../driver/floor.c"
#include "../../driver/short.c"
#include "../../driver/size.c"

#define FRAMES(mib)	((u64)(mib) << 8)

static void floor_grows_with_the_guest_up_to_a_gibibyte(void **state)
{
	(void)state;
	assert_int_equal(ballonet_floor_default(FRAMES(512)), FRAMES(64));
	assert_int_equal(ballonet_floor_default(FRAMES(2048)), FRAMES(160));
	assert_int_equal(ballonet_floor_default(FRAMES(1 << 20)), FRAMES(1024));
}

static void floor_leaves_half_of_a_tiny_guest(void **state)
{
	(void)state;
	assert_int_equal(ballonet_floor_default(FRAMES(32)), FRAMES(16));
	assert_int_equal(ballonet_floor_default(0), 0);
}

static void room_ends_at_the_floor(void **state)
{
	(void)state;
	assert_int_equal(ballonet_floor_room(100, 40), 60);
	assert_int_equal(ballonet_floor_room(40, 40), 0);
	assert_int_equal(ballonet_floor_room(3, 40), 0);
}

static void a_part_of_the_memory_has_its_part_of_the_floor(void **state)
{
	(void)state;
	assert_int_equal(ballonet_floor_part(100, FRAMES(256), FRAMES(1024)),
			 25);
	assert_int_equal(ballonet_floor_part(100, 0, FRAMES(1024)), 0);
	assert_int_equal(ballonet_floor_part(100, 0, 0), 0);
	/* All of the largest guest there can be. */
	assert_int_equal(ballonet_floor_part(UINT32_MAX, FRAMES(1ULL << 24),
					     FRAMES(1ULL << 24)), UINT32_MAX);
}

/* With a floor of 1000, after a sample of zeros. */
static bool begins(struct ballonet_sample now)
{
	static const struct ballonet_sample last = { .counted = true };

	return ballonet_short_begins(&last, &now, 1000);
}

static void short_is_less_than_half_the_floor(void **state)
{
	(void)state;
	assert_true(begins((struct ballonet_sample){ .available = 499 }));
	assert_false(begins((struct ballonet_sample){ .available = 500 }));
}

static void short_is_reclaim_near_the_floor(void **state)
{
	static const struct ballonet_sample signs[] = {
		{ .stalls = 1 },
		{ .scanned = 1 },
		{ .swapped = 256 },
		{ .refaulted = 256 },
	};
	struct ballonet_sample now;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		now = signs[i];
		now.counted = true;
		now.available = 1999;
		assert_true(begins(now));
		/* Far from it, reclaim has other reasons. */
		now.available = 2000;
		assert_false(begins(now));
	}
}

static void short_is_not_a_little_traffic(void **state)
{
	(void)state;
	assert_false(begins((struct ballonet_sample){ .available = 1000,
		.counted = true, .swapped = 255, .refaulted = 255 }));
}

static void short_takes_two_samples_of_the_counters(void **state)
{
	const struct ballonet_sample old = { .available = 5000 };
	const struct ballonet_sample now = { .available = 1000,
		.counted = true, .stalls = 77 };

	(void)state;
	assert_false(ballonet_short_begins(&old, &now, 1000));
	assert_false(begins((struct ballonet_sample){ .available = 1000,
		.stalls = 77 }));
}

static void short_ends_well_above_the_floor(void **state)
{
	(void)state;
	assert_false(ballonet_short_ends(1499, 1000));
	assert_true(ballonet_short_ends(1500, 1000));
	/* Without a floor there is none to be above. */
	assert_true(ballonet_short_ends(0, 0));
}

static void size_takes_bytes_and_binary_suffixes(void **state)
{
	static const struct {
		const char *text;
		u64 frames;
	} good[] = {
		{ "0", 0 },		  { "0\n", 0 },
		{ "4096", 1 },		  { "512M\n", FRAMES(512) },
		{ "512m", FRAMES(512) },  { "1G", FRAMES(1024) },
		{ "8K", 2 },		  { "1T", FRAMES(1 << 20) },
		{ "000000001G", FRAMES(1024) },
	};
	size_t i;
	u64 frames;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(ballonet_size_parse(good[i].text, UINT32_MAX,
						     &frames), 0);
		assert_int_equal(frames, good[i].frames);
	}
}

static void size_refuses_all_else_and_changes_nothing(void **state)
{
	static const char * const bad[] = {
		"", "\n", " 1G", "-1", "+1", "1G ", "1GB", "1 G", "1.5G",
		"0x1000", "M", "4095", "1", "1E", "1G\n\n", "16T", "999999T",
		"18446744073709551616", "99999999999999999999999999", "1P",
	};
	u64 frames = 7;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ballonet_size_parse(bad[i], UINT32_MAX,
						     &frames), -EINVAL);
		assert_int_equal(frames, 7);
	}
	assert_int_equal(ballonet_size_parse("8K", 1, &frames), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(floor_grows_with_the_guest_up_to_a_gibibyte),
		cmocka_unit_test(floor_leaves_half_of_a_tiny_guest),
		cmocka_unit_test(room_ends_at_the_floor),
		cmocka_unit_test(
			a_part_of_the_memory_has_its_part_of_the_floor),
		cmocka_unit_test(short_is_less_than_half_the_floor),
		cmocka_unit_test(short_is_reclaim_near_the_floor),
		cmocka_unit_test(short_is_not_a_little_traffic),
		cmocka_unit_test(short_takes_two_samples_of_the_counters),
		cmocka_unit_test(short_ends_well_above_the_floor),
		cmocka_unit_test(size_takes_bytes_and_binary_suffixes),
		cmocka_unit_test(size_refuses_all_else_and_changes_nothing),
	};

	return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
