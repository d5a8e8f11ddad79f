/* SPDX-License-Identifier: ((GPL-2.0-or-later WITH Linux-syscall-note) OR BSD-3-Clause) */
/*
 * The wire between a guest's balloon driver and its balloon device.
 *
 * The device is the "traditional memory balloon" of VIRTIO 1.3, section 5.5
 * (device id 5), on VIRTIO_F_VERSION_1 and split rings. That section holds for
 * everything that is not said here. This header adds what the standard lacks,
 * behind feature bits of our own, so that each half also works with somebody
 * else's other half: with no vendor bit negotiated, the wire is the standard's
 * and nothing in this header applies.
 *
 * Conventions
 * -----------
 * - Every field is little-endian, of fixed width and naturally aligned; every
 *   structure is a multiple of 8 bytes. Numbers that were ever shipped are
 *   never used again.
 * - A frame is 4096 bytes of guest-physical memory; its number is its address
 *   divided by 4096, whatever the page sizes of guest and host.
 * - Reserved fields are sent as zero. A request or event in which one is not
 *   zero is refused (BALLONET_RESP_INVALID, or dropped where there is no
 *   answer), so that a later version can give it a meaning. Reserved fields
 *   of configuration space and of responses are ignored.
 * - Each side takes the other for hostile: it copies once, checks the length,
 *   then the range, and only then uses what it was given.
 *
 * Queues
 * ------
 * Queue 0 is inflateq and 1 is deflateq, always. The optional queues follow
 * without a hole, in this order, each only if its feature was negotiated:
 * statsq (VIRTIO_BALLOON_F_STATS_VQ), free_page_vq (FREE_PAGE_HINT),
 * reporting_vq (REPORTING), eventq (BALLONET_F_EVENTS). The standard gives
 * them fixed numbers instead; Linux and the devices that work with it have
 * always numbered them as said here.
 *
 * Who owns a frame
 * ----------------
 *	guest ──── inflate request put on inflateq ────► in flight
 *	in flight ─ answered, frame within frames_done ─► host
 *	in flight ─ answered, frame beyond frames_done ─► guest
 *	host ───── deflate request answered ───────────► guest
 *	any ────── device reset ───────────────────────► guest
 *
 * Blocks on standby are besides: see "Standby" below.
 *
 * The device changes a frame's contents only while the frame is in flight or
 * with the host; after a reset or a stopped ring it changes none until it
 * has been asked again. The driver touches a frame only while it is the
 * guest's. A driver may have several requests in flight on each queue; it
 * never has one frame in two of them.
 */
#ifndef _UAPI_LINUX_BALLONET_H
#define _UAPI_LINUX_BALLONET_H

#include <linux/types.h>

/* Bytes in a frame, as a shift. VIRTIO 1.3, 5.5.6. */
#define BALLONET_FRAME_SHIFT	12

/*
 * Feature bits
 */

/*
 * A buffer on inflateq and deflateq is one struct ballonet_request with its
 * ranges (device-readable), then one struct ballonet_response
 * (device-writable), in place of the standard's array of frame numbers.
 */
#define BALLONET_F_RANGES	50

/* There is an eventq, on which the driver tells the device its events. */
#define BALLONET_F_EVENTS	51

/*
 * The driver keeps blocks at hand that the device takes by itself; see
 * "Standby" below. Has no effect without BALLONET_F_RANGES.
 */
#define BALLONET_F_STANDBY	52

/*
 * Guest to host: requests (BALLONET_F_RANGES)
 */

/**
 * struct ballonet_range - consecutive frames
 * @start:	number of the first frame
 * @nr:		how many frames, at least 1
 */
struct ballonet_range {
	__le64 start;
	__le64 nr;
};

/* The frames of this request go to the host. inflateq only. */
#define BALLONET_REQ_INFLATE	1
/* The frames of this request come back to the guest. deflateq only. */
#define BALLONET_REQ_DEFLATE	2
/*
 * The frames of this request, one range, are the standby table. They stay the
 * guest's: frames_done is 0. inflateq only, with BALLONET_F_STANDBY only.
 */
