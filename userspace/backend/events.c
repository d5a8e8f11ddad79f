// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the driver tells: one event a buffer, given back at once. The worker
 * reads them, the main thread acts on them.
 *
 * All of it may be lies, and come as fast as a guest can write: an event that
 * is malformed is counted and no more, and so is one beyond a rate that no
 * honest driver has.
 *
 * A back-end that was killed had not given back some buffers that it had
 * read; its successor knows them by their numbers.
 */

#include "backend.h"

#include <endian.h>
#include <string.h>
#include <time.h>

/*
 * A driver sends each type at most ten times a second. After a pause there may
 * be a ring full of them.
 */
#define EVENTS_PER_S	(16 * INTERFACE_NR_EVENTS)
#define EVENTS_AT_ONCE	256

/* Events of one pass: as many as a usual ring holds. */
#define PASS_MAX	128

_Static_assert(sizeof(struct ballonet_event) == 16, "wire");

static const uint16_t wire_types[INTERFACE_NR_EVENTS] = {
	[INTERFACE_EVENT_SHORT] = BALLONET_EV_SHORT,
	[INTERFACE_EVENT_PLENTY] = BALLONET_EV_PLENTY,
	[INTERFACE_EVENT_WISH] = BALLONET_EV_WISH,
	[INTERFACE_EVENT_FLOOR] = BALLONET_EV_FLOOR,
};

/* Returns INTERFACE_NR_EVENTS if it is none that we know. */
static enum interface_event_type type_of(const struct ballonet_event *ev)
{
	unsigned int i;

	for (i = INTERFACE_EVENT_SHORT; i < INTERFACE_NR_EVENTS; i++)
		if (wire_types[i] == le16toh(ev->type))
			break;
	return i;
}

static uint64_t now_real_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * UINT64_C(1000000) + ts.tv_nsec / 1000;
}

/* Whether it is the next one, or one after a gap. */
static bool is_news(struct backend *b, const struct state_events *now,
		    uint32_t seq)
{
	uint32_t ahead = seq - now->seq;

	if (b->again && now->has_seq && (!ahead || ahead > INT32_MAX)) {
		count(b, events_repeated);
		return false;
	}
	b->again = false;
	if (now->has_seq && ahead > 1 && ahead <= INT32_MAX)
		count_add(b, events_missed, ahead - 1);
	return true;
}

/* Notes an event, all at once: a successor may find it half done. */
static void note(struct backend *b, const struct ballonet_event *ev,
		 enum interface_event_type type)
{
	struct state *s = b->state;
	struct state_events *next = &s->events[!s->events_now];
	const struct interface_event news = {
		.vm = b->name,
		.type = type,
		.value = le64toh(ev->value),
		.seq = le32toh(ev->seq),
		.time_us = now_real_us(),
	};

	*next = s->events[s->events_now];
	next->has_seq = true;
	next->seq = news.seq;
	if (type < INTERFACE_NR_EVENTS) {
		next->last[type] = (struct state_event){
			.value = news.value,
			.time_us = news.time_us,
			.seq = news.seq,
		};
		event_log_add(&b->news, &news);
	}
	if (type == INTERFACE_EVENT_SHORT || type == INTERFACE_EVENT_PLENTY)
		next->pressure = 1 + type;
	atomic_signal_fence(memory_order_seq_cst);
	s->events_now = !s->events_now;
}

static bool is_valid(enum interface_event_type type, uint64_t value)
{
	switch (type) {
	case INTERFACE_EVENT_WISH:
		/* What num_pages can say. */
		return value % FRAME_SIZE == 0 &&
		       value >> FRAME_SHIFT <= UINT32_MAX;
	case INTERFACE_NR_EVENTS:
		return true;
	default:
		/* What JSON can say. */
		return value <= INT64_MAX;
	}
}

static void take(struct backend *b, const struct ballonet_event *ev)
{
	const struct state_events *now =
		&b->state->events[b->state->events_now];
	enum interface_event_type type = type_of(ev);
	bool dropped;

	if (ev->reserved || !is_valid(type, le64toh(ev->value))) {
		count(b, events_bad);
		return;
	}
	if (!is_news(b, now, le32toh(ev->seq)))
		return;
	dropped = !bucket_take(&b->bucket, now_ms(), EVENTS_PER_S,
			       EVENTS_AT_ONCE);
	if (dropped) {
		count(b, events_dropped);
		type = INTERFACE_NR_EVENTS;
	} else if (type == INTERFACE_NR_EVENTS) {
		count(b, events_unknown);
	} else {
		count(b, events);
	}
	pthread_mutex_lock(&b->info);
	note(b, ev, type);
	b->news.lost += dropped;
	pthread_mutex_unlock(&b->info);
	if (type < INTERFACE_NR_EVENTS)
		event_signal(b->wake_main);
}

