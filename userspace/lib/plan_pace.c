// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How fast a guest's target goes to its share. Giving is at once and far,
 * taking is slow and in sight of what the guest has done so far; small
 * differences are left, and what was given a moment ago is not taken.
 */
#include "plan_math.h"
#include "plan_parts.h"

/* A difference is left below this, or below that part of the memory. */
#define BAND_BYTES	(64 * MIB)
#define BAND_FRACTION	16
#define BAND_PERMILLE	15
/* A target is never further than this below what the guest keeps. */
#define REACH		(512 * MIB)
/* What a stuck guest is asked for when it is asked again. */
#define PROBE		(64 * MIB)
/* Nothing is taken so long after something was given: that would be a turn, */
#define HOLD_MS		125000
/* longer each time if it was needed, until it was quiet for so long. */
#define HOLD_MAX_MS	600000
#define QUIET_MS	125000
/* In RED, if the host has min_free: this, */
#define FRESH_MS	30000
/* or QUIET_MS if less than this part of its memory would be taken. */
#define TURN_PERMILLE	150
/* Nothing is taken so long after it began to use more. */
#define BUSY_MS		10000
/* Bands that a difference has to be worth soon after something was taken. */
#define BACK_BANDS	3
/* Spare memory is handed out slowly, permille of the memory a second. */
#define SPARE_PERMILLE	10
/* Free memory that RED aims at, in quarters of min_free; worth paging out. */
#define ENOUGH		6
/* The part of the reserve that relief leaves, likewise. */
#define LAST		2
/* Where ORANGE ends, likewise. */
#define AMPLE		10
#define PAGE_MASK	4095ULL

/* Taken in a second, in permille of the memory. */
static const uint32_t slew[PLAN_NR_LEVELS] = {
	[PLAN_YELLOW] = 10,
	[PLAN_ORANGE] = 40,
	[PLAN_RED] = 100,
	[PLAN_BLACK] = 100,
};

const char *const plan_reason_names[PLAN_NR_REASONS] = {
	[PLAN_STEADY] = "steady",
	[PLAN_NEED] = "need",
	[PLAN_GROW] = "grow",
	[PLAN_SPARE] = "spare",
	[PLAN_TAKE_IDLE] = "take-idle",
	[PLAN_TAKE_CACHE] = "take-cache",
	[PLAN_TAKE_SHARE] = "take-share",
	[PLAN_HOLD] = "hold",
	[PLAN_STALE] = "stale",
	[PLAN_ADOPTED] = "adopted",
	[PLAN_STUCK] = "stuck",
	[PLAN_FIXED] = "fixed",
	[PLAN_BY_HAND] = "by-hand",
	[PLAN_IS_FROZEN] = "frozen",
	[PLAN_WISH] = "wish",
	[PLAN_LIMIT] = "limit",
};

static uint64_t band(const struct plan_guest *guest)
{
	return max_u64(min_u64(BAND_BYTES, guest->memory / BAND_FRACTION),
		       mul_div(guest->memory, BAND_PERMILLE, 1000));
}

/* What it has been told to keep. */
static uint64_t told(const struct plan_guest *guest)
{
	return sub_sat(guest->memory, guest->target);
}

/* What it has too much and its balloon does not get, or must not. */
static uint64_t pageable(const struct plan_tick *tick,
			 const struct plan_guest *guest,
			 const struct plan_memory *memory,
			 const struct plan_decision *decision)
{
	bool balloon = guest->flags & PLAN_BALLOON &&
		!(guest->flags & PLAN_MANUAL) && !plan_is_stuck(tick, memory);
	uint64_t least = max_u64(decision->share, guest->limits.min);

	if (tick->level < PLAN_RED || guest->flags & PLAN_FROZEN ||
	    !(guest->flags & PLAN_PAGEABLE))
		return 0;
	if (balloon && (!decision->fragile || plan_stale(tick, guest)))
		return 0;
	/* What it does not use, the balloon gets. */
	if (balloon)
		return sub_sat(min_u64(guest->resident, decision->used), least);
	/* What one is known to use is paged out by the kernel's order only. */
	if (guest->flags & PLAN_STATS && !plan_stale(tick, guest))
		least = max_u64(least, decision->demand);
	return sub_sat(guest->resident, least);
}

