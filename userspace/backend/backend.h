/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user-balloon: the balloon device of one VM.
 *
 * Two threads, and a few helpers. The main thread answers the front-end, the
 * control socket and signals; it owns everything below except what is said
 * otherwise, and never discards memory: a VMM's global lock waits for its
 * answers. The worker walks the rings and discards; what takes longer than a
 * few milliseconds it leaves to others (reclaim.c), and goes on with the rings.
 *
 * struct backend.run is held by the worker whenever it touches guest memory,
 * the regions or the rings, and by the main thread when it changes them.
 * worker_pause() takes it from the worker, which lets go within a few
 * milliseconds and leaves what it was doing undone.
 */
#ifndef BALLONET_BACKEND_H
#define BALLONET_BACKEND_H

#include <linux/ballonet.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bucket.h"
#include "event_log.h"
#include "fault.h"
#include "fdstore.h"
#include "frames.h"
#include "gauge.h"
#include "interface.h"
#include "reclaim.h"
#include "region.h"
#include "standby.h"
#include "vhost_user.h"
#include "vring.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(UINT64_C(1) << (n))

#define PROGRAM		"vhost-user-balloon"

/* Rings: the six that a balloon can have, and room for a VMM's spare ones. */
#define NR_RINGS	8

/* Limits of one request, offered in configuration space. 1 GiB. */
#define MAX_RANGES	4096
#define MAX_FRAMES	262144

#define DEVICE_FEATURES	(BIT(VIRTIO_F_VERSION_1) |		\
			 BIT(VRING_F_EVENT_IDX) |		\
			 BIT(VU_F_PROTOCOL_FEATURES) |		\
			 BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST) |	\
			 BIT(VIRTIO_BALLOON_F_STATS_VQ) |	\
			 BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |	\
			 BIT(VIRTIO_BALLOON_F_PAGE_POISON) |	\
			 BIT(VIRTIO_BALLOON_F_REPORTING) |	\
			 BIT(BALLONET_F_RANGES) |		\
			 BIT(BALLONET_F_EVENTS))

/* Offered only if it is asked for, but a driver may have it already. */
#define KNOWN_FEATURES	(DEVICE_FEATURES | BIT(BALLONET_F_STANDBY))

#define PROTOCOL_FEATURES (BIT(VU_PROTOCOL_F_MQ) |		\
			   BIT(VU_PROTOCOL_F_REPLY_ACK) |	\
			   BIT(VU_PROTOCOL_F_BACKEND_REQ) |	\
			   BIT(VU_PROTOCOL_F_CONFIG) |		\
			   BIT(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))

/* What is counted, and its name in the control interface. */
#define COUNTERS(X)		\
	X(messages)		\
	X(protocol_errors)	\
	X(config_reads)		\
	X(config_writes)	\
	X(config_changes)	\
	X(kicks)		\
	X(calls)		\
	X(requests)		\
	X(requests_bad)		\
	X(requests_refused)	\
	X(ranges)		\
	X(frames_in)		\
	X(frames_out)		\
	X(frames_bad)		\
	X(discard_calls)	\
	X(discard_errors)	\
	X(bytes_freed)		\
	X(bytes_prefaulted)	\
	X(prefault_errors)	\
	X(interrupted)		\
	X(stats)		\
	X(reports)		\
	X(report_kicks)		\
	X(report_answers)	\
	X(report_discards)	\
	X(frames_reported)	\
	X(events)		\
	X(events_bad)		\
	X(events_unknown)	\
	X(events_dropped)	\
	X(events_missed)	\
	X(events_repeated)	\
	X(takes)		\
	X(blocks_taken)		\
	X(standby_calls)	\
	X(standby_freed)	\
	X(ring_starts)		\
	X(ring_stops)

/** struct counters - plain counts, written and read by both threads */
struct counters {
#define X(name) _Atomic uint64_t name;
	COUNTERS(X)
#undef X
};

#define NR_COUNTERS	(sizeof(struct counters) / sizeof(uint64_t))

