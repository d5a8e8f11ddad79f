// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How short the host is. It gets worse at once, and better only when there is
 * a quarter more than the threshold and some time has passed, so that what is
 * done about it does not flap.
 */
#include "plan_math.h"
#include "plan_parts.h"

/*
 * What is about to go in this time counts as gone: a guess, good enough to take
 * what is idle, but not to take what is in use, which goes by what is there.
 */
#define LOOKAHEAD_MS	8000
#define CERTAIN_MS	1000
/* Time constant of the mean of how fast memory goes. */
#define FALL_MS		2000
/* A mean over a longer gap says nothing. */
#define GAP_MS		10000
/* A target moves for at most this long at once, however late the plan is. */
#define STEP_MS		2000
/* Least time in a level before a better one. */
#define SETTLE_MS	10000
/* No host this side of science fiction has more, and sums have room. */
#define SIZE_LIMIT	(1ULL << 60)

/* PSI "some" of 70 ms and "full" of 30 ms in a second, in permille. */
#define STALL_SOME	70
#define STALL_FULL	30

const char *const plan_level_names[PLAN_NR_LEVELS] = {
	[PLAN_GREEN] = "green",
	[PLAN_YELLOW] = "yellow",
	[PLAN_ORANGE] = "orange",
	[PLAN_RED] = "red",
	[PLAN_BLACK] = "black",
};

/* A level begins below so many halves of min_free. */
static const unsigned int halves[PLAN_NR_LEVELS] = {
	[PLAN_YELLOW] = 8,
	[PLAN_ORANGE] = 4,
	[PLAN_RED] = 2,
	[PLAN_BLACK] = 1,
};

/**
 * plan_min_free() - what a host should keep free
 * @total:	its RAM
 *
 * The sliding scale of VMware ESX since 5.0: 6 % of the first 4 GiB, 4 % up to
 * 12 GiB, 2 % up to 28 GiB, 1 % of the rest; and at least 1 GiB, but of a
 * small host not more than a sixteenth for that reason.
 *
 * Return: bytes.
 */
uint64_t plan_min_free(uint64_t total)
{
	static const struct {
		uint64_t up_to;
		uint32_t percentage;
	} scale[] = {
		{ 4 * GIB, 6 }, { 12 * GIB, 4 }, { 28 * GIB, 2 },
		{ UINT64_MAX, 1 },
	};
	uint64_t from = 0, sum = 0;
	unsigned int i;

	for (i = 0; i < sizeof(scale) / sizeof(scale[0]); i++) {
		sum += percent(sub_sat(min_u64(total, scale[i].up_to), from),
			       scale[i].percentage);
		from = scale[i].up_to;
	}
	return max_u64(sum, min_u64(GIB, total / 16));
}

/**
 * struct plan_free - memory that is there for guests
 * @now:	in a moment
 * @soon:	a little later, as it looks
 */
struct plan_free {
	uint64_t now;
	uint64_t soon;
};

static void fall_update(const struct plan_host *host,
			struct plan_host_memory *memory, uint64_t available)
{
	uint64_t ms = sub_sat(host->now_ms, memory->seen_ms);
	__int128 rate, fall = memory->fall;

	if (!memory->seen_ms || ms > GAP_MS)
		fall = 0;
	if (memory->seen_ms && ms && ms <= GAP_MS) {
		rate = ((__int128)memory->available - available) * 1000 /
			(__int128)ms;
		/* What rises does not fall any more. */
		if (rate < 0 && fall > 0)
			fall = 0;
		fall += (rate - fall) * (__int128)ms /
			(__int128)(ms + FALL_MS);
	}
	if (fall > (__int128)SIZE_LIMIT)
		fall = SIZE_LIMIT;
	if (fall < -(__int128)SIZE_LIMIT)
		fall = -(__int128)SIZE_LIMIT;
	memory->fall = fall;
}

/*
 * The worst level whose threshold, a quarter up if @leaving, is not met: by
 * what will be free up to ORANGE, by what is free from RED on.
 */
static enum plan_level level_of(const struct plan_free *free,
				uint64_t min_free, bool leaving)
{
	enum plan_level level = PLAN_GREEN;
	uint64_t threshold;
	unsigned int i;

	for (i = PLAN_YELLOW; i < PLAN_NR_LEVELS; i++) {
		threshold = mul_div(min_free, halves[i], 2);
		if (leaving)
			threshold = add_sat(threshold, threshold / 4);
		if ((i < PLAN_RED ? free->soon : free->now) < threshold)
			level = i;
	}
	return level;
}

