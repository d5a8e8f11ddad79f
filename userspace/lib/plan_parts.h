/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the planner, for plan.c and for each other. */
#ifndef BALLONET_PLAN_PARTS_H
#define BALLONET_PLAN_PARTS_H

#include "plan.h"

/* Samples before a guest is judged. */
#define PLAN_SAMPLES	2
/* Use that rises slower is no hurry, bytes a second. */
#define PLAN_SLOW	(32ULL << 20)

/**
 * struct plan_tick - what all parts need to know of this plan
 * @host:	the snapshot
 * @level:	how short the host is
 * @min_free:	what it should keep free
 * @dt_ms:	time since the last plan, 0 if that makes no sense
 * @ready:	available to guests now, not promised
 * @wanted:	what guests demand beyond what they keep, together, less those
 *		in need
 * @needy:	shares of all guests in need, together
 * @pageable:	what guests have too much that no balloon gets, together
 */
struct plan_tick {
	const struct plan_host *host;
	enum plan_level level;
	uint64_t min_free;
	uint64_t dt_ms;
	uint64_t ready;
	uint64_t wanted;
	uint64_t needy;
	uint64_t pageable;
};

/* plan_host.c */
uint64_t plan_lack(const struct plan_host *host,
		   const struct plan_host_memory *memory);
void plan_host_look(const struct plan_host *host,
		    struct plan_host_memory *memory, struct plan_tick *ret_tick,
		    struct plan_summary *summary);

/* plan_demand.c */
uint64_t plan_room(const struct plan_guest *guest);
bool plan_stale(const struct plan_tick *tick, const struct plan_guest *guest);
void plan_demand(const struct plan_tick *tick, const struct plan_guest *guest,
		 struct plan_memory *memory, struct plan_decision *decision);

/* plan_share.c */
void plan_bounds(const struct plan_tick *tick, const struct plan_guest *guest,
		 const struct plan_memory *memory,
		 struct plan_decision *decision);
void plan_share(const struct plan_guest *guests,
		struct plan_decision *decisions, size_t nr,
		struct plan_summary *summary);

/* plan_stuck.c */
void plan_stuck_watch(const struct plan_tick *tick,
		      const struct plan_guest *guest,
		      struct plan_memory *memory, uint64_t current);
bool plan_is_stuck(const struct plan_tick *tick,
		   const struct plan_memory *memory);

/* plan_pace.c */
void plan_pace_sum(const struct plan_guest *guest,
		   const struct plan_memory *memory,
		   const struct plan_decision *decision,
		   struct plan_tick *tick);
void plan_pace(const struct plan_tick *tick, const struct plan_guest *guest,
	       struct plan_memory *memory, struct plan_decision *decision);

/* plan.c */
struct plan_guest plan_sane(const struct plan_guest *guest);
uint32_t plan_shares(const struct plan_guest *guest);
bool plan_has_swap(const struct plan_stats *stats);

#endif
