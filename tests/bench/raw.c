// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The raw limit: nobody's balloon, one process that frees ranges of its own
 * shared memory, as a back-end does. There is no guest and no message.
 *
 *	raw MIB memfd|hugetlb|FILE touched|untouched|holes CYCLES
 *
 * Each cycle frees all by calls of 2 MiB, or half of the frames, picked at
 * random and merged, by both calls that there are for it, and touches it
 * again. Prints "shrink US" of the quicker call and "touch US" of each cycle;
 * the first, in which memory is cold, is not printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FRAME	4096ull
#define BLOCK	(2ull << 20)

struct ram {
	int fd;
	uint8_t *base;
	uint64_t size;
	bool holes;
};

static void die(const char *what)
{
	fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static void ram_make(struct ram *ram, const char *kind)
{
	uint8_t *at;

	if (!strcmp(kind, "memfd"))
		ram->fd = memfd_create("raw", 0);
	else if (!strcmp(kind, "hugetlb"))
		ram->fd = memfd_create("raw", MFD_HUGETLB);
	else
		ram->fd = open(kind, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (ram->fd < 0 || ftruncate(ram->fd, ram->size))
		die(kind);
	/* Room to begin at a whole block. */
	at = mmap(NULL, ram->size + BLOCK, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	at = (uint8_t *)(((uintptr_t)at + BLOCK - 1) & ~(BLOCK - 1));
	ram->base = mmap(at, ram->size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, ram->fd, 0);
	if (ram->base == MAP_FAILED)
		die("mmap");
}

static uint64_t touch(const struct ram *ram)
{
	uint64_t begin = now_us(), i;

	for (i = 0; i < ram->size; i += FRAME)
		*(volatile uint64_t *)(ram->base + i) = i;
	return now_us() - begin;
}

static void discard(const struct ram *ram, bool by_map, uint64_t at,
		    uint64_t len)
{
	if (by_map ? madvise(ram->base + at, len, MADV_REMOVE) :
		     fallocate(ram->fd,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       at, len))
		die("discard");
}

/* The same half for each cycle. */
static bool in_half(uint64_t frame)
{
	uint64_t x = (frame + 1) * 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	return x >> 63;
}

static void discard_holes(const struct ram *ram, bool by_map)
{
	uint64_t frames = ram->size / FRAME, i, start;

	for (i = 0; i < frames; i++) {
		for (start = i; i < frames && in_half(i);)
			i++;
		if (i > start)
			discard(ram, by_map, start * FRAME,
				(i - start) * FRAME);
	}
}

static uint64_t shrink(const struct ram *ram, bool by_map)
{
	uint64_t begin = now_us(), i;

	if (ram->holes)
		discard_holes(ram, by_map);
	for (i = 0; i < ram->size && !ram->holes; i += BLOCK)
		discard(ram, by_map, i, BLOCK);
	return now_us() - begin;
}

int main(int argc, char **argv)
{
	struct ram ram = { 0 };
	bool touched;
	int cycles;

	if (argc != 5) {
		fprintf(stderr, "usage: raw MIB KIND STATE CYCLES\n");
		return 2;
	}
	ram.size = strtoull(argv[1], NULL, 10) << 20;
	ram.holes = !strcmp(argv[3], "holes");
	touched = strcmp(argv[3], "untouched");
	cycles = atoi(argv[4]);
	/* What is freed is the size in any case. */
	if (ram.holes)
		ram.size *= 2;
	ram_make(&ram, argv[2]);
	for (int i = 0; i <= cycles; i++) {
		uint64_t t, us[2];

		for (int by_map = 0; by_map < 2; by_map++) {
			t = touched ? touch(&ram) : 0;
			us[by_map] = shrink(&ram, by_map);
		}
		if (i)
			printf("shrink %" PRIu64 "\n",
			       us[0] < us[1] ? us[0] : us[1]);
		if (i && touched && !ram.holes)
			printf("touch %" PRIu64 "\n", t);
	}
	return 0;
}
