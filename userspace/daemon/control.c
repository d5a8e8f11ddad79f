// SPDX-License-Identifier: GPL-2.0-or-later
#include "control.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t now(const struct control *control)
{
	return uv_now(control->manager->settings.loop);
}

static void client_close(struct control_client *client)
{
	struct control_client **link = &client->control->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	if (client->ask)
		client->ask->client = NULL;
	watch_stop(&client->watch);
	close(client->fd);
	varlink_server_deinit(&client->server);
	free(client);
}

static int client_send(struct control_client *client)
{
	struct varlink_buf *out = &client->server.out;
	ssize_t n;

	if (!out->len)
		return 0;
	n = send(client->fd, out->data, out->len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	varlink_buf_consume(out, n);
	return 0;
}

static int client_receive(struct control_client *client)
{
	char piece[16384];
	ssize_t n;

	if (!varlink_server_wants_input(&client->server))
		return 0;
	n = recv(client->fd, piece, sizeof(piece), 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -ECONNRESET;
	client->used_at = now(client->control);
	return varlink_server_feed(&client->server, piece, n);
}

/*
 * Not UV_DISCONNECT: that it has sent its last call would wake the loop until
 * this one is answered. Whether it is gone, sending tells; one that follows
 * events may not be sent anything for days, so the end of both directions is
 * waited for, which libuv tells to who waits for urgent data.
 */
static void client_wait(struct control_client *client)
{
	int wanted = 0;

	if (varlink_server_wants_input(&client->server))
		wanted |= UV_READABLE;
	if (client->server.out.len)
		wanted |= UV_WRITABLE;
	if (client->follower.on)
		wanted |= UV_PRIORITIZED;
	watch_events(client->watch, wanted);
}

/* Sends what is new until the client's socket is full. */
static int client_follow_on(struct control_client *client)
{
	const struct event_log *log = &client->control->manager->events;
	int rc = 0;

	while (!rc && event_follows_behind(&client->follower, &client->server,
					   log)) {
		event_follow_on(&client->follower, &client->server, log);
		rc = client->server.failure ?: client_send(client);
	}
	return rc;
}

static void on_client(void *userdata, int events)
{
	struct control_client *client = userdata;
	int rc;

	/* Answers go out before the client's end is read, which closes. */
	rc = client_send(client) ?: varlink_server_dispatch(&client->server) ?:
		client_send(client) ?: client_receive(client) ?:
		client_send(client) ?: client_follow_on(client);
	/* Gone, or it sends urgent data, which nobody has a use for. */
	if (rc || events & UV_PRIORITIZED)
		client_close(client);
	else
		client_wait(client);
}

static void on_news(void *userdata)
{
	struct control *control = userdata;
	struct control_client *client, *next;

	for (client = control->clients; client; client = next) {
		next = client->next;
		if (!client->follower.on)
			continue;
		if (client_follow_on(client))
			client_close(client);
		else
			client_wait(client);
	}
}

/**
 * control_ask - a call's answer comes later
 * @client:	who called
 * @ask:	outlives the wait; its owner calls control_answer()
 */
void control_ask(struct control_client *client, struct control_ask *ask)
{
	ask->client = client;
	client->ask = ask;
}

/**
 * control_answer - the answer is there
 * @ask:	what was given to control_ask()
 *
 * What the client has called besides goes on from the loop, not from here: it
 * may remove the very VM that is answering.
 *
 * Return: where to answer, or NULL if the client has disconnected.
 */
struct varlink_server *control_answer(struct control_ask *ask)
{
	struct control_client *client = ask->client;

	if (!client)
		return NULL;
	client->ask = NULL;
	client->used_at = now(client->control);
	watch_events(client->watch, UV_READABLE | UV_WRITABLE);
	return &client->server;
}

/* Reading is for whom the socket's mode lets in; changing is for its owner. */
static bool may_write(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* Clients that share a limit; a reader is in all three groups. */
enum group {
	GROUP_USER,
	GROUP_READERS,
	GROUP_ALL,
};

static const unsigned int group_max[] = {
	[GROUP_USER] = CONTROL_USER_MAX,
	[GROUP_READERS] = CONTROL_READERS_MAX,
	[GROUP_ALL] = CONTROL_CLIENTS_MAX,
};

static bool is_in_group(const struct control_client *client, enum group group,
			uid_t uid)
{
	switch (group) {
	case GROUP_USER:
		return client->uid == uid;
	case GROUP_READERS:
		return !client->server.may_write;
	default:
		return true;
	}
}

static bool is_idle(const struct control_client *client)
{
	return !client->ask && !client->follower.on &&
		now(client->control) - client->used_at >= CONTROL_IDLE_MS;
}

/* No reader drives out one who may write. */
static bool group_make_room(struct control *control, enum group group,
			    uid_t uid)
{
	struct control_client *client, *oldest = NULL;
	unsigned int n = 0;

	for (client = control->clients; client; client = client->next) {
		if (!is_in_group(client, group, uid))
			continue;
		n++;
		if (is_idle(client) &&
		    (may_write(uid) || !client->server.may_write) &&
		    (!oldest || client->used_at < oldest->used_at))
			oldest = client;
	}
	if (n < group_max[group])
		return true;
	if (oldest)
		client_close(oldest);
	else
		log_warn_rarely(&control->refused,
				"refused a client of user %u: %u are connected, limit %u",
				(unsigned int)uid, n, group_max[group]);
	return oldest;
}

static bool make_room(struct control *control, uid_t uid)
{
	int group = may_write(uid) ? GROUP_ALL : GROUP_USER;

	for (; group <= GROUP_ALL; group++)
		if (!group_make_room(control, group, uid))
			return false;
	return true;
}

static int client_create(struct control *control, int fd, uid_t uid)
{
	struct control_client *client = calloc(1, sizeof(*client));
	int rc;

	if (!client)
		return -ENOMEM;
	client->control = control;
	client->fd = fd;
	client->uid = uid;
	client->used_at = now(control);
	rc = watch_start(control->manager->settings.loop, fd, UV_READABLE,
			 on_client, client, &client->watch);
	if (rc) {
		free(client);
		return rc;
	}
	varlink_server_init(&client->server, &api_service, may_write(uid),
			    client);
	client->next = control->clients;
	control->clients = client;
	return 0;
}

static void on_connect(void *userdata, int events)
{
	struct control *control = userdata;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd;

	(void)events;
	fd = listener_accept(&control->listener,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    !make_room(control, cred.uid) ||
	    client_create(control, fd, cred.uid))
		close(fd);
}

/**
 * control_init - open the control socket
 * @control:	the caller's storage
 * @manager:	what is controlled
 *
 * Logs its failures.
 *
 * Return: 0 or a negative errno.
 */
int control_init(struct control *control, struct manager *manager)
{
	int rc;

	*control = (struct control){ .manager = manager };
	rc = alarm_create(manager->settings.loop, on_news, control,
			  &manager->news);
	if (rc) {
		log_err("cannot start: %s", strerror(-rc));
		return rc;
	}
	rc = listener_open(&control->listener, manager->settings.loop,
			   manager->control_path, manager->control_gid,
			   on_connect, control);
	if (rc)
		log_err("%s: %s", manager->control_path, sock_bind_error(rc));
	return rc;
}

/**
 * control_deinit - close the control socket and all clients
 * @control:	what control_init() set up
 */
void control_deinit(struct control *control)
{
	struct control_client *client, *next;

	for (client = control->clients; client; client = next) {
		next = client->next;
		client_close(client);
	}
	alarm_destroy(&control->manager->news);
	listener_close(&control->listener, control->manager->control_path);
}
