// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The governor steps the ladder after each plan. Nothing here waits: what does
 * is done by a thread, and its result seen at a later step. Each rung keeps to
 * what the planner has decided: free page reporting and the balloon are only
 * measured here, KSM goes by how short the host is, compression is a setting of
 * the kernel, and paging out is what the plan asks for.
 *
 * A VM has one number for as long as its guest lives, by which the ladder knows
 * it from step to step.
 */
#include "ladder.h"
#include "ladder_parts.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/**
 * ladder_create - begin to look after a host
 * @loop:	which runs
 * @host:	the machine; outlives it
 * @ret_ladder:	to be given to ladder_destroy(); may do nothing before
 *		ladder_configure()
 *
 * Return: 0 or -ENOMEM.
 */
int ladder_create(uv_loop_t *loop, const struct host *host,
		  struct ladder **ret_ladder)
{
	struct ladder *ladder = calloc(1, sizeof(*ladder));

	if (!ladder)
		return -ENOMEM;
	ladder->loop = loop;
	ladder->proc_fd = host_proc(host);
	ladder->sys_fd = host_sys(host);
	*ret_ladder = ladder;
	return 0;
}

static void guest_deinit(struct ladder_guest *guest)
{
	if (guest->cgroup_fd >= 0)
		close(guest->cgroup_fd);
}

/**
 * ladder_destroy - look after it no more; merging stops, all else stays
 * @ladder:	set to NULL; nothing happens if it is
 */
void ladder_destroy(struct ladder **ladder)
{
	struct ladder *l = *ladder;
	size_t i;

	if (!l)
		return;
	ladder_ksm_end(l);
	ladder_job_orphan(&l->looking);
	ladder_job_orphan(&l->paging);
	for (i = 0; i < l->nr; i++)
		guest_deinit(&l->guests[i]);
	free(l->guests);
	free(l);
	*ladder = NULL;
}

/**
 * ladder_configure - what does the operator allow?
 * @ladder:	the ladder
 * @rungs:	bits of enum rung_kind
 */
void ladder_configure(struct ladder *ladder, unsigned int rungs)
{
	ladder->enabled = rungs;
	ladder->zswap_reason[0] = '\0';
}

/*
 * VMs
 */

static struct ladder_guest *guest_find(struct ladder *ladder, uint64_t guest,
				       size_t hint)
{
	size_t i;

	/* They rarely change places. */
	if (hint < ladder->nr && ladder->guests[hint].guest == guest)
		return &ladder->guests[hint];
	for (i = 0; i < ladder->nr; i++)
		if (ladder->guests[i].guest == guest)
			return &ladder->guests[i];
	return NULL;
}

static struct ladder_guest *guest_add(struct ladder *ladder,
				      const struct ladder_vm *vm)
{
	struct ladder_guest *guests = reallocarray(ladder->guests,
						   ladder->nr + 1,
						   sizeof(*guests));

	if (!guests)
		return NULL;
	ladder->guests = guests;
	guests[ladder->nr] = (struct ladder_guest){
		.guest = vm->guest,
		.cgroup_fd = -1,
		.target = vm->target,
		.actual = vm->actual,
		.resident = vm->resident,
		.paged_out = vm->paged_out,
		.taken = vm->taken,
	};
	snprintf(guests[ladder->nr].name, sizeof(guests->name), "%s",
		 vm->name);
	return &guests[ladder->nr++];
}

