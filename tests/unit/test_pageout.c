// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <sys/syscall.h>

#include "pageout.h"
#include "procfile.h"
#include "tree.h"

#define MIB	(UINT64_C(1) << 20)

static struct pageout process(void)
{
	return (struct pageout){
		.proc_fd = tree_fd,
		.sys_fd = tree_fd,
		.pid = 7,
		.pidfd = -1,
		.cgroup_fd = -1,
	};
}

static void a_process_shows_what_it_has_and_waits_for(void **state)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	struct pageout pageout = process();
	struct pageout_gauge gauge;

	(void)state;
	pageout_look(&pageout, &gauge);
	assert_true(gauge.resident == PROCFILE_UNKNOWN);
	assert_true(gauge.read_back == PROCFILE_UNKNOWN);
	tree_put("7/statm", "1000 256 1 1 0 1 0\n");
	tree_put("7/stat", "7 (a) b) R) S 1 7 7 0 -1 4194560 900 0 5 0 1 1\n");
	tree_put("meminfo", "MemTotal: 9 kB\nMemAvailable: 9 kB\nZswap: 3 kB\n");
	pageout_look(&pageout, &gauge);
	assert_int_equal(gauge.resident, 256 * page);
	assert_int_equal(gauge.read_back, 5 * page);
	assert_int_equal(gauge.compressed, 3 * 1024);
	/* Each time it waits, the kernel reads more than it waits for. */
	tree_put("sys/vm/page-cluster", "3\n");
	pageout_look(&pageout, &gauge);
	assert_int_equal(gauge.read_back, 8 * 5 * page);
	tree_put("sys/vm/page-cluster", "63\n");
	pageout_look(&pageout, &gauge);
	assert_int_equal(gauge.read_back, 5 * page);
}

static void a_cgroup_shows_what_was_read_back(void **state)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	struct pageout pageout = process();
	struct pageout_gauge gauge;

	(void)state;
	tree_put("meminfo", "MemTotal: 9 kB\nMemAvailable: 9 kB\nZswap: 3 kB\n");
	tree_put("swaps", "Filename\n/dev/zram0 partition 1024 512 -2\n");
	tree_put("block/zram0/mm_stat", "9000 5000 6000 0 0 0 0 0 0\n");
	tree_put("cg/memory.current", "123456\n");
	tree_put("cg/memory.stat",
		 "workingset_refault_anon 3\nworkingset_refault_file 4\n");
	pageout.cgroup_fd = openat(tree_fd, "cg", O_RDONLY | O_DIRECTORY);
	pageout_look(&pageout, &gauge);
	assert_int_equal(gauge.resident, 123456);
	assert_int_equal(gauge.read_back, 7 * page);
	/* zswap is in what the cgroup is charged for, zram is nobody's. */
	assert_int_equal(gauge.compressed, 6000);
	unlinkat(pageout.cgroup_fd, "memory.current", 0);
	pageout_look(&pageout, &gauge);
	assert_true(gauge.resident == PROCFILE_UNKNOWN);
	close(pageout.cgroup_fd);
}

