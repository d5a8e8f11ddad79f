// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames that come and go: arrays, requests, reports.
 */
#include "vmm.h"

#include <inttypes.h>
#include <linux/ballonet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * "inflate FRAME NR [nowait]", "deflate ...": the standard's arrays, as Linux
 * sends them: 256 numbers a buffer, descending.
 */
void arrays(int q, uint64_t frame, uint64_t left, bool nowait)
{
	uint64_t i, n;
	unsigned int in_ring = 0;

	mark(frame, left, q == 0);
	while (left) {
		uint64_t gpa = BUF_GPA + in_ring * 1024;
		uint32_t *pfn = (uint32_t *)at(gpa);
		struct desc d = { gpa, 0, 0, 0 };

		n = left < 256 ? left : 256;
		for (i = 0; i < n; i++)
			pfn[i] = frame + left - 1 - i;
		d.len = n * 4;
		put(q, &d, 1);
		left -= n;
		if (++in_ring == num && left) {
			show(q);
			do_kick(q);
			wait_ring(q);
			in_ring = 0;
		}
	}
	show(q);
	do_kick(q);
	if (!nowait)
		wait_ring(q);
}

static void cmd_inflate(char **arg)
{
	arrays(0, number(arg[1]), number(arg[2]), arg[3]);
}

static void cmd_deflate(char **arg)
{
	arrays(1, number(arg[1]), number(arg[2]), arg[3]);
}

/* A request of each direction: one may be in flight while the other is made. */
#define REQUEST_GPA(direction)	(BUF_GPA + (direction) * 0x130000)
#define RESPONSE_GPA(direction)	(BUF_GPA + 0x100000 + (direction) * 64)

static void response(uint64_t direction)
{
	uint64_t gpa = RESPONSE_GPA(direction);
	struct ballonet_response rs;

	memcpy(&rs, at(gpa), sizeof(rs));
	say("status %u id %" PRIu64 " done %" PRIu64 " freed %" PRIu64,
	    rs.status, (uint64_t)rs.id, (uint64_t)rs.frames_done,
	    (uint64_t)rs.bytes_freed);
	memset(at(gpa), 0xee, sizeof(rs));
}

/* What is odd about a request of "ranges", as its options say. */
struct oddity {
	uint64_t type;
	uint64_t reserved;
	uint64_t nr;
	uint64_t id;
	uint64_t cut;		/* bytes of the readable part */
	uint64_t answer;	/* bytes of the writable part */
	uint64_t pieces;	/* descriptors of the readable part */
	uint64_t to;		/* its guest address */
	uint64_t queue;
	uint64_t nowait;
	uint64_t many;		/* frames: every other one from 512 on */
};

#define ODDITY(name) { #name, offsetof(struct oddity, name) }

static const struct {
	const char *name;
	size_t at;
} oddities[] = {
	ODDITY(type), ODDITY(reserved), ODDITY(nr), ODDITY(id), ODDITY(cut),
	ODDITY(answer), ODDITY(pieces), ODDITY(to), ODDITY(queue),
	ODDITY(nowait), ODDITY(many),
};

static void oddity_set(struct oddity *odd, const char *name, uint64_t value)
{
	size_t i;

	for (i = 0; i < sizeof(oddities) / sizeof(oddities[0]); i++) {
		if (!strcmp(oddities[i].name, name)) {
			memcpy((char *)odd + oddities[i].at, &value,
			       sizeof(value));
			return;
		}
	}
	die("option %s", name);
}

