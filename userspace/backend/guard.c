// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * May this VM's memory be taken? Not if a device or the kernel holds on to its
 * pages: what is discarded then stays with the device while the guest gets a
 * new page, and data are lost without a word. A VMM with its own balloon knows
 * that about itself; we have to look at its process.
 */

#include "backend.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

/* A device that is plugged in later is noticed within this time. */
#define CHECK_INTERVAL_MS	1000

/*
 * A VMM may lock a little memory for other reasons (io_uring). A guest whose
 * RAM is pinned or locked has all of it there: a quarter is proof enough.
 */
#define LOCKED_PART		4

/* Files whose holders pin guest RAM. */
static const char *const pinning[] = {
	"/dev/vfio/",
	"/dev/iommu",
	"/dev/vhost-vdpa",
};

static pid_t peer_pid(const struct backend *b)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (b->frontend < 0 ||
	    getsockopt(b->frontend, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return 0;
	return cred.pid;
}

/* Looks for a file that pins memory among the descriptors in @dir. */
static bool find_pinning(DIR *dir, struct fault *ret_why)
{
	char target[64];
	struct dirent *e;
	unsigned int i;
	ssize_t n;

	while ((e = readdir(dir))) {
		n = readlinkat(dirfd(dir), e->d_name, target,
			       sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		for (i = 0; i < ARRAY_SIZE(pinning); i++)
			if (!strncmp(target, pinning[i], strlen(pinning[i]))) {
				fault_set(ret_why, 0,
					"the VMM has %s open: a device may hold guest RAM",
					target);
				return true;
			}
	}
	return false;
}

static void check_files(pid_t pid, struct fault *ret_why)
{
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	/* Of another user: nothing to be seen, nothing to be done. */
	dir = opendir(path);
	if (!dir)
		return;
	(void)find_pinning(dir, ret_why);
	closedir(dir);
}

static void check_locked(struct backend *b, pid_t pid, struct fault *ret_why)
{
	uint64_t kib, limit = region_bytes(&b->regions) / LOCKED_PART >> 10;
	char path[32], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (limit && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmLck: %" SCNu64, &kib) != 1 &&
		    sscanf(line, "VmPin: %" SCNu64, &kib) != 1)
			continue;
		if (kib >= limit)
			fault_set(ret_why, 0,
				"the VMM has %" PRIu64
				" KiB of memory locked, limit %" PRIu64
				" KiB", kib, limit);
	}
	fclose(f);
}

/**
 * guard_check() - look at the VMM
 * @b:		the back-end
 *
 * Context: either thread, with backend.run.
 */
void guard_check(struct backend *b)
{
	struct fault why = { "" };
	pid_t pid = peer_pid(b);

	b->checked_ms = now_ms();
	if (pid <= 0)
		return;
	check_locked(b, pid, &why);
	check_files(pid, &why);
	guard_refuse(b, REFUSAL_VMM, &why);
}

/**
 * guard_refuses() - whether memory must not be taken now
 * @b:		the back-end
 *
 * Context: worker, with backend.run.
 *
 * Return: true if so.
 */
bool guard_refuses(struct backend *b)
{
	if (now_ms() - b->checked_ms >= CHECK_INTERVAL_MS)
		guard_check(b);
	return atomic_load(&b->is_refused);
}

/**
 * guard_refuse() - note whether memory may be taken, and log a change
 * @b:		the back-end
 * @who:	found it
 * @why:	the reason; empty if it may
 *
 * Context: either thread.
 */
void guard_refuse(struct backend *b, enum refusal who,
		  const struct fault *why)
{
	bool refused = false, changed;
	unsigned int i;

	pthread_mutex_lock(&b->info);
	changed = strcmp(b->refused[who].text, why->text);
	b->refused[who] = *why;
	for (i = 0; i < NR_REFUSALS; i++)
		refused |= b->refused[i].text[0] != 0;
	pthread_mutex_unlock(&b->info);
	atomic_store(&b->is_refused, refused);

	if (changed && why->text[0])
		log_err("no memory is taken from this guest: %s", why->text);
	else if (changed)
		log_info("memory is taken from this guest again");
}

/**
 * guard_reason() - why memory is not taken
 * @b:		the back-end
 * @ret_why:	the reason, empty if it is
 */
void guard_reason(struct backend *b, struct fault *ret_why)
{
	unsigned int i;

	ret_why->text[0] = 0;
	pthread_mutex_lock(&b->info);
	for (i = 0; i < NR_REFUSALS && !ret_why->text[0]; i++)
		*ret_why = b->refused[i];
	pthread_mutex_unlock(&b->info);
}
