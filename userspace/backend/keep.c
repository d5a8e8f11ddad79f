// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A back-end may be killed at any moment and started again, and neither the
 * guest nor the VMM notices: whoever started it keeps a copy of every
 * descriptor (systemd's fd store protocol), and the rest lies in a memfd that
 * is worked on in place.
 *
 * Descriptors are stored under names that are never used twice; the state says
 * which are current. A successor closes the others. So there is no moment at
 * which one is missing, unless whoever keeps them does not read: then they are
 * offered again until they are taken.
 *
 * A message is peeked, acted on, and then taken out of the socket. Killed
 * before that, the successor finds it again: acting on a message twice does
 * the same as once. Answers go in steps, each noted before it is taken:
 *
 *	READY	 the answer is known, the message is still in the socket or
 *		 not: a front-end that waits for an answer sends nothing else,
 *		 so bytes in the socket are this message, which is done again
 *	SENDING	 the message is out, the answer is on its way or not. It is
 *		 taken for sent
 *
 * A state of another version of this program has the same beginning: versions
 * only add at the end. What an older one did not have is filled in; what a
 * newer one has more is left alone, and the size that is noted then makes that
 * one fill it in again. A change that breaks this gets another magic number.
 *
 * So one gap is left, between the note "SENDING" and the moment at which the
 * system call that sends the answer has put it into the socket: killed there,
 * the answer is lost and the VMM waits. Sending it twice would be worse, and
 * the gap after that moment is as long.
 */

#include "backend.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define STATE_MAGIC	UINT64_C(0x31656b2d6e6c6162)
#define STATE_NAME	"state"

/* The gauge lies behind the state, whatever becomes of that. */
#define STATE_FILE_SIZE	(GAUGE_OFFSET + GAUGE_SIZE)

/* The sockets, and two descriptors of each ring. */
#define MAX_KEPT	(4 + 2 * NR_RINGS)

struct kept {
	const char *kind;
	uint32_t *id;
	int *fd;
};

static void name_of(const char *kind, uint32_t id,
		    char ret_name[FDSTORE_NAME_MAX])
{
	snprintf(ret_name, FDSTORE_NAME_MAX, "%s.%u", kind, id);
}

/* Number 0 is the state. Returns 0 or a negative errno, having noted that. */
static int push(struct backend *b, const char *kind, uint32_t id, int fd)
{
	char name[FDSTORE_NAME_MAX] = STATE_NAME;
	int ret;

	if (id)
		name_of(kind, id, name);
	ret = fdstore_push(&b->store, name, fd);
	if (ret && b->nr_unstored < ARRAY_SIZE(b->unstored))
		b->unstored[b->nr_unstored++] = id;
	return ret;
}

static void push_new(struct backend *b, const char *kind, uint32_t id, int fd)
{
	int ret = push(b, kind, id, fd);

	if (ret)
		log_warn("descriptor %s.%u is not stored yet: %s", kind, id,
			 strerror(-ret));
}

/* Takes @id out of those that are not stored. False if it is. */
static bool take_unstored(struct backend *b, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < b->nr_unstored; i++) {
		if (b->unstored[i] != id)
			continue;
		b->unstored[i] = b->unstored[--b->nr_unstored];
		return true;
	}
	return false;
}

/**
 * keep_fd() - have a descriptor kept for a successor
 * @b:		the back-end
 * @kind:	what it is
 * @fd:		the descriptor
 *
 * Return: the number that, with @kind, names it.
 */
uint32_t keep_fd(struct backend *b, const char *kind, int fd)
{
	uint32_t id = b->state->next_id++;

	push_new(b, kind, id, fd);
	return id;
}

/**
 * keep_drop() - a successor need not find this one
 * @b:		the back-end
 * @kind:	what it was
 * @id:		what keep_fd() returned, or 0 for none
 */
void keep_drop(struct backend *b, const char *kind, uint32_t id)
{
	char name[FDSTORE_NAME_MAX];

	if (!id || take_unstored(b, id))
		return;
	name_of(kind, id, name);
	(void)fdstore_drop(&b->store, name);
}

