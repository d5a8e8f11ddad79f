// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guest RAM as the front-end's messages change it. The worker is paused.
 */

#include "backend.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct region_desc desc_of(const struct vu_region *r)
{
	return (struct region_desc){
		.gpa = r->guest_addr,
		.size = r->size,
		.uaddr = r->user_addr,
		.offset = r->mmap_offset,
	};
}

/* The table in the state follows the one that is mapped, all at once. */
static void publish(struct backend *b)
{
	struct state *s = b->state;
	struct state_table *t = &s->table[!s->table_now];
	unsigned int i;

	for (i = 0; i < b->regions.nr; i++)
		t->region[i] = (struct state_region){
			.desc = b->regions.region[i].d,
			.id = b->regions.region[i].id,
		};
	t->nr = b->regions.nr;
	/* Without RAM no ring runs. */
	if (!t->nr)
		rings_stop_all(b);
	atomic_signal_fence(memory_order_seq_cst);
	s->table_now = !s->table_now;
	memory_changed(b);
}

/**
 * memory_changed() - draw the conclusions from a new memory table
 * @b:		the back-end
 */
void memory_changed(struct backend *b)
{
	struct fault why = { "" };
	unsigned int i;

	b->state->config.block_size = htole32(region_block(&b->regions));
	for (i = 0; i < b->regions.nr; i++)
		if (b->regions.region[i].fixed)
			fault_set(&why, 0, "guest RAM at 0x%" PRIx64
				  " is in a file that takes no holes",
				  b->regions.region[i].d.gpa);
	if (b->regions.nr) {
		b->no_memory_ms = 0;
		guard_refuse(b, REFUSAL_MEMORY, &why);
	}
}

/*
 * Maps a region and puts it into @t. A description that is wrong ends the
 * connection (-EPROTO); a file that cannot be mapped makes the VM one without
 * a balloon, and the message fails.
 */
static int map_one(struct backend *b, struct region_table *t,
		   const struct vu_region *vr, int fd, struct fault *ret_fault)
{
	const struct region_desc desc = desc_of(vr);
	struct region r;
	int ret;

	ret = region_map(&desc, fd, 0, &r, ret_fault);
	if (ret == -EINVAL)
		return -EPROTO;
	if (ret) {
		guard_refuse(b, REFUSAL_MEMORY, ret_fault);
		return ret;
	}
	ret = region_add(t, &r, ret_fault);
	if (ret) {
		/* The message still owns the descriptor. */
		r.fd = -1;
		region_unmap(&r);
		return -EPROTO;
	}
	return 0;
}

/* Gives every region of a new table its name in the fd store. */
static void keep_regions(struct backend *b, struct region_table *t)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (!t->region[i].id)
			t->region[i].id = keep_fd(b, "region",
						  t->region[i].fd);
}

static void drop_regions(struct backend *b, struct region_table *t)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		keep_drop(b, "region", t->region[i].id);
	region_clear(t);
}

/**
 * memory_set_table() - SET_MEM_TABLE
 * @b:		the back-end
 * @msg:	the message
 * @ret_fault:	what is wrong
 *
 * Return: 0, -EPROTO if the connection must end, another negative errno if
 * the message failed.
 */
int memory_set_table(struct backend *b, struct vu_msg *msg,
		     struct fault *ret_fault)
{
	const struct vu_mem_table *m = &msg->payload.table;
	struct region_table old = b->regions, new = { .nr = 0 };
	unsigned int i;
	int ret;

	/* User-Mode Linux always sends room for two. */
	if (m->nr > VU_TABLE_REGIONS || m->nr != msg->nr_fds ||
	    msg->header.size < 8 + m->nr * sizeof(m->region[0]))
		return fault_set(ret_fault, -EPROTO,
			"SET_MEM_TABLE: %u regions with %u descriptors in %u bytes, limit %u regions",
			m->nr, msg->nr_fds, msg->header.size,
			VU_TABLE_REGIONS);

	for (i = 0; i < m->nr; i++) {
		ret = map_one(b, &new, &m->region[i], msg->fds[i], ret_fault);
		if (ret)
			goto err_unmap;
		(void)vu_take_fd(msg, i);
	}

	keep_regions(b, &new);
	b->regions = new;
	publish(b);
	drop_regions(b, &old);
	return rings_refresh(b, ret_fault);

err_unmap:
	region_clear(&new);
	return ret;
}

