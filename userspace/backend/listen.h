/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALLONET_LISTEN_H
#define BALLONET_LISTEN_H

#include "fault.h"

int listen_at(const char *path, struct fault *ret_fault);

#endif /* BALLONET_LISTEN_H */
