// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When a guest is short of memory, and when no longer. Pure, also built by the
 * unit tests.
 *
 *	available    0 ......... floor/2 ......... floor*3/2 ... floor*2 ...
 *	begins         always    with reclaim                  no
 *	ends           no                          yes
 *
 * Half the floor is where the balloon gives memory back by itself: something
 * else than inflating took the other half. Far above the floor reclaim has
 * other reasons than too large a balloon: a control group's limit, a large
 * block that was asked for.
 */
#include "short.h"

/* A MiB between two samples is noise below. */
#define TRAFFIC_FRAMES	256

/**
 * ballonet_short_near() - whether counters are worth a look
 * @available:	frames available
 * @floor:	frames that inflating leaves
 *
 * Return: true below twice the floor.
 */
bool ballonet_short_near(u64 available, u64 floor)
{
	return available < 2 * floor;
}

/**
 * ballonet_short_begins() - whether the guest is in trouble
 * @last:	the sample before, a twentieth of a second old
 * @now:	this one
 * @floor:	frames that inflating leaves
 *
 * Return: true if less than half the floor is available, or if near the floor
 * processes had to wait for memory, or the working set is moving to and fro.
 */
bool ballonet_short_begins(const struct ballonet_sample *last,
			   const struct ballonet_sample *now, u64 floor)
{
	if (now->available < floor / 2)
		return true;
	if (!ballonet_short_near(now->available, floor) ||
	    !last->counted || !now->counted)
		return false;
	return now->stalls != last->stalls || now->scanned != last->scanned ||
	       now->swapped - last->swapped >= TRAFFIC_FRAMES ||
	       now->refaulted - last->refaulted >= TRAFFIC_FRAMES;
}

/**
 * ballonet_short_ends() - whether there is plenty again
 * @available:	frames available
 * @floor:	frames that inflating leaves
 *
 * Well above the floor: a balloon that the host wants larger takes all down to
 * it, so at the floor nothing is over.
 *
 * Return: true if it is over, provided that nothing happened for a while.
 */
bool ballonet_short_ends(u64 available, u64 floor)
{
	return available >= floor + floor / 2;
}
