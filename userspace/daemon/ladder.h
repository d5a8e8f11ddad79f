/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ladder: what the host itself does for its memory, besides the balloons,
 * the cheapest first, each rung measured by what it freed and what it cost.
 */
#ifndef BALLONET_LADDER_H
#define BALLONET_LADDER_H

#include "host.h"
#include "plan.h"
#include "rung.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct ladder;

/**
 * struct ladder_vm - what the ladder has to know of a VM
 * @name:	its name
 * @guest:	a number that no other VM ever has
 * @group:	those whose memory may be merged with its own; "" if nobody's
 * @pid:	the VMM's process, or 0
 * @cgroup_fd:	the cgroup that is its own, or -1; not kept
 * @pageable:	it may be paged out
 * @target:	the balloon that it was told to have
 * @actual:	the balloon that it has
 * @resident:	RAM it occupies
 * @paged_out:	of its memory, what the host has paged out
 * @taken:	what it has on standby, and the host has taken
 * @page_out:	what the planner wants paged out
 */
struct ladder_vm {
	const char *name;
	uint64_t guest;
	const char *group;
	pid_t pid;
	int cgroup_fd;
	bool pageable;
	uint64_t target;
	uint64_t actual;
	uint64_t resident;
	uint64_t paged_out;
	uint64_t taken;
	uint64_t page_out;
};

/**
 * struct ladder_tick - what the ladder has to know of the host
 * @now_ms:	CLOCK_MONOTONIC
 * @level:	how short it is
 * @room:	free memory beyond what is to stay free
 */
struct ladder_tick {
	uint64_t now_ms;
	enum plan_level level;
	uint64_t room;
};

int ladder_create(uv_loop_t *loop, const struct host *host,
		  struct ladder **ret_ladder);
void ladder_destroy(struct ladder **ladder);
void ladder_configure(struct ladder *ladder, unsigned int rungs);
void ladder_step(struct ladder *ladder, const struct ladder_tick *tick,
		 const struct ladder_vm *vms, size_t nr);
void ladder_took(struct ladder *ladder, uint64_t asked, uint64_t freed,
		 uint64_t time_us);
unsigned int ladder_rivals(const struct ladder *ladder);
json_t *ladder_pack(struct ladder *ladder);

#endif
