/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cgroup (v2) that holds a VM's memory: what it uses, what it suffers, and
 * the way to make the kernel page some of it out. Sizes are bytes; what a
 * cgroup does not tell is PROCFILE_UNKNOWN, a limit that is none
 * PROCFILE_NO_LIMIT.
 *
 * Paths come from /proc and are followed below the root that the caller has
 * open, never out of it and over no symbolic link.
 */
#ifndef BALLONET_CGROUP_H
#define BALLONET_CGROUP_H

#include "pressure.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Do not say how much of it is to be anonymous memory. */
#define CGROUP_SWAPPINESS_ANY	(-1)
#define CGROUP_SWAPPINESS_MAX	200

/**
 * struct cgroup_memory - the files memory.*
 * @current:	what it uses, descendants included
 * @swap_current: its swap
 * @zswap_current: RAM that its compressed pages occupy
 * @min:	protected always
 * @low:	protected while others have something to reclaim
 * @high:	throttled above this
 * @max:	killed above this
 * @swap_max:	most swap
 * @events_high: how often it was above @high
 * @events_max:	how often it ran into @max
 * @events_oom:	how often that could not be helped
 * @events_oom_kill: processes killed
 * @anon:	anonymous memory
 * @file:	page cache, with @shmem
 * @shmem:	tmpfs and shared memory
 * @inactive_file: page cache not used lately
 * @unevictable: never to be paged out
 * @zswapped:	what the compressed pages were before
 * @refault_anon: bytes paged in soon after they were paged out, since it exists
 * @refault_file: the same of files
 * @major_faults: a number
 * @pressure:	of its memory; every line unknown if there is none
 */
struct cgroup_memory {
	uint64_t current;
	uint64_t swap_current;
	uint64_t zswap_current;
	uint64_t min;
	uint64_t low;
	uint64_t high;
	uint64_t max;
	uint64_t swap_max;
	uint64_t events_high;
	uint64_t events_max;
	uint64_t events_oom;
	uint64_t events_oom_kill;
	uint64_t anon;
	uint64_t file;
	uint64_t shmem;
	uint64_t inactive_file;
	uint64_t unevictable;
	uint64_t zswapped;
	uint64_t refault_anon;
	uint64_t refault_file;
	uint64_t major_faults;
	struct pressure pressure;
};

int cgroup_of_process(int proc_fd, pid_t pid, char ret_path[PATH_MAX]);
int cgroup_open(int root_fd, char path[PATH_MAX], int *ret_fd);
int cgroup_holds_only(int fd, pid_t pid);
int cgroup_memory_read(int fd, struct cgroup_memory *ret_memory);
int cgroup_reclaim(int fd, uint64_t bytes, int swappiness);

#endif
