// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Events: what the guest tells the host without being asked, on eventq
 * (BALLONET_F_EVENTS). Knows nothing of what they mean, but that SHORT and
 * PLENTY take each other's place.
 *
 * An event is sent where it happens, in whatever context that is: a guest in
 * trouble may not find the time to run a worker. There are a few buffers, and
 * for each type one value: the newest. What may not go yet, because of the
 * limit or because the host has all buffers, waits there; so a flood of events
 * and a host that never returns a buffer both cost nothing.
 */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio.h>

#include "internal.h"
#include "trace.h"

/* At most one event of a type in this time. */
#define GAP_MS	100

static_assert(BALLONET_EVENT_BUFS <= BITS_PER_LONG);

static void buffers_reap(struct ballonet_events *ev)
{
	struct ballonet_event *event;
	unsigned int len;

	while ((event = virtqueue_get_buf(ev->vq, &len)))
		ev->idle |= BIT(event - ev->bufs);
}

static bool event_add(struct ballonet_events *ev, u16 type, u64 value)
{
	unsigned int i = ffs(ev->idle);
	struct ballonet_event *event;
	struct scatterlist sg;

	if (!i)
		return false;
	event = &ev->bufs[i - 1];
	event->type = cpu_to_le16(type);
	event->reserved = 0;
	event->seq = cpu_to_le32(ev->seq);
	event->value = cpu_to_le64(value);
	sg_init_one(&sg, event, sizeof(*event));
	if (virtqueue_add_outbuf(ev->vq, &sg, 1, event, GFP_ATOMIC))
		return false;
	ev->idle &= ~BIT(i - 1);
	trace_ballonet_event(ev->bal, type, ev->seq, value);
	ballonet_count(ev->bal, BALLONET_C_EVENT, 1);
	ev->seq++;
	return true;
}

/* Send what is due, and have the timer send what is not. */
static void events_send(struct ballonet_events *ev)
{
	u64 now = get_jiffies_64(), wait = U64_MAX;
	bool added = false;
	unsigned int type;

	buffers_reap(ev);
	for (type = 0; type < ARRAY_SIZE(ev->slot); type++) {
		struct ballonet_event_slot *slot = &ev->slot[type];

		if (!slot->waits)
			continue;
		if (time_before64(now, slot->not_before)) {
			wait = min(wait, slot->not_before - now);
			continue;
		}
		/* If not, the next buffer that comes back takes it. */
		if (!event_add(ev, type, slot->value))
			continue;
		slot->waits = false;
		/* The jiffy that has begun does not count. */
		slot->not_before = now + msecs_to_jiffies(GAP_MS) + 1;
		added = true;
	}
	if (wait != U64_MAX)
		mod_delayed_work(ev->bal->wq, &ev->timer, wait);
	if (added)
		virtqueue_kick(ev->vq);
}

static void timer_work(struct work_struct *work)
{
	struct ballonet_events *ev =
		container_of(work, struct ballonet_events, timer.work);
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	if (ev->vq)
		events_send(ev);
	spin_unlock_irqrestore(&ev->lock, flags);
}

/**
 * ballonet_events_callback() - the host returned a buffer
 * @vq:		eventq
 *
 * Context: interrupt.
 */
void ballonet_events_callback(struct virtqueue *vq)
{
	struct ballonet *bal = vq->vdev->priv;
	struct ballonet_events *ev = &bal->events;
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	if (ev->vq == vq)
		events_send(ev);
	spin_unlock_irqrestore(&ev->lock, flags);
}

/**
 * ballonet_event_post() - tell the host, now or as soon as the limit allows
 * @bal:	the balloon
 * @type:	a BALLONET_EV_ number
 * @value:	as the type says
 *
 * Nothing happens if the host does not listen or the device is down.
 *
 * Context: any.
 */
void ballonet_event_post(struct ballonet *bal, u16 type, u64 value)
{
	struct ballonet_events *ev = &bal->events;
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	if (ev->vq) {
		ev->slot[type].value = value;
		ev->slot[type].waits = true;
		if (type == BALLONET_EV_SHORT)
			ev->slot[BALLONET_EV_PLENTY].waits = false;
		if (type == BALLONET_EV_PLENTY)
			ev->slot[BALLONET_EV_SHORT].waits = false;
		events_send(ev);
	}
	spin_unlock_irqrestore(&ev->lock, flags);
}

/**
 * ballonet_event_wish() - tell the host what sysfs wishes for
 * @bal:	the balloon
 *
 * Context: any.
 */
void ballonet_event_wish(struct ballonet *bal)
{
	ballonet_event_post(bal, BALLONET_EV_WISH,
			    READ_ONCE(bal->target) << BALLONET_FRAME_SHIFT);
}

/**
 * ballonet_events_init() - allocate the buffers
 * @bal:	the balloon
 *
 * Return: 0 or -ENOMEM.
 */
int ballonet_events_init(struct ballonet *bal)
{
	struct ballonet_events *ev = &bal->events;

	ev->bal = bal;
	spin_lock_init(&ev->lock);
	INIT_DELAYED_WORK(&ev->timer, timer_work);
	ev->bufs = kcalloc(BALLONET_EVENT_BUFS, sizeof(*ev->bufs), GFP_KERNEL);
	return ev->bufs ? 0 : -ENOMEM;
}

/**
 * ballonet_events_deinit() - free the buffers
 * @bal:	the balloon of a device that is down
 */
void ballonet_events_deinit(struct ballonet *bal)
{
	kfree(bal->events.bufs);
}

/**
 * ballonet_events_start() - events can be sent, and a wish is sent again
 * @bal:	the balloon of a device that is ready
 */
void ballonet_events_start(struct ballonet *bal)
{
	struct ballonet_events *ev = &bal->events;
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	memset(ev->slot, 0, sizeof(ev->slot));
	ev->seq = 0;
	ev->idle = GENMASK(BALLONET_EVENT_BUFS - 1, 0);
	ev->vq = bal->eventq;
	spin_unlock_irqrestore(&ev->lock, flags);
	if (READ_ONCE(bal->target))
		ballonet_event_wish(bal);
}

/**
 * ballonet_events_stop() - nothing is sent any more
 * @bal:	the balloon
 *
 * What the host has not returned is the driver's again after a reset.
 *
 * Context: may sleep.
 */
void ballonet_events_stop(struct ballonet *bal)
{
	struct ballonet_events *ev = &bal->events;
	unsigned long flags;

	spin_lock_irqsave(&ev->lock, flags);
	ev->vq = NULL;
	spin_unlock_irqrestore(&ev->lock, flags);
	cancel_delayed_work_sync(&ev->timer);
}
