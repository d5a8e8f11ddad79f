// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From what a back-end shows to what the planner wants.
 */
#include "vm_backend.h"

#include <linux/ballonet.h>
#include <linux/virtio_balloon.h>
#include <stddef.h>

/* Linux since 6.12; not in every linux/virtio_balloon.h. */
#define TAG_OOM_KILLS		10
#define TAG_ALLOC_STALLS	11

#define BIT(n)	(UINT64_C(1) << (n))

#define FIELD(tag, member) { tag, offsetof(struct plan_stats, member) }

static const struct {
	uint16_t tag;
	size_t offset;
} fields[] = {
	FIELD(VIRTIO_BALLOON_S_AVAIL, available),
	FIELD(VIRTIO_BALLOON_S_MEMFREE, free),
	FIELD(VIRTIO_BALLOON_S_CACHES, caches),
	FIELD(VIRTIO_BALLOON_S_SWAP_IN, swap_in),
	FIELD(VIRTIO_BALLOON_S_SWAP_OUT, swap_out),
	FIELD(TAG_OOM_KILLS, oom_kills),
	FIELD(TAG_ALLOC_STALLS, alloc_stalls),
	FIELD(BALLONET_S_FLOOR, floor),
	FIELD(BALLONET_S_SWAP_FREE, swap_free),
};

/* The sum of two statistics, of which one may be missing. */
static uint64_t sum(const struct gauge *gauge, uint16_t one, uint16_t other)
{
	uint64_t a = gauge_stat(gauge, one), b = gauge_stat(gauge, other);
	uint64_t all;

	if (a == PLAN_UNKNOWN || b == PLAN_UNKNOWN)
		return a == PLAN_UNKNOWN ? b : a;
	return __builtin_add_overflow(a, b, &all) ? PLAN_UNKNOWN : all;
}

static void stats_take(const struct gauge *gauge, struct plan_stats *stats)
{
	size_t i;

	stats->when_ms = gauge->stats_ms;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		*(uint64_t *)((char *)stats + fields[i].offset) =
			gauge_stat(gauge, fields[i].tag);
	stats->balloon = sum(gauge, BALLONET_S_HUGE, BALLONET_S_SMALL);
	/* As good as free: it comes back when it is touched. */
	stats->free = sum(gauge, VIRTIO_BALLOON_S_MEMFREE, BALLONET_S_STANDBY);
	stats->refaults = sum(gauge, BALLONET_S_REFAULT_FILE,
			      BALLONET_S_REFAULT_ANON);
}

/* By the table, which the back-end has looked at. */
static void standby_take(const struct gauge *gauge, struct plan_guest *guest)
{
	uint64_t all = gauge_stat(gauge, BALLONET_S_STANDBY);
	uint64_t taken = gauge_stat(gauge, BALLONET_S_STANDBY_TAKEN);

	if (all == PLAN_UNKNOWN || taken == PLAN_UNKNOWN)
		return;
	guest->taken = taken;
	guest->standby = all > taken ? all - taken : 0;
}

/**
 * vm_gauge_snapshot - take what a back-end shows
 * @gauge:	what it shows
 * @guest:	filled in, but for what the back-end does not know
 */
void vm_gauge_snapshot(const struct gauge *gauge, struct plan_guest *guest)
{
	if (gauge->state == INTERFACE_RUNNING)
		guest->flags |= PLAN_BALLOON;
	if (gauge->features & BIT(VIRTIO_BALLOON_F_STATS_VQ))
		guest->flags |= PLAN_STATS;
	guest->memory = gauge->memory;
	guest->target = gauge->target;
	guest->actual = gauge->actual;
	/* What a file occupies beyond the guest's memory is not the guest's. */
	guest->resident = gauge->resident < gauge->memory ?
		gauge->resident : gauge->memory;
	guest->wish = gauge->wish;
	standby_take(gauge, guest);
	if (gauge->stats_ms)
		stats_take(gauge, &guest->stats);
}
