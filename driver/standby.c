// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks on standby (BALLONET_F_STANDBY): huge blocks that the guest does
 * without for now, in a table that the host takes them from by itself. The wire
 * header has the protocol.
 *
 * How many they are is pool.c's business. Blocks go back at once, without the
 * host, when page reclaim asks or before a process is killed: offered ones
 * first. So they are the first that pressure consumes, before the balloon. An
 * inflate has them, too, before it looks for others.
 *
 * For the guest's own sums a block is memory that can be reclaimed: MemTotal
 * does not know of the pool, and MemAvailable counts it. Not a block that could
 * not be had back when it was wanted, as the host was at it: the next looks
 * find out when it can.
 *
 * Which block is in which entry is remembered here; of the table only the state
 * is believed.
 */
#include <linux/bitops.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/vmstat.h>

#include "trace.h"

/* One entry for each 2 MiB of the guest has room in a frame for each GiB. */
#define SLOTS_A_FRAME	(PAGE_SIZE / sizeof(__le64))
/* No growing for this long after memory had to go back. */
#define PAUSE_MS	3000
/* Blocks taken out of the table at a time. */
#define BATCH		32
/* How long memory that goes offline waits for a block that is being taken. */
#define LEAVE_MS	200
/* And a process that is killed next, if there is no other. */
#define RESCUE_MS	5000
/* Between two looks for it. */
#define LOOK_MS		20

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

/* Of an entry that has a block; anything, if the host wrote nonsense. */
static u64 slot_state(struct ballonet_standby *sb, unsigned int slot)
{
	return le64_to_cpu(READ_ONCE(sb->table[slot])) -
	       page_to_pfn(sb->page[slot]);
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

/* The guest has so many blocks more to be reclaimed, or fewer. */
static void account(struct page *page, int nr)
{
	mod_node_page_state(page_pgdat(page), NR_KERNEL_MISC_RECLAIMABLE,
			    nr * BALLONET_STANDBY_FRAMES);
}

/* sb->lock is held. Returns whether that is new. */
static bool slot_set_stuck(struct ballonet_standby *sb, unsigned int slot,
			   bool stuck)
{
	if (test_bit(slot, sb->stuck) == stuck)
		return false;
	__change_bit(slot, sb->stuck);
	WRITE_ONCE(sb->nr_stuck, sb->nr_stuck + (stuck ? 1 : -1));
	account(sb->page[slot], stuck ? -1 : 1);
	return true;
}

/* The block of an entry is not in the pool any more. sb->lock is held. */
static void slot_forget(struct ballonet_standby *sb, unsigned int slot)
{
	slot_set_stuck(sb, slot, false);
	account(sb->page[slot], -1);
	sb->page[slot] = NULL;
	WRITE_ONCE(sb->nr, sb->nr - 1);
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
	slot_forget(sb, slot);
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

/* What is still there could not be had. Returns whether that is new. */
static bool stick(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;
	bool changed = false;
	unsigned int i;

	spin_lock(&sb->lock);
	for (i = 0; i < sb->nr_slots && sb->nr_stuck < sb->nr; i++)
		if (sb->page[i] && !slot_is(bal, i, BALLONET_STANDBY_OFFERED) &&
		    !slot_is(bal, i, BALLONET_STANDBY_TAKEN))
			changed |= slot_set_stuck(sb, i, true);
	spin_unlock(&sb->lock);
	return changed;
}

/**
 * ballonet_standby_unstick() - look at what could not be had
 * @bal:	the balloon
 */
void ballonet_standby_unstick(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;
	unsigned int i;
	u64 state;

	if (!READ_ONCE(sb->nr_stuck))
		return;
	spin_lock(&sb->lock);
	for_each_set_bit(i, sb->stuck, sb->nr_slots) {
		state = slot_state(sb, i);
		if (state == BALLONET_STANDBY_OFFERED ||
		    state == BALLONET_STANDBY_TAKEN)
			slot_set_stuck(sb, i, false);
	}
	spin_unlock(&sb->lock);
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
	struct ballonet_standby *sb = &bal->standby;
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
			ballonet_block_return(bal, page);
		}
		ballonet_count(bal, BALLONET_C_STANDBY_RELEASED, n);
		done += (u64)n * BALLONET_STANDBY_FRAMES;
		atomic64_add(n * BALLONET_STANDBY_FRAMES, &sb->moved);
		if (cheapest_first[i] == BALLONET_STANDBY_OFFERED)
			atomic64_add(n * BALLONET_STANDBY_FRAMES, &sb->untaken);
		WRITE_ONCE(sb->pause_until,
			   jiffies + msecs_to_jiffies(PAUSE_MS));
		cond_resched();
	}
	/* Once for each block: what this starts may ask again. */
	if (done < frames && stick(bal))
		ballonet_pool_kick(bal);
	return done;
}

