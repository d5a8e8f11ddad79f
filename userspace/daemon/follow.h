/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM's guest tells, as its back-end passes it on (Monitor): on a
 * connection of its own, since that call has no end.
 */
#ifndef BALLONET_FOLLOW_H
#define BALLONET_FOLLOW_H

#include "bucket.h"
#include "interface.h"
#include "sock.h"
#include "varlink.h"
#include "watch.h"

/**
 * typedef follow_fn - the guest has told something
 * @userdata:	as given to follow_init()
 * @event:	what; NULL if only @lost is news
 * @lost:	how many events were lost before this one
 */
typedef void (*follow_fn)(void *userdata, const struct interface_event *event,
			  uint64_t lost);

/**
 * struct follow - the events of one VM
 * @loop:	which runs
 * @path:	the back-end's control socket
 * @fn:		told of each event
 * @userdata:	for @fn
 * @fd:		the connection, or -1
 * @watch:	of @fd
 * @alarm:	when to connect again, or to read on
 * @in:		bytes that came
 * @out:	bytes to send
 * @bucket:	limits how often the connection is read
 */
struct follow {
	uv_loop_t *loop;
	char path[SOCK_PATH_MAX];
	follow_fn fn;
	void *userdata;
	int fd;
	struct watch *watch;
	struct alarm *alarm;
	struct varlink_buf in;
	struct varlink_buf out;
	struct bucket bucket;
};

int follow_init(struct follow *follow, uv_loop_t *loop, const char *path,
		follow_fn fn, void *userdata);
void follow_deinit(struct follow *follow);
void follow_open(struct follow *follow);
void follow_close(struct follow *follow);

#endif
