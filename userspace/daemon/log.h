/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manager's messages, on standard error. Nothing in lib comes here.
 */
#ifndef BALLONET_LOG_H
#define BALLONET_LOG_H

void log_init(void);
void log_err(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