/**
 * events_serve() - serve the ring of events
 * @b:		the back-end
 * @ring:	eventq
 * @ret_fault:	what is malformed
 *
 * Return: 1 if there may be more, 0 if not, -EPROTO if the ring is malformed.
 */
int events_serve(struct backend *b, struct ring *ring,
		 struct fault *ret_fault)
{
	struct ballonet_event ev;
	int i, n, ret;

	vring_kicks(&ring->vr, false);
	n = vring_pending(&ring->vr, ring->vr.last_avail, ret_fault);
	if (n == 0) {
		vring_kicks(&ring->vr, true);
		return vring_pending(&ring->vr, ring->vr.last_avail,
				     ret_fault);
	}
	for (i = 0; i < n && i < PASS_MAX; i++) {
		ret = vring_get(&ring->vr, ring->vr.last_avail, &b->chain,
				ret_fault);
		if (ret)
			return ret;
		if (b->chain.nr != b->chain.nr_read ||
		    b->chain.read_len != sizeof(ev) ||
		    vring_read(&b->chain, &b->regions, 0, &ev, sizeof(ev)))
			count(b, events_bad);
		else
			take(b, &ev);
		vring_put(&ring->vr, b->chain.head, 0);
	}
	return n < 0 ? n : 1;
}

/**
 * events_forget() - the driver that told them is gone
 * @b:		the back-end
 *
 * Context: main thread, the worker is paused.
 */
void events_forget(struct backend *b)
{
	struct state *s = b->state;
	const struct interface_event reset = {
		.vm = b->name,
		.type = INTERFACE_EVENT_RESET,
		.time_us = now_real_us(),
	};

	b->again = false;
	if (!s->events[s->events_now].has_seq)
		return;
	pthread_mutex_lock(&b->info);
	s->events[!s->events_now] = (struct state_events){
		.last[INTERFACE_EVENT_RESET].time_us = reset.time_us,
	};
	atomic_signal_fence(memory_order_seq_cst);
	s->events_now = !s->events_now;
	event_log_add(&b->news, &reset);
	pthread_mutex_unlock(&b->info);
	event_signal(b->wake_main);
}

/**
 * events_get() - what the driver told
 * @b:		the back-end
 * @ret_events:	all zero while there is no driver that tells
 *
 * Context: main thread.
 */
void events_get(struct backend *b, struct state_events *ret_events)
{
	unsigned int i;

	for (i = 0; i < NR_RINGS; i++)
		if (b->ring[i].running && b->ring[i].role == ROLE_EVENTS)
			break;
	if (i == NR_RINGS) {
		memset(ret_events, 0, sizeof(*ret_events));
		return;
	}
	pthread_mutex_lock(&b->info);
	*ret_events = b->state->events[b->state->events_now];
	pthread_mutex_unlock(&b->info);
}

/**
 * events_wish() - the balloon that the guest wishes for
 * @b:		the back-end
 *
 * Context: main thread.
 *
 * Return: bytes, 0 if it has no wish.
 */
uint64_t events_wish(struct backend *b)
{
	struct state_events events;

	events_get(b, &events);
	return events.last[INTERFACE_EVENT_WISH].value;
}

/**
 * events_pack() - the last event of each type, as JSON
 * @b:		the back-end
 *
 * Return: an array of Event, a new reference.
 */
json_t *events_pack(struct backend *b)
{
	json_t *list = json_array();
	struct state_events events;
	unsigned int i;

	events_get(b, &events);
	for (i = 0; i < INTERFACE_NR_EVENTS; i++) {
		const struct interface_event event = {
			.vm = b->name,
			.type = i,
			.value = events.last[i].value,
			.seq = events.last[i].seq,
			.time_us = events.last[i].time_us,
		};

		if (event.time_us)
			json_array_append_new(list,
					      interface_event_pack(&event));
	}
	return list;
}
