// SPDX-License-Identifier: GPL-2.0-or-later
#include "rate.h"

#include "procfile.h"

/**
 * rate_step - take a reading
 * @rate:	the last one; becomes this one
 * @now_us:	a clock that counts from the machine's start and only goes
 *		forward; a jump is noticed and gives no rate
 * @value:	a size, or a count of something since some start; if it is
 *		PROCFILE_UNKNOWN the next reading begins anew
 * @ret_per_s:	change in a second, negative if it fell
 *
 * Return: false if there is no rate: the first reading, a clock that did not
 * advance, a gap of more than RATE_GAP_US, or a number beyond INT64_MAX.
 */
bool rate_step(struct rate *rate, uint64_t now_us, uint64_t value,
	       int64_t *ret_per_s)
{
	struct rate last = *rate;
	__int128 change;

	if (value > INT64_MAX) {
		*rate = (struct rate){ 0 };
		return false;
	}
	if (last.when_us && now_us == last.when_us)
		return false;
	*rate = (struct rate){ .when_us = now_us, .value = value };
	if (!last.when_us || now_us < last.when_us ||
	    now_us - last.when_us > RATE_GAP_US)
		return false;
	change = (__int128)value - last.value;
	change = change * 1000000 / (int64_t)(now_us - last.when_us);
	if (change > INT64_MAX || change < -INT64_MAX)
		return false;
	*ret_per_s = (int64_t)change;
	return true;
}
