/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small text files of the kernel, below /proc, /sys and in cgroups: lines of a
 * name and a number. What is missing or is no number is unknown, never 0.
 */
#ifndef BALLONET_PROCFILE_H
#define BALLONET_PROCFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel does not say. Numbers that it does say are at most INT64_MAX. */
#define PROCFILE_UNKNOWN	UINT64_MAX

/* The word "max" where a limit stands. */
#define PROCFILE_NO_LIMIT	(UINT64_MAX - 1)

/**
 * struct procfile_field - a line that is wanted
 * @name:	first word of the line, without the colon that may follow it;
 *		with a * at its end all lines that begin so are added up
 * @unit:	what the number is multiplied by
 * @offset:	of the uint64_t that takes it
 */
struct procfile_field {
	const char *name;
	uint32_t unit;
	size_t offset;
};

ssize_t procfile_read(int dir_fd, const char *path, char *text, size_t size);
bool procfile_number(const char **pos, uint64_t *ret_number);
uint64_t procfile_scale(uint64_t number, uint32_t unit);
void procfile_fields(const char *text, const char *prefix,
		     const struct procfile_field *fields, size_t nr,
		     void *ret_struct);

#endif
