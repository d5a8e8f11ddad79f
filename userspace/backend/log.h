/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on standard error, one line each.
 */
#ifndef BALLONET_LOG_H
#define BALLONET_LOG_H

void log_init(const char *program, const char *vm);
void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* BALLONET_LOG_H */
