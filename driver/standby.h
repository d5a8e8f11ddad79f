/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks on standby (standby.c), and how many there are (pool.c).
 */
#ifndef _BALLONET_STANDBY_H
#define _BALLONET_STANDBY_H

#include <linux/atomic.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct ballonet;

/**
 * struct ballonet_pool_sums - what the pool's next look compares with
 * @free:	free frames, where blocks are from
 * @size:	all frames there, and of the balloon
 * @given:	frames that the balloon gave back, ever
 * @reported:	frames that were reported, ever
 */
struct ballonet_pool_sums {
	unsigned long free;
	u64 size;
	u64 given;
	u64 reported;
};

/**
 * struct ballonet_standby - blocks that the host takes by itself
 * @look:	has the pool grow and shrink
 * @rest:	starts @look while all is at rest; deferrable
 * @sums:	at the last look. @look
 * @budget:	free frames that the host has, as far as is known: see pool.c.
 *		@look
 * @looks:	in a row with nothing to do. @look
 * @moved:	frames that became free since the last look, and no program
 *		had them; less those that were offered
 * @untaken:	of those, the ones that the host has all the same
 * @untold:	the host has to be told of @table. Engine
 * @told:	it was, and takes it. Written whole
 * @on:		the device is up. Written whole
 * @limit:	frames at most. Written whole
 * @pause_until: jiffies; no growing before. Written whole
 * @shrinker:	asked by page reclaim
 * @lock:	protects the members below and, on this side, the entries. Not
 *		taken in interrupts
 * @table:	shared with the host; NULL if the device does not want it.
 *		Changed while nothing else is going on
 * @page:	the block of each entry, or NULL
 * @nr_slots:	entries; 0 without a table
 * @next:	entry where to look
 * @nr:		blocks. Written whole
 * @stuck:	a bit for each entry whose block could not be had back when it
 *		was wanted, until it can
 * @nr_stuck:	how many. Written whole
 * @blamed:	nonsense in the table was told of
 */
struct ballonet_standby {
	struct delayed_work look;
	struct delayed_work rest;
	struct ballonet_pool_sums sums;
	s64 budget;
	unsigned int looks;
	atomic64_t moved;
	atomic64_t untaken;
	bool untold;
	bool told;
	bool on;
	u64 limit;
	unsigned long pause_until;
	struct ballonet_shrinker shrinker;
	spinlock_t lock;
	__le64 *table;
	struct page **page;
	unsigned int nr_slots;
	unsigned int next;
	unsigned int nr;
	unsigned long *stuck;
	unsigned int nr_stuck;
	bool blamed;
};

/* standby.c */
void ballonet_standby_init(struct ballonet *bal);
void ballonet_standby_up(struct ballonet *bal);
void ballonet_standby_start(struct ballonet *bal);
void ballonet_standby_stop(struct ballonet *bal);
void ballonet_standby_down(struct ballonet *bal);
int ballonet_standby_listen(struct ballonet *bal);
void ballonet_standby_unlisten(struct ballonet *bal);
void ballonet_standby_unstick(struct ballonet *bal);
bool ballonet_standby_offer(struct ballonet *bal, struct page *page);
void ballonet_standby_tell(struct ballonet *bal);
void ballonet_standby_answered(struct ballonet *bal, int rc);
struct page *ballonet_standby_take(struct ballonet *bal);
u64 ballonet_standby_rescue(struct ballonet *bal);
u64 ballonet_standby_release(struct ballonet *bal, u64 frames);
bool ballonet_standby_leave(struct ballonet *bal, unsigned long start,
			    unsigned long end);
u64 ballonet_standby_frames(struct ballonet *bal);
u64 ballonet_standby_taken(struct ballonet *bal);

/* pool.c */
void ballonet_pool_init(struct ballonet *bal);
void ballonet_pool_start(struct ballonet *bal);
void ballonet_pool_kick(struct ballonet *bal);
void ballonet_pool_stop(struct ballonet *bal);

#endif
