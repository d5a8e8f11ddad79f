// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>

#include "pressure.h"
#include "procfile.h"
#include "tree.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define S	UINT64_C(1000000)

static const char good[] =
	"some avg10=1.07 avg60=12.30 avg300=100.00 total=123456789\n"
	"full avg10=0.00 avg60=0.09 avg300=0.10 total=42\n";

static void both_lines_are_read(void **state)
{
	struct pressure p;

	(void)state;
	assert_int_equal(pressure_parse(good, &p), 0);
	assert_int_equal(p.line[PRESSURE_SOME].avg10, 107);
	assert_int_equal(p.line[PRESSURE_SOME].avg60, 1230);
	assert_int_equal(p.line[PRESSURE_SOME].avg300, 10000);
	assert_int_equal(p.line[PRESSURE_SOME].total_us, 123456789);
	assert_int_equal(p.line[PRESSURE_FULL].avg10, 0);
	assert_int_equal(p.line[PRESSURE_FULL].avg60, 9);
	assert_int_equal(p.line[PRESSURE_FULL].avg300, 10);
	assert_int_equal(p.line[PRESSURE_FULL].total_us, 42);
}

static void a_missing_line_is_unknown_and_not_0(void **state)
{
	struct pressure p;

	(void)state;
	assert_int_equal(pressure_parse(
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=0", &p), 0);
	assert_int_equal(p.line[PRESSURE_SOME].total_us, 0);
	assert_true(p.line[PRESSURE_FULL].total_us == PROCFILE_UNKNOWN);
	assert_true(p.line[PRESSURE_FULL].avg10 == PRESSURE_UNKNOWN);
}

static void what_a_later_kernel_adds_is_left_alone(void **state)
{
	struct pressure p;

	(void)state;
	assert_int_equal(pressure_parse(
		"irq avg10=what\n"
		"some avg10=0.50 avg60=0.00 avg300=0.00 total=7 worst=9\n",
		&p), 0);
	assert_int_equal(p.line[PRESSURE_SOME].avg10, 50);
}

static void what_is_no_pressure_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"some",
		"some ",
		"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"some avg10=0 avg60=0.00 avg300=0.00 total=0\n",
		"some avg10=0.0 avg60=0.00 avg300=0.00 total=0\n",
		"some avg10=0.000 avg60=0.00 avg300=0.00 total=0\n",
		"some avg10=-1.00 avg60=0.00 avg300=0.00 total=0\n",
		"some avg10=100.01 avg60=0.00 avg300=0.00 total=0\n",
		"some avg10=nan avg60=0.00 avg300=0.00 total=0\n",
		"some avg10=99999999999999999999.00 avg60=0.00 total=0\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=-1\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=0x1\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=9223372036854775808\n",
		"some  avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"someavg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
	};
	struct pressure p;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (pressure_parse(bad[i], &p) != -EBADMSG)
			fail_msg("taken: '%s'", bad[i]);
}

/* No cut and no changed byte makes it read beyond the end: for SAN=1. */
static void broken_text_is_survived(void **state)
{
	char *copy;
	struct pressure p;
	size_t i;
	int byte;

	(void)state;
	for (i = 0; i < sizeof(good); i++) {
		copy = strndup(good, i);
		pressure_parse(copy, &p);
		free(copy);
		for (byte = 1; byte < 256; byte++) {
			copy = strdup(good);
			copy[i] = (char)byte;
			if (i + 1 < sizeof(good))
				pressure_parse(copy, &p);
			free(copy);
		}
	}
}

static void files_are_read_and_missing_ones_told(void **state)
{
	struct pressure p;
	int fd;

	(void)state;
	tree_put("pressure/memory", good);
	assert_int_equal(pressure_read(tree_fd, "pressure/memory", &p), 0);
	assert_int_equal(p.line[PRESSURE_FULL].total_us, 42);
	assert_int_equal(pressure_read(tree_fd, "memory.pressure", &p),
			 -ENOENT);
	tree_put("huge", good);
	fd = openat(tree_fd, "huge", O_WRONLY);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	assert_int_equal(pressure_read(tree_fd, "huge", &p), -EFBIG);
}

