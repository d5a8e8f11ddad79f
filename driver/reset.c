// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device that cannot go on says so in its status: DEVICE_NEEDS_RESET, VIRTIO
 * 1.3, section 2.1.2. Then the driver resets it and starts anew: all that was
 * in the balloon is the guest's, and the engine goes on towards the target. Not
 * without end: a device that breaks again and again is left alone.
 */
#include <linux/jiffies.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "internal.h"

/* The first reset comes after this, the next ones after twice the time. */
#define RESET_MS	500
#define RESETS_MAX	5
/* After this time without one, counting starts again. */
#define RESET_QUIET_MS	60000

/* All ones are no status: there is no device any more. */
static bool needs_reset(struct ballonet *bal)
{
	u8 status = bal->vdev->config->get_status(bal->vdev);

	return status != 0xff && status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* What the core does before it calls a driver's probe(). */
static int device_negotiate(struct virtio_device *vdev)
{
	int rc;

	virtio_add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER);
	rc = vdev->config->finalize_features(vdev);
	if (rc)
		return rc;
	virtio_add_status(vdev, VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK))
		return -ENODEV;
	return 0;
}

static void reset_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet,
					    reset_work.work);
	int rc;

	/* The guest slept meanwhile, and it was reset for that. */
	if (!needs_reset(bal))
		return;
	ballonet_device_down(bal);
	rc = device_negotiate(bal->vdev);
	if (!rc)
		rc = ballonet_device_up(bal);
	if (rc) {
		virtio_add_status(bal->vdev, VIRTIO_CONFIG_S_FAILED);
		dev_err(&bal->vdev->dev,
			"device does not start again: error %d\n", rc);
	}
}

/* Returns false if it is due already, or has been reset too often. */
static bool reset_soon(struct ballonet *bal)
{
	unsigned long flags;
	bool soon;

	spin_lock_irqsave(&bal->lock, flags);
	if (time_after(jiffies, bal->reset_last +
				msecs_to_jiffies(RESET_QUIET_MS)))
		bal->resets = 0;
	soon = !bal->reset_never && bal->resets < RESETS_MAX &&
	       queue_delayed_work(bal->wq, &bal->reset_work,
				  msecs_to_jiffies(RESET_MS << bal->resets));
	if (soon) {
		bal->resets++;
		bal->reset_last = jiffies;
	}
	spin_unlock_irqrestore(&bal->lock, flags);
	return soon;
}

/**
 * ballonet_reset_check() - have a device reset that asks for it
 * @bal:	the balloon
 *
 * Only looks when the device has announced something.
 *
 * Context: the engine's.
 * Return: whether it asks.
 */
bool ballonet_reset_check(struct ballonet *bal)
{
	if (!atomic_read(&bal->config_dirty) || bal->stopping ||
	    !needs_reset(bal))
		return false;
	if (reset_soon(bal))
		dev_warn(&bal->vdev->dev, "device asks for a reset\n");
	else if (bal->state != BALLONET_BROKEN)
		dev_err(&bal->vdev->dev,
			"device asks for a reset once more; unbind and bind the driver\n");
	return true;
}

/**
 * ballonet_reset_init() - none yet
 * @bal:	the balloon
 */
void ballonet_reset_init(struct ballonet *bal)
{
	INIT_DELAYED_WORK(&bal->reset_work, reset_work);
	bal->reset_last = jiffies;
}

/**
 * ballonet_reset_stop() - none any more
 * @bal:	the balloon
 *
 * Context: may sleep.
 */
void ballonet_reset_stop(struct ballonet *bal)
{
	unsigned long flags;

	spin_lock_irqsave(&bal->lock, flags);
	bal->reset_never = true;
	spin_unlock_irqrestore(&bal->lock, flags);
	cancel_delayed_work_sync(&bal->reset_work);
}