static uint64_t beyond(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/*
 * A step is too short to tell apart what comes together: what has become free
 * is the balloon's as far as that has grown.
 */
static void measure(struct ladder *ladder, struct ladder_guest *guest,
		    const struct ladder_vm *vm)
{
	uint64_t grown = beyond(vm->actual, guest->actual);
	uint64_t fallen = beyond(guest->resident, vm->resident);
	uint64_t taken = grown < fallen ? grown : fallen;
	uint64_t rest = beyond(fallen - taken,
			       beyond(vm->paged_out, guest->paged_out));

	if (vm->target > guest->target || taken)
		rung_did(&ladder->rungs[RUNG_BALLOON],
			 beyond(vm->target, guest->target), taken, 0);
	if (vm->actual < guest->actual)
		rung_gave_back(&ladder->rungs[RUNG_BALLOON],
			       guest->actual - vm->actual);
	rest = beyond(rest, beyond(vm->taken, guest->taken));
	if (vm->taken < guest->taken)
		rung_gave_back(&ladder->rungs[RUNG_STANDBY],
			       guest->taken - vm->taken);
	if (rest && vm->actual == guest->actual)
		rung_did(&ladder->rungs[RUNG_REPORTING], rest, rest, 0);
	guest->target = vm->target;
	guest->actual = vm->actual;
	guest->resident = vm->resident;
	guest->paged_out = vm->paged_out;
	guest->taken = vm->taken;
}

static void guest_update(struct ladder_guest *guest,
			 const struct ladder_vm *vm)
{
	guest->seen = true;
	snprintf(guest->group, sizeof(guest->group), "%s", vm->group);
	if (guest->pid != vm->pid) {
		guest_deinit(guest);
		guest->cgroup_fd = vm->cgroup_fd < 0 ? -1 :
			fcntl(vm->cgroup_fd, F_DUPFD_CLOEXEC, 0);
		guest->pid = vm->pid;
		guest->cursor = 0;
	}
	guest->want = vm->pageable && vm->pid ? vm->page_out : 0;
}

static void guests_update(struct ladder *ladder, const struct ladder_vm *vms,
			  size_t nr)
{
	struct ladder_guest *guest;
	size_t i, kept = 0;

	for (i = 0; i < ladder->nr; i++)
		ladder->guests[i].seen = false;
	for (i = 0; i < nr; i++) {
		guest = guest_find(ladder, vms[i].guest, i) ?:
			guest_add(ladder, &vms[i]);
		if (!guest)
			continue;
		measure(ladder, guest, &vms[i]);
		guest_update(guest, &vms[i]);
	}
	for (i = 0; i < ladder->nr; i++) {
		if (ladder->guests[i].seen)
			ladder->guests[kept++] = ladder->guests[i];
		else
			guest_deinit(&ladder->guests[i]);
	}
	ladder->nr = kept;
}

/*
 * Compression
 */

static bool has_disk_swap(const struct ladder *ladder)
{
	struct swap swaps[SWAPS_MAX];
	int i, nr = swaps_read(ladder->proc_fd, ladder->sys_fd, swaps);

	for (i = 0; i < nr; i++)
		if (!swaps[i].compressed)
			return true;
	return false;
}

/* Once for each configuration: the kernel does the rest. */
static void zswap_step(struct ladder *ladder)
{
	struct fault fault = { "on" };

	if (ladder->zswap_reason[0])
		return;
	zswap_read(ladder->sys_fd, &ladder->zswap);
	if (!ladder_allows(ladder, RUNG_ZSWAP))
		snprintf(fault.text, sizeof(fault.text), "%s",
			 ladder->zswap.enabled ? "on, not by us" :
			 "off: not in 'ladder'");
	else if (!has_disk_swap(ladder))
		snprintf(fault.text, sizeof(fault.text),
			 "off: there is no swap on a disk to compress for");
	else if (!zswap_start(ladder->sys_fd, &ladder->zswap, &fault))
		log_info("zswap compresses what is paged out");
	else
		log_warn("zswap: %s", fault.text);
	snprintf(ladder->zswap_reason, sizeof(ladder->zswap_reason), "%s",
		 fault.text);
}

/**
 * ladder_step - do what is to be done now
 * @ladder:	the ladder
 * @tick:	the host, as of the last plan
 * @vms:	all VMs, likewise
 * @nr:		elements of @vms
 */
void ladder_step(struct ladder *ladder, const struct ladder_tick *tick,
		 const struct ladder_vm *vms, size_t nr)
{
	ladder->now_ms = tick->now_ms;
	ladder->level = tick->level;
	ladder->room = tick->room;
	guests_update(ladder, vms, nr);
	ladder_look_step(ladder);
	ladder_ksm_step(ladder);
	zswap_step(ladder);
	ladder_page_step(ladder);
}

/**
 * ladder_took - what VMs have on standby was taken
 * @ladder:	the ladder
 * @asked:	so much was wanted
 * @freed:	the host has so much of it
 * @time_us:	what that took
 */
void ladder_took(struct ladder *ladder, uint64_t asked, uint64_t freed,
		 uint64_t time_us)
{
	rung_did(&ladder->rungs[RUNG_STANDBY], asked, freed, time_us);
}

/**
 * ladder_rivals - what do others do about this host's memory?
 * @ladder:	the ladder
 *
 * Return: RIVAL_ bits.
 */
unsigned int ladder_rivals(const struct ladder *ladder)
{
	unsigned int does = 0;
	int i;

	for (i = 0; i < ladder->look.nr_rivals; i++)
		does |= ladder->look.rivals[i].does;
	return does;
}