/* Mappings of another process, of 64 MiB each, that the kernel refuses. */
static void maps_put(unsigned int nr)
{
	int fd = openat(tree_fd, "7/maps", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	FILE *file = fdopen(fd, "w");
	unsigned int i;

	assert_non_null(file);
	for (i = 1; i <= nr; i++)
		fprintf(file, "%" PRIx64 "-%" PRIx64 " rw-p 00000000 00:01 7\n",
			2 * i * 64 * MIB + 1, (2 * i + 1) * 64 * MIB + 1);
	assert_int_equal(fclose(file), 0);
}

static void what_the_kernel_refuses_is_passed_over_for_a_while(void **state)
{
	struct pageout pageout = process();
	uint64_t asked = 1;
	int rc;

	(void)state;
	tree_put("7/statm", "1000 256 1 1 0 1 0\n");
	maps_put(100000);
	pageout.pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	rc = pageout_piece(&pageout, MIB, &asked);
	/* Not in every container. */
	if (rc == -EPERM)
		skip();
	assert_int_equal(rc, 0);
	assert_int_equal(asked, 0);
	/* Each at once, however large, and not all of them. */
	assert_int_equal(pageout.cursor, (2 * 64 + 1) * 64 * MIB + 1);
	assert_int_equal(pageout_piece(&pageout, MIB, &asked), 0);
	assert_int_equal(pageout.cursor, (2 * 128 + 1) * 64 * MIB + 1);
	/* Around, and from the first one on. */
	maps_put(130);
	assert_int_equal(pageout_piece(&pageout, MIB, &asked), 0);
	assert_int_equal(pageout.cursor, (2 * 62 + 1) * 64 * MIB + 1);
	close(pageout.pidfd);
}

static void what_compression_takes_is_not_free(void **state)
{
	struct pageout_gauge before = { 100 * MIB, 10 * MIB, 0 };
	struct pageout_gauge after = { 60 * MIB, 25 * MIB, 0 };

	(void)state;
	assert_int_equal(pageout_freed(&before, &after), 25 * MIB);
	after.compressed = 0;
	assert_int_equal(pageout_freed(&before, &after), 40 * MIB);
	after.compressed = 60 * MIB;
	assert_int_equal(pageout_freed(&before, &after), 0);
	after.resident = PROCFILE_UNKNOWN;
	assert_int_equal(pageout_freed(&before, &after), 0);
	before.resident = PROCFILE_UNKNOWN;
	after.resident = 0;
	assert_int_equal(pageout_freed(&before, &after), 0);
}

static void a_cgroup_is_asked_in_pieces(void **state)
{
	struct pageout pageout = process();
	uint64_t asked;
	char text[64];

	(void)state;
	tree_put("cg/memory.reclaim", "");
	pageout.cgroup_fd = openat(tree_fd, "cg", O_RDONLY | O_DIRECTORY);
	assert_int_equal(pageout_piece(&pageout, 100 * MIB + 5, &asked), 0);
	assert_int_equal(asked, PAGEOUT_PIECE);
	procfile_read(tree_fd, "cg/memory.reclaim", text, sizeof(text));
	assert_string_equal(text, "16777216");
	assert_int_equal(pageout_piece(&pageout, 4095, &asked), 0);
	assert_int_equal(asked, 0);
	unlinkat(pageout.cgroup_fd, "memory.reclaim", 0);
	assert_int_equal(pageout_piece(&pageout, MIB, &asked), -ENOENT);
	close(pageout.cgroup_fd);
}

/* What it may not have is no mapping of a process either. */
static void a_process_without_ram_has_nothing_to_page_out(void **state)
{
	static const char maps[] =
		"560000000000-560000100000 rw-p 00000000 00:00 0 [heap]\n"
		"7f0000000000-7f0040000000 r--s 00000000 00:01 5 /a file\n"
		"7f1000000000-7f1000001000 rw-p 00000000 00:00 0\n"
		"7fffffff0000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\n"
		"9-1 rw-p\nnonsense\n\n";
	struct pageout pageout = process();
	uint64_t asked;

	(void)state;
	assert_int_equal(pageout_piece(&pageout, MIB, &asked), -ENOENT);
	tree_put("7/maps", maps);
	assert_int_equal(pageout_piece(&pageout, MIB, &asked), 0);
	assert_int_equal(asked, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, tree_make, tree_remove)
	const struct CMUnitTest tests[] = {
		T(a_process_shows_what_it_has_and_waits_for),
		T(a_cgroup_shows_what_was_read_back),
		T(what_the_kernel_refuses_is_passed_over_for_a_while),
		cmocka_unit_test(what_compression_takes_is_not_free),
		T(a_cgroup_is_asked_in_pieces),
		T(a_process_without_ram_has_nothing_to_page_out),
	};

	return cmocka_run_group_tests_name("pageout", tests, NULL, NULL);
}
