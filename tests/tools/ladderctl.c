// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The manager's ladder, by itself and static, for a guest that plays the host;
 * and processes that play its VMs.
 *
 *	ladderctl run FILE SPEED LEVEL RUNGS [NAME:GROUP:PID:MIB]...
 *		step the ladder until SIGTERM, its clock SPEED times as fast;
 *		of each VM so much is to be paged out. What it looks like
 *		is in FILE: {"host": {...}, "ladder": {...}, "vms": [...]}
 *	ladderctl hold MIB [merge|lock]
 *		fill so much private memory with data that compresses, the same
 *		in each process; say "full", then wait. SIGUSR1: have it
 *		merged. SIGUSR2: read all of it; says "same" or "broken"
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../userspace/daemon/ladder.h"
#include "../../userspace/daemon/log.h"
#include "../../userspace/daemon/vmm.h"

#define MIB		(1UL << 20)
#define PAGE_SIZE	4096UL
#define PAGE_WORDS	(PAGE_SIZE / sizeof(uint64_t))
#define STEP_MS		250
#define VMS_MAX		8

struct played {
	struct ladder_vm vm;
	struct vmm vmm;
	uint64_t take;
	uint64_t leave;
	char name[32];
	char group[32];
};

static struct played played[VMS_MAX];
static size_t nr;
static uv_loop_t loop;
static struct host *host;
static struct ladder *ladder;
static const char *path;
static unsigned int speed;
static enum plan_level level;

static void on_wake(void *userdata)
{
	(void)userdata;
}

/* As a whole: whoever reads it sees one state. */
static void print(const struct ladder_vm *vms)
{
	json_t *all = json_pack("{s:o,s:o,s:[]}", "host", host_pack(host),
				"ladder", ladder_pack(ladder), "vms");
	char tmp[256];
	size_t i;

	for (i = 0; i < nr; i++)
		json_array_append_new(json_object_get(all, "vms"),
			json_pack("{s:s,s:b,s:b,s:I,s:I}", "vm", vms[i].name,
				  "pageable", vms[i].pageable,
				  "cgroup", played[i].vmm.cgroup_fd >= 0,
				  "resident", (json_int_t)vms[i].resident,
				  "paged_out", (json_int_t)vms[i].paged_out));
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	json_dump_file(all, tmp, JSON_COMPACT);
	rename(tmp, path);
	json_decref(all);
}

/* All that is beyond what it had at the start, less what is wanted of it. */
static void look(struct played *one, uint64_t now_ms, struct ladder_vm *vm)
{
	vmm_look(&one->vmm, now_ms);
	if (!one->leave)
		one->leave = one->vmm.resident > one->take ?
			one->vmm.resident - one->take : 1;
	*vm = one->vm;
	vm->cgroup_fd = one->vmm.cgroup_fd;
	vm->pageable = !one->vmm.fixed;
	vm->resident = one->vmm.resident;
	vm->paged_out = one->vmm.swapped;
	if (one->take && vm->resident > one->leave)
		vm->page_out = vm->resident - one->leave;
}

static void on_step(uv_timer_t *timer)
{
	struct ladder_vm vms[VMS_MAX];
	struct ladder_tick tick = { .level = level };
	struct plan_host now;
	size_t i;

	(void)timer;
	if (host_snapshot(host, 0, &now))
		exit(1);
	tick.now_ms = now.now_ms * speed;
	tick.room = now.available > now.min_free ?
		now.available - now.min_free : 0;
	for (i = 0; i < nr; i++)
		look(&played[i], tick.now_ms, &vms[i]);
	ladder_step(ladder, &tick, vms, nr);
	print(vms);
}

static void on_end(uv_signal_t *handle, int number)
{
	(void)handle;
	(void)number;
	uv_stop(&loop);
}

