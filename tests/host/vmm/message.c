// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The vhost-user conversation, and configuration space.
 */
#include "vmm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct message {
	uint32_t request, flags, size;
	uint8_t data[512];
} __attribute__((packed));

uint64_t features;
static int sock = -1;
static int channel = -1;
static uint64_t protocol_features;
static bool expect_no;		/* the next answer is a failure */
static unsigned long config_changes;

static void cmd_connect(char **arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	uint64_t end = now_us() + 5000000;

	if (!strncmp(arg[1], "fd:", 3)) {
		sock = number(arg[1] + 3);
		return;
	}
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", arg[1]);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while (connect(sock, (struct sockaddr *)&a, sizeof(a))) {
		if (now_us() > end)
			die("connect %s: %s", arg[1], strerror(errno));
		usleep(10000);
	}
}

static void send_fds(const void *data, size_t len, const int *fds, int nr)
{
	char control[CMSG_SPACE(sizeof(int) * 32)] = "";
	struct iovec iov = { (void *)data, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr) {
		struct cmsghdr *c;

		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nr);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nr);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nr);
	}
	if (sendmsg(sock, &mh, MSG_NOSIGNAL) != (ssize_t)len)
		die("send: %s", strerror(errno));
}

static void receive(struct message *m, uint32_t request)
{
	size_t have = 0, want = 12;

	while (have < want) {
		ssize_t n;

		if (!readable(sock, TIMEOUT_MS))
			die("no answer to request %u", request);
		n = recv(sock, (uint8_t *)m + have, want - have, 0);
		if (n <= 0)
			die("connection closed instead of an answer to %u",
			    request);
		have += n;
		if (have == 12)
			want = 12 + m->size;
		if (want > sizeof(*m))
			die("answer of %u bytes", m->size);
	}
	if (m->request != request || (m->flags & 7) != 5)
		die("answer %u flags %x to request %u", m->request, m->flags,
		    request);
}

/* A request; with NEED_REPLY its answer must be 0. */
void request(uint32_t nr, const void *data, uint32_t size, const int *fds,
	     int nr_fds)
{
	struct message m = { nr, 1, size, { 0 } };

	if (protocol_features & 1 << 3)
		m.flags |= 8;
	memcpy(m.data, data, size);
	send_fds(&m, 12 + size, fds, nr_fds);
	if (!(m.flags & 8))
		return;
	receive(&m, nr);
	if (m.size == 8 && !memcmp(m.data, "\0\0\0\0\0\0\0", 8))
		return;
	if (!expect_no)
		die("request %u: the back-end says no", nr);
	expect_no = false;
}

void request_u64(uint32_t nr, uint64_t value)
{
	request(nr, &value, 8, NULL, 0);
}

void request_fd(uint32_t nr, uint64_t value, int fd)
{
	request(nr, &value, 8, &fd, 1);
}

void request_state(uint32_t nr, uint32_t index, uint32_t value)
{
	uint32_t v[2] = { index, value };

	request(nr, v, 8, NULL, 0);
}

uint64_t ask(uint32_t nr, const void *data, uint32_t size)
{
	struct message m = { nr, 1, size, { 0 } };
	uint64_t v;

	memcpy(m.data, data, size);
	send_fds(&m, 12 + size, NULL, 0);
	receive(&m, nr);
	if (m.size != 8)
		die("request %u: answer of %u bytes", nr, m.size);
	memcpy(&v, m.data, 8);
	return v;
}

/* "hello [FEATURES]": from the first message to the backend channel. */
static void cmd_hello(char **arg)
{
	int sv[2];
	uint64_t f;

	f = ask(1, NULL, 0);
	features = arg[1] ? number(arg[1]) : 0x0004000160000007ull;
	if (features & ~f)
		die("offered %" PRIx64 ", wanted %" PRIx64, f, features);
	f = ask(15, NULL, 0);
	if (f != 0x8229)
		die("protocol features %" PRIx64, f);
	protocol_features = 0;
	request_u64(16, 0x8229);
	protocol_features = 0x8229;
	if (ask(17, NULL, 0) < 5)
		die("too few queues");
	if (ask(36, NULL, 0) < 8)
		die("too few memory slots");
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv);
	request(21, NULL, 0, &sv[1], 1);
	close(sv[1]);
	if (channel >= 0)
		close(channel);
	channel = sv[0];
	request(3, NULL, 0, NULL, 0);
	say("features %" PRIx64, ask(1, NULL, 0));
}

static int table(uint64_t *r)
{
	uint64_t a = split ? split : ram_size;
	uint64_t t[] = { 0, a, USER, 0,
			 HIGH_GPA, ram_size - a, USER + HIGH_GPA, a };

	memcpy(r, t, sizeof(t));
	return split ? 2 : 1;
}

void send_memory(bool slots)
{
	uint64_t r[8], m[17];
	int fds[2] = { ram_fd, ram_fd }, i, n = table(r);

	if (slots) {
		for (i = 0; i < n; i++) {
			m[0] = 0;
			memcpy(m + 1, r + 4 * i, 32);
			request(37, m, 40, fds, 1);
		}
		return;
	}
	m[0] = n;
	memcpy(m + 1, r, sizeof(r));
	request(5, m, 8 + 32 * n, fds, n);
}

