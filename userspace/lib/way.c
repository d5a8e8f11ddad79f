// SPDX-License-Identifier: GPL-2.0-or-later
#include "way.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const way_mode_names[WAY_NR_MODES] = {
	[WAY_BY_PATH] = "auto",
	[WAY_HOLD] = "hold",
	[WAY_BORROW] = "borrow",
};

/* What a path is of, by the names of the configuration and of Add. */
static const char *const path_names[WAY_NR_KINDS] = {
	[WAY_QMP] = "qmp",
	[WAY_PROCESS] = "pidfile",
};

/*
 * A monitor with libvirt as its one client: DIR/domain-ID-NAME/monitor.sock.
 * DIR is /var/lib/libvirt/qemu, that of a user's session is below his home, and
 * that of virt-qemu-run anywhere.
 */
static bool is_libvirts(const char *path)
{
	const char *file = strrchr(path, '/');
	const char *dir = file ? memrchr(path, '/', file - path) : NULL;

	return dir && !strcmp(file, "/monitor.sock") &&
		!strncmp(dir, "/domain-", strlen("/domain-"));
}

/**
 * way_set_path - where the way begins
 * @way:	a way
 * @kind:	WAY_QMP or WAY_PROCESS
 * @path:	absolute
 * @ret_fault:	what is wrong with it
 *
 * Return: 0 or -EINVAL.
 */
int way_set_path(struct way *way, enum way_kind kind, const char *path,
		 struct fault *ret_fault)
{
	if (path[0] != '/')
		return fault_set(ret_fault, -EINVAL,
				 "%s: '%s': expected an absolute path",
				 path_names[kind], path);
	if (strlen(path) >= sizeof(way->path))
		return fault_set(ret_fault, -EINVAL,
				 "%s: path of %zu bytes, limit %zu",
				 path_names[kind], strlen(path),
				 sizeof(way->path) - 1);
	if (kind == WAY_QMP && is_libvirts(path))
		return fault_set(ret_fault, -EINVAL,
				 "%s: %s: this monitor is libvirt's: give the domain a second one",
				 path_names[kind], path);
	way->kind = kind;
	snprintf(way->path, sizeof(way->path), "%s", path);
	return 0;
}

/**
 * way_set_mode - how a monitor is used
 * @way:	a way
 * @name:	of a mode
 * @ret_fault:	what is wrong with it
 *
 * Return: 0 or -EINVAL.
 */
int way_set_mode(struct way *way, const char *name, struct fault *ret_fault)
{
	int i;

	for (i = 0; i < WAY_NR_MODES; i++) {
		if (strcmp(way_mode_names[i], name))
			continue;
		way->mode = i;
		return 0;
	}
	return fault_set(ret_fault, -EINVAL,
			 "qmp_mode: '%s': expected auto, hold or borrow", name);
}

/**
 * way_equal - are these the same?
 * @a:		a way
 * @b:		another
 *
 * Return: true if there is nothing to change.
 */
bool way_equal(const struct way *a, const struct way *b)
{
	/* What else may be said does not concern a back-end. */
	if (a->kind == WAY_BACKEND || b->kind == WAY_BACKEND)
		return a->kind == b->kind;
	return a->kind == b->kind && a->mode == b->mode &&
		a->period_ms == b->period_ms && !strcmp(a->path, b->path);
}

/**
 * way_pack - a way as JSON
 * @way:	the way
 *
 * Return: a new reference, or NULL if there is no memory.
 */
json_t *way_pack(const struct way *way)
{
	if (way->kind == WAY_BACKEND)
		return json_object();
	return json_pack("{s:s,s:s,s:I}", path_names[way->kind], way->path,
			 "qmp_mode", way_mode_names[way->mode],
			 "qmp_period_ms", (json_int_t)way->period_ms);
}

/**
 * way_unpack - a way from JSON
 * @json:	an object that may have other members besides
 * @ret_way:	the way
 * @ret_fault:	what is wrong with it
 *
 * Return: 0 or -EINVAL.
 */
int way_unpack(json_t *json, struct way *ret_way, struct fault *ret_fault)
{
	json_int_t period = json_integer_value(
		json_object_get(json, "qmp_period_ms"));
	const char *mode =
		json_string_value(json_object_get(json, "qmp_mode"));
	struct way way = { .kind = WAY_BACKEND };
	const char *path;
	int i, rc;

	for (i = WAY_BACKEND + 1; i < WAY_NR_KINDS; i++) {
		path = json_string_value(json_object_get(json, path_names[i]));
		if (!path)
			continue;
		if (way.kind)
			return fault_set(ret_fault, -EINVAL,
					 "qmp, pidfile: expected one of them");
		rc = way_set_path(&way, i, path, ret_fault);
		if (rc)
			return rc;
	}
	if (mode && way_set_mode(&way, mode, ret_fault))
		return -EINVAL;
	if (period && (period < WAY_PERIOD_MIN_MS ||
		       period > WAY_PERIOD_MAX_MS))
		return fault_set(ret_fault, -EINVAL,
				 "qmp_period_ms: %lld: expected %d to %d",
				 (long long)period, WAY_PERIOD_MIN_MS,
				 WAY_PERIOD_MAX_MS);
	way.period_ms = period;
	*ret_way = way;
	return 0;
}
