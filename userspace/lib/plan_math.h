/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic that no number makes wrong: sums stop at UINT64_MAX, differences
 * at 0, and a product is divided before it is cut off.
 */
#ifndef BALLONET_PLAN_MATH_H
#define BALLONET_PLAN_MATH_H

#include <stdint.h>

#define KIB	(1ULL << 10)
#define MIB	(1ULL << 20)
#define GIB	(1ULL << 30)

/* Wide enough for the product of any two sizes. */
#define u128	unsigned __int128

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* If the two limits cross, the lower one holds: a guarantee goes first. */
static inline uint64_t clamp_u64(uint64_t value, uint64_t low, uint64_t high)
{
	return max_u64(low, min_u64(value, high));
}

static inline uint64_t add_sat(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t sub_sat(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* a * b / c, for c > 0 */
static inline uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	u128 quotient = (u128)a * b / c;

	return quotient > UINT64_MAX ? UINT64_MAX : quotient;
}

static inline uint64_t percent(uint64_t a, uint32_t percentage)
{
	return mul_div(a, percentage, 100);
}

/* What flows in @ms at a rate per second. */
static inline uint64_t flow(uint64_t rate, uint64_t ms)
{
	return mul_div(rate, ms, 1000);
}

#endif
