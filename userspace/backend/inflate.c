// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames that come and go: the standard's arrays of frame numbers, the
 * requests of BALLONET_F_RANGES, and reports of free pages. All of it runs in
 * the worker.
 */

#include "backend.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "discard.h"
#include "log.h"

/*
 * Bytes of one array of the standard's. Linux sends 1 KiB, BSD and Windows a
 * page.
 */
#define ARRAY_MAX	65536

/*
 * Ranges that the arrays of one pass make: sorted within a few milliseconds,
 * in which nobody is asked whether to stop.
 */
#define BATCH_MAX	32768

/* Buffers of one pass; a ring of that size is the largest there is. */
#define PASS_MAX	VRING_MAX_NUM

_Static_assert(ARRAY_MAX / sizeof(uint32_t) <= BATCH_MAX &&
	       BATCH_MAX + REGION_MAX <= MAX_FRAMES, "room for one array");
_Static_assert(sizeof(struct ballonet_request) == 16, "wire");
_Static_assert(sizeof(struct ballonet_range) == 16, "wire");
_Static_assert(sizeof(struct ballonet_response) == 32, "wire");
_Static_assert(sizeof(struct ballonet_config) == 32, "wire");

/*
 * Takes the frames of @list out of the guest or gives them back to it.
 * -EINTR leaves everything undone, and so does -EAGAIN: they have to wait for
 * others.
 */
static int frames_move(struct backend *b, enum role role,
		       const struct frame_list *list, struct discard *ret_job)
{
	struct discard job = {
		.table = &b->regions,
		.stop = worker_must_stop,
		.arg = b,
		.reached = UINT64_MAX,
	};
	int ret = 0;

	if (role == ROLE_DEFLATE) {
		if (reclaim_near(b, list))
			return -EAGAIN;
		discard_forget(&b->regions, list);
		prefault_add(b, list);
	} else {
		ret = reclaim_run(b, list, &job);
		/* Reports come by themselves and would blur the count. */
		if (role == ROLE_REPORT)
			count_add(b, report_discards, job.calls);
		else
			count_add(b, discard_calls, job.calls);
		count_add(b, bytes_freed, job.freed);
		/*
		 * The driver may use these again without telling. What was
		 * not done it has again already; the rest costs no more than
		 * a page that stays.
		 */
		if (role == ROLE_REPORT || (ret && ret != -EINTR) ||
		    !(b->state->features &
		      BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST)))
			discard_forget(&b->regions, list);
	}
	*ret_job = job;
	return ret;
}

/*
 * The standard's arrays
 */

static bool frame_in_ram(struct backend *b, uint64_t frame, uint64_t nr)
{
	return frame < UINT64_MAX >> FRAME_SHIFT &&
	       nr <= UINT64_MAX >> FRAME_SHIFT &&
	       region_covers(&b->regions, frame << FRAME_SHIFT,
			     nr << FRAME_SHIFT);
}

/* Puts the frames of one buffer into the batch; -ENOSPC if they do not fit. */
static int array_collect(struct backend *b, struct fault *ret_fault)
{
	const struct vring_chain *c = &b->chain;
	struct frame_list *list = &b->batch;
	uint32_t part[256];
	uint64_t at, i, n;
	int ret;

	if (c->nr != c->nr_read || c->read_len % sizeof(part[0]) ||
	    c->read_len > ARRAY_MAX)
		return fault_set(ret_fault, -EPROTO,
			"array of %" PRIu64 " bytes and %" PRIu64
			" writable ones, expected a multiple of 4 up to %u and 0",
			c->read_len, c->write_len, ARRAY_MAX);
	if (list->nr && list->nr + c->read_len / sizeof(part[0]) > BATCH_MAX)
		return -ENOSPC;

	for (at = 0; at < c->read_len; at += n) {
		n = c->read_len - at;
		if (n > sizeof(part))
			n = sizeof(part);
		ret = vring_read(c, &b->regions, at, part, n);
		if (ret)
			return fault_set(ret_fault, -EPROTO,
				"array lies outside the memory regions");
		for (i = 0; i < n / sizeof(part[0]); i++)
			(void)frames_add(list, le32toh(part[i]));
	}
	return 0;
}

