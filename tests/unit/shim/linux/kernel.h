/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_LINUX_KERNEL_H
#define _SHIM_LINUX_KERNEL_H

#include <errno.h>
#include <stdlib.h>

#include "types.h"

/* Only ever called with digits. */
static inline int kstrtou64(const char *s, unsigned int base, u64 *ret)
{
	errno = 0;
	*ret = strtoull(s, NULL, base);
	return -errno;
}

#endif
