/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QEMU Machine Protocol, as far as a client needs it that watches a VM and
 * sets its balloon: greeting, negotiation, commands and their answers in order,
 * events. Bytes in, bytes out: no descriptor, no loop, no clock in here.
 *
 * A VMM is not trusted: lines, nesting, events and answers that nobody asked
 * for have limits, and a guest's numbers go through qmp_number().
 */
#ifndef BALLONET_QMP_H
#define BALLONET_QMP_H

#include "bucket.h"
#include "fault.h"
#include "varlink.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Longest line: the longest that we ask for is the list of a machine's
 * devices, 60 bytes for each.
 */
#define QMP_LINE_MAX	(1024 * 1024)

/* Deepest nesting; what we ask for has 5 levels. */
#define QMP_DEPTH_MAX	16

/* Commands that may wait for their answers. */
#define QMP_PENDING_MAX	32

/*
 * Events in a second, and at once. QEMU limits those that a guest can cause
 * to about ten in a second altogether.
 */
#define QMP_EVENTS_PER_S	100
#define QMP_EVENTS_BURST	1000

/* Answers to a client that was here before us. */
#define QMP_STRAYS_MAX	16

/**
 * struct qmp_answer - the end of a command
 * @rc:		0, -ENODEV if there is no such device, -EOPNOTSUPP if this
 *		VMM does not know the command, -EREMOTEIO for its other errors,
 *		-ECANCELED if the connection ended
 * @value:	what the command returned, if @rc is 0. Borrowed.
 * @desc:	the VMM's words, if it refused; printable. Else NULL.
 */
struct qmp_answer {
	int rc;
	json_t *value;
	const char *desc;
};

/**
 * typedef qmp_done - called once for every command
 * @answer:	how it ended
 * @userdata:	of the command
 */
typedef void (*qmp_done)(const struct qmp_answer *answer, void *userdata);

/**
 * struct qmp_ops - what the client's owner wants to hear
 * @ready:	commands are taken from now on
 * @event:	something happened; its data is an object, never NULL. Borrowed.
 */
struct qmp_ops {
	void (*ready)(void *userdata);
	void (*event)(const char *name, json_t *data, void *userdata);
};

/**
 * struct qmp_command - one that waits for its answer
 * @id:		to know the answer by
 * @done:	called then
 * @userdata:	for @done
 */
struct qmp_command {
	uint64_t id;
	qmp_done done;
	void *userdata;
};

enum qmp_state {
	/* nothing has come yet */
	QMP_GREETING,
	/* qmp_capabilities is on its way */
	QMP_NEGOTIATING,
	/* commands are taken */
	QMP_READY,
	/* the other side broke the protocol */
	QMP_BROKEN,
};

/**
 * struct qmp - a connection to a VMM
 * @ops:	what the owner wants to hear
 * @userdata:	for @ops
 * @state:	how far it is
 * @session:	makes our commands' numbers different from another client's
 * @in:		bytes that came and are no whole line yet
 * @out:	bytes to send: the caller sends and varlink_buf_consume()s
 * @commands:	a ring, in the order in which they were sent
 * @first:	index of the oldest
 * @pending:	how many wait
 * @next_id:	number of the next command
 * @strays:	answers to somebody else's commands
 * @events:	limits how often they may come
 * @version:	of QEMU: major, minor, micro; 0 where it did not say
 */
struct qmp {
	const struct qmp_ops *ops;
	void *userdata;
	enum qmp_state state;
	uint64_t session;
	struct varlink_buf in;
	struct varlink_buf out;
	struct qmp_command commands[QMP_PENDING_MAX];
	unsigned int first;
	unsigned int pending;
	uint64_t next_id;
	unsigned int strays;
	struct bucket events;
	unsigned int version[3];
};

void qmp_init(struct qmp *qmp, const struct qmp_ops *ops, void *userdata);
void qmp_deinit(struct qmp *qmp);
void qmp_connected(struct qmp *qmp, uint64_t session);
int qmp_feed(struct qmp *qmp, uint64_t now_ms, const void *data, size_t len,
	     struct fault *ret_fault);
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments,
		qmp_done done, void *userdata);

bool qmp_number(const json_t *value, uint64_t *ret_number);

#endif
