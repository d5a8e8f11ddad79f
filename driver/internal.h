/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * One work item, the engine (engine.c), moves the balloon to its target. It
 * takes blocks of free pages (block.c, frame.c) as long as the floor (floor.c)
 * allows, puts them into a request (request.c) and goes on; the answer arrives
 * in the virtqueue's callback, which only queues the engine again. So the
 * engine never waits for the host. Removal, the OOM notifier and compaction
 * do, with a bound; free page reporting (report.c) until the device is reset.
 *
 *	sysfs.c, pressure.c, config change ──► engine ──► block, floor, request
 *	virtqueue callback ──► request ──► engine
 *	pressure.c, psi.c, samples ──► watch ──► events ◄── engine (wish, floor)
 *
 * A page is in one of these places:
 *
 *	the guest's ──block_take()──► request on inflateq ──answer──► held
 *	held ──► request on deflateq ──answer──► block_give(): the guest's
 *
 * Beside it, while the host migrates the guest, free page hinting (hint.c) with
 * a work item of its own takes free blocks, shows them to the host, and keeps
 * them until the migration is over or somebody needs them; the engine, too,
 * has them before it looks for others:
 *
 *	the guest's ──► free_page_vq ──answer──► held ──DONE, need──► its own
 *
 * Locks: ballonet_queue.lock and ballonet.lock are spinlocks, taken in
 * interrupts too, and ballonet_hint.lock and ballonet_standby.lock are two that
 * are not; never nested. None is held over an allocation or a wait. Nor are
 * ballonet_watch.lock and ballonet_events.lock, which nest in this order,
 * inside of the lock of a PSI trigger's wait queue.
 */
#ifndef _BALLONET_INTERNAL_H
#define _BALLONET_INTERNAL_H

#include <linux/atomic.h>
#include <linux/balloon.h>
#include <linux/list.h>
#include <linux/notifier.h>
#include <linux/page_reporting.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/virtio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/ballonet.h>

#include "counters.h"
#include "short.h"
#include "standby.h"

/* 2 MiB, the huge page of the processors that KVM is used on. */
#define BALLONET_HUGE_ORDER	9

/* Frames in a page of this kernel: only sizes that are a frame are known. */
static_assert(PAGE_SHIFT == BALLONET_FRAME_SHIFT);

/* An exchange of 64 bits that holds against the host too. */
#if defined(CONFIG_64BIT) && defined(arch_sync_cmpxchg)
#define BALLONET_STANDBY_POSSIBLE
#endif

/* Requests in flight on each queue, and what the driver puts in one. */
#define BALLONET_RQS		4
#define BALLONET_RQ_BYTES	8192
#define BALLONET_RQ_RANGES \
	((BALLONET_RQ_BYTES - sizeof(struct ballonet_request)) / \
	 sizeof(struct ballonet_range))
/* 512 MiB: two notifications a GiB, and work for the host while we take. */
#define BALLONET_RQ_FRAMES	131072
/*
 * Frame numbers in a buffer of the standard's format: what Linux has always
 * sent, and cloud-hypervisor reads no more of a descriptor.
 */
#define BALLONET_STD_FRAMES	256
/* Events in flight: one of each type in 100 ms, and the host may be slow. */
#define BALLONET_EVENT_BUFS	8

struct ballonet;
struct ballonet_psi;

/**
 * enum ballonet_state - what the engine is doing, as sysfs says it
 * @BALLONET_IDLE:	the balloon has its target
 * @BALLONET_ASKED:	so it has, but the host was asked for a larger one. Only
 *			sysfs tells these two apart
 * @BALLONET_INFLATING:	on the way up
 * @BALLONET_DEFLATING:	on the way down
 * @BALLONET_FLOOR:	less than the target: more would go below the floor
 * @BALLONET_NOMEM:	less than the target: no page to be had above the floor
 * @BALLONET_PRESSURE:	less than the target: the guest was short of memory
 * @BALLONET_REFUSED:	less than the target: the host does not take pages
 * @BALLONET_SILENT:	the host does not answer
 * @BALLONET_BROKEN:	the host broke the protocol, or asks for a reset: there
 *			is one soon, unless there were too many
 * @BALLONET_NR_STATES:	how many there are
 */