static void lost_time_becomes_permille(void **state)
{
	struct rate rate = { 0 };
	uint32_t permille = 7;

	(void)state;
	assert_false(pressure_permille(&rate, 100 * S, 5000, &permille));
	assert_int_equal(permille, 7);
	assert_true(pressure_permille(&rate, 101 * S, 5000 + S / 4, &permille));
	assert_int_equal(permille, 250);
	assert_true(pressure_permille(&rate, 103 * S, 5000 + S / 4, &permille));
	assert_int_equal(permille, 0);
	/* More time was lost than has passed: two clocks. */
	assert_true(pressure_permille(&rate, 104 * S, 90 * S, &permille));
	assert_int_equal(permille, 1000);
}

static void clock_jumps_and_resets_give_no_rate(void **state)
{
	struct rate rate = { 0 };
	int64_t per_s;
	uint32_t permille;

	(void)state;
	assert_false(rate_step(&rate, 100 * S, 1000, &per_s));
	assert_false(rate_step(&rate, 100 * S, 2000, &per_s));
	assert_false(rate_step(&rate, 50 * S, 3000, &per_s));
	assert_true(rate_step(&rate, 51 * S, 4000, &per_s));
	assert_int_equal(per_s, 1000);
	assert_false(rate_step(&rate, 51 * S + RATE_GAP_US + 1, 5000, &per_s));
	assert_true(rate_step(&rate, 52 * S + RATE_GAP_US + 1, 4000, &per_s));
	assert_int_equal(per_s, -1000);
	assert_false(rate_step(&rate, 53 * S + RATE_GAP_US, PROCFILE_UNKNOWN,
			       &per_s));
	assert_false(rate_step(&rate, 54 * S + RATE_GAP_US, 4000, &per_s));
	/* Another cgroup's total. */
	assert_false(pressure_permille(&rate, 55 * S + RATE_GAP_US, 0,
				       &permille));
}

static void extreme_readings_do_not_overflow(void **state)
{
	static const uint64_t values[] = {
		0, 1, INT64_MAX - 1, INT64_MAX, UINT64_MAX - 1, UINT64_MAX,
	};
	struct rate rate = { 0 };
	int64_t per_s;
	size_t i, j, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(values); i++)
		for (j = 0; j < ARRAY_SIZE(values); j++)
			for (k = 0; k < ARRAY_SIZE(values); k++) {
				rate_step(&rate, values[i], values[k], &per_s);
				rate_step(&rate, values[j] + 1, values[i],
					  &per_s);
			}
}

static void the_last_second_is_seen_however_often_one_looks(void **state)
{
	struct pressure_window window = { 0 };
	uint64_t now;

	(void)state;
	assert_int_equal(pressure_last_second(&window, 10 * S, 0), 0);
	/* 60 ms are lost within 10 ms, which is no second of that. */
	assert_int_equal(pressure_last_second(&window, 10 * S + 10000, 60000),
			 0);
	for (now = 10 * S + 200000; now < 20 * S; now += 10000)
		assert_in_range(pressure_last_second(&window, now, 60000), 0,
				300);
	assert_int_equal(pressure_last_second(&window, 20 * S, 60000), 0);
	assert_int_equal(pressure_last_second(&window, 21 * S, 160000), 100);
	assert_int_equal(pressure_last_second(&window, 22 * S, 2 * S), 1000);
}

