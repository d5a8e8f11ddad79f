// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Balloons that do not move: a wedged driver, or a guest that has nothing to
 * give. After two watches without progress such a VM counts as of fixed size,
 * so that others are charged, and its target is where it is, so that its
 * driver does not spin. It is asked again later, for little, with growing
 * pauses.
 */
#include "plan_math.h"
#include "plan_parts.h"

/* Length of a watch; progress in it is a tenth of what was asked. */
#define WATCH_MS	5000
#define PROGRESS	10
#define STRIKES		2
/* Less is not worth a watch. */
#define OUTSTANDING	(32 * MIB)
#define PAUSE_MS	60000
#define PAUSE_MAX_MS	600000

/*
 * Nothing to give without going below its driver's floor, by its own words. A
 * guest that says so and lies keeps what it has: its share is what it costs.
 */
static bool at_floor(const struct plan_tick *tick,
		     const struct plan_guest *guest,
		     const struct plan_memory *memory)
{
	const struct plan_stats *stats = &memory->stats;

	return memory->samples && !plan_stale(tick, guest) &&
		stats->floor != PLAN_UNKNOWN &&
		stats->available <= add_sat(stats->floor, OUTSTANDING);
}

static void strike(const struct plan_tick *tick, struct plan_memory *memory)
{
	uint64_t pause = PAUSE_MAX_MS;

	if (++memory->strikes < STRIKES)
		return;
	if (memory->retries < 4)
		pause = min_u64(pause, PAUSE_MS << memory->retries);
	memory->stuck_until_ms = tick->host->now_ms + pause;
	memory->retries++;
	memory->strikes = 0;
}

/**
 * plan_stuck_watch() - see whether a balloon follows its target
 * @tick:	this plan
 * @guest:	the guest
 * @memory:	what is remembered of it
 * @current:	what it keeps
 */
void plan_stuck_watch(const struct plan_tick *tick,
		      const struct plan_guest *guest,
		      struct plan_memory *memory, uint64_t current)
{
	uint64_t keep = sub_sat(guest->memory, guest->target);
	uint64_t now = tick->host->now_ms, moved;

	if (!(guest->flags & PLAN_BALLOON) ||
	    sub_sat(current, keep) < OUTSTANDING) {
		memory->watch_ms = 0;
		return;
	}
	if (!memory->watch_ms || memory->watch_ms > now) {
		memory->watch_ms = max_u64(now, 1);
		memory->watch_current = current;
		memory->watch_keep = keep;
		return;
	}
	if (now - memory->watch_ms < WATCH_MS)
		return;
	moved = sub_sat(memory->watch_current, current);
	if (moved >= sub_sat(memory->watch_current, memory->watch_keep) /
	    PROGRESS) {
		memory->strikes = 0;
		memory->retries = 0;
	} else if (!at_floor(tick, guest, memory)) {
		strike(tick, memory);
	}
	memory->watch_ms = 0;
}

/**
 * plan_is_stuck() - whether a guest is left alone for now
 * @tick:	this plan
 * @memory:	what is remembered of the guest
 *
 * Return: true if its balloon did not move, and it is not time to ask again.
 */
bool plan_is_stuck(const struct plan_tick *tick,
		   const struct plan_memory *memory)
{
	/* A deadline that far off is of a clock that went backwards. */
	return memory->stuck_until_ms > tick->host->now_ms &&
		memory->stuck_until_ms - tick->host->now_ms <= PAUSE_MAX_MS;
}
