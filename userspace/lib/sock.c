// SPDX-License-Identifier: GPL-2.0-or-later
#include "sock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int addr_init(struct sockaddr_un *addr, const char *path)
{
	size_t len = strlen(path);

	/* An empty one would be a name that the kernel chooses. */
	if (!len || len >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(addr->sun_path, path, len);
	return 0;
}

/*
 * Removes what a process that is gone left; somebody who listens stays. Asked
 * with a socket of another type, which finds out (EPROTOTYPE) without a
 * connection: a back-end that stands alone takes its first one for the VMM.
 */
static int stale_remove(const struct sockaddr_un *addr, int type)
{
	int other = type == SOCK_STREAM ? SOCK_DGRAM : SOCK_STREAM;
	struct stat st;
	int fd, rc;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, other | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	rc = rc < 0 ? -errno : 0;
	close(fd);
	if (rc != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/**
 * sock_bind - make a socket with a path, and listen if it is a stream
 * @path:	where; a socket that nobody listens on is replaced
 * @type:	SOCK_STREAM or SOCK_DGRAM
 * @mode:	who may connect
 * @gid:	group of the socket, or -1
 * @ret_fd:	the socket, non-blocking
 *
 * Return: 0 or a negative errno: -ENAMETOOLONG, -EADDRINUSE if somebody
 * listens there, -EEXIST if it is no socket, or what the system said.
 */
int sock_bind(const char *path, int type, mode_t mode, gid_t gid, int *ret_fd)
{
	struct sockaddr_un addr;
	mode_t mask;
	int fd, rc;

	rc = addr_init(&addr, path);
	if (!rc)
		rc = stale_remove(&addr, type);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Nobody gets in before the group is right. */
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (rc < 0)
		goto fail;
	if (gid != (gid_t)-1 && chown(path, -1, gid) < 0)
		goto fail_path;
	if (chmod(path, mode) < 0)
		goto fail_path;
	if (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0)
		goto fail_path;
	*ret_fd = fd;
	return 0;

fail_path:
	rc = -errno;
	unlink(path);
	close(fd);
	return rc;
fail:
	rc = -errno;
	close(fd);
	return rc;
}

/**
 * sock_connect - connect a stream
 * @path:	where to
 * @ret_fd:	the socket, non-blocking
 *
 * Return: 0 or a negative errno.
 */
int sock_connect(const char *path, int *ret_fd)
{
	struct sockaddr_un addr;
	int fd, rc;

	rc = addr_init(&addr, path);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

/**
 * sock_bind_error - why sock_bind() failed, in words
 * @rc:		what it returned
 *
 * Return: a text.
 */
const char *sock_bind_error(int rc)
{
	switch (rc) {
	case -ENAMETOOLONG:
		return "path is empty or too long, limit 107 bytes";
	case -EADDRINUSE:
		return "in use by another process";
	case -EEXIST:
		return "exists and is no socket";
	default:
		return strerror(-rc);
	}
}
