// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "procfile.h"
#include "swaps.h"
#include "tree.h"

#define MIB	(UINT64_C(1) << 20)
#define PARAMS	"module/zswap/parameters/"

static void swap_is_in_the_order_of_its_use(void **state)
{
	struct swap swaps[SWAPS_MAX];

	(void)state;
	tree_put("swaps",
		 "Filename				Type		Size		Used		Priority\n"
		 "/dev/nvme0n1p2                          partition	4194300		1024		-2\n"
		 "/dev/zram0                              partition	1048572		2048		100\n"
		 "/swap\\040file                           file		1048572		0		-3\n");
	tree_put("block/zram0/mm_stat",
		 " 2097152   524288   655360        0   655360        0 0 0 0\n");
	assert_int_equal(swaps_read(tree_fd, tree_fd, swaps), 3);
	assert_string_equal(swaps[0].name, "/dev/zram0");
	assert_true(swaps[0].compressed);
	assert_int_equal(swaps[0].priority, 100);
	assert_int_equal(swaps[0].used, 2 * MIB);
	assert_int_equal(swaps[0].stored, 2 * MIB);
	assert_int_equal(swaps[0].occupied, 640 * 1024);
	assert_int_equal(swaps_ratio(swaps[0].stored, swaps[0].occupied), 320);
	assert_string_equal(swaps[1].name, "/dev/nvme0n1p2");
	assert_false(swaps[1].compressed);
	assert_true(swaps[1].stored == PROCFILE_UNKNOWN);
	assert_int_equal(swaps[2].priority, -3);
}

static void broken_lines_are_left_out(void **state)
{
	static const char *const bad[] = {
		"", "\n", "Filename Type\n", "/dev/zram0 partition\n",
		"/dev/zram0 partition x y z\n", "none partition 1 1 1\n",
	};
	struct swap swaps[SWAPS_MAX];
	char text[8192] = "";
	size_t i;

	(void)state;
	assert_int_equal(swaps_read(tree_fd, tree_fd, swaps), -ENOENT);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tree_put("swaps", bad[i]);
		assert_int_equal(swaps_read(tree_fd, tree_fd, swaps), 0);
	}
	for (i = 0; i < 2 * SWAPS_MAX; i++)
		strcat(text, "/dev/zram/../x partition 1 1 1\n");
	tree_put("swaps", text);
	assert_int_equal(swaps_read(tree_fd, tree_fd, swaps), SWAPS_MAX);
	assert_true(swaps[0].stored == PROCFILE_UNKNOWN);
}

static void a_ratio_of_nothing_is_0(void **state)
{
	(void)state;
	assert_int_equal(swaps_ratio(0, 0), 0);
	assert_int_equal(swaps_ratio(0, 4096), 0);
	assert_int_equal(swaps_ratio(PROCFILE_UNKNOWN, 4096), 0);
	assert_int_equal(swaps_ratio(4096, PROCFILE_UNKNOWN), 0);
	assert_int_equal(swaps_ratio(INT64_MAX, 1), UINT32_MAX);
}

static void zswap_is_switched_on_with_its_shrinker(void **state)
{
	struct zswap zswap;
	struct fault fault;

	(void)state;
	zswap_read(tree_fd, &zswap);
	assert_false(zswap.exists);
	assert_int_equal(zswap_start(tree_fd, &zswap, &fault), -ENOENT);
	assert_string_equal(fault.text, "this kernel has no zswap");
	tree_put(PARAMS "enabled", "N\n");
	tree_put(PARAMS "max_pool_percent", "20\n");
	zswap_read(tree_fd, &zswap);
	assert_true(zswap.exists);
	assert_false(zswap.enabled);
	assert_int_equal(zswap.max_percent, 20);
	assert_int_equal(zswap_start(tree_fd, &zswap, &fault), 0);
	zswap_read(tree_fd, &zswap);
	assert_true(zswap.enabled);
	assert_false(zswap.shrinker);
	tree_put(PARAMS "shrinker_enabled", "N\n");
	zswap_read(tree_fd, &zswap);
	assert_int_equal(zswap_start(tree_fd, &zswap, &fault), 0);
	zswap_read(tree_fd, &zswap);
	assert_true(zswap.shrinker);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, tree_make, tree_remove)
	const struct CMUnitTest tests[] = {
		T(swap_is_in_the_order_of_its_use),
		T(broken_lines_are_left_out),
		T(a_ratio_of_nothing_is_0),
		T(zswap_is_switched_on_with_its_shrinker),
	};

	return cmocka_run_group_tests_name("swaps", tests, NULL, NULL);
}
