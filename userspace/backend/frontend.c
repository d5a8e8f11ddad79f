// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The conversation with the VMM: one handler a request. Messages come in any
 * order, a whole handshake may come again on the same connection, and each may
 * be found twice after a crash. A message that breaks the protocol ends the
 * connection, and this process with it.
 */

#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"

/* A VMM that has guest RAM to share does so with the driver's start. */
#define NO_MEMORY_MS	2000

/*
 * Returns 0, -EPROTO if the connection must end, another negative errno if
 * the front-end is to be told that the request failed.
 */
typedef int (*handler)(struct backend *b, struct vu_msg *msg,
		       union vu_payload *reply, struct fault *why);

/* Puts a new descriptor, or none, in a ring's place for it. */
static void replace_fd(struct backend *b, struct vu_msg *msg, const char *kind,
		       uint32_t *id, int *fd)
{
	uint32_t old_id = *id;
	int old = *fd;
	int new = msg->payload.u64 & VU_VRING_NOFD ? -1 : vu_take_fd(msg, 0);

	if (new >= 0)
		(void)fcntl(new, F_SETFL,
			    fcntl(new, F_GETFL) | O_NONBLOCK);
	*id = new >= 0 ? keep_fd(b, kind, new) : 0;
	*fd = new;
	keep_drop(b, kind, old_id);
	if (old >= 0)
		close(old);
}

/* Takes a ring's kick away: it runs again when it gets a new one. */
static void drop_kick(struct backend *b, unsigned int i)
{
	struct vu_msg no_fd = { .payload.u64 = VU_VRING_NOFD };

	if (b->ring[i].running)
		rings_stop(b, i);
	replace_fd(b, &no_fd, "kick", &b->state->ring[i].kick_id,
		   &b->ring[i].kick);
}

/*
 * User-Mode Linux loses VU_F_PROTOCOL_FEATURES when a driver gives up a
 * feature on its own, and then never says that a ring stops. But it asks for
 * the features when it has deleted its rings, and at no time before.
 */
static int get_features(struct backend *b, struct vu_msg *msg,
			union vu_payload *reply, struct fault *why)
{
	unsigned int i;

	(void)msg;
	reply->u64 = b->standby.mode == STANDBY_OFF ? DEVICE_FEATURES :
						      KNOWN_FEATURES;
	if (b->state->features & BIT(VU_F_PROTOCOL_FEATURES))
		return 0;
	for (i = 0; i < NR_RINGS; i++)
		drop_kick(b, i);
	return rings_update(b, why);
}

static int set_features(struct backend *b, struct vu_msg *msg,
			union vu_payload *reply, struct fault *why)
{
	uint64_t f = msg->payload.u64;
	unsigned int i;

	(void)reply;
	if (f & ~KNOWN_FEATURES)
		return fault_set(why, -EPROTO,
			"SET_FEATURES: 0x%" PRIx64 ", known 0x%" PRIx64, f,
			KNOWN_FEATURES);
	/* A driver changes its mind only over a reset. */
	if (f != b->state->features)
		rings_stop_all(b);
	/* Rings are enabled by a message of their own, or by their kick. */
	if ((f ^ b->state->features) & BIT(VU_F_PROTOCOL_FEATURES))
		for (i = 0; i < NR_RINGS; i++)
			b->state->ring[i].enabled = false;
	b->state->features = f;
	b->state->has_features = true;
	if (!(f & BIT(BALLONET_F_EVENTS)))
		events_forget(b);
	rings_set_roles(b);
	if (!b->regions.nr && !b->no_memory_ms)
		b->no_memory_ms = now_ms();
	return rings_update(b, why);
}

static int set_owner(struct backend *b, struct vu_msg *msg,
		     union vu_payload *reply, struct fault *why)
{
	(void)msg, (void)reply, (void)why;
	if (!rings_any_running(b))
		memory_drop(b);
	return 0;
}

