// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks of guest memory: taken from the page allocator, marked as out of use
 * for everybody who walks pages (dumps, hot-unplug), and given back. A block
 * of one frame is frame.c's.
 *
 * Blocks are not compound pages, so that one can be split.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/page-flags.h>

#include "trace.h"

/*
 * A block that is not there is not worth any work: not even background
 * reclaim or compaction.
 */
#define GFP_BLOCK \
	((GFP_HIGHUSER & ~__GFP_RECLAIM) | __GFP_NOWARN | __GFP_NOMEMALLOC)

static void block_account(struct ballonet *bal, struct page *page, long nr)
{
	ballonet_count_node(page, nr);
	ballonet_count_vm(nr > 0, abs(nr));
	/*
	 * As Linux's own driver: a host that lets us deflate on OOM lends the
	 * memory, and MemTotal stays; else it is gone.
	 */
	if (!bal->deflate_on_oom)
		adjust_managed_page_count(page, -nr);
}

static void taken_note(struct ballonet *bal, struct page *page,
		       unsigned int order)
{
	ballonet_count(bal, (order ? BALLONET_C_TAKE_HUGE :
				     BALLONET_C_TAKE_SMALL) + !page, 1);
	if (page)
		trace_ballonet_take(bal, page, order);
}

static void block_release(struct page *page, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < 1U << order; i++)
		__ClearPageOffline(page + i);
	set_page_private(page, 0);
}

/**
 * ballonet_block_borrow() - take free memory that stays the guest's
 * @bal:	the balloon
 * @order:	size of the block, as a power of two of frames, not 0
 *
 * It is not in the balloon: MemTotal does not change.
 *
 * Return: the first page, or NULL if there is none without effort.
 */
struct page *ballonet_block_borrow(struct ballonet *bal, unsigned int order)
{
	struct page *page = ballonet_node_alloc(bal, GFP_BLOCK, order);
	unsigned int i;

	taken_note(bal, page, order);
	if (!page)
		return NULL;
	set_page_private(page, order);
	for (i = 0; i < 1U << order; i++)
		__SetPageOffline(page + i);
	return page;
}

/**
 * ballonet_block_keep() - a block that was borrowed is for the balloon
 * @bal:	the balloon
 * @page:	its first page
 */
void ballonet_block_keep(struct ballonet *bal, struct page *page)
{
	block_account(bal, page, 1L << ballonet_block_order(page));
}

/**
 * ballonet_block_return() - give back a block that was borrowed
 * @bal:	the balloon
 * @page:	its first page; not on any list
 */
void ballonet_block_return(struct ballonet *bal, struct page *page)
{
	unsigned int order = ballonet_block_order(page);

	trace_ballonet_give(bal, page, order);
	ballonet_count(bal, BALLONET_C_GIVE_HUGE, 1);
	block_release(page, order);
	ballonet_block_free(page, order);
}

/**
 * ballonet_block_take() - take free memory out of the guest's use
 * @bal:	the balloon
 * @order:	size of the block, as a power of two of frames
 *
 * Context: may sleep if @order is 0.
 * Return: the first page, or NULL if there is none without effort.
 */
struct page *ballonet_block_take(struct ballonet *bal, unsigned int order)
{
	struct page *page;

	if (!order) {
		page = ballonet_frame_take(bal);
		taken_note(bal, page, 0);
		return page;
	}
	page = ballonet_block_borrow(bal, order);
	if (page)
		ballonet_block_keep(bal, page);
	return page;
}

/**
 * ballonet_block_order() - size of a block
 * @page:	its first page
 *
 * Return: the order of its pages.
 */
unsigned int ballonet_block_order(const struct page *page)
{
	return page_private(page);
}

/**
 * ballonet_block_free() - free the pages of a block
 * @page:	the first one; all are as they were allocated
 * @order:	size of the block, more than 0
 *
 * In halves: a huge page that is freed whole stays on a list of its processor,
 * of up to an eighth of all memory, that nobody who needs a small page looks
 * into, not even before something is killed.
 */
void ballonet_block_free(struct page *page, unsigned int order)
{
	struct page *half = page + (1UL << --order);

	/* Tails have no reference of their own. */
	init_page_count(half);
	__free_pages(page, order);
	__free_pages(half, order);
}

/**
 * ballonet_block_give() - give a block back to the guest
 * @bal:	the balloon
 * @page:	its first page; not on any list
 */
void ballonet_block_give(struct ballonet *bal, struct page *page)
{
	unsigned int order = ballonet_block_order(page);

	if (order) {
		block_account(bal, page, -(1L << order));
		ballonet_block_return(bal, page);
		return;
	}
	trace_ballonet_give(bal, page, 0);
	ballonet_count(bal, BALLONET_C_GIVE_SMALL, 1);
	ballonet_frame_give(page);
}

/**
 * ballonet_block_split() - make single frames of a block
 * @bal:	the balloon
 * @page:	its first page; not on any list
 * @frames:	gets them at its end
 */
void ballonet_block_split(struct ballonet *bal, struct page *page,
			  struct list_head *frames)
{
	unsigned int order = ballonet_block_order(page);
	unsigned int i;

	ballonet_count(bal, BALLONET_C_SPLIT_HUGE, 1);
	block_account(bal, page, -(1L << order));
	block_release(page, order);
	split_page(page, order);
	for (i = 0; i < 1U << order; i++) {
		/* Of the tails nobody has cleared it: it is not a block's. */
		set_page_private(&page[i], 0);
		list_add_tail(&page[i].lru, frames);
	}
}
