// SPDX-License-Identifier: GPL-2.0-or-later

#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

/**
 * fault_set() - describe an error and pass its number on
 * @ret_fault:	filled; may be NULL if nobody wants the words
 * @err:	negative errno
 * @fmt:	printf format of the sentence, without a newline
 *
 * Return: @err, so that it can stand in a return statement.
 */
int fault_set(struct fault *ret_fault, int err, const char *fmt, ...)
{
	va_list ap;

	if (!ret_fault)
		return err;

	va_start(ap, fmt);
	vsnprintf(ret_fault->text, sizeof(ret_fault->text), fmt, ap);
	va_end(ap);
	return err;
}
