// SPDX-License-Identifier: GPL-2.0-or-later
#include "hostmem.h"

#include "procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB	1024

/* meminfo has 1.5 KiB, vmstat 6, a node's meminfo 1.5; they grow slowly. */
#define HOSTMEM_TEXT_MAX	(32 * 1024)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define FIELD(name, unit, type, member) \
	{ name, unit, offsetof(struct type, member) }

static const struct procfile_field mem_fields[] = {
	FIELD("MemTotal", KIB, hostmem, total),
	FIELD("MemFree", KIB, hostmem, free),
	FIELD("MemAvailable", KIB, hostmem, available),
	FIELD("Cached", KIB, hostmem, cached),
	FIELD("Shmem", KIB, hostmem, shmem),
	FIELD("AnonPages", KIB, hostmem, anon),
	FIELD("Unevictable", KIB, hostmem, unevictable),
	FIELD("Committed_AS", KIB, hostmem, committed),
	FIELD("SwapTotal", KIB, hostmem, swap_total),
	FIELD("SwapFree", KIB, hostmem, swap_free),
	FIELD("Zswap", KIB, hostmem, zswap),
	FIELD("Zswapped", KIB, hostmem, zswapped),
	FIELD("Hugetlb", KIB, hostmem, hugetlb),
};

static int fields_read(int dir_fd, const char *path, const char *prefix,
		       const struct procfile_field *fields, size_t nr,
		       void *ret_struct)
{
	char text[HOSTMEM_TEXT_MAX];
	ssize_t len;

	len = procfile_read(dir_fd, path, text, sizeof(text));
	if (len < 0)
		return (int)len;
	procfile_fields(text, prefix, fields, nr, ret_struct);
	return 0;
}

/**
 * hostmem_read - read /proc/meminfo
 * @proc_fd:	/proc
 * @ret_mem:	what it says; available is never more than total
 *
 * Return: 0, -EBADMSG if it does not say how much memory there is and how much
 * is available, or what the system said.
 */
int hostmem_read(int proc_fd, struct hostmem *ret_mem)
{
	struct hostmem mem;
	int rc;

	rc = fields_read(proc_fd, "meminfo", "", mem_fields,
			 ARRAY_SIZE(mem_fields), &mem);
	if (rc)
		return rc;
	if (mem.total == PROCFILE_UNKNOWN || mem.available == PROCFILE_UNKNOWN)
		return -EBADMSG;
	if (mem.available > mem.total)
		mem.available = mem.total;
	*ret_mem = mem;
	return 0;
}

/**
 * hostmem_events_read - read /proc/vmstat
 * @proc_fd:	/proc
 * @ret_events:	what it says
 *
 * Return: 0, or what the system said.
 */
int hostmem_events_read(int proc_fd, struct hostmem_events *ret_events)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	const struct procfile_field fields[] = {
		FIELD("pswpin", page, hostmem_events, swap_in),
		FIELD("pswpout", page, hostmem_events, swap_out),
		FIELD("zswpin", page, hostmem_events, zswap_in),
		FIELD("zswpout", page, hostmem_events, zswap_out),
		FIELD("zswpwb", page, hostmem_events, zswap_written),
		FIELD("workingset_refault_anon", page, hostmem_events,
		      refault_anon),
		FIELD("workingset_refault_file", page, hostmem_events,
		      refault_file),
		FIELD("pgmajfault", 1, hostmem_events, major_faults),
		FIELD("allocstall_*", 1, hostmem_events, alloc_stalls),
		FIELD("oom_kill", 1, hostmem_events, oom_kills),
	};

	return fields_read(proc_fd, "vmstat", "", fields, ARRAY_SIZE(fields),
			   ret_events);
}

/* "        high     12345"; with a colon it is a cache of a processor. */
static uint64_t watermark_of(const char *line)
{
	uint64_t pages;

	line += strspn(line, " ");
	if (strncmp(line, "high ", 5))
		return PROCFILE_UNKNOWN;
	line += 5;
	line += strspn(line, " ");
	if (!procfile_number(&line, &pages) || *line != '\n')
		return PROCFILE_UNKNOWN;
	return procfile_scale(pages, (uint32_t)sysconf(_SC_PAGESIZE));
}

