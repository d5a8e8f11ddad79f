// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Zones: which memory is for what. Blocks and all that the kernel has for
 * itself are from the zones up to BALLONET_ZONE_BLOCKS; user memory, page cache
 * and our single frames are also from ZONE_MOVABLE, where there is one (memory
 * that was plugged as movable, movablecore). What is free in there is of no use
 * to who needs a kernel stack.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/vmstat.h>

#include "internal.h"

/**
 * ballonet_zones_read() - sum up zones, on all nodes
 * @first:	the lowest zone
 * @last:	the highest zone
 *
 * Return: their sums.
 */
struct ballonet_zones ballonet_zones_read(enum zone_type first,
					  enum zone_type last)
{
	struct ballonet_zones zones = {};
	struct zone *zone;
	int nid, i;

	for_each_node_state(nid, N_MEMORY) {
		for (i = first; i <= last; i++) {
			zone = &NODE_DATA(nid)->node_zones[i];
			if (!managed_zone(zone))
				continue;
			zones.free += zone_page_state(zone, NR_FREE_PAGES);
			zones.cache +=
				zone_page_state(zone, NR_ZONE_INACTIVE_FILE) +
				zone_page_state(zone, NR_ZONE_ACTIVE_FILE);
			zones.size += zone_managed_pages(zone);
			zones.present += zone->present_pages;
			zones.reclaim += high_wmark_pages(zone);
		}
	}
	return zones;
}
