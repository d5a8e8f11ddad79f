// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pool of blocks on standby (standby.c): how large it is.
 *
 * It grows while the guest's free memory is at rest, a few milliseconds of work
 * at a time, so that zeroing what is allocated is paid when nobody waits. It
 * leaves the guest a margin of free memory beyond what the kernel reclaims for,
 * and becomes smaller when less than half the margin is left.
 *
 * Where the kernel zeroes what it allocates, a block that no program has had is
 * memory that the host need not have: taking it would be the first use. So the
 * pool grows by no more than what became free lately.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include "internal.h"

/* Free memory that stays: a 32nd of the guest, from 16 MiB to 512 MiB. */
#define MARGIN_FRACTION	32
#define MARGIN_MIN	((16UL << 20) >> PAGE_SHIFT)
#define MARGIN_MAX	((512UL << 20) >> PAGE_SHIFT)
/* Free memory is at rest if it changes by less than this between two looks. */
#define REST_FRAMES	((4UL << 20) >> PAGE_SHIFT)
/* Between two looks: while the pool grows, while memory is used, at rest. */
#define GROW_MS		25
#define LOOK_MS		250
#define REST_MS		1000
/* Looks without any change after which all is at rest. */
#define REST_LOOKS	8
/* Work of one look: a twelfth of one processor while the pool grows. */
#define GROW_NS		(2 * NSEC_PER_MSEC)

static unsigned long free_frames(void)
{
	return global_zone_page_state(NR_FREE_PAGES);
}

static unsigned long margin(void)
{
	return clamp_t(unsigned long, totalram_pages() / MARGIN_FRACTION,
		       MARGIN_MIN, MARGIN_MAX);
}

/* With less free memory than this the kernel reclaims. */
static unsigned long watermarks(void)
{
	unsigned long frames = 0;
	int nid, i;

	for_each_node_state(nid, N_MEMORY) {
		struct zone *zone = NODE_DATA(nid)->node_zones;

		for (i = 0; i < MAX_NR_ZONES; i++, zone++)
			if (managed_zone(zone))
				frames += high_wmark_pages(zone);
	}
	return frames;
}

static bool may_grow(struct ballonet *bal, unsigned long free_least)
{
	struct ballonet_standby *sb = &bal->standby;

	if (want_init_on_alloc(0) && sb->freed < BALLONET_STANDBY_FRAMES)
		return false;

	/* What the balloon still wants comes first. */
	return READ_ONCE(sb->on) && READ_ONCE(sb->told) &&
	       !READ_ONCE(bal->asleep) && !READ_ONCE(bal->going.end) &&
	       READ_ONCE(bal->state) == BALLONET_IDLE &&
	       time_after_eq(jiffies, READ_ONCE(sb->pause_until)) &&
	       ballonet_standby_frames(bal) + BALLONET_STANDBY_FRAMES <=
			READ_ONCE(sb->limit) &&
	       free_frames() >= free_least + BALLONET_STANDBY_FRAMES;
}

/* Returns whether there may be more to be had. */
static bool grow(struct ballonet *bal)
{
	unsigned long free_least = watermarks() + margin();
	u64 end = ktime_get_ns() + GROW_NS;
	struct page *page;

	while (may_grow(bal, free_least)) {
		page = ballonet_block_borrow(bal, BALLONET_HUGE_ORDER);
		if (!page)
			return false;
		if (!ballonet_standby_offer(bal, page)) {
			ballonet_block_return(bal, page);
			return false;
		}
		bal->standby.freed -= BALLONET_STANDBY_FRAMES;
		ballonet_count(bal, BALLONET_C_STANDBY_OFFERED, 1);
		cond_resched();
		if (ktime_get_ns() >= end)
			return true;
	}
	return false;
}

static void again(struct ballonet *bal, struct delayed_work *work,
		  unsigned int ms)
{
	if (READ_ONCE(bal->standby.on))
		queue_delayed_work(bal->wq, work, msecs_to_jiffies(ms));
}

