/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The planner: who keeps how much memory. plan.md is the law in words, with
 * every constant and where it comes from.
 *
 * A pure function. Clock, files, sockets and memory are the caller's: what it
 * saw goes in, what to do comes out, and what has to be remembered lies in
 * structures of the caller. It works for any number in any field: what a guest
 * says can hurt that guest and no other.
 *
 * Sizes are bytes. Times are milliseconds of one clock, the caller's; 0 is
 * never.
 */
#ifndef BALLONET_PLAN_H
#define BALLONET_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A statistic that this guest does not have. */
#define PLAN_UNKNOWN	UINT64_MAX

#define PLAN_SHARES_DEFAULT	1000
#define PLAN_SHARES_MAX		100000
#define PLAN_CAP_DEFAULT	65
#define PLAN_CAP_SWAPLESS	50
#define PLAN_TOLERANCE_DEFAULT	10

/**
 * struct plan_host - what the host looks like now
 * @now_ms:	the time
 * @total:	RAM
 * @available:	MemAvailable
 * @held:	promised to VMs that are to start
 * @swap_free:	that VMs may be paged out to; 0 if they may not
 * @min_free:	to keep free; 0: what plan_min_free() says for @total
 * @period_ms:	how often guests are asked for statistics; 0: 1000
 * @stall_some:	permille of the last second in which some task waited for
 *		memory (PSI "some")
 * @stall_full:	the same for all tasks (PSI "full")
 */
struct plan_host {
	uint64_t now_ms;
	uint64_t total;
	uint64_t available;
	uint64_t held;
	uint64_t swap_free;
	uint64_t min_free;
	uint32_t period_ms;
	uint32_t stall_some;
	uint32_t stall_full;
};

/**
 * struct plan_limits - what the operator has decided for one VM
 * @min:	never take more than leaves it this
 * @max:	never leave it more than this; 0: all its memory
 * @shares:	its weight when memory is short; 0: PLAN_SHARES_DEFAULT
 * @cap:	most of its memory that the balloon may be, in percent; 0:
 *		PLAN_CAP_DEFAULT
 * @cap_swapless: the same for a guest without swap; 0: PLAN_CAP_SWAPLESS
 * @tolerance:	how much of its time it may wait for memory that the balloon
 *		took, in permille: 1 for low latency, 50 for batch work; 0:
 *		PLAN_TOLERANCE_DEFAULT
 */
struct plan_limits {
	uint64_t min;
	uint64_t max;
	uint32_t shares;
	uint32_t cap;
	uint32_t cap_swapless;
	uint32_t tolerance;
};

/**
 * struct plan_stats - the guest's own words; PLAN_UNKNOWN where it has none
 * @when_ms:	when they came; 0: there are none
 * @available:	MemAvailable
 * @free:	MemFree
 * @caches:	file pages
 * @balloon:	its balloon when this was measured; if unknown, the actual one
 * @floor:	available memory that its driver does not go below
 * @swap_free:	free swap space
 * @swap_in:	since boot
 * @swap_out:	since boot
 * @refaults:	read back because it was evicted too early, since boot
 * @alloc_stalls: allocations that had to reclaim, since boot, a number
 * @oom_kills:	since boot, a number
 */
struct plan_stats {
	uint64_t when_ms;
	uint64_t available;
	uint64_t free;
	uint64_t caches;
	uint64_t balloon;
	uint64_t floor;
	uint64_t swap_free;
	uint64_t swap_in;
	uint64_t swap_out;
	uint64_t refaults;
	uint64_t alloc_stalls;
	uint64_t oom_kills;
};

/* Its driver is there and its memory may be taken. */
#define PLAN_BALLOON	(1U << 0)
/* Its driver has statistics; without, it is judged by what it occupies. */
#define PLAN_STATS	(1U << 1)
/* An operator has set its balloon: leave it alone. */
#define PLAN_MANUAL	(1U << 2)
/* Take nothing now: it migrates, or is paused. */
#define PLAN_FROZEN	(1U << 3)
/* The host may page it out: not locked, no device passed through. */
#define PLAN_PAGEABLE	(1U << 4)

/**
 * struct plan_guest - what is known of one VM
 * @flags:	PLAN_ bits
 * @limits:	the operator's
 * @memory:	its RAM, as the VMM made it
 * @target:	the balloon that it was told to have
 * @actual:	the balloon that it says it has
 * @resident:	RAM it occupies on the host, measured there
 * @paged_out:	of its memory, what the host has paged out
 * @standby:	what it does without, and the host can take by itself
 * @taken:	what it does without, and the host has
 * @taking:	of @standby, what plan_take() has the host take
 * @period_ms:	how often it can be heard; 0: as the host says
 * @short_ms:	when it last said that it is short
 * @plenty_ms:	when it last said that it is not any more
 * @wish:	balloon that its administrator asked for, 0 if none
 * @stats:	what it says
 */
struct plan_guest {
	uint32_t flags;
	struct plan_limits limits;
	uint64_t memory;
	uint64_t target;
	uint64_t actual;
	uint64_t resident;
	uint64_t paged_out;
	uint64_t standby;
	uint64_t taken;
	uint64_t taking;
	uint64_t period_ms;
	uint64_t short_ms;
	uint64_t plenty_ms;
	uint64_t wish;
	struct plan_stats stats;
};

/* How short the host is. */
enum plan_level {
	PLAN_GREEN,
	PLAN_YELLOW,
	PLAN_ORANGE,
	PLAN_RED,
	PLAN_BLACK,
	PLAN_NR_LEVELS,
};

extern const char *const plan_level_names[PLAN_NR_LEVELS];

