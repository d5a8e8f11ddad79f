// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Statistics: what the guest tells about its memory, whenever the host gives
 * the buffer back. VIRTIO 1.3, section 5.5.6.4. The same tags in the same
 * order each time, as the standard demands.
 */
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/swap.h>
#include <linux/timekeeping.h>
#include <linux/vmstat.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>

#include "internal.h"

static unsigned int stat_add(struct ballonet_stat *stats, unsigned int n,
			     u16 tag, u64 val)
{
	/* The table's size is ours alone: see the end of stats_fill(). */
	if (n < BALLONET_MAX_STATS) {
		stats[n].tag = cpu_to_le16(tag);
		stats[n].val = cpu_to_le64(val);
	}
	return n + 1;
}

#ifdef CONFIG_VM_EVENT_COUNTERS
static u64 alloc_stalls(const unsigned long *events)
{
	u64 sum = 0;
	int zone;

	for (zone = 0; zone < MAX_NR_ZONES; zone++)
		sum += events[ALLOCSTALL_NORMAL - ZONE_NORMAL + zone];
	return sum;
}

static unsigned int events_fill(struct ballonet_stat *stats, unsigned int n)
{
	unsigned long ev[NR_VM_EVENT_ITEMS];

	all_vm_events(ev);
#ifdef CONFIG_SWAP
	n = stat_add(stats, n, VIRTIO_BALLOON_S_SWAP_IN,
		     (u64)ev[PSWPIN] << PAGE_SHIFT);
	n = stat_add(stats, n, VIRTIO_BALLOON_S_SWAP_OUT,
		     (u64)ev[PSWPOUT] << PAGE_SHIFT);
#endif
	n = stat_add(stats, n, VIRTIO_BALLOON_S_MAJFLT, ev[PGMAJFAULT]);
	n = stat_add(stats, n, VIRTIO_BALLOON_S_MINFLT, ev[PGFAULT]);
#ifdef CONFIG_HUGETLB_PAGE
	n = stat_add(stats, n, VIRTIO_BALLOON_S_HTLB_PGALLOC,
		     ev[HTLB_BUDDY_PGALLOC]);
	n = stat_add(stats, n, VIRTIO_BALLOON_S_HTLB_PGFAIL,
		     ev[HTLB_BUDDY_PGALLOC_FAIL]);
#endif
	n = stat_add(stats, n, VIRTIO_BALLOON_S_OOM_KILL, ev[OOM_KILL]);
	n = stat_add(stats, n, VIRTIO_BALLOON_S_ALLOC_STALL, alloc_stalls(ev));
	n = stat_add(stats, n, VIRTIO_BALLOON_S_ASYNC_SCAN,
		     (u64)ballonet_pgscan(ev, PGSCAN_KSWAPD) << PAGE_SHIFT);
	n = stat_add(stats, n, VIRTIO_BALLOON_S_DIRECT_SCAN,
		     (u64)ballonet_pgscan(ev, PGSCAN_DIRECT) << PAGE_SHIFT);
	n = stat_add(stats, n, VIRTIO_BALLOON_S_ASYNC_RECLAIM,
		     (u64)ballonet_pgscan(ev, PGSTEAL_KSWAPD) << PAGE_SHIFT);
	return stat_add(stats, n, VIRTIO_BALLOON_S_DIRECT_RECLAIM,
			(u64)ballonet_pgscan(ev, PGSTEAL_DIRECT) << PAGE_SHIFT);
}

/**
 * ballonet_stats_sample() - read the counters that rise when memory is short
 * @sample:	gets them, if this kernel counts
 *
 * Context: may sleep.
 */
void ballonet_stats_sample(struct ballonet_sample *sample)
{
	unsigned long ev[NR_VM_EVENT_ITEMS];

	all_vm_events(ev);
	sample->counted = true;
	sample->stalls = alloc_stalls(ev);
	sample->scanned = ballonet_pgscan(ev, PGSCAN_DIRECT);
#ifdef CONFIG_SWAP
	sample->swapped = ev[PSWPOUT];
#endif
	sample->refaulted = global_node_page_state(WORKINGSET_ACTIVATE_ANON) +
			    global_node_page_state(WORKINGSET_ACTIVATE_FILE);
}
#else
void ballonet_stats_sample(struct ballonet_sample *sample)
{
}

static unsigned int events_fill(struct ballonet_stat *stats, unsigned int n)
{
	return n;
}
#endif

static const struct {
	u16 tag;
	enum node_stat_item item;
} node_stats[] = {
	{ BALLONET_S_REFAULT_FILE, WORKINGSET_REFAULT_FILE },
	{ BALLONET_S_REFAULT_ANON, WORKINGSET_REFAULT_ANON },
	{ BALLONET_S_ACTIVE_FILE, NR_ACTIVE_FILE },
	{ BALLONET_S_INACTIVE_FILE, NR_INACTIVE_FILE },
	{ BALLONET_S_ACTIVE_ANON, NR_ACTIVE_ANON },
	{ BALLONET_S_INACTIVE_ANON, NR_INACTIVE_ANON },
};

