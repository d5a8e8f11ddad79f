// SPDX-License-Identifier: GPL-2.0-or-later
#include "cgroup.h"

#include "procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* memory.stat has 2 KiB; a number, 21 bytes. */
#define STAT_TEXT_MAX	(16 * 1024)
#define NUMBER_TEXT_MAX	32

/* A VM has QEMU and a few helpers, some hundred bytes. */
#define PROCS_TEXT_MAX	4096

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The descriptor or a negative errno. */
static int dir_open(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = O_DIRECTORY | O_RDONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* /proc/PID/cgroup shows what lies outside of its reader's namespace so. */
static bool has_dot_dot(const char *path)
{
	const char *p;

	for (p = path; (p = strstr(p, "/..")); p += 3)
		if (!p[3] || p[3] == '/')
			return true;
	return false;
}

/* "0::/machine.slice/web.scope": hierarchy 0 is that of cgroup v2. */
static int path_find(char *text, const char **ret_path)
{
	char *line, *save = NULL;

	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "0::/", 4))
			continue;
		if (has_dot_dot(line))
			return -EXDEV;
		*ret_path = line + 3;
		return 0;
	}
	return -ENOENT;
}

/**
 * cgroup_of_process - where a process is
 * @proc_fd:	/proc
 * @pid:	the process
 * @ret_path:	from the root of the hierarchy, with its /
 *
 * Return: 0, -ENOENT if it has no cgroup v2, -EXDEV if that lies outside of
 * what this process sees, or what the system said: -ENOENT, -ESRCH if there is
 * no such process.
 */
int cgroup_of_process(int proc_fd, pid_t pid, char ret_path[PATH_MAX])
{
	/* Up to 12 hierarchies of v1 besides; their paths are as long. */
	char file[32], text[2 * PATH_MAX];
	const char *path;
	ssize_t len;
	int rc;

	snprintf(file, sizeof(file), "%d/cgroup", (int)pid);
	len = procfile_read(proc_fd, file, text, sizeof(text));
	if (len < 0)
		return (int)len;
	rc = path_find(text, &path);
	if (rc)
		return rc;
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret_path, path, strlen(path) + 1);
	return 0;
}

/**
 * cgroup_open - open the cgroup that a process' memory is charged to
 * @root_fd:	/sys/fs/cgroup, or where cgroup v2 is mounted
 * @path:	of cgroup_of_process(); shortened to what was opened, for people
 * @ret_fd:	its directory
 *
 * libvirt puts the threads of a VM into children without the memory controller:
 * the nearest ancestor that has it counts. See cgroup_holds_only() before
 * anything is done to it.
 *
 * Return: 0, -ENOENT if there is none below the root, or what the system said.
 */
int cgroup_open(int root_fd, char path[PATH_MAX], int *ret_fd)
{
	int fd;

	while (path[0] == '/' && path[1]) {
		fd = dir_open(root_fd, path + 1);
		/* A child may be gone by now, its parent is not. */
		if (fd < 0 && fd != -ENOENT)
			return fd;
		if (fd >= 0 && !faccessat(fd, "memory.current", F_OK, 0)) {
			*ret_fd = fd;
			return 0;
		}
		if (fd >= 0)
			close(fd);
		*strrchr(path, '/') = '\0';
	}
	return -ENOENT;
}

/**
 * cgroup_holds_only - is a cgroup a VM's own?
 * @fd:		of cgroup_open()
 * @pid:	the VM's process
 *
 * What is done to a cgroup is done to all that is in it. Where QEMU was started
 * by hand that is a whole login session. Children are not looked into; the
 * scopes of libvirt and Proxmox hold one VM by construction, and helpers of it
 * (swtpm, virtiofsd), for which this says no.
 *
 * Return: 1 if @pid is its only process, 0 if there are others or it is not
 * there, or what the system said.
 */
int cgroup_holds_only(int fd, pid_t pid)
{
	char text[PROCS_TEXT_MAX];
	const char *pos = text;
	uint64_t number;
	ssize_t len;

	len = procfile_read(fd, "cgroup.procs", text, sizeof(text));
	if (len == -EFBIG)
		return 0;
	if (len < 0)
		return (int)len;
	return procfile_number(&pos, &number) && number == (uint64_t)pid &&
		!strcmp(pos, "\n");
}

#define FIELD(name, member) { name, 1, offsetof(struct cgroup_memory, member) }

static const struct procfile_field stat_fields[] = {
	FIELD("anon", anon),
	FIELD("file", file),
	FIELD("shmem", shmem),
	FIELD("inactive_file", inactive_file),
	FIELD("unevictable", unevictable),
	FIELD("zswapped", zswapped),
	FIELD("workingset_refault_anon", refault_anon),
	FIELD("workingset_refault_file", refault_file),
	FIELD("pgmajfault", major_faults),
};

