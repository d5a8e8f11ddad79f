// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The methods of io.ballonet and io.ballonet.Manager. What is about a VM is
 * asked of its back-end; where there is none, the manager answers itself.
 */
#include "control.h"
#include "interface_governor.h"
#include "log.h"
#include "vm_note.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Devices count in frames of 4096 bytes. */
#define FRAME		4096
#define BALLOON_MAX	(INT64_MAX / FRAME * FRAME)

static const char silent[] = "its back-end does not answer";

/**
 * api_manager - what a handler is about
 * @userdata:	the handler's
 *
 * Return: the manager.
 */
struct manager *api_manager(void *userdata)
{
	return ((struct control_client *)userdata)->control->manager;
}

static const char *vm_name(json_t *parameters)
{
	return json_string_value(json_object_get(parameters, "vm"));
}

/**
 * api_vm - the VM of a call
 * @server:	the connection; answered with UnknownVm if there is none
 * @parameters:	of the call
 * @userdata:	the handler's
 *
 * Return: the VM, or NULL.
 */
struct vm *api_vm(struct varlink_server *server, json_t *parameters,
		  void *userdata)
{
	struct vm *vm = manager_find(api_manager(userdata),
				     vm_name(parameters));

	if (!vm)
		interface_unknown_vm(server, vm_name(parameters));
	return vm;
}

/* What a back-end cannot know of its VM; NULL if that has gone meanwhile. */
static json_t *demand_add(json_t *json, const struct vm *vm)
{
	const struct decision *now = vm ? &vm->governed.now : NULL;

	json_object_del(json, "demand");
	if (now && now->time_us)
		json_object_set_new(json, "demand",
				    json_integer((json_int_t)now->plan.demand));
	return json;
}

/* How the host is goes with it, if that is looked at. */
static json_t *level_add(json_t *answer, const struct manager *manager)
{
	const char *level = governor_level(manager->governor);

	json_object_del(answer, "level");
	if (level)
		json_object_set_new(answer, "level", json_string(level));
	return answer;
}

/*
 * Calls about one VM
 */

struct forward {
	struct control_ask ask;
	struct manager *manager;
	char vm[INTERFACE_NAME_MAX + 1];
	/* of SetBalloon: becomes the VM's wish when it has worked; or -1 */
	int64_t bytes;
	/* of SetBalloon: the VM's wish that waits if it has not worked */
	bool wish_waits;
	/* Status, to which the manager has something to add */
	bool is_status;
};

/* @rc: as for a link_done; -EREMOTEIO if the back-end has refused. */
static void wish_remember(const struct forward *forward, int rc)
{
	struct vm *vm = manager_find(forward->manager, forward->vm);

	if (!vm)
		return;
	vm->setting--;
	if (rc == -ECANCELED)
		return;
	if (rc) {
		if (forward->wish_waits)
			vm_wish(vm, vm->wish, vm->wish_bytes);
		return;
	}
	log_info("%s: balloon set to %lld bytes", vm->name,
		 (long long)forward->bytes);
	vm->wish = CONF_WISH_BALLOON;
	vm->wish_bytes = forward->bytes;
	vm_hand_note(vm);
}

static void on_forwarded(int rc, const struct varlink_reply *reply,
			 void *userdata)
{
	struct forward *forward = userdata;
	struct varlink_server *server = control_answer(&forward->ask);

	if (forward->bytes >= 0)
		wish_remember(forward, rc ?: reply->error ? -EREMOTEIO : 0);
	if (!rc && !reply->error && forward->is_status) {
		demand_add(json_object_get(reply->parameters, "vm"),
			   manager_find(forward->manager, forward->vm));
		level_add(reply->parameters, forward->manager);
	}
	if (server) {
		if (rc)
			interface_not_ready(server, forward->vm,
					    rc == -ECANCELED ?
					    "its VMM has disconnected" :
					    silent);
		else if (reply->error)
			varlink_server_error(server, reply->error,
					     json_incref(reply->parameters));
		else
			varlink_server_reply(server,
					     json_incref(reply->parameters));
	}
	free(forward);
}

static void forward(struct vm *vm, const char *method, json_t *parameters,
		    int64_t bytes, struct control_client *client)
{
	struct forward *forward = calloc(1, sizeof(*forward));

	if (!forward) {
		interface_not_ready(&client->server, vm->name,
				    strerror(ENOMEM));
		return;
	}
	forward->manager = client->control->manager;
	snprintf(forward->vm, sizeof(forward->vm), "%s", vm->name);
	forward->bytes = bytes;
	forward->is_status = !strcmp(method, "io.ballonet.Status");
	if (bytes >= 0) {
		/* No longer what the configuration wants, if it still waits. */
		forward->wish_waits = !vm->wish_done;
		vm->wish_done = true;
		vm->setting++;
		alarm_clear(vm->wish_alarm);
	}
	control_ask(client, &forward->ask);
	vm_call(vm, method, json_incref(parameters), on_forwarded, forward);
}

