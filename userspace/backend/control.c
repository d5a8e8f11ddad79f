// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control interface's connections. They run in the main thread; a client
 * that does not read or sends nonsense is dropped.
 */

#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

/* A driver that does not answer within this time does not answer. */
#define STATS_WAIT_MS	500

static void client_drop(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->stats_since = 0;
	c->take = 0;
	c->take_runs = false;
	c->follower.on = false;
	varlink_server_deinit(&c->server);
}

/* Sends what the socket takes. */
static int client_send(struct client *c)
{
	struct varlink_buf *out = &c->server.out;
	ssize_t n;

	while (out->len) {
		n = send(c->fd, out->data, out->len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		varlink_buf_consume(out, n);
	}
	return 0;
}

/* Sends what is there, runs the calls that waited for that, and so on. */
static void client_flush(struct client *c)
{
	const struct event_log *log = &c->b->control->events;
	struct varlink_buf *out = &c->server.out;
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = c->fd };
	size_t waiting;

	do {
		waiting = c->server.in.len;
		event_follow_on(&c->follower, &c->server, log);
		if (client_send(c) || varlink_server_dispatch(&c->server)) {
			client_drop(c);
			return;
		}
	} while (c->server.in.len != waiting ||
		 event_follows_behind(&c->follower, &c->server, log));
	/* One that reads nothing is not listened to. */
	if (out->len)
		ev.events = EPOLLOUT;
	else if (!varlink_server_wants_input(&c->server))
		ev.events = 0;
	(void)epoll_ctl(c->b->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static void client_event(struct client *c, uint32_t events)
{
	char buf[4096];
	ssize_t n;

	/* Gone, and what it left is not read: this would come for ever. */
	if (events & (EPOLLHUP | EPOLLERR) &&
	    !varlink_server_wants_input(&c->server)) {
		client_drop(c);
		return;
	}
	if (varlink_server_wants_input(&c->server)) {
		n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN) ||
		    (n > 0 && varlink_server_feed(&c->server, buf, n))) {
			client_drop(c);
			return;
		}
	}
	client_flush(c);
}

static void client_accept(struct backend *b)
{
	struct client *c = NULL;
	unsigned int i;
	int fd;

	fd = accept_one(b, b->control_fd);
	if (fd < 0)
		return;
	for (i = 0; i < CLIENTS && !c; i++)
		if (b->control->client[i].fd < 0)
			c = &b->control->client[i];
	if (!c || watch(b, fd)) {
		log_warn("control: more than %u clients", CLIENTS);
		close(fd);
		return;
	}
	c->fd = fd;
	c->b = b;
	varlink_server_init(&c->server, &api_service, true, c);
}

/**
 * control_event() - a descriptor is ready that may be the control interface's
 * @b:		the back-end
 * @fd:		the descriptor
 * @events:	EPOLLIN and others
 *
 * Return: true if it was.
 */
bool control_event(struct backend *b, int fd, uint32_t events)
{
	unsigned int i;

	if (fd == b->control_fd) {
		client_accept(b);
		return true;
	}
	for (i = 0; i < CLIENTS; i++)
		if (b->control->client[i].fd == fd) {
			client_event(&b->control->client[i], events);
			return true;
		}
	return false;
}

/**
 * control_news() - tell the clients what the worker has noted
 * @b:		the back-end
 */
void control_news(struct backend *b)
{
	struct control *control = b->control;
	struct interface_event event;
	unsigned int i;
	bool more;

	do {
		pthread_mutex_lock(&b->info);
		more = event_log_next(&b->news, &control->next,
				      &control->events.lost, &event);
		control->events.lost += b->news.lost;
		b->news.lost = 0;
		pthread_mutex_unlock(&b->info);
		if (more)
			event_log_add(&control->events, &event);
	} while (more);
	for (i = 0; i < CLIENTS; i++)
		if (control->client[i].fd >= 0 &&
		    control->client[i].follower.on)
			client_flush(&control->client[i]);
}

/**
 * control_waits() - whether a call waits for the driver
 * @b:		the back-end
 *
 * Return: true if control_tick() must be called again soon.
 */
bool control_waits(const struct backend *b)
{
	unsigned int i;

	for (i = 0; i < CLIENTS; i++)
		if (b->control->client[i].stats_since)
			return true;
	return false;
}

/* The call that is done, which may have lost its client. */
static void take_answer(struct backend *b)
{
	uint64_t taken, freed;
	unsigned int i;

	if (!standby_answer(b, &taken, &freed))
		return;
	/* Before the answer is: who has that looks again. */
	show(b);
	for (i = 0; i < CLIENTS; i++) {
		struct client *c = &b->control->client[i];

		if (!c->take_runs)
			continue;
		api_take_reply(c, taken, freed);
		client_flush(c);
	}
}

/**
 * control_take() - have memory taken for a client that waits, one at a time
 * @b:		the back-end
 */
void control_take(struct backend *b)
{
	unsigned int i;

	take_answer(b);
	for (i = 0; i < CLIENTS; i++) {
		struct client *c = &b->control->client[i];

		if (!c->take || c->take_runs)
			continue;
		if (!standby_order(b, c->take))
			return;
		c->take_runs = true;
	}
}

/**
 * control_tick() - answer the calls that waited
 * @b:		the back-end
 */
void control_tick(struct backend *b)
{
	uint64_t when = api_sample_time(b), now = now_ms();
	unsigned int i;

	for (i = 0; i < CLIENTS; i++) {
		struct client *c = &b->control->client[i];

		if (!c->stats_since)
			continue;
		if (!(when >= c->stats_since ||
		      now - c->stats_since >= STATS_WAIT_MS))
			continue;
		if (when) {
			api_stats_reply(c);
		} else {
			c->stats_since = 0;
			(void)interface_not_ready(&c->server, b->name,
				"the guest's driver has sent no statistics");
		}
		client_flush(c);
	}
}

/**
 * control_init() - set the control interface up
 * @b:		the back-end; @control_fd is listening, or -1
 *
 * Return: 0 or a negative errno.
 */
int control_init(struct backend *b)
{
	unsigned int i;

	b->control = calloc(1, sizeof(*b->control));
	if (!b->control)
		return -ENOMEM;
	for (i = 0; i < CLIENTS; i++)
		b->control->client[i].fd = -1;
	return b->control_fd < 0 ? 0 : watch(b, b->control_fd);
}

/**
 * control_deinit() - close all connections
 * @b:		the back-end
 */
void control_deinit(struct backend *b)
{
	unsigned int i;

	for (i = 0; i < CLIENTS; i++)
		if (b->control->client[i].fd >= 0)
			client_drop(&b->control->client[i]);
	free(b->control);
}
