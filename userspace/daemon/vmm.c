// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm.h"

#include "cgroup.h"
#include "procfile.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* /proc/PID/status costs ten times what statm does: not for 100 VMs a second */
#define LOOK_MS		10000
/* Paged out or back in: a count that is older would have it twice or never. */
#define LOOK_BYTES	(UINT64_C(16) << 20)

/* statm is seven numbers; status has 1.5 KiB, and lists of processors. */
#define STATM_TEXT_MAX	256
#define STATUS_TEXT_MAX	16384

#define CGROUP_ROOT	"/sys/fs/cgroup"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct status {
	uint64_t swapped;
	uint64_t locked;
	uint64_t pinned;
	uint64_t huge;
};

static const struct procfile_field status_fields[] = {
	{ "VmSwap", 1024, offsetof(struct status, swapped) },
	{ "VmLck", 1024, offsetof(struct status, locked) },
	{ "VmPin", 1024, offsetof(struct status, pinned) },
	{ "HugetlbPages", 1024, offsetof(struct status, huge) },
};

/**
 * vmm_init - there is no process
 * @vmm:	the caller's storage
 */
void vmm_init(struct vmm *vmm)
{
	*vmm = (struct vmm){
		.fixed = UINT64_MAX,
		.statm_fd = -1,
		.cgroup_fd = -1,
	};
}

/**
 * vmm_deinit - look no more
 * @vmm:	what vmm_init() set up; as after it again
 */
void vmm_deinit(struct vmm *vmm)
{
	if (vmm->statm_fd >= 0)
		close(vmm->statm_fd);
	if (vmm->cgroup_fd >= 0)
		close(vmm->cgroup_fd);
	vmm_init(vmm);
}

static int own_cgroup(pid_t pid)
{
	char path[PATH_MAX];
	int proc, root, fd = -1;

	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	root = open(CGROUP_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc >= 0 && root >= 0 && !cgroup_of_process(proc, pid, path) &&
	    !cgroup_open(root, path, &fd) && cgroup_holds_only(fd, pid) != 1) {
		close(fd);
		fd = -1;
	}
	if (proc >= 0)
		close(proc);
	if (root >= 0)
		close(root);
	return fd;
}

/**
 * vmm_set - it is this process
 * @vmm:	to be looked at
 * @pid:	its number, which is its until it has ended; or 0
 */
void vmm_set(struct vmm *vmm, pid_t pid)
{
	char path[32];

	if (vmm->pid == pid)
		return;
	vmm_deinit(vmm);
	if (!pid)
		return;
	vmm->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	vmm->statm_fd = open(path, O_RDONLY | O_CLOEXEC);
	vmm->cgroup_fd = own_cgroup(pid);
}

/* "size resident shared ...", in pages. */
static void look_statm(struct vmm *vmm)
{
	char text[STATM_TEXT_MAX];
	const char *pos = text;
	uint64_t pages;
	ssize_t n;

	n = pread(vmm->statm_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	vmm->resident = 0;
	if (!procfile_number(&pos, &pages) || *pos++ != ' ' ||
	    !procfile_number(&pos, &pages))
		return;
	vmm->resident = procfile_scale(pages, (uint32_t)getpagesize());
}

static uint64_t known(uint64_t value)
{
	return value == PROCFILE_UNKNOWN ? 0 : value;
}

static void look_status(struct vmm *vmm)
{
	char path[32], text[STATUS_TEXT_MAX];
	struct status status;

	memset(&status, 0xff, sizeof(status));
	vmm->fixed = UINT64_MAX;
	vmm->swapped = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)vmm->pid);
	if (procfile_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return;
	procfile_fields(text, "", status_fields, ARRAY_SIZE(status_fields),
			&status);
	if (status.locked == PROCFILE_UNKNOWN)
		return;
	/* What is locked may be pinned as well: the larger one is all of it. */
	vmm->fixed = status.locked > known(status.pinned) ? status.locked :
		known(status.pinned);
	vmm->fixed += known(status.huge);
	vmm->swapped = known(status.swapped);
}

/* Memory that is shared is swapped, too, but not in the process' count. */
static void look_cgroup(struct vmm *vmm)
{
	char text[STATM_TEXT_MAX];
	const char *pos = text;
	uint64_t bytes;

	if (vmm->cgroup_fd >= 0 &&
	    procfile_read(vmm->cgroup_fd, "memory.swap.current", text,
			  sizeof(text)) > 0 &&
	    procfile_number(&pos, &bytes))
		vmm->swapped = bytes;
}

/* What left RAM may have been paged out, and what came to it paged in. */
static bool has_moved(const struct vmm *vmm)
{
	if (vmm->resident < vmm->looked_resident)
		return vmm->looked_resident - vmm->resident >= LOOK_BYTES;
	return vmm->swapped &&
		vmm->resident - vmm->looked_resident >= LOOK_BYTES;
}

/**
 * vmm_look - look at it now
 * @vmm:	a process, or none
 * @now_ms:	a clock that only goes forward
 *
 * A system call; what is costly is looked at each ten seconds, and when some of
 * it may have been paged out or in.
 */
void vmm_look(struct vmm *vmm, uint64_t now_ms)
{
	if (vmm->statm_fd < 0)
		return;
	look_statm(vmm);
	if (vmm->looked_ms && now_ms - vmm->looked_ms < LOOK_MS &&
	    !has_moved(vmm))
		return;
	vmm->looked_ms = now_ms ? now_ms : 1;
	vmm->looked_resident = vmm->resident;
	look_status(vmm);
	look_cgroup(vmm);
}
