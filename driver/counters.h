/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is counted, and how: a few instructions on the counter of this
 * processor. Nothing at all in a kernel without debugfs.
 */
#ifndef _BALLONET_COUNTERS_H
#define _BALLONET_COUNTERS_H

#include <linux/kconfig.h>
#include <linux/percpu.h>
#include <linux/types.h>

/* Documented, with the names of debugfs, in debugfs-ballonet. */
enum ballonet_counter {
	/* What failed comes after what did not: see ballonet_block_take(). */
	BALLONET_C_TAKE_HUGE,
	BALLONET_C_TAKE_HUGE_FAILED,
	BALLONET_C_TAKE_SMALL,
	BALLONET_C_TAKE_SMALL_FAILED,
	BALLONET_C_GIVE_HUGE,
	BALLONET_C_GIVE_SMALL,
	BALLONET_C_SPLIT_HUGE,

	/* Of inflateq, and the same of deflateq: see ballonet_count_rq(). */
	BALLONET_C_INFLATE_SENT,
	BALLONET_C_INFLATE_NOT_SENT,
	BALLONET_C_INFLATE_NOTIFIED,
	BALLONET_C_INFLATE_OK,
	BALLONET_C_INFLATE_FAILED,
	BALLONET_C_INFLATE_NONSENSE,
	BALLONET_C_INFLATE_LATE,
	BALLONET_C_INFLATE_FRAMES,
	BALLONET_C_INFLATE_FREED_BYTES,
	BALLONET_C_DEFLATE_SENT,
	BALLONET_C_DEFLATE_NOT_SENT,
	BALLONET_C_DEFLATE_NOTIFIED,
	BALLONET_C_DEFLATE_OK,
	BALLONET_C_DEFLATE_FAILED,
	BALLONET_C_DEFLATE_NONSENSE,
	BALLONET_C_DEFLATE_LATE,
	BALLONET_C_DEFLATE_FRAMES,
	BALLONET_C_DEFLATE_FREED_BYTES,

	/* In the order of enum ballonet_state: see state_set(). */
	BALLONET_C_STOP_FLOOR,
	BALLONET_C_STOP_NOMEM,
	BALLONET_C_STOP_PRESSURE,
	BALLONET_C_STOP_REFUSED,
	BALLONET_C_STOP_SILENT,
	BALLONET_C_STOP_BROKEN,

	BALLONET_C_RELIEF_SHRINKER,
	BALLONET_C_RELIEF_OOM,
	BALLONET_C_RELIEF_FRAMES,
	BALLONET_C_RELIEF_TIMEOUT,
	BALLONET_C_MOVE,
	BALLONET_C_MOVE_FAILED,
	BALLONET_C_MOVE_TIMEOUT,
	BALLONET_C_REPORT,
	BALLONET_C_REPORT_FAILED,
	BALLONET_C_REPORT_BYTES,
	BALLONET_C_HINT_ROUND,
	BALLONET_C_HINT,
	BALLONET_C_HINT_BYTES,
	BALLONET_C_HINT_RELEASED_BYTES,
	BALLONET_C_STANDBY_OFFERED,
	BALLONET_C_STANDBY_RELEASED,
	BALLONET_C_STANDBY_INFLATED,
	BALLONET_C_STANDBY_NONSENSE,
	BALLONET_C_STATS,
	BALLONET_C_EVENT,
	BALLONET_C_PSI,
	BALLONET_C_CONFIG_CHANGE,
	BALLONET_C_DRAIN_TIMEOUT,

	BALLONET_NR_COUNTERS
};

/**
 * struct ballonet_counters - the counters of one balloon on one processor
 * @nr:		added up since the driver was bound
 */
struct ballonet_counters {
	u64 nr[BALLONET_NR_COUNTERS];
};

/**
 * ballonet_count() - add to a counter
 * @bal:	the balloon
 * @counter:	an enum ballonet_counter
 * @add:	how much
 *
 * Context: any.
 */
#define ballonet_count(bal, counter, add) do {				\
	if (IS_ENABLED(CONFIG_DEBUG_FS))				\
		this_cpu_add((bal)->counters->nr[counter], add);	\
} while (0)

#endif
