/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listening socket of the loop, which rests while descriptors are short.
 */
#ifndef BALLONET_LISTENER_H
#define BALLONET_LISTENER_H

#include "log.h"
#include "watch.h"

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct listener - a listening socket; fd -1 and all else zero is none
 * @fd:		the socket
 * @watch:	of @fd
 * @alarm:	when to try again after a shortage
 * @shortage:	limits what is logged about it
 */
struct listener {
	int fd;
	struct watch *watch;
	struct alarm *alarm;
	struct log_limit shortage;
};

int listener_open(struct listener *listener, uv_loop_t *loop, const char *path,
		  gid_t gid, watch_fn fn, void *userdata);
int listener_accept(struct listener *listener, int flags);
void listener_wait(struct listener *listener, bool wait);
void listener_close(struct listener *listener, const char *path);

#endif
