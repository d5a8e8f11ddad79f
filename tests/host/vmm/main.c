// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM and a guest's driver in one small program, for tests of the back-end.
 *
 * Written from the vhost-user document and the VIRTIO standard alone: it
 * shares no code with the program under test. It reads one command a line
 * from standard input, prints what came of it, and exits 1 at the first one
 * that fails. The tables at the ends of the files are the language.
 *
 * Guest RAM: its first two MiB hold the rings and buffers; the others hold a
 * pattern of which every word is known, unless a command gave the page away.
 */
#include "vmm.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

char last[LAST_MAX];	/* what the last command said */
static unsigned int line_nr;

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fflush(stdout);
	fprintf(stderr, "vmm: line %u: ", line_nr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last, sizeof(last), fmt, ap);
	va_end(ap);
	puts(last);
	fflush(stdout);
}

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* The byte that two hexadecimal digits are. */
uint8_t hex_byte(const char *s)
{
	unsigned int value;

	if (sscanf(s, "%2x", &value) != 1)
		die("not hexadecimal: %s", s);
	return value;
}

/* A number with an optional K, M or G; 0x is understood. */
uint64_t number(const char *s)
{
	static const char units[] = "KMG";
	char *end;
	uint64_t n = strtoull(s ? s : "", &end, 0);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (unit) {
		n <<= 10 * (unit - units + 1);
		end++;
	}
	if (!s || end == s || *end)
		die("not a number: %s", s ? s : "(missing)");
	return n;
}

bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

static void cmd_sleep(char **arg)
{
	usleep(number(arg[1]) * 1000);
}

/* "clock": microseconds, for who measures. */
static void cmd_clock(char **arg)
{
	(void)arg;
	say("clock %" PRIu64, now_us());
}

static void cmd_sh(char **arg)
{
	char line[1024] = "";

	for (arg++; *arg; arg++)
		sprintf(line + strlen(line), "%s ", *arg);
	if (system(line))
		die("failed: %s", line);
}

/* "expect WORD...": they are in what the last command said, in a row. */
static void cmd_expect(char **arg)
{
	char text[1024] = "";

	for (arg++; *arg; arg++)
		sprintf(text + strlen(text), "%s%s", *text ? " " : "", *arg);
	if (!strstr(last, text))
		die("expected '%s', not '%s'", text, last);
}

/*
 * "call PATH [METHOD PARAMETERS]...": calls of the control interface, all at
 * once; the answers on one line.
 */
static void cmd_call(char **arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char text[sizeof(last)];
	int fd, i, calls = 0;
	size_t len = 0;
	ssize_t n;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", arg[1]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect %s: %s", arg[1], strerror(errno));
	for (i = 2; arg[i]; i += arg[i + 1] ? 2 : 1, calls++)
		len += 1 + snprintf(text + len, sizeof(text) - len,
				    "{\"method\":\"%s\",\"parameters\":%s}",
				    arg[i], arg[i + 1] ? arg[i + 1] : "{}");
	if (write(fd, text, len) != (ssize_t)len)
		die("call: %s", strerror(errno));
	for (len = 0; calls; len += n) {
		if (!readable(fd, TIMEOUT_MS))
			die("no answer to %s", arg[2]);
		n = read(fd, text + len, sizeof(text) - len);
		if (n <= 0)
			die("connection closed by %s", arg[2]);
		for (i = 0; i < n; i++)
			if (!text[len + i] && --calls)
				text[len + i] = ' ';
	}
	close(fd);
	say("%s", text);
}

/* "under N": the last number said is at most this. */
static void cmd_under(char **arg)
{
	const char *p = strrchr(last, ' ');

	if (number(p ? p + 1 : last) > number(arg[1]))
		die("expected at most %s, not '%s'", arg[1], last);
}

/* "under-us N": the stop took less. */
static void cmd_under_us(char **arg)
{
	char *in = strstr(last, " in ");

	if (!in || strtoull(in + 4, NULL, 10) > number(arg[1]))
		die("more than %s us: %s", arg[1], last);
}

/* "same-after MS COMMAND...": it says the same as the last one said. */
static void cmd_same_after(char **arg)
{
	char before[sizeof(last)];

	strcpy(before, last);
	usleep(number(arg[1]) * 1000);
	run_words(arg + 2);
	if (strcmp(before, last))
		die("was %s, is %s", before, last);
}

/* "timed MS COMMAND...": it takes no longer. */
static void cmd_timed(char **arg)
{
	uint64_t begin = now_us();

	run_words(arg + 2);
	if (now_us() - begin > number(arg[1]) * 1000)
		die("%s took %" PRIu64 " us", arg[2], now_us() - begin);
}

/* "until WORD COMMAND...": it says this in the end. */
static void cmd_until(char **arg)
{
	uint64_t end = now_us() + TIMEOUT_MS * 1000;

	run_words(arg + 2);
	while (!strstr(last, arg[1])) {
		if (now_us() > end)
			die("expected '%s', not '%s'", arg[1], last);
		usleep(20000);
		run_words(arg + 2);
	}
}

static const struct command main_commands[] = {
	{ "sleep", cmd_sleep },
	{ "clock", cmd_clock },
	{ "sh", cmd_sh },
	{ "expect", cmd_expect },
	{ "under", cmd_under },
	{ "under-us", cmd_under_us },
	{ "timed", cmd_timed },
	{ "until", cmd_until },
	{ "same-after", cmd_same_after },
	{ "call", cmd_call },
	{ NULL, NULL },
};

static const struct command *const commands[] = {
	ram_commands, message_commands, ring_commands, balloon_commands,
	tell_commands, live_commands, standby_commands, main_commands,
};

void run_words(char **arg)
{
	const struct command *c;
	unsigned int i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		for (c = commands[i]; c->name; c++)
			if (!strcmp(arg[0], c->name)) {
				c->fn(arg);
				return;
			}
	die("no such command: %s", arg[0]);
}

static void run(char *line)
{
	char *arg[64] = { NULL }, *save, *p;
	unsigned int n = 0;

	for (p = strtok_r(line, " \t\n", &save); p && n < 62;
	     p = strtok_r(NULL, " \t\n", &save))
		arg[n++] = p;
	if (n && arg[0][0] != '#')
		run_words(arg);
}

int main(void)
{
	char line[8192];

	/* So that whether there is another command can be seen. */
	setvbuf(stdin, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		line_nr++;
		run(line);
	}
	return 0;
}
