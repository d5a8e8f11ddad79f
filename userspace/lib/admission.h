/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether one more VM can start, and the room that is held for those that are
 * about to. Pure: times are the caller's, milliseconds of one clock.
 */
#ifndef BALLONET_ADMISSION_H
#define BALLONET_ADMISSION_H

#include "interface.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* VMs that start at a time; a host starts some tens at most. */
#define ADMISSION_MAX	64

/**
 * struct lease - room that is held
 * @name:	whose it is: of the VM, or of nobody else's
 * @bytes:	how much
 * @until_ms:	then it is over
 * @taken:	of it, what the VM occupies already
 */
struct lease {
	char name[INTERFACE_NAME_MAX + 1];
	uint64_t bytes;
	uint64_t until_ms;
	uint64_t taken;
};

/**
 * struct admission - all room that is held; all zero is none
 * @leases:	in no order
 * @nr:		elements of @leases
 */
struct admission {
	struct lease leases[ADMISSION_MAX];
	size_t nr;
};

/**
 * struct admission_room - what VMs can be promised
 * @budget:	what all VMs may occupy, and what is to stay free
 * @reserve:	of it, what is to stay free
 * @minimums:	of it, what running VMs are sure of
 * @held:	of it, what is held for others
 * @available:	of it, what is there now
 */
struct admission_room {
	uint64_t budget;
	uint64_t reserve;
	uint64_t minimums;
	uint64_t held;
	uint64_t available;
};

uint64_t admission_left(const struct admission_room *room);
uint64_t admission_to_take(const struct admission_room *room, uint64_t bytes);
void admission_expire(struct admission *admission, uint64_t now_ms);
struct lease *admission_find(struct admission *admission, const char *name);
int admission_hold(struct admission *admission, const char *name,
		   uint64_t bytes, uint64_t until_ms);
int admission_release(struct admission *admission, const char *name);
uint64_t admission_held(const struct admission *admission);

#endif
