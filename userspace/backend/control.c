// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control interface: Varlink, io.ballonet for one VM. Runs in the main
 * thread; a client that does not read or sends nonsense is dropped.
 */

#include "backend.h"

#include <endian.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event_log.h"
#include "interface.h"
#include "log.h"
#include "varlink.h"

#define CLIENTS		16

/* Statistics younger than this are an answer; older ones are asked anew. */
#define STATS_AGE_MS	1000
/* A driver that does not answer within this time does not answer. */
#define STATS_WAIT_MS	500

/**
 * struct client - one connection
 * @fd:		its socket, -1 if the place is free
 * @server:	its calls and answers
 * @b:		the back-end
 * @stats_since: a call for statistics waits since then, or 0
 * @follower:	whether it follows the guest's events
 */
struct client {
	int fd;
	struct varlink_server server;
	struct backend *b;
	uint64_t stats_since;
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

static const struct {
	unsigned int bit;
	const char *name;
} feature_names[] = {
	{ VIRTIO_BALLOON_F_MUST_TELL_HOST, "must-tell-host" },
	{ VIRTIO_BALLOON_F_STATS_VQ, "stats" },
	{ VIRTIO_BALLOON_F_DEFLATE_ON_OOM, "deflate-on-oom" },
	{ VIRTIO_BALLOON_F_PAGE_POISON, "page-poison" },
	{ VIRTIO_BALLOON_F_REPORTING, "reporting" },
	{ VRING_F_EVENT_IDX, "event-idx" },
	{ BALLONET_F_RANGES, "ranges" },
	{ BALLONET_F_EVENTS, "events" },
};

#define X(name) #name,
const char *const counter_names[NR_COUNTERS] = { COUNTERS(X) };
#undef X

static json_t *features(const struct backend *b)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(feature_names); i++)
		if (b->state->features & BIT(feature_names[i].bit))
			json_array_append_new(list,
				json_string(feature_names[i].name));
	return list;
}

static enum interface_state vm_state(struct backend *b, struct fault *ret_why)
{
	guard_reason(b, ret_why);
	if (b->frontend < 0) {
		fault_set(ret_why, 0, "no VMM has connected");
		return INTERFACE_WAITING;
	}
	if (ret_why->text[0])
		return INTERFACE_REFUSED;
	if (atomic_load(&b->is_failed)) {
		pthread_mutex_lock(&b->info);
		*ret_why = b->failed;
		pthread_mutex_unlock(&b->info);
		return INTERFACE_FAILED;
	}
	if (b->ring[0].running && b->ring[1].running) {
		pthread_mutex_lock(&b->info);
		*ret_why = b->unseen;
		pthread_mutex_unlock(&b->info);
		return INTERFACE_RUNNING;
	}
	fault_set(ret_why, 0, "the guest's driver has not started");
	return INTERFACE_CONNECTED;
}

static json_t *vm_pack(struct backend *b)
{
	struct state_events events;
	struct interface_vm vm;
	struct fault why;
	json_t *json;

	events_get(b, &events);
	vm = (struct interface_vm){
		.name = b->name,
		.state = vm_state(b, &why),
		.memory = region_bytes(&b->regions),
		.target = (uint64_t)le32toh(b->state->config.num_pages) <<
			  FRAME_SHIFT,
		.operator = b->state->target,
		.wish = events.last[INTERFACE_EVENT_WISH].value,
		.actual = (uint64_t)le32toh(b->state->config.actual) <<
			  FRAME_SHIFT,
		.resident = region_resident(&b->regions),
		.freed = atomic_load(&b->counters.bytes_freed),
		.features = features(b),
		.reason = why.text[0] ? why.text : NULL,
		.pressure = events.pressure ?
			interface_event_names[events.pressure - 1] : NULL,
	};
	json = interface_vm_pack(&vm);
	json_decref(vm.features);
	return json;
}

static bool known(struct varlink_server *server, struct backend *b,
		  json_t *parameters)
{
	const char *vm = json_string_value(json_object_get(parameters, "vm"));

	if (!strcmp(vm, b->name))
		return true;
	(void)interface_unknown_vm(server, vm);
	return false;
}

static void list(struct varlink_server *server, json_t *parameters,
		 void *userdata)
{
	struct client *c = userdata;

	(void)parameters;
	(void)varlink_server_reply(server, json_pack("{s[o]}", "vms",
						     vm_pack(c->b)));
}

static void status(struct varlink_server *server, json_t *parameters,
		   void *userdata)
{
	struct client *c = userdata;

	if (known(server, c->b, parameters))
		(void)varlink_server_reply(server,
			json_pack("{soso}", "vm", vm_pack(c->b),
				  "events", events_pack(c->b)));
}

static void set_balloon(struct varlink_server *server, json_t *parameters,
			void *userdata)
{
	struct client *c = userdata;
	json_int_t bytes =
		json_integer_value(json_object_get(parameters, "bytes"));
	json_int_t max = region_bytes(&c->b->regions);

	if (!known(server, c->b, parameters))
		return;
	/* The wire has 32 bits; before the driver is there, that is all. */
	if (!max || max > (json_int_t)UINT32_MAX << FRAME_SHIFT)
		max = (json_int_t)UINT32_MAX << FRAME_SHIFT;
	if (bytes < 0 || bytes > max || bytes % FRAME_SIZE) {
		(void)interface_out_of_range(server, c->b->name, "bytes",
					     bytes, 0, max);
		return;
	}
	config_set_target(c->b, bytes);
	(void)varlink_server_reply(server,
				   json_pack("{so}", "vm", vm_pack(c->b)));
}

