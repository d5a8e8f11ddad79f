// SPDX-License-Identifier: GPL-2.0-or-later

#include "vring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define NUM	8
#define USER	0x7f0000000000ull
#define SIZE	0x10000ull

static const struct vring_addr addr = { USER, USER + 0x1000, USER + 0x2000 };
static struct region_table table;
static struct vring vr;
static struct vring_chain chain;
static struct fault fault;
static uint8_t *ram;

static int setup(void **state)
{
	const struct region_desc d = { 0, SIZE, USER, 0 };
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct region r;

	(void)state;
	if (ftruncate(fd, SIZE))
		return -1;
	assert_int_equal(region_map(&d, fd, 1, &r, &fault), 0);
	assert_int_equal(region_add(&table, &r, &fault), 0);
	ram = table.region[0].base;
	memset(&vr, 0, sizeof(vr));
	assert_int_equal(vring_init(&vr, &table, &addr, NUM, true, &fault), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	region_clear(&table);
	return 0;
}

static uint16_t *avail(void)
{
	return (uint16_t *)(ram + 0x1000);
}

static uint16_t *used(void)
{
	return (uint16_t *)(ram + 0x2000);
}

static void desc(unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
		 uint16_t next)
{
	memcpy(ram + i * 16, &gpa, 8);
	memcpy(ram + i * 16 + 8, &len, 4);
	memcpy(ram + i * 16 + 12, &flags, 2);
	memcpy(ram + i * 16 + 14, &next, 2);
}

static void offer(uint16_t head)
{
	avail()[2 + avail()[1] % NUM] = head;
	avail()[1]++;
}

static int init(uint64_t d, uint64_t a, uint64_t u, unsigned int num)
{
	const struct vring_addr at = { USER + d, USER + a, USER + u };

	return vring_init(&vr, &table, &at, num, true, &fault);
}

static void rings_must_fit_into_ram(void **state)
{
	(void)state;
	assert_int_equal(init(0, 0x1000, 0x2000, 0), -EINVAL);
	assert_int_equal(init(0, 0x1000, 0x2000, 3), -EINVAL);
	assert_int_equal(init(0, 0x1000, 0x2000, 2048), -EINVAL);
	assert_int_equal(init(8, 0x1000, 0x2000, 8), -EINVAL);
	assert_int_equal(init(0, 0x1001, 0x2000, 8), -EINVAL);
	assert_int_equal(init(0, 0x1000, 0x2002, 8), -EINVAL);
	/* The last bytes of each part: used_event, avail_event. */
	assert_int_equal(init(SIZE - 128, 0x1000, 0x2000, 8), 0);
	assert_int_equal(init(SIZE - 112, 0x1000, 0x2000, 8), -EINVAL);
	assert_int_equal(init(0, SIZE - 22, 0x2000, 8), 0);
	assert_int_equal(init(0, SIZE - 20, 0x2000, 8), -EINVAL);
	assert_int_equal(init(0, 0x1000, SIZE - 72, 8), 0);
	assert_int_equal(init(0, 0x1000, SIZE - 68, 8), -EINVAL);
	assert_int_equal(init(-16ull, 0x1000, 0x2000, 8), -EINVAL);
}

static void chains_are_walked(void **state)
{
	char text[16] = "";

	(void)state;
	memcpy(ram + 0x8000, "ballonet", 8);
	desc(3, 0x8000, 4, 1, 5);
	desc(5, 0x8004, 4, 1, 1);
	desc(1, 0x9000, 32, 2, 0);
	offer(3);
	assert_int_equal(vring_pending(&vr, 0, &fault), 1);
	assert_int_equal(vring_get(&vr, 0, &chain, &fault), 0);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.nr, 3);
	assert_int_equal(chain.nr_read, 2);
	assert_int_equal(chain.read_len, 8);
	assert_int_equal(chain.write_len, 32);
	assert_int_equal(vring_read(&chain, &table, 2, text, 5), 0);
	assert_string_equal(text, "llone");
	assert_int_equal(vring_read(&chain, &table, 4, text, 5), -EINVAL);
	assert_int_equal(vring_write(&chain, &table, "answer", 6), 0);
	assert_memory_equal(ram + 0x9000, "answer", 6);
	assert_int_equal(vring_write(&chain, &table, ram, 33), -EINVAL);
}

