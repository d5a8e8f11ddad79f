// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A memory user for test guests.
 *
 *	memload touch MIB	write to that much memory, give it back, end
 *	memload fill MIB	fill that much with known data and stay; returns
 *				when it is filled
 *	memload holes MIB	as fill, but give half of the pages back, picked
 *				at random, so that what is free is in pieces
 *	memload thin		give half of what fill or holes kept back
 *	memload check		read back every byte of what fill wrote, write
 *				new data; fails if a byte differs
 *	memload drop		end the filler and free its memory
 *
 * touch, fill and holes take the number of a NUMA node as one more word: all
 * memory is of that node.
 *
 * Every word of a page depends on the page, its place in it and the round, so
 * that a page lost, zeroed, swapped with another or set back to an earlier
 * state is found.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_SIZE	4096UL
#define PAGE_WORDS	(PAGE_SIZE / sizeof(uint64_t))
#define ASK_PATH	"/run/memload.ask"
#define ANSWER_PATH	"/run/memload.answer"

struct load {
	uint64_t *words;
	size_t pages;
	unsigned int part;	/* one page in so many is in use: 1, 2, 4 */
	uint64_t round;
};

static int fail(const char *what)
{
	fprintf(stderr, "memload: %s: %s\n", what, strerror(errno));
	return 1;
}

/* splitmix64: any two different numbers give words that look unrelated. */
static uint64_t mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t word_at(const struct load *load, size_t page, size_t i)
{
	return mix((load->round << 48) ^ (page * PAGE_WORDS + i + 1));
}

/* Not every n-th page: the kernel's compaction looks at every 32nd. */
static bool in_use(const struct load *load, size_t page)
{
	return !(mix(page + 1) & (load->part - 1));
}

static int load_map(struct load *load, const char *mib)
{
	size_t bytes = strtoul(mib, NULL, 10) << 20;

	load->pages = bytes / PAGE_SIZE;
	if (!load->pages) {
		errno = EINVAL;
		return fail(mib);
	}
	load->words = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return load->words == MAP_FAILED ? fail("mmap") : 0;
}

static void load_fill(struct load *load)
{
	load->round++;
	for (size_t page = 0; page < load->pages; page++)
		for (size_t i = 0; i < PAGE_WORDS && in_use(load, page); i++)
			load->words[page * PAGE_WORDS + i] =
				word_at(load, page, i);
}

static int page_check(const struct load *load, size_t page, FILE *answer)
{
	for (size_t i = 0; i < PAGE_WORDS; i++) {
		uint64_t is = load->words[page * PAGE_WORDS + i];
		uint64_t was = word_at(load, page, i);

		if (is == was)
			continue;
		fprintf(answer, "page %zu word %zu is %016llx, was %016llx\n",
			page, i, (unsigned long long)is,
			(unsigned long long)was);
		return 1;
	}
	return 0;
}

static void load_check(struct load *load, FILE *answer)
{
	size_t bad = 0;

	/* A page each is enough to see a pattern; a thousand hide it. */
	for (size_t page = 0; page < load->pages && bad < 8; page++)
		if (in_use(load, page))
			bad += page_check(load, page, answer);
	if (bad)
		fprintf(answer, "differs\n");
	else
		fprintf(answer, "%zu MiB unchanged, round %llu\n",
			load->pages * PAGE_SIZE >> 20,
			(unsigned long long)load->round);
	load_fill(load);
}

static void load_drop_others(struct load *load)
{
	for (size_t page = 0; page < load->pages; page++)
		if (!in_use(load, page))
			madvise(load->words + page * PAGE_WORDS, PAGE_SIZE,
				MADV_DONTNEED);
}

static int serve(struct load *load)
{
	char ask[16];

	for (;;) {
		FILE *in = fopen(ASK_PATH, "r");
		FILE *answer;

		if (!in)
			return fail(ASK_PATH);
		if (!fgets(ask, sizeof(ask), in))
			ask[0] = '\0';
		fclose(in);
		answer = fopen(ANSWER_PATH, "w");
		if (!answer)
			return fail(ANSWER_PATH);
		if (!strcmp(ask, "check"))
			load_check(load, answer);
		if (!strcmp(ask, "thin")) {
			load->part *= 2;
			load_drop_others(load);
		}
		fclose(answer);
		if (!strcmp(ask, "drop"))
			return 0;
	}
}

static int fill(const char *mib, unsigned int part)
{
	struct load load = { .part = 1 };
	int fds[2];
	char done;

	unlink(ASK_PATH);
	unlink(ANSWER_PATH);
	if (mkfifo(ASK_PATH, 0600) || mkfifo(ANSWER_PATH, 0600))
		return fail("mkfifo");
	if (pipe(fds))
		return fail("pipe");
	switch (fork()) {
	case -1:
		return fail("fork");
	case 0:
		close(fds[0]);
		setsid();
		if (load_map(&load, mib))
			return 1;
		load_fill(&load);
		load.part = part;
		load_drop_others(&load);
		if (write(fds[1], "", 1) != 1)
			return 1;
		close(fds[1]);
		/* The caller waits for the end of our output. */
		freopen("/dev/null", "w", stdout);
		freopen("/dev/null", "w", stderr);
		return serve(&load);
	}
	close(fds[1]);
	return read(fds[0], &done, 1) == 1 ? 0 : 1;
}

/* A filler that was killed does not open its end. */
static int ask_filler(const char *what)
{
	char reply[256];
	bool differs = false;
	FILE *answer;
	int fd;

	fd = open(ASK_PATH, O_WRONLY | O_NONBLOCK);
	for (int i = 0; fd < 0 && errno == ENXIO && i < 100; i++) {
		usleep(10000);
		fd = open(ASK_PATH, O_WRONLY | O_NONBLOCK);
	}
	if (fd < 0)
		return fail("no filler");
	if (write(fd, what, strlen(what)) < 0)
		return fail(ASK_PATH);
	close(fd);
	answer = fopen(ANSWER_PATH, "r");
	if (!answer)
		return fail(ANSWER_PATH);
	while (fgets(reply, sizeof(reply), answer)) {
		fputs(reply, stdout);
		differs |= !strcmp(reply, "differs\n");
	}
	return differs;
}

static int touch(const char *mib)
{
	struct load load = { 0 };

	if (load_map(&load, mib))
		return 1;
	for (size_t page = 0; page < load.pages; page++)
		load.words[page * PAGE_WORDS] = page;
	return 0;
}

/* Nothing this program allocates from now on is of another node. */
static int bind_to_node(const char *node)
{
	unsigned long mask = 1UL << strtoul(node, NULL, 10);

	if (syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof(mask)))
		return fail("set_mempolicy");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && bind_to_node(argv[--argc]))
		return 1;
	if (argc == 3 && !strcmp(argv[1], "touch"))
		return touch(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "fill"))
		return fill(argv[2], 1);
	if (argc == 3 && !strcmp(argv[1], "holes"))
		return fill(argv[2], 2);
	if (argc == 2 && (!strcmp(argv[1], "check") ||
			  !strcmp(argv[1], "thin") ||
			  !strcmp(argv[1], "drop")))
		return ask_filler(argv[1]);
	fprintf(stderr,
		"usage: memload touch|fill|holes MIB [NODE] | thin | check | drop\n");
	return 2;
}
