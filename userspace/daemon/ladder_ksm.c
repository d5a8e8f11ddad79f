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

static void stop(struct ladder *ladder)
{
	struct fault fault;

	if (!ladder->merges)
		return;
	ladder->merges = false;
	if (ladder->ksm.run == KSM_MERGE &&
	    ksm_stop(ladder->sys_fd, &fault))
		log_warn("page sharing: %s", fault.text);
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

static void start(struct ladder *ladder)
{
	struct fault fault;

	if (ksm_start(ladder->sys_fd, &ladder->ksm, &fault)) {
		because(ladder, "off: %s", fault.text);
		return;
	}
	ladder->ksm.run = KSM_MERGE;
	begin(ladder);
	because(ladder, "on");
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

static void unmerge_run(struct ladder_job *job)
{
	/* Here, for the ladder may end meanwhile: at 2 nobody may start it. */
	job->unmerge.rc = ksm_unmerge(job->sys_fd, &job->unmerge.ksm,
				      job->unmerge.room,
				      &job->unmerge.fault) ?:
		ksm_stop(job->sys_fd, &job->unmerge.fault);
}

static void unmerge_done(struct ladder *ladder, struct ladder_job *job)
{
	if (!ladder)
		return;
	ladder->unmerging = NULL;
	if (job->unmerge.rc) {
		log_warn_rarely(&ladder->ksm_trouble,
				"page sharing: memory of several groups stays merged: %s",
				job->unmerge.fault.text);
		return;
	}
	ladder->mixed = false;
	log_info("page sharing: all memory is apart again");
}

static void unmerge(struct ladder *ladder)
{
	const struct ladder_job job = {
		.run = unmerge_run,
		.done = unmerge_done,
		.unmerge.ksm = ladder->ksm,
		.unmerge.room = ladder->room,
	};

	if (ladder->mixed && !ladder->unmerging)
		ladder->unmerging = ladder_job_start(ladder, &job);
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
	if (is_allowed(ladder) && is_useful(ladder))
		start(ladder);
	else
		stop(ladder);
	unmerge(ladder);
}

/**
 * ladder_ksm_end - nobody looks after it any more
 * @ladder:	the ladder
 */
void ladder_ksm_end(struct ladder *ladder)
{
	stop(ladder);
}
