// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Work of a known size, for measurements in a test guest.
 *
 *	work touch MIB		write and free so much memory; says how many
 *				microseconds writing took
 *	work write MIB		likewise, to a file in memory
 *	work allocate MIB	likewise, but nothing is written: pages are what
 *				the kernel makes of them, zeroed if it is told
 *				to zero what it allocates
 *	work spin SECONDS	walk through 16 MiB for so long; says how many
 *				rounds there were in a second, times 1000, and
 *				the longest one, in microseconds
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE_SIZE	4096UL
#define PIECE		(1UL << 20)
#define SPIN_BYTES	(16UL << 20)

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static volatile uint64_t *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		perror("work: mmap");
		exit(1);
	}
	return at;
}

static void walk(volatile uint64_t *words, size_t bytes, size_t step)
{
	for (size_t i = 0; i < bytes / sizeof(*words);
	     i += step / sizeof(*words))
		words[i] = i;
}

static void touch(size_t bytes)
{
	volatile uint64_t *words = map(bytes);
	uint64_t begin = now_us();

	walk(words, bytes, PAGE_SIZE);
	printf("%llu\n", (unsigned long long)(now_us() - begin));
}

/*
 * The memory of a program in User-Mode Linux is mapped frame by frame, which
 * would be all that is measured.
 */
static void write_file(size_t bytes)
{
	static char data[PIECE];
	int fd = memfd_create("work", 0);
	uint64_t begin = now_us();

	memset(data, 1, sizeof(data));
	for (size_t done = 0; done < bytes; done += PIECE)
		if (write(fd, data, PIECE) != PIECE) {
			perror("work: write");
			exit(1);
		}
	printf("%llu\n", (unsigned long long)(now_us() - begin));
}

/* The kernel's own work alone: no copy and one system call. */
static void allocate(size_t bytes)
{
	int fd = memfd_create("work", 0);
	uint64_t begin = now_us();

	if (fallocate(fd, 0, 0, bytes)) {
		perror("work: fallocate");
		exit(1);
	}
	printf("%llu\n", (unsigned long long)(now_us() - begin));
}

static void spin(uint64_t us)
{
	volatile uint64_t *words = map(SPIN_BYTES);
	uint64_t begin, last, now, longest = 0, rounds = 0;

	walk(words, SPIN_BYTES, PAGE_SIZE);
	begin = now_us();
	for (last = begin; last - begin < us; last = now) {
		walk(words, SPIN_BYTES, 64);
		now = now_us();
		if (now - last > longest)
			longest = now - last;
		rounds++;
	}
	printf("%llu %llu\n",
	       (unsigned long long)(rounds * 1000000000ULL / (last - begin)),
	       (unsigned long long)longest);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "touch")) {
		touch(strtoul(argv[2], NULL, 10) << 20);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "write")) {
		write_file(strtoul(argv[2], NULL, 10) << 20);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "allocate")) {
		allocate(strtoul(argv[2], NULL, 10) << 20);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "spin")) {
		spin(strtoul(argv[2], NULL, 10) * 1000000);
		return 0;
	}
	fprintf(stderr, "usage: work touch|write|allocate MIB | spin SECONDS\n");
	return 2;
}
