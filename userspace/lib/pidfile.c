// SPDX-License-Identifier: GPL-2.0-or-later
#include "pidfile.h"

#include "procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A number and a newline. */
#define TEXT_MAX	32
#define STAT_TEXT_MAX	1024
/* Fields of /proc/PID/stat from behind the name up to starttime: proc(5). */
#define STAT_STARTTIME	20

/* Ticks of /proc, of the file system, and a clock that is being set. */
#define SLACK_NS	INT64_C(1000000000)

#define NS_PER_S	INT64_C(1000000000)

static int64_t ns_of(const struct timespec *time)
{
	return time->tv_sec * NS_PER_S + time->tv_nsec;
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return ns_of(&now);
}

/* The process' number or a negative errno. */
static int64_t number_read(int fd)
{
	char text[TEXT_MAX];
	const char *pos = text;
	uint64_t number;
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len < 0)
		return -errno;
	text[len] = '\0';
	if (!procfile_number(&pos, &number) || (*pos && strcmp(pos, "\n")) ||
	    !number || number > INT32_MAX)
		return -EBADMSG;
	return (int64_t)number;
}

/* QEMU keeps its file locked as long as it lives. */
static bool is_locked_by(int fd, pid_t pid)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return !fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK &&
		lock.l_pid == pid;
}

/* When it began, by the wall clock; or a negative errno. */
static int64_t began_ns(pid_t pid)
{
	char path[32], text[STAT_TEXT_MAX];
	uint64_t ticks;
	const char *pos;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (procfile_read(AT_FDCWD, path, text, sizeof(text)) < 0)
		return -ESRCH;
	/* A name may have parentheses and blanks. */
	pos = strrchr(text, ')');
	for (i = 0; pos && i < STAT_STARTTIME; i++)
		pos = strchr(pos + 1, ' ');
	if (!pos++ || !procfile_number(&pos, &ticks) ||
	    ticks > INT64_MAX / NS_PER_S)
		return -EBADMSG;
	return now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME) +
		(int64_t)ticks * (NS_PER_S / sysconf(_SC_CLK_TCK));
}

/* Was the file written when this process was there? */
static int check(int fd, pid_t pid)
{
	int64_t began = began_ns(pid);
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (began < 0)
		return (int)began;
	if (began > ns_of(&st.st_mtim) + SLACK_NS && !is_locked_by(fd, pid))
		return -ESTALE;
	return 0;
}

/* A pipe or a device would be waited for. */
static int file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EBADMSG;
	}
	return fd;
}

static int process_open(int fd, pid_t pid)
{
	int pidfd = pidfd_open(pid, 0), rc;

	if (pidfd < 0)
		return -errno;
	/* Now its number is nobody else's unless it has ended. */
	rc = check(fd, pid);
	if (rc) {
		close(pidfd);
		return rc;
	}
	return pidfd;
}

/**
 * pidfile_open - open the process that a file names
 * @path:	the file
 * @ret_pid:	its number
 *
 * Return: a pidfd, -EBADMSG if there is no number in the file, -ESTALE if the
 * process is younger than the file and so another one, -ESRCH, or why the file
 * cannot be read.
 */
int pidfile_open(const char *path, pid_t *ret_pid)
{
	int fd = file_open(path), rc;
	int64_t pid;

	if (fd < 0)
		return fd;
	pid = number_read(fd);
	rc = pid < 0 ? (int)pid : process_open(fd, (pid_t)pid);
	close(fd);
	if (rc >= 0)
		*ret_pid = (pid_t)pid;
	return rc;
}

/**
 * pidfile_error - what went wrong, in words
 * @rc:		of pidfile_open()
 *
 * Return: a text.
 */
const char *pidfile_error(int rc)
{
	switch (rc) {
	case -EBADMSG:
		return "its pidfile holds no number";
	case -ESTALE:
		return "its pidfile is older than the process with that number, which is another one";
	case -ESRCH:
		return "the process of its pidfile has ended";
	default:
		return strerror(-rc);
	}
}
