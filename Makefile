# SPDX-License-Identifier: GPL-2.0-or-later
# `make help` lists the targets. Kbuild holds what the kernel's build needs;
# this file never runs inside it.

.DEFAULT_GOAL := all
SHELL := /bin/bash
B := build

-include userspace/build.mk
-include tests/tests.mk

.PHONY: all help module clean
all: module programs

KDIR ?= /lib/modules/$(shell uname -r)/build

module: ## build ballonet.ko for KDIR (default: the running kernel)
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

clean: ## delete what was built, keep what was downloaded
	rm -rf $(filter-out $(B)/cache,$(wildcard $(B)/*))

help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | \
		sed -E 's/:[^#]*## */\t/' | expand -t 16
