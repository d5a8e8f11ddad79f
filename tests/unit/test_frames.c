// SPDX-License-Identifier: GPL-2.0-or-later

#include "frames.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MAX	16

static struct frame_range room[MAX];

static struct frame_list list_of(const struct frame_range *r, size_t nr)
{
	struct frame_list list = { room, 0, MAX };
	size_t i;

	for (i = 0; i < nr; i++)
		assert_int_equal(frames_add_range(&list, r[i].start, r[i].nr),
				 0);
	return list;
}

static void is(const struct frame_list *list, const struct frame_range *r,
	       size_t nr)
{
	size_t i;

	assert_int_equal(list->nr, nr);
	for (i = 0; i < nr; i++) {
		assert_int_equal(list->range[i].start, r[i].start);
		assert_int_equal(list->range[i].nr, r[i].nr);
	}
}

static void runs_up_and_down_become_one_range(void **state)
{
	struct frame_list list = { room, 0, MAX };
	uint64_t i;

	(void)state;
	for (i = 0; i < 100; i++)
		assert_int_equal(frames_add(&list, 1000 + i), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(frames_add(&list, 999 - i), 0);
	is(&list, (struct frame_range[]){ { 900, 200 } }, 1);
}

static void frame_zero_and_the_last_are_frames(void **state)
{
	struct frame_list list = { room, 0, MAX };

	(void)state;
	assert_int_equal(frames_add(&list, 1), 0);
	assert_int_equal(frames_add(&list, 0), 0);
	assert_int_equal(frames_add(&list, UINT32_MAX), 0);
	is(&list, (struct frame_range[]){ { 0, 2 }, { UINT32_MAX, 1 } }, 2);
}

static void a_full_list_says_so(void **state)
{
	struct frame_list list = { room, 0, 2 };

	(void)state;
	assert_int_equal(frames_add(&list, 1), 0);
	assert_int_equal(frames_add(&list, 3), 0);
	assert_int_equal(frames_add(&list, 4), 0);
	assert_int_equal(frames_add(&list, 9), -ENOSPC);
	is(&list, (struct frame_range[]){ { 1, 1 }, { 3, 2 } }, 2);
}

static void merge_sorts_and_joins(void **state)
{
	const struct frame_range in[] = {
		{ 50, 10 }, { 10, 10 }, { 20, 5 }, { 55, 2 }, { 0, 1 },
		{ 58, 10 },
	};
	const struct frame_range out[] = {
		{ 0, 1 }, { 10, 15 }, { 50, 18 },
	};
	struct frame_list list = list_of(in, 6);

	(void)state;
	frames_merge(&list);
	is(&list, out, 3);
}

static void merge_of_nothing_is_nothing(void **state)
{
	struct frame_list list = { room, 0, MAX };

	(void)state;
	frames_merge(&list);
	assert_int_equal(list.nr, 0);
	assert_false(frames_overlap(&list));
}

static void overlap_is_found_in_any_order(void **state)
{
	struct frame_list list;

	(void)state;
	list = list_of((struct frame_range[]){ { 20, 5 }, { 10, 10 } }, 2);
	assert_false(frames_overlap(&list));
	list = list_of((struct frame_range[]){ { 20, 5 }, { 10, 11 } }, 2);
	assert_true(frames_overlap(&list));
	list = list_of((struct frame_range[]){ { 5, 1 }, { 9, 1 }, { 5, 1 } },
		       3);
	assert_true(frames_overlap(&list));
}

static void before_counts_in_the_order_of_the_request(void **state)
{
	const struct frame_range r[] = { { 100, 10 }, { 10, 10 }, { 50, 10 } };

	(void)state;
	assert_int_equal(frames_before(r, 3, UINT64_MAX), 30);
	assert_int_equal(frames_before(r, 3, 105), 5);
	assert_int_equal(frames_before(r, 3, 55), 0);
	assert_int_equal(frames_before(r + 1, 2, 55), 15);
	assert_int_equal(frames_before(r, 3, 0), 0);
}

static void cut_keeps_every_piece_that_is_common(void **state)
{
	struct frame_range ram[] = { { 10, 10 }, { 30, 10 }, { 60, 1 } };
	const struct frame_list keep = { ram, 3, 3 };
	struct frame_list list;

	(void)state;
	list = list_of((struct frame_range[]){ { 0, 100 } }, 1);
	frames_cut(&list, &keep);
	is(&list, ram, 3);
	list = list_of((struct frame_range[]){ { 5, 6 }, { 18, 14 },
					       { 35, 1 }, { 39, 22 } }, 4);
	frames_cut(&list, &keep);
	is(&list, (struct frame_range[]){ { 10, 1 }, { 18, 2 }, { 30, 2 },
					  { 35, 1 }, { 39, 1 }, { 60, 1 } },
	   6);
	list = list_of((struct frame_range[]){ { 20, 10 }, { 61, 9 } }, 2);
	frames_cut(&list, &keep);
	assert_int_equal(list.nr, 0);
	frames_cut(&list, &keep);
	assert_int_equal(list.nr, 0);
}

static void cut_needs_room_for_the_other_list_only(void **state)
{
	struct frame_range ram[] = { { 0, 2 }, { 4, 1 }, { 6, 99 } };
	const struct frame_list keep = { ram, 3, 3 };
	struct frame_list list = { room, 0, MAX };
	uint64_t i;

	(void)state;
	for (i = 0; i < MAX - 3; i++)
		assert_int_equal(frames_add_range(&list, 8 * i + 1, 6), 0);
	frames_cut(&list, &keep);
	assert_int_equal(list.nr, MAX - 3 + 2);
	is(&list, (struct frame_range[]){ { 1, 1 }, { 4, 1 }, { 6, 1 },
					  { 9, 6 }, { 17, 6 }, { 25, 6 },
					  { 33, 6 }, { 41, 6 }, { 49, 6 },
					  { 57, 6 }, { 65, 6 }, { 73, 6 },
					  { 81, 6 }, { 89, 6 }, { 97, 6 } },
	   15);
}

static bool near(uint64_t start, uint64_t nr, uint64_t gap)
{
	struct frame_range ranges[] = { { 100, 10 }, { 200, 10 } };
	struct frame_range other[] = { { 10, 1 }, { start, nr }, { 900, 1 } };
	const struct frame_list a = { ranges, 2, 2 }, b = { other, 3, 3 };
	bool ret = frames_near(&a, &b, gap);

	assert_int_equal(frames_near(&b, &a, gap), ret);
	return ret;
}

static void what_is_near_is_closer_than_the_gap(void **state)
{
	(void)state;
	assert_false(near(110, 90, 0));
	assert_true(near(110, 90, 1));
	assert_true(near(109, 1, 0));
	assert_true(near(200, 1, 0));
	assert_true(near(50, 500, 0));
	assert_false(near(130, 50, 20));
	assert_true(near(129, 50, 20));
	assert_true(near(130, 51, 20));
	assert_false(near(220, 1, 10));
	assert_true(near(219, 1, 10));
}

static void nothing_is_near_to_no_frame(void **state)
{
	const struct frame_range in[] = { { 0, 100 } };
	struct frame_list list = list_of(in, 1), none = { NULL, 0, 0 };

	(void)state;
	assert_false(frames_near(&list, &none, 1000));
	assert_false(frames_near(&none, &list, 1000));
	assert_int_equal(frames_count(&none), 0);
	assert_int_equal(frames_count(&list), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_up_and_down_become_one_range),
		cmocka_unit_test(frame_zero_and_the_last_are_frames),
		cmocka_unit_test(a_full_list_says_so),
		cmocka_unit_test(merge_sorts_and_joins),
		cmocka_unit_test(merge_of_nothing_is_nothing),
		cmocka_unit_test(cut_keeps_every_piece_that_is_common),
		cmocka_unit_test(cut_needs_room_for_the_other_list_only),
		cmocka_unit_test(overlap_is_found_in_any_order),
		cmocka_unit_test(before_counts_in_the_order_of_the_request),
		cmocka_unit_test(what_is_near_is_closer_than_the_gap),
		cmocka_unit_test(nothing_is_near_to_no_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
