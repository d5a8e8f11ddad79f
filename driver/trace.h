/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracepoints: /sys/kernel/tracing/events/ballonet/. What the driver asks of
 * the host and hears from it, which blocks it takes from the guest and gives
 * back, and why it does not do what it should.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ballonet

#if !defined(_BALLONET_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BALLONET_TRACE_H

#include <linux/mm.h>
#include <linux/tracepoint.h>
#include <linux/virtio.h>

#include "internal.h"

#define ballonet_show_type(type)			\
	__print_symbolic(type,				\
			 { BALLONET_REQ_INFLATE, "inflate" },	\
			 { BALLONET_REQ_DEFLATE, "deflate" },	\
			 { BALLONET_REQ_STANDBY, "standby" })

#define ballonet_show_event(type)			\
	__print_symbolic(type,				\
			 { BALLONET_EV_SHORT, "short" },	\
			 { BALLONET_EV_PLENTY, "plenty" },	\
			 { BALLONET_EV_WISH, "wish" },	\
			 { BALLONET_EV_FLOOR, "floor" })

#define ballonet_show_reason(reason)			\
	__print_symbolic(reason,			\
			 { BALLONET_FLOOR, "floor" },	\
			 { BALLONET_NOMEM, "no-memory" },	\
			 { BALLONET_PRESSURE, "pressure" },	\
			 { BALLONET_REFUSED, "refused" },	\
			 { BALLONET_SILENT, "silent" },	\
			 { BALLONET_BROKEN, "broken" })

TRACE_DEFINE_ENUM(BALLONET_FLOOR);
TRACE_DEFINE_ENUM(BALLONET_NOMEM);
TRACE_DEFINE_ENUM(BALLONET_PRESSURE);
TRACE_DEFINE_ENUM(BALLONET_REFUSED);
TRACE_DEFINE_ENUM(BALLONET_SILENT);
TRACE_DEFINE_ENUM(BALLONET_BROKEN);

/* The host has a request. */
TRACE_EVENT(ballonet_request,
	TP_PROTO(const struct ballonet_queue *q, const struct ballonet_rq *rq),
	TP_ARGS(q, rq),
	TP_STRUCT__entry(
		__field(int, dev)
		__field(u16, type)
		__field(bool, moved)
		__field(u64, id)
		__field(u32, frames)
		__field(u32, ranges)
		__field(u32, in_flight)
	),
	TP_fast_assign(
		__entry->dev = q->bal->vdev->index;
		__entry->type = rq->type;
		__entry->moved = rq->single;
		__entry->id = rq->id;
		__entry->frames = rq->frames;
		__entry->ranges = rq->ranges;
		__entry->in_flight = q->in_flight;
	),
	TP_printk("virtio%d %s id=%llu frames=%u ranges=%u in_flight=%u%s",
		  __entry->dev, ballonet_show_type(__entry->type), __entry->id,
		  __entry->frames, __entry->ranges, __entry->in_flight,
		  __entry->moved ? " moved" : "")
);

/* The host has answered one, and this is what the driver makes of it. */
TRACE_EVENT(ballonet_answer,
	TP_PROTO(const struct ballonet_queue *q, const struct ballonet_rq *rq,
		 int rc, u64 done, u64 usec),
	TP_ARGS(q, rq, rc, done, usec),
	TP_STRUCT__entry(
		__field(int, dev)
		__field(u16, type)
		__field(u64, id)
		__field(u32, frames)
		__field(u32, len)
		__field(u32, status)
		__field(int, rc)
		__field(u64, done)
		__field(u64, freed)
		__field(u64, usec)
	),
	TP_fast_assign(
		__entry->dev = q->bal->vdev->index;
		__entry->type = rq->type;
		__entry->id = rq->id;
		__entry->frames = rq->frames;
		__entry->len = rq->len;
		__entry->status = rq->status;
		__entry->rc = rc;
		__entry->done = done;
		__entry->freed = rq->freed;
		__entry->usec = usec;
	),
	TP_printk("virtio%d %s id=%llu frames=%u len=%u status=%u error=%d done=%llu freed=%llu usec=%llu",
		  __entry->dev, ballonet_show_type(__entry->type), __entry->id,
		  __entry->frames, __entry->len, __entry->status, __entry->rc,
		  __entry->done, __entry->freed, __entry->usec)
);

DECLARE_EVENT_CLASS(ballonet_block,
	TP_PROTO(const struct ballonet *bal, const struct page *page,
		 unsigned int order),
	TP_ARGS(bal, page, order),
	TP_STRUCT__entry(
		__field(int, dev)
		__field(u32, order)
		__field(u64, pfn)
	),
	TP_fast_assign(
		__entry->dev = bal->vdev->index;
		__entry->order = order;
		__entry->pfn = page_to_pfn(page);
	),
	TP_printk("virtio%d pfn=0x%llx order=%u", __entry->dev, __entry->pfn,
		  __entry->order)
);

/* A block is not the guest's any more. */
DEFINE_EVENT(ballonet_block, ballonet_take,
	TP_PROTO(const struct ballonet *bal, const struct page *page,
		 unsigned int order),
	TP_ARGS(bal, page, order)
);

/* It is again. */
DEFINE_EVENT(ballonet_block, ballonet_give,
	TP_PROTO(const struct ballonet *bal, const struct page *page,
		 unsigned int order),
	TP_ARGS(bal, page, order)
);

/* The balloon has not its target, and stays so for now. Sizes in frames. */
TRACE_EVENT(ballonet_refuse,
	TP_PROTO(struct ballonet *bal, enum ballonet_state reason,
		 unsigned int retry_ms),
	TP_ARGS(bal, reason, retry_ms),
	TP_STRUCT__entry(
		__field(int, dev)
		__field(int, reason)
		__field(u64, actual)
		__field(u64, host_target)
		__field(u64, target)
		__field(u64, floor)
		__field(s64, available)
		__field(u32, retry_ms)
	),
	TP_fast_assign(
		__entry->dev = bal->vdev->index;
		__entry->reason = reason;
		__entry->actual = ballonet_engine_actual(bal);
		__entry->host_target = bal->host_target;
		__entry->target = bal->target;
		__entry->floor = bal->floor;
		__entry->available = si_mem_available();
		__entry->retry_ms = retry_ms;
	),
	TP_printk("virtio%d %s actual=%llu host_target=%llu target=%llu floor=%llu available=%lld retry_ms=%u",
		  __entry->dev, ballonet_show_reason(__entry->reason),
		  __entry->actual, __entry->host_target, __entry->target,
		  __entry->floor, __entry->available, __entry->retry_ms)
);

/* The host is told of this. Bytes. */
TRACE_EVENT(ballonet_event,
	TP_PROTO(const struct ballonet *bal, u16 type, u32 seq, u64 value),
	TP_ARGS(bal, type, seq, value),
	TP_STRUCT__entry(
		__field(int, dev)
		__field(u16, type)
		__field(u32, seq)
		__field(u64, value)
	),
	TP_fast_assign(
		__entry->dev = bal->vdev->index;
		__entry->type = type;
		__entry->seq = seq;
		__entry->value = value;
	),
	TP_printk("virtio%d %s seq=%u value=%llu", __entry->dev,
		  ballonet_show_event(__entry->type), __entry->seq,
		  __entry->value)
);

#endif

/* This file is not where the kernel keeps those of its own: see Kbuild. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
