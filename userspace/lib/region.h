/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM: the regions that the front-end shares, and the one translation
 * of guest addresses into pointers.
 */
#ifndef BALLONET_REGION_H
#define BALLONET_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fault.h"

/* Most regions of a VM; a front-end with memory slots is told this number. */
#define REGION_MAX	64

/**
 * struct region_desc - a region as the front-end describes it
 * @gpa:	guest-physical address
 * @size:	bytes
 * @uaddr:	address in the front-end's process; ring addresses are such
 * @offset:	of its first byte in the file
 */
struct region_desc {
	uint64_t gpa;
	uint64_t size;
	uint64_t uaddr;
	uint64_t offset;
};

/**
 * struct region - guest RAM that is mapped here
 * @d:		what the front-end said
 * @fd:		the memory file, owned by the region
 * @id:		chosen by the caller; names the descriptor in the fd store
 * @map:	where the mapping begins: block aligned in the file
 * @map_len:	bytes mapped
 * @base:	where the region's first byte is
 * @block:	bytes of the pages behind it; smaller holes free nothing
 * @fixed:	its file takes no holes: nothing can be given back
 * @dev:	with @ino, which file it is
 * @ino:	see @dev
 * @file:	number of that file among those of the table
 * @out:	a bit for each frame that the host has, for @block > 4096 only;
 *		bit 0 is the frame at @map. NULL until the first is set
 */
struct region {
	struct region_desc d;
	int fd;
	uint32_t id;
	uint8_t *map;
	size_t map_len;
	uint8_t *base;
	uint64_t block;
	bool fixed;
	dev_t dev;
	ino_t ino;
	unsigned int file;
	uint64_t *out;
};

/**
 * struct region_table - guest RAM
 * @region:	ascending by guest address
 * @nr:		how many
 */
struct region_table {
	struct region region[REGION_MAX];
	unsigned int nr;
};

int region_map(const struct region_desc *desc, int fd, uint32_t id,
	       struct region *ret_region, struct fault *ret_fault);
void region_unmap(struct region *r);
int region_add(struct region_table *t, const struct region *r,
	       struct fault *ret_fault);
void region_del(struct region_table *t, unsigned int i);
void region_clear(struct region_table *t);
int region_find(const struct region_table *t, const struct region_desc *desc);
struct region *region_of(struct region_table *t, uint64_t gpa);
void *region_user_ptr(struct region_table *t, uint64_t uaddr, uint64_t len);
int region_read(struct region_table *t, uint64_t gpa, void *dst, size_t len);
int region_write(struct region_table *t, uint64_t gpa, const void *src,
		 size_t len);
bool region_covers(struct region_table *t, uint64_t gpa, uint64_t len);
uint64_t region_bytes(const struct region_table *t);
uint64_t region_resident(const struct region_table *t);
unsigned int region_files(const struct region_table *t);
uint64_t region_block(const struct region_table *t);

#endif /* BALLONET_REGION_H */
