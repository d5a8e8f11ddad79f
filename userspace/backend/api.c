// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The methods of the control interface: io.ballonet for one VM, and
 * io.ballonet.Backend.
 */

#include "control.h"

#include <endian.h>
#include <string.h>

/* Statistics younger than this are an answer; older ones are asked anew. */
#define STATS_AGE_MS	1000

/* Who looks less often than once an hour does not look. */
#define SHOW_PERIOD_MAX_MS	3600000

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
	{ BALLONET_F_STANDBY, "standby" },
};

#define X(name) #name,
static const char *const counter_names[NR_COUNTERS] = { COUNTERS(X) };
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

/**
 * api_vm() - the VM as the control interface has it
 * @b:		the back-end
 * @ret_vm:	without features, valid as long as @ret_why
 * @ret_why:	why it is not running
 */
void api_vm(struct backend *b, struct interface_vm *ret_vm,
	    struct fault *ret_why)
{
	struct state_events events;
	uint64_t offered, taken;

	events_get(b, &events);
	standby_get(b, &offered, &taken);
	*ret_vm = (struct interface_vm){
		.name = b->name,
		.state = vm_state(b, ret_why),
		.memory = region_bytes(&b->regions),
		.target = (uint64_t)le32toh(b->state->config.num_pages) <<
			  FRAME_SHIFT,
		.operator = b->state->target,
		.wish = events.last[INTERFACE_EVENT_WISH].value,
		.actual = (uint64_t)le32toh(b->state->config.actual) <<
			  FRAME_SHIFT,
		.resident = region_resident(&b->regions),
		.freed = atomic_load(&b->counters.bytes_freed),
		.prefaulted = prefault_is_on(b) ?
			atomic_load(&b->counters.bytes_prefaulted) :
			INTERFACE_UNKNOWN,
		.standby = offered,
		.taken = taken,
		.reason = ret_why->text[0] ? ret_why->text : NULL,
		.pressure = events.pressure ?
			interface_event_names[events.pressure - 1] : NULL,
	};
}

static json_t *vm_pack(struct backend *b)
{
	struct interface_vm vm;
	struct fault why;
	json_t *json;

	api_vm(b, &vm, &why);
	vm.features = features(b);
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

static void take(struct varlink_server *server, json_t *parameters,
		 void *userdata)
{
	struct client *c = userdata;
	json_int_t bytes =
		json_integer_value(json_object_get(parameters, "bytes"));

	if (!known(server, c->b, parameters))
		return;
	if (bytes <= 0) {
		(void)interface_out_of_range(server, c->b->name, "bytes",
					     bytes, 1, INT64_MAX);
		return;
	}
	if (!(c->b->state->features & BIT(BALLONET_F_STANDBY))) {
		(void)interface_not_ready(server, c->b->name,
			"the guest's driver has nothing on standby");
		return;
	}
	c->take = bytes;
	control_take(c->b);
}

/**
 * api_take_reply() - answer a call to take memory
 * @c:		the client that called
 * @taken:	bytes of blocks
 * @freed:	bytes that the host got
 */
void api_take_reply(struct client *c, uint64_t taken, uint64_t freed)
{
	c->take = 0;
	c->take_runs = false;
	(void)varlink_server_reply(&c->server,
		json_pack("{sIsI}", "taken", (json_int_t)taken,
			  "freed", (json_int_t)freed));
}

/**
 * api_stats_reply() - answer a call for statistics
 * @c:		the client that called
 */
void api_stats_reply(struct client *c)
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

/**
 * api_sample_time() - how old the driver's statistics are
 * @b:		the back-end
 *
 * Return: when they came, as now_ms(); 0 if there are none.
 */
uint64_t api_sample_time(struct backend *b)
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
	uint64_t when = api_sample_time(c->b), now = now_ms();

	if (!known(server, c->b, parameters))
		return;
	if (!has_stats(c->b)) {
		(void)interface_not_ready(server, c->b->name,
			"the guest's driver sends no statistics");
		return;
	}
	if (when && now - when < STATS_AGE_MS) {
		api_stats_reply(c);
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

static void prefault(struct varlink_server *server, json_t *parameters,
		     void *userdata)
{
	struct client *c = userdata;

	prefault_set(c->b, json_is_true(json_object_get(parameters, "on")));
	(void)varlink_server_reply(server, json_object());
}

static void show_on(struct varlink_server *server, json_t *parameters,
		    void *userdata)
{
	struct client *c = userdata;
	json_int_t ms =
		json_integer_value(json_object_get(parameters, "period_ms"));

	if (ms < 0 || ms > SHOW_PERIOD_MAX_MS) {
		(void)varlink_server_invalid(server, "period_ms");
		return;
	}
	show_set_period(c->b, ms);
	(void)varlink_server_reply(server, json_object());
}

static const varlink_handler ballonet_handlers[INTERFACE_NR_METHODS] = {
	[INTERFACE_LIST] = list,
	[INTERFACE_STATUS] = status,
	[INTERFACE_SET_BALLOON] = set_balloon,
	[INTERFACE_TAKE] = take,
	[INTERFACE_STATS] = stats,
	[INTERFACE_COUNTERS] = counters,
	[INTERFACE_MONITOR] = monitor,
};

static const varlink_handler backend_handlers[INTERFACE_BACKEND_NR_METHODS] = {
	[INTERFACE_BACKEND_HANDOVER] = handover,
	[INTERFACE_BACKEND_GRANT_WISHES] = grant_wishes,
	[INTERFACE_BACKEND_PREFAULT] = prefault,
	[INTERFACE_BACKEND_SHOW] = show_on,
};

static const struct varlink_binding bindings[] = {
	{ &interface_ballonet, ballonet_handlers },
	{ &interface_backend, backend_handlers },
};

const struct varlink_service api_service = {
	.vendor = "ballonet",
	.product = PROGRAM,
	.version = BALLONET_VERSION,
	.url = "https://docs.oasis-open.org/virtio/virtio/v1.3/virtio-v1.3.html",
	.bindings = bindings,
	.nr_bindings = ARRAY_SIZE(bindings),
};
