// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A cgroup is asked for bytes, and the kernel picks the coldest. A process has
 * no such file: its mappings are read and paged out in turn, cold or not, which
 * is why this is the last rung. Only what can be RAM of a guest is looked at:
 * private or shared memory that is written, of RAM_MIN bytes at least.
 */
#include "pageout.h"

#include "cgroup.h"
#include "hostmem.h"
#include "procfile.h"
#include "swaps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Heaps and stacks of a VMM are smaller, the RAM of a VM is not. */
#define RAM_MIN		(UINT64_C(16) << 20)

/* A VM has a few mappings of that size; the next piece goes on behind these. */
#define TRIES_MAX	64

/* A line is 100 characters and the path of a file. */
#define LINE_MAX_BYTES	(PATH_MAX + 128)

/* Fields of /proc/PID/stat behind the name, from "state": proc(5). */
#define STAT_MAJFLT	9
#define STAT_TEXT_MAX	1024
#define STATM_TEXT_MAX	256
/* 64 pages: more is not believed. */
#define READAHEAD_POWER_MAX	6

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21	/* Linux 5.4 */
#endif

struct range {
	uint64_t start;
	uint64_t end;
};

static uint32_t page_size(void)
{
	return (uint32_t)sysconf(_SC_PAGESIZE);
}

static ssize_t pid_read(const struct pageout *pageout, const char *name,
			char *text, size_t size)
{
	char path[48];

	snprintf(path, sizeof(path), "%d/%s", (int)pageout->pid, name);
	return procfile_read(pageout->proc_fd, path, text, size);
}

/* "size resident shared ...", in pages. */
static uint64_t process_resident(const struct pageout *pageout)
{
	char text[STATM_TEXT_MAX];
	const char *pos = text;
	uint64_t pages;

	if (pid_read(pageout, "statm", text, sizeof(text)) < 0 ||
	    !procfile_number(&pos, &pages) || *pos++ != ' ' ||
	    !procfile_number(&pos, &pages))
		return PROCFILE_UNKNOWN;
	return procfile_scale(pages, page_size());
}

/* The kernel reads so many pages at once: vm.page-cluster is a power of 2. */
static uint32_t pages_at_once(const struct pageout *pageout)
{
	char text[STATM_TEXT_MAX];
	const char *pos = text;
	uint64_t power;

	if (procfile_read(pageout->proc_fd, "sys/vm/page-cluster", text,
			  sizeof(text)) < 0 ||
	    !procfile_number(&pos, &power) || power > READAHEAD_POWER_MAX)
		return 1;
	return 1u << power;
}

/* "1 (name) S ...": a name may have blanks and brackets. */
static uint64_t process_read_back(const struct pageout *pageout)
{
	char text[STAT_TEXT_MAX];
	const char *pos;
	uint64_t faults;
	int i;

	if (pid_read(pageout, "stat", text, sizeof(text)) < 0)
		return PROCFILE_UNKNOWN;
	pos = strrchr(text, ')');
	for (i = 0; pos && i <= STAT_MAJFLT; i++) {
		pos = strchr(pos, ' ');
		if (pos)
			pos++;
	}
	if (!pos || !procfile_number(&pos, &faults))
		return PROCFILE_UNKNOWN;
	return procfile_scale(faults, page_size() * pages_at_once(pageout));
}

/* A cgroup is charged for its part of zswap, nobody for zram. */
static uint64_t compressed(const struct pageout *pageout)
{
	struct swap swaps[SWAPS_MAX];
	struct hostmem mem;
	uint64_t sum = 0;
	int i, nr;

	nr = swaps_read(pageout->proc_fd, pageout->sys_fd, swaps);
	for (i = 0; i < nr; i++)
		if (swaps[i].occupied <= INT64_MAX)
			sum += swaps[i].occupied;
	if (pageout->cgroup_fd < 0 && !hostmem_read(pageout->proc_fd, &mem) &&
	    mem.zswap <= INT64_MAX)
		sum += mem.zswap;
	return sum;
}

static uint64_t refaults(const struct cgroup_memory *memory)
{
	if (memory->refault_anon > INT64_MAX ||
	    memory->refault_file > INT64_MAX)
		return PROCFILE_UNKNOWN;
	return memory->refault_anon + memory->refault_file;
}

/**
 * pageout_look - what tells how it went
 * @pageout:	whose memory
 * @ret_gauge:	filled
 */
void pageout_look(const struct pageout *pageout,
		  struct pageout_gauge *ret_gauge)
{
	struct cgroup_memory memory;

	ret_gauge->compressed = compressed(pageout);
	if (pageout->cgroup_fd < 0) {
		ret_gauge->resident = process_resident(pageout);
		ret_gauge->read_back = process_read_back(pageout);
	} else if (cgroup_memory_read(pageout->cgroup_fd, &memory)) {
		ret_gauge->resident = PROCFILE_UNKNOWN;
		ret_gauge->read_back = PROCFILE_UNKNOWN;
	} else {
		ret_gauge->resident = memory.current;
		ret_gauge->read_back = refaults(&memory);
	}
}

