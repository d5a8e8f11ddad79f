// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonetctl events: what guests tell, as it comes.
 */
#include "ctl.h"
#include "size.h"

#include <inttypes.h>
#include <stdio.h>

static void event_line(const struct interface_event *event)
{
	char time[CTL_TIME_MAX], size[SIZE_TEXT_MAX];

	printf("%s %-20s %-6s", ctl_time_text(event->time_us, time), event->vm,
	       interface_event_names[event->type]);
	if (event->type != INTERFACE_EVENT_RESET)
		printf(" %11s %" PRIu64, size_format(event->value, size),
		       event->value);
	putchar('\n');
}

static void events_show(const struct ctl *ctl,
			const struct varlink_reply *reply)
{
	json_int_t lost = json_integer_value(json_object_get(reply->parameters,
							     "lost"));
	struct interface_event event;
	json_t *json;
	size_t i;

	if (lost > 0)
		ctl_error("%" JSON_INTEGER_FORMAT " events were lost: there were too many",
			  lost);
	json_array_foreach(json_object_get(reply->parameters, "events"), i,
			   json) {
		if (ctl->json)
			ctl_print_json(json);
		else if (!interface_event_unpack(json, &event))
			event_line(&event);
	}
}

/**
 * ctl_events - show what guests tell, until the manager is gone
 * @ctl:	with @vm, or NULL for all; with @last, no longer than needed for
 *		what is known
 *
 * Return: an exit code.
 */
int ctl_events(struct ctl *ctl)
{
	struct varlink_reply reply;
	bool goes_on;
	int rc;

	rc = ctl_call_flags(ctl, "io.ballonet.Monitor",
			    json_pack("{s:s*}", "vm", ctl->vm),
			    ctl->last ? 0 : VARLINK_MORE, &reply);
	while (!rc) {
		events_show(ctl, &reply);
		goes_on = reply.continues;
		varlink_reply_deinit(&reply);
		/* For who reads a pipe; main() tells that it failed. */
		if (!goes_on || fflush(stdout))
			break;
		rc = ctl_next(ctl, &reply);
	}
	return rc;
}
