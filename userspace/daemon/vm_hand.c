// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * That an operator has set a VM's balloon is not for the next manager to undo:
 * a small file beside the sockets, NAME.hand, has its size.
 */
#include "log.h"
#include "vm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A directory as long as a socket's path may be, and a name. */
#define PATH_TEXT_MAX	(SOCK_PATH_MAX + INTERFACE_NAME_MAX + 16)
/* Devices count in frames of 4096 bytes. */
#define FRAME		4096

static void path_of(const struct vm *vm, char text[PATH_TEXT_MAX])
{
	snprintf(text, PATH_TEXT_MAX, "%s/%s.hand", vm->settings->dir,
		 vm->name);
}

static int write_to(const char *path, uint64_t bytes)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fprintf(file, "%" PRIu64 "\n", bytes);
	return fclose(file) ? -errno : 0;
}

/**
 * vm_hand_note - an operator has set the balloon
 * @vm:		a VM with its wish
 */
void vm_hand_note(const struct vm *vm)
{
	char path[PATH_TEXT_MAX], temporary[PATH_TEXT_MAX + 4];

	path_of(vm, path);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	/* Its reader is the next manager, which may come at any moment. */
	if (write_to(temporary, vm->wish_bytes) || rename(temporary, path))
		log_warn("%s: %s: cannot be written: %m; the next manager will not know that its balloon was set",
			 vm->name, path);
}

/**
 * vm_hand_forget - what an operator has set does not count any more
 * @vm:		a VM
 */
void vm_hand_forget(const struct vm *vm)
{
	char path[PATH_TEXT_MAX];

	path_of(vm, path);
	unlink(path);
}

/**
 * vm_hand_recall - did an operator set the balloon while another manager ran?
 * @vm:		a VM that is new here
 */
void vm_hand_recall(struct vm *vm)
{
	char path[PATH_TEXT_MAX];
	uint64_t bytes;
	FILE *file;

	path_of(vm, path);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "%" SCNu64, &bytes) == 1 && bytes <= INT64_MAX &&
	    !(bytes % FRAME)) {
		vm->wish = CONF_WISH_BALLOON;
		vm->wish_bytes = bytes;
	}
	fclose(file);
}
