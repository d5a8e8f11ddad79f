// SPDX-License-Identifier: GPL-2.0-or-later
#include "rung.h"

#include "size.h"

#include <stdarg.h>
#include <stdio.h>

/* Left alone for a minute, twice as long each time, as balloons are. */
#define PAUSE_MS	60000
#define PAUSES_MAX	4

/* Less than an eighth of what was asked is nothing. */
#define LEAST_FREED	8
/* More than half that is read back soon was in use. */
#define MOST_RETURNED	2
/* 16 MiB/s is a disk that turns: what waits for it waits for seconds. */
#define SLOWEST_PER_S	(UINT64_C(16) << 20)

#define SECOND_US	1000000

const char *const rung_names[RUNG_NR_KINDS] = {
	[RUNG_REPORTING] = "reporting",
	[RUNG_STANDBY] = "standby",
	[RUNG_BALLOON] = "balloon",
	[RUNG_KSM] = "ksm",
	[RUNG_ZSWAP] = "zswap",
	[RUNG_RECLAIM] = "reclaim",
};

static void add(uint64_t *sum, uint64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = UINT64_MAX;
}

static void sum_add(struct rung_sum *sum, uint64_t asked, uint64_t freed,
		    uint64_t time_us)
{
	add(&sum->calls, 1);
	add(&sum->asked, asked);
	add(&sum->freed, freed);
	add(&sum->time_us, time_us);
}

/**
 * rung_did - it was used
 * @rung:	a way
 * @asked:	how much was wanted
 * @freed:	how much the host really got
 * @time_us:	what it took
 */
void rung_did(struct rung *rung, uint64_t asked, uint64_t freed,
	      uint64_t time_us)
{
	sum_add(&rung->all, asked, freed, time_us);
	sum_add(&rung->recent, asked, freed, time_us);
}

/**
 * rung_gave_back - what it had freed was needed again
 * @rung:	a way
 * @bytes:	how much
 */
void rung_gave_back(struct rung *rung, uint64_t bytes)
{
	add(&rung->all.returned, bytes);
	add(&rung->recent.returned, bytes);
}

/**
 * rung_pause - leave it alone for a while, longer each time in a row
 * @rung:	a way
 * @now_ms:	the time
 * @format:	why; as printf, no newline
 */
void rung_pause(struct rung *rung, uint64_t now_ms, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(rung->reason, sizeof(rung->reason), format, args);
	va_end(args);
	rung->until_ms = now_ms + ((uint64_t)PAUSE_MS << rung->pauses);
	if (rung->pauses < PAUSES_MAX)
		rung->pauses++;
	rung->recent = (struct rung_sum){ 0 };
}

static void text_of(const struct rung_sum *sum, char text[4][SIZE_TEXT_MAX])
{
	size_format(sum->asked, text[0]);
	size_format(sum->freed, text[1]);
	size_format(sum->returned, text[2]);
	size_format(SLOWEST_PER_S, text[3]);
}

/**
 * rung_judge - was it worth it?
 * @rung:	a way
 * @now_ms:	the time
 *
 * Decides when there is enough to go by; pauses what was not worth it.
 *
 * Return: false if it has just been paused.
 */
bool rung_judge(struct rung *rung, uint64_t now_ms)
{
	const struct rung_sum *sum = &rung->recent;
	char text[4][SIZE_TEXT_MAX];

	if (sum->asked < RUNG_JUDGED_BYTES && sum->calls < RUNG_JUDGED_CALLS)
		return true;
	text_of(sum, text);
	if (sum->freed < sum->asked / LEAST_FREED) {
		rung_pause(rung, now_ms, "freed %s of %s asked for", text[1],
			   text[0]);
		return false;
	}
	if (sum->returned > sum->freed / MOST_RETURNED) {
		rung_pause(rung, now_ms, "%s of %s freed was soon read back",
			   text[2], text[1]);
		return false;
	}
	if (sum->time_us > SECOND_US &&
	    sum->freed / (sum->time_us / SECOND_US) < SLOWEST_PER_S) {
		rung_pause(rung, now_ms, "slow: %s freed in %llu s, less than %s a second",
			   text[1],
			   (unsigned long long)(sum->time_us / SECOND_US),
			   text[3]);
		return false;
	}
	rung->recent = (struct rung_sum){ 0 };
	rung->pauses = 0;
	return true;
}

/**
 * rung_is_ready - may it be used now?
 * @rung:	a way
 * @now_ms:	the time
 *
 * Return: false while it is left alone.
 */
bool rung_is_ready(const struct rung *rung, uint64_t now_ms)
{
	return now_ms >= rung->until_ms;
}
