/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM whose balloon is QEMU's own virtio-balloon, seen and driven by QMP: what
 * it has, what its guest says, its target. Sizes are bytes, and of the
 * balloon, as everywhere in ballonet; QEMU's are of what the guest keeps.
 *
 * Commands go through a struct qmp that somebody else connects; what was learnt
 * stays over a new connection.
 */
#ifndef BALLONET_QMP_BALLOON_H
#define BALLONET_QMP_BALLOON_H

#include "procfile.h"
#include "qmp.h"

#include <stdbool.h>
#include <stdint.h>

/* A path of QEMU's objects has a container of ours and an id of the user's. */
#define QMP_BALLOON_PATH_MAX	256

/*
 * How often everything is asked for, and a balloon looked for where there was
 * none. In between only what changes by itself: each command costs QEMU more
 * than a tenth of a millisecond, and there are many VMs.
 */
#define QMP_BALLOON_FULL_MS	10000

/* A guest's statistics: those of virtio, by QEMU's names. */
enum qmp_stat {
	/* bytes since boot */
	QMP_STAT_SWAP_IN,
	QMP_STAT_SWAP_OUT,
	/* numbers since boot */
	QMP_STAT_MAJOR_FAULTS,
	QMP_STAT_MINOR_FAULTS,
	/* bytes now */
	QMP_STAT_FREE,
	QMP_STAT_TOTAL,
	QMP_STAT_AVAILABLE,
	QMP_STAT_CACHES,
	/* numbers since boot */
	QMP_STAT_HUGETLB_ALLOCS,
	QMP_STAT_HUGETLB_FAILS,
	/* numbers since boot; QEMU 9.1 and Linux 6.12, or later */
	QMP_STAT_OOM_KILLS,
	QMP_STAT_ALLOC_STALLS,
	QMP_STAT_ASYNC_SCANS,
	QMP_STAT_DIRECT_SCANS,
	QMP_STAT_ASYNC_RECLAIMS,
	QMP_STAT_DIRECT_RECLAIMS,
	QMP_NR_STATS,
};

extern const char *const qmp_stat_names[QMP_NR_STATS];

/* A yes or no that a VMM may not tell. */
enum qmp_tristate {
	QMP_NOT_TOLD,
	QMP_NO,
	QMP_YES,
};

/**
 * struct qmp_vm - what is known of a VM
 * @memory:	RAM that its balloon may take from: what it began with, and
 *		DIMMs; 0 while it is not known
 * @present:	it has a balloon device; a driver is another matter
 * @actual:	the balloon that its driver says it has; PROCFILE_UNKNOWN if
 *		that is none, or cannot be
 * @target:	the balloon that was last set, here or, as far as that can be
 *		seen, by another; PROCFILE_UNKNOWN if none was set here, or it
 *		has to be set again
 * @others:	how often another has set it
 * @running:	its processors run
 * @migrating:	its memory is being sent or received
 * @down:	it has shut down
 * @deflate_on_oom: the guest takes the balloon back before it kills; libvirt
 *		calls it autodeflate
 * @reporting:	free page reporting is offered
 * @stats_ms:	when the statistics were new, in the clock of
 *		qmp_balloon_refresh(); 0 if they were never seen to change: a
 *		guest without driver, or a VMM that was connected just now
 * @stats:	what the guest says; PROCFILE_UNKNOWN where it has nothing to
 *		say, or says what cannot be
 * @resets:	how often another kernel has begun, as far as that was told
 * @impossible:	how often it said what cannot be
 */
struct qmp_vm {
	uint64_t memory;
	bool present;
	uint64_t actual;
	uint64_t target;
	uint64_t others;
	bool running;
	bool migrating;
	bool down;
	enum qmp_tristate deflate_on_oom;
	enum qmp_tristate reporting;
	uint64_t stats_ms;
	uint64_t stats[QMP_NR_STATS];
	uint64_t resets;
	uint64_t impossible;
};

/**
 * struct qmp_balloon - the balloon of a VM
 * @vm:		what is known; for the owner to read
 * @qmp:	the connection
 * @changed:	called when an event or the end of a refresh changed @vm
 * @userdata:	for @changed
 * @period_s:	how often the guest is asked for statistics
 * @events:	they come, so that what they tell needs not be asked for
 * @path:	of the device among QEMU's objects; "" if it was not found
 * @now_ms:	of the refresh
 * @full_ms:	when everything was asked for; 0 to do so now
 * @asked:	commands of the refresh that wait for their answers
 * @set_up:	this device's properties were read, and its period set
 * @reached:	the guest has had the balloon that was set
 * @beyond:	larger than that, as it was seen since
 * @incoming:	its memory is being received, or was all sent
 * @outgoing:	its memory is being sent
 * @base:	RAM that the VM began with
 * @dimms:	RAM that was plugged in
 * @last_update: QEMU's time of the statistics, to see them change
 * @seen:	@last_update was read before
 */
struct qmp_balloon {
	struct qmp_vm vm;
	struct qmp *qmp;
	void (*changed)(void *userdata);
	void *userdata;
	uint32_t period_s;
	bool events;
	char path[QMP_BALLOON_PATH_MAX];
	uint64_t now_ms;
	uint64_t full_ms;
	unsigned int asked;
	bool set_up;
	bool reached;
	uint64_t beyond;
	bool incoming;
	bool outgoing;
	uint64_t base;
	uint64_t dimms;
	uint64_t last_update;
	bool seen;
};

void qmp_balloon_init(struct qmp_balloon *balloon, struct qmp *qmp,
		      uint32_t period_s, bool events,
		      void (*changed)(void *userdata), void *userdata);
int qmp_balloon_refresh(struct qmp_balloon *balloon, uint64_t now_ms);
int qmp_balloon_set(struct qmp_balloon *balloon, uint64_t bytes,
		    qmp_done done, void *userdata);
void qmp_balloon_event(struct qmp_balloon *balloon, const char *name,
		       json_t *data);
void qmp_balloon_forget(struct qmp_balloon *balloon);

#endif