enum ballonet_state {
	BALLONET_IDLE,
	BALLONET_ASKED,
	BALLONET_INFLATING,
	BALLONET_DEFLATING,
	BALLONET_FLOOR,
	BALLONET_NOMEM,
	BALLONET_PRESSURE,
	BALLONET_REFUSED,
	BALLONET_SILENT,
	BALLONET_BROKEN,
	BALLONET_NR_STATES
};

/**
 * struct ballonet_waiter - somebody who waits for an answer, on his stack
 * @rc:		-EINPROGRESS until there is one
 */
struct ballonet_waiter {
	int rc;
};

/**
 * struct ballonet_rq - a request to the host and the blocks it is about
 * @node:	in idle or answered of its queue; nowhere while in flight
 * @blocks:	pages, first ones of blocks, through page->lru
 * @single:	or one page, on no list of ours, with a reference
 * @waiter:	who waits for the answer about @single. ballonet.lock
 * @frames:	in @blocks, or 1
 * @ranges:	in @out
 * @len:	bytes the host wrote, once answered
 * @sent_ns:	ktime_get_ns() when it went; 0 until then
 * @id:		of this request, on its queue
 * @type:	that of the queue, or BALLONET_REQ_STANDBY
 * @status:	the host's word for how it went; 0 in the standard's format
 * @freed:	bytes that the host says it freed
 * @out:	what the host reads, BALLONET_RQ_BYTES
 * @answer:	what the host writes
 *
 * Of whoever holds it: the queue (idle, answered), the host (in flight) or
 * the engine.
 */
struct ballonet_rq {
	struct list_head node;
	struct list_head blocks;
	struct page *single;
	struct ballonet_waiter *waiter;
	unsigned int frames;
	unsigned int ranges;
	unsigned int len;
	u64 sent_ns;
	u64 id;
	u16 type;
	u32 status;
	u64 freed;
	void *out;
	struct ballonet_response *answer;
};

/**
 * struct ballonet_queue - inflateq or deflateq
 * @bal:	whose
 * @vq:		NULL while the device is down
 * @type:	BALLONET_REQ_INFLATE or BALLONET_REQ_DEFLATE
 * @lock:	protects the members below, and the ring of @vq
 * @idle:	requests that can be filled
 * @answered:	requests that came back
 * @in_flight:	how many the host has
 * @in_flight_frames: in all of them
 * @last_id:	of the newest request
 * @rqs:	all requests
 */
struct ballonet_queue {
	struct ballonet *bal;
	struct virtqueue *vq;
	u16 type;
	spinlock_t lock;
	struct list_head idle;
	struct list_head answered;
	unsigned int in_flight;
	u64 in_flight_frames;
	atomic64_t last_id;
	struct ballonet_rq rqs[BALLONET_RQS];
};

/**
 * struct ballonet_stat - an entry on statsq, VIRTIO 1.3, 5.5.6.4
 * @tag:	VIRTIO_BALLOON_S_ or BALLONET_S_
 * @val:	as the tag says
 */
struct ballonet_stat {
	__le16 tag;
	__le64 val;
} __packed;

#define BALLONET_MAX_STATS	32

/**
 * struct ballonet_event_slot - what the host is to hear of one type of event
 * @waits:	@value was not sent yet
 * @value:	the newest
 * @not_before:	jiffies, all 64 bits
 */
struct ballonet_event_slot {
	bool waits;
	u64 value;
	u64 not_before;
};

/**
 * struct ballonet_events - what the host hears without asking
 * @bal:	from whom
 * @timer:	sends what had to wait
 * @bufs:	BALLONET_EVENT_BUFS of them; the host's while in flight
 * @lock:	protects the members below, and the ring of @vq
 * @vq:		NULL while the device is down, or the host does not listen
 * @idle:	a bit for each of @bufs that is not in flight
 * @seq:	of the next event
 * @slot:	by type
 */
struct ballonet_events {
	struct ballonet *bal;
	struct delayed_work timer;
	struct ballonet_event *bufs;
	spinlock_t lock;
	struct virtqueue *vq;
	unsigned long idle;
	u32 seq;
	struct ballonet_event_slot slot[BALLONET_EV_FLOOR + 1];
};

