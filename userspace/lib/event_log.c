// SPDX-License-Identifier: GPL-2.0-or-later
#include "event_log.h"

#include <stdio.h>
#include <string.h>

/* Events of one answer. */
#define BATCH_MAX 64

/**
 * event_log_add() - note an event
 * @log:	where; the oldest one is forgotten if there is no room
 * @event:	the event; it is copied
 */
void event_log_add(struct event_log *log, const struct interface_event *event)
{
	size_t i = log->end % EVENT_LOG_MAX;

	snprintf(log->vm[i], sizeof(log->vm[i]), "%s", event->vm);
	log->event[i] = *event;
	log->event[i].vm = log->vm[i];
	log->end++;
}

/**
 * event_log_next() - read an event
 * @log:	where
 * @next:	number of the first event that was not read; goes on
 * @lost:	how many were forgotten before they were read is added
 * @ret_event:	the event; its name is valid until the next one is noted
 *
 * Return: true if there was one.
 */
bool event_log_next(const struct event_log *log, uint64_t *next,
		    uint64_t *lost, struct interface_event *ret_event)
{
	if (log->end - *next > EVENT_LOG_MAX) {
		*lost += log->end - *next - EVENT_LOG_MAX;
		*next = log->end - EVENT_LOG_MAX;
	}
	if (*next == log->end)
		return false;
	*ret_event = log->event[(*next)++ % EVENT_LOG_MAX];
	return true;
}

static json_t *answer_pack(json_t *events, uint64_t lost)
{
	return json_pack("{s:o,s:I}", "events", events, "lost",
			 (json_int_t)lost);
}

/**
 * event_follow() - answer a call of Monitor
 * @follower:	the client; it gets all events from now on, if its call says
 *		that more answers are welcome
 * @server:	its connection
 * @log:	where events will be noted
 * @vm:		of this VM; NULL for all
 * @last:	array of Event, what is known now; its reference is taken
 */
void event_follow(struct event_follower *follower,
		  struct varlink_server *server, const struct event_log *log,
		  const char *vm, json_t *last)
{
	if (!server->more) {
		(void)varlink_server_reply(server, answer_pack(last, 0));
		return;
	}
	follower->on = true;
	follower->next = log->end;
	follower->lost = log->lost;
	snprintf(follower->vm, sizeof(follower->vm), "%s", vm ? vm : "");
	(void)varlink_server_continue(server, answer_pack(last, 0));
}

/* What came since the last answer, at most BATCH_MAX. NULL if nothing did. */
static json_t *news_pack(struct event_follower *follower,
			 const struct event_log *log)
{
	struct interface_event event;
	json_t *events = json_array();
	uint64_t lost = log->lost - follower->lost;

	follower->lost = log->lost;
	while (json_array_size(events) < BATCH_MAX &&
	       event_log_next(log, &follower->next, &lost, &event))
		if (!follower->vm[0] || !strcmp(follower->vm, event.vm))
			json_array_append_new(events,
					      interface_event_pack(&event));
	if (json_array_size(events) || lost)
		return answer_pack(events, lost);
	json_decref(events);
	return NULL;
}

/**
 * event_follows_behind() - can the client be sent something new?
 * @follower:	a client
 * @server:	its connection
 * @log:	where events are noted
 *
 * Return: true if it follows, everything else was sent, and there is news.
 */
bool event_follows_behind(const struct event_follower *follower,
			  const struct varlink_server *server,
			  const struct event_log *log)
{
	return follower->on && !server->out.len &&
		(follower->next != log->end || follower->lost != log->lost);
}

/**
 * event_follow_on() - send what is new, once everything else was sent
 * @follower:	a client; nothing happens if it does not follow
 * @server:	its connection
 * @log:	where events are noted
 */
void event_follow_on(struct event_follower *follower,
		     struct varlink_server *server,
		     const struct event_log *log)
{
	json_t *news;

	if (!event_follows_behind(follower, server, log))
		return;
	news = news_pack(follower, log);
	if (news)
		(void)varlink_server_continue(server, news);
}
