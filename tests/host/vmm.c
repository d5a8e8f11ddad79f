// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM and a guest's driver in one small program, for tests of the back-end.
 *
 * Written from the vhost-user document and the VIRTIO standard alone: it
 * shares no code with the program under test. It reads one command a line
 * from standard input, prints what came of it, and exits 1 at the first one
 * that fails. The table at the end of the file is the language.
 *
 * Guest RAM: its first two MiB hold the rings and buffers; the others hold a
 * pattern of which every word is known, unless a command gave the page away.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ballonet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096ull
#define LOW		(2ull << 20)
#define HIGH_GPA	(4ull << 30)
#define USER		0x7f0000000000ull	/* where we claim to map it */
#define RINGS		8
#define NUM_MAX		256
#define TIMEOUT_MS	20000

/* Where a ring's parts and buffers are in the first two MiB. */
#define RING_GPA(q)	(0x10000ull + (q) * 0x4000ull)
#define AVAIL_OFF	0x1000ull
#define USED_OFF	0x2000ull
#define BUF_GPA		0x80000ull
#define BUF_SIZE	(LOW - BUF_GPA)

struct message {
	uint32_t request, flags, size;
	uint8_t data[512];
} __attribute__((packed));

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static int sock = -1, ram_fd = -1, channel = -1;
static uint8_t *ram;
static uint64_t ram_size, split;
static uint64_t features, protocol_features;
static int kick[RINGS], call[RINGS];
static unsigned int num = 128, nr_rings = 5;
static uint16_t avail_idx[RINGS], seen_used[RINGS], base[RINGS];
static uint16_t told[RINGS];	/* avail_idx at the last look whether to kick */
static unsigned int free_desc[RINGS];
static uint8_t *away;		/* a byte for each page: given to the host */
static char last[8192];		/* what the last command said */
static unsigned int line_nr;
static bool expect_no;		/* the next answer is a failure */
static unsigned long kicks_sent, calls_seen, config_changes;

static void run_words(char **arg);

static void die(const char *fmt, ...)
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

static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last, sizeof(last), fmt, ap);
	va_end(ap);
	puts(last);
	fflush(stdout);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* The byte that two hexadecimal digits are. */
static uint8_t hex_byte(const char *s)
{
	unsigned int value;

	if (sscanf(s, "%2x", &value) != 1)
		die("not hexadecimal: %s", s);
	return value;
}

/* A number with an optional K, M or G; 0x is understood. */
static uint64_t number(const char *s)
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

/*
 * Guest RAM
 */

static uint8_t *at(uint64_t gpa)
{
	if (split && gpa >= HIGH_GPA)
		return ram + split + (gpa - HIGH_GPA);
	return ram + gpa;
}

/* The guest address of a page of the file, and the other way round. */
static uint64_t gpa_of(uint64_t offset)
{
	return split && offset >= split ? HIGH_GPA + offset - split : offset;
}

static void ram_make(char **arg)
{
	const char *kind = arg[2] ? arg[2] : "memfd";
	int prot = PROT_READ | PROT_WRITE;

	ram_size = number(arg[1]);
	split = arg[2] && arg[3] ? number(arg[3]) : 0;
	if (!strcmp(kind, "hugetlb"))
		ram_fd = memfd_create("ram", MFD_HUGETLB);
	else if (!strncmp(kind, "file:", 5))
		ram_fd = open(kind + 5, O_RDWR | O_CREAT | O_TRUNC, 0600);
	else if (!strncmp(kind, "device:", 7))
		ram_fd = open(kind + 7, O_RDWR);
	else
		ram_fd = memfd_create("ram", MFD_ALLOW_SEALING);
	if (ram_fd < 0)
		die("RAM: %s", strerror(errno));
	if (strncmp(kind, "device:", 7) && ftruncate(ram_fd, ram_size))
		die("RAM: %s", strerror(errno));
	ram = mmap(NULL, ram_size, prot, MAP_SHARED, ram_fd, 0);
	if (ram == MAP_FAILED)
		die("RAM: %s", strerror(errno));
	if (!strcmp(kind, "sealed") &&
	    fcntl(ram_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE))
		die("seal: %s", strerror(errno));
	if (!strcmp(kind, "readonly")) {
		char path[64];

		sprintf(path, "/proc/self/fd/%d", ram_fd);
		ram_fd = open(path, O_RDONLY);
	}
	if (!strcmp(kind, "locked") && mlock(ram, ram_size))
		die("mlock: %s", strerror(errno));
	away = calloc(ram_size / PAGE, 1);
}

