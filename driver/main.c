// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonet: memory ballooning for virtual machines, the guest's half.
 *
 * A driver for the traditional memory balloon device of VIRTIO 1.3, section
 * 5.5. include/uapi/linux/ballonet.h documents the wire, internal.h the
 * driver's parts.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "floor.h"
#include "internal.h"

/*
 * Zero and all ones are what a configuration space too short reads as, and zero
 * what a transport leaves that cannot read it, for want of memory.
 */
static u32 limit_read(struct virtio_device *vdev, unsigned int offset,
		      u32 fallback, u32 most)
{
	__le32 raw = 0;
	u32 value;

	vdev->config->get(vdev, offset, &raw, sizeof(raw));
	value = le32_to_cpu(raw);
	return value && value != U32_MAX ? min(value, most) : fallback;
}

/*
 * The host's block size is not read. Up to 2 MiB, largest blocks first is right
 * for all of them. Larger ones the kernel has none of: neighbouring blocks of 2
 * MiB, which the page allocator mostly hands out in order, make them up.
 */
static void limits_read(struct ballonet *bal)
{
	struct virtio_device *vdev = bal->vdev;

	bal->ranges = virtio_has_feature(vdev, BALLONET_F_RANGES);
	if (!bal->ranges) {
		bal->huge_order = ilog2(BALLONET_STD_FRAMES);
		return;
	}
	bal->max_ranges =
		limit_read(vdev, offsetof(struct ballonet_config, max_ranges),
			   BALLONET_DEF_MAX_RANGES, BALLONET_RQ_RANGES);
	/* The upper half only matters beyond 16 TiB. */
	bal->max_frames =
		limit_read(vdev, offsetof(struct ballonet_config, max_frames),
			   BALLONET_DEF_MAX_FRAMES, BALLONET_RQ_FRAMES);
	/* Blocks that no request can carry are of no use. */
	bal->huge_order = min_t(unsigned int, BALLONET_HUGE_ORDER,
				ilog2(bal->max_frames));
}

/*
 * The queues in the order of the wire header. There are no holes: a missing
 * optional queue does not keep its number, and some kernels crash on one.
 */
static int vqs_find(struct ballonet *bal)
{
	const struct {
		struct virtqueue_info info;
		struct virtqueue **vq;
		int feature;
	} table[] = {
		{ { "inflate", ballonet_queue_callback },
		  &bal->inflateq.vq, -1 },
		{ { "deflate", ballonet_queue_callback },
		  &bal->deflateq.vq, -1 },
		{ { "stats", ballonet_stats_callback },
		  &bal->statsq, VIRTIO_BALLOON_F_STATS_VQ },
		{ { "free_page", ballonet_hint_callback },
		  &bal->hint.vq, VIRTIO_BALLOON_F_FREE_PAGE_HINT },
		{ { "reporting", ballonet_report_callback },
		  &bal->reportq, VIRTIO_BALLOON_F_REPORTING },
		{ { "events", ballonet_events_callback },
		  &bal->eventq, BALLONET_F_EVENTS },
	};
	struct virtqueue_info info[ARRAY_SIZE(table)];
	struct virtqueue *vqs[ARRAY_SIZE(table)];
	struct virtqueue **dest[ARRAY_SIZE(table)];
	unsigned int i, n = 0;
	int rc;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		*table[i].vq = NULL;
		if (table[i].feature >= 0 &&
		    !virtio_has_feature(bal->vdev, table[i].feature))
			continue;
		info[n] = table[i].info;
		dest[n++] = table[i].vq;
	}
	rc = virtio_find_vqs(bal->vdev, n, vqs, info, NULL);
	if (rc)
		return rc;
	for (i = 0; i < n; i++)
		*dest[i] = vqs[i];
	return 0;
}

/*
 * Poisoned guests fill free pages with a pattern and check it. The host must
 * know, or what it hands back after a report is taken for corruption.
 */
