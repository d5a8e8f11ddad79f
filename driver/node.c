// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NUMA nodes: from which one to take a block, and to which one to give back.
 *
 * A balloon takes from each node in proportion to what is free there, so that
 * no node is drained while another has plenty. The turns are those of a smooth
 * weighted round robin: each turn every node earns a credit of its free frames,
 * and the node that has most pays the credit of all.
 *
 * It gives back to the node that is shortest first: with the least free, in
 * proportion to its size.
 *
 * An administrator may name one node to be preferred. It is taken from as long
 * as it has a block of the size asked for, and given back to last. A preference
 * is no limit: what that node does not have comes from the next in the kernel's
 * order. So a larger block of another node comes before single frames of the
 * preferred one; larger blocks are worth more to both sides.
 *
 * A guest with one node pays a comparison for this.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * ballonet_nodes_init() - all nodes, none preferred
 * @bal:	the balloon
 *
 * Return: 0 or -ENOMEM.
 */
int ballonet_nodes_init(struct ballonet *bal)
{
	unsigned int i;

	bal->nodes = kcalloc(nr_node_ids, sizeof(*bal->nodes), GFP_KERNEL);
	if (!bal->nodes)
		return -ENOMEM;
	for (i = 0; i < nr_node_ids; i++)
		INIT_LIST_HEAD(&bal->nodes[i].held);
	INIT_LIST_HEAD(&bal->leaving);
	bal->preferred = NUMA_NO_NODE;
	return 0;
}

/**
 * ballonet_nodes_deinit() - no nodes
 * @bal:	the balloon; it holds no block
 */
void ballonet_nodes_deinit(struct ballonet *bal)
{
	kfree(bal->nodes);
}

/**
 * ballonet_node_exists() - whether a node has memory
 * @nid:	any number
 *
 * Return: whether it can be preferred.
 */
bool ballonet_node_exists(int nid)
{
	return nid >= 0 && nid < nr_node_ids && node_state(nid, N_MEMORY);
}

static long node_free(int nid)
{
	struct zone *zones = NODE_DATA(nid)->node_zones;
	long frames = 0;
	int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		if (managed_zone(&zones[i]))
			frames += zone_page_state(&zones[i], NR_FREE_PAGES);
	return frames;
}

/* Whose turn it is. */
static int node_next(struct ballonet *bal)
{
	int preferred = READ_ONCE(bal->preferred);
	int nid, best = NUMA_NO_NODE;
	unsigned long flags;
	long total = 0;

	/* It may have lost its memory since it was named. */
	if (ballonet_node_exists(preferred))
		return preferred;
	/* The engine is not alone: the standby pool takes, too. */
	spin_lock_irqsave(&bal->lock, flags);
	for_each_node_state(nid, N_MEMORY) {
		long free = node_free(nid);

		total += free;
		bal->nodes[nid].credit += free;
		if (best == NUMA_NO_NODE ||
		    bal->nodes[nid].credit > bal->nodes[best].credit)
			best = nid;
	}
	if (best != NUMA_NO_NODE)
		bal->nodes[best].credit -= total;
	spin_unlock_irqrestore(&bal->lock, flags);
	return best;
}

/**
 * ballonet_node_alloc() - allocate from the node whose turn it is
 * @bal:	the balloon
 * @gfp:	how
 * @order:	how much
 *
 * Context: may sleep.
 * Return: the first page, or NULL if no node has as much.
 */
struct page *ballonet_node_alloc(struct ballonet *bal, gfp_t gfp,
				 unsigned int order)
{
	int nid = NUMA_NO_NODE;

	if (nr_online_nodes > 1)
		nid = node_next(bal);
	/* Of this node if it has it, else of the nearest that does. */
	return alloc_pages_node(nid, gfp, order);
}

/* Whether @a, rather than @b, is to be given memory. */
static bool node_is_shorter(struct ballonet *bal, int a, int b)
{
	int preferred = READ_ONCE(bal->preferred);

	if (b == NUMA_NO_NODE || b == preferred)
		return true;
	if (a == preferred)
		return false;
	/* Frames: a product of two has room in 64 bits up to 16 TiB. */
	return (u64)node_free(a) * NODE_DATA(b)->node_present_pages <
	       (u64)node_free(b) * NODE_DATA(a)->node_present_pages;
}

/**
 * ballonet_node_held() - huge blocks to give back from first
 * @bal:	the balloon
 *
 * Context: the engine's.
 * Return: a list of them, empty if there is none at all. Those in memory that
 * goes offline come before all others.
 */
struct list_head *ballonet_node_held(struct ballonet *bal)
{
	int best = NUMA_NO_NODE;
	unsigned int i;

	if (!list_empty(&bal->leaving))
		return &bal->leaving;
	/* Also of a node that has no memory left but that. */
	for (i = 0; i < nr_node_ids; i++)
		if (!list_empty(&bal->nodes[i].held) &&
		    node_is_shorter(bal, i, best))
			best = i;
	return &bal->nodes[best == NUMA_NO_NODE ? 0 : best].held;
}
