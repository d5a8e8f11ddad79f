// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sizes as administrators write them into sysfs. Pure, also built by the unit
 * tests.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>

#include <linux/ballonet.h>

#include "size.h"

#define FRAME_MASK	((1ULL << BALLONET_FRAME_SHIFT) - 1)

/* How far a binary suffix shifts, or -1 for one that is none. */
static int suffix_shift(char suffix)
{
	static const char upper[] = "KMGT", lower[] = "kmgt";
	int i;

	for (i = 0; upper[i]; i++)
		if (suffix == upper[i] || suffix == lower[i])
			return 10 * (i + 1);
	return -1;
}

/**
 * ballonet_size_parse() - read a number of bytes
 * @buf:	decimal digits, one of the suffixes K, M, G, T or none, a
 *		newline or none
 * @most:	frames that are allowed
 * @ret_frames:	gets the size
 *
 * Return: 0, or -EINVAL for what is not exactly that, not whole frames, or
 * more than @most.
 */
int ballonet_size_parse(const char *buf, u64 most, u64 *ret_frames)
{
	char digits[24] = "";
	size_t len;
	u64 bytes;
	int shift;

	len = strspn(buf, "0123456789");
	if (!len || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, buf, len);
	if (kstrtou64(digits, 10, &bytes))
		return -EINVAL;

	buf += len;
	if (*buf && *buf != '\n') {
		shift = suffix_shift(*buf++);
		if (shift < 0 || bytes > U64_MAX >> shift)
			return -EINVAL;
		bytes <<= shift;
	}
	if (*buf == '\n')
		buf++;
	if (*buf || bytes & FRAME_MASK || bytes >> BALLONET_FRAME_SHIFT > most)
		return -EINVAL;
	*ret_frames = bytes >> BALLONET_FRAME_SHIFT;
	return 0;
}
