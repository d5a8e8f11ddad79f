/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Give frames of guest RAM back to the host.
 */
#ifndef BALLONET_DISCARD_H
#define BALLONET_DISCARD_H

#include <stdbool.h>
#include <stdint.h>

#include "frames.h"
#include "region.h"

/**
 * struct discard - one job
 * @table:	guest RAM
 * @stop:	asked between any two pieces whether to leave off; may be NULL
 * @arg:	handed to @stop
 * @part:	see discard_part()
 * @parts:	likewise; 0 is 1
 * @calls:	system calls that were made
 * @freed:	bytes that the memory files shrank by
 * @reached:	every frame of the list below this one is done
 */
struct discard {
	struct region_table *table;
	bool (*stop)(void *arg);
	void *arg;
	unsigned int part;
	unsigned int parts;
	uint64_t calls;
	uint64_t freed;
	uint64_t reached;
};

int discard_frames(struct discard *job, const struct frame_list *list);
int discard_prepare(struct region_table *t);
int discard_part(struct discard *job, const struct frame_list *list);
int discard_whole(struct discard *job, const struct frame_list *list);
void discard_forget(struct region_table *t, const struct frame_list *list);
void discard_forget_all(struct region_table *t);

#endif /* BALLONET_DISCARD_H */
