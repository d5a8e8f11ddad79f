// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Free page hinting: a host that migrates the guest asks which memory is free,
 * so that it need not transfer it. VIRTIO 1.3, section 5.5.6.5.
 *
 * The host opens a round with a command id in configuration space. We answer
 * with the id, then blocks, then STOP. A block is free memory that we take
 * first, so that nobody writes to it. The blocks are kept, and hinted again in
 * the next round: taking may have written to them (init_on_alloc), and what was
 * written after the round began is transferred in the next one. When the host
 * says DONE, all are the guest's again.
 *
 * Who needs them has them before that, and no host is waited for: page reclaim,
 * the OOM notifier, and the engine on its way up. Only a block that the host
 * has not answered for stays out, as a host may write to it until then. They
 * are few.
 *
 * What the balloon has is not hinted. It is not the guest's to say that it is
 * free: it is the host's, which knows, and has dropped it. A page that is not
 * there is transferred as a few bytes that say zero. And one frame on two
 * queues would have two owners.
 *
 * What is left of a block after the migration is undefined, unless it was
 * written to. So one that goes back before DONE is cleared; after that, what
 * the guest expects of free pages (poison, zero) is written when it is freed.
 */
#include <linux/bits.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/pageblock-flags.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/vmstat.h>

#include "floor.h"
#include "internal.h"

/* Smaller pieces are many, and seldom stay free for as long as it takes. */
#define HINT_ORDER		pageblock_order
#define HINT_FRAMES		BIT(HINT_ORDER)
/* Only what is there without any effort, and not the reserves. */
#define GFP_HINT	(__GFP_HIGHMEM | __GFP_NOWARN | __GFP_NOMEMALLOC)
/* Blocks that the host owes an answer for: 32 MiB. */
#define HINT_IN_FLIGHT		16
/* On the ring, for an id and for STOP. */
#define HINT_COMMANDS		2
/* No more is taken for this long after some had to be given back. */
#define HINT_PAUSE_MS		5000
/*
 * Between two looks for what should have been announced: QEMU's notifications
 * may be lost when it stops polling, or when the guest is stopped to be moved.
 */
#define HINT_LOOK_MIN_MS	1000
#define HINT_LOOK_MAX_MS	32000
/* Before the balloon's, at 80: what we have costs nothing. */
#define HINT_OOM_PRIORITY	90

static bool is_round(u32 id)
{
	return id != VIRTIO_BALLOON_CMD_ID_STOP &&
	       id != VIRTIO_BALLOON_CMD_ID_DONE;
}

/* In jiffies. */
static unsigned long pause_left(struct ballonet_hint *hint)
{
	unsigned long now = jiffies, until = READ_ONCE(hint->paused_until);

	return time_before(now, until) ? until - now : 0;
}

/*
 * Blocks
 */

/*
 * The floor is left free, not only available: the guest's next burst is to
 * find free pages, not work for page reclaim.
 */
static bool block_fits(struct ballonet *bal)
{
	long available = si_mem_available();
	u64 spare = min_t(u64, max(available, 0L),
			  global_zone_page_state(NR_FREE_PAGES));

	return ballonet_floor_room(spare, READ_ONCE(bal->floor)) >= HINT_FRAMES;
}

static struct page *block_take(struct ballonet *bal)
{
	struct page *page;

	if (pause_left(&bal->hint) || !block_fits(bal))
		return NULL;
	page = alloc_pages(GFP_HINT, HINT_ORDER);
	if (page)
		atomic_long_inc(&bal->hint.blocks);
	return page;
}

static void block_give(struct ballonet_hint *hint, struct page *page,
		       bool undefined)
{
	unsigned int i;

	for (i = 0; undefined && i < HINT_FRAMES; i++)
		clear_highpage(page + i);
	ballonet_block_free(page, HINT_ORDER);
	atomic_long_dec(&hint->blocks);
	cond_resched();
}

/* From a list of blocks that are not with the host. */
static struct page *block_pop(struct ballonet_hint *hint,
			      struct list_head *list)
{
	struct page *page;

	spin_lock(&hint->lock);
	page = list_first_entry_or_null(list, struct page, lru);
	if (page)
		list_del(&page->lru);
	spin_unlock(&hint->lock);
	return page;
}

