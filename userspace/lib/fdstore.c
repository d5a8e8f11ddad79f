// SPDX-License-Identifier: GPL-2.0-or-later

#include "fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* SD_LISTEN_FDS_START */
#define FIRST_FD	3

/* A keeper that does not read must not stop a VMM that waits for us. */
#define SEND_TIMEOUT_MS	500

/**
 * fdstore_init() - find who keeps the descriptors
 * @store:	afterwards valid in any case
 * @path:	value of NOTIFY_SOCKET: a path, or a name after '@'; NULL or
 *		empty if there is nobody
 *
 * Return: 0, or a negative errno and nobody keeps anything.
 */
int fdstore_init(struct fdstore *store, const char *path)
{
	const struct timeval timeout = { .tv_usec = SEND_TIMEOUT_MS * 1000 };
	size_t len;
	int sock;

	*store = (struct fdstore){ .sock = -1 };
	if (!path || !*path)
		return 0;
	len = strlen(path);
	if (len >= sizeof(store->addr.sun_path))
		return -ENAMETOOLONG;
	if (*path != '/' && *path != '@')
		return -EINVAL;

	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	(void)setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &timeout,
			 sizeof(timeout));
	store->addr.sun_family = AF_UNIX;
	memcpy(store->addr.sun_path, path, len);
	if (*path == '@')
		store->addr.sun_path[0] = 0;
	store->addr_len = offsetof(struct sockaddr_un, sun_path) + len;
	store->sock = sock;
	return 0;
}

/**
 * fdstore_deinit() - forget who keeps the descriptors
 * @store:	what fdstore_init() set up
 */
void fdstore_deinit(struct fdstore *store)
{
	if (store->sock >= 0)
		close(store->sock);
	store->sock = -1;
}

static int notify_fd(struct fdstore *store, const char *text, int fd)
{
	char control[CMSG_SPACE(sizeof(int))]
		__attribute__((aligned(sizeof(size_t)))) = "";
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr mh = {
		.msg_name = &store->addr,
		.msg_namelen = store->addr_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	struct cmsghdr *c;
	ssize_t n;

	if (store->sock < 0)
		return 0;
	if (fd >= 0) {
		mh.msg_control = control;
		mh.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(store->sock, &mh, MSG_NOSIGNAL |
			    (store->nowait ? MSG_DONTWAIT : 0));
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		store->nowait = true;
	return n < 0 ? -errno : 0;
}

/**
 * fdstore_notify() - tell who started us something
 * @store:	where to
 * @text:	sd_notify(3) assignments, such as "READY=1"
 *
 * Return: 0, also if there is nobody to tell, or a negative errno.
 */
int fdstore_notify(struct fdstore *store, const char *text)
{
	return notify_fd(store, text, -1);
}

/**
 * fdstore_push() - have a descriptor kept
 * @store:	where to
 * @name:	what a successor knows it by
 * @fd:		the descriptor; stays the caller's
 *
 * Return: 0, also if there is nobody to keep it, or a negative errno.
 */
int fdstore_push(struct fdstore *store, const char *name, int fd)
{
	char text[FDSTORE_NAME_MAX + 32];

	/* Not dropped at a hang-up: the end of a file is news for us alone. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	return notify_fd(store, text, fd);
}

/**
 * fdstore_drop() - have a descriptor forgotten
 * @store:	where to
 * @name:	what it was stored as
 *
 * Return: 0, also if there is nobody who kept it, or a negative errno.
 */
int fdstore_drop(struct fdstore *store, const char *name)
{
	char text[FDSTORE_NAME_MAX + 32];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return notify_fd(store, text, -1);
}

static int inherit_one(int fd, const char **names, struct fdstore_fd *ret_fd)
{
	size_t len = strcspn(*names, ":");

	if (len >= sizeof(ret_fd->name))
		return -ENAMETOOLONG;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	memcpy(ret_fd->name, *names, len);
	ret_fd->name[len] = 0;
	ret_fd->fd = fd;
	*names += len;
	if (**names)
		++*names;
	return 0;
}

/**
 * fdstore_inherited() - what a predecessor left
 * @pid:	value of LISTEN_PID
 * @fds:	value of LISTEN_FDS
 * @names:	value of LISTEN_FDNAMES; each of the three may be NULL
 * @ret_fds:	the descriptors, made close-on-exec
 * @max:	room in @ret_fds
 *
 * Return: how many, 0 if they are not for this process, or a negative errno.
 */
int fdstore_inherited(const char *pid, const char *fds, const char *names,
		      struct fdstore_fd *ret_fds, size_t max)
{
	size_t i, n;
	int ret;

	if (!pid || !fds || strtol(pid, NULL, 10) != getpid())
		return 0;
	n = strtoul(fds, NULL, 10);
	if (n > max)
		return -E2BIG;
	if (!names)
		names = "";
	for (i = 0; i < n; i++) {
		ret = inherit_one(FIRST_FD + i, &names, &ret_fds[i]);
		if (ret)
			return ret;
	}
	return n;
}
