/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The newest events, and who follows them. Whoever is slow loses the oldest
 * ones and is told how many; memory for it does not grow.
 */
#ifndef BALLONET_EVENT_LOG_H
#define BALLONET_EVENT_LOG_H

#include "interface.h"

#include <stdbool.h>
#include <stdint.h>

/* Some seconds of an honest guest's events, or a burst of many guests'. */
#define EVENT_LOG_MAX	512

/**
 * struct event_log - the newest events; all zero is empty
 * @end:	how many there were ever
 * @lost:	how many got lost before they came here
 * @event:	the last ones, where their number modulo EVENT_LOG_MAX says
 * @vm:		the names that @event points to
 */
struct event_log {
	uint64_t end;
	uint64_t lost;
	struct interface_event event[EVENT_LOG_MAX];
	char vm[EVENT_LOG_MAX][INTERFACE_NAME_MAX + 1];
};

void event_log_add(struct event_log *log, const struct interface_event *event);
bool event_log_next(const struct event_log *log, uint64_t *next,
		    uint64_t *lost, struct interface_event *ret_event);

/**
 * struct event_follower - a client that called Monitor
 * @on:		it has
 * @vm:		of this VM; empty for all
 * @next:	number of the first event that it was not sent
 * @lost:	of event_log.lost, what it was told
 */
struct event_follower {
	bool on;
	char vm[INTERFACE_NAME_MAX + 1];
	uint64_t next;
	uint64_t lost;
};

void event_follow(struct event_follower *follower,
		  struct varlink_server *server, const struct event_log *log,
		  const char *vm, json_t *last);
bool event_follows_behind(const struct event_follower *follower,
			  const struct varlink_server *server,
			  const struct event_log *log);
void event_follow_on(struct event_follower *follower,
		     struct varlink_server *server,
		     const struct event_log *log);

#endif /* BALLONET_EVENT_LOG_H */
