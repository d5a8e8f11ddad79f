// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "ksm.h"
#include "procfile.h"
#include "tree.h"

#define DIR_PATH	"kernel/mm/ksm/"
#define MIB		(UINT64_C(1) << 20)

static void file(const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), DIR_PATH "%s", name);
	tree_put(path, text);
}

/* What the file holds, as it was written. */
static const char *content(const char *name)
{
	static char text[64];
	char path[64];

	snprintf(path, sizeof(path), DIR_PATH "%s", name);
	assert_true(procfile_read(tree_fd, path, text, sizeof(text)) >= 0);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* Of 6.1: 1 GiB looked at, of which a quarter is saved. */
static void old_kernel(void)
{
	file("run", "0\n");
	file("pages_shared", "100\n");
	file("pages_sharing", "65536\n");
	file("pages_unshared", "196508\n");
	file("pages_volatile", "0\n");
	file("full_scans", "7\n");
	file("pages_to_scan", "100\n");
	file("sleep_millisecs", "20\n");
}

static void new_kernel(const char *profit)
{
	old_kernel();
	file("general_profit", profit);
	file("advisor_mode", "[none] scan-time\n");
}

static struct ksm look(void)
{
	struct ksm ksm;

	assert_int_equal(ksm_read(tree_fd, &ksm), 0);
	return ksm;
}

static void a_kernel_without_it_is_told(void **state)
{
	struct ksm ksm;

	(void)state;
	assert_int_equal(ksm_read(tree_fd, &ksm), -ENOENT);
	file("run", "nonsense\n");
	assert_int_equal(ksm_read(tree_fd, &ksm), -ENOENT);
}

static void profit_is_what_is_saved_less_the_tables(void **state)
{
	struct ksm ksm;

	(void)state;
	old_kernel();
	ksm = look();
	assert_int_equal(ksm_saved(&ksm), 256 * MIB);
	assert_int_equal(ksm.profit, 256 * MIB - 64 * (100 + 65536 + 196508));
	file("pages_sharing", "0\n");
	assert_true(look().profit < 0);
	new_kernel("-1234\n");
	assert_int_equal(look().profit, -1234);
	new_kernel("4321\n");
	assert_int_equal(look().profit, 4321);
	new_kernel("what?\n");
	assert_int_equal(look().profit, 0);
}

static void extreme_numbers_do_not_overflow(void **state)
{
	struct ksm ksm;

	(void)state;
	old_kernel();
	file("pages_sharing", "9223372036854775807\n");
	file("pages_unshared", "9223372036854775807\n");
	ksm = look();
	assert_int_equal(ksm_saved(&ksm), INT64_MAX);
	assert_true(ksm.profit > 0);
	assert_int_equal(ksm_pace(&ksm), 2500);
}

static void an_advisor_sets_the_pace_where_there_is_one(void **state)
{
	struct fault fault;
	struct ksm ksm;

	(void)state;
	new_kernel("0\n");
	ksm = look();
	assert_int_equal(ksm_start(tree_fd, &ksm, &fault), 0);
	/* The end of what was there before stays. */
	assert_int_equal(strncmp(content("advisor_mode"), "scan-time", 9), 0);
	assert_string_equal(content("pages_to_scan"), "100");
}

static void without_an_advisor_the_pace_follows_the_memory(void **state)
{
	struct fault fault;
	struct ksm ksm;

	(void)state;
	old_kernel();
	file("pages_unshared", "10000000\n");
	ksm = look();
	/* 40 GiB in 200 s, each 20 ms a part. */
	assert_int_equal(ksm_pace(&ksm), 1006);
	assert_int_equal(ksm_start(tree_fd, &ksm, &fault), 0);
	assert_string_equal(content("pages_to_scan"), "1006");
	assert_string_equal(content("run"), "1");
	file("pages_unshared", "0\n");
	ksm = look();
	assert_int_equal(ksm_pace(&ksm), 100);
	assert_int_equal(ksm_stop(tree_fd, &fault), 0);
	assert_string_equal(content("run"), "0");
}

static void what_somebody_unmerges_is_not_started(void **state)
{
	struct fault fault;
	struct ksm ksm;

	(void)state;
	old_kernel();
	file("run", "2\n");
	ksm = look();
	assert_int_equal(ksm_start(tree_fd, &ksm, &fault), -EBUSY);
	assert_string_equal(content("run"), "2");
}

static void nothing_is_unmerged_without_room(void **state)
{
	struct fault fault;
	struct ksm ksm;

	(void)state;
	old_kernel();
	ksm = look();
	assert_int_equal(ksm_unmerge(tree_fd, &ksm, 256 * MIB - 1, &fault),
			 -ENOSPC);
	assert_non_null(strstr(fault.text, "unmerging needs 256 MiB"));
	assert_string_equal(content("run"), "0");
	assert_int_equal(ksm_unmerge(tree_fd, &ksm, 256 * MIB, &fault), 0);
	assert_string_equal(content("run"), "2");
}

static void what_cannot_be_written_is_named(void **state)
{
	struct fault fault;

	(void)state;
	assert_int_equal(ksm_stop(tree_fd, &fault), -ENOENT);
	assert_non_null(strstr(fault.text, "/sys/kernel/mm/ksm/run"));
}

static void processes_that_merge_are_found(void **state)
{
	struct ksm_process processes[2];

	(void)state;
	tree_put("1/ksm_stat", "ksm_rmap_items 0\nksm_merging_pages 0\n");
	tree_put("20/ksm_stat",
		 "ksm_rmap_items 9\nksm_merging_pages 3\nksm_process_profit -4\n");
	tree_put("300/ksm_stat",
		 "ksm_rmap_items 0\nksm_merging_pages 0\nksm_merge_any: no\nksm_mergeable: yes\n");
	tree_put("self/ksm_stat", "ksm_rmap_items 9\n");
	tree_put("4/stat", "4 (x) S 2");
	assert_int_equal(ksm_processes(tree_fd, processes, 2), 2);
	assert_int_equal(processes[0].pid + processes[1].pid, 320);
	assert_int_equal(processes[0].merged + processes[1].merged,
			 3 * sysconf(_SC_PAGESIZE));
	/* More than there is room for are counted. */
	assert_int_equal(ksm_processes(tree_fd, processes, 1), 2);
	assert_int_equal(ksm_process_read(tree_fd, 4, processes), -ENOENT);
}

static void a_process_that_cannot_be_looked_at_is_told(void **state)
{
	struct ksm_process processes[2];
	char text[600];

	(void)state;
	tree_put("1/ksm_stat", "ksm_rmap_items 9\nksm_merging_pages 3\n");
	memset(text, ' ', sizeof(text));
	tree_put_bytes("20/ksm_stat", text, sizeof(text));
	assert_int_equal(ksm_processes(tree_fd, processes, 2), -EFBIG);
}

static void the_threads_time_is_its_cost(void **state)
{
	(void)state;
	assert_int_equal(ksm_cost(tree_fd), 0);
	tree_put("7/stat", "7 (ksmd) x");
	tree_put("8/stat", "8 (ksmd2) S 2 0 0 0 -1 0 0 0 0 0 1 1 0 0\n");
	assert_int_equal(ksm_cost(tree_fd), 0);
	tree_put("42/stat",
		 "42 (ksmd) S 2 0 0 0 -1 2105408 0 0 0 0 5 250 0 0 25 5 1 0\n");
	assert_int_equal(ksm_cost(tree_fd),
			 UINT64_C(255000000) / sysconf(_SC_CLK_TCK));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, tree_make, tree_remove)
	const struct CMUnitTest tests[] = {
		T(a_kernel_without_it_is_told),
		T(profit_is_what_is_saved_less_the_tables),
		T(extreme_numbers_do_not_overflow),
		T(an_advisor_sets_the_pace_where_there_is_one),
		T(without_an_advisor_the_pace_follows_the_memory),
		T(what_somebody_unmerges_is_not_started),
		T(nothing_is_unmerged_without_room),
		T(what_cannot_be_written_is_named),
		T(processes_that_merge_are_found),
		T(a_process_that_cannot_be_looked_at_is_told),
		T(the_threads_time_is_its_cost),
	};

	return cmocka_run_group_tests_name("ksm", tests, NULL, NULL);
}