/* Returns the frames that were given back: at least @frames if there are. */
static u64 blocks_give(struct ballonet_hint *hint, u64 frames, bool undefined)
{
	struct page *page;
	u64 given = 0;

	while (given < frames) {
		page = block_pop(hint, &hint->todo);
		if (!page)
			page = block_pop(hint, &hint->held);
		if (!page)
			break;
		block_give(hint, page, undefined);
		given += HINT_FRAMES;
	}
	return given;
}

/*
 * The queue
 */

static bool cmd_send(struct ballonet_hint *hint, struct ballonet_hint_cmd *cmd,
		     u32 id)
{
	struct scatterlist sg;

	/* The host may still read the last one. */
	if (cmd->sent)
		return false;
	cmd->id = cpu_to_le32(id);
	sg_init_one(&sg, &cmd->id, sizeof(cmd->id));
	cmd->sent = !virtqueue_add_outbuf(hint->vq, &sg, 1, cmd, GFP_KERNEL);
	return cmd->sent;
}

static bool block_send(struct ballonet *bal, struct page *page)
{
	struct ballonet_hint *hint = &bal->hint;
	struct scatterlist sg;
	bool sent;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, HINT_FRAMES << PAGE_SHIFT, 0);
	sent = !virtqueue_add_inbuf(hint->vq, &sg, 1, page, GFP_KERNEL);
	spin_lock(&hint->lock);
	list_add_tail(&page->lru, sent ? &hint->sent : &hint->todo);
	spin_unlock(&hint->lock);
	if (!sent)
		return false;
	hint->in_flight++;
	ballonet_count(bal, BALLONET_C_HINT, 1);
	ballonet_count(bal, BALLONET_C_HINT_BYTES, HINT_FRAMES << PAGE_SHIFT);
	return true;
}

static bool answers_collect(struct ballonet_hint *hint)
{
	bool some = false;
	struct page *page;
	unsigned int len;
	void *token;

	while ((token = virtqueue_get_buf(hint->vq, &len))) {
		some = true;
		if (token == &hint->start) {
			hint->start.sent = false;
		} else if (token == &hint->stop) {
			hint->stop.sent = false;
		} else {
			page = token;
			spin_lock(&hint->lock);
			list_move_tail(&page->lru, &hint->held);
			spin_unlock(&hint->lock);
			hint->in_flight--;
		}
	}
	return some;
}

/*
 * Rounds
 */

/*
 * QEMU shows an id only until we have answered it, and STOP from then on. So
 * configuration space is read when it has changed, and at no other time in a
 * round.
 */
static bool id_read(struct ballonet *bal)
{
	struct ballonet_hint *hint = &bal->hint;
	u32 id;

	if (!atomic_xchg(&hint->changed, 0))
		return false;
	virtio_cread_le(bal->vdev, struct ballonet_config,
			free_page_hint_cmd_id, &id);
	if (id == hint->id)
		return false;
	WRITE_ONCE(hint->id, id);
	hint->unsaid = is_round(id);
	return true;
}

/* The id of a round goes out once. */
static void round_open(struct ballonet *bal)
{
	struct ballonet_hint *hint = &bal->hint;

	if (!cmd_send(hint, &hint->start, hint->id))
		return;
	hint->unsaid = false;
	hint->open = true;
	spin_lock(&hint->lock);
	list_splice_tail_init(&hint->held, &hint->todo);
	spin_unlock(&hint->lock);
	ballonet_count(bal, BALLONET_C_HINT_ROUND, 1);
}

/* Whatever ends a round, the host hears of it: QEMU polls until then. */
static void round_close(struct ballonet_hint *hint)
{
	hint->open = !cmd_send(hint, &hint->stop, VIRTIO_BALLOON_CMD_ID_STOP);
}

static void round_go_on(struct ballonet *bal)
{
	struct ballonet_hint *hint = &bal->hint;
	struct page *page;

	while (hint->in_flight < hint->most) {
		page = block_pop(hint, &hint->todo);
		if (!page)
			page = block_take(bal);
		if (!page) {
			round_close(hint);
			return;
		}
		if (!block_send(bal, page))
			return;
		cond_resched();
	}
}

