/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the next manager has to know of a VM that has no back-end which would
 * tell it: a small file beside the sockets, NAME.way.
 */
#ifndef BALLONET_VM_NOTE_H
#define BALLONET_VM_NOTE_H

#include "vm.h"
#include "way.h"

#define VM_NOTE_SUFFIX	".way"

void vm_note_write(const struct vm *vm, pid_t pid);
void vm_note_remove(const char *dir, const char *name);
pid_t vm_note_pid(const struct vm *vm);
int vm_note_read(const char *dir, const char *name, struct way *ret_way);

#endif
