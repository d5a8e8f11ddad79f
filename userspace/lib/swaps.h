/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the host pages out to: swap devices in the kernel's order, compressed
 * memory (zram, zswap), and what that really saves. Sizes are bytes; what the
 * kernel does not tell is PROCFILE_UNKNOWN.
 */
#ifndef BALLONET_SWAPS_H
#define BALLONET_SWAPS_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SWAPS_MAX	32
#define SWAPS_NAME_MAX	64

/**
 * struct swap - a line of /proc/swaps
 * @name:	of the file or device, cut to what fits
 * @compressed:	it is zram: what is there is still in memory
 * @size:	of it
 * @used:	of it
 * @stored:	zram: what was written to it, not compressed
 * @occupied:	zram: RAM that this takes
 * @priority:	the highest is used first
 */
struct swap {
	char name[SWAPS_NAME_MAX];
	bool compressed;
	uint64_t size;
	uint64_t used;
	uint64_t stored;
	uint64_t occupied;
	int priority;
};

/**
 * struct zswap - /sys/module/zswap/parameters
 * @exists:	this kernel has it
 * @enabled:	it takes pages
 * @has_shrinker: the kernel can write cold pages of it to the disk (6.8)
 * @shrinker:	and does
 * @max_percent: most of RAM that it takes
 */
struct zswap {
	bool exists;
	bool enabled;
	bool has_shrinker;
	bool shrinker;
	uint64_t max_percent;
};

int swaps_read(int proc_fd, int sys_fd, struct swap ret_swaps[SWAPS_MAX]);
void zswap_read(int sys_fd, struct zswap *ret_zswap);
int zswap_start(int sys_fd, const struct zswap *zswap, struct fault *ret_fault);
uint32_t swaps_ratio(uint64_t stored, uint64_t occupied);

#endif
