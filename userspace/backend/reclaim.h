/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads besides the two: what takes long is done here, and the worker
 * goes on with the rings.
 */
#ifndef BALLONET_RECLAIM_H
#define BALLONET_RECLAIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "discard.h"
#include "frames.h"

/* More files of guest RAM than that are not discarded in at the same time. */
#define RECLAIM_MAX	4

struct backend;

/**
 * struct reclaimer - a thread
 * @b:		whose
 * @thread:	the thread
 * @job:	its part of the discard in hand
 * @ordered:	@job is to be done, or is being done. reclaim.lock
 * @ret:	what came of @job
 */
struct reclaimer {
	struct backend *b;
	pthread_t thread;
	struct discard job;
	bool ordered;
	int ret;
};

/**
 * struct prefault - memory to have ready for the guest; see prefault.c
 * @on:		it is asked for. reclaim.lock
 * @proc_fd:	/proc; constant
 * @todo:	frames, merged. reclaim.lock
 * @runs:	some are being made ready. reclaim.lock
 * @held:	the worker waits: no further piece. reclaim.lock
 * @pieces:	to go until the host's memory is looked at; the thread's
 */
struct prefault {
	bool on;
	int proc_fd;
	struct frame_list todo;
	bool runs;
	bool held;
	unsigned int pieces;
};

/**
 * struct reclaim - discards that take long
 * @lock:	see above; held for a few instructions only
 * @wanted:	there is something to do
 * @rested:	prefault.runs became false
 * @nr:		elements of @threads that run; constant
 * @threads:	one for each file of guest RAM that is discarded in
 * @list:	what is being discarded; the worker's
 * @runs:	@list is; the worker's
 * @left:	threads that have not finished. @lock
 * @end:	the threads end. @lock
 * @prefault:	see there
 */
struct reclaim {
	pthread_mutex_t lock;
	pthread_cond_t wanted;
	pthread_cond_t rested;
	unsigned int nr;
	struct reclaimer threads[RECLAIM_MAX];
	struct frame_list list;
	bool runs;
	unsigned int left;
	bool end;
	struct prefault prefault;
};

int reclaim_start(struct backend *b);
void reclaim_end(struct backend *b);
int reclaim_run(struct backend *b, const struct frame_list *list,
		struct discard *job);
bool reclaim_near(struct backend *b, const struct frame_list *list);
void reclaim_pause(struct backend *b);
void reclaim_resume(struct backend *b);

/* prefault.c */
int prefault_init(struct backend *b);
void prefault_deinit(struct backend *b);
void prefault_set(struct backend *b, bool on);
bool prefault_is_on(struct backend *b);
void prefault_add(struct backend *b, const struct frame_list *list);
void prefault_cut(struct backend *b, const struct frame_list *list);
void prefault_drop(struct backend *b);
bool prefault_step(struct backend *b);

#endif /* BALLONET_RECLAIM_H */
