/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM whose balloon is ours: its socket, its VMM, its back-end.
 */
#ifndef BALLONET_VM_BACKEND_H
#define BALLONET_VM_BACKEND_H

#include "follow.h"
#include "gauge.h"
#include "link.h"
#include "listener.h"
#include "log.h"
#include "sock.h"
#include "store.h"
#include "vm.h"
#include "vmm.h"

enum vm_phase {
	/* no VMM */
	VM_LISTENING,
	/* a back-end of another manager runs, and was asked for everything */
	VM_ADOPTING,
	/* a process was started and is not ready */
	VM_STARTING,
	/* the back-end works */
	VM_SERVING,
	/* the back-end has died; the next is started when the alarm rings */
	VM_PAUSING,
};

/**
 * struct vm_backend - one VM
 * @vm:		what all have
 * @socket_path: where its VMM connects
 * @control_path: where its back-end listens for calls
 * @notify_path: where its back-end's notifications come to
 * @phase:	see there
 * @listener:	socket at @socket_path
 * @notify_fd:	socket at @notify_path
 * @notify_watch: of @notify_fd
 * @vmm:	the VMM's process
 * @vmm_fd:	our copy of the VMM's connection, or -1. Its flags are shared
 *		with the back-end: never changed here
 * @eof_fd:	epoll descriptor that waits for the end of @vmm_fd
 * @eof_watch:	of @eof_fd
 * @pid:	the back-end's, 0 if there is none
 * @pidfd:	likewise, or -1
 * @pid_watch:	of @pidfd
 * @notifier:	process that stored first while being adopted, or 0
 * @store:	descriptors kept for the back-end's successor
 * @has_stored:	there was something in @store since the VMM connected
 * @gauge:	what the back-end has shown
 * @link:	calls to the back-end
 * @follow:	what the guest tells, from the back-end
 * @alarm:	when the phase has lasted long enough
 * @restarts:	since the VMM connected
 * @failures:	restarts without a good time between them
 * @ready_at:	loop time at which the back-end was ready
 * @second_vmm: limits what is logged about VMMs that are refused
 * @complained: one complaint about a back-end's notifications is enough
 * @killed:	the end of the back-end is our own doing
 */
struct vm_backend {
	struct vm vm;
	char socket_path[SOCK_PATH_MAX];
	char control_path[SOCK_PATH_MAX];
	char notify_path[SOCK_PATH_MAX];
	enum vm_phase phase;
	struct listener listener;
	int notify_fd;
	struct watch *notify_watch;
	struct vmm vmm;
	int vmm_fd;
	int eof_fd;
	struct watch *eof_watch;
	pid_t pid;
	int pidfd;
	struct watch *pid_watch;
	pid_t notifier;
	struct store store;
	bool has_stored;
	struct gauge gauge;
	struct link link;
	struct follow follow;
	struct alarm *alarm;
	unsigned int restarts;
	unsigned int failures;
	uint64_t ready_at;
	struct log_limit second_vmm;
	bool complained;
	bool killed;
};

int vm_backend_create(const struct vm_settings *settings, const char *name,
		      struct vm **ret_vm);
struct vm_backend *vm_backend_of(struct vm *vm);

/* vm_gauge.c */
void vm_gauge_snapshot(const struct gauge *gauge, struct plan_guest *guest);

/* vm_regions.c */
bool vm_regions_resident(const struct store *store, uint64_t *ret_bytes);

/* vm_adopt.c */
int vm_adopt(struct vm_backend *b);

/* for vm_adopt.c */
int vm_backend_watch_vmm(struct vm_backend *b, int fd);
void vm_backend_unwatch_vmm(struct vm_backend *b);
int vm_backend_watch_process(struct vm_backend *b, pid_t pid, int pidfd);
void vm_backend_notifications(struct vm_backend *b);
void vm_backend_serve(struct vm_backend *b);
void vm_backend_end(struct vm_backend *b);

#endif
