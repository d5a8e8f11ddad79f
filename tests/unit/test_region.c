// SPDX-License-Identifier: GPL-2.0-or-later

#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "discard.h"
#include "frames.h"

#define MIB	(1ull << 20)
#define USER	0x7f0000000000ull

static struct region_table table;
static struct fault fault;

static int map(uint64_t gpa, uint64_t size, uint64_t uaddr, uint64_t offset,
	       int fd)
{
	const struct region_desc d = { gpa, size, uaddr, offset };
	struct region r;
	int ret;

	ret = region_map(&d, fd, 1, &r, &fault);
	if (ret)
		return ret;
	ret = region_add(&table, &r, &fault);
	if (ret)
		region_unmap(&r);
	return ret;
}

/* 2 MiB at 1 MiB and 1 MiB behind it, of one file; 1 MiB far above. */
static int setup(void **state)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	(void)state;
	if (ftruncate(fd, 4 * MIB))
		return -1;
	assert_int_equal(map(1 * MIB, 2 * MIB, USER, 0, dup(fd)), 0);
	assert_int_equal(map(4096 * MIB, MIB, USER + 4096 * MIB, 3 * MIB,
			     dup(fd)), 0);
	assert_int_equal(map(3 * MIB, MIB, USER + 8 * MIB, 2 * MIB, fd), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	region_clear(&table);
	return 0;
}

static void what_is_covered_is_ram(void **state)
{
	(void)state;
	assert_true(region_covers(&table, MIB, 3 * MIB));
	assert_true(region_covers(&table, 3 * MIB - 1, 2));
	assert_true(region_covers(&table, 4096 * MIB, MIB));
	assert_true(region_covers(&table, 0, 0));
	assert_false(region_covers(&table, MIB - 1, 1));
	assert_false(region_covers(&table, MIB, 3 * MIB + 1));
	assert_false(region_covers(&table, 4 * MIB, 1));
	assert_false(region_covers(&table, 4096 * MIB, MIB + 1));
	assert_false(region_covers(&table, 4096 * MIB, UINT64_MAX));
	assert_false(region_covers(&table, UINT64_MAX, 1));
	assert_false(region_covers(&table, UINT64_MAX, UINT64_MAX));
}

static void copies_cross_adjacent_regions(void **state)
{
	char in[64], out[64];

	(void)state;
	memset(in, 0x5a, sizeof(in));
	assert_int_equal(region_write(&table, 3 * MIB - 32, in, 64), 0);
	assert_int_equal(region_read(&table, 3 * MIB - 32, out, 64), 0);
	assert_memory_equal(in, out, 64);
	assert_int_equal(region_read(&table, 3 * MIB, out, 32), 0);
	assert_memory_equal(in, out, 32);
}

static void copies_outside_ram_fail(void **state)
{
	char buf[64] = "";

	(void)state;
	assert_int_equal(region_read(&table, 4 * MIB - 32, buf, 64), -EFAULT);
	assert_int_equal(region_write(&table, 4 * MIB - 32, buf, 64), -EFAULT);
	assert_int_equal(region_read(&table, UINT64_MAX - 8, buf, 64),
			 -EFAULT);
	assert_int_equal(region_read(&table, 0, buf, 1), -EFAULT);
}

static void user_addresses_stay_in_one_region(void **state)
{
	(void)state;
	assert_ptr_equal(region_user_ptr(&table, USER, 2 * MIB),
			 table.region[0].base);
	assert_non_null(region_user_ptr(&table, USER + 2 * MIB - 1, 1));
	assert_null(region_user_ptr(&table, USER + 2 * MIB - 1, 2));
	assert_null(region_user_ptr(&table, USER - 1, 1));
	assert_null(region_user_ptr(&table, USER, UINT64_MAX));
	assert_null(region_user_ptr(&table, UINT64_MAX, 2));
}

static void regions_are_counted_once(void **state)
{
	(void)state;
	assert_int_equal(region_bytes(&table), 4 * MIB);
	assert_int_equal(region_resident(&table), 0);
	memset(table.region[0].base, 1, 64 << 10);
	assert_int_equal(region_resident(&table), 64 << 10);
	assert_int_equal(region_block(&table), 4096);
}

static void overlaps_are_refused(void **state)
{
	int fd = dup(table.region[0].fd);

	(void)state;
	assert_int_equal(map(2 * MIB, MIB, USER + 64 * MIB, 0, fd), -EEXIST);
	fd = dup(table.region[0].fd);
	assert_int_equal(map(64 * MIB, MIB, USER + MIB, 0, fd), -EEXIST);
	assert_int_equal(table.nr, 3);
}