static u64 refusal_ms(struct ballonet *bal)
{
	u64 when = READ_ONCE(bal->fell_short_ns);

	return when ? div_u64(ktime_get_boottime_ns() - when, NSEC_PER_MSEC) :
		      U64_MAX;
}

static unsigned int vendor_fill(struct ballonet *bal, unsigned int n)
{
	u64 huge, small, reliefs;
	unsigned long flags;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(node_stats); i++)
		n = stat_add(bal->stats, n, node_stats[i].tag,
			     (u64)global_node_page_state(node_stats[i].item) <<
			     PAGE_SHIFT);
	n = stat_add(bal->stats, n, BALLONET_S_SWAP_FREE,
		     (u64)max(get_nr_swap_pages(), 0L) << PAGE_SHIFT);

	spin_lock_irqsave(&bal->lock, flags);
	huge = bal->held_blocks[0] << bal->huge_order;
	small = bal->held_blocks[1];
	reliefs = bal->reliefs;
	spin_unlock_irqrestore(&bal->lock, flags);
	n = stat_add(bal->stats, n, BALLONET_S_HUGE, huge << PAGE_SHIFT);
	n = stat_add(bal->stats, n, BALLONET_S_SMALL, small << PAGE_SHIFT);
	n = stat_add(bal->stats, n, BALLONET_S_FLOOR,
		     READ_ONCE(bal->floor) << PAGE_SHIFT);
	n = stat_add(bal->stats, n, BALLONET_S_REFUSAL_MS, refusal_ms(bal));
	n = stat_add(bal->stats, n, BALLONET_S_RELIEFS, reliefs);
	if (!bal->standby.table)
		return n;
	n = stat_add(bal->stats, n, BALLONET_S_STANDBY,
		     ballonet_standby_frames(bal) << PAGE_SHIFT);
	return stat_add(bal->stats, n, BALLONET_S_STANDBY_TAKEN,
			ballonet_standby_taken(bal) << PAGE_SHIFT);
}

/* Returns the number of entries. */
static unsigned int stats_fill(struct ballonet *bal)
{
	long available = si_mem_available();
	unsigned int n = 0;
	struct sysinfo si;

	si_meminfo(&si);
	n = events_fill(bal->stats, n);
	n = stat_add(bal->stats, n, VIRTIO_BALLOON_S_MEMFREE,
		     (u64)si.freeram << PAGE_SHIFT);
	n = stat_add(bal->stats, n, VIRTIO_BALLOON_S_MEMTOT,
		     (u64)si.totalram << PAGE_SHIFT);
	n = stat_add(bal->stats, n, VIRTIO_BALLOON_S_AVAIL,
		     (u64)max(available, 0L) << PAGE_SHIFT);
	n = stat_add(bal->stats, n, VIRTIO_BALLOON_S_CACHES,
		     (u64)global_node_page_state(NR_FILE_PAGES) << PAGE_SHIFT);
	if (bal->ranges || bal->eventq)
		n = vendor_fill(bal, n);
	return min_t(unsigned int, n, BALLONET_MAX_STATS);
}

static int stats_send(struct ballonet *bal)
{
	struct scatterlist sg;

	sg_init_one(&sg, bal->stats, stats_fill(bal) * sizeof(*bal->stats));
	ballonet_count(bal, BALLONET_C_STATS, 1);
	return virtqueue_add_outbuf(bal->statsq, &sg, 1, bal, GFP_KERNEL);
}

static void stats_work(struct work_struct *work)
{
	struct ballonet *bal = container_of(work, struct ballonet, stats_work);
	unsigned int len;

	/* Nothing else adds to this queue, so a returned buffer is the one. */
	if (virtqueue_get_buf(bal->statsq, &len) && !stats_send(bal))
		virtqueue_kick(bal->statsq);
}

/**
 * ballonet_stats_init() - before the first buffer
 * @bal:	the balloon
 */
void ballonet_stats_init(struct ballonet *bal)
{
	INIT_WORK(&bal->stats_work, stats_work);
}

/**
 * ballonet_stats_prime() - put the first buffer on the queue
 * @bal:	the balloon of a device that is not ready; kick when it is
 *
 * Return: 0 or a negative error.
 */
int ballonet_stats_prime(struct ballonet *bal)
{
	return stats_send(bal);
}

/**
 * ballonet_stats_callback() - the host asks for fresh statistics
 * @vq:		statsq
 *
 * Context: interrupt.
 */
void ballonet_stats_callback(struct virtqueue *vq)
{
	struct ballonet *bal = vq->vdev->priv;

	if (!READ_ONCE(bal->closed))
		queue_work(bal->wq, &bal->stats_work);
}
