// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A region is mapped shared, without reservation and without being touched:
 * page tables of our own make every later discard dearer. What cannot be
 * discarded is found here and not at the first balloon. A file that is
 * read-only or sealed against writing cannot even be mapped, and the VM has no
 * balloon. A device, or a file system without holes, can be mapped: rings work
 * and the driver is answered, but the region is fixed. Holes are tried beyond
 * the end of the file, where they harm nobody.
 *
 * Every address that came from outside goes through ptr() or uptr().
 */

#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "frames.h"

#define ALIGN_DOWN(x, a)	((x) & ~((a) - 1))
#define ALIGN_UP(x, a)		ALIGN_DOWN((x) + (a) - 1, a)

static int desc_check(const struct region_desc *d, struct fault *ret_fault)
{
	uint64_t end;

	if (!d->size || (d->gpa | d->size | d->uaddr | d->offset) %
	    FRAME_SIZE)
		return fault_set(ret_fault, -EINVAL,
			"memory region at 0x%" PRIx64 ", size 0x%" PRIx64
			": empty or not aligned to pages", d->gpa, d->size);
	if (__builtin_add_overflow(d->gpa, d->size, &end) ||
	    __builtin_add_overflow(d->uaddr, d->size, &end) ||
	    __builtin_add_overflow(d->offset, d->size, &end) ||
	    end > INT64_MAX)
		return fault_set(ret_fault, -EINVAL,
			"memory region at 0x%" PRIx64 ", size 0x%" PRIx64
			": wraps around", d->gpa, d->size);
	return 0;
}

/* Only these two tell the size of their pages in st_blksize. */
static uint64_t block_size(const struct stat *st, const struct statfs *fs)
{
	uint64_t block = st->st_blksize;

	if (fs->f_type != HUGETLBFS_MAGIC && fs->f_type != TMPFS_MAGIC)
		return FRAME_SIZE;
	if (block < FRAME_SIZE || block & (block - 1))
		return FRAME_SIZE;
	return block;
}

/* Finds out what the file is; -ENOTSUP if it takes no holes. */
static int file_check(const struct region_desc *d, int fd,
		      struct region *r, struct fault *ret_fault)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return fault_set(ret_fault, -errno,
			"memory region at 0x%" PRIx64 ": %s", d->gpa,
			strerror(errno));
	r->block = block_size(&st, &fs);
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	if (!S_ISREG(st.st_mode))
		return fault_set(ret_fault, -ENOTSUP,
			"memory region at 0x%" PRIx64 " is not a memory file "
			"(memfd, shm, hugetlbfs or disk file)", d->gpa);
	if (d->offset + d->size > (uint64_t)st.st_size)
		return fault_set(ret_fault, -EINVAL,
			"memory region at 0x%" PRIx64 " ends at byte %" PRIu64
			" of its file, which has %" PRIu64, d->gpa,
			d->offset + d->size, (uint64_t)st.st_size);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      ALIGN_UP((uint64_t)st.st_size, r->block), r->block))
		return fault_set(ret_fault, -ENOTSUP,
			"memory region at 0x%" PRIx64
			": its file takes no holes: %s", d->gpa,
			strerror(errno));
	return 0;
}

/**
 * region_map() - map a region of guest RAM
 * @desc:	what the front-end says about it
 * @fd:		the memory file; the region's own on success
 * @id:		see struct region
 * @ret_region:	the region
 * @ret_fault:	why it cannot be used, or why it is fixed
 *
 * Return: 0; -EINVAL if the description is wrong; another negative errno if
 * the file cannot be mapped for writing.
 */
int region_map(const struct region_desc *desc, int fd, uint32_t id,
	       struct region *ret_region, struct fault *ret_fault)
{
	struct region r = { .d = *desc, .fd = fd, .id = id };
	uint64_t start;
	int ret;

	ret = desc_check(desc, ret_fault);
	if (ret)
		return ret;
	ret = file_check(desc, fd, &r, ret_fault);
	r.fixed = ret == -ENOTSUP;
	if (ret && !r.fixed)
		return ret;

