// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A plan looks at the host (plan_host.c), then at each guest: what it needs
 * (plan_demand.c) and between what its share has to lie (plan_share.c). Then
 * the budget is shared among all, and each target goes a step towards the
 * guest's share (plan_pace.c). Each part takes values and returns values;
 * only this file knows the order.
 */
#include "plan_math.h"
#include "plan_parts.h"

#include <string.h>

/* Sums of the memory of ten thousand such VMs stop at UINT64_MAX, no sooner. */
#define SIZE_LIMIT	(1ULL << 60)

/*
 * Free memory that is aimed at, in quarters of min_free: by taking what is
 * idle, up to where GREEN begins; by taking what is in use, only as far as it
 * gets the host out of that level.
 */
static const unsigned int aim[PLAN_NR_LEVELS] = {
	[PLAN_GREEN] = 16,
	[PLAN_YELLOW] = 16,
	[PLAN_ORANGE] = 12,
	[PLAN_RED] = 6,
	[PLAN_BLACK] = 6,
};

/*
 * While the host is short, guests are moved in steps of this time. A guest that
 * cannot tell that it is short has to be looked at before it has used its room:
 * at 1 GiB/s that is half a second in a guest of 8 GiB, of which the other half
 * is for its statistics.
 */
#define LOOK_MS		250
#define MUTE_MS		900

static uint32_t or_default(uint32_t value, uint32_t fallback, uint32_t limit)
{
	if (!value)
		return fallback;
	return value < limit ? value : limit;
}

/**
 * plan_shares() - the weight of a guest
 * @guest:	the guest, as it was given
 *
 * Return: 1 to PLAN_SHARES_MAX.
 */
uint32_t plan_shares(const struct plan_guest *guest)
{
	return or_default(guest->limits.shares, PLAN_SHARES_DEFAULT,
			  PLAN_SHARES_MAX);
}

/**
 * plan_sane() - a guest whose numbers are within what is possible
 * @guest:	the guest, as it was given
 *
 * Return: the same with sizes below a limit, balloons within the memory, and
 * limits that have their defaults and do not cross.
 */
struct plan_guest plan_sane(const struct plan_guest *guest)
{
	struct plan_guest sane = *guest;
	struct plan_limits *limits = &sane.limits;

	sane.memory = min_u64(sane.memory, SIZE_LIMIT);
	sane.target = min_u64(sane.target, sane.memory);
	sane.actual = min_u64(sane.actual, sane.memory);
	sane.resident = min_u64(sane.resident, sane.memory);
	sane.paged_out = min_u64(sane.paged_out, sane.memory);
	sane.wish = min_u64(sane.wish, sane.memory);
	if (!limits->max || limits->max > sane.memory)
		limits->max = sane.memory;
	limits->min = min_u64(limits->min, limits->max);
	limits->shares = plan_shares(guest);
	limits->cap = or_default(limits->cap, PLAN_CAP_DEFAULT, 100);
	limits->cap_swapless = or_default(limits->cap_swapless,
					  PLAN_CAP_SWAPLESS, 100);
	limits->tolerance = or_default(limits->tolerance,
				       PLAN_TOLERANCE_DEFAULT, 1000);
	return sane;
}

/**
 * plan_has_swap() - whether a guest can swap
 * @stats:	what it says
 *
 * Return: true if there is evidence that it can.
 */
bool plan_has_swap(const struct plan_stats *stats)
{
	return (stats->swap_free && stats->swap_free != PLAN_UNKNOWN) ||
		(stats->swap_out && stats->swap_out != PLAN_UNKNOWN);
}

/*
 * Its driver gives no events; ours, which has them, has a floor, too. Looking
 * more often is of use only where statistics come more often.
 */
static bool mute(const struct plan_guest *guest,
		 const struct plan_memory *memory)
{
	return guest->flags & PLAN_BALLOON && guest->flags & PLAN_STATS &&
		guest->stats.floor == PLAN_UNKNOWN && memory->apart_ms &&
		memory->apart_ms < MUTE_MS;
}

static void look(struct plan_tick *tick, const struct plan_guest *guests,
		 struct plan_memory *memories, struct plan_decision *decisions,
		 size_t nr, struct plan_summary *summary)
{
	uint64_t budget = tick->ready;
	size_t i;

	if (tick->level >= PLAN_ORANGE)
		summary->look_ms = LOOK_MS;

	for (i = 0; i < nr; i++) {
		struct plan_guest guest = plan_sane(&guests[i]);
		struct plan_decision *decision = &decisions[i];

		memset(decision, 0, sizeof(*decision));
		if (mute(&guest, &memories[i]))
			summary->look_ms = LOOK_MS;
		plan_demand(tick, &guest, &memories[i], decision);
		plan_stuck_watch(tick, &guest, &memories[i],
				 decision->current);
		plan_bounds(tick, &guest, &memories[i], decision);
		budget = add_sat(budget, guest.resident);
		summary->demand = add_sat(summary->demand, decision->demand);
	}
	summary->steps += nr;
	summary->budget = sub_sat(budget, mul_div(tick->min_free,
						   aim[tick->level], 4));
}

/**
 * plan() - who keeps how much memory
 * @host:	the snapshot of the host
 * @host_memory: what the planner remembers of it; changed
 * @guests:	the snapshots of the guests, in any order
 * @memories:	what the planner remembers of each; changed
 * @decisions:	what to do about each
 * @nr:		how many guests
 * @ret_summary: the host as the planner sees it
 *
 * To be called about once a second, or as often as plan_summary.look_ms says,
 * and when a guest says that it is short.
 */
void plan(const struct plan_host *host, struct plan_host_memory *host_memory,
	  const struct plan_guest *guests, struct plan_memory *memories,
	  struct plan_decision *decisions, size_t nr,
	  struct plan_summary *ret_summary)
{
	struct plan_summary summary = { 0 };
	struct plan_tick tick;
	size_t i;

	plan_host_look(host, host_memory, &tick, &summary);
	look(&tick, guests, memories, decisions, nr, &summary);
	plan_share(guests, decisions, nr, &summary);
	for (i = 0; i < nr; i++) {
		struct plan_guest guest = plan_sane(&guests[i]);

		plan_pace_sum(&guest, &memories[i], &decisions[i], &tick);
	}
	for (i = 0; i < nr; i++) {
		struct plan_guest guest = plan_sane(&guests[i]);

		plan_pace(&tick, &guest, &memories[i], &decisions[i]);
	}
	summary.steps += 2 * nr;
	*ret_summary = summary;
}
