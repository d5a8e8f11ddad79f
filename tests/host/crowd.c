// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connects to a socket many times and says nothing, for tests of the manager.
 *
 *	crowd PATH NUMBER
 *
 * Prints how many connections are still there when none has been closed for a
 * moment, and keeps them until it is killed.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Time for the other side to close what it does not want, each. */
#define SETTLE_MS 1000

static int connected(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		perror("crowd: connect");
	return fd;
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 4096, 4096 };
	int i, n = argc > 2 ? atoi(argv[2]) : 0, stayed = 0;
	struct pollfd *fds = calloc(n + 1, sizeof(*fds));

	setrlimit(RLIMIT_NOFILE, &limit);
	for (i = 0; i < n; i++) {
		fds[i].fd = connected(argv[1]);
		fds[i].events = POLLRDHUP;
		stayed += fds[i].fd >= 0;
	}
	while (poll(fds, n, SETTLE_MS) > 0) {
		for (i = 0; i < n; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			/* Stays open; poll() leaves it out. */
			fds[i].fd = -1;
			stayed--;
		}
	}
	printf("%d\n", stayed);
	fflush(stdout);
	pause();
	return 0;
}
