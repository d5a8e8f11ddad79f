/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of guest frames: put together, sorted, merged, compared.
 */
#ifndef BALLONET_FRAMES_H
#define BALLONET_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_SHIFT	12
#define FRAME_SIZE	(UINT64_C(1) << FRAME_SHIFT)

/**
 * struct frame_range - consecutive frames
 * @start:	number of the first
 * @nr:		how many; @start + @nr does not wrap
 */
struct frame_range {
	uint64_t start;
	uint64_t nr;
};

/**
 * struct frame_list - ranges that are collected
 * @range:	room for @max of them, owned by the caller
 * @nr:		ranges in use
 * @max:	elements of @range
 */
struct frame_list {
	struct frame_range *range;
	size_t nr;
	size_t max;
};

int frames_add(struct frame_list *list, uint64_t frame);
int frames_add_range(struct frame_list *list, uint64_t start, uint64_t nr);
void frames_merge(struct frame_list *list);
void frames_cut(struct frame_list *list, const struct frame_list *keep);
bool frames_overlap(struct frame_list *list);
bool frames_near(const struct frame_list *a, const struct frame_list *b,
		 uint64_t gap);
uint64_t frames_count(const struct frame_list *list);
uint64_t frames_before(const struct frame_range *range, size_t nr,
		       uint64_t frame);

#endif /* BALLONET_FRAMES_H */
