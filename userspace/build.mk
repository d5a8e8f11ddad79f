# SPDX-License-Identifier: GPL-2.0-or-later
# Userspace: one static library, four programs, the unit tests and the fake
# VMM. Sources are found by wildcard. `make SAN=1 ...` builds the same below
# build/san with the address and undefined-behaviour sanitizers.

VERSION ?= 0.1.0
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
LIBEXECDIR = $(PREFIX)/libexec
MANDIR = $(PREFIX)/share/man
UNITDIR = $(PREFIX)/lib/systemd/system
UDEVDIR = $(PREFIX)/lib/udev/rules.d
VHOSTUSERDIR = $(PREFIX)/share/qemu/vhost-user

U := $(B)$(if $(SAN),/san)
US := userspace

PKG_CONFIG ?= pkg-config
CFLAGS ?= -O2 -g
SCDOC ?= scdoc

US_CPPFLAGS = -I$(US)/lib -Iinclude/uapi -D_GNU_SOURCE \
	-DBALLONET_VERSION='"$(VERSION)"' $(US_PATHS) $(CPPFLAGS)
US_CFLAGS = -std=gnu11 $(CFLAGS) -Wall -Wextra -Werror \
	-Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla \
	-Wpointer-arith -Wwrite-strings -fno-strict-aliasing -fPIE \
	-fstack-protector-strong -fno-common $(HARDEN)
US_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack $(SANFLAGS) $(LDFLAGS)

ifdef SAN
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all
HARDEN = -U_FORTIFY_SOURCE -fno-omit-frame-pointer $(SANFLAGS)
else
HARDEN = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-clash-protection
endif

# Asked once, and only when something of userspace is built.
pkg = $(eval $(1)_$(2) := $$(shell $(PKG_CONFIG) $(3) $(2)))$($(1)_$(2))
libs = $(foreach p,$(1),$(if $(LIBS_$(p)),,$(call pkg,LIBS,$(p),--libs))$(LIBS_$(p)))

# What each program links besides the library.
BACKEND_PKGS = jansson libseccomp libcap-ng
DAEMON_PKGS = libuv jansson inih
CTL_PKGS = jansson
UNIT_PKGS = cmocka jansson inih libseccomp libcap-ng

