/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host as the planner wants to see it: its memory, and how long its tasks
 * wait for memory.
 */
#ifndef BALLONET_HOST_H
#define BALLONET_HOST_H

#include "plan.h"

#include <jansson.h>
#include <uv.h>

struct host;

/**
 * typedef host_wake - the host has become short of memory just now
 * @userdata:	as given to host_create()
 */
typedef void (*host_wake)(void *userdata);

/**
 * struct host_options - what the operator has decided about the host
 * @root:	where its proc and sys are: "" for this machine's, else a
 *		directory with files that look so, for tests
 * @budget:	what VMs and free memory may have together; 0: all there is
 * @min_free:	to keep free; 0: what plan_min_free() says, and at least twice
 *		what the kernel keeps
 */
struct host_options {
	const char *root;
	uint64_t budget;
	uint64_t min_free;
};

int host_create(uv_loop_t *loop, const struct host_options *options,
		host_wake wake, void *userdata, struct host **ret_host);
void host_destroy(struct host **host);
void host_limit(struct host *host, uint64_t budget, uint64_t min_free);
int host_snapshot(struct host *host, uint64_t occupied,
		  struct plan_host *ret_snapshot);
uint64_t host_ram(const struct host *host);
int host_proc(const struct host *host);
int host_sys(const struct host *host);
int host_cgroup(const struct host *host);
json_t *host_pack(struct host *host);

#endif
