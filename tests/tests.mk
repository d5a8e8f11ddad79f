# SPDX-License-Identifier: GPL-2.0-or-later
# Tests: what they need is fetched and built once below build/, then tests/run
# runs the suites. Each suite is a directory of tests/.

SERIES := 6.1 6.12 7.3
SUITES := unit sim host uml vm lint

# What has to be built before a suite runs.
needs_unit := unit
needs_sim := $(SIM_BIN)
needs_host := userspace
needs_uml := userspace guest-uml guest-uml-debug
needs_vm := userspace $(SERIES:%=guest-%) guest-uml qemu
needs_lint := modules-debian
needs_bench := userspace guest-6.12 guest-uml qemu

GUESTS := $(SERIES:%=guest-%) guest-uml guest-uml-debug
MODULES := $(GUESTS:guest-%=module-%)

.PHONY: setup qemu modules-debian test coverage lint demo soak pressure bench $(SUITES:%=check-%) $(GUESTS) \
	$(MODULES)

setup: ## install what building and testing need (root)
	@tests/tools/setup

qemu: ## fetch a QEMU with vhost-user-test-device-pci, if there is none
	@tests/tools/qemu

modules-debian: $(SERIES:%=module-%) ## build ballonet.ko for each Debian kernel

$(MODULES): module-%:
	@echo "  MODULE  $*"
	@tests/tools/build-module $*

$(GUESTS): guest-%: module-%
	@tests/guest/mkinitrd $*

# Another make, since setup may bring what reading the makefiles needs.
run_suites = $(MAKE) --no-print-directory $(sort $(foreach s,$(1),$(needs_$(s)))) && \
	BALLONET_PREPARED=1 tests/run $(1)

test: setup ## run all tests
	@$(call run_suites,$(SUITES))

$(SUITES:%=check-%): check-%: setup
	@$(call run_suites,$*)

check-unit: ## run one suite: check-unit, check-sim, check-host, check-uml, check-vm, check-lint
coverage: ## print which share of driver/ the last check-uml ran, by file
	@tests/tools/coverage report
lint: check-lint ## check style, endianness, licences and layout

HOURS ?= 1
soak: setup ## run the integrity stress for hours: HOURS=1
	@$(MAKE) --no-print-directory $(needs_uml)
	@BALLONET_PREPARED=1 tests/tools/soak $(HOURS)

MINUTES ?= 10
pressure: setup ## compare laws with real guests under pressure: MINUTES=10 of each
	@$(MAKE) --no-print-directory userspace guest-uml
	@BALLONET_PREPARED=1 tests/tools/pressure $(MINUTES)

bench: setup ## measure speed, side by side: SUBJECTS= WORKS= ROUNDS=3 QUICK= (root)
	@$(MAKE) --no-print-directory $(needs_bench)
	@BALLONET_PREPARED=1 SUBJECTS='$(SUBJECTS)' WORKS='$(WORKS)' \
		ROUNDS=$(ROUNDS) QUICK=$(QUICK) tests/bench/run

demo: setup ## boot a guest and watch it hand memory to the host (root)
	@$(MAKE) --no-print-directory -s programs qemu guest-6.12 >/dev/null
	@BALLONET_PREPARED=1 tests/tools/demo

sim: $(SIM_BIN) ## compare the planner with other laws; tables, pictures in build/sim
	@tests/sim/report