/* The limit may have been lowered; free memory may have become little. */
static void shrink(struct ballonet *bal)
{
	u64 have = ballonet_standby_frames(bal);
	u64 limit = READ_ONCE(bal->standby.limit);
	unsigned long free_least = watermarks() + margin();
	unsigned long free = free_frames();

	if (have > limit)
		ballonet_standby_release(bal, have - limit);
	if (have && free + margin() / 2 < free_least)
		ballonet_standby_release(bal, free_least - free);
}

/* Frames that went back to the guest, ever, of the balloon and of the pool. */
static u64 went_back(struct ballonet *bal)
{
	unsigned long flags;
	u64 frames;

	spin_lock_irqsave(&bal->lock, flags);
	frames = bal->given;
	spin_unlock_irqrestore(&bal->lock, flags);
	return frames + atomic64_read(&bal->standby.returned);
}

/*
 * What programs gave back since the last look, without what we did. Much of it
 * at once: a program has ended, and what it had is not what the pause is for.
 */
static void freed_count(struct ballonet *bal, unsigned long free)
{
	struct ballonet_standby *sb = &bal->standby;
	s64 freed = (s64)free - sb->free_last -
		    (s64)(went_back(bal) - sb->back_last);

	if (freed > (s64)margin())
		WRITE_ONCE(sb->pause_until, jiffies);
	/* By then free page reporting has had it. */
	if (sb->looks >= REST_LOOKS &&
	    time_after_eq(jiffies, READ_ONCE(sb->pause_until)))
		sb->freed = 0;
	sb->freed = max(sb->freed + freed, 0LL);
}

static void look_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet,
					    standby.look.work);
	struct ballonet_standby *sb = &bal->standby;
	unsigned long before = free_frames();
	unsigned long moved = max(before, sb->free_last) -
			      min(before, sb->free_last);
	bool more = false;

	ballonet_standby_unstick(bal);
	freed_count(bal, before);
	shrink(bal);
	/* More free memory than before is what this is for. */
	if (before + REST_FRAMES >= sb->free_last)
		more = grow(bal);
	sb->looks = moved > REST_FRAMES ? 0 : sb->looks + 1;
	sb->back_last = went_back(bal);
	sb->free_last = free_frames();
	if (more)
		again(bal, &sb->look, GROW_MS);
	else if (sb->looks < REST_LOOKS)
		again(bal, &sb->look, LOOK_MS);
	else
		again(bal, &sb->rest, REST_MS);
}

/* A guest that sleeps is not woken, and does not use memory either. */
static void rest_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet,
					    standby.rest.work);

	again(bal, &bal->standby.look, 0);
}

/**
 * ballonet_pool_kick() - something changed
 * @bal:	the balloon
 */
void ballonet_pool_kick(struct ballonet *bal)
{
	if (READ_ONCE(bal->standby.on))
		mod_delayed_work(bal->wq, &bal->standby.look, 0);
}

/**
 * ballonet_pool_start() - look after it
 * @bal:	the balloon of a device that is ready
 */
void ballonet_pool_start(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;

	sb->looks = 0;
	sb->free_last = free_frames();
	sb->back_last = went_back(bal);
	sb->freed = 0;
	WRITE_ONCE(sb->pause_until, jiffies);
	WRITE_ONCE(sb->on, true);
	again(bal, &sb->look, LOOK_MS);
}

/**
 * ballonet_pool_stop() - no more
 * @bal:	the balloon
 *
 * Context: may sleep.
 */
void ballonet_pool_stop(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;

	WRITE_ONCE(sb->on, false);
	cancel_delayed_work_sync(&sb->rest);
	cancel_delayed_work_sync(&sb->look);
	/* Which the other one may have started. */
	cancel_delayed_work_sync(&sb->rest);
}

/**
 * ballonet_pool_init() - before the first start
 * @bal:	the balloon
 */
void ballonet_pool_init(struct ballonet *bal)
{
	INIT_DELAYED_WORK(&bal->standby.look, look_work);
	INIT_DEFERRABLE_WORK(&bal->standby.rest, rest_work);
}
