// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Back-ends that a manager before this one has started: they still serve their
 * VMs and hold all descriptors. Asked for it, they store them here again.
 */
#include "log.h"
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Names of descriptors are chosen by the back-end: this one is the VMM's. */
#define VMM_FD_PREFIX "frontend."

/* One that was stopped for debugging should not be missed for long. */
#define RETRY_MS 5000

static int vmm_fd_find(const struct vm *vm)
{
	size_t i;

	for (i = 0; i < vm->store.nr; i++)
		if (!strncmp(vm->store.entries[i].name, VMM_FD_PREFIX,
			     strlen(VMM_FD_PREFIX)))
			return vm->store.entries[i].fd;
	return -1;
}

static int process_adopt(struct vm *vm, pid_t pid)
{
	int pidfd = pidfd_open(pid, 0), rc;

	if (pidfd < 0)
		return -errno;
	rc = vm_process_watch(vm, pid, pidfd);
	if (rc)
		close(pidfd);
	return rc;
}

static int vmm_adopt(struct vm *vm)
{
	int fd = vmm_fd_find(vm), rc;

	if (fd < 0)
		return -ENOENT;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = vm_vmm_watch(vm, fd);
	if (rc)
		close(fd);
	return rc;
}

static int process_and_vmm_adopt(struct vm *vm)
{
	int rc;

	/* Sent before the answer, so here by now. */
	vm_notifications(vm);
	if (!vm->notifier)
		return -ENOENT;
	rc = vmm_adopt(vm);
	if (rc)
		return rc;
	rc = process_adopt(vm, vm->notifier);
	if (rc)
		vm_vmm_unwatch(vm);
	return rc;
}

static void on_handover(int rc, const struct varlink_reply *reply,
			void *userdata)
{
	struct vm *vm = userdata;
	const char *why;

	if (rc == -ECANCELED)
		return;
	if (!rc && !reply->error)
		rc = process_and_vmm_adopt(vm);
	why = rc ? strerror(-rc) : reply->error;
	if (why) {
		log_err("%s: the back-end at %s could not be adopted (%s), its VMM will not survive it; trying again",
			vm->name, vm->control_path, why);
		store_clear(&vm->store);
		vm->has_stored = false;
		alarm_set(vm->alarm, RETRY_MS);
		return;
	}
	log_info("%s: adopted back-end %d with %zu descriptors", vm->name,
		 (int)vm->pid, vm->store.nr);
	vm->wish_done = true;
	vm_serve(vm);
	vm_grant(vm, vm->grant);
}

/**
 * vm_adopt - take over a back-end that runs, if there is one
 * @vm:		without VMM and back-end of its own
 *
 * Return: 0 if there is one and it was asked, or a negative errno.
 */
int vm_adopt(struct vm *vm)
{
	int rc = link_open(&vm->link);

	if (rc) {
		if (rc == -ECONNREFUSED)
			unlink(vm->control_path);
		return rc;
	}
	vm->phase = VM_ADOPTING;
	vm->notifier = 0;
	link_call(&vm->link, "io.ballonet.Backend.Handover",
		  json_pack("{s:s}", "notify", vm->notify_path), on_handover,
		  vm);
	return 0;
}
