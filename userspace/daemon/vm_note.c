// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm_note.h"
#include "log.h"
#include "note.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A directory as long as a socket's path may be, and a name. */
#define PATH_TEXT_MAX	(SOCK_PATH_MAX + INTERFACE_NAME_MAX + 16)

static void path_of(char text[PATH_TEXT_MAX], const char *dir,
		    const char *name)
{
	snprintf(text, PATH_TEXT_MAX, "%s/%s" VM_NOTE_SUFFIX, dir, name);
}

static json_t *note_load(const char *dir, const char *name)
{
	char path[PATH_TEXT_MAX];

	path_of(path, dir, name);
	return json_load_file(path, 0, NULL);
}

/**
 * vm_note_write - note how a VM is found, and who it is
 * @vm:		a VM without back-end
 * @pid:	of its VMM; 0 if that is not known yet
 *
 * Whether it was added by a call is noted as well: the others come from the
 * configuration.
 */
void vm_note_write(const struct vm *vm, pid_t pid)
{
	json_t *json = way_pack(&vm->way);
	char path[PATH_TEXT_MAX];
	int rc;

	path_of(path, vm->settings->dir, vm->name);
	json_object_set_new(json, "pid", json_integer(pid));
	json_object_set_new(json, "added", json_boolean(!vm->configured));
	rc = note_write(path, json);
	if (rc)
		log_warn("%s: %s: cannot be written: %s; the next manager will not know it",
			 vm->name, path, strerror(-rc));
	json_decref(json);
}

/**
 * vm_note_remove - a VM is forgotten
 * @dir:	where the sockets are
 * @name:	of the VM
 */
void vm_note_remove(const char *dir, const char *name)
{
	char path[PATH_TEXT_MAX];

	path_of(path, dir, name);
	unlink(path);
}

/**
 * vm_note_pid - whom the last manager has talked to
 * @vm:		a VM
 *
 * Return: the process, 0 if there was none.
 */
pid_t vm_note_pid(const struct vm *vm)
{
	json_t *json = note_load(vm->settings->dir, vm->name);
	pid_t pid = (pid_t)json_integer_value(json_object_get(json, "pid"));

	json_decref(json);
	return pid;
}

/**
 * vm_note_read - how a VM is found that was added by a call
 * @dir:	where the sockets are
 * @name:	of the VM
 * @ret_way:	the way to it
 *
 * Return: 0, -ENOENT if it was not added, -EINVAL if that makes no sense.
 */
int vm_note_read(const char *dir, const char *name, struct way *ret_way)
{
	json_t *json = note_load(dir, name);
	struct fault fault;
	int rc = -ENOENT;

	if (json_is_true(json_object_get(json, "added")))
		rc = way_unpack(json, ret_way, &fault);
	json_decref(json);
	return rc;
}
