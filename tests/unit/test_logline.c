// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "logline.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES	4096
/* A line that waits for its reader waits for ever: no test ends so late. */
#define LIMIT_S		60

/* Standard error as it was: what fails is told there. */
static int own_stderr;

static void err_set(int fd)
{
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
}

static void say(const char *text)
{
	logline_write(text, strlen(text));
}

/* All that @fd has now. */
static const char *all_of(int fd)
{
	static char text[16 * PAGE_BYTES];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	return text;
}

/* Writes until nothing more is taken; then nothing is, and it is told. */
static void lines_are_lost_and_counted(const int *fds)
{
	const char *text;
	int i;

	alarm(LIMIT_S);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	err_set(fds[1]);
	say("first\n");
	for (i = 0; i < 100000; i++)
		say("a line that nobody reads\n");
	text = all_of(fds[0]);
	err_set(own_stderr);
	assert_memory_equal(text, "first\na line that", 17);
	assert_null(strstr(text, "lost"));

	err_set(fds[1]);
	say("next\n");
	say("last\n");
	text = all_of(fds[0]);
	err_set(own_stderr);
	assert_non_null(strstr(text, " lines before this one were lost"));
	assert_non_null(strstr(text, "read them\nnext\nlast\n"));
	assert_true(atoi(text) > 0);
	close(fds[0]);
	close(fds[1]);
	alarm(0);
}

static void nobody_waits_for_who_reads_a_pipe(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	lines_are_lost_and_counted(fds);
}

static void on_signal(int number)
{
	(void)number;
}

/* A signal that ends the wait early is no reader. */
static void nobody_waits_who_gets_a_signal(void **state)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };
	struct itimerspec soon = { .it_value.tv_nsec = 10000000 };
	char bytes[PAGE_BYTES] = { 0 };
	timer_t timer;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	while (write(fds[1], bytes, sizeof(bytes)) > 0)
		;
	fcntl(fds[1], F_SETFL, 0);
	sigaction(SIGUSR1, &act, NULL);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	alarm(LIMIT_S);
	err_set(fds[1]);
	timer_settime(timer, 0, &soon, NULL);
	say("nobody reads it\n");
	err_set(own_stderr);
	alarm(0);
	timer_delete(timer);
	close(fds[0]);
	close(fds[1]);
}

/* As the journal has it. */
static void nobody_waits_for_who_reads_a_socket(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	lines_are_lost_and_counted(fds);
}

static void a_file_gets_every_line(void **state)
{
	char path[] = "/tmp/test_logline.XXXXXX", longer[2 * LOGLINE_MAX];
	int fd = mkstemp(path);
	const char *text;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	memset(longer, 'x', sizeof(longer));
	err_set(fd);
	say("one\n");
	say("two\n");
	logline_write(longer, sizeof(longer));
	err_set(own_stderr);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	text = all_of(fd);
	assert_memory_equal(text, "one\ntwo\nxxx", 11);
	assert_int_equal(strlen(text), 8 + LOGLINE_MAX);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_waits_for_who_reads_a_pipe),
		cmocka_unit_test(nobody_waits_for_who_reads_a_socket),
		cmocka_unit_test(a_file_gets_every_line),
		cmocka_unit_test(nobody_waits_who_gets_a_signal),
	};

	own_stderr = dup(STDERR_FILENO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