#define count_add(b, name, n) \
	atomic_fetch_add_explicit(&(b)->counters.name, n, memory_order_relaxed)
#define count(b, name) count_add(b, name, 1)

/**
 * struct state_ring - what a successor must know of a ring
 * @num:	entries, 0 if not told
 * @enabled:	SET_VRING_ENABLE
 * @has_addr:	@addr was told
 * @base:	available index to start from
 * @addr:	where it is
 * @kick_id:	names the kick descriptor in the fd store; 0 if there is none
 * @call_id:	likewise
 */
struct state_ring {
	uint32_t num;
	uint8_t enabled;
	uint8_t has_addr;
	uint16_t base;
	struct vring_addr addr;
	uint32_t kick_id;
	uint32_t call_id;
};

/** struct state_region - what a successor must know of a region */
struct state_region {
	struct region_desc desc;
	uint32_t id;
	uint32_t reserved;
};

/** struct state_table - the memory table */
struct state_table {
	uint32_t nr;
	uint32_t reserved;
	struct state_region region[REGION_MAX];
};

/* Whether a message is being acted on: for the first time, or found again. */
enum state_busy {
	BUSY_NO,
	BUSY,
	BUSY_AGAIN,
};

/* Where the answer to the message in hand is, see keep.c. */
enum state_reply {
	REPLY_NONE,
	REPLY_READY,
	REPLY_SENDING,
};

/**
 * struct state_event - the last event of a type
 * @value:	as the type says
 * @time_us:	CLOCK_REALTIME at which it was read; 0 if there was none
 * @seq:	the driver's number
 * @reserved:	zero
 */
struct state_event {
	uint64_t value;
	uint64_t time_us;
	uint32_t seq;
	uint32_t reserved;
};

/**
 * struct state_events - what the driver told
 * @has_seq:	@seq is known
 * @seq:	of the last event of any type
 * @pressure:	which came last: 1 + INTERFACE_EVENT_SHORT or _PLENTY, or 0
 * @reserved:	zero
 * @last:	by type
 */
struct state_events {
	uint32_t has_seq;
	uint32_t seq;
	uint32_t pressure;
	uint32_t reserved;
	struct state_event last[INTERFACE_NR_EVENTS];
};

/**
 * struct state_standby - the standby table that is in force
 * @start:	its first frame
 * @frames:	how many; 0 if there is none. Written last, and first to go
 */
struct state_standby {
	uint64_t start;
	uint64_t frames;
};

/**
 * struct state - all that a successor needs besides the descriptors
 * @magic:	STATE_MAGIC
 * @size:	of this structure; see keep.c for other versions
 * @next_id:	the next name in the fd store
 * @busy:	enum state_busy
 * @reply_phase: enum state_reply
 * @listen_id:	names the listening socket; 0 if there is none
 * @frontend_id: names the front-end's socket
 * @channel_id:	names the back-end's channel
 * @control_id:	names the control socket
 * @has_features: SET_FEATURES came
 * @config_dirty: the driver was not told about a new target
 * @features:	negotiated
 * @protocol_features: negotiated
 * @table:	memory tables: the one in force, and one to fill
 * @table_now:	which is in force
 * @stopping:	the front-end has begun to stop the device
 * @ring:	the rings
 * @config:	configuration space
 * @reply:	the answer, while @reply_phase is not REPLY_NONE
 * @target:	bytes of the balloon that the operator wants; @config has what
 *		came of it
 * @events_now:	which of @events is in force
 * @reserved:	zero
 * @events:	what the driver told, and one to fill
 * @standby:	the standby table
 *
 * Lies in a memfd and is worked on in place. Later versions add at the end.
 */
struct state {
	uint64_t magic;
	uint32_t size;
	uint32_t next_id;
	uint32_t busy;
	uint32_t reply_phase;
	uint32_t listen_id;
	uint32_t frontend_id;
	uint32_t channel_id;
	uint32_t control_id;
	uint32_t has_features;
	uint32_t config_dirty;
	uint64_t features;
	uint64_t protocol_features;
	struct state_table table[2];
	uint32_t table_now;
	uint32_t stopping;
	struct state_ring ring[NR_RINGS];
	struct ballonet_config config;
	struct vu_msg reply;
	uint64_t target;
	uint32_t events_now;
	uint32_t reserved;
	struct state_events events[2];
	struct state_standby standby;
};

