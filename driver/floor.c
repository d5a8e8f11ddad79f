// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The floor: available memory (MemAvailable: free, or reclaimed without
 * swapping) that inflating never takes from the guest. Pure arithmetic on
 * frames, also built by the unit tests.
 */
#include <linux/minmax.h>

#include <linux/ballonet.h>

#include "floor.h"

#define MIB_SHIFT	(20 - BALLONET_FRAME_SHIFT)
#define FLOOR_BASE	(32ULL << MIB_SHIFT)
#define FLOOR_CAP	(1024ULL << MIB_SHIFT)
#define FLOOR_FRACTION	16

/**
 * ballonet_floor_default() - the floor of a guest nobody has set one for
 * @total:	frames the guest has
 *
 * A fixed part, for what any system needs to stay responsive, and a part that
 * grows with the guest, because so do its bursts. 32 MiB and a sixteenth:
 * 64 MiB for a guest of 512 MiB, 160 MiB of 2 GiB; from 16 GiB on, 1 GiB is
 * enough to bridge the time until the host has heard of a need.
 *
 * Return: frames, never more than half of @total.
 */
u64 ballonet_floor_default(u64 total)
{
	return min3(FLOOR_BASE + total / FLOOR_FRACTION, FLOOR_CAP, total / 2);
}

/**
 * ballonet_floor_part() - what a part of the memory has to leave
 * @floor:	frames that all of it leaves
 * @part:	frames of that part
 * @whole:	frames of all
 *
 * Return: frames.
 */
u64 ballonet_floor_part(u64 floor, u64 part, u64 whole)
{
	/* In MiB: a product of two has room in 64 bits. */
	part >>= MIB_SHIFT;
	whole >>= MIB_SHIFT;
	return whole ? floor * part / whole : 0;
}

/**
 * ballonet_floor_room() - how much may be taken now
 * @available:	frames available in the guest
 * @floor:	frames to leave
 *
 * Return: frames.
 */
u64 ballonet_floor_room(u64 available, u64 floor)
{
	return available > floor ? available - floor : 0;
}
