// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device that cannot go on says so in its status: DEVICE_NEEDS_RESET, VIRTIO
 * 1.3, section 2.1.2. One that broke the protocol cannot go on either, whatever
 * it says. Then the driver resets it and starts anew: all that was in the
 * balloon is the guest's, and the engine goes on towards the target. Not
 * without end: a device that breaks again and again is left alone.
 */
#include <linux/bits.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "internal.h"

/* The first reset comes after this, the next ones after twice the time. */
#define RESET_MS	500
#define RESET_DOUBLINGS	6
/* After this time without one, counting starts again. */
#define RESET_QUIET_MS	60000

static unsigned int resets = 5;
module_param(resets, uint, 0644);
MODULE_PARM_DESC(resets, "how often in a row a broken device is reset (default 5; 0: it stays broken until the driver is bound anew)");

/* All ones are no status: there is no device any more. */
static bool needs_reset(struct ballonet *bal)
{
	u8 status = bal->vdev->config->get_status(bal->vdev);

	return status != 0xff && status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/*
 * What the core does before it calls a driver's probe(). The transport chooses
 * among its features anew, and may have forgotten some of the first time: with
 * what is left User-Mode Linux does not start its rings.
 */
static int device_negotiate(struct virtio_device *vdev)
{
	u64 offered[VIRTIO_FEATURES_U64S];
	unsigned int bit;
	int rc;

	virtio_add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER);
	virtio_get_features(vdev, offered);
	for (bit = VIRTIO_TRANSPORT_F_START; bit < VIRTIO_TRANSPORT_F_END;
	     bit++)
		if (offered[0] & BIT_ULL(bit))
			__virtio_set_bit(vdev, bit);
	ballonet_features_drop(vdev);
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
	if (READ_ONCE(bal->state) != BALLONET_BROKEN && !needs_reset(bal))
		return;
	/* Or it would ask for the next one. */
	ballonet_engine_stop(bal);
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

/**
 * ballonet_reset_soon() - have a broken device reset
 * @bal:	the balloon
 *
 * Unless that is due already, or it was reset too often.
 *
 * Context: the engine's.
 */
void ballonet_reset_soon(struct ballonet *bal)
{
	unsigned int most = READ_ONCE(resets), nr, ms = 0;
	unsigned long flags;

	spin_lock_irqsave(&bal->lock, flags);
	if (time_after(jiffies, bal->reset_last +
				msecs_to_jiffies(RESET_QUIET_MS)))
		bal->resets = 0;
	nr = bal->resets;
	if (!bal->reset_never && nr < most &&
	    !delayed_work_pending(&bal->reset_work)) {
		ms = RESET_MS << min(nr, RESET_DOUBLINGS);
		queue_delayed_work(bal->wq, &bal->reset_work,
				   msecs_to_jiffies(ms));
		bal->resets++;
		bal->reset_last = jiffies;
	}
	spin_unlock_irqrestore(&bal->lock, flags);
	if (ms)
		dev_warn(&bal->vdev->dev, "device is reset in %u ms\n", ms);
	else if (nr >= most)
		dev_err_ratelimited(&bal->vdev->dev,
				    "device broke after %u resets; unbind and bind the driver\n",
				    nr);
}

/**
 * ballonet_reset_asked() - whether a device asks for a reset
 * @bal:	the balloon
 *
 * Only looks when the device has announced something.
 *
 * Context: the engine's.
 * Return: true if it does.
 */
bool ballonet_reset_asked(struct ballonet *bal)
{
	if (!atomic_read(&bal->config_dirty) || bal->stopping ||
	    !needs_reset(bal))
		return false;
	if (bal->state != BALLONET_BROKEN)
		dev_warn(&bal->vdev->dev, "device asks for a reset\n");
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
 * ballonet_reset_start() - from now on
 * @bal:	the balloon
 */
void ballonet_reset_start(struct ballonet *bal)
{
	unsigned long flags;

	spin_lock_irqsave(&bal->lock, flags);
	bal->reset_never = false;
	spin_unlock_irqrestore(&bal->lock, flags);
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
