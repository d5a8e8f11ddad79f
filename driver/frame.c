// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Single frames. They are scattered over memory, so they are kept in the
 * kernel's own list of balloon pages, from where compaction may move them: it
 * takes a free page, asks us to put it into the balloon in place of the old
 * one, and has a larger free block afterwards. Whole blocks need none of this.
 *
 * The host has to hear of both pages, and may be slow or silent:
 *
 * First the new page is given. Until the host answers nothing has changed; if
 * it answers too late, the new page counts as in the balloon, and nothing is
 * deflated until the answer is there. Then the old page is asked back; if that
 * answer is late, the request keeps the page until it comes.
 */
#include <linux/balloon.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/migrate.h>
#include <linux/mm.h>

#include "trace.h"

/* How long compaction waits for the host, for each of the two pages. */
#define MOVE_MS	1000

/**
 * ballonet_frame_take() - take a free frame out of the guest's use
 * @bal:	the balloon
 *
 * Reclaims a little if it must, but dips into no reserves and makes nothing be
 * killed.
 *
 * Context: may sleep.
 * Return: a page, or NULL.
 */
struct page *ballonet_frame_take(struct ballonet *bal)
{
	/* As balloon_page_alloc() does, which knows no nodes. */
	return ballonet_node_alloc(bal, BALLONET_GFP_FRAME | __GFP_NOMEMALLOC |
					__GFP_NORETRY | __GFP_NOWARN, 0);
}

/**
 * ballonet_frame_give() - give a frame back to the guest
 * @page:	taken, or not held any more
 */
void ballonet_frame_give(struct page *page)
{
	__free_page(page);
}

/**
 * ballonet_frame_hold() - the host has a frame
 * @bal:	the balloon
 * @page:	the frame; not on any list
 */
void ballonet_frame_hold(struct ballonet *bal, struct page *page)
{
	ballonet_balloon_enqueue(&bal->frames, page, !bal->deflate_on_oom);
}

/**
 * ballonet_frame_unhold() - pick a frame to take back from the host
 * @bal:	the balloon
 *
 * Return: a page, or NULL if there is none, or compaction has them all.
 */
struct page *ballonet_frame_unhold(struct ballonet *bal)
{
	LIST_HEAD(pages);
	struct page *page;

	if (!balloon_page_list_dequeue(&bal->frames, &pages, 1))
		return NULL;
	page = list_first_entry(&pages, struct page, lru);
	list_del(&page->lru);
	ballonet_balloon_dequeued(page, !bal->deflate_on_oom);
	return page;
}

/*
 * Tell the host of one page and wait, with a bound, for its answer. Returns 0;
 * -EINPROGRESS: it was told, but did not answer, and the request has its own
 * reference to the page; another error: nothing has changed.
 */
static int frame_tell(struct ballonet *bal, struct ballonet_queue *q,
		      struct ballonet_rq *rq, struct page *page)
{
	struct ballonet_waiter waiter = { .rc = -EINPROGRESS };
	unsigned long flags;
	int rc;

	get_page(page);
	ballonet_rq_add_single(bal, rq, page);
	rq->waiter = &waiter;
	rc = ballonet_rq_send(q, rq);
	if (rc) {
		rq->waiter = NULL;
		/* The host keeps it, since it was not told: until the reset. */
		if (q->type == BALLONET_REQ_DEFLATE && rc != -ENODEV) {
			rq->sent_ns = ktime_get_ns();
			return rc;
		}
		rq->single = NULL;
		ballonet_rq_put(q, rq);
		put_page(page);
		return rc;
	}
	if (!wait_event_timeout(bal->answer_wq,
				READ_ONCE(waiter.rc) != -EINPROGRESS,
				msecs_to_jiffies(MOVE_MS)))
		ballonet_count(bal, BALLONET_C_MOVE_TIMEOUT, 1);
	/* It lives on our stack. */
	spin_lock_irqsave(&bal->lock, flags);
	if (waiter.rc == -EINPROGRESS) {
		rq->waiter = NULL;
		bal->unanswered += q->type == BALLONET_REQ_INFLATE;
	}
	spin_unlock_irqrestore(&bal->lock, flags);
	return waiter.rc;
}

/**
 * ballonet_frame_answered() - the host answered for a single page
 * @bal:	the balloon
 * @q:		the queue
 * @rq:		the request; back with its queue afterwards
 * @rc:		what became of it
 */
void ballonet_frame_answered(struct ballonet *bal, struct ballonet_queue *q,
			     struct ballonet_rq *rq, int rc)
{
	struct page *page = rq->single;
	unsigned long flags;

	/* First, as who waits may take it for the only user of the page. */
	put_page(page);
	spin_lock_irqsave(&bal->lock, flags);
	if (rq->waiter)
		WRITE_ONCE(rq->waiter->rc, rc);
	else
		bal->unanswered -= q->type == BALLONET_REQ_INFLATE;
	rq->waiter = NULL;
	rq->single = NULL;
	spin_unlock_irqrestore(&bal->lock, flags);
	wake_up_all(&bal->answer_wq);
	ballonet_rq_put(q, rq);
}

static int frame_move(struct ballonet *bal, struct page *newpage,
		      struct page *page)
{
	struct ballonet_rq *in, *out;
	int rc;

	/* One lost answer is enough. */
	if (READ_ONCE(bal->stopping) || READ_ONCE(bal->unanswered))
		return -EAGAIN;
	in = ballonet_rq_get(&bal->inflateq);
	if (!in)
		return -EAGAIN;
	out = ballonet_rq_get(&bal->deflateq);
	if (!out) {
		ballonet_rq_put(&bal->inflateq, in);
		return -EAGAIN;
	}
	rc = frame_tell(bal, &bal->inflateq, in, newpage);
	if (rc && rc != -EINPROGRESS) {
		ballonet_rq_put(&bal->deflateq, out);
		return -EAGAIN;
	}
	/* If its answer is not there, the request has a reference to it. */
	frame_tell(bal, &bal->deflateq, out, page);
	trace_ballonet_take(bal, newpage, 0);
	trace_ballonet_give(bal, page, 0);
	ballonet_balloon_migrated(&bal->frames, newpage, page,
				  !bal->deflate_on_oom);
	return MIGRATEPAGE_SUCCESS;
}

static int frame_migrate(struct balloon_dev_info *info, struct page *newpage,
			 struct page *page, enum migrate_mode mode)
{
	struct ballonet *bal = container_of(info, struct ballonet, frames);
	int rc;

	/* Who is in a hurry does not wait. */
	if (mode == MIGRATE_ASYNC)
		return -EAGAIN;
	atomic_inc(&bal->migrating);
	rc = frame_move(bal, newpage, page);
	ballonet_count(bal, rc == MIGRATEPAGE_SUCCESS ?
			    BALLONET_C_MOVE : BALLONET_C_MOVE_FAILED, 1);
	if (atomic_dec_and_test(&bal->migrating))
		wake_up_all(&bal->answer_wq);
	return rc;
}

/**
 * ballonet_frames_settle() - wait until no frame is being moved
 * @bal:	the balloon; its queues are closed, so it takes a moment
 */
void ballonet_frames_settle(struct ballonet *bal)
{
	wait_event(bal->answer_wq, !atomic_read(&bal->migrating));
}

/**
 * ballonet_frames_init() - no frames
 * @bal:	the balloon
 */
void ballonet_frames_init(struct ballonet *bal)
{
	ballonet_balloon_init(&bal->frames);
	bal->frames.migratepage = frame_migrate;
}
