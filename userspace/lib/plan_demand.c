// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest demands, from its own evidence. All of that is claimed by the
 * guest: it is cut to what is physically possible, and what it buys is bounded
 * by the guest's share (plan_share.c).
 */
#include "plan_math.h"
#include "plan_parts.h"

/* A peak of use counts in full for this long, then decays with this time. */
#define PEAK_MS		60000
#define DECAY_MS	60000

/*
 * Room for what comes next: as much as ballonet.ko leaves available in any
 * case (32 MiB and a sixteenth, at most 1 GiB; driver/floor.c), since a target
 * beyond that floor is never reached; and a tenth of the working set.
 */
#define ROOM_BASE	(32 * MIB)
#define ROOM_FRACTION	16
#define ROOM_MAX	GIB
#define ROOM_PERCENT	10
/* A guest may say that its floor is higher, up to this part of its memory. */
#define FLOOR_FRACTION	4

/* Growth is taken to go on for this long, and to bring at most this much. */
#define GROWTH_MS	5000
#define GROWTH_MAX	(GIB + GIB / 2)

/*
 * Time lost by what the balloon took, estimated where the guest does not
 * measure it: reading a page back costs 100 us (SSD, with its software), an
 * allocation that has to reclaim first 1 ms.
 */
#define FAULT_US	100
#define STALL_US	1000
#define PAGE_BYTES	4096
/*
 * A guest that suffers ten times its tolerance earns a tenth of its memory
 * each two seconds, one that suffers less earns less by the square; a twentieth
 * of that goes away in the same time once it does not.
 */
#define BOOST_MS	2000
#define BOOST_PERCENT	10
#define BOOST_DECAY	20

/* In need: less than half of the driver's floor, or gone in this time. */
#define NEED_MS		4000
/*
 * A guest that is short may not find the time to say so: statistics of Linux's
 * driver wait in a queue that waits for memory. One that was heard and falls
 * silent is taken to be short for this long, then to be dead.
 */
#define SILENT_MS	10000
/* Of a guest whose swap nobody knows: while it swaps out, it has some. */
#define SWAPPED_MS	10000
/* An event is acted upon for this long. */
#define SHORT_MS	2000
/* What a guest in need gets at once, at least: this, or this long's growth. */
#define RELIEF_BYTES	(512 * MIB)
#define RELIEF_MS	8000

/**
 * plan_room() - memory that a guest should have available
 * @guest:	the guest
 *
 * Return: bytes.
 */
uint64_t plan_room(const struct plan_guest *guest)
{
	return min_u64(ROOM_BASE + guest->memory / ROOM_FRACTION, ROOM_MAX);
}

/* What it occupies, wherever that lies. */
static uint64_t touched(const struct plan_guest *guest)
{
	return guest->resident + guest->paged_out;
}

/*
 * What the guest has not given: less than the balloon that it claims only if
 * it really occupies less. A driver that says "taken" and goes on using the
 * memory gains nothing.
 */
static uint64_t current_of(const struct plan_guest *guest)
{
	uint64_t kept = sub_sat(guest->memory, guest->actual);

	return max_u64(kept, min_u64(touched(guest), guest->memory));
}

static uint64_t available_of(const struct plan_stats *stats)
{
	return stats->available != PLAN_UNKNOWN ? stats->available :
		stats->free;
}

/* With the balloon as it was when the rest was measured. */
static uint64_t used_of(const struct plan_guest *guest)
{
	const struct plan_stats *stats = &guest->stats;
	uint64_t balloon = stats->balloon != PLAN_UNKNOWN ? stats->balloon :
		guest->actual;
	uint64_t kept = sub_sat(guest->memory, balloon);
	uint64_t used = sub_sat(kept, available_of(stats));

	/*
	 * It cannot use what it does not occupy; a sixteenth is for what its
	 * kernel sets aside and never touches.
	 */
	if (guest->resident)
		used = min_u64(used, touched(guest) + guest->memory / 16);
	return used;
}

/* A counter's progress; none where it is unknown or went backwards. */
static uint64_t progress(uint64_t before, uint64_t now)
{
	if (before == PLAN_UNKNOWN || now == PLAN_UNKNOWN)
		return 0;
	return sub_sat(now, before);
}

