/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io.ballonet.Governor: what the manager decides about memory. Its text in
 * interface_governor.c is the documentation.
 */
#ifndef BALLONET_INTERFACE_GOVERNOR_H
#define BALLONET_INTERFACE_GOVERNOR_H

#include "varlink.h"

/* Handlers of io.ballonet.Governor, in this order. */
enum interface_governor_method {
	INTERFACE_GOVERNOR_HOST,
	INTERFACE_GOVERNOR_WHY,
	INTERFACE_GOVERNOR_AUTOMATIC,
	INTERFACE_GOVERNOR_ADMIT,
	INTERFACE_GOVERNOR_RELEASE,
	INTERFACE_GOVERNOR_LADDER,
	INTERFACE_GOVERNOR_NR_METHODS,
};

extern const struct varlink_interface interface_governor;

#define INTERFACE_NOT_MANAGED	"io.ballonet.Governor.NotManaged"
#define INTERFACE_NO_ROOM	"io.ballonet.Governor.NoRoom"
#define INTERFACE_NOT_HELD	"io.ballonet.Governor.NotHeld"

#endif
