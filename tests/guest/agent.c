// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command channel of a test guest: runs what the harness sends over a
 * serial line and sends back output and exit status. It is process 1, so it
 * also collects whatever else ends.
 *
 * Theory of operation
 * -------------------
 * The guest says =0 once, when it is ready. The host then sends one request
 * at a time:
 *
 *	SECONDS LENGTH\n  followed by LENGTH bytes, a command for /bin/sh
 *
 * and the guest answers, line by line, with output (standard output and
 * error together) and then the status, as a shell counts it:
 *
 *	|a line of output\n
 *	+a last line that ended without newline\n
 *	=STATUS\n
 *
 * A request is over when its shell has ended; what the command left in the
 * background lives on, its later output is dropped. After SECONDS the shell's
 * process group is killed and the status is 124. Nothing else is ever written
 * to the line. Empty lines mean nothing: a guest that sleeps can be woken with
 * one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_MAX	65536
#define STATUS_TIMEOUT	124	/* timeout(1)'s */
#define POLL_MS		20	/* between looks for the shell's end */

static int line;	/* the serial line */

static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void send_bytes(const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(line, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("write");
		buf += n;
		len -= n;
	}
}

static void read_bytes(char *buf, size_t len)
{
	while (len) {
		ssize_t n = read(line, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("read");
		buf += n;
		len -= n;
	}
}

static void read_line(char *buf, size_t size)
{
	size_t i = 0;

	do {
		read_bytes(&buf[i], 1);
	} while (buf[i] != '\n' && ++i < size - 1);
	buf[i] = '\0';
}

static void open_line(const char *path)
{
	struct termios raw;

	line = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (line < 0)
		die(path);
	if (tcgetattr(line, &raw))
		die("tcgetattr");
	cfmakeraw(&raw);
	if (tcsetattr(line, TCSANOW, &raw))
		die("tcsetattr");
}

/* Output on its way to the host, kept until its line is complete. */
static struct {
	char buf[4096];
	size_t len;
} out;

static void out_flush(char mark)
{
	send_bytes(&mark, 1);
	send_bytes(out.buf, out.len);
	send_bytes("\n", 1);
	out.len = 0;
}

static void out_add(const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '\n') {
			out_flush('|');
			continue;
		}
		/* A line longer than the buffer goes out in pieces. */
		if (out.len == sizeof(out.buf))
			out_flush('+');
		out.buf[out.len++] = buf[i];
	}
}

/* Send on what is there. Returns false at the end of file. */
static bool out_copy(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		out_add(buf, n);
	return n < 0;
}

static pid_t start_shell(const char *command, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		setsid();
		dup2(null, 0);
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(fds[1]);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*ret_fd = fds[0];
	return pid;
}

static bool collect(pid_t pid, int *ret_status)
{
	int status;
	pid_t ended;

	while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
		if (ended != pid)
			continue;
		*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) :
			      128 + WTERMSIG(status);
		return true;
	}
	return false;
}

static int run(const char *command, int seconds)
{
	struct pollfd poll_out;
	time_t deadline = time(NULL) + seconds;
	int status, fd;
	pid_t pid;

	pid = start_shell(command, &fd);
	poll_out = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (;;) {
		bool ended = collect(pid, &status);

		if (poll_out.fd >= 0 && !out_copy(fd))
			poll_out.fd = -1;
		if (ended)
			break;
		if (time(NULL) > deadline) {
			kill(-pid, SIGKILL);
			waitpid(pid, NULL, 0);
			status = STATUS_TIMEOUT;
			break;
		}
		poll(&poll_out, 1, POLL_MS);
	}
	close(fd);
	return status;
}

int main(int argc, char **argv)
{
	static char command[COMMAND_MAX + 1];

	if (argc != 2) {
		fprintf(stderr, "usage: agent TTY\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	open_line(argv[1]);
	send_bytes("=0\n", 3);
	for (;;) {
		char buf[64];
		unsigned int seconds, len;
		int status;

		read_line(buf, sizeof(buf));
		if (!buf[0])
			continue;
		if (sscanf(buf, "%u %u", &seconds, &len) != 2 ||
		    len > COMMAND_MAX)
			die("malformed request");
		read_bytes(command, len);
		command[len] = '\0';
		status = run(command, seconds);
		if (out.len)
			out_flush('+');
		send_bytes(buf, snprintf(buf, sizeof(buf), "=%d\n", status));
	}
}
