/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vhost-user protocol: messages and their transport.
 *
 * Written from QEMU's docs/interop/vhost-user.rst. The front-end is taken for
 * hostile: nothing of a message is used before its version, its size and its
 * number of descriptors were compared with the table of requests.
 */
#ifndef BALLONET_VHOST_USER_H
#define BALLONET_VHOST_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

enum vu_request {
	VU_GET_FEATURES		= 1,
	VU_SET_FEATURES		= 2,
	VU_SET_OWNER		= 3,
	VU_RESET_OWNER		= 4,
	VU_SET_MEM_TABLE	= 5,
	VU_SET_VRING_NUM	= 8,
	VU_SET_VRING_ADDR	= 9,
	VU_SET_VRING_BASE	= 10,
	VU_GET_VRING_BASE	= 11,
	VU_SET_VRING_KICK	= 12,
	VU_SET_VRING_CALL	= 13,
	VU_SET_VRING_ERR	= 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM	= 17,
	VU_SET_VRING_ENABLE	= 18,
	VU_SET_BACKEND_REQ_FD	= 21,
	VU_GET_CONFIG		= 24,
	VU_SET_CONFIG		= 25,
	VU_GET_MAX_MEM_SLOTS	= 36,
	VU_ADD_MEM_REG		= 37,
	VU_REM_MEM_REG		= 38,
	VU_NR_REQUESTS,
};

/* Sent by the back-end, on its own channel. */
#define VU_BACKEND_CONFIG_CHANGE	2

#define VU_F_PROTOCOL_FEATURES		30

enum vu_protocol_feature {
	VU_PROTOCOL_F_MQ		= 0,
	VU_PROTOCOL_F_REPLY_ACK		= 3,
	VU_PROTOCOL_F_BACKEND_REQ	= 5,
	VU_PROTOCOL_F_CONFIG		= 9,
	VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
};

#define VU_VERSION		0x1
#define VU_VERSION_MASK		0x3
#define VU_FLAG_REPLY		0x4
#define VU_FLAG_NEED_REPLY	0x8

/* SET_VRING_KICK, CALL, ERR: the ring's index, and "no descriptor follows". */
#define VU_VRING_IDX_MASK	0xff
#define VU_VRING_NOFD		0x100

/* Regions in one SET_MEM_TABLE. */
#define VU_TABLE_REGIONS	8
/* Bytes of configuration space that one message may carry. */
#define VU_CONFIG_MAX		256

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vu_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct vu_mem_table {
	uint32_t nr;
	uint32_t padding;
	struct vu_region region[VU_TABLE_REGIONS];
};

struct vu_mem_slot {
	uint64_t padding;
	struct vu_region region;
};

struct vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VU_CONFIG_MAX];
};

#define VU_CONFIG_HEADER	12

union vu_payload {
	uint64_t u64;
	struct vu_vring_state state;
	struct vu_vring_addr addr;
	struct vu_mem_table table;
	struct vu_mem_slot slot;
	struct vu_config config;
};

/**
 * struct vu_msg - one message and the descriptors that came with it
 * @header:	as on the wire
 * @payload:	@header.size bytes are valid, the others zero
 * @fds:	owned by the message until vu_take_fd() or vu_msg_close()
 * @nr_fds:	elements of @fds
 */
struct vu_msg {
	struct vu_header header;
	union vu_payload payload;
	int fds[VU_TABLE_REGIONS];
	unsigned int nr_fds;
};

const char *vu_request_name(uint32_t request);
bool vu_has_reply(uint32_t request);
int vu_peek(int sock, struct vu_msg *ret_msg, struct fault *ret_fault);
int vu_consume(int sock, const struct vu_msg *msg, struct fault *ret_fault);
int vu_send(int sock, const struct vu_msg *msg);
int vu_take_fd(struct vu_msg *msg, unsigned int i);
void vu_msg_close(struct vu_msg *msg);

#endif /* BALLONET_VHOST_USER_H */