#define BALLONET_REQ_STANDBY	3

/**
 * struct ballonet_request - give frames to the host or take them back
 * @type:	a BALLONET_REQ_ number
 * @reserved:	zero
 * @nr_ranges:	elements of @ranges, 1 to ballonet_config.max_ranges
 * @id:		chosen by the driver, returned in the response
 * @ranges:	disjoint, in any order, wholly within guest RAM; together at
 *		most ballonet_config.max_frames frames
 *
 * The device-readable part of the buffer is exactly as long as @nr_ranges
 * says. It may be spread over any number of descriptors.
 */
struct ballonet_request {
	__le16 type;
	__le16 reserved;
	__le32 nr_ranges;
	__le64 id;
	struct ballonet_range ranges[];
};

/*
 * Host to guest: responses (BALLONET_F_RANGES)
 */

/* Done for every frame. Answers all types. */
#define BALLONET_RESP_OK	0
/* Malformed: length, type, reserved field, or no range. Nothing was done. */
#define BALLONET_RESP_INVALID	1
/* A range is empty, wraps, overlaps or leaves guest RAM. Nothing was done. */
#define BALLONET_RESP_RANGE	2
/* More ranges or frames than configuration space allows. Nothing was done. */
#define BALLONET_RESP_LIMIT	3
/*
 * The host must not take this guest's memory now (device passthrough, locked
 * memory, ...). Nothing was done. Answers BALLONET_REQ_INFLATE only. The
 * driver does not ask again until the target changes.
 */
#define BALLONET_RESP_REFUSED	4
/* The host failed on the way: frames_done says how far it came. */
#define BALLONET_RESP_IO	5

/**
 * struct ballonet_response - what became of a request
 * @status:	a BALLONET_RESP_ number; the driver takes one that it does not
 *		know for BALLONET_RESP_IO
 * @reserved:	zero; ignored
 * @id:		ballonet_request.id; 0 if the request was too short to have one
 * @frames_done: frames that changed owner, counted along the ranges in the
 *		order of the request: all of them with BALLONET_RESP_OK, some
 *		with BALLONET_RESP_IO, none otherwise. A driver that keeps
 *		blocks may leave the rest of a block with the host, and later
 *		deflate all of it. 0 for BALLONET_REQ_STANDBY
 * @bytes_freed: what the host really got, measured, not assumed: 0 where a
 *		frame was never touched or is part of a larger page that is
 *		still in use; 0 but for BALLONET_REQ_INFLATE
 *
 * The driver checks the used length first: a response that is shorter than
 * this structure is a broken device, and the frames stay in flight until the
 * device is reset.
 */
struct ballonet_response {
	__le32 status;
	__le32 reserved;
	__le64 id;
	__le64 frames_done;
	__le64 bytes_freed;
};

