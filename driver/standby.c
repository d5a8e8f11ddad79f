// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks on standby (BALLONET_F_STANDBY): huge blocks that the guest does
 * without for now, in a table that the host takes them from by itself. The wire
 * header has the protocol.
 *
 * The pool grows while the guest's free memory is at rest, a few milliseconds
 * of work at a time, so that zeroing what is allocated is paid when nobody
 * waits. It leaves the guest its floor and a margin of free memory. When free
 * memory falls below half the margin, when page reclaim asks, or before a
 * process is killed, blocks go back at once, without the host: offered ones
 * first. So they are the first that pressure consumes, before the balloon.
 * An inflate has them, too, before it looks for others.
 *
 * Which block is in which entry is remembered here; of the table only the state
 * is believed.
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/vmstat.h>

#include "floor.h"
#include "trace.h"

/* One entry for each 2 MiB of the guest has room in a frame for each GiB. */
#define SLOTS_A_FRAME	(PAGE_SIZE / sizeof(__le64))
/* Free memory that stays: a 16th of the guest, from 16 MiB to 512 MiB. */
#define MARGIN_FRACTION	16
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
/* No growing for this long after memory had to go back. */
#define PAUSE_MS	3000
/* Blocks taken out of the table at a time. */
#define BATCH		32
/* How long memory that goes offline waits for a block that is being taken. */
#define LEAVE_MS	200
#define LEAVE_LOOK_MS	20

#ifdef BALLONET_STANDBY_POSSIBLE

/* Atomic against the host also in a guest of one processor. */
static bool exchange(__le64 *entry, u64 from, u64 to)
{
	u64 old = (__force u64)cpu_to_le64(from);

	return sync_cmpxchg((__force u64 *)entry, old,
			    (__force u64)cpu_to_le64(to)) == old;
}

#else

static bool exchange(__le64 *entry, u64 from, u64 to)
{
	return false;
}

#endif

static u64 block_word(struct page *page, unsigned int state)
{
	return page_to_pfn(page) | state;
}

static unsigned long free_frames(void)
{
	return global_zone_page_state(NR_FREE_PAGES);
}

static unsigned long margin(void)
{
	return clamp_t(unsigned long, totalram_pages() / MARGIN_FRACTION,
		       MARGIN_MIN, MARGIN_MAX);
}

/*
 * Whether the block of an entry is in @state. Only the block's own three are
 * allowed; anything else the host has to answer for. sb->lock is held.
 */
static bool slot_is(struct ballonet *bal, unsigned int slot,
		    unsigned int state)
{
	struct ballonet_standby *sb = &bal->standby;
	u64 base = page_to_pfn(sb->page[slot]);
	u64 word = le64_to_cpu(READ_ONCE(sb->table[slot]));

	if (word != (base | BALLONET_STANDBY_OFFERED) &&
	    word != (base | BALLONET_STANDBY_TAKING) &&
	    word != (base | BALLONET_STANDBY_TAKEN)) {
		ballonet_count(bal, BALLONET_C_STANDBY_NONSENSE, 1);
		if (!sb->blamed)
			dev_err(&bal->vdev->dev,
				"host wrote %#llx into entry %u of the standby table, which has block %#llx; unbind and bind the driver\n",
				word, slot, base);
		sb->blamed = true;
		return false;
	}
	return word == (base | state);
}

/* Take a block out of an entry if it is in @state. sb->lock is held. */
static struct page *slot_clear(struct ballonet *bal, unsigned int slot,
			       unsigned int state)
{
	struct ballonet_standby *sb = &bal->standby;
	struct page *page = sb->page[slot];

	if (!page || !slot_is(bal, slot, state) ||
	    !exchange(&sb->table[slot], block_word(page, state),
		      BALLONET_STANDBY_EMPTY))
		return NULL;
	sb->page[slot] = NULL;
	WRITE_ONCE(sb->nr, sb->nr - 1);
	return page;
}

/* Up to @most blocks in @state, as a list; returns how many. */
static unsigned int collect(struct ballonet *bal, unsigned int most,
			    unsigned int state, struct list_head *list)
{
	struct ballonet_standby *sb = &bal->standby;
	unsigned int i, n = 0;
	struct page *page;

	spin_lock(&sb->lock);
	for (i = 0; i < sb->nr_slots && sb->nr && n < most; i++) {
		sb->next = (sb->next + 1) % sb->nr_slots;
		page = slot_clear(bal, sb->next, state);
		if (!page)
			continue;
		list_add_tail(&page->lru, list);
		n++;
	}
	spin_unlock(&sb->lock);
	return n;
}

/* Having one back that is only offered costs the host nothing. */
static const unsigned int cheapest_first[] = {
	BALLONET_STANDBY_OFFERED,
	BALLONET_STANDBY_TAKEN,
};

