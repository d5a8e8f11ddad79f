// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pressure: memory goes back to the guest before the guest suffers. Only where
 * the host allows it (VIRTIO_BALLOON_F_DEFLATE_ON_OOM).
 *
 * Two sensors, one answer. Page reclaim asks its shrinkers when it has work to
 * do: the balloon answers only when less than half the floor is available, and
 * does not make reclaim wait. The OOM notifier comes before a
 * process is killed, and waits for the memory to be there, with a bound.
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

/* Given back at a time: 64 MiB, or an eighth of the balloon if that is more. */
#define RELIEF_FRAMES		16384
#define RELIEF_FRACTION		8
/* How long the allocating process waits for the host, at most. */
#define RELIEF_MS		1000
/* Reclaim asks often; what was given has to arrive first. */
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
	frames = bal->given;
	spin_unlock_irqrestore(&bal->lock, flags);
	return frames;
}

/* What the guest could have back, with what is on its way to the host. */
static u64 balloon_size(struct ballonet *bal)
{
	return ballonet_engine_actual(bal) +
	       READ_ONCE(bal->inflateq.in_flight_frames);
}

/*
 * Have the engine give something back, and keep it down for a while. Returns
 * the frames that will come: none while the last ones settle, unless @urgent.
 */
static u64 relieve(struct ballonet *bal, bool urgent)
{
	u64 size = balloon_size(bal);
	unsigned long now = jiffies, flags;
	u64 relief;

	relief = min(size, max_t(u64, RELIEF_FRAMES, size / RELIEF_FRACTION));
	spin_lock_irqsave(&bal->lock, flags);
	if (!urgent &&
	    time_before(now, bal->relieved + msecs_to_jiffies(SETTLE_MS)))
		relief = 0;
	if (relief) {
		unsigned long quiet = bal->ceiling_until +
				      msecs_to_jiffies(bal->pause_ms);

		if (bal->ceiling == U64_MAX)
			bal->pause_ms = time_before(now, quiet) ?
					min(2 * bal->pause_ms, PAUSE_MAX_MS) :
					PAUSE_MIN_MS;
		bal->relieved = now;
		bal->ceiling = size - relief;
		bal->ceiling_until = now + msecs_to_jiffies(bal->pause_ms);
	}
	spin_unlock_irqrestore(&bal->lock, flags);
	if (relief) {
		ballonet_count(bal, urgent ? BALLONET_C_RELIEF_OOM :
					     BALLONET_C_RELIEF_SHRINKER, 1);
		ballonet_count(bal, BALLONET_C_RELIEF_FRAMES, relief);
		ballonet_engine_kick(bal);
	}
	return relief;
}

static int oom_notify(struct notifier_block *nb, unsigned long unused,
		      void *ret_freed)
{
	struct ballonet *bal = container_of(nb, struct ballonet, oom_nb);
	unsigned long *freed = ret_freed;
	u64 before = given(bal);
	u64 relief = relieve(bal, true);

	if (relief && !wait_event_timeout(bal->answer_wq,
					  given(bal) - before >= relief,
					  msecs_to_jiffies(RELIEF_MS)))
		ballonet_count(bal, BALLONET_C_RELIEF_TIMEOUT, 1);
	*freed += given(bal) - before;
	return NOTIFY_OK;
}

static unsigned long shrink_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	struct ballonet *bal = ballonet_shrinker_data(shrinker);
	long available = si_mem_available();

	/* Below half of it something other than the balloon took the rest. */
	if (available > 0 && available > READ_ONCE(bal->floor) / 2)
		return 0;
	return ballonet_engine_actual(bal);
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

	if (!bal->deflate_on_oom)
		return 0;
	bal->pause_ms = PAUSE_MIN_MS;
	bal->relieved = jiffies - msecs_to_jiffies(SETTLE_MS);
	bal->ceiling_until = jiffies - msecs_to_jiffies(PAUSE_MIN_MS);
	bal->oom_nb.notifier_call = oom_notify;
	bal->oom_nb.priority = OOM_PRIORITY;
	rc = register_oom_notifier(&bal->oom_nb);
	if (rc)
		return rc;
	rc = ballonet_shrinker_start(&bal->shrinker, bal, shrink_count,
				     shrink_scan);
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
	if (!bal->deflate_on_oom)
		return;
	ballonet_shrinker_stop(&bal->shrinker);
	unregister_oom_notifier(&bal->oom_nb);
}
