// SPDX-License-Identifier: GPL-2.0-or-later
/* userspace/daemon/ladder*.c, on a machine of files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../userspace/daemon/ladder.h"
#include "../../userspace/daemon/log.h"
#include "../../userspace/daemon/watch.h"

#include "procfile.h"
#include "tree.h"

#define MIB	(UINT64_C(1) << 20)
#define GIB	(UINT64_C(1) << 30)
#define KSM	"sys/kernel/mm/ksm/"

static uv_loop_t loop;
static struct host *host;
static struct ladder *ladder;
static uint64_t now_ms;

static void woken(void *userdata)
{
	(void)userdata;
}

static int setup(void **state)
{
	struct host_options options = { .root = tree_dir };

	if (tree_make(state))
		return -1;
	log_init();
	now_ms = 1000;
	tree_put("proc/meminfo",
		 "MemTotal: 67108864 kB\nMemAvailable: 8388608 kB\n"
		 "Zswap: 1024 kB\nZswapped: 3072 kB\n");
	tree_put("proc/swaps", "Filename\n/dev/sda2 partition 1024 512 -2\n");
	tree_put(KSM "run", "0\n");
	tree_put(KSM "pages_sharing", "0\n");
	tree_put(KSM "full_scans", "0\n");
	tree_put(KSM "general_profit", "0\n");
	tree_put(KSM "advisor_mode", "[none] scan-time\n");
	return uv_loop_init(&loop) ?:
		host_create(&loop, &options, woken, NULL, &host) ?:
		ladder_create(&loop, host, &ladder);
}

static int teardown(void **state)
{
	ladder_destroy(&ladder);
	host_destroy(&host);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop))
		return -1;
	return tree_remove(state);
}

/* A step, and all that follows from it. */
static void step_with_room(enum plan_level level, uint64_t room,
			   const struct ladder_vm *vms, size_t nr)
{
	const struct ladder_tick tick = {
		.now_ms = now_ms,
		.level = level,
		.room = room,
	};

	ladder_step(ladder, &tick, vms, nr);
	uv_run(&loop, UV_RUN_DEFAULT);
	now_ms += 1000;
}

static void step(enum plan_level level, const struct ladder_vm *vms, size_t nr)
{
	step_with_room(level, GIB, vms, nr);
}

/* So long that all is looked at again. */
static void minute(enum plan_level level, const struct ladder_vm *vms,
		   size_t nr)
{
	now_ms += 60000;
	step(level, vms, nr);
	now_ms += 10000;
	step(level, vms, nr);
}

static bool file_is(const char *path, const char *text)
{
	char is[64];

	assert_true(procfile_read(tree_fd, path, is, sizeof(is)) >= 0);
	return !strncmp(is, text, strlen(text));
}

/* Of the packed ladder: a rung's value. */
static json_t *rung(json_t *packed, const char *name, const char *key)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(packed, "rungs"), i, one)
		if (!strcmp(json_string_value(json_object_get(one, "rung")),
			    name))
			return json_object_get(one, key);
	return NULL;
}

static void rung_has(json_t *packed, const char *name, const char *key,
		     uint64_t value)
{
	assert_int_equal(json_integer_value(rung(packed, name, key)), value);
}

static void reason_has(const char *name, const char *text)
{
	json_t *packed = ladder_pack(ladder);
	const char *reason = json_string_value(rung(packed, name, "reason"));

	assert_non_null(packed);
	if (!reason || !strstr(reason, text))
		fail_msg("%s: '%s' has no '%s'", name, reason, text);
	assert_true(json_is_false(rung(packed, name, "on")));
	json_decref(packed);
}

static void vm_merges(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/ksm_stat", (int)pid);
	tree_put(path, "ksm_rmap_items 10\nksm_merging_pages 4\n");
}

