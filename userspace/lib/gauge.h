/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a back-end shows its manager without being asked: a page in a file that
 * both have open. To look at it is one system call, whether the back-end runs
 * or not; there are many VMs, and the manager looks each second.
 *
 * Either side may be of another version, or the other's enemy. So everything is
 * copied before it is looked at, and checked; numbers are only ever believed
 * about the VM whose gauge it is.
 */
#ifndef BALLONET_GAUGE_H
#define BALLONET_GAUGE_H

#include "interface.h"

#include <stdint.h>

/* In the file of the back-end's state, whose size is less than that. */
#define GAUGE_OFFSET	(1024 * 1024)
#define GAUGE_SIZE	4096

/* Statistics of a driver that are shown. */
#define GAUGE_STATS_MAX	64

/**
 * struct gauge - a VM, in bytes and milliseconds of CLOCK_MONOTONIC
 * @when_ms:	when it was like this
 * @state:	of the VM, an enum interface_state
 * @nr:		elements of @tag and @value
 * @features:	that driver and device agreed on
 * @memory:	as in struct interface_vm, like the following ones
 * @target:	see there
 * @wish:	see there
 * @actual:	see there
 * @resident:	see there
 * @stats_ms:	when the driver sent its statistics; 0 if there are none
 * @value:	of its statistics
 * @tag:	their numbers on the wire
 */
struct gauge {
	uint64_t when_ms;
	uint32_t state;
	uint32_t nr;
	uint64_t features;
	uint64_t memory;
	uint64_t target;
	uint64_t wish;
	uint64_t actual;
	uint64_t resident;
	uint64_t stats_ms;
	uint64_t value[GAUGE_STATS_MAX];
	uint16_t tag[GAUGE_STATS_MAX];
};

/**
 * struct gauge_page - a gauge and what tells that it is whole
 * @magic:	version of this structure
 * @end:	number of the change that was made last
 * @gauge:	what is shown
 * @begin:	number of the change that was begun last
 */
struct gauge_page {
	uint64_t magic;
	uint64_t end;
	struct gauge gauge;
	uint64_t begin;
};

void gauge_show(struct gauge_page *page, const struct gauge *gauge);
int gauge_look(int fd, struct gauge *ret_gauge);
uint64_t gauge_stat(const struct gauge *gauge, uint16_t tag);

#endif
