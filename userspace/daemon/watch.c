// SPDX-License-Identifier: GPL-2.0-or-later
#include "watch.h"

#include <errno.h>
#include <stdlib.h>

struct watch {
	uv_poll_t poll;
	watch_fn fn;
	void *userdata;
};

struct alarm {
	uv_timer_t timer;
	alarm_fn fn;
	void *userdata;
};

/* The handle is the first member of both. */
static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = (struct watch *)poll;

	/* An error is for the owner to find when it reads. */
	watch->fn(watch->userdata, status < 0 ? UV_READABLE : events);
}

/**
 * watch_start - call a function when a descriptor is ready
 * @loop:	which runs
 * @fd:		becomes non-blocking; the caller closes it after watch_stop()
 * @events:	UV_READABLE, UV_WRITABLE
 * @fn:		the function
 * @userdata:	for @fn
 * @ret_watch:	to be given to watch_stop()
 *
 * Return: 0 or a negative errno.
 */
int watch_start(uv_loop_t *loop, int fd, int events, watch_fn fn,
		void *userdata, struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int rc;

	if (!watch)
		return -ENOMEM;
	watch->fn = fn;
	watch->userdata = userdata;
	rc = uv_poll_init(loop, &watch->poll, fd);
	if (rc) {
		free(watch);
		return rc;
	}
	watch_events(watch, events);
	*ret_watch = watch;
	return 0;
}

/**
 * watch_events - change what is waited for
 * @watch:	a watch
 * @events:	may be 0
 */
void watch_events(struct watch *watch, int events)
{
	if (events)
		uv_poll_start(&watch->poll, events, on_poll);
	else
		uv_poll_stop(&watch->poll);
}

/**
 * watch_stop - wait no more
 * @watch:	set to NULL; nothing happens if it is
 */
void watch_stop(struct watch **watch)
{
	if (*watch)
		uv_close((uv_handle_t *)&(*watch)->poll, on_closed);
	*watch = NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct alarm *alarm = (struct alarm *)timer;

	alarm->fn(alarm->userdata);
}

/**
 * alarm_create - a call after a time
 * @loop:	which runs
 * @fn:		what is called
 * @userdata:	for @fn
 * @ret_alarm:	not set; to be given to alarm_destroy()
 *
 * Return: 0 or a negative errno.
 */
int alarm_create(uv_loop_t *loop, alarm_fn fn, void *userdata,
		 struct alarm **ret_alarm)
{
	struct alarm *alarm = calloc(1, sizeof(*alarm));

	if (!alarm)
		return -ENOMEM;
	alarm->fn = fn;
	alarm->userdata = userdata;
	uv_timer_init(loop, &alarm->timer);
	*ret_alarm = alarm;
	return 0;
}

/**
 * alarm_set - call once, after a time; what was set before is forgotten
 * @alarm:	an alarm
 * @ms:		the time in milliseconds
 */
void alarm_set(struct alarm *alarm, uint64_t ms)
{
	uv_timer_start(&alarm->timer, on_timer, ms, 0);
}

/**
 * alarm_clear - do not call
 * @alarm:	an alarm
 */
void alarm_clear(struct alarm *alarm)
{
	uv_timer_stop(&alarm->timer);
}

/**
 * alarm_destroy - free an alarm
 * @alarm:	set to NULL; nothing happens if it is
 */
void alarm_destroy(struct alarm **alarm)
{
	if (*alarm)
		uv_close((uv_handle_t *)&(*alarm)->timer, on_closed);
	*alarm = NULL;
}

static void on_late(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

/**
 * loop_end - let a loop come to its end
 * @loop:	all that it has is closed, or will be
 * @ms:		so long is waited for what threads do
 *
 * Return: true if it has ended. Else a thread is at work still, and only
 * _exit() does not wait for it.
 */
bool loop_end(uv_loop_t *loop, uint64_t ms)
{
	uv_timer_t late;

	uv_timer_init(loop, &late);
	uv_unref((uv_handle_t *)&late);
	uv_timer_start(&late, on_late, ms, 0);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&late, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
	return !uv_loop_close(loop);
}
