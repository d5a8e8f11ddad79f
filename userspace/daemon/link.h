/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls from the manager to a back-end. They outlive the back-end: a call
 * that was not answered is made again to its successor.
 */
#ifndef BALLONET_LINK_H
#define BALLONET_LINK_H

#include "sock.h"
#include "varlink.h"
#include "watch.h"

#include <stdbool.h>

/**
 * typedef link_done - the end of a call, called exactly once
 * @rc:		0, -ETIMEDOUT, -ECANCELED if the VM is gone, or -ENOMEM
 * @reply:	the answer, success or error, if @rc is 0
 * @userdata:	of the call
 */
typedef void (*link_done)(int rc, const struct varlink_reply *reply,
			  void *userdata);

struct link_call;

/**
 * struct link - the calls to one VM's back-ends
 * @loop:	which runs
 * @path:	the back-end's control socket
 * @fd:		the connection, or -1
 * @watch:	of @fd
 * @alarm:	rings when the first call is too old
 * @in:		bytes that came
 * @out:	bytes to send
 * @first:	calls that wait for their answers, in order
 * @last:	end of that list
 */
struct link {
	uv_loop_t *loop;
	char path[SOCK_PATH_MAX];
	int fd;
	struct watch *watch;
	struct alarm *alarm;
	struct varlink_buf in;
	struct varlink_buf out;
	struct link_call *first;
	struct link_call **last;
};

int link_init(struct link *link, uv_loop_t *loop, const char *path);
void link_deinit(struct link *link);
int link_open(struct link *link);
void link_close(struct link *link);
void link_cancel(struct link *link);
void link_call(struct link *link, const char *method, json_t *parameters,
	       link_done done, void *userdata);

#endif
