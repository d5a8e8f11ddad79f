// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * systemd's part of the fd store protocol, for tests: starts a program, keeps
 * the descriptors that it stores, and starts it again with them whenever a
 * signal killed it. Ends when the program exits by itself.
 *
 *	keeper DIRECTORY PROGRAM [ARGUMENT...]
 *
 * DIRECTORY/pid holds the number of the running process, DIRECTORY/starts how
 * often it was started, DIRECTORY/stored the names of what is kept.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT_MAX	512
/* Where the child's copies are parked before they get their numbers. */
#define PARK		700

static struct kept {
	char name[256];
	int fd;
} kept[KEPT_MAX];
static int nr_kept;
static const char *dir;
static int sock;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void note(const char *file, const char *text)
{
	char path[256], tmp[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	f = fopen(tmp, "we");
	if (!f)
		die(tmp);
	fputs(text, f);
	fclose(f);
	if (rename(tmp, path))
		die(path);
}

static void note_stored(void)
{
	static char text[KEPT_MAX * 64];
	size_t len = 0;
	int i;

	text[0] = 0;
	for (i = 0; i < nr_kept; i++)
		len += snprintf(text + len, sizeof(text) - len, "%s\n",
				kept[i].name);
	note("stored", text);
}

static void forget(const char *name)
{
	int i;

	for (i = 0; i < nr_kept; i++) {
		if (strcmp(kept[i].name, name))
			continue;
		close(kept[i].fd);
		kept[i--] = kept[--nr_kept];
	}
}

static void message(char *text, const int *fds, int nr)
{
	int store = 0, drop = 0, i;
	char *name = NULL, *line, *save;

	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!strcmp(line, "FDSTORE=1"))
			store = 1;
		else if (!strcmp(line, "FDSTOREREMOVE=1"))
			drop = 1;
		else if (!strncmp(line, "FDNAME=", 7))
			name = line + 7;
	}
	if (drop && name)
		forget(name);
	for (i = 0; i < nr; i++) {
		if (!store || nr_kept == KEPT_MAX) {
			close(fds[i]);
			continue;
		}
		snprintf(kept[nr_kept].name, sizeof(kept[0].name), "%s",
			 name ? name : "stored");
		kept[nr_kept++].fd = fds[i];
	}
	note_stored();
}

/* Takes one message. False if there was none within @ms. */
static int take(int ms)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	char text[1024], control[CMSG_SPACE(sizeof(int) * 16)];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fds[16], nr = 0;
	struct cmsghdr *c;
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return 0;
	n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	if (n < 0)
		die("recvmsg");
	text[n] = 0;
	for (c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c)) {
		nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), nr * sizeof(int));
	}
	message(text, fds, nr);
	return 1;
}

static void child(char **argv)
{
	char names[KEPT_MAX * 64] = "", number[16];
	size_t len = 0;
	int i;

	for (i = 0; i < nr_kept; i++)
		if (dup2(kept[i].fd, PARK + i) < 0)
			die("dup2");
	for (i = 0; i < nr_kept; i++) {
		if (dup2(PARK + i, 3 + i) < 0)
			die("dup2");
		close(PARK + i);
		len += snprintf(names + len, sizeof(names) - len, "%s%s",
				i ? ":" : "", kept[i].name);
	}
	snprintf(number, sizeof(number), "%d", nr_kept);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	execv(argv[0], argv);
	die(argv[0]);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char text[32];
	int status, starts = 0;
	pid_t pid;

	if (argc < 3)
		return 1;
	dir = argv[1];
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/notify", dir);
	unlink(a.sun_path);
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&a, sizeof(a)))
		die("notify");
	setenv("NOTIFY_SOCKET", a.sun_path, 1);

	for (;;) {
		snprintf(text, sizeof(text), "%d\n", ++starts);
		note("starts", text);
		pid = fork();
		if (!pid)
			child(argv + 2);
		snprintf(text, sizeof(text), "%d\n", pid);
		note("pid", text);
		while (!waitpid(pid, &status, WNOHANG))
			take(2);
		while (take(0))
			;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WTERMSIG(status) != SIGKILL) {
			fprintf(stderr, "keeper: signal %d\n",
				WTERMSIG(status));
			return 1;
		}
	}
}
