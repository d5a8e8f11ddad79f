// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Says that it is many QEMUs, each with a monitor and a balloon whose guest
 * follows at once, for tests of the manager. What QEMU 7.2 and 11 were seen to
 * send is sent here.
 *
 *	monitors DIR NUMBER MEMORY_MIB [BALLOON_MIB]
 *
 * With BALLOON_MIB its guests have this balloon, and send no statistics.
 *
 * Listens on DIR/1.qmp and so on; prints "ready". On SIGUSR1 prints how many
 * commands it has answered since the last time.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES	4096
#define NUMBER_MAX	1000
#define ANSWER_MAX	4096

#define GREETING "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, " \
	"\"minor\": 1, \"major\": 11}, \"package\": \"fake\"}, " \
	"\"capabilities\": [\"oob\"]}}\r\n"

struct monitor {
	int listen;
	int fd;
	char in[LINE_MAX_BYTES];
	size_t len;
	unsigned long long memory;
	unsigned long long keep;
	int interval;
	int silent;
};

static volatile sig_atomic_t asked;
static unsigned long commands;

static void on_usr1(int number)
{
	(void)number;
	asked = 1;
}

static void stats(const struct monitor *m, char *text, size_t size)
{
	unsigned long long avail = m->keep / 2;

	snprintf(text, size,
		 "{\"stats\": {\"stat-htlb-pgalloc\": 0, \"stat-swap-out\": 0, "
		 "\"stat-available-memory\": %llu, \"stat-htlb-pgfail\": 0, "
		 "\"stat-free-memory\": %llu, \"stat-minor-faults\": 145723, "
		 "\"stat-major-faults\": 321, \"stat-total-memory\": %llu, "
		 "\"stat-swap-in\": 0, \"stat-disk-caches\": %llu, "
		 "\"stat-oom-kills\": 0, \"stat-alloc-stalls\": 0, "
		 "\"stat-async-scans\": 0, \"stat-direct-scans\": 0, "
		 "\"stat-async-reclaims\": 0, "
		 "\"stat-direct-reclaims\": 0}, \"last-update\": %lld}",
		 avail, avail / 2, m->memory, avail / 2,
		 m->silent ? 0LL : (long long)time(NULL));
}

static int has(const char *line, const char *text)
{
	return !!strstr(line, text);
}

static void property(struct monitor *m, const char *line, char *text,
		     size_t size)
{
	if (has(line, "\"guest-stats\""))
		stats(m, text, size);
	else if (has(line, "polling-interval"))
		snprintf(text, size, "%d", m->interval);
	else
		snprintf(text, size, "%s",
			 has(line, "deflate-on-oom") ? "true" : "false");
}

static void answer(struct monitor *m, const char *line, char *text,
		   size_t size)
{
	const char *value = strstr(line, "\"value\"");

	if (has(line, "qom-get")) {
		property(m, line, text, size);
	} else if (has(line, "qom-list")) {
		snprintf(text, size, "%s", has(line, "peripheral-anon") ?
			 "[{\"name\": \"device[0]\", \"type\": \"child<virtio-balloon-pci>\"}, {\"name\": \"type\", \"type\": \"string\"}]" :
			 "[{\"name\": \"type\", \"type\": \"string\"}]");
	} else if (has(line, "query-balloon")) {
		snprintf(text, size, "{\"actual\": %llu}", m->keep);
	} else if (has(line, "query-memory-size-summary")) {
		snprintf(text, size,
			 "{\"base-memory\": %llu, \"plugged-memory\": 0}",
			 m->memory);
	} else if (has(line, "query-memory-devices")) {
		snprintf(text, size, "[]");
	} else if (has(line, "query-status")) {
		snprintf(text, size,
			 "{\"status\": \"running\", \"running\": true}");
	} else {
		if (has(line, "qom-set") && value)
			m->interval = atoi(strchr(value, ':') + 1);
		else if (has(line, "\"balloon\"") && value)
			m->keep = strtoull(strchr(value, ':') + 1, NULL, 10);
		snprintf(text, size, "{}");
	}
}

