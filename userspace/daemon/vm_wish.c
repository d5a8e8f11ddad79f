// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a VM's balloon shall be, whatever happens to what serves it.
 */
#include "log.h"
#include "vm.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/*
 * The guest's memory is known when its driver starts the device, seconds after
 * its VMM has connected.
 */
#define LOOK_MS		500
/* Devices count in frames of 4096 bytes. */
#define FRAME		4096

static void on_set(int rc, const struct varlink_reply *reply, void *userdata)
{
	struct vm *vm = userdata;

	if (rc == -ECANCELED)
		return;
	if (!rc && !reply->error) {
		vm->wish_done = true;
		return;
	}
	log_warn("%s: balloon could not be set to %" PRIu64 " bytes: %s",
		 vm->name, vm->wish_bytes,
		 rc ? strerror(-rc) : reply->error);
}

static void balloon_set(struct vm *vm, uint64_t bytes)
{
	vm_call(vm, "io.ballonet.SetBalloon",
		json_pack("{s:s,s:I}", "vm", vm->name, "bytes",
			  (json_int_t)bytes), on_set, vm);
}

static void on_status(int rc, const struct varlink_reply *reply, void *userdata)
{
	struct vm *vm = userdata;
	struct interface_vm now;

	if (rc == -ECANCELED || vm->wish != CONF_WISH_MEMORY || vm->wish_done)
		return;
	if (rc || reply->error ||
	    interface_vm_unpack(json_object_get(reply->parameters, "vm"),
				&now) || !now.memory) {
		alarm_set(vm->wish_alarm, LOOK_MS);
		return;
	}
	if (vm->wish_bytes > now.memory) {
		log_warn("%s: cannot keep %" PRIu64 " bytes, the guest has %"
			 PRIu64, vm->name, vm->wish_bytes, now.memory);
		vm->wish_done = true;
		return;
	}
	balloon_set(vm, (now.memory - vm->wish_bytes) / FRAME * FRAME);
}

/**
 * vm_wish_alarm - look again whether the wish can be fulfilled
 * @userdata:	the VM
 */
void vm_wish_alarm(void *userdata)
{
	vm_wish_apply(userdata);
}

/**
 * vm_wish_apply - set the balloon to what is wished
 * @vm:		a VM; nothing happens unless its balloon can be set
 */
void vm_wish_apply(struct vm *vm)
{
	alarm_clear(vm->wish_alarm);
	if (!vm->ops->ready(vm))
		return;
	if (vm->wish == CONF_WISH_BALLOON)
		balloon_set(vm, vm->wish_bytes);
	else if (vm->wish == CONF_WISH_MEMORY)
		vm_call(vm, "io.ballonet.Status",
			json_pack("{s:s}", "vm", vm->name), on_status, vm);
}

/**
 * vm_wish - from now on, and for every VMM to come
 * @vm:		a VM
 * @wish:	what @bytes mean
 * @bytes:	a multiple of 4096
 */
void vm_wish(struct vm *vm, enum conf_wish wish, uint64_t bytes)
{
	vm->wish = wish;
	vm->wish_bytes = bytes;
	vm->wish_done = false;
	vm_wish_apply(vm);
}

/**
 * vm_wish_forget - this VMM is gone; the next one's balloon is to be set
 * @vm:		a VM
 */
void vm_wish_forget(struct vm *vm)
{
	alarm_clear(vm->wish_alarm);
	vm->wish_done = false;
}
