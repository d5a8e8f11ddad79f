// SPDX-License-Identifier: GPL-2.0-or-later
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* SCM_MAX_FD of the kernel. */
#define MESSAGE_FDS	253
/* A notification is a few assignments; systemd's own limit is a page, too. */
#define MESSAGE_BYTES	4096

/* One notification, taken apart. */
struct notification {
	char text[MESSAGE_BYTES + 1];
	int fds[MESSAGE_FDS];
	size_t nr_fds;
	const char *name;
	bool store;
	bool remove;
	struct store_message message;
};

/**
 * store_prepare - make a socket fit for store_receive()
 * @fd:		a datagram socket
 *
 * Return: 0 or a negative errno.
 */
int store_prepare(int fd)
{
	static const int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

static ssize_t find(const struct store *store, const char *name)
{
	size_t i;

	for (i = 0; i < store->nr; i++)
		if (!strcmp(store->entries[i].name, name))
			return i;
	return -1;
}

static void drop(struct store *store, const char *name)
{
	ssize_t i = find(store, name);

	if (i < 0)
		return;
	close(store->entries[i].fd);
	free(store->entries[i].name);
	store->entries[i] = store->entries[--store->nr];
}

/* Takes @fd. A name that is there already gets the new descriptor. */
static int keep(struct store *store, const char *name, int fd)
{
	struct store_entry *entries;
	char *copy;

	drop(store, name);
	if (store->nr == STORE_MAX) {
		close(fd);
		return -E2BIG;
	}
	entries = reallocarray(store->entries, store->nr + 1,
			       sizeof(*entries));
	if (entries)
		store->entries = entries;
	copy = entries ? strdup(name) : NULL;
	if (!copy) {
		close(fd);
		return -ENOMEM;
	}
	entries[store->nr++] = (struct store_entry){ copy, fd };
	return 0;
}

static void control_parse(struct notification *n, struct msghdr *mh)
{
	struct cmsghdr *c;
	struct ucred cred;
	size_t nr;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(n->fds, CMSG_DATA(c), nr * sizeof(int));
			n->nr_fds = nr;
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			n->message.pid = cred.pid;
		}
	}
}

/* systemd's own limits for a name: printable, no colon. */
static bool name_valid(const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++)
		if (name[i] <= ' ' || name[i] >= 127 || name[i] == ':' ||
		    i >= 255)
			return false;
	return i > 0;
}

static void text_parse(struct notification *n)
{
	char *save, *line;

	for (line = strtok_r(n->text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, "FDSTORE=1"))
			n->store = true;
		else if (!strcmp(line, "FDSTOREREMOVE=1"))
			n->remove = true;
		else if (!strcmp(line, "READY=1"))
			n->message.ready = true;
		else if (!strncmp(line, "FDNAME=", 7))
			n->name = line + 7;
	}
}

static int receive(int fd, struct notification *n)
{
	char control[CMSG_SPACE(sizeof(n->fds)) +
		CMSG_SPACE(sizeof(struct ucred))]
		__attribute__((aligned(sizeof(size_t))));
	struct iovec iov = { n->text, MESSAGE_BYTES };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len;

	do {
		len = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? 0 : -errno;
	n->text[len] = '\0';
	n->nr_fds = 0;
	n->name = NULL;
	n->store = n->remove = false;
	n->message = (struct store_message){ 0 };
	control_parse(n, &mh);
	if (!(mh.msg_flags & MSG_TRUNC))
		text_parse(n);
	return 1;
}

/**
 * store_receive - take one notification
 * @store:	where descriptors go to and are taken from
 * @fd:		the socket, after store_prepare()
 * @pid:	what others than this process say does nothing; 0 is anybody
 * @ret_message: what it said besides
 *
 * Return: 1, 0 if there is none, or a negative errno.
 */
int store_receive(struct store *store, int fd, pid_t pid,
		  struct store_message *ret_message)
{
	struct notification n;
	size_t i;
	int rc;

	rc = receive(fd, &n);
	if (rc <= 0)
		return rc;
	if (pid && n.message.pid != pid) {
		n.store = n.remove = n.message.ready = false;
		n.message.refused = n.nr_fds ? -EPERM : 0;
	} else if (n.store && (!n.name || !name_valid(n.name) ||
			       n.nr_fds != 1)) {
		n.message.refused = -EINVAL;
		n.store = false;
	}
	if (n.remove && n.name)
		drop(store, n.name);
	for (i = 0; i < n.nr_fds; i++) {
		if (!n.store) {
			close(n.fds[i]);
			continue;
		}
		rc = keep(store, n.name, n.fds[i]);
		if (rc)
			n.message.refused = rc;
		else
			n.message.kept = true;
	}
	*ret_message = n.message;
	return 1;
}

/**
 * store_find - a descriptor that is kept
 * @store:	the descriptors
 * @name:	of the one
 *
 * Return: the store's own descriptor, or -1.
 */
int store_find(const struct store *store, const char *name)
{
	ssize_t i = find(store, name);

	return i < 0 ? -1 : store->entries[i].fd;
}

/**
 * store_names - the names as LISTEN_FDNAMES has them
 * @store:	a store
 *
 * Return: a text to be freed, or NULL if there is no memory.
 */
char *store_names(const struct store *store)
{
	size_t i, len = 1;
	char *names, *p;

	for (i = 0; i < store->nr; i++)
		len += strlen(store->entries[i].name) + 1;
	names = p = malloc(len);
	if (!names)
		return NULL;
	*p = '\0';
	for (i = 0; i < store->nr; i++) {
		if (i)
			*p++ = ':';
		p = stpcpy(p, store->entries[i].name);
	}
	return names;
}

/**
 * store_clear - close all descriptors
 * @store:	afterwards empty
 */
void store_clear(struct store *store)
{
	size_t i;

	for (i = 0; i < store->nr; i++) {
		close(store->entries[i].fd);
		free(store->entries[i].name);
	}
	free(store->entries);
	*store = (struct store){ 0 };
}