/* Up to where the first version had it. */
#define STATE_FIRST_SIZE	offsetof(struct state, target)

/* What a ring is for; the negotiated features decide. */
enum role {
	ROLE_NONE,
	ROLE_INFLATE,
	ROLE_DEFLATE,
	ROLE_STATS,
	ROLE_REPORT,
	ROLE_EVENTS,
};

/**
 * struct ring - a ring as it runs
 * @vr:		the ring in guest RAM; valid while @running
 * @role:	what it is for
 * @running:	enabled, complete, and served by the worker
 * @kick:	descriptor, -1 without
 * @call:	descriptor, -1 without
 *
 * All protected by backend.run.
 */
struct ring {
	struct vring vr;
	enum role role;
	bool running;
	int kick;
	int call;
};

/* Statistics that a driver may send: entries of a tag and a value. */
#define STATS_MAX	256

/**
 * struct sample - the driver's last statistics
 * @when_ms:	CLOCK_MONOTONIC; 0 if there are none
 * @nr:		elements of @tag and @value
 * @tag:	VIRTIO_BALLOON_S_ and BALLONET_S_ numbers
 * @value:	as the tag says
 */
struct sample {
	uint64_t when_ms;
	unsigned int nr;
	uint16_t tag[STATS_MAX];
	uint64_t value[STATS_MAX];
};

/* A client's order for memory, from its coming to its answer. */
enum take_phase {
	TAKE_NONE,
	TAKE_ORDERED,
	TAKE_RUNS,
	TAKE_DONE,
};

/**
 * struct take - an order for memory of blocks on standby; sizes in bytes
 * @phase:	enum take_phase. The worker's while ordered or running
 * @want:	still to be taken
 * @until_ms:	and until when, as now_ms()
 * @taken:	in blocks
 * @freed:	what the host got of them
 */
struct take {
	atomic_int phase;
	uint64_t want;
	uint64_t until_ms;
	uint64_t taken;
	uint64_t freed;
};

/**
 * struct standby_work - what the worker does about blocks on standby
 * @mode:	constant
 * @take:	the order in hand
 * @scan:	the walk through the table that is under way, if any
 * @runs:	there is one
 * @old:	of eager walks, see struct standby_scan
 * @poll_ms:	when to begin the next one
 * @batch:	the blocks in hand
 */
struct standby_work {
	enum standby_mode mode;
	struct take take;
	struct standby_scan scan;
	bool runs;
	uint64_t *old;
	uint64_t poll_ms;
	struct standby_batch batch;
};

/* Who found that memory must not be taken. */
enum refusal {
	REFUSAL_MEMORY,
	REFUSAL_VMM,
	NR_REFUSALS,
};

struct control;