/**
 * struct ballonet_watch - whether the guest is short of memory
 * @calm:	samples while it is not; deferrable
 * @alert:	samples while it is
 * @lock:	protects the members below
 * @on:		the device is up, and the host listens
 * @is_short:	the host was told that it is
 * @alarmed:	jiffies of the last alarm
 * @last:	sample
 */
struct ballonet_watch {
	struct delayed_work calm;
	struct delayed_work alert;
	spinlock_t lock;
	bool on;
	bool is_short;
	unsigned long alarmed;
	struct ballonet_sample last;
};

/**
 * struct ballonet_span - a range of memory
 * @start:	first frame
 * @end:	first frame after it
 */
struct ballonet_span {
	unsigned long start;
	unsigned long end;
};

/**
 * struct ballonet_node - a NUMA node
 * @held:	huge blocks of it with the host. Engine
 * @credit:	frames until it is its turn to be taken from. ballonet.lock
 */
struct ballonet_node {
	struct list_head held;
	long credit;
};

/**
 * struct ballonet_hint_cmd - a command on free_page_vq
 * @id:		what the host reads
 * @sent:	and may still read
 */
struct ballonet_hint_cmd {
	__le32 id;
	bool sent;
};

/**
 * struct ballonet_hint - free page hinting
 * @vq:		NULL if not negotiated
 * @most:	blocks in flight at most; 0 while there is no hinting
 * @work:	the only one who uses @vq, and what follows up to @lock
 * @changed:	configuration space has to be read
 * @id:		what the host last said: of a round, STOP or DONE. Written whole
 * @unsaid:	@id was not sent yet
 * @open:	an id was sent, and no STOP since
 * @start:	the id
 * @stop:	STOP
 * @in_flight:	how many blocks the host has
 * @look:	jiffies when to look for what should have been announced
 * @look_ms:	how long after the last look that is
 * @paused_until: jiffies; no block is taken before. Written whole
 * @blocks:	how many there are, wherever
 * @lock:	protects the lists. Not taken in interrupts
 * @todo:	blocks, through page->lru, to be hinted in this round
 * @sent:	those that the host has
 * @held:	those that it has answered for
 * @shrinker:	asked by page reclaim
 * @oom_nb:	in the kernel's OOM notifier chain
 */
struct ballonet_hint {
	struct virtqueue *vq;
	unsigned int most;
	struct delayed_work work;
	atomic_t changed;
	u32 id;
	bool unsaid;
	bool open;
	struct ballonet_hint_cmd start;
	struct ballonet_hint_cmd stop;
	unsigned int in_flight;
	unsigned long look;
	unsigned int look_ms;
	unsigned long paused_until;
	atomic_long_t blocks;
	spinlock_t lock;
	struct list_head todo;
	struct list_head sent;
	struct list_head held;
	struct ballonet_shrinker shrinker;
	struct notifier_block oom_nb;
};

