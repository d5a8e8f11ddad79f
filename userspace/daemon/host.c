// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The host is short when its memory is, or when its VMs have used up their
 * budget, whichever is closer. The budget counts what VMs occupy and nothing
 * else: other programs do not use it up, so that it means the same on a busy
 * machine as on an idle one.
 */
#include "host.h"
#include "hostmem.h"
#include "procfile.h"
#include "psi.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Below it the kernel reclaims; twice that, so that we are there before. */
#define WATERMARKS		2
/* It changes when an administrator or hot-plug changes it. */
#define WATERMARK_PERIOD_MS	60000

/* More than any machine that runs VMs has today; beyond, none are shown. */
#define NODES_SHOWN_MAX		64

/**
 * struct host - this machine
 * @proc_fd:	/proc
 * @sys_fd:	/sys
 * @cgroup_fd:	where cgroup v2 is mounted, or -1
 * @budget:	what VMs and free memory may have together, or 0
 * @min_free:	to keep free, or 0
 * @watermark:	below how much free memory the kernel reclaims, 0 if unknown
 * @watermark_ms: when that was read, 0 if it was not
 * @mem:	as it was last seen
 * @last:	the last snapshot
 * @psi:	how long its tasks wait
 */
struct host {
	int proc_fd;
	int sys_fd;
	int cgroup_fd;
	uint64_t budget;
	uint64_t min_free;
	uint64_t watermark;
	uint64_t watermark_ms;
	struct hostmem mem;
	struct plan_host last;
	struct psi *psi;
};

