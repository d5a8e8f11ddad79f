// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Back-ends that a manager before this one has started: they still serve their
 * VMs and hold all descriptors. Asked for it, they store them here again.
 */
#include "log.h"
#include "vm_backend.h"

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

static int vmm_fd_find(const struct vm_backend *b)
{
	size_t i;

	for (i = 0; i < b->store.nr; i++)
		if (!strncmp(b->store.entries[i].name, VMM_FD_PREFIX,
			     strlen(VMM_FD_PREFIX)))
			return b->store.entries[i].fd;
	return -1;
}

static int process_adopt(struct vm_backend *b, pid_t pid)
{
	int pidfd = pidfd_open(pid, 0), rc;

	if (pidfd < 0)
		return -errno;
	rc = vm_backend_watch_process(b, pid, pidfd);
	if (rc)
		close(pidfd);
	return rc;
}

static int vmm_adopt(struct vm_backend *b)
{
	int fd = vmm_fd_find(b), rc;

	if (fd < 0)
		return -ENOENT;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = vm_backend_watch_vmm(b, fd);
	if (rc)
		close(fd);
	return rc;
}

static int process_and_vmm_adopt(struct vm_backend *b)
{
	int rc;

	/* Sent before the answer, so here by now. */
	vm_backend_notifications(b);
	if (!b->notifier)
		return -ENOENT;
	rc = vmm_adopt(b);
	if (rc)
		return rc;
	rc = process_adopt(b, b->notifier);
	if (rc)
		vm_backend_unwatch_vmm(b);
	return rc;
}

static void on_handover(int rc, const struct varlink_reply *reply,
			void *userdata)
{
	struct vm_backend *b = userdata;
	const char *why;

	if (rc == -ECANCELED)
		return;
	if (!rc && !reply->error)
		rc = process_and_vmm_adopt(b);
	why = rc ? strerror(-rc) : reply->error;
	if (why) {
		log_err("%s: the back-end at %s could not be adopted (%s), its VMM will not survive it; trying again",
			b->vm.name, b->control_path, why);
		store_clear(&b->store);
		b->has_stored = false;
		alarm_set(b->alarm, RETRY_MS);
		return;
	}
	log_info("%s: adopted back-end %d with %zu descriptors", b->vm.name,
		 (int)b->pid, b->store.nr);
	b->vm.wish_done = true;
	vm_backend_serve(b);
	vm_grant(&b->vm, b->vm.grant);
	vm_prefault(&b->vm, b->vm.prefault);
}

/**
 * vm_adopt - take over a back-end that runs, if there is one
 * @b:		without VMM and back-end of its own
 *
 * Return: 0 if there is one and it was asked, or a negative errno.
 */
int vm_adopt(struct vm_backend *b)
{
	int rc = link_open(&b->link);

	if (rc) {
		if (rc == -ECONNREFUSED)
			unlink(b->control_path);
		return rc;
	}
	b->phase = VM_ADOPTING;
	b->notifier = 0;
	link_call(&b->link, "io.ballonet.Backend.Handover",
		  json_pack("{s:s}", "notify", b->notify_path), on_handover,
		  b);
	return 0;
}
