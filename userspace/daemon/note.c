// SPDX-License-Identifier: GPL-2.0-or-later
#include "note.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

/**
 * note_write - replace a note
 * @path:	its file
 * @json:	what it says from now on
 *
 * At once: its reader is the next manager, which may come at any moment.
 *
 * Return: 0 or a negative errno.
 */
int note_write(const char *path, const json_t *json)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >=
	    (int)sizeof(temporary))
		return -ENAMETOOLONG;
	errno = 0;
	if (json_dump_file(json, temporary, 0) || rename(temporary, path))
		return errno ? -errno : -ENOMEM;
	return 0;
}
