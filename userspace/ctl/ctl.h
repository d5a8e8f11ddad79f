/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of ballonetctl share.
 */
#ifndef BALLONET_CTL_H
#define BALLONET_CTL_H

#include "interface.h"
#include "varlink.h"

#include <stdbool.h>
#include <stdint.h>

#define CTL_CONTROL_PATH "/run/ballonet/control"

/* Exit codes: documented in --help and in ballonetctl(1). */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILURE = 1,
	CTL_USAGE = 2,
	CTL_PARTIAL = 3,
	CTL_UNKNOWN_VM = 4,
	CTL_UNREACHABLE = 5,
	CTL_NOT_READY = 6,
	CTL_DENIED = 7,
	CTL_NO_ROOM = 8,
};

/**
 * struct ctl - what the command line asked for, and the connection
 * @control:	path of the control socket
 * @vm:		name of the VM, or NULL
 * @size:	the size's text, or NULL
 * @balloon:	text of --balloon, or NULL
 * @wait:	wait until the target is reached
 * @wait_ms:	at most so long
 * @qmp:	add: the monitor's socket, or NULL
 * @qmp_mode:	add: how it is used, or NULL
 * @pidfile:	add: what has the process' number, or NULL
 * @last:	events: only what is known
 * @name:	admit: for whom room is held, or NULL
 * @seconds:	admit: for how long; 0 if it was not said
 * @json:	print what was returned as JSON
 * @fd:		the connection, or -1
 * @in:		bytes that came
 */
struct ctl {
	const char *control;
	const char *vm;
	const char *size;
	const char *balloon;
	bool wait;
	uint64_t wait_ms;
	const char *qmp;
	const char *qmp_mode;
	const char *pidfile;
	bool last;
	const char *name;
	unsigned int seconds;
	bool json;
	int fd;
	struct varlink_buf in;
};

/* client.c */
int ctl_call(struct ctl *ctl, const char *method, json_t *parameters,
	     struct varlink_reply *ret_reply);
int ctl_call_flags(struct ctl *ctl, const char *method, json_t *parameters,
		   unsigned int flags, struct varlink_reply *ret_reply);
int ctl_next(struct ctl *ctl, struct varlink_reply *ret_reply);
int ctl_status(struct ctl *ctl, const char *method, json_t *parameters,
	       struct varlink_reply *ret_reply, struct interface_vm *ret_vm);
int ctl_show(struct ctl *ctl, const char *method, json_t *parameters,
	     const char *member, void (*print)(json_t *what));
int ctl_order(struct ctl *ctl, const char *method, json_t *parameters);
uint64_t ctl_now_ms(void);

/* A date and a time of day with milliseconds. */
#define CTL_TIME_MAX 64

/* print.c */
void ctl_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
void ctl_print_json(json_t *json);
void ctl_print_table(json_t *list);
void ctl_print_vm(const struct interface_vm *vm, json_t *status);
void ctl_print_line(const struct interface_vm *vm);
void ctl_print_numbers(json_t *numbers);
const char *ctl_time_text(uint64_t us, char text[CTL_TIME_MAX]);

/* events.c */
int ctl_events(struct ctl *ctl);

/* set.c */
int ctl_set(struct ctl *ctl);
int ctl_size(const char *what, const char *text, uint64_t *ret_bytes);

/* take.c */
int ctl_take(struct ctl *ctl);

/* why.c */
int ctl_host(struct ctl *ctl);
int ctl_why(struct ctl *ctl);
int ctl_automatic(struct ctl *ctl);

/* ladder.c */
int ctl_ladder(struct ctl *ctl);

/* admit.c */
int ctl_admit(struct ctl *ctl);
int ctl_release(struct ctl *ctl);

#endif
