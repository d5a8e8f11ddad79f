// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hibernation: the kernel makes a copy of all that is in use before it stops
 * the devices, and it reads one back into free memory. Both want memory that
 * the balloon has, and what is short is swapped out first. So the balloon is
 * given back before, and kept down until the guest runs again.
 *
 * Sleeping with its memory in place needs nothing of this: freeze() and
 * restore() of the driver are enough (main.c).
 */
#include <linux/jiffies.h>
#include <linux/suspend.h>
#include <linux/wait.h>

#include "internal.h"

/* How long hibernation waits for the host. */
#define EMPTY_MS	5000

static bool empty(struct ballonet *bal)
{
	return !ballonet_engine_actual(bal) &&
	       !READ_ONCE(bal->inflateq.in_flight);
}

static int sleep_notify(struct notifier_block *nb, unsigned long event,
			void *unused)
{
	struct ballonet *bal = container_of(nb, struct ballonet, sleep_nb);

	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		WRITE_ONCE(bal->asleep, true);
		ballonet_standby_release(bal, U64_MAX);
		ballonet_engine_kick(bal);
		/* Without a host's help it is only more work. */
		wait_event_timeout(bal->answer_wq, empty(bal),
				   msecs_to_jiffies(EMPTY_MS));
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		WRITE_ONCE(bal->asleep, false);
		ballonet_engine_kick(bal);
	}
	return NOTIFY_DONE;
}

/**
 * ballonet_sleep_start() - give way to hibernation
 * @bal:	the balloon
 *
 * Return: 0 or a negative error.
 */
int ballonet_sleep_start(struct ballonet *bal)
{
	bal->sleep_nb.notifier_call = sleep_notify;
	return register_pm_notifier(&bal->sleep_nb);
}

/**
 * ballonet_sleep_stop() - no more
 * @bal:	the balloon
 */
void ballonet_sleep_stop(struct ballonet *bal)
{
	unregister_pm_notifier(&bal->sleep_nb);
}