static void nothing_that_is_not_allowed_is_touched(void **state)
{
	const struct ladder_vm vm = { "a", 1, "g", 10, -1, .pageable = true,
		.page_out = 64 * MIB };

	(void)state;
	tree_put("sys/module/zswap/parameters/enabled", "N\n");
	vm_merges(10);
	ladder_configure(ladder, 0);
	minute(PLAN_BLACK, &vm, 1);
	assert_true(file_is(KSM "run", "0"));
	assert_true(file_is("sys/module/zswap/parameters/enabled", "N"));
	reason_has("ksm", "not in 'ladder'");
	reason_has("zswap", "not in 'ladder'");
	reason_has("reclaim", "not in 'ladder'");
}

static void memory_of_one_group_is_merged_while_the_host_is_short(void **state)
{
	const struct ladder_vm vms[] = {
		{ "a", 1, "g", 10, -1, .pageable = true },
		{ "b", 2, "g", 11, -1, .pageable = true },
		{ "c", 3, "", 12, -1, .pageable = true },
	};

	(void)state;
	vm_merges(10);
	vm_merges(11);
	ladder_configure(ladder, 1u << RUNG_KSM);
	minute(PLAN_GREEN, vms, 3);
	assert_true(file_is(KSM "run", "0"));
	reason_has("ksm", "the host has memory");
	minute(PLAN_YELLOW, vms, 3);
	assert_true(file_is(KSM "run", "1"));
	assert_true(file_is(KSM "advisor_mode", "scan-time"));
	/* It goes on while it pays. */
	tree_put(KSM "general_profit", "4096\n");
	minute(PLAN_GREEN, vms, 3);
	assert_true(file_is(KSM "run", "1"));
	tree_put(KSM "general_profit", "-4096\n");
	minute(PLAN_GREEN, vms, 3);
	assert_true(file_is(KSM "run", "0"));
}

/* Who waits for it for ever is killed. */
static void fifo_put(const char *path)
{
	alarm(60);
	unlinkat(tree_fd, path, 0);
	assert_int_equal(mkfifoat(tree_fd, path, 0600), 0);
}

/* Who has written to it and waits goes on; what it wrote is thrown away. */
static void fifo_release(const char *path)
{
	int fd = openat(tree_fd, path, O_RDONLY | O_CLOEXEC);
	char text[64];

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text)) > 0);
	close(fd);
	alarm(0);
}

/* A step that has begun something; it is not waited for. */
static void step_only(enum plan_level level, const struct ladder_vm *vms,
		      size_t nr)
{
	const struct ladder_tick tick = {
		.now_ms = now_ms,
		.level = level,
		.room = GIB,
	};

	ladder_step(ladder, &tick, vms, nr);
	now_ms += 10000;
}

