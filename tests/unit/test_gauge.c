// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../userspace/daemon/vm_backend.h"

#include "gauge.h"

/* A file as the back-end has it. */
struct fixture {
	int fd;
	struct gauge_page *page;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->fd = memfd_create("gauge", MFD_CLOEXEC);
	assert_true(f->fd >= 0);
	assert_int_equal(ftruncate(f->fd, GAUGE_OFFSET + GAUGE_SIZE), 0);
	f->page = mmap(NULL, GAUGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       f->fd, GAUGE_OFFSET);
	assert_true(f->page != MAP_FAILED);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->page, GAUGE_SIZE);
	close(f->fd);
	free(f);
	return 0;
}

static void what_is_shown_is_seen(void **state)
{
	struct fixture *f = *state;
	struct gauge in = {
		.state = INTERFACE_RUNNING, .memory = 5, .stats_ms = 7,
		.nr = 2, .tag = { 6, 0xf002 }, .value = { 100, 200 },
	};
	struct gauge out;

	gauge_show(f->page, &in);
	assert_int_equal(gauge_look(f->fd, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(gauge_stat(&out, 0xf002), 200);
	assert_true(gauge_stat(&out, 4) == UINT64_MAX);
	in.memory = 6;
	gauge_show(f->page, &in);
	assert_int_equal(gauge_look(f->fd, &out), 0);
	assert_int_equal(out.memory, 6);
}

static void a_file_larger_than_the_guest_is_not_all_the_guests(void **state)
{
	struct gauge gauge = { .memory = 100, .resident = 99 };
	struct plan_guest guest = { 0 };

	(void)state;
	vm_gauge_snapshot(&gauge, &guest);
	assert_int_equal(guest.resident, 99);
	gauge.resident = UINT64_C(1) << 60;
	vm_gauge_snapshot(&gauge, &guest);
	assert_int_equal(guest.resident, 100);
}

static void nothing_is_shown_at_first(void **state)
{
	struct fixture *f = *state;
	struct gauge gauge;

	assert_int_equal(gauge_look(f->fd, &gauge), -ENOENT);
	assert_int_equal(gauge_look(-1, &gauge), -EBADF);
	/* The state of an older back-end ends before. */
	assert_int_equal(ftruncate(f->fd, GAUGE_OFFSET / 2), 0);
	assert_int_equal(gauge_look(f->fd, &gauge), -ENOENT);
	assert_int_equal(ftruncate(f->fd, GAUGE_OFFSET + 100), 0);
	assert_int_equal(gauge_look(f->fd, &gauge), -ENOENT);
}

static void a_change_under_way_is_not_believed(void **state)
{
	const struct gauge in = { .state = INTERFACE_RUNNING };
	struct fixture *f = *state;
	struct gauge gauge;

	gauge_show(f->page, &in);
	f->page->begin++;
	assert_int_equal(gauge_look(f->fd, &gauge), -EAGAIN);
	/* Who died there leaves a successor that shows again. */
	gauge_show(f->page, &in);
	assert_int_equal(gauge_look(f->fd, &gauge), 0);
}

static void numbers_that_index_are_checked(void **state)
{
	struct gauge in = { .state = INTERFACE_NR_STATES };
	struct fixture *f = *state;
	struct gauge gauge;

	gauge_show(f->page, &in);
	assert_int_equal(gauge_look(f->fd, &gauge), -EBADMSG);
	in.state = INTERFACE_RUNNING;
	in.nr = GAUGE_STATS_MAX + 1;
	gauge_show(f->page, &in);
	assert_int_equal(gauge_look(f->fd, &gauge), -EBADMSG);
	in.nr = GAUGE_STATS_MAX;
	gauge_show(f->page, &in);
	assert_int_equal(gauge_look(f->fd, &gauge), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* One of /proc, of a disk or of FUSE may take as long as it likes. */
static void only_memory_is_looked_at(void **state)
{
	struct gauge gauge;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(gauge_look(fd, &gauge), -EINVAL);
	close(fd);
	assert_int_equal(gauge_look(-1, &gauge), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_shown_is_seen),
		TEST(a_file_larger_than_the_guest_is_not_all_the_guests),
		TEST(nothing_is_shown_at_first),
		TEST(a_change_under_way_is_not_believed),
		TEST(numbers_that_index_are_checked),
		cmocka_unit_test(only_memory_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
