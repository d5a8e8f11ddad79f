// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/**
 * vm_init - begin
 * @vm:		zeroed storage of who knows the way
 * @ops:	the way
 * @settings:	outlive the VM
 * @name:	a valid name
 *
 * Return: 0 or -ENOMEM.
 */
int vm_init(struct vm *vm, const struct vm_ops *ops,
	    const struct vm_settings *settings, const char *name)
{
	vm->ops = ops;
	vm->settings = settings;
	vm->grant = true;
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	return alarm_create(settings->loop, vm_wish_alarm, vm,
			    &vm->wish_alarm);
}

/**
 * vm_deinit - end; for who knows the way
 * @vm:		what vm_init() set up, also if that failed
 */
void vm_deinit(struct vm *vm)
{
	alarm_destroy(&vm->wish_alarm);
}

/**
 * vm_destroy - forget a VM; VMM and balloon stay as they are
 * @vm:		a VM
 */
void vm_destroy(struct vm *vm)
{
	vm->ops->destroy(vm);
}

/**
 * vm_present - is there a VMM?
 * @vm:		a VM
 *
 * Return: true if it is worth while to call something.
 */
bool vm_present(const struct vm *vm)
{
	return vm->ops->present(vm);
}

/**
 * vm_call - call a method of io.ballonet about a VM that is present
 * @vm:		a VM
 * @method:	full name
 * @parameters:	an object; its reference is taken
 * @done:	called exactly once, maybe from in here
 * @userdata:	for @done
 */
void vm_call(struct vm *vm, const char *method, json_t *parameters,
	     link_done done, void *userdata)
{
	vm->ops->call(vm, method, parameters, done, userdata);
}

/**
 * vm_grant - shall the guest's own wishes be granted?
 * @vm:		a VM
 * @grant:	or only be told of
 */
void vm_grant(struct vm *vm, bool grant)
{
	vm->grant = grant;
	if (vm->ops->grant)
		vm->ops->grant(vm);
}

/**
 * vm_prefault - shall memory that comes back to the guest be made ready for it?
 * @vm:		a VM
 * @on:		yes
 */
void vm_prefault(struct vm *vm, bool on)
{
	vm->prefault = on;
	if (vm->ops->prefault)
		vm->ops->prefault(vm);
}

/**
 * vm_restart - replace what serves a VM by a new process
 * @vm:		a VM
 *
 * Return: 0, or a negative errno if there is nothing to replace.
 */
int vm_restart(struct vm *vm)
{
	return vm->ops->restart ? vm->ops->restart(vm) : -ESRCH;
}

static void on_balloon(int rc, const struct varlink_reply *reply,
		       void *userdata)
{
	struct vm *vm = userdata;

	if (rc != -ECANCELED && (rc || reply->error))
		log_warn("%s: its balloon could not be set: %s", vm->name,
			 rc ? strerror(-rc) : reply->error);
}

/**
 * vm_balloon - set a balloon by the manager's own decision
 * @vm:		a VM; nothing happens unless its balloon can be set now
 * @bytes:	a multiple of 4096
 *
 * What an operator has set or configured is not touched by this: see vm_wish().
 */
void vm_balloon(struct vm *vm, uint64_t bytes)
{
	if (vm->ops->ready(vm))
		vm_call(vm, "io.ballonet.SetBalloon",
			json_pack("{s:s,s:I}", "vm", vm->name, "bytes",
				  (json_int_t)bytes), on_balloon, vm);
}

/**
 * vm_snapshot - a VM as the planner sees it
 * @vm:		a VM
 * @ret_guest:	the newest that is known, in the clock of uv_now(), which is
 *		CLOCK_MONOTONIC; limits are zero. Without a VMM memory is 0.
 *
 * Costs next to nothing: what has to be asked for was asked for before.
 */
void vm_snapshot(struct vm *vm, struct plan_guest *ret_guest)
{
	*ret_guest = (struct plan_guest){
		.short_ms = vm->told_ms[INTERFACE_EVENT_SHORT],
		.plenty_ms = vm->told_ms[INTERFACE_EVENT_PLENTY],
	};
	memset(&ret_guest->stats, 0xff, sizeof(ret_guest->stats));
	ret_guest->stats.when_ms = 0;
	vm->ops->snapshot(vm, ret_guest);
	if (vm->wish != CONF_WISH_NONE || vm->setting)
		ret_guest->flags |= PLAN_MANUAL;
}

/**
 * vm_vmm - the process that is the VM
 * @vm:		a VM
 *
 * Return: valid as long as @vm; its pid is 0 if there is none, or it is not
 * known.
 */
const struct vmm *vm_vmm(const struct vm *vm)
{
	return vm->ops->vmm(vm);
}

/**
 * vm_describe - how a VM is served, as Describe of io.ballonet.Manager
 * @vm:		a VM
 *
 * Return: a new reference, or NULL if there is no memory.
 */
json_t *vm_describe(const struct vm *vm)
{
	const struct vmm *vmm = vm_vmm(vm);
	pid_t pid = vmm ? vmm->pid : 0;

	if (vm->ops->describe)
		return vm->ops->describe(vm);
	return json_pack("{s:s,s:o*,s:i,s:[]}", "socket", vm->way.path,
			 "pid", pid ? json_integer(pid) : NULL,
			 "restarts", 0, "descriptors");
}

/**
 * vm_pack - what the manager itself knows of a VM, as a Vm of io.ballonet
 * @vm:		a VM
 * @trouble:	why it could not be asked, or NULL
 *
 * Return: a new reference, or NULL if there is no memory.
 */
json_t *vm_pack(const struct vm *vm, const char *trouble)
{
	const struct interface_vm out = {
		.name = vm->name,
		.prefaulted = INTERFACE_UNKNOWN,
		.state = vm_present(vm) ? INTERFACE_FAILED : INTERFACE_WAITING,
		.target = vm->wish == CONF_WISH_BALLOON ? vm->wish_bytes : 0,
		.operator = vm->wish == CONF_WISH_BALLOON ? vm->wish_bytes : 0,
		.wish = vm->last[INTERFACE_EVENT_WISH].value,
		.reason = trouble ? trouble : vm->trouble,
		.pressure = vm_events_pressure(vm),
	};

	return interface_vm_pack(&out);
}
