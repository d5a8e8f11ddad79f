// SPDX-License-Identifier: GPL-2.0-or-later
#include "size.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char units[] = "KMGTPE";

/* Sizes travel as JSON integers, which are signed. */
#define SIZE_LIMIT	INT64_MAX

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * K, Ki and KiB alike, in any case. Not KB: it is 1000 bytes to some and 1024
 * to others.
 */
static int unit_parse(const char *text, unsigned int *ret_shift)
{
	const char *unit;

	if (!*text || !strcasecmp(text, "b")) {
		*ret_shift = 0;
		return 0;
	}
	unit = memchr(units, *text & ~0x20, sizeof(units) - 1);
	if (!unit)
		return -EINVAL;
	if (text[1] && strcasecmp(text + 1, "i") && strcasecmp(text + 1, "ib"))
		return -EINVAL;
	*ret_shift = 10 * (unit - units + 1);
	return 0;
}

/**
 * size_parse - read a size
 * @text:	digits, a fraction if there is a unit, and a unit: B, or one of
 *		K M G T P E alone or with i or iB, in any case
 * @ret_bytes:	the size; a fraction of a byte is cut off
 *
 * Return: 0, -EINVAL if it is no size, -ERANGE if it is above INT64_MAX.
 */
int size_parse(const char *text, uint64_t *ret_bytes)
{
	const char *point, *p = text;
	unsigned int shift;
	uint64_t bytes = 0, part = 0;
	int overflow = 0;

	for (; is_digit(*p); p++)
		overflow |= __builtin_mul_overflow(bytes, 10, &bytes) ||
			__builtin_add_overflow(bytes, *p - '0', &bytes);
	if (p == text)
		return -EINVAL;
	point = p;
	if (*p == '.')
		for (p++; is_digit(*p); p++)
			;
	if (unit_parse(p, &shift) || (p != point && (p == point + 1 || !shift)))
		return -EINVAL;
	if (overflow || bytes > (uint64_t)SIZE_LIMIT >> shift)
		return -ERANGE;
	/* From the last digit: exact, whatever the number of digits. */
	while (--p > point)
		part = (((uint64_t)(*p - '0') << shift) + part) / 10;
	*ret_bytes = (bytes << shift) + part;
	return 0;
}

/**
 * size_format - write a size for people
 * @bytes:	the size
 * @text:	at least SIZE_TEXT_MAX bytes
 *
 * The largest unit that gives at least 1, with one decimal, cut off, so that
 * nothing looks reached before it is.
 *
 * Return: @text.
 */
const char *size_format(uint64_t bytes, char text[SIZE_TEXT_MAX])
{
	unsigned int unit, shift, tenths;

	for (unit = 0; unit < sizeof(units) - 1; unit++)
		if (bytes >> (10 * (unit + 1)) == 0)
			break;
	if (!unit) {
		snprintf(text, SIZE_TEXT_MAX, "%u B", (unsigned int)bytes);
		return text;
	}
	shift = 10 * unit;
	/* Ten bits below the unit decide the decimal; no overflow at 2^64. */
	tenths = (bytes >> (shift - 10) & 1023) * 10 / 1024;
	if (tenths)
		snprintf(text, SIZE_TEXT_MAX, "%u.%u %ciB",
			 (unsigned int)(bytes >> shift), tenths,
			 units[unit - 1]);
	else
		snprintf(text, SIZE_TEXT_MAX, "%u %ciB",
			 (unsigned int)(bytes >> shift), units[unit - 1]);
	return text;
}
