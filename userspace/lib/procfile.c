// SPDX-License-Identifier: GPL-2.0-or-later
#include "procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, text + len, size - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			len += n;
	} while (n && len < size);
	return len;
}

/**
 * procfile_read - read a small file whole
 * @dir_fd:	directory that @path starts from
 * @path:	no symbolic link at its end
 * @text:	filled, with a NUL
 * @size:	of @text
 *
 * Return: the length without the NUL, -EFBIG if it does not fit, or what the
 * system said: -ENOENT, -ENODEV for a cgroup that is gone.
 */
ssize_t procfile_read(int dir_fd, const char *path, char *text, size_t size)
{
	ssize_t len;
	int fd;

	/* Not to be held by a pipe, should something be wrong with the path. */
	fd = openat(dir_fd, path,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	len = read_all(fd, text, size);
	close(fd);
	if (len == (ssize_t)size)
		len = -EFBIG;
	if (len >= 0)
		text[len] = '\0';
	return len;
}

/**
 * procfile_number - read a decimal number
 * @pos:	its first digit; afterwards behind its last one
 * @ret_number:	at most INT64_MAX
 *
 * Return: false if there is none or it is greater, and nothing has changed.
 */
bool procfile_number(const char **pos, uint64_t *ret_number)
{
	const char *p = *pos;
	uint64_t number = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *p - '0', &number))
			return false;
	if (number > INT64_MAX)
		return false;
	*ret_number = number;
	*pos = p;
	return true;
}

/**
 * procfile_scale - convert units, or add up
 * @number:	or PROCFILE_UNKNOWN
 * @unit:	what it is multiplied by
 *
 * Return: the product, PROCFILE_UNKNOWN if it exceeds INT64_MAX.
 */
uint64_t procfile_scale(uint64_t number, uint32_t unit)
{
	uint64_t product;

	if (__builtin_mul_overflow(number, unit, &product) ||
	    product > INT64_MAX)
		return PROCFILE_UNKNOWN;
	return product;
}

/* The number of this line, if it is the field's; else unknown. */
static uint64_t line_value(const char *line,
			   const struct procfile_field *field, bool sum)
{
	size_t len = strlen(field->name) - sum;
	uint64_t number;

	if (strncmp(line, field->name, len))
		return PROCFILE_UNKNOWN;
	line += sum ? strcspn(line, ": \t\n") : len;
	if (*line == ':')
		line++;
	if (*line != ' ' && *line != '\t')
		return PROCFILE_UNKNOWN;
	line += strspn(line, " \t");
	if (!procfile_number(&line, &number) || !strchr(" \t\n", *line))
		return PROCFILE_UNKNOWN;
	return procfile_scale(number, field->unit);
}

/* The first line of a name counts, or all of them if they are added up. */
static void line_take(const char *line, const struct procfile_field *field,
		      uint64_t *taken)
{
	bool sum = field->name[strlen(field->name) - 1] == '*';
	uint64_t value;

	if (*taken != PROCFILE_UNKNOWN && !sum)
		return;
	value = line_value(line, field, sum);
	if (value == PROCFILE_UNKNOWN)
		return;
	if (*taken == PROCFILE_UNKNOWN)
		*taken = 0;
	if (__builtin_add_overflow(*taken, value, taken) || *taken > INT64_MAX)
		*taken = INT64_MAX;
}

/**
 * procfile_fields - take numbers out of lines of names and numbers
 * @text:	of procfile_read()
 * @prefix:	what all lines begin with, or ""
 * @fields:	which lines are wanted
 * @nr:		elements of @fields
 * @ret_struct:	what procfile_field.offset counts from; all fields are written
 */
void procfile_fields(const char *text, const char *prefix,
		     const struct procfile_field *fields, size_t nr,
		     void *ret_struct)
{
	size_t skip = strlen(prefix), i;
	const char *line = text;

	for (i = 0; i < nr; i++)
		*(uint64_t *)((char *)ret_struct + fields[i].offset) =
			PROCFILE_UNKNOWN;
	while (*line) {
		if (!strncmp(line, prefix, skip))
			for (i = 0; i < nr; i++)
				line_take(line + skip, &fields[i],
					  (uint64_t *)((char *)ret_struct +
						       fields[i].offset));
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}
