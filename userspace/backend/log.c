// SPDX-License-Identifier: GPL-2.0-or-later

#include "log.h"

#include "logline.h"

#include <stdarg.h>
#include <stdio.h>

/* Longer than any path that can be in a message. */
#define LINE_MAX_LEN	512

/* Set once, before there is a second thread. */
static const char *log_program = "", *log_vm = "";

/**
 * log_init() - say who speaks
 * @program:	name of the program
 * @vm:		name of the VM that it works for
 */
void log_init(const char *program, const char *vm)
{
	log_program = program;
	log_vm = vm;
}

/* One write per line: two threads speak, and others share the file. */
static void line(const char *level, const char *fmt, va_list ap)
{
	char buf[LINE_MAX_LEN];
	int n, m;

	n = snprintf(buf, sizeof(buf), "%s[%s]: %s", log_program, log_vm,
		     level);
	if (n < 0 || n >= (int)sizeof(buf))
		return;
	m = vsnprintf(buf + n, sizeof(buf) - n, fmt, ap);
	if (m < 0)
		return;
	n = n + m < (int)sizeof(buf) ? n + m : (int)sizeof(buf) - 1;
	buf[n++] = '\n';
	logline_write(buf, n);
}

/**
 * log_err() - something ended
 * @fmt:	printf format: object, value, limit; no newline
 */
void log_err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("error: ", fmt, ap);
	va_end(ap);
}

/**
 * log_warn() - something that an administrator can act on
 * @fmt:	printf format, no newline
 */
void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("warning: ", fmt, ap);
	va_end(ap);
}

/**
 * log_info() - something that happens once or twice in a VM's life
 * @fmt:	printf format, no newline
 */
void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("", fmt, ap);
	va_end(ap);
}
