// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guest RAM: a memory file whose pages hold a pattern.
 */
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int ram_fd = -1;
uint8_t *ram;
uint64_t ram_size;
uint64_t split;
static uint8_t *away;		/* a byte for each page: given to the host */

uint8_t *at(uint64_t gpa)
{
	if (split && gpa >= HIGH_GPA)
		return ram + split + (gpa - HIGH_GPA);
	return ram + gpa;
}

/* The guest address of a page of the file, and the other way round. */
uint64_t gpa_of(uint64_t offset)
{
	return split && offset >= split ? HIGH_GPA + offset - split : offset;
}

static void ram_make(char **arg)
{
	const char *kind = arg[2] ? arg[2] : "memfd";
	int prot = PROT_READ | PROT_WRITE;

	ram_size = number(arg[1]);
	split = arg[2] && arg[3] ? number(arg[3]) : 0;
	if (!strcmp(kind, "hugetlb"))
		ram_fd = memfd_create("ram", MFD_HUGETLB);
	else if (!strncmp(kind, "file:", 5))
		ram_fd = open(kind + 5, O_RDWR | O_CREAT | O_TRUNC, 0600);
	else if (!strncmp(kind, "device:", 7))
		ram_fd = open(kind + 7, O_RDWR);
	else
		ram_fd = memfd_create("ram", MFD_ALLOW_SEALING);
	if (ram_fd < 0)
		die("RAM: %s", strerror(errno));
	if (strncmp(kind, "device:", 7) && ftruncate(ram_fd, ram_size))
		die("RAM: %s", strerror(errno));
	ram = mmap(NULL, ram_size, prot, MAP_SHARED, ram_fd, 0);
	if (ram == MAP_FAILED)
		die("RAM: %s", strerror(errno));
	if (!strcmp(kind, "sealed") &&
	    fcntl(ram_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE))
		die("seal: %s", strerror(errno));
	if (!strcmp(kind, "readonly")) {
		char path[64];

		sprintf(path, "/proc/self/fd/%d", ram_fd);
		ram_fd = open(path, O_RDONLY);
	}
	if (!strcmp(kind, "locked") && mlock(ram, ram_size))
		die("mlock: %s", strerror(errno));
	away = calloc(ram_size / PAGE, 1);
}

static uint64_t word(uint64_t page, unsigned int i)
{
	uint64_t x = page * 512 + i + 1;

	x *= 0x9e3779b97f4a7c15ull;
	return x ^ x >> 29;
}

static void fill_page(uint64_t page)
{
	uint64_t *p = (uint64_t *)(ram + page * PAGE);
	unsigned int i;

	for (i = 0; i < PAGE / 8; i++)
		p[i] = word(page, i);
}

static void cmd_fill(char **arg)
{
	uint64_t page;

	(void)arg;
	/* Nothing is written there, but it is there. */
	for (page = 0; page < LOW / PAGE; page++)
		((volatile uint8_t *)ram)[page * PAGE] = ram[page * PAGE];
	for (; page < ram_size / PAGE; page++)
		fill_page(page);
	memset(away, 0, ram_size / PAGE);
}

void check_ram(bool zero, bool say_it)
{
	uint64_t page, kept = 0, gone = 0;
	unsigned int i;

	for (page = LOW / PAGE; page < ram_size / PAGE; page++) {
		uint64_t *p = (uint64_t *)(ram + page * PAGE);

		away[page] ? gone++ : kept++;
		if (away[page] && !zero)
			continue;
		for (i = 0; i < PAGE / 8; i++)
			if (p[i] != (away[page] ? 0 : word(page, i)))
				die("page %" PRIu64 " word %u is %" PRIx64
				    ", page is %s", page, i, p[i],
				    away[page] ? "away" : "the guest's");
	}
	if (say_it)
		say("kept %" PRIu64 " gone %" PRIu64, kept, gone);
}

/* "check": what was kept has its pattern; "check zero": the rest is gone. */
static void cmd_check(char **arg)
{
	check_ram(arg[1] && !strcmp(arg[1], "zero"), true);
}

static void cmd_blocks(char **arg)
{
	struct stat st;

	(void)arg;
	fstat(ram_fd, &st);
	say("%llu", st.st_blocks * 512ull);
}

/* Blocks without the first two MiB, which the rings are in. */
static void cmd_resident(char **arg)
{
	struct stat st;
	unsigned char vec[LOW / PAGE];
	uint64_t i, low = 0;

	(void)arg;
	fstat(ram_fd, &st);
	mincore(ram, LOW, vec);
	for (i = 0; i < LOW / PAGE; i++)
		low += vec[i] & 1;
	say("%llu", st.st_blocks * 512ull - low * PAGE);
}

/* Marks pages as the host's, or takes them back and writes to them. */
void mark(uint64_t frame, uint64_t nr, bool out)
{
	for (; nr; nr--, frame++) {
		uint64_t page = (at(frame * PAGE) - ram) / PAGE;

		if (out) {
			away[page] = 1;
		} else if (away[page]) {
			away[page] = 0;
			fill_page(page);
		}
	}
}

/* "mark out|in FRAME NR": what the last request without waiting did. */
static void cmd_mark(char **arg)
{
	mark(number(arg[2]), number(arg[3]), !strcmp(arg[1], "out"));
}

/* "touch FRAME NR": a word of each page, and nothing is noted. */
static void cmd_touch(char **arg)
{
	uint64_t frame = number(arg[1]), end = frame + number(arg[2]);

	for (; frame < end; frame++)
		*(volatile uint64_t *)at(frame * PAGE) = frame;
}

/* "refill": the guest writes its own memory again, after a stop. */
static void cmd_refill(char **arg)
{
	cmd_fill(arg);
}

const struct command ram_commands[] = {
	{ "ram", ram_make },
	{ "fill", cmd_fill },
	{ "check", cmd_check },
	{ "blocks", cmd_blocks },
	{ "resident", cmd_resident },
	{ "mark", cmd_mark },
	{ "touch", cmd_touch },
	{ "refill", cmd_refill },
	{ NULL, NULL },
};
