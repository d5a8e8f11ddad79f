// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Work that waits for a disk or looks at all processes is done by a thread of
 * libuv's pool. It has copies of all that it needs: the ladder may be gone when
 * it is done.
 */
#include "ladder_parts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void job_free(struct ladder_job *job)
{
	fd_close(job->proc_fd);
	fd_close(job->sys_fd);
	free(job);
}

static void on_work(uv_work_t *work)
{
	struct ladder_job *job = (struct ladder_job *)work;

	job->run(job);
}

static void on_done(uv_work_t *work, int status)
{
	struct ladder_job *job = (struct ladder_job *)work;

	(void)status;
	job->again = false;
	job->done(job->ladder, job);
	if (!job->again || uv_queue_work(work->loop, work, on_work, on_done))
		job_free(job);
}

/**
 * ladder_job_again - have something else done with the same job
 * @job:	from within its done()
 * @run:	its next run()
 * @done:	its next done()
 */
void ladder_job_again(struct ladder_job *job,
		      void (*run)(struct ladder_job *job),
		      void (*done)(struct ladder *ladder,
				   struct ladder_job *job))
{
	job->run = run;
	job->done = done;
	job->again = true;
}

/**
 * ladder_job_start - have something done
 * @ladder:	whose it is
 * @like:	run, done and what these need; copied
 *
 * done() has to forget the job.
 *
 * Return: the job, or NULL if there is no memory.
 */
struct ladder_job *ladder_job_start(struct ladder *ladder,
				    const struct ladder_job *like)
{
	struct ladder_job *job = malloc(sizeof(*job));

	if (!job)
		return NULL;
	*job = *like;
	job->ladder = ladder;
	job->proc_fd = fcntl(ladder->proc_fd, F_DUPFD_CLOEXEC, 0);
	job->sys_fd = fcntl(ladder->sys_fd, F_DUPFD_CLOEXEC, 0);
	if (job->proc_fd >= 0 && job->sys_fd >= 0 &&
	    !uv_queue_work(ladder->loop, &job->work, on_work, on_done))
		return job;
	job_free(job);
	return NULL;
}

/**
 * ladder_job_orphan - nobody waits for it any more
 * @job:	set to NULL; nothing happens if it is
 */
void ladder_job_orphan(struct ladder_job **job)
{
	if (*job)
		(*job)->ladder = NULL;
	*job = NULL;
}