static uint64_t word(uint64_t page, unsigned int i)
{
	uint64_t x = page * 512 + i + 1;

	x *= 0x9e3779b97f4a7c15ull;
	return x ^ x >> 29;
}

static void fill_page(uint64_t page)
{
	uint64_t *p = (uint64_t *)(ram + page * PAGE);
	unsigned int i;

	for (i = 0; i < PAGE / 8; i++)
		p[i] = word(page, i);
}

static void cmd_fill(char **arg)
{
	uint64_t page;

	(void)arg;
	/* Nothing is written there, but it is there. */
	for (page = 0; page < LOW / PAGE; page++)
		((volatile uint8_t *)ram)[page * PAGE] = ram[page * PAGE];
	for (; page < ram_size / PAGE; page++)
		fill_page(page);
	memset(away, 0, ram_size / PAGE);
}

static void check_ram(bool zero, bool say_it)
{
	uint64_t page, kept = 0, gone = 0;
	unsigned int i;

	for (page = LOW / PAGE; page < ram_size / PAGE; page++) {
		uint64_t *p = (uint64_t *)(ram + page * PAGE);

		away[page] ? gone++ : kept++;
		if (away[page] && !zero)
			continue;
		for (i = 0; i < PAGE / 8; i++)
			if (p[i] != (away[page] ? 0 : word(page, i)))
				die("page %" PRIu64 " word %u is %" PRIx64
				    ", page is %s", page, i, p[i],
				    away[page] ? "away" : "the guest's");
	}
	if (say_it)
		say("kept %" PRIu64 " gone %" PRIu64, kept, gone);
}

/* "check": what was kept has its pattern; "check zero": the rest is gone. */
static void cmd_check(char **arg)
{
	check_ram(arg[1] && !strcmp(arg[1], "zero"), true);
}

static void cmd_blocks(char **arg)
{
	struct stat st;

	(void)arg;
	fstat(ram_fd, &st);
	say("%llu", st.st_blocks * 512ull);
}

/* Blocks without the first two MiB, which the rings are in. */
static void cmd_resident(char **arg)
{
	struct stat st;
	unsigned char vec[LOW / PAGE];
	uint64_t i, low = 0;

	(void)arg;
	fstat(ram_fd, &st);
	mincore(ram, LOW, vec);
	for (i = 0; i < LOW / PAGE; i++)
		low += vec[i] & 1;
	say("%llu", st.st_blocks * 512ull - low * PAGE);
}

/*
 * Messages
 */

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

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
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
static void request(uint32_t nr, const void *data, uint32_t size,
		    const int *fds, int nr_fds)
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

static void request_u64(uint32_t nr, uint64_t value)
{
	request(nr, &value, 8, NULL, 0);
}

static void request_fd(uint32_t nr, uint64_t value, int fd)
{
	request(nr, &value, 8, &fd, 1);
}

static void request_state(uint32_t nr, uint32_t index, uint32_t value)
{
	uint32_t v[2] = { index, value };

	request(nr, v, 8, NULL, 0);
}

static uint64_t ask(uint32_t nr, const void *data, uint32_t size)
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

static void send_memory(bool slots)
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

static volatile uint16_t *avail(int q)
{
	return (void *)at(RING_GPA(q) + AVAIL_OFF);
}

static volatile uint16_t *used(int q)
{
	return (void *)at(RING_GPA(q) + USED_OFF);
}

static void ring_part(int q, const char *part, uint64_t user)
{
	uint64_t a[5] = { q, user + RING_GPA(q),
			  user + RING_GPA(q) + USED_OFF,
			  user + RING_GPA(q) + AVAIL_OFF, 0 };

	if (!strcmp(part, "num")) {
		request_state(8, q, num);
	} else if (!strcmp(part, "base")) {
		request_state(10, q, base[q]);
	} else if (!strcmp(part, "addr")) {
		request(9, a, 40, NULL, 0);
	} else if (!strcmp(part, "kick")) {
		kick[q] = eventfd(0, EFD_NONBLOCK);
		request_fd(12, q, kick[q]);
	} else if (!strcmp(part, "call")) {
		call[q] = eventfd(0, EFD_NONBLOCK);
		request_fd(13, q, call[q]);
	} else {
		die("part %s", part);
	}
}