/**
 * memory_drop() - forget all regions
 * @b:		the back-end; no ring runs
 *
 * A front-end that begins anew on the same connection tells them again, and
 * they may have changed.
 */
void memory_drop(struct backend *b)
{
	struct region_table old = b->regions;

	if (!old.nr)
		return;
	b->regions.nr = 0;
	publish(b);
	drop_regions(b, &old);
}

static bool same_file(const struct region *r, int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == r->dev && st.st_ino == r->ino;
}

/**
 * memory_add() - ADD_MEM_REG
 * @b:		the back-end
 * @msg:	the message
 * @ret_fault:	what is wrong
 *
 * Return: as memory_set_table().
 */
int memory_add(struct backend *b, struct vu_msg *msg, struct fault *ret_fault)
{
	const struct vu_region *vr = &msg->payload.slot.region;
	const struct region_desc desc = desc_of(vr);
	uint32_t old_id;
	int i, ret;

	i = region_find(&b->regions, &desc);
	/* A message that is found again after a crash was acted on already. */
	if (i >= 0 && same_file(&b->regions.region[i], msg->fds[0]))
		return 0;
	/* New RAM in the place of old: no ring can go on there. */
	if (i >= 0) {
		rings_stop_all(b);
		old_id = b->regions.region[i].id;
		region_del(&b->regions, i);
		publish(b);
		keep_drop(b, "region", old_id);
	}
	ret = map_one(b, &b->regions, vr, msg->fds[0], ret_fault);
	if (ret)
		return ret;
	(void)vu_take_fd(msg, 0);
	keep_regions(b, &b->regions);
	publish(b);
	return rings_refresh(b, ret_fault);
}

/**
 * memory_del() - REM_MEM_REG
 * @b:		the back-end
 * @msg:	the message
 * @ret_fault:	what is wrong
 *
 * Return: as memory_set_table().
 */
int memory_del(struct backend *b, const struct vu_msg *msg,
	       struct fault *ret_fault)
{
	const struct region_desc desc = desc_of(&msg->payload.slot.region);
	uint32_t id;
	int i;

	i = region_find(&b->regions, &desc);
	if (i < 0) {
		/* Found again after a crash: it is gone already. */
		if (b->state->busy == BUSY_AGAIN)
			return 0;
		return fault_set(ret_fault, -EPROTO,
			"REM_MEM_REG: there is no region at 0x%" PRIx64
			" of 0x%" PRIx64 " bytes", desc.gpa, desc.size);
	}
	id = b->regions.region[i].id;
	region_del(&b->regions, i);
	publish(b);
	keep_drop(b, "region", id);
	return rings_refresh(b, ret_fault);
}

static int fd_of(const struct fdstore_fd *fds, unsigned int nr, uint32_t id)
{
	char name[FDSTORE_NAME_MAX];
	unsigned int i;

	snprintf(name, sizeof(name), "region.%u", id);
	for (i = 0; i < nr; i++)
		if (!strcmp(fds[i].name, name))
			return fds[i].fd;
	return -1;
}

/**
 * memory_resume() - map what the predecessor had mapped
 * @b:		the back-end
 * @fds:	descriptors that it left
 * @nr:		how many
 * @ret_fault:	what is wrong
 *
 * Return: 0, -EPROTO if the regions or their files cannot be those that the
 * predecessor had, or another negative errno.
 */
int memory_resume(struct backend *b, const struct fdstore_fd *fds,
		  unsigned int nr, struct fault *ret_fault)
{
	const struct state_table *t = &b->state->table[b->state->table_now];
	struct region r;
	unsigned int i;
	int ret, fd;

	for (i = 0; i < t->nr; i++) {
		const struct state_region *sr = &t->region[i];

		fd = fd_of(fds, nr, sr->id);
		if (fd < 0)
			return fault_set(ret_fault, -EPROTO,
				"memory region at 0x%" PRIx64
				" was not kept", sr->desc.gpa);
		ret = region_map(&sr->desc, fd, sr->id, &r, ret_fault);
		if (ret)
			return ret == -EINVAL ? -EPROTO : ret;
		if (region_add(&b->regions, &r, ret_fault))
			return -EPROTO;
	}
	memory_changed(b);
	return 0;
}
