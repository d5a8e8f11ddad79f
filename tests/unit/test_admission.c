// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "admission.h"

static void minimums_reserve_and_what_is_held_bound_what_is_left(void **state)
{
	struct admission_room room = {
		.budget = 1000,
		.reserve = 100,
		.minimums = 500,
		.held = 150,
		.available = 300,
	};

	(void)state;
	assert_int_equal(admission_left(&room), 250);
	/* 300 are there, 150 of them are held, 100 stay free. */
	assert_int_equal(admission_to_take(&room, 50), 0);
	assert_int_equal(admission_to_take(&room, 250), 200);
	room.minimums = 2000;
	assert_int_equal(admission_left(&room), 0);
	room.minimums = UINT64_MAX;
	assert_int_equal(admission_left(&room), 0);
	assert_int_equal(admission_to_take(&room, UINT64_MAX),
			 UINT64_MAX - 300);
}

static void what_is_held_ends_with_its_time(void **state)
{
	struct admission admission = { 0 };

	(void)state;
	assert_int_equal(admission_hold(&admission, "a", 10, 100), 0);
	assert_int_equal(admission_hold(&admission, "b", 20, 200), 0);
	assert_int_equal(admission_hold(&admission, "c", 40, 100), 0);
	assert_int_equal(admission_held(&admission), 70);
	admission_expire(&admission, 99);
	assert_int_equal(admission_held(&admission), 70);
	admission_expire(&admission, 100);
	assert_int_equal(admission_held(&admission), 20);
	assert_null(admission_find(&admission, "a"));
	admission_expire(&admission, UINT64_MAX);
	assert_int_equal(admission_held(&admission), 0);
}

static void a_vm_takes_what_was_held_for_it(void **state)
{
	struct admission admission = { 0 };

	(void)state;
	admission_hold(&admission, "a", 100, 10);
	admission_find(&admission, "a")->taken = 30;
	assert_int_equal(admission_held(&admission), 70);
	admission_find(&admission, "a")->taken = 500;
	assert_int_equal(admission_held(&admission), 0);
}

static void the_same_name_is_asked_for_anew(void **state)
{
	struct admission admission = { 0 };

	(void)state;
	admission_hold(&admission, "a", 100, 10);
	admission_hold(&admission, "a", 70, 20);
	assert_int_equal(admission.nr, 1);
	assert_int_equal(admission_held(&admission), 70);
	assert_int_equal(admission_release(&admission, "a"), 0);
	assert_int_equal(admission_release(&admission, "a"), -ENOENT);
	assert_int_equal(admission_held(&admission), 0);
}

static void no_more_wait_than_there_are_places(void **state)
{
	struct admission admission = { 0 };
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < ADMISSION_MAX; i++) {
		snprintf(name, sizeof(name), "vm-%d", i);
		assert_int_equal(admission_hold(&admission, name, 1, 10), 0);
	}
	assert_int_equal(admission_hold(&admission, "one", 1, 10), -ENOSPC);
	assert_int_equal(admission_hold(&admission, "vm-3", 5, 10), 0);
	assert_int_equal(admission_held(&admission), ADMISSION_MAX + 4);
	assert_int_equal(admission_release(&admission, "vm-0"), 0);
	assert_int_equal(admission_hold(&admission, "one", 1, 10), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			minimums_reserve_and_what_is_held_bound_what_is_left),
		cmocka_unit_test(what_is_held_ends_with_its_time),
		cmocka_unit_test(a_vm_takes_what_was_held_for_it),
		cmocka_unit_test(the_same_name_is_asked_for_anew),
		cmocka_unit_test(no_more_wait_than_there_are_places),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
