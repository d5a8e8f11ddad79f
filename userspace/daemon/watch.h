/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libuv's handles with the lifetime that the manager needs: gone, for the
 * caller, as soon as they are stopped.
 */
#ifndef BALLONET_WATCH_H
#define BALLONET_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct watch;
struct alarm;

typedef void (*watch_fn)(void *userdata, int events);
typedef void (*alarm_fn)(void *userdata);

int watch_start(uv_loop_t *loop, int fd, int events, watch_fn fn,
		void *userdata, struct watch **ret_watch);
void watch_events(struct watch *watch, int events);
void watch_stop(struct watch **watch);

int alarm_create(uv_loop_t *loop, alarm_fn fn, void *userdata,
		 struct alarm **ret_alarm);
void alarm_set(struct alarm *alarm, uint64_t ms);
void alarm_clear(struct alarm *alarm);
void alarm_destroy(struct alarm **alarm);

bool loop_end(uv_loop_t *loop, uint64_t ms);

#endif
