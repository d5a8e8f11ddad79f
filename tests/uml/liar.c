// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A balloon device that lies, for tests of the driver.
 *
 * Written from the vhost-user document, the VIRTIO standard and the header of
 * the wire alone: it shares no code with the real back-end. It answers every
 * message of the front-end at once and truly, because User-Mode Linux stands
 * still until it does; it lies in configuration space and on the rings, when
 * it is told to. Unless told, it is honest, and writes over every frame that
 * it is given.
 *
 *	liar SOCKET FEATURES	one connection, then it ends
 *
 * Commands come line by line from standard input, each has one line of answer.
 * The table at the end of the file is the language.
 *
 * It also keeps the books: who owns each frame. What a driver must never do
 * is counted ("violations") and told on standard error.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ballonet.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FRAME		4096ull
#define RINGS		6
#define NUM_MAX		256
#define OWED_MAX	64
#define RANGES_MAX	1024
/* What a used entry without a lie about it has. */
#define TRUTH		INT64_MIN

/* Bits of VIRTIO and vhost-user. */
#define F_STATS		(1ull << 1)
#define F_HINT		(1ull << 3)
#define F_POISON	(1ull << 4)
#define F_REPORTING	(1ull << 5)
#define F_EVENT_IDX	(1ull << 29)
#define F_PROTOCOL	(1ull << 30)
#define F_RANGES	(1ull << BALLONET_F_RANGES)
#define F_EVENTS	(1ull << BALLONET_F_EVENTS)
#define F_STANDBY	(1ull << BALLONET_F_STANDBY)
/* Of devices and vendors, but of no balloon: nobody can know them. */
#define F_UNKNOWN	(0xffffc0ull | 0x7ffull << 53)
#define REPLY_ACK	3
#define PROTOCOL	(1u << REPLY_ACK | 1u << 5 | 1u << 9)
#define NEED_REPLY	8u

enum ring_name { IN, OUT, STATS, HINT, REPORT, EVENTS };

enum owner { GUEST, FLIGHT, HOST, EITHER };

struct message {
	uint32_t request, flags, size;
	union {
		uint8_t bytes[512];
		uint64_t u64;
		uint32_t u32[4];
		struct {
			uint32_t nr, padding;
			struct {
				uint64_t guest, size, user, offset;
			} region;
		} memory;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t offset, size, flags;
			uint8_t data[256];
		} config;
	};
} __attribute__((packed));

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* What is wrong with the answers on a ring. */
struct lie {
	bool silent, twice;
	int64_t len, status, done, more;
	uint64_t id;
	uint32_t head;
	uint16_t jump;
};

struct ring {
	int kick, call;
	unsigned int num;
	uint64_t desc, avail, used;
	uint16_t taken, given;
	bool enabled;
	struct lie lie;
	unsigned long count;
};

/* A buffer that we owe an answer for. */
struct owed {
	bool busy;
	int q;
	uint16_t head;
	uint64_t in, id, frames;
	uint32_t in_len, nr;
	struct ballonet_range ranges[RANGES_MAX];
};

static const struct lie honest = {
	.len = TRUTH, .status = TRUTH, .done = TRUTH,
};

