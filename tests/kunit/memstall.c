// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process that waits for memory, as the kernel's pressure stall information
 * sees it, for exactly as long as a test says: who writes a number to
 * /sys/module/memstall/parameters/msec waits that many milliseconds. Who reads
 * it gets the time when that last began, in milliseconds since the epoch.
 *
 * Real shortage is not sure to stall a guest in User-Mode Linux: its clock for
 * this has ticks of 10 ms, its processes take page faults more slowly than the
 * kernel reclaims, and the debug kernel's stack is too small for swapping fast.
 */
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/psi.h>
#include <linux/sysfs.h>

#define MSEC_MAX	10000

static u64 began_ms;

static int msec_set(const char *text, const struct kernel_param *param)
{
	unsigned long flags;
	unsigned int msec;

	if (kstrtouint(text, 10, &msec) || msec > MSEC_MAX)
		return -EINVAL;
	began_ms = ktime_get_real_ns() / NSEC_PER_MSEC;
	psi_memstall_enter(&flags);
	msleep(msec);
	psi_memstall_leave(&flags);
	return 0;
}

static int began_get(char *buf, const struct kernel_param *param)
{
	return sysfs_emit(buf, "%llu\n", began_ms);
}

static const struct kernel_param_ops msec_ops = {
	.set = msec_set,
	.get = began_get,
};
module_param_cb(msec, &msec_ops, NULL, 0600);

MODULE_DESCRIPTION("Stalls whoever asks for it, for tests");
MODULE_LICENSE("GPL");
