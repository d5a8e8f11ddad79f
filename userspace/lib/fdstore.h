/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's side of systemd's fd store (sd_notify(3), file descriptor
 * store; sd_listen_fds(3)), without libsystemd: whoever started this program
 * keeps copies of its descriptors and hands them to its successor.
 */
#ifndef BALLONET_FDSTORE_H
#define BALLONET_FDSTORE_H

#include <stddef.h>
#include <sys/socket.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Longest name of a descriptor, with its NUL. */
#define FDSTORE_NAME_MAX	64

/**
 * struct fdstore - the way to who keeps the descriptors
 * @sock:	-1 if nobody does
 * @addr:	where to
 * @addr_len:	bytes of @addr
 * @nowait:	it does not read: sending fails at once where it would wait.
 *		Set when that took too long, cleared by the caller
 */
struct fdstore {
	int sock;
	bool nowait;
	struct sockaddr_un addr;
	socklen_t addr_len;
};

/**
 * struct fdstore_fd - a descriptor that a predecessor left
 * @name:	as it was stored
 * @fd:		its number here
 */
struct fdstore_fd {
	char name[FDSTORE_NAME_MAX];
	int fd;
};

int fdstore_init(struct fdstore *store, const char *path);
void fdstore_deinit(struct fdstore *store);
int fdstore_notify(struct fdstore *store, const char *text);
int fdstore_push(struct fdstore *store, const char *name, int fd);
int fdstore_drop(struct fdstore *store, const char *name);
int fdstore_inherited(const char *pid, const char *fds, const char *names,
		      struct fdstore_fd *ret_fds, size_t max);

#endif /* BALLONET_FDSTORE_H */