static void ring_setup(int q)
{
	static const char *const order[] = {
		"num", "base", "addr", "kick", "call",
	};
	unsigned int i;

	for (i = 0; i < 5; i++)
		ring_part(q, order[i], USER);
}

/* "parts RING PART...": the messages of one ring, in any order. */
static void cmd_parts(char **arg)
{
	int q = number(arg[1]);

	for (arg += 2; *arg; arg++)
		ring_part(q, *arg, USER);
}

/* "ring RING ADDRESS": a ring that is somewhere else. */
static void cmd_ring(char **arg)
{
	int q = number(arg[1]);

	ring_part(q, "num", USER);
	ring_part(q, "addr", number(arg[2]));
	ring_part(q, "kick", USER);
}

/* Optional queues follow without a hole: statistics, reporting, events. */
#define STATS	(1ull << 1)
#define REPORT	(1ull << 5)
#define EVENTS	(1ull << 51)

/* How many queues are before that of a feature. */
static int queue_of(uint64_t feature)
{
	uint64_t before = features & (feature - 1);

	return 2 + !!(before & STATS) + !!(before & REPORT) +
		!!(before & EVENTS);
}

static int queues(void)
{
	return queue_of(1ull << 63);
}

/* "start": as QEMU does when the driver is ready. */
static void start(void)
{
	int q;

	request_u64(2, features);
	send_memory(false);
	for (q = 0; q < queues(); q++)
		ring_setup(q);
	for (q = 0; q < (int)nr_rings; q++)
		request_state(18, q, 1);
}

static void cmd_start(char **arg)
{
	(void)arg;
	start();
}

/* "stop": as QEMU does; says where each ring stands. */
static void stop(void)
{
	uint32_t v[2] = { 0 };
	uint64_t begin = now_us(), answer;
	char text[256] = "";
	int q;

	for (q = 0; q < (int)nr_rings; q++)
		request_state(18, q, 0);
	for (q = 0; q < queues(); q++) {
		v[0] = q;
		answer = ask(11, v, 8);
		base[q] = answer >> 32;
		sprintf(text + strlen(text), "%u ", base[q]);
		close(kick[q]);
		close(call[q]);
	}
	say("bases %sin %" PRIu64 " us", text, now_us() - begin);
}

static void cmd_stop(char **arg)
{
	(void)arg;
	stop();
}

/* "reset": forget what is in the rings, as a driver that is loaded anew. */
static void cmd_reset(char **arg)
{
	(void)arg;
	memset(ram, 0, LOW);
	memset(avail_idx, 0, sizeof(avail_idx));
	memset(seen_used, 0, sizeof(seen_used));
	memset(base, 0, sizeof(base));
	memset(free_desc, 0, sizeof(free_desc));
	memset(told, 0, sizeof(told));
}

static void cmd_num(char **arg)
{
	num = number(arg[1]);
}

/*
 * Buffers
 */

static struct desc *desc_of(int q, unsigned int i)
{
	return (struct desc *)at(RING_GPA(q)) + i;
}

/* Chains descriptors behind each other and puts the first on the ring. */
static void offer(int q, const struct desc *d, unsigned int nr)
{
	unsigned int i, head = free_desc[q];

	for (i = 0; i < nr; i++) {
		struct desc *to = desc_of(q, (head + i) % num);

		*to = d[i];
		if (i + 1 < nr) {
			to->flags |= 1;
			to->next = (head + i + 1) % num;
		}
	}
	free_desc[q] = (head + nr) % num;
	avail(q)[2 + avail_idx[q]++ % num] = head;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	avail(q)[1] = avail_idx[q];
}

static void do_kick(int q)
{
	uint64_t one = 1;
	uint16_t event = used(q)[2 + 4 * num];

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (features & 1 << 29) {
		/* Wanted if the event index was passed since the last time. */
		uint16_t old = told[q];

		told[q] = avail_idx[q];
		if ((uint16_t)(avail_idx[q] - event - 1) >=
		    (uint16_t)(avail_idx[q] - old))
			return;
	} else if (used(q)[0] & 1) {
		return;
	}
	kicks_sent++;
	if (write(kick[q], &one, 8) != 8)
		die("kick: %s", strerror(errno));
}

