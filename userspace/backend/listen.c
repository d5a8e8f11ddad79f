// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listening sockets of the file system.
 */

#include "listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Does somebody live behind this path? A datagram socket cannot connect to a
 * stream socket: the kernel says so, and the other side hears nothing. A path
 * whose socket is gone refuses.
 */
static int probe(const struct sockaddr_un *addr)
{
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ?
	      -errno : 0;
	close(fd);
	return ret;
}

static int make_way(const struct sockaddr_un *addr, struct fault *ret_fault)
{
	struct stat st;

	if (lstat(addr->sun_path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return fault_set(ret_fault, -EEXIST,
			"socket %s: there is something else of this name",
			addr->sun_path);
	if (probe(addr) != -ECONNREFUSED)
		return fault_set(ret_fault, -EADDRINUSE,
			"socket %s: in use by another process",
			addr->sun_path);
	(void)unlink(addr->sun_path);
	return 0;
}

/**
 * listen_at() - listen on a path
 * @path:	where; a socket that nobody listens on any more is replaced
 * @ret_fault:	what is wrong
 *
 * Return: the listening socket or a negative errno.
 */
int listen_at(const char *path, struct fault *ret_fault)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd, ret;

	if (!len || len >= sizeof(addr.sun_path))
		return fault_set(ret_fault, -ENAMETOOLONG,
			"socket %s: path of %zu bytes, limit 1 to %zu", path,
			len, sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, len);
	ret = make_way(&addr, ret_fault);
	if (ret)
		return ret;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fault_set(ret_fault, -errno, "socket %s: %s", path,
				 strerror(errno));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, SOMAXCONN)) {
		ret = fault_set(ret_fault, -errno, "socket %s: %s", path,
				strerror(errno));
		close(fd);
		return ret;
	}
	return fd;
}
