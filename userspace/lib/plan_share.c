// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who pays. Water-filling: one level for all VMs, of which each gets its share
 * in proportion to its weight; what a VM has beyond its demand is taxed, so
 * that idle memory goes first. The level is the highest at which all VMs
 * together occupy no more than the budget.
 */
#include "plan_math.h"
#include "plan_parts.h"

/* Idle memory costs 1 / (1 - 75 %): the idle tax of VMware ESX. */
#define TAX	4
/*
 * Memory that a VM may use but will not need, as far as one knows, counts as
 * occupied to a quarter: the room is there when a guest wants it at once, and
 * what all could take together is bounded.
 */
#define EXPOSURE	4
/* Least part of its memory that a guest without statistics is left. */
#define SILENT_PERCENT	75
/* Bits of the fraction of the level, so that rounding costs bytes. */
#define LEVEL_SHIFT	16

/* Its balloon is not ours to move. */
static bool immovable(const struct plan_guest *guest)
{
	return !(guest->flags & PLAN_BALLOON) ||
		guest->flags & (PLAN_MANUAL | PLAN_FROZEN);
}

static bool unjudged(const struct plan_tick *tick,
		     const struct plan_guest *guest,
		     const struct plan_memory *memory)
{
	return guest->flags & PLAN_STATS &&
		(memory->samples < PLAN_SAMPLES || plan_stale(tick, guest));
}

/*
 * The lower cap is for a guest that can only kill when it is short and whose
 * driver does not help it: no swap, and no floor either.
 */
static uint32_t cap(const struct plan_guest *guest,
		    const struct plan_memory *memory)
{
	bool protected = memory->samples &&
		(plan_has_swap(&memory->stats) ||
		 memory->stats.floor != PLAN_UNKNOWN);

	return protected ? guest->limits.cap : guest->limits.cap_swapless;
}

/*
 * The least that is left to it by what the operator decided. The cap keeps
 * what a guest may have to wait for small; that is worth idle memory, but not
 * to have the host thrash.
 */
static uint64_t least(const struct plan_tick *tick,
		      const struct plan_guest *guest,
		      const struct plan_memory *memory)
{
	uint64_t low = guest->limits.min;

	if (tick->level < PLAN_ORANGE)
		low = max_u64(low, sub_sat(guest->memory,
					   percent(guest->memory,
						   cap(guest, memory))));
	if (!(guest->flags & PLAN_STATS))
		low = max_u64(low, percent(guest->memory, SILENT_PERCENT));
	return low;
}

/**
 * plan_bounds() - between what a guest's share has to be
 * @tick:	this plan
 * @guest:	the guest
 * @memory:	what is remembered of it
 * @decision:	floor, ceiling and occupied are filled in
 */
void plan_bounds(const struct plan_tick *tick, const struct plan_guest *guest,
		 const struct plan_memory *memory,
		 struct plan_decision *decision)
{
	uint64_t low = least(tick, guest, memory), high = guest->limits.max;

	if (guest->wish)
		high = min_u64(high, max_u64(guest->limits.min,
					     sub_sat(guest->memory,
						     guest->wish)));
	low = min_u64(low, high);
	if (tick->level < PLAN_RED)
		low = max_u64(low, decision->demand);
	if (immovable(guest))
		low = high = decision->current;
	else if (unjudged(tick, guest, memory) || plan_is_stuck(tick, memory))
		low = max_u64(low, decision->current);
	/* Then the host may page out what it has too much. */
	if (tick->level >= PLAN_RED && guest->flags & PLAN_PAGEABLE &&
	    (immovable(guest) || plan_is_stuck(tick, memory)))
		low = guest->limits.min;
	decision->ceiling = high;
	decision->floor = min_u64(low, high);
	decision->occupied = min_u64(max_u64(guest->resident,
					     decision->demand), high);
}

static uint64_t share_at(const struct plan_decision *decision, uint32_t shares,
			 u128 level)
{
	u128 exact = (level * shares) >> LEVEL_SHIFT;
	uint64_t demand = decision->demand, entitled;

	entitled = exact > UINT64_MAX ? UINT64_MAX : exact;
	if (entitled > demand)
		entitled = demand + (entitled - demand) / TAX;
	return clamp_u64(entitled, decision->floor, decision->ceiling);
}

static uint64_t occupied_by(const struct plan_decision *decision,
			    uint64_t share)
{
	if (share <= decision->occupied)
		return share;
	return decision->occupied + (share - decision->occupied) / EXPOSURE;
}

static uint64_t sum_at(const struct plan_guest *guests,
		       const struct plan_decision *decisions, size_t nr,
		       u128 level, struct plan_summary *summary)
{
	uint64_t sum = 0, share;
	size_t i;

	for (i = 0; i < nr; i++) {
		share = share_at(&decisions[i],
				 plan_shares(&guests[i]), level);
		sum = add_sat(sum, occupied_by(&decisions[i], share));
	}
	summary->steps += nr;
	return sum;
}

/* A level at which every VM has its ceiling, whatever its shares. */
static u128 top(const struct plan_guest *guests,
		const struct plan_decision *decisions, size_t nr)
{
	uint32_t fewest = PLAN_SHARES_MAX;
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		most = max_u64(most, max_u64(decisions[i].ceiling,
					     decisions[i].demand));
		if (plan_shares(&guests[i]) < fewest)
			fewest = plan_shares(&guests[i]);
	}
	return (((u128)most * (TAX + 1)) << LEVEL_SHIFT) / fewest + 1;
}

/**
 * plan_share() - share the budget
 * @guests:	the guests
 * @decisions:	of each, with demand, floor, ceiling and occupied; share is
 *		filled in
 * @nr:		how many
 * @summary:	has the budget; missing is filled in
 *
 * The sum does not depend on the order of the guests.
 */
void plan_share(const struct plan_guest *guests,
		struct plan_decision *decisions, size_t nr,
		struct plan_summary *summary)
{
	u128 low = 0, high = top(guests, decisions, nr), middle;
	uint64_t floors;
	size_t i;

	floors = sum_at(guests, decisions, nr, 0, summary);
	summary->missing = sub_sat(floors, summary->budget);
	if (sum_at(guests, decisions, nr, high, summary) <= summary->budget)
		low = high;
	/* At low they fit, or nothing does; at high they do not. */
	while (!summary->missing && high - low > 1) {
		middle = low + (high - low) / 2;
		if (sum_at(guests, decisions, nr, middle, summary) <=
		    summary->budget)
			low = middle;
		else
			high = middle;
	}
	for (i = 0; i < nr; i++)
		decisions[i].share = share_at(&decisions[i],
					      plan_shares(&guests[i]), low);
}
