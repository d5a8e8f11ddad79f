// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "cgroup.h"
#include "procfile.h"
#include "tree.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static char path[PATH_MAX];

static void the_v2_path_of_a_process_is_found(void **state)
{
	(void)state;
	tree_put("7/cgroup", "5:devices:/x\n0::/qemu.slice/100.scope\n");
	assert_int_equal(cgroup_of_process(tree_fd, 7, path), 0);
	assert_string_equal(path, "/qemu.slice/100.scope");
	tree_put("8/cgroup", "5:devices:/x\n10::/y\n");
	assert_int_equal(cgroup_of_process(tree_fd, 8, path), -ENOENT);
	assert_int_equal(cgroup_of_process(tree_fd, 9, path), -ENOENT);
}

static void paths_that_lead_out_are_refused(void **state)
{
	static const char *const out[] = {
		"0::/..\n", "0::/../x\n", "0::/a/..\n", "0::/a/../../x\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(out); i++) {
		tree_put("7/cgroup", out[i]);
		assert_int_equal(cgroup_of_process(tree_fd, 7, path), -EXDEV);
	}
	/* A name may begin with dots. */
	tree_put("7/cgroup", "0::/..a/.b/c..\n");
	assert_int_equal(cgroup_of_process(tree_fd, 7, path), 0);
}

static void too_long_a_path_is_refused(void **state)
{
	static char text[3 * PATH_MAX];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "0::/", 4);
	text[PATH_MAX + 10] = '\0';
	tree_put("7/cgroup", text);
	assert_int_equal(cgroup_of_process(tree_fd, 7, path), -ENAMETOOLONG);
	text[PATH_MAX + 10] = 'x';
	tree_put("7/cgroup", text);
	assert_int_equal(cgroup_of_process(tree_fd, 7, path), -EFBIG);
}

static int opened(const char *text)
{
	int fd;

	strcpy(path, text);
	assert_int_equal(cgroup_open(tree_fd, path, &fd), 0);
	return fd;
}

static void the_nearest_ancestor_with_memory_counts(void **state)
{
	(void)state;
	tree_put("machine.slice/memory.current", "2\n");
	tree_put("machine.slice/vm.scope/memory.current", "1\n");
	tree_put("machine.slice/vm.scope/libvirt/emulator/cgroup.procs", "7\n");
	close(opened("/machine.slice/vm.scope/libvirt/emulator"));
	assert_string_equal(path, "/machine.slice/vm.scope");
	/* One that is gone, too. */
	close(opened("/machine.slice/vm.scope/libvirt/gone"));
	assert_string_equal(path, "/machine.slice/vm.scope");
}

static void the_root_is_no_vms_cgroup(void **state)
{
	int fd;

	(void)state;
	tree_put("memory.current", "1\n");
	tree_put("a/cgroup.procs", "");
	strcpy(path, "/a");
	assert_int_equal(cgroup_open(tree_fd, path, &fd), -ENOENT);
	strcpy(path, "/");
	assert_int_equal(cgroup_open(tree_fd, path, &fd), -ENOENT);
	strcpy(path, "");
	assert_int_equal(cgroup_open(tree_fd, path, &fd), -ENOENT);
}

static void links_and_dots_do_not_lead_out(void **state)
{
	int fd;

	(void)state;
	tree_put("a/memory.current", "1\n");
	assert_int_equal(symlinkat("/sys", tree_fd, "a/out"), 0);
	strcpy(path, "/a/out");
	assert_int_equal(cgroup_open(tree_fd, path, &fd), -ELOOP);
	strcpy(path, "/../../etc");
	assert_int_equal(cgroup_open(tree_fd, path, &fd), -EXDEV);
	strcpy(path, "//etc");
	assert_true(cgroup_open(tree_fd, path, &fd) < 0);
}

static void a_shared_cgroup_is_not_the_vms_own(void **state)
{
	static char many[8192];
	int fd;

	(void)state;
	tree_put("a/memory.current", "1\n");
	fd = opened("/a");
	assert_int_equal(cgroup_holds_only(fd, 7), -ENOENT);
	tree_put("a/cgroup.procs", "7\n");
	assert_int_equal(cgroup_holds_only(fd, 7), 1);
	assert_int_equal(cgroup_holds_only(fd, 70), 0);
	tree_put("a/cgroup.procs", "7\n8\n");
	assert_int_equal(cgroup_holds_only(fd, 7), 0);
	tree_put("a/cgroup.procs", "");
	assert_int_equal(cgroup_holds_only(fd, 7), 0);
	memset(many, '7', sizeof(many) - 1);
	tree_put("a/cgroup.procs", many);
	assert_int_equal(cgroup_holds_only(fd, 7), 0);
	close(fd);
}

