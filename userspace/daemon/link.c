// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * Calls wait in a list until they are answered, whether there is a connection
 * or not. link_open() connects and sends all of them; link_close() forgets
 * the connection and keeps the calls for the next link_open(). Each has its
 * own deadline, so a back-end that is stopped or is never replaced ends as
 * -ETIMEDOUT. Every method of io.ballonet may be called twice with the result
 * of once, which is what makes this right.
 *
 * An answer that comes after its call's deadline would be taken for the next
 * call's: the connection is made anew then.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A back-end answers within a millisecond; one that keeps dying is started
 * again after at most a second. An operator's tool waits for 5 s.
 */
#define CALL_TIMEOUT_MS 3000

struct link_call {
	struct link_call *next;
	char *method;
	json_t *parameters;
	link_done done;
	void *userdata;
	uint64_t deadline;
};

static void on_ready(void *userdata, int events);
static void on_alarm(void *userdata);

/**
 * link_init - begin the calls to a VM
 * @link:	the caller's storage; not connected
 * @loop:	which runs
 * @path:	the back-end's control socket
 *
 * Return: 0, -ENAMETOOLONG or -ENOMEM.
 */
int link_init(struct link *link, uv_loop_t *loop, const char *path)
{
	if (strlen(path) >= sizeof(link->path))
		return -ENAMETOOLONG;
	*link = (struct link){ .loop = loop, .fd = -1 };
	snprintf(link->path, sizeof(link->path), "%s", path);
	link->last = &link->first;
	return alarm_create(loop, on_alarm, link, &link->alarm);
}

/**
 * link_deinit - end the calls to a VM; those that wait end with -ECANCELED
 * @link:	what link_init() set up
 */
void link_deinit(struct link *link)
{
	link_cancel(link);
	alarm_destroy(&link->alarm);
}

/* Ends the first call. */
static void finish(struct link *link, int rc, const struct varlink_reply *reply)
{
	struct link_call *call = link->first;

	link->first = call->next;
	if (!link->first)
		link->last = &link->first;
	call->done(rc, reply, call->userdata);
	json_decref(call->parameters);
	free(call->method);
	free(call);
}

static void alarm_update(struct link *link)
{
	uint64_t now = uv_now(link->loop);

	if (!link->first)
		alarm_clear(link->alarm);
	else
		alarm_set(link->alarm, link->first->deadline > now ?
			  link->first->deadline - now : 0);
}

/**
 * link_cancel - end all calls with -ECANCELED, and the connection
 * @link:	the VM's calls
 */
void link_cancel(struct link *link)
{
	link_close(link);
	while (link->first)
		finish(link, -ECANCELED, NULL);
	if (link->alarm)
		alarm_update(link);
}

/**
 * link_close - the back-end is gone; calls wait for its successor
 * @link:	the VM's calls
 */
void link_close(struct link *link)
{
	watch_stop(&link->watch);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	varlink_buf_deinit(&link->in);
	varlink_buf_deinit(&link->out);
}

static int call_send(struct link *link, struct link_call *call)
{
	return varlink_call(&link->out, call->method,
			    json_incref(call->parameters), 0);
}

static void events_update(struct link *link)
{
	if (link->watch)
		watch_events(link->watch, UV_READABLE |
			     (link->out.len ? UV_WRITABLE : 0));
}

/**
 * link_open - connect to the back-end and send what waits
 * @link:	the VM's calls; nothing happens if it is connected
 *
 * Return: 0 or a negative errno.
 */
int link_open(struct link *link)
{
	struct link_call *call;
	int rc;

	if (link->fd >= 0)
		return 0;
	rc = sock_connect(link->path, &link->fd);
	if (rc)
		return rc;
	rc = watch_start(link->loop, link->fd, UV_READABLE, on_ready, link,
			 &link->watch);
	for (call = link->first; call && !rc; call = call->next)
		rc = call_send(link, call);
	if (rc)
		link_close(link);
	else
		events_update(link);
	return rc;
}

static int send_some(struct link *link)
{
	ssize_t n;

	if (!link->out.len)
		return 0;
	n = send(link->fd, link->out.data, link->out.len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	varlink_buf_consume(&link->out, n);
	return 0;
}

static int receive_some(struct link *link)
{
	char piece[16384];
	ssize_t n;

	n = recv(link->fd, piece, sizeof(piece), 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ECONNRESET;
	return varlink_buf_append(&link->in, piece, n);
}

/* A callback may close the link, or open it anew. */
static int answers(struct link *link)
{
	struct varlink_reply reply;
	int rc;

	while (link->fd >= 0) {
		rc = varlink_reply_next(&link->in, &reply);
		if (rc <= 0)
			return rc;
		if (!link->first || reply.continues) {
			varlink_reply_deinit(&reply);
			return -EBADMSG;
		}
		finish(link, 0, &reply);
		varlink_reply_deinit(&reply);
	}
	return 0;
}

static void on_ready(void *userdata, int events)
{
	struct link *link = userdata;
	int rc;

	(void)events;
	rc = send_some(link);
	if (!rc)
		rc = receive_some(link);
	if (!rc)
		rc = answers(link);
	if (rc)
		link_close(link);
	events_update(link);
	alarm_update(link);
}

static void on_alarm(void *userdata)
{
	struct link *link = userdata;
	uint64_t now = uv_now(link->loop);

	link_close(link);
	while (link->first && link->first->deadline <= now)
		finish(link, -ETIMEDOUT, NULL);
	if (link->first)
		link_open(link);
	alarm_update(link);
}

/**
 * link_call - call a method of the back-end
 * @link:	the VM's calls
 * @method:	full name
 * @parameters:	an object; its reference is taken
 * @done:	called when it has ended; from here only if there is no memory
 * @userdata:	for @done
 */
void link_call(struct link *link, const char *method, json_t *parameters,
	       link_done done, void *userdata)
{
	struct link_call *call = calloc(1, sizeof(*call));
	char *copy = strdup(method);

	if (!call || !copy || !parameters) {
		free(call);
		free(copy);
		json_decref(parameters);
		done(-ENOMEM, NULL, userdata);
		return;
	}
	*call = (struct link_call){
		.method = copy,
		.parameters = parameters,
		.done = done,
		.userdata = userdata,
		.deadline = uv_now(link->loop) + CALL_TIMEOUT_MS,
	};
	*link->last = call;
	link->last = &call->next;
	if (link->fd < 0)
		link_open(link);
	else if (call_send(link, call))
		link_close(link);
	events_update(link);
	alarm_update(link);
}