	start = ALIGN_DOWN(desc->offset, r.block);
	r.map_len = ALIGN_UP(desc->offset + desc->size, r.block) - start;
	r.map = mmap(NULL, r.map_len, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_NORESERVE, fd, start);
	if (r.map == MAP_FAILED)
		return fault_set(ret_fault, -errno,
			"memory region at 0x%" PRIx64 ", size 0x%" PRIx64
			": cannot map it: %s", desc->gpa, desc->size,
			strerror(errno));
	(void)madvise(r.map, r.map_len, MADV_DONTDUMP);
	r.base = r.map + (desc->offset - start);
	*ret_region = r;
	return 0;
}

/**
 * region_unmap() - let go of a region
 * @r:		the region
 */
void region_unmap(struct region *r)
{
	munmap(r->map, r->map_len);
	close(r->fd);
	free(r->out);
	memset(r, 0, sizeof(*r));
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static unsigned int file_of(const struct region_table *t, unsigned int i,
			    unsigned int files)
{
	const struct region *r = &t->region[i];
	unsigned int j;

	for (j = 0; j < i; j++)
		if (t->region[j].ino == r->ino && t->region[j].dev == r->dev)
			return t->region[j].file;
	return files;
}

/* Numbers the files in the order of their first regions. */
static void number_files(struct region_table *t)
{
	unsigned int i, files = 0;

	for (i = 0; i < t->nr; i++) {
		t->region[i].file = file_of(t, i, files);
		if (t->region[i].file == files)
			files++;
	}
}

/**
 * region_add() - put a region into a table
 * @t:		the table; owns the region on success
 * @r:		the region
 * @ret_fault:	why it does not fit
 *
 * Return: 0, -ENOSPC, or -EEXIST if it overlaps another one.
 */
int region_add(struct region_table *t, const struct region *r,
	       struct fault *ret_fault)
{
	unsigned int i;

	if (t->nr == REGION_MAX)
		return fault_set(ret_fault, -ENOSPC,
			"more than %u memory regions", REGION_MAX);
	for (i = 0; i < t->nr; i++) {
		const struct region_desc *d = &t->region[i].d;

		if (overlap(d->gpa, d->size, r->d.gpa, r->d.size) ||
		    overlap(d->uaddr, d->size, r->d.uaddr, r->d.size))
			return fault_set(ret_fault, -EEXIST,
				"memory region at 0x%" PRIx64
				" overlaps the one at 0x%" PRIx64,
				r->d.gpa, d->gpa);
	}

	for (i = t->nr++; i && t->region[i - 1].d.gpa > r->d.gpa; i--)
		t->region[i] = t->region[i - 1];
	t->region[i] = *r;
	number_files(t);
	return 0;
}

/**
 * region_del() - unmap a region and take it out of its table
 * @t:		the table
 * @i:		its place
 */
void region_del(struct region_table *t, unsigned int i)
{
	region_unmap(&t->region[i]);
	t->nr--;
	memmove(&t->region[i], &t->region[i + 1],
		(t->nr - i) * sizeof(t->region[0]));
	number_files(t);
}

/**
 * region_clear() - empty a table
 * @t:		the table
 */
void region_clear(struct region_table *t)
{
	while (t->nr)
		region_del(t, t->nr - 1);
}

/**
 * region_find() - find a region by its description
 * @t:		the table
 * @desc:	addresses and size; the offset is not compared
 *
 * Return: its place, or -ENOENT.
 */
int region_find(const struct region_table *t, const struct region_desc *desc)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		const struct region_desc *d = &t->region[i].d;

		if (d->gpa == desc->gpa && d->size == desc->size &&
		    d->uaddr == desc->uaddr)
			return i;
	}
	return -ENOENT;
}

/**
 * region_of() - the region that holds a guest address
 * @t:		the table
 * @gpa:	the address
 *
 * Return: the region or NULL.
 */
struct region *region_of(struct region_table *t, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (gpa >= t->region[i].d.gpa &&
		    gpa - t->region[i].d.gpa < t->region[i].d.size)
			return &t->region[i];
	return NULL;
}