static void stats_reply(struct client *c)
{
	struct backend *b = c->b;
	json_t *stats = json_object();
	struct sample sample;
	unsigned int i;

	c->stats_since = 0;
	pthread_mutex_lock(&b->info);
	sample = b->sample;
	pthread_mutex_unlock(&b->info);
	/* All ones say that there is no value; and JSON has none like it. */
	for (i = 0; i < sample.nr; i++)
		if (stats_tag_name(sample.tag[i]) &&
		    sample.value[i] <= INT64_MAX)
			json_object_set_new(stats,
				stats_tag_name(sample.tag[i]),
				json_integer(sample.value[i]));
	(void)varlink_server_reply(&c->server,
		json_pack("{sIso}", "age_ms",
			  (json_int_t)(now_ms() - sample.when_ms),
			  "stats", stats));
}

static uint64_t sample_time(struct backend *b)
{
	uint64_t ret;

	pthread_mutex_lock(&b->info);
	ret = b->sample.when_ms;
	pthread_mutex_unlock(&b->info);
	return ret;
}

static bool has_stats(const struct backend *b)
{
	unsigned int i;

	for (i = 0; i < NR_RINGS; i++)
		if (b->ring[i].running && b->ring[i].role == ROLE_STATS)
			return true;
	return false;
}

static void stats(struct varlink_server *server, json_t *parameters,
		  void *userdata)
{
	struct client *c = userdata;
	uint64_t when = sample_time(c->b), now = now_ms();

	if (!known(server, c->b, parameters))
		return;
	if (!has_stats(c->b)) {
		(void)interface_not_ready(server, c->b->name,
			"the guest's driver sends no statistics");
		return;
	}
	if (when && now - when < STATS_AGE_MS) {
		stats_reply(c);
		return;
	}
	c->stats_since = now;
	/* The first ones come by themselves. */
	if (when) {
		atomic_store(&c->b->want_stats, true);
		event_signal(c->b->wake_worker);
	}
}

static void counters(struct varlink_server *server, json_t *parameters,
		     void *userdata)
{
	struct client *c = userdata;
	_Atomic uint64_t *values = (void *)&c->b->counters;
	json_t *json;
	unsigned int i;

	if (!known(server, c->b, parameters))
		return;
	json = json_object();
	for (i = 0; i < NR_COUNTERS; i++)
		json_object_set_new(json, counter_names[i],
				    json_integer(atomic_load(&values[i])));
	(void)varlink_server_reply(server,
				   json_pack("{so}", "counters", json));
}

static void monitor(struct varlink_server *server, json_t *parameters,
		    void *userdata)
{
	struct client *c = userdata;
	const char *vm = json_string_value(json_object_get(parameters, "vm"));

	if (!vm || known(server, c->b, parameters))
		event_follow(&c->follower, server, &c->b->control->events, vm,
			     events_pack(c->b));
}

/*
 * A manager that was started anew keeps the descriptors from now on. What it
 * does not take at once is offered to it again.
 */
static void handover(struct varlink_server *server, json_t *parameters,
		     void *userdata)
{
	struct client *c = userdata;
	const char *path =
		json_string_value(json_object_get(parameters, "notify"));
	struct fdstore store;

	if (fdstore_init(&store, path) || store.sock < 0) {
		(void)varlink_server_invalid(server, "notify");
		return;
	}
	fdstore_deinit(&c->b->store);
	c->b->store = store;
	if (keep_all(c->b))
		(void)varlink_server_reply(server, json_object());
	else
		(void)interface_not_ready(server, c->b->name,
			"the notification socket did not take all descriptors");
}

static void grant_wishes(struct varlink_server *server, json_t *parameters,
			 void *userdata)
{
	struct client *c = userdata;

	c->b->grant = json_is_true(json_object_get(parameters, "grant"));
	config_update_target(c->b);
	(void)varlink_server_reply(server, json_object());
}

static const varlink_handler ballonet_handlers[INTERFACE_NR_METHODS] = {
	[INTERFACE_LIST] = list,
	[INTERFACE_STATUS] = status,
	[INTERFACE_SET_BALLOON] = set_balloon,
	[INTERFACE_STATS] = stats,
	[INTERFACE_COUNTERS] = counters,
	[INTERFACE_MONITOR] = monitor,
};

static const varlink_handler backend_handlers[INTERFACE_BACKEND_NR_METHODS] = {
	[INTERFACE_BACKEND_HANDOVER] = handover,
	[INTERFACE_BACKEND_GRANT_WISHES] = grant_wishes,
};

static const struct varlink_binding bindings[] = {
	{ &interface_ballonet, ballonet_handlers },
	{ &interface_backend, backend_handlers },
};

static const struct varlink_service service = {
	.vendor = "ballonet",
	.product = PROGRAM,
	.version = BALLONET_VERSION,
	.url = "https://docs.oasis-open.org/virtio/virtio/v1.3/virtio-v1.3.html",
	.bindings = bindings,
	.nr_bindings = ARRAY_SIZE(bindings),
};

static void client_drop(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	c->stats_since = 0;
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
	varlink_server_init(&c->server, &service, true, c);
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

/**
 * control_tick() - answer the calls that waited
 * @b:		the back-end
 */
void control_tick(struct backend *b)
{
	uint64_t when = sample_time(b), now = now_ms();
	unsigned int i;

	for (i = 0; i < CLIENTS; i++) {
		struct client *c = &b->control->client[i];

		if (!c->stats_since)
			continue;
		if (!(when >= c->stats_since ||
		      now - c->stats_since >= STATS_WAIT_MS))
			continue;
		if (when) {
			stats_reply(c);
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
