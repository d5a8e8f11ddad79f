// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest that lives: it follows its target and sends statistics whenever the
 * host wants some, for as long as there is nothing else to do.
 */
#include "vmm.h"

#include <inttypes.h>
#include <linux/ballonet.h>
#include <linux/virtio_balloon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What "guest NAME=VALUE..." sets. */
static struct {
	uint64_t used;		/* neither free nor caches */
	uint64_t caches;
	uint64_t swap_free;
	uint64_t refaults;
	uint64_t floor;		/* it leaves itself so much available */
	uint64_t deaf;		/* its balloon does not move */
	uint64_t silent;	/* no statistics */
	uint64_t lies;		/* all statistics are this */
} guest;

static const struct {
	const char *name;
	uint64_t *value;
} fields[] = {
	{ "used", &guest.used },
	{ "caches", &guest.caches },
	{ "swap_free", &guest.swap_free },
	{ "refaults", &guest.refaults },
	{ "floor", &guest.floor },
	{ "deaf", &guest.deaf },
	{ "silent", &guest.silent },
	{ "lies", &guest.lies },
};

static uint64_t balloon;	/* pages from the end of RAM downwards */
static uint64_t wanted;		/* the last target */

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t available(void)
{
	return less(ram_size - balloon * PAGE, guest.used);
}

static void send_stats(void)
{
	struct stat_value numbers[] = {
		{ VIRTIO_BALLOON_S_MEMTOT, ram_size },
		{ VIRTIO_BALLOON_S_MEMFREE, less(available(), guest.caches) },
		{ VIRTIO_BALLOON_S_AVAIL, available() },
		{ VIRTIO_BALLOON_S_CACHES, guest.caches },
		{ BALLONET_S_HUGE, 0 },
		{ BALLONET_S_SMALL, balloon * PAGE },
		{ BALLONET_S_FLOOR, guest.floor },
		{ BALLONET_S_SWAP_FREE, guest.swap_free },
		{ BALLONET_S_REFAULT_FILE, guest.refaults },
		{ BALLONET_S_REFAULT_ANON, 0 },
	};
	size_t i, nr = sizeof(numbers) / sizeof(numbers[0]);

	for (i = 0; guest.lies && i < nr; i++)
		numbers[i].value = guest.lies;
	offer_stats(numbers, nr);
}

static void say_actual(void)
{
	char write[] = "write", actual[] = "4", value[16];

	sprintf(value, "%08x", __builtin_bswap32(balloon));
	cmd_write((char *[]){ write, actual, value, NULL });
}

static void say_target(uint64_t pages)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	say("target %" PRIu64 " at %llu", pages,
	    ts.tv_sec * 1000000ull + ts.tv_nsec / 1000);
}

/* A quarter of a second of a guest that has something to do, at most. */
#define STEP_PAGES	4096

static void follow(void)
{
	uint64_t target = config_pages(), most, n;

	if (target != wanted)
		say_target(target);
	wanted = target;
	most = less(ram_size, guest.used + guest.floor + LOW) / PAGE;
	if (target > most)
		target = balloon > most ? balloon : most;
	if (guest.deaf || target == balloon)
		return;
	if (target > balloon) {
		n = target - balloon < STEP_PAGES ? target - balloon :
			STEP_PAGES;
		balloon += n;
		arrays(0, ram_size / PAGE - balloon, n, false);
	} else {
		n = balloon - target < STEP_PAGES ? balloon - target :
			STEP_PAGES;
		arrays(1, ram_size / PAGE - balloon, n, false);
		balloon -= n;
	}
	say_actual();
}

static void cmd_guest(char **arg)
{
	size_t i;
	char *eq;

	for (arg++; *arg; arg++) {
		eq = strchr(*arg, '=');
		if (!eq)
			die("no value: %s", *arg);
		*eq = '\0';
		for (i = 0; strcmp(fields[i].name, *arg); i++)
			if (i + 1 == sizeof(fields) / sizeof(fields[0]))
				die("no such value: %s", *arg);
		*fields[i].value = number(eq + 1);
	}
}

/* "live": until there is another command, which may be "live" again. */
static void cmd_live(char **arg)
{
	(void)arg;
	/* Standard input has no buffer. */
	while (!readable(0, 10)) {
		if (!guest.silent && stats_wanted())
			send_stats();
		follow();
	}
}

const struct command live_commands[] = {
	{ "guest", cmd_guest },
	{ "live", cmd_live },
	{ NULL, NULL },
};
