// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A message is looked at with MSG_PEEK first and taken out of the socket only
 * after it was acted on. A back-end that is killed in between leaves it there
 * and its successor, which has the same socket, finds it again. A peek gives
 * duplicates of the descriptors; taking the message out drops the originals.
 *
 * A peek of just one message can bring along the descriptors of the next: the
 * kernel looks at the following buffer before it sees that nothing is left to
 * copy. So descriptors are only asked for where the message has some of its
 * own, behind which a peek ends. What a message brings without being asked is
 * dropped with it.
 */

#include "vhost_user.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The rest of a message follows its first bytes at once; one second is late. */
#define REST_TRIES	1000
#define REST_DELAY_NS	1000000

_Static_assert(sizeof(struct vu_header) == 12, "wire");
_Static_assert(sizeof(struct vu_vring_addr) == 40, "wire");
_Static_assert(sizeof(struct vu_mem_slot) == 40, "wire");
_Static_assert(offsetof(struct vu_config, data) == VU_CONFIG_HEADER, "wire");

/*
 * What a request must look like. min and max are bytes of payload, fds the
 * most descriptors it may bring (fds_announced() says how many it has to);
 * reply is set where it has an answer of its own, whatever its flags say.
 */
static const struct request {
	const char *name;
	uint16_t min;
	uint16_t max;
	uint8_t fds;
	bool reply;
} requests[VU_NR_REQUESTS] = {
#define REQ(n, ...) [VU_##n] = { #n, __VA_ARGS__ }
	REQ(GET_FEATURES, 0, 8, 0, true),
	REQ(SET_FEATURES, 8, 8, 0, false),
	REQ(SET_OWNER, 0, 8, 0, false),
	REQ(RESET_OWNER, 0, 8, 0, false),
	REQ(SET_MEM_TABLE, 8, 8 + VU_TABLE_REGIONS * sizeof(struct vu_region),
	    VU_TABLE_REGIONS, false),
	REQ(SET_VRING_NUM, 8, 8, 0, false),
	REQ(SET_VRING_ADDR, 40, 40, 0, false),
	REQ(SET_VRING_BASE, 8, 8, 0, false),
	REQ(GET_VRING_BASE, 8, 8, 0, true),
	REQ(SET_VRING_KICK, 8, 8, 1, false),
	REQ(SET_VRING_CALL, 8, 8, 1, false),
	REQ(SET_VRING_ERR, 8, 8, 1, false),
	REQ(GET_PROTOCOL_FEATURES, 0, 8, 0, true),
	REQ(SET_PROTOCOL_FEATURES, 8, 8, 0, false),
	REQ(GET_QUEUE_NUM, 0, 8, 0, true),
	REQ(SET_VRING_ENABLE, 8, 8, 0, false),
	REQ(SET_BACKEND_REQ_FD, 0, 8, 1, false),
	REQ(GET_CONFIG, VU_CONFIG_HEADER, sizeof(struct vu_config), 0, true),
	REQ(SET_CONFIG, VU_CONFIG_HEADER, sizeof(struct vu_config), 0, false),
	REQ(GET_MAX_MEM_SLOTS, 0, 8, 0, true),
	REQ(ADD_MEM_REG, 40, 40, 1, false),
	REQ(REM_MEM_REG, 40, 40, 1, false),
#undef REQ
};

/**
 * vu_request_name() - a request's name in the protocol's document
 * @request:	its number
 *
 * Return: the name, or "unknown request".
 */
const char *vu_request_name(uint32_t request)
{
	if (request >= VU_NR_REQUESTS || !requests[request].name)
		return "unknown request";
	return requests[request].name;
}

/**
 * vu_has_reply() - whether a request has an answer of its own
 * @request:	a number that vu_peek() let through
 *
 * Return: true if it has; others are answered only on VU_FLAG_NEED_REPLY.
 */
bool vu_has_reply(uint32_t request)
{
	return request < VU_NR_REQUESTS && requests[request].reply;
}

