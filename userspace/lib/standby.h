/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's side of the standby table (BALLONET_F_STANDBY).
 *
 * The table lies in memory that the guest writes to at any time: an entry is
 * read once, and the copy is checked. Entries change by compare-and-exchange
 * alone, as linux/ballonet.h has it.
 */
#ifndef BALLONET_STANDBY_H
#define BALLONET_STANDBY_H

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"
#include "region.h"

/* What becomes of blocks that are offered. */
enum standby_mode {
	/* the guest is not asked for any */
	STANDBY_OFF,
	/* taken when somebody asks for memory */
	STANDBY_ON_DEMAND,
	/* taken when they have been offered for a while */
	STANDBY_EAGER,
	NR_STANDBY_MODES,
};

extern const char *const standby_mode_names[NR_STANDBY_MODES];

/* Blocks that are TAKING at the same time, at most. */
#define STANDBY_BATCH	128

/**
 * struct standby - a table
 * @table:	guest RAM
 * @start:	its first frame
 * @frames:	how many; 0 if there is no table
 */
struct standby {
	struct region_table *table;
	uint64_t start;
	uint64_t frames;
};

/**
 * struct standby_batch - blocks that are being taken
 * @nr:		how many
 * @slot:	their entries
 * @word:	what the device wrote there
 * @range:	the same blocks, merged, for discard_whole()
 * @list:	of @range
 */
struct standby_batch {
	unsigned int nr;
	uint64_t slot[STANDBY_BATCH];
	uint64_t word[STANDBY_BATCH];
	struct frame_range range[STANDBY_BATCH];
	struct frame_list list;
};

/**
 * struct standby_scan - a walk through the table
 * @at:		next entry
 * @end:	the entry after the last one
 * @old:	a bit for each entry that was OFFERED at the last look; only
 *		those are taken then. NULL to take all
 * @block:	bytes of the largest page whose blocks are worth taking
 */
struct standby_scan {
	uint64_t at;
	uint64_t end;
	uint64_t *old;
	uint64_t block;
};

enum standby_mode standby_mode_find(const char *name);
uint64_t standby_slots(const struct standby *s);
void standby_claim(const struct standby *s, struct standby_scan *scan,
		   unsigned int most, struct standby_batch *ret_batch);
void standby_settle(const struct standby *s, const struct standby_batch *batch,
		    unsigned int state);
void standby_put_back(const struct standby *s);
void standby_count(const struct standby *s, uint64_t *ret_offered,
		   uint64_t *ret_taken);

#endif /* BALLONET_STANDBY_H */