/*
 * Cuts out of a merged list what is not RAM: a driver that sends such numbers
 * is answered as QEMU does, by doing nothing.
 */
static void list_keep_ram(struct backend *b)
{
	struct frame_range ranges[REGION_MAX];
	struct frame_list ram = { ranges, 0, REGION_MAX };
	uint64_t bad = frames_count(&b->batch);
	unsigned int i;

	for (i = 0; i < b->regions.nr; i++)
		(void)frames_add_range(&ram,
			b->regions.region[i].d.gpa >> FRAME_SHIFT,
			b->regions.region[i].d.size >> FRAME_SHIFT);
	frames_merge(&ram);
	frames_cut(&b->batch, &ram);

	bad -= frames_count(&b->batch);
	if (bad && !atomic_load(&b->counters.frames_bad))
		log_warn("the driver sent %" PRIu64
			 " frames outside guest RAM; ignored", bad);
	count_add(b, frames_bad, bad);
}

/* Collects what is available, up to @n buffers. */
static int arrays_collect(struct backend *b, struct ring *ring, int n,
			  uint16_t *ret_heads, struct fault *ret_fault)
{
	int i, ret;

	b->batch.nr = 0;
	for (i = 0; i < n; i++) {
		if (worker_must_stop(b))
			return -EINTR;
		ret = vring_get(&ring->vr, ring->vr.last_avail + i, &b->chain,
				ret_fault);
		if (ret < 0)
			return ret;
		ret = array_collect(b, ret_fault);
		if (ret == -ENOSPC)
			break;
		if (ret < 0)
			return ret;
		ret_heads[i] = b->chain.head;
	}
	return i;
}

static int arrays_move(struct backend *b, struct ring *ring)
{
	struct discard job;
	int ret;

	frames_merge(&b->batch);
	list_keep_ram(b);
	if (ring->role == ROLE_INFLATE && guard_refuses(b)) {
		count(b, requests_refused);
		return 0;
	}
	ret = frames_move(b, ring->role, &b->batch, &job);
	if (ret == -EINTR || ret == -EAGAIN)
		return ret;
	if (ret) {
		/* The standard has no answer for this: the frames stay. */
		if (!atomic_load(&b->counters.discard_errors))
			log_err("cannot give memory back: %s",
				strerror(-ret));
		count(b, discard_errors);
	}
	if (ring->role == ROLE_INFLATE)
		count_add(b, frames_in, frames_count(&b->batch));
	else
		count_add(b, frames_out, frames_count(&b->batch));
	count_add(b, ranges, b->batch.nr);
	return 0;
}

/**
 * inflate_arrays() - serve a ring of the standard's arrays
 * @b:		the back-end
 * @ring:	inflateq or deflateq
 * @ret_fault:	what is malformed
 *
 * All available arrays make one batch.
 *
 * Return: 1 if there may be more, 0 if the ring is empty, -EINTR if the main
 * thread wants the rings, -EPROTO if the ring is malformed.
 */
int inflate_arrays(struct backend *b, struct ring *ring,
		   struct fault *ret_fault)
{
	uint16_t heads[PASS_MAX];
	int i, n, ret;

	vring_kicks(&ring->vr, false);
	n = vring_pending(&ring->vr, ring->vr.last_avail, ret_fault);
	if (n == 0) {
		vring_kicks(&ring->vr, true);
		return vring_pending(&ring->vr, ring->vr.last_avail,
				     ret_fault);
	}
	if (n > 0)
		n = arrays_collect(b, ring, n, heads, ret_fault);
	if (n < 0)
		return n;
	ret = arrays_move(b, ring);
	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	for (i = 0; i < n; i++)
		vring_put(&ring->vr, heads[i], 0);
	count_add(b, requests, n);
	return 1;
}

/*
 * Requests (BALLONET_F_RANGES)
 */

static int range_check(struct backend *b, const struct ballonet_range *r,
		       uint64_t *sum)
{
	uint64_t start = le64toh(r->start), nr = le64toh(r->nr), end;

	if (!nr || __builtin_add_overflow(start, nr, &end) ||
	    !frame_in_ram(b, start, nr))
		return BALLONET_RESP_RANGE;
	if (__builtin_add_overflow(*sum, nr, sum) || *sum > MAX_FRAMES)
		return BALLONET_RESP_LIMIT;
	return BALLONET_RESP_OK;
}

