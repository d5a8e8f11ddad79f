/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel samepage merging (Documentation/admin-guide/mm/ksm.rst of the kernel):
 * what it has found, whether that pays, and its switch. It merges private
 * anonymous memory that its owner has marked (MADV_MERGEABLE; QEMU:
 * mem-merge=on, its default): no memory that is shared with a back-end.
 *
 * It knows no groups: all marked memory of the machine is compared, and who
 * can tell a merged page from another by its timing learns what others have in
 * memory. So it may run only while all that is marked belongs to those who
 * trust each other.
 */
#ifndef BALLONET_KSM_H
#define BALLONET_KSM_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Values of the file run. */
enum ksm_run {
	/* merged pages stay merged */
	KSM_STOP,
	KSM_MERGE,
	/* all pages are copied apart: see ksm_unmerge() */
	KSM_UNMERGE,
};

/**
 * struct ksm - /sys/kernel/mm/ksm; PROCFILE_UNKNOWN where a kernel has no such
 * file
 * @run:	enum ksm_run
 * @pages_shared: pages that others are merged into
 * @pages_sharing: how many were saved
 * @pages_unshared: looked at in vain
 * @pages_volatile: changing too fast
 * @pages_scanned: so far; 6.7
 * @full_scans:	of all marked memory
 * @pages_to_scan: at once
 * @sleep_ms:	between that
 * @has_advisor: the kernel finds the right pace itself (6.7)
 * @profit:	what merging saves less what its tables cost, in bytes
 */
struct ksm {
	uint64_t run;
	uint64_t pages_shared;
	uint64_t pages_sharing;
	uint64_t pages_unshared;
	uint64_t pages_volatile;
	uint64_t pages_scanned;
	uint64_t full_scans;
	uint64_t pages_to_scan;
	uint64_t sleep_ms;
	bool has_advisor;
	int64_t profit;
};

/**
 * struct ksm_process - a process with memory to merge
 * @pid:	the process
 * @merged:	its pages that are merged now, in bytes
 */
struct ksm_process {
	pid_t pid;
	uint64_t merged;
};

int ksm_read(int sys_fd, struct ksm *ret_ksm);
uint64_t ksm_saved(const struct ksm *ksm);
uint32_t ksm_pace(const struct ksm *ksm);
int ksm_start(int sys_fd, const struct ksm *ksm, struct fault *ret_fault);
int ksm_stop(int sys_fd, struct fault *ret_fault);
int ksm_unmerge(int sys_fd, const struct ksm *ksm, uint64_t room,
		struct fault *ret_fault);
int ksm_process_read(int proc_fd, pid_t pid, struct ksm_process *ret_process);
uint64_t ksm_cost(int proc_fd);
int ksm_processes(int proc_fd, struct ksm_process *ret_processes, size_t max);

#endif
