// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm_process.h"
#include "log.h"
#include "pidfile.h"
#include "vmm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often the file is looked at while there is no process. */
#define LOOK_MS		1000

/**
 * struct vm_process - one VM
 * @vm:		what all have
 * @vmm:	its process
 * @memory:	the most that it was seen to have
 * @pidfd:	of it; negative if there is none
 * @watch:	of @pidfd: rings when it has ended
 * @alarm:	when to look for one
 */
struct vm_process {
	struct vm vm;
	struct vmm vmm;
	uint64_t memory;
	int pidfd;
	struct watch *watch;
	struct alarm *alarm;
};

static struct vm_process *of(struct vm *vm)
{
	return (struct vm_process *)vm;
}

static const struct vm_process *of_const(const struct vm *vm)
{
	return (const struct vm_process *)vm;
}

static void process_forget(struct vm_process *p)
{
	watch_stop(&p->watch);
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
	vmm_set(&p->vmm, 0);
}

static void on_end(void *userdata, int events)
{
	struct vm_process *p = userdata;

	(void)events;
	log_info("%s: process %d has ended", p->vm.name, (int)p->vmm.pid);
	process_forget(p);
	p->vm.trouble = "its process has ended";
	alarm_set(p->alarm, LOOK_MS);
}

static int process_take(struct vm_process *p)
{
	pid_t pid;
	int rc;

	p->pidfd = pidfile_open(p->vm.way.path, &pid);
	if (p->pidfd < 0)
		return p->pidfd;
	rc = watch_start(p->vm.settings->loop, p->pidfd, UV_READABLE, on_end,
			 p, &p->watch);
	if (rc) {
		process_forget(p);
		return rc;
	}
	vmm_set(&p->vmm, pid);
	p->memory = 0;
	return 0;
}

static void on_alarm(void *userdata)
{
	struct vm_process *p = userdata;
	int rc = process_take(p);

	if (rc) {
		p->vm.trouble = pidfile_error(rc);
		alarm_set(p->alarm, LOOK_MS);
		return;
	}
	p->vm.trouble = NULL;
	p->vm.guest++;
	log_info("%s: process %d", p->vm.name, (int)p->vmm.pid);
}

static void destroy(struct vm *vm)
{
	struct vm_process *p = of(vm);

	process_forget(p);
	alarm_destroy(&p->alarm);
	vm_deinit(vm);
	free(p);
}

static bool present(const struct vm *vm)
{
	return of_const(vm)->pidfd >= 0;
}

static bool never(const struct vm *vm)
{
	(void)vm;
	return false;
}

/*
 * What it has occupied is all that is known of its memory. What it gives back
 * does not make it a smaller VM, of which less would have to be left.
 */
static void look(struct vm_process *p)
{
	uint64_t now;

	vmm_look(&p->vmm, uv_now(p->vm.settings->loop));
	now = p->vmm.resident + p->vmm.swapped;
	if (p->memory < now)
		p->memory = now;
}

static json_t *pack(struct vm_process *p)
{
	struct interface_vm out;

	look(p);
	out = (struct interface_vm){
		.name = p->vm.name,
		.state = INTERFACE_REFUSED,
		.memory = p->memory,
		.resident = p->vmm.resident,
		.freed = INTERFACE_UNKNOWN,
		.prefaulted = INTERFACE_UNKNOWN,
		.reason = "no balloon: only its process is known",
	};
	return interface_vm_pack(&out);
}

static void call(struct vm *vm, const char *method, json_t *parameters,
		 link_done done, void *userdata)
{
	struct varlink_reply reply = { 0 };

	if (!strcmp(method, "io.ballonet.Status")) {
		reply.parameters = json_pack("{s:o,s:[]}", "vm", pack(of(vm)),
					     "events");
	} else {
		reply.error = INTERFACE_NOT_READY;
		reply.parameters = json_pack("{s:s,s:s}", "vm", vm->name,
			"reason", "no balloon: only its process is known");
	}
	done(reply.parameters ? 0 : -ENOMEM, &reply, userdata);
	json_decref(reply.parameters);
	json_decref(parameters);
}

static void snapshot(struct vm *vm, struct plan_guest *guest)
{
	struct vm_process *p = of(vm);

	if (!present(vm))
		return;
	look(p);
	if (!p->vmm.fixed)
		guest->flags |= PLAN_PAGEABLE;
	guest->memory = p->memory;
	guest->resident = p->vmm.resident;
	guest->paged_out = p->vmm.swapped;
}

static const struct vmm *vmm(const struct vm *vm)
{
	return &of_const(vm)->vmm;
}

static const struct vm_ops ops = {
	.destroy = destroy,
	.present = present,
	.bound = never,
	.ready = never,
	.call = call,
	.snapshot = snapshot,
	.vmm = vmm,
};

/**
 * vm_process_create - begin to look for a VM's process
 * @settings:	outlive the VM
 * @name:	a valid name
 * @way:	the file with its number
 * @ret_vm:	to be given to vm_destroy()
 *
 * Return: 0 or -ENOMEM.
 */
int vm_process_create(const struct vm_settings *settings, const char *name,
		      const struct way *way, struct vm **ret_vm)
{
	struct vm_process *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	p->pidfd = -1;
	vmm_init(&p->vmm);
	rc = vm_init(&p->vm, &ops, settings, name) ?:
		alarm_create(settings->loop, on_alarm, p, &p->alarm);
	if (rc) {
		destroy(&p->vm);
		return rc;
	}
	p->vm.way = *way;
	alarm_set(p->alarm, 0);
	*ret_vm = &p->vm;
	return 0;
}
