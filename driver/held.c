// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the balloon holds: blocks by node, and frames, which can be moved.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/spinlock.h>

#include "internal.h"

/**
 * ballonet_held_frames() - how much is held
 * @bal:	the balloon; its lock is held, or nobody else holds anything
 *
 * Return: frames.
 */
u64 ballonet_held_frames(struct ballonet *bal)
{
	return (bal->held_blocks[0] << bal->huge_order) + bal->held_blocks[1];
}

/**
 * ballonet_hold() - one more block
 * @bal:	the balloon
 * @page:	its first page; the host has it
 */
void ballonet_hold(struct ballonet *bal, struct page *page)
{
	bool huge = ballonet_block_order(page);
	unsigned long flags;

	if (!huge)
		ballonet_frame_hold(bal, page);
	spin_lock_irqsave(&bal->lock, flags);
	if (huge)
		list_add(&page->lru, &bal->nodes[page_to_nid(page)].held);
	bal->held_blocks[huge ? 0 : 1]++;
	spin_unlock_irqrestore(&bal->lock, flags);
}

static struct page *unhold_huge(struct ballonet *bal)
{
	struct list_head *held = ballonet_node_held(bal);
	struct page *page;
	unsigned long flags;

	spin_lock_irqsave(&bal->lock, flags);
	page = list_first_entry_or_null(held, struct page, lru);
	if (page) {
		list_del(&page->lru);
		bal->held_blocks[0]--;
	}
	spin_unlock_irqrestore(&bal->lock, flags);
	return page;
}

static struct page *unhold_frame(struct ballonet *bal)
{
	struct page *page = ballonet_frame_unhold(bal);
	unsigned long flags;

	if (page) {
		spin_lock_irqsave(&bal->lock, flags);
		bal->held_blocks[1]--;
		spin_unlock_irqrestore(&bal->lock, flags);
	}
	return page;
}

/**
 * ballonet_unhold() - one block less
 * @bal:	the balloon
 * @need:	frames it may have; split off a larger one if there is none
 *
 * Return: its first page; NULL if none is held, or compaction moves the last.
 */
struct page *ballonet_unhold(struct ballonet *bal, u64 need)
{
	struct page *page = NULL, *next;
	LIST_HEAD(frames);

	if (need >> bal->huge_order)
		page = unhold_huge(bal);
	if (!page)
		page = unhold_frame(bal);
	if (page || bal->held_blocks[1])
		return page;
	page = unhold_huge(bal);
	if (!page)
		return NULL;
	ballonet_block_split(bal, page, &frames);
	list_for_each_entry_safe(page, next, &frames, lru) {
		list_del(&page->lru);
		ballonet_hold(bal, page);
	}
	return unhold_frame(bal);
}