static void bad_chains_are_found(void **state)
{
	(void)state;
	desc(0, 0x8000, 4, 1, 1);
	desc(1, 0x8000, 4, 1, 0);
	offer(0);
	assert_int_equal(vring_get(&vr, 0, &chain, &fault), -EPROTO);
	desc(1, 0x8000, 4, 1, 8);
	assert_int_equal(vring_get(&vr, 0, &chain, &fault), -EPROTO);
	desc(1, 0x8000, 4, 4, 0);
	assert_int_equal(vring_get(&vr, 0, &chain, &fault), -EPROTO);
	desc(0, 0x8000, 4, 3, 1);
	desc(1, 0x8000, 4, 0, 0);
	assert_int_equal(vring_get(&vr, 0, &chain, &fault), -EPROTO);
	avail()[2] = 8;
	assert_int_equal(vring_get(&vr, 0, &chain, &fault), -EPROTO);
}

static void segments_outside_ram_are_found(void **state)
{
	char buf[8];

	(void)state;
	desc(0, SIZE - 4, 8, 1, 1);
	desc(1, -4ull, 8, 2, 0);
	offer(0);
	assert_int_equal(vring_get(&vr, 0, &chain, &fault), 0);
	assert_int_equal(vring_read(&chain, &table, 0, buf, 8), -EFAULT);
	assert_int_equal(vring_read(&chain, &table, 0, buf, 4), 0);
	assert_int_equal(vring_write(&chain, &table, buf, 8), -EFAULT);
}

static void impossible_indices_are_found(void **state)
{
	(void)state;
	avail()[1] = 8;
	assert_int_equal(vring_pending(&vr, 0, &fault), 8);
	avail()[1] = 9;
	assert_int_equal(vring_pending(&vr, 0, &fault), -EPROTO);
	avail()[1] = 3;
	assert_int_equal(vring_pending(&vr, 0xfffe, &fault), 5);
	assert_int_equal(vring_pending(&vr, 4, &fault), -EPROTO);
}

static void calls_follow_the_event_index(void **state)
{
	(void)state;
	avail()[2 + NUM] = 0;
	vring_put(&vr, 1, 0);
	assert_int_equal(used()[1], 0);
	assert_true(vring_publish(&vr));
	assert_int_equal(used()[1], 1);
	assert_int_equal(((uint32_t *)(used() + 2))[0], 1);
	/* Nothing new: no call. */
	assert_false(vring_publish(&vr));
	/* It wants to hear of the third. */
	avail()[2 + NUM] = 2;
	vring_put(&vr, 1, 0);
	assert_false(vring_publish(&vr));
	vring_put(&vr, 1, 0);
	assert_true(vring_publish(&vr));
	vring_put(&vr, 1, 0);
	assert_false(vring_publish(&vr));
}

static void calls_follow_the_flag_without_event_index(void **state)
{
	(void)state;
	vr.event_idx = false;
	vring_put(&vr, 1, 0);
	assert_true(vring_publish(&vr));
	avail()[0] = 1;
	vring_put(&vr, 1, 0);
	assert_false(vring_publish(&vr));
}

static void indices_wrap_around(void **state)
{
	unsigned int i;

	(void)state;
	desc(0, 0x8000, 4, 0, 0);
	for (i = 0; i < 70000; i++) {
		offer(0);
		assert_int_equal(vring_pending(&vr, vr.last_avail, &fault), 1);
		assert_int_equal(vring_get(&vr, vr.last_avail, &chain, &fault),
				 0);
		vring_put(&vr, chain.head, 0);
		avail()[2 + NUM] = vr.published;
		assert_true(vring_publish(&vr));
	}
	assert_int_equal(vr.last_avail, (uint16_t)70000);
	assert_int_equal(used()[1], (uint16_t)70000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(rings_must_fit_into_ram),
		TEST(chains_are_walked),
		TEST(bad_chains_are_found),
		TEST(segments_outside_ram_are_found),
		TEST(impossible_indices_are_found),
		TEST(calls_follow_the_event_index),
		TEST(calls_follow_the_flag_without_event_index),
		TEST(indices_wrap_around),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