/* Waits until everything that was offered came back. */
static bool settled(int q, int ms)
{
	uint64_t end = now_us() + ms * 1000ull, n;

	while (used(q)[1] != avail_idx[q]) {
		/* Ask for a call at the next entry. */
		avail(q)[2 + num] = used(q)[1];
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (used(q)[1] == avail_idx[q])
			break;
		if (now_us() > end)
			return false;
		if (readable(call[q], 5) && read(call[q], &n, 8) == 8)
			calls_seen++;
	}
	seen_used[q] = used(q)[1];
	return true;
}

static void wait_ring(int q)
{
	if (!settled(q, TIMEOUT_MS))
		die("ring %d: %u of %u came back", q, used(q)[1],
		    avail_idx[q]);
}

/* Marks pages as the host's, or takes them back and writes to them. */
static void mark(uint64_t frame, uint64_t nr, bool out)
{
	for (; nr; nr--, frame++) {
		uint64_t page = (at(frame * PAGE) - ram) / PAGE;

		if (out) {
			away[page] = 1;
		} else if (away[page]) {
			away[page] = 0;
			fill_page(page);
		}
	}
}

/*
 * "inflate FRAME NR [nowait]", "deflate ...": the standard's arrays, as Linux
 * sends them: 256 numbers a buffer, descending.
 */
static void arrays(int q, uint64_t frame, uint64_t left, bool nowait)
{
	uint64_t i, n;
	unsigned int in_ring = 0;

	mark(frame, left, q == 0);
	while (left) {
		uint64_t gpa = BUF_GPA + in_ring * 1024;
		uint32_t *pfn = (uint32_t *)at(gpa);
		struct desc d = { gpa, 0, 0, 0 };

		n = left < 256 ? left : 256;
		for (i = 0; i < n; i++)
			pfn[i] = frame + left - 1 - i;
		d.len = n * 4;
		offer(q, &d, 1);
		left -= n;
		if (++in_ring == num && left) {
			do_kick(q);
			wait_ring(q);
			in_ring = 0;
		}
	}
	do_kick(q);
	if (!nowait)
		wait_ring(q);
}

static void cmd_inflate(char **arg)
{
	arrays(0, number(arg[1]), number(arg[2]), arg[3]);
}

static void cmd_deflate(char **arg)
{
	arrays(1, number(arg[1]), number(arg[2]), arg[3]);
}

static void cmd_wait(char **arg)
{
	(void)arg;
	wait_ring(0);
	wait_ring(1);
}

/* Where the answer to the last request will be. */
static uint64_t response_gpa;

static void response(void)
{
	struct ballonet_response rs;
	uint32_t len = ((uint32_t *)(used(0) + 2))[0];

	(void)len;
	memcpy(&rs, at(response_gpa), sizeof(rs));
	say("status %u id %" PRIu64 " done %" PRIu64 " freed %" PRIu64,
	    rs.status, (uint64_t)rs.id, (uint64_t)rs.frames_done,
	    (uint64_t)rs.bytes_freed);
	memset(at(response_gpa), 0xee, sizeof(rs));
}

/* What is odd about a request of "ranges", as its options say. */
struct oddity {
	uint64_t type;
	uint64_t reserved;
	uint64_t nr;
	uint64_t id;
	uint64_t cut;		/* bytes of the readable part */
	uint64_t answer;	/* bytes of the writable part */
	uint64_t pieces;	/* descriptors of the readable part */
	uint64_t to;		/* its guest address */
	uint64_t queue;
	uint64_t nowait;
	uint64_t many;		/* frames: every other one from 512 on */
};

#define ODDITY(name) { #name, offsetof(struct oddity, name) }

static const struct {
	const char *name;
	size_t at;
} oddities[] = {
	ODDITY(type), ODDITY(reserved), ODDITY(nr), ODDITY(id), ODDITY(cut),
	ODDITY(answer), ODDITY(pieces), ODDITY(to), ODDITY(queue),
	ODDITY(nowait), ODDITY(many),
};

static void oddity_set(struct oddity *odd, const char *name, uint64_t value)
{
	size_t i;

	for (i = 0; i < sizeof(oddities) / sizeof(oddities[0]); i++) {
		if (!strcmp(oddities[i].name, name)) {
			memcpy((char *)odd + oddities[i].at, &value,
			       sizeof(value));
			return;
		}
	}
	die("option %s", name);
}