static int header_check(const struct vu_header *h, struct fault *ret_fault)
{
	const struct request *r;

	if ((h->flags & VU_VERSION_MASK) != VU_VERSION)
		return fault_set(ret_fault, -EPROTO,
			"request %u: protocol version %u, expected %u",
			h->request, h->flags & VU_VERSION_MASK, VU_VERSION);
	if (h->flags & VU_FLAG_REPLY)
		return fault_set(ret_fault, -EPROTO,
			"request %u: is a reply, nothing was asked",
			h->request);
	if (h->request >= VU_NR_REQUESTS || !requests[h->request].name)
		return fault_set(ret_fault, -EPROTO,
			"request %u is not known to this back-end",
			h->request);

	r = &requests[h->request];
	if (h->size < r->min || h->size > r->max)
		return fault_set(ret_fault, -EPROTO,
			"%s: payload of %u bytes, expected %u to %u",
			r->name, h->size, r->min, r->max);
	return 0;
}

/* How many descriptors a message has by its payload. */
static unsigned int fds_announced(const struct vu_msg *msg)
{
	switch (msg->header.request) {
	case VU_SET_MEM_TABLE:
		return msg->payload.table.nr;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
		return !(msg->payload.u64 & VU_VRING_NOFD);
	case VU_SET_BACKEND_REQ_FD:
	case VU_ADD_MEM_REG:
		return 1;
	default:
		return 0;
	}
}

/* Some front-ends send these with a descriptor that is of no use here. */
static bool fds_ignored(const struct vu_msg *msg)
{
	return msg->header.request == VU_REM_MEM_REG ||
	       msg->header.request == VU_SET_VRING_ERR;
}

/* Moves the descriptors of @mh into @msg. */
static void fds_take(struct msghdr *mh, struct vu_msg *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(msg->fds, CMSG_DATA(c), len);
		msg->nr_fds = len / sizeof(int);
	}
}

/* Peeks until @len bytes are there; the front-end writes a message at once. */
static int peek_all(int sock, struct msghdr *mh, size_t len,
		    struct fault *ret_fault)
{
	const struct timespec delay = { .tv_nsec = REST_DELAY_NS };
	ssize_t n;
	int i;

	for (i = 0; i < REST_TRIES; i++) {
		n = recvmsg(sock, mh, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && errno != EINTR)
			return errno == ECONNRESET ? 0 : -errno;
		if (n == 0)
			return 0;
		if ((size_t)n == len)
			return 1;
		nanosleep(&delay, NULL);
	}
	return fault_set(ret_fault, -EPROTO,
			 "message truncated: the rest of %zu bytes is missing",
			 len);
}

static int fds_fault(const struct vu_msg *msg, bool more, unsigned int nr,
		     unsigned int expected, struct fault *ret_fault)
{
	return fault_set(ret_fault, -EPROTO,
		"%s: %s%u descriptors, expected %u",
		vu_request_name(msg->header.request), more ? "more than " : "",
		nr, expected);
}

/* Peeks the descriptors; the bytes are known. */
static int peek_fds(int sock, struct msghdr *mh, struct vu_msg *msg,
		    struct fault *ret_fault)
{
	char control[CMSG_SPACE(sizeof(msg->fds))]
		__attribute__((aligned(sizeof(size_t))));
	unsigned int expected = fds_announced(msg);
	bool more;

