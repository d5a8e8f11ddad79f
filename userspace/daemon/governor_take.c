// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What guests have on standby: the plan counts on it (plan_take.c), and the
 * back-ends take it. One whose blocks bring nothing, or whose back-end does not
 * answer, is not counted on for a while: then the plan asks balloons.
 */
#include "governor_parts.h"
#include "plan_math.h"
#include "size.h"
#include "vm.h"

#include <errno.h>

/* A back-end answers within a second, whatever it got. */
#define ANSWER_MS	1500
/* Other calls wait for this one: some 100 ms at most. */
#define ORDER_MAX	(256 * MIB)
/* A line about it, of a restless one some. */
#define LINES_PER_S	1
#define LINES_AT_ONCE	8

static bool may_take(const struct governor *governor, const struct vm *vm,
		     const struct plan_guest *guest)
{
	const struct governed *governed = &vm->governed;
	uint64_t now = governor_now(governor);

	return governor_moves(guest) &&
		rung_is_ready(&governed->standby, now) &&
		(!governed->order_ms || now - governed->order_ms < ANSWER_MS);
}

/**
 * governor_take_look - see what can be had without asking any guest
 * @governor:	the governor, with its snapshot
 * @nr:		how many VMs there are
 */
void governor_take_look(struct governor *governor, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!may_take(governor, governor->vms[i],
			      &governor->guests[i]))
			governor->guests[i].standby = 0;
	plan_take(&governor->snapshot, &governor->memory, governor->guests, nr);
}

/**
 * governor_taking - what the last plan takes of what is on standby
 * @governor:	the governor
 *
 * Return: bytes, of all VMs.
 */
uint64_t governor_taking(const struct governor *governor)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < governor->nr; i++)
		sum = add_sat(sum, governor->guests[i].taking);
	return sum;
}

static void on_taken(int rc, const struct varlink_reply *reply,
		     void *userdata)
{
	struct vm *vm = userdata;
	struct manager *manager = vm->settings->manager;
	struct governed *governed = &vm->governed;
	uint64_t now = uv_now(vm->settings->loop);
	uint64_t ms = now - governed->order_ms;
	json_int_t taken = 0, freed = 0;

	governed->order_ms = 0;
	if (rc == -ECANCELED)
		return;
	if (!rc && !reply->error &&
	    (json_unpack(reply->parameters, "{s:I,s:I}", "taken", &taken,
			 "freed", &freed) || taken < 0 || freed < 0))
		taken = freed = 0;
	freed = min_u64(freed, governed->ordered);
	rung_did(&governed->standby, governed->ordered, freed, ms * 1000);
	if (manager->governor->ladder)
		ladder_took(manager->governor->ladder, governed->ordered,
			    freed, ms * 1000);
	if (!rung_judge(&governed->standby, now))
		log_info("%s: taking what is on standby is not worth it: %s",
			 vm->name, governed->standby.reason);
	else if ((uint64_t)taken >= governed->ordered)
		governor_hurry(manager->governor);
}

/**
 * governor_take - have a back-end take what the guest has on standby
 * @vm:		whose; nothing happens while it is at it
 * @bytes:	so much; the next plan wants the rest
 */
void governor_take(struct vm *vm, uint64_t bytes)
{
	struct governed *governed = &vm->governed;
	uint64_t now = uv_now(vm->settings->loop);
	char text[SIZE_TEXT_MAX];

	if (governed->order_ms || !vm->ops->ready(vm))
		return;
	governed->order_ms = now;
	governed->ordered = min_u64(bytes, ORDER_MAX);
	if (bucket_take(&governed->lines, now, LINES_PER_S, LINES_AT_ONCE))
		log_info("%s: takes %s of what it has on standby", vm->name,
			 size_format(governed->ordered, text));
	vm_call(vm, "io.ballonet.Take",
		json_pack("{s:s,s:I}", "vm", vm->name, "bytes",
			  (json_int_t)governed->ordered), on_taken, vm);
}
