// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * Who shows writes @begin, the gauge, @end. Who looks copies them in the order
 * of their addresses: @end, the gauge, @begin. Equal numbers say that no change
 * was under way while it was copied; else the next look is as good.
 */
#include "gauge.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define MAGIC	UINT64_C(0x3165676775616762)

_Static_assert(sizeof(struct gauge_page) <= GAUGE_SIZE, "one page is enough");

/**
 * gauge_show - show something new
 * @page:	at GAUGE_OFFSET of a mapped file
 * @gauge:	what
 */
void gauge_show(struct gauge_page *page, const struct gauge *gauge)
{
	uint64_t number = page->end + 1;

	__atomic_store_n(&page->begin, number, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	page->gauge = *gauge;
	page->magic = MAGIC;
	__atomic_store_n(&page->end, number, __ATOMIC_RELEASE);
}

/**
 * gauge_look - look at what is shown
 * @fd:		the file
 * @ret_gauge:	what; untouched on failure
 *
 * Who shows chooses the file, and who looks must not wait for it: it has to be
 * of memory, which is what can be sealed.
 *
 * Return: 0, -ENOENT if nothing is shown, -EAGAIN while it is changed, -EBADMSG
 * if it makes no sense, -EINVAL if it is no file of memory, or why it cannot be
 * read.
 */
int gauge_look(int fd, struct gauge *ret_gauge)
{
	struct gauge_page page;
	ssize_t n;

	if (fcntl(fd, F_GET_SEALS) < 0)
		return -errno;
	n = pread(fd, &page, sizeof(page), GAUGE_OFFSET);
	if (n < 0)
		return -errno;
	if (n != sizeof(page) || page.magic != MAGIC)
		return -ENOENT;
	if (page.begin != page.end)
		return -EAGAIN;
	if (page.gauge.nr > GAUGE_STATS_MAX ||
	    page.gauge.state >= INTERFACE_NR_STATES)
		return -EBADMSG;
	*ret_gauge = page.gauge;
	return 0;
}

/**
 * gauge_stat - a statistic of the driver
 * @gauge:	what gauge_look() returned
 * @tag:	its number on the wire
 *
 * Return: the value, UINT64_MAX if there is none.
 */
uint64_t gauge_stat(const struct gauge *gauge, uint16_t tag)
{
	uint32_t i;

	for (i = 0; i < gauge->nr; i++)
		if (gauge->tag[i] == tag)
			return gauge->value[i];
	return UINT64_MAX;
}