/**
 * plan_pace_sum() - add a guest to what all guests want
 * @guest:	the guest
 * @memory:	what is remembered of it
 * @decision:	its decision, with its share
 * @tick:	wanted, needy and pageable are added to
 */
void plan_pace_sum(const struct plan_guest *guest,
		   const struct plan_memory *memory,
		   const struct plan_decision *decision,
		   struct plan_tick *tick)
{
	uint64_t wanted = min_u64(decision->share, decision->demand);

	if (decision->need)
		tick->needy += guest->limits.shares;
	else
		tick->wanted = add_sat(tick->wanted,
				       sub_sat(wanted, told(guest)));
	tick->pageable = add_sat(tick->pageable,
				 pageable(tick, guest, memory, decision));
}

static bool held(const struct plan_tick *tick,
		 const struct plan_memory *memory)
{
	uint64_t now = tick->host->now_ms;

	/* A deadline that far off is of a clock that went backwards. */
	return memory->hold_until_ms > now &&
		memory->hold_until_ms - now <= HOLD_MAX_MS;
}

static bool lately(const struct plan_tick *tick, uint64_t when, uint64_t ms)
{
	uint64_t now = tick->host->now_ms;

	return when && when <= now && now - when < ms;
}

/*
 * RED is called a second ahead, and then lasts. As long as the host has what it
 * should keep, that is no reason to take back what was given a moment ago: it
 * would be asked for again. Nor a little of what was given a while ago.
 */
static bool fresh(const struct plan_tick *tick, const struct plan_guest *guest,
		  const struct plan_memory *memory,
		  const struct plan_decision *decision)
{
	uint64_t difference = sub_sat(told(guest), decision->share);

	if (tick->ready < tick->min_free)
		return false;
	return lately(tick, memory->given_ms, FRESH_MS) ||
		(lately(tick, memory->given_ms, QUIET_MS) &&
		 memory->moving >= 0 &&
		 difference <= mul_div(guest->memory, TURN_PERMILLE, 1000));
}

/*
 * It uses more each second: what it has is for that. Only for a while, so that
 * who says so for ever is not spared for ever.
 */
static bool busy(const struct plan_tick *tick,
		 const struct plan_memory *memory)
{
	return tick->ready >= tick->min_free / 2 &&
		memory->growth >= PLAN_SLOW &&
		lately(tick, memory->calm_ms, BUSY_MS);
}

static void hold(const struct plan_tick *tick, struct plan_memory *memory,
		 bool need)
{
	uint64_t now = tick->host->now_ms, ms = HOLD_MS;

	memory->given_ms = max_u64(now, 1);
	if (!held(tick, memory))
		memory->hold_until_ms = 0;
	if (!memory->hold_ms || memory->need_ms > now ||
	    now - memory->need_ms > memory->hold_ms + QUIET_MS)
		memory->hold_ms = HOLD_MS;
	if (need) {
		/* One need is one, however often it is heard of. */
		if (!memory->hold_until_ms)
			memory->hold_ms = min_u64(memory->hold_ms * 3 / 2,
						  HOLD_MAX_MS);
		memory->need_ms = max_u64(now, 1);
		ms = memory->hold_ms;
	}
	memory->hold_until_ms = max_u64(memory->hold_until_ms, now + ms);
}

/* In RED one in need is relieved if it keeps no more than its share, */
static bool is_due(const struct plan_tick *tick,
		   const struct plan_decision *decision)
{
	return tick->level < PLAN_RED || decision->fragile ||
		decision->share >= decision->current;
}

/*
 * or else it is lent memory: shares leave all guests room, also those that do
 * not need it now, so that a host may have much that is nobody's. One with swap
 * can wait for its own disk until there is plenty; to one without, the reserve
 * is lent, but not again and again. Never more than room beside what it
 * occupies: to claim need brings little, and who uses what it got pays as all
 * do when the host has less.
 */
