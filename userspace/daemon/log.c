// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"
#include "logline.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>

/* So often a line is worth reading that somebody else can cause at will. */
#define RARELY_MS 60000
/* Two paths and a sentence. */
#define LINE_BYTES LOGLINE_MAX

/* Set once, by log_init(). */
static const char *const *prefixes;

/* What the journal takes for levels: sd-daemon(3). */
static const char *const journal_prefixes[] = {
	[LOG_ERR] = "<3>",
	[LOG_WARNING] = "<4>",
	[LOG_INFO] = "<6>",
};

static const char *const plain_prefixes[] = {
	[LOG_ERR] = "ballonetd: error: ",
	[LOG_WARNING] = "ballonetd: warning: ",
	[LOG_INFO] = "ballonetd: ",
};

/**
 * log_init - find out who reads
 */
void log_init(void)
{
	prefixes = getenv("JOURNAL_STREAM") ? journal_prefixes :
		plain_prefixes;
}

/* One write for a line: back-ends write to the same file. */
static void line(int level, const char *format, va_list args)
{
	char text[LINE_BYTES];
	int saved = errno, n, m;

	n = snprintf(text, sizeof(text), "%s", prefixes[level]);
	errno = saved;
	m = vsnprintf(text + n, sizeof(text) - n, format, args);
	if (m < 0)
		return;
	n += m;
	if (n > (int)sizeof(text) - 1)
		n = sizeof(text) - 1;
	text[n++] = '\n';
	logline_write(text, n);
	errno = saved;
}

/**
 * log_err - something did not work and stays so
 * @format:	as printf: object, value, limit; no newline
 */
void log_err(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(LOG_ERR, format, args);
	va_end(args);
}

/**
 * log_warn - something that an administrator can act on
 * @format:	as printf, no newline
 */
void log_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(LOG_WARNING, format, args);
	va_end(args);
}

/**
 * log_info - something that happens a few times in a VM's life
 * @format:	as printf, no newline
 */
void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(LOG_INFO, format, args);
	va_end(args);
}

/**
 * log_warn_rarely - log_warn() for what can be caused without end
 * @limit:	of this kind of line, about this object; all zero at first
 * @format:	as printf, no newline
 */
void log_warn_rarely(struct log_limit *limit, const char *format, ...)
{
	char text[LINE_BYTES];
	struct timespec now;
	va_list args;
	uint64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
	if (ms < limit->next) {
		limit->skipped++;
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (limit->skipped)
		log_warn("%s (%u more since this was last said)", text,
			 limit->skipped);
	else
		log_warn("%s", text);
	*limit = (struct log_limit){ .next = ms + RARELY_MS };
}