/* Reads a request's ranges into the batch. */
static int ranges_collect(struct backend *b, uint32_t nr)
{
	struct ballonet_range part[64];
	uint64_t at = sizeof(struct ballonet_request), sum = 0;
	uint32_t i, n;
	int status;

	b->batch.nr = 0;
	for (; nr; nr -= n, at += n * sizeof(part[0])) {
		n = nr < ARRAY_SIZE(part) ? nr : ARRAY_SIZE(part);
		if (vring_read(&b->chain, &b->regions, at, part,
			       n * sizeof(part[0])))
			return BALLONET_RESP_INVALID;
		for (i = 0; i < n; i++) {
			status = range_check(b, &part[i], &sum);
			if (status)
				return status;
			(void)frames_add_range(&b->batch,
					       le64toh(part[i].start),
					       le64toh(part[i].nr));
		}
	}
	return BALLONET_RESP_OK;
}

static int header_check(struct backend *b, enum role role,
			const struct ballonet_request *rq)
{
	uint32_t nr = le32toh(rq->nr_ranges);
	uint16_t type = role == ROLE_INFLATE ? BALLONET_REQ_INFLATE :
					       BALLONET_REQ_DEFLATE;

	if (le16toh(rq->type) != type || rq->reserved || !nr ||
	    b->chain.read_len != sizeof(*rq) +
				 (uint64_t)nr * sizeof(rq->ranges[0]))
		return BALLONET_RESP_INVALID;
	if (nr > MAX_RANGES)
		return BALLONET_RESP_LIMIT;
	return BALLONET_RESP_OK;
}

static int ranges_move(struct backend *b, enum role role,
		       struct ballonet_response *rs)
{
	const size_t nr = b->batch.nr;
	struct discard job;
	int ret;

	/* Should the host fail on the way: the batch is sorted by then. */
	memcpy(b->in_order, b->batch.range, nr * sizeof(b->in_order[0]));
	if (frames_overlap(&b->batch)) {
		rs->status = htole32(BALLONET_RESP_RANGE);
		return 0;
	}
	if (role == ROLE_INFLATE && guard_refuses(b)) {
		count(b, requests_refused);
		rs->status = htole32(BALLONET_RESP_REFUSED);
		return 0;
	}

	frames_merge(&b->batch);
	ret = frames_move(b, role, &b->batch, &job);
	if (ret == -EAGAIN)
		return ret;
	if (role == ROLE_INFLATE)
		b->freed += job.freed;
	if (ret == -EINTR)
		return ret;
	if (ret) {
		if (!atomic_load(&b->counters.discard_errors))
			log_err("cannot give memory back: %s",
				strerror(-ret));
		count(b, discard_errors);
		rs->status = htole32(BALLONET_RESP_IO);
	}
	count_add(b, ranges, nr);
	rs->frames_done = htole64(frames_before(b->in_order, nr, job.reached));
	if (role == ROLE_INFLATE) {
		rs->bytes_freed = htole64(b->freed);
		b->freed = 0;
	}
	return 0;
}

/* Does the request in the chain. -EINTR and -EAGAIN leave it undone. */
static int request_do(struct backend *b, enum role role,
		      struct ballonet_response *ret_rs)
{
	struct ballonet_response rs = { 0 };
	struct ballonet_request rq;
	int status, ret;

	if (vring_read(&b->chain, &b->regions, 0, &rq, sizeof(rq))) {
		rs.status = htole32(BALLONET_RESP_INVALID);
		*ret_rs = rs;
		return 0;
	}
	rs.id = rq.id;
	if (role == ROLE_INFLATE &&
	    le16toh(rq.type) == BALLONET_REQ_STANDBY &&
	    b->state->features & BIT(BALLONET_F_STANDBY)) {
		rs.status = htole32(standby_request(b, &rq));
		*ret_rs = rs;
		return 0;
	}
	status = header_check(b, role, &rq);
	if (!status)
		status = ranges_collect(b, le32toh(rq.nr_ranges));
	rs.status = htole32(status);
	if (!status) {
		ret = ranges_move(b, role, &rs);
		if (ret)
			return ret;
	}
	*ret_rs = rs;
	return 0;
}

