// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests to the host: a fixed few for each queue, filled with blocks, sent,
 * answered. Knows both formats on the wire: ranges (BALLONET_F_RANGES) and the
 * standard's array of frame numbers, and nothing of why pages move.
 */
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio.h>

#include "trace.h"

/**
 * ballonet_queue_init() - allocate the requests of a queue
 * @bal:	the balloon
 * @q:		the queue; zeroed
 * @type:	BALLONET_REQ_INFLATE or BALLONET_REQ_DEFLATE
 *
 * Return: 0 or -ENOMEM, and then ballonet_queue_deinit() is still due.
 */
int ballonet_queue_init(struct ballonet *bal, struct ballonet_queue *q,
			u16 type)
{
	unsigned int i;

	q->bal = bal;
	q->type = type;
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->idle);
	INIT_LIST_HEAD(&q->answered);
	for (i = 0; i < BALLONET_RQS; i++) {
		struct ballonet_rq *rq = &q->rqs[i];

		INIT_LIST_HEAD(&rq->blocks);
		rq->out = kmalloc(BALLONET_RQ_BYTES, GFP_KERNEL);
		rq->answer = kmalloc(sizeof(*rq->answer), GFP_KERNEL);
		if (!rq->out || !rq->answer)
			return -ENOMEM;
		list_add_tail(&rq->node, &q->idle);
	}
	return 0;
}

/**
 * ballonet_queue_deinit() - free the requests of a queue
 * @q:		the queue; no request has a block
 */
void ballonet_queue_deinit(struct ballonet_queue *q)
{
	unsigned int i;

	for (i = 0; i < BALLONET_RQS; i++) {
		kfree(q->rqs[i].out);
		kfree(q->rqs[i].answer);
	}
}

/**
 * ballonet_queue_close() - nothing is sent or answered any more
 * @q:		the queue of a device that was reset
 *
 * Who waits for an answer is told that there is none.
 */
void ballonet_queue_close(struct ballonet_queue *q)
{
	struct ballonet_rq *rq, *next;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&q->lock, flags);
	q->vq = NULL;
	list_for_each_entry_safe(rq, next, &q->answered, node)
		list_del_init(&rq->node);
	spin_unlock_irqrestore(&q->lock, flags);
	/* One that was not sent is still in the hands of who fills it. */
	for (i = 0; i < BALLONET_RQS; i++)
		if (q->rqs[i].single && q->rqs[i].sent_ns)
			ballonet_frame_answered(q->bal, q, &q->rqs[i], -ENODEV);
}

/**
 * ballonet_queue_empty() - take back what the host had not answered
 * @q:		a closed queue that nobody uses any more
 *
 * Every request is idle afterwards; the blocks are the guest's.
 */
void ballonet_queue_empty(struct ballonet_queue *q)
{
	unsigned int i;

	q->in_flight = 0;
	q->in_flight_frames = 0;
	INIT_LIST_HEAD(&q->idle);
	INIT_LIST_HEAD(&q->answered);
	for (i = 0; i < BALLONET_RQS; i++) {
		struct ballonet_rq *rq = &q->rqs[i];
		struct page *page, *next;

		list_for_each_entry_safe(page, next, &rq->blocks, lru) {
			list_del(&page->lru);
			ballonet_block_give(q->bal, page);
		}
		rq->sent_ns = 0;
		list_add_tail(&rq->node, &q->idle);
	}
}

/**
 * ballonet_queue_callback() - the host answered
 * @vq:		on this virtqueue
 *
 * Context: interrupt.
 */
void ballonet_queue_callback(struct virtqueue *vq)
{
	struct ballonet *bal = vq->vdev->priv;
	struct ballonet_queue *q = vq == bal->inflateq.vq ? &bal->inflateq :
							    &bal->deflateq;
	struct ballonet_rq *rq;
	unsigned long flags;
	unsigned int len;

	spin_lock_irqsave(&q->lock, flags);
	/* Not before find_vqs() has returned. */
	if (q->vq == vq) {
		while ((rq = virtqueue_get_buf(vq, &len))) {
			rq->len = len;
			list_add_tail(&rq->node, &q->answered);
		}
	}
	spin_unlock_irqrestore(&q->lock, flags);
	ballonet_engine_kick(bal);
}

/**
 * ballonet_queue_oldest() - since when the host owes an answer
 * @q:		the queue
 *
 * Return: ktime_get_ns(); of now, if it owes none.
 */
u64 ballonet_queue_oldest(struct ballonet_queue *q)
{
	u64 oldest = ktime_get_ns();
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&q->lock, flags);
	for (i = 0; i < BALLONET_RQS; i++)
		if (q->rqs[i].sent_ns)
			oldest = min(oldest, q->rqs[i].sent_ns);
	spin_unlock_irqrestore(&q->lock, flags);
	return oldest;
}

static struct ballonet_rq *rq_pop(struct ballonet_queue *q,
				  struct list_head *list)
{
	struct ballonet_rq *rq;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	rq = list_first_entry_or_null(list, struct ballonet_rq, node);
	if (rq)
		list_del(&rq->node);
	spin_unlock_irqrestore(&q->lock, flags);
	return rq;
}