LIB_SRC := $(wildcard $(US)/lib/*.c)
BACKEND_SRC := $(wildcard $(US)/backend/*.c)
DAEMON_SRC := $(wildcard $(US)/daemon/*.c)
CTL_SRC := $(wildcard $(US)/ctl/*.c)
PSI_SRC := $(wildcard $(US)/psi/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
# Helpers of the tests: each is one program of one file, but the fake VMM.
VMM_SRC := $(wildcard tests/host/vmm/*.c)
HOST_SRC := $(wildcard tests/host/*.c tests/uml/*.c) $(VMM_SRC)

obj = $(patsubst %.c,$(U)/obj/%.o,$(1))
LIBBALLONET := $(U)/lib/libballonet.a
US_BIN := $(if $(BACKEND_SRC),$(U)/bin/vhost-user-balloon) \
	$(if $(DAEMON_SRC),$(U)/bin/ballonetd) \
	$(if $(CTL_SRC),$(U)/bin/ballonetctl) \
	$(if $(PSI_SRC),$(U)/bin/ballonet-psi)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(U)/unit/%)
HOST_BIN := $(patsubst tests/host/%.c,$(U)/tests/%,$(wildcard tests/host/*.c))
# Drives the manager's side of QMP, so that it can be tested alone.
QMPCTL := $(U)/tests/qmpctl
# The manager's ladder, for a guest that plays the host; there is no libc.
LADDERCTL := $(U)/tests/ladderctl
# QEMU's, which resolves what it calls.
INSNS := $(B)/tests/insns.so
UML_BIN := $(patsubst tests/uml/%.c,$(U)/tests/%,$(wildcard tests/uml/*.c))
VMM_BIN := $(U)/tests/vmm
# Of tests/pressure: a small host, and another's law for it.
PRESSURE_BIN := $(U)/tests/hostwatch $(U)/tests/autoballoon
# Of tests/bench: what it measures with.
BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(BENCH_SRC:tests/bench/%.c=$(U)/tests/%)
SIM_SRC := $(wildcard tests/sim/*.c)
SIM_BIN := $(U)/tests/sim
MAN_SRC := $(wildcard $(US)/man/*.scd)
MAN := $(MAN_SRC:$(US)/man/%.scd=$(B)/man/%)
US_JSON := $(B)/share/50-ballonet.json
US_UNIT := $(B)/share/ballonetd.service $(B)/share/ballonet-psi.service
US_UDEV := $(B)/share/90-ballonet-psi.rules

.PHONY: programs userspace unit host-helpers man install
programs: $(US_BIN) ## build the programs into build/bin
userspace: programs host-helpers
unit: $(UNIT_BIN) ## build the unit tests into build/unit
host-helpers: $(HOST_BIN) $(VMM_BIN) $(UML_BIN) $(QMPCTL) $(PRESSURE_BIN) \
	$(BENCH_BIN) $(INSNS) $(if $(SAN),,$(LADDERCTL))
man: $(MAN)

# Changed flags rebuild everything; changed paths, what they are compiled into.
us_flags = $(CC) $(US_CPPFLAGS) $(US_CFLAGS) $(US_LDFLAGS)
us_paths = $(PREFIX) $(SYSCONFDIR)
us_note = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' > $@.tmp; \
	cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
$(U)/flags: FORCE
	$(call us_note,$(us_flags))
$(U)/paths: FORCE
	$(call us_note,$(us_paths))
.PHONY: FORCE
FORCE:

$(call obj,$(DAEMON_SRC)): private US_PATHS = \
	-DBALLONET_LIBEXECDIR='"$(LIBEXECDIR)"' \
	-DBALLONET_SYSCONFDIR='"$(SYSCONFDIR)"'
$(call obj,$(DAEMON_SRC)): $(U)/paths

$(U)/obj/%.o: %.c $(U)/flags
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(US_CPPFLAGS) $(US_CFLAGS) -MMD -MP -c -o $@ $<

$(LIBBALLONET): $(call obj,$(LIB_SRC))
	@mkdir -p $(@D)
	@echo "  AR      $@"
	@rm -f $@
	@$(AR) rcs $@ $^

us_link = @mkdir -p $(@D); echo "  LD      $@"; \
	$(CC) $(US_LDFLAGS) -o $@.tmp $(filter %.o,$^) $(filter %.a,$^) $(call libs,$(1)) && \
	mv $@.tmp $@

$(U)/bin/vhost-user-balloon: $(call obj,$(BACKEND_SRC)) $(LIBBALLONET)
	$(call us_link,$(BACKEND_PKGS))
$(U)/bin/ballonetd: $(call obj,$(DAEMON_SRC)) $(LIBBALLONET)
	$(call us_link,$(DAEMON_PKGS))
$(U)/bin/ballonetctl: $(call obj,$(CTL_SRC)) $(LIBBALLONET)
	$(call us_link,$(CTL_PKGS))
# Of the guest; not even the library.
$(U)/bin/ballonet-psi: $(call obj,$(PSI_SRC))
	$(call us_link,)
# The pure files of the driver, with tiny kernel headers.
$(U)/obj/tests/unit/test_driver.o: US_CPPFLAGS := -Itests/unit/shim $(US_CPPFLAGS)
$(UNIT_BIN): $(U)/unit/%: $(U)/obj/tests/unit/%.o $(LIBBALLONET)
	$(call us_link,$(UNIT_PKGS))
# What of the manager can be tested alone.
$(U)/unit/test_host: $(call obj,$(addprefix $(US)/daemon/,host.c log.c psi.c \
	watch.c))
$(U)/unit/test_gauge: $(call obj,$(US)/daemon/vm_gauge.c)
$(U)/unit/test_ladder: $(call obj,$(addprefix $(US)/daemon/,host.c log.c \
	psi.c watch.c) $(wildcard $(US)/daemon/ladder*.c))
$(U)/unit/test_vmm: $(call obj,$(US)/daemon/vmm.c)
$(U)/unit/test_host $(U)/unit/test_ladder: UNIT_PKGS += libuv
# Deliberately without the library: a second reading of the standards.
$(HOST_BIN): $(U)/tests/%: $(U)/obj/tests/host/%.o
	$(call us_link,)
$(VMM_BIN): $(call obj,$(VMM_SRC))
	$(call us_link,)
$(UML_BIN): $(U)/tests/%: $(U)/obj/tests/uml/%.o
	$(call us_link,)
$(BENCH_BIN): $(U)/tests/%: $(U)/obj/tests/bench/%.o
	$(call us_link,)
$(U)/tests/hostwatch: $(call obj,tests/pressure/hostwatch.c)
	$(call us_link,)
$(U)/tests/autoballoon: $(call obj,tests/pressure/autoballoon.c \
	tests/sim/law_proxmox.c)
	$(call us_link,)
$(QMPCTL): $(call obj,tests/tools/qmpctl.c \
	$(addprefix $(US)/daemon/,qmp_link.c watch.c)) $(LIBBALLONET)
	$(call us_link,libuv jansson)
$(INSNS): tests/tools/insns.c tests/tools/insns.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -shared -fPIC \
		-fvisibility=hidden -o $@.tmp $< -lpthread && mv $@.tmp $@
# Static; the sanitizers cannot be.
$(LADDERCTL): $(call obj,tests/tools/ladderctl.c \
	$(addprefix $(US)/daemon/,host.c log.c psi.c vmm.c watch.c) \
	$(wildcard $(US)/daemon/ladder*.c)) $(LIBBALLONET)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -static -Wl,--no-warnings -o $@.tmp $(filter %.o,$^) \
		$(filter %.a,$^) -l:libuv_a.a -l:libjansson.a -lpthread && \
		mv $@.tmp $@

$(SIM_BIN): $(call obj,$(SIM_SRC)) $(LIBBALLONET)
	$(call us_link,)

$(B)/man/%: $(US)/man/%.scd
	@mkdir -p $(@D)
	@echo "  MAN     $@"
	@$(SCDOC) < $< > $@.tmp && mv $@.tmp $@

$(B)/share/%: $(US)/systemd/%.in $(U)/paths
	@mkdir -p $(@D)
	@sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g' \
		-e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' $< > $@

install: programs man $(US_JSON) $(US_UNIT) $(US_UDEV) ## install programs, manuals and units below $(DESTDIR)$(PREFIX)
	install -Dm755 -t $(DESTDIR)$(BINDIR) $(U)/bin/ballonetctl
	install -Dm755 -t $(DESTDIR)$(SBINDIR) $(U)/bin/ballonetd \
		$(U)/bin/ballonet-psi
	install -Dm755 -t $(DESTDIR)$(LIBEXECDIR) $(U)/bin/vhost-user-balloon
	install -Dm644 -t $(DESTDIR)$(VHOSTUSERDIR) $(US_JSON)
	install -Dm644 -t $(DESTDIR)$(UNITDIR) $(US_UNIT)
	install -Dm644 -t $(DESTDIR)$(UDEVDIR) $(US_UDEV)
	for m in $(MAN); do \
		install -Dm644 -t $(DESTDIR)$(MANDIR)/man$${m##*.} $$m || exit 1; \
	done

-include $(patsubst %.o,%.d,$(call obj,$(LIB_SRC) $(BACKEND_SRC) $(DAEMON_SRC) \
	$(CTL_SRC) $(PSI_SRC) $(UNIT_SRC) $(HOST_SRC) $(SIM_SRC) \
	$(BENCH_SRC) \
	tests/tools/qmpctl.c tests/tools/ladderctl.c tests/pressure/hostwatch.c \
	tests/pressure/autoballoon.c))
