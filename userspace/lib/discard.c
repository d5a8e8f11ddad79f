// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A page that is larger than a frame goes back only when all its frames are
 * out: a smaller hole in it is filled with zeroes and frees nothing, or breaks
 * it up. Each region of such pages has a bitmap of the frames that are out,
 * counted from a page boundary of its file. Bits beyond the region's ends are
 * never set, so a page that the region has only a part of stays.
 *
 * Work is cut into pieces that take a few milliseconds; in between the caller
 * may ask to leave off. Done twice it does no harm: a hole is a hole.
 */

#include "discard.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/*
 * Bytes of one system call. On 4 KiB pages the kernel needs about 0.8 us for
 * each: 3 ms. From 2 MiB on a call's own cost no longer shows.
 */
#define PIECE	(UINT64_C(16) << 20)

#define WORD_BITS	64

/*
 * What a file system says is no reason to leave off, or to wait for others, as
 * the same numbers of a caller's are.
 */
static int failure(int number)
{
	return number == EINTR || number == EAGAIN ? -EIO : -number;
}

/* Punches bytes @from to @to of a region's mapping. */
static int punch(struct discard *job, struct region *r, uint64_t from,
		 uint64_t to, uint64_t *ret_reached)
{
	uint64_t piece = r->block > PIECE ? r->block : PIECE;
	uint64_t len;

	for (; from < to; from += len) {
		*ret_reached = from;
		if (job->stop && job->stop(job->arg))
			return -EINTR;
		len = to - from < piece ? to - from : piece;
		job->calls++;
		if (madvise(r->map + from, len, MADV_REMOVE))
			return failure(errno);
	}
	*ret_reached = to;
	return 0;
}

static uint64_t *bitmap(struct region *r)
{
	uint64_t frames = r->map_len >> FRAME_SHIFT;

	if (!r->out)
		r->out = calloc((frames + WORD_BITS - 1) / WORD_BITS,
				sizeof(*r->out));
	return r->out;
}

/* Those of the bits @from to @to that are in the word of @from. */
static uint64_t word_mask(uint64_t from, uint64_t to, uint64_t *ret_n)
{
	uint64_t shift = from % WORD_BITS;
	uint64_t n = WORD_BITS - shift;

	if (n > to - from)
		n = to - from;
	*ret_n = n;
	return (n == WORD_BITS ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1) <<
	       shift;
}

static void bits_change(uint64_t *map, uint64_t from, uint64_t to, bool set)
{
	uint64_t n;

	for (; from < to; from += n) {
		uint64_t mask = word_mask(from, to, &n);

		if (set)
			map[from / WORD_BITS] |= mask;
		else
			map[from / WORD_BITS] &= ~mask;
	}
}

static bool block_is_out(const uint64_t *map, uint64_t from, uint64_t to)
{
	uint64_t n;

	for (; from < to; from += n) {
		uint64_t mask = word_mask(from, to, &n);

		if ((map[from / WORD_BITS] & mask) != mask)
			return false;
	}
	return true;
}

/* Marks bytes @from to @to as out, then punches the pages that are complete. */
static int punch_blocks(struct discard *job, struct region *r, uint64_t from,
			uint64_t to, uint64_t *ret_reached)
{
	uint64_t last = (to + r->block - 1) / r->block * r->block;
	uint64_t at = from / r->block * r->block, run = at;
	int ret;

	if (!bitmap(r))
		return -ENOMEM;
	bits_change(r->out, from >> FRAME_SHIFT, to >> FRAME_SHIFT, true);

	for (; at < last; at += r->block) {
		if (block_is_out(r->out, at >> FRAME_SHIFT,
				 (at + r->block) >> FRAME_SHIFT))
			continue;
		ret = punch(job, r, run, at, ret_reached);
		if (ret)
			return ret;
		run = at + r->block;
	}
	ret = punch(job, r, run, last, ret_reached);
	if (!ret)
		*ret_reached = to;
	return ret;
}

static int discard_piece(struct discard *job, struct region *r, uint64_t gpa,
			 uint64_t len)
{
	uint64_t from = r->base - r->map + (gpa - r->d.gpa);
	uint64_t reached = from;
	int ret;

	if (r->fixed)
		return -ENOTSUP;
	if (r->block > FRAME_SIZE)
		ret = punch_blocks(job, r, from, from + len, &reached);
	else
		ret = punch(job, r, from, from + len, &reached);
	if (ret && reached > from)
		job->reached = (gpa + reached - from) >> FRAME_SHIFT;
	return ret;
}

