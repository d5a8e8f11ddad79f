// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The worker sleeps in epoll_wait() without the lock and works with it. Every
 * time it wakes it looks at all rings, whoever was kicked: a ring that starts
 * may hold buffers whose kick came before us. Each ring gets one pass, then
 * the next one; a pass that left something behind makes the worker come back
 * without sleeping. Blocks on standby are taken in between, a few milliseconds
 * at a time.
 *
 * Buffers are given back only when their frames are done. A pass that is told
 * to stop gives nothing back: the driver's frames are still in flight, and the
 * next pass does them again.
 *
 * A malformed ring stops the device until the guest resets it; the connection
 * goes on and configuration space is answered, so the VMM lives.
 */

#include "backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"

/* Tells the wake-up from a ring's number. */
#define EV_WAKE		UINT32_MAX

static void device_fail(struct backend *b, unsigned int i,
			const struct fault *why)
{
	log_err("ring %u: %s; the device stops until the guest resets it", i,
		why->text);
	pthread_mutex_lock(&b->info);
	fault_set(&b->failed, 0, "ring %u: %s", i, why->text);
	pthread_mutex_unlock(&b->info);
	atomic_store(&b->is_failed, true);
	event_signal(b->wake_main);
}

static int ring_pass(struct backend *b, struct ring *ring,
		     struct fault *ret_fault)
{
	switch (ring->role) {
	case ROLE_INFLATE:
	case ROLE_DEFLATE:
		if (b->state->features & BIT(BALLONET_F_RANGES))
			return inflate_requests(b, ring, ret_fault);
		return inflate_arrays(b, ring, ret_fault);
	case ROLE_STATS:
		return stats_serve(b, ring, ret_fault);
	case ROLE_REPORT:
		return inflate_reports(b, ring, ret_fault);
	case ROLE_EVENTS:
		return events_serve(b, ring, ret_fault);
	case ROLE_NONE:
		break;
	}
	return 0;
}

static void ring_call(struct backend *b, struct ring *ring)
{
	const uint64_t one = 1;

	if (!vring_publish(&ring->vr) || ring->call < 0)
		return;
	if (ring->role == ROLE_REPORT)
		count(b, report_answers);
	else
		count(b, calls);
	/* Non-blocking; a full pipe or counter holds a call already. */
	(void)!write(ring->call, &one, sizeof(one));
}

/* One pass over a ring. True if the worker should come back at once. */
static bool ring_serve(struct backend *b, unsigned int i)
{
	struct ring *ring = &b->ring[i];
	struct fault why = { "" };
	int n;

	if (!ring->running || ring->role == ROLE_NONE ||
	    atomic_load(&b->is_failed))
		return false;

	n = ring_pass(b, ring, &why);
	ring_call(b, ring);
	if (n == -EINTR) {
		count(b, interrupted);
		return true;
	}
	if (n < 0)
		device_fail(b, i, &why);
	return n > 0;
}

static void kick_take(struct backend *b, uint32_t i)
{
	ssize_t ret;
	uint64_t n;

	/* The ring may have been stopped since, its descriptor closed. */
	if (i >= NR_RINGS || !b->ring[i].running)
		return;
	ret = read(b->ring[i].kick, &n, sizeof(n));
	/* The other end is closed: it would be ready for ever. */
	if (!ret || (ret < 0 && errno != EAGAIN && errno != EINTR))
		(void)epoll_ctl(b->worker_epoll, EPOLL_CTL_DEL,
				b->ring[i].kick, NULL);
	if (ret <= 0)
		return;
	if (b->ring[i].role == ROLE_REPORT)
		count(b, report_kicks);
	else
		count(b, kicks);
}

static void events_take(struct backend *b, const struct epoll_event *ev, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (ev[i].data.u32 == EV_WAKE)
			event_clear(b->wake_worker);
		else
			kick_take(b, ev[i].data.u32);
	}
}

static void sleep_until_woken(struct backend *b)
{
	struct epoll_event ev[NR_RINGS + 1];
	int n;

	pthread_mutex_unlock(&b->run);
	n = epoll_wait(b->worker_epoll, ev, ARRAY_SIZE(ev),
		       standby_timeout(b));
	pthread_mutex_lock(&b->run);
	events_take(b, ev, n);
}

/* Rings that discard nothing. */
static bool is_quick(enum role role)
{
	return role == ROLE_DEFLATE || role == ROLE_STATS ||
	       role == ROLE_EVENTS;
}

static void spare_swap(struct backend *b)
{
	struct frame_range *order = b->in_order;
	struct frame_list batch = b->batch;

	b->batch = b->spare_batch;
	b->in_order = b->spare_order;
	b->spare_batch = batch;
	b->spare_order = order;
}

