/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the ladder: what its files share.
 */
#ifndef BALLONET_LADDER_PARTS_H
#define BALLONET_LADDER_PARTS_H

#include "interface.h"
#include "ksm.h"
#include "ladder.h"
#include "log.h"
#include "pageout.h"
#include "rivals.h"
#include "swaps.h"
#include "watch.h"

/* More that merge are counted, not listed. */
#define LADDER_MERGING_MAX	256

/**
 * struct ladder_guest - a VM, as the ladder remembers it
 * @name:	its name
 * @group:	who may share memory with it, or ""
 * @guest:	its number
 * @seen:	it was in the last step
 * @pid:	its process
 * @cgroup_fd:	a copy of its own cgroup, or -1
 * @want:	still to be paged out
 * @cursor:	where paging out goes on
 * @rung:	paging it out
 * @freed:	by that, and not yet read back
 * @read_back:	the gauge when that was looked at last
 * @watch_until_ms: that is looked at until then
 * @actual:	its balloon at the last step
 * @target:	what it was told
 * @resident:	RAM it occupied
 * @paged_out:	what was paged out
 * @taken:	of what it has on standby
 */
struct ladder_guest {
	char name[INTERFACE_NAME_MAX + 1];
	char group[INTERFACE_NAME_MAX + 1];
	uint64_t guest;
	bool seen;
	pid_t pid;
	int cgroup_fd;
	uint64_t want;
	uint64_t cursor;
	struct rung rung;
	uint64_t freed;
	uint64_t read_back;
	uint64_t watch_until_ms;
	uint64_t actual;
	uint64_t target;
	uint64_t resident;
	uint64_t paged_out;
	uint64_t taken;
};

/**
 * struct ladder_look - what only a thread of the pool has the time for
 * @begun_ms:	the step that began it
 * @rivals:	who else manages this host's memory
 * @nr_rivals:	elements of @rivals
 * @merging:	processes with memory to merge
 * @nr_merging:	how many there are; may be more than are listed
 * @ksmd_us:	processor time of the kernel's thread
 */
struct ladder_look {
	uint64_t begun_ms;
	struct rival rivals[RIVALS_MAX];
	int nr_rivals;
	struct ksm_process merging[LADDER_MERGING_MAX];
	int nr_merging;
	uint64_t ksmd_us;
};

struct ladder_job;

/**
 * struct ladder - its state
 * @loop:	which runs
 * @proc_fd:	/proc, the host's
 * @sys_fd:	/sys, the host's
 * @enabled:	rungs that the operator allows, as bits
 * @now_ms:	of the last step
 * @level:	likewise
 * @room:	likewise
 * @guests:	all VMs
 * @nr:		elements of @guests
 * @rungs:	by kind
 * @looking:	the job that looks, or NULL
 * @looked:	there was a look
 * @look_ms:	when the last one began
 * @look:	what it saw
 * @rivals_known: whom the log has told of, by name
 * @nr_known:	elements of @rivals_known
 * @paging:	the job that pages out, or NULL
 * @page_trouble: limits what is logged about that
 * @ksm_job:	the job that switches it, or takes apart; NULL if there is none
 * @ksm:	of the last look at it
 * @has_ksm:	this kernel has it
 * @merges:	we have switched it on
 * @ksm_ms:	when it was last looked at
 * @ksm_since_ms: since when it merges
 * @ksm_scans:	full scans until then
 * @suspect_ms:	since when another look is awaited for that, or 0
 * @mixed:	memory of several groups may be merged: to be taken apart
 * @ksm_trouble: limits what is logged about that
 * @ksm_reason:	why it does or does not merge
 * @zswap:	of the last look at it
 * @zswap_reason: why it was not switched on
 */
struct ladder {
	uv_loop_t *loop;
	int proc_fd;
	int sys_fd;
	unsigned int enabled;
	uint64_t now_ms;
	enum plan_level level;
	uint64_t room;
	struct ladder_guest *guests;
	size_t nr;
	struct rung rungs[RUNG_NR_KINDS];
	struct ladder_job *looking;
	bool looked;
	uint64_t look_ms;
	struct ladder_look look;
	const char *rivals_known[RIVALS_MAX];
	size_t nr_known;
	struct ladder_job *paging;
	struct log_limit page_trouble;
	struct ladder_job *ksm_job;
	struct ksm ksm;
	bool has_ksm;
	bool merges;
	uint64_t ksm_ms;
	uint64_t ksm_since_ms;
	uint64_t ksm_scans;
	uint64_t suspect_ms;
	bool mixed;
	struct log_limit ksm_trouble;
	char ksm_reason[RUNG_REASON_MAX];
	struct zswap zswap;
	char zswap_reason[RUNG_REASON_MAX];
};

/**
 * ladder_allows - may this rung be used?
 * @ladder:	the ladder
 * @kind:	the rung
 *
 * Return: what the operator has said.
 */
static inline bool ladder_allows(const struct ladder *ladder,
				 enum rung_kind kind)
{
	return ladder->enabled & 1u << kind;
}

/**
 * struct ladder_job - work for a thread of the pool
 * @work:	libuv's
 * @ladder:	whose it is; NULL if that is gone
 * @run:	done in the thread: nothing of the ladder is touched
 * @done:	then done in the loop; its ladder is NULL if that is gone
 * @again:	@run and @done are others now, and come next
 * @proc_fd:	a copy
 * @sys_fd:	a copy
 * @look:	ladder_look.c: what was seen
 * @page:	ladder_page.c: of whom, how much, and how that went
 * @ksm:	ladder_ksm.c: what is merged, what room there is, how it went
 */
struct ladder_job {
	uv_work_t work;
	struct ladder *ladder;
	void (*run)(struct ladder_job *job);
	void (*done)(struct ladder *ladder, struct ladder_job *job);
	bool again;
	int proc_fd;
	int sys_fd;
	union {
		struct ladder_look look;
		struct {
			struct pageout pageout;
			uint64_t guest;
			uint64_t want;
			uint64_t asked;
			uint64_t freed;
			uint64_t read_back;
			uint64_t time_us;
			int rc;
		} page;
		struct {
			struct ksm ksm;
			uint64_t room;
			int rc;
			struct fault fault;
		} ksm;
	};
};

/* ladder_job.c */
struct ladder_job *ladder_job_start(struct ladder *ladder,
				    const struct ladder_job *like);
void ladder_job_again(struct ladder_job *job,
		      void (*run)(struct ladder_job *job),
		      void (*done)(struct ladder *ladder,
				   struct ladder_job *job));
void ladder_job_orphan(struct ladder_job **job);

/* ladder_look.c */
void ladder_look_step(struct ladder *ladder);
void ladder_look_again(struct ladder *ladder);
const struct rival *ladder_rival(const struct ladder *ladder,
				 unsigned int does);

/* ladder_page.c */
void ladder_page_step(struct ladder *ladder);

/* ladder_ksm.c */
void ladder_ksm_step(struct ladder *ladder);
void ladder_ksm_end(struct ladder *ladder);

#endif
