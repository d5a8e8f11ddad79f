/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control interface: Varlink.
 */
#ifndef BALLONET_CONTROL_H
#define BALLONET_CONTROL_H

#include "backend.h"
#include "event_log.h"
#include "varlink.h"

#define CLIENTS		16

/**
 * struct client - one connection
 * @fd:		its socket, -1 if the place is free
 * @server:	its calls and answers
 * @b:		the back-end
 * @stats_since: a call for statistics waits since then, or 0
 * @take:	bytes that a call to take waits for, or 0
 * @take_runs:	they are being taken
 * @follower:	whether it follows the guest's events
 */
struct client {
	int fd;
	struct varlink_server server;
	struct backend *b;
	uint64_t stats_since;
	uint64_t take;
	bool take_runs;
	struct event_follower follower;
};

/**
 * struct control - the control interface
 * @client:	connections
 * @events:	what the clients can follow
 * @next:	number of the first event that the worker noted since
 */
struct control {
	struct client client[CLIENTS];
	struct event_log events;
	uint64_t next;
};

/* api.c */
extern const struct varlink_service api_service;
void api_vm(struct backend *b, struct interface_vm *ret_vm,
	    struct fault *ret_why);
uint64_t api_sample_time(struct backend *b);
void api_stats_reply(struct client *c);
void api_take_reply(struct client *c, uint64_t taken, uint64_t freed);

#endif /* BALLONET_CONTROL_H */
