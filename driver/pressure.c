// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pressure: memory goes back to the guest before the guest suffers. All of it
 * where the host allows that (VIRTIO_BALLOON_F_DEFLATE_ON_OOM), elsewhere what
 * the balloon has beyond the host's target.
 *
 * Two sensors, one answer. Page reclaim asks its shrinkers when it has work to
 * do: the balloon answers only when less than half the floor is available, and
 * does not make reclaim wait. The OOM notifier comes before a
 * process is killed, and waits for the memory to be there, with a bound.
 *
 * How fast memory is used up is not known, so each relief soon after another
 * is twice as large: a guest that takes gibibytes a second has all of its
 * balloon after a few, and one that is a little short keeps the host's share.
 *
 * Either lowers the balloon's ceiling, for a pause that doubles each time it
 * was too short and starts again small after a quiet while, so that balloon
 * and guest do not fight.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/shrinker.h>
#include <linux/wait.h>

#include "internal.h"

/* Given back first: 64 MiB, or an eighth of the balloon if that is more. */
#define RELIEF_FRAMES		16384
#define RELIEF_FRACTION		8
/* A relief so soon after another is twice as large. */
#define STREAK_MS		1000
/*
 * A balloon costs nothing to have again. Reclaim then asks on its first pass;
 * else it would put us off, and swap meanwhile.
 */
#define RELIEF_SEEKS		0
/*
 * How long the allocating process waits for the host, at most: it is killed
 * next, so even a host that swaps is worth waiting for.
 */
#define RELIEF_MS		5000
/*
 * Reclaim asks often; what was given has to arrive first. A host so slow is
 * asked for more meanwhile.
 */
#define SETTLE_MS		100
/* No inflating for this long afterwards. */
#define PAUSE_MIN_MS		5000
#define PAUSE_MAX_MS		160000
/* As Linux's own driver: before others that listen, they have less to give. */
#define OOM_PRIORITY		80

static u64 given(struct ballonet *bal)
{
	unsigned long flags;
	u64 frames;

	spin_lock_irqsave(&bal->lock, flags);
	frames = bal->given + bal->report_over;
	spin_unlock_irqrestore(&bal->lock, flags);
	return frames;
}

/* All that the guest could have back, with what is on its way to the host. */
static u64 balloon_size(struct ballonet *bal)
{
	return ballonet_engine_actual(bal) +
	       READ_ONCE(bal->inflateq.in_flight_frames);
}

/* What the standard leaves with the host, whatever happens. */
static u64 balloon_least(struct ballonet *bal)
{
	return bal->deflate_on_oom ? 0 : READ_ONCE(bal->host_target);
}

/* bal->lock is held. */
static u64 relief_size(struct ballonet *bal, u64 most, unsigned long now)
{
	u64 relief = max_t(u64, RELIEF_FRAMES, most / RELIEF_FRACTION);

	if (time_before(now, bal->relieved + msecs_to_jiffies(STREAK_MS)))
		relief = max(relief, 2 * bal->relief);
	return min(relief, most);
}

/* bal->lock is held. No inflating above @frames for a while. */
static void ceiling_lower(struct ballonet *bal, u64 frames, unsigned long now)
{
	unsigned long quiet = bal->ceiling_until +
			      msecs_to_jiffies(bal->pause_ms);

	if (bal->ceiling == U64_MAX)
		bal->pause_ms = time_before(now, quiet) ?
				min(2 * bal->pause_ms, PAUSE_MAX_MS) :
				PAUSE_MIN_MS;
	bal->ceiling = frames;
	bal->ceiling_until = now + msecs_to_jiffies(bal->pause_ms);
}

/*
 * Have the engine give something back, and keep it down for a while; nothing
 * while the last relief is on its way, unless @urgent.
 */
