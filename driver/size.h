/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _BALLONET_SIZE_H
#define _BALLONET_SIZE_H

#include <linux/types.h>

int ballonet_size_parse(const char *buf, u64 most, u64 *ret_frames);

#endif
