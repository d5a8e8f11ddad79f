// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that came back to the guest is made ready for it, if that is asked
 * for: its first touch then finds pages that are there and zeroed.
 *
 * It is done after the answer, in the first of the reclaiming threads, in
 * pieces of a huge page: a guest that needs the memory at once gets it as soon
 * as without. What the guest gives again is not made ready any more, nor is
 * anything as long as the host is short of memory. What does not find room in
 * the list is left out, as the guest loses nothing but time.
 */

#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostmem.h"
#include "log.h"

/* Frames at a time: 2 MiB, so that the host can take a huge page for them. */
#define PIECE_FRAMES	512

#define TODO_RANGES	4096
#define TODO_FRAMES	((UINT64_C(1) << 30) >> FRAME_SHIFT)

/* The host keeps so much of its memory available. */
#define HOST_PART	8
/* Pieces between two looks: 64 MiB. */
#define LOOK_PIECES	32

/**
 * prefault_init() - prepare
 * @b:		the back-end
 *
 * Context: before the sandbox is entered.
 *
 * Return: 0 or a negative errno.
 */
int prefault_init(struct backend *b)
{
	struct prefault *p = &b->reclaim.prefault;

	p->todo.max = TODO_RANGES;
	p->todo.range = calloc(TODO_RANGES, sizeof(*p->todo.range));
	if (!p->todo.range)
		return -ENOMEM;
	p->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->proc_fd < 0)
		return -errno;
	return 0;
}

/**
 * prefault_deinit() - undo prefault_init()
 * @b:		the back-end; its threads have ended
 */
void prefault_deinit(struct backend *b)
{
	struct prefault *p = &b->reclaim.prefault;

	close(p->proc_fd);
	free(p->todo.range);
}

/**
 * prefault_set() - shall memory be made ready from now on?
 * @b:		the back-end
 * @on:		yes
 */
void prefault_set(struct backend *b, bool on)
{
	pthread_mutex_lock(&b->reclaim.lock);
	b->reclaim.prefault.on = on;
	if (!on)
		b->reclaim.prefault.todo.nr = 0;
	pthread_mutex_unlock(&b->reclaim.lock);
}

/**
 * prefault_is_on() - whether memory is made ready
 * @b:		the back-end
 *
 * Return: true if it is.
 */
bool prefault_is_on(struct backend *b)
{
	bool on;

	pthread_mutex_lock(&b->reclaim.lock);
	on = b->reclaim.prefault.on;
	pthread_mutex_unlock(&b->reclaim.lock);
	return on;
}

/**
 * prefault_add() - the guest has frames again
 * @b:		the back-end
 * @list:	the frames
 *
 * Context: worker.
 */
void prefault_add(struct backend *b, const struct frame_list *list)
{
	struct prefault *p = &b->reclaim.prefault;
	uint64_t room;
	size_t i;

	pthread_mutex_lock(&b->reclaim.lock);
	room = p->on ? TODO_FRAMES - frames_count(&p->todo) : 0;
	for (i = 0; i < list->nr && list->range[i].nr <= room; i++) {
		if (frames_add_range(&p->todo, list->range[i].start,
				     list->range[i].nr))
			break;
		room -= list->range[i].nr;
	}
	frames_merge(&p->todo);
	if (p->todo.nr)
		pthread_cond_broadcast(&b->reclaim.wanted);
	pthread_mutex_unlock(&b->reclaim.lock);
}

/**
 * prefault_cut() - the host is to have frames
 * @b:		the back-end
 * @list:	the frames, merged
 *
 * When it returns, none of them is made ready any more.
 *
 * Context: worker.
 */
void prefault_cut(struct backend *b, const struct frame_list *list)
{
	struct prefault *p = &b->reclaim.prefault;

	pthread_mutex_lock(&b->reclaim.lock);
	/* A guest that gives some of it needs none of it. */
	if (frames_near(&p->todo, list, 0))
		p->todo.nr = 0;
	/* Or the next piece begins before this has the lock. */
	p->held = true;
	while (p->runs)
		pthread_cond_wait(&b->reclaim.rested, &b->reclaim.lock);
	p->held = false;
	if (p->todo.nr)
		pthread_cond_broadcast(&b->reclaim.wanted);
	pthread_mutex_unlock(&b->reclaim.lock);
}

/**
 * prefault_drop() - forget what is to do
 * @b:		the back-end
 */
void prefault_drop(struct backend *b)
{
	pthread_mutex_lock(&b->reclaim.lock);
	b->reclaim.prefault.todo.nr = 0;
	pthread_mutex_unlock(&b->reclaim.lock);
}

/* The last piece of the list, beginning where a huge page may begin. */
static struct frame_range piece_take(struct prefault *p)
{
	struct frame_range *last = &p->todo.range[p->todo.nr - 1], piece;
	uint64_t end = last->start + last->nr;

	piece.start = (end - 1) / PIECE_FRAMES * PIECE_FRAMES;
	if (piece.start < last->start)
		piece.start = last->start;
	piece.nr = end - piece.start;
	last->nr -= piece.nr;
	if (!last->nr)
		p->todo.nr--;
	return piece;
}

static bool host_has_memory(struct backend *b)
{
	struct hostmem mem;

	if (hostmem_read(b->reclaim.prefault.proc_fd, &mem))
		return false;
	return mem.available > mem.total / HOST_PART;
}

/* Only whole pages. Returns 0 or a negative errno. */
static int piece_do(struct backend *b, const struct frame_range *piece)
{
	uint64_t gpa = piece->start << FRAME_SHIFT, from, to;
	struct region *r = region_of(&b->regions, gpa);

	if (!r || r->fixed)
		return 0;
	from = r->base - r->map + (gpa - r->d.gpa);
	to = from + (piece->nr << FRAME_SHIFT);
	from = (from + r->block - 1) / r->block * r->block;
	to = to / r->block * r->block;
	if (from >= to || to > r->map_len)
		return 0;
	/* As QEMU does, or a file that waits to be asked has small pages. */
	(void)madvise(r->map, r->map_len, MADV_HUGEPAGE);
	if (madvise(r->map + from, to - from, MADV_POPULATE_WRITE))
		return -errno;
	/* Page tables of our own would make each discard dearer. */
	(void)madvise(r->map + from, to - from, MADV_DONTNEED);
	count_add(b, bytes_prefaulted, to - from);
	return 0;
}

/**
 * prefault_step() - make one piece ready
 * @b:		the back-end; reclaim.lock is held, and let go meanwhile
 *
 * Return: true if there was one.
 */
bool prefault_step(struct backend *b)
{
	struct reclaim *r = &b->reclaim;
	struct prefault *p = &r->prefault;
	struct frame_range piece;
	int ret = 0;

	if (!p->todo.nr || p->held || r->left || worker_must_stop(b))
		return false;
	piece = piece_take(p);
	p->runs = true;
	pthread_mutex_unlock(&r->lock);
	if (!p->pieces) {
		p->pieces = LOOK_PIECES;
		ret = host_has_memory(b) ? 0 : -EAGAIN;
	}
	p->pieces--;
	if (!ret)
		ret = piece_do(b, &piece);
	if (ret && !atomic_load(&b->counters.prefault_errors))
		log_warn("memory is not made ready for the guest: %s",
			 ret == -EAGAIN ? "the host is short of it" :
			 strerror(-ret));
	pthread_mutex_lock(&r->lock);
	if (ret) {
		count(b, prefault_errors);
		p->pieces = 0;
		p->todo.nr = 0;
	}
	p->runs = false;
	pthread_cond_broadcast(&r->rested);
	return true;
}
