/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host as the planner wants to see it: its memory, and how long its tasks
 * wait for memory.
 */
#ifndef BALLONET_HOST_H
#define BALLONET_HOST_H

#include "plan.h"

#include <uv.h>

struct host;

/**
 * typedef host_wake - the host has become short of memory just now
 * @userdata:	as given to host_create()
 */
typedef void (*host_wake)(void *userdata);

int host_create(uv_loop_t *loop, host_wake wake, void *userdata,
		struct host **ret_host);
void host_destroy(struct host **host);
int host_snapshot(struct host *host, struct plan_host *ret_snapshot);

#endif