static int vm_add(const char *text)
{
	struct played *vm = &played[nr];
	unsigned long mib;
	int pid;

	if (nr == VMS_MAX || sscanf(text, "%31[^:]:%31[^:]:%d:%lu", vm->name,
				    vm->group, &pid, &mib) != 4)
		return -EINVAL;
	if (!strcmp(vm->group, "-"))
		vm->group[0] = '\0';
	vm->vm = (struct ladder_vm){
		.name = vm->name,
		.guest = nr + 1,
		.group = vm->group,
		.pid = pid,
	};
	vm->take = mib * MIB;
	vmm_init(&vm->vmm);
	vmm_set(&vm->vmm, pid);
	nr++;
	return 0;
}

static int words(char **argv)
{
	unsigned int rungs = 0;
	int i;

	path = argv[0];
	speed = atoi(argv[1]);
	for (level = 0; level < PLAN_NR_LEVELS; level++)
		if (!strcmp(plan_level_names[level], argv[2]))
			break;
	for (i = 0; i < RUNG_NR_KINDS; i++)
		if (strstr(argv[3], rung_names[i]))
			rungs |= 1u << i;
	if (!speed || level == PLAN_NR_LEVELS)
		return -EINVAL;
	ladder_configure(ladder, rungs);
	for (i = 4; argv[i]; i++)
		if (vm_add(argv[i]))
			return -EINVAL;
	return 0;
}

static int run(char **argv)
{
	const struct host_options options = { 0 };
	uv_signal_t end;
	uv_timer_t timer;

	log_init();
	uv_loop_init(&loop);
	if (host_create(&loop, &options, on_wake, NULL, &host) ||
	    ladder_create(&loop, host, &ladder) || words(argv))
		return 1;
	uv_signal_init(&loop, &end);
	uv_signal_start(&end, on_end, SIGTERM);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_step, 0, STEP_MS);
	uv_run(&loop, UV_RUN_DEFAULT);
	ladder_destroy(&ladder);
	host_destroy(&host);
	return 0;
}

static volatile sig_atomic_t asked;

static void on_signal(int number)
{
	asked = number;
}

/* Eight words of it matter: the rest compresses. */
static uint64_t word_of(size_t page, size_t i)
{
	return i % (PAGE_WORDS / 8) ? 0 : (page + 1) * 0x9e3779b97f4a7c15UL + i;
}

static void fill(uint64_t *memory, size_t pages)
{
	size_t page, i;

	for (page = 0; page < pages; page++)
		for (i = 0; i < PAGE_WORDS; i++)
			memory[page * PAGE_WORDS + i] = word_of(page, i);
}

static bool is_same(const uint64_t *memory, size_t pages)
{
	size_t page, i;

	for (page = 0; page < pages; page++)
		for (i = 0; i < PAGE_WORDS; i++)
			if (memory[page * PAGE_WORDS + i] != word_of(page, i))
				return false;
	return true;
}

static int hold(size_t bytes, const char *how)
{
	uint64_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED ||
	    (!strcmp(how, "merge") &&
	     madvise(memory, bytes, MADV_MERGEABLE)) ||
	    (!strcmp(how, "lock") && mlock(memory, bytes)))
		return 1;
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	fill(memory, bytes / PAGE_SIZE);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("full");
	for (;; pause()) {
		if (asked == SIGUSR1 && madvise(memory, bytes, MADV_MERGEABLE))
			return 1;
		if (asked == SIGUSR2)
			puts(is_same(memory, bytes / PAGE_SIZE) ? "same" :
			     "broken");
		asked = 0;
	}
}

int main(int argc, char **argv)
{
	if (argc >= 6 && !strcmp(argv[1], "run"))
		return run(argv + 2);
	if (argc >= 3 && !strcmp(argv[1], "hold"))
		return hold(strtoul(argv[2], NULL, 10) * MIB,
			    argc > 3 ? argv[3] : "");
	fputs("usage: see the top of ladderctl.c\n", stderr);
	return 2;
}
