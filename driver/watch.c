// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watch: notices that the guest is short of memory, tells the host
 * (BALLONET_F_EVENTS), and tells it when that is over.
 *
 * What raises the alarm:
 *
 * - page reclaim, which asks the balloon's shrinker when less than half the
 *   floor is available, and the OOM notifier (pressure.c). At once, for free;
 * - a trigger of the kernel's pressure stall information that a program of the
 *   guest has armed (psi.c). At once, for free. Modules cannot read PSI;
 * - samples of what is available and, near the floor, of the kernel's event
 *   counters, for what comes slowly.
 *
 * What samples cost: nothing while the balloon is empty, for then there is
 * nothing that the host could give back. Otherwise a look at what is available,
 * some ten counters, once a second. Near the floor twenty times, so that the
 * host knows within 100 ms, and with the event counters, a few hundred bytes
 * for each processor: microseconds, less than a thousandth of one processor.
 * The timer is deferrable: a guest that sleeps is not woken, and does not get
 * shorter of memory either. Where a PSI trigger is armed, the event counters
 * stay alone: it measures the same, and better.
 *
 * While the guest is short, the timer is an ordinary one, or an idle guest
 * would not tell that it has plenty.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/vmstat.h>

#include "internal.h"

/* Between samples: near the floor or short of memory, and otherwise. */
#define NEAR_MS		50
#define FAR_MS		1000
/* Without any alarm for this long, shortage can be over. */
#define QUIET_MS	2000
/* Alarms come in floods, one for each try of reclaim: this often is enough. */
#define ALARM_MS	50

static u64 available(void)
{
	return max(si_mem_available(), 0L);
}

/* What the host could give back, with what is on its way to it. */
static bool balloon_empty(struct ballonet *bal)
{
	return !ballonet_engine_actual(bal) &&
	       !READ_ONCE(bal->inflateq.in_flight_frames);
}

static bool passed(unsigned long since, unsigned int ms)
{
	return time_after_eq(jiffies, since + msecs_to_jiffies(ms));
}

static void again(struct ballonet *bal, struct delayed_work *work,
		  unsigned int ms)
{
	queue_delayed_work(bal->wq, work, msecs_to_jiffies(ms));
}

/**
 * ballonet_watch_alarm() - the guest is short of memory
 * @bal:	the balloon
 *
 * The host is told at once, and again while it lasts and there is a balloon.
 *
 * Context: any.
 */
void ballonet_watch_alarm(struct ballonet *bal)
{
	struct ballonet_watch *watch = &bal->watch;
	unsigned long flags;
	bool empty;

	if (!READ_ONCE(watch->on) ||
	    (READ_ONCE(watch->is_short) &&
	     !passed(READ_ONCE(watch->alarmed), ALARM_MS)))
		return;
	empty = balloon_empty(bal);
	spin_lock_irqsave(&watch->lock, flags);
	if (watch->on) {
		WRITE_ONCE(watch->alarmed, jiffies);
		if (!watch->is_short || !empty)
			ballonet_event_post(bal, BALLONET_EV_SHORT,
					    available() << PAGE_SHIFT);
		if (!watch->is_short)
			again(bal, &watch->alert, NEAR_MS);
		WRITE_ONCE(watch->is_short, true);
	}
	spin_unlock_irqrestore(&watch->lock, flags);
}

/* Returns whether it is over, and tells so. */
static bool calm_down(struct ballonet *bal)
{
	struct ballonet_watch *watch = &bal->watch;
	u64 now = available();
	unsigned long flags;
	bool over = false;

	spin_lock_irqsave(&watch->lock, flags);
	/* An alarm may have come meanwhile. */
	if (watch->on && passed(watch->alarmed, QUIET_MS) &&
	    ballonet_short_ends(now, READ_ONCE(bal->floor))) {
		WRITE_ONCE(watch->is_short, false);
		ballonet_event_post(bal, BALLONET_EV_PLENTY, now << PAGE_SHIFT);
		over = true;
	}
	spin_unlock_irqrestore(&watch->lock, flags);
	return over;
}

static void sample_take(struct ballonet *bal, struct ballonet_sample *sample)
{
	*sample = (struct ballonet_sample){ .available = available() };
	if (ballonet_short_near(sample->available, READ_ONCE(bal->floor)) &&
	    !ballonet_psi_armed(bal))
		ballonet_stats_sample(sample);
}