/* "ranges inflate|deflate [OPTION=N]... START:NR...": one request. */
static void cmd_ranges(char **arg)
{
	struct ballonet_request *rq = (void *)at(BUF_GPA);
	uint64_t direction = strcmp(arg[1], "inflate") ? 1 : 0;
	struct oddity odd = {
		.type = direction + 1,
		.id = 77,
		.answer = 32,
		.pieces = 1,
		.to = BUF_GPA,
		.queue = direction,
	};
	uint64_t total, i, start, end;
	struct desc d[NUM_MAX];
	unsigned int n = 0, nr = 0;

	memset(rq, 0, sizeof(*rq));
	for (arg += 2; *arg; arg++) {
		char *eq = strchr(*arg, '='), *colon = strchr(*arg, ':');

		if (colon) {
			*colon = 0;
			rq->ranges[nr].start = number(*arg);
			rq->ranges[nr++].nr = number(colon + 1);
		} else if (eq) {
			*eq = 0;
			oddity_set(&odd, *arg, number(eq + 1));
		}
	}
	for (; nr < odd.many; nr++) {
		rq->ranges[nr].start = 512 + 2 * nr;
		rq->ranges[nr].nr = 1;
	}
	rq->type = odd.type;
	rq->reserved = odd.reserved;
	rq->nr_ranges = odd.nr ? odd.nr : nr;
	rq->id = odd.id;
	total = odd.cut ? odd.cut : sizeof(*rq) + nr * sizeof(rq->ranges[0]);
	response_gpa = BUF_GPA + 0x100000;
	memset(at(response_gpa), 0xee, 64);
	for (i = 0; i < odd.pieces; i++) {
		start = total * i / odd.pieces;
		end = total * (i + 1) / odd.pieces;
		d[n++] = (struct desc){ odd.to + start, end - start, 0, 0 };
	}
	start = odd.answer > 4 && odd.pieces > 1 ? 4 : 0;
	if (start)
		d[n++] = (struct desc){ response_gpa, start, 2, 0 };
	if (odd.answer)
		d[n++] = (struct desc){ response_gpa + start,
					odd.answer - start, 2, 0 };
	offer(odd.queue, d, n);
	do_kick(odd.queue);
	if (odd.nowait)
		return;
	wait_ring(odd.queue);
	response();
	if (strncmp(last, "status 0", 8))
		return;
	for (i = 0; i < nr; i++)
		mark(rq->ranges[i].start, rq->ranges[i].nr, rq->type == 1);
}

static void cmd_response(char **arg)
{
	(void)arg;
	wait_ring(0);
	response();
}

/* "mark out|in FRAME NR": what the last request without waiting did. */
static void cmd_mark(char **arg)
{
	mark(number(arg[2]), number(arg[3]), !strcmp(arg[1], "out"));
}

/* "stats TAG:VALUE...": the driver's buffer; the ring holds one. */
static void cmd_stats(char **arg)
{
	uint8_t *p = at(BUF_GPA + 0x110000), *begin = p;
	struct desc d = { BUF_GPA + 0x110000, 0, 0, 0 };

	for (arg++; *arg && strchr(*arg, ':'); arg++) {
		char *colon = strchr(*arg, ':');
		uint64_t value = number(colon + 1);
		uint16_t tag;

		*colon = 0;
		tag = number(*arg);
		memcpy(p, &tag, 2);
		memcpy(p + 2, &value, 8);
		p += 10;
	}
	d.len = *arg ? number(*arg) : (uint64_t)(p - begin);
	offer(queue_of(STATS), &d, 1);
	do_kick(queue_of(STATS));
}

/* "statsback": wait until the host asks for new numbers. */
static void cmd_statsback(char **arg)
{
	(void)arg;
	wait_ring(2);
}

/* "report START:NR...": free pages; the guest may use them again at once. */
static void cmd_report(char **arg)
{
	struct desc d[32];
	unsigned int n = 0;

	for (arg++; *arg; arg++) {
		char *colon = strchr(*arg, ':');

		*colon = 0;
		d[n++] = (struct desc){ number(*arg) * PAGE,
					number(colon + 1) * PAGE, 2, 0 };
	}
	offer(queue_of(REPORT), d, n);
	do_kick(queue_of(REPORT));
	wait_ring(queue_of(REPORT));
}

