// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Room for VMs that are about to start.
 */
#include "governor_parts.h"
#include "plan_math.h"

#include <errno.h>
#include <stdio.h>

/**
 * governor_held - what is held for VMs that start
 * @governor:	with its VMs of this plan
 * @nr:		how many
 *
 * Return: bytes, less what the VMs it is held for occupy already.
 */
uint64_t governor_held(struct governor *governor, size_t nr)
{
	struct lease *lease;
	size_t i;

	admission_expire(&governor->admission, governor_now(governor));
	for (i = 0; i < governor->admission.nr; i++)
		governor->admission.leases[i].taken = 0;
	for (i = 0; i < nr; i++) {
		lease = admission_find(&governor->admission,
				       governor->vms[i]->name);
		if (lease)
			lease->taken = governor->guests[i].resident;
	}
	return admission_held(&governor->admission);
}

/**
 * governor_moves - is this balloon the governor's to move?
 * @guest:	a VM
 *
 * Return: true if it is.
 */
bool governor_moves(const struct plan_guest *guest)
{
	return guest->flags & PLAN_BALLOON &&
		!(guest->flags & (PLAN_MANUAL | PLAN_FROZEN));
}

/* What a VM is sure of: its minimum, or all that is not ours to take. */
static uint64_t minimum_of(const struct plan_guest *guest,
			   const struct plan_decision *decision)
{
	return governor_moves(guest) ? guest->limits.min : decision->current;
}

/* What of its minimum is held for it besides. */
static uint64_t held_for(struct governor *governor, const struct vm *vm)
{
	const struct lease *lease = admission_find(&governor->admission,
						   vm->name);

	return lease ? sub_sat(lease->bytes, lease->taken) : 0;
}

static void room_look(struct governor *governor, size_t nr,
		      struct admission_room *ret_room)
{
	uint64_t minimum;
	size_t i;

	*ret_room = (struct admission_room){
		.budget = governor->snapshot.available,
		.reserve = governor->summary.min_free,
		.held = governor->snapshot.held,
		.available = governor->snapshot.available,
	};
	for (i = 0; i < nr; i++) {
		minimum = minimum_of(&governor->guests[i],
				     &governor->decisions[i]);
		minimum = sub_sat(minimum,
				  held_for(governor, governor->vms[i]));
		ret_room->budget = add_sat(ret_room->budget,
					   governor->guests[i].resident);
		ret_room->minimums = add_sat(ret_room->minimums, minimum);
	}
	/* VMs may occupy more than a configured budget already. */
	ret_room->budget = min_u64(ret_room->budget, governor->snapshot.total);
}

/**
 * governor_name - make up a name for room that is held
 * @governor:	the governor
 * @name:	room for it
 *
 * Return: @name.
 */
const char *governor_name(struct governor *governor,
			  char name[INTERFACE_NAME_MAX + 1])
{
	do
		snprintf(name, INTERFACE_NAME_MAX + 1, "lease-%u",
			 ++governor->named);
	while (admission_find(&governor->admission, name));
	return name;
}

/**
 * governor_admit - hold room for a VM that is about to start, if there is some
 * @governor:	the governor
 * @name:	a valid name; what was held for it before is let go
 * @bytes:	what the VM is promised
 * @ms:		for how long
 * @ret_room:	what there is without it, but for -EAGAIN
 *
 * Return: 0, -ENOMEM if there is no room, -ENOSPC if room is held for too many
 * already, -EAGAIN if nothing is managed.
 */
int governor_admit(struct governor *governor, const char *name, uint64_t bytes,
		   uint64_t ms, struct admission_room *ret_room)
{
	struct admission before = governor->admission;
	int rc;

	admission_release(&governor->admission, name);
	if (!governor->host || governor_plan(governor)) {
		governor->admission = before;
		return -EAGAIN;
	}
	room_look(governor, governor->nr, ret_room);
	rc = admission_left(ret_room) < bytes ? -ENOMEM :
		admission_hold(&governor->admission, name, bytes,
			       governor_now(governor) + ms);
	if (rc) {
		governor->admission = before;
		return rc;
	}
	governor_leases_note(governor);
	governor_plan_in(governor, 0);
	return 0;
}

/**
 * governor_release - hold room no more
 * @governor:	the governor
 * @name:	for whom it was held
 *
 * Return: 0 or -ENOENT.
 */
int governor_release(struct governor *governor, const char *name)
{
	int rc = admission_release(&governor->admission, name);

	if (!rc)
		governor_leases_note(governor);
	return rc;
}