static int reset_owner(struct backend *b, struct vu_msg *msg,
		       union vu_payload *reply, struct fault *why)
{
	unsigned int i;

	(void)msg, (void)reply;
	b->state->stopping = true;
	rings_stop_all(b);
	for (i = 0; i < NR_RINGS; i++)
		b->state->ring[i].enabled = false;
	return rings_update(b, why);
}

static int set_mem_table(struct backend *b, struct vu_msg *msg,
			 union vu_payload *reply, struct fault *why)
{
	(void)reply;
	return memory_set_table(b, msg, why);
}

static int add_mem_reg(struct backend *b, struct vu_msg *msg,
		       union vu_payload *reply, struct fault *why)
{
	(void)reply;
	return memory_add(b, msg, why);
}

static int rem_mem_reg(struct backend *b, struct vu_msg *msg,
		       union vu_payload *reply, struct fault *why)
{
	(void)reply;
	return memory_del(b, msg, why);
}

static int get_max_mem_slots(struct backend *b, struct vu_msg *msg,
			     union vu_payload *reply, struct fault *why)
{
	(void)b, (void)msg, (void)why;
	reply->u64 = REGION_MAX;
	return 0;
}

static int ring_check(const struct vu_msg *msg, uint64_t index,
		      struct fault *why)
{
	if (index < NR_RINGS)
		return 0;
	return fault_set(why, -EPROTO, "%s: ring %" PRIu64 ", limit %u",
			 vu_request_name(msg->header.request), index,
			 NR_RINGS - 1);
}

static int set_vring_num(struct backend *b, struct vu_msg *msg,
			 union vu_payload *reply, struct fault *why)
{
	const struct vu_vring_state *p = &msg->payload.state;
	int ret = ring_check(msg, p->index, why);

	(void)reply;
	if (ret)
		return ret;
	if (!p->num || p->num > VRING_MAX_NUM || p->num & (p->num - 1))
		return fault_set(why, -EPROTO,
			"SET_VRING_NUM: ring %u, %u entries, expected a power of two up to %u",
			p->index, p->num, VRING_MAX_NUM);
	if (b->ring[p->index].running &&
	    p->num != b->state->ring[p->index].num)
		return fault_set(why, -EPROTO,
			"SET_VRING_NUM: ring %u is running", p->index);
	b->state->ring[p->index].num = p->num;
	return rings_update(b, why);
}

static int set_vring_addr(struct backend *b, struct vu_msg *msg,
			  union vu_payload *reply, struct fault *why)
{
	const struct vu_vring_addr *p = &msg->payload.addr;
	int ret = ring_check(msg, p->index, why);

	(void)reply;
	if (ret)
		return ret;
	b->state->ring[p->index].addr = (struct vring_addr){
		.desc = p->desc,
		.avail = p->avail,
		.used = p->used,
	};
	b->state->ring[p->index].has_addr = true;
	return rings_refresh(b, why);
}

static int set_vring_base(struct backend *b, struct vu_msg *msg,
			  union vu_payload *reply, struct fault *why)
{
	const struct vu_vring_state *p = &msg->payload.state;
	int ret = ring_check(msg, p->index, why);

	(void)reply;
	if (ret)
		return ret;
	if (p->num > UINT16_MAX)
		return fault_set(why, -EPROTO,
			"SET_VRING_BASE: ring %u, index %u, limit %u",
			p->index, p->num, UINT16_MAX);
	if (b->ring[p->index].running)
		return fault_set(why, -EPROTO,
			"SET_VRING_BASE: ring %u is running", p->index);
	b->state->ring[p->index].base = p->num;
	/* A device that was reset; after a pause of the VM it goes on. */
	if (!p->num && b->ring[p->index].role == ROLE_EVENTS)
		events_forget(b);
	return 0;
}

static int get_vring_base(struct backend *b, struct vu_msg *msg,
			  union vu_payload *reply, struct fault *why)
{
	const struct vu_vring_state *p = &msg->payload.state;
	int ret = ring_check(msg, p->index, why);