static void status(struct varlink_server *server, json_t *parameters,
		   void *userdata)
{
	struct vm *vm = api_vm(server, parameters, userdata);
	json_t *answer;

	if (!vm)
		return;
	if (!vm_present(vm)) {
		answer = json_pack("{s:o,s:[]}", "vm",
				   demand_add(vm_pack(vm, NULL), vm), "events");
		varlink_server_reply(server,
				     level_add(answer, api_manager(userdata)));
		return;
	}
	forward(vm, "io.ballonet.Status", parameters, -1, userdata);
}

static void set_balloon(struct varlink_server *server, json_t *parameters,
			void *userdata)
{
	json_int_t bytes = json_integer_value(json_object_get(parameters,
							      "bytes"));
	struct vm *vm = api_vm(server, parameters, userdata);

	if (!vm)
		return;
	if (bytes < 0 || bytes % FRAME) {
		interface_out_of_range(server, vm->name, "bytes", bytes, 0,
				       BALLOON_MAX);
	} else if (!vm_present(vm)) {
		vm_wish(vm, CONF_WISH_BALLOON, bytes);
		vm_hand_note(vm);
		varlink_server_reply(server, json_pack("{s:o}", "vm",
						       vm_pack(vm, NULL)));
	} else {
		forward(vm, "io.ballonet.SetBalloon", parameters, bytes,
			userdata);
	}
}

static void forward_or_wait(struct varlink_server *server, json_t *parameters,
			    void *userdata, const char *method)
{
	struct vm *vm = api_vm(server, parameters, userdata);

	if (!vm)
		return;
	if (!vm_present(vm))
		interface_not_ready(server, vm->name, vm->trouble ?
				    vm->trouble : "no VMM is connected");
	else
		forward(vm, method, parameters, -1, userdata);
}

static void stats(struct varlink_server *server, json_t *parameters,
		  void *userdata)
{
	forward_or_wait(server, parameters, userdata, "io.ballonet.Stats");
}

static void take(struct varlink_server *server, json_t *parameters,
		 void *userdata)
{
	forward_or_wait(server, parameters, userdata, "io.ballonet.Take");
}

static void counters(struct varlink_server *server, json_t *parameters,
		     void *userdata)
{
	forward_or_wait(server, parameters, userdata, "io.ballonet.Counters");
}

static void monitor(struct varlink_server *server, json_t *parameters,
		    void *userdata)
{
	struct control_client *client = userdata;
	struct manager *manager = api_manager(userdata);
	struct vm *vm = NULL;
	json_t *last;

	if (vm_name(parameters)) {
		vm = api_vm(server, parameters, userdata);
		if (!vm)
			return;
	}
	last = json_array();
	if (vm)
		vm_events_pack(vm, last);
	else
		for (vm = manager->vms; vm; vm = vm->next)
			vm_events_pack(vm, last);
	event_follow(&client->follower, server, &manager->events,
		     vm_name(parameters), last);
}

/*
 * List asks all back-ends at once
 */

struct list {
	struct control_ask ask;
	struct manager *manager;
	json_t *vms;
	size_t missing;
};

struct list_item {
	struct list *list;
	size_t place;
	char vm[INTERFACE_NAME_MAX + 1];
};

static void list_answer(struct list *list)
{
	struct varlink_server *server;

	if (--list->missing)
		return;
	server = control_answer(&list->ask);
	if (server)
		varlink_server_reply(server,
				     level_add(json_pack("{s:O}", "vms",
							 list->vms),
					       list->manager));
	json_decref(list->vms);
	free(list);
}

static void on_listed(int rc, const struct varlink_reply *reply, void *userdata)
{
	struct list_item *item = userdata;
	struct list *list = item->list;
	struct vm *vm = manager_find(list->manager, item->vm);
	struct interface_vm now;
	json_t *answer = NULL;

	if (!rc && !reply->error)
		answer = json_object_get(reply->parameters, "vm");
	/* One back-end's nonsense must not spoil the list of all. */
	if (answer && !interface_vm_unpack(answer, &now) &&
	    !strcmp(now.name, item->vm))
		json_array_set(list->vms, item->place, demand_add(answer, vm));
	else if (vm)
		json_array_set_new(list->vms, item->place,
				   demand_add(vm_pack(vm, !vm_present(vm) ?
						      NULL : silent), vm));
	free(item);
	list_answer(list);
}

