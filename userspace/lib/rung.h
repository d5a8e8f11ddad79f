/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One way to make the host's memory go further, as it worked out: what it was
 * asked for, what it freed, what that cost, and whether it is worth trying
 * again. Pure; sizes are bytes, times milliseconds of one clock unless they say
 * otherwise.
 */
#ifndef BALLONET_RUNG_H
#define BALLONET_RUNG_H

#include <stdbool.h>
#include <stdint.h>

/* In the order in which they are climbed, the cheapest first. */
enum rung_kind {
	/* guests report free pages: the device's, only measured */
	RUNG_REPORTING,
	/* what guests do without for now: taken by the host alone */
	RUNG_STANDBY,
	/* what the planner moves */
	RUNG_BALLOON,
	/* equal pages are merged */
	RUNG_KSM,
	/* what is paged out is compressed */
	RUNG_ZSWAP,
	/* VMs are paged out */
	RUNG_RECLAIM,
	RUNG_NR_KINDS,
};

extern const char *const rung_names[RUNG_NR_KINDS];

#define RUNG_REASON_MAX	256

/* A rung is judged by so much that was asked of it, or by so many tries. */
#define RUNG_JUDGED_BYTES	(UINT64_C(64) << 20)
#define RUNG_JUDGED_CALLS	8

/**
 * struct rung_sum - what it did
 * @calls:	how often it was used
 * @asked:	how much was wanted of it
 * @freed:	how much the host really got
 * @returned:	how much of that was read back soon
 * @time_us:	what it took, of processors and disks
 */
struct rung_sum {
	uint64_t calls;
	uint64_t asked;
	uint64_t freed;
	uint64_t returned;
	uint64_t time_us;
};

/**
 * struct rung - a way, all zero at first
 * @all:	since it is known
 * @recent:	since it was judged last
 * @pauses:	how often in a row it was found not to be worth it
 * @until_ms:	left alone until then, 0 if it is not
 * @reason:	why it is, or was; empty if it never was
 */
struct rung {
	struct rung_sum all;
	struct rung_sum recent;
	uint32_t pauses;
	uint64_t until_ms;
	char reason[RUNG_REASON_MAX];
};

void rung_did(struct rung *rung, uint64_t asked, uint64_t freed,
	      uint64_t time_us);
void rung_gave_back(struct rung *rung, uint64_t bytes);
bool rung_judge(struct rung *rung, uint64_t now_ms);
void rung_pause(struct rung *rung, uint64_t now_ms, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool rung_is_ready(const struct rung *rung, uint64_t now_ms);

#endif
