// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonetctl admit and release: room for a VM that is about to start.
 */
#include "ctl.h"
#include "size.h"

#include <stdio.h>

static void held_lines(json_t *held)
{
	json_int_t bytes = 0, seconds = 0, take = 0, left = 0;
	char text[3][SIZE_TEXT_MAX];
	const char *name = "?";

	json_unpack(held, "{s:s,s:I,s:I,s:I,s:I}", "name", &name,
		    "bytes", &bytes, "seconds", &seconds, "take", &take,
		    "left", &left);
	printf("%s: %s held for %" JSON_INTEGER_FORMAT " s", name,
	       size_format(bytes, text[0]), seconds);
	if (take)
		printf(", of which other VMs have to give %s",
		       size_format(take, text[1]));
	printf("; %s could be promised to one more\n",
	       size_format(left, text[2]));
}

/**
 * ctl_admit - ask whether a VM can start, and hold the room for it
 * @ctl:	with @size, maybe @name and @seconds
 *
 * Return: an exit code.
 */
int ctl_admit(struct ctl *ctl)
{
	json_t *parameters;
	uint64_t bytes;
	int rc;

	if (!ctl->size) {
		ctl_error("admit: SIZE is missing");
		return CTL_USAGE;
	}
	rc = ctl_size("admit", ctl->size, &bytes);
	if (rc)
		return rc;
	parameters = json_pack("{s:I,s:s*}", "bytes", (json_int_t)bytes,
			       "name", ctl->name);
	if (ctl->seconds)
		json_object_set_new(parameters, "seconds",
				    json_integer(ctl->seconds));
	return ctl_show(ctl, "io.ballonet.Governor.Admit", parameters, NULL,
			held_lines);
}

/**
 * ctl_release - the room that was held is no longer needed
 * @ctl:	with @vm, the name it is held for
 *
 * Return: an exit code.
 */
int ctl_release(struct ctl *ctl)
{
	return ctl_order(ctl, "io.ballonet.Governor.Release",
			 json_pack("{s:s}", "name", ctl->vm));
}
