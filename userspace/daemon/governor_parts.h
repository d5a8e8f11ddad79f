/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the governor, for each other. */
#ifndef BALLONET_GOVERNOR_PARTS_H
#define BALLONET_GOVERNOR_PARTS_H

#include "governor.h"
#include "host.h"
#include "ladder.h"
#include "log.h"
#include "manager.h"

/**
 * struct governor - its state
 * @manager:	whose VMs it moves
 * @host:	the machine, or NULL while nothing is managed
 * @ladder:	the host's own ways, likewise
 * @serial:	of the last guest that was seen for the first time
 * @alarm:	the next plan
 * @due_ms:	when that is, in loop time
 * @urgent_ms:	when the last plan for an event was, in loop time
 * @snapshot:	of the host, of the last plan
 * @memory:	what the planner remembers of the host
 * @summary:	of the last plan
 * @planned:	there was one
 * @admission:	room that is held for VMs that start
 * @named:	how many names were made up for that
 * @vms:	of the last plan, by number; may be gone since
 * @guests:	likewise
 * @memories:	likewise
 * @decisions:	likewise
 * @climbers:	likewise, for the ladder
 * @nr:		how many there were
 * @size:	elements of each array
 * @trouble:	limits what is logged about plans that could not be made
 */
struct governor {
	struct manager *manager;
	struct host *host;
	struct ladder *ladder;
	uint64_t serial;
	struct alarm *alarm;
	uint64_t due_ms;
	uint64_t urgent_ms;
	struct plan_host snapshot;
	struct plan_host_memory memory;
	struct plan_summary summary;
	bool planned;
	struct admission admission;
	unsigned int named;
	struct vm **vms;
	struct plan_guest *guests;
	struct plan_memory *memories;
	struct plan_decision *decisions;
	struct ladder_vm *climbers;
	size_t nr;
	size_t size;
	struct log_limit trouble;
};

/* governor.c */
uint64_t governor_now(const struct governor *governor);
void governor_plan_in(struct governor *governor, uint64_t ms);
int governor_plan(struct governor *governor);

void governor_hurry(struct governor *governor);
void governor_vm_look(const struct governor *governor, struct vm *vm,
		      struct plan_guest *ret_guest);

/* governor_glance.c */
bool governor_glance(struct governor *governor);

/* governor_take.c */
void governor_take_look(struct governor *governor, size_t nr);
void governor_take(struct vm *vm, uint64_t bytes);
uint64_t governor_taking(const struct governor *governor);

/* governor_admit.c */
bool governor_moves(const struct plan_guest *guest);
uint64_t governor_held(struct governor *governor, size_t nr);

/* governor_lease.c */
void governor_leases_note(const struct governor *governor);

/* governor_climb.c */
void governor_climb(struct governor *governor);

#endif
