// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that comes and goes while the guest runs: hot-plug, and memory blocks
 * that are put offline.
 *
 * Single frames in a range that goes are moved by the kernel (frame.c). Huge
 * blocks cannot be: the kernel passes over pages that are marked offline while
 * it isolates the range, and then gives up on those that somebody has a
 * reference to. One could drop the references for that moment, as virtio_mem
 * does with what it has unplugged, but then the host would go on holding frames
 * of memory that is gone. So the balloon gives those blocks back to the guest,
 * through the host, as always. The range is isolated by then: nobody allocates
 * from it again, and the balloon takes as much elsewhere.
 *
 * Memory that is only for what can be moved (ZONE_MOVABLE) has no huge blocks
 * of ours at all.
 */
#include <linux/jiffies.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "floor.h"
#include "internal.h"

/* How long whoever puts memory offline waits for the host. */
#define LEAVE_MS	5000

/* A default floor follows the size of the guest, balloon included. */
static void floor_follow(struct ballonet *bal)
{
	u64 total = totalram_pages();

	if (READ_ONCE(bal->floor_is_set))
		return;
	if (!bal->deflate_on_oom)
		total += ballonet_engine_actual(bal) +
			 READ_ONCE(bal->inflateq.in_flight_frames);
	WRITE_ONCE(bal->floor, ballonet_floor_default(total));
}

/* Move what is in the range, or is not, from one list to another. */
static u64 blocks_move(struct ballonet *bal, struct list_head *from,
		       const struct ballonet_span *span, bool in)
{
	struct page *page, *next;
	u64 frames = 0;

	list_for_each_entry_safe(page, next, from, lru) {
		unsigned long pfn = page_to_pfn(page);

		cond_resched();
		if ((pfn >= span->start && pfn < span->end) != in)
			continue;
		frames += 1ULL << ballonet_block_order(page);
		list_move(&page->lru, in ? &bal->leaving :
				  &bal->nodes[page_to_nid(page)].held);
	}
	return frames;
}

/* Whether the host has yet to answer about a block in the range. */
static bool queue_has(struct ballonet_queue *q,
		      const struct ballonet_span *span)
{
	struct page *page;
	unsigned int i;

	for (i = 0; i < BALLONET_RQS; i++) {
		list_for_each_entry(page, &q->rqs[i].blocks, lru) {
			unsigned long pfn = page_to_pfn(page);

			cond_resched();
			if (pfn >= span->start && pfn < span->end)
				return true;
		}
	}
	return false;
}

/**
 * ballonet_memory_sort() - set aside the blocks that have to go back
 * @bal:	the balloon
 *
 * Context: the engine's.
 */
void ballonet_memory_sort(struct ballonet *bal)
{
	struct ballonet_span span;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&bal->lock, flags);
	span = bal->leaving_span;
	spin_unlock_irqrestore(&bal->lock, flags);
	if (span.start == span.end && list_empty(&bal->leaving))
		return;

	blocks_move(bal, &bal->leaving, &span, false);
	for (i = 0; i < nr_node_ids; i++)
		blocks_move(bal, &bal->nodes[i].held, &span, true);
	bal->leaving_frames = 0;
}
