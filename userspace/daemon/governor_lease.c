// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is held is held by the next manager, too, for the rest of the time: it
 * is noted beside the sockets. Times are of the loop, which counts from the
 * host's start, so that they mean the same to the next manager.
 */
#include "governor_parts.h"
#include "note.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The runtime directory is as long as a socket's path may be. */
#define PATH_TEXT_MAX	(SOCK_PATH_MAX + 16)

static void path_of(const struct governor *governor, char text[PATH_TEXT_MAX])
{
	snprintf(text, PATH_TEXT_MAX, "%s/leases",
		 governor->manager->args->runtime_dir);
}

/**
 * governor_leases_note - what is held has changed
 * @governor:	the governor
 */
void governor_leases_note(const struct governor *governor)
{
	const struct lease *lease = governor->admission.leases;
	json_t *json = json_array();
	char path[PATH_TEXT_MAX];
	size_t i;
	int rc;

	for (i = 0; i < governor->admission.nr; i++, lease++)
		json_array_append_new(json, json_pack("{s:s,s:I,s:I}",
			"name", lease->name, "bytes", (json_int_t)lease->bytes,
			"until_ms", (json_int_t)lease->until_ms));
	path_of(governor, path);
	rc = note_write(path, json);
	if (rc)
		log_warn("%s: cannot be written: %s; the next manager will not know what is held",
			 path, strerror(-rc));
	json_decref(json);
}

/* Of longer than anybody may ask for, it is no lease of this start's. */
static bool lease_recall(struct governor *governor, const json_t *json)
{
	uint64_t now = governor_now(governor);
	json_int_t bytes, until_ms;
	const char *name;

	if (json_unpack((json_t *)json, "{s:s,s:I,s:I}", "name", &name,
			"bytes", &bytes, "until_ms", &until_ms) ||
	    !interface_name_valid(name) || bytes <= 0 || until_ms < 0)
		return false;
	return (uint64_t)until_ms <= now + GOVERNOR_HOLD_MAX_MS &&
		!admission_hold(&governor->admission, name, bytes, until_ms);
}

/**
 * governor_leases_recall - hold what the last manager held
 * @governor:	the governor, new
 */
void governor_leases_recall(struct governor *governor)
{
	char path[PATH_TEXT_MAX];
	json_t *json, *lease;
	json_error_t error;
	size_t i;

	path_of(governor, path);
	errno = 0;
	json = json_load_file(path, 0, &error);
	if (!json) {
		if (errno != ENOENT)
			log_warn("%s: %s; what was held is forgotten", path,
				 error.text);
		return;
	}
	json_array_foreach(json, i, lease)
		if (!lease_recall(governor, lease))
			log_warn("%s: number %zu makes no sense: forgotten",
				 path, i);
	json_decref(json);
}