/* "ranges inflate|deflate [OPTION=N]... START:NR...": one request. */
static void cmd_ranges(char **arg)
{
	uint64_t direction = strcmp(arg[1], "inflate") ? 1 : 0;
	struct ballonet_request *rq = (void *)at(REQUEST_GPA(direction));
	uint64_t answer = RESPONSE_GPA(direction);
	struct oddity odd = {
		.type = direction + 1,
		.id = 77,
		.answer = 32,
		.pieces = 1,
		.to = REQUEST_GPA(direction),
		.queue = direction,
	};
	uint64_t total, i, start, end;
	struct desc d[NUM_MAX];
	unsigned int n = 0, nr = 0;

	memset(rq, 0, sizeof(*rq));
	for (arg += 2; *arg; arg++) {
		char *eq = strchr(*arg, '='), *colon = strchr(*arg, ':');

		if (colon) {
			*colon = 0;
			rq->ranges[nr].start = number(*arg);
			rq->ranges[nr++].nr = number(colon + 1);
		} else if (eq) {
			*eq = 0;
			oddity_set(&odd, *arg, number(eq + 1));
		}
	}
	for (; nr < odd.many; nr++) {
		rq->ranges[nr].start = 512 + 2 * nr;
		rq->ranges[nr].nr = 1;
	}
	rq->type = odd.type;
	rq->reserved = odd.reserved;
	rq->nr_ranges = odd.nr ? odd.nr : nr;
	rq->id = odd.id;
	total = odd.cut ? odd.cut : sizeof(*rq) + nr * sizeof(rq->ranges[0]);
	memset(at(answer), 0xee, 64);
	for (i = 0; i < odd.pieces; i++) {
		start = total * i / odd.pieces;
		end = total * (i + 1) / odd.pieces;
		d[n++] = (struct desc){ odd.to + start, end - start, 0, 0 };
	}
	start = odd.answer > 4 && odd.pieces > 1 ? 4 : 0;
	if (start)
		d[n++] = (struct desc){ answer, start, 2, 0 };
	if (odd.answer)
		d[n++] = (struct desc){ answer + start, odd.answer - start,
					2, 0 };
	offer(odd.queue, d, n);
	do_kick(odd.queue);
	if (odd.nowait)
		return;
	wait_ring(odd.queue);
	response(direction);
	if (strncmp(last, "status 0", 8))
		return;
	for (i = 0; i < nr; i++)
		mark(rq->ranges[i].start, rq->ranges[i].nr, rq->type == 1);
}

/* "response [deflate]": wait for that of the last request. */
static void cmd_response(char **arg)
{
	uint64_t direction = arg[1] ? 1 : 0;

	wait_ring(direction);
	response(direction);
}

/* "report START:NR...": free pages; the guest may use them again at once. */
static void cmd_report(char **arg)
{
	struct desc d[32];
	unsigned int n = 0;

	for (arg++; *arg; arg++) {
		char *colon = strchr(*arg, ':');

		*colon = 0;
		d[n++] = (struct desc){ number(*arg) * PAGE,
					number(colon + 1) * PAGE, 2, 0 };
	}
	offer(queue_of(REPORT), d, n);
	do_kick(queue_of(REPORT));
	wait_ring(queue_of(REPORT));
}

/* "wild FRAME NR FRAME NR": one array, frames of any kind; the second is RAM. */
static void cmd_wild(char **arg)
{
	uint32_t *pfn = (uint32_t *)at(BUF_GPA);
	struct desc d = { BUF_GPA, 0, 0, 0 };
	uint64_t i, n = 0;

	for (i = 0; i < number(arg[2]); i++)
		pfn[n++] = number(arg[1]) + i;
	for (i = 0; i < number(arg[4]); i++)
		pfn[n++] = number(arg[3]) + i;
	mark(number(arg[3]), number(arg[4]), true);
	d.len = n * 4;
	offer(0, &d, 1);
	do_kick(0);
	wait_ring(0);
}

/* What a VMM says in between: a vCPU's accesses, a pause of the VM. */
static void chat(uint64_t round)
{
	char write[] = "write", actual[] = "4", value[16];

	sprintf(value, "%08x", (uint32_t)round);
	cmd_write((char *[]){ write, actual, value, NULL });
	if (ask(1, NULL, 0) == 0)
		die("no features");
	if (round % 16)
		return;
	stop();
	start();
}

/*
 * "storm SECONDS|PATH [SEED [chat]]": inflate and deflate at random for so long,
 * or until that file is there; look at what the guest kept; "chat" sends the
 * VMM's messages in between.
 */
static void cmd_storm(char **arg)
{
	const char *path = *arg[1] == '/' ? arg[1] : NULL;
	uint64_t end = now_us() + (path ? 0 : number(arg[1]) * 1000000ull);
	uint64_t n = 0;
	uint64_t pages = ram_size / PAGE, low = LOW / PAGE;

	srandom(arg[2] ? number(arg[2]) : 1);
	while (path ? access(path, F_OK) : now_us() < end) {
		uint64_t len = 1 + random() % (pages / 4);
		uint64_t page = low + random() % (pages - low - len);

		if (split && page < split / PAGE && page + len > split / PAGE)
			continue;
		arrays(n % 2, gpa_of(page * PAGE) / PAGE, len, false);
		if (!(n++ % 8))
			check_ram(false, false);
		if (arg[2] && arg[3])
			chat(n);
	}
	check_ram(false, false);
	say("%" PRIu64 " rounds", n);
}

const struct command balloon_commands[] = {
	{ "inflate", cmd_inflate },
	{ "deflate", cmd_deflate },
	{ "ranges", cmd_ranges },
	{ "response", cmd_response },
	{ "report", cmd_report },
	{ "wild", cmd_wild },
	{ "storm", cmd_storm },
	{ NULL, NULL },
};
