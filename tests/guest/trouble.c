// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Brings a test guest into trouble, and says when that began.
 *
 *	trouble available BYTES	less than so much is available (MemAvailable)
 *	trouble stall USEC	processes have waited that long for memory,
 *				within half a second
 *
 * Uses memory, a little at a time, until it is so; for a stall, what is
 * available and a little of the swap space over and over, so that nobody is
 * killed.
 * Prints the time before the step that did it, in microseconds since the epoch,
 * stays for a moment and ends. Fails after LIMIT_MIB, or LIMIT_US, for nothing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define STEP		(1UL << 20)
#define LIMIT_MIB	2048
#define SWAP_MIB	64
#define LIMIT_US	5000000
#define STAY_US		300000
#define WINDOW_US	500000

/* The first number in a file that follows this text. */
static uint64_t number_read(const char *path, const char *text)
{
	const char *at = NULL;
	char line[256];
	FILE *f;

	f = fopen(path, "r");
	while (f && !at && fgets(line, sizeof(line), f))
		at = strstr(line, text);
	if (!at) {
		fprintf(stderr, "trouble: no %s in %s\n", text, path);
		exit(1);
	}
	fclose(f);
	return strtoull(at + strlen(text), NULL, 10);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static uint64_t meminfo(const char *field)
{
	return number_read("/proc/meminfo", field) * 1024;
}

static bool is_short(uint64_t limit)
{
	return meminfo("MemAvailable:") < limit;
}

static bool is_stalled(uint64_t limit)
{
	static uint64_t start, start_us;
	/* The first line is of some processes, the second of all. */
	uint64_t now = number_read("/proc/pressure/memory", "total=");

	if (now_us() - start_us > WINDOW_US) {
		start = now;
		start_us = now_us();
	}
	return now - start >= limit;
}

/* A quarter of each page is random: zram is to have work with it. */
static void fill(char *mem, unsigned int seed)
{
	memset(mem, seed + 1, STEP);
	srandom(seed);
	for (size_t i = 0; i < STEP; i += 4096)
		for (size_t j = 0; j < 1024; j += sizeof(int))
			*(int *)(mem + i + j) = random();
}

int main(int argc, char **argv)
{
	uint64_t limit, before, end = now_us() + LIMIT_US;
	unsigned int i, round = LIMIT_MIB;
	bool by_stall;
	char *mem;

	by_stall = argc == 3 && !strcmp(argv[1], "stall");
	if (!by_stall && (argc != 3 || strcmp(argv[1], "available"))) {
		fputs("usage: trouble available BYTES | stall USEC\n", stderr);
		return 2;
	}
	limit = strtoull(argv[2], NULL, 10);
	mem = mmap(NULL, LIMIT_MIB * STEP, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED) {
		perror("trouble: mmap");
		return 1;
	}
	if (by_stall)
		round = meminfo("MemAvailable:") / STEP + SWAP_MIB;
	for (i = 0; by_stall ? now_us() < end : i < LIMIT_MIB; i++) {
		before = now_us();
		fill(mem + i % round * STEP, i);
		if (!(by_stall ? is_stalled(limit) : is_short(limit)))
			continue;
		printf("%llu\n", (unsigned long long)before);
		fflush(stdout);
		usleep(STAY_US);
		return 0;
	}
	fprintf(stderr, "trouble: none after %u MiB\n", i);
	return 1;
}
