/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _BALLONET_FLOOR_H
#define _BALLONET_FLOOR_H

#include <linux/types.h>

u64 ballonet_floor_default(u64 total);
u64 ballonet_floor_part(u64 floor, u64 part, u64 whole);
u64 ballonet_floor_room(u64 available, u64 floor);

#endif
