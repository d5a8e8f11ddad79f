// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a VM occupies, by the files of its RAM, of which we keep descriptors for
 * the next back-end. A back-end shows that, too, but only now and then: a guest
 * that fills its memory tells nobody. That is too late for a host that goes by
 * what its VMs occupy.
 */
#include "vm_backend.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* What a back-end calls them: region.1 and so on. */
#define REGION	"region."

/**
 * struct file - a file that was counted
 * @dev:	where it is
 * @ino:	its number there
 */
struct file {
	dev_t dev;
	ino_t ino;
};

/*
 * The back-end, which is its guest's, has chosen the descriptor. Nobody waits
 * for a file of memory, which is what can be sealed; for others one might.
 */
static bool is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/* A VMM may have cut one file into several regions. */
static bool is_new(const struct stat *st, struct file *files, size_t *nr)
{
	size_t i;

	for (i = 0; i < *nr; i++)
		if (files[i].ino == st->st_ino && files[i].dev == st->st_dev)
			return false;
	files[(*nr)++] = (struct file){ st->st_dev, st->st_ino };
	return true;
}

/**
 * vm_regions_resident - what the files of a VM's RAM occupy now
 * @store:	what is kept for its back-end
 * @ret_bytes:	with what of it is paged out; untouched if it is not known
 *
 * Return: true if there are regions, all of them in memory.
 */
bool vm_regions_resident(const struct store *store, uint64_t *ret_bytes)
{
	struct file files[STORE_MAX];
	uint64_t bytes = 0;
	struct stat st;
	size_t i, nr = 0;

	for (i = 0; i < store->nr; i++) {
		const struct store_entry *entry = &store->entries[i];

		if (strncmp(entry->name, REGION, strlen(REGION)))
			continue;
		if (!is_memory(entry->fd) || fstat(entry->fd, &st))
			return false;
		if (is_new(&st, files, &nr))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	if (nr)
		*ret_bytes = bytes;
	return nr > 0;
}
