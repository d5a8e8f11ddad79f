// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "hostmem.h"
#include "procfile.h"
#include "tree.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char meminfo[] =
	"MemTotal:       24684096 kB\n"
	"MemFree:        22573736 kB\n"
	"MemAvailable:   23651076 kB\n"
	"Buffers:           33632 kB\n"
	"Cached:          1299732 kB\n"
	"SwapCached:          999 kB\n"
	"SwapTotal:             0 kB\n"
	"Shmem:            326216 kB\n";

static void sizes_are_bytes(void **state)
{
	struct hostmem mem;

	(void)state;
	tree_put("meminfo", meminfo);
	assert_int_equal(hostmem_read(tree_fd, &mem), 0);
	assert_int_equal(mem.total, UINT64_C(24684096) * 1024);
	assert_int_equal(mem.available, UINT64_C(23651076) * 1024);
	assert_int_equal(mem.cached, UINT64_C(1299732) * 1024);
	assert_int_equal(mem.shmem, UINT64_C(326216) * 1024);
	assert_int_equal(mem.swap_total, 0);
}

static void what_is_not_told_is_unknown_and_not_0(void **state)
{
	struct hostmem mem;
	struct hostmem_events events;

	(void)state;
	tree_put("meminfo", meminfo);
	tree_put("vmstat", "pswpin 1\n");
	assert_int_equal(hostmem_read(tree_fd, &mem), 0);
	assert_true(mem.swap_free == PROCFILE_UNKNOWN);
	assert_true(mem.zswap == PROCFILE_UNKNOWN);
	assert_int_equal(hostmem_events_read(tree_fd, &events), 0);
	assert_int_equal(events.swap_in, sysconf(_SC_PAGESIZE));
	assert_true(events.swap_out == PROCFILE_UNKNOWN);
	assert_true(events.alloc_stalls == PROCFILE_UNKNOWN);
}

static void without_total_or_available_it_is_no_meminfo(void **state)
{
	static const char *const bad[] = {
		"",
		"MemTotal: 1 kB\n",
		"MemAvailable: 1 kB\n",
		"MemTotal: x kB\nMemAvailable: 1 kB\n",
		"MemTotal: -1 kB\nMemAvailable: 1 kB\n",
		"MemTotal: 9223372036854775807 kB\nMemAvailable: 1 kB\n",
		"MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB\n",
		"MemTotal\nMemAvailable: 1 kB\n",
		"MemTotal:\nMemAvailable: 1 kB\n",
		"MemTotalX: 1 kB\nMemAvailable: 1 kB\n",
		" MemTotal: 1 kB\nMemAvailable: 1 kB\n",
		"MemTotal: 1kB\nMemAvailable: 1 kB\n",
	};
	struct hostmem mem;
	size_t i;

	(void)state;
	assert_int_equal(hostmem_read(tree_fd, &mem), -ENOENT);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		tree_put("meminfo", bad[i]);
		if (hostmem_read(tree_fd, &mem) != -EBADMSG)
			fail_msg("taken: '%s'", bad[i]);
	}
}

static void available_is_never_more_than_there_is(void **state)
{
	struct hostmem mem;

	(void)state;
	tree_put("meminfo", "MemTotal: 4 kB\nMemAvailable: 8 kB\n");
	assert_int_equal(hostmem_read(tree_fd, &mem), 0);
	assert_int_equal(mem.available, 4096);
}

static void stalls_of_all_zones_are_added_up(void **state)
{
	struct hostmem_events events;

	(void)state;
	tree_put("vmstat", "allocstall_dma 1\nallocstall_normal 20\n"
		 "allocstall_movable 300\nallocstall 5000\npgmajfault 7\n"
		 "oom_kill 2\noom_kill_x 3\n");
	assert_int_equal(hostmem_events_read(tree_fd, &events), 0);
	assert_int_equal(events.alloc_stalls, 321);
	assert_int_equal(events.major_faults, 7);
	assert_int_equal(events.oom_kills, 2);
}

static void sums_do_not_overflow(void **state)
{
	struct hostmem_events events;

	(void)state;
	tree_put("vmstat", "allocstall_a 9223372036854775807\n"
		 "allocstall_b 9223372036854775807\n"
		 "allocstall_c 9223372036854775807\n");
	assert_int_equal(hostmem_events_read(tree_fd, &events), 0);
	assert_true(events.alloc_stalls == INT64_MAX);
}

static void a_text_without_end_is_refused(void **state)
{
	struct hostmem mem;
	int fd;

	(void)state;
	tree_put("meminfo", meminfo);
	fd = openat(tree_fd, "meminfo", O_WRONLY);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	assert_int_equal(hostmem_read(tree_fd, &mem), -EFBIG);
}