static void round_step(struct ballonet *bal)
{
	struct ballonet_hint *hint = &bal->hint;

	if (hint->open && (hint->unsaid || !is_round(hint->id)))
		round_close(hint);
	else if (hint->open)
		round_go_on(bal);
	/* A round that is opened in a pause would have no blocks. */
	if (!hint->open && hint->unsaid && !pause_left(hint)) {
		round_open(bal);
		if (hint->open)
			round_go_on(bal);
	}
	if (hint->id == VIRTIO_BALLOON_CMD_ID_DONE)
		blocks_give(hint, U64_MAX, false);
	virtqueue_kick(hint->vq);
}

static bool owed(struct ballonet_hint *hint)
{
	return hint->in_flight || hint->start.sent || hint->stop.sent;
}

/* Nothing was heard for a while, and there is something to be heard. */
static void look(struct ballonet *bal)
{
	struct ballonet_hint *hint = &bal->hint;

	if (owed(hint))
		virtqueue_notify(hint->vq);
	if (!hint->open)
		ballonet_hint_changed(bal);
	hint->look_ms = min(2 * hint->look_ms, HINT_LOOK_MAX_MS);
}

static void look_later(struct ballonet *bal, bool news)
{
	struct ballonet_hint *hint = &bal->hint;
	unsigned long now = jiffies;

	if (!owed(hint) && !atomic_long_read(&hint->blocks))
		return;
	if (news)
		hint->look_ms = HINT_LOOK_MIN_MS;
	else if (time_after_eq(now, hint->look))
		look(bal);
	if (news || time_after_eq(now, hint->look))
		hint->look = now + msecs_to_jiffies(hint->look_ms);
	/* Not mod_delayed_work(): a kick that came meanwhile is sooner. */
	queue_delayed_work(bal->wq, &hint->work, hint->look - now);
}

static void hint_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet,
					    hint.work.work);
	struct ballonet_hint *hint = &bal->hint;
	bool news;

	virtqueue_disable_cb(hint->vq);
	news = answers_collect(hint);
	news |= id_read(bal);
	round_step(bal);
	if (!virtqueue_enable_cb(hint->vq))
		mod_delayed_work(bal->wq, &hint->work, 0);
	if (hint->unsaid && pause_left(hint))
		queue_delayed_work(bal->wq, &hint->work, pause_left(hint));
	else
		look_later(bal, news);
}

static void hint_kick(struct ballonet *bal)
{
	unsigned long flags;

	spin_lock_irqsave(&bal->lock, flags);
	if (!bal->closed && bal->hint.most)
		mod_delayed_work(bal->wq, &bal->hint.work, 0);
	spin_unlock_irqrestore(&bal->lock, flags);
}

/**
 * ballonet_hint_callback() - the host is done with a hint
 * @vq:		free_page_vq
 *
 * Context: interrupt.
 */
void ballonet_hint_callback(struct virtqueue *vq)
{
	hint_kick(vq->vdev->priv);
}

/**
 * ballonet_hint_changed() - configuration space has changed
 * @bal:	the balloon
 *
 * Context: any.
 */
void ballonet_hint_changed(struct ballonet *bal)
{
	atomic_set(&bal->hint.changed, 1);
	hint_kick(bal);
}

/*
 * Memory that is needed
 */

/**
 * ballonet_hint_release() - give blocks back, and take no more for a while
 * @bal:	the balloon
 * @frames:	how much is needed
 *
 * Context: may sleep; waits for nobody.
 * Return: frames given back; less than @frames when there are no more.
 */
u64 ballonet_hint_release(struct ballonet *bal, u64 frames)
{
	struct ballonet_hint *hint = &bal->hint;
	u64 given;

	if (!atomic_long_read(&hint->blocks))
		return 0;
	WRITE_ONCE(hint->paused_until,
		   jiffies + msecs_to_jiffies(HINT_PAUSE_MS));
	given = blocks_give(hint, frames,
			    READ_ONCE(hint->id) != VIRTIO_BALLOON_CMD_ID_DONE);
	ballonet_count(bal, BALLONET_C_HINT_RELEASED_BYTES,
		       given << PAGE_SHIFT);
	return given;
}