	if (ret)
		return ret;
	b->state->stopping = true;
	drop_kick(b, p->index);
	reply->state.index = p->index;
	reply->state.num = b->state->ring[p->index].base;
	return rings_update(b, why);
}

static int set_vring_kick(struct backend *b, struct vu_msg *msg,
			  union vu_payload *reply, struct fault *why)
{
	uint64_t i = msg->payload.u64 & VU_VRING_IDX_MASK;
	int ret = ring_check(msg, i, why);

	(void)reply;
	if (ret)
		return ret;
	if (b->ring[i].running)
		rings_stop(b, i);
	replace_fd(b, msg, "kick", &b->state->ring[i].kick_id,
		   &b->ring[i].kick);
	/* Without the protocol's features there is no SET_VRING_ENABLE. */
	if (!(b->state->features & BIT(VU_F_PROTOCOL_FEATURES))) {
		b->state->ring[i].enabled = true;
		b->state->stopping = false;
	}
	return rings_update(b, why);
}

static int set_vring_call(struct backend *b, struct vu_msg *msg,
			  union vu_payload *reply, struct fault *why)
{
	uint64_t i = msg->payload.u64 & VU_VRING_IDX_MASK;
	int ret = ring_check(msg, i, why);

	(void)reply;
	if (ret)
		return ret;
	replace_fd(b, msg, "call", &b->state->ring[i].call_id,
		   &b->ring[i].call);
	return 0;
}

static int set_vring_err(struct backend *b, struct vu_msg *msg,
			 union vu_payload *reply, struct fault *why)
{
	(void)b, (void)reply;
	return ring_check(msg, msg->payload.u64 & VU_VRING_IDX_MASK, why);
}

static int get_protocol_features(struct backend *b, struct vu_msg *msg,
				 union vu_payload *reply, struct fault *why)
{
	(void)b, (void)msg, (void)why;
	reply->u64 = PROTOCOL_FEATURES;
	return 0;
}

static int set_protocol_features(struct backend *b, struct vu_msg *msg,
				 union vu_payload *reply, struct fault *why)
{
	uint64_t f = msg->payload.u64;

	(void)reply;
	if (f & ~PROTOCOL_FEATURES)
		return fault_set(why, -EPROTO,
			"SET_PROTOCOL_FEATURES: 0x%" PRIx64
			", offered 0x%" PRIx64, f, PROTOCOL_FEATURES);
	b->state->protocol_features = f;
	return 0;
}

static int get_queue_num(struct backend *b, struct vu_msg *msg,
			 union vu_payload *reply, struct fault *why)
{
	(void)b, (void)msg, (void)why;
	reply->u64 = NR_RINGS;
	return 0;
}

static int set_vring_enable(struct backend *b, struct vu_msg *msg,
			    union vu_payload *reply, struct fault *why)
{
	const struct vu_vring_state *p = &msg->payload.state;
	int ret = ring_check(msg, p->index, why);

	(void)reply;
	if (ret)
		return ret;
	if (p->num > 1)
		return fault_set(why, -EPROTO,
			"SET_VRING_ENABLE: ring %u, %u, expected 0 or 1",
			p->index, p->num);
	/* Spare rings may be disabled at any time. */
	if (p->num)
		b->state->stopping = false;
	else if (b->ring[p->index].kick >= 0)
		b->state->stopping = true;
	if (!p->num && b->ring[p->index].running)
		rings_stop(b, p->index);
	b->state->ring[p->index].enabled = p->num;
	return rings_update(b, why);
}

static int set_backend_req_fd(struct backend *b, struct vu_msg *msg,
			      union vu_payload *reply, struct fault *why)
{
	(void)reply;
	(void)why;
	msg->payload.u64 = 0;
	replace_fd(b, msg, "channel", &b->state->channel_id, &b->channel);
	return 0;
}

