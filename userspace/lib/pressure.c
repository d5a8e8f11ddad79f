// SPDX-License-Identifier: GPL-2.0-or-later
#include "pressure.h"

#include "procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Two lines of at most 80 characters. */
#define PRESSURE_TEXT_MAX	512

#define FULL_SHARE	10000

#define SECOND_US	1000000

const char *const pressure_kind_names[PRESSURE_NR_KINDS] = {
	[PRESSURE_SOME] = "some",
	[PRESSURE_FULL] = "full",
};

/* "12.34" is 1234. */
static bool share_parse(const char **pos, uint32_t *ret_share)
{
	uint64_t whole, part;
	const char *p = *pos;

	if (!procfile_number(&p, &whole) || *p++ != '.')
		return false;
	*pos = p + 2;
	if (!procfile_number(&p, &part) || p != *pos || whole > 100)
		return false;
	whole = whole * 100 + part;
	if (whole > FULL_SHARE)
		return false;
	*ret_share = (uint32_t)whole;
	return true;
}

static bool word(const char **pos, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*pos, text, len))
		return false;
	*pos += len;
	return true;
}

/* Behind the kind. What a later kernel adds to the line is left alone. */
static bool line_parse(const char *pos, struct pressure_line *ret_line)
{
	struct pressure_line line;

	if (!word(&pos, " avg10=") || !share_parse(&pos, &line.avg10) ||
	    !word(&pos, " avg60=") || !share_parse(&pos, &line.avg60) ||
	    !word(&pos, " avg300=") || !share_parse(&pos, &line.avg300) ||
	    !word(&pos, " total=") || !procfile_number(&pos, &line.total_us) ||
	    (*pos && *pos != ' ' && *pos != '\n'))
		return false;
	*ret_line = line;
	return true;
}

/**
 * pressure_parse - understand a file of pressure
 * @text:	its text
 * @ret_pressure: a line that is not there is unknown
 *
 * Return: 0, or -EBADMSG if it has no line "some", or one that is no such line.
 */
