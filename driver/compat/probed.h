/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What probe.mk found, as plain functions written for the newest kernel. */
#ifndef _BALLONET_COMPAT_PROBED_H
#define _BALLONET_COMPAT_PROBED_H

#include <linux/mm.h>
#include <linux/vmstat.h>

/**
 * ballonet_pgscan() - one of the PGSCAN_ and PGSTEAL_ counters
 * @events:	what all_vm_events() gave
 * @item:	the counter; a node statistic on the newest kernels, an event
 *		before
 *
 * Return: pages.
 */
#ifdef BALLONET_HAVE_NODE_PGSCAN
#define ballonet_pgscan(events, item)	global_node_page_state(item)
#else
#define ballonet_pgscan(events, item)	((events)[item])
#endif

/* "Balloon:" of /proc/meminfo, where the kernel has it. */
static inline void ballonet_count_node(struct page *page, long nr)
{
#ifdef BALLONET_HAVE_NODE_BALLOON
	mod_node_page_state(page_pgdat(page), NR_BALLOON_PAGES, nr);
#endif
}

/* /proc/vmstat, where the kernel counts for any balloon at all. */
static inline void ballonet_count_vm(bool inflate, unsigned long nr)
{
#if defined(CONFIG_MEMORY_BALLOON) || defined(CONFIG_BALLOON)
	count_vm_events(inflate ? BALLOON_INFLATE : BALLOON_DEFLATE, nr);
#endif
}

/*
 * Members of a struct virtio_driver: what is called before and after somebody
 * resets the device below its driver, as with "reset" of a PCI device in sysfs.
 * Older kernels do not tell the driver, and nor do they the core.
 */
#ifdef BALLONET_HAVE_RESET_PREPARE
#define BALLONET_RESET_HOOKS(before, after) \
	.reset_prepare = (before), .reset_done = (after),
#else
#define BALLONET_RESET_HOOKS(before, after)
#endif

#endif