/**
 * ballonet_standby_rescue() - have all blocks back, before a process is killed
 * @bal:	the balloon
 *
 * Context: may sleep; waits, with a bound, for a block that is being taken if
 * there is no other.
 * Return: frames.
 */
u64 ballonet_standby_rescue(struct ballonet *bal)
{
	unsigned long until = jiffies + msecs_to_jiffies(RESCUE_MS);
	u64 frames = ballonet_standby_release(bal, U64_MAX);

	while (!frames && READ_ONCE(bal->standby.nr) &&
	       time_before(jiffies, until)) {
		msleep(LOOK_MS);
		frames = ballonet_standby_release(bal, U64_MAX);
	}
	return frames;
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
	ballonet_block_keep(bal, page);
	ballonet_count(bal, BALLONET_C_STANDBY_INFLATED, 1);
	return page;
}

/**
 * ballonet_standby_offer() - put a block into the table
 * @bal:	the balloon
 * @page:	its first page, borrowed
 *
 * Return: false if the table is full.
 */
bool ballonet_standby_offer(struct ballonet *bal, struct page *page)
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
		account(page, 1);
		WRITE_ONCE(sb->nr, sb->nr + 1);
		word = block_word(page, BALLONET_STANDBY_OFFERED);
		/* After the last access to the block: pairs with the host's. */
		virt_store_release(&sb->table[slot], cpu_to_le64(word));
	}
	spin_unlock(&sb->lock);
	return found;
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
			ballonet_block_return(bal, page);
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
		msleep(LOOK_MS);
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
	ballonet_pool_kick(bal);
}

/* As large as the guest may become with hot-plug is not known: as it is. */
static unsigned int table_frames(void)
{
	return clamp_t(unsigned long,
		       DIV_ROUND_UP(totalram_pages(), SLOTS_A_FRAME *
				    BALLONET_STANDBY_FRAMES),
		       1, BALLONET_STANDBY_MAX_FRAMES);
}

static bool table_alloc(struct ballonet_standby *sb, unsigned int frames)
{
	unsigned int slots = frames * SLOTS_A_FRAME;

	sb->table = alloc_pages_exact(frames * PAGE_SIZE,
				      GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
	sb->page = kvcalloc(slots, sizeof(*sb->page),
			    GFP_KERNEL | __GFP_NOWARN);
	sb->stuck = kvcalloc(BITS_TO_LONGS(slots), sizeof(*sb->stuck),
			     GFP_KERNEL | __GFP_NOWARN);
	return sb->table && sb->page && sb->stuck;
}

static void table_free(struct ballonet_standby *sb, unsigned int frames)
{
	if (sb->table)
		free_pages_exact(sb->table, frames * PAGE_SIZE);
	kvfree(sb->page);
	kvfree(sb->stuck);
	sb->table = NULL;
	sb->page = NULL;
	sb->stuck = NULL;
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
	if (!table_alloc(sb, frames)) {
		dev_warn(&bal->vdev->dev,
			 "no blocks on standby: no memory for a table of %u pages\n",
			 frames);
		table_free(sb, frames);
		return;
	}
	spin_lock(&sb->lock);
	sb->next = 0;
	sb->nr_stuck = 0;
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
	ballonet_pool_start(bal);
}

/**
 * ballonet_standby_stop() - the pool does not grow any more
 * @bal:	the balloon
 *
 * Context: may sleep.
 */
void ballonet_standby_stop(struct ballonet *bal)
{
	ballonet_pool_stop(bal);
	WRITE_ONCE(bal->standby.told, false);
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
	struct page *page;

	if (!sb->table)
		return;
	/* Who looks for blocks finds none from now on. */
	spin_lock(&sb->lock);
	sb->nr_slots = 0;
	spin_unlock(&sb->lock);
	for (i = 0; i < nr; i++) {
		page = sb->page[i];
		if (page) {
			if (slot_state(sb, i) == BALLONET_STANDBY_OFFERED)
				atomic64_add(BALLONET_STANDBY_FRAMES,
					     &sb->untaken);
			slot_forget(sb, i);
			ballonet_block_return(bal, page);
		}
		cond_resched();
	}
	table_free(sb, nr / SLOTS_A_FRAME);
}

/**
 * ballonet_standby_init() - before the first start
 * @bal:	the balloon
 */
void ballonet_standby_init(struct ballonet *bal)
{
	struct ballonet_standby *sb = &bal->standby;

	spin_lock_init(&sb->lock);
	ballonet_pool_init(bal);
	sb->limit = U32_MAX;
}
