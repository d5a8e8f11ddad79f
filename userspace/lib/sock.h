/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unix sockets with a path.
 */
#ifndef BALLONET_SOCK_H
#define BALLONET_SOCK_H

#include <sys/types.h>

/* sun_path with its NUL: unix(7). */
#define SOCK_PATH_MAX 108

int sock_bind(const char *path, int type, mode_t mode, gid_t gid,
	      int *ret_fd);
int sock_connect(const char *path, int *ret_fd);
const char *sock_bind_error(int rc);

#endif
