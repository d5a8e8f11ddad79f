// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine: one work item that compares what the balloon has with what it
 * should have and moves pages, until they agree or something is in the way.
 * It never waits: an answer, a new target or a timer runs it again.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/virtio_config.h>

#include "floor.h"
#include "trace.h"

/* `actual` is written at rest, and this often on a long way: every 512 MiB. */
#define REPORT_FRAMES		131072
/* Frames taken between two looks at what is available: 2 MiB. */
#define LOOK_FRAMES		512
/* A host that owes an answer for this long is called silent. */
#define SILENT_MS		10000
/* An answer that takes longer is counted as late. */
#define LATE_USEC		1000000
/* Removal gives the host this long to take part. */
#define DRAIN_MS		5000
/* Between two looks for a frame that is being moved. */
#define RELEASE_MS		1
#define RETRY_MOVED_MS		10
/* Between two tries of an inflate that was stopped, doubling. */
#define RETRY_MIN_MS		500
#define RETRY_MAX_MS		4000

static bool queues_idle(struct ballonet *bal)
{
	return !bal->inflateq.in_flight && !bal->deflateq.in_flight;
}

/* For whoever looks. */
static void refuse_note(struct ballonet *bal, enum ballonet_state reason,
			unsigned int retry_ms)
{
	trace_ballonet_refuse(bal, reason, retry_ms);
	ballonet_count(bal, BALLONET_C_STOP_FLOOR + reason - BALLONET_FLOOR, 1);
}

static void state_set(struct ballonet *bal, enum ballonet_state state,
		      unsigned int retry_ms)
{
	if (state >= BALLONET_FLOOR)
		refuse_note(bal, state, retry_ms);
	/* A protocol that is broken stays so until the device is reset. */
	if (bal->state != BALLONET_BROKEN)
		WRITE_ONCE(bal->state, state);
}

/**
 * ballonet_engine_actual() - size of the balloon
 * @bal:	the balloon
 *
 * Return: frames that the host may still change: acknowledged inflates, less
 * acknowledged deflates.
 */
u64 ballonet_engine_actual(struct ballonet *bal)
{
	unsigned long flags;
	u64 frames;

	spin_lock_irqsave(&bal->lock, flags);
	frames = ballonet_held_frames(bal);
	spin_unlock_irqrestore(&bal->lock, flags);
	return frames + READ_ONCE(bal->deflateq.in_flight_frames);
}

/**
 * ballonet_engine_uncounted() - what MemTotal lacks
 * @bal:	the balloon
 *
 * Return: frames in the balloon, unless they count as if they were not.
 */
u64 ballonet_engine_uncounted(struct ballonet *bal)
{
	return bal->deflate_on_oom ? 0 :
	       ballonet_engine_actual(bal) +
			READ_ONCE(bal->inflateq.in_flight_frames);
}

static void give(struct ballonet *bal, struct page *page)
{
	u64 frames = 1ULL << ballonet_block_order(page);
	unsigned long flags;

	ballonet_block_give(bal, page);
	spin_lock_irqsave(&bal->lock, flags);
	bal->given += frames;
	spin_unlock_irqrestore(&bal->lock, flags);
}

/* For whoever looks. */
static void answer_note(struct ballonet_queue *q, struct ballonet_rq *rq,
			int rc, u64 done)
{
	u64 usec = div_u64(ktime_get_ns() - rq->sent_ns, NSEC_PER_USEC);

	trace_ballonet_answer(q, rq, rc, done, usec);
	if (usec > LATE_USEC)
		ballonet_count_rq(q, BALLONET_C_INFLATE_LATE, 1);
	if (rc == -EPROTO) {
		ballonet_count_rq(q, BALLONET_C_INFLATE_NONSENSE, 1);
		return;
	}
	ballonet_count_rq(q, rc ? BALLONET_C_INFLATE_FAILED :
				  BALLONET_C_INFLATE_OK, 1);
	ballonet_count_rq(q, BALLONET_C_INFLATE_FRAMES, done);
	ballonet_count_rq(q, BALLONET_C_INFLATE_FREED_BYTES, rq->freed);
}

static void failure_note(struct ballonet *bal, struct ballonet_rq *rq,
			 bool inflate, int rc, u64 done)
{
	if (rc == -EPERM && inflate) {
		dev_warn_ratelimited(&bal->vdev->dev,
				     "host refuses %u frames; it is asked again when the target changes\n",
				     rq->frames);
		WRITE_ONCE(bal->refused, true);
		return;
	}
	dev_warn_ratelimited(&bal->vdev->dev,
			     "host did %llu of %u frames of the %s: status %u; it is asked again with pauses\n",
			     done, rq->frames, inflate ? "inflate" : "deflate",
			     rq->status);
	bal->failed = true;
}