/**
 * ballonet_rq_get() - a request to fill
 * @q:		the queue it is for
 *
 * Return: an empty request, or NULL while all are in flight.
 */
struct ballonet_rq *ballonet_rq_get(struct ballonet_queue *q)
{
	struct ballonet_rq *rq = rq_pop(q, &q->idle);

	if (rq) {
		rq->frames = 0;
		rq->ranges = 0;
		rq->type = q->type;
	}
	return rq;
}

/**
 * ballonet_rq_put() - done with a request
 * @q:		its queue
 * @rq:		without blocks
 */
void ballonet_rq_put(struct ballonet_queue *q, struct ballonet_rq *rq)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	rq->sent_ns = 0;
	list_add_tail(&rq->node, &q->idle);
	spin_unlock_irqrestore(&q->lock, flags);
}

static bool rq_add_frames(struct ballonet_rq *rq, u64 start, unsigned int nr)
{
	__le32 *pfns = rq->out;
	unsigned int i;

	/* The standard's array has 32 bits for a frame: 16 TiB. */
	if (rq->frames + nr > BALLONET_STD_FRAMES || start + nr - 1 > U32_MAX)
		return false;
	for (i = 0; i < nr; i++)
		pfns[rq->frames + i] = cpu_to_le32(start + i);
	return true;
}

static bool rq_add_range(struct ballonet *bal, struct ballonet_rq *rq,
			 u64 start, unsigned int nr)
{
	struct ballonet_request *req = rq->out;
	struct ballonet_range *last = &req->ranges[rq->ranges - 1];

	if (rq->frames + nr > bal->max_frames)
		return false;
	/* The page allocator hands out runs in either direction. */
	if (rq->ranges) {
		u64 last_start = le64_to_cpu(last->start);
		u64 last_nr = le64_to_cpu(last->nr);

		if (start == last_start + last_nr || start + nr == last_start) {
			last->start = cpu_to_le64(min(start, last_start));
			last->nr = cpu_to_le64(last_nr + nr);
			return true;
		}
	}
	if (rq->ranges == bal->max_ranges)
		return false;
	req->ranges[rq->ranges].start = cpu_to_le64(start);
	req->ranges[rq->ranges].nr = cpu_to_le64(nr);
	rq->ranges++;
	return true;
}

static bool rq_add(struct ballonet *bal, struct ballonet_rq *rq, u64 start,
		   unsigned int nr)
{
	bool room = bal->ranges ? rq_add_range(bal, rq, start, nr) :
				  rq_add_frames(rq, start, nr);

	if (room)
		rq->frames += nr;
	return room;
}

/**
 * ballonet_rq_room() - what still fits
 * @bal:	the balloon
 * @rq:		a request
 *
 * Return: frames, in one block or in several.
 */
unsigned int ballonet_rq_room(struct ballonet *bal, struct ballonet_rq *rq)
{
	if (!bal->ranges)
		return BALLONET_STD_FRAMES - rq->frames;
	return rq->ranges < bal->max_ranges ? bal->max_frames - rq->frames : 0;
}

/**
 * ballonet_rq_add() - put a block into a request
 * @bal:	the balloon
 * @rq:		the request
 * @page:	the block; not on any list
 *
 * Return: whether there was room.
 */
bool ballonet_rq_add(struct ballonet *bal, struct ballonet_rq *rq,
		     struct page *page)
{
	if (!rq_add(bal, rq, page_to_pfn(page),
		    1U << ballonet_block_order(page)))
		return false;
	list_add_tail(&page->lru, &rq->blocks);
	return true;
}

/**
 * ballonet_rq_add_single() - put a page that is on somebody's list into a
 * request
 * @bal:	the balloon
 * @rq:		an empty request
 * @page:	the page; the caller's reference becomes the request's
 */
void ballonet_rq_add_single(struct ballonet *bal, struct ballonet_rq *rq,
			    struct page *page)
{
	rq_add(bal, rq, page_to_pfn(page), 1);
	rq->single = page;
}

/**
 * ballonet_rq_set_table() - make a request one that tells the standby table
 * @rq:		an empty request of inflateq
 * @start:	first frame of the table
 * @nr:		how many
 *
 * Nothing changes owner: the request has no frames.
 */
void ballonet_rq_set_table(struct ballonet_rq *rq, u64 start, u64 nr)
{
	struct ballonet_request *req = rq->out;

	rq->type = BALLONET_REQ_STANDBY;
	rq->ranges = 1;
	req->ranges[0].start = cpu_to_le64(start);
	req->ranges[0].nr = cpu_to_le64(nr);
}

/**
 * ballonet_rq_send() - make the host see a request
 * @q:		its queue
 * @rq:		with at least one block
 *
 * Return: 0, or a negative error: the host does not have it.
 */
