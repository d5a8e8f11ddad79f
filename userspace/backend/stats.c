// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Statistics. The driver puts one buffer on its ring and gets it back when
 * new numbers are wanted. Until then the buffer is held, but not taken off the
 * ring: a ring that stops hands it back by itself.
 */

#include "backend.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A tag and a value, packed. */
#define ENTRY	10

static const struct {
	uint16_t tag;
	const char *name;
} names[] = {
	{ VIRTIO_BALLOON_S_SWAP_IN, "swap_in" },
	{ VIRTIO_BALLOON_S_SWAP_OUT, "swap_out" },
	{ VIRTIO_BALLOON_S_MAJFLT, "major_faults" },
	{ VIRTIO_BALLOON_S_MINFLT, "minor_faults" },
	{ VIRTIO_BALLOON_S_MEMFREE, "free" },
	{ VIRTIO_BALLOON_S_MEMTOT, "total" },
	{ VIRTIO_BALLOON_S_AVAIL, "available" },
	{ VIRTIO_BALLOON_S_CACHES, "caches" },
	{ VIRTIO_BALLOON_S_HTLB_PGALLOC, "hugetlb_allocations" },
	{ VIRTIO_BALLOON_S_HTLB_PGFAIL, "hugetlb_failures" },
	/* Linux since 6.12; not in every linux/virtio_balloon.h. */
	{ 10, "oom_kills" },
	{ 11, "alloc_stalls" },
	{ 12, "async_scans" },
	{ 13, "direct_scans" },
	{ 14, "async_reclaims" },
	{ 15, "direct_reclaims" },
	{ BALLONET_S_HUGE, "balloon_huge" },
	{ BALLONET_S_SMALL, "balloon_small" },
	{ BALLONET_S_FLOOR, "floor" },
	{ BALLONET_S_REFAULT_FILE, "refault_file" },
	{ BALLONET_S_REFAULT_ANON, "refault_anon" },
	{ BALLONET_S_ACTIVE_FILE, "active_file" },
	{ BALLONET_S_INACTIVE_FILE, "inactive_file" },
	{ BALLONET_S_ACTIVE_ANON, "active_anon" },
	{ BALLONET_S_INACTIVE_ANON, "inactive_anon" },
	{ BALLONET_S_SWAP_FREE, "swap_free" },
	{ BALLONET_S_REFUSAL_MS, "refusal_ms" },
	{ BALLONET_S_RELIEFS, "reliefs" },
	{ BALLONET_S_STANDBY, "standby" },
	{ BALLONET_S_STANDBY_TAKEN, "standby_taken" },
};

/**
 * stats_tag_name() - what a statistic is called
 * @tag:	its number on the wire
 *
 * Return: the name, or NULL if this program does not know it.
 */
const char *stats_tag_name(uint16_t tag)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].tag == tag)
			return names[i].name;
	return NULL;
}

static int parse(struct backend *b, struct sample *ret_sample,
		 struct fault *ret_fault)
{
	const struct vring_chain *c = &b->chain;
	uint8_t buf[STATS_MAX * ENTRY];
	unsigned int i;
	uint64_t value;
	uint16_t tag;

	if (c->nr != c->nr_read || c->read_len % ENTRY ||
	    c->read_len > sizeof(buf))
		return fault_set(ret_fault, -EPROTO,
			"statistics of %" PRIu64 " bytes and %" PRIu64
			" writable ones, expected a multiple of %u up to %zu and 0",
			c->read_len, c->write_len, ENTRY, sizeof(buf));
	if (vring_read(c, &b->regions, 0, buf, c->read_len))
		return fault_set(ret_fault, -EPROTO,
			"statistics lie outside the memory regions");

	ret_sample->nr = c->read_len / ENTRY;
	for (i = 0; i < ret_sample->nr; i++) {
		memcpy(&tag, buf + i * ENTRY, sizeof(tag));
		memcpy(&value, buf + i * ENTRY + sizeof(tag), sizeof(value));
		ret_sample->tag[i] = le16toh(tag);
		ret_sample->value[i] = le64toh(value);
	}
	ret_sample->when_ms = now_ms();
	return 0;
}

/**
 * stats_serve() - serve the statistics ring
 * @b:		the back-end
 * @ring:	statsq
 * @ret_fault:	what is malformed
 *
 * Return: 1 if there may be more, 0 if not, -EPROTO if the ring is malformed.
 */
int stats_serve(struct backend *b, struct ring *ring, struct fault *ret_fault)
{
	struct sample sample;
	int n, ret;

	n = vring_pending(&ring->vr, ring->vr.last_avail, ret_fault);
	if (n <= 0) {
		vring_kicks(&ring->vr, true);
		return n < 0 ? n : vring_pending(&ring->vr,
						 ring->vr.last_avail,
						 ret_fault);
	}
	ret = vring_get(&ring->vr, ring->vr.last_avail, &b->chain, ret_fault);
	if (ret)
		return ret;
	if (atomic_load(&b->stats_new)) {
		ret = parse(b, &sample, ret_fault);
		if (ret)
			return ret;
		pthread_mutex_lock(&b->info);
		b->sample = sample;
		pthread_mutex_unlock(&b->info);
		atomic_store(&b->stats_new, false);
		count(b, stats);
		event_signal(b->wake_main);
	}
	if (!atomic_exchange(&b->want_stats, false))
		return 0;
	atomic_store(&b->stats_new, true);
	vring_put(&ring->vr, b->chain.head, 0);
	return 1;
}