static int dir_open(const char *root, const char *path, int *ret_fd)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", root ? root : "", path) >=
	    (int)sizeof(full))
		return -ENAMETOOLONG;
	*ret_fd = open(full, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

/* The unified hierarchy, or, beside hierarchies of v1, none with memory. */
static int cgroup_root_open(int sys_fd)
{
	int fd = openat(sys_fd, "fs/cgroup",
			O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && faccessat(fd, "cgroup.controllers", F_OK, 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int roots_open(struct host *host, const char *root)
{
	int rc;

	rc = dir_open(root, "/proc", &host->proc_fd) ?:
		dir_open(root, "/sys", &host->sys_fd);
	if (!rc)
		host->cgroup_fd = cgroup_root_open(host->sys_fd);
	return rc;
}

/**
 * host_create - begin to look at a machine
 * @loop:	which runs
 * @options:	which machine, and the operator's limits
 * @wake:	called when it has become short
 * @userdata:	for @wake
 * @ret_host:	to be given to host_destroy()
 *
 * Return: 0 or a negative errno.
 */
int host_create(uv_loop_t *loop, const struct host_options *options,
		host_wake wake, void *userdata, struct host **ret_host)
{
	struct host *host = calloc(1, sizeof(*host));
	int rc;

	if (!host)
		return -ENOMEM;
	*host = (struct host){ .proc_fd = -1, .sys_fd = -1, .cgroup_fd = -1 };
	host_limit(host, options->budget, options->min_free);
	rc = roots_open(host, options->root) ?:
		hostmem_read(host->proc_fd, &host->mem) ?:
		psi_create(loop, host->proc_fd, wake, userdata, &host->psi);
	if (rc)
		host_destroy(&host);
	else
		*ret_host = host;
	return rc;
}

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/**
 * host_destroy - look no more
 * @host:	set to NULL; nothing happens if it is
 */
void host_destroy(struct host **host)
{
	if (!*host)
		return;
	psi_destroy(&(*host)->psi);
	fd_close((*host)->proc_fd);
	fd_close((*host)->sys_fd);
	fd_close((*host)->cgroup_fd);
	free(*host);
	*host = NULL;
}

/**
 * host_limit - the operator has decided otherwise
 * @host:	a machine
 * @budget:	as host_options.budget
 * @min_free:	as host_options.min_free
 */
void host_limit(struct host *host, uint64_t budget, uint64_t min_free)
{
	host->budget = budget;
	host->min_free = min_free;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void watermark_update(struct host *host, uint64_t now_ms)
{
	if (host->watermark_ms &&
	    now_ms - host->watermark_ms < WATERMARK_PERIOD_MS)
		return;
	host->watermark_ms = now_ms;
	if (hostmem_watermark(host->proc_fd, &host->watermark))
		host->watermark = 0;
}

/* The kernel's watermarks are of all memory, and say nothing of a budget. */
static uint64_t min_free(const struct host *host, uint64_t total)
{
	uint64_t floor = plan_min_free(total);
	uint64_t kernel = procfile_scale(host->watermark, WATERMARKS);

	if (host->min_free)
		return host->min_free;
	if (total < host->mem.total)
		return floor;
	return kernel <= INT64_MAX && kernel > floor ? kernel : floor;
}

/**
 * host_snapshot - what it looks like now
 * @host:	this machine
 * @occupied:	by all VMs, for the budget
 * @ret_snapshot: all but held and period_ms, which are 0
 *
 * Return: 0, or what hostmem_read() returns.
 */
int host_snapshot(struct host *host, uint64_t occupied,
		  struct plan_host *ret_snapshot)
{
	uint64_t now_us = uv_hrtime() / 1000, budget;
	int rc;

	rc = hostmem_read(host->proc_fd, &host->mem);
	if (rc)
		return rc;
	watermark_update(host, now_us / 1000);
	budget = host->budget ? host->budget : host->mem.total;
	host->last = (struct plan_host){
		.now_ms = now_us / 1000,
		.total = least(host->mem.total, budget),
		.available = host->mem.available,
		.swap_free = host->mem.swap_free,
	};
	if (host->budget)
		host->last.available = least(host->mem.available,
					     budget - least(budget, occupied));
	host->last.min_free = min_free(host, host->last.total);
	psi_read(host->psi, now_us, &host->last.stall_some,
		 &host->last.stall_full);
	*ret_snapshot = host->last;
	return 0;
}

/**
 * host_ram - how much it has, whatever the budget
 * @host:	a machine
 *
 * Return: bytes.
 */
uint64_t host_ram(const struct host *host)
{
	return host->mem.total;
}

/**
 * host_proc - its /proc
 * @host:	a machine
 *
 * Return: a descriptor that lives as long as @host.
 */
int host_proc(const struct host *host)
{
	return host->proc_fd;
}

/**
 * host_sys - its /sys
 * @host:	a machine
 *
 * Return: a descriptor that lives as long as @host.
 */
int host_sys(const struct host *host)
{
	return host->sys_fd;
}

/**
 * host_cgroup - its cgroup v2
 * @host:	a machine
 *
 * Return: a descriptor that lives as long as @host, or -1 if there is none that
 * has the memory of processes.
 */
int host_cgroup(const struct host *host)
{
	return host->cgroup_fd;
}

/* A number that the kernel may not tell. */
static json_t *number(uint64_t value)
{
	return value <= INT64_MAX ? json_integer((json_int_t)value) : NULL;
}

static json_t *nodes_pack(const struct host *host)
{
	struct hostmem_node nodes[NODES_SHOWN_MAX];
	json_t *array = json_array();
	int fd, nr, i;

	fd = openat(host->sys_fd, "devices/system/node",
		    O_PATH | O_DIRECTORY | O_CLOEXEC);
	nr = fd < 0 ? 0 : hostmem_nodes(fd, nodes, NODES_SHOWN_MAX);
	fd_close(fd);
	for (i = 0; i < nr; i++)
		json_array_append_new(array, json_pack(
			"{s:I,s:o*,s:o*}", "node", (json_int_t)nodes[i].id,
			"total", number(nodes[i].total),
			"free", number(nodes[i].free)));
	return array;
}

/**
 * host_pack - what it looks like, for people and programs
 * @host:	a machine
 *
 * Return: the object Host of io.ballonet.Manager, as of the last snapshot.
 */
json_t *host_pack(struct host *host)
{
	return json_pack("{s:o*,s:o*,s:I,s:I,s:i,s:i,s:b,s:I,s:o*,s:o*,s:o}",
		"total", number(host->mem.total),
		"available", number(host->mem.available),
		"min_free", (json_int_t)host->last.min_free,
		"budget", (json_int_t)host->budget,
		"stall_some", (int)host->last.stall_some,
		"stall_full", (int)host->last.stall_full,
		"psi", psi_works(host->psi),
		"wakes", (json_int_t)psi_wakes(host->psi),
		"swap_total", number(host->mem.swap_total),
		"swap_free", number(host->mem.swap_free),
		"nodes", nodes_pack(host));
}
