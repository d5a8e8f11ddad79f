// SPDX-License-Identifier: GPL-2.0-or-later

#include "standby.h"

#include <linux/ballonet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "discard.h"

#define MIB		(1ull << 20)
#define OFFERED		BALLONET_STANDBY_OFFERED
#define TAKING		BALLONET_STANDBY_TAKING
#define TAKEN		BALLONET_STANDBY_TAKEN

static struct region_table ram;
static struct standby s;
static uint64_t *table;

static void map(uint64_t gpa, uint64_t size, uint64_t offset, int fd)
{
	const struct region_desc d = { gpa, size, gpa, offset };
	struct fault fault;
	struct region r;

	assert_int_equal(region_map(&d, fd, 1, &r, &fault), 0);
	assert_int_equal(region_add(&ram, &r, &fault), 0);
}

/* 16 MiB at 2 MiB and 3 MiB at 1 GiB, less one page; the table at 2 MiB. */
static int setup(void **state)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	(void)state;
	if (ftruncate(fd, 19 * MIB))
		return -1;
	map(1024 * MIB, 3 * MIB - 4096, 16 * MIB, dup(fd));
	map(2 * MIB, 16 * MIB, 0, fd);
	s = (struct standby){ &ram, 512, 1 };
	table = (uint64_t *)region_of(&ram, 2 * MIB)->base;
	memset(table, 0, 4096);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	region_clear(&ram);
	return 0;
}

/* One walk through all of the table. */
static unsigned int claim(struct standby_batch *batch, uint64_t *old,
			  unsigned int most)
{
	struct standby_scan scan = {
		.end = standby_slots(&s), .old = old, .block = 2 * MIB,
	};

	standby_claim(&s, &scan, most, batch);
	return batch->nr;
}

static void what_is_offered_is_claimed_once(void **state)
{
	struct standby_batch batch;

	(void)state;
	table[3] = 1024 | OFFERED;
	table[511] = 1536 | OFFERED;
	table[7] = 2048 | TAKEN;
	table[8] = 2560 | TAKING;
	assert_int_equal(claim(&batch, NULL, 8), 2);
	assert_int_equal(batch.list.nr, 1);
	assert_int_equal(batch.range[0].start, 1024);
	assert_int_equal(batch.range[0].nr, 1024);
	assert_int_equal(table[3], 1024 | TAKING);
	assert_int_equal(table[511], 1536 | TAKING);
	assert_int_equal(table[8], 2560 | TAKING);
	standby_settle(&s, &batch, TAKEN);
	assert_int_equal(table[3], 1024 | TAKEN);
	assert_int_equal(claim(&batch, NULL, 8), 0);
}

static void no_more_is_claimed_than_was_asked_for(void **state)
{
	struct standby_batch batch;

	(void)state;
	table[0] = 1024 | OFFERED;
	table[1] = 1536 | OFFERED;
	assert_int_equal(claim(&batch, NULL, 1), 1);
	assert_int_equal(table[1], 1536 | OFFERED);
	assert_int_equal(claim(&batch, NULL, 0), 0);
}

static void what_is_no_block_is_left_alone(void **state)
{
	static const uint64_t words[] = {
		0, OFFERED,			/* below RAM */
		1024, 1024 | 4, 1024 | 511,	/* no such state */
		4608 | OFFERED,			/* behind the region */
		262656 | OFFERED,		/* its last page is missing */
		(UINT64_MAX & ~511ull) | OFFERED,
		(UINT64_MAX >> 12 & ~511ull) | OFFERED,
		1ull << 52 | OFFERED,
	};
	struct standby_batch batch;

	(void)state;
	memcpy(table, words, sizeof(words));
	assert_int_equal(claim(&batch, NULL, 8), 0);
	assert_memory_equal(table, words, sizeof(words));
	table[20] = 262144 | OFFERED;
	assert_int_equal(claim(&batch, NULL, 8), 1);
}

static void larger_pages_are_left_alone(void **state)
{
	struct standby_batch batch;

	(void)state;
	region_of(&ram, 2 * MIB)->block = 4 * MIB;
	table[0] = 1024 | OFFERED;
	assert_int_equal(claim(&batch, NULL, 8), 0);
	region_of(&ram, 2 * MIB)->block = 4096;
	region_of(&ram, 2 * MIB)->fixed = true;
	assert_int_equal(claim(&batch, NULL, 8), 0);
}