/*
 * A kernel evicts nothing while it has free pages: what is read back then is
 * late, not too little memory.
 */
static bool crowded(const struct plan_guest *guest)
{
	return guest->actual && (guest->stats.free == PLAN_UNKNOWN ||
				 guest->stats.free < plan_room(guest));
}

/* Permille of the time between two samples that was lost waiting. */
static uint64_t suffering(const struct plan_stats *before,
			  const struct plan_stats *now, uint64_t ms)
{
	uint64_t pages, us;

	if (now->refaults != PLAN_UNKNOWN)
		pages = progress(before->refaults, now->refaults) / PAGE_BYTES;
	else
		pages = progress(before->swap_in, now->swap_in) / PAGE_BYTES;
	us = add_sat(mul_div(pages, FAULT_US, 1),
		     mul_div(progress(before->alloc_stalls, now->alloc_stalls),
			     STALL_US, 1));
	return min_u64(us / ms, 1000);
}

static void boost_update(const struct plan_guest *guest,
			 struct plan_memory *memory, uint64_t ms)
{
	const struct plan_stats *before = &memory->stats;
	const struct plan_stats *now = &guest->stats;
	uint64_t limit = guest->limits.tolerance ? guest->limits.tolerance :
		PLAN_TOLERANCE_DEFAULT;
	uint64_t lost = suffering(before, now, ms), part;
	uint64_t step = percent(guest->memory, BOOST_PERCENT);

	limit = min_u64(limit, 1000);
	/* Without a balloon it suffers from its own size. */
	if (guest->actual && progress(before->oom_kills, now->oom_kills)) {
		memory->boost = add_sat(memory->boost, step);
	} else if (crowded(guest) && lost > limit) {
		part = min_u64(mul_div(lost * lost, 1000, 100 * limit * limit),
			       1000);
		memory->boost = add_sat(memory->boost,
					mul_div(flow(step, ms), part * 1000,
						1000 * BOOST_MS));
	} else {
		memory->boost = sub_sat(memory->boost,
					mul_div(memory->boost, ms,
						ms + BOOST_DECAY * BOOST_MS));
	}
	memory->boost = min_u64(memory->boost, guest->memory);
}

static void working_update(struct plan_memory *memory, uint64_t now_ms,
			   uint64_t ms)
{
	if (memory->used >= memory->working) {
		memory->working = memory->used;
		memory->peak_ms = now_ms;
	} else if (now_ms < memory->peak_ms) {
		memory->peak_ms = now_ms;
	} else if (now_ms - memory->peak_ms > PEAK_MS) {
		memory->working -= mul_div(memory->working - memory->used, ms,
					   ms + DECAY_MS);
	}
}

/* Rises at once, falls by half each sample. */
static void growth_update(struct plan_memory *memory, uint64_t used,
			  uint64_t ms)
{
	uint64_t rate = mul_div(sub_sat(used, memory->used), 1000, ms);

	memory->growth = rate > memory->growth ? rate :
		(memory->growth - rate) / 2 + rate;
}

/* Take in a sample that was not seen before. */
static void sample(const struct plan_tick *tick, const struct plan_guest *guest,
		   struct plan_memory *memory)
{
	uint64_t when = guest->stats.when_ms, before = memory->stats.when_ms;
	uint64_t used = used_of(guest), ms;

	if (when == before || when > tick->host->now_ms)
		return;
	if (!before || when < before) {
		memory->growth = 0;
		memory->working = used;
		memory->peak_ms = when;
	} else {
		ms = when - before;
		memory->apart_ms = ms;
		growth_update(memory, used, ms);
		boost_update(guest, memory, ms);
		memory->used = used;
		working_update(memory, when, ms);
	}
	if (memory->growth < PLAN_SLOW)
		memory->calm_ms = when;
	memory->used = used;
	if (before && progress(memory->stats.swap_out, guest->stats.swap_out))
		memory->swapped_ms = when;
	memory->stats = guest->stats;
	if (memory->samples < PLAN_SAMPLES)
		memory->samples++;
}

static bool said_short(const struct plan_tick *tick,
		       const struct plan_guest *guest)
{
	uint64_t now = tick->host->now_ms;

	return guest->short_ms && guest->short_ms <= now &&
		now - guest->short_ms <= SHORT_MS &&
		guest->short_ms >= guest->plenty_ms;
}

