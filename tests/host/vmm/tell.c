// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a driver tells: statistics and events.
 */
#include "vmm.h"

#include <linux/ballonet.h>
#include <string.h>
#include <time.h>

/* "stats TAG:VALUE...": the driver's buffer; the ring holds one. */
static void cmd_stats(char **arg)
{
	uint8_t *p = at(BUF_GPA + 0x110000), *begin = p;
	struct desc d = { BUF_GPA + 0x110000, 0, 0, 0 };

	for (arg++; *arg && strchr(*arg, ':'); arg++) {
		char *colon = strchr(*arg, ':');
		uint64_t value = number(colon + 1);
		uint16_t tag;

		*colon = 0;
		tag = number(*arg);
		memcpy(p, &tag, 2);
		memcpy(p + 2, &value, 8);
		p += 10;
	}
	d.len = *arg ? number(*arg) : (uint64_t)(p - begin);
	offer(queue_of(STATS), &d, 1);
	do_kick(queue_of(STATS));
}

void offer_stats(const struct stat_value *numbers, size_t nr)
{
	uint8_t *p = at(BUF_GPA + 0x110000);
	struct desc d = { BUF_GPA + 0x110000, nr * 10, 0, 0 };
	uint16_t tag;
	size_t i;

	for (i = 0; i < nr; i++, p += 10) {
		tag = numbers[i].tag;
		memcpy(p, &tag, 2);
		memcpy(p + 2, &numbers[i].value, 8);
	}
	offer(queue_of(STATS), &d, 1);
	do_kick(queue_of(STATS));
}

/* Has the driver no buffer there, or one that the host has used? */
bool stats_wanted(void)
{
	return came_back(queue_of(STATS));
}

/* "statsback": wait until the host asks for new numbers. */
static void cmd_statsback(char **arg)
{
	(void)arg;
	wait_ring(2);
}

static void offer_event(uint16_t type, uint32_t seq, uint64_t value)
{
	int q = queue_of(EVENTS);
	uint64_t gpa = BUF_GPA + 0x120000 + avail_idx[q] % num * 32;
	struct ballonet_event ev = { type, 0, seq, value };
	struct desc d = { gpa, sizeof(ev), 0, 0 };

	memcpy(at(gpa), &ev, sizeof(ev));
	offer(q, &d, 1);
}

/*
 * "event TYPE SEQ VALUE [nowait|nokick|stamp]": one event; with "stamp" says
 * when it was sent, in us since the epoch.
 */
static void cmd_event(char **arg)
{
	struct timespec ts;

	offer_event(number(arg[1]), number(arg[2]), number(arg[3]));
	if (arg[4] && !strcmp(arg[4], "nokick"))
		return;
	if (arg[4] && !strcmp(arg[4], "stamp")) {
		clock_gettime(CLOCK_REALTIME, &ts);
		say("%llu", ts.tv_sec * 1000000ull + ts.tv_nsec / 1000);
	}
	do_kick(queue_of(EVENTS));
	if (!arg[4])
		wait_ring(queue_of(EVENTS));
}

/* "oddevent LEN RESERVED FLAGS": one that is wrong in some way. */
static void cmd_oddevent(char **arg)
{
	int q = queue_of(EVENTS);
	struct ballonet_event ev = { 3, number(arg[2]), 99, PAGE };
	struct desc d = { BUF_GPA + 0x120000, number(arg[1]), number(arg[3]),
			  0 };

	memcpy(at(d.addr), &ev, sizeof(ev));
	offer(q, &d, 1);
	do_kick(q);
	wait_ring(q);
}

/* "eventflood NR SEQ": as fast as it can, of every type. */
static void cmd_eventflood(char **arg)
{
	uint64_t i, nr = number(arg[1]), seq = number(arg[2]);
	int q = queue_of(EVENTS);

	for (i = 0; i < nr; i++) {
		offer_event(1 + (seq + i) % 4, seq + i, i * PAGE);
		if (i % num == num - 1 || i + 1 == nr) {
			do_kick(q);
			wait_ring(q);
		}
	}
}

const struct command tell_commands[] = {
	{ "stats", cmd_stats },
	{ "statsback", cmd_statsback },
	{ "event", cmd_event },
	{ "oddevent", cmd_oddevent },
	{ "eventflood", cmd_eventflood },
	{ NULL, NULL },
};
