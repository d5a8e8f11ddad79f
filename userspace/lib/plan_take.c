// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What guests have on standby goes before anything is asked of anybody: it is
 * in use by nobody, the host takes it alone, and a guest has it back by
 * touching it. So the plan is made as if it were free already.
 */
#include "plan_math.h"
#include "plan_parts.h"

/* It is taken in blocks. */
#define BLOCK	(2 * MIB)

/* Not more than what it occupies: whatever is said to be on standby. */
static uint64_t takeable(const struct plan_guest *guest)
{
	return min_u64(guest->standby, guest->resident) / BLOCK * BLOCK;
}

/**
 * plan_take() - what the host takes of what is on standby
 * @host:	the snapshot; what is taken becomes available
 * @memory:	what is remembered of it
 * @guests:	the snapshots; taking is filled in, and no longer resident
 * @nr:		how many guests
 *
 * To be called before plan(): as much as lacks to GREEN, by what each has.
 */
void plan_take(struct plan_host *host, const struct plan_host_memory *memory,
	       struct plan_guest *guests, size_t nr)
{
	uint64_t lack = plan_lack(host, memory), sum = 0, part;
	size_t i;

	for (i = 0; i < nr; i++)
		sum = add_sat(sum, takeable(&guests[i]));
	for (i = 0; i < nr; i++) {
		part = takeable(&guests[i]);
		if (sum > lack)
			part = min_u64(part, (mul_div(part, lack, sum) +
					      BLOCK - 1) / BLOCK * BLOCK);
		guests[i].taking = part;
		guests[i].resident -= part;
		host->available = add_sat(host->available, part);
	}
}