static int sock = -1, channel = -1;
static uint64_t features, accepted;
static uint32_t protocol;
static uint8_t *ram, *owner;
static uint64_t ram_start, ram_size;
static struct ring rings[RINGS];
static struct owed owed[OWED_MAX];
static struct ballonet_config config;
static unsigned long violations, frames_in, frames_out;
/* By type, [0] of all. The time is since the epoch. */
static struct {
	unsigned long count;
	uint64_t value, ms;
} events[BALLONET_EV_FLOOR + 1];
static uint32_t storm[2];	/* num_pages, in turn; no storm if equal */
/* Tags of the first statistics since the device was reset. */
static uint16_t stat_tags[64];
static unsigned int stat_count;
static uint64_t report_least = UINT64_MAX;
/* Free page hinting: ids of the open round, the last one, and a storm's next */
static uint32_t round_open, round_last, round_next;
static unsigned long rounds, frames_hinted;
/* The standby table: frames, none if 0; how often it was told */
static uint64_t table_start, table_frames;
static unsigned long tells, blocks_taken;

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("liar: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static void violation(const char *what, uint64_t value)
{
	violations++;
	if (violations < 20)
		fprintf(stderr, "violation: %s: %" PRIu64 "\n", what, value);
}

/*
 * Guest memory
 */

static void *at(uint64_t addr, uint64_t len)
{
	if (addr < ram_start || len > ram_size ||
	    addr - ram_start > ram_size - len)
		return NULL;
	return ram + (addr - ram_start);
}

static void memory_map(const struct message *m, int fd)
{
	if (m->memory.nr != 1 || fd < 0)
		die("%u regions", m->memory.nr);
	if (ram)
		munmap(ram, ram_size);
	free(owner);
	ram_start = m->memory.region.guest;
	ram_size = m->memory.region.size;
	ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   m->memory.region.offset);
	if (ram == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	owner = calloc(ram_size / FRAME, 1);
}

static uint8_t *owner_of(uint64_t frame)
{
	if (frame > UINT64_MAX / FRAME || !at(frame * FRAME, FRAME))
		return NULL;
	return &owner[frame - ram_start / FRAME];
}

/*
 * Rings
 */

static int ring_index(enum ring_name name)
{
	if (name == STATS)
		return features & F_STATS ? 2 : -1;
	if (name == HINT)
		return features & F_HINT ? 2 + !!(features & F_STATS) : -1;
	if (name == REPORT)
		return features & F_REPORTING ? 2 + !!(features & F_STATS) +
						!!(features & F_HINT) : -1;
	if (name == EVENTS)
		return features & F_EVENTS ? 2 + !!(features & F_STATS) +
					     !!(features & F_HINT) +
					     !!(features & F_REPORTING) : -1;
	return name;
}

static void call_guest(struct ring *r)
{
	uint64_t one = 1;

	/* Full is as good. */
	if (r->call >= 0 && write(r->call, &one, 8) != 8 && errno != EAGAIN)
		fprintf(stderr, "call: %s\n", strerror(errno));
}

static void used_put(struct ring *r, uint32_t id, uint32_t len)
{
	uint16_t *used = at(r->used, 4 + 8 * r->num);
	uint32_t *entry;

	if (!used)
		return;
	entry = (uint32_t *)(used + 2) + 2 * (r->given++ % r->num);
	entry[0] = id;
	entry[1] = len;
}

/* Makes what was put visible, and @jump more than that. */
static void used_publish(struct ring *r, uint16_t jump)
{
	uint16_t *used = at(r->used, 4 + 8 * r->num);

	if (!used)
		return;
	r->given += jump;
	__atomic_store_n(&used[1], r->given, __ATOMIC_SEQ_CST);
	call_guest(r);
}

/* What the driver must make of it, if the answer has this for a number. */
static void books_close(const struct owed *o, uint64_t done, bool malformed)
{
	uint8_t old = o->q == IN ? GUEST : HOST;
	uint8_t new = o->q == IN ? HOST : GUEST;
	uint64_t n = 0, k;
	unsigned int i;

	if (malformed)
		return;		/* in flight, until the device is reset */
	if (done && done < o->frames)
		new = old = EITHER;
	for (i = 0; i < o->nr; i++)
		for (k = 0; k < o->ranges[i].nr; k++, n++) {
			uint8_t *p = owner_of(o->ranges[i].start + k);

			if (p)
				*p = n < done ? new : old;
		}
	*(o->q == IN ? &frames_in : &frames_out) += done;
}

static void answer_ranges(struct owed *o, const struct lie *lie)
{
	struct ballonet_response *a = at(o->in, sizeof(*a));
	uint64_t status = lie->status == TRUTH ? 0 : lie->status;
	uint64_t done = status ? 0 : o->frames;
	bool malformed;

	if (lie->done != TRUTH)
		done = lie->done;
	done += lie->more;
	malformed = done > o->frames || (!status && done != o->frames) ||
		    lie->id || (lie->len != TRUTH && lie->len < 32);
	if (a) {
		a->status = status;
		a->id = o->id + lie->id;
		a->frames_done = done;
		a->bytes_freed = done * FRAME;
	}
	books_close(o, status > BALLONET_RESP_OK &&
		    status < BALLONET_RESP_IO ? 0 : done, malformed);
}

/* Free memory that is shown: what is in it may be dropped, or is known. */
static void report_use(uint8_t *p, uint64_t len)
{
	uint64_t i;

	if (!(accepted & F_POISON)) {
		memset(p, 0xa5, len);
		return;
	}
	for (i = 0; i < len; i += sizeof(config.poison_val))
		if (memcmp(p + i, &config.poison_val, 4)) {
			violation("reported without poison, at", i);
			return;
		}
}

/* Until we answer, frames are ours: whoever uses one already shall notice. */
static void frames_use(const struct owed *o)
{
	unsigned int i;

	for (i = 0; i < o->nr; i++) {
		uint64_t len = o->ranges[i].nr * FRAME;
		uint8_t *p = at(o->ranges[i].start * FRAME, len);

		if (p && o->q != ring_index(REPORT))
			memset(p, 0x5a, len);
		else if (p)
			report_use(p, len);
	}
}

static void hint_end(const struct owed *o)
{
	unsigned int i;
	uint64_t k;

	for (i = 0; i < o->nr; i++)
		for (k = 0; k < o->ranges[i].nr; k++)
			*owner_of(o->ranges[i].start + k) = GUEST;
}

static void answer(struct owed *o, const struct lie *lie)
{
	struct ring *r = &rings[o->q];
	uint32_t len = 0;

	o->busy = false;
	if (!r->enabled)
		return;
	frames_use(o);
	if (o->q <= OUT && features & F_RANGES) {
		answer_ranges(o, lie);
		len = sizeof(struct ballonet_response);
	} else if (o->q <= OUT) {
		books_close(o, o->frames, false);
	} else if (o->q == ring_index(HINT)) {
		hint_end(o);
	}
	if (lie->len != TRUTH)
		len = lie->len;
	used_put(r, o->head + lie->head, len);
	if (lie->twice)
		used_put(r, o->head, len);
	used_publish(r, lie->jump);
}

/*
 * Requests
 */

/* Enters frames that are in flight now; they may be written to at once. */
static void frames_enter(struct owed *o, uint64_t start, uint64_t nr)
{
	uint8_t want = o->q == OUT ? HOST : GUEST;
	uint64_t i;

	if (o->nr == RANGES_MAX) {
		violation("too many ranges", o->nr);
		return;
	}
	if (!nr || nr > ram_size / FRAME || !owner_of(start) ||
	    !owner_of(start + nr - 1)) {
		violation("frames outside of RAM", start);
		return;
	}
	for (i = 0; i < nr; i++) {
		uint8_t *p = owner_of(start + i);

		if (*p != want && *p != EITHER)
			violation(o->q == OUT ? "not ours" : "given twice",
				  start + i);
		*p = FLIGHT;
	}
	if (o->q != OUT)
		memset(at(start * FRAME, nr * FRAME), 0x5a, nr * FRAME);
	o->ranges[o->nr].start = start;
	o->ranges[o->nr++].nr = nr;
	o->frames += nr;
}

/* A limit as the driver has to understand it. */
static uint64_t limit(uint64_t told, uint64_t none, uint64_t fallback)
{
	return told && told != none ? told : fallback;
}

/* The standby table stays the driver's: it is no frame in flight. */
static void table_tell(const struct owed *o, const struct ballonet_request *r)
{
	uint64_t start = r->ranges[0].start, nr = r->ranges[0].nr;

	if (!(accepted & F_STANDBY) || o->q != IN)
		violation("table not wanted", r->type);
	if (r->nr_ranges != 1 || !nr || nr > BALLONET_STANDBY_MAX_FRAMES ||
	    !at(start * FRAME, nr * FRAME)) {
		violation("table", start);
		return;
	}
	tells++;
	table_start = start;
	table_frames = nr;
}

static void request_ranges(struct owed *o, const uint8_t *out, size_t len)
{
	const struct ballonet_request *r = (const void *)out;
	uint64_t most = limit(config.max_ranges, UINT32_MAX,
			      BALLONET_DEF_MAX_RANGES);
	unsigned int i;

	if (len < sizeof(*r) ||
	    len != sizeof(*r) + (uint64_t)r->nr_ranges * sizeof(*r->ranges)) {
		violation("length", len);
		return;
	}
	if (o->in_len != sizeof(struct ballonet_response))
		violation("length of the answer", o->in_len);
	if (r->reserved)
		violation("reserved", r->reserved);
	if (!r->nr_ranges || r->nr_ranges > most)
		violation("ranges", r->nr_ranges);
	o->id = r->id;
	if (r->type == BALLONET_REQ_STANDBY) {
		table_tell(o, r);
		return;
	}
	if (r->type != (o->q == IN ? BALLONET_REQ_INFLATE :
				     BALLONET_REQ_DEFLATE))
		violation("type", r->type);
	for (i = 0; i < r->nr_ranges; i++)
		frames_enter(o, r->ranges[i].start, r->ranges[i].nr);
	most = limit(config.max_frames, UINT64_MAX, BALLONET_DEF_MAX_FRAMES);
	if (o->frames > most)
		violation("frames", o->frames);
}

static void request_array(struct owed *o, const uint8_t *out, size_t len)
{
	const uint32_t *frame = (const void *)out;
	size_t i;

	if (!len || len % 4 || len > 1024)
		violation("length", len);
	for (i = 0; i < len / 4; i++)
		frames_enter(o, frame[i], 1);
}

static void event_take(const uint8_t *out, size_t len)
{
	const struct ballonet_event *e = (const void *)out;
	struct timespec now;

	if (len != sizeof(*e) || e->reserved) {
		violation("event", len);
		return;
	}
	if (e->seq != events[0].count++)
		violation("seq", e->seq);
	if (!e->type || e->type > BALLONET_EV_FLOOR) {
		violation("type of event", e->type);
		return;
	}
	events[e->type].count++;
	events[e->type].value = e->value;
	clock_gettime(CLOCK_REALTIME, &now);
	events[e->type].ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void report_take(struct owed *o, uint64_t addr, uint32_t len)
{
	if (!at(addr, len) || addr % FRAME || len % FRAME ||
	    o->nr == RANGES_MAX) {
		violation("report", addr);
		return;
	}
	o->ranges[o->nr].start = addr / FRAME;
	o->ranges[o->nr++].nr = len / FRAME;
	if (len < report_least)
		report_least = len;
	report_use(at(addr, len), len);
}

/* One buffer at a time, of whole entries, with the same tags each time. */
static void stats_take(const struct owed *o, const uint8_t *out, size_t len)
{
	unsigned int i, n = len / 10;
	uint16_t tag;

	for (i = 0; i < OWED_MAX; i++)
		if (&owed[i] != o && owed[i].busy && owed[i].q == o->q)
			violation("statistics at once", i);
	if (!n || len % 10 || n > sizeof(stat_tags) / sizeof(stat_tags[0])) {
		violation("length of statistics", len);
		return;
	}
	if (stat_count && n != stat_count)
		violation("number of statistics", n);
	for (i = 0; i < n; i++) {
		memcpy(&tag, out + 10 * i, sizeof(tag));
		if (stat_count && tag != stat_tags[i])
			violation("another statistic", tag);
		stat_tags[i] = tag;
	}
	stat_count = n;
}

static void hint_take(struct owed *o, const uint8_t *out, size_t len)
{
	uint32_t id;

	if (!len) {
		if (!round_open)
			violation("hint outside of a round", o->in);
		frames_enter(o, o->in / FRAME, o->in_len / FRAME);
		frames_hinted += o->frames;
		return;
	}
	if (len != sizeof(id) || o->in_len) {
		violation("length of a command", len);
		return;
	}
	memcpy(&id, out, sizeof(id));
	if (id == 1 || !id == !round_open)
		violation("command", id);
	if (id && id == round_last)
		violation("id said twice", id);
	round_open = id;
	round_last = id ? id : round_last;
	rounds += !!id;
}

static size_t chain_read(struct owed *o, uint8_t *out, size_t size)
{
	struct ring *r = &rings[o->q];
	struct desc *table = at(r->desc, r->num * sizeof(*table));
	unsigned int i = o->head, steps = 0;
	size_t len = 0;

	while (table && i < r->num && steps++ < r->num) {
		struct desc d = table[i];
		const void *p = at(d.addr, d.len);

		if (d.flags & 4)
			violation("indirect descriptor", i);
		if (!(d.flags & 2) && o->in_len)
			violation("readable after writable", i);
		if (d.flags & 2) {
			o->in = d.addr;
			o->in_len += d.len;
			if (o->q == ring_index(REPORT))
				report_take(o, d.addr, d.len);
		} else if (p && len + d.len <= size) {
			memcpy(out + len, p, d.len);
			len += d.len;
		} else {
			violation("descriptor", d.addr);
		}
		if (!(d.flags & 1))
			break;
		i = d.next;
	}
	return len;
}

static void request_take(int q, uint16_t head)
{
	static uint8_t out[65536];
	struct owed *o = owed;
	size_t len;

	while (o < owed + OWED_MAX && o->busy)
		o++;
	if (o == owed + OWED_MAX) {
		violation("requests", OWED_MAX);
		return;
	}
	memset(o, 0, offsetof(struct owed, ranges));
	o->busy = true;
	o->q = q;
	o->head = head;
	len = chain_read(o, out, sizeof(out));
	rings[q].count++;
	if (q <= OUT && features & F_RANGES)
		request_ranges(o, out, len);
	else if (q <= OUT)
		request_array(o, out, len);
	else if (q == ring_index(HINT))
		hint_take(o, out, len);
	else if (q == ring_index(STATS))
		stats_take(o, out, len);
	else if (q == ring_index(EVENTS))
		event_take(out, len);
	/* Statistics are kept until they are wanted. */
	if (!rings[q].lie.silent && q != ring_index(STATS))
		answer(o, &rings[q].lie);
}

/*
 * A guest that declined features late never says that a ring is at its end
 * (see ring_message()), but it has closed its side of the pipe.
 */
static bool guest_left(const struct ring *r)
{
	struct pollfd call = { .fd = r->call };

	return poll(&call, 1, 0) > 0;
}

static uint16_t ring_new(const struct ring *r)
{
	const uint16_t *avail = at(r->avail, 4 + 2 * r->num);

	if (!avail)
		return 0;
	return __atomic_load_n(&avail[1], __ATOMIC_SEQ_CST) - r->taken;
}

/* Without it a driver with EVENT_IDX has no reason to say that more came. */
static void kick_wanted(const struct ring *r)
{
	uint16_t *used = at(r->used, 6 + 8 * r->num);

	if (used && accepted & F_EVENT_IDX)
		__atomic_store_n(&used[2 + 4 * r->num], r->taken,
				 __ATOMIC_SEQ_CST);
}

static void ring_walk(int q)
{
	struct ring *r = &rings[q];
	uint16_t *avail, new;

	if (!r->enabled || !r->num || guest_left(r))
		return;
	avail = at(r->avail, 4 + 2 * r->num);
	/*
	 * A driver that has reset us takes back what we did not answer, and
	 * the index with it; User-Mode Linux tells us of a reset only later.
	 */
	while ((new = ring_new(r)) && new <= r->num) {
		while (new--)
			request_take(q, avail[2 + r->taken++ % r->num]);
		kick_wanted(r);
	}
}

/* The device was reset: everything is the guest's. */
static void ring_stop(int q)
{
	unsigned int i;

	if (q == ring_index(STATS))
		stat_count = 0;
	rings[q].enabled = false;
	if (q == ring_index(EVENTS))
		memset(events, 0, sizeof(events));
	for (i = 0; i < OWED_MAX; i++)
		if (owed[i].q == q)
			owed[i].busy = false;
	if (q == ring_index(HINT))
		round_open = round_last = 0;
	if (owner && q <= OUT)
		memset(owner, GUEST, ram_size / FRAME);
	if (q == IN)
		table_frames = 0;
}

/*
 * Messages
 */

static void reply(struct message *m, uint32_t size)
{
	m->flags = 5;
	m->size = size;
	if (send(sock, m, 12 + size, MSG_NOSIGNAL) != 12 + (ssize_t)size)
		die("reply: %s", strerror(errno));
}

static void config_read(struct message *m)
{
	uint64_t end = (uint64_t)m->config.offset + m->config.size;

	memset(m->config.data, 0, sizeof(m->config.data));
	if (end > sizeof(m->config.data))
		die("config read of %" PRIu64, end);
	if (m->config.offset < sizeof(config))
		memcpy(m->config.data, (uint8_t *)&config + m->config.offset,
		       end < sizeof(config) ? m->config.size :
			       sizeof(config) - m->config.offset);
	reply(m, m->size);
}

static bool rings_used(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < RINGS; i++)
		n += rings[i].taken;
	return n;
}

static void config_write(const struct message *m)
{
	/* Of what a driver may write, and when. */
	if (m->config.offset == offsetof(struct ballonet_config, actual) &&
	    m->config.size == 4)
		memcpy(&config.actual, m->config.data, 4);
	else if (m->config.offset ==
			 offsetof(struct ballonet_config, poison_val) &&
		 m->config.size == 4 && accepted & F_POISON && !rings_used())
		memcpy(&config.poison_val, m->config.data, 4);
	else
		violation("config write", m->config.offset);
}

static void ring_message(struct message *m, int fd)
{
	/* The index is in the low byte of each of these. */
	struct ring *r = &rings[m->bytes[0] % RINGS];

	switch (m->request) {
	case 8:
		r->num = m->u32[1] <= NUM_MAX ? m->u32[1] : 0;
		break;
	case 9:
		r->desc = m->addr.desc;
		r->used = m->addr.used;
		r->avail = m->addr.avail;
		break;
	case 10:
		r->taken = r->given = m->u32[1];
		break;
	case 12:
		if (r->kick >= 0)
			close(r->kick);
		r->kick = fd;
		/*
		 * User-Mode Linux forgets the bit, and then does not enable
		 * rings, when a driver declines a feature late.
		 */
		if (!(accepted & F_PROTOCOL))
			r->enabled = true;
		break;
	case 13:
		if (r->call >= 0)
			close(r->call);
		r->call = fd;
		if (fd >= 0)
			fcntl(fd, F_SETFL, O_NONBLOCK);
		break;
	case 18:
		if (m->u32[1])
			r->enabled = true;
		else
			ring_stop(r - rings);
		break;
	}
}

/* Returns whether it has sent a reply. */
static bool message_handle(struct message *m, int fd)
{
	switch (m->request) {
	case 1:
		m->u64 = features | F_PROTOCOL;
		reply(m, 8);
		return true;
	case 2:
		if (m->u64 & (~(features | F_PROTOCOL) | F_UNKNOWN))
			violation("features", m->u64);
		accepted = m->u64;
		break;
	case 5:
		memory_map(m, fd);
		close(fd);
		break;
	case 15:
		m->u64 = PROTOCOL;
		reply(m, 8);
		return true;
	case 16:
		protocol = m->u64;
		break;
	case 21:
		channel = fd;
		fcntl(fd, F_SETFL, O_NONBLOCK);
		break;
	case 24:
		config_read(m);
		return true;
	case 25:
		config_write(m);
		break;
	default:
		ring_message(m, fd);
	}
	return false;
}

static void message_receive(void)
{
	struct message m;
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { &m, 12 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	uint32_t flags;
	ssize_t n;
	int fd = -1;

	n = recvmsg(sock, &mh, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		exit(0);
	if (n != 12 || m.size > sizeof(m.bytes) ||
	    (m.size && recv(sock, m.bytes, m.size, MSG_WAITALL) != m.size))
		die("message %u of %u bytes", m.request, m.size);
	c = CMSG_FIRSTHDR(&mh);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	flags = m.flags;
	if (!message_handle(&m, fd) && flags & NEED_REPLY &&
	    protocol & 1u << REPLY_ACK) {
		m.u64 = 0;
		reply(&m, 8);
	}
}

static void config_changed(void)
{
	uint32_t m[3] = { 2, 1, 0 };

	/* Nobody listens, or does so slowly: it is one of many. */
	if (channel >= 0 &&
	    send(channel, m, sizeof(m), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		fprintf(stderr, "channel: %s\n", strerror(errno));
}

/*
 * Commands
 */

static int64_t number(const char *s)
{
	char *end;
	int64_t n = strtoull(s ? s : "", &end, 0);

	if (!s || end == s || *end)
		die("not a number: %s", s ? s : "(missing)");
	return n;
}

static struct ring *ring_named(const char *name)
{
	static const char *const names[] = { "in", "out", "stats", "hint",
		"report", "events" };
	int i;

	for (i = 0; i < RINGS; i++)
		if (name && !strcmp(name, names[i]) && ring_index(i) >= 0)
			return &rings[ring_index(i)];
	die("no such ring: %s", name ? name : "(missing)");
	return NULL;
}

static void lie_add(struct lie *lie, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	if (!strcmp(word, "silent"))
		lie->silent = true;
	else if (!strcmp(word, "twice"))
		lie->twice = true;
	else if (!strcmp(word, "len"))
		lie->len = number(value);
	else if (!strcmp(word, "status"))
		lie->status = number(value);
	else if (!strcmp(word, "done"))
		lie->done = number(value);
	else if (!strcmp(word, "more"))
		lie->more = number(value);
	else if (!strcmp(word, "id"))
		lie->id = number(value);
	else if (!strcmp(word, "head"))
		lie->head = number(value);
	else if (!strcmp(word, "jump"))
		lie->jump = number(value);
	else
		die("no such lie: %s", word);
}

/* "lie RING [WORD...]": about each request from now on; none is honest. */
static void cmd_lie(char **arg)
{
	struct lie *lie = &ring_named(arg[1])->lie;

	*lie = honest;
	for (arg += 2; *arg; arg++)
		lie_add(lie, *arg);
	puts("ok");
}

static void cmd_honest(char **arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < RINGS; i++)
		rings[i].lie = honest;
	storm[0] = storm[1] = 0;
	round_next = 0;
	puts("ok");
}

/* "answer RING": what is owed on it, as its lie is now. */
static void cmd_answer(char **arg)
{
	struct ring *r = ring_named(arg[1]);
	unsigned int i, n = 0;

	for (i = 0; i < OWED_MAX; i++)
		if (owed[i].busy && owed[i].q == r - rings) {
			answer(&owed[i], &r->lie);
			n++;
		}
	printf("%u\n", n);
}

/* "target MIB": of the balloon, and a configuration change. */
static void cmd_target(char **arg)
{
	config.num_pages = number(arg[1]) * 256;
	config_changed();
	puts("ok");
}

/* "poke OFFSET SIZE VALUE": into configuration space, without a word. */
static void cmd_poke(char **arg)
{
	uint64_t offset = number(arg[1]), size = number(arg[2]);
	int64_t value = number(arg[3]);

	if (size > 8 || offset > sizeof(config) - size)
		die("poke at %" PRIu64, offset);
	memcpy((uint8_t *)&config + offset, &value, size);
	puts("ok");
}

/* "changed N": that many configuration changes. */
static void cmd_changed(char **arg)
{
	int64_t n = number(arg[1]);

	while (n-- > 0)
		config_changed();
	puts("ok");
}

/* "call RING N": that many notifications, for nothing. */
static void cmd_call(char **arg)
{
	struct ring *r = ring_named(arg[1]);
	int64_t n = number(arg[2]);

	while (n-- > 0)
		call_guest(r);
	puts("ok");
}

/* "jump RING N": the used index moves, with no buffer returned. */
static void cmd_jump(char **arg)
{
	used_publish(ring_named(arg[1]), number(arg[2]));
	puts("ok");
}

/* "storm MIB MIB": the one target and the other, every millisecond. */
static void cmd_storm(char **arg)
{
	storm[0] = number(arg[1]) * 256;
	storm[1] = number(arg[2]) * 256;
	puts("ok");
}

/* "hint ID": ask for free memory, or STOP (0), or DONE (1). */
static void cmd_hint(char **arg)
{
	config.free_page_hint_cmd_id = number(arg[1]);
	/* One that was used may be used again after another. */
	round_last = 0;
	config_changed();
	puts("ok");
}

/* "rounds ID": a new one every millisecond, from this one on. */
static void cmd_rounds(char **arg)
{
	round_next = number(arg[1]);
	puts("ok");
}

/*
 * The standby table
 */

enum { EMPTY, OFFERED, TAKING, TAKEN };

#define STATE		((uint64_t)BALLONET_STANDBY_STATE)

static uint64_t *entries(uint64_t *ret_nr)
{
	*ret_nr = table_frames * FRAME / sizeof(uint64_t);
	return at(table_start * FRAME, table_frames * FRAME);
}

static bool entry_change(uint64_t *entry, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(entry, &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* "take": all that is offered, as an honest device; how many blocks. */
static void cmd_take(char **arg)
{
	uint64_t nr, i, word, *entry = entries(&nr);
	unsigned long n = 0;
	uint8_t *p;

	(void)arg;
	for (i = 0; i < nr; i++) {
		word = entry[i];
		if ((word & STATE) != OFFERED ||
		    !entry_change(&entry[i], word, (word & ~STATE) | TAKING))
			continue;
		p = at((word & ~STATE) * FRAME, (STATE + 1) * FRAME);
		if (p)
			memset(p, 0x5a, (STATE + 1) * FRAME);
		else
			violation("block outside of RAM", word);
		if (!entry_change(&entry[i], (word & ~STATE) | TAKING,
				  (word & ~STATE) | TAKEN))
			violation("entry changed while it was taken", i);
		n++;
	}
	blocks_taken += n;
	printf("%lu\n", n);
}

/*
 * "scribble FROM TO": entries in state FROM, or all of them ("any"), become TO:
 * another state, another block ("other"), or 0 or all ones ("zero", "ones").
 * How many did.
 */
static void cmd_scribble(char **arg)
{
	bool any = !strcmp(arg[1] ? arg[1] : "", "any");
	uint64_t from = any ? 0 : number(arg[1]), nr, i, word;
	uint64_t *entry = entries(&nr);
	const char *to = arg[2] ? arg[2] : "";
	unsigned long n = 0;

	for (i = 0; i < nr; i++) {
		word = __atomic_load_n(&entry[i], __ATOMIC_SEQ_CST);
		if (!any && (word & STATE) != from)
			continue;
		if (!strcmp(to, "other"))
			word += STATE + 1;
		else if (!strcmp(to, "zero"))
			word = 0;
		else if (!strcmp(to, "ones"))
			word = UINT64_MAX;
		else
			word = (word & ~STATE) | number(to);
		__atomic_store_n(&entry[i], word, __ATOMIC_SEQ_CST);
		n++;
	}
	printf("%lu\n", n);
}

/* "entries STATE": how many are in it. */
static void cmd_entries(char **arg)
{
	uint64_t nr, i, *entry = entries(&nr), state = number(arg[1]);
	unsigned long n = 0;

	for (i = 0; i < nr; i++)
		n += (__atomic_load_n(&entry[i], __ATOMIC_SEQ_CST) & STATE) ==
		     state;
	printf("%lu\n", n);
}

static unsigned long held(void)
{
	unsigned long n = 0;
	uint64_t i;

	for (i = 0; owner && i < ram_size / FRAME; i++)
		n += owner[i] == HOST;
	return n;
}

static void cmd_count(char **arg)
{
	const char *key = arg[1] ? arg[1] : "";
	unsigned long i, n = 0;

	if (!strcmp(key, "violations"))
		n = violations;
	else if (!strcmp(key, "frames_in"))
		n = frames_in;
	else if (!strcmp(key, "frames_out"))
		n = frames_out;
	else if (!strcmp(key, "actual"))
		n = config.actual;
	else if (!strcmp(key, "rounds"))
		n = rounds;
	else if (!strcmp(key, "hinted"))
		n = frames_hinted;
	else if (!strcmp(key, "tells"))
		n = tells;
	else if (!strcmp(key, "taken"))
		n = blocks_taken;
	else if (!strcmp(key, "held"))
		n = held();
	else if (!strcmp(key, "accepted"))
		n = accepted & ~F_PROTOCOL;
	else if (!strcmp(key, "poison"))
		n = config.poison_val;
	else if (!strcmp(key, "report_least"))
		n = report_least;
	else if (!strcmp(key, "owed"))
		for (i = 0; i < OWED_MAX; i++)
			n += owed[i].busy && owed[i].q <= OUT;
	else
		n = ring_named(key)->count;
	printf("%lu\n", n);
}

/* "event TYPE": how many came, and the last one's value and time in ms. */
static void cmd_event(char **arg)
{
	uint64_t type = number(arg[1]);

	if (type > BALLONET_EV_FLOOR)
		die("event %" PRIu64, type);
	printf("%lu %" PRIu64 " %" PRIu64 "\n", events[type].count,
	       events[type].value, events[type].ms);
}

static const struct {
	const char *name;
	void (*fn)(char **arg);
} commands[] = {
	{ "lie", cmd_lie },	{ "honest", cmd_honest },
	{ "answer", cmd_answer }, { "target", cmd_target },
	{ "poke", cmd_poke },	{ "changed", cmd_changed },
	{ "call", cmd_call },	{ "storm", cmd_storm },
	{ "jump", cmd_jump },	{ "count", cmd_count },
	{ "hint", cmd_hint },	{ "rounds", cmd_rounds },
	{ "event", cmd_event },	{ "take", cmd_take },
	{ "scribble", cmd_scribble }, { "entries", cmd_entries },
};

static void command_run(char *line)
{
	char *arg[32] = { NULL }, *save, *p;
	unsigned int n = 0, i;

	for (p = strtok_r(line, " ", &save); p && n < 30;
	     p = strtok_r(NULL, " ", &save))
		arg[n++] = p;
	for (i = 0; n && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(arg[0], commands[i].name)) {
			commands[i].fn(arg);
			fflush(stdout);
			return;
		}
	die("no such command: %s", n ? arg[0] : "");
}

static void commands_read(void)
{
	static char text[4096];
	static size_t len;
	ssize_t n = read(0, text + len, sizeof(text) - 1 - len);
	char *end;

	if (n <= 0)
		exit(0);
	len += n;
	text[len] = '\0';
	while ((end = strchr(text, '\n'))) {
		*end++ = '\0';
		command_run(text);
		len -= end - text;
		memmove(text, end, len + 1);
	}
}

static void serve(void)
{
	struct pollfd fds[2 + RINGS];
	uint64_t n;
	int i;

	fds[0] = (struct pollfd){ .fd = sock, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = 0, .events = POLLIN };
	for (i = 0; i < RINGS; i++)
		fds[2 + i] = (struct pollfd){ .fd = rings[i].kick,
			.events = POLLIN };
	poll(fds, 2 + RINGS, storm[0] != storm[1] || round_next ? 1 : -1);
	if (fds[0].revents)
		message_receive();
	else if (fds[1].revents)
		commands_read();
	/* Since the descriptors may have changed, whoever knocked. */
	for (i = 0; i < RINGS; i++) {
		if (fds[2 + i].revents && fds[2 + i].fd == rings[i].kick &&
		    read(rings[i].kick, &n, 8) < 0 && errno != EAGAIN)
			die("kick: %s", strerror(errno));
		ring_walk(i);
	}
	if (storm[0] == storm[1] && !round_next)
		return;
	config.num_pages = config.num_pages == storm[0] ? storm[1] : storm[0];
	if (round_next)
		config.free_page_hint_cmd_id = round_next++;
	config_changed();
}

static int guest_accept(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int guest;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
		die("%s: %s", path, strerror(errno));
	guest = accept(fd, NULL, NULL);
	close(fd);
	return guest;
}

int main(int argc, char **argv)
{
	int i;

	if (argc != 3)
		die("usage: liar SOCKET FEATURES");
	signal(SIGPIPE, SIG_IGN);
	features = number(argv[2]);
	config.block_size = FRAME;
	config.max_ranges = BALLONET_DEF_MAX_RANGES;
	config.max_frames = BALLONET_DEF_MAX_FRAMES;
	for (i = 0; i < RINGS; i++) {
		rings[i].kick = rings[i].call = -1;
		rings[i].lie = honest;
	}
	sock = guest_accept(argv[1]);
	for (;;)
		serve();
}
