/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the configuration's reader, for each other. */
#ifndef BALLONET_CONF_PARTS_H
#define BALLONET_CONF_PARTS_H

#include "conf.h"

#include <stdio.h>

enum conf_section {
	CONF_SECTION_NONE,
	CONF_SECTION_MANAGER,
	CONF_SECTION_HOST,
	CONF_SECTION_CLASS,
	CONF_SECTION_VM,
	CONF_NR_SECTIONS,
};

/**
 * struct reading - one file that is being read
 * @conf:	what becomes of it
 * @error:	the first mistake
 * @file:	the file
 * @line:	the line that was read last, from 1
 * @failed:	there was a mistake
 * @section:	kind of the section that is being read
 * @item:	number of its VM or class: the arrays move when they grow
 * @given:	groups of keys of this section in this file, as bits
 */
struct reading {
	struct conf *conf;
	struct conf_error *error;
	FILE *file;
	int line;
	bool failed;
	enum conf_section section;
	size_t item;
	unsigned int given;
};

int conf_wrong(struct reading *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* conf_keys.c */
int conf_key_set(struct reading *r, const char *name, const char *value);

#endif