/**
 * pageout_freed - what the host has got
 * @before:	of pageout_look()
 * @after:	likewise
 *
 * Return: bytes, less what is needed to keep them compressed.
 */
uint64_t pageout_freed(const struct pageout_gauge *before,
		       const struct pageout_gauge *after)
{
	uint64_t grown = after->compressed > before->compressed ?
		after->compressed - before->compressed : 0;
	uint64_t fallen;

	if (before->resident > INT64_MAX || after->resident > before->resident)
		return 0;
	fallen = before->resident - after->resident;
	return fallen > grown ? fallen - grown : 0;
}

/* "7f00-7f10 rw-p 00000000 00:01 1234 /memfd:ram (deleted)" */
static bool is_ram(const char *line, struct range *ret_range)
{
	char mode[5], path[8] = "";

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %7s",
		   &ret_range->start, &ret_range->end, mode, path) < 3)
		return false;
	return mode[0] == 'r' && mode[1] == 'w' && path[0] != '[' &&
		ret_range->end > ret_range->start &&
		ret_range->end - ret_range->start >= RAM_MIN;
}

/* The next that ends behind @from, or false; its start is not before that. */
static bool range_next(FILE *maps, uint64_t from, struct range *ret_range)
{
	char line[LINE_MAX_BYTES];

	while (fgets(line, sizeof(line), maps)) {
		if (!is_ram(line, ret_range) || ret_range->end <= from)
			continue;
		if (ret_range->start < from)
			ret_range->start = from;
		return true;
	}
	return false;
}

static FILE *maps_open(const struct pageout *pageout)
{
	char path[48];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "%d/maps", (int)pageout->pid);
	fd = openat(pageout->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	file = fdopen(fd, "r");
	if (!file)
		close(fd);
	return file;
}

/* Return: bytes that the kernel has looked at, or a negative errno. */
static ssize_t range_page_out(int pidfd, uint64_t start, uint64_t size)
{
	/* As the kernel has struct iovec: the address is not one of ours. */
	const unsigned long vec[2] = { start, size };
	ssize_t n = syscall(SYS_process_madvise, pidfd, vec, 1, MADV_PAGEOUT,
			    0);

	return n < 0 ? -errno : n;
}

/* One range, of which @bytes are enough; or a negative errno. */
static int range_try(struct pageout *pageout, struct range *range,
		     uint64_t bytes, uint64_t *asked)
{
	uint64_t size = range->end - range->start;
	ssize_t n;

	if (size > bytes)
		size = bytes;
	n = range_page_out(pageout->pidfd, range->start, size);
	/* Locked, huge pages, a device: so is all of it. */
	if (n == -EINVAL)
		size = range->end - range->start;
	else if (n < 0)
		return (int)n;
	else if (n > 0)
		*asked += size;
	pageout->cursor = range->start + size;
	return 0;
}

/* Around once at most, and not for long: a VMM may have any mappings. */
static int process_piece(struct pageout *pageout, uint64_t bytes,
			 uint64_t *ret_asked)
{
	bool wrapped = !pageout->cursor;
	FILE *maps = maps_open(pageout);
	struct range range;
	uint64_t asked = 0;
	int tries = 0, rc = 0;

	if (!maps)
		return -errno;
	while (!rc && asked < bytes && tries < TRIES_MAX) {
		if (range_next(maps, pageout->cursor, &range)) {
			rc = range_try(pageout, &range, bytes - asked, &asked);
			tries++;
			continue;
		}
		pageout->cursor = 0;
		if (wrapped)
			break;
		wrapped = true;
		rewind(maps);
	}
	fclose(maps);
	*ret_asked = asked;
	return asked ? 0 : rc;
}

static int cgroup_piece(struct pageout *pageout, uint64_t bytes,
			uint64_t *ret_asked)
{
	int rc = cgroup_reclaim(pageout->cgroup_fd, bytes,
				CGROUP_SWAPPINESS_ANY);

	/* Less was there, which the caller sees. */
	if (rc && rc != -EAGAIN)
		return rc;
	*ret_asked = bytes;
	return 0;
}

/**
 * pageout_piece - page some out, and wait until that is done
 * @pageout:	whose memory
 * @bytes:	how much; rounded down to pages, and to PAGEOUT_PIECE
 * @ret_asked:	what the kernel was asked for: may be less, 0 if there is
 *		nothing, or nothing where was looked
 *
 * Return: 0, or what the system said: -EPERM without privileges, -ENOSYS,
 * -ENOENT before memory.reclaim (5.19), -ESRCH, -ENODEV if it is gone.
 */
int pageout_piece(struct pageout *pageout, uint64_t bytes, uint64_t *ret_asked)
{
	if (bytes > PAGEOUT_PIECE)
		bytes = PAGEOUT_PIECE;
	bytes -= bytes % page_size();
	*ret_asked = 0;
	if (!bytes)
		return 0;
	return pageout->cgroup_fd >= 0 ?
		cgroup_piece(pageout, bytes, ret_asked) :
		process_piece(pageout, bytes, ret_asked);
}
