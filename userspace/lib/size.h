/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes as people write them. Units are powers of two, and a plain number is
 * bytes, as in the guest's sysfs knob.
 */
#ifndef BALLONET_SIZE_H
#define BALLONET_SIZE_H

#include <stdint.h>

/* Bytes for the longest text of size_format(), "1023.9 MiB", and its NUL. */
#define SIZE_TEXT_MAX	16

int size_parse(const char *text, uint64_t *ret_bytes);
const char *size_format(uint64_t bytes, char text[SIZE_TEXT_MAX]);

#endif