int ballonet_rq_send(struct ballonet_queue *q, struct ballonet_rq *rq)
{
	struct scatterlist out, in, *sgs[] = { &out, &in };
	struct ballonet_request *req = rq->out;
	unsigned int nr_in = 0;
	struct virtqueue *vq;
	unsigned long flags;
	bool notify = false;
	int rc;

	rq->id = atomic64_inc_return(&q->last_id);
	if (q->bal->ranges) {
		req->type = cpu_to_le16(rq->type);
		req->reserved = 0;
		req->nr_ranges = cpu_to_le32(rq->ranges);
		req->id = cpu_to_le64(rq->id);
		memset(rq->answer, 0, sizeof(*rq->answer));
		sg_init_one(&out, req, struct_size(req, ranges, rq->ranges));
		sg_init_one(&in, rq->answer, sizeof(*rq->answer));
		nr_in = 1;
	} else {
		sg_init_one(&out, rq->out, rq->frames * sizeof(__le32));
	}

	spin_lock_irqsave(&q->lock, flags);
	vq = q->vq;
	rc = vq ? virtqueue_add_sgs(vq, sgs, 1, nr_in, rq, GFP_ATOMIC) :
		  -ENODEV;
	if (!rc) {
		q->in_flight++;
		q->in_flight_frames += rq->single ? 0 : rq->frames;
		rq->sent_ns = ktime_get_ns();
		trace_ballonet_request(q, rq);
		notify = virtqueue_kick_prepare(vq);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	ballonet_count_rq(q, rc ? BALLONET_C_INFLATE_NOT_SENT :
				  BALLONET_C_INFLATE_SENT, 1);
	if (notify) {
		ballonet_count_rq(q, BALLONET_C_INFLATE_NOTIFIED, 1);
		virtqueue_notify(vq);
	}
	return rc;
}

/**
 * ballonet_rq_answered() - a request that came back
 * @q:		the queue
 *
 * Return: the next one, the engine's from now on, or NULL.
 */
struct ballonet_rq *ballonet_rq_answered(struct ballonet_queue *q)
{
	struct ballonet_rq *rq = rq_pop(q, &q->answered);
	unsigned long flags;

	if (rq) {
		spin_lock_irqsave(&q->lock, flags);
		q->in_flight--;
		q->in_flight_frames -= rq->single ? 0 : rq->frames;
		spin_unlock_irqrestore(&q->lock, flags);
	}
	return rq;
}

static int status_to_errno(u32 status)
{
	switch (status) {
	case BALLONET_RESP_OK:
		return 0;
	case BALLONET_RESP_INVALID:
	case BALLONET_RESP_RANGE:
	case BALLONET_RESP_LIMIT:
		return -EINVAL;
	case BALLONET_RESP_REFUSED:
		return -EPERM;
	default:
		return -EIO;
	}
}

/**
 * ballonet_rq_result() - what the host says that it did
 * @bal:	the balloon
 * @rq:		an answered request
 * @ret_done:	gets the frames that changed owner; see ballonet_rq_is_hosts()
 *
 * Return: 0; -EPROTO for an answer that is none, @ret_done is untouched then
 * and the frames are still the host's; -EINVAL, -EPERM (refused) or -EIO.
 */
int ballonet_rq_result(struct ballonet *bal, struct ballonet_rq *rq,
		       u64 *ret_done)
{
	struct ballonet_request *req = rq->out;
	struct ballonet_response answer;
	u64 done;
	int rc;

	rq->status = BALLONET_RESP_OK;
	rq->freed = 0;
	if (!bal->ranges) {
		*ret_done = rq->frames;
		return 0;
	}
	if (rq->len < sizeof(answer))
		return -EPROTO;
	memcpy(&answer, rq->answer, sizeof(answer));
	rq->status = le32_to_cpu(answer.status);
	rq->freed = le64_to_cpu(answer.bytes_freed);
	if (answer.id != req->id)
		return -EPROTO;
	rc = status_to_errno(rq->status);
	done = le64_to_cpu(answer.frames_done);
	if (rc ? done > rq->frames : done != rq->frames)
		return -EPROTO;
	*ret_done = rc == -EIO || !rc ? done : 0;
	return rc;
}

/**
 * ballonet_rq_is_hosts() - whether a block is the host's after an answer
 * @q:		the queue
 * @rq:		an answered request
 * @page:	one of its blocks
 * @done:	frames that changed owner, along the ranges
 *
 * Return: true as long as any of the block's frames is the host's.
 */
bool ballonet_rq_is_hosts(struct ballonet_queue *q, struct ballonet_rq *rq,
			  struct page *page, u64 done)
{
	u64 end = page_to_pfn(page) + (1ULL << ballonet_block_order(page));
	bool inflate = q->type == BALLONET_REQ_INFLATE;
	struct ballonet_request *req = rq->out;
	unsigned int i;
	u64 before = 0;

	if (done == rq->frames || !done)
		return inflate == !!done;
	for (i = 0; i < rq->ranges; i++) {
		u64 start = le64_to_cpu(req->ranges[i].start);
		u64 nr = le64_to_cpu(req->ranges[i].nr);

		if (page_to_pfn(page) >= start && end <= start + nr)
			return inflate ?
			       before + (page_to_pfn(page) - start) < done :
			       before + (end - start) > done;
		before += nr;
	}
	return true;
}
