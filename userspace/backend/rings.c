// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which rings run. A ring runs when it is enabled and complete: front-ends
 * enable rings that they never set up, and tell the parts in any order. The
 * worker is paused.
 */

#include "backend.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "discard.h"
#include "log.h"

/*
 * The optional rings follow the first two without a hole, each only if its
 * feature was negotiated.
 */
static const struct {
	unsigned int feature;
	enum role role;
} optional[] = {
	{ VIRTIO_BALLOON_F_STATS_VQ, ROLE_STATS },
	{ VIRTIO_BALLOON_F_FREE_PAGE_HINT, ROLE_NONE },
	{ VIRTIO_BALLOON_F_REPORTING, ROLE_REPORT },
	{ BALLONET_F_EVENTS, ROLE_EVENTS },
};

/**
 * rings_set_roles() - lay the queues out after the negotiated features
 * @b:		the back-end
 */
void rings_set_roles(struct backend *b)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_RINGS; i++)
		b->ring[i].role = ROLE_NONE;
	b->ring[n++].role = ROLE_INFLATE;
	b->ring[n++].role = ROLE_DEFLATE;
	for (i = 0; i < ARRAY_SIZE(optional); i++)
		if (b->state->features & BIT(optional[i].feature))
			b->ring[n++].role = optional[i].role;
}

static bool complete(const struct backend *b, unsigned int i)
{
	const struct state_ring *s = &b->state->ring[i];

	return s->enabled && s->num && s->has_addr && b->ring[i].kick >= 0 &&
	       b->state->has_features && b->regions.nr;
}

static int locate(struct backend *b, unsigned int i, struct fault *ret_fault)
{
	const struct state_ring *s = &b->state->ring[i];
	struct fault why;
	int ret;

	ret = vring_init(&b->ring[i].vr, &b->regions, &s->addr, s->num,
			 b->state->features & BIT(VRING_F_EVENT_IDX),
			 &why);
	if (ret)
		return fault_set(ret_fault, -EPROTO, "ring %u: %s", i,
				 why.text);
	return 0;
}

static int start(struct backend *b, unsigned int i, struct fault *ret_fault)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };
	struct ring *ring = &b->ring[i];
	int ret;

	ret = locate(b, i, ret_fault);
	if (ret)
		return ret;
	if (epoll_ctl(b->worker_epoll, EPOLL_CTL_ADD, ring->kick, &ev))
		return fault_set(ret_fault, -EPROTO,
				 "ring %u: cannot wait for its kicks: %s", i,
				 strerror(errno));
	ring->vr.last_avail = b->state->ring[i].base;
	ring->vr.used_idx = vring_guest_used(&ring->vr);
	ring->vr.published = ring->vr.used_idx;
	ring->vr.told_once = false;
	ring->running = true;
	if (ring->role == ROLE_STATS)
		atomic_store(&b->stats_new, true);
	/* A driver that told its table to somebody else tells it again. */
	if (ring->role == ROLE_INFLATE &&
	    b->state->features & BIT(BALLONET_F_STANDBY) &&
	    !b->state->standby.frames)
		b->state->config_dirty = 1;
	count(b, ring_starts);
	return 0;
}

/**
 * rings_stop() - stop one ring
 * @b:		the back-end
 * @i:		which; it runs
 *
 * Before anything else of its state changes: a successor that finds a ring
 * that does not run believes its base, and does old requests again over the
 * guest's memory if that is behind.
 */
void rings_stop(struct backend *b, unsigned int i)
{
	struct ring *ring = &b->ring[i];

	b->state->ring[i].base = ring->vr.last_avail;
	atomic_signal_fence(memory_order_seq_cst);
	(void)epoll_ctl(b->worker_epoll, EPOLL_CTL_DEL, ring->kick, NULL);
	ring->running = false;
	count(b, ring_stops);
	/* The frames are the guest's again. */
	if (ring->role == ROLE_INFLATE || ring->role == ROLE_DEFLATE)
		discard_forget_all(&b->regions);
	prefault_drop(b);
	if (ring->role == ROLE_INFLATE) {
		b->freed = 0;
		standby_forget(b);
	}
}

/**
 * rings_any_running() - whether the device works
 * @b:		the back-end
 *
 * Return: true if at least one ring runs.
 */
bool rings_any_running(const struct backend *b)
{
	unsigned int i;

	for (i = 0; i < NR_RINGS; i++)
		if (b->ring[i].running)
			return true;
	return false;
}

/* All rings stopped: the guest resets its device, and that may go again. */
static void forgive(struct backend *b)
{
	pthread_mutex_lock(&b->info);
	b->failed.text[0] = 0;
	b->sample.when_ms = 0;
	pthread_mutex_unlock(&b->info);
	atomic_store(&b->is_failed, false);
}

/**
 * rings_update() - start and stop rings after something about them changed
 * @b:		the back-end
 * @ret_fault:	what is wrong
 *
 * Return: 0, or -EPROTO if a ring that should run cannot.
 */
int rings_update(struct backend *b, struct fault *ret_fault)
{
	bool started = false;
	unsigned int i;
	int ret;

	for (i = 0; i < NR_RINGS; i++) {
		if (complete(b, i) == b->ring[i].running)
			continue;
		if (b->ring[i].running) {
			rings_stop(b, i);
			continue;
		}
		ret = start(b, i, ret_fault);
		if (ret)
			return ret;
		started = true;
	}
	if (started)
		guard_check(b);
	if (!rings_any_running(b))
		forgive(b);
	return 0;
}

/**
 * rings_refresh() - find the rings again in a new memory table
 * @b:		the back-end
 * @ret_fault:	what is wrong
 *
 * Return: 0, or -EPROTO if one of them is no longer in guest RAM.
 */
int rings_refresh(struct backend *b, struct fault *ret_fault)
{
	unsigned int i;
	int ret;

	for (i = 0; i < NR_RINGS; i++) {
		if (!b->ring[i].running || !complete(b, i))
			continue;
		ret = locate(b, i, ret_fault);
		if (ret)
			return ret;
	}
	return rings_update(b, ret_fault);
}

/**
 * rings_stop_all() - stop every ring
 * @b:		the back-end
 */
void rings_stop_all(struct backend *b)
{
	unsigned int i;

	for (i = 0; i < NR_RINGS; i++)
		if (b->ring[i].running)
			rings_stop(b, i);
}
