/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast a number changes, from one reading to the next.
 */
#ifndef BALLONET_RATE_H
#define BALLONET_RATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Two readings further apart say nothing about now: the manager was stopped,
 * or the machine slept. 30 s is three times the slowest poll.
 */
#define RATE_GAP_US	(30 * 1000 * 1000)

/**
 * struct rate - the last reading; all zero is none
 * @when_us:	its time
 * @value:	what was read
 */
struct rate {
	uint64_t when_us;
	uint64_t value;
};

bool rate_step(struct rate *rate, uint64_t now_us, uint64_t value,
	       int64_t *ret_per_s);

#endif
