// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The planner says how much of which VM the host has to page out: those that
 * no balloon moves, and only what is lacking. One VM at a time is paged out by
 * a thread, in pieces, for a moment; what is still wanted then goes on with the
 * next job, until the next plan says otherwise.
 *
 * What that has freed is measured, and for half a minute what of it is read
 * back: a VM whose memory always comes back is left alone for a while.
 */
#include "ladder_parts.h"
#include "log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The next VM has its turn after this time. */
#define TURN_US		200000
#define WATCH_MS	30000

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

static void run(struct ladder_job *job)
{
	uint64_t begin = now_us(), asked = 1;
	struct pageout_gauge before, after;

	job->page.pageout.proc_fd = job->proc_fd;
	job->page.pageout.sys_fd = job->sys_fd;
	pageout_look(&job->page.pageout, &before);
	while (!job->page.rc && asked && job->page.asked < job->page.want &&
	       now_us() - begin < TURN_US) {
		job->page.rc = pageout_piece(&job->page.pageout,
					     job->page.want - job->page.asked,
					     &asked);
		job->page.asked += asked;
	}
	pageout_look(&job->page.pageout, &after);
	job->page.time_us = now_us() - begin;
	job->page.freed = pageout_freed(&before, &after);
	job->page.read_back = after.read_back;
}

static struct ladder_guest *guest_find(struct ladder *ladder, uint64_t guest)
{
	size_t i;

	for (i = 0; i < ladder->nr; i++)
		if (ladder->guests[i].guest == guest)
			return &ladder->guests[i];
	return NULL;
}

static void job_close(const struct ladder_job *job)
{
	if (job->page.pageout.pidfd >= 0)
		close(job->page.pageout.pidfd);
	if (job->page.pageout.cgroup_fd >= 0)
		close(job->page.pageout.cgroup_fd);
}

static void failed(struct ladder *ladder, struct ladder_guest *guest, int rc)
{
	rung_pause(&guest->rung, ladder->now_ms, "cannot be paged out: %s",
		   strerror(-rc));
	log_warn_rarely(&ladder->page_trouble, "%s: %s", guest->name,
			guest->rung.reason);
}

static void account(struct ladder *ladder, struct ladder_guest *guest,
		    const struct ladder_job *job)
{
	uint64_t asked = job->page.asked, freed = job->page.freed;

	/* The VM may have let go of memory by itself. */
	if (freed > asked)
		freed = asked;
	guest->want -= asked < guest->want ? asked : guest->want;
	guest->cursor = job->page.pageout.cursor;
	guest->freed += freed;
	/* What is read back meanwhile is seen when it is looked at next. */
	if (ladder->now_ms >= guest->watch_until_ms)
		guest->read_back = job->page.read_back;
	guest->watch_until_ms = ladder->now_ms + WATCH_MS;
	rung_did(&guest->rung, asked, freed, job->page.time_us);
	rung_did(&ladder->rungs[RUNG_RECLAIM], asked, freed,
		 job->page.time_us);
}

static void next(struct ladder *ladder);

static void done(struct ladder *ladder, struct ladder_job *job)
{
	struct ladder_guest *guest;

	job_close(job);
	if (!ladder)
		return;
	ladder->paging = NULL;
	guest = guest_find(ladder, job->page.guest);
	if (guest && (job->page.asked || !job->page.rc)) {
		/* Nothing to ask for is nothing to have. */
		if (!job->page.asked)
			guest->want = 0;
		account(ladder, guest, job);
	}
	if (guest && job->page.rc)
		failed(ladder, guest, job->page.rc);
	else if (guest && !rung_judge(&guest->rung, ladder->now_ms))
		log_warn_rarely(&ladder->page_trouble,
				"%s: paging it out is not worth it: %s",
				guest->name, guest->rung.reason);
	next(ladder);
}

static void start(struct ladder *ladder, struct ladder_guest *guest)
{
	struct ladder_job job = {
		.run = run,
		.done = done,
		.page.guest = guest->guest,
		.page.want = guest->want,
		.page.pageout = {
			.pid = guest->pid,
			.pidfd = -1,
			.cgroup_fd = -1,
			.cursor = guest->cursor,
		},
	};

	/* In a thread the descriptors have to live as long as the job. */
	if (guest->cgroup_fd >= 0)
		job.page.pageout.cgroup_fd = fcntl(guest->cgroup_fd,
						   F_DUPFD_CLOEXEC, 0);
	else
		job.page.pageout.pidfd = (int)syscall(SYS_pidfd_open,
						      guest->pid, 0);
	if (job.page.pageout.cgroup_fd >= 0 || job.page.pageout.pidfd >= 0)
		ladder->paging = ladder_job_start(ladder, &job);
	if (ladder->paging)
		return;
	job_close(&job);
	guest->want = 0;
}

/* The one of whom most is wanted. */
static void next(struct ladder *ladder)
{
	struct ladder_guest *most = NULL, *guest;

	if (!ladder->looked || ladder->paging ||
	    !ladder_allows(ladder, RUNG_RECLAIM) ||
	    ladder_rival(ladder, RIVAL_RECLAIM))
		return;
	for (guest = ladder->guests; guest < ladder->guests + ladder->nr;
	     guest++)
		if (guest->want && rung_is_ready(&guest->rung,
						 ladder->now_ms) &&
		    (!most || guest->want > most->want))
			most = guest;
	if (most)
		start(ladder, most);
}

/* What was freed, and is needed again. */
static void watch(struct ladder *ladder, struct ladder_guest *guest)
{
	const struct pageout pageout = {
		.proc_fd = ladder->proc_fd,
		.sys_fd = ladder->sys_fd,
		.pid = guest->pid,
		.pidfd = -1,
		.cgroup_fd = guest->cgroup_fd,
	};
	struct pageout_gauge gauge;
	uint64_t bytes;

	pageout_look(&pageout, &gauge);
	if (gauge.read_back > INT64_MAX || gauge.read_back < guest->read_back)
		return;
	bytes = gauge.read_back - guest->read_back;
	if (bytes > guest->freed)
		bytes = guest->freed;
	guest->read_back = gauge.read_back;
	guest->freed -= bytes;
	if (!bytes)
		return;
	rung_gave_back(&guest->rung, bytes);
	rung_gave_back(&ladder->rungs[RUNG_RECLAIM], bytes);
}

/**
 * ladder_page_step - page out what is wanted
 * @ladder:	the ladder
 */
void ladder_page_step(struct ladder *ladder)
{
	struct ladder_guest *guest;

	for (guest = ladder->guests; guest < ladder->guests + ladder->nr;
	     guest++) {
		if (ladder->now_ms < guest->watch_until_ms)
			watch(ladder, guest);
		else
			guest->freed = 0;
	}
	next(ladder);
}