/**
 * ballonet_hint_held() - memory that is out of use because it was hinted
 * @bal:	the balloon
 *
 * Return: frames.
 */
u64 ballonet_hint_held(struct ballonet *bal)
{
	return atomic_long_read(&bal->hint.blocks) * HINT_FRAMES;
}

static unsigned long shrink_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	return ballonet_hint_held(ballonet_shrinker_data(shrinker));
}

static unsigned long shrink_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	u64 given = ballonet_hint_release(ballonet_shrinker_data(shrinker),
					  sc->nr_to_scan);

	if (!given)
		return SHRINK_STOP;
	sc->nr_scanned = given;
	return given;
}

static int oom_notify(struct notifier_block *nb, unsigned long unused,
		      void *ret_freed)
{
	struct ballonet *bal = container_of(nb, struct ballonet, hint.oom_nb);
	unsigned long *freed = ret_freed;

	*freed += ballonet_hint_release(bal, U64_MAX);
	return NOTIFY_OK;
}

/*
 * Life
 */

/**
 * ballonet_hint_init() - nothing hinted
 * @bal:	the balloon
 */
void ballonet_hint_init(struct ballonet *bal)
{
	struct ballonet_hint *hint = &bal->hint;

	INIT_DELAYED_WORK(&hint->work, hint_work);
	spin_lock_init(&hint->lock);
	INIT_LIST_HEAD(&hint->todo);
	INIT_LIST_HEAD(&hint->sent);
	INIT_LIST_HEAD(&hint->held);
	hint->oom_nb.notifier_call = oom_notify;
	hint->oom_nb.priority = HINT_OOM_PRIORITY;
}

static int hint_start(struct ballonet *bal, unsigned int entries)
{
	struct ballonet_hint *hint = &bal->hint;
	int rc;

	rc = ballonet_shrinker_start(&hint->shrinker, bal, shrink_count,
				     shrink_scan, 0);
	if (rc)
		return rc;
	rc = register_oom_notifier(&hint->oom_nb);
	if (rc) {
		ballonet_shrinker_stop(&hint->shrinker);
		return rc;
	}
	hint->id = VIRTIO_BALLOON_CMD_ID_DONE;
	hint->unsaid = false;
	hint->open = false;
	hint->start.sent = false;
	hint->stop.sent = false;
	hint->look_ms = HINT_LOOK_MIN_MS;
	hint->paused_until = jiffies;
	hint->most = min(entries - HINT_COMMANDS, HINT_IN_FLIGHT);
	ballonet_hint_changed(bal);
	return 0;
}

/**
 * ballonet_hint_start() - hint when the host asks
 * @bal:	the balloon of a device that is ready
 *
 * Not being able to is no reason to be without a balloon.
 */
void ballonet_hint_start(struct ballonet *bal)
{
	struct ballonet_hint *hint = &bal->hint;
	unsigned int entries;
	int rc;

	if (!hint->vq)
		return;
	entries = virtqueue_get_vring_size(hint->vq);
	if (entries <= HINT_COMMANDS) {
		dev_warn(&bal->vdev->dev,
			 "no free page hinting: its queue has %u entries, %u needed\n",
			 entries, HINT_COMMANDS + 1);
		return;
	}
	rc = hint_start(bal, entries);
	if (rc)
		dev_warn(&bal->vdev->dev, "no free page hinting: error %d\n",
			 rc);
}

/**
 * ballonet_hint_quiet() - touch the ring no more
 * @bal:	the balloon of a device that was reset and is closed
 */
void ballonet_hint_quiet(struct ballonet *bal)
{
	cancel_delayed_work_sync(&bal->hint.work);
}

/**
 * ballonet_hint_stop() - everything is the guest's
 * @bal:	the balloon of a device without rings
 */
void ballonet_hint_stop(struct ballonet *bal)
{
	struct ballonet_hint *hint = &bal->hint;

	if (!hint->most)
		return;
	hint->most = 0;
	unregister_oom_notifier(&hint->oom_nb);
	ballonet_shrinker_stop(&hint->shrinker);
	list_splice_init(&hint->sent, &hint->held);
	hint->in_flight = 0;
	blocks_give(hint, U64_MAX, false);
}