/**
 * struct ballonet - one balloon device
 * @vdev:	the device
 * @wq:		runs all work; freezable, with a rescuer
 * @inflateq:	pages to the host
 * @deflateq:	pages from the host
 * @statsq:	NULL if not negotiated
 * @stats:	the one buffer on @statsq
 * @stats_work:	fills it
 * @hint:	free page hinting
 * @reportq:	NULL if not negotiated
 * @reporting:	our half of the kernel's free page reporting
 * @reports:	@reporting is registered
 * @eventq:	NULL if not negotiated
 * @events:	sends on @eventq
 * @watch:	posts events
 * @standby:	blocks that the host takes by itself
 * @psi:	alarms @watch; NULL if no trigger was handed over
 * @ranges:	BALLONET_F_RANGES was negotiated
 * @deflate_on_oom: the host lets us deflate below its target
 * @huge_order:	of the blocks that are tried first
 * @max_ranges:	in a request; at most what @out of a request holds
 * @max_frames:	in a request
 * @engine:	the only one who moves pages
 * @config_dirty: configuration space has to be read
 * @stopping:	no more inflating; everything goes back
 * @asleep:	the guest hibernates, and wants all of its memory. Written whole
 * @host_target: frames the host wants. Engine
 * @reported:	frames last written to configuration space. Engine
 * @refused:	the host refused; cleared when its target changes. Engine
 * @failed:	the host failed; try later. Engine
 * @missing:	frames that the host was told the floor keeps. Engine
 * @fell_short_ns: of the time since boot, when the guest last gave less than
 *		was wanted; 0 for never. Written whole
 * @retry_ms:	how long until the next try. Engine
 * @answer_wq:	woken by every answer, by every engine pass and by a reset
 * @target:	frames wished for through sysfs: of the host, if it listens to
 *		events. Written whole
 * @floor:	frames of available memory that inflating leaves the guest.
 *		Written whole
 * @floor_is_set: by an administrator. Written whole
 * @preferred:	node to take from, or NUMA_NO_NODE. Written whole
 * @lock:	protects the members below
 * @ceiling:	frames at most, until @ceiling_until
 * @ceiling_until: jiffies; no ceiling if @ceiling is U64_MAX
 * @pause_ms:	how long a ceiling stays
 * @relieved:	jiffies when a ceiling was last set
 * @relief:	by how many frames
 * @relief_due:	what @given is when they are there
 * @reliefs:	how often
 * @nodes:	nr_node_ids of them
 * @leaving:	held huge blocks in memory that goes offline. Engine
 * @going:	that memory, if any
 * @gone:	there is no huge block in it any more
 * @held_blocks: [0] in @nodes and @leaving, [1] in @frames
 * @unanswered:	moved frames that the host owes an answer for
 * @given:	frames that went back to the guest, ever
 * @state:	for sysfs
 * @report_done:	the host answered the report that is out
 * @report_out:	a report is out, and nobody has waited for it in vain
 * @report_over: frames of all reports that are over; only counts up
 * @closed:	the rings must not be touched any more
 * @reset:	the rings are gone: what was reported is the guest's
 * @migrating:	how many callers move a frame
 * @frames:	single frames with the host. Its lock is the kernel's
 * @oom_nb:	in the kernel's OOM notifier chain
 * @oom_given:	of @given and @report_over, what its caller has been told of
 * @reboot_nb:	in the kernel's reboot notifier chain
 * @reset_work:	resets a device that asks for it
 * @resets:	how many there were until there was none for a while. @lock
 * @reset_last:	jiffies when the last one was due. @lock
 * @reset_never: the driver goes, or the device is down. @lock
 * @memory_nb:	in the kernel's memory notifier chain
 * @sleep_nb:	in the kernel's power management notifier chain
 * @shrinker:	asked by page reclaim
 * @counters:	for each processor; none without debugfs
 * @debugfs:	where they are shown
 */
struct ballonet {
	struct virtio_device *vdev;
	struct workqueue_struct *wq;
	struct ballonet_queue inflateq;
	struct ballonet_queue deflateq;

	struct virtqueue *statsq;
	struct ballonet_stat *stats;
	struct work_struct stats_work;

	struct ballonet_hint hint;

	struct virtqueue *reportq;
	struct page_reporting_dev_info reporting;
	bool reports;

	struct virtqueue *eventq;
	struct ballonet_events events;
	struct ballonet_watch watch;
	struct ballonet_standby standby;
	struct ballonet_psi *psi;

	bool ranges;
	bool deflate_on_oom;
	unsigned int huge_order;
	unsigned int max_ranges;
	unsigned int max_frames;

	struct delayed_work engine;
	atomic_t config_dirty;
	bool stopping;
	bool asleep;
	u64 host_target;
	u64 reported;
	bool refused;
	bool failed;
	u64 missing;
	u64 fell_short_ns;
	unsigned int retry_ms;
	wait_queue_head_t answer_wq;

	u64 target;
	u64 floor;
	bool floor_is_set;
	int preferred;

	spinlock_t lock;
	u64 ceiling;
	unsigned long ceiling_until;
	unsigned int pause_ms;
	unsigned long relieved;
	u64 relief;
	u64 relief_due;
	u64 reliefs;
	struct ballonet_node *nodes;
	struct list_head leaving;
	struct ballonet_span going;
	bool gone;
	u64 held_blocks[2];
	unsigned int unanswered;
	u64 given;
	enum ballonet_state state;
	bool report_done;
	bool report_out;
	u64 report_over;
	bool closed;
	bool reset;

