/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shrinker with data of its own. Since 6.7 the kernel allocates them. */
#ifndef _BALLONET_COMPAT_LINUX_SHRINKER_H
#define _BALLONET_COMPAT_LINUX_SHRINKER_H

#include_next <linux/shrinker.h>
#include <linux/version.h>

typedef unsigned long (*ballonet_shrink_fn)(struct shrinker *shrinker,
					    struct shrink_control *sc);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
struct ballonet_shrinker {
	struct shrinker *shrinker;
};

/**
 * ballonet_shrinker_data() - whose shrinker
 * @shrinker:	as the kernel calls it
 *
 * Return: what ballonet_shrinker_start() was given.
 */
static inline void *ballonet_shrinker_data(struct shrinker *shrinker)
{
	return shrinker->private_data;
}

/**
 * ballonet_shrinker_start() - have page reclaim ask
 * @s:		the shrinker
 * @data:	for ballonet_shrinker_data()
 * @count:	how much there is
 * @scan:	give some
 * @seeks:	what it costs to have it again: DEFAULT_SEEKS, or 0 for nothing
 *
 * Return: 0 or a negative error.
 */
static inline int ballonet_shrinker_start(struct ballonet_shrinker *s,
					  void *data, ballonet_shrink_fn count,
					  ballonet_shrink_fn scan, int seeks)
{
	s->shrinker = shrinker_alloc(0, "ballonet");
	if (!s->shrinker)
		return -ENOMEM;
	s->shrinker->count_objects = count;
	s->shrinker->scan_objects = scan;
	s->shrinker->private_data = data;
	s->shrinker->seeks = seeks;
	shrinker_register(s->shrinker);
	return 0;
}

/**
 * ballonet_shrinker_stop() - no more
 * @s:		the shrinker
 */
static inline void ballonet_shrinker_stop(struct ballonet_shrinker *s)
{
	shrinker_free(s->shrinker);
}
#else
struct ballonet_shrinker {
	struct shrinker shrinker;
	void *data;
};

static inline void *ballonet_shrinker_data(struct shrinker *shrinker)
{
	return container_of(shrinker, struct ballonet_shrinker, shrinker)->data;
}

static inline int ballonet_shrinker_start(struct ballonet_shrinker *s,
					  void *data, ballonet_shrink_fn count,
					  ballonet_shrink_fn scan, int seeks)
{
	s->data = data;
	s->shrinker.count_objects = count;
	s->shrinker.scan_objects = scan;
	s->shrinker.seeks = seeks;
	return register_shrinker(&s->shrinker, "ballonet");
}

static inline void ballonet_shrinker_stop(struct ballonet_shrinker *s)
{
	unregister_shrinker(&s->shrinker);
}
#endif

#endif
