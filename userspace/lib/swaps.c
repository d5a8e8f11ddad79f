// SPDX-License-Identifier: GPL-2.0-or-later
#include "swaps.h"

#include "procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB	1024

#define SWAPS_TEXT_MAX	(16 * 1024)
#define STAT_TEXT_MAX	256
#define PARAM_TEXT_MAX	32

#define PARAMS		"module/zswap/parameters/"

/* "orig_data_size compr_data_size mem_used_total ...": zram.rst */
static void zram_read(int sys_fd, const char *device, struct swap *swap)
{
	char path[SWAPS_NAME_MAX + 32], text[STAT_TEXT_MAX];
	uint64_t stored, compressed, occupied;
	const char *pos = text;

	snprintf(path, sizeof(path), "block/%.16s/mm_stat", device);
	if (procfile_read(sys_fd, path, text, sizeof(text)) < 0)
		return;
	pos += strspn(pos, " ");
	if (!procfile_number(&pos, &stored))
		return;
	pos += strspn(pos, " ");
	if (!procfile_number(&pos, &compressed))
		return;
	pos += strspn(pos, " ");
	if (!procfile_number(&pos, &occupied))
		return;
	swap->stored = stored;
	swap->occupied = occupied;
}

/* "/dev/zram0  partition  1048572  0  100" */
static bool line_parse(const char *line, int sys_fd, struct swap *ret_swap)
{
	struct swap swap = {
		.stored = PROCFILE_UNKNOWN,
		.occupied = PROCFILE_UNKNOWN,
	};
	unsigned long long size, used;

	if (sscanf(line, "%63s %*s %llu %llu %d", swap.name, &size, &used,
		   &swap.priority) != 4 || swap.name[0] != '/')
		return false;
	swap.size = procfile_scale(size, KIB);
	swap.used = procfile_scale(used, KIB);
	swap.compressed = !strncmp(swap.name, "/dev/zram", 9);
	if (swap.compressed && !strchr(swap.name + 5, '/'))
		zram_read(sys_fd, swap.name + 5, &swap);
	*ret_swap = swap;
	return true;
}

static int by_priority(const void *a, const void *b)
{
	const struct swap *one = a, *other = b;

	return (one->priority < other->priority) -
		(one->priority > other->priority);
}

/**
 * swaps_read - where does the host page out to?
 * @proc_fd:	/proc
 * @sys_fd:	/sys
 * @ret_swaps:	filled, in the order in which they are used
 *
 * Return: how many there are, or what the system said.
 */
int swaps_read(int proc_fd, int sys_fd, struct swap ret_swaps[SWAPS_MAX])
{
	char text[SWAPS_TEXT_MAX], *line, *save = NULL;
	ssize_t len;
	int nr = 0;

	len = procfile_read(proc_fd, "swaps", text, sizeof(text));
	if (len < 0)
		return (int)len;
	for (line = strtok_r(text, "\n", &save); line && nr < SWAPS_MAX;
	     line = strtok_r(NULL, "\n", &save))
		nr += line_parse(line, sys_fd, &ret_swaps[nr]);
	qsort(ret_swaps, nr, sizeof(ret_swaps[0]), by_priority);
	return nr;
}

static bool is_on(int sys_fd, const char *path)
{
	char text[PARAM_TEXT_MAX];

	return procfile_read(sys_fd, path, text, sizeof(text)) > 0 &&
		(text[0] == 'Y' || text[0] == '1');
}

/**
 * zswap_read - is memory compressed before it goes to swap?
 * @sys_fd:	/sys
 * @ret_zswap:	filled
 */
void zswap_read(int sys_fd, struct zswap *ret_zswap)
{
	char text[PARAM_TEXT_MAX];
	const char *pos = text;

	*ret_zswap = (struct zswap){
		.exists = !faccessat(sys_fd, PARAMS "enabled", F_OK, 0),
		.enabled = is_on(sys_fd, PARAMS "enabled"),
		.has_shrinker = !faccessat(sys_fd, PARAMS "shrinker_enabled",
					   F_OK, 0),
		.shrinker = is_on(sys_fd, PARAMS "shrinker_enabled"),
		.max_percent = PROCFILE_UNKNOWN,
	};
	if (procfile_read(sys_fd, PARAMS "max_pool_percent", text,
			  sizeof(text)) < 0 ||
	    !procfile_number(&pos, &ret_zswap->max_percent))
		ret_zswap->max_percent = PROCFILE_UNKNOWN;
}

static int param_set(int sys_fd, const char *path, struct fault *ret_fault)
{
	int fd = openat(sys_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc = 0;

	if (fd < 0 || write(fd, "1", 1) < 0)
		rc = fault_set(ret_fault, -errno, "/sys/%s: %s", path,
			       strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

/**
 * zswap_start - compress what is paged out, and write the cold of it to disk
 * @sys_fd:	/sys
 * @zswap:	of zswap_read()
 * @ret_fault:	what went wrong
 *
 * Return: 0, -ENOENT if this kernel has no zswap, or what the system said.
 */
int zswap_start(int sys_fd, const struct zswap *zswap, struct fault *ret_fault)
{
	int rc = 0;

	if (!zswap->exists)
		return fault_set(ret_fault, -ENOENT,
				 "this kernel has no zswap");
	if (zswap->has_shrinker && !zswap->shrinker)
		rc = param_set(sys_fd, PARAMS "shrinker_enabled", ret_fault);
	if (!rc && !zswap->enabled)
		rc = param_set(sys_fd, PARAMS "enabled", ret_fault);
	return rc;
}

/**
 * swaps_ratio - how well does it compress?
 * @stored:	bytes before
 * @occupied:	bytes after
 *
 * Return: percent, 300 if a third is left; 0 if nothing is stored.
 */
uint32_t swaps_ratio(uint64_t stored, uint64_t occupied)
{
	__int128 ratio;

	if (!occupied || stored > INT64_MAX || occupied > INT64_MAX)
		return 0;
	ratio = (__int128)stored * 100 / occupied;
	return ratio > UINT32_MAX ? UINT32_MAX : (uint32_t)ratio;
}