static void wrong_descriptions_are_refused(void **state)
{
	int fd = table.region[0].fd;

	(void)state;
	assert_int_equal(map(64 * MIB, 0, 0, 0, fd), -EINVAL);
	assert_int_equal(map(64 * MIB, 100, 0, 0, fd), -EINVAL);
	assert_int_equal(map(64 * MIB + 1, 4096, 0, 0, fd), -EINVAL);
	assert_int_equal(map(64 * MIB, 4096, 0, 100, fd), -EINVAL);
	assert_int_equal(map(64 * MIB, 5 * MIB, 0, 0, fd), -EINVAL);
	assert_int_equal(map(64 * MIB, MIB, 0, 4 * MIB, fd), -EINVAL);
	assert_int_equal(map(-4096ull, 8192, 0, 0, fd), -EINVAL);
	assert_int_equal(map(0, 8192, -4096ull, 0, fd), -EINVAL);
	assert_int_equal(map(0, 8192, 0, -4096ull, fd), -EINVAL);
}

static bool stop_at_once(void *arg)
{
	(void)arg;
	return true;
}

static void a_stopped_discard_leaves_the_rest(void **state)
{
	struct frame_range r = { 256, 512 };
	const struct frame_list list = { &r, 1, 1 };
	struct discard job = { .table = &table, .stop = stop_at_once };

	(void)state;
	memset(table.region[0].base, 1, 2 * MIB);
	assert_int_equal(discard_frames(&job, &list), -EINTR);
	assert_int_equal(job.calls, 0);
	assert_int_equal(job.freed, 0);
	assert_int_equal(job.reached, 256);
	job.stop = NULL;
	assert_int_equal(discard_frames(&job, &list), 0);
	assert_int_equal(job.freed, 2 * MIB);
	assert_int_equal(job.reached, UINT64_MAX);
}

static void a_discard_crosses_adjacent_regions(void **state)
{
	struct frame_range r = { 512, 512 };
	const struct frame_list list = { &r, 1, 1 };
	struct discard job = { .table = &table };

	(void)state;
	memset(table.region[0].base, 1, 2 * MIB);
	memset(table.region[1].base, 1, MIB);
	assert_int_equal(discard_frames(&job, &list), 0);
	assert_int_equal(job.calls, 2);
	assert_int_equal(job.freed, 2 * MIB);
	assert_int_equal(region_resident(&table), MIB);
	assert_int_equal(table.region[0].base[MIB - 1], 1);
	assert_int_equal(table.region[0].base[MIB], 0);
}

static void a_failed_discard_says_how_far_it_came(void **state)
{
	struct frame_range r = { 512, 512 };
	const struct frame_list list = { &r, 1, 1 };
	struct discard job = { .table = &table };

	(void)state;
	table.region[1].fixed = true;
	assert_int_equal(discard_frames(&job, &list), -ENOTSUP);
	assert_int_equal(job.reached, 768);
}

/* Another file, between the regions of the first. */
static void map_another(uint64_t size)
{
	int fd = memfd_create("more", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(map(2048 * MIB, size, USER + 2048 * MIB, 0, fd), 0);
}

static void files_are_counted_in_order_of_their_first_regions(void **state)
{
	(void)state;
	assert_int_equal(region_files(&table), 1);
	map_another(MIB);
	assert_int_equal(region_files(&table), 2);
	assert_int_equal(region_of(&table, MIB)->file, 0);
	assert_int_equal(region_of(&table, 3 * MIB)->file, 0);
	assert_int_equal(region_of(&table, 2048 * MIB)->file, 1);
	assert_int_equal(region_of(&table, 4096 * MIB)->file, 0);
	region_del(&table, 2);
	assert_int_equal(region_files(&table), 1);
	assert_int_equal(region_of(&table, 4096 * MIB)->file, 0);
}

static void a_part_of_a_discard_leaves_other_files_alone(void **state)
{
	struct frame_range all[] = {
		{ MIB >> FRAME_SHIFT, 3 * MIB >> FRAME_SHIFT },
		{ 2048 * MIB >> FRAME_SHIFT, MIB >> FRAME_SHIFT },
		{ 4096 * MIB >> FRAME_SHIFT, MIB >> FRAME_SHIFT },
	};
	const struct frame_list list = { all, 3, 3 };
	struct discard job = { .table = &table, .part = 1, .parts = 2 };

	(void)state;
	map_another(MIB);
	memset(region_of(&table, MIB)->base, 1, 2 * MIB);
	memset(region_of(&table, 2048 * MIB)->base, 1, MIB);
	assert_int_equal(region_resident(&table), 3 * MIB);
	assert_int_equal(discard_prepare(&table), 0);
	assert_int_equal(discard_part(&job, &list), 0);
	assert_int_equal(job.calls, 1);
	assert_int_equal(region_resident(&table), 2 * MIB);
	job.part = 0;
	assert_int_equal(discard_part(&job, &list), 0);
	assert_int_equal(region_resident(&table), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_covered_is_ram),
		TEST(copies_cross_adjacent_regions),
		TEST(copies_outside_ram_fail),
		TEST(user_addresses_stay_in_one_region),
		TEST(regions_are_counted_once),
		TEST(overlaps_are_refused),
		TEST(wrong_descriptions_are_refused),
		TEST(a_stopped_discard_leaves_the_rest),
		TEST(a_discard_crosses_adjacent_regions),
		TEST(a_failed_discard_says_how_far_it_came),
		TEST(files_are_counted_in_order_of_their_first_regions),
		TEST(a_part_of_a_discard_leaves_other_files_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
