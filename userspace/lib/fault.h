/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What went wrong, in words, beside the errno. The library never logs: it
 * fills one of these and its caller decides what becomes of it.
 */
#ifndef BALLONET_FAULT_H
#define BALLONET_FAULT_H

#define FAULT_MAX	256

/**
 * struct fault - one sentence for the operator
 * @text:	object, value and limit; empty if nothing went wrong
 */
struct fault {
	char text[FAULT_MAX];
};

int fault_set(struct fault *ret_fault, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* BALLONET_FAULT_H */
