/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Have the kernel page out memory of a process: of its cgroup, where that is
 * the VM's own, and by the process' mappings where it is not. Both take as long
 * as the swap device does: for a thread of a pool. What is locked, of huge
 * pages or of a device the kernel refuses, and it is passed over.
 */
#ifndef BALLONET_PAGEOUT_H
#define BALLONET_PAGEOUT_H

#include <stdint.h>
#include <sys/types.h>

/* One call to the kernel is for so much: it does not end before it is done. */
#define PAGEOUT_PIECE	(UINT64_C(16) << 20)

/**
 * struct pageout - whose memory
 * @proc_fd:	/proc
 * @sys_fd:	/sys
 * @pid:	the process
 * @pidfd:	the same, or -1; not needed for a cgroup
 * @cgroup_fd:	of cgroup_open(), or -1
 * @cursor:	address to go on from; 0 at first. What is idle is not known
 *		here: all of it takes its turn
 */
struct pageout {
	int proc_fd;
	int sys_fd;
	pid_t pid;
	int pidfd;
	int cgroup_fd;
	uint64_t cursor;
};

/**
 * struct pageout_gauge - what tells how it went; PROCFILE_UNKNOWN if it is not
 * told
 * @resident:	RAM it occupies, in bytes
 * @compressed:	RAM that what is paged out occupies, of all processes, where
 *		that is not in @resident
 * @read_back:	of a cgroup: what was read back soon after it was paged out; of
 *		a process: at most what it had to wait for; since its start
 */
struct pageout_gauge {
	uint64_t resident;
	uint64_t compressed;
	uint64_t read_back;
};

void pageout_look(const struct pageout *pageout,
		  struct pageout_gauge *ret_gauge);
uint64_t pageout_freed(const struct pageout_gauge *before,
		       const struct pageout_gauge *after);
int pageout_piece(struct pageout *pageout, uint64_t bytes,
		  uint64_t *ret_asked);

#endif