static void answer_finish(struct ballonet *bal, struct ballonet_queue *q,
			  struct ballonet_rq *rq)
{
	bool inflate = q->type == BALLONET_REQ_INFLATE;
	struct page *page, *next;
	u64 done = 0;
	int rc;

	rc = ballonet_rq_result(bal, rq, &done);
	answer_note(q, rq, rc, done);
	if (rc == -EPROTO) {
		dev_err_ratelimited(&bal->vdev->dev,
				    "host's answer to a request of %u frames makes no sense: %u bytes long, %zu expected, status %u\n",
				    rq->frames, rq->len, sizeof(*rq->answer),
				    rq->status);
		state_set(bal, BALLONET_BROKEN, 0);
		return;
	}
	if (rq->type == BALLONET_REQ_STANDBY) {
		ballonet_standby_answered(bal, rc);
		ballonet_rq_put(q, rq);
		return;
	}
	if (rq->single) {
		/* The host keeps a page that compaction has replaced. */
		if (inflate || done) {
			ballonet_frame_answered(bal, q, rq, done ? 0 : rc);
			return;
		}
		dev_err_ratelimited(&bal->vdev->dev,
				    "host keeps a frame that was moved: status %u\n",
				    rq->status);
		state_set(bal, BALLONET_BROKEN, 0);
		return;
	}
	list_for_each_entry_safe(page, next, &rq->blocks, lru) {
		list_del(&page->lru);
		if (ballonet_rq_is_hosts(q, rq, page, done))
			ballonet_hold(bal, page);
		else
			give(bal, page);
	}
	if (rc)
		failure_note(bal, rq, inflate, rc, done);
	ballonet_rq_put(q, rq);
}

static void answers_collect(struct ballonet *bal)
{
	struct ballonet_queue *qs[] = { &bal->inflateq, &bal->deflateq };
	struct ballonet_rq *rq;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(qs); i++)
		while ((rq = ballonet_rq_answered(qs[i])))
			answer_finish(bal, qs[i], rq);
}

/* The kernel stops using a ring in which it finds nonsense. */
static bool rings_broken(struct ballonet *bal)
{
	if (bal->state == BALLONET_BROKEN || !bal->inflateq.vq ||
	    (!virtqueue_is_broken(bal->inflateq.vq) &&
	     !virtqueue_is_broken(bal->deflateq.vq)))
		return false;
	dev_err(&bal->vdev->dev, "a virtqueue is broken\n");
	return true;
}

static void host_target_read(struct ballonet *bal)
{
	/* A transport that cannot read, for want of memory, writes nothing. */
	__le32 raw = cpu_to_le32(bal->host_target);
	u32 target;

	if (!atomic_xchg(&bal->config_dirty, 0))
		return;
	/* It may not be the host that was told any more. */
	bal->standby.untold = true;
	bal->vdev->config->get(bal->vdev,
			       offsetof(struct ballonet_config, num_pages),
			       &raw, sizeof(raw));
	target = le32_to_cpu(raw);
	if (target != bal->host_target) {
		bal->refused = false;
		bal->retry_ms = RETRY_MIN_MS;
	}
	WRITE_ONCE(bal->host_target, target);
}

static void actual_report(struct ballonet *bal)
{
	u64 actual = ballonet_engine_actual(bal);
	u32 value = min_t(u64, actual, U32_MAX);
	u64 moved = actual > bal->reported ? actual - bal->reported :
					     bal->reported - actual;

	/* What the host has may be from another driver: tell it at once. */
	if (bal->reported == U64_MAX)
		moved = REPORT_FRAMES;
	if (!moved || (!queues_idle(bal) && moved < REPORT_FRAMES))
		return;
	virtio_cwrite_le(bal->vdev, struct ballonet_config, actual, &value);
	bal->reported = actual;
}