static void offer_event(uint16_t type, uint32_t seq, uint64_t value)
{
	int q = queue_of(EVENTS);
	uint64_t gpa = BUF_GPA + 0x120000 + avail_idx[q] % num * 32;
	struct ballonet_event ev = { type, 0, seq, value };
	struct desc d = { gpa, sizeof(ev), 0, 0 };

	memcpy(at(gpa), &ev, sizeof(ev));
	offer(q, &d, 1);
}

/*
 * "event TYPE SEQ VALUE [nowait|nokick|stamp]": one event; with "stamp" says
 * when it was sent, in us since the epoch.
 */
static void cmd_event(char **arg)
{
	struct timespec ts;

	offer_event(number(arg[1]), number(arg[2]), number(arg[3]));
	if (arg[4] && !strcmp(arg[4], "nokick"))
		return;
	if (arg[4] && !strcmp(arg[4], "stamp")) {
		clock_gettime(CLOCK_REALTIME, &ts);
		say("%llu", ts.tv_sec * 1000000ull + ts.tv_nsec / 1000);
	}
	do_kick(queue_of(EVENTS));
	if (!arg[4])
		wait_ring(queue_of(EVENTS));
}

/* "oddevent LEN RESERVED FLAGS": one that is wrong in some way. */
static void cmd_oddevent(char **arg)
{
	int q = queue_of(EVENTS);
	struct ballonet_event ev = { 3, number(arg[2]), 99, PAGE };
	struct desc d = { BUF_GPA + 0x120000, number(arg[1]), number(arg[3]),
			  0 };

	memcpy(at(d.addr), &ev, sizeof(ev));
	offer(q, &d, 1);
	do_kick(q);
	wait_ring(q);
}

/* "eventflood NR SEQ": as fast as it can, of every type. */
static void cmd_eventflood(char **arg)
{
	uint64_t i, nr = number(arg[1]), seq = number(arg[2]);
	int q = queue_of(EVENTS);

	for (i = 0; i < nr; i++) {
		offer_event(1 + (seq + i) % 4, seq + i, i * PAGE);
		if (i % num == num - 1 || i + 1 == nr) {
			do_kick(q);
			wait_ring(q);
		}
	}
}

/* "loop": a chain that never ends. "index N": a wrong available index. */
static void cmd_loop(char **arg)
{
	struct desc d = { BUF_GPA, 16, 1, 0 };

	(void)arg;
	d.next = free_desc[0];
	offer(0, &d, 1);
	do_kick(0);
}

static void cmd_index(char **arg)
{
	avail_idx[0] += number(arg[1]);
	avail(0)[1] = avail_idx[0];
	do_kick(0);
}

/* "chain FLAGS LEN...": descriptors of any kind on ring 0. */
static void cmd_chain(char **arg)
{
	struct desc d[16];
	unsigned int n = 0;

	for (arg++; arg[0] && arg[1]; arg += 2)
		d[n++] = (struct desc){ BUF_GPA, number(arg[1]),
					number(arg[0]), 0 };
	offer(0, d, n);
	do_kick(0);
}

/* "head N": a buffer that begins with this descriptor. */
static void cmd_head(char **arg)
{
	avail(0)[2 + avail_idx[0]++ % num] = number(arg[1]);
	avail(0)[1] = avail_idx[0];
	do_kick(0);
}

/* "wild FRAME NR FRAME NR": one array, frames of any kind; the second is RAM. */
static void cmd_wild(char **arg)
{
	uint32_t *pfn = (uint32_t *)at(BUF_GPA);
	struct desc d = { BUF_GPA, 0, 0, 0 };
	uint64_t i, n = 0;

	for (i = 0; i < number(arg[2]); i++)
		pfn[n++] = number(arg[1]) + i;
	for (i = 0; i < number(arg[4]); i++)
		pfn[n++] = number(arg[3]) + i;
	mark(number(arg[3]), number(arg[4]), true);
	d.len = n * 4;
	offer(0, &d, 1);
	do_kick(0);
	wait_ring(0);
}

/*
 * Configuration space, and messages by hand
 */

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

static void cmd_write(char **arg)
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