static void only_what_was_offered_before_is_claimed(void **state)
{
	uint64_t old[8] = { 0 };
	struct standby_batch batch;

	(void)state;
	table[100] = 1024 | OFFERED;
	assert_int_equal(claim(&batch, old, 8), 0);
	table[200] = 1536 | OFFERED;
	assert_int_equal(claim(&batch, old, 8), 1);
	assert_int_equal(batch.slot[0], 100);
	standby_settle(&s, &batch, OFFERED);
	table[200] = 0;
	assert_int_equal(claim(&batch, old, 8), 1);
	table[200] = 1536 | OFFERED;
	assert_int_equal(claim(&batch, old, 8), 0);
}

static void an_entry_that_changed_stays(void **state)
{
	struct standby_batch batch;

	(void)state;
	table[0] = 1024 | OFFERED;
	table[1] = 1536 | OFFERED;
	assert_int_equal(claim(&batch, NULL, 8), 2);
	table[0] = 2048 | TAKING;
	standby_settle(&s, &batch, TAKEN);
	assert_int_equal(table[0], 2048 | TAKING);
	assert_int_equal(table[1], 1536 | TAKEN);
}

static void a_table_may_be_lost_at_any_time(void **state)
{
	struct standby_batch batch;
	uint64_t offered, taken;

	(void)state;
	s.start = 512 + 4096 - 1;
	s.frames = 2;
	table = (uint64_t *)(region_of(&ram, 2 * MIB)->base + 16 * MIB - 4096);
	table[511] = 1024 | OFFERED;
	assert_int_equal(claim(&batch, NULL, 8), 1);
	region_clear(&ram);
	standby_settle(&s, &batch, TAKEN);
	standby_put_back(&s);
	standby_count(&s, &offered, &taken);
	assert_int_equal(offered, 0);
	assert_int_equal(claim(&batch, NULL, 8), 0);
}

static void what_nobody_works_on_is_put_back(void **state)
{
	uint64_t offered, taken;

	(void)state;
	table[0] = 1024 | TAKING;
	table[1] = 1536 | TAKEN;
	table[2] = 2048 | OFFERED;
	table[3] = 2048 | 7;
	table[4] = 1ull << 60 | TAKING;
	standby_put_back(&s);
	assert_int_equal(table[0], 1024 | OFFERED);
	assert_int_equal(table[1], 1536 | TAKEN);
	assert_int_equal(table[3], 2048 | 7);
	standby_count(&s, &offered, &taken);
	assert_int_equal(offered, 6 * MIB);
	assert_int_equal(taken, 2 * MIB);
}

static void a_large_table_is_walked_in_pieces(void **state)
{
	struct standby_scan scan = { .block = 2 * MIB };
	struct standby_batch batch;
	unsigned int pieces = 0;

	(void)state;
	s.frames = 256;
	scan.end = standby_slots(&s);
	memset(table, 0, 256 * 4096);
	table[scan.end - 1] = 2048 | OFFERED;
	do {
		standby_claim(&s, &scan, 8, &batch);
		pieces++;
	} while (scan.at < scan.end);
	assert_int_equal(batch.nr, 1);
	assert_in_range(pieces, 4, 16);
}

static void only_whole_pages_are_discarded(void **state)
{
	struct frame_range range[] = { { 1024, 512 }, { 1536, 100 } };
	struct frame_list list = { range, 2, 2 };
	struct discard job = { .table = &ram };
	struct region *r = region_of(&ram, 2 * MIB);

	(void)state;
	memset(r->base, 1, 16 * MIB);
	frames_merge(&list);
	/* As if its pages were of 2 MiB. */
	r->block = 2 * MIB;
	assert_int_equal(discard_whole(&job, &list), 0);
	r->block = 4096;
	assert_int_equal(job.freed, 2 * MIB);
	assert_int_equal(job.calls, 1);
	assert_int_equal(r->base[2 * MIB], 0);
	assert_int_equal(r->base[4 * MIB - 1], 0);
	assert_int_equal(r->base[4 * MIB], 1);
	assert_null(r->out);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_offered_is_claimed_once),
		test(no_more_is_claimed_than_was_asked_for),
		test(what_is_no_block_is_left_alone),
		test(larger_pages_are_left_alone),
		test(only_what_was_offered_before_is_claimed),
		test(an_entry_that_changed_stays),
		test(a_table_may_be_lost_at_any_time),
		test(what_nobody_works_on_is_put_back),
		test(a_large_table_is_walked_in_pieces),
		test(only_whole_pages_are_discarded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