/*
 * Stalled tasks make it worse only where memory is short: otherwise they stall
 * at a limit of their own group, and taking from guests would not help them.
 */
static enum plan_level stalled(const struct plan_host *host,
			       enum plan_level level)
{
	if (level >= PLAN_ORANGE && host->stall_full >= STALL_FULL)
		return level > PLAN_RED ? level : PLAN_RED;
	if (level == PLAN_YELLOW && host->stall_some >= STALL_SOME)
		return PLAN_ORANGE;
	return level;
}

static void level_update(const struct plan_host *host,
			 struct plan_host_memory *memory,
			 const struct plan_free *free, uint64_t min_free)
{
	enum plan_level worse, better;

	worse = stalled(host, level_of(free, min_free, false));
	better = stalled(host, level_of(free, min_free, true));
	/* A clock that went backwards starts this anew. */
	if (memory->level_ms > host->now_ms)
		memory->level_ms = host->now_ms;
	if (!memory->seen_ms || worse > memory->level ||
	    (better < memory->level &&
	     host->now_ms - memory->level_ms >= SETTLE_MS)) {
		memory->level = !memory->seen_ms || worse > memory->level ?
			worse : better;
		memory->level_ms = host->now_ms;
	}
}

static uint64_t min_free_of(const struct plan_host *host)
{
	uint64_t total = min_u64(host->total, SIZE_LIMIT);

	return host->min_free ? min_u64(host->min_free, total) :
		plan_min_free(total);
}

/**
 * plan_lack() - what is missing for nothing to be taken from anybody
 * @host:	the snapshot
 * @memory:	what is remembered of it
 *
 * Return: bytes to where GREEN begins again, 0 if it has not ended.
 */
uint64_t plan_lack(const struct plan_host *host,
		   const struct plan_host_memory *memory)
{
	uint64_t fall = memory->fall > 0 ? memory->fall : 0;
	uint64_t green = mul_div(min_free_of(host), halves[PLAN_YELLOW], 2);
	uint64_t soon = sub_sat(sub_sat(min_u64(host->available, host->total),
					host->held), flow(fall, LOOKAHEAD_MS));

	if (memory->level == PLAN_GREEN && soon >= green)
		return 0;
	return sub_sat(add_sat(green, green / 4), soon);
}

/**
 * plan_host_look() - how short the host is
 * @host:	the snapshot
 * @memory:	what is remembered of it
 * @ret_tick:	for the other parts
 * @summary:	its part of it is filled in
 */
void plan_host_look(const struct plan_host *host,
		    struct plan_host_memory *memory, struct plan_tick *ret_tick,
		    struct plan_summary *summary)
{
	uint64_t total = min_u64(host->total, SIZE_LIMIT);
	uint64_t available = min_u64(host->available, total);
	uint64_t min_free, ready, fall, dt;
	struct plan_free free;

	min_free = min_free_of(host);
	fall_update(host, memory, available);
	ready = sub_sat(available, host->held);
	fall = memory->fall > 0 ? memory->fall : 0;
	free.now = sub_sat(ready, flow(fall, CERTAIN_MS));
	free.soon = sub_sat(ready, flow(fall, LOOKAHEAD_MS));
	dt = memory->seen_ms ? sub_sat(host->now_ms, memory->seen_ms) : 0;
	level_update(host, memory, &free, min_free);
	memory->available = available;
	/* 0 is never. */
	memory->seen_ms = max_u64(host->now_ms, 1);

	*ret_tick = (struct plan_tick){
		.host = host,
		.level = memory->level,
		.min_free = min_free,
		.dt_ms = min_u64(dt, STEP_MS),
		.ready = ready,
	};
	summary->level = memory->level;
	summary->min_free = min_free;
	summary->free = free.soon;
}

/**
 * plan_is_late() - whether the host has become shorter since the last plan
 * @host:	the snapshot
 * @memory:	what the planner remembers of the host
 *
 * Return: true if a plan would find a worse level now.
 */
bool plan_is_late(const struct plan_host *host,
		  const struct plan_host_memory *memory)
{
	struct plan_host_memory next = *memory;
	struct plan_summary summary;
	struct plan_tick tick;

	plan_host_look(host, &next, &tick, &summary);
	return next.level > memory->level;
}