/**
 * worker_wait() - serve the rings that can be until something is done
 * @b:		the back-end
 * @done:	whether it is; who does it signals backend.wake_worker
 *
 * What the caller has in hand stays as it is. @done comes soon after
 * worker_must_stop(), and then no ring is served.
 *
 * Context: worker.
 */
void worker_wait(struct backend *b, bool (*done)(struct backend *b))
{
	const struct vring_chain chain = b->chain;
	struct epoll_event ev[NR_RINGS + 1];
	unsigned int i;
	bool again;
	int n;

	spare_swap(b);
	while (!done(b)) {
		again = false;
		for (i = 0; i < NR_RINGS && !worker_must_stop(b); i++)
			if (is_quick(b->ring[i].role))
				again |= ring_serve(b, i);
		if (again || done(b))
			continue;
		n = epoll_wait(b->worker_epoll, ev, ARRAY_SIZE(ev), -1);
		events_take(b, ev, n);
	}
	spare_swap(b);
	b->chain = chain;
}

static void *work(void *arg)
{
	struct backend *b = arg;
	unsigned int i;
	bool again;

	pthread_mutex_lock(&b->run);
	while (!atomic_load(&b->stopping)) {
		while (atomic_load(&b->pauses))
			pthread_cond_wait(&b->resumed, &b->run);
		again = false;
		for (i = 0; i < NR_RINGS && !atomic_load(&b->pauses); i++)
			again |= ring_serve(b, i);
		if (!atomic_load(&b->pauses))
			again |= standby_serve(b);
		if (!again && !atomic_load(&b->pauses))
			sleep_until_woken(b);
	}
	pthread_mutex_unlock(&b->run);
	return NULL;
}

/**
 * worker_must_stop() - whether the main thread wants the rings
 * @backend:	struct backend
 *
 * Return: true if the worker must leave what it does undone, now.
 */
bool worker_must_stop(void *backend)
{
	struct backend *b = backend;

	return atomic_load(&b->pauses) || atomic_load(&b->stopping);
}

/**
 * worker_pause() - take rings and regions from the worker
 * @b:		the back-end
 *
 * Returns within the time of one piece of discarding or making ready. From then
 * on until worker_resume() the worker touches nothing of the guest.
 *
 * Context: main thread. Takes backend.run.
 */
void worker_pause(struct backend *b)
{
	atomic_fetch_add(&b->pauses, 1);
	pthread_mutex_lock(&b->run);
	reclaim_pause(b);
}

/**
 * worker_resume() - give rings and regions to the worker
 * @b:		the back-end
 *
 * Context: main thread. Releases backend.run.
 */
void worker_resume(struct backend *b)
{
	atomic_fetch_sub(&b->pauses, 1);
	pthread_cond_signal(&b->resumed);
	pthread_mutex_unlock(&b->run);
	event_signal(b->wake_worker);
	reclaim_resume(b);
}

static int batch_init(struct frame_list *batch, struct frame_range **order)
{
	/* A pass holds at most a ring full of one frame each, or a GiB. */
	batch->max = MAX_FRAMES;
	batch->range = calloc(batch->max, sizeof(*batch->range));
	*order = calloc(MAX_RANGES, sizeof(**order));
	return batch->range && *order ? 0 : -ENOMEM;
}

/**
 * worker_start() - start the other threads
 * @b:		the back-end
 *
 * Return: 0 or a negative errno.
 */
int worker_start(struct backend *b)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = EV_WAKE };
	int ret;

	b->worker_epoll = epoll_create1(EPOLL_CLOEXEC);
	b->wake_worker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (batch_init(&b->batch, &b->in_order) ||
	    batch_init(&b->spare_batch, &b->spare_order) ||
	    b->worker_epoll < 0 || b->wake_worker < 0)
		return -ENOMEM;
	if (epoll_ctl(b->worker_epoll, EPOLL_CTL_ADD, b->wake_worker, &ev))
		return -errno;
	ret = -pthread_create(&b->thread, NULL, work, b);
	if (ret)
		return ret;
	(void)pthread_setname_np(b->thread, "rings");
	return reclaim_start(b);
}

/**
 * worker_end() - end the other threads
 * @b:		the back-end
 */
void worker_end(struct backend *b)
{
	atomic_store(&b->stopping, true);
	event_signal(b->wake_worker);
	pthread_join(b->thread, NULL);
	reclaim_end(b);
	close(b->worker_epoll);
	close(b->wake_worker);
	free(b->batch.range);
	free(b->spare_batch.range);
	free(b->in_order);
	free(b->spare_order);
	free(b->standby.old);
}
