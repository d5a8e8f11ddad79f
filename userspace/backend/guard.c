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

/*
 * A device that is plugged in later is noticed within this time. A look takes
 * a few us for each file that the VMM has open: where that adds up, it may
 * take one part in CHECK_SHARE of the time.
 */
#define CHECK_INTERVAL_MS	10
#define CHECK_SHARE		20

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

/* Returns 0 or a negative errno. */
static int check_files(pid_t pid, struct fault *ret_why)
{
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	(void)find_pinning(dir, ret_why);
	closedir(dir);
	return 0;
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

/*
 * Notes whether the VMM could be looked at. If not, its memory is taken all
 * the same: a VMM in a container of its own would never have a balloon. But
 * whoever runs it is told.
 */
static void note_look(struct backend *b, int error)
{
	struct fault why = { "" };
	bool news;

	if (error)
		fault_set(&why, 0,
			"the VMM's process cannot be looked at (%s): whether a device holds guest RAM is not known",
			strerror(-error));
	pthread_mutex_lock(&b->info);
	news = strcmp(b->unseen.text, why.text);
	b->unseen = why;
	pthread_mutex_unlock(&b->info);
	if (news && error)
		log_warn("%s", why.text);
}

/**
 * guard_check() - look at the VMM
 * @b:		the back-end
 *
 * Context: either thread, with backend.run.
 */
void guard_check(struct backend *b)
{
	uint64_t begin = now_ms(), cost;
	struct fault why = { "" };
	pid_t pid = peer_pid(b);
	int ret = -ESRCH;

	if (pid > 0) {
		check_locked(b, pid, &why);
		ret = check_files(pid, &why);
		guard_refuse(b, REFUSAL_VMM, &why);
	}
	note_look(b, ret);
	cost = (now_ms() - begin) * CHECK_SHARE;
	b->check_ms = now_ms() + (cost > CHECK_INTERVAL_MS ? cost :
				  CHECK_INTERVAL_MS);
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
	if (now_ms() >= b->check_ms)
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
	atomic_store(&b->is_refused, refused);
	pthread_mutex_unlock(&b->info);

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