/**
 * ballonet_standby_release() - have blocks back
 * @bal:	the balloon
 * @frames:	at least so many, if there are
 *
 * The host has no part in it. The pool does not grow for a while afterwards.
 *
 * Context: may sleep.
 * Return: frames.
 */
u64 ballonet_standby_release(struct ballonet *bal, u64 frames)
{
	struct page *page, *next;
	unsigned int i = 0, n;
	u64 done = 0, want;
	LIST_HEAD(list);

	while (done < frames && i < ARRAY_SIZE(cheapest_first)) {
		want = min_t(u64, frames - done,
			     BATCH * BALLONET_STANDBY_FRAMES);
		n = collect(bal, DIV_ROUND_UP(want, BALLONET_STANDBY_FRAMES),
			    cheapest_first[i], &list);
		if (!n) {
			i++;
			continue;
		}
		list_for_each_entry_safe(page, next, &list, lru) {
			list_del(&page->lru);
			ballonet_block_give(bal, page);
		}
		ballonet_count(bal, BALLONET_C_STANDBY_RELEASED, n);
		done += (u64)n * BALLONET_STANDBY_FRAMES;
		WRITE_ONCE(bal->standby.pause_until,
			   jiffies + msecs_to_jiffies(PAUSE_MS));
		cond_resched();
	}
	if (done < frames)
		WRITE_ONCE(bal->standby.stuck, READ_ONCE(bal->standby.nr));
	return done;
}

/**
 * ballonet_standby_take() - a block for an inflate
 * @bal:	the balloon
 *
 * Return: its first page, or NULL if there is none.
 */
struct page *ballonet_standby_take(struct ballonet *bal)
{
	unsigned int i, n = 0;
	struct page *page;
	LIST_HEAD(list);

	if (!READ_ONCE(bal->standby.nr))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(cheapest_first) && !n; i++)
		n = collect(bal, 1, cheapest_first[i], &list);
	if (!n)
		return NULL;
	page = list_first_entry(&list, struct page, lru);
	list_del(&page->lru);
	ballonet_count(bal, BALLONET_C_STANDBY_INFLATED, 1);
	return page;
}

/* Offer a block; false if the table is full. */
static bool offer(struct ballonet *bal, struct page *page)
{
	struct ballonet_standby *sb = &bal->standby;
	unsigned int i, slot = 0;
	bool found = false;
	u64 word;

	spin_lock(&sb->lock);
	for (i = 0; i < sb->nr_slots && !found; i++) {
		slot = (sb->next + i) % sb->nr_slots;
		found = !sb->page[slot];
	}
	if (found) {
		sb->page[slot] = page;
		WRITE_ONCE(sb->nr, sb->nr + 1);
		word = block_word(page, BALLONET_STANDBY_OFFERED);
		/* After the last access to the block: pairs with the host's. */
		virt_store_release(&sb->table[slot], cpu_to_le64(word));
	}
	spin_unlock(&sb->lock);
	return found;
}

static bool may_grow(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;
	long available = si_mem_available();
	u64 floor = READ_ONCE(bal->floor) + margin();

	/* What the balloon still wants comes first. */
	return READ_ONCE(sb->on) && READ_ONCE(sb->told) &&
	       !READ_ONCE(bal->asleep) && !READ_ONCE(bal->going.end) &&
	       READ_ONCE(bal->state) == BALLONET_IDLE &&
	       time_after_eq(jiffies, READ_ONCE(sb->pause_until)) &&
	       ballonet_standby_frames(bal) + BALLONET_STANDBY_FRAMES <=
			READ_ONCE(sb->limit) &&
	       ballonet_floor_room(max(available, 0L), floor) >=
			BALLONET_STANDBY_FRAMES &&
	       free_frames() >= margin() + BALLONET_STANDBY_FRAMES;
}