static uint64_t lend(const struct plan_tick *tick,
		     const struct plan_guest *guest,
		     const struct plan_memory *memory,
		     const struct plan_decision *decision)
{
	unsigned int quarters = lately(tick, memory->need_ms, FRESH_MS) ?
		ENOUGH : LAST;
	uint64_t enough = add_sat(guest->resident + guest->paged_out,
				  plan_room(guest));
	uint64_t beyond;

	if (plan_has_swap(&memory->stats))
		quarters = AMPLE;
	beyond = sub_sat(tick->ready, mul_div(tick->min_free, quarters, 4));
	return min_u64(mul_div(beyond, guest->limits.shares, tick->needy),
		       sub_sat(enough, decision->current));
}

/*
 * In need: part of what the host has beyond YELLOW, or at least relief out of
 * the reserve, both by the shares of those in need. Who pays is found in the
 * next plan, in which this has become a demand.
 */
static uint64_t relieve(const struct plan_tick *tick,
			const struct plan_guest *guest,
			const struct plan_memory *memory,
			const struct plan_decision *decision)
{
	uint64_t spare = sub_sat(tick->ready, 2 * tick->min_free);
	uint64_t reserve = sub_sat(tick->ready,
				   mul_div(tick->min_free, LAST, 4));
	uint64_t shares = guest->limits.shares;
	uint64_t relief = sub_sat(decision->demand, decision->current);

	relief = min_u64(relief, mul_div(reserve, shares, tick->needy));
	/* It can wait for its own disk; the host cannot give what it lacks. */
	if (tick->level >= PLAN_RED && plan_has_swap(&memory->stats))
		relief = min_u64(relief, sub_sat(decision->share,
						 decision->current));
	return max_u64(relief, mul_div(spare, shares, tick->needy));
}

/* Nothing was taken lately: what is spare may not be so for long. */
static bool quiet(const struct plan_tick *tick,
		  const struct plan_memory *memory)
{
	return !lately(tick, memory->taken_ms, QUIET_MS);
}

/*
 * Up to demand as the host has it; beyond, slowly, and only where nothing is
 * taken from anybody: what is spare in YELLOW is the first to be missed.
 */
static uint64_t grow(const struct plan_tick *tick,
		     const struct plan_guest *guest,
		     const struct plan_memory *memory,
		     const struct plan_decision *decision)
{
	uint64_t room = sub_sat(tick->ready, 2 * tick->min_free);
	uint64_t keep = told(guest), want, step;

	want = sub_sat(min_u64(decision->share, decision->demand), keep);
	if (want)
		return keep + (tick->wanted <= room ? want :
			       mul_div(want, room, tick->wanted));
	if (tick->level > PLAN_GREEN || !quiet(tick, memory))
		return keep;
	step = flow(mul_div(guest->memory, SPARE_PERMILLE, 1000), tick->dt_ms);
	return min_u64(decision->share, add_sat(keep, step));
}

/*
 * While only idle memory is taken, a guest is left what it had lately, with its
 * caches; unless another demands more than there is.
 */
static uint64_t comfort(const struct plan_tick *tick,
			const struct plan_memory *memory,
			const struct plan_decision *decision)
{
	uint64_t want = add_sat(decision->demand,
				decision->working - decision->used);

	if (tick->level >= PLAN_ORANGE ||
	    tick->wanted > sub_sat(tick->ready, 2 * tick->min_free))
		return 0;
	if (memory->samples && memory->stats.caches != PLAN_UNKNOWN)
		want = add_sat(want, memory->stats.caches);
	return want;
}

/*
 * What a guest may use and does not occupy frees nothing, so that a host that
 * is short does not wait for it: it goes at once, and with it what the guest
 * could fill while others still pay.
 */
static uint64_t occupied(const struct plan_tick *tick,
			 const struct plan_guest *guest,
			 const struct plan_memory *memory)
{
	if (tick->level < PLAN_ORANGE || !guest->resident || memory->retries)
		return UINT64_MAX;
	return add_sat(guest->resident, guest->paged_out);
}

