/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM whose balloon is its VMM's own, by its monitor (qmp_link.h).
 */
#ifndef BALLONET_VM_QMP_H
#define BALLONET_VM_QMP_H

#include "vm.h"
#include "way.h"

int vm_qmp_create(const struct vm_settings *settings, const char *name,
		  const struct way *way, struct vm **ret_vm,
		  struct fault *ret_fault);

#endif