/* Returns whether there may be more to be had. */
static bool grow(struct ballonet *bal)
{
	u64 end = ktime_get_ns() + GROW_NS;
	struct page *page;

	while (may_grow(bal)) {
		page = ballonet_block_take(bal, BALLONET_HUGE_ORDER);
		if (!page)
			return false;
		if (!offer(bal, page)) {
			ballonet_block_give(bal, page);
			return false;
		}
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
	unsigned long free = free_frames();

	if (have > limit)
		ballonet_standby_release(bal, have - limit);
	if (have && free < margin() / 2)
		ballonet_standby_release(bal, margin() - free);
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

	shrink(bal);
	/* More free memory than before is what this is for. */
	if (before + REST_FRAMES >= sb->free_last)
		more = grow(bal);
	sb->looks = moved > REST_FRAMES ? 0 : sb->looks + 1;
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
 * ballonet_standby_kick() - something changed
 * @bal:	the balloon
 */
void ballonet_standby_kick(struct ballonet *bal)
{
	if (READ_ONCE(bal->standby.on))
		mod_delayed_work(bal->wq, &bal->standby.look, 0);
}

/**
 * ballonet_standby_frames() - size of the pool
 * @bal:	the balloon
 *
 * Return: frames.
 */
u64 ballonet_standby_frames(struct ballonet *bal)
{
	return (u64)READ_ONCE(bal->standby.nr) * BALLONET_STANDBY_FRAMES;
}

/**
 * ballonet_standby_spare() - what of it is as good as free memory
 * @bal:	the balloon
 *
 * Return: frames that come back as soon as they are wanted, as far as one
 * knows: what did not, the host may be at for ever.
 */
u64 ballonet_standby_spare(struct ballonet *bal)
{
	unsigned int nr = READ_ONCE(bal->standby.nr);

	return (u64)(nr - min(nr, READ_ONCE(bal->standby.stuck))) *
	       BALLONET_STANDBY_FRAMES;
}

/**
 * ballonet_standby_taken() - what of it the host has
 * @bal:	the balloon
 *
 * Return: frames, as the host says.
 */
u64 ballonet_standby_taken(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;
	unsigned int i;
	u64 n = 0;

	spin_lock(&sb->lock);
	for (i = 0; i < sb->nr_slots; i++)
		if (sb->page[i] && slot_is(bal, i, BALLONET_STANDBY_TAKEN))
			n++;
	spin_unlock(&sb->lock);
	return n * BALLONET_STANDBY_FRAMES;
}

static struct page *slot_leave(struct ballonet *bal, unsigned int slot,
			       unsigned long start, unsigned long end,
			       bool *ret_busy)
{
	struct ballonet_standby *sb = &bal->standby;
	struct page *page;

	page = slot < sb->nr_slots ? sb->page[slot] : NULL;
	if (!page || page_to_pfn(page) < start || page_to_pfn(page) >= end)
		return NULL;
	page = slot_clear(bal, slot, BALLONET_STANDBY_OFFERED) ?:
	       slot_clear(bal, slot, BALLONET_STANDBY_TAKEN);
	*ret_busy |= !page;
	return page;
}

/* Returns whether a block is being taken. */
static bool leave_once(struct ballonet *bal, unsigned long start,
		       unsigned long end)
{
	struct ballonet_standby *sb = &bal->standby;
	unsigned int i, nr = READ_ONCE(sb->nr_slots);
	struct page *page;
	bool busy = false;

	for (i = 0; i < nr; i++) {
		spin_lock(&sb->lock);
		page = slot_leave(bal, i, start, end, &busy);
		spin_unlock(&sb->lock);
		if (page)
			ballonet_block_give(bal, page);
		cond_resched();
	}
	return busy;
}

/**
 * ballonet_standby_leave() - have all blocks back that are in some memory
 * @bal:	the balloon
 * @start:	its first frame
 * @end:	the frame after it
 *
 * Context: may sleep.
 * Return: whether none is left there.
 */
bool ballonet_standby_leave(struct ballonet *bal, unsigned long start,
			    unsigned long end)
{
	unsigned long until = jiffies + msecs_to_jiffies(LEAVE_MS);

	while (leave_once(bal, start, end)) {
		if (time_after(jiffies, until))
			return false;
		msleep(LEAVE_LOOK_MS);
	}
	return true;
}

static unsigned long shrink_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	return ballonet_standby_frames(ballonet_shrinker_data(shrinker));
}

static unsigned long shrink_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	u64 freed = ballonet_standby_release(ballonet_shrinker_data(shrinker),
					     sc->nr_to_scan);

	sc->nr_scanned = max_t(u64, sc->nr_scanned, freed);
	return freed ?: SHRINK_STOP;
}

/**
 * ballonet_standby_listen() - be asked by page reclaim
 * @bal:	the balloon
 *
 * Return: 0 or a negative error.
 */
int ballonet_standby_listen(struct ballonet *bal)
{
	return ballonet_shrinker_start(&bal->standby.shrinker, bal,
				       shrink_count, shrink_scan, 0);
}

/**
 * ballonet_standby_unlisten() - no more
 * @bal:	the balloon
 */
void ballonet_standby_unlisten(struct ballonet *bal)
{
	ballonet_shrinker_stop(&bal->standby.shrinker);
}

/**
 * ballonet_standby_tell() - tell the host the table, if it has to be told
 * @bal:	the balloon
 *
 * Context: the engine's.
 */
