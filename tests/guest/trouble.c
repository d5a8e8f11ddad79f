// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Brings a test guest into trouble, and says when that began.
 *
 *	trouble BYTES		less than so much is available (MemAvailable)
 *
 * Uses memory, a little at a time, until it is so. Prints the time before the
 * step that did it, in microseconds since the epoch, stays for a moment and
 * ends. Fails after LIMIT_MIB for nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define STEP		(1UL << 20)
#define LIMIT_MIB	2048
#define STAY_US		300000

static uint64_t available(void)
{
	static const char field[] = "MemAvailable:";
	uint64_t bytes = 0;
	char line[256];
	FILE *f;

	f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, sizeof(field) - 1))
			bytes = strtoull(line + sizeof(field) - 1, NULL, 10);
	if (f)
		fclose(f);
	return bytes * 1024;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	uint64_t limit, before;
	char *mem;

	if (argc != 2) {
		fputs("usage: trouble BYTES\n", stderr);
		return 2;
	}
	limit = strtoull(argv[1], NULL, 10);
	mem = mmap(NULL, LIMIT_MIB * STEP, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED) {
		perror("trouble: mmap");
		return 1;
	}
	for (unsigned int i = 0; i < LIMIT_MIB; i++) {
		before = now_us();
		memset(mem + i * STEP, i + 1, STEP);
		if (available() >= limit)
			continue;
		printf("%llu\n", (unsigned long long)before);
		fflush(stdout);
		usleep(STAY_US);
		return 0;
	}
	fprintf(stderr, "trouble: none after %u MiB\n", LIMIT_MIB);
	return 1;
}
