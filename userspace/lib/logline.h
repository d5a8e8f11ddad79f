/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines for people that nobody waits for.
 */
#ifndef BALLONET_LOGLINE_H
#define BALLONET_LOGLINE_H

#include <stddef.h>

/* Longer ones are cut. */
#define LOGLINE_MAX	1024

void logline_write(const char *text, size_t len);

#endif
