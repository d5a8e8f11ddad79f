// SPDX-License-Identifier: GPL-2.0-or-later

#include "frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/**
 * frames_add() - put one frame into a list
 * @list:	the list
 * @frame:	its number
 *
 * A frame beside the last range lengthens that one. Linux sends descending
 * runs, so both ends are looked at.
 *
 * Return: 0, or -ENOSPC if the list is full.
 */
int frames_add(struct frame_list *list, uint64_t frame)
{
	struct frame_range *last = list->range + list->nr - 1;

	if (list->nr && frame == last->start + last->nr) {
		last->nr++;
		return 0;
	}
	if (list->nr && frame + 1 == last->start) {
		last->start--;
		last->nr++;
		return 0;
	}
	return frames_add_range(list, frame, 1);
}

/**
 * frames_add_range() - put a range into a list, as it is
 * @list:	the list
 * @start:	number of the first frame
 * @nr:		how many
 *
 * Return: 0, or -ENOSPC if the list is full.
 */
int frames_add_range(struct frame_list *list, uint64_t start, uint64_t nr)
{
	if (list->nr == list->max)
		return -ENOSPC;
	list->range[list->nr++] = (struct frame_range){ start, nr };
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct frame_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void sort(struct frame_list *list)
{
	size_t i;

	for (i = 1; i < list->nr; i++)
		if (list->range[i].start < list->range[i - 1].start)
			break;
	if (i < list->nr)
		qsort(list->range, list->nr, sizeof(*list->range), by_start);
}

/**
 * frames_merge() - sort a list and join what touches or overlaps
 * @list:	the list; afterwards ascending, with a gap between any two
 */
void frames_merge(struct frame_list *list)
{
	struct frame_range *out = list->range;
	size_t i;

	if (!list->nr)
		return;

	sort(list);
	for (i = 1; i < list->nr; i++) {
		struct frame_range *r = &list->range[i];
		uint64_t end = out->start + out->nr;

		if (r->start > end)
			*++out = *r;
		else if (r->start + r->nr > end)
			out->nr = r->start + r->nr - out->start;
	}
	list->nr = out - list->range + 1;
}

/* Adds the part of @r that lies in @within, if there is one. */
static void add_common(struct frame_list *list, const struct frame_range *r,
		       const struct frame_range *within)
{
	uint64_t start = r->start, end = r->start + r->nr;

	if (start < within->start)
		start = within->start;
	if (end > within->start + within->nr)
		end = within->start + within->nr;
	if (start < end)
		(void)frames_add_range(list, start, end - start);
}

/**
 * frames_cut() - take out of a list what is not in another one
 * @list:	the list, as frames_merge() leaves it, and so afterwards; has
 *		room for another @keep->nr ranges
 * @keep:	what stays, as frames_merge() leaves it
 */
void frames_cut(struct frame_list *list, const struct frame_list *keep)
{
	const struct frame_range *k = keep->range, *k_end = k + keep->nr;
	const struct frame_range *r, *r_end = list->range + list->max;

	/* What is read is at the end, and what is written never catches up. */
	r = memmove(list->range + list->max - list->nr, list->range,
		    list->nr * sizeof(*r));
	list->nr = 0;
	while (r < r_end && k < k_end) {
		const struct frame_range range = *r;

		add_common(list, &range, k);
		if (range.start + range.nr > k->start + k->nr)
			k++;
		else
			r++;
	}
}

/**
 * frames_overlap() - whether a frame is in a list twice
 * @list:	the list; sorted afterwards, not merged
 *
 * Return: true if two of its ranges overlap.
 */
bool frames_overlap(struct frame_list *list)
{
	size_t i;

	sort(list);
	for (i = 1; i < list->nr; i++) {
		struct frame_range *r = &list->range[i - 1];

		if (r->start + r->nr > r[1].start)
			return true;
	}
	return false;
}

/**
 * frames_near() - whether two lists come close to each other
 * @a:		a list, as frames_merge() leaves it
 * @b:		another one, likewise
 * @gap:	frames
 *
 * Return: true if fewer than @gap frames are between a frame of @a and one of
 * @b, or a frame is in both.
 */
bool frames_near(const struct frame_list *a, const struct frame_list *b,
		 uint64_t gap)
{
	const struct frame_range *x = a->range, *y = b->range;

	while (x < a->range + a->nr && y < b->range + b->nr) {
		if (x->start + x->nr <= y->start &&
		    y->start - (x->start + x->nr) >= gap)
			x++;
		else if (y->start + y->nr <= x->start &&
			 x->start - (y->start + y->nr) >= gap)
			y++;
		else
			return true;
	}
	return false;
}

/**
 * frames_count() - how many frames are in a list
 * @list:	the list
 *
 * Return: their number; frames that are in it twice count twice.
 */
uint64_t frames_count(const struct frame_list *list)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < list->nr; i++)
		sum += list->range[i].nr;
	return sum;
}

/**
 * frames_before() - how far ranges lie below a frame
 * @range:	the ranges, in any order
 * @nr:		how many
 * @frame:	the bound
 *
 * Return: the frames from the beginning of the first range on that lie below
 * @frame without a gap.
 */
uint64_t frames_before(const struct frame_range *range, size_t nr,
		       uint64_t frame)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (range[i].start >= frame)
			break;
		if (range[i].start + range[i].nr > frame) {
			sum += frame - range[i].start;
			break;
		}
		sum += range[i].nr;
	}
	return sum;
}