static void all_files_are_read(void **state)
{
	struct cgroup_memory m;
	int fd;

	(void)state;
	tree_put("a/memory.current", "1073741824\n");
	tree_put("a/memory.swap.current", "4096\n");
	tree_put("a/memory.low", "0\n");
	tree_put("a/memory.high", "max\n");
	tree_put("a/memory.max", "2147483648\n");
	tree_put("a/memory.stat", "anon 10\nfile 20\nshmem 15\n"
		 "workingset_refault_anon 2\npgmajfault 9\n");
	tree_put("a/memory.events", "low 0\nhigh 3\nmax 4\noom 5\noom_kill 6\n"
		 "oom_group_kill 7\n");
	tree_put("a/memory.pressure",
		 "some avg10=1.00 avg60=0.00 avg300=0.00 total=11\n"
		 "full avg10=0.50 avg60=0.00 avg300=0.00 total=12\n");
	fd = opened("/a");
	assert_int_equal(cgroup_memory_read(fd, &m), 0);
	assert_int_equal(m.current, 1 << 30);
	assert_int_equal(m.swap_current, 4096);
	assert_int_equal(m.low, 0);
	assert_true(m.high == PROCFILE_NO_LIMIT);
	assert_int_equal(m.max, UINT64_C(1) << 31);
	assert_int_equal(m.anon, 10);
	assert_int_equal(m.shmem, 15);
	assert_int_equal(m.refault_anon, 2 * sysconf(_SC_PAGESIZE));
	assert_int_equal(m.events_oom, 5);
	assert_int_equal(m.events_oom_kill, 6);
	assert_int_equal(m.pressure.line[PRESSURE_FULL].total_us, 12);
	close(fd);
}

static void absent_and_broken_files_are_unknown_and_not_0(void **state)
{
	struct cgroup_memory m;
	int fd;

	(void)state;
	tree_put("a/memory.current", "5\n");
	tree_put("a/memory.low", "");
	tree_put("a/memory.high", "maximum\n");
	tree_put("a/memory.max", "-1\n");
	tree_put("a/memory.swap.max", "9223372036854775808\n");
	tree_put("a/memory.pressure", "some what\n");
	tree_put("a/memory.stat", "anon\nfile x\nshmem  ");
	fd = opened("/a");
	assert_int_equal(cgroup_memory_read(fd, &m), 0);
	assert_int_equal(m.current, 5);
	assert_true(m.min == PROCFILE_UNKNOWN);
	assert_true(m.low == PROCFILE_UNKNOWN);
	assert_true(m.high == PROCFILE_UNKNOWN);
	assert_true(m.max == PROCFILE_UNKNOWN);
	assert_true(m.swap_max == PROCFILE_UNKNOWN);
	assert_true(m.anon == PROCFILE_UNKNOWN);
	assert_true(m.file == PROCFILE_UNKNOWN);
	assert_true(m.shmem == PROCFILE_UNKNOWN);
	assert_true(m.refault_file == PROCFILE_UNKNOWN);
	assert_true(m.events_oom == PROCFILE_UNKNOWN);
	assert_true(m.pressure.line[PRESSURE_SOME].avg10 == PRESSURE_UNKNOWN);
	tree_put("a/memory.current", "max\n");
	assert_int_equal(cgroup_memory_read(fd, &m), -ENODEV);
	close(fd);
}

static void reclaim_is_asked_for_in_words(void **state)
{
	char text[64];
	int fd;

	(void)state;
	tree_put("a/memory.current", "5\n");
	fd = opened("/a");
	assert_int_equal(cgroup_reclaim(fd, 4096, CGROUP_SWAPPINESS_ANY),
			 -ENOENT);
	tree_put("a/memory.reclaim", "");
	assert_int_equal(cgroup_reclaim(fd, 4096, 201), -ERANGE);
	assert_int_equal(cgroup_reclaim(fd, 4096, -2), -ERANGE);
	assert_int_equal(cgroup_reclaim(fd, 4096, CGROUP_SWAPPINESS_ANY), 0);
	procfile_read(fd, "memory.reclaim", text, sizeof(text));
	assert_string_equal(text, "4096");
	assert_int_equal(cgroup_reclaim(fd, UINT64_MAX, 200), 0);
	procfile_read(fd, "memory.reclaim", text, sizeof(text));
	assert_string_equal(text, "18446744073709551615 swappiness=200");
	close(fd);
}

#define in_tree(f) cmocka_unit_test_setup_teardown(f, tree_make, tree_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_tree(the_v2_path_of_a_process_is_found),
		in_tree(paths_that_lead_out_are_refused),
		in_tree(too_long_a_path_is_refused),
		in_tree(the_nearest_ancestor_with_memory_counts),
		in_tree(the_root_is_no_vms_cgroup),
		in_tree(links_and_dots_do_not_lead_out),
		in_tree(a_shared_cgroup_is_not_the_vms_own),
		in_tree(all_files_are_read),
		in_tree(absent_and_broken_files_are_unknown_and_not_0),
		in_tree(reclaim_is_asked_for_in_words),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
