/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a back-end process.
 */
#ifndef BALLONET_CHILD_H
#define BALLONET_CHILD_H

#include "store.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct child_args - how a back-end is started
 * @program:	path of vhost-user-balloon
 * @vm:		name of the VM
 * @control_path: where it listens for calls
 * @notify_path: where its notifications go
 * @grant:	the guest's wishes are granted
 * @prefault:	memory that comes back to the guest is made ready for it
 * @standby:	what becomes of what the guest has on standby, by its name; or
 *		NULL
 * @vmm_fd:	connection to the VMM
 * @store:	what its predecessor left
 */
struct child_args {
	const char *program;
	const char *vm;
	const char *control_path;
	const char *notify_path;
	bool grant;
	bool prefault;
	const char *standby;
	int vmm_fd;
	const struct store *store;
};

int child_start(const struct child_args *args, pid_t *ret_pid,
		int *ret_pidfd);

#endif
