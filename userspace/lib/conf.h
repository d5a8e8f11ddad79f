/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manager's configuration: one file and its drop-ins, read into values.
 */
#ifndef BALLONET_CONF_H
#define BALLONET_CONF_H

#include "interface.h"
#include "policy.h"
#include "way.h"

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

/* What the manager does about memory. */
enum conf_manage {
	CONF_MANAGE_OFF,
	/* plans and says what it would do */
	CONF_MANAGE_DRY_RUN,
	CONF_MANAGE_ON,
	CONF_NR_MANAGES,
};

extern const char *const conf_manage_names[CONF_NR_MANAGES];

/**
 * struct conf_host - [host]
 * @manage:	whether targets are set
 * @budget:	what all VMs may occupy; 0: what there is
 * @reserve:	what is to stay free; 0: by the size of the host
 * @period_ms:	how often everything is looked at
 * @ladder:	what may be done besides the balloons, bits of enum rung_kind
 */
struct conf_host {
	enum conf_manage manage;
	uint64_t budget;
	uint64_t reserve;
	uint32_t period_ms;
	unsigned int ladder;
};

/**
 * struct conf_place - where something was written
 * @file:	number of the file, of conf.files
 * @line:	from 1
 */
struct conf_place {
	size_t file;
	int line;
};

/**
 * struct conf_class - [class NAME]
 * @name:	of the class
 * @policy:	what its VMs inherit
 * @place:	of its last line
 */
struct conf_class {
	char name[INTERFACE_NAME_MAX + 1];
	struct policy policy;
	struct conf_place place;
};

/**
 * struct conf_vm - [vm NAME]
 * @name:	of the VM
 * @way:	to it
 * @wish:	what @bytes mean
 * @bytes:	a multiple of 4096
 * @grant:	the guest's own wishes are granted
 * @prefault:	memory that comes back to the guest is made ready for it
 * @class:	whose policy it inherits; empty: that of "default"
 * @class_place: where that was said
 * @policy:	what is intended for it, with what it has inherited
 * @place:	of the last line of @policy
 */
struct conf_vm {
	char name[INTERFACE_NAME_MAX + 1];
	struct way way;
	enum conf_wish wish;
	uint64_t bytes;
	bool grant;
	bool prefault;
	char class[INTERFACE_NAME_MAX + 1];
	struct conf_place class_place;
	struct policy policy;
	struct conf_place place;
};

/* The class of all VMs that name no other. */
#define CONF_CLASS_DEFAULT	"default"

/**
 * struct conf - all of it
 * @found:	there is the file itself, not only drop-ins
 * @backend:	path of vhost-user-balloon, or NULL
 * @vm_group:	group of the VMs' sockets, or NULL
 * @control_group: group of the control socket, or NULL
 * @host:	about the host
 * @classes:	in the order of the files
 * @nr_classes:	elements of @classes
 * @vms:	in the order of the files
 * @nr_vms:	elements of @vms
 * @sorted:	the same by name, for conf_vm_find()
 * @files:	what was read, in this order
 * @nr_files:	elements of @files
 */
struct conf {
	bool found;
	char *backend;
	char *vm_group;
	char *control_group;
	struct conf_host host;
	struct conf_class *classes;
	size_t nr_classes;
	struct conf_vm *vms;
	size_t nr_vms;
	const struct conf_vm **sorted;
	char **files;
	size_t nr_files;
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
	char text[384];
};

int conf_load(const char *path, bool required, struct conf *ret_conf,
	      struct conf_error *ret_error);
void conf_deinit(struct conf *conf);
const struct conf_vm *conf_vm_find(const struct conf *conf, const char *name);
const struct policy *conf_policy(const struct conf *conf, const char *vm);

#endif
