/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's side of a split virtqueue (VIRTIO 1.3, 2.7).
 *
 * The ring lies in memory that the guest writes to at any time. What is used
 * is read once, into memory of our own, and the copy is checked.
 */
#ifndef BALLONET_VRING_H
#define BALLONET_VRING_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "region.h"

/* Feature bit: tell each other at which index to notify. VIRTIO 1.3, 6. */
#define VRING_F_EVENT_IDX	29

/* Most entries of a ring; the standard allows 32768, no balloon needs them. */
#define VRING_MAX_NUM	1024

/**
 * struct vring_addr - where a ring is, in the front-end's addresses
 * @desc:	descriptor table
 * @avail:	what the driver offers
 * @used:	what the device gave back
 */
struct vring_addr {
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
};

/**
 * struct vring - one ring
 * @num:	entries, a power of two
 * @event_idx:	VIRTIO_F_EVENT_IDX was negotiated
 * @last_avail:	next entry of the available ring that was not given back yet
 * @used_idx:	next free entry of the used ring, not yet published
 * @published:	used index that the driver sees
 * @told:	used index at the last look whether to call; valid if @told_once
 * @told_once:	see @told
 * @desc:	in guest RAM
 * @avail:	in guest RAM: flags, index, entries, used_event
 * @used:	in guest RAM: flags, index, entries, avail_event
 */
struct vring {
	unsigned int num;
	bool event_idx;
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t published;
	uint16_t told;
	bool told_once;
	volatile uint8_t *desc;
	volatile uint16_t *avail;
	volatile uint16_t *used;
};

/**
 * struct vring_seg - one descriptor
 * @addr:	guest-physical address
 * @len:	bytes
 */
struct vring_seg {
	uint64_t addr;
	uint32_t len;
};

/**
 * struct vring_chain - one buffer: what the device reads, then what it writes
 * @head:	first descriptor; names the buffer when it is given back
 * @nr_read:	segments to read, the first ones of @seg
 * @nr:		all segments
 * @read_len:	bytes to read
 * @write_len:	bytes to write
 * @seg:	the segments
 */
struct vring_chain {
	uint16_t head;
	unsigned int nr_read;
	unsigned int nr;
	uint64_t read_len;
	uint64_t write_len;
	struct vring_seg seg[VRING_MAX_NUM];
};

int vring_init(struct vring *vr, struct region_table *t,
	       const struct vring_addr *addr, unsigned int num, bool event_idx,
	       struct fault *ret_fault);
uint16_t vring_guest_used(const struct vring *vr);
int vring_pending(const struct vring *vr, uint16_t pos,
		  struct fault *ret_fault);
int vring_get(const struct vring *vr, uint16_t pos,
	      struct vring_chain *ret_chain, struct fault *ret_fault);
void vring_put(struct vring *vr, uint16_t head, uint32_t len);
bool vring_publish(struct vring *vr);
void vring_kicks(struct vring *vr, bool on);
void vring_recover(struct vring *vr);

int vring_read(const struct vring_chain *c, struct region_table *t,
	       uint64_t skip, void *dst, uint64_t len);
int vring_write(const struct vring_chain *c, struct region_table *t,
		const void *src, uint64_t len);

#endif /* BALLONET_VRING_H */