/*
 * Standby (BALLONET_F_STANDBY)
 *
 * Blocks that the guest does without for now, in a table in the guest's memory
 * that both sides work on with atomic instructions: no message, no
 * notification. The device takes an offered block when the host needs it,
 * whether the guest runs or not. The guest has an offered or a taken block back
 * with one instruction, whether the host answers or not. The blocks are not in
 * the balloon: num_pages and actual do not count them.
 *
 * Table
 * -----
 * An array of __le64 entries, as many as have room in the frames of a
 * BALLONET_REQ_STANDBY: 1 to BALLONET_STANDBY_MAX_FRAMES of them, consecutive,
 * wholly within guest RAM. The device answers OK, INVALID (also for more than
 * one range), RANGE or LIMIT. The table is in force from then on until
 * inflateq stops or another one takes its place; the same one again changes
 * nothing. A device may lose a table without a reset, as when a VM that was
 * stopped goes on, perhaps on another host. So it announces a configuration
 * change when inflateq starts, and the driver tells the table once more after
 * every configuration change.
 *
 * An entry is the number of a frame, a multiple of BALLONET_STANDBY_FRAMES, the
 * first of that many; its lower bits are the entry's state:
 *
 *	EMPTY	no block; the frame is zero
 *	OFFERED	the guest does not touch the block; the device may take it
 *	TAKING	nobody's: the device is about to discard, or just does so
 *	TAKEN	discarded. The guest does not touch it, the device neither
 *
 * Who changes what
 * ----------------
 *	from	to	by	how
 *	EMPTY	OFFERED	guest	store, release: after its last access to the
 *				block
 *	OFFERED	EMPTY	guest	compare-and-exchange, acquire: before its first
 *				access. The block is the guest's again
 *	OFFERED	TAKING	device	compare-and-exchange, acquire: before it begins
 *				to discard
 *	TAKING	TAKEN	device	compare-and-exchange, release: after the
 *				discard is complete, on every processor
 *	TAKING	OFFERED	device	compare-and-exchange, release: nothing is being
 *				discarded any more, it failed or was not begun
 *	TAKEN	EMPTY	guest	compare-and-exchange, acquire: before its first
 *				access. The block is the guest's again
 *
 * Nothing else is allowed. An exchange is of the whole entry, so that it fails
 * when the block is another one, and it must be atomic against other
 * processors even if this guest has but one: kernels leave that out then (on
 * x86, the lock prefix). Whoever fails looks again, a bounded number of times.
 *
 * A block that comes back, from OFFERED too, has undefined contents: old ones,
 * zeroes or both, by frame.
 *
 * Nobody waits for TAKING without a bound. The guest has other blocks, or goes
 * without. A device changes an entry it made TAKING within milliseconds; a
 * device that died meanwhile has a successor that knows the table, looks
 * through it before it does anything else, and discards what is TAKING, or
 * puts it back. That the work was perhaps done does no harm: the block is
 * nobody's. If none comes, the block is the guest's with the reset.
 *
 * Reset: the device has stopped discarding, and forgotten the table, before
 * it lets the reset complete or answers that inflateq is stopped. Then every
 * block in the table is the guest's, whatever its state.
 *
 * Trust
 * -----
 * The driver remembers by itself which block is in which entry, and takes
 * nothing from the table but the state. An entry that is not one of this
 * block's three is a broken device: the block stays out of use until the
 * device is reset. The device reads an entry once, checks the copy, and
 * ignores what it does not understand; it looks at each entry once in a pass.
 * A guest that lies about its blocks loses nothing but its own memory.
 *
 * The device takes no block of memory whose pages on the host are larger, since
 * that frees nothing, and none while it would refuse an inflate.
 */

/* Frames in a block: 2 MiB. */
#define BALLONET_STANDBY_FRAMES		512
/* Most frames of a table: blocks of 1 TiB. */
#define BALLONET_STANDBY_MAX_FRAMES	1024

/* The bits of an entry that are its state. */
#define BALLONET_STANDBY_STATE		0x1ff
#define BALLONET_STANDBY_EMPTY		0
#define BALLONET_STANDBY_OFFERED	1
#define BALLONET_STANDBY_TAKING		2
#define BALLONET_STANDBY_TAKEN		3

/*
 * Guest to host: events (BALLONET_F_EVENTS)
 */

/*
 * Short of memory. value: bytes available (MemAvailable, with standby).
 * Sent when the guest gets short, and again as long as it is and there is a
 * balloon.
 */
#define BALLONET_EV_SHORT	1
/* Memory is plentiful again, after a SHORT. value: bytes available. */
#define BALLONET_EV_PLENTY	2
/*
 * The guest's administrator wishes for a balloon of this size, 0 for none.
 * value: bytes, a multiple of a frame, less than 16 TiB. The host answers by
 * changing num_pages, or not; the driver does nothing until then. The newest
 * wish is in force until the device is reset; one that is not zero is sent
 * again when the driver starts.
 */
#define BALLONET_EV_WISH	3
/*
 * The floor (BALLONET_S_FLOOR) stopped an inflate on the way to num_pages.
 * value: bytes that are missing.
 */
#define BALLONET_EV_FLOOR	4