/**
 * struct backend - the program
 * @name:	of the VM
 * @state:	what outlives this process
 * @state_fd:	the memfd that it lies in
 * @store:	who keeps the descriptors
 * @unstored:	numbers of those that it did not take yet; 0 is the state
 * @nr_unstored: elements of @unstored
 * @epoll:	of the main thread
 * @listen:	socket that front-ends connect to, or -1
 * @socket_path: of @listen, or NULL
 * @frontend:	the front-end's socket, or -1
 * @channel:	where requests to the front-end go, or -1
 * @control:	the control interface
 * @control_fd:	socket that its clients connect to, or -1
 * @control_path: of its socket, or NULL
 * @wake_main:	eventfd: the worker has news
 * @spare:	given up to accept and close a connection when descriptors are
 *		used up
 * @quit:	the main loop ends
 * @lost:	the VMM is gone: there will be no successor
 * @status:	what the program exits with
 * @no_memory_ms: since when a driver is there without memory, or 0
 * @gauge:	where the manager sees this VM, or NULL
 * @show_period_ms: how often it looks, 0 if it does not
 * @show_at_ms:	when there is to be something new next
 *
 * @run:	see above
 * @resumed:	@pauses became 0
 * @pauses:	the main thread wants @run, or has it
 * @stopping:	the worker ends
 * @thread:	the worker
 * @worker_epoll: of the worker: kicks and @wake_worker
 * @wake_worker: eventfd: look at all rings
 * @regions:	guest RAM. Read by the main thread at any time, since it alone
 *		changes it, under @run; the bitmaps in it are the worker's
 * @ring:	the rings, protected by @run
 * @batch:	the worker's: frames of one pass
 * @in_order:	the worker's: ranges as their request has them, MAX_RANGES
 * @chain:	the worker's: the buffer in hand
 * @spare_batch: for whoever is served while @batch is being discarded
 * @spare_order: likewise, for @in_order
 * @freed:	the worker's: bytes that the request in hand freed before it was
 *		interrupted
 * @reclaim:	threads for what takes long
 *
 * @standby:	the worker's: blocks on standby
 * @bucket:	the worker's: limits the events that are taken
 * @again:	the worker's: events may be found that the predecessor has read
 *
 * @grant:	the guest's wishes are granted
 *
 * @info:	protects what follows, and the state's events and standby table;
 *		held for a few instructions only
 * @sample:	statistics
 * @news:	events that the worker has noted
 * @refused:	why this VM's memory must not be taken; empty where it may
 * @unseen:	why the VMM cannot be looked at; empty if it can
 * @check_ms:	when to look at the VMM again
 * @failed:	why the device stopped; empty if it did not
 *
 * @is_failed:	@failed is not empty
 * @is_refused:	one of @refused is not empty
 * @want_stats:	hand the statistics buffer back to the driver
 * @stats_new:	the next statistics buffer was not read yet
 * @counters:	what was counted
 */
struct backend {
	const char *name;
	struct state *state;
	int state_fd;
	struct fdstore store;
	uint32_t unstored[2 * (REGION_MAX + NR_RINGS) + 8];
	unsigned int nr_unstored;
	int epoll;
	int listen;
	const char *socket_path;
	int frontend;
	int channel;
	struct control *control;
	int control_fd;
	const char *control_path;
	int wake_main;
	int spare;
	bool quit;
	bool lost;
	int status;
	uint64_t no_memory_ms;
	struct gauge_page *gauge;
	uint32_t show_period_ms;
	uint64_t show_at_ms;

	pthread_mutex_t run;
	pthread_cond_t resumed;
	atomic_int pauses;
	atomic_bool stopping;
	pthread_t thread;
	int worker_epoll;
	int wake_worker;
	struct region_table regions;
	struct ring ring[NR_RINGS];
	struct frame_list batch;
	struct frame_range *in_order;
	struct vring_chain chain;
	struct frame_list spare_batch;
	struct frame_range *spare_order;
	uint64_t freed;
	struct reclaim reclaim;
	struct standby_work standby;
	struct bucket bucket;
	bool again;

	bool grant;

	pthread_mutex_t info;
	struct sample sample;
	struct event_log news;
	struct fault refused[NR_REFUSALS];
	struct fault unseen;
	uint64_t check_ms;
	struct fault failed;

	atomic_bool is_failed;
	atomic_bool is_refused;
	atomic_bool want_stats;
	atomic_bool stats_new;
	struct counters counters;
};

/* main.c */
uint64_t now_ms(void);
int watch(struct backend *b, int fd);
int accept_one(struct backend *b, int listen);
void event_signal(int fd);
void event_clear(int fd);

/* config.c: configuration space */
void config_init(struct backend *b);
void config_read(struct backend *b, struct vu_config *cfg);
void config_write(struct backend *b, const struct vu_config *cfg);
void config_set_target(struct backend *b, uint64_t bytes);
void config_update_target(struct backend *b);
void config_announce(struct backend *b);

/* frontend.c: the vhost-user conversation */
void frontend_event(struct backend *b);
void frontend_resume(struct backend *b);
void frontend_tick(struct backend *b);

