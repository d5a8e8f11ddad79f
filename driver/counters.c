// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counters: /sys/kernel/debug/ballonet/virtioN/counters, a name and a number a
 * line, as in /proc/vmstat. Documented in debugfs-ballonet. For people and
 * tests: the driver reads none of them, and goes on without debugfs.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "internal.h"

static const char * const names[] = {
	[BALLONET_C_TAKE_HUGE] = "take_huge",
	[BALLONET_C_TAKE_HUGE_FAILED] = "take_huge_failed",
	[BALLONET_C_TAKE_SMALL] = "take_small",
	[BALLONET_C_TAKE_SMALL_FAILED] = "take_small_failed",
	[BALLONET_C_GIVE_HUGE] = "give_huge",
	[BALLONET_C_GIVE_SMALL] = "give_small",
	[BALLONET_C_SPLIT_HUGE] = "split_huge",
	[BALLONET_C_INFLATE_SENT] = "inflate_sent",
	[BALLONET_C_INFLATE_NOT_SENT] = "inflate_not_sent",
	[BALLONET_C_INFLATE_NOTIFIED] = "inflate_notified",
	[BALLONET_C_INFLATE_OK] = "inflate_ok",
	[BALLONET_C_INFLATE_FAILED] = "inflate_failed",
	[BALLONET_C_INFLATE_NONSENSE] = "inflate_nonsense",
	[BALLONET_C_INFLATE_LATE] = "inflate_late",
	[BALLONET_C_INFLATE_FRAMES] = "inflate_frames",
	[BALLONET_C_INFLATE_FREED_BYTES] = "inflate_freed_bytes",
	[BALLONET_C_DEFLATE_SENT] = "deflate_sent",
	[BALLONET_C_DEFLATE_NOT_SENT] = "deflate_not_sent",
	[BALLONET_C_DEFLATE_NOTIFIED] = "deflate_notified",
	[BALLONET_C_DEFLATE_OK] = "deflate_ok",
	[BALLONET_C_DEFLATE_FAILED] = "deflate_failed",
	[BALLONET_C_DEFLATE_NONSENSE] = "deflate_nonsense",
	[BALLONET_C_DEFLATE_LATE] = "deflate_late",
	[BALLONET_C_DEFLATE_FRAMES] = "deflate_frames",
	[BALLONET_C_DEFLATE_FREED_BYTES] = "deflate_freed_bytes",
	[BALLONET_C_STOP_FLOOR] = "stop_floor",
	[BALLONET_C_STOP_NOMEM] = "stop_no_memory",
	[BALLONET_C_STOP_PRESSURE] = "stop_pressure",
	[BALLONET_C_STOP_REFUSED] = "stop_refused",
	[BALLONET_C_STOP_SILENT] = "stop_silent",
	[BALLONET_C_STOP_BROKEN] = "stop_broken",
	[BALLONET_C_RELIEF_SHRINKER] = "relief_shrinker",
	[BALLONET_C_RELIEF_OOM] = "relief_oom",
	[BALLONET_C_RELIEF_FRAMES] = "relief_frames",
	[BALLONET_C_RELIEF_TIMEOUT] = "relief_timeout",
	[BALLONET_C_MOVE] = "move",
	[BALLONET_C_MOVE_FAILED] = "move_failed",
	[BALLONET_C_MOVE_TIMEOUT] = "move_timeout",
	[BALLONET_C_REPORT] = "report",
	[BALLONET_C_REPORT_FAILED] = "report_failed",
	[BALLONET_C_REPORT_BYTES] = "report_bytes",
	[BALLONET_C_HINT_ROUND] = "hint_round",
	[BALLONET_C_HINT] = "hint",
	[BALLONET_C_HINT_BYTES] = "hint_bytes",
	[BALLONET_C_HINT_RELEASED_BYTES] = "hint_released_bytes",
	[BALLONET_C_STANDBY_OFFERED] = "standby_offered",
	[BALLONET_C_STANDBY_RELEASED] = "standby_released",
	[BALLONET_C_STANDBY_INFLATED] = "standby_inflated",
	[BALLONET_C_STANDBY_NONSENSE] = "standby_nonsense",
	[BALLONET_C_STATS] = "stats",
	[BALLONET_C_EVENT] = "event",
	[BALLONET_C_PSI] = "psi",
	[BALLONET_C_CONFIG_CHANGE] = "config_change",
	[BALLONET_C_DRAIN_TIMEOUT] = "drain_timeout",
};

static_assert(ARRAY_SIZE(names) == BALLONET_NR_COUNTERS);
static_assert(BALLONET_C_STOP_BROKEN - BALLONET_C_STOP_FLOOR ==
	      BALLONET_BROKEN - BALLONET_FLOOR);

/* Of all balloons. Nothing in it says: no debugfs. */
static struct dentry *root;

static int counters_show(struct seq_file *file, void *unused)
{
	struct ballonet *bal = file->private;
	unsigned int i, cpu;

	for (i = 0; i < BALLONET_NR_COUNTERS; i++) {
		u64 sum = 0;

		for_each_possible_cpu(cpu)
			sum += per_cpu_ptr(bal->counters, cpu)->nr[i];
		seq_printf(file, "%s %llu\n", names[i], sum);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/**
 * ballonet_counters_init() - all zero, seen by nobody
 * @bal:	the balloon
 *
 * Return: 0 or -ENOMEM.
 */
int ballonet_counters_init(struct ballonet *bal)
{
	if (!IS_ENABLED(CONFIG_DEBUG_FS))
		return 0;
	bal->counters = alloc_percpu(struct ballonet_counters);
	return bal->counters ? 0 : -ENOMEM;
}

/**
 * ballonet_counters_deinit() - free them
 * @bal:	the balloon; nothing counts any more, nobody can look
 */
void ballonet_counters_deinit(struct ballonet *bal)
{
	free_percpu(bal->counters);
}

/**
 * ballonet_counters_show() - let them be seen
 * @bal:	the balloon
 */
void ballonet_counters_show(struct ballonet *bal)
{
	bal->debugfs = debugfs_create_dir(dev_name(&bal->vdev->dev), root);
	debugfs_create_file("counters", 0444, bal->debugfs, bal,
			    &counters_fops);
}

/**
 * ballonet_counters_hide() - when it returns, nobody looks
 * @bal:	the balloon
 */
void ballonet_counters_hide(struct ballonet *bal)
{
	debugfs_remove(bal->debugfs);
}

/**
 * ballonet_count_rq() - add to a counter of a queue
 * @q:		the queue
 * @counter:	one of inflateq's; counted is its twin if that is what @q is
 * @add:	how much
 */
void ballonet_count_rq(struct ballonet_queue *q, enum ballonet_counter counter,
		       u64 add)
{
	if (q->type == BALLONET_REQ_DEFLATE)
		counter += BALLONET_C_DEFLATE_SENT - BALLONET_C_INFLATE_SENT;
	ballonet_count(q->bal, counter, add);
}

/**
 * ballonet_counters_load() - with the module
 */
void ballonet_counters_load(void)
{
	root = debugfs_create_dir("ballonet", NULL);
}

/**
 * ballonet_counters_unload() - with the module, after the last balloon
 */
void ballonet_counters_unload(void)
{
	debugfs_remove(root);
}
