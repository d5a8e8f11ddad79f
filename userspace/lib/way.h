/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which way there is to a VM, as the configuration and the control interface
 * name it.
 */
#ifndef BALLONET_WAY_H
#define BALLONET_WAY_H

#include "fault.h"
#include "sock.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum way_kind {
	/* a back-end of ours, which the VMM connects to */
	WAY_BACKEND,
	/* the VMM's own balloon, by its monitor */
	WAY_QMP,
	/* only its process is known: what the host can do alone */
	WAY_PROCESS,
	WAY_NR_KINDS,
};

/* How a monitor is used. */
enum way_mode {
	/* as its path says: see qmp_link_mode_for() */
	WAY_BY_PATH,
	WAY_HOLD,
	WAY_BORROW,
	WAY_NR_MODES,
};

extern const char *const way_mode_names[WAY_NR_MODES];

#define WAY_PERIOD_MIN_MS	100
#define WAY_PERIOD_MAX_MS	60000

/**
 * struct way - the way to a VM; all zero is a back-end
 * @kind:	see there
 * @path:	of the monitor's socket, or of the file that has the process'
 *		number
 * @mode:	of the monitor
 * @period_ms:	how often the monitor is asked; 0: as often as is planned
 */
struct way {
	enum way_kind kind;
	char path[SOCK_PATH_MAX];
	enum way_mode mode;
	uint32_t period_ms;
};

int way_set_path(struct way *way, enum way_kind kind, const char *path,
		 struct fault *ret_fault);
int way_set_mode(struct way *way, const char *name, struct fault *ret_fault);
bool way_equal(const struct way *a, const struct way *b);
json_t *way_pack(const struct way *way);
int way_unpack(json_t *json, struct way *ret_way, struct fault *ret_fault);

#endif
