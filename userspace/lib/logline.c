// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * When a host is out of memory its journal may stand still, and whoever writes
 * to it with it: the manager that is to help, and back-ends that a VMM holds
 * its global lock for. So a line that nobody takes is lost, and the next one
 * that is taken tells how many were.
 *
 * The descriptor is shared with other processes: it stays as it is, and is
 * looked at before each line. A line and what is told before it are one write
 * of less than a page, for which a pipe or socket that is ready has room.
 */
#include "logline.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * What a reader on a busy machine may need; once: while lines are lost nobody
 * waits again.
 */
#define WAIT_MS		50
/* A number and a sentence. */
#define LOST_MAX	80

static atomic_uint lost;

static int out_is_full(void)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	int n;

	do
		n = poll(&out, 1, atomic_load(&lost) ? 0 : WAIT_MS);
	while (n < 0 && errno == EINTR);
	/* Any other error is for the write to find. */
	return !n;
}

/**
 * logline_write - write a line to standard error, if somebody reads
 * @text:	with its newline
 * @len:	of @text
 */
void logline_write(const char *text, size_t len)
{
	char both[LOST_MAX + LOGLINE_MAX];
	unsigned int nr;
	int n = 0;

	if (out_is_full()) {
		atomic_fetch_add(&lost, 1);
		return;
	}
	if (len > LOGLINE_MAX)
		len = LOGLINE_MAX;
	nr = atomic_exchange(&lost, 0);
	if (nr)
		n = snprintf(both, LOST_MAX,
			     "%u lines before this one were lost: nobody read them\n",
			     nr);
	memcpy(both + n, text, len);
	(void)!write(STDERR_FILENO, both, n + len);
}
