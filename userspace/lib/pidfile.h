/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that a file with a number names. The file may be older than that
 * process: who wrote it has ended, and another one has the number now.
 */
#ifndef BALLONET_PIDFILE_H
#define BALLONET_PIDFILE_H

#include <sys/types.h>

int pidfile_open(const char *path, pid_t *ret_pid);
const char *pidfile_error(int rc);

#endif
