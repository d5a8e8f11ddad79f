// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks on standby (BALLONET_F_STANDBY): the host takes them when it needs
 * them, the guest has no part in it and may be stopped.
 *
 * The worker takes them, a batch between any two looks at the rings: a second
 * thread would only wait for the same file's lock in the kernel. While a batch
 * is in hand its blocks are nobody's, and nothing stops it: it takes a few
 * milliseconds. So between two batches, and whenever the main thread has the
 * worker paused, no entry is TAKING.
 *
 * Taken is what a client orders, in whatever order the table has it; or, where
 * the mode is eager, what has been offered for at least one poll: a block that
 * the guest has just freed it may need just as soon.
 */

#include "backend.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discard.h"
#include "log.h"

#define BLOCK_BYTES	((uint64_t)BALLONET_STANDBY_FRAMES << FRAME_SHIFT)

/*
 * Bytes of a batch, by what the kernel needs for them: a few milliseconds on
 * 4 KiB pages (see lib/discard.c), a few for the calls alone on larger ones.
 */
#define BATCH_SMALL	(UINT64_C(16) << 20)
#define BATCH_HUGE	(UINT64_C(256) << 20)

/* Between two looks for blocks. */
#define POLL_MS		500

/* An order ends then: who gave it may have other VMs to ask. */
#define TAKE_MS		1000

_Static_assert(BATCH_HUGE / BLOCK_BYTES <= STANDBY_BATCH, "room for a batch");

static struct standby table(struct backend *b)
{
	struct standby s = { .table = &b->regions };

	pthread_mutex_lock(&b->info);
	s.start = b->state->standby.start;
	s.frames = b->state->standby.frames;
	pthread_mutex_unlock(&b->info);
	return s;
}

static void table_set(struct backend *b, uint64_t start, uint64_t frames)
{
	struct state_standby *s = &b->state->standby;

	pthread_mutex_lock(&b->info);
	s->frames = 0;
	atomic_signal_fence(memory_order_seq_cst);
	s->start = start;
	atomic_signal_fence(memory_order_seq_cst);
	s->frames = frames;
	pthread_mutex_unlock(&b->info);
}

/* What an eager worker needs besides; without it, it is not eager. */
static void eager_begin(struct backend *b)
{
	struct standby_work *w = &b->standby;
	struct standby s = table(b);

	free(w->old);
	w->old = NULL;
	if (w->mode == STANDBY_EAGER && s.frames)
		w->old = calloc(standby_slots(&s) / 8, 1);
	w->poll_ms = 0;
}

/**
 * standby_request() - a driver tells its table
 * @b:		the back-end; the request is in its chain
 * @rq:		the request's head
 *
 * Context: worker.
 *
 * Return: the response's status.
 */
int standby_request(struct backend *b, const struct ballonet_request *rq)
{
	const struct standby now = table(b);
	struct ballonet_range range;
	struct standby new;
	uint64_t start, nr;

	if (rq->reserved || le32toh(rq->nr_ranges) != 1 ||
	    b->chain.read_len != sizeof(*rq) + sizeof(range) ||
	    vring_read(&b->chain, &b->regions, sizeof(*rq), &range,
		       sizeof(range)))
		return BALLONET_RESP_INVALID;
	start = le64toh(range.start);
	nr = le64toh(range.nr);
	if (!nr || start > UINT64_MAX >> FRAME_SHIFT)
		return BALLONET_RESP_RANGE;
	if (nr > BALLONET_STANDBY_MAX_FRAMES)
		return BALLONET_RESP_LIMIT;
	if (!region_covers(&b->regions, start << FRAME_SHIFT,
			   nr << FRAME_SHIFT))
		return BALLONET_RESP_RANGE;
	if (start == now.start && nr == now.frames)
		return BALLONET_RESP_OK;
	b->standby.runs = false;
	table_set(b, start, nr);
	new = table(b);
	standby_put_back(&new);
	eager_begin(b);
	return BALLONET_RESP_OK;
}

/**
 * standby_forget() - all blocks are the guest's again
 * @b:		the back-end
 *
 * Context: main thread, worker paused.
 */
void standby_forget(struct backend *b)
{
	table_set(b, 0, 0);
	b->standby.runs = false;
	eager_begin(b);
}

/**
 * standby_resume() - take up the table of a predecessor
 * @b:		the back-end
 *
 * Context: main thread, worker paused.
 */
void standby_resume(struct backend *b)
{
	struct standby s = table(b);

	/* It may have been taken over by its guest. */
	if (s.frames > BALLONET_STANDBY_MAX_FRAMES ||
	    s.start > UINT64_MAX >> FRAME_SHIFT)
		standby_forget(b);
	s = table(b);
	standby_put_back(&s);
	eager_begin(b);
}

/**
 * standby_get() - how much there is
 * @b:		the back-end
 * @ret_offered: bytes that can be taken
 * @ret_taken:	bytes that were
 *
 * Context: main thread.
 */
void standby_get(struct backend *b, uint64_t *ret_offered,
		 uint64_t *ret_taken)
{
	struct standby s = table(b);

	standby_count(&s, ret_offered, ret_taken);
}

/**
 * standby_answer() - what became of an order
 * @b:		the back-end
 * @ret_taken:	bytes of blocks
 * @ret_freed:	bytes that the host got
 *
 * Context: main thread.
 *
 * Return: false if it is still under way, or there was none.
 */
