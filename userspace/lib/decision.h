/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the manager has decided about a VM lately, with the evidence it had: the
 * answer to "why?". Sizes are bytes, times microseconds since the epoch.
 */
#ifndef BALLONET_DECISION_H
#define BALLONET_DECISION_H

#include "plan.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some minutes of a VM that is moved all the time, days of a quiet one. */
#define DECISION_LOG_MAX	32

/* Of a time ago that there is not. */
#define DECISION_NEVER		UINT64_MAX

/**
 * struct decision - a change of what a VM shall keep
 * @time_us:	of its last step
 * @since_us:	of its first step
 * @steps:	how many there were
 * @from:	what the VM was told to keep before
 * @to:		what it is told to keep now
 * @page_out:	what the host shall page out of it besides
 * @standby:	what of it the host can take by itself
 * @take:	what it takes of that
 * @dry:	nothing was done, only said
 * @level:	how short the host was
 * @free:	what it had free, less what was promised or about to go
 * @min_free:	what it should keep free
 * @plan:	the planner's reason and evidence
 * @available:	what the guest said is available to it, or PLAN_UNKNOWN
 * @stats_ms:	how long ago it said so, or DECISION_NEVER
 * @short_ms:	how long ago it said that it is short, or DECISION_NEVER
 */
struct decision {
	uint64_t time_us;
	uint64_t since_us;
	uint64_t steps;
	uint64_t from;
	uint64_t to;
	uint64_t page_out;
	uint64_t standby;
	uint64_t take;
	bool dry;
	enum plan_level level;
	uint64_t free;
	uint64_t min_free;
	struct plan_decision plan;
	uint64_t available;
	uint64_t stats_ms;
	uint64_t short_ms;
};

/**
 * struct decision_log - the last decisions about a VM; all zero is empty
 * @nr:		how many there were ever
 * @entries:	the last ones, where their number modulo DECISION_LOG_MAX says
 */
struct decision_log {
	uint64_t nr;
	struct decision entries[DECISION_LOG_MAX];
};

bool decision_log_add(struct decision_log *log,
		      const struct decision *decision);
const struct decision *decision_log_get(const struct decision_log *log,
					size_t age);
json_t *decision_pack(const struct decision *decision);
int decision_unpack(json_t *json, struct decision *ret_decision);
const char *decision_meaning(enum plan_reason reason);

#endif
