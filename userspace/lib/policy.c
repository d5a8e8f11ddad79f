// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy.h"
#include "plan_math.h"
#include "size.h"
#include "standby.h"

#include <errno.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Members of struct policy besides the two sizes, by their bits. */
static const struct {
	uint32_t bit;
	size_t offset;
} numbers[] = {
	{ POLICY_SHARES, offsetof(struct policy, shares) },
	{ POLICY_CAP, offsetof(struct policy, cap) },
	{ POLICY_CAP_SWAPLESS, offsetof(struct policy, cap_swapless) },
	{ POLICY_TOLERANCE, offsetof(struct policy, tolerance) },
	{ POLICY_RIVALS, offsetof(struct policy, rivals) },
	{ POLICY_STANDBY, offsetof(struct policy, standby) },
};

const char *const policy_rivals_names[POLICY_NR_RIVALS] = {
	[POLICY_RIVALS_RESPECT] = "respect",
	[POLICY_RIVALS_IGNORE] = "ignore",
};

/**
 * policy_inherit - take what was not said from somewhere else
 * @policy:	of a VM
 * @from:	of its class
 */
void policy_inherit(struct policy *policy, const struct policy *from)
{
	uint32_t missing = from->given & ~policy->given;
	size_t i;

	if (missing & POLICY_MIN)
		policy->min = from->min;
	if (missing & POLICY_MAX)
		policy->max = from->max;
	if (missing & POLICY_SHARE_GROUP)
		memcpy(policy->share_group, from->share_group,
		       sizeof(policy->share_group));
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (missing & numbers[i].bit)
			*(uint32_t *)((char *)policy + numbers[i].offset) =
				*(const uint32_t *)((const char *)from +
						    numbers[i].offset);
	policy->given |= missing;
}

/**
 * policy_check - do the settings contradict each other?
 * @policy:	with what was inherited
 * @ret_fault:	which do
 *
 * Return: 0 or -EINVAL.
 */
int policy_check(const struct policy *policy, struct fault *ret_fault)
{
	char text[2][SIZE_TEXT_MAX];

	if (policy->given & POLICY_MIN && policy->given & POLICY_MAX &&
	    policy->min > policy->max)
		return fault_set(ret_fault, -EINVAL,
				 "min: %s is more than max, which is %s",
				 size_format(policy->min, text[0]),
				 size_format(policy->max, text[1]));
	return 0;
}

/**
 * policy_is_managed - may the manager move the balloon?
 * @policy:	of a VM
 * @has_rival:	another manager on this host gets at its balloon
 *
 * Return: true unless it has 0 shares or is the rival's.
 */
bool policy_is_managed(const struct policy *policy, bool has_rival)
{
	if (policy->given & POLICY_SHARES && !policy->shares)
		return false;
	return !has_rival || policy->rivals == POLICY_RIVALS_IGNORE;
}

static bool says(const struct policy *policy, uint32_t bit)
{
	return policy->given & bit;
}

/**
 * policy_standby - how a back-end is to keep standby
 * @policy:	of a VM
 *
 * Return: its name, or NULL: the default is the back-end's, which may be of
 * another version.
 */
const char *policy_standby(const struct policy *policy)
{
	return says(policy, POLICY_STANDBY) ?
		standby_mode_names[policy->standby] : NULL;
}

/**
 * policy_limits - the planner's limits
 * @policy:	of a VM
 * @memory:	its RAM, as it says
 * @ram:	the host's
 * @ret_limits:	filled
 *
 * Without a minimum the cap holds however short the host is: nobody has said
 * that the VM can do with less. But no claim of one is worth more than a VM
 * that has all of the host.
 */
void policy_limits(const struct policy *policy, uint64_t memory, uint64_t ram,
		   struct plan_limits *ret_limits)
{
	uint64_t most = min_u64(memory, ram);
	uint32_t cap = says(policy, POLICY_CAP) ? policy->cap :
		PLAN_CAP_DEFAULT;

	*ret_limits = (struct plan_limits){
		.min = says(policy, POLICY_MIN) ? policy->min :
			sub_sat(most, percent(most, cap)),
		.max = says(policy, POLICY_MAX) ? policy->max : 0,
		.shares = says(policy, POLICY_SHARES) ? policy->shares : 0,
		.cap = cap,
		.cap_swapless = says(policy, POLICY_CAP_SWAPLESS) ?
			policy->cap_swapless : min_u64(cap, PLAN_CAP_SWAPLESS),
		.tolerance = says(policy, POLICY_TOLERANCE) ?
			policy->tolerance : 0,
	};
}
