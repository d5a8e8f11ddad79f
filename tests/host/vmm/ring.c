// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rings: their parts, buffers, kicks and calls.
 */
#include "vmm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

unsigned int num = 128;
uint16_t avail_idx[RINGS];
static int kick[RINGS];
static int call[RINGS];
static unsigned int nr_rings = 5;
static uint16_t seen_used[RINGS];
static uint16_t base[RINGS];
static uint16_t told[RINGS];	/* avail_idx at the last look whether to kick */
static unsigned int free_desc[RINGS];
static unsigned long kicks_sent;
static unsigned long calls_seen;

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

/* How many queues are before that of a feature. */
int queue_of(uint64_t feature)
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
void start(void)
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
void stop(void)
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

static struct desc *desc_of(int q, unsigned int i)
{
	return (struct desc *)at(RING_GPA(q)) + i;
}

/*
 * Chains descriptors behind each other and puts the first on the ring; the
 * device sees it after show().
 */
void put(int q, const struct desc *d, unsigned int nr)
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
}

/* All that was put on the ring, at once: the device may be looking. */
void show(int q)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	avail(q)[1] = avail_idx[q];
}

void offer(int q, const struct desc *d, unsigned int nr)
{
	put(q, d, nr);
	show(q);
}

void do_kick(int q)
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
			calls_seen += n;
	}
	seen_used[q] = used(q)[1];
	return true;
}

void wait_ring(int q)
{
	if (!settled(q, TIMEOUT_MS))
		die("ring %d: %u of %u came back", q, used(q)[1],
		    avail_idx[q]);
}

/* Has everything that was offered come back? */
bool came_back(int q)
{
	return used(q)[1] == avail_idx[q];
}

static void cmd_wait(char **arg)
{
	(void)arg;
	wait_ring(0);
	wait_ring(1);
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

/*
 * "counts": kicks, and calls of what came back. The call follows the used index;
 * a message that touches rings is answered after both.
 */
static void cmd_counts(char **arg)
{
	uint64_t n;
	int q;

	(void)arg;
	request_state(18, 0, 1);
	for (q = 0; q < queues(); q++)
		if (read(call[q], &n, sizeof(n)) == sizeof(n))
			calls_seen += n;
	say("kicks %lu calls %lu", kicks_sent, calls_seen);
}

/* "unanswered": the last request is still being worked on. */
static void cmd_unanswered(char **arg)
{
	int q = arg[1] ? number(arg[1]) : 0;

	if (used(q)[1] == avail_idx[q])
		die("the request was answered before");
}

const struct command ring_commands[] = {
	{ "start", cmd_start },
	{ "stop", cmd_stop },
	{ "reset", cmd_reset },
	{ "num", cmd_num },
	{ "wait", cmd_wait },
	{ "loop", cmd_loop },
	{ "index", cmd_index },
	{ "chain", cmd_chain },
	{ "counts", cmd_counts },
	{ "unanswered", cmd_unanswered },
	{ "parts", cmd_parts },
	{ "ring", cmd_ring },
	{ "head", cmd_head },
	{ NULL, NULL },
};
