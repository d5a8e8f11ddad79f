// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * Found by the name of a process, which anybody may choose: only processes of
 * system users count, or any user could switch the manager off. A program in a
 * script language has its script's name (Linux sets it from the #! line), or
 * its interpreter's and the script among its first arguments.
 *
 * libvirt's daemons are no rivals: they do what they are told. Its
 * "autodeflate" is the device's deflate-on-oom, which qmp_balloon.h tells.
 */
#include "rivals.h"

#include "procfile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* SYS_UID_MAX of login.defs(5). */
#define SYSTEM_UID_MAX	999

/* TASK_COMM_LEN of the kernel, with its NUL. */
#define COMM_MAX	16

/* An interpreter, its options and a script stand in the first bytes. */
#define CMDLINE_MAX	1024
#define CMDLINE_WORDS	4

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct known {
	const char *program;
	struct rival rival;
} known[] = {
	{ "ksmtuned", { "ksmtuned", RIVAL_SHARING,
		"systemctl disable --now ksmtuned", 0 } },
	{ "uksmd", { "uksmd", RIVAL_SHARING,
		"systemctl disable --now uksmd", 0 } },
	{ "momd", { "MOM", RIVAL_BALLOON | RIVAL_SHARING,
		"systemctl disable --now momd", 0 } },
	{ "mom-vdsm", { "MOM of oVirt", RIVAL_BALLOON | RIVAL_SHARING,
		"switch ballooning and KSM off in the cluster's policy, then systemctl disable --now mom-vdsm",
		0 } },
	{ "vdsmd", { "VDSM of oVirt", RIVAL_BALLOON | RIVAL_SHARING,
		"switch ballooning and KSM off in the cluster's policy", 0 } },
	{ "pvestatd", { "Proxmox VE", RIVAL_BALLOON,
		"qm set ID --shares 0, and 'rivals = ignore' for that VM here",
		0 } },
	{ "systemd-oomd", { "systemd-oomd", RIVAL_KILL,
		"exempt the VMs: ManagedOOMMemoryPressure=auto for machine.slice",
		0 } },
	{ "oomd", { "oomd", RIVAL_RECLAIM | RIVAL_KILL,
		"take the VMs' cgroups out of its rules", 0 } },
	{ "earlyoom", { "earlyoom", RIVAL_KILL,
		"let it avoid the VMs: --avoid '^qemu'", 0 } },
	{ "nohang", { "nohang", RIVAL_KILL,
		"let it avoid the VMs in its configuration", 0 } },
	{ "senpai", { "senpai", RIVAL_RECLAIM,
		"take the VMs' cgroups out of its configuration", 0 } },
	{ "wasp-agent", { "wasp-agent", RIVAL_RECLAIM | RIVAL_KILL,
		"remove it from this node", 0 } },
	{ "balloond", { "balloond", RIVAL_BALLOON,
		"stop it for the VMs that ballonetd manages, and 'rivals = ignore' for them here",
		0 } },
};

_Static_assert(ARRAY_SIZE(known) <= RIVALS_MAX, "RIVALS_MAX is too small");

static const char *const interpreters[] = {
	"python", "perl", "bash", "sh", "dash", "ruby",
};

/* Also python3 and python3.11. */
static bool is_interpreter(const char *comm)
{
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(interpreters); i++) {
		len = strlen(interpreters[i]);
		if (!strncmp(comm, interpreters[i], len) &&
		    strspn(comm + len, "0123456789.") == strlen(comm + len))
			return true;
	}
	return false;
}

/* The kernel cuts a process' name. */
static const struct known *known_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (!strncmp(known[i].program, name, COMM_MAX - 1))
			return &known[i];
	return NULL;
}

/* A script's name may have its language's suffix. */
static const struct known *script_find(char *word)
{
	char *slash = strrchr(word, '/'), *dot;
	char *name = slash ? slash + 1 : word;

	dot = strrchr(name, '.');
	if (dot && dot != name)
		*dot = '\0';
	return known_find(name);
}

/* The first word that is no option, after the interpreter's. */
static const struct known *cmdline_find(int proc_fd, const char *pid)
{
	char path[64], text[CMDLINE_MAX + 1], *word = text;
	ssize_t len;
	int fd, i;

	snprintf(path, sizeof(path), "%.16s/cmdline", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return NULL;
	len = read(fd, text, CMDLINE_MAX);
	close(fd);
	if (len <= 0)
		return NULL;
	text[len] = '\0';
	for (i = 0; i < CMDLINE_WORDS; i++) {
		word += strlen(word) + 1;
		if (word >= text + len)
			return NULL;
		if (*word != '-')
			return script_find(word);
	}
	return NULL;
}

static bool of_system_user(int proc_fd, const char *pid)
{
	struct stat st;

	return !fstatat(proc_fd, pid, &st, AT_SYMLINK_NOFOLLOW) &&
		S_ISDIR(st.st_mode) && st.st_uid <= SYSTEM_UID_MAX;
}

static const struct known *process_find(int proc_fd, const char *pid)
{
	char path[64], comm[COMM_MAX + 16];
	const struct known *found;
	ssize_t len;

	if (!of_system_user(proc_fd, pid))
		return NULL;
	snprintf(path, sizeof(path), "%.16s/comm", pid);
	len = procfile_read(proc_fd, path, comm, sizeof(comm));
	if (len <= 0)
		return NULL;
	comm[strcspn(comm, "\n")] = '\0';
	found = known_find(comm);
	if (!found && is_interpreter(comm))
		found = cmdline_find(proc_fd, pid);
	return found;
}

static pid_t pid_parse(const char *name)
{
	uint64_t number;

	if (!procfile_number(&name, &number) || *name || number > INT_MAX)
		return 0;
	return (pid_t)number;
}

/**
 * rivals_find - who else manages this host's memory?
 * @proc_fd:	/proc
 * @ret_rivals:	filled: each kind once
 *
 * Looks at every process: for the start, and then once in a minute or so.
 *
 * Return: how many there are, or what the system said.
 */
int rivals_find(int proc_fd, struct rival ret_rivals[RIVALS_MAX])
{
	pid_t pids[ARRAY_SIZE(known)] = { 0 }, pid;
	const struct known *found;
	struct dirent *entry;
	int fd, nr = 0;
	DIR *dir;
	size_t i;

	fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		nr = -errno;
		if (fd >= 0)
			close(fd);
		return nr;
	}
	while ((entry = readdir(dir))) {
		pid = pid_parse(entry->d_name);
		found = pid ? process_find(proc_fd, entry->d_name) : NULL;
		if (!found)
			continue;
		i = found - known;
		if (!pids[i] || pid < pids[i])
			pids[i] = pid;
	}
	closedir(dir);
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (pids[i]) {
			ret_rivals[nr] = known[i].rival;
			ret_rivals[nr++].pid = pids[i];
		}
	return nr;
}
