// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * Looking and giving back are apart: vring_get() reads the buffer at any place
 * of the available ring and changes nothing; last_avail moves only when a
 * buffer is given back. So a buffer that was looked at and left alone is still
 * the driver's, and a ring can stop at any moment. Buffers are given back in
 * the order they came, hence after a crash the used index of the ring itself
 * says where to go on.
 */

#include "vring.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* Descriptor flags. */
#define DESC_NEXT	1
#define DESC_WRITE	2
#define DESC_INDIRECT	4
/* Flags of the two rings: do not tell me. */
#define AVAIL_NO_INTERRUPT	1
#define USED_NO_NOTIFY		1

/* A ring's parts: two flags and indices of 16 bit, then its entries. */
#define RING_FLAGS	0
#define RING_IDX	1
#define RING_ENTRIES	2

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

#define DESC_SIZE	16
_Static_assert(sizeof(struct desc) == DESC_SIZE, "wire");

static size_t avail_size(unsigned int num)
{
	return sizeof(uint16_t) * (RING_ENTRIES + num + 1);
}

static size_t used_size(unsigned int num)
{
	return sizeof(uint16_t) * (RING_ENTRIES + 4 * num + 1);
}

static volatile uint16_t *used_event(const struct vring *vr)
{
	return vr->avail + RING_ENTRIES + vr->num;
}

static volatile uint16_t *avail_event(const struct vring *vr)
{
	return vr->used + RING_ENTRIES + 4 * vr->num;
}

/**
 * vring_init() - find a ring in guest RAM
 * @vr:		the ring; its indices stay as they are
 * @t:		guest RAM
 * @addr:	where the ring is
 * @num:	its entries
 * @event_idx:	VIRTIO_F_EVENT_IDX was negotiated
 * @ret_fault:	what is wrong
 *
 * Return: 0, or -EINVAL if the ring is malformed or not wholly in one region.
 */
int vring_init(struct vring *vr, struct region_table *t,
	       const struct vring_addr *addr, unsigned int num, bool event_idx,
	       struct fault *ret_fault)
{
	void *desc, *avail, *used;

	if (!num || num > VRING_MAX_NUM || num & (num - 1))
		return fault_set(ret_fault, -EINVAL,
			"%u entries, expected a power of two up to %u", num,
			VRING_MAX_NUM);
	if (addr->desc % 16 || addr->avail % 2 || addr->used % 4)
		return fault_set(ret_fault, -EINVAL,
			"address not aligned (to 16, 2, 4 bytes)");

	desc = region_user_ptr(t, addr->desc, (uint64_t)num * DESC_SIZE);
	avail = region_user_ptr(t, addr->avail, avail_size(num));
	used = region_user_ptr(t, addr->used, used_size(num));
	if (!desc || !avail || !used)
		return fault_set(ret_fault, -EINVAL,
			"%s lies outside the memory regions",
			!desc ? "descriptor table" :
			!avail ? "available ring" : "used ring");

	vr->num = num;
	vr->event_idx = event_idx;
	vr->desc = desc;
	vr->avail = avail;
	vr->used = used;
	return 0;
}

/**
 * vring_guest_used() - the used index that is in guest RAM
 * @vr:		the ring
 *
 * Return: the index.
 */
uint16_t vring_guest_used(const struct vring *vr)
{
	return le16toh(vr->used[RING_IDX]);
}

/**
 * vring_pending() - count the buffers that the driver offers
 * @vr:		the ring
 * @pos:	from this place of the available ring on
 * @ret_fault:	what is wrong
 *
 * Return: how many, or -EPROTO if the index cannot be true.
 */
int vring_pending(const struct vring *vr, uint16_t pos,
		  struct fault *ret_fault)
{
	uint16_t idx = le16toh(vr->avail[RING_IDX]);
	uint16_t n = idx - pos;

	/* What the index promises is read after the index. */
	atomic_thread_fence(memory_order_acquire);
	if (n > vr->num)
		return fault_set(ret_fault, -EPROTO,
			"available index %u, but %u was reached: more than %u entries",
			idx, pos, vr->num);
	return n;
}

static void desc_copy(const struct vring *vr, unsigned int i,
		      struct desc *ret_desc)
{
	volatile struct desc *d = (volatile void *)(vr->desc + i * DESC_SIZE);

	ret_desc->addr = le64toh(d->addr);
	ret_desc->len = le32toh(d->len);
	ret_desc->flags = le16toh(d->flags);
	ret_desc->next = le16toh(d->next);
}

static int chain_add(struct vring_chain *c, const struct desc *d,
		     struct fault *ret_fault)
{
	c->seg[c->nr++] = (struct vring_seg){ d->addr, d->len };
	if (d->flags & DESC_INDIRECT)
		return fault_set(ret_fault, -EPROTO,
			"indirect descriptor, which was not negotiated");
	if (d->flags & DESC_WRITE) {
		c->write_len += d->len;
		return 0;
	}
	if (c->nr_read + 1 != c->nr)
		return fault_set(ret_fault, -EPROTO,
			"readable descriptor after a writable one");
	c->nr_read++;
	c->read_len += d->len;
	return 0;
}