/* The size that the balloon should have, of all who have a say. */
static u64 wanted(struct ballonet *bal, bool *ret_pressed)
{
	unsigned long flags;
	u64 frames, most;

	*ret_pressed = false;
	if (bal->stopping || READ_ONCE(bal->asleep))
		return 0;
	/* A host that listens has been asked. */
	frames = bal->eventq ? bal->host_target :
			       max(bal->host_target, READ_ONCE(bal->target));
	spin_lock_irqsave(&bal->lock, flags);
	if (bal->ceiling != U64_MAX) {
		if (time_after_eq(jiffies, bal->ceiling_until)) {
			bal->ceiling = U64_MAX;
		} else {
			/* Less than the host wants only where it lets us. */
			most = bal->ceiling;
			if (!bal->deflate_on_oom)
				most = max(most, bal->host_target);
			frames = min(frames, most);
			*ret_pressed = true;
		}
	}
	spin_unlock_irqrestore(&bal->lock, flags);
	return frames;
}

/* Somebody changed his mind while pages were being taken. */
static bool interrupted(struct ballonet *bal)
{
	return atomic_read(&bal->config_dirty) || READ_ONCE(bal->stopping) ||
	       READ_ONCE(bal->asleep) || READ_ONCE(bal->going.end) ||
	       READ_ONCE(bal->ceiling) != U64_MAX;
}

/*
 * Frames that may be taken, in blocks of @order. What is only for what can be
 * moved is not where the blocks are from: it counts for frames alone, and so
 * does its part of the floor.
 */
static u64 room(struct ballonet *bal, unsigned int order)
{
	s64 available = si_mem_available();
	u64 floor = READ_ONCE(bal->floor);

	if (order) {
		struct ballonet_zones blocks, movable;

		blocks = ballonet_zones_read(0, BALLONET_ZONE_BLOCKS);
		movable = ballonet_zones_read(ZONE_MOVABLE, ZONE_MOVABLE);
		available -= movable.free + movable.cache;
		floor = ballonet_floor_part(floor, blocks.present,
					    blocks.present + movable.present);
	}
	return ballonet_floor_room(max(available, 0LL), floor);
}

static bool add(struct ballonet *bal, struct ballonet_rq *rq, struct page *page)
{
	bool room = ballonet_rq_add(bal, rq, page);

	if (!room)
		ballonet_block_give(bal, page);
	return room;
}

/*
 * Take blocks into a request, at most @need frames: the largest first, single
 * frames when there is no larger one or it would be too large.
 */
static enum ballonet_state fill(struct ballonet *bal, struct ballonet_rq *rq,
				u64 need, bool *huge)
{
	u64 allowed = 0;

	while (need && !interrupted(bal)) {
		u64 fits = min_t(u64, need, ballonet_rq_room(bal, rq));
		unsigned int order = *huge && fits >> bal->huge_order ?
					     bal->huge_order : 0;
		struct page *page;

		if (!fits)
			break;
		if (allowed >> order == 0) {
			allowed = min_t(u64, room(bal, order), LOOK_FRAMES);
			if (allowed >> order == 0 && order) {
				*huge = false;
				continue;
			}
			if (!allowed)
				return BALLONET_FLOOR;
		}
		page = order ? ballonet_standby_take(bal) : NULL;
		if (!page)
			page = ballonet_block_take(bal, order);
		if (!page && order) {
			*huge = false;
			continue;
		}
		if (!page)
			return BALLONET_NOMEM;
		if (!add(bal, rq, page))
			break;
		allowed -= 1ULL << order;
		need -= 1ULL << order;
		cond_resched();
	}
	return BALLONET_INFLATING;
}

static void rq_abandon(struct ballonet *bal, struct ballonet_queue *q,
		       struct ballonet_rq *rq, bool was_held)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &rq->blocks, lru) {
		list_del(&page->lru);
		if (was_held)
			ballonet_hold(bal, page);
		else
			ballonet_block_give(bal, page);
	}
	ballonet_rq_put(q, rq);
}

static bool send(struct ballonet *bal, struct ballonet_queue *q,
		 struct ballonet_rq *rq, bool was_held)
{
	int rc;

	if (!rq->frames) {
		ballonet_rq_put(q, rq);
		return false;
	}
	rc = ballonet_rq_send(q, rq);
	if (!rc)
		return true;
	/* A ring smaller than our requests: the next answer makes room. */
	if (rc == -ENOSPC && q->in_flight) {
		rq_abandon(bal, q, rq, was_held);
		return false;
	}
	dev_err(&bal->vdev->dev, "request of %u frames not sent: error %d\n",
		rq->frames, rc);
	rq_abandon(bal, q, rq, was_held);
	state_set(bal, BALLONET_BROKEN, 0);
	return false;
}

static enum ballonet_state inflate(struct ballonet *bal, u64 need)
{
	enum ballonet_state state = BALLONET_INFLATING;
	bool huge = true;