	atomic_t migrating;
	struct balloon_dev_info frames;
	struct notifier_block oom_nb;
	u64 oom_given;
	struct notifier_block reboot_nb;
	struct delayed_work reset_work;
	unsigned int resets;
	unsigned long reset_last;
	bool reset_never;
	struct notifier_block memory_nb;
	struct notifier_block sleep_nb;
	struct ballonet_shrinker shrinker;

	struct ballonet_counters __percpu *counters;
	struct dentry *debugfs;
};

/* block.c */
struct page *ballonet_block_borrow(struct ballonet *bal, unsigned int order);
void ballonet_block_keep(struct ballonet *bal, struct page *page);
void ballonet_block_return(struct ballonet *bal, struct page *page);
struct page *ballonet_block_take(struct ballonet *bal, unsigned int order);
void ballonet_block_free(struct page *page, unsigned int order);
void ballonet_block_give(struct ballonet *bal, struct page *page);
unsigned int ballonet_block_order(const struct page *page);
void ballonet_block_split(struct ballonet *bal, struct page *page,
			  struct list_head *frames);

/* frame.c */
void ballonet_frames_init(struct ballonet *bal);
void ballonet_frames_settle(struct ballonet *bal);
struct page *ballonet_frame_take(struct ballonet *bal);
void ballonet_frame_give(struct page *page);
void ballonet_frame_hold(struct ballonet *bal, struct page *page);
struct page *ballonet_frame_unhold(struct ballonet *bal);
void ballonet_frame_answered(struct ballonet *bal, struct ballonet_queue *q,
			     struct ballonet_rq *rq, int rc);

/* node.c */
int ballonet_nodes_init(struct ballonet *bal);
void ballonet_nodes_deinit(struct ballonet *bal);
bool ballonet_node_exists(int nid);
struct page *ballonet_node_alloc(struct ballonet *bal, gfp_t gfp,
				 unsigned int order);
struct list_head *ballonet_node_held(struct ballonet *bal);

/* zone.c */

/* Where blocks are from: not from memory that is only for what can be moved. */
#define BALLONET_ZONE_BLOCKS	gfp_zone(GFP_HIGHUSER)

/**
 * struct ballonet_zones - of some zones, in frames
 * @free:	free
 * @cache:	of files
 * @size:	what the kernel manages: not what the balloon has
 * @present:	all that there are
 * @reclaim:	with less than this free the kernel reclaims
 */
struct ballonet_zones {
	unsigned long free;
	unsigned long cache;
	unsigned long size;
	unsigned long present;
	unsigned long reclaim;
};

struct ballonet_zones ballonet_zones_read(enum zone_type first,
					  enum zone_type last);

/* main.c */
void ballonet_features_drop(struct virtio_device *vdev);
int ballonet_device_up(struct ballonet *bal);
void ballonet_device_down(struct ballonet *bal);

/* reset.c */
void ballonet_reset_init(struct ballonet *bal);
void ballonet_reset_soon(struct ballonet *bal);
bool ballonet_reset_asked(struct ballonet *bal);
void ballonet_reset_start(struct ballonet *bal);
void ballonet_reset_stop(struct ballonet *bal);

/* memory.c */
u64 ballonet_memory_leaving(struct ballonet *bal);
int ballonet_memory_start(struct ballonet *bal);
void ballonet_memory_stop(struct ballonet *bal);

/* sleep.c */
int ballonet_sleep_start(struct ballonet *bal);
void ballonet_sleep_stop(struct ballonet *bal);

/* request.c */
int ballonet_queue_init(struct ballonet *bal, struct ballonet_queue *q,
			u16 type);
void ballonet_queue_deinit(struct ballonet_queue *q);
void ballonet_queue_close(struct ballonet_queue *q);
void ballonet_queue_empty(struct ballonet_queue *q);
void ballonet_queue_callback(struct virtqueue *vq);
u64 ballonet_queue_oldest(struct ballonet_queue *q);
struct ballonet_rq *ballonet_rq_get(struct ballonet_queue *q);
void ballonet_rq_put(struct ballonet_queue *q, struct ballonet_rq *rq);
unsigned int ballonet_rq_room(struct ballonet *bal, struct ballonet_rq *rq);
bool ballonet_rq_add(struct ballonet *bal, struct ballonet_rq *rq,
		     struct page *page);
