/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All VMs, by configuration and by call.
 */
#ifndef BALLONET_MANAGER_H
#define BALLONET_MANAGER_H

#include "conf.h"
#include "event_log.h"
#include "governor.h"
#include "vm.h"

#include <limits.h>
#include <uv.h>

/* The name of a file and a sentence or two. */
#define MANAGER_TEXT_MAX (PATH_MAX + 512)

/**
 * struct manager_args - the command line
 * @conf_path:	configuration file
 * @conf_given:	it was named, so it must be there
 * @runtime_dir: where the sockets are
 * @backend:	path of vhost-user-balloon, or NULL
 */
struct manager_args {
	const char *conf_path;
	bool conf_given;
	const char *runtime_dir;
	const char *backend;
};

/**
 * struct manager - all VMs
 * @args:	the command line
 * @conf:	the running configuration
 * @settings:	for the VMs
 * @vm_dir:	where the VMs' sockets are
 * @control_path: of the control socket
 * @control_gid: group of the control socket, or -1
 * @vms:	in the order in which they came
 * @governor:	who decides about their memory
 * @events:	what guests have told
 * @news:	rings when there is more in @events; of the control socket
 */
struct manager {
	const struct manager_args *args;
	struct conf conf;
	struct vm_settings settings;
	char vm_dir[SOCK_PATH_MAX];
	char control_path[SOCK_PATH_MAX];
	gid_t control_gid;
	struct vm *vms;
	struct governor *governor;
	struct event_log events;
	struct alarm *news;
};

int manager_init(struct manager *manager, const struct manager_args *args,
		 uv_loop_t *loop);
void manager_start(struct manager *manager);
void manager_deinit(struct manager *manager);
int manager_reload(struct manager *manager, char *ret_text, size_t size);
struct vm *manager_find(struct manager *manager, const char *name);
int manager_add(struct manager *manager, const char *name,
		const struct way *way, struct vm **ret_vm,
		struct fault *ret_fault);
const char *manager_path(struct vm *vm);
int manager_remove(struct manager *manager, struct vm *vm);

#endif
