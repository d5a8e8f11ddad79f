// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long a host's command to a balloon takes, in microseconds.
 *
 *	stopwatch OPTION... [REQUEST [POLL PATTERN]]
 *
 *	-s PATH		a Varlink socket; else, QMP:
 *	-i FD -o FD	write requests here, read answers there
 *	-f PATH -b N	done when this file occupies at most N bytes
 *	-e US		look so often (500)
 *	-a US		begin at this time of day, so that several begin at once
 *
 * Sends REQUEST, then POLL until the answer contains
 * PATTERN. Prints begin and end, each in microseconds of the time of day.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define POLL_US		500
#define LIMIT_US	(240 * 1000000ull)
#define ANSWER_MAX	65536

struct watch {
	int in, out;		/* requests go in, answers come out */
	char end;		/* of a message: newline, or 0 for Varlink */
	const char *file;
	uint64_t bytes;
	useconds_t every;
	uint64_t at;
};

static void die(const char *what)
{
	fprintf(stderr, "stopwatch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static int varlink(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die(path);
	return fd;
}

static void read_message(const struct watch *w, char *answer)
{
	size_t len = 0;

	do {
		if (len == ANSWER_MAX - 1 || read(w->out, answer + len, 1) != 1)
			die("read");
	} while (answer[len++] != w->end);
	answer[len] = '\0';
}

/* QMP says other things in between. */
static void ask(const struct watch *w, const char *request, char *answer)
{
	size_t len = strlen(request);

	if (write(w->in, request, len) != (ssize_t)len ||
	    write(w->in, &w->end, 1) != 1)
		die("write");
	do {
		read_message(w, answer);
	} while (strstr(answer, "\"timestamp\"") && strstr(answer, "\"event\""));
	if (strstr(answer, "\"error\"")) {
		fprintf(stderr, "stopwatch: %s: %s\n", request, answer);
		exit(1);
	}
}

static bool is_small(const struct watch *w)
{
	struct stat st;

	if (stat(w->file, &st))
		die(w->file);
	return st.st_blocks * 512ull <= w->bytes;
}

static bool is_done(const struct watch *w, char **poll)
{
	static char answer[ANSWER_MAX];

	if (w->file)
		return is_small(w);
	if (!poll[0] || !poll[1])
		return true;
	ask(w, poll[0], answer);
	return strstr(answer, poll[1]);
}

static void run(const struct watch *w, char **arg)
{
	static char answer[ANSWER_MAX];
	uint64_t begin;

	while (now_us() < w->at)
		usleep(100);
	begin = now_us();
	if (arg[0])
		ask(w, *arg++, answer);
	while (!is_done(w, arg)) {
		if (now_us() - begin > LIMIT_US) {
			fprintf(stderr, "stopwatch: not done\n");
			exit(1);
		}
		usleep(w->every);
	}
	printf("%" PRIu64 " %" PRIu64 "\n", begin, now_us());
}

int main(int argc, char **argv)
{
	struct watch w = { .end = '\n', .every = POLL_US };
	int c;

	while ((c = getopt(argc, argv, "+s:i:o:f:b:e:a:")) != -1) {
		switch (c) {
		case 's':
			w.in = varlink(optarg);
			w.out = w.in;
			w.end = '\0';
			break;
		case 'i':
			w.in = atoi(optarg);
			break;
		case 'o':
			w.out = atoi(optarg);
			break;
		case 'f':
			w.file = optarg;
			break;
		case 'b':
			w.bytes = strtoull(optarg, NULL, 10);
			break;
		case 'e':
			w.every = atoi(optarg);
			break;
		case 'a':
			w.at = strtoull(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	run(&w, argv + optind);
	return 0;
}
