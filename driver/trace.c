// SPDX-License-Identifier: GPL-2.0-or-later
/* The bodies of the tracepoints: this is all that it takes. */
#define CREATE_TRACE_POINTS
#include "trace.h"