static int config_check(const struct vu_msg *msg, struct fault *why)
{
	const struct vu_config *c = &msg->payload.config;

	/* Some send a read's place for the answer along, some do not. */
	if (msg->header.request == VU_GET_CONFIG ||
	    c->size == msg->header.size - VU_CONFIG_HEADER)
		return 0;
	return fault_set(why, -EPROTO,
		"SET_CONFIG: %u bytes announced, %u sent", c->size,
		msg->header.size - VU_CONFIG_HEADER);
}

static int get_config(struct backend *b, struct vu_msg *msg,
		      union vu_payload *reply, struct fault *why)
{
	(void)why;
	reply->config.offset = msg->payload.config.offset;
	reply->config.size = msg->payload.config.size;
	reply->config.flags = msg->payload.config.flags;
	config_read(b, &reply->config);
	if (!b->regions.nr && !b->no_memory_ms)
		b->no_memory_ms = now_ms();
	return 0;
}

static int set_config(struct backend *b, struct vu_msg *msg,
		      union vu_payload *reply, struct fault *why)
{
	int ret = config_check(msg, why);

	(void)reply;
	if (!ret)
		config_write(b, &msg->payload.config);
	return ret;
}

/*
 * pause: the handler changes what the worker works with. The others must not
 * wait for it: a virtual CPU does.
 */
static const struct {
	handler fn;
	bool pause;
} handlers[VU_NR_REQUESTS] = {
	[VU_GET_FEATURES]	= { get_features, true },
	[VU_SET_FEATURES]	= { set_features, true },
	[VU_SET_OWNER]		= { set_owner, true },
	[VU_RESET_OWNER]	= { reset_owner, true },
	[VU_SET_MEM_TABLE]	= { set_mem_table, true },
	[VU_SET_VRING_NUM]	= { set_vring_num, true },
	[VU_SET_VRING_ADDR]	= { set_vring_addr, true },
	[VU_SET_VRING_BASE]	= { set_vring_base, true },
	[VU_GET_VRING_BASE]	= { get_vring_base, true },
	[VU_SET_VRING_KICK]	= { set_vring_kick, true },
	[VU_SET_VRING_CALL]	= { set_vring_call, true },
	[VU_SET_VRING_ERR]	= { set_vring_err, false },
	[VU_GET_PROTOCOL_FEATURES] = { get_protocol_features, false },
	[VU_SET_PROTOCOL_FEATURES] = { set_protocol_features, false },
	[VU_GET_QUEUE_NUM]	= { get_queue_num, false },
	[VU_SET_VRING_ENABLE]	= { set_vring_enable, true },
	[VU_SET_BACKEND_REQ_FD]	= { set_backend_req_fd, false },
	[VU_GET_CONFIG]		= { get_config, false },
	[VU_SET_CONFIG]		= { set_config, false },
	[VU_GET_MAX_MEM_SLOTS]	= { get_max_mem_slots, false },
	[VU_ADD_MEM_REG]	= { add_mem_reg, true },
	[VU_REM_MEM_REG]	= { rem_mem_reg, true },
};

static uint32_t reply_size(const struct vu_msg *reply)
{
	if (reply->header.request != VU_GET_CONFIG)
		return sizeof(uint64_t);
	/* Refused: no payload at all says so. */
	if (!reply->payload.config.size)
		return 0;
	return VU_CONFIG_HEADER + reply->payload.config.size;
}

/* Acts on a message. True if @reply must be sent. */
static int act(struct backend *b, struct vu_msg *msg, struct vu_msg *reply,
	       struct fault *why)
{
	uint32_t request = msg->header.request;
	int ret;

