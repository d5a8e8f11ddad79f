/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manager's messages, on standard error. Nothing in lib comes here.
 */
#ifndef BALLONET_LOG_H
#define BALLONET_LOG_H

#include <stdint.h>

/**
 * struct log_limit - how often a line may be logged; for log_warn_rarely()
 * @next:	CLOCK_MONOTONIC in milliseconds
 * @skipped:	lines that were not logged since the last one
 */
struct log_limit {
	uint64_t next;
	unsigned int skipped;
};

void log_init(void);
void log_err(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn_rarely(struct log_limit *limit, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