bool standby_answer(struct backend *b, uint64_t *ret_taken,
		    uint64_t *ret_freed)
{
	struct take *take = &b->standby.take;

	if (atomic_load(&take->phase) != TAKE_DONE)
		return false;
	*ret_taken = take->taken;
	*ret_freed = take->freed;
	atomic_store(&take->phase, TAKE_NONE);
	return true;
}

/**
 * standby_order() - have blocks taken
 * @b:		the back-end
 * @bytes:	how much; rounded up to blocks
 *
 * Context: main thread.
 *
 * Return: false if the worker is at an order already. Otherwise the main
 * thread is woken when standby_answer() has the answer.
 */
bool standby_order(struct backend *b, uint64_t bytes)
{
	struct take *take = &b->standby.take;

	if (atomic_load(&take->phase) != TAKE_NONE)
		return false;
	take->want = bytes;
	take->until_ms = now_ms() + TAKE_MS;
	take->taken = 0;
	take->freed = 0;
	atomic_store(&take->phase, TAKE_ORDERED);
	event_signal(b->wake_worker);
	return true;
}

static void take_done(struct backend *b)
{
	count(b, takes);
	atomic_store(&b->standby.take.phase, TAKE_DONE);
	event_signal(b->wake_main);
}

static bool take_runs(struct backend *b)
{
	return atomic_load(&b->standby.take.phase) == TAKE_RUNS;
}

/* Where the host's pages are larger than a block, nothing comes of one. */
static void scan_begin(struct backend *b, bool eager)
{
	struct standby s = table(b);

	b->standby.scan = (struct standby_scan){
		.end = standby_slots(&s),
		.old = eager ? b->standby.old : NULL,
		.block = BLOCK_BYTES,
	};
	b->standby.runs = true;
}

static void scan_end(struct backend *b)
{
	struct standby_work *w = &b->standby;

	w->runs = false;
	if (take_runs(b)) {
		take_done(b);
		return;
	}
	w->poll_ms = now_ms() + POLL_MS;
}

/* Begins a walk if there is a reason for one. */
static void scan_next(struct backend *b)
{
	struct standby_work *w = &b->standby;
	int ordered = TAKE_ORDERED;

	if (atomic_compare_exchange_strong(&w->take.phase, &ordered,
					   TAKE_RUNS))
		scan_begin(b, false);
	else if (w->old && now_ms() >= w->poll_ms)
		scan_begin(b, true);
}

static void account(struct backend *b, const struct discard *job)
{
	count_add(b, standby_calls, job->calls);
	count_add(b, standby_freed, job->freed);
	count_add(b, bytes_freed, job->freed);
	if (take_runs(b))
		b->standby.take.freed += job->freed;
}

/* Discards the batch. Returns 0 or a negative errno. */
static int batch_discard(struct backend *b, const struct standby *s)
{
	struct standby_batch *batch = &b->standby.batch;
	struct discard job = { .table = &b->regions };
	int ret;

	prefault_cut(b, &batch->list);
	ret = discard_whole(&job, &batch->list);
	/* The system call is over: nothing of ours reads or writes there. */
	standby_settle(s, batch, ret ? BALLONET_STANDBY_OFFERED :
				       BALLONET_STANDBY_TAKEN);
	account(b, &job);
	if (ret) {
		if (!atomic_load(&b->counters.discard_errors))
			log_err("cannot take blocks on standby: %s",
				strerror(-ret));
		count(b, discard_errors);
		return ret;
	}
	count_add(b, blocks_taken, batch->nr);
	return 0;
}

/* How many blocks to take at a time, and by this order at all. */
static unsigned int batch_size(struct backend *b)
{
	uint64_t most = region_block(&b->regions) < BLOCK_BYTES ?
			BATCH_SMALL : BATCH_HUGE;
	uint64_t want = b->standby.take.want + BLOCK_BYTES - 1;

	if (take_runs(b) && want < most)
		most = want;
	return most / BLOCK_BYTES;
}

/* Returns whether the walk goes on. */
static bool batch_take(struct backend *b)
{
	struct standby_work *w = &b->standby;
	const struct standby s = table(b);
	uint64_t bytes;

	standby_claim(&s, &w->scan, batch_size(b), &w->batch);
	if (w->batch.nr && batch_discard(b, &s))
		return false;
	bytes = w->batch.nr * BLOCK_BYTES;
	if (take_runs(b)) {
		w->take.taken += bytes;
		w->take.want -= bytes < w->take.want ? bytes : w->take.want;
		if (!w->take.want || now_ms() >= w->take.until_ms)
			return false;
	}
	return w->scan.at < w->scan.end;
}

/**
 * standby_serve() - take a few blocks, if there is a reason to
 * @b:		the back-end
 *
 * Context: worker.
 *
 * Return: true if there is more to do at once.
 */
bool standby_serve(struct backend *b)
{
	struct standby_work *w = &b->standby;

	/* A table that was lost on the way ends it. */
	if (!w->runs && take_runs(b))
		take_done(b);
	if (!w->runs)
		scan_next(b);
	if (w->runs && (!b->ring[0].running || atomic_load(&b->is_failed) ||
			guard_refuses(b) || !batch_take(b)))
		scan_end(b);
	return w->runs || atomic_load(&w->take.phase) == TAKE_ORDERED;
}

/**
 * standby_timeout() - how long the worker may sleep
 * @b:		the back-end
 *
 * Context: worker.
 *
 * Return: milliseconds, or -1 for ever.
 */
int standby_timeout(struct backend *b)
{
	uint64_t now = now_ms();

	if (!b->standby.old)
		return -1;
	return b->standby.poll_ms > now ? (int)(b->standby.poll_ms - now) : 0;
}