int pressure_parse(const char *text, struct pressure *ret_pressure)
{
	static const struct pressure_line unknown = {
		.avg10 = PRESSURE_UNKNOWN,
		.avg60 = PRESSURE_UNKNOWN,
		.avg300 = PRESSURE_UNKNOWN,
		.total_us = PROCFILE_UNKNOWN,
	};
	struct pressure p = { { unknown, unknown } };
	const char *pos;
	int kind;

	while (*text) {
		for (kind = 0; kind < PRESSURE_NR_KINDS; kind++) {
			pos = text;
			if (word(&pos, pressure_kind_names[kind]) &&
			    !line_parse(pos, &p.line[kind]))
				return -EBADMSG;
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	if (p.line[PRESSURE_SOME].total_us == PROCFILE_UNKNOWN)
		return -EBADMSG;
	*ret_pressure = p;
	return 0;
}

/**
 * pressure_read - read a file of pressure
 * @dir_fd:	/proc, or a cgroup's directory
 * @path:	"pressure/memory" or "memory.pressure"
 * @ret_pressure: what it says
 *
 * Return: 0, -EBADMSG, or what the system said: -ENOENT without PSI or cgroup
 * v2, -EOPNOTSUPP if it is switched off (psi=0).
 */
int pressure_read(int dir_fd, const char *path, struct pressure *ret_pressure)
{
	char text[PRESSURE_TEXT_MAX];
	ssize_t len;

	len = procfile_read(dir_fd, path, text, sizeof(text));
	return len < 0 ? (int)len : pressure_parse(text, ret_pressure);
}

/**
 * pressure_permille - how much of the time since the last reading was lost
 * @rate:	the last reading, zeroed at first
 * @now_us:	CLOCK_MONOTONIC
 * @total_us:	pressure_line.total_us
 * @ret_permille: 0 to 1000
 *
 * Finer than avg10, which needs seconds to show anything.
 *
 * Return: false if there is nothing to compare: see rate_step(); or the total
 * went back, since it is another cgroup's.
 */
bool pressure_permille(struct rate *rate, uint64_t now_us, uint64_t total_us,
		       uint32_t *ret_permille)
{
	int64_t per_s;

	if (!rate_step(rate, now_us, total_us, &per_s) || per_s < 0)
		return false;
	*ret_permille = per_s >= 1000000 ? 1000 : (uint32_t)(per_s / 1000);
	return true;
}

/*
 * The newest reading that is a second old, or else the oldest that is kept:
 * they may come at any time, so the span is a second and a bit.
 */
static const struct rate *window_begin(const struct pressure_window *window,
				       uint64_t now_us)
{
	const struct rate *reading = NULL;
	uint64_t i, kept = window->nr < PRESSURE_READINGS ? window->nr :
		PRESSURE_READINGS;

	for (i = 1; i <= kept; i++) {
		reading = &window->readings[(window->nr - i) %
					    PRESSURE_READINGS];
		if (now_us - reading->when_us >= SECOND_US)
			break;
	}
	return reading;
}

/**
 * pressure_last_second - how much of the last second was lost
 * @window:	what was read before
 * @now_us:	CLOCK_MONOTONIC
 * @total_us:	pressure_line.total_us; unknown begins anew
 *
 * However often it is asked, unlike pressure_permille(): a moment of waiting
 * is not all of a short time.
 *
 * Return: 0 to 1000; 0 if there is nothing to compare.
 */
uint32_t pressure_last_second(struct pressure_window *window, uint64_t now_us,
			      uint64_t total_us)
{
	const struct rate *begin, *last = NULL;
	uint32_t permille = 0;
	struct rate rate;

	if (window->nr)
		last = &window->readings[(window->nr - 1) % PRESSURE_READINGS];
	if (total_us > INT64_MAX ||
	    (last && (now_us < last->when_us || total_us < last->value))) {
		*window = (struct pressure_window){ 0 };
		last = NULL;
	}
	if (total_us > INT64_MAX)
		return 0;
	begin = window_begin(window, now_us);
	if (begin && now_us - begin->when_us >= PRESSURE_SPACING_US) {
		rate = *begin;
		(void)pressure_permille(&rate, now_us, total_us, &permille);
	}
	if (!last || now_us - last->when_us >= PRESSURE_SPACING_US)
		window->readings[window->nr++ % PRESSURE_READINGS] =
			(struct rate){ .when_us = now_us, .value = total_us };
	return permille;
}

static int trigger_write(int fd, const char *text, size_t len,
			 struct fault *ret_fault)
{
	if (write(fd, text, len) >= 0)
		return 0;
	/* Without CAP_SYS_RESOURCE, from 6.4 on. */
	if (errno == EINVAL)
		return fault_set(ret_fault, -EINVAL,
				 "PSI trigger '%s' refused; without privileges its window has to be a multiple of 2 s",
				 text);
	return fault_set(ret_fault, -errno, "PSI trigger '%s': %s", text,
			 strerror(errno));
}

/**
 * pressure_trigger_open - be woken by pressure
 * @dir_fd:	as of pressure_read()
 * @path:	as of pressure_read()
 * @kind:	what counts
 * @stall_us:	wake when so much time was lost...
 * @window_us:	...within this: PRESSURE_WINDOW_MIN_US to _MAX_US
 * @ret_fd:	the trigger; lives until the caller closes it
 * @ret_fault:	why not, or NULL
 *
 * Poll for POLLPRI (UV_PRIORITIZED): it wakes at most once in a window. When a
 * cgroup is gone, POLLPRI stays, with POLLERR, which libuv does not tell apart:
 * pressure_read() after each wake, and close the trigger where that fails
 * (-ENODEV), or the loop spins.
 *
 * Return: 0, -EINVAL for numbers that the kernel does not take, or what the
 * system said, as pressure_read().
 */
int pressure_trigger_open(int dir_fd, const char *path,
			  enum pressure_kind kind, uint32_t stall_us,
			  uint32_t window_us, int *ret_fd,
			  struct fault *ret_fault)
{
	char text[64];
	int fd, len, rc;

	if (window_us < PRESSURE_WINDOW_MIN_US ||
	    window_us > PRESSURE_WINDOW_MAX_US)
		return fault_set(ret_fault, -EINVAL,
				 "PSI window of %u us, allowed are %u to %u",
				 window_us, PRESSURE_WINDOW_MIN_US,
				 PRESSURE_WINDOW_MAX_US);
	if (!stall_us || stall_us > window_us)
		return fault_set(ret_fault, -EINVAL,
				 "PSI stall of %u us, allowed are 1 to %u",
				 stall_us, window_us);
	fd = openat(dir_fd, path,
		    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fault_set(ret_fault, -errno, "%s: %s", path,
				 strerror(errno));
	/* The kernel overwrites the last byte: it has to be the NUL. */
	len = snprintf(text, sizeof(text), "%s %u %u",
		       pressure_kind_names[kind], stall_us, window_us);
	rc = trigger_write(fd, text, len + 1, ret_fault);
	if (rc) {
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}
