/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Others who manage this host's memory. Two managers of one balloon, or of one
 * page sharing daemon, undo each other's work: whoever finds another one leaves
 * that technique alone and says why.
 */
#ifndef BALLONET_RIVALS_H
#define BALLONET_RIVALS_H

#include <stddef.h>
#include <sys/types.h>

/* What a rival does. */
#define RIVAL_BALLOON	(1U << 0)
#define RIVAL_SHARING	(1U << 1)
#define RIVAL_RECLAIM	(1U << 2)
#define RIVAL_KILL	(1U << 3)

/* More kinds than rivals.c knows. */
#define RIVALS_MAX	32

/**
 * struct rival - another manager at work
 * @name:	what it is known as
 * @does:	RIVAL_ bits
 * @advice:	what the operator can do about it; a sentence
 * @pid:	the oldest process of it
 */
struct rival {
	const char *name;
	unsigned int does;
	const char *advice;
	pid_t pid;
};

int rivals_find(int proc_fd, struct rival ret_rivals[RIVALS_MAX]);

#endif
