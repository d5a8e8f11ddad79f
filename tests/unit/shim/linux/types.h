/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's types, for pure files of the driver built in userspace. */
#ifndef _SHIM_LINUX_TYPES_H
#define _SHIM_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;

#endif