/* Every kept descriptor but the state: where its number is, and itself. */
static unsigned int list_kept(struct backend *b, struct kept *list)
{
	struct state *s = b->state;
	unsigned int i, n = 0;

	list[n++] = (struct kept){ "listen", &s->listen_id, &b->listen };
	list[n++] = (struct kept){ "frontend", &s->frontend_id, &b->frontend };
	list[n++] = (struct kept){ "channel", &s->channel_id, &b->channel };
	list[n++] = (struct kept){ "control", &s->control_id, &b->control_fd };
	for (i = 0; i < NR_RINGS; i++) {
		list[n++] = (struct kept){ "kick", &s->ring[i].kick_id,
					   &b->ring[i].kick };
		list[n++] = (struct kept){ "call", &s->ring[i].call_id,
					   &b->ring[i].call };
	}
	return n;
}

static void push_all(struct backend *b, bool unstored_only)
{
	struct kept list[MAX_KEPT];
	unsigned int i, n = list_kept(b, list);

	for (i = 0; i < n; i++)
		if (*list[i].id &&
		    (!unstored_only || take_unstored(b, *list[i].id)))
			(void)push(b, list[i].kind, *list[i].id, *list[i].fd);
	for (i = 0; i < b->regions.nr; i++)
		if (!unstored_only ||
		    take_unstored(b, b->regions.region[i].id))
			(void)push(b, "region", b->regions.region[i].id,
				   b->regions.region[i].fd);
	if (!unstored_only || take_unstored(b, 0))
		(void)push(b, STATE_NAME, 0, b->state_fd);
}

/**
 * keep_all() - have everything kept, by a new keeper
 * @b:		the back-end
 *
 * Return: true if it has everything; otherwise keep_retry() goes on.
 */
bool keep_all(struct backend *b)
{
	b->nr_unstored = 0;
	push_all(b, false);
	return !b->nr_unstored;
}

/**
 * keep_waits() - whether a descriptor is not stored yet
 * @b:		the back-end
 *
 * Return: true if keep_retry() must be called again soon.
 */
bool keep_waits(const struct backend *b)
{
	return b->nr_unstored || b->store.nowait;
}

/**
 * keep_retry() - store what could not be stored
 * @b:		the back-end
 */
void keep_retry(struct backend *b)
{
	b->store.nowait = true;
	push_all(b, true);
	if (b->nr_unstored)
		return;
	b->store.nowait = false;
	log_info("all descriptors are stored");
}

/**
 * keep_drop_all() - there will be no successor
 * @b:		the back-end
 */
void keep_drop_all(struct backend *b)
{
	struct kept list[MAX_KEPT];
	unsigned int i, n = list_kept(b, list);

	/* Without this one the others are of no use: worth a wait. */
	b->store.nowait = false;
	(void)fdstore_drop(&b->store, STATE_NAME);
	for (i = 0; i < n; i++)
		keep_drop(b, list[i].kind, *list[i].id);
	for (i = 0; i < b->regions.nr; i++)
		keep_drop(b, "region", b->regions.region[i].id);
}

static int map_state(struct backend *b, int fd, struct fault *ret_fault)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_size < (off_t)STATE_FIRST_SIZE)
		return fault_set(ret_fault, -EINVAL,
			"the state that was kept has %lld bytes, expected at least %zu",
			(long long)st.st_size, STATE_FIRST_SIZE);
	if (st.st_size < STATE_FILE_SIZE && ftruncate(fd, STATE_FILE_SIZE))
		return fault_set(ret_fault, -errno,
			"cannot extend the state: %s", strerror(errno));
	b->state = mmap(NULL, sizeof(struct state), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
	if (b->state == MAP_FAILED)
		return fault_set(ret_fault, -errno,
			"cannot map the state: %s", strerror(errno));
	b->state_fd = fd;
	show_init(b);
	return 0;
}

/**
 * keep_init() - begin without a predecessor
 * @b:		the back-end
 * @ret_fault:	what is wrong
 *
 * Return: 0 or a negative errno.
 */
int keep_init(struct backend *b, struct fault *ret_fault)
{
	int fd, ret;

	fd = memfd_create(PROGRAM "-state", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, STATE_FILE_SIZE))
		return fault_set(ret_fault, -errno,
			"cannot make the state: %s", strerror(errno));
	ret = map_state(b, fd, ret_fault);
	if (ret)
		return ret;
	b->state->magic = STATE_MAGIC;
	b->state->size = sizeof(struct state);
	b->state->next_id = 1;
	push_new(b, STATE_NAME, 0, fd);
	return 0;
}

