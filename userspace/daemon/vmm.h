/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's process as the host sees it: what it occupies, and whether it may be
 * paged out. Sizes are bytes.
 */
#ifndef BALLONET_VMM_H
#define BALLONET_VMM_H

#include <stdint.h>
#include <sys/types.h>

/**
 * struct vmm - a process
 * @pid:	its number, 0 if there is none
 * @resident:	RAM it occupies; 0 if that is not known
 * @swapped:	of its own memory, what the host has paged out; of its cgroup's,
 *		where that is its own
 * @fixed:	locked, pinned, or huge pages: never paged out. UINT64_MAX if
 *		that is not known
 * @statm_fd:	/proc/PID/statm, or -1
 * @cgroup_fd:	its cgroup's directory, where it is the only process, or -1
 * @looked_ms:	when the costly things were looked at, 0 if never
 * @looked_resident: @resident at that time
 */
struct vmm {
	pid_t pid;
	uint64_t resident;
	uint64_t swapped;
	uint64_t fixed;
	int statm_fd;
	int cgroup_fd;
	uint64_t looked_ms;
	uint64_t looked_resident;
};

void vmm_init(struct vmm *vmm);
void vmm_deinit(struct vmm *vmm);
void vmm_set(struct vmm *vmm, pid_t pid);
void vmm_look(struct vmm *vmm, uint64_t now_ms);

#endif
