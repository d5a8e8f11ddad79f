#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# standby.t on the kernel with KASAN, lockdep, kmemleak and DEBUG_ATOMIC_SLEEP.

UML_KERNEL=uml-debug exec "$(dirname "$0")/standby.t"
