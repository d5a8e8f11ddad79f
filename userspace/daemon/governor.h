/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The governor: looks at the host and at all VMs, has the planner decide who
 * keeps how much memory, and sees to it.
 */
#ifndef BALLONET_GOVERNOR_H
#define BALLONET_GOVERNOR_H

#include "admission.h"
#include "bucket.h"
#include "conf.h"
#include "decision.h"
#include "interface.h"
#include "plan.h"
#include "rung.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Room is held for a VM that starts: a day is no start. */
#define GOVERNOR_HOLD_MAX_MS	UINT64_C(86400000)

struct governor;
struct manager;
struct vm;

/**
 * struct governed - the governor's part of a VM; all zero at first
 * @guest:	of vm.guest: which guest the rest is about
 * @serial:	a number that no other guest has, 0 if it was not seen yet
 * @memory:	what the planner remembers of it
 * @now:	what was decided last, a change or not; time_us is 0 if none was
 * @log:	the last changes
 * @lines:	limits what is logged about it
 * @standby:	whether taking what it has on standby is worth it
 * @order_ms:	when the back-end was told to, in loop time; 0 if it has
 *		answered
 * @ordered:	how much of it
 */
struct governed {
	uint64_t guest;
	uint64_t serial;
	struct plan_memory memory;
	struct decision now;
	struct decision_log log;
	struct bucket lines;
	struct rung standby;
	uint64_t order_ms;
	uint64_t ordered;
};

int governor_create(struct manager *manager, struct governor **ret_governor);
void governor_destroy(struct governor **governor);
void governor_configure(struct governor *governor);
void governor_told(struct governor *governor, enum interface_event_type type);
const char *governor_level(const struct governor *governor);
json_t *governor_pack(const struct governor *governor);
json_t *governor_pack_ladder(struct governor *governor);
const char *governor_name(struct governor *governor,
			  char name[INTERFACE_NAME_MAX + 1]);
int governor_admit(struct governor *governor, const char *name, uint64_t bytes,
		   uint64_t ms, struct admission_room *ret_room);
int governor_release(struct governor *governor, const char *name);
void governor_leases_recall(struct governor *governor);

#endif
