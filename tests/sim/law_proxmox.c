// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Proxmox VE's automatic ballooning, from its source (proxmox/pve-manager,
 * PVE/AutoBalloon.pm, PVE/Service/pvestatd.pm).
 *
 * Every 10 s it aims at a host that uses 80 % of its memory. It first takes
 * from guests with more than a quarter of their minimum free, and gives first
 * to the others; if those cannot, to or from all. Each should have its minimum
 * and a part, by shares, of what all have beyond it; nobody changes by more
 * than 100 MiB at a time, and a goal of less than 10 MiB is left.
 */
#include "sim.h"

#include <stdlib.h>

#define PERIOD		10.0
#define GOAL		0.80
#define WORTH		10.0
#define CHANGE		100.0
#define FREE_PART	0.25
/* Goals are bytes in the source: what is smaller is nothing. */
#define NOTHING		0.000001

struct status {
	bool listed;
	bool wealthy;
	bool done;
	bool set;
	double balloon;
	double result;
};

struct proxmox {
	struct status *vms;
	double next;
};

static void *proxmox_start(struct sim *sim)
{
	struct proxmox *p = calloc(1, sizeof(*p));

	if (p)
		p->vms = calloc(sim->nr, sizeof(*p->vms));
	return p;
}

static void proxmox_end(void *private)
{
	struct proxmox *p = private;

	free(p->vms);
	free(p);
}

enum list { ALL, POOR, WEALTHY };

static bool in_list(const struct status *vm, enum list list)
{
	return vm->listed && !vm->done &&
		(list == ALL || vm->wealthy == (list == WEALTHY));
}

/* One round; returns how much changed, and whether another may help. */
static double change_round(struct sim *sim, struct proxmox *p, enum list list,
			   double bytes, double rest, bool *ret_again)
{
	double shares = 0, alloc = rest, changes = 0, desired, size, before;
	int i;

	*ret_again = false;
	for (i = 0; i < sim->nr; i++) {
		struct status *vm = &p->vms[i];

		if (!in_list(vm, list))
			continue;
		alloc += (vm->set ? vm->result : vm->balloon) -
			sim->guests[i].min;
		shares += sim->guests[i].shares;
	}
	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		struct status *vm = &p->vms[i];

		if (!in_list(vm, list))
			continue;
		desired = clamp_d(g->min + alloc / shares * g->shares, g->min,
				  g->memory);
		if (bytes > 0 && desired > vm->balloon) {
			size = min_d(vm->balloon + CHANGE, desired);
		} else if (desired < vm->balloon) {
			size = max_d(vm->balloon - CHANGE, desired);
		} else {
			vm->done = true;
			continue;
		}
		before = vm->set ? vm->result : vm->balloon;
		vm->set = true;
		vm->result = size;
		changes += size - before;
		if (size - before > NOTHING || before - size > NOTHING)
			*ret_again = true;
	}
	return changes;
}

static double change(struct sim *sim, struct proxmox *p, enum list list,
		     double bytes, double rest)
{
	bool again = true;
	int i, round;

	for (i = 0; i < sim->nr; i++)
		p->vms[i].done = false;
	for (round = 0; round < 1000 && again &&
	     (rest > NOTHING || rest < -NOTHING); round++)
		rest -= change_round(sim, p, list, bytes, rest, &again);
	return rest;
}

static void status(struct sim *sim, struct proxmox *p)
{
	struct sample sample;
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		struct status *vm = &p->vms[i];

		*vm = (struct status){
			.listed = guest_up(sim, g) && g->vice != DRIVERLESS,
			.balloon = guest_kept(g),
		};
		vm->wealthy = guest_sample(sim, g, &sample) &&
			sample.free > FREE_PART * g->min &&
			guest_kept(g) >= g->min;
	}
}

static void proxmox_step(struct sim *sim)
{
	struct proxmox *p = sim->private;
	double goal, rest;
	int i;

	if (sim->now < p->next)
		return;
	p->next = sim->now + PERIOD;
	goal = GOAL * sim->total - (sim->total - host_free(sim));
	if (goal <= WORTH && goal >= -WORTH)
		return;
	status(sim, p);
	rest = change(sim, p, goal > 0 ? POOR : WEALTHY, goal, goal);
	if (goal > 0 ? rest >= goal : rest <= goal)
		change(sim, p, ALL, goal, rest);
	for (i = 0; i < sim->nr; i++)
		if (p->vms[i].set)
			guest_target(sim, &sim->guests[i],
				     sim->guests[i].memory - p->vms[i].result);
}

const struct law law_proxmox = { "Proxmox", proxmox_start, proxmox_step,
				 proxmox_end };