static uint64_t shrink(const struct plan_tick *tick,
		       const struct plan_guest *guest,
		       const struct plan_memory *memory,
		       const struct plan_decision *decision)
{
	uint64_t most = occupied(tick, guest, memory);
	uint64_t reach = memory->retries ? PROBE : REACH;
	uint64_t step = flow(mul_div(guest->memory, slew[tick->level], 1000),
			     tick->dt_ms);
	uint64_t keep = sub_sat(min_u64(told(guest), most), step);

	keep = max_u64(keep, sub_sat(min_u64(decision->current, most), reach));
	keep = max_u64(keep, decision->share);
	keep = max_u64(keep, comfort(tick, memory, decision));
	/* Below what it uses a guest without swap can only kill. */
	if (guest->flags & PLAN_STATS && !plan_has_swap(&memory->stats))
		keep = max_u64(keep, decision->used);
	if (decision->fragile)
		keep = max_u64(keep, add_sat(decision->used,
					     plan_room(guest)));
	return min_u64(keep, told(guest));
}

/* Why there is no evidence to take something, or PLAN_STEADY. */
static enum plan_reason unjudged(const struct plan_tick *tick,
				 const struct plan_guest *guest,
				 const struct plan_memory *memory)
{
	if (!(guest->flags & PLAN_STATS))
		return PLAN_STEADY;
	if (memory->samples < PLAN_SAMPLES)
		return PLAN_ADOPTED;
	return plan_stale(tick, guest) ? PLAN_STALE : PLAN_STEADY;
}

/* Why nothing may be taken from it, or PLAN_STEADY. */
static enum plan_reason spared(const struct plan_tick *tick,
			       const struct plan_guest *guest,
			       const struct plan_memory *memory,
			       const struct plan_decision *decision)
{
	if (plan_is_stuck(tick, memory))
		return PLAN_STUCK;
	if (tick->level < PLAN_RED && held(tick, memory))
		return PLAN_HOLD;
	if (busy(tick, memory) || fresh(tick, guest, memory, decision))
		return PLAN_HOLD;
	return unjudged(tick, guest, memory);
}

static enum plan_reason taken(const struct plan_memory *memory,
			      const struct plan_decision *decision)
{
	uint64_t caches = memory->samples &&
		memory->stats.caches != PLAN_UNKNOWN ?
		memory->stats.caches : 0;

	if (decision->share < decision->demand)
		return PLAN_TAKE_SHARE;
	if (decision->keep < add_sat(decision->used, caches))
		return PLAN_TAKE_CACHE;
	return PLAN_TAKE_IDLE;
}

/* Once it moves, a target goes all the way, but for what is not worth it. */
static bool worth(const struct plan_tick *tick, const struct plan_guest *guest,
		  const struct plan_memory *memory,
		  uint64_t difference, int direction)
{
	uint64_t least = band(guest);

	if (memory->moving == direction)
		least = MIB;
	else if (direction > 0 && lately(tick, memory->taken_ms, QUIET_MS))
		least *= BACK_BANDS;
	return difference > least;
}

static void pace_down(const struct plan_tick *tick,
		      const struct plan_guest *guest,
		      struct plan_memory *memory,
		      struct plan_decision *decision)
{
	enum plan_reason reason;

	reason = spared(tick, guest, memory, decision);
	if (reason != PLAN_STEADY || tick->level == PLAN_GREEN) {
		decision->reason = reason;
		memory->moving = 0;
		return;
	}
	decision->keep = shrink(tick, guest, memory, decision);
	if (decision->keep == told(guest)) {
		memory->moving = 0;
		return;
	}
	memory->moving = -1;
	memory->taken_ms = max_u64(tick->host->now_ms, 1);
	decision->reason = taken(memory, decision);
}

static void pace_up(const struct plan_tick *tick,
		    const struct plan_guest *guest, struct plan_memory *memory,
		    struct plan_decision *decision)
{
	uint64_t keep = grow(tick, guest, memory, decision);

	if (keep == told(guest)) {
		memory->moving = 0;
		return;
	}
	memory->moving = 1;
	decision->keep = keep;
	decision->reason = keep <= decision->demand ? PLAN_GROW : PLAN_SPARE;
	hold(tick, memory, false);
}