/* The bytes from @gpa to the end of its region, @len at most. */
static void *ptr(struct region_table *t, uint64_t gpa, uint64_t len,
		 uint64_t *ret_len)
{
	struct region *r = region_of(t, gpa);
	uint64_t left;

	if (!r)
		return NULL;
	left = r->d.size - (gpa - r->d.gpa);
	*ret_len = len < left ? len : left;
	return r->base + (gpa - r->d.gpa);
}

/**
 * region_user_ptr() - translate an address of the front-end's process
 * @t:		the table
 * @uaddr:	the address
 * @len:	bytes that must lie within one region
 *
 * Return: a pointer, or NULL.
 */
void *region_user_ptr(struct region_table *t, uint64_t uaddr, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		struct region *r = &t->region[i];

		if (uaddr >= r->d.uaddr && uaddr - r->d.uaddr < r->d.size &&
		    len <= r->d.size - (uaddr - r->d.uaddr))
			return r->base + (uaddr - r->d.uaddr);
	}
	return NULL;
}

/**
 * region_read() - copy out of guest RAM
 * @t:		the table
 * @gpa:	guest-physical address
 * @dst:	where to
 * @len:	bytes; they may lie in several adjacent regions
 *
 * Return: 0, or -EFAULT if a byte is outside RAM.
 */
int region_read(struct region_table *t, uint64_t gpa, void *dst, size_t len)
{
	uint64_t n;
	void *p;

	for (; len; gpa += n, dst = (uint8_t *)dst + n, len -= n) {
		p = ptr(t, gpa, len, &n);
		if (!p)
			return -EFAULT;
		memcpy(dst, p, n);
	}
	return 0;
}

/**
 * region_write() - copy into guest RAM
 * @t:		the table
 * @gpa:	guest-physical address
 * @src:	where from
 * @len:	bytes; they may lie in several adjacent regions
 *
 * Return: 0, or -EFAULT if a byte is outside RAM.
 */
int region_write(struct region_table *t, uint64_t gpa, const void *src,
		 size_t len)
{
	uint64_t n;
	void *p;

	for (; len; gpa += n, src = (const uint8_t *)src + n, len -= n) {
		p = ptr(t, gpa, len, &n);
		if (!p)
			return -EFAULT;
		memcpy(p, src, n);
	}
	return 0;
}

/**
 * region_covers() - whether a piece of guest-physical memory is all RAM
 * @t:		the table
 * @gpa:	where it begins
 * @len:	bytes
 *
 * Return: true if every byte is in a region.
 */
bool region_covers(struct region_table *t, uint64_t gpa, uint64_t len)
{
	uint64_t n;

	for (; len; gpa += n, len -= n)
		if (!ptr(t, gpa, len, &n))
			return false;
	return true;
}

/**
 * region_bytes() - size of guest RAM
 * @t:		the table
 *
 * Return: bytes.
 */
uint64_t region_bytes(const struct region_table *t)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		sum += t->region[i].d.size;
	return sum;
}

/**
 * region_resident() - what guest RAM costs the host
 * @t:		the table
 *
 * Return: bytes allocated in the memory files.
 */
uint64_t region_resident(const struct region_table *t)
{
	unsigned int i, files = 0;
	uint64_t sum = 0;
	struct stat st;

	for (i = 0; i < t->nr; i++) {
		/* The front-end may cut one file into several regions. */
		if (t->region[i].file != files)
			continue;
		files++;
		if (!fstat(t->region[i].fd, &st))
			sum += (uint64_t)st.st_blocks * 512;
	}
	return sum;
}

/**
 * region_files() - how many files guest RAM is
 * @t:		the table
 *
 * Return: their number.
 */
unsigned int region_files(const struct region_table *t)
{
	unsigned int i, files = 0;

	for (i = 0; i < t->nr; i++)
		if (t->region[i].file == files)
			files++;
	return files;
}

/**
 * region_block() - the page size that most of guest RAM has
 * @t:		the table
 *
 * Return: bytes: the block size of the largest region, 4096 without any.
 */
uint64_t region_block(const struct region_table *t)
{
	uint64_t size = 0, block = FRAME_SIZE;
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (t->region[i].d.size > size) {
			size = t->region[i].d.size;
			block = t->region[i].block;
		}
	return block;
}