static void list_ask(struct list *list, struct vm *vm, size_t place)
{
	struct list_item *item = calloc(1, sizeof(*item));

	/* What is here until the answer comes. */
	json_array_append_new(list->vms, demand_add(vm_pack(vm, NULL), vm));
	if (!vm_present(vm) || !item) {
		free(item);
		return;
	}
	item->list = list;
	item->place = place;
	snprintf(item->vm, sizeof(item->vm), "%s", vm->name);
	list->missing++;
	vm_call(vm, "io.ballonet.Status", json_pack("{s:s}", "vm", vm->name),
		on_listed, item);
}

static void list(struct varlink_server *server, json_t *parameters,
		 void *userdata)
{
	struct list *list = calloc(1, sizeof(*list));
	struct vm *vm;
	size_t place = 0;

	(void)parameters;
	if (!list) {
		varlink_server_error(server, INTERFACE_FAILURE,
				     json_pack("{s:s}", "reason",
					       strerror(ENOMEM)));
		return;
	}
	list->manager = api_manager(userdata);
	list->vms = json_array();
	list->missing = 1;
	control_ask(userdata, &list->ask);
	for (vm = list->manager->vms; vm; vm = vm->next)
		list_ask(list, vm, place++);
	list_answer(list);
}

/*
 * io.ballonet.Manager
 */

static void failed(struct varlink_server *server, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void failed(struct varlink_server *server, const char *format, ...)
{
	char text[MANAGER_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	varlink_server_error(server, INTERFACE_FAILURE,
			     json_pack("{s:s}", "reason", text));
}

static void add(struct varlink_server *server, json_t *parameters,
		void *userdata)
{
	struct manager *manager = api_manager(userdata);
	const char *name = vm_name(parameters);
	struct fault why = { "" };
	struct way way;
	struct vm *vm;
	int rc;

	if (way_unpack(parameters, &way, &why)) {
		failed(server, "%s: %s", name, why.text);
		return;
	}
	rc = manager_add(manager, name, &way, &vm, &why);
	if (rc == -EINVAL) {
		varlink_server_invalid(server, "vm");
	} else if (rc == -EALREADY) {
		varlink_server_error(server, INTERFACE_VM_EXISTS,
				     json_pack("{s:s}", "vm", name));
	} else if (rc && way.kind) {
		failed(server, "%s: %s: %s", name, way.path, why.text);
	} else if (rc) {
		failed(server, "%s: %s/%s.sock: %s", name, manager->vm_dir,
		       name, why.text);
	} else {
		/* Of one that had this name before. */
		vm_hand_forget(vm);
		if (way.kind)
			vm_note_write(vm, 0);
		varlink_server_reply(server, json_pack("{s:s}", "socket",
						       manager_path(vm)));
	}
}

static void drop(struct varlink_server *server, json_t *parameters,
		 void *userdata)
{
	struct vm *vm = api_vm(server, parameters, userdata);

	if (!vm)
		return;
	if (manager_remove(api_manager(userdata), vm))
		varlink_server_error(server, INTERFACE_VM_BUSY,
				     json_pack("{s:s}", "vm", vm->name));
	else
		varlink_server_reply(server, NULL);
}

static void restart(struct varlink_server *server, json_t *parameters,
		    void *userdata)
{
	struct vm *vm = api_vm(server, parameters, userdata);

	if (!vm)
		return;
	if (vm_restart(vm))
		interface_not_ready(server, vm->name, vm->way.kind ?
				    "it has no back-end" :
				    "no back-end is ready");
	else
		varlink_server_reply(server, NULL);
}

static void describe(struct varlink_server *server, json_t *parameters,
		     void *userdata)
{
	struct vm *vm = api_vm(server, parameters, userdata);

	if (vm)
		varlink_server_reply(server, vm_describe(vm));
}

static void reload(struct varlink_server *server, json_t *parameters,
		   void *userdata)
{
	char text[MANAGER_TEXT_MAX];

	(void)parameters;
	if (manager_reload(api_manager(userdata), text, sizeof(text)))
		failed(server, "%s", text);
	else
		varlink_server_reply(server, NULL);
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

static const varlink_handler manager_handlers[INTERFACE_MANAGER_NR_METHODS] = {
	[INTERFACE_MANAGER_ADD] = add,
	[INTERFACE_MANAGER_REMOVE] = drop,
	[INTERFACE_MANAGER_RESTART] = restart,
	[INTERFACE_MANAGER_DESCRIBE] = describe,
	[INTERFACE_MANAGER_RELOAD] = reload,
};

static const struct varlink_binding bindings[] = {
	{ &interface_ballonet, ballonet_handlers },
	{ &interface_manager, manager_handlers },
	{ &interface_governor, api_governor },
};

const struct varlink_service api_service = {
	.vendor = "ballonet",
	.product = "ballonetd",
	.version = BALLONET_VERSION,
	.url = "https://docs.oasis-open.org/virtio/virtio/v1.3/virtio-v1.3.html",
	.bindings = bindings,
	.nr_bindings = sizeof(bindings) / sizeof(bindings[0]),
};