/* A write that takes its time, as the kernel's does while it unmerges. */
static void nobody_waits_for_what_is_written(void **state)
{
	const struct ladder_vm vm = { "a", 1, "g", 10, -1, .pageable = true };

	(void)state;
	fifo_put(KSM "advisor_mode");
	vm_merges(10);
	ladder_configure(ladder, 1u << RUNG_KSM);
	step(PLAN_GREEN, &vm, 1);
	now_ms += 10000;
	step_only(PLAN_RED, &vm, 1);
	step_only(PLAN_RED, &vm, 1);
	assert_false(loop_end(&loop, 10));
	assert_true(file_is(KSM "run", "0"));
	fifo_release(KSM "advisor_mode");
	step_only(PLAN_RED, &vm, 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(file_is(KSM "run", "1"));
}

static void what_is_begun_at_the_end_is_undone(void **state)
{
	const struct ladder_vm vm = { "a", 1, "g", 10, -1, .pageable = true };

	(void)state;
	fifo_put(KSM "advisor_mode");
	vm_merges(10);
	ladder_configure(ladder, 1u << RUNG_KSM);
	step(PLAN_GREEN, &vm, 1);
	now_ms += 10000;
	step_only(PLAN_RED, &vm, 1);
	ladder_destroy(&ladder);
	fifo_release(KSM "advisor_mode");
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(file_is(KSM "run", "0"));
}

static void merging_that_does_not_pay_is_left_alone(void **state)
{
	const struct ladder_vm vm = { "a", 1, "g", 10, -1, .pageable = true };

	(void)state;
	vm_merges(10);
	ladder_configure(ladder, 1u << RUNG_KSM);
	minute(PLAN_RED, &vm, 1);
	assert_true(file_is(KSM "run", "1"));
	tree_put(KSM "general_profit", "-64000\n");
	tree_put(KSM "full_scans", "3\n");
	now_ms += 10000;
	step(PLAN_RED, &vm, 1);
	assert_true(file_is(KSM "run", "0"));
	reason_has("ksm", "its tables take 64000 bytes more than it saves");
	now_ms += 61000;
	step(PLAN_RED, &vm, 1);
	assert_true(file_is(KSM "run", "1"));
}

static bool is_mixed(void)
{
	json_t *packed = ladder_pack(ladder);
	bool mixed = json_is_true(json_object_get(
		json_object_get(packed, "ksm"), "mixed"));

	json_decref(packed);
	return mixed;
}

static void memory_of_two_groups_is_taken_apart_when_there_is_room(void **state)
{
	struct ladder_vm vms[] = {
		{ "a", 1, "g", 10, -1, .pageable = true },
		{ "b", 2, "h", 11, -1, .pageable = true },
	};

	(void)state;
	vm_merges(10);
	ladder_configure(ladder, 1u << RUNG_KSM);
	minute(PLAN_RED, vms, 2);
	assert_true(file_is(KSM "run", "1"));
	vm_merges(11);
	tree_put(KSM "pages_sharing", "1024\n");
	now_ms += 60000;
	step_with_room(PLAN_RED, 0, vms, 2);
	now_ms += 10000;
	step_with_room(PLAN_RED, 0, vms, 2);
	reason_has("ksm", "merges across groups");
	assert_true(file_is(KSM "run", "0"));
	assert_false(is_mixed());
	/* It is looked again, and found the same. */
	step_with_room(PLAN_RED, 0, vms, 2);
	now_ms += 10000;
	step_with_room(PLAN_RED, 0, vms, 2);
	assert_true(is_mixed());
	now_ms += 10000;
	step_with_room(PLAN_RED, 1023 * sysconf(_SC_PAGESIZE), vms, 2);
	assert_true(is_mixed());
	now_ms += 10000;
	step_with_room(PLAN_RED, 1024 * sysconf(_SC_PAGESIZE), vms, 2);
	assert_false(is_mixed());
	/* And not left at 2. */
	assert_true(file_is(KSM "run", "0"));
}

static void process_ends(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/ksm_stat", (int)pid);
	assert_int_equal(unlinkat(tree_fd, path, 0), 0);
	snprintf(path, sizeof(path), "proc/%d", (int)pid);
	assert_int_equal(unlinkat(tree_fd, path, AT_REMOVEDIR), 0);
}

static void the_end_of_a_vm_takes_nothing_apart(void **state)
{
	const struct ladder_vm vms[] = {
		{ "a", 1, "g", 10, -1, .pageable = true },
		{ "b", 2, "g", 11, -1, .pageable = true },
	};

	(void)state;
	vm_merges(10);
	vm_merges(11);
	ladder_configure(ladder, 1u << RUNG_KSM);
	minute(PLAN_RED, vms, 2);
	assert_true(file_is(KSM "run", "1"));
	process_ends(11);
	now_ms += 10000;
	step(PLAN_RED, vms, 1);
	assert_true(file_is(KSM "run", "1"));
	assert_false(is_mixed());
}

static void a_vm_that_does_not_answer_takes_nothing_apart(void **state)
{
	const struct ladder_vm vms[] = {
		{ "a", 1, "g", 10, -1, .pageable = true },
		{ "b", 2, "g", 11, -1, .pageable = true },
	};

	(void)state;
	vm_merges(10);
	vm_merges(11);
	ladder_configure(ladder, 1u << RUNG_KSM);
	minute(PLAN_RED, vms, 2);
	assert_true(file_is(KSM "run", "1"));
	now_ms += 10000;
	step(PLAN_RED, vms, 1);
	/* For it might be a stranger, now. */
	assert_true(file_is(KSM "run", "0"));
	reason_has("ksm", "process 11 (not a VM of ours)");
	step(PLAN_RED, vms, 2);
	now_ms += 10000;
	step(PLAN_RED, vms, 2);
	assert_true(file_is(KSM "run", "1"));
	assert_false(is_mixed());
}

static void processes_of_no_group_keep_merging_off(void **state)
{
	const struct ladder_vm vms[] = {
		{ "a", 1, "g", 10, -1, .pageable = true },
		{ "b", 2, "", 11, -1, .pageable = true },
	};

	(void)state;
	ladder_configure(ladder, 1u << RUNG_KSM);
	vm_merges(10);
	vm_merges(99);
	minute(PLAN_RED, vms, 2);
	assert_true(file_is(KSM "run", "0"));
	reason_has("ksm", "process 99 (not a VM of ours)");
	unlinkat(tree_fd, "proc/99/ksm_stat", 0);
	vm_merges(11);
	minute(PLAN_RED, vms, 2);
	assert_true(file_is(KSM "run", "0"));
	reason_has("ksm", "process 11 (b)");
}

static void processes_that_cannot_be_looked_at_keep_merging_off(void **state)
{
	const struct ladder_vm vm = { "a", 1, "g", 10, -1, .pageable = true };
	char text[600];

	(void)state;
	memset(text, ' ', sizeof(text));
	tree_put_bytes("proc/99/ksm_stat", text, sizeof(text));
	vm_merges(10);
	ladder_configure(ladder, 1u << RUNG_KSM);
	minute(PLAN_RED, &vm, 1);
	assert_true(file_is(KSM "run", "0"));
	reason_has("ksm", "processes cannot be looked at: File too large");
}

static void what_a_killed_manager_left_on_is_ended(void **state)
{
	const struct ladder_vm vm = { "a", 1, "g", 10, -1, .pageable = true };

	(void)state;
	vm_merges(10);
	tree_put(KSM "run", "1\n");
	ladder_configure(ladder, 0);
	minute(PLAN_GREEN, &vm, 1);
	/* Who knows whose it is. */
	assert_true(file_is(KSM "run", "1"));
	ladder_configure(ladder, 1u << RUNG_KSM);
	minute(PLAN_GREEN, &vm, 1);
	assert_true(file_is(KSM "run", "0"));
}

static void what_a_killed_manager_left_mixed_is_taken_apart(void **state)
{
	const struct ladder_vm vms[] = {
		{ "a", 1, "g", 10, -1, .pageable = true },
		{ "b", 2, "h", 11, -1, .pageable = true },
	};

	(void)state;
	vm_merges(10);
	vm_merges(11);
	tree_put(KSM "run", "1\n");
	ladder_configure(ladder, 1u << RUNG_KSM);
	now_ms += 10000;
	step_with_room(PLAN_RED, 0, vms, 2);
	now_ms += 10000;
	step_with_room(PLAN_RED, 0, vms, 2);
	assert_true(file_is(KSM "run", "0"));
	tree_put(KSM "pages_sharing", "1024\n");
	step_with_room(PLAN_RED, 0, vms, 2);
	now_ms += 10000;
	step_with_room(PLAN_RED, 0, vms, 2);
	assert_true(is_mixed());
	/* The manager ends while it is done. */
	now_ms += 10000;
	ladder_step(ladder, &(struct ladder_tick){
		.now_ms = now_ms, .level = PLAN_RED, .room = GIB }, vms, 2);
	ladder_destroy(&ladder);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(file_is(KSM "run", "0"));
}

static void what_a_rival_does_is_left_to_it(void **state)
{
	const struct ladder_vm vm = { "a", 1, "g", 10, -1, .pageable = true };
	json_t *packed;

	(void)state;
	vm_merges(10);
	tree_put("proc/77/comm", "ksmtuned\n");
	tree_put("proc/78/comm", "oomd\n");
	ladder_configure(ladder, 1u << RUNG_KSM | 1u << RUNG_RECLAIM);
	minute(PLAN_RED, &vm, 1);
	assert_true(file_is(KSM "run", "0"));
	reason_has("ksm", "left to ksmtuned (process 77)");
	reason_has("reclaim", "oomd");
	packed = ladder_pack(ladder);
	assert_int_equal(json_array_size(json_object_get(packed, "rivals")), 2);
	json_decref(packed);
}

static void zswap_needs_a_disk_behind_it(void **state)
{
	(void)state;
	tree_put("sys/module/zswap/parameters/enabled", "N\n");
	tree_put("proc/swaps", "Filename\n/dev/zram0 partition 1024 512 -2\n");
	ladder_configure(ladder, 1u << RUNG_ZSWAP);
	step(PLAN_GREEN, NULL, 0);
	assert_true(file_is("sys/module/zswap/parameters/enabled", "N"));
	reason_has("zswap", "no swap on a disk");
	tree_put("proc/swaps", "Filename\n/dev/sda2 partition 1024 512 -2\n");
	ladder_configure(ladder, 1u << RUNG_ZSWAP);
	step(PLAN_GREEN, NULL, 0);
	assert_true(file_is("sys/module/zswap/parameters/enabled", "1"));
}

static int cgroup_open_tree(void)
{
	tree_put("cg/memory.current", "1073741824\n");
	tree_put("cg/memory.stat", "pgmajfault 0\n");
	tree_put("cg/memory.reclaim", "");
	return openat(tree_fd, "cg", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void a_vm_that_nothing_is_freed_of_is_left_alone(void **state)
{
	struct ladder_vm vm = { "a", 1, "", 10, -1, .pageable = true,
		.page_out = 100 * MIB };
	json_t *packed, *one;

	(void)state;
	vm.cgroup_fd = cgroup_open_tree();
	ladder_configure(ladder, 1u << RUNG_RECLAIM);
	/* The first one looks for rivals. */
	step(PLAN_RED, &vm, 1);
	step(PLAN_RED, &vm, 1);
	close(vm.cgroup_fd);
	vm.cgroup_fd = -1;
	assert_true(file_is("cg/memory.reclaim", "4194304"));
	packed = ladder_pack(ladder);
	rung_has(packed, "reclaim", "asked", 100 * MIB);
	rung_has(packed, "reclaim", "freed", 0);
	one = json_array_get(json_object_get(packed, "vms"), 0);
	assert_string_equal(json_string_value(json_object_get(one, "reason")),
			    "freed 0 B of 100 MiB asked for");
	assert_string_equal(json_string_value(json_object_get(one, "way")),
			    "cgroup");
	json_decref(packed);
	tree_put("cg/memory.reclaim", "not touched");
	step(PLAN_RED, &vm, 1);
	assert_true(file_is("cg/memory.reclaim", "not touched"));
}

static void nobody_is_paged_out_before_rivals_were_looked_for(void **state)
{
	struct ladder_vm vm = { "a", 1, "", 10, -1, .pageable = true,
		.page_out = 100 * MIB };

	(void)state;
	tree_put("proc/78/comm", "oomd\n");
	vm.cgroup_fd = cgroup_open_tree();
	ladder_configure(ladder, 1u << RUNG_RECLAIM);
	step(PLAN_BLACK, &vm, 1);
	step(PLAN_BLACK, &vm, 1);
	close(vm.cgroup_fd);
	assert_false(file_is("cg/memory.reclaim", "4194304"));
}

static void a_vm_that_must_stay_is_not_paged_out(void **state)
{
	struct ladder_vm vm = { "a", 1, "", 10, -1, .pageable = false,
		.page_out = 100 * MIB };

	(void)state;
	vm.cgroup_fd = cgroup_open_tree();
	ladder_configure(ladder, 1u << RUNG_RECLAIM);
	step(PLAN_BLACK, &vm, 1);
	step(PLAN_BLACK, &vm, 1);
	close(vm.cgroup_fd);
	assert_true(file_is("cg/memory.reclaim", ""));
	assert_false(file_is("cg/memory.reclaim", "1"));
}

static void balloon_and_reporting_are_measured_by_what_became_free(void **state)
{
	struct ladder_vm vm = { "a", 1, "", 10, -1, .resident = GIB };
	json_t *packed;

	(void)state;
	step(PLAN_GREEN, &vm, 1);
	vm.target = 512 * MIB;
	step(PLAN_GREEN, &vm, 1);
	vm.actual = 512 * MIB;
	vm.resident = 600 * MIB;
	step(PLAN_GREEN, &vm, 1);
	vm.resident = 500 * MIB;
	step(PLAN_GREEN, &vm, 1);
	/* What the host paged out was not reported. */
	vm.resident = 450 * MIB;
	vm.paged_out = 50 * MIB;
	step(PLAN_GREEN, &vm, 1);
	vm.actual = 400 * MIB;
	step(PLAN_GREEN, &vm, 1);
	packed = ladder_pack(ladder);
	rung_has(packed, "balloon", "asked", 512 * MIB);
	rung_has(packed, "balloon", "freed", 424 * MIB);
	rung_has(packed, "balloon", "returned", 112 * MIB);
	rung_has(packed, "reporting", "freed", 100 * MIB);
	json_decref(packed);
}

static void what_was_taken_of_standby_was_not_reported(void **state)
{
	struct ladder_vm vm = { "a", 1, "", 10, -1, .resident = GIB };
	json_t *packed;

	(void)state;
	step(PLAN_GREEN, &vm, 1);
	ladder_took(ladder, 96 * MIB, 64 * MIB, 1000);
	vm.taken = 96 * MIB;
	vm.resident -= 112 * MIB;
	step(PLAN_GREEN, &vm, 1);
	vm.taken = 16 * MIB;
	step(PLAN_GREEN, &vm, 1);
	packed = ladder_pack(ladder);
	rung_has(packed, "standby", "asked", 96 * MIB);
	rung_has(packed, "standby", "freed", 64 * MIB);
	rung_has(packed, "standby", "returned", 80 * MIB);
	rung_has(packed, "reporting", "freed", 16 * MIB);
	json_decref(packed);
}

static void vms_come_and_go(void **state)
{
	struct ladder_vm vms[8];
	unsigned int i, round;
	size_t nr;

	(void)state;
	srandom(1);
	ladder_configure(ladder, 1u << RUNG_KSM | 1u << RUNG_RECLAIM);
	for (round = 0; round < 200; round++) {
		nr = random() % 8;
		for (i = 0; i < nr; i++)
			vms[i] = (struct ladder_vm){
				.name = "x",
				.guest = round / 2 + i,
				.group = "g",
				.pid = random() % 2 ? 1 << 30 : 0,
				.cgroup_fd = -1,
				.pageable = true,
				.page_out = GIB,
				.resident = random(),
			};
		step(PLAN_RED, vms, nr);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nothing_that_is_not_allowed_is_touched),
		T(memory_of_one_group_is_merged_while_the_host_is_short),
		T(nobody_waits_for_what_is_written),
		T(what_is_begun_at_the_end_is_undone),
		T(merging_that_does_not_pay_is_left_alone),
		T(memory_of_two_groups_is_taken_apart_when_there_is_room),
		T(the_end_of_a_vm_takes_nothing_apart),
		T(a_vm_that_does_not_answer_takes_nothing_apart),
		T(processes_of_no_group_keep_merging_off),
		T(processes_that_cannot_be_looked_at_keep_merging_off),
		T(what_a_killed_manager_left_on_is_ended),
		T(what_a_killed_manager_left_mixed_is_taken_apart),
		T(what_a_rival_does_is_left_to_it),
		T(zswap_needs_a_disk_behind_it),
		T(a_vm_that_nothing_is_freed_of_is_left_alone),
		T(nobody_is_paged_out_before_rivals_were_looked_for),
		T(a_vm_that_must_stay_is_not_paged_out),
		T(balloon_and_reporting_are_measured_by_what_became_free),
		T(what_was_taken_of_standby_was_not_reported),
		T(vms_come_and_go),
	};

	return cmocka_run_group_tests_name("ladder", tests, NULL, NULL);
}