	if (!expected)
		return 0;
	if (expected > requests[msg->header.request].fds)
		return fault_set(ret_fault, -EPROTO,
			"%s: %u regions, limit %u",
			vu_request_name(msg->header.request), expected,
			requests[msg->header.request].fds);
	mh->msg_control = control;
	mh->msg_controllen = sizeof(control);
	if (recvmsg(sock, mh, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	fds_take(mh, msg);
	more = mh->msg_flags & MSG_CTRUNC;
	if (more || msg->nr_fds != expected)
		return fds_fault(msg, more, msg->nr_fds, expected, ret_fault);
	return 0;
}

/**
 * vu_peek() - look at the next message without taking it
 * @sock:	the front-end's socket
 * @ret_msg:	the message; the caller owns its descriptors
 * @ret_fault:	what is wrong with it, on -EPROTO
 *
 * Return: 1 with a message, 0 at end of file, -EAGAIN if there is none,
 * another negative errno if the connection cannot go on.
 */
int vu_peek(int sock, struct vu_msg *ret_msg, struct fault *ret_fault)
{
	struct vu_msg msg = { .nr_fds = 0 };
	struct iovec iov[2] = {
		{ &msg.header, sizeof(msg.header) },
		{ &msg.payload, 0 },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 1 };
	int ret;

	ret = peek_all(sock, &mh, sizeof(msg.header), ret_fault);
	if (ret <= 0)
		return ret;
	ret = header_check(&msg.header, ret_fault);
	if (ret)
		return ret;

	iov[1].iov_len = msg.header.size;
	mh.msg_iovlen = 2;
	ret = peek_all(sock, &mh, sizeof(msg.header) + msg.header.size,
		       ret_fault);
	if (ret <= 0)
		return ret;
	ret = peek_fds(sock, &mh, &msg, ret_fault);
	if (ret) {
		vu_msg_close(&msg);
		return ret;
	}
	*ret_msg = msg;
	return 1;
}

/**
 * vu_consume() - take a message that was peeked out of the socket
 * @sock:	the front-end's socket
 * @msg:	the message
 * @ret_fault:	what is wrong, on -EPROTO
 *
 * Return: 0, -EPROTO if it had other descriptors than it should, or another
 * negative errno.
 */
int vu_consume(int sock, const struct vu_msg *msg, struct fault *ret_fault)
{
	char buf[sizeof(struct vu_header) + sizeof(union vu_payload)];
	char control[CMSG_SPACE(sizeof(msg->fds))]
		__attribute__((aligned(sizeof(size_t))));
	size_t left = sizeof(msg->header) + msg->header.size;
	unsigned int nr = 0;
	bool more = false;

	while (left) {
		struct vu_msg copy = { .nr_fds = 0 };
		struct iovec iov = { buf, left };
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(sock, &mh, MSG_DONTWAIT |
					       MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ECONNRESET;
		left -= n;
		fds_take(&mh, &copy);
		nr += copy.nr_fds;
		more |= mh.msg_flags & MSG_CTRUNC;
		vu_msg_close(&copy);
	}
	if (more || (nr != msg->nr_fds && !fds_ignored(msg)))
		return fds_fault(msg, more, nr, msg->nr_fds, ret_fault);
	return 0;
}

/**
 * vu_send() - send a message without descriptors
 * @sock:	the front-end's socket, or the back-end's channel
 * @msg:	what to send; its @header.size bytes of payload
 *
 * Never blocks: both sides of the protocol wait for each other's answer, so
 * there is always room for one.
 *
 * Return: 0 or a negative errno.
 */
int vu_send(int sock, const struct vu_msg *msg)
{
	struct iovec iov[2] = {
		{ (void *)&msg->header, sizeof(msg->header) },
		{ (void *)&msg->payload, msg->header.size },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t len = sizeof(msg->header) + msg->header.size;
	ssize_t n;

	do {
		n = sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/**
 * vu_take_fd() - take a descriptor out of a message
 * @msg:	the message
 * @i:		which
 *
 * Return: the descriptor, now the caller's, or -1 if there is no such.
 */
int vu_take_fd(struct vu_msg *msg, unsigned int i)
{
	int fd;

	if (i >= msg->nr_fds)
		return -1;
	fd = msg->fds[i];
	msg->fds[i] = -1;
	return fd;
}

/**
 * vu_msg_close() - close the descriptors that nobody took
 * @msg:	the message
 */
void vu_msg_close(struct vu_msg *msg)
{
	unsigned int i;

	for (i = 0; i < msg->nr_fds; i++)
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	msg->nr_fds = 0;
}
