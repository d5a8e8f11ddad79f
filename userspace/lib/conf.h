/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manager's configuration: one file and its drop-ins, read into values.
 */
#ifndef BALLONET_CONF_H
#define BALLONET_CONF_H

#include "interface.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a VM's balloon is set to when its VMM connects. */
enum conf_wish {
	CONF_WISH_NONE,
	/* the balloon has so many bytes */
	CONF_WISH_BALLOON,
	/* the guest keeps so many bytes */
	CONF_WISH_MEMORY,
};

/**
 * struct conf_vm - [vm NAME]
 * @name:	of the VM
 * @wish:	what @bytes mean
 * @bytes:	a multiple of 4096
 * @grant:	the guest's own wishes are granted
 */
struct conf_vm {
	char name[INTERFACE_NAME_MAX + 1];
	enum conf_wish wish;
	uint64_t bytes;
	bool grant;
};

/**
 * struct conf - all of it
 * @found:	there is the file itself, not only drop-ins
 * @backend:	path of vhost-user-balloon, or NULL
 * @vm_group:	group of the VMs' sockets, or NULL
 * @control_group: group of the control socket, or NULL
 * @vms:	in the order of the files
 * @nr_vms:	elements of @vms
 */
struct conf {
	bool found;
	char *backend;
	char *vm_group;
	char *control_group;
	struct conf_vm *vms;
	size_t nr_vms;
};

/**
 * struct conf_error - what is wrong with the configuration
 * @file:	where
 * @line:	where, from 1; 0 if it is about the file as a whole
 * @text:	what was found and what was expected
 */
struct conf_error {
	char file[PATH_MAX];
	int line;
	char text[256];
};

int conf_load(const char *path, bool required, struct conf *ret_conf,
	      struct conf_error *ret_error);
void conf_deinit(struct conf *conf);

#endif