/* memory.c: guest RAM */
int memory_set_table(struct backend *b, struct vu_msg *msg,
		     struct fault *ret_fault);
void memory_drop(struct backend *b);
int memory_add(struct backend *b, struct vu_msg *msg, struct fault *ret_fault);
int memory_del(struct backend *b, const struct vu_msg *msg,
	       struct fault *ret_fault);
int memory_resume(struct backend *b, const struct fdstore_fd *fds,
		  unsigned int nr, struct fault *ret_fault);
void memory_changed(struct backend *b);

/* rings.c: which rings run; called with the worker paused */
void rings_set_roles(struct backend *b);
int rings_update(struct backend *b, struct fault *ret_fault);
int rings_refresh(struct backend *b, struct fault *ret_fault);
void rings_stop(struct backend *b, unsigned int i);
void rings_stop_all(struct backend *b);
bool rings_any_running(const struct backend *b);

/* worker.c: the second thread */
int worker_start(struct backend *b);
void worker_end(struct backend *b);
void worker_pause(struct backend *b);
void worker_resume(struct backend *b);
void worker_wait(struct backend *b, bool (*done)(struct backend *b));
bool worker_must_stop(void *backend);

/* inflate.c: what rings of frames carry; called by the worker */
int inflate_arrays(struct backend *b, struct ring *ring,
		   struct fault *ret_fault);
int inflate_requests(struct backend *b, struct ring *ring,
		     struct fault *ret_fault);

int inflate_reports(struct backend *b, struct ring *ring,
		    struct fault *ret_fault);

/* standby.c: blocks on standby */
int standby_request(struct backend *b, const struct ballonet_request *rq);
void standby_forget(struct backend *b);
void standby_resume(struct backend *b);
void standby_get(struct backend *b, uint64_t *ret_offered,
		 uint64_t *ret_taken);
bool standby_answer(struct backend *b, uint64_t *ret_taken,
		    uint64_t *ret_freed);
bool standby_order(struct backend *b, uint64_t bytes);
bool standby_serve(struct backend *b);
int standby_timeout(struct backend *b);

/* stats.c: statistics */
const char *stats_tag_name(uint16_t tag);
int stats_serve(struct backend *b, struct ring *ring, struct fault *ret_fault);

/* events.c: what the driver tells */
int events_serve(struct backend *b, struct ring *ring,
		 struct fault *ret_fault);
void events_forget(struct backend *b);
void events_get(struct backend *b, struct state_events *ret_events);
uint64_t events_wish(struct backend *b);
json_t *events_pack(struct backend *b);

/* guard.c: may this VM's memory be taken? */
void guard_check(struct backend *b);
bool guard_refuses(struct backend *b);
void guard_refuse(struct backend *b, enum refusal who,
		  const struct fault *why);
void guard_reason(struct backend *b, struct fault *ret_why);

/* keep.c: what a successor finds */
int keep_init(struct backend *b, struct fault *ret_fault);
uint32_t keep_fd(struct backend *b, const char *kind, int fd);
void keep_drop(struct backend *b, const char *kind, uint32_t id);
void keep_drop_all(struct backend *b);
bool keep_all(struct backend *b);
bool keep_waits(const struct backend *b);
void keep_retry(struct backend *b);
int keep_resume(struct backend *b, const struct fdstore_fd *fds,
		unsigned int nr, struct fault *ret_fault);

/* show.c: what the manager sees without asking */
void show_init(struct backend *b);
void show(struct backend *b);
void show_set_period(struct backend *b, uint32_t ms);
int show_wait(const struct backend *b);
void show_tick(struct backend *b);

/* sandbox.c: what this process may do */
int sandbox_drop(struct fault *ret_fault);
int sandbox_enter(struct fault *ret_fault);

/* control.c: the Varlink interface */
int control_init(struct backend *b);
void control_deinit(struct backend *b);
bool control_event(struct backend *b, int fd, uint32_t events);
void control_take(struct backend *b);
void control_tick(struct backend *b);
void control_news(struct backend *b);
bool control_waits(const struct backend *b);

#endif /* BALLONET_BACKEND_H */
