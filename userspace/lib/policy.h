/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operator intends for a VM, as far as it was said, and what the
 * planner makes of it. Pure: values in, values out.
 */
#ifndef BALLONET_POLICY_H
#define BALLONET_POLICY_H

#include "fault.h"
#include "plan.h"

/* struct policy.given */
#define POLICY_MIN		(1U << 0)
#define POLICY_MAX		(1U << 1)
#define POLICY_SHARES		(1U << 2)
#define POLICY_CAP		(1U << 3)
#define POLICY_CAP_SWAPLESS	(1U << 4)
#define POLICY_TOLERANCE	(1U << 5)
#define POLICY_SHARE_GROUP	(1U << 6)
#define POLICY_RIVALS		(1U << 7)
#define POLICY_STANDBY		(1U << 8)

#define POLICY_SHARE_GROUP_MAX	64

/**
 * enum policy_rivals - who else moves balloons of QEMU was found: what now?
 * @POLICY_RIVALS_RESPECT: the balloon is left to it
 * @POLICY_RIVALS_IGNORE: it has been told to leave this one alone
 * @POLICY_NR_RIVALS: how many there are
 */
enum policy_rivals {
	POLICY_RIVALS_RESPECT,
	POLICY_RIVALS_IGNORE,
	POLICY_NR_RIVALS,
};

extern const char *const policy_rivals_names[POLICY_NR_RIVALS];

/**
 * struct policy - settings of a VM or of a class; all zero says nothing
 * @given:	which of the others count, POLICY_ bits
 * @min:	never leave it less
 * @max:	never leave it more
 * @shares:	its weight, or 0: it is not managed
 * @cap:	most of its memory that the balloon may be, in percent
 * @cap_swapless: the same for a guest without swap
 * @tolerance:	how much of its time it may wait for memory, in permille
 * @rivals:	enum policy_rivals
 * @standby:	enum standby_mode
 * @share_group: those whose memory may be merged with its own; empty: nobody's
 */
struct policy {
	uint32_t given;
	uint64_t min;
	uint64_t max;
	uint32_t shares;
	uint32_t cap;
	uint32_t cap_swapless;
	uint32_t tolerance;
	uint32_t rivals;
	uint32_t standby;
	char share_group[POLICY_SHARE_GROUP_MAX + 1];
};

void policy_inherit(struct policy *policy, const struct policy *from);
const char *policy_standby(const struct policy *policy);
int policy_check(const struct policy *policy, struct fault *ret_fault);
bool policy_is_managed(const struct policy *policy, bool has_rival);
void policy_limits(const struct policy *policy, uint64_t memory, uint64_t ram,
		   struct plan_limits *ret_limits);

#endif
