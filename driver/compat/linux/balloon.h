/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's list of balloon pages, as the newest kernels have it: the
 * driver's migratepage() only tells the host. Before linux/balloon.h came, it
 * also had to do the kernel's accounting.
 */
#ifndef _BALLONET_COMPAT_LINUX_BALLOON_H
#define _BALLONET_COMPAT_LINUX_BALLOON_H

#ifdef BALLONET_HAVE_BALLOON_HEADER
#include_next <linux/balloon.h>

/* Movable only where the kernel moves balloon pages. */
#define BALLONET_GFP_FRAME	(IS_ENABLED(CONFIG_BALLOON_MIGRATION) ? \
				 GFP_HIGHUSER_MOVABLE : GFP_HIGHUSER)

/**
 * ballonet_balloon_init() - an empty list
 * @info:	the list
 */
static inline void ballonet_balloon_init(struct balloon_dev_info *info)
{
	balloon_devinfo_init(info);
}

/**
 * ballonet_balloon_adjust() - whether MemTotal follows the balloon
 * @info:	the list, empty
 * @adjust:	whether
 */
static inline void ballonet_balloon_adjust(struct balloon_dev_info *info,
					   bool adjust)
{
	info->adjust_managed_page_count = adjust;
}

static inline void ballonet_balloon_enqueue(struct balloon_dev_info *info,
					    struct page *page, bool adjust)
{
	balloon_page_enqueue(info, page);
}

static inline void ballonet_balloon_dequeued(struct page *page, bool adjust)
{
}

static inline void ballonet_balloon_migrated(struct balloon_dev_info *info,
					     struct page *newpage,
					     struct page *page, bool adjust)
{
}

#else
#include <linux/balloon_compaction.h>
#include <linux/mm.h>
#include <linux/vmstat.h>

#define BALLONET_GFP_FRAME	balloon_mapping_gfp_mask()

static inline void ballonet_balloon_init(struct balloon_dev_info *info)
{
	balloon_devinfo_init(info);
}

static inline void ballonet_balloon_adjust(struct balloon_dev_info *info,
					   bool adjust)
{
}

static inline void ballonet_balloon_enqueue(struct balloon_dev_info *info,
					    struct page *page, bool adjust)
{
	unsigned long flags;

	if (adjust)
		adjust_managed_page_count(page, -1);
	/*
	 * balloon_page_enqueue() takes a locked page for a bug. Compaction
	 * may still have the lock of one that it has just failed to isolate.
	 */
	lock_page(page);
	spin_lock_irqsave(&info->pages_lock, flags);
	balloon_page_insert(info, page);
	__count_vm_event(BALLOON_INFLATE);
	spin_unlock_irqrestore(&info->pages_lock, flags);
	unlock_page(page);
}

static inline void ballonet_balloon_dequeued(struct page *page, bool adjust)
{
	if (adjust)
		adjust_managed_page_count(page, 1);
}

/* One reference on each page is the list's; @page is isolated from it. */
static inline void ballonet_balloon_migrated(struct balloon_dev_info *info,
					     struct page *newpage,
					     struct page *page, bool adjust)
{
	unsigned long flags;

	get_page(newpage);
	if (adjust && page_zone(page) != page_zone(newpage)) {
		adjust_managed_page_count(page, 1);
		adjust_managed_page_count(newpage, -1);
	}
	spin_lock_irqsave(&info->pages_lock, flags);
	balloon_page_insert(info, newpage);
	info->isolated_pages--;
#ifdef CONFIG_BALLOON_COMPACTION
	__count_vm_event(BALLOON_MIGRATE);
#endif
#ifdef BALLONET_HAVE_BALLOON_FINALIZE
	balloon_page_finalize(page);
#else
	balloon_page_delete(page);
#endif
	spin_unlock_irqrestore(&info->pages_lock, flags);
	put_page(page);
}
#endif

#ifndef MIGRATEPAGE_SUCCESS
#define MIGRATEPAGE_SUCCESS 0
#endif

#endif
