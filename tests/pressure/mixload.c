// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads for guests of a host under pressure. All data is known in advance, and
 * checked when it is used, so that a byte that was lost is found.
 *
 *	mixload disk DEV MIB
 *		write known pages to a block device. Each page is one word many
 *		times, which zram keeps in no memory at all
 *	mixload cache DEV MIB HOT SECONDS
 *		read it at random through the page cache, nine of ten reads
 *		within the first HOT MiB; print how many reads there were
 *	mixload ramp MIB RATE SECONDS
 *		write to memory, RATE MiB/s (0: as fast as it goes), hold it so
 *		long, check it
 *	mixload text LINES SEED
 *		print lines in no order
 *	mixload sorted LINES SEED
 *		check that these lines are the input, sorted
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB		(1UL << 20)
#define PAGE_SIZE	4096UL
#define PAGE_WORDS	(PAGE_SIZE / sizeof(uint64_t))
/* What a data base reads at once. */
#define READ_SIZE	(16 * 1024UL)
#define HOT_PERCENT	90
#define LINE_SIZE	64

static int fail(const char *what)
{
	fprintf(stderr, "mixload: %s: %s\n", what, strerror(errno));
	return 1;
}

static int lost(const char *where, uint64_t place, uint64_t is, uint64_t was)
{
	printf("LOST: %s at %llu: is %016llx, was %016llx\n", where,
	       (unsigned long long)place, (unsigned long long)is,
	       (unsigned long long)was);
	return 3;
}

/* splitmix64: any two different numbers give words that look unrelated. */
static uint64_t mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

static int disk(char **args)
{
	uint64_t pages = number(args[1]) * MIB / PAGE_SIZE, words[PAGE_WORDS];
	int fd = open(args[0], O_WRONLY | O_DIRECT);
	void *page;

	if (fd < 0 || posix_memalign(&page, PAGE_SIZE, PAGE_SIZE))
		return fail(args[0]);
	for (uint64_t i = 0; i < pages; i++) {
		for (size_t j = 0; j < PAGE_WORDS; j++)
			words[j] = mix(i);
		memcpy(page, words, PAGE_SIZE);
		if (write(fd, page, PAGE_SIZE) != (ssize_t)PAGE_SIZE)
			return fail(args[0]);
	}
	return close(fd) ? fail(args[0]) : 0;
}

/* The first and the last word of each page: the rest is the kernel's copy. */
static int read_check(int fd, uint64_t offset)
{
	uint64_t words[READ_SIZE / sizeof(uint64_t)];

	if (pread(fd, words, READ_SIZE, offset) != (ssize_t)READ_SIZE)
		return fail("read");
	for (size_t i = 0; i < READ_SIZE / PAGE_SIZE; i++) {
		uint64_t was = mix(offset / PAGE_SIZE + i);
		const uint64_t *page = words + i * PAGE_WORDS;

		if (page[0] != was)
			return lost("disk", offset, page[0], was);
		if (page[PAGE_WORDS - 1] != was)
			return lost("disk", offset, page[PAGE_WORDS - 1], was);
	}
	return 0;
}

static int cache(char **args)
{
	uint64_t all = number(args[1]) * MIB / READ_SIZE;
	uint64_t hot = number(args[2]) * MIB / READ_SIZE;
	uint64_t end = now_us() + number(args[3]) * 1000000;
	uint64_t reads = 0, seed = now_us();
	int fd = open(args[0], O_RDONLY), rc = 0;

	if (fd < 0)
		return fail(args[0]);
	/* As a data base does, which knows better. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	while (!rc && now_us() < end) {
		uint64_t random = mix(seed + reads++);
		uint64_t part = random % 100 < HOT_PERCENT ? hot : all;

		rc = read_check(fd, (random >> 8) % part * READ_SIZE);
	}
	if (!rc)
		printf("%llu\n", (unsigned long long)reads);
	return rc;
}

static int ramp(char **args)
{
	uint64_t mib = number(args[0]), rate = number(args[1]);
	uint64_t begin = now_us(), seed = begin;
	uint64_t *words;

	words = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		return fail("mmap");
	for (uint64_t i = 0; i < mib * MIB / sizeof(*words); i++) {
		if (i % (MIB / sizeof(*words)) == 0 && rate) {
			uint64_t at = begin + (i >> 17) * 1000000 / rate;
			uint64_t now = now_us();

			if (now < at)
				usleep(at - now);
		}
		words[i] = mix(seed + i);
	}
	sleep(number(args[2]));
	for (uint64_t i = 0; i < mib * MIB / sizeof(*words); i++)
		if (words[i] != mix(seed + i))
			return lost("memory", i, words[i], mix(seed + i));
	return 0;
}

static void line_at(uint64_t seed, uint64_t i, char line[LINE_SIZE])
{
	uint64_t x = mix(seed + i);

	snprintf(line, LINE_SIZE, "%016llx%016llx%016llx",
		 (unsigned long long)x, (unsigned long long)mix(x),
		 (unsigned long long)mix(~x));
}

/* Of a set of lines, in whatever order. */
static uint64_t line_sum(const char *line)
{
	uint64_t sum = 0;

	while (*line && *line != '\n')
		sum = mix(sum + (unsigned char)*line++);
	return sum;
}

static int text(char **args)
{
	uint64_t lines = number(args[0]), seed = number(args[1]);
	char line[LINE_SIZE];

	for (uint64_t i = 0; i < lines; i++) {
		line_at(seed, i, line);
		if (puts(line) < 0)
			return fail("output");
	}
	return fflush(stdout) ? fail("output") : 0;
}

static int sorted(char **args)
{
	uint64_t lines = number(args[0]), seed = number(args[1]);
	char line[LINE_SIZE + 2], before[LINE_SIZE + 2] = "";
	uint64_t was = 0, is = 0, n = 0;

	for (uint64_t i = 0; i < lines; i++) {
		line_at(seed, i, line);
		was += line_sum(line);
	}
	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(before, line) > 0)
			return lost("order", n, 0, 0);
		memcpy(before, line, sizeof(line));
		is += line_sum(line);
		n++;
	}
	return n == lines && is == was ? 0 : lost("lines", n, is, was);
}

static const struct verb {
	const char *name;
	int args;
	int (*fn)(char **args);
} verbs[] = {
	{ "disk", 2, disk },
	{ "cache", 4, cache },
	{ "ramp", 3, ramp },
	{ "text", 2, text },
	{ "sorted", 2, sorted },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (argc == verbs[i].args + 2 &&
		    !strcmp(argv[1], verbs[i].name))
			return verbs[i].fn(argv + 2);
	fputs("usage: mixload disk|cache|ramp|text|sorted ARG...\n",
	      stderr);
	return 2;
}
