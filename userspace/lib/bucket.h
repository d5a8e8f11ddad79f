/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A limit on how often something may happen: a bucket of tokens that fills
 * at a steady rate. All zero is a full bucket.
 */
#ifndef BALLONET_BUCKET_H
#define BALLONET_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct bucket - what is left of a limit
 * @taken:	thousandths of tokens that are missing from a full bucket
 * @when_ms:	the last time that it was looked at
 */
struct bucket {
	uint64_t taken;
	uint64_t when_ms;
};

bool bucket_take(struct bucket *bucket, uint64_t now_ms, uint32_t per_s,
		 uint32_t size);

#endif /* BALLONET_BUCKET_H */