/* Why a guest's target is what it is. */
enum plan_reason {
	/* nothing to change, or too little to be worth it */
	PLAN_STEADY,
	/* it said, or shows, that it is in need */
	PLAN_NEED,
	/* it gets what it demands */
	PLAN_GROW,
	/* there is more than all demand */
	PLAN_SPARE,
	/* the host is short; its idle memory goes first */
	PLAN_TAKE_IDLE,
	/* the host is short; its caches go */
	PLAN_TAKE_CACHE,
	/* the host is very short; it has more than its share */
	PLAN_TAKE_SHARE,
	/* it was given memory a moment ago */
	PLAN_HOLD,
	/* its numbers are too old to take anything */
	PLAN_STALE,
	/* it is new here: not judged before it was seen twice */
	PLAN_ADOPTED,
	/* its balloon does not move; it is asked again later */
	PLAN_STUCK,
	/* no driver, or its memory must not be taken */
	PLAN_FIXED,
	/* set by hand */
	PLAN_BY_HAND,
	/* it migrates or is paused */
	PLAN_IS_FROZEN,
	/* its administrator wants it so */
	PLAN_WISH,
	/* the operator's maximum or minimum */
	PLAN_LIMIT,
	PLAN_NR_REASONS,
};

extern const char *const plan_reason_names[PLAN_NR_REASONS];

/**
 * struct plan_host_memory - what the planner remembers of the host; zeroed at
 * the start
 * @level:	how short it is
 * @level_ms:	since when
 * @seen_ms:	time of the last plan
 * @available:	MemAvailable then
 * @fall:	how fast that falls, per second; rises if negative
 */
struct plan_host_memory {
	enum plan_level level;
	uint64_t level_ms;
	uint64_t seen_ms;
	uint64_t available;
	int64_t fall;
};

/**
 * struct plan_memory - what the planner remembers of a guest; zeroed when it
 * is new
 * @stats:	the newest that were looked at
 * @samples:	how many were, up to a few
 * @apart_ms:	time between the last two
 * @used:	by the newest
 * @working:	working set: peak of @used, falls slowly
 * @peak_ms:	when @working was @used
 * @growth:	of @used, per second
 * @calm_ms:	when that was last too slow to be looked at
 * @boost:	earned by having suffered
 * @hold_until_ms: take nothing until then
 * @hold_ms:	how long the next hold is
 * @given_ms:	when it was last given something, or in need
 * @need_ms:	when it was last in need
 * @swapped_ms:	when it was last seen to swap out
 * @taken_ms:	when something was last taken from it
 * @moving:	1 while it is given memory, -1 while it is taken from it
 * @watch_ms:	since when its balloon is watched
 * @watch_current: what it kept then
 * @watch_keep:	what it was told to keep then
 * @strikes:	watches that ended badly
 * @stuck_until_ms: asked again then
 * @retries:	how often it was
 */
struct plan_memory {
	struct plan_stats stats;
	uint32_t samples;
	uint64_t apart_ms;
	uint64_t used;
	uint64_t working;
	uint64_t peak_ms;
	uint64_t growth;
	uint64_t calm_ms;
	uint64_t boost;
	uint64_t hold_until_ms;
	uint64_t hold_ms;
	uint64_t given_ms;
	uint64_t need_ms;
	uint64_t swapped_ms;
	uint64_t taken_ms;
	int moving;
	uint64_t watch_ms;
	uint64_t watch_current;
	uint64_t watch_keep;
	uint32_t strikes;
	uint64_t stuck_until_ms;
	uint32_t retries;
};

/**
 * struct plan_decision - what to do about one VM, and the evidence
 * @balloon:	set this target
 * @keep:	so that it keeps this
 * @page_out:	have the host page out this much of it
 * @reason:	why
 * @need:	it is in need
 * @fragile:	when it is short it can only kill, so that the host pages it out
 *		where others wait for their own disk
 * @current:	what it keeps now, as far as that can be proved
 * @used:	what it cannot do without now
 * @working:	what it could not do without in the last minute
 * @demand:	what it uses, with room for what it does next
 * @floor:	least that it may be left with in this state of the host
 * @ceiling:	most
 * @occupied:	what it will occupy if it is let
 * @share:	what the law gives it; @keep moves there
 */
struct plan_decision {
	uint64_t balloon;
	uint64_t keep;
	uint64_t page_out;
	enum plan_reason reason;
	bool need;
	bool fragile;
	uint64_t current;
	uint64_t used;
	uint64_t working;
	uint64_t demand;
	uint64_t floor;
	uint64_t ceiling;
	uint64_t occupied;
	uint64_t share;
};

/**
 * struct plan_summary - the host as the planner sees it
 * @level:	how short it is
 * @free:	available, less what is promised and what is about to go
 * @min_free:	what @free is measured by
 * @budget:	what the VMs may occupy together
 * @demand:	of all VMs
 * @missing:	how much the floors of all VMs exceed @budget
 * @look_ms:	plan again in so long at most; 0: as usual
 * @steps:	looks at a VM that this plan took, for tests
 */
struct plan_summary {
	enum plan_level level;
	uint64_t free;
	uint64_t min_free;
	uint64_t budget;
	uint64_t demand;
	uint64_t missing;
	uint32_t look_ms;
	uint64_t steps;
};

uint64_t plan_min_free(uint64_t total);
bool plan_is_late(const struct plan_host *host,
		  const struct plan_host_memory *memory);
void plan_take(struct plan_host *host, const struct plan_host_memory *memory,
	       struct plan_guest *guests, size_t nr);
void plan(const struct plan_host *host, struct plan_host_memory *host_memory,
	  const struct plan_guest *guests, struct plan_memory *memories,
	  struct plan_decision *decisions, size_t nr,
	  struct plan_summary *ret_summary);

#endif
