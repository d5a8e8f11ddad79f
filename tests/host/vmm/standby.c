// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's side of the standby table (BALLONET_F_STANDBY): one frame, at
 * TABLE_GPA, of which "ranges inflate type=3 64:1" tells the device.
 */
#include "vmm.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define TABLE_GPA	0x40000ull
#define SLOTS		(PAGE / 8)
#define BLOCK		512ull
#define STATE		(BLOCK - 1)

enum { EMPTY, OFFERED, TAKING, TAKEN };

static uint64_t *entry(uint64_t slot)
{
	if (slot >= SLOTS)
		die("entry %" PRIu64, slot);
	return (uint64_t *)at(TABLE_GPA) + slot;
}

static uint64_t load(uint64_t slot)
{
	return __atomic_load_n(entry(slot), __ATOMIC_ACQUIRE);
}

/* "entry SLOT VALUE": anything. */
static void cmd_entry(char **arg)
{
	__atomic_store_n(entry(number(arg[1])), number(arg[2]),
			 __ATOMIC_RELEASE);
}

/* "offer SLOT FRAME NR": blocks from that frame on. */
static void cmd_offer(char **arg)
{
	uint64_t slot = number(arg[1]), frame = number(arg[2]), i;

	for (i = 0; i < number(arg[3]); i++)
		__atomic_store_n(entry(slot + i), (frame + i * BLOCK) |
				 OFFERED, __ATOMIC_RELEASE);
}

/* "entries SLOT NR": their values, and no change of them. */
static void cmd_entries(char **arg)
{
	char text[1024] = "";
	uint64_t i, slot = number(arg[1]);
	int n = 0;

	for (i = 0; i < number(arg[2]); i++)
		n += snprintf(text + n, sizeof(text) - n, "%s%" PRIu64,
			      i ? " " : "", load(slot + i));
	say("%s", text);
}

/* "await SLOT NR STATE": until that many entries are in this state. */
static void cmd_await(char **arg)
{
	uint64_t slot = number(arg[1]), nr = number(arg[2]), i;
	uint64_t state = number(arg[3]), end = now_us() + TIMEOUT_MS * 1000ull;

	for (i = 0; i < nr; ) {
		if ((load(slot + i) & STATE) == state)
			i++;
		else if (now_us() > end)
			die("entry %" PRIu64 " is %" PRIu64, slot + i,
			    load(slot + i));
		else
			usleep(1000);
	}
}

/* "took SLOT NR": which of them the host has now; "check" is to know. */
static void cmd_took(char **arg)
{
	uint64_t slot = number(arg[1]), i, n = 0;

	for (i = 0; i < number(arg[2]); i++) {
		uint64_t word = load(slot + i);

		if ((word & STATE) != TAKEN)
			continue;
		mark(word & ~STATE, BLOCK, true);
		n++;
	}
	say("%" PRIu64, n);
}

static bool have_back(uint64_t slot, uint64_t from)
{
	uint64_t word = load(slot);

	if ((word & STATE) != from ||
	    !__atomic_compare_exchange_n(entry(slot), &word, EMPTY, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return false;
	/* What was there is gone: it counts as the host's until now. */
	mark(word & ~STATE, BLOCK, true);
	mark(word & ~STATE, BLOCK, false);
	return true;
}

/* "back SLOT NR": the guest has them back, and writes there. */
static void cmd_back(char **arg)
{
	uint64_t slot = number(arg[1]), i, n = 0;

	for (i = 0; i < number(arg[2]); i++)
		n += have_back(slot + i, OFFERED) || have_back(slot + i, TAKEN);
	say("%" PRIu64, n);
}

/*
 * "fight FRAME NR MS": offer all of these blocks again and again, and have them
 * back, whatever the device does; each has to hold what was written last.
 */
static void cmd_fight(char **arg)
{
	uint64_t frame = number(arg[1]), nr = number(arg[2]), i;
	uint64_t end = now_us() + number(arg[3]) * 1000, taken = 0, had = 0;

	for (i = 0; now_us() < end; i = (i + 1) % nr) {
		uint64_t word = load(i);

		if ((word & STATE) == EMPTY) {
			check_ram(false, false);
			__atomic_store_n(entry(i), (frame + i * BLOCK) |
					 OFFERED, __ATOMIC_RELEASE);
			mark(frame + i * BLOCK, BLOCK, true);
		} else if (have_back(i, TAKEN)) {
			taken++;
		} else if (now_us() % 3 == 0 && have_back(i, OFFERED)) {
			had++;
		}
	}
	say("taken %s had %s", taken ? "some" : "none", had ? "some" : "none");
	for (i = 0; i < nr; i++)
		while (load(i) && !have_back(i, OFFERED) &&
		       !have_back(i, TAKEN) && now_us() < end + 20000000)
			usleep(100);
}

const struct command standby_commands[] = {
	{ "entry", cmd_entry },
	{ "offer", cmd_offer },
	{ "entries", cmd_entries },
	{ "await", cmd_await },
	{ "took", cmd_took },
	{ "back", cmd_back },
	{ "fight", cmd_fight },
	{ NULL, NULL },
};
