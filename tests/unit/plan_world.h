/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host and guests for the planner's tests: quiet, honest and obedient. */
#ifndef PLAN_WORLD_H
#define PLAN_WORLD_H

#include "plan.h"

#include <string.h>

#define MIB	(1ULL << 20)
#define GIB	(1ULL << 30)
#define MOST	16

struct world {
	struct plan_host host;
	struct plan_host_memory host_memory;
	struct plan_guest guests[MOST];
	struct plan_memory memories[MOST];
	struct plan_decision decisions[MOST];
	struct plan_summary summary;
	size_t nr;
};

/* Guests of 8 GiB, all touched, that use a part and have the rest free. */
static inline void world_init(struct world *w, size_t nr, uint64_t used)
{
	size_t i;

	memset(w, 0, sizeof(*w));
	w->nr = nr;
	w->host.now_ms = 1000000;
	w->host.total = 64 * GIB;
	w->host.available = 32 * GIB;
	w->host.swap_free = 64 * GIB;
	for (i = 0; i < nr; i++) {
		w->guests[i] = (struct plan_guest){
			.flags = PLAN_BALLOON | PLAN_STATS | PLAN_PAGEABLE,
			.limits.min = GIB,
			.memory = 8 * GIB,
			.resident = 8 * GIB,
		};
		w->guests[i].stats = (struct plan_stats){
			.when_ms = w->host.now_ms,
			.available = 8 * GIB - used,
			.free = 8 * GIB - used,
			.caches = 0,
			.balloon = PLAN_UNKNOWN,
			.floor = PLAN_UNKNOWN,
			.swap_free = GIB,
			.swap_in = 0,
			.swap_out = 0,
			.refaults = 0,
			.alloc_stalls = 0,
			.oom_kills = 0,
		};
	}
}

static inline void world_plan(struct world *w)
{
	plan(&w->host, &w->host_memory, w->guests, w->memories, w->decisions,
	     w->nr, &w->summary);
}

/* So much later, with new statistics that say the same. */
static inline void world_wait(struct world *w, uint64_t ms)
{
	size_t i;

	w->host.now_ms += ms;
	for (i = 0; i < w->nr; i++)
		w->guests[i].stats.when_ms = w->host.now_ms;
}

/* The balloon is what it was told to be; what the guest used, it uses. */
static inline void world_obey(struct world *w)
{
	size_t i;

	for (i = 0; i < w->nr; i++) {
		struct plan_guest *g = &w->guests[i];
		uint64_t used = g->memory - g->actual - g->stats.available;
		uint64_t kept = g->memory - w->decisions[i].balloon;

		g->target = w->decisions[i].balloon;
		if (kept < used)
			kept = used;
		g->actual = g->memory - kept;
		if (g->resident > kept) {
			w->host.available += g->resident - kept;
			g->resident = kept;
		}
		g->stats.available = kept - used;
		g->stats.free = g->stats.available;
	}
}

/* Plan once a second, and have done what the plan says. */
static inline void world_run(struct world *w, int seconds)
{
	while (seconds--) {
		world_plan(w);
		world_obey(w);
		world_wait(w, 1000);
	}
}

/* Two samples of everybody, while the host has plenty: nothing changes. */
static inline void world_meet(struct world *w)
{
	uint64_t available = w->host.available;

	w->host.available = w->host.total;
	w->host_memory = (struct plan_host_memory){ 0 };
	world_plan(w);
	world_wait(w, 1000);
	world_plan(w);
	world_wait(w, 1000);
	w->host.available = available;
	w->host_memory = (struct plan_host_memory){ 0 };
}

#endif