/* Only the pages that are whole. */
static int discard_pages(struct discard *job, struct region *r, uint64_t gpa,
			 uint64_t len)
{
	uint64_t from = r->base - r->map + (gpa - r->d.gpa);
	uint64_t to = (from + len) / r->block * r->block;
	uint64_t reached;

	if (r->fixed)
		return -ENOTSUP;
	from = (from + r->block - 1) / r->block * r->block;
	return punch(job, r, from, to, &reached);
}

typedef int (*discard_fn)(struct discard *job, struct region *r, uint64_t gpa,
			  uint64_t len);

/* Walks the parts of a range, each of which lies in one region. */
#define for_each_part(t, range, r, gpa, len)				\
	for (uint64_t gpa = (range)->start << FRAME_SHIFT,		\
	     end_ = gpa + ((range)->nr << FRAME_SHIFT), len = 0;	\
	     gpa < end_ && (r = region_of(t, gpa)) &&			\
	     (len = part_len(r, gpa, end_));				\
	     gpa += len)

static uint64_t part_len(const struct region *r, uint64_t gpa, uint64_t end)
{
	uint64_t left = r->d.size - (gpa - r->d.gpa);

	return left < end - gpa ? left : end - gpa;
}

static int discard_all(struct discard *job, const struct frame_list *list,
		       discard_fn piece)
{
	struct region *r;
	size_t i;
	int ret;

	for (i = 0; i < list->nr; i++) {
		job->reached = list->range[i].start;
		/* Not every range comes to a piece that is punched. */
		if (job->stop && job->stop(job->arg))
			return -EINTR;
		for_each_part(job->table, &list->range[i], r, gpa, len) {
			job->reached = gpa >> FRAME_SHIFT;
			if (job->parts && r->file % job->parts != job->part)
				continue;
			ret = piece(job, r, gpa, len);
			if (ret)
				return ret;
		}
	}
	job->reached = UINT64_MAX;
	return 0;
}

static int discard(struct discard *job, const struct frame_list *list,
		   discard_fn piece)
{
	uint64_t before, after;
	int ret;

	job->calls = 0;
	before = region_resident(job->table);
	ret = discard_all(job, list, piece);
	after = region_resident(job->table);
	/* The guest may have touched other memory in the meantime. */
	job->freed = before > after ? before - after : 0;
	return ret;
}

/**
 * discard_frames() - give frames back to the host
 * @job:	@table and @stop are set; the rest is filled
 * @list:	frames within guest RAM, as frames_merge() leaves them
 *
 * Return: 0, -EINTR if it was stopped, another negative errno if the host
 * failed. @job tells how far it came in each case.
 */
int discard_frames(struct discard *job, const struct frame_list *list)
{
	return discard(job, list, discard_piece);
}

/**
 * discard_prepare() - allocate what several threads would allocate otherwise
 * @t:		guest RAM
 *
 * Return: 0 or -ENOMEM.
 */
int discard_prepare(struct region_table *t)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (t->region[i].block > FRAME_SIZE && !bitmap(&t->region[i]))
			return -ENOMEM;
	return 0;
}

/**
 * discard_part() - give those frames back that are in some of the files
 * @job:	@table, @stop, @part and @parts are set
 * @list:	as for discard_frames()
 *
 * With a thread for each @part below @parts all frames are given back, and no
 * file is touched by two threads: the kernel lets only one at a file. It is
 * for whoever starts them to call discard_prepare() before, and to measure what
 * was freed.
 *
 * Return: as discard_frames(); frames of other files count as done.
 */
int discard_part(struct discard *job, const struct frame_list *list)
{
	job->calls = 0;
	return discard_all(job, list, discard_piece);
}

/**
 * discard_whole() - give frames back that the guest may have again unasked
 * @job:	as for discard_frames()
 * @list:	likewise
 *
 * Nothing is noted about them: a page goes back only if all of it is in one
 * range of the list.
 *
 * Return: as discard_frames().
 */
int discard_whole(struct discard *job, const struct frame_list *list)
{
	return discard(job, list, discard_pages);
}

/**
 * discard_forget() - frames are the guest's again
 * @t:		guest RAM
 * @list:	the frames
 *
 * Must be done before the driver is told, or a page that it uses again looks
 * complete when its other frames go out.
 */
void discard_forget(struct region_table *t, const struct frame_list *list)
{
	struct region *r;
	size_t i;

	for (i = 0; i < list->nr; i++)
		for_each_part(t, &list->range[i], r, gpa, len) {
			uint64_t from = r->base - r->map + (gpa - r->d.gpa);

			if (r->out)
				bits_change(r->out, from >> FRAME_SHIFT,
					    (from + len) >> FRAME_SHIFT,
					    false);
		}
}

/**
 * discard_forget_all() - all frames are the guest's again
 * @t:		guest RAM
 */
void discard_forget_all(struct region_table *t)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		free(t->region[i].out);
		t->region[i].out = NULL;
	}
}
