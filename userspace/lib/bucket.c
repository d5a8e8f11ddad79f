// SPDX-License-Identifier: GPL-2.0-or-later
#include "bucket.h"

/**
 * bucket_take() - may it happen now?
 * @bucket:	the limit
 * @now_ms:	a clock that only goes forward
 * @per_s:	tokens that come back in a second, at least 1
 * @size:	tokens of a full bucket
 *
 * Return: true if there was a token, which is taken.
 */
bool bucket_take(struct bucket *bucket, uint64_t now_ms, uint32_t per_s,
		 uint32_t size)
{
	uint64_t passed = now_ms - bucket->when_ms;

	/* A token in a second is a thousandth of it in a millisecond. */
	if (passed >= bucket->taken / per_s + 1)
		bucket->taken = 0;
	else
		bucket->taken -= passed * per_s;
	bucket->when_ms = now_ms;
	if (bucket->taken + 1000 > (uint64_t)size * 1000)
		return false;
	bucket->taken += 1000;
	return true;
}
