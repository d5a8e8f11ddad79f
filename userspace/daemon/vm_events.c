// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a VM's guest has told.
 */
#include "vm.h"

#include <string.h>
#include <time.h>

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

/* From the clock of the world to that of the loop; it may be an old event. */
static uint64_t told_ms(const struct vm *vm, uint64_t time_us)
{
	uint64_t us = now_us(), ms = uv_now(vm->settings->loop);
	uint64_t age_ms = us > time_us ? (us - time_us) / 1000 : 0;

	return age_ms < ms ? ms - age_ms : 1;
}

/* Another driver, which is asked for everything anew. */
static void forget(struct vm *vm)
{
	memset(vm->last, 0, sizeof(vm->last));
	memset(vm->told_ms, 0, sizeof(vm->told_ms));
	vm->guest++;
}

/**
 * vm_events_told - the back-end has told something: a follow_fn
 * @userdata:	the VM
 * @event:	what, or NULL; may be an old one, or nonsense of a back-end that
 *		is its guest's
 * @lost:	how many events were lost
 */
void vm_events_told(void *userdata, const struct interface_event *event,
		    uint64_t lost)
{
	struct vm *vm = userdata;
	struct interface_event *last;

	if (event) {
		last = &vm->last[event->type];
		if (strcmp(event->vm, vm->name) || !event->time_us ||
		    (event->seq == last->seq &&
		     event->time_us == last->time_us))
			return;
		/* That one comes before what the next driver tells. */
		if (event->type == INTERFACE_EVENT_RESET)
			forget(vm);
		*last = *event;
		last->vm = vm->name;
		vm->told_ms[event->type] = told_ms(vm, event->time_us);
	}
	vm->settings->told(vm->settings->manager, event, lost);
}

static bool has_told(const struct vm *vm)
{
	int i;

	for (i = INTERFACE_EVENT_RESET + 1; i < INTERFACE_NR_EVENTS; i++)
		if (vm->last[i].time_us)
			return true;
	return false;
}

/**
 * vm_events_forget - the guest is gone; those who follow it hear of it
 * @vm:		a VM
 */
void vm_events_forget(struct vm *vm)
{
	struct interface_event reset = {
		.vm = vm->name,
		.type = INTERFACE_EVENT_RESET,
	};

	if (has_told(vm)) {
		reset.time_us = now_us();
		vm->settings->told(vm->settings->manager, &reset, 0);
	}
	forget(vm);
}

/**
 * vm_events_pressure - how much memory the guest says it has
 * @vm:		a VM
 *
 * Return: "short" or "plenty", or NULL if it has told neither.
 */
const char *vm_events_pressure(const struct vm *vm)
{
	const struct interface_event *low = &vm->last[INTERFACE_EVENT_SHORT];
	const struct interface_event *high = &vm->last[INTERFACE_EVENT_PLENTY];
	const struct interface_event *newer =
		low->time_us > high->time_us ? low : high;

	return newer->time_us ? interface_event_names[newer->type] : NULL;
}

/**
 * vm_events_pack - what a VM's guest told last
 * @vm:		a VM
 * @events:	array to which the last Event of each type is added
 */
void vm_events_pack(const struct vm *vm, json_t *events)
{
	int i;

	for (i = 0; i < INTERFACE_NR_EVENTS; i++)
		if (vm->last[i].time_us)
			json_array_append_new(events,
				interface_event_pack(&vm->last[i]));
}
