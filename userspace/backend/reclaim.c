// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A discard that is longer than what the worker may spend at a time is handed
 * to a thread, and the worker serves the other rings meanwhile. Its own ring
 * waits: answers come in order. A second thread for the same memory file would
 * only wait for that file's lock in the kernel, and single frames are slower
 * with two threads anywhere, since each call interrupts all processors that the
 * VM runs on; so there is one thread a file, and only for large ranges.
 *
 * What comes back to the guest meanwhile must not be discarded any more. A page
 * that is larger than a frame may be about to go while another of its frames is
 * asked for: so nothing comes back that is nearer to the frames in hand than
 * such a page, see reclaim_near().
 *
 * A worker that is to stop has the threads stop first; it never leaves its wait
 * while one of them touches guest memory.
 */

#include "backend.h"

#include <errno.h>
#include <unistd.h>

/*
 * What the worker does by itself, rather than wake somebody: on 4 KiB pages a
 * few milliseconds, see lib/discard.c.
 */
#define SHORT_FRAMES	((UINT64_C(16) << 20) >> FRAME_SHIFT)
#define SHORT_RANGES	512

/* Frames of a range for which another thread helps: 2 MiB. */
#define LARGE_FRAMES	512

/* The bitmaps of lib/discard.c have so many frames in a word. */
#define GAP_MIN		64

static void part_do(struct reclaim *r, struct reclaimer *t)
{
	pthread_mutex_unlock(&r->lock);
	t->ret = discard_part(&t->job, &r->list);
	pthread_mutex_lock(&r->lock);
	t->ordered = false;
	if (!--r->left)
		event_signal(t->b->wake_worker);
	/* What is prefaulted waited for this. */
	pthread_cond_broadcast(&r->wanted);
}

static void *work(void *arg)
{
	struct reclaimer *t = arg;
	struct reclaim *r = &t->b->reclaim;

	pthread_mutex_lock(&r->lock);
	while (!r->end) {
		if (t->ordered)
			part_do(r, t);
		else if (t != r->threads || !prefault_step(t->b))
			pthread_cond_wait(&r->wanted, &r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/**
 * reclaim_start() - start the threads
 * @b:		the back-end
 *
 * Return: 0 or a negative errno.
 */
int reclaim_start(struct backend *b)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct reclaim *r = &b->reclaim;
	int ret;

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wanted, NULL);
	pthread_cond_init(&r->rested, NULL);
	ret = prefault_init(b);
	for (r->nr = 0; !ret && r->nr < RECLAIM_MAX; r->nr++) {
		struct reclaimer *t = &r->threads[r->nr];

		if (r->nr && r->nr >= cpus)
			break;
		t->b = b;
		ret = -pthread_create(&t->thread, NULL, work, t);
		/* One is needed, more are faster. */
		if (ret && r->nr)
			return 0;
		if (!ret)
			(void)pthread_setname_np(t->thread, "reclaim");
	}
	return ret;
}

/**
 * reclaim_end() - end the threads
 * @b:		the back-end; the worker has ended
 */
void reclaim_end(struct backend *b)
{
	struct reclaim *r = &b->reclaim;
	unsigned int i;

	pthread_mutex_lock(&r->lock);
	r->end = true;
	pthread_cond_broadcast(&r->wanted);
	pthread_mutex_unlock(&r->lock);
	for (i = 0; i < r->nr; i++)
		pthread_join(r->threads[i].thread, NULL);
	prefault_deinit(b);
}

/* How many threads help. */
static unsigned int helpful(struct backend *b, const struct frame_list *list)
{
	unsigned int files = region_files(&b->regions);

	if (frames_count(list) / list->nr < LARGE_FRAMES)
		return 1;
	return files < b->reclaim.nr ? files : b->reclaim.nr;
}

static void begin(struct reclaim *r, const struct frame_list *list,
		  const struct discard *job, unsigned int parts)
{
	unsigned int i;

	r->list = *list;
	r->runs = true;
	pthread_mutex_lock(&r->lock);
	r->left = parts;
	for (i = 0; i < parts; i++) {
		struct reclaimer *t = &r->threads[i];

		t->job = *job;
		t->job.part = i;
		t->job.parts = parts;
		t->ordered = true;
	}
	pthread_cond_broadcast(&r->wanted);
	pthread_mutex_unlock(&r->lock);
}

static bool finished(struct backend *b)
{
	struct reclaim *r = &b->reclaim;
	bool done;

	pthread_mutex_lock(&r->lock);
	done = !r->left;
	pthread_mutex_unlock(&r->lock);
	return done;
}

/* What all did together; being stopped goes before an error. */
static int sum_up(struct reclaim *r, struct discard *job, unsigned int parts)
{
	unsigned int i;
	int ret = 0;

	r->runs = false;
	job->calls = 0;
	job->reached = UINT64_MAX;
	for (i = 0; i < parts; i++) {
		const struct reclaimer *t = &r->threads[i];

		job->calls += t->job.calls;
		if (t->job.reached < job->reached)
			job->reached = t->job.reached;
		if (t->ret && ret != -EINTR)
			ret = t->ret;
	}
	return ret;
}

/**
 * reclaim_run() - give frames back to the host
 * @b:		the back-end
 * @list:	as for discard_frames()
 * @job:	likewise
 *
 * If that takes long, rings with other frames are served meanwhile.
 *
 * Context: worker.
 *
 * Return: as discard_frames().
 */
int reclaim_run(struct backend *b, const struct frame_list *list,
		struct discard *job)
{
	uint64_t before, after;
	unsigned int parts;
	int ret;

	prefault_cut(b, list);
	if ((frames_count(list) <= SHORT_FRAMES && list->nr <= SHORT_RANGES) ||
	    discard_prepare(&b->regions))
		return discard_frames(job, list);

	parts = helpful(b, list);
	before = region_resident(&b->regions);
	begin(&b->reclaim, list, job, parts);
	worker_wait(b, finished);
	ret = sum_up(&b->reclaim, job, parts);
	after = region_resident(&b->regions);
	/* The guest may have touched other memory in the meantime. */
	job->freed = before > after ? before - after : 0;
	return ret;
}

/**
 * reclaim_near() - whether frames must wait until others were discarded
 * @b:		the back-end
 * @list:	frames that are to come back to the guest, merged
 *
 * Context: worker.
 *
 * Return: true if so.
 */
bool reclaim_near(struct backend *b, const struct frame_list *list)
{
	struct reclaim *r = &b->reclaim;
	uint64_t gap = GAP_MIN;
	unsigned int i;

	if (!r->runs)
		return false;
	for (i = 0; i < b->regions.nr; i++)
		if (b->regions.region[i].block >> FRAME_SHIFT > gap)
			gap = b->regions.region[i].block >> FRAME_SHIFT;
	return frames_near(&r->list, list, gap);
}

/**
 * reclaim_pause() - wait until nobody touches guest memory
 * @b:		the back-end; its worker is paused, so nothing is discarded
 */
void reclaim_pause(struct backend *b)
{
	struct reclaim *r = &b->reclaim;

	pthread_mutex_lock(&r->lock);
	while (r->prefault.runs)
		pthread_cond_wait(&r->rested, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/**
 * reclaim_resume() - let the threads go on
 * @b:		the back-end; its worker may go on
 */
void reclaim_resume(struct backend *b)
{
	pthread_mutex_lock(&b->reclaim.lock);
	pthread_cond_broadcast(&b->reclaim.wanted);
	pthread_mutex_unlock(&b->reclaim.lock);
}