	if (handlers[request].pause)
		worker_pause(b);
	ret = handlers[request].fn(b, msg, &reply->payload, why);
	/* The worker must not see rings in memory that may be gone. */
	if (ret == -EPROTO && handlers[request].pause)
		rings_stop_all(b);
	if (handlers[request].pause) {
		worker_resume(b);
		/* The eventq may have started or stopped. */
		config_update_target(b);
	}
	if (ret == -EPROTO)
		return ret;
	if (ret)
		log_err("%s: %s", vu_request_name(request), why->text);

	reply->header.request = request;
	reply->header.flags = VU_VERSION | VU_FLAG_REPLY;
	if (!vu_has_reply(request))
		reply->payload.u64 = ret ? 1 : 0;
	reply->header.size = reply_size(reply);
	return vu_has_reply(request) ||
	       msg->header.flags & VU_FLAG_NEED_REPLY;
}

/* One message, from the look at it to its answer: see keep.c for the order. */
static int handle(struct backend *b, struct vu_msg *msg, struct fault *why)
{
	struct state *s = b->state;
	struct vu_msg reply = { .nr_fds = 0 };
	int ret, answer;

	count(b, messages);
	if (s->busy != BUSY_AGAIN)
		s->busy = BUSY;
	answer = act(b, msg, &reply, why);
	if (answer < 0)
		return answer;
	if (answer) {
		s->reply = reply;
		atomic_signal_fence(memory_order_seq_cst);
		s->reply_phase = REPLY_READY;
	}

	ret = vu_consume(b->frontend, msg, why);
	if (!ret && answer) {
		s->reply_phase = REPLY_SENDING;
		ret = vu_send(b->frontend, &reply);
		s->reply_phase = REPLY_NONE;
	}
	s->busy = BUSY_NO;
	if (ret && ret != -EPROTO)
		return fault_set(why, ret, "%s: cannot answer: %s",
				 vu_request_name(msg->header.request),
				 strerror(-ret));
	return ret;
}

static void lost(struct backend *b, int status)
{
	worker_pause(b);
	rings_stop_all(b);
	worker_resume(b);
	keep_drop_all(b);
	b->status = status;
	b->lost = true;
	b->quit = true;
}

/**
 * frontend_event() - answer what the front-end sent
 * @b:		the back-end
 */
void frontend_event(struct backend *b)
{
	struct fault why = { "" };
	struct vu_msg msg;
	int ret;

	while ((ret = vu_peek(b->frontend, &msg, &why)) == 1) {
		ret = handle(b, &msg, &why);
		vu_msg_close(&msg);
		if (ret)
			break;
	}
	if (ret == -EAGAIN) {
		config_announce(b);
		return;
	}
	if (ret == 0) {
		log_info("the VMM closed the connection");
		lost(b, 0);
		return;
	}
	count(b, protocol_errors);
	log_err("connection ended: %s",
		why.text[0] ? why.text : strerror(-ret));
	lost(b, 1);
}

/**
 * frontend_resume() - finish what the predecessor had begun
 * @b:		the back-end
 */
void frontend_resume(struct backend *b)
{
	struct state *s = b->state;
	int waiting = 0;

	if (b->frontend < 0)
		return;
	(void)ioctl(b->frontend, FIONREAD, &waiting);
	if (s->reply_phase == REPLY_READY && !waiting)
		(void)vu_send(b->frontend, &s->reply);
	if (s->busy && s->reply_phase != REPLY_SENDING && waiting)
		s->busy = BUSY_AGAIN;
	else
		s->busy = BUSY_NO;
	s->reply_phase = REPLY_NONE;
}

/**
 * frontend_tick() - notice a VMM that shares no memory
 * @b:		the back-end
 */
void frontend_tick(struct backend *b)
{
	struct fault why;

	if (!b->no_memory_ms || now_ms() - b->no_memory_ms < NO_MEMORY_MS)
		return;
	b->no_memory_ms = 0;
	fault_set(&why, 0,
		  "the VMM shares no guest RAM (QEMU: use -object memory-backend-memfd,share=on,... and -machine memory-backend=...)");
	guard_refuse(b, REFUSAL_MEMORY, &why);
}
