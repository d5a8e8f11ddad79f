/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors kept for a back-end: the keeper's side of systemd's fd store
 * (sd_notify(3), FDSTORE=1; sd_listen_fds(3)).
 */
#ifndef BALLONET_STORE_H
#define BALLONET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Most descriptors for one VM: a region each for QEMU's 512 memory slots,
 * two for each of 64 queues, and a few. More is a back-end gone mad.
 */
#define STORE_MAX 768

struct store_entry {
	char *name;
	int fd;
};

/**
 * struct store - the descriptors of one VM; all zero is empty
 * @entries:	names differ
 * @nr:		elements of @entries
 */
struct store {
	struct store_entry *entries;
	size_t nr;
};

/**
 * struct store_message - what a notification said besides
 * @pid:	who sent it, as the kernel knows
 * @ready:	READY=1
 * @kept:	a descriptor went into the store
 * @refused:	0, or a negative errno: descriptors were not kept
 */
struct store_message {
	pid_t pid;
	bool ready;
	bool kept;
	int refused;
};

int store_prepare(int fd);
int store_receive(struct store *store, int fd, pid_t pid,
		  struct store_message *ret_message);
int store_find(const struct store *store, const char *name);
char *store_names(const struct store *store);
void store_clear(struct store *store);

#endif
