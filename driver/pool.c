// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pool of blocks on standby (standby.c): how large it is.
 *
 * It grows while the guest's free memory is at rest, a few milliseconds of work
 * at a time, so that zeroing what is allocated is paid when nobody waits. It
 * leaves the guest a margin of free memory beyond what the kernel reclaims for,
 * and becomes smaller when less than half the margin is left.
 *
 * Where the kernel zeroes what it allocates, taking a block that the host does
 * not have would have the host find it. So the pool grows there by no more than
 * the free memory that the host has: what programs freed, less what they used
 * since, what was offered, and what free page reporting has shown to the host.
 * What the host had of balloon and pool is not among it, and what was free
 * before the driver came is not known. This budget does not age: what keeps the
 * pool from growing for a while does not cost it anything.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "internal.h"

/*
 * Free memory that stays: a 16th of the guest, from 16 MiB to 512 MiB. With a
 * 32nd a guest of 2 GiB has less than what free page reporting wants to be left
 * (the low watermark and one report, mm/page_reporting.c), and reports nothing.
 */
#define MARGIN_FRACTION	16
#define MARGIN_MIN	((16UL << 20) >> PAGE_SHIFT)
#define MARGIN_MAX	((512UL << 20) >> PAGE_SHIFT)
/* Free memory is at rest if it changes by less than this between two looks. */
#define REST_FRAMES	((s64)(4 << 20) >> PAGE_SHIFT)
/* Between two looks: while the pool grows, while memory is used, at rest. */
#define GROW_MS		25
#define LOOK_MS		250
#define REST_MS		1000
/* Looks in a row with nothing to do or to wait for: all is at rest. */
#define REST_LOOKS	8
/* Work of one look: a twelfth of one processor while the pool grows. */
#define GROW_NS		(2 * NSEC_PER_MSEC)

static struct ballonet_zones zones_to(enum zone_type last)
{
	return ballonet_zones_read(0, last);
}

static unsigned long margin(struct ballonet_zones zones)
{
	return clamp_t(unsigned long, zones.size / MARGIN_FRACTION,
		       MARGIN_MIN, MARGIN_MAX);
}

/* Where user memory is freed is not where the kernel's own is allocated. */
static bool has_room_in(enum zone_type last)
{
	struct ballonet_zones zones = zones_to(last);

	return zones.free >= zones.reclaim + margin(zones) +
			    BALLONET_STANDBY_FRAMES;
}

/* What to have back: nothing as long as half of the margin is there. */
static unsigned long missing_in(enum zone_type last)
{
	struct ballonet_zones zones = zones_to(last);
	unsigned long least = zones.reclaim + margin(zones);

	return zones.free + margin(zones) / 2 < least ? least - zones.free : 0;
}

static bool paused(struct ballonet_standby *sb)
{
	return time_before(jiffies, READ_ONCE(sb->pause_until));
}

static bool may_grow(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;

	if (want_init_on_alloc(0) && sb->budget < BALLONET_STANDBY_FRAMES)
		return false;

	/* What the balloon still wants comes first. */
	return READ_ONCE(sb->on) && READ_ONCE(sb->told) &&
	       !READ_ONCE(bal->asleep) && !READ_ONCE(bal->going.end) &&
	       READ_ONCE(bal->state) == BALLONET_IDLE && !paused(sb) &&
	       ballonet_standby_frames(bal) + BALLONET_STANDBY_FRAMES <=
			READ_ONCE(sb->limit) &&
	       has_room_in(BALLONET_ZONE_BLOCKS) && has_room_in(ZONE_MOVABLE);
}

/* Returns whether there may be more to be had. */
static bool grow(struct ballonet *bal)
{
	u64 end = ktime_get_ns() + GROW_NS;
	struct page *page;

	while (may_grow(bal)) {
		page = ballonet_block_borrow(bal, BALLONET_HUGE_ORDER);
		if (!page)
			return false;
		if (!ballonet_standby_offer(bal, page)) {
			ballonet_block_return(bal, page);
			return false;
		}
		bal->standby.budget -= BALLONET_STANDBY_FRAMES;
		atomic64_sub(BALLONET_STANDBY_FRAMES, &bal->standby.moved);
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
	unsigned long missing = max(missing_in(BALLONET_ZONE_BLOCKS),
				    missing_in(ZONE_MOVABLE));

	if (have > limit)
		ballonet_standby_release(bal, have - limit);
	/* What a report shows is free again in a moment. */
	if (have && missing && !READ_ONCE(bal->report_out))
		ballonet_standby_release(bal, missing);
}

static void sums_read(struct ballonet *bal, struct ballonet_pool_sums *sums)
{
	struct ballonet_zones zones = zones_to(BALLONET_ZONE_BLOCKS);
	unsigned long flags;

	sums->free = zones.free;
	sums->size = zones.size + ballonet_engine_uncounted(bal);
	spin_lock_irqsave(&bal->lock, flags);
	sums->given = bal->given;
	sums->reported = bal->report_over;
	spin_unlock_irqrestore(&bal->lock, flags);
}

/*
 * What happened since the last look. Returns by how much free memory changed,
 * but for the pool and for memory that was plugged.
 */
static s64 changes_count(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;
	struct ballonet_pool_sums last = sb->sums;
	s64 change, freed, plugged;

	sums_read(bal, &sb->sums);
	/* No program has freed it. What went is as if one used it. */
	plugged = max((s64)(sb->sums.size - last.size), 0LL);
	change = (s64)(sb->sums.free - last.free) - plugged -
		 atomic64_xchg(&sb->moved, 0);
	freed = change - (s64)(sb->sums.given - last.given);
	/*
	 * Much of it at once: a program has ended, and what it had is not what
	 * the pause is for.
	 */
	if (freed > (s64)margin(zones_to(BALLONET_ZONE_BLOCKS)))
		WRITE_ONCE(sb->pause_until, jiffies);
	sb->budget = max(sb->budget + freed +
			 atomic64_xchg(&sb->untaken, 0), 0LL);
	/* May be free again only at the next look: so it may be less than 0. */
	sb->budget -= sb->sums.reported - last.reported;
	return change;
}

static void look_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet,
					    standby.look.work);
	struct ballonet_standby *sb = &bal->standby;
	bool more = false;
	s64 change;

	ballonet_standby_unstick(bal);
	change = changes_count(bal);
	shrink(bal);
	/* More free memory than before is what this is for. */
	if (change >= -REST_FRAMES)
		more = grow(bal);
	if (more || paused(sb) || abs(change) > REST_FRAMES)
		sb->looks = 0;
	else
		sb->looks++;
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
	sums_read(bal, &sb->sums);
	atomic64_set(&sb->moved, 0);
	/* After hibernation the guest is in other memory. */
	if (READ_ONCE(bal->asleep)) {
		atomic64_set(&sb->untaken, 0);
		sb->budget = 0;
	}
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