	ballonet_hint_release(bal, need);
	while (need && state == BALLONET_INFLATING && !interrupted(bal)) {
		struct ballonet_rq *rq = ballonet_rq_get(&bal->inflateq);
		u64 frames;

		if (!rq)
			break;
		state = fill(bal, rq, min_t(u64, need, BALLONET_RQ_FRAMES),
			     &huge);
		frames = rq->frames;
		if (!send(bal, &bal->inflateq, rq, false))
			break;
		need -= frames;
	}
	return state;
}

/* Blocks to take back, at most @need frames, into a request. */
static void gather(struct ballonet *bal, struct ballonet_rq *rq, u64 need)
{
	while (rq->frames < need) {
		u64 fits = min_t(u64, need - rq->frames,
				 ballonet_rq_room(bal, rq));
		struct page *page = fits ? ballonet_unhold(bal, fits) : NULL;

		if (!page)
			return;
		/*
		 * The inflate of a frame that was just moved may not have been
		 * answered, and this may be that frame.
		 */
		if (READ_ONCE(bal->unanswered) ||
		    !ballonet_rq_add(bal, rq, page)) {
			ballonet_hold(bal, page);
			return;
		}
	}
}

static void deflate(struct ballonet *bal, u64 need)
{
	while (need) {
		struct ballonet_rq *rq = ballonet_rq_get(&bal->deflateq);
		u64 frames;

		if (!rq)
			return;
		gather(bal, rq, min_t(u64, need, BALLONET_RQ_FRAMES));
		frames = rq->frames;
		if (!send(bal, &bal->deflateq, rq, true))
			return;
		need -= frames;
	}
}

/* How long until a host that owes an answer is called silent; 0 if it is. */
static unsigned int silent_in_ms(struct ballonet *bal)
{
	u64 since = min(ballonet_queue_oldest(&bal->inflateq),
			ballonet_queue_oldest(&bal->deflateq));
	u64 ms = div_u64(ktime_get_ns() - since, NSEC_PER_MSEC);

	return ms < SILENT_MS ? SILENT_MS - ms : 0;
}

static enum ballonet_state move(struct ballonet *bal, u64 leaving)
{
	u64 held, have, want;
	unsigned long flags;
	bool pressed;

	/* Not at once again, or a host that fails is asked for ever. */
	if (bal->failed) {
		bal->failed = false;
		return BALLONET_REFUSED;
	}
	want = wanted(bal, &pressed);
	spin_lock_irqsave(&bal->lock, flags);
	held = ballonet_held_frames(bal);
	spin_unlock_irqrestore(&bal->lock, flags);
	have = held + READ_ONCE(bal->inflateq.in_flight_frames);
	/* What leaves is deflated first; another pass takes as much again. */
	if (leaving)
		want = min(want, have - leaving);

	if (have > want) {
		/* No deflate of a frame whose inflate is not answered. */
		if (READ_ONCE(bal->unanswered))
			return BALLONET_DEFLATING;
		deflate(bal, min(have - want, held));
		return pressed ? BALLONET_PRESSURE : BALLONET_DEFLATING;
	}
	if (pressed)
		return BALLONET_PRESSURE;
	if (have < want)
		return bal->refused ? BALLONET_REFUSED :
				      inflate(bal, want - have);
	return queues_idle(bal) ? BALLONET_IDLE : READ_ONCE(bal->state);
}

/* One pass: what can be done now. Returns ms to the next one, 0 for none. */
static unsigned int engine_pass(struct ballonet *bal)
{
	enum ballonet_state state;
	unsigned int next = 0;
	u64 leaving;

	answers_collect(bal);
	if (ballonet_reset_asked(bal) || rings_broken(bal))
		state_set(bal, BALLONET_BROKEN, 0);
	leaving = ballonet_memory_leaving(bal);
	if (bal->state == BALLONET_BROKEN)
		return 0;
	if (!bal->stopping)
		host_target_read(bal);
	ballonet_standby_tell(bal);
	state = move(bal, leaving);
	actual_report(bal);

	switch (state) {
	case BALLONET_FLOOR:
	case BALLONET_NOMEM:
	case BALLONET_PRESSURE:
	case BALLONET_REFUSED:
		next = bal->retry_ms;
		bal->retry_ms = min(2 * bal->retry_ms, RETRY_MAX_MS);
		break;
	default:
		bal->retry_ms = RETRY_MIN_MS;
	}
	/* All that is left is being moved. */
	if (state == BALLONET_DEFLATING && queues_idle(bal))
		next = RETRY_MOVED_MS;
	if (!queues_idle(bal)) {
		next = silent_in_ms(bal);
		if (!next) {
			if (bal->state != BALLONET_SILENT)
				dev_warn_ratelimited(&bal->vdev->dev,
						     "host owes an answer for more than %u ms; look at its back-end\n",
						     SILENT_MS);
			state = BALLONET_SILENT;
			next = SILENT_MS;
		}
	}
	state_set(bal, state, next);
	ballonet_watch_pass(bal, state);
	wake_up_all(&bal->answer_wq);
	return next;
}