static void a_window_survives_clock_jumps_and_resets(void **state)
{
	static const uint64_t values[] = { 0, 1, 5 * S, INT64_MAX,
		(uint64_t)INT64_MAX + 1, PROCFILE_UNKNOWN };
	struct pressure_window window = { 0 };
	unsigned int i;

	(void)state;
	srandom(1);
	for (i = 0; i < 100000; i++)
		assert_in_range(pressure_last_second(&window,
			values[random() % ARRAY_SIZE(values)],
			values[random() % ARRAY_SIZE(values)]), 0, 1000);
	pressure_last_second(&window, 100 * S, 7 * S);
	assert_int_equal(pressure_last_second(&window, 101 * S, 6 * S), 0);
	assert_int_equal(pressure_last_second(&window, 102 * S, 6500000), 500);
}

static void a_trigger_is_written_with_its_nul(void **state)
{
	struct fault fault;
	char text[64];
	int fd;

	(void)state;
	tree_put("memory.pressure", good);
	assert_int_equal(pressure_trigger_open(tree_fd, "memory.pressure",
					       PRESSURE_FULL, 30000, 1000000,
					       &fd, &fault), 0);
	close(fd);
	fd = openat(tree_fd, "memory.pressure", O_RDONLY);
	assert_int_equal(read(fd, text, 19), 19);
	assert_memory_equal(text, "full 30000 1000000", 19);
	close(fd);
}

static void triggers_out_of_range_name_value_and_limit(void **state)
{
	struct fault fault;
	int fd;

	(void)state;
	tree_put("memory.pressure", good);
	assert_int_equal(pressure_trigger_open(tree_fd, "memory.pressure",
					       PRESSURE_SOME, 1, 499999, &fd,
					       &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "499999"));
	assert_non_null(strstr(fault.text, "500000 to 10000000"));
	assert_int_equal(pressure_trigger_open(tree_fd, "memory.pressure",
					       PRESSURE_SOME, 0, 500000, &fd,
					       &fault), -EINVAL);
	assert_int_equal(pressure_trigger_open(tree_fd, "memory.pressure",
					       PRESSURE_SOME, 500001, 500000,
					       &fd, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "500001"));
	assert_int_equal(pressure_trigger_open(tree_fd, "gone", PRESSURE_SOME,
					       1, 500000, &fd, &fault),
			 -ENOENT);
	assert_non_null(strstr(fault.text, "gone"));
}

/* The kernel that the tests run on, where it has PSI. */
static void this_machine_takes_a_trigger(void **state)
{
	struct pressure p;
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd, rc;

	(void)state;
	rc = pressure_read(proc_fd, "pressure/memory", &p);
	if (!rc)
		rc = pressure_trigger_open(proc_fd, "pressure/memory",
					   PRESSURE_SOME, 100000, 2000000, &fd,
					   NULL);
	close(proc_fd);
	if (rc) {
		print_message("no PSI here: %s\n", strerror(-rc));
		skip();
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_lines_are_read),
		cmocka_unit_test(a_missing_line_is_unknown_and_not_0),
		cmocka_unit_test(what_a_later_kernel_adds_is_left_alone),
		cmocka_unit_test(what_is_no_pressure_is_refused),
		cmocka_unit_test(broken_text_is_survived),
		cmocka_unit_test_setup_teardown(
			files_are_read_and_missing_ones_told, tree_make,
			tree_remove),
		cmocka_unit_test(lost_time_becomes_permille),
		cmocka_unit_test(clock_jumps_and_resets_give_no_rate),
		cmocka_unit_test(extreme_readings_do_not_overflow),
		cmocka_unit_test(
			the_last_second_is_seen_however_often_one_looks),
		cmocka_unit_test(a_window_survives_clock_jumps_and_resets),
		cmocka_unit_test_setup_teardown(
			a_trigger_is_written_with_its_nul, tree_make,
			tree_remove),
		cmocka_unit_test_setup_teardown(
			triggers_out_of_range_name_value_and_limit, tree_make,
			tree_remove),
		cmocka_unit_test(this_machine_takes_a_trigger),
	};

	return cmocka_run_group_tests_name("pressure", tests, NULL, NULL);
}
