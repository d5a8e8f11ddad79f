// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A back-end that a guest has taken over, for tests of the manager. The file
 * named by ROGUE says what it does: a word for its start, and one for what it
 * answers to calls.
 *
 *	end	ends at once, having stored nothing
 *	mute	never says that it is ready
 *	crash	stores its connection, is ready, ends
 *	forget	likewise; its successor takes back everything and ends
 *	flood	stores 5000 descriptors and does not stop notifying
 *	names	stores under names that are none, and several at once
 *	serve	is well-behaved
 *
 *	garbage, huge, error, other, null, twice, hang
 *	tell		tells events without end, to everybody
 *	stranger	is handed over, and another process notifies behind it
 *	orphan		is handed over by a process that is gone afterwards
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int notify_sock;
static struct sockaddr_un notify_addr = { .sun_family = AF_UNIX };

static void notify(const char *text, int fd, int copies)
{
	char control[CMSG_SPACE(8 * sizeof(int))]
		__attribute__((aligned(8))) = "";
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr mh = {
		.msg_name = &notify_addr,
		.msg_namelen = sizeof(notify_addr),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	struct cmsghdr *c;
	int i;

	if (copies) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(copies * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(copies * sizeof(int));
		for (i = 0; i < copies; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd,
			       sizeof(int));
	}
	if (sendmsg(notify_sock, &mh, MSG_NOSIGNAL) < 0)
		perror("rogue: notify");
}

static void store(const char *name, int fd)
{
	char text[512];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	notify(text, fd, 1);
}

static void flood(int fd)
{
	char name[32];
	int i;

	for (i = 0; i < 5000; i++) {
		sprintf(name, "flood.%d", i);
		store(name, fd);
	}
	notify("READY=1", -1, 0);
	for (;;)
		notify("FDSTORE=1\nFDNAME=a:b", fd, 1);
}

static void names(int fd)
{
	char longest[301];

	memset(longest, 'x', 300);
	longest[300] = 0;
	store("", fd);
	store("a:b", fd);
	store("a b", fd);
	store("\xc3\xa9", fd);
	store(longest, fd);
	notify("FDSTORE=1", fd, 1);
	notify("FDSTORE=1\nFDNAME=two", fd, 2);
	notify("FDSTORE=1\nFDNAME=none", -1, 0);
	notify("FDNAME=unasked", fd, 1);
	notify("", fd, 1);
	store("good.1", fd);
	store("good.1", fd);
}

/* Notifies from a process of its own: stores @fd if there is one. */
static void notify_beside(int fd)
{
	pid_t pid = fork();

	if (!pid) {
		if (fd < 0)
			notify("STATUS=here", -1, 0);
		else
			store("frontend.1", fd);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void answer(int fd, int vmm, const char *how)
{
	static char huge[2 << 20];

	if (!strcmp(how, "garbage")) {
		(void)!write(fd, "garbage", 8);
	} else if (!strcmp(how, "huge")) {
		memset(huge, ' ', sizeof(huge));
		(void)!write(fd, huge, sizeof(huge));
	} else if (!strcmp(how, "error")) {
		(void)!write(fd, "{\"error\":7}", 12);
	} else if (!strcmp(how, "other")) {
		(void)!write(fd, "{\"parameters\":{\"vm\":{\"name\":\"b\","
			     "\"state\":\"running\",\"memory\":1,\"target\":0,"
			     "\"actual\":0,\"resident\":0,\"freed\":0,"
			     "\"features\":[]}}}", 120);
	} else if (!strcmp(how, "null")) {
		(void)!write(fd, "{}", 3);
	} else if (!strcmp(how, "twice")) {
		(void)!write(fd, "{}\0{}\0{}", 9);
	} else if (!strcmp(how, "stranger")) {
		store("frontend.1", vmm);
		notify_beside(-1);
		(void)!write(fd, "{}", 3);
	} else if (!strcmp(how, "orphan")) {
		notify_beside(vmm);
		(void)!write(fd, "{}", 3);
	}
}

/* Tells of events as fast as they are taken. */
static void tell(int fd)
{
	char text[256];
	unsigned int seq;
	int len;

	for (seq = 0;; seq++) {
		len = sprintf(text, "{\"parameters\":{\"events\":[{\"vm\":"
			      "\"a\",\"type\":\"short\",\"value\":1,\"seq\":"
			      "%u,\"time_us\":1}],\"lost\":0},"
			      "\"continues\":true}", seq);
		if (send(fd, text, len + 1, MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

/* Calls that came together are answered as one. */
static void answer_calls(int fd, int vmm, const char *how, const char *calls,
			 size_t len)
{
	/* Too many answers to what comes first would end the connection. */
	if (!strcmp(how, "twice") && memmem(calls, len, "Show", 4)) {
		(void)!write(fd, "{}", 3);
		if (!memmem(calls, len, "Status", 6))
			return;
	}
	if (!memmem(calls, len, "Monitor", 7))
		answer(fd, vmm, how);
}

static void serve(int listener, int vmm, const char *how)
{
	char piece[4096];
	ssize_t n;
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (!strcmp(how, "tell")) {
			if (!fork() && read(fd, piece, sizeof(piece)) > 0)
				tell(fd);
			close(fd);
			continue;
		}
		/* Left by a manager that is gone, it would be the first. */
		while ((n = read(fd, piece, sizeof(piece))) > 0)
			answer_calls(fd, vmm, how, piece, n);
		close(fd);
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 8))
		perror("rogue: listen");
	return fd;
}

int main(int argc, char **argv)
{
	char start[16] = "end", how[16] = "null";
	const char *control = "";
	int i, vmm = -1, listener;
	FILE *f = fopen(getenv("ROGUE"), "r");

	if (!f || fscanf(f, "%15s %15s", start, how) < 1)
		return 2;
	for (i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--control-path=", 15))
			control = argv[i] + 15;
		if (!strncmp(argv[i], "--fd=", 5))
			vmm = atoi(argv[i] + 5);
	}
	notify_sock = socket(AF_UNIX, SOCK_DGRAM, 0);
	snprintf(notify_addr.sun_path, sizeof(notify_addr.sun_path), "%s",
		 getenv("NOTIFY_SOCKET"));
	if (!strcmp(start, "end"))
		return 3;
	if (!strcmp(start, "mute"))
		pause();
	listener = listen_at(control);
	if (!strcmp(start, "forget") && atoi(getenv("LISTEN_FDS"))) {
		notify("FDSTOREREMOVE=1\nFDNAME=frontend.1", -1, 0);
		return 5;
	}
	if (!strcmp(start, "flood"))
		flood(vmm);
	if (!strcmp(start, "names"))
		names(vmm);
	store("frontend.1", vmm);
	notify("READY=1", -1, 0);
	if (!strcmp(start, "crash") || !strcmp(start, "forget"))
		return 4;
	serve(listener, vmm, how);
	return 0;
}
