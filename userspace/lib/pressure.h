/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pressure stall information (Documentation/accounting/psi.rst of the kernel):
 * how much time tasks lose because memory is short, of the whole machine
 * (/proc/pressure/memory) or of one cgroup (its memory.pressure).
 */
#ifndef BALLONET_PRESSURE_H
#define BALLONET_PRESSURE_H

#include "fault.h"
#include "rate.h"

#include <stdbool.h>
#include <stdint.h>

/* Of a pressure_line that the file does not have. */
#define PRESSURE_UNKNOWN	UINT32_MAX

/* What the kernel takes for a trigger's window. */
#define PRESSURE_WINDOW_MIN_US	500000
#define PRESSURE_WINDOW_MAX_US	10000000

enum pressure_kind {
	/* at least one task waited */
	PRESSURE_SOME,
	/* all tasks that could have run waited */
	PRESSURE_FULL,
	PRESSURE_NR_KINDS,
};

extern const char *const pressure_kind_names[PRESSURE_NR_KINDS];

/**
 * struct pressure_line - one line of the file
 * @avg10:	share of the last 10 s, in hundredths of a percent; or
 *		PRESSURE_UNKNOWN
 * @avg60:	of the last minute
 * @avg300:	of the last five minutes
 * @total_us:	time lost since the start, or PROCFILE_UNKNOWN
 */
struct pressure_line {
	uint32_t avg10;
	uint32_t avg60;
	uint32_t avg300;
	uint64_t total_us;
};

/**
 * struct pressure - a file of pressure
 * @line:	by kind
 */
struct pressure {
	struct pressure_line line[PRESSURE_NR_KINDS];
};

/* Readings that a window remembers, and how far apart they are at least. */
#define PRESSURE_READINGS	16
#define PRESSURE_SPACING_US	100000

/**
 * struct pressure_window - time lost in the last second; all zero at first
 * @readings:	of pressure_line.total_us, a ring
 * @nr:		how many were ever kept
 */
struct pressure_window {
	struct rate readings[PRESSURE_READINGS];
	uint64_t nr;
};

int pressure_parse(const char *text, struct pressure *ret_pressure);
int pressure_read(int dir_fd, const char *path, struct pressure *ret_pressure);
bool pressure_permille(struct rate *rate, uint64_t now_us, uint64_t total_us,
		       uint32_t *ret_permille);
uint32_t pressure_last_second(struct pressure_window *window, uint64_t now_us,
			      uint64_t total_us);
int pressure_trigger_open(int dir_fd, const char *path,
			  enum pressure_kind kind, uint32_t stall_us,
			  uint32_t window_us, int *ret_fd,
			  struct fault *ret_fault);

#endif
