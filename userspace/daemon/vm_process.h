/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM of which only the process is known, by a file with its number, as QEMU
 * and others write it. It has no balloon: what the host can do alone is left.
 */
#ifndef BALLONET_VM_PROCESS_H
#define BALLONET_VM_PROCESS_H

#include "vm.h"
#include "way.h"

int vm_process_create(const struct vm_settings *settings, const char *name,
		      const struct way *way, struct vm **ret_vm);

#endif
