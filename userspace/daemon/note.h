/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small files for the next manager.
 */
#ifndef BALLONET_NOTE_H
#define BALLONET_NOTE_H

#include <jansson.h>

int note_write(const char *path, const json_t *json);

#endif