static void request_account(struct backend *b, enum role role,
			    const struct ballonet_response *rs)
{
	uint32_t status = le32toh(rs->status);

	count(b, requests);
	if (status && status != BALLONET_RESP_REFUSED)
		count(b, requests_bad);
	if (role == ROLE_INFLATE)
		count_add(b, frames_in, le64toh(rs->frames_done));
	else
		count_add(b, frames_out, le64toh(rs->frames_done));
}

/*
 * Looks at the next buffer. 1 if there is one; otherwise what a pass returns.
 */
static int buffer_next(struct backend *b, struct ring *ring,
		       struct fault *ret_fault)
{
	struct vring *vr = &ring->vr;
	int n, ret;

	vring_kicks(vr, false);
	n = vring_pending(vr, vr->last_avail, ret_fault);
	if (n == 0) {
		vring_kicks(vr, true);
		n = vring_pending(vr, vr->last_avail, ret_fault);
	}
	if (n <= 0)
		return n;
	ret = vring_get(vr, vr->last_avail, &b->chain, ret_fault);
	return ret ? ret : 1;
}

/**
 * inflate_requests() - serve a ring of requests
 * @b:		the back-end
 * @ring:	inflateq or deflateq
 * @ret_fault:	what is malformed
 *
 * One request a pass: each has an answer of its own, which the driver waits
 * for. A buffer without room for the answer is given back empty and nothing
 * is done for it.
 *
 * Return: as inflate_arrays().
 */
int inflate_requests(struct backend *b, struct ring *ring,
		     struct fault *ret_fault)
{
	struct ballonet_response rs;
	uint32_t len = 0;
	int n, ret;

	n = buffer_next(b, ring, ret_fault);
	if (n <= 0)
		return n;
	if (b->chain.write_len >= sizeof(rs)) {
		ret = request_do(b, ring->role, &rs);
		if (ret)
			return ret == -EAGAIN ? 0 : ret;
		if (!vring_write(&b->chain, &b->regions, &rs, sizeof(rs)))
			len = sizeof(rs);
		request_account(b, ring->role, &rs);
	} else {
		count(b, requests_bad);
	}
	vring_put(&ring->vr, b->chain.head, len);
	return 1;
}

/*
 * Reports of free pages (VIRTIO 1.3, 5.5.6.7)
 */

/* Puts the whole frames of a report into the batch. */
static void report_collect(struct backend *b)
{
	const struct vring_chain *c = &b->chain;
	unsigned int i;

	b->batch.nr = 0;
	for (i = c->nr_read; i < c->nr; i++) {
		const struct vring_seg *s = &c->seg[i];
		uint64_t from = (s->addr + FRAME_SIZE - 1) >> FRAME_SHIFT;
		uint64_t to = (s->addr + s->len) >> FRAME_SHIFT;

		if (region_covers(&b->regions, s->addr, s->len) && from < to)
			(void)frames_add_range(&b->batch, from, to - from);
	}
}

/*
 * A guest that checks free pages for a pattern must find it: then nothing
 * may be done with them.
 */
static bool report_allowed(struct backend *b)
{
	const uint32_t *poison = &b->state->config.poison_val;

	if (b->state->features & BIT(VIRTIO_BALLOON_F_PAGE_POISON) &&
	    __atomic_load_n(poison, __ATOMIC_RELAXED))
		return false;
	return !guard_refuses(b);
}

/**
 * inflate_reports() - serve the ring of free page reports
 * @b:		the back-end
 * @ring:	reporting_vq
 * @ret_fault:	what is malformed
 *
 * The pages are the guest's again as soon as the buffer is.
 *
 * Return: as inflate_arrays().
 */
int inflate_reports(struct backend *b, struct ring *ring,
		    struct fault *ret_fault)
{
	struct discard job;
	int n, ret = 0;

	n = buffer_next(b, ring, ret_fault);
	if (n <= 0)
		return n;
	report_collect(b);
	frames_merge(&b->batch);
	if (report_allowed(b))
		ret = frames_move(b, ROLE_REPORT, &b->batch, &job);
	if (ret == -EINTR)
		return ret;
	if (ret)
		count(b, discard_errors);
	count(b, reports);
	count_add(b, frames_reported, frames_count(&b->batch));
	vring_put(&ring->vr, b->chain.head, 0);
	return 1;
}