static int find(const struct fdstore_fd *fds, unsigned int nr,
		const char *name)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(fds[i].name, name))
			return fds[i].fd;
	return -1;
}

/* Is this descriptor one that the state speaks of? */
static bool current(struct backend *b, const struct fdstore_fd *fd)
{
	struct kept list[MAX_KEPT];
	unsigned int i, n = list_kept(b, list);

	if (fd->fd == b->state_fd)
		return true;
	for (i = 0; i < n; i++)
		if (*list[i].id && *list[i].fd == fd->fd)
			return true;
	for (i = 0; i < b->regions.nr; i++)
		if (b->regions.region[i].fd == fd->fd)
			return true;
	return false;
}

static void close_stale(struct backend *b, const struct fdstore_fd *fds,
			unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (current(b, &fds[i]))
			continue;
		(void)fdstore_drop(&b->store, fds[i].name);
		close(fds[i].fd);
	}
}

/*
 * The predecessor may have been taken over by its guest: its numbers are
 * checked before they index anything. Whatever else it says comes from the
 * front-end, and is checked where it is used.
 */
static int state_check(const struct state *s, struct fault *ret_fault)
{
	if (s->magic != STATE_MAGIC || s->size < STATE_FIRST_SIZE)
		return fault_set(ret_fault, -EINVAL,
			"the state that was kept is of another version");
	if (s->events_now >= ARRAY_SIZE(s->events) ||
	    s->events[0].pressure > INTERFACE_NR_EVENTS ||
	    s->events[1].pressure > INTERFACE_NR_EVENTS ||
	    s->table_now >= ARRAY_SIZE(s->table) ||
	    s->table[s->table_now].nr > REGION_MAX ||
	    s->reply.header.size > sizeof(s->reply.payload))
		return fault_set(ret_fault, -EPROTO,
			"the state that was kept is damaged");
	return 0;
}

/* Makes the state of another version one of ours; @size is noted last. */
static void state_convert(struct state *s)
{
	if (s->size == sizeof(*s))
		return;
	log_info("the predecessor was of another version: its state has %u bytes, ours %zu",
		 s->size, sizeof(*s));
	if (s->size < sizeof(*s)) {
		memset((char *)s + STATE_FIRST_SIZE, 0,
		       sizeof(*s) - STATE_FIRST_SIZE);
		s->target = (uint64_t)le32toh(s->config.num_pages) <<
			    FRAME_SHIFT;
	}
	atomic_signal_fence(memory_order_seq_cst);
	s->size = sizeof(*s);
}

/**
 * keep_resume() - take up where the predecessor was
 * @b:		the back-end
 * @fds:	descriptors that it left, "state" among them
 * @nr:		how many
 * @ret_fault:	what is wrong
 *
 * Return: 0, -ENOENT if there is no state, -EPROTO if no successor can use it,
 * or another negative errno.
 */
int keep_resume(struct backend *b, const struct fdstore_fd *fds,
		unsigned int nr, struct fault *ret_fault)
{
	char name[FDSTORE_NAME_MAX];
	struct kept list[MAX_KEPT];
	unsigned int i, n;
	int ret;

	ret = find(fds, nr, STATE_NAME);
	if (ret < 0)
		return -ENOENT;
	ret = map_state(b, ret, ret_fault);
	if (ret)
		return ret;
	ret = state_check(b->state, ret_fault);
	if (ret)
		return ret;
	state_convert(b->state);

	n = list_kept(b, list);
	for (i = 0; i < n; i++) {
		if (!*list[i].id)
			continue;
		name_of(list[i].kind, *list[i].id, name);
		*list[i].fd = find(fds, nr, name);
		if (*list[i].fd < 0)
			return fault_set(ret_fault, -EPROTO,
				"descriptor %s was not kept", name);
	}
	ret = memory_resume(b, fds, nr, ret_fault);
	if (ret)
		return ret;
	close_stale(b, fds, nr);
	return 0;
}
