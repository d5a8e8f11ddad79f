// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configuration space. The device writes the target, the driver writes what
 * it reached; nobody writes the other's. All of it is the main thread's.
 */

#include "backend.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "log.h"

/*
 * What a driver may write. QEMU sends all of the space, its stale copy of ours
 * included.
 */
static const struct {
	size_t from;
	size_t to;
} writable[] = {
	{ offsetof(struct ballonet_config, actual),
	  offsetof(struct ballonet_config, free_page_hint_cmd_id) },
	{ offsetof(struct ballonet_config, poison_val),
	  offsetof(struct ballonet_config, block_size) },
};

/**
 * config_init() - fill in what never changes
 * @b:		the back-end
 */
void config_init(struct backend *b)
{
	struct ballonet_config *c = &b->state->config;

	c->block_size = htole32(region_block(&b->regions));
	c->max_ranges = htole32(MAX_RANGES);
	c->max_frames = htole64(MAX_FRAMES);
}

/**
 * config_read() - answer a read
 * @b:		the back-end
 * @cfg:	offset and size, any; the data are filled. What lies beyond the
 *		space reads as zero. A size of 0 afterwards is a refusal.
 */
void config_read(struct backend *b, struct vu_config *cfg)
{
	uint8_t space[VU_CONFIG_MAX] = { 0 };

	count(b, config_reads);
	if (cfg->size > sizeof(space) ||
	    cfg->offset > sizeof(space) - cfg->size) {
		cfg->size = 0;
		return;
	}
	memcpy(space, &b->state->config, sizeof(b->state->config));
	memcpy(cfg->data, space + cfg->offset, cfg->size);
}

/**
 * config_write() - take what the driver wrote
 * @b:		the back-end
 * @cfg:	offset, size and data; parts that are not the driver's are
 *		ignored
 */
void config_write(struct backend *b, const struct vu_config *cfg)
{
	struct ballonet_config *c = &b->state->config;
	struct ballonet_config new = *c;
	uint8_t *space = (uint8_t *)&new;
	size_t i, j;

	count(b, config_writes);
	for (i = 0; i < ARRAY_SIZE(writable); i++)
		for (j = writable[i].from; j < writable[i].to; j++)
			if (j >= cfg->offset && j - cfg->offset < cfg->size)
				space[j] = cfg->data[j - cfg->offset];
	/* Whole: the worker reads them at the same time. */
	__atomic_store_n(&c->actual, new.actual, __ATOMIC_RELAXED);
	__atomic_store_n(&c->poison_val, new.poison_val, __ATOMIC_RELAXED);
}

/**
 * config_announce() - tell the driver about a new target, if it may be told
 * @b:		the back-end
 *
 * A front-end that gets this while the device is stopped may crash (QEMU
 * does): not before a ring runs, not from the first message of a stop on,
 * though other rings still run, and not if it has just said something, which
 * may be that message. What could not be told is told when a ring starts.
 */
void config_announce(struct backend *b)
{
	const struct vu_msg msg = {
		.header = { VU_BACKEND_CONFIG_CHANGE, VU_VERSION, 0 },
	};
	int waiting = 0, ret;

	if (!b->state->config_dirty || b->channel < 0 || b->frontend < 0 ||
	    b->state->stopping || !rings_any_running(b))
		return;
	if (ioctl(b->frontend, FIONREAD, &waiting) || waiting)
		return;

	ret = vu_send(b->channel, &msg);
	if (ret) {
		log_warn("cannot announce the new target: %s",
			 strerror(-ret));
		return;
	}
	b->state->config_dirty = 0;
	count(b, config_changes);
}

/* The larger one of what the operator and, if he is heard, the guest want. */
static uint64_t target(struct backend *b)
{
	uint64_t wish = b->grant ? events_wish(b) : 0;
	uint64_t ram = region_bytes(&b->regions);

	if (wish > ram)
		wish = ram;
	return wish > b->state->target ? wish : b->state->target;
}

/**
 * config_update_target() - draw the conclusions from new wishes
 * @b:		the back-end
 */
void config_update_target(struct backend *b)
{
	uint32_t frames = target(b) >> FRAME_SHIFT;

	if (le32toh(b->state->config.num_pages) == frames)
		return;
	/* A successor rather tells it twice than not at all. */
	b->state->config_dirty = 1;
	atomic_signal_fence(memory_order_seq_cst);
	b->state->config.num_pages = htole32(frames);
	config_announce(b);
}

/**
 * config_set_target() - want a balloon of another size
 * @b:		the back-end
 * @bytes:	its size
 */
void config_set_target(struct backend *b, uint64_t bytes)
{
	b->state->target = bytes;
	config_update_target(b);
}