/**
 * vring_get() - look at a buffer
 * @vr:		the ring
 * @pos:	its place in the available ring; vring_pending() covers it
 * @ret_chain:	the buffer, copied; undefined on failure
 * @ret_fault:	what is wrong
 *
 * Return: 0, or -EPROTO if the chain is malformed.
 */
int vring_get(const struct vring *vr, uint16_t pos,
	      struct vring_chain *ret_chain, struct fault *ret_fault)
{
	struct vring_chain *c = ret_chain;
	unsigned int i, entry = RING_ENTRIES + (pos & (vr->num - 1));
	struct desc d;
	int ret;

	c->head = le16toh(vr->avail[entry]);
	c->nr_read = c->nr = 0;
	c->read_len = c->write_len = 0;

	i = c->head;
	do {
		if (i >= vr->num)
			return fault_set(ret_fault, -EPROTO,
				"descriptor %u, the ring has %u", i, vr->num);
		if (c->nr == vr->num)
			return fault_set(ret_fault, -EPROTO,
				"chain of descriptors has a loop");
		desc_copy(vr, i, &d);
		ret = chain_add(c, &d, ret_fault);
		if (ret)
			return ret;
		i = d.next;
	} while (d.flags & DESC_NEXT);
	return 0;
}

/**
 * vring_put() - give the next buffer back
 * @vr:		the ring
 * @head:	vring_chain.head of the buffer at last_avail
 * @len:	bytes that were written to it
 *
 * The driver sees it after vring_publish().
 */
void vring_put(struct vring *vr, uint16_t head, uint32_t len)
{
	volatile uint32_t *e = (volatile void *)(vr->used + RING_ENTRIES +
					4 * (vr->used_idx & (vr->num - 1)));

	e[0] = htole32(head);
	e[1] = htole32(len);
	vr->used_idx++;
	vr->last_avail++;
}

/**
 * vring_publish() - show the driver what was given back
 * @vr:		the ring
 *
 * Return: true if it wants to be called.
 */
bool vring_publish(struct vring *vr)
{
	uint16_t new = vr->used_idx, old = vr->told, event;
	bool once = vr->told_once;

	if (new == vr->published)
		return false;

	atomic_thread_fence(memory_order_release);
	vr->used[RING_IDX] = htole16(new);
	vr->published = new;
	vr->told = new;
	vr->told_once = true;

	/* Its wish is read after the index was shown, or both sides sleep. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!vr->event_idx)
		return !(le16toh(vr->avail[RING_FLAGS]) & AVAIL_NO_INTERRUPT);
	event = le16toh(*used_event(vr));
	return !once || (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/**
 * vring_kicks() - tell the driver whether kicks are wanted
 * @vr:		the ring
 * @on:		they are; look at vring_pending() once more afterwards
 */
void vring_kicks(struct vring *vr, bool on)
{
	if (!vr->event_idx)
		vr->used[RING_FLAGS] = htole16(on ? 0 : USED_NO_NOTIFY);
	else if (on)
		*avail_event(vr) = htole16(vr->last_avail);
	/* With the event index, one that has passed keeps the driver quiet. */
	if (on)
		atomic_thread_fence(memory_order_seq_cst);
}

/**
 * vring_read() - copy from the readable part of a buffer
 * @c:		the buffer
 * @t:		guest RAM
 * @skip:	bytes to leave out at its beginning
 * @dst:	where to
 * @len:	bytes
 *
 * Return: 0, -EINVAL if the buffer is too short, -EFAULT if it is not in RAM.
 */
int vring_read(const struct vring_chain *c, struct region_table *t,
	       uint64_t skip, void *dst, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < c->nr_read && len; i++) {
		const struct vring_seg *s = &c->seg[i];
		uint64_t n;
		int ret;

		if (skip >= s->len) {
			skip -= s->len;
			continue;
		}
		n = s->len - skip < len ? s->len - skip : len;
		/* The sum may wrap: then no region has it. */
		ret = region_read(t, s->addr + skip, dst, n);
		if (ret)
			return ret;
		dst = (uint8_t *)dst + n;
		len -= n;
		skip = 0;
	}
	return len ? -EINVAL : 0;
}

/**
 * vring_write() - copy to the writable part of a buffer, from its beginning on
 * @c:		the buffer
 * @t:		guest RAM
 * @src:	where from
 * @len:	bytes
 *
 * Return: 0, -EINVAL if the buffer is too short, -EFAULT if it is not in RAM.
 */
int vring_write(const struct vring_chain *c, struct region_table *t,
		const void *src, uint64_t len)
{
	unsigned int i;

	for (i = c->nr_read; i < c->nr && len; i++) {
		const struct vring_seg *s = &c->seg[i];
		uint64_t n = s->len < len ? s->len : len;
		int ret = region_write(t, s->addr, src, n);

		if (ret)
			return ret;
		src = (const uint8_t *)src + n;
		len -= n;
	}
	return len ? -EINVAL : 0;
}

/**
 * vring_recover() - go on after a process that was killed
 * @vr:		the ring, just found again
 *
 * Buffers are given back in order, so the used index says how far it came.
 * The driver may not have been told: call it once.
 */
void vring_recover(struct vring *vr)
{
	vr->last_avail = vr->used_idx;
}
