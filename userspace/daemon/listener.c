// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A connection that cannot be accepted for want of a descriptor or of memory
 * stays in the queue and keeps the socket readable: the loop would do nothing
 * but try. So the socket is not watched for a while then.
 */
#include "listener.h"
#include "log.h"
#include "sock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Short for an operator, long for a processor. */
#define SHORTAGE_MS 500

static void on_alarm(void *userdata)
{
	listener_wait(userdata, true);
}

/**
 * listener_open - listen
 * @listener:	the caller's storage; to be given to listener_close(), also
 *		after a failure
 * @loop:	which runs
 * @path:	where; as sock_bind()
 * @gid:	group of the socket, or -1
 * @fn:		called when somebody connects
 * @userdata:	for @fn
 *
 * Return: 0 or a negative errno as sock_bind().
 */
int listener_open(struct listener *listener, uv_loop_t *loop, const char *path,
		  gid_t gid, watch_fn fn, void *userdata)
{
	int rc;

	*listener = (struct listener){ .fd = -1 };
	rc = alarm_create(loop, on_alarm, listener, &listener->alarm);
	if (!rc)
		rc = sock_bind(path, SOCK_STREAM, 0660, gid, &listener->fd);
	if (!rc)
		rc = watch_start(loop, listener->fd, UV_READABLE, fn, userdata,
				 &listener->watch);
	return rc;
}

/**
 * listener_accept - take a connection
 * @listener:	an open one
 * @flags:	as accept4()
 *
 * Return: a descriptor, or a negative errno; a shortage is logged.
 */
int listener_accept(struct listener *listener, int flags)
{
	int fd = accept4(listener->fd, NULL, NULL, flags), rc;

	if (fd >= 0)
		return fd;
	rc = -errno;
	if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM ||
	    rc == -ENOBUFS) {
		log_warn_rarely(&listener->shortage,
				"cannot accept a connection: %s; trying again",
				strerror(-rc));
		listener_wait(listener, false);
		alarm_set(listener->alarm, SHORTAGE_MS);
	}
	return rc;
}

/**
 * listener_wait - call the function when somebody connects?
 * @listener:	an open one
 * @wait:	or leave them in the queue
 */
void listener_wait(struct listener *listener, bool wait)
{
	alarm_clear(listener->alarm);
	watch_events(listener->watch, wait ? UV_READABLE : 0);
}

/**
 * listener_close - listen no more
 * @listener:	what listener_open() set up
 * @path:	likewise
 */
void listener_close(struct listener *listener, const char *path)
{
	watch_stop(&listener->watch);
	alarm_destroy(&listener->alarm);
	if (listener->fd < 0)
		return;
	unlink(path);
	close(listener->fd);
	listener->fd = -1;
}
