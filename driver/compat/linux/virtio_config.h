/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _BALLONET_COMPAT_LINUX_VIRTIO_CONFIG_H
#define _BALLONET_COMPAT_LINUX_VIRTIO_CONFIG_H

#include_next <linux/virtio_config.h>
#include <linux/version.h>

/* Names and callbacks are one array since 6.11. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
struct virtqueue_info {
	const char *name;
	vq_callback_t *callback;
	bool ctx;
};

#define BALLONET_COMPAT_MAX_VQS	8

static inline int ballonet_find_vqs(struct virtio_device *vdev,
				    unsigned int nvqs,
				    struct virtqueue *vqs[],
				    struct virtqueue_info info[],
				    struct irq_affinity *desc)
{
	vq_callback_t *callbacks[BALLONET_COMPAT_MAX_VQS];
	const char *names[BALLONET_COMPAT_MAX_VQS];
	unsigned int i;

	if (nvqs > BALLONET_COMPAT_MAX_VQS)
		return -EINVAL;
	for (i = 0; i < nvqs; i++) {
		callbacks[i] = info[i].callback;
		names[i] = info[i].name;
	}
	return virtio_find_vqs(vdev, nvqs, vqs, callbacks, names, desc);
}

#define virtio_find_vqs ballonet_find_vqs
#endif /* < 6.11 */

/*
 * A transport that has more than 64 features need not have get_features().
 * Two words are what such a kernel fills in.
 */
#ifndef VIRTIO_FEATURES_U64S
#define VIRTIO_FEATURES_U64S	2
#endif

#ifndef BALLONET_HAVE_EXTENDED_FEATURES
static inline void virtio_get_features(struct virtio_device *vdev,
				       u64 *features)
{
	features[0] = vdev->config->get_features(vdev);
}
#endif

#endif
