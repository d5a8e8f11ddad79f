// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the host itself can do for its memory, as the plan wants it.
 */
#include "governor_parts.h"
#include "plan_math.h"
#include "policy.h"

static void climber_fill(const struct governor *governor, size_t i,
			 struct ladder_vm *ret_vm)
{
	const struct plan_guest *guest = &governor->guests[i];
	const struct vm *vm = governor->vms[i];
	const struct vmm *vmm = vm_vmm(vm);

	*ret_vm = (struct ladder_vm){
		.name = vm->name,
		.guest = vm->governed.serial,
		.group = conf_policy(&governor->manager->conf,
				     vm->name)->share_group,
		.pid = vmm->pid,
		.cgroup_fd = vmm->cgroup_fd,
		.pageable = guest->flags & PLAN_PAGEABLE,
		.target = guest->target,
		.actual = guest->actual,
		/* The plan counts without what is only about to be taken. */
		.resident = guest->resident + guest->taking,
		.paged_out = guest->paged_out,
		.taken = guest->taken,
		.page_out = governor->decisions[i].page_out,
	};
}

/**
 * governor_climb - have the ladder do its part of a plan
 * @governor:	the governor, right after the plan
 */
void governor_climb(struct governor *governor)
{
	const struct ladder_tick tick = {
		.now_ms = governor->snapshot.now_ms,
		.level = governor->summary.level,
		.room = sub_sat(governor->snapshot.available,
				governor->summary.min_free),
	};
	size_t i;

	for (i = 0; i < governor->nr; i++)
		climber_fill(governor, i, &governor->climbers[i]);
	ladder_step(governor->ladder, &tick, governor->climbers, governor->nr);
}

/**
 * governor_pack_ladder - what each rung did
 * @governor:	the governor
 *
 * Return: a Ladder of io.ballonet.Governor, or NULL if nothing is managed.
 */
json_t *governor_pack_ladder(struct governor *governor)
{
	json_t *ladder;

	if (!governor->ladder)
		return NULL;
	ladder = ladder_pack(governor->ladder);
	json_object_set_new(ladder, "machine", host_pack(governor->host));
	return ladder;
}