/* The client's id is a string of its own. */
static void line_take(struct monitor *m, const char *line)
{
	char text[ANSWER_MAX], out[ANSWER_MAX + 256], id[128] = "";
	const char *at = strstr(line, "\"id\"");
	int len;

	if (at)
		sscanf(at, "\"id\":%*[ ]\"%100[^\"]", id);
	if (at && !*id)
		sscanf(at, "\"id\":\"%100[^\"]", id);
	answer(m, line, text, sizeof(text));
	len = snprintf(out, sizeof(out), "{\"return\": %s, \"id\": \"%s\"}\r\n",
		       text, id);
	if (send(m->fd, out, len, MSG_NOSIGNAL) != len)
		perror("monitors: send");
	commands++;
	if (!has(line, "\"balloon\""))
		return;
	len = snprintf(out, sizeof(out),
		       "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"BALLOON_CHANGE\", \"data\": {\"actual\": %llu}}\r\n",
		       m->keep);
	if (send(m->fd, out, len, MSG_NOSIGNAL) != len)
		perror("monitors: send");
}

static void lines_take(struct monitor *m)
{
	char *end;

	while ((end = memchr(m->in, '\n', m->len))) {
		*end = '\0';
		line_take(m, m->in);
		m->len -= end + 1 - m->in;
		memmove(m->in, end + 1, m->len);
	}
}

static void read_some(struct monitor *m)
{
	ssize_t n = recv(m->fd, m->in + m->len, sizeof(m->in) - 1 - m->len, 0);

	if (n <= 0) {
		close(m->fd);
		m->fd = -1;
		m->len = 0;
		return;
	}
	m->len += n;
	lines_take(m);
}

/* One client at a time, as QEMU has it. */
static void client_take(struct monitor *m)
{
	m->fd = accept(m->listen, NULL, NULL);
	if (m->fd >= 0 &&
	    send(m->fd, GREETING, strlen(GREETING), MSG_NOSIGNAL) < 0)
		perror("monitors: send");
}

static int listen_at(const char *dir, int i)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%d.qmp", dir, i);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 1)) {
		perror(addr.sun_path);
		exit(1);
	}
	return fd;
}

static void serve(struct monitor *monitors, int n, struct pollfd *fds)
{
	int i;

	for (i = 0; i < n; i++)
		fds[i] = (struct pollfd){
			.fd = monitors[i].fd >= 0 ? monitors[i].fd :
				monitors[i].listen,
			.events = POLLIN,
		};
	if (poll(fds, n, -1) < 0)
		return;
	for (i = 0; i < n; i++) {
		if (!fds[i].revents)
			continue;
		if (monitors[i].fd >= 0)
			read_some(&monitors[i]);
		else
			client_take(&monitors[i]);
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 4096, 4096 };
	int i, n = argc > 3 ? atoi(argv[2]) : 0;
	struct monitor *monitors = calloc(NUMBER_MAX, sizeof(*monitors));
	struct pollfd *fds = calloc(NUMBER_MAX, sizeof(*fds));
	struct sigaction action = { .sa_handler = on_usr1 };

	if (n < 1 || n > NUMBER_MAX) {
		fprintf(stderr,
			"usage: monitors DIR NUMBER MEMORY_MIB [BALLOON_MIB]\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &limit);
	sigaction(SIGUSR1, &action, NULL);
	for (i = 0; i < n; i++) {
		monitors[i].listen = listen_at(argv[1], i + 1);
		monitors[i].fd = -1;
		monitors[i].memory = strtoull(argv[3], NULL, 10) << 20;
		monitors[i].keep = monitors[i].memory;
		monitors[i].silent = argc > 4;
		if (argc > 4)
			monitors[i].keep -= strtoull(argv[4], NULL, 10) << 20;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		serve(monitors, n, fds);
		if (!asked)
			continue;
		asked = 0;
		printf("%lu\n", commands);
		fflush(stdout);
		commands = 0;
	}
}