/**
 * struct ballonet_event - one device-readable buffer on eventq
 * @type:	a BALLONET_EV_ number; the device ignores one it does not know
 * @reserved:	zero
 * @seq:	0 for the first event after the device was reset, counts up by
 *		one with every event, so that a gap shows
 * @value:	as the type says; a claim of the guest
 *
 * The driver sends at most one event of a type in 100 ms. A value that comes
 * sooner waits, a newer one takes its place, and the newest is sent when the
 * time is up; of SHORT and PLENTY, too, only the newer one is left. The device
 * returns the buffer at once. There is no answer. A driver whose buffers do
 * not come back keeps the newest value of each type, and sends it when one
 * does.
 *
 * The device ignores a buffer of another length than this structure's, or one
 * that holds a type, reserved field or value that is not allowed.
 */
struct ballonet_event {
	__le16 type;
	__le16 reserved;
	__le32 seq;
	__le64 value;
};

/*
 * Configuration space
 */

/* Limits in force where configuration space does not give them. */
#define BALLONET_DEF_MAX_RANGES	255
#define BALLONET_DEF_MAX_FRAMES	32768

/**
 * struct ballonet_config - configuration space, the first 16 bytes standard
 * @num_pages:	the host's target: frames it wants in the balloon. May change
 *		at any time; announced by a configuration change
 * @actual:	frames in the balloon. Written by the driver
 * @free_page_hint_cmd_id: standard, 5.5.6.5
 * @poison_val:	standard, 5.5.6.6
 * @block_size:	bytes of the pages that the host backs guest RAM with, a power
 *		of two. Smaller pieces free nothing, so a driver gives whole
 *		aligned blocks first. May grow when memory is plugged
 * @max_ranges:	most ranges in a request. Constant while the driver is bound
 * @max_frames:	most frames in a request. Constant while the driver is bound
 *
 * What follows @poison_val exists only if BALLONET_F_RANGES was negotiated.
 * A VMM may have been told a smaller configuration space; QEMU then gives all
 * ones. In place of such a value, of zero, or of one that makes no sense, the
 * driver takes a block size of 4096 and the BALLONET_DEF_ limits, which every
 * device accepts. A VMM that maps less than this structure for the guest to
 * read must not pass on BALLONET_F_RANGES.
 */
struct ballonet_config {
	__le32 num_pages;
	__le32 actual;
	__le32 free_page_hint_cmd_id;
	__le32 poison_val;
	__le32 block_size;
	__le32 max_ranges;
	__le64 max_frames;
};

/*
 * Statistics beyond the standard's
 *
 * Tags for statsq, in the standard's format (__le16 tag, __le64 value, packed,
 * 10 bytes). Sent only if a vendor bit was negotiated; a device ignores tags
 * that it does not know. All values are bytes, unless said otherwise, and
 * claims of the guest.
 */

/* In the balloon, as whole blocks of 2 MiB. */
#define BALLONET_S_HUGE		0xf000
/* In the balloon, as frames. */
#define BALLONET_S_SMALL	0xf001
/* The available memory that the driver leaves the guest. */
#define BALLONET_S_FLOOR	0xf002
/* Evicted too early and read back, since boot: file pages and swap. */
#define BALLONET_S_REFAULT_FILE	0xf003
#define BALLONET_S_REFAULT_ANON	0xf004
/* On the kernel's lists: what is active is the working set, roughly. */
#define BALLONET_S_ACTIVE_FILE	0xf005
#define BALLONET_S_INACTIVE_FILE 0xf006
#define BALLONET_S_ACTIVE_ANON	0xf007
#define BALLONET_S_INACTIVE_ANON 0xf008
/* Free swap space. */
#define BALLONET_S_SWAP_FREE	0xf009
/*
 * Milliseconds since the driver last gave less than the host wanted: floor, no
 * free page, or pressure. All ones: never since it was bound.
 */
#define BALLONET_S_REFUSAL_MS	0xf00a
/* How often pressure made the driver give memory back, since it was bound. */
#define BALLONET_S_RELIEFS	0xf00b
/* In the standby table, in any state, and how much of that is TAKEN. */
#define BALLONET_S_STANDBY	0xf00c
#define BALLONET_S_STANDBY_TAKEN 0xf00d

#endif /* _UAPI_LINUX_BALLONET_H */