static const struct procfile_field events_fields[] = {
	FIELD("high", events_high),
	FIELD("max", events_max),
	FIELD("oom", events_oom),
	FIELD("oom_kill", events_oom_kill),
};

/* Files of one number or the word "max". */
static const struct procfile_field number_files[] = {
	FIELD("memory.current", current),
	FIELD("memory.swap.current", swap_current),
	FIELD("memory.zswap.current", zswap_current),
	FIELD("memory.min", min),
	FIELD("memory.low", low),
	FIELD("memory.high", high),
	FIELD("memory.max", max),
	FIELD("memory.swap.max", swap_max),
};

static uint64_t number_read(int fd, const char *name)
{
	char text[NUMBER_TEXT_MAX];
	const char *pos = text;
	uint64_t number;

	if (procfile_read(fd, name, text, sizeof(text)) < 0)
		return PROCFILE_UNKNOWN;
	if (!strcmp(text, "max\n"))
		return PROCFILE_NO_LIMIT;
	if (!procfile_number(&pos, &number) || strcmp(pos, "\n"))
		return PROCFILE_UNKNOWN;
	return number;
}

static void fields_read(int fd, const char *name,
			const struct procfile_field *fields, size_t nr,
			struct cgroup_memory *ret_memory)
{
	char text[STAT_TEXT_MAX];

	if (procfile_read(fd, name, text, sizeof(text)) < 0)
		text[0] = '\0';
	procfile_fields(text, "", fields, nr, ret_memory);
}

/* Refaults are counted in pages. */
static uint64_t pages_to_bytes(uint64_t pages)
{
	return procfile_scale(pages, (uint32_t)sysconf(_SC_PAGESIZE));
}

static const struct pressure_line pressure_unknown = {
	.avg10 = PRESSURE_UNKNOWN,
	.avg60 = PRESSURE_UNKNOWN,
	.avg300 = PRESSURE_UNKNOWN,
	.total_us = PROCFILE_UNKNOWN,
};

/**
 * cgroup_memory_read - read what a cgroup tells of its memory
 * @fd:		of cgroup_open()
 * @ret_memory:	each file that is missing or broken is unknown
 *
 * Return: 0, or -ENODEV if it does not even tell what it uses: it is gone.
 */
int cgroup_memory_read(int fd, struct cgroup_memory *ret_memory)
{
	struct cgroup_memory memory = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(number_files); i++)
		*(uint64_t *)((char *)&memory + number_files[i].offset) =
			number_read(fd, number_files[i].name);
	if (memory.current > INT64_MAX)
		return -ENODEV;
	fields_read(fd, "memory.stat", stat_fields, ARRAY_SIZE(stat_fields),
		    &memory);
	fields_read(fd, "memory.events", events_fields,
		    ARRAY_SIZE(events_fields), &memory);
	memory.refault_anon = pages_to_bytes(memory.refault_anon);
	memory.refault_file = pages_to_bytes(memory.refault_file);
	memory.pressure.line[PRESSURE_SOME] = pressure_unknown;
	memory.pressure.line[PRESSURE_FULL] = pressure_unknown;
	pressure_read(fd, "memory.pressure", &memory.pressure);
	*ret_memory = memory;
	return 0;
}

/**
 * cgroup_reclaim - make the kernel page memory of a cgroup out
 * @fd:		of cgroup_open()
 * @bytes:	how much
 * @swappiness:	0 (files only) to 200 (anonymous only), or
 *		CGROUP_SWAPPINESS_ANY
 *
 * Returns when it is done, which takes as long as the swap device does: for a
 * thread of a pool, in pieces of a few ten MiB. What came of it, the caller
 * reads in cgroup_memory.current.
 *
 * Return: 0, -EAGAIN if it was less (which is no failure), -ENOENT before
 * kernel 5.19, -EINVAL for a swappiness before 6.9, -ERANGE if it is none, or
 * what the system said.
 */
int cgroup_reclaim(int fd, uint64_t bytes, int swappiness)
{
	char text[64];
	int file, len, rc = 0;

	if (swappiness > CGROUP_SWAPPINESS_MAX ||
	    swappiness < CGROUP_SWAPPINESS_ANY)
		return -ERANGE;
	len = snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	if (swappiness != CGROUP_SWAPPINESS_ANY)
		len += snprintf(text + len, sizeof(text) - len,
				" swappiness=%d", swappiness);
	file = openat(fd, "memory.reclaim", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0)
		return -errno;
	if (write(file, text, len) < 0)
		rc = -errno;
	close(file);
	return rc;
}