/* More than it may have is taken whatever the host has. */
static void pace_limit(const struct plan_tick *tick,
		       const struct plan_guest *guest,
		       struct plan_memory *memory,
		       struct plan_decision *decision)
{
	memory->moving = 0;
	decision->reason = unjudged(tick, guest, memory);
	if (decision->reason != PLAN_STEADY)
		return;
	decision->keep = min_u64(max_u64(sub_sat(decision->current, REACH),
					 decision->ceiling), told(guest));
	decision->reason = guest->wish ? PLAN_WISH : PLAN_LIMIT;
}

static void pace_need(const struct plan_tick *tick, struct plan_memory *memory,
		      struct plan_decision *decision, uint64_t relief)
{
	uint64_t keep = min_u64(add_sat(decision->current, relief),
				decision->ceiling);

	decision->keep = max_u64(decision->keep, keep);
	decision->reason = PLAN_NEED;
	memory->moving = 0;
	hold(tick, memory, true);
}

static void pace(const struct plan_tick *tick, const struct plan_guest *guest,
		 struct plan_memory *memory, struct plan_decision *decision)
{
	uint64_t keep = told(guest), share = decision->share, relief = 0;
	bool due = is_due(tick, decision);

	if (decision->need)
		relief = due ? relieve(tick, guest, memory, decision) :
			 lend(tick, guest, memory, decision);
	/* Even one in need pays, if the host is in greater need. */
	if (decision->need && (due || relief)) {
		pace_need(tick, memory, decision, relief);
	} else if (plan_is_stuck(tick, memory) && keep < decision->current) {
		/* So that its driver does not spin. */
		decision->keep = min_u64(decision->current, decision->ceiling);
		decision->reason = PLAN_STUCK;
		memory->moving = 0;
	} else if (keep > decision->ceiling) {
		pace_limit(tick, guest, memory, decision);
	} else if (share > keep &&
		   worth(tick, guest, memory, share - keep, 1)) {
		pace_up(tick, guest, memory, decision);
	} else if (share < keep &&
		   worth(tick, guest, memory, keep - share, -1)) {
		pace_down(tick, guest, memory, decision);
	} else {
		memory->moving = 0;
		decision->reason = unjudged(tick, guest, memory);
	}
}

/* Its target is its own business; the host may still page it out. */
static bool left_alone(const struct plan_guest *guest,
		       struct plan_decision *decision)
{
	if (!(guest->flags & PLAN_BALLOON))
		decision->reason = PLAN_FIXED;
	else if (guest->flags & PLAN_MANUAL)
		decision->reason = PLAN_BY_HAND;
	else if (guest->flags & PLAN_FROZEN)
		decision->reason = PLAN_IS_FROZEN;
	else
		return false;
	return true;
}

/*
 * What no balloon gets, the host can. It is the dearest way and what was paged
 * out is missed later, so that only what the host lacks now is paged out.
 */
static uint64_t page_out(const struct plan_tick *tick,
			 const struct plan_guest *guest,
			 const struct plan_memory *memory,
			 const struct plan_decision *decision)
{
	uint64_t lack = sub_sat(mul_div(tick->min_free, ENOUGH, 4),
				tick->ready);
	uint64_t part = pageable(tick, guest, memory, decision);

	lack = min_u64(lack, tick->host->swap_free);
	if (part && tick->pageable > lack)
		part = mul_div(part, lack, tick->pageable);
	return part;
}

/**
 * plan_pace() - the next target on the way to a guest's share
 * @tick:	this plan
 * @guest:	the guest
 * @memory:	what is remembered of it
 * @decision:	its decision, with its share; keep, balloon, page_out and
 *		reason are filled in
 */
void plan_pace(const struct plan_tick *tick, const struct plan_guest *guest,
	       struct plan_memory *memory, struct plan_decision *decision)
{
	decision->keep = told(guest);
	decision->reason = PLAN_STEADY;
	if (!left_alone(guest, decision))
		pace(tick, guest, memory, decision);
	/* Rounded so that the guest never keeps less. */
	decision->balloon = sub_sat(guest->memory, decision->keep) & ~PAGE_MASK;
	decision->keep = guest->memory - decision->balloon;

	decision->page_out = page_out(tick, guest, memory, decision);
}
