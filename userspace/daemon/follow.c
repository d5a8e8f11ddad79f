// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The back-end's answer to Monitor has no end: first what the guest told last,
 * then each event. After a lost connection the first part brings what was
 * missed; who gets the events knows the old ones by their numbers and times.
 *
 * A back-end may be its guest's: one that tells too much is not read for a
 * while, and drops its oldest events meanwhile or is stuck. One that speaks no
 * Varlink is asked again later. One that does not know the method is older
 * than it, and left in peace.
 */
#include "follow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* An honest guest tells up to some tens of events a second. */
#define READS_PER_S	100
#define READS_AT_ONCE	200
#define PAUSE_MS	100

#define RETRY_MS	1000

static void on_ready(void *userdata, int events);

static void disconnect(struct follow *follow)
{
	watch_stop(&follow->watch);
	if (follow->fd >= 0)
		close(follow->fd);
	follow->fd = -1;
	varlink_buf_deinit(&follow->in);
	varlink_buf_deinit(&follow->out);
}

static void events_update(struct follow *follow)
{
	watch_events(follow->watch, UV_READABLE |
		     (follow->out.len ? UV_WRITABLE : 0));
}

/**
 * follow_open - follow the events of a back-end
 * @follow:	the VM's; nothing happens if it is connected
 */
void follow_open(struct follow *follow)
{
	int rc;

	if (follow->fd >= 0)
		return;
	rc = sock_connect(follow->path, &follow->fd);
	if (!rc)
		rc = watch_start(follow->loop, follow->fd, UV_READABLE,
				 on_ready, follow, &follow->watch);
	if (!rc)
		rc = varlink_call(&follow->out, "io.ballonet.Monitor", NULL,
				  VARLINK_MORE);
	if (rc) {
		disconnect(follow);
		alarm_set(follow->alarm, RETRY_MS);
		return;
	}
	events_update(follow);
}

/**
 * follow_close - the back-end is gone
 * @follow:	the VM's
 */
void follow_close(struct follow *follow)
{
	disconnect(follow);
	alarm_clear(follow->alarm);
}

static void on_alarm(void *userdata)
{
	struct follow *follow = userdata;

	if (follow->fd < 0)
		follow_open(follow);
	else
		events_update(follow);
}

/**
 * follow_init - begin to follow a VM
 * @follow:	the caller's storage; not connected
 * @loop:	which runs
 * @path:	the back-end's control socket
 * @fn:		told of each event; must not call anything of this file
 * @userdata:	for @fn
 *
 * Return: 0, -ENAMETOOLONG or -ENOMEM.
 */
int follow_init(struct follow *follow, uv_loop_t *loop, const char *path,
		follow_fn fn, void *userdata)
{
	if (strlen(path) >= sizeof(follow->path))
		return -ENAMETOOLONG;
	*follow = (struct follow){
		.loop = loop,
		.fn = fn,
		.userdata = userdata,
		.fd = -1,
	};
	snprintf(follow->path, sizeof(follow->path), "%s", path);
	return alarm_create(loop, on_alarm, follow, &follow->alarm);
}

/**
 * follow_deinit - follow a VM no more
 * @follow:	what follow_init() set up
 */
void follow_deinit(struct follow *follow)
{
	disconnect(follow);
	alarm_destroy(&follow->alarm);
}

static int send_some(struct follow *follow)
{
	ssize_t n;

	if (!follow->out.len)
		return 0;
	n = send(follow->fd, follow->out.data, follow->out.len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	varlink_buf_consume(&follow->out, n);
	return 0;
}

static int receive_some(struct follow *follow)
{
	char piece[4096];
	ssize_t n;

	n = recv(follow->fd, piece, sizeof(piece), 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ECONNRESET;
	return varlink_buf_append(&follow->in, piece, n);
}

static void tell(struct follow *follow, json_t *parameters)
{
	json_int_t lost =
		json_integer_value(json_object_get(parameters, "lost"));
	struct interface_event event;
	json_t *json;
	size_t i;

	if (lost > 0)
		follow->fn(follow->userdata, NULL, lost);
	json_array_foreach(json_object_get(parameters, "events"), i, json)
		if (!interface_event_unpack(json, &event))
			follow->fn(follow->userdata, &event, 0);
}

/* Return: 0, -ENOTSUP if there will be no more answers, or as varlink_next() */
static int answers(struct follow *follow)
{
	struct varlink_reply reply;
	bool goes_on;
	int rc;

	while ((rc = varlink_reply_next(&follow->in, &reply)) > 0) {
		goes_on = !reply.error && reply.continues;
		if (goes_on)
			tell(follow, reply.parameters);
		varlink_reply_deinit(&reply);
		if (!goes_on)
			return -ENOTSUP;
	}
	return rc;
}

static void on_ready(void *userdata, int events)
{
	struct follow *follow = userdata;
	int rc;

	(void)events;
	if (!bucket_take(&follow->bucket, uv_now(follow->loop), READS_PER_S,
			 READS_AT_ONCE)) {
		watch_events(follow->watch, 0);
		alarm_set(follow->alarm, PAUSE_MS);
		return;
	}
	rc = send_some(follow);
	if (!rc)
		rc = receive_some(follow);
	if (!rc)
		rc = answers(follow);
	if (!rc) {
		events_update(follow);
		return;
	}
	disconnect(follow);
	if (rc != -ENOTSUP)
		alarm_set(follow->alarm, RETRY_MS);
}
