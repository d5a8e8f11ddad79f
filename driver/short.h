/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _BALLONET_SHORT_H
#define _BALLONET_SHORT_H

#include <linux/types.h>

/**
 * struct ballonet_sample - how the guest's memory is doing
 * @available:	frames (MemAvailable and on standby)
 * @counted:	the members below hold; they only count up
 * @stalls:	allocations that had to reclaim memory first
 * @scanned:	frames they looked at
 * @swapped:	frames written to swap
 * @refaulted:	frames of the working set that were read back
 */
struct ballonet_sample {
	u64 available;
	bool counted;
	u64 stalls;
	u64 scanned;
	u64 swapped;
	u64 refaulted;
};

bool ballonet_short_near(u64 available, u64 floor);
bool ballonet_short_begins(const struct ballonet_sample *last,
			   const struct ballonet_sample *now, u64 floor);
bool ballonet_short_ends(u64 available, u64 floor);

#endif