/* Not one of ours, which says so when it is short. */
static bool fell_silent(const struct plan_tick *tick,
			const struct plan_guest *guest,
			const struct plan_memory *memory)
{
	uint64_t now = tick->host->now_ms, when = memory->stats.when_ms;

	return memory->samples && memory->stats.floor == PLAN_UNKNOWN &&
		!(guest->flags & PLAN_FROZEN) && plan_stale(tick, guest) &&
		when <= now && (now - when) / 3 >= guest->period_ms &&
		now - when <= SILENT_MS;
}

/* Short of memory it kills: no swap, and no driver that gives back. */
static bool is_fragile(const struct plan_tick *tick,
		       const struct plan_guest *guest,
		       const struct plan_memory *memory)
{
	const struct plan_stats *stats = &memory->stats;
	uint64_t now = tick->host->now_ms, when = memory->swapped_ms;

	if (!memory->samples || !(guest->flags & PLAN_BALLOON) ||
	    !(guest->flags & PLAN_PAGEABLE) || !tick->host->swap_free ||
	    stats->floor != PLAN_UNKNOWN)
		return false;
	if (stats->swap_free != PLAN_UNKNOWN)
		return !stats->swap_free;
	return !when || when > now || now - when > SWAPPED_MS;
}

static bool in_need(const struct plan_tick *tick,
		    const struct plan_guest *guest,
		    const struct plan_memory *memory)
{
	uint64_t available = available_of(&memory->stats);

	if (!(guest->flags & PLAN_BALLOON) || !guest->actual)
		return false;
	if (said_short(tick, guest) || fell_silent(tick, guest, memory))
		return true;
	if (!memory->samples || available == PLAN_UNKNOWN ||
	    plan_stale(tick, guest))
		return false;
	return available < plan_room(guest) / 2 ||
		(memory->growth >= PLAN_SLOW &&
		 flow(memory->growth, NEED_MS) > available);
}

/**
 * plan_stale() - whether what a guest says is too old to take anything
 * @tick:	this plan
 * @guest:	the guest
 *
 * Return: true if it is older than three periods, or from the future.
 */
bool plan_stale(const struct plan_tick *tick, const struct plan_guest *guest)
{
	uint64_t period = tick->host->period_ms ? tick->host->period_ms : 1000;
	uint64_t now = tick->host->now_ms, when = guest->stats.when_ms;

	return !when || when > now || now - when > 3 * period;
}

/**
 * plan_demand() - what a guest needs, and whether at once
 * @tick:	this plan
 * @guest:	the guest
 * @memory:	what is remembered of it
 * @decision:	current, used, working, demand, need and fragile are filled in
 */
void plan_demand(const struct plan_tick *tick, const struct plan_guest *guest,
		 struct plan_memory *memory, struct plan_decision *decision)
{
	uint64_t spare, demand, relief;

	decision->current = current_of(guest);
	if (guest->flags & PLAN_STATS && guest->stats.when_ms &&
	    available_of(&guest->stats) != PLAN_UNKNOWN)
		sample(tick, guest, memory);
	if (!memory->samples) {
		/* All that it occupies may be in use. */
		decision->used = min_u64(touched(guest), guest->memory);
		decision->working = decision->used;
		demand = decision->used;
	} else {
		decision->used = min_u64(memory->used, guest->memory);
		decision->working = min_u64(memory->working, guest->memory);
		spare = max_u64(plan_room(guest),
				percent(decision->working, ROOM_PERCENT));
		if (memory->stats.floor != PLAN_UNKNOWN)
			spare = max_u64(spare,
					min_u64(memory->stats.floor,
						guest->memory /
						FLOOR_FRACTION));
		demand = decision->used + spare +
			min_u64(flow(memory->growth, GROWTH_MS), GROWTH_MAX);
		demand = add_sat(demand, memory->boost);
	}
	decision->fragile = is_fragile(tick, guest, memory);
	decision->need = in_need(tick, guest, memory);
	if (decision->need) {
		relief = max_u64(RELIEF_BYTES,
				 flow(memory->growth, RELIEF_MS));
		demand = max_u64(demand, add_sat(decision->current, relief));
	}
	decision->demand = min_u64(demand, guest->memory);
}
