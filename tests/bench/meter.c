// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a file occupies over time.
 *
 *	meter PATH MS
 *
 * Looks each MS milliseconds until SIGTERM, then prints the integral in GiB x
 * min, and the most that it occupied, in MiB.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NS_A_MS		UINT64_C(1000000)
#define KIB_A_GIB	(1 << 20)
#define NS_A_MIN	(60000 * NS_A_MS)

static void die(const char *what)
{
	fprintf(stderr, "meter: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * NS_A_MS + ts.tv_nsec;
}

static uint64_t occupied_kib(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		die(path);
	return st.st_blocks / 2;
}

/* Returns false when SIGTERM has come. */
static bool pause_ms(const sigset_t *end, uint64_t ms)
{
	const struct timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * NS_A_MS,
	};

	return sigtimedwait(end, NULL, &ts) < 0;
}

int main(int argc, char **argv)
{
	uint64_t before, now, is, was, most;
	double sum = 0;
	sigset_t end;
	bool more;

	if (argc != 3)
		return 2;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	before = now_ns();
	was = occupied_kib(argv[1]);
	most = was;
	do {
		more = pause_ms(&end, strtoull(argv[2], NULL, 10));
		now = now_ns();
		is = occupied_kib(argv[1]);
		/* As if it changed steadily in between. */
		sum += (was + is) / 2.0 * (now - before) / NS_A_MIN;
		most = is > most ? is : most;
		was = is;
		before = now;
	} while (more);
	printf("%.4f %" PRIu64 "\n", sum / KIB_A_GIB, most / 1024);
	return 0;
}