static void engine_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet, engine.work);
	unsigned int next = 0;

	if (!READ_ONCE(bal->stopping)) {
		next = engine_pass(bal);
		if (bal->state == BALLONET_BROKEN)
			ballonet_reset_soon(bal);
	}
	/* Not mod_delayed_work(): a kick that came meanwhile is sooner. */
	if (next)
		queue_delayed_work(bal->wq, &bal->engine,
				   msecs_to_jiffies(next));
}

/**
 * ballonet_engine_init() - an empty balloon, at rest
 * @bal:	the balloon
 */
void ballonet_engine_init(struct ballonet *bal)
{
	INIT_DELAYED_WORK(&bal->engine, engine_work);
	init_waitqueue_head(&bal->answer_wq);
	ballonet_frames_init(bal);
	bal->ceiling = U64_MAX;
	bal->retry_ms = RETRY_MIN_MS;
}

/**
 * ballonet_engine_kick() - something changed
 * @bal:	the balloon
 *
 * Context: any.
 */
void ballonet_engine_kick(struct ballonet *bal)
{
	if (!READ_ONCE(bal->stopping))
		mod_delayed_work(bal->wq, &bal->engine, 0);
	else
		wake_up_all(&bal->answer_wq);
}

/**
 * ballonet_engine_start() - go, on a device that is ready
 * @bal:	the balloon
 */
void ballonet_engine_start(struct ballonet *bal)
{
	bal->reported = U64_MAX;
	bal->refused = false;
	bal->failed = false;
	WRITE_ONCE(bal->state, BALLONET_IDLE);
	WRITE_ONCE(bal->stopping, false);
	atomic_set(&bal->config_dirty, 1);
	ballonet_engine_kick(bal);
}

static bool answer_arrived(struct ballonet *bal)
{
	return !list_empty_careful(&bal->inflateq.answered) ||
	       !list_empty_careful(&bal->deflateq.answered);
}

/**
 * ballonet_engine_stop() - no pass after this one, and no new target
 * @bal:	the balloon
 *
 * Context: may sleep.
 */
void ballonet_engine_stop(struct ballonet *bal)
{
	/* A pass that begins sees this, one that runs ends soon. */
	WRITE_ONCE(bal->stopping, true);
	cancel_delayed_work_sync(&bal->engine);
}

/**
 * ballonet_engine_drain() - stop, and give everything back through the host
 * @bal:	the balloon
 *
 * Runs the engine in the caller's context, since the workqueue may be frozen.
 * A host that does not take part is given up after DRAIN_MS; what it holds
 * then is the guest's once the device was reset.
 *
 * Context: may sleep.
 */
void ballonet_engine_drain(struct ballonet *bal)
{
	unsigned long end = jiffies + msecs_to_jiffies(DRAIN_MS);

	ballonet_engine_stop(bal);
	for (;;) {
		engine_pass(bal);
		if (bal->state == BALLONET_BROKEN)
			return;
		if (time_after(jiffies, end)) {
			dev_warn(&bal->vdev->dev,
				 "host did not give all back in %u ms, %llu frames are left; they are the guest's after the reset that follows\n",
				 DRAIN_MS, ballonet_engine_actual(bal));
			ballonet_count(bal, BALLONET_C_DRAIN_TIMEOUT, 1);
			return;
		}
		if (queues_idle(bal) && !ballonet_engine_actual(bal))
			return;
		wait_event_timeout(bal->answer_wq, answer_arrived(bal),
				   msecs_to_jiffies(DRAIN_MS) / 10);
	}
}

/**
 * ballonet_engine_release() - give back what is still held
 * @bal:	the balloon of a device that was reset
 */
void ballonet_engine_release(struct ballonet *bal)
{
	struct page *page;

	/* A kick that was on its way when the drain began. */
	cancel_delayed_work_sync(&bal->engine);
	while (ballonet_held_frames(bal)) {
		page = ballonet_unhold(bal, U64_MAX);
		if (page)
			give(bal, page);
		else	/* Compaction has it, and returns it. */
			msleep(RELEASE_MS);
	}
}
