/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VM: its socket, its VMM, its back-end.
 */
#ifndef BALLONET_VM_H
#define BALLONET_VM_H

#include "conf.h"
#include "follow.h"
#include "interface.h"
#include "link.h"
#include "listener.h"
#include "sock.h"
#include "store.h"
#include "watch.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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
 * struct vm_settings - what the manager decides for all VMs
 * @loop:	which runs
 * @backend:	path of vhost-user-balloon
 * @dir:	where the sockets are
 * @gid:	group of the sockets, or -1
 * @reaper:	rings when a doomed VM can be forgotten
 * @told:	called with what guests tell, as follow_fn
 * @manager:	for @told
 */
struct vm_settings {
	uv_loop_t *loop;
	const char *backend;
	const char *dir;
	gid_t gid;
	struct alarm *reaper;
	follow_fn told;
	void *manager;
};

/**
 * struct vm - one VM
 * @next:	in the manager's list
 * @settings:	the manager's
 * @name:	its name
 * @socket_path: where its VMM connects
 * @control_path: where its back-end listens for calls
 * @notify_path: where its back-end's notifications come to
 * @configured:	is in the configuration
 * @doomed:	is forgotten as soon as its VMM is gone
 * @phase:	see there
 * @listener:	socket at @socket_path
 * @notify_fd:	socket at @notify_path
 * @notify_watch: of @notify_fd
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
 * @link:	calls to the back-end
 * @follow:	what the guest tells, from the back-end
 * @last:	the last event of each type; time_us is 0 if there was none
 * @alarm:	when the phase has lasted long enough
 * @wish_alarm:	when to look again whether @wish can be fulfilled
 * @restarts:	since the VMM connected
 * @failures:	restarts without a good time between them
 * @ready_at:	loop time at which the back-end was ready
 * @second_vmm: limits what is logged about VMMs that are refused
 * @complained: one complaint about a back-end's notifications is enough
 * @killed:	the end of the back-end is our own doing
 * @wish:	what the balloon is set to when a VMM has connected
 * @wish_bytes:	for @wish
 * @grant:	the guest's own wishes are granted
 * @wish_done:	nothing is left to do: this VMM's balloon was set, or is what
 *		an operator or a manager before us has made of it
 */
struct vm {
	struct vm *next;
	const struct vm_settings *settings;
	char name[INTERFACE_NAME_MAX + 1];
	char socket_path[SOCK_PATH_MAX];
	char control_path[SOCK_PATH_MAX];
	char notify_path[SOCK_PATH_MAX];
	bool configured;
	bool doomed;
	enum vm_phase phase;
	struct listener listener;
	int notify_fd;
	struct watch *notify_watch;
	int vmm_fd;
	int eof_fd;
	struct watch *eof_watch;
	pid_t pid;
	int pidfd;
	struct watch *pid_watch;
	pid_t notifier;
	struct store store;
	bool has_stored;
	struct link link;
	struct follow follow;
	struct interface_event last[INTERFACE_NR_EVENTS];
	struct alarm *alarm;
	struct alarm *wish_alarm;
	unsigned int restarts;
	unsigned int failures;
	uint64_t ready_at;
	struct log_limit second_vmm;
	bool complained;
	bool killed;
	enum conf_wish wish;
	uint64_t wish_bytes;
	bool grant;
	bool wish_done;
};

int vm_create(const struct vm_settings *settings, const char *name,
	      struct vm **ret_vm);
void vm_destroy(struct vm *vm);
void vm_wish(struct vm *vm, enum conf_wish wish, uint64_t bytes);
void vm_grant(struct vm *vm, bool grant);
int vm_restart(struct vm *vm);
json_t *vm_pack(const struct vm *vm, const char *trouble);

/* vm_events.c */
void vm_events_told(void *userdata, const struct interface_event *event,
		    uint64_t lost);
void vm_events_forget(struct vm *vm);
const char *vm_events_pressure(const struct vm *vm);
void vm_events_pack(const struct vm *vm, json_t *events);

/* vm_wish.c */
void vm_wish_apply(struct vm *vm);
void vm_wish_alarm(void *userdata);

/* vm_adopt.c */
int vm_adopt(struct vm *vm);

/* for vm_adopt.c */
int vm_vmm_watch(struct vm *vm, int fd);
void vm_vmm_unwatch(struct vm *vm);
int vm_process_watch(struct vm *vm, pid_t pid, int pidfd);
void vm_notifications(struct vm *vm);
void vm_serve(struct vm *vm);
void vm_end(struct vm *vm);

#endif