/* It has lines for each processor: as long as the machine is big. */
static int watermarks_add(FILE *file, uint64_t *ret_bytes)
{
	uint64_t sum = 0, bytes;
	bool found = false;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		bytes = watermark_of(line);
		if (bytes == PROCFILE_UNKNOWN)
			continue;
		if (__builtin_add_overflow(sum, bytes, &sum))
			return -EBADMSG;
		found = true;
	}
	if (ferror(file))
		return -EIO;
	if (!found)
		return -EBADMSG;
	*ret_bytes = sum;
	return 0;
}

/**
 * hostmem_watermark - below how much free memory the kernel reclaims
 * @proc_fd:	/proc
 * @ret_bytes:	sum of all zones' high watermarks
 *
 * Changes with vm.min_free_kbytes, vm.watermark_scale_factor and hot-plug only;
 * not for every tick.
 *
 * Return: 0, -EBADMSG if there is none in zoneinfo, or what the system said.
 */
int hostmem_watermark(int proc_fd, uint64_t *ret_bytes)
{
	FILE *file;
	int fd, rc;

	fd = openat(proc_fd, "zoneinfo", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "r");
	if (!file) {
		rc = -errno;
		close(fd);
		return rc;
	}
	rc = watermarks_add(file, ret_bytes);
	fclose(file);
	return rc;
}

static const struct procfile_field node_fields[] = {
	FIELD("MemTotal", KIB, hostmem_node, total),
	FIELD("MemFree", KIB, hostmem_node, free),
	FIELD("Active(file)", KIB, hostmem_node, active_file),
	FIELD("Inactive(file)", KIB, hostmem_node, inactive_file),
	FIELD("SReclaimable", KIB, hostmem_node, slab_reclaimable),
};

static int node_read(int node_fd, uint64_t id, struct hostmem_node *ret_node)
{
	char path[48], prefix[32];

	snprintf(path, sizeof(path), "node%u/meminfo", (unsigned int)id);
	snprintf(prefix, sizeof(prefix), "Node %u ", (unsigned int)id);
	ret_node->id = id;
	return fields_read(node_fd, path, prefix, node_fields,
			   ARRAY_SIZE(node_fields), ret_node);
}

/* "3" or "3-5" at *pos. */
static bool range_parse(const char **pos, uint64_t *ret_first,
			uint64_t *ret_last)
{
	if (!procfile_number(pos, ret_first))
		return false;
	*ret_last = *ret_first;
	if (**pos == '-') {
		++*pos;
		if (!procfile_number(pos, ret_last))
			return false;
	}
	return *ret_first <= *ret_last && *ret_last < HOSTMEM_NODES_MAX;
}

/**
 * hostmem_nodes - the NUMA nodes that have memory
 * @node_fd:	/sys/devices/system/node
 * @ret_nodes:	filled, in the order of their numbers
 * @max:	elements of @ret_nodes
 *
 * Return: how many there are, -E2BIG if more than @max, -EBADMSG if the list of
 * them is none, or what the system said: -ENOENT without NUMA.
 */
int hostmem_nodes(int node_fd, struct hostmem_node *ret_nodes, size_t max)
{
	uint64_t id, last, next = 0;
	char list[4096];
	const char *pos = list;
	size_t nr = 0;
	ssize_t len;
	int rc;

	len = procfile_read(node_fd, "has_memory", list, sizeof(list));
	if (len < 0)
		return (int)len;
	do {
		if (!range_parse(&pos, &id, &last) || id < next)
			return -EBADMSG;
		for (; id <= last; id++) {
			if (nr == max)
				return -E2BIG;
			rc = node_read(node_fd, id, &ret_nodes[nr++]);
			if (rc)
				return rc;
		}
		next = id;
	} while (*pos++ == ',');
	return (int)nr;
}
