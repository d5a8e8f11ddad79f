// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * Merging is switched on while the host is short, or while it saves memory,
 * and off when it costs more than it saves; what is merged then stays merged.
 * It is not touched while another program drives it, nor ever where the
 * operator has not allowed it.
 *
 * The kernel merges across all that is marked, so every process with marked
 * memory has to be a VM of one and the same group. Where one comes that is not,
 * merging stops, and what was merged is taken apart as soon as another look has
 * found the same and there is room.
 */
#include "ladder_parts.h"
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEP_MS		10000
/* An advisor takes 200 s for a scan, and the first finds nothing. */
#define JUDGED_SCANS	3
#define JUDGED_MS	600000

static void because(struct ladder *ladder, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Logged when it is another reason. */
static void because(struct ladder *ladder, const char *format, ...)
{
	char text[RUNG_REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!strcmp(text, ladder->ksm_reason))
		return;
	memcpy(ladder->ksm_reason, text, sizeof(text));
	log_info("page sharing: %s", text);
}

static const struct ladder_guest *guest_of(const struct ladder *ladder,
					   pid_t pid)
{
	size_t i;

	for (i = 0; i < ladder->nr; i++)
		if (ladder->guests[i].pid == pid)
			return &ladder->guests[i];
	return NULL;
}

/* The look may be a minute old. */
static bool is_gone(const struct ladder *ladder, pid_t pid)
{
	char path[16];

	snprintf(path, sizeof(path), "%d", (int)pid);
	return faccessat(ladder->proc_fd, path, F_OK, 0) && errno == ENOENT;
}

/* Does all that is marked belong to those who trust each other? */
static bool is_trusted(struct ladder *ladder)
{
	const struct ladder_look *look = &ladder->look;
	const struct ladder_guest *guest, *first = NULL;
	int i;

	if (look->nr_merging < 0) {
		because(ladder, "off: processes cannot be looked at: %s",
			strerror(-look->nr_merging));
		return false;
	}
	if (look->nr_merging > LADDER_MERGING_MAX) {
		because(ladder, "off: %d processes have memory to merge, limit %d",
			look->nr_merging, LADDER_MERGING_MAX);
		return false;
	}
	for (i = 0; i < look->nr_merging; i++) {
		guest = guest_of(ladder, look->merging[i].pid);
		if (!guest && is_gone(ladder, look->merging[i].pid))
			continue;
		if (!guest || !guest->group[0]) {
			because(ladder, "off: process %d (%s) has memory to merge and is in no share_group",
				(int)look->merging[i].pid,
				guest ? guest->name : "not a VM of ours");
			return false;
		}
		if (first && strcmp(first->group, guest->group)) {
			because(ladder, "off: %s of share_group %s and %s of %s have memory to merge, and the kernel merges across groups",
				first->name, first->group, guest->name,
				guest->group);
			return false;
		}
		first = guest;
	}
	return true;
}

/*
 * Merging has been stopped. A VM that did not answer once is no stranger:
 * nothing is taken apart before another look has found the same.
 */
static void suspect(struct ladder *ladder)
{
	if (ladder->merges && !ladder->suspect_ms) {
		ladder->suspect_ms = ladder->now_ms;
		ladder_look_again(ladder);
	} else if (ladder->suspect_ms &&
		   ladder->look.begun_ms > ladder->suspect_ms) {
		ladder->suspect_ms = 0;
		ladder->mixed = true;
	}
}

/* May it run, whether it is useful or not? */
static bool is_allowed(struct ladder *ladder)
{
	const struct rival *rival = ladder_rival(ladder, RIVAL_SHARING);

	if (!ladder_allows(ladder, RUNG_KSM)) {
		because(ladder, "off: not in 'ladder'");
		return false;
	}
	if (rival) {
		because(ladder, "left to %s (process %d)", rival->name,
			(int)rival->pid);
		return false;
	}
	if (!is_trusted(ladder)) {
		suspect(ladder);
		return false;
	}
	ladder->suspect_ms = 0;
	return true;
}

static bool is_useful(struct ladder *ladder)
{
	const struct rung *rung = &ladder->rungs[RUNG_KSM];

	if (!rung_is_ready(rung, ladder->now_ms)) {
		because(ladder, "off for a while: %s", rung->reason);
		return false;
	}
	if (ladder->level == PLAN_GREEN && ladder->ksm.profit <= 0) {
		because(ladder, "off: the host has memory");
		return false;
	}
	return true;
}

static void begin(struct ladder *ladder)
{
	if (!ladder->merges) {
		ladder->ksm_since_ms = ladder->now_ms;
		ladder->ksm_scans = ladder->ksm.full_scans;
	}
	ladder->merges = true;
}

/* What a manager that was killed has left on is ours to end. */
static void adopt(struct ladder *ladder)
{
	if (ladder->ksm.run == KSM_MERGE && ladder_allows(ladder, RUNG_KSM) &&
	    !ladder_rival(ladder, RIVAL_SHARING))
		begin(ladder);
}

/* It has had the time to find something. */
static void judge(struct ladder *ladder)
{
	struct rung *rung = &ladder->rungs[RUNG_KSM];

	if (!ladder->merges ||
	    (ladder->ksm.full_scans - ladder->ksm_scans < JUDGED_SCANS &&
	     ladder->now_ms - ladder->ksm_since_ms < JUDGED_MS))
		return;
	if (ladder->ksm.profit <= 0)
		rung_pause(rung, ladder->now_ms,
			   "its tables take %lld bytes more than it saves",
			   -(long long)ladder->ksm.profit);
	else
		rung->pauses = 0;
}

/*
 * What is written waits for the kernel's thread, or until all is apart: that is
 * done by a thread, one task at a time.
 */

static void start_run(struct ladder_job *job)
{
	job->ksm.rc = ksm_start(job->sys_fd, &job->ksm.ksm, &job->ksm.fault);
}

static void stop_run(struct ladder_job *job)
{
	job->ksm.rc = ksm_stop(job->sys_fd, &job->ksm.fault);
}

/* At 2, or for lack of room at 1, it shall not stay. */
static void unmerge_run(struct ladder_job *job)
{
	struct fault fault;
	int rc;

	job->ksm.rc = ksm_unmerge(job->sys_fd, &job->ksm.ksm, job->ksm.room,
				  &job->ksm.fault);
	rc = ksm_stop(job->sys_fd, &fault);
	if (job->ksm.rc || !rc)
		return;
	job->ksm.rc = rc;
	job->ksm.fault = fault;
}

static void stop_done(struct ladder *ladder, struct ladder_job *job)
{
	if (!ladder)
		return;
	ladder->ksm_job = NULL;
	if (job->ksm.rc)
		log_warn("page sharing: %s", job->ksm.fault.text);
}

static void start_done(struct ladder *ladder, struct ladder_job *job)
{
	if (!ladder) {
		/* Nobody else will ever switch it off. */
		ladder_job_again(job, stop_run, stop_done);
		return;
	}
	ladder->ksm_job = NULL;
	if (job->ksm.rc) {
		because(ladder, "off: %s", job->ksm.fault.text);
		return;
	}
	ladder->ksm.run = KSM_MERGE;
	begin(ladder);
	because(ladder, "on");
}

static void unmerge_done(struct ladder *ladder, struct ladder_job *job)
{
	if (!ladder)
		return;
	ladder->ksm_job = NULL;
	if (job->ksm.rc) {
		log_warn_rarely(&ladder->ksm_trouble,
				"page sharing: memory of several groups stays merged: %s",
				job->ksm.fault.text);
		return;
	}
	ladder->mixed = false;
	log_info("page sharing: all memory is apart again");
}

static void task(struct ladder *ladder, void (*run)(struct ladder_job *job),
		 void (*done)(struct ladder *ladder, struct ladder_job *job))
{
	const struct ladder_job job = {
		.run = run,
		.done = done,
		.ksm.ksm = ladder->ksm,
		.ksm.room = ladder->room,
	};

	ladder->ksm_job = ladder_job_start(ladder, &job);
}

static void stop(struct ladder *ladder)
{
	if (!ladder->merges)
		return;
	ladder->merges = false;
	if (ladder->ksm.run == KSM_MERGE)
		task(ladder, stop_run, stop_done);
}

static void act(struct ladder *ladder, bool merge)
{
	if (ladder->mixed && !ladder_rival(ladder, RIVAL_SHARING)) {
		ladder->merges = false;
		task(ladder, unmerge_run, unmerge_done);
	} else if (merge) {
		task(ladder, start_run, start_done);
	} else {
		stop(ladder);
	}
}

static void account(struct ladder *ladder)
{
	struct rung_sum *sum = &ladder->rungs[RUNG_KSM].all;
	uint64_t saved = ksm_saved(&ladder->ksm);

	if (saved < sum->freed)
		sum->returned += sum->freed - saved;
	sum->freed = saved;
	sum->time_us = ladder->look.ksmd_us;
}

/**
 * ladder_ksm_step - should memory be merged now?
 * @ladder:	the ladder
 */
void ladder_ksm_step(struct ladder *ladder)
{
	if (ladder->ksm_ms && ladder->now_ms - ladder->ksm_ms < STEP_MS)
		return;
	if (ladder->ksm_job)
		return;
	/* Nobody is judged before he was looked at. */
	if (!ladder->looked)
		return;
	ladder->ksm_ms = ladder->now_ms;
	ladder->has_ksm = !ksm_read(ladder->sys_fd, &ladder->ksm);
	if (!ladder->has_ksm) {
		because(ladder, "this kernel has none");
		return;
	}
	account(ladder);
	adopt(ladder);
	judge(ladder);
	act(ladder, is_allowed(ladder) && is_useful(ladder));
}

/**
 * ladder_ksm_end - nobody looks after it any more
 * @ladder:	the ladder
 */
void ladder_ksm_end(struct ladder *ladder)
{
	/* One that is under way ends with it off, or is stop_run(). */
	if (!ladder->ksm_job)
		stop(ladder);
	ladder_job_orphan(&ladder->ksm_job);
}
