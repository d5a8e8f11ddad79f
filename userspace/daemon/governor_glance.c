// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host may run out of memory between two plans: a VM starts that has all of
 * its memory from the beginning, a program takes what it needs. So the host is
 * looked at more often than its guests are, which costs next to nothing.
 */
#include "governor_parts.h"
#include "plan_math.h"

/* Nobody has to be asked for it. */
static uint64_t occupied(const struct governor *governor)
{
	uint64_t sum = 0;
	struct vm *vm;

	for (vm = governor->manager->vms; vm; vm = vm->next) {
		struct plan_guest guest = { 0 };

		governor_vm_look(governor, vm, &guest);
		sum = add_sat(sum, guest.resident);
	}
	return sum;
}

/**
 * governor_glance - has the host become shorter since the last plan?
 * @governor:	the governor, with its host
 *
 * Return: true if it has, and there is something to plan for.
 */
bool governor_glance(struct governor *governor)
{
	const struct conf_host *conf = &governor->manager->conf.host;
	struct plan_host host;

	if (!governor->planned ||
	    host_snapshot(governor->host, conf->budget ? occupied(governor) : 0,
			  &host))
		return false;
	host.held = governor->snapshot.held;
	/* What a dry run would have taken counts as free, as in its plan. */
	if (conf->manage == CONF_MANAGE_DRY_RUN)
		host.available = add_sat(host.available,
					 governor_taking(governor));
	return plan_is_late(&host, &governor->memory);
}
