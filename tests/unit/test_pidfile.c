// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pidfile.h"

static char path[] = "/tmp/ballonet-pidfile.XXXXXX";

static void text_write(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void number_write(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", (int)pid);
	text_write(text);
}

static void age(void)
{
	const struct timespec times[2] = {
		{ .tv_sec = 1000000 }, { .tv_sec = 1000000 },
	};

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Lives until it is ended; holds the file locked if @lock. */
static pid_t process_start(bool lock)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int ready[2], fd;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		fd = open(path, O_RDWR);
		if (lock && fcntl(fd, F_SETLK, &all))
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	return pid;
}

static void process_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void the_process_is_opened(void **state)
{
	pid_t pid = process_start(false), found = 0;
	int fd;

	(void)state;
	number_write(pid);
	fd = pidfile_open(path, &found);
	assert_true(fd >= 0);
	assert_int_equal(found, pid);
	close(fd);
	process_end(pid);
	assert_int_equal(pidfile_open(path, &found), -ESRCH);
}

static void another_one_with_the_number_is_not(void **state)
{
	pid_t pid = process_start(false), found;

	(void)state;
	number_write(pid);
	age();
	assert_int_equal(pidfile_open(path, &found), -ESTALE);
	assert_non_null(strstr(pidfile_error(-ESTALE), "older"));
	process_end(pid);
}

/* Whatever the clock was when it was written. */
static void who_holds_the_file_locked_is_the_one(void **state)
{
	pid_t pid = process_start(true), found;
	int fd;

	(void)state;
	number_write(pid);
	age();
	fd = pidfile_open(path, &found);
	assert_true(fd >= 0);
	close(fd);
	process_end(pid);
}

static void what_is_no_number_is_told(void **state)
{
	static const char *const texts[] = {
		"", "x\n", "0\n", "12 13\n", "4294967296\n", "-1\n",
		"111111111111111111111111111111111111111111\n",
	};
	pid_t found;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		text_write(texts[i]);
		assert_int_equal(pidfile_open(path, &found), -EBADMSG);
	}
}

static void a_pipe_is_not_waited_for(void **state)
{
	pid_t found;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(pidfile_open(path, &found), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(pidfile_open(path, &found), -EBADMSG);
}

static int make(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int clean(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_process_is_opened),
		cmocka_unit_test(another_one_with_the_number_is_not),
		cmocka_unit_test(who_holds_the_file_locked_is_the_one),
		cmocka_unit_test(what_is_no_number_is_told),
		/* The last one: the file is a pipe then. */
		cmocka_unit_test(a_pipe_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