void ballonet_standby_tell(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;
	struct ballonet_rq *rq;

	if (!sb->table || !sb->untold || bal->stopping)
		return;
	rq = ballonet_rq_get(&bal->inflateq);
	if (!rq)
		return;
	ballonet_rq_set_table(rq, page_to_pfn(virt_to_page(sb->table)),
			      sb->nr_slots / SLOTS_A_FRAME);
	if (ballonet_rq_send(&bal->inflateq, rq))
		ballonet_rq_put(&bal->inflateq, rq);
	else
		sb->untold = false;
}

/**
 * ballonet_standby_answered() - the host knows the table, or does not want it
 * @bal:	the balloon
 * @rc:		0 or a negative error
 *
 * Context: the engine's.
 */
void ballonet_standby_answered(struct ballonet *bal, int rc)
{
	if (rc)
		dev_warn_ratelimited(&bal->vdev->dev,
				     "host does not take the standby table: error %d\n",
				     rc);
	WRITE_ONCE(bal->standby.told, !rc);
	ballonet_standby_kick(bal);
}

/* As large as the guest may become with hot-plug is not known: as it is. */
static unsigned int table_frames(void)
{
	return clamp_t(unsigned long,
		       DIV_ROUND_UP(totalram_pages(), SLOTS_A_FRAME *
				    BALLONET_STANDBY_FRAMES),
		       1, BALLONET_STANDBY_MAX_FRAMES);
}

/**
 * ballonet_standby_up() - make a table, if the device offers to work on one
 * @bal:	the balloon of a device that has its features
 *
 * Not being able to is no reason to be without a balloon.
 */
void ballonet_standby_up(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;
	unsigned int frames = table_frames();

	if (!virtio_has_feature(bal->vdev, BALLONET_F_STANDBY) ||
	    !bal->ranges || bal->huge_order != BALLONET_HUGE_ORDER)
		return;
	sb->table = alloc_pages_exact(frames * PAGE_SIZE,
				      GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
	sb->page = kvcalloc(frames * SLOTS_A_FRAME, sizeof(*sb->page),
			    GFP_KERNEL | __GFP_NOWARN);
	if (!sb->table || !sb->page) {
		dev_warn(&bal->vdev->dev,
			 "no blocks on standby: no memory for a table of %u pages\n",
			 frames);
		if (sb->table)
			free_pages_exact(sb->table, frames * PAGE_SIZE);
		kvfree(sb->page);
		sb->table = NULL;
		sb->page = NULL;
		return;
	}
	spin_lock(&sb->lock);
	sb->next = 0;
	sb->stuck = 0;
	sb->blamed = false;
	sb->nr_slots = frames * SLOTS_A_FRAME;
	spin_unlock(&sb->lock);
}

/**
 * ballonet_standby_start() - let the pool grow, on a device that is ready
 * @bal:	the balloon
 */
void ballonet_standby_start(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;

	if (!sb->table)
		return;
	sb->untold = true;
	/* A late answer of the device that it was. */
	WRITE_ONCE(sb->told, false);
	sb->looks = 0;
	sb->free_last = free_frames();
	WRITE_ONCE(sb->pause_until, jiffies);
	WRITE_ONCE(sb->on, true);
	again(bal, &sb->look, LOOK_MS);
}

/**
 * ballonet_standby_stop() - the pool does not grow any more
 * @bal:	the balloon
 *
 * Context: may sleep.
 */
void ballonet_standby_stop(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;

	WRITE_ONCE(sb->on, false);
	cancel_delayed_work_sync(&sb->rest);
	cancel_delayed_work_sync(&sb->look);
	/* Which the other one may have started. */
	cancel_delayed_work_sync(&sb->rest);
	WRITE_ONCE(sb->told, false);
}

/**
 * ballonet_standby_down() - all blocks are the guest's
 * @bal:	the balloon of a device that was reset, after
 *		ballonet_standby_stop()
 */
void ballonet_standby_down(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;
	unsigned int i, nr = sb->nr_slots;

	if (!sb->table)
		return;
	/* Who looks for blocks finds none from now on. */
	spin_lock(&sb->lock);
	sb->nr_slots = 0;
	WRITE_ONCE(sb->nr, 0);
	spin_unlock(&sb->lock);
	for (i = 0; i < nr; i++) {
		if (sb->page[i])
			ballonet_block_give(bal, sb->page[i]);
		cond_resched();
	}
	free_pages_exact(sb->table, nr / SLOTS_A_FRAME * PAGE_SIZE);
	kvfree(sb->page);
	sb->table = NULL;
	sb->page = NULL;
}

/**
 * ballonet_standby_init() - before the first start
 * @bal:	the balloon
 */
void ballonet_standby_init(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;

	spin_lock_init(&sb->lock);
	INIT_DELAYED_WORK(&sb->look, look_work);
	INIT_DEFERRABLE_WORK(&sb->rest, rest_work);
	sb->limit = U32_MAX;
}