static void links_and_pipes_are_not_followed(void **state)
{
	struct hostmem mem;

	(void)state;
	tree_put("real", meminfo);
	assert_int_equal(symlinkat("real", tree_fd, "meminfo"), 0);
	assert_int_equal(hostmem_read(tree_fd, &mem), -ELOOP);
	unlinkat(tree_fd, "meminfo", 0);
	assert_int_equal(mkfifoat(tree_fd, "meminfo", 0600), 0);
	assert_int_equal(hostmem_read(tree_fd, &mem), -EBADMSG);
}

static void zones_watermarks_are_added_up(void **state)
{
	uint64_t bytes;

	(void)state;
	assert_int_equal(hostmem_watermark(tree_fd, &bytes), -ENOENT);
	tree_put("zoneinfo",
		 "Node 0, zone      DMA\n"
		 "        min      10\n"
		 "        low      12\n"
		 "        high     15\n"
		 "    cpu: 0\n"
		 "              high:  4000\n"
		 "Node 0, zone   Normal\n"
		 "        high     100\n");
	assert_int_equal(hostmem_watermark(tree_fd, &bytes), 0);
	assert_int_equal(bytes, 115 * sysconf(_SC_PAGESIZE));
	tree_put("zoneinfo", "        high     x\n");
	assert_int_equal(hostmem_watermark(tree_fd, &bytes), -EBADMSG);
}

static void nodes_with_memory_are_listed(void **state)
{
	struct hostmem_node nodes[4];

	(void)state;
	tree_put("has_memory", "0-1,12\n");
	tree_put("node0/meminfo", "Node 0 MemTotal: 4 kB\n"
		 "Node 0 MemFree: 2 kB\nNode 0 Active(file): 1 kB\n");
	tree_put("node1/meminfo", "Node 1 MemTotal: 8 kB\n");
	tree_put("node12/meminfo", "Node 1 MemTotal: 8 kB\n"
		 "Node 12 MemTotal: 16 kB\n");
	assert_int_equal(hostmem_nodes(tree_fd, nodes, 4), 3);
	assert_int_equal(nodes[0].total, 4096);
	assert_int_equal(nodes[0].active_file, 1024);
	assert_true(nodes[0].inactive_file == PROCFILE_UNKNOWN);
	assert_int_equal(nodes[2].id, 12);
	assert_int_equal(nodes[2].total, 16384);
	assert_int_equal(hostmem_nodes(tree_fd, nodes, 2), -E2BIG);
}

static void lists_of_nodes_are_checked(void **state)
{
	static const char *const bad[] = {
		"", "\n", "x", "-1", "1-0", "0,", "0,0", "0-", "0-5000",
		"99999999999999999999", "2-1000000000000", "3,2",
	};
	struct hostmem_node nodes[4];
	size_t i;

	(void)state;
	tree_put("node0/meminfo", "");
	tree_put("node3/meminfo", "");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		tree_put("has_memory", bad[i]);
		if (hostmem_nodes(tree_fd, nodes, 4) != -EBADMSG)
			fail_msg("taken: '%s'", bad[i]);
	}
}

static void this_machine_is_understood(void **state)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct hostmem_events events;
	struct hostmem mem;
	uint64_t bytes;

	(void)state;
	assert_int_equal(hostmem_read(proc_fd, &mem), 0);
	assert_true(mem.free <= mem.total);
	assert_true(mem.swap_free <= mem.swap_total);
	assert_int_equal(hostmem_events_read(proc_fd, &events), 0);
	assert_true(events.major_faults != PROCFILE_UNKNOWN);
	assert_int_equal(hostmem_watermark(proc_fd, &bytes), 0);
	assert_true(bytes && bytes < mem.total);
	close(proc_fd);
}

#define in_tree(f) cmocka_unit_test_setup_teardown(f, tree_make, tree_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_tree(sizes_are_bytes),
		in_tree(what_is_not_told_is_unknown_and_not_0),
		in_tree(without_total_or_available_it_is_no_meminfo),
		in_tree(available_is_never_more_than_there_is),
		in_tree(stalls_of_all_zones_are_added_up),
		in_tree(sums_do_not_overflow),
		in_tree(a_text_without_end_is_refused),
		in_tree(links_and_pipes_are_not_followed),
		in_tree(zones_watermarks_are_added_up),
		in_tree(nodes_with_memory_are_listed),
		in_tree(lists_of_nodes_are_checked),
		cmocka_unit_test(this_machine_is_understood),
	};

	return cmocka_run_group_tests_name("hostmem", tests, NULL, NULL);
}
