// SPDX-License-Identifier: GPL-2.0-or-later
/* userspace/daemon/host.c, on a machine of files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../userspace/daemon/host.h"
#include "../../userspace/daemon/log.h"

#include <errno.h>

#include "tree.h"

#define GIB	(UINT64_C(1) << 30)

static uv_loop_t loop;
static struct host *host;

static int setup(void **state)
{
	if (tree_make(state))
		return -1;
	mkdirat(tree_fd, "proc", 0755);
	mkdirat(tree_fd, "sys", 0755);
	log_init();
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	host_destroy(&host);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop))
		return -1;
	return tree_remove(state);
}

static void woken(void *userdata)
{
	(void)userdata;
	fail_msg("woken by a file");
}

/* 64 GiB, of which so much is available. */
static void meminfo(uint64_t available)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "MemTotal: 67108864 kB\nMemAvailable: %llu kB\n",
		 (unsigned long long)available / 1024);
	tree_put("proc/meminfo", text);
}

static void create(uint64_t budget, uint64_t min_free)
{
	struct host_options options = {
		.root = tree_dir,
		.budget = budget,
		.min_free = min_free,
	};

	assert_int_equal(host_create(&loop, &options, woken, NULL, &host), 0);
}

static struct plan_host snapshot(uint64_t occupied)
{
	struct plan_host now;

	assert_int_equal(host_snapshot(host, occupied, &now), 0);
	return now;
}

static void a_machine_without_psi_is_judged_by_its_memory(void **state)
{
	struct plan_host now;
	json_t *json;

	(void)state;
	meminfo(20 * GIB);
	create(0, 0);
	now = snapshot(30 * GIB);
	assert_true(now.now_ms);
	assert_int_equal(now.total, 64 * GIB);
	assert_int_equal(now.available, 20 * GIB);
	assert_int_equal(now.min_free, plan_min_free(64 * GIB));
	assert_int_equal(now.stall_some, 0);
	json = host_pack(host);
	assert_true(json_is_false(json_object_get(json, "psi")));
	assert_int_equal(json_array_size(json_object_get(json, "nodes")), 0);
	json_decref(json);
}

static void a_budget_is_what_vms_and_free_memory_have(void **state)
{
	struct plan_host now;

	(void)state;
	meminfo(50 * GIB);
	create(8 * GIB, 0);
	now = snapshot(5 * GIB);
	assert_int_equal(now.total, 8 * GIB);
	assert_int_equal(now.available, 3 * GIB);
	assert_int_equal(now.min_free, plan_min_free(8 * GIB));
	assert_int_equal(snapshot(9 * GIB).available, 0);
	/* Others use the machine: what there is not cannot be had. */
	meminfo(1 * GIB);
	assert_int_equal(snapshot(5 * GIB).available, 1 * GIB);
	host_limit(host, 0, 0);
	assert_int_equal(snapshot(5 * GIB).available, 1 * GIB);
	assert_int_equal(snapshot(5 * GIB).total, 64 * GIB);
	host_limit(host, 1000 * GIB, 0);
	assert_int_equal(snapshot(5 * GIB).total, 64 * GIB);
}

static void at_least_twice_what_the_kernel_keeps_stays_free(void **state)
{
	char text[64];

	(void)state;
	meminfo(50 * GIB);
	/* 1 GiB is kept by the kernel. */
	snprintf(text, sizeof(text), "Node 0, zone   Normal\n  high %llu\n",
		 (unsigned long long)(GIB / sysconf(_SC_PAGESIZE)));
	tree_put("proc/zoneinfo", text);
	create(0, 0);
	assert_int_equal(snapshot(0).min_free, 2 * GIB);
	host_limit(host, 0, 3 * GIB);
	assert_int_equal(snapshot(0).min_free, 3 * GIB);
	host_limit(host, 0, GIB / 2);
	assert_int_equal(snapshot(0).min_free, GIB / 2);
}

static void stalled(unsigned int some, unsigned int full)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "some avg10=0.00 avg60=0.00 avg300=0.00 total=%u\n"
		 "full avg10=0.00 avg60=0.00 avg300=0.00 total=%u\n",
		 some, full);
	tree_put("proc/pressure/memory", text);
}

static void time_lost_in_the_last_second_is_seen(void **state)
{
	struct plan_host now;
	json_t *json;

	(void)state;
	meminfo(50 * GIB);
	stalled(1000, 0);
	create(0, 0);
	now = snapshot(0);
	assert_int_equal(now.stall_some, 0);
	usleep(150 * 1000);
	/* More than there was time. */
	stalled(1000000000, 0);
	now = snapshot(0);
	assert_int_equal(now.stall_some, 1000);
	assert_int_equal(now.stall_full, 0);
	json = host_pack(host);
	assert_true(json_is_true(json_object_get(json, "psi")));
	json_decref(json);
}

static void nodes_are_shown(void **state)
{
	json_t *json, *nodes;

	(void)state;
	meminfo(50 * GIB);
	tree_put("sys/devices/system/node/has_memory", "0-1\n");
	tree_put("sys/devices/system/node/node0/meminfo",
		 "Node 0 MemTotal: 8 kB\nNode 0 MemFree: 4 kB\n");
	tree_put("sys/devices/system/node/node1/meminfo",
		 "Node 1 MemTotal: 16 kB\n");
	create(0, 0);
	snapshot(0);
	json = host_pack(host);
	nodes = json_object_get(json, "nodes");
	assert_int_equal(json_array_size(nodes), 2);
	assert_int_equal(json_integer_value(json_object_get(
		json_array_get(nodes, 0), "free")), 4096);
	assert_null(json_object_get(json_array_get(nodes, 1), "free"));
	json_decref(json);
}

static void no_meminfo_is_no_machine(void **state)
{
	struct host_options options = { .root = tree_dir };
	struct plan_host now;

	(void)state;
	assert_int_equal(host_create(&loop, &options, woken, NULL, &host),
			 -ENOENT);
	meminfo(GIB);
	create(0, 0);
	tree_put("proc/meminfo", "nonsense\n");
	assert_int_equal(host_snapshot(host, 0, &now), -EBADMSG);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_machine_without_psi_is_judged_by_its_memory),
		T(a_budget_is_what_vms_and_free_memory_have),
		T(at_least_twice_what_the_kernel_keeps_stays_free),
		T(time_lost_in_the_last_second_is_seen),
		T(nodes_are_shown),
		T(no_meminfo_is_no_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
