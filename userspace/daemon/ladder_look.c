// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Once a minute all processes are looked at: for others who manage this host's
 * memory, and for those whose memory may be merged.
 */
#include "ladder_parts.h"
#include "log.h"

#include <string.h>

#define LOOK_MS	60000

static void run(struct ladder_job *job)
{
	struct ladder_look *look = &job->look;

	look->nr_rivals = rivals_find(job->proc_fd, look->rivals);
	look->nr_merging = ksm_processes(job->proc_fd, look->merging,
					 LADDER_MERGING_MAX);
	look->ksmd_us = ksm_cost(job->proc_fd);
}

static bool is_known(const struct ladder *ladder, const struct rival *rival)
{
	size_t i;

	for (i = 0; i < ladder->nr_known; i++)
		if (!strcmp(ladder->rivals_known[i], rival->name))
			return true;
	return false;
}

static void rival_log(struct ladder *ladder, const struct rival *rival)
{
	if (is_known(ladder, rival) || ladder->nr_known == RIVALS_MAX)
		return;
	ladder->rivals_known[ladder->nr_known++] = rival->name;
	log_warn("%s (process %d) manages memory, too:%s%s%s%s; to leave that to ballonetd: %s",
		 rival->name, (int)rival->pid,
		 rival->does & RIVAL_BALLOON ?
			 " balloons of QEMU, which we leave to it" : "",
		 rival->does & RIVAL_SHARING ?
			 " page sharing, which we leave to it" : "",
		 rival->does & RIVAL_RECLAIM ?
			 " paging out, which we leave to it" : "",
		 rival->does & RIVAL_KILL ? " kills" : "", rival->advice);
}

static void done(struct ladder *ladder, struct ladder_job *job)
{
	int i;

	if (!ladder)
		return;
	ladder->looking = NULL;
	ladder->looked = true;
	ladder->look = job->look;
	for (i = 0; i < ladder->look.nr_rivals; i++)
		rival_log(ladder, &ladder->look.rivals[i]);
}

/**
 * ladder_look_step - look, if it is time to
 * @ladder:	the ladder
 */
void ladder_look_step(struct ladder *ladder)
{
	const struct ladder_job job = {
		.run = run,
		.done = done,
		.look.begun_ms = ladder->now_ms,
	};

	if (ladder->looking ||
	    (ladder->look_ms && ladder->now_ms - ladder->look_ms < LOOK_MS))
		return;
	ladder->look_ms = ladder->now_ms;
	ladder->looking = ladder_job_start(ladder, &job);
}

/**
 * ladder_look_again - look at the next step
 * @ladder:	the ladder
 */
void ladder_look_again(struct ladder *ladder)
{
	ladder->look_ms = 0;
}

/**
 * ladder_rival - who else does this?
 * @ladder:	the ladder
 * @does:	RIVAL_ bits
 *
 * Return: the first who does one of them, or NULL.
 */
const struct rival *ladder_rival(const struct ladder *ladder, unsigned int does)
{
	int i;

	for (i = 0; i < ladder->look.nr_rivals; i++)
		if (ladder->look.rivals[i].does & does)
			return &ladder->look.rivals[i];
	return NULL;
}
