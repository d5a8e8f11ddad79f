// SPDX-License-Identifier: GPL-2.0-or-later
#include "ksm.h"

#include "procfile.h"
#include "size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIR_PATH	"kernel/mm/ksm/"
#define NUMBER_TEXT_MAX	64
#define STAT_TEXT_MAX	512

/* sizeof(struct ksm_rmap_item), as the kernel's own general_profit has it. */
#define RMAP_ITEM_BYTES	64

/*
 * Without an advisor: all marked memory is looked at in this time, the
 * advisor's default, in pieces between the kernel's default and what takes a
 * core a tenth of its time (MOM's 1250 each 10 ms, at the 20 ms of Linux).
 */
#define SCAN_TIME_MS	200000
#define SCAN_MIN	100
#define SCAN_MAX	2500
#define SLEEP_MS	20

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *path;
	size_t offset;
} files[] = {
	{ DIR_PATH "run", offsetof(struct ksm, run) },
	{ DIR_PATH "pages_shared", offsetof(struct ksm, pages_shared) },
	{ DIR_PATH "pages_sharing", offsetof(struct ksm, pages_sharing) },
	{ DIR_PATH "pages_unshared", offsetof(struct ksm, pages_unshared) },
	{ DIR_PATH "pages_volatile", offsetof(struct ksm, pages_volatile) },
	{ DIR_PATH "pages_scanned", offsetof(struct ksm, pages_scanned) },
	{ DIR_PATH "full_scans", offsetof(struct ksm, full_scans) },
	{ DIR_PATH "pages_to_scan", offsetof(struct ksm, pages_to_scan) },
	{ DIR_PATH "sleep_millisecs", offsetof(struct ksm, sleep_ms) },
};

static uint64_t number_read(int fd, const char *path)
{
	char text[NUMBER_TEXT_MAX];
	const char *pos = text;
	uint64_t number;

	if (procfile_read(fd, path, text, sizeof(text)) < 0 ||
	    !procfile_number(&pos, &number) || strcmp(pos, "\n"))
		return PROCFILE_UNKNOWN;
	return number;
}

static uint64_t known(uint64_t number)
{
	return number == PROCFILE_UNKNOWN ? 0 : number;
}

static int64_t sat(__int128 value)
{
	if (value > INT64_MAX)
		return INT64_MAX;
	return value < -INT64_MAX ? -INT64_MAX : (int64_t)value;
}

/* Pages that KSM has a table entry for. */
static __int128 tracked(const struct ksm *ksm)
{
	return (__int128)known(ksm->pages_shared) + known(ksm->pages_sharing) +
		known(ksm->pages_unshared) + known(ksm->pages_volatile);
}

/* The kernel's own since 6.4, with the zero pages that it merged. */
static int64_t profit_read(int sys_fd, const struct ksm *ksm)
{
	char text[NUMBER_TEXT_MAX];
	const char *pos = text;
	uint64_t number;
	bool negative;

	if (procfile_read(sys_fd, DIR_PATH "general_profit", text,
			  sizeof(text)) < 0)
		return sat((__int128)known(ksm->pages_sharing) *
			   sysconf(_SC_PAGESIZE) -
			   tracked(ksm) * RMAP_ITEM_BYTES);
	negative = *pos == '-';
	pos += negative;
	if (!procfile_number(&pos, &number))
		return 0;
	return negative ? -(int64_t)number : (int64_t)number;
}

/**
 * ksm_read - what has it found?
 * @sys_fd:	/sys
 * @ret_ksm:	filled
 *
 * Return: 0, or -ENOENT if this kernel has none.
 */
int ksm_read(int sys_fd, struct ksm *ret_ksm)
{
	struct ksm ksm = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		*(uint64_t *)((char *)&ksm + files[i].offset) =
			number_read(sys_fd, files[i].path);
	if (ksm.run == PROCFILE_UNKNOWN)
		return -ENOENT;
	ksm.has_advisor = !faccessat(sys_fd, DIR_PATH "advisor_mode", F_OK, 0);
	ksm.profit = profit_read(sys_fd, &ksm);
	*ret_ksm = ksm;
	return 0;
}

