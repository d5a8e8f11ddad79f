// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The methods of io.ballonet.Governor.
 */
#include "control.h"
#include "governor.h"
#include "interface_governor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A VM begins to use its memory seconds after it was asked for. */
#define HOLD_DEFAULT_S	60
#define HOLD_MAX_S	(GOVERNOR_HOLD_MAX_MS / 1000)

static const char off[] =
	"nothing is managed: see 'manage' in ballonetd.conf(5)";

static void not_managed(struct varlink_server *server, const char *reason)
{
	varlink_server_error(server, INTERFACE_NOT_MANAGED,
			     json_pack("{s:s}", "reason", reason));
}

static void host(struct varlink_server *server, json_t *parameters,
		 void *userdata)
{
	(void)parameters;
	varlink_server_reply(server,
		json_pack("{s:o}", "host",
			  governor_pack(api_manager(userdata)->governor)));
}

static void why(struct varlink_server *server, json_t *parameters,
		void *userdata)
{
	struct vm *vm = api_vm(server, parameters, userdata);
	const struct governed *governed;
	const struct decision *decision;
	json_t *decisions;
	size_t i;

	if (!vm)
		return;
	governed = &vm->governed;
	decisions = json_array();
	for (i = 0; (decision = decision_log_get(&governed->log, i)); i++)
		json_array_append_new(decisions, decision_pack(decision));
	varlink_server_reply(server, json_pack("{s:o*,s:o}",
		"now", governed->now.time_us ? decision_pack(&governed->now) :
			NULL, "decisions", decisions));
}

static void automatic(struct varlink_server *server, json_t *parameters,
		      void *userdata)
{
	struct vm *vm = api_vm(server, parameters, userdata);

	if (!vm)
		return;
	vm_hand_forget(vm);
	vm_wish(vm, CONF_WISH_NONE, 0);
	varlink_server_reply(server, NULL);
}

static void no_room(struct varlink_server *server, uint64_t bytes,
		    const struct admission_room *room)
{
	varlink_server_error(server, INTERFACE_NO_ROOM,
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}",
			  "bytes", (json_int_t)bytes,
			  "left", (json_int_t)admission_left(room),
			  "budget", (json_int_t)room->budget,
			  "minimums", (json_int_t)room->minimums,
			  "held", (json_int_t)room->held,
			  "reserve", (json_int_t)room->reserve));
}

static void held(struct varlink_server *server, const char *name,
		 uint64_t bytes, uint64_t seconds,
		 const struct admission_room *before)
{
	struct admission_room room = *before;

	room.held += bytes;
	varlink_server_reply(server, json_pack("{s:s,s:I,s:I,s:I,s:I}",
		"name", name, "bytes", (json_int_t)bytes,
		"seconds", (json_int_t)seconds,
		"take", (json_int_t)admission_to_take(before, bytes),
		"left", (json_int_t)admission_left(&room)));
}

static void admit(struct varlink_server *server, json_t *parameters,
		  void *userdata)
{
	struct governor *governor = api_manager(userdata)->governor;
	json_int_t bytes, seconds = HOLD_DEFAULT_S;
	char made_up[INTERFACE_NAME_MAX + 1];
	struct admission_room room;
	const char *name = NULL;
	int rc;

	json_unpack(parameters, "{s:I,s?I,s?s}", "bytes", &bytes, "seconds",
		    &seconds, "name", &name);
	if (bytes <= 0) {
		varlink_server_invalid(server, "bytes");
		return;
	}
	if (seconds < 1 || (uint64_t)seconds > HOLD_MAX_S) {
		varlink_server_invalid(server, "seconds");
		return;
	}
	if (name && !interface_name_valid(name)) {
		varlink_server_invalid(server, "name");
		return;
	}
	if (!name)
		name = governor_name(governor, made_up);
	rc = governor_admit(governor, name, bytes, seconds * 1000, &room);
	if (rc == -EAGAIN)
		not_managed(server, off);
	else if (rc == -ENOSPC)
		not_managed(server, "room is held for too many VMs");
	else if (rc)
		no_room(server, bytes, &room);
	else
		held(server, name, bytes, seconds, &room);
}

static void release(struct varlink_server *server, json_t *parameters,
		    void *userdata)
{
	const char *name = json_string_value(json_object_get(parameters,
							     "name"));

	if (governor_release(api_manager(userdata)->governor, name))
		varlink_server_error(server, INTERFACE_NOT_HELD,
				     json_pack("{s:s}", "name", name));
	else
		varlink_server_reply(server, NULL);
}

static void ladder(struct varlink_server *server, json_t *parameters,
		   void *userdata)
{
	json_t *json = governor_pack_ladder(api_manager(userdata)->governor);

	(void)parameters;
	if (json)
		varlink_server_reply(server, json_pack("{s:o}", "ladder",
						       json));
	else
		not_managed(server, off);
}

const varlink_handler api_governor[INTERFACE_GOVERNOR_NR_METHODS] = {
	[INTERFACE_GOVERNOR_HOST] = host,
	[INTERFACE_GOVERNOR_WHY] = why,
	[INTERFACE_GOVERNOR_AUTOMATIC] = automatic,
	[INTERFACE_GOVERNOR_ADMIT] = admit,
	[INTERFACE_GOVERNOR_RELEASE] = release,
	[INTERFACE_GOVERNOR_LADDER] = ladder,
};
