// SPDX-License-Identifier: GPL-2.0-or-later

#include "standby.h"

#include <endian.h>
#include <linux/ballonet.h>
#include <stddef.h>
#include <string.h>

#define BLOCK_BYTES	((uint64_t)BALLONET_STANDBY_FRAMES << FRAME_SHIFT)
#define SLOTS_A_FRAME	(FRAME_SIZE / sizeof(uint64_t))
#define WORD_BITS	64

/* Entries between two looks at the clock, or at who else wants something. */
#define SCAN_SLOTS	16384

_Static_assert(BALLONET_STANDBY_FRAMES - BALLONET_STANDBY_STATE == 1,
	       "a block's number leaves room for the state");

const char *const standby_mode_names[NR_STANDBY_MODES] = {
	[STANDBY_OFF] = "off",
	[STANDBY_ON_DEMAND] = "on-demand",
	[STANDBY_EAGER] = "eager",
};

/**
 * standby_mode_find() - a mode by its name
 * @name:	as in standby_mode_names
 *
 * Return: the mode, NR_STANDBY_MODES if there is none of this name.
 */
enum standby_mode standby_mode_find(const char *name)
{
	enum standby_mode mode = 0;

	while (mode < NR_STANDBY_MODES &&
	       strcmp(name, standby_mode_names[mode]))
		mode++;
	return mode;
}

/**
 * standby_slots() - how many entries a table has
 * @s:		the table
 *
 * Return: the number.
 */
uint64_t standby_slots(const struct standby *s)
{
	return s->frames * SLOTS_A_FRAME;
}

/* Where an entry is; NULL if that is no longer guest RAM. */
static uint64_t *entry(const struct standby *s, uint64_t slot)
{
	uint64_t gpa = (s->start << FRAME_SHIFT) + slot * sizeof(uint64_t);
	struct region *r = region_of(s->table, gpa);

	return r ? (uint64_t *)(r->base + (gpa - r->d.gpa)) : NULL;
}

static bool exchange(uint64_t *p, uint64_t from, uint64_t to)
{
	uint64_t expected = htole64(from);

	return __atomic_compare_exchange_n(p, &expected, htole64(to), false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static uint64_t load(const uint64_t *p)
{
	return le64toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static unsigned int state_of(uint64_t word)
{
	return word & BALLONET_STANDBY_STATE;
}

static uint64_t frame_of(uint64_t word)
{
	return word & ~(uint64_t)BALLONET_STANDBY_STATE;
}

/* Whether discarding this block would give the host something. */
static bool block_is_ram(const struct standby *s, uint64_t frame,
			 uint64_t most)
{
	uint64_t gpa = frame << FRAME_SHIFT;
	struct region *r;

	if (frame > UINT64_MAX >> FRAME_SHIFT)
		return false;
	r = region_of(s->table, gpa);
	return r && !r->fixed && r->block <= most &&
	       region_covers(s->table, gpa, BLOCK_BYTES);
}

/* Notes that an entry is OFFERED or not; returns whether it was before. */
static bool note(uint64_t *old, uint64_t slot, bool offered)
{
	uint64_t bit = UINT64_C(1) << slot % WORD_BITS;
	uint64_t *word = &old[slot / WORD_BITS];
	bool was = *word & bit;

	*word = offered ? *word | bit : *word & ~bit;
	return was;
}

static void claim(const struct standby *s, struct standby_scan *scan,
		  struct standby_batch *batch)
{
	uint64_t *p = entry(s, scan->at);
	uint64_t word, frame;
	bool offered;

	if (!p)
		return;
	word = load(p);
	offered = state_of(word) == BALLONET_STANDBY_OFFERED;
	if (scan->old && !note(scan->old, scan->at, offered))
		return;
	frame = frame_of(word);
	if (!offered || !block_is_ram(s, frame, scan->block) ||
	    !exchange(p, word, frame | BALLONET_STANDBY_TAKING))
		return;
	batch->slot[batch->nr] = scan->at;
	batch->word[batch->nr++] = frame | BALLONET_STANDBY_TAKING;
	(void)frames_add_range(&batch->list, frame, BALLONET_STANDBY_FRAMES);
}

/**
 * standby_claim() - make offered blocks nobody's
 * @s:		the table
 * @scan:	where to look; moves on
 * @most:	blocks, at most STANDBY_BATCH
 * @ret_batch:	what was found; standby_settle() has to follow
 *
 * Looks at a bounded number of entries: the scan may not be at its end though
 * there are fewer than @most.
 */
void standby_claim(const struct standby *s, struct standby_scan *scan,
		   unsigned int most, struct standby_batch *ret_batch)
{
	struct standby_batch *batch = ret_batch;
	unsigned int looked = 0;

	batch->nr = 0;
	batch->list = (struct frame_list){ batch->range, 0, STANDBY_BATCH };
	for (; scan->at < scan->end && batch->nr < most &&
	     looked < SCAN_SLOTS; scan->at++, looked++)
		claim(s, scan, batch);
	frames_merge(&batch->list);
}

/**
 * standby_settle() - blocks are somebody's again
 * @s:		the table
 * @batch:	the blocks
 * @state:	BALLONET_STANDBY_TAKEN if they were discarded, or _OFFERED
 *
 * An entry that a guest has changed meanwhile stays as it is.
 */
void standby_settle(const struct standby *s, const struct standby_batch *batch,
		    unsigned int state)
{
	unsigned int i;
	uint64_t *p;

	for (i = 0; i < batch->nr; i++) {
		p = entry(s, batch->slot[i]);
		if (p)
			(void)exchange(p, batch->word[i],
				       frame_of(batch->word[i]) | state);
	}
}

/**
 * standby_put_back() - nothing is being discarded
 * @s:		the table
 *
 * After a predecessor that died: what it was at when it did is over, and what
 * came of it does not matter.
 */
void standby_put_back(const struct standby *s)
{
	uint64_t slot, word, *p;

	for (slot = 0; slot < standby_slots(s); slot++) {
		p = entry(s, slot);
		word = p ? load(p) : 0;
		if (state_of(word) == BALLONET_STANDBY_TAKING)
			(void)exchange(p, word, frame_of(word) |
						BALLONET_STANDBY_OFFERED);
	}
}

/**
 * standby_count() - what is in a table
 * @s:		the table
 * @ret_offered: bytes that can be taken
 * @ret_taken:	bytes that were
 */
void standby_count(const struct standby *s, uint64_t *ret_offered,
		   uint64_t *ret_taken)
{
	uint64_t slot, nr[BALLONET_STANDBY_STATE + 1] = { 0 };
	const uint64_t *p;

	for (slot = 0; slot < standby_slots(s); slot++) {
		p = entry(s, slot);
		if (p)
			nr[state_of(load(p))]++;
	}
	*ret_offered = nr[BALLONET_STANDBY_OFFERED] * BLOCK_BYTES;
	*ret_taken = nr[BALLONET_STANDBY_TAKEN] * BLOCK_BYTES;
}