static void cmd_sleep(char **arg)
{
	usleep(number(arg[1]) * 1000);
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

/* "timed COMMAND...": in a tenth of a second. */
static void cmd_timed(char **arg)
{
	uint64_t begin = now_us();

	run_words(arg + 1);
	if (now_us() - begin > 100000)
		die("%s took %" PRIu64 " us", arg[1], now_us() - begin);
}

/* "refill": the guest writes its own memory again, after a stop. */
static void cmd_refill(char **arg)
{
	cmd_fill(arg);
}

static void cmd_counts(char **arg)
{
	(void)arg;
	say("kicks %lu calls %lu", kicks_sent, calls_seen);
}

/* What a VMM says in between: a vCPU's accesses, a pause of the VM. */
static void chat(uint64_t round)
{
	char write[] = "write", actual[] = "4", value[16];

	sprintf(value, "%08x", (uint32_t)round);
	cmd_write((char *[]){ write, actual, value, NULL });
	if (ask(1, NULL, 0) == 0)
		die("no features");
	if (round % 16)
		return;
	stop();
	start();
}

/*
 * "storm SECONDS [SEED [chat]]": inflate and deflate at random, look at what
 * the guest kept; "chat" sends the VMM's messages in between.
 */
static void cmd_storm(char **arg)
{
	uint64_t end = now_us() + number(arg[1]) * 1000000ull, n = 0;
	uint64_t pages = ram_size / PAGE, low = LOW / PAGE;

	srandom(arg[2] ? number(arg[2]) : 1);
	while (now_us() < end) {
		uint64_t len = 1 + random() % (pages / 4);
		uint64_t page = low + random() % (pages - low - len);

		if (split && page < split / PAGE && page + len > split / PAGE)
			continue;
		arrays(n % 2, gpa_of(page * PAGE) / PAGE, len, false);
		if (!(n++ % 8))
			check_ram(false, false);
		if (arg[2] && arg[3])
			chat(n);
	}
	check_ram(false, false);
	say("%" PRIu64 " rounds", n);
}

static const struct {
	const char *name;
	void (*fn)(char **arg);
} commands[] = {
	{ "ram", ram_make },	{ "connect", cmd_connect },
	{ "hello", cmd_hello },	{ "memory", cmd_memory },
	{ "start", cmd_start },	{ "stop", cmd_stop },
	{ "reset", cmd_reset },	{ "num", cmd_num },
	{ "fill", cmd_fill },	{ "check", cmd_check },
	{ "blocks", cmd_blocks }, { "resident", cmd_resident },
	{ "inflate", cmd_inflate }, { "deflate", cmd_deflate },
	{ "wait", cmd_wait },	{ "ranges", cmd_ranges },
	{ "response", cmd_response }, { "mark", cmd_mark },
	{ "stats", cmd_stats },	{ "statsback", cmd_statsback },
	{ "loop", cmd_loop },	{ "index", cmd_index },
	{ "chain", cmd_chain },	{ "config", cmd_config },
	{ "write", cmd_write },	{ "changes", cmd_changes },
	{ "raw", cmd_raw },	{ "eof", cmd_eof },
	{ "enable", cmd_enable }, { "send", cmd_send },
	{ "answer", cmd_answer }, { "sleep", cmd_sleep },
	{ "features", cmd_features }, { "forget", cmd_forget },
	{ "sh", cmd_sh },	{ "expect", cmd_expect },
	{ "under", cmd_under },	{ "counts", cmd_counts },
	{ "parts", cmd_parts },	{ "ring", cmd_ring },
	{ "table", cmd_table },	{ "refuses", cmd_refuses },
	{ "under-us", cmd_under_us }, { "timed", cmd_timed },
	{ "same-after", cmd_same_after }, { "refill", cmd_refill },
	{ "report", cmd_report }, { "event", cmd_event },
	{ "oddevent", cmd_oddevent }, { "eventflood", cmd_eventflood },
	{ "head", cmd_head },	{ "wild", cmd_wild },
	{ "storm", cmd_storm },	{ "call", cmd_call },
};

static void run_words(char **arg)
{
	unsigned int i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(arg[0], commands[i].name)) {
			commands[i].fn(arg);
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

	while (fgets(line, sizeof(line), stdin)) {
		line_nr++;
		run(line);
	}
	return 0;
}