void ballonet_rq_add_single(struct ballonet *bal, struct ballonet_rq *rq,
			    struct page *page);
void ballonet_rq_set_table(struct ballonet_rq *rq, u64 start, u64 nr);
int ballonet_rq_send(struct ballonet_queue *q, struct ballonet_rq *rq);
struct ballonet_rq *ballonet_rq_answered(struct ballonet_queue *q);
int ballonet_rq_result(struct ballonet *bal, struct ballonet_rq *rq,
		       u64 *ret_done);
bool ballonet_rq_is_hosts(struct ballonet_queue *q, struct ballonet_rq *rq,
			  struct page *page, u64 done);

/* held.c */
u64 ballonet_held_frames(struct ballonet *bal);
void ballonet_hold(struct ballonet *bal, struct page *page);
struct page *ballonet_unhold(struct ballonet *bal, u64 need);

/* engine.c */
void ballonet_engine_init(struct ballonet *bal);
void ballonet_engine_start(struct ballonet *bal);
void ballonet_engine_kick(struct ballonet *bal);
void ballonet_engine_stop(struct ballonet *bal);
void ballonet_engine_drain(struct ballonet *bal);
void ballonet_engine_release(struct ballonet *bal);
u64 ballonet_engine_actual(struct ballonet *bal);
u64 ballonet_engine_uncounted(struct ballonet *bal);

/* stats.c */
void ballonet_stats_init(struct ballonet *bal);
int ballonet_stats_prime(struct ballonet *bal);
void ballonet_stats_callback(struct virtqueue *vq);
void ballonet_stats_sample(struct ballonet_sample *sample);

/* events.c */
int ballonet_events_init(struct ballonet *bal);
void ballonet_events_deinit(struct ballonet *bal);
void ballonet_events_start(struct ballonet *bal);
void ballonet_events_stop(struct ballonet *bal);
void ballonet_events_callback(struct virtqueue *vq);
void ballonet_event_post(struct ballonet *bal, u16 type, u64 value);
void ballonet_event_wish(struct ballonet *bal);

/* watch.c */
void ballonet_watch_init(struct ballonet *bal);
void ballonet_watch_start(struct ballonet *bal);
void ballonet_watch_stop(struct ballonet *bal);
void ballonet_watch_alarm(struct ballonet *bal);
void ballonet_watch_pass(struct ballonet *bal, enum ballonet_state state);

/* psi.c */
int ballonet_psi_arm(struct ballonet *bal, int fd);
void ballonet_psi_disarm(struct ballonet *bal);
bool ballonet_psi_armed(struct ballonet *bal);

/* hint.c */
void ballonet_hint_init(struct ballonet *bal);
void ballonet_hint_callback(struct virtqueue *vq);
void ballonet_hint_changed(struct ballonet *bal);
void ballonet_hint_start(struct ballonet *bal);
void ballonet_hint_quiet(struct ballonet *bal);
void ballonet_hint_stop(struct ballonet *bal);
u64 ballonet_hint_release(struct ballonet *bal, u64 frames);
u64 ballonet_hint_held(struct ballonet *bal);

/* report.c */
void ballonet_report_callback(struct virtqueue *vq);
void ballonet_report_start(struct ballonet *bal);
void ballonet_report_stop(struct ballonet *bal);

/* sysfs.c */
extern const struct attribute_group *ballonet_groups[];

/* counters.c */
int ballonet_counters_init(struct ballonet *bal);
void ballonet_counters_deinit(struct ballonet *bal);
void ballonet_counters_show(struct ballonet *bal);
void ballonet_counters_hide(struct ballonet *bal);
void ballonet_counters_load(void);
void ballonet_counters_unload(void);
void ballonet_count_rq(struct ballonet_queue *q, enum ballonet_counter counter,
		       u64 add);

/* pressure.c */
int ballonet_pressure_start(struct ballonet *bal);
void ballonet_pressure_stop(struct ballonet *bal);

#endif