static void relieve(struct ballonet *bal, bool urgent)
{
	u64 size = balloon_size(bal), least = balloon_least(bal);
	unsigned long now = jiffies, flags;
	u64 relief = 0;

	spin_lock_irqsave(&bal->lock, flags);
	if (size > least &&
	    (urgent || bal->given >= bal->relief_due ||
	     time_after_eq(now, bal->relieved + msecs_to_jiffies(SETTLE_MS)))) {
		relief = relief_size(bal, size - least, now);
		ceiling_lower(bal, size - relief, now);
		bal->relieved = now;
		bal->reliefs++;
		bal->relief = relief;
		bal->relief_due = bal->given + relief;
	}
	spin_unlock_irqrestore(&bal->lock, flags);
	if (relief) {
		ballonet_count(bal, urgent ? BALLONET_C_RELIEF_OOM :
					     BALLONET_C_RELIEF_SHRINKER, 1);
		ballonet_count(bal, BALLONET_C_RELIEF_FRAMES, relief);
		ballonet_engine_kick(bal);
	}
}

static bool relief_arrived(struct ballonet *bal)
{
	unsigned long flags;
	bool arrived;

	spin_lock_irqsave(&bal->lock, flags);
	arrived = bal->given >= bal->relief_due;
	spin_unlock_irqrestore(&bal->lock, flags);
	return arrived;
}

/* Up to 128 MiB are out of sight while the host is shown them. */
static void report_await(struct ballonet *bal)
{
	if (!wait_event_timeout(bal->answer_wq, !READ_ONCE(bal->report_out),
				msecs_to_jiffies(RELIEF_MS)))
		WRITE_ONCE(bal->report_out, false);
}

static int oom_notify(struct notifier_block *nb, unsigned long unused,
		      void *ret_freed)
{
	struct ballonet *bal = container_of(nb, struct ballonet, oom_nb);
	unsigned long *freed = ret_freed;
	u64 now;
	long left;

	/* At once, and without the host, which need not hear of it. */
	now = ballonet_standby_rescue(bal);
	if (now) {
		*freed += now;
		return NOTIFY_OK;
	}
	ballonet_watch_alarm(bal);
	relieve(bal, true);
	/* Also for what page reclaim made us give, if that was the last. */
	left = READ_ONCE(bal->relieved) + msecs_to_jiffies(RELIEF_MS) - jiffies;
	if (left > 0 &&
	    !wait_event_timeout(bal->answer_wq, relief_arrived(bal), left))
		ballonet_count(bal, BALLONET_C_RELIEF_TIMEOUT, 1);
	/*
	 * Who runs out now has not tried what came since the last call, even
	 * if it came before this one. The kernel calls one at a time.
	 */
	now = given(bal);
	if (now == bal->oom_given) {
		report_await(bal);
		now = given(bal);
	}
	*freed += now - bal->oom_given;
	bal->oom_given = now;
	return NOTIFY_OK;
}

static unsigned long shrink_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct ballonet *bal = ballonet_shrinker_data(shrinker);
	u64 size = balloon_size(bal), least = balloon_least(bal);
	long available = si_mem_available();

	/* Below half of it something other than the balloon took the rest. */
	if (available > 0 && available > READ_ONCE(bal->floor) / 2)
		return 0;
	ballonet_watch_alarm(bal);
	return size > least ? size - least : 0;
}

static unsigned long shrink_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	/* The frames come when the host has answered: nothing was freed yet. */
	relieve(ballonet_shrinker_data(shrinker), false);
	return SHRINK_STOP;
}

/**
 * ballonet_pressure_start() - stand by
 * @bal:	the balloon
 *
 * Return: 0 or a negative error.
 */
int ballonet_pressure_start(struct ballonet *bal)
{
	int rc;

	bal->pause_ms = PAUSE_MIN_MS;
	bal->relieved = jiffies - msecs_to_jiffies(STREAK_MS);
	bal->ceiling_until = jiffies - msecs_to_jiffies(PAUSE_MIN_MS);
	bal->oom_nb.notifier_call = oom_notify;
	bal->oom_nb.priority = OOM_PRIORITY;
	rc = register_oom_notifier(&bal->oom_nb);
	if (rc)
		return rc;
	rc = ballonet_shrinker_start(&bal->shrinker, bal, shrink_count,
				     shrink_scan, RELIEF_SEEKS);
	if (rc)
		unregister_oom_notifier(&bal->oom_nb);
	return rc;
}

/**
 * ballonet_pressure_stop() - no more
 * @bal:	the balloon
 */
void ballonet_pressure_stop(struct ballonet *bal)
{
	ballonet_shrinker_stop(&bal->shrinker);
	unregister_oom_notifier(&bal->oom_nb);
}