static void poison_write(struct ballonet *bal)
{
	u32 poison = 0;

	if (!virtio_has_feature(bal->vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		return;
	if (!want_init_on_free())
		memset(&poison, PAGE_POISON, sizeof(poison));
	virtio_cwrite_le(bal->vdev, struct ballonet_config, poison_val,
			 &poison);
}

/**
 * ballonet_device_up() - begin
 * @bal:	the balloon of a device that was reset and has its features
 *
 * Return: 0 or a negative error.
 */
int ballonet_device_up(struct ballonet *bal)
{
	int rc;

	bal->deflate_on_oom =
		virtio_has_feature(bal->vdev, VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	ballonet_balloon_adjust(&bal->frames, !bal->deflate_on_oom);
	limits_read(bal);
	rc = vqs_find(bal);
	if (rc)
		return rc;
	ballonet_standby_up(bal);
	if (bal->statsq) {
		rc = ballonet_stats_prime(bal);
		if (rc)
			goto err_vqs;
	}
	poison_write(bal);
	bal->closed = false;
	bal->reset = false;
	virtio_device_ready(bal->vdev);
	if (bal->statsq)
		virtqueue_kick(bal->statsq);
	ballonet_events_start(bal);
	ballonet_watch_start(bal);
	ballonet_engine_start(bal);
	ballonet_hint_start(bal);
	ballonet_report_start(bal);
	ballonet_standby_start(bal);
	return 0;

err_vqs:
	ballonet_standby_down(bal);
	bal->inflateq.vq = NULL;
	bal->deflateq.vq = NULL;
	bal->vdev->config->del_vqs(bal->vdev);
	return rc;
}

/* Reset the device, and have nobody touch its rings any more. */
static void device_quiet(struct ballonet *bal)
{
	unsigned long flags;

	ballonet_watch_stop(bal);
	ballonet_events_stop(bal);
	virtio_reset_device(bal->vdev);
	spin_lock_irqsave(&bal->lock, flags);
	bal->closed = true;
	spin_unlock_irqrestore(&bal->lock, flags);
	cancel_work_sync(&bal->stats_work);
	ballonet_hint_quiet(bal);
	ballonet_queue_close(&bal->inflateq);
	ballonet_queue_close(&bal->deflateq);
	ballonet_frames_settle(bal);
}

/**
 * ballonet_device_down() - give everything back, and reset the device
 * @bal:	the balloon
 */
void ballonet_device_down(struct ballonet *bal)
{
	ballonet_standby_stop(bal);
	ballonet_engine_drain(bal);
	device_quiet(bal);
	/* Of User-Mode Linux only this stops the host's rings. */
	bal->vdev->config->del_vqs(bal->vdev);
	ballonet_standby_down(bal);
	ballonet_report_stop(bal);
	ballonet_hint_stop(bal);
	ballonet_queue_empty(&bal->inflateq);
	ballonet_queue_empty(&bal->deflateq);
	ballonet_engine_release(bal);
}

/*
 * The next kernel, after a kexec, knows nothing of this balloon: nothing may be
 * in flight, and the reset makes every frame the guest's. There is no need to
 * give them back.
 */
static int reboot_notify(struct notifier_block *nb, unsigned long unused,
			 void *unused2)
{
	struct ballonet *bal = container_of(nb, struct ballonet, reboot_nb);

	ballonet_reset_stop(bal);
	ballonet_standby_stop(bal);
	ballonet_engine_stop(bal);
	device_quiet(bal);
	ballonet_report_stop(bal);
	return NOTIFY_DONE;
}

static void ballonet_free(struct ballonet *bal)
{
	ballonet_queue_deinit(&bal->deflateq);
	ballonet_queue_deinit(&bal->inflateq);
	ballonet_events_deinit(bal);
	if (bal->wq)
		destroy_workqueue(bal->wq);
	kfree(bal->stats);
	ballonet_nodes_deinit(bal);
	ballonet_counters_deinit(bal);
	kfree(bal);
}

static struct ballonet *ballonet_alloc(struct virtio_device *vdev)
{
	struct ballonet *bal = kzalloc(sizeof(*bal), GFP_KERNEL);

	if (!bal)
		return NULL;
	bal->vdev = vdev;
	spin_lock_init(&bal->lock);
	bal->floor = ballonet_floor_default(totalram_pages());
	ballonet_engine_init(bal);
	ballonet_reset_init(bal);
	ballonet_stats_init(bal);
	ballonet_hint_init(bal);
	ballonet_watch_init(bal);
	ballonet_standby_init(bal);
	bal->stats = kcalloc(BALLONET_MAX_STATS, sizeof(*bal->stats),
			     GFP_KERNEL);
	/* With a rescuer, since it runs when memory is short. */
	bal->wq = alloc_workqueue("ballonet", WQ_UNBOUND | WQ_FREEZABLE |
				  WQ_MEM_RECLAIM, 0);
	if (bal->stats && bal->wq && !ballonet_counters_init(bal) &&
	    !ballonet_nodes_init(bal) &&
	    !ballonet_events_init(bal) &&
	    !ballonet_queue_init(bal, &bal->inflateq, BALLONET_REQ_INFLATE) &&
	    !ballonet_queue_init(bal, &bal->deflateq, BALLONET_REQ_DEFLATE))
		return bal;
	ballonet_free(bal);
	return NULL;
}

static int reboot_start(struct ballonet *bal)
{
	bal->reboot_nb.notifier_call = reboot_notify;
	return register_reboot_notifier(&bal->reboot_nb);
}

static void reboot_stop(struct ballonet *bal)
{
	unregister_reboot_notifier(&bal->reboot_nb);
}

/* What the kernel tells a balloon of. */
static const struct {
	int (*start)(struct ballonet *bal);
	void (*stop)(struct ballonet *bal);
} listeners[] = {
	{ ballonet_pressure_start, ballonet_pressure_stop },
	{ ballonet_memory_start, ballonet_memory_stop },
	{ ballonet_sleep_start, ballonet_sleep_stop },
	{ ballonet_standby_listen, ballonet_standby_unlisten },
	{ reboot_start, reboot_stop },
};

static void listeners_stop(struct ballonet *bal, unsigned int nr)
{
	while (nr--)
		listeners[nr].stop(bal);
}

static int listeners_start(struct ballonet *bal)
{
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(listeners); i++) {
		rc = listeners[i].start(bal);
		if (rc) {
			listeners_stop(bal, i);
			return rc;
		}
	}
	return 0;
}

static int ballonet_probe(struct virtio_device *vdev)
{
	struct ballonet *bal;
	int rc;

	if (!vdev->config->get) {
		dev_err(&vdev->dev, "device has no configuration space, the VMM has to give it one\n");
		return -EINVAL;
	}
	bal = ballonet_alloc(vdev);
	if (!bal)
		return -ENOMEM;
	vdev->priv = bal;
	rc = ballonet_device_up(bal);
	if (rc)
		goto err_free;
	rc = listeners_start(bal);
	if (rc)
		goto err_down;
	ballonet_counters_show(bal);
	return 0;

err_down:
	ballonet_reset_stop(bal);
	ballonet_device_down(bal);
err_free:
	ballonet_free(bal);
	return rc;
}

static void ballonet_remove(struct virtio_device *vdev)
{
	struct ballonet *bal = vdev->priv;

	ballonet_counters_hide(bal);
	listeners_stop(bal, ARRAY_SIZE(listeners));
	ballonet_psi_disarm(bal);
	ballonet_reset_stop(bal);
	ballonet_device_down(bal);
	ballonet_free(bal);
}

static void ballonet_config_changed(struct virtio_device *vdev)
{
	struct ballonet *bal = vdev->priv;

	ballonet_count(bal, BALLONET_C_CONFIG_CHANGE, 1);
	atomic_set(&bal->config_dirty, 1);
	ballonet_engine_kick(bal);
	ballonet_hint_changed(bal);
}

/* The guest sleeps, or somebody resets the device below us. */
static int __maybe_unused ballonet_freeze(struct virtio_device *vdev)
{
	ballonet_reset_stop(vdev->priv);
	ballonet_device_down(vdev->priv);
	return 0;
}

static int __maybe_unused ballonet_restore(struct virtio_device *vdev)
{
	ballonet_reset_start(vdev->priv);
	return ballonet_device_up(vdev->priv);
}

/**
 * ballonet_features_drop() - decline what is of no use to us
 * @vdev:	before its features are final
 */
void ballonet_features_drop(struct virtio_device *vdev)
{
	/*
	 * Frame numbers are physical addresses, and the host uses them without
	 * an IOMMU.
	 */
	__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	/* Two descriptors at most; no allocation when memory is short. */
	__virtio_clear_bit(vdev, VIRTIO_RING_F_INDIRECT_DESC);
#ifndef BALLONET_STANDBY_POSSIBLE
	__virtio_clear_bit(vdev, BALLONET_F_STANDBY);
#endif
	if (!IS_ENABLED(CONFIG_PAGE_REPORTING))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
	if (!want_init_on_free() && !page_poisoning_enabled_static())
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_POISON);
	else if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
}

static int ballonet_validate(struct virtio_device *vdev)
{
	ballonet_features_drop(vdev);
	return 0;
}

static const unsigned int features[] = {
	VIRTIO_BALLOON_F_MUST_TELL_HOST,
	VIRTIO_BALLOON_F_STATS_VQ,
	VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	VIRTIO_BALLOON_F_FREE_PAGE_HINT,
	VIRTIO_BALLOON_F_PAGE_POISON,
	VIRTIO_BALLOON_F_REPORTING,
	BALLONET_F_RANGES,
	BALLONET_F_EVENTS,
	BALLONET_F_STANDBY,
};

static const struct virtio_device_id ids[] = {
	{ VIRTIO_ID_BALLOON, VIRTIO_DEV_ANY_ID },
	{},
};
MODULE_DEVICE_TABLE(virtio, ids);

static struct virtio_driver ballonet_driver = {
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.driver.dev_groups = ballonet_groups,
	.id_table = ids,
	.validate = ballonet_validate,
	.probe = ballonet_probe,
	.remove = ballonet_remove,
	.config_changed = ballonet_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = ballonet_freeze,
	.restore = ballonet_restore,
#endif
	BALLONET_RESET_HOOKS(ballonet_freeze, ballonet_restore)
};

static int __init ballonet_load(void)
{
	int rc;

	ballonet_counters_load();
	rc = register_virtio_driver(&ballonet_driver);
	if (rc)
		ballonet_counters_unload();
	return rc;
}
module_init(ballonet_load);

static void __exit ballonet_unload(void)
{
	unregister_virtio_driver(&ballonet_driver);
	ballonet_counters_unload();
}
module_exit(ballonet_unload);

MODULE_DESCRIPTION("Memory balloon: ranges, huge pages, a floor and a knob");
MODULE_AUTHOR("The ballonet developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
