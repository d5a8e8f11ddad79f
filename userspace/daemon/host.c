// SPDX-License-Identifier: GPL-2.0-or-later
#include "host.h"
#include "hostmem.h"
#include "pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/**
 * struct host - this machine
 * @proc_fd:	/proc
 * @stalls:	time lost so far, by kind
 * @wake:	called when it has become short
 * @userdata:	for @wake
 */
struct host {
	int proc_fd;
	struct rate stalls[PRESSURE_NR_KINDS];
	host_wake wake;
	void *userdata;
};

/**
 * host_create - begin to look at this machine
 * @loop:	which runs
 * @wake:	called when it has become short
 * @userdata:	for @wake
 * @ret_host:	to be given to host_destroy()
 *
 * Return: 0 or a negative errno.
 */
int host_create(uv_loop_t *loop, host_wake wake, void *userdata,
		struct host **ret_host)
{
	struct host *host = calloc(1, sizeof(*host));
	int rc;

	(void)loop;
	if (!host)
		return -ENOMEM;
	host->wake = wake;
	host->userdata = userdata;
	host->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host->proc_fd < 0) {
		rc = -errno;
		free(host);
		return rc;
	}
	*ret_host = host;
	return 0;
}

/**
 * host_destroy - look no more
 * @host:	set to NULL; nothing happens if it is
 */
void host_destroy(struct host **host)
{
	if (!*host)
		return;
	close((*host)->proc_fd);
	free(*host);
	*host = NULL;
}

static uint32_t stall(struct host *host, const struct pressure *pressure,
		      enum pressure_kind kind, uint64_t now_us)
{
	uint32_t permille = 0;

	(void)pressure_permille(&host->stalls[kind], now_us,
				pressure->line[kind].total_us, &permille);
	return permille;
}

/**
 * host_snapshot - what it looks like now
 * @host:	this machine
 * @ret_snapshot: now_ms (CLOCK_MONOTONIC), total, available, stall_some and
 *		stall_full are filled in; what is the operator's is left at 0
 *
 * A kernel without PSI has no stalls.
 *
 * Return: 0, or what hostmem_read() returns.
 */
int host_snapshot(struct host *host, struct plan_host *ret_snapshot)
{
	struct pressure pressure;
	struct timespec now;
	struct hostmem mem;
	uint64_t now_us;
	int rc;

	rc = hostmem_read(host->proc_fd, &mem);
	if (rc)
		return rc;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = now.tv_sec * UINT64_C(1000000) + now.tv_nsec / 1000;
	*ret_snapshot = (struct plan_host){
		.now_ms = now_us / 1000,
		.total = mem.total,
		.available = mem.available,
	};
	if (!pressure_read(host->proc_fd, "pressure/memory", &pressure)) {
		ret_snapshot->stall_some = stall(host, &pressure,
						 PRESSURE_SOME, now_us);
		ret_snapshot->stall_full = stall(host, &pressure,
						 PRESSURE_FULL, now_us);
	}
	return 0;
}