/* Returns whether the guest is near its floor. */
static bool look(struct ballonet *bal)
{
	struct ballonet_watch *watch = &bal->watch;
	u64 floor = READ_ONCE(bal->floor);
	struct ballonet_sample sample;
	unsigned long flags;
	bool begins;

	sample_take(bal, &sample);
	spin_lock_irqsave(&watch->lock, flags);
	begins = ballonet_short_begins(&watch->last, &sample, floor);
	watch->last = sample;
	spin_unlock_irqrestore(&watch->lock, flags);
	if (begins)
		ballonet_watch_alarm(bal);
	return ballonet_short_near(sample.available, floor);
}

/* There may be a balloon: have an eye on the guest. */
static void watch_look(struct ballonet *bal)
{
	struct ballonet_watch *watch = &bal->watch;
	unsigned long flags;

	if (balloon_empty(bal))
		return;
	spin_lock_irqsave(&watch->lock, flags);
	if (watch->on && !watch->is_short)
		again(bal, &watch->calm, NEAR_MS);
	spin_unlock_irqrestore(&watch->lock, flags);
}

static void calm_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet,
					    watch.calm.work);
	bool near = look(bal);

	if (!READ_ONCE(bal->watch.is_short) && !balloon_empty(bal))
		again(bal, &bal->watch.calm, near ? NEAR_MS : FAR_MS);
}

static void alert_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet,
					    watch.alert.work);
	struct ballonet_watch *watch = &bal->watch;

	look(bal);
	if (calm_down(bal))
		watch_look(bal);
	else
		again(bal, &watch->alert,
		      passed(READ_ONCE(watch->alarmed), QUIET_MS) ? FAR_MS :
								    NEAR_MS);
}

/* What the floor keeps from the host: told each time that it changes. */
static void floor_tell(struct ballonet *bal)
{
	u64 have = ballonet_engine_actual(bal) +
		   READ_ONCE(bal->inflateq.in_flight_frames);
	u64 missing = bal->host_target > have ? bal->host_target - have : 0;

	if (missing && missing != bal->missing)
		ballonet_event_post(bal, BALLONET_EV_FLOOR,
				    missing << BALLONET_FRAME_SHIFT);
	bal->missing = missing;
}

/**
 * ballonet_watch_pass() - see what became of a pass of the engine
 * @bal:	the balloon
 * @state:	how it ended
 *
 * Context: engine.
 */
void ballonet_watch_pass(struct ballonet *bal, enum ballonet_state state)
{
	if (state == BALLONET_FLOOR)
		floor_tell(bal);
	if (state == BALLONET_FLOOR || state == BALLONET_NOMEM ||
	    state == BALLONET_PRESSURE)
		WRITE_ONCE(bal->fell_short_ns, ktime_get_boottime_ns());
	watch_look(bal);
}

/**
 * ballonet_watch_init() - before the first start
 * @bal:	the balloon
 */
void ballonet_watch_init(struct ballonet *bal)
{
	spin_lock_init(&bal->watch.lock);
	INIT_DEFERRABLE_WORK(&bal->watch.calm, calm_work);
	INIT_DELAYED_WORK(&bal->watch.alert, alert_work);
}

/**
 * ballonet_watch_start() - watch, if there is a host that listens
 * @bal:	the balloon of a device that is ready
 */
void ballonet_watch_start(struct ballonet *bal)
{
	struct ballonet_watch *watch = &bal->watch;
	unsigned long flags;

	spin_lock_irqsave(&watch->lock, flags);
	watch->last.counted = false;
	watch->is_short = false;
	WRITE_ONCE(watch->on, bal->eventq);
	bal->missing = 0;
	spin_unlock_irqrestore(&watch->lock, flags);
}

/**
 * ballonet_watch_stop() - no more samples and alarms
 * @bal:	the balloon
 *
 * Context: may sleep.
 */
void ballonet_watch_stop(struct ballonet *bal)
{
	struct ballonet_watch *watch = &bal->watch;
	unsigned long flags;

	spin_lock_irqsave(&watch->lock, flags);
	WRITE_ONCE(watch->on, false);
	spin_unlock_irqrestore(&watch->lock, flags);
	/* Each may queue itself once more, not the other. */
	cancel_delayed_work_sync(&watch->alert);
	cancel_delayed_work_sync(&watch->calm);
}
