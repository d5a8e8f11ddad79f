// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The last line of defence: before the guest kills a process for want of
 * memory, the balloon gives some back. Only where the host allows it
 * (VIRTIO_BALLOON_F_DEFLATE_ON_OOM); the floor is what keeps it from
 * coming to this.
 */
#include <linux/jiffies.h>
#include <linux/oom.h>
#include <linux/wait.h>

#include "internal.h"

/* Given back at a time: 64 MiB, or an eighth of the balloon if that is more. */
#define RELIEF_FRAMES		16384
#define RELIEF_FRACTION		8
/* How long the allocating process waits for the host, at most. */
#define RELIEF_MS		1000
/* No inflating for this long afterwards. */
#define PAUSE_MS		10000

static u64 given(struct ballonet *bal)
{
	unsigned long flags;
	u64 frames;

	spin_lock_irqsave(&bal->lock, flags);
	frames = bal->given;
	spin_unlock_irqrestore(&bal->lock, flags);
	return frames;
}

/* As Linux's own driver: before others that listen, they have less to give. */
#define OOM_PRIORITY		80

static int oom_notify(struct notifier_block *nb, unsigned long unused,
		      void *ret_freed)
{
	struct ballonet *bal = container_of(nb, struct ballonet, oom_nb);
	u64 actual = ballonet_engine_actual(bal);
	u64 before = given(bal);
	unsigned long *freed = ret_freed;
	unsigned long flags;
	u64 relief;

	relief = min(actual, max_t(u64, RELIEF_FRAMES,
				   actual / RELIEF_FRACTION));
	if (!relief)
		return NOTIFY_OK;
	spin_lock_irqsave(&bal->lock, flags);
	bal->ceiling = actual - relief;
	bal->ceiling_until = jiffies + msecs_to_jiffies(PAUSE_MS);
	spin_unlock_irqrestore(&bal->lock, flags);
	ballonet_engine_kick(bal);
	wait_event_timeout(bal->answer_wq, given(bal) - before >= relief,
			   msecs_to_jiffies(RELIEF_MS));
	*freed += given(bal) - before;
	return NOTIFY_OK;
}

/**
 * ballonet_oom_register() - stand by
 * @bal:	the balloon
 *
 * Return: 0 or a negative error.
 */
int ballonet_oom_register(struct ballonet *bal)
{
	if (!bal->deflate_on_oom)
		return 0;
	bal->oom_nb.notifier_call = oom_notify;
	bal->oom_nb.priority = OOM_PRIORITY;
	return register_oom_notifier(&bal->oom_nb);
}

/**
 * ballonet_oom_unregister() - no more
 * @bal:	the balloon
 */
void ballonet_oom_unregister(struct ballonet *bal)
{
	if (bal->deflate_on_oom)
		unregister_oom_notifier(&bal->oom_nb);
}
