/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _SHIM_LINUX_MINMAX_H
#define _SHIM_LINUX_MINMAX_H

static inline unsigned long long min3(unsigned long long a,
				      unsigned long long b,
				      unsigned long long c)
{
	unsigned long long ab = a < b ? a : b;

	return ab < c ? ab : c;
}

#endif