/* "memory [slots]": SET_MEM_TABLE, or a message for each region. */
static void cmd_memory(char **arg)
{
	send_memory(arg[1] && !strcmp(arg[1], "slots"));
}

/* "table GPA SIZE USER OFFSET...": any SET_MEM_TABLE, without an answer. */
static void cmd_table(char **arg)
{
	struct message m = { 5, 1, 8, { 0 } };
	int fds[8] = { 0 }, n = 0;
	uint64_t v;

	for (arg++; *arg; arg++) {
		v = number(*arg);
		memcpy(m.data + m.size, &v, 8);
		m.size += 8;
		if (m.size % 32 == 8)
			fds[n++] = ram_fd;
	}
	m.data[0] = n;
	send_fds(&m, 12 + m.size, fds, n);
}

/* "refuses COMMAND...": its last message is answered with a failure. */
static void cmd_refuses(char **arg)
{
	expect_no = true;
	run_words(arg + 1);
	if (expect_no)
		die("the back-end says yes");
}

/* "forget N": REM_MEM_REG of the N-th region. */
static void cmd_forget(char **arg)
{
	uint64_t r[8], m[5] = { 0 };

	table(r);
	memcpy(m + 1, r + 4 * number(arg[1]), 32);
	request(38, m, 40, NULL, 0);
}

static void cmd_config(char **arg)
{
	struct message m = { 24, 1, 0, { 0 } };
	uint32_t c[3] = { number(arg[1]), number(arg[2]), 0 };
	char text[1024] = "";
	uint32_t i;

	/* Some front-ends leave room for the answer, some do not. */
	m.size = arg[3] ? 12 : 12 + c[1];
	memcpy(m.data, c, 12);
	send_fds(&m, 12 + m.size, NULL, 0);
	receive(&m, 24);
	for (i = 12; i < m.size; i++)
		sprintf(text + strlen(text), "%02x", m.data[i]);
	say("%s", m.size ? text : "refused");
}

/* The target, in pages. */
uint32_t config_pages(void)
{
	struct message m = { 24, 1, 16, { 0 } };
	uint32_t c[3] = { 0, 4, 0 }, pages;

	memcpy(m.data, c, 12);
	send_fds(&m, 12 + m.size, NULL, 0);
	receive(&m, 24);
	memcpy(&pages, m.data + 12, 4);
	return pages;
}

void cmd_write(char **arg)
{
	uint8_t d[300] = { 0 };
	uint32_t c[3] = { number(arg[1]), strlen(arg[2]) / 2, 0 };
	uint32_t i;

	memcpy(d, c, 12);
	for (i = 0; i < c[1]; i++)
		d[12 + i] = hex_byte(arg[2] + 2 * i);
	request(25, d, 12 + c[1], NULL, 0);
}

static void cmd_changes(char **arg)
{
	struct message m;

	(void)arg;
	while (readable(channel, 100)) {
		if (recv(channel, &m, 12, 0) != 12)
			break;
		if (m.request != 2 || m.flags != 1 || m.size)
			die("message %u on the channel", m.request);
		config_changes++;
	}
	say("%lu", config_changes);
}

/* "raw REQUEST FLAGS SIZE NRFDS [HEX]": any message; no answer is read. */
static void cmd_raw(char **arg)
{
	struct message m = { number(arg[1]), number(arg[2]), number(arg[3]),
			     { 0 } };
	int fds[32], i, n = number(arg[4]);
	size_t len = 0;

	for (i = 0; i < n; i++)
		fds[i] = eventfd(0, 0);
	for (; arg[5] && arg[5][2 * len]; len++)
		m.data[len] = hex_byte(arg[5] + 2 * len);
	send_fds(&m, 12 + len, fds, n);
	for (i = 0; i < n; i++)
		close(fds[i]);
}

static void cmd_eof(char **arg)
{
	struct message m;

	(void)arg;
	if (!readable(sock, TIMEOUT_MS))
		die("the connection is still there");
	if (recv(sock, &m, sizeof(m), 0) > 0)
		die("an answer came instead of the end");
}

/* "enable RING N", "send REQUEST VALUE": single messages. */
static void cmd_enable(char **arg)
{
	request_state(18, number(arg[1]), number(arg[2]));
}

static void cmd_send(char **arg)
{
	request_u64(number(arg[1]), number(arg[2]));
}

static void cmd_features(char **arg)
{
	features = number(arg[1]);
}

/* "answer REQUEST": the answer to a raw message. */
static void cmd_answer(char **arg)
{
	struct message m;

	receive(&m, number(arg[1]));
	say("answer %u bytes, first %u", m.size, m.data[0]);
}

const struct command message_commands[] = {
	{ "connect", cmd_connect },
	{ "hello", cmd_hello },
	{ "memory", cmd_memory },
	{ "config", cmd_config },
	{ "write", cmd_write },
	{ "changes", cmd_changes },
	{ "raw", cmd_raw },
	{ "eof", cmd_eof },
	{ "enable", cmd_enable },
	{ "send", cmd_send },
	{ "answer", cmd_answer },
	{ "features", cmd_features },
	{ "forget", cmd_forget },
	{ "table", cmd_table },
	{ "refuses", cmd_refuses },
	{ NULL, NULL },
};
