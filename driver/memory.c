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

/* Move what is in the range to those that leave, or what is not back. */
static void blocks_move(struct ballonet *bal, struct list_head *from,
			const struct ballonet_span *span, bool in)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, from, lru) {
		unsigned long pfn = page_to_pfn(page);

		cond_resched();
		if ((pfn >= span->start && pfn < span->end) == in)
			list_move(&page->lru, in ? &bal->leaving :
				  &bal->nodes[page_to_nid(page)].held);
	}
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
 * ballonet_memory_leaving() - find the blocks that have to go back
 * @bal:	the balloon
 *
 * Context: the engine's.
 * Return: frames in blocks that are held, and in memory that goes offline.
 */
u64 ballonet_memory_leaving(struct ballonet *bal)
{
	struct ballonet_span span;
	struct page *page;
	unsigned long flags;
	unsigned int i;
	u64 frames = 0;

	spin_lock_irqsave(&bal->lock, flags);
	span = bal->going;
	spin_unlock_irqrestore(&bal->lock, flags);
	if (span.start == span.end && list_empty(&bal->leaving))
		return 0;

	blocks_move(bal, &bal->leaving, &span, false);
	for (i = 0; i < nr_node_ids; i++)
		blocks_move(bal, &bal->nodes[i].held, &span, true);
	list_for_each_entry(page, &bal->leaving, lru)
		frames += 1ULL << ballonet_block_order(page);
	if (!frames && !queue_has(&bal->inflateq, &span) &&
	    !queue_has(&bal->deflateq, &span)) {
		WRITE_ONCE(bal->gone, true);
		wake_up_all(&bal->answer_wq);
	}
	return frames;
}

#if IS_ENABLED(CONFIG_MEMORY_HOTPLUG)

/* How long whoever puts memory offline waits for the host. */
#define LEAVE_MS	5000

/* A default floor follows the size of the guest, balloon included. */
static void floor_follow(struct ballonet *bal)
{
	u64 total = totalram_pages() + ballonet_engine_uncounted(bal);

	if (READ_ONCE(bal->floor_is_set))
		return;
	WRITE_ONCE(bal->floor, ballonet_floor_default(total));
}

static void going_set(struct ballonet *bal, unsigned long start,
		      unsigned long end)
{
	unsigned long flags;

	spin_lock_irqsave(&bal->lock, flags);
	bal->going.start = start;
	bal->going.end = end;
	bal->gone = false;
	spin_unlock_irqrestore(&bal->lock, flags);
	ballonet_engine_kick(bal);
}

static int memory_leave(struct ballonet *bal, unsigned long start,
			unsigned long end)
{
	bool gone;

	going_set(bal, start, end);
	if (!ballonet_standby_leave(bal, start, end)) {
		going_set(bal, 0, 0);
		return -EBUSY;
	}
	/* A balloon that is stopped gives everything back anyway. */
	gone = wait_event_timeout(bal->answer_wq,
				  READ_ONCE(bal->gone) ||
				  READ_ONCE(bal->stopping),
				  msecs_to_jiffies(LEAVE_MS));
	going_set(bal, 0, 0);
	return gone ? 0 : -EBUSY;
}

static int memory_notify_us(struct notifier_block *nb, unsigned long event,
			    void *data)
{
	struct ballonet *bal = container_of(nb, struct ballonet, memory_nb);
	const struct memory_notify *arg = data;

	switch (event) {
	case MEM_GOING_OFFLINE:
		return notifier_from_errno(memory_leave(bal, arg->start_pfn,
				arg->start_pfn + arg->nr_pages));
	case MEM_ONLINE:
	case MEM_OFFLINE:
		floor_follow(bal);
		ballonet_engine_kick(bal);
	}
	return NOTIFY_DONE;
}

/**
 * ballonet_memory_start() - follow what memory the guest has
 * @bal:	the balloon
 *
 * Return: 0 or a negative error.
 */
int ballonet_memory_start(struct ballonet *bal)
{
	bal->memory_nb.notifier_call = memory_notify_us;
	return register_memory_notifier(&bal->memory_nb);
}

/**
 * ballonet_memory_stop() - no more
 * @bal:	the balloon
 */
void ballonet_memory_stop(struct ballonet *bal)
{
	unregister_memory_notifier(&bal->memory_nb);
}

#else

int ballonet_memory_start(struct ballonet *bal)
{
	return 0;
}

void ballonet_memory_stop(struct ballonet *bal)
{
}

#endif