/**
 * ksm_saved - memory that merging saves now
 * @ksm:	of ksm_read()
 *
 * Return: bytes. All of it is needed again if the pages are written to.
 */
uint64_t ksm_saved(const struct ksm *ksm)
{
	uint64_t bytes = procfile_scale(known(ksm->pages_sharing),
					(uint32_t)sysconf(_SC_PAGESIZE));

	return bytes > INT64_MAX ? INT64_MAX : bytes;
}

/**
 * ksm_pace - how many pages to look at each time, without an advisor
 * @ksm:	of ksm_read()
 *
 * Return: for pages_to_scan, with a sleep of 20 ms.
 */
uint32_t ksm_pace(const struct ksm *ksm)
{
	__int128 pages = tracked(ksm) * SLEEP_MS / SCAN_TIME_MS;

	if (pages < SCAN_MIN)
		return SCAN_MIN;
	return pages > SCAN_MAX ? SCAN_MAX : (uint32_t)pages;
}

static int file_write(int sys_fd, const char *path, const char *text,
		      struct fault *ret_fault)
{
	int fd = openat(sys_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		rc = fault_set(ret_fault, -errno, "/sys/%s: cannot write %s: %s",
			       path, text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int number_write(int sys_fd, const char *path, uint64_t is,
			uint64_t number, struct fault *ret_fault)
{
	char text[NUMBER_TEXT_MAX];

	if (is == number)
		return 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return file_write(sys_fd, path, text, ret_fault);
}

/**
 * ksm_start - merge, at the right pace; to be called now and then
 * @sys_fd:	/sys
 * @ksm:	of ksm_read()
 * @ret_fault:	what went wrong
 *
 * Return: 0, -EBUSY while memory is unmerged, or what the system said.
 */
int ksm_start(int sys_fd, const struct ksm *ksm, struct fault *ret_fault)
{
	int rc;

	if (ksm->run == KSM_UNMERGE)
		return fault_set(ret_fault, -EBUSY,
				 "/sys/" DIR_PATH "run is 2: somebody unmerges");
	if (ksm->has_advisor)
		rc = file_write(sys_fd, DIR_PATH "advisor_mode", "scan-time",
				ret_fault);
	else
		rc = number_write(sys_fd, DIR_PATH "sleep_millisecs",
				  ksm->sleep_ms, SLEEP_MS, ret_fault) ?:
			number_write(sys_fd, DIR_PATH "pages_to_scan",
				     ksm->pages_to_scan, ksm_pace(ksm),
				     ret_fault);
	return rc ?: number_write(sys_fd, DIR_PATH "run", ksm->run, KSM_MERGE,
				  ret_fault);
}

/**
 * ksm_stop - look for no more; what is merged stays so
 * @sys_fd:	/sys
 * @ret_fault:	what went wrong
 *
 * Return: 0 or what the system said.
 */
int ksm_stop(int sys_fd, struct fault *ret_fault)
{
	return file_write(sys_fd, DIR_PATH "run", "0", ret_fault);
}

/**
 * ksm_unmerge - undo it, if there is room for that
 * @sys_fd:	/sys
 * @ksm:	of ksm_read()
 * @room:	memory that may be used for it
 * @ret_fault:	what went wrong
 *
 * The kernel copies every page, without asking whether there is memory, and
 * returns when it is done: for a thread of a pool.
 *
 * Return: 0, -ENOSPC if there is no room, or what the system said.
 */
int ksm_unmerge(int sys_fd, const struct ksm *ksm, uint64_t room,
		struct fault *ret_fault)
{
	char text[2][SIZE_TEXT_MAX];

	if (ksm_saved(ksm) > room)
		return fault_set(ret_fault, -ENOSPC,
				 "unmerging needs %s, there is room for %s",
				 size_format(ksm_saved(ksm), text[0]),
				 size_format(room, text[1]));
	return file_write(sys_fd, DIR_PATH "run", "2", ret_fault);
}

/**
 * struct ksm_stat - /proc/PID/ksm_stat
 * @rmap_items:	pages that KSM has looked at
 * @merging:	pages that are merged
 */
struct ksm_stat {
	uint64_t rmap_items;
	uint64_t merging;
};

static const struct procfile_field stat_fields[] = {
	{ "ksm_rmap_items", 1, offsetof(struct ksm_stat, rmap_items) },
	{ "ksm_merging_pages", 1, offsetof(struct ksm_stat, merging) },
};

/* 6.16 says it before the first scan. */
static bool is_marked(const char *text, const struct ksm_stat *stat)
{
	return known(stat->rmap_items) || known(stat->merging) ||
		strstr(text, "ksm_mergeable: yes") ||
		strstr(text, "ksm_merge_any: yes");
}

/**
 * ksm_process_read - has a process memory to merge?
 * @proc_fd:	/proc
 * @pid:	the process
 * @ret_process: filled if it has
 *
 * Before 6.16 that is seen only when the first pages were looked at. The
 * kernel shows it since 6.1.
 *
 * Return: 1 if it has, 0 if not, or what the system said: -ENOENT.
 */
int ksm_process_read(int proc_fd, pid_t pid, struct ksm_process *ret_process)
{
	char path[48], text[STAT_TEXT_MAX];
	struct ksm_stat stat;
	ssize_t len;

	snprintf(path, sizeof(path), "%d/ksm_stat", (int)pid);
	len = procfile_read(proc_fd, path, text, sizeof(text));
	if (len < 0)
		return (int)len;
	procfile_fields(text, "", stat_fields, ARRAY_SIZE(stat_fields), &stat);
	if (!is_marked(text, &stat))
		return 0;
	ret_process->pid = pid;
	ret_process->merged = procfile_scale(known(stat.merging),
					     (uint32_t)sysconf(_SC_PAGESIZE));
	return 1;
}

static DIR *dir_open(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* The next process, or 0. */
static pid_t pid_next(DIR *dir)
{
	struct dirent *entry;
	const char *pos;
	uint64_t pid;

	while ((entry = readdir(dir))) {
		pos = entry->d_name;
		if (procfile_number(&pos, &pid) && !*pos && pid <= INT_MAX)
			return (pid_t)pid;
	}
	return 0;
}

/**
 * ksm_processes - who has memory to merge?
 * @proc_fd:	/proc
 * @ret_processes: filled
 * @max:	elements of @ret_processes
 *
 * Looks at every process: for once in a minute or so.
 *
 * Return: how many there are, which may be more than @max, or what the system
 * said.
 */
int ksm_processes(int proc_fd, struct ksm_process *ret_processes, size_t max)
{
	struct ksm_process process;
	DIR *dir = dir_open(proc_fd);
	int nr = 0, rc;
	pid_t pid;

	if (!dir)
		return -errno;
	while ((pid = pid_next(dir))) {
		rc = ksm_process_read(proc_fd, pid, &process);
		/* It has ended, or this kernel does not tell. */
		if (!rc || rc == -ENOENT || rc == -ESRCH)
			continue;
		if (rc < 0) {
			nr = rc;
			break;
		}
		if ((size_t)nr < max)
			ret_processes[nr] = process;
		nr++;
	}
	closedir(dir);
	return nr;
}

/* "42 (ksmd) S ...": times are the 14th and 15th field, proc(5). */
static bool cost_read(int proc_fd, pid_t pid, uint64_t *ret_us)
{
	char path[48], text[STAT_TEXT_MAX];
	unsigned long long user, system;

	snprintf(path, sizeof(path), "%d/stat", (int)pid);
	if (procfile_read(proc_fd, path, text, sizeof(text)) < 0 ||
	    sscanf(text, "%*d (ksmd) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
		   &user, &system) != 2)
		return false;
	*ret_us = (user + system) * 1000000 / sysconf(_SC_CLK_TCK);
	return true;
}

/**
 * ksm_cost - what the kernel's thread has used
 * @proc_fd:	/proc
 *
 * Return: time of a processor in microseconds, 0 if there is no such thread.
 */
uint64_t ksm_cost(int proc_fd)
{
	DIR *dir = dir_open(proc_fd);
	uint64_t us = 0;
	pid_t pid;

	if (!dir)
		return 0;
	do
		pid = pid_next(dir);
	while (pid && !cost_read(proc_fd, pid, &us));
	closedir(dir);
	return us;
}
