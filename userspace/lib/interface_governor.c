// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Text and signatures of io.ballonet.Governor.
 */
#include "interface_governor.h"

static const char description[] =
"# What the manager decides about memory, and why. Sizes are bytes.\n"
"interface io.ballonet.Governor\n"
"\n"
"# The host as the manager sees it; all but manage are missing while nothing\n"
"# is managed. manage: off; dry-run, if all is decided and nothing done; or on.\n"
"# level: how short it is: green, yellow, orange, red or black.\n"
"# total, available: of the machine, or of the configured budget.\n"
"# free: available, and what is being taken of what guests have on standby;\n"
"# less what is held and what is about to go. The level goes by it.\n"
"# min_free: the unit of the levels. budget: what VMs may occupy together.\n"
"# demand: of all VMs. missing: what their floors exceed the budget by.\n"
"# held: for VMs that are to start. stall_some, stall_full: permille of the\n"
"# last second in which some, or all, tasks waited for memory.\n"
"type Host (\n"
"  manage: string,\n"
"  level: ?string,\n"
"  total: ?int,\n"
"  available: ?int,\n"
"  free: ?int,\n"
"  min_free: ?int,\n"
"  budget: ?int,\n"
"  demand: ?int,\n"
"  missing: ?int,\n"
"  held: ?int,\n"
"  stall_some: ?int,\n"
"  stall_full: ?int\n"
")\n"
"\n"
"# What a VM was told to keep (to) instead of what it was told before (from),\n"
"# in one or more steps from since_us to time_us, since the epoch.\n"
"# reason: its name; meaning: in words. dry_run: only said, not done.\n"
"# The evidence at the last step, of the host: level, free and min_free, as of\n"
"# Host; and of the VM: need: it was in need. current: what it kept, as far as\n"
"# that can be proved. used: what it could not do without; working: in the\n"
"# last minute. demand: used, with room for what it does next. floor and\n"
"# ceiling: least and most that it may be left with. occupied: what it will\n"
"# occupy if it is let. share: what the law gives it. page_out: what the host\n"
"# pages out of it. standby: what it does without, and the host can take by\n"
"# itself; take: what it takes of that. available: what it said is available to it, stats_ms ago.\n"
"# short_ms: how long ago it said that it is short.\n"
"type Decision (\n"
"  reason: string,\n"
"  meaning: string,\n"
"  level: string,\n"
"  need: bool,\n"
"  dry_run: bool,\n"
"  time_us: int,\n"
"  since_us: int,\n"
"  steps: int,\n"
"  from: int,\n"
"  to: int,\n"
"  page_out: int,\n"
"  standby: int,\n"
"  take: int,\n"
"  free: int,\n"
"  min_free: int,\n"
"  current: int,\n"
"  used: int,\n"
"  working: int,\n"
"  demand: int,\n"
"  floor: int,\n"
"  ceiling: int,\n"
"  occupied: int,\n"
"  share: int,\n"
"  available: ?int,\n"
"  stats_ms: ?int,\n"
"  short_ms: ?int\n"
")\n"
"\n"
"method Host() -> (host: Host)\n"
"\n"
"# now: what was decided last, be it to change nothing; null before that.\n"
"# decisions: the last changes, the newest first.\n"
"method Why(vm: string) -> (now: ?Decision, decisions: []Decision)\n"
"\n"
"# An operator has set this VM's balloon: have the manager decide again.\n"
"method Automatic(vm: string) -> ()\n"
"\n"
"# Can a VM start that is promised so many bytes? If so they are held for so\n"
"# many seconds, 60 if it is not said, less what the VM of this name occupies\n"
"# when it is there. take: what other VMs have to give for it. left: what can\n"
"# be promised to one more. A name that is not given is made up.\n"
"method Admit(bytes: int, seconds: ?int, name: ?string) -> (\n"
"  name: string,\n"
"  bytes: int,\n"
"  seconds: int,\n"
"  take: int,\n"
"  left: int\n"
")\n"
"\n"
"# What was held for this name is no longer needed.\n"
"method Release(name: string) -> ()\n"
"\n"
"# A way to make memory go further, since the manager manages: how often it was\n"
"# used, what it was asked for, what the host really got, what of that was\n"
"# needed again, and what it took, in microseconds. Of ksm: freed is what it\n"
"# saves now, time_us processor time since the host's start.\n"
"# reason: why it is not on.\n"
"type Rung (\n"
"  rung: (reporting, standby, balloon, ksm, zswap, reclaim),\n"
"  on: bool,\n"
"  reason: ?string,\n"
"  calls: int,\n"
"  asked: int,\n"
"  freed: int,\n"
"  returned: int,\n"
"  time_us: int\n"
")\n"
"\n"
"# ksm: run and full_scans as in /sys/kernel/mm/ksm; profit: saved, less the\n"
"# kernel's tables; mixed: memory of several groups is merged and is taken\n"
"# apart as soon as there is room; processes: with memory to merge.\n"
"# ratio: percent, 300 if what is compressed takes a third.\n"
"# swaps: in the order in which they are used. vms: which were paged out, by\n"
"# their cgroup or their process. rivals: who manages this host's memory, too.\n"
"# machine: all of it, whatever the budget; wakes: by its kernel, since tasks\n"
"# had to wait for memory.\n"
"type Ladder (\n"
"  rungs: []Rung,\n"
"  ksm: ?(run: int, advisor: bool, mixed: bool, saved: int, profit: int,\n"
"    full_scans: ?int, processes: int),\n"
"  zswap: ?(enabled: bool, max_percent: ?int, stored: ?int, occupied: ?int,\n"
"    ratio: int),\n"
"  swaps: [](name: string, compressed: bool, priority: int, size: int,\n"
"    used: int, stored: ?int, occupied: ?int),\n"
"  vms: [](vm: string, way: (cgroup, process), reason: ?string, asked: int,\n"
"    freed: int, returned: int, time_us: int),\n"
"  rivals: [](name: string, pid: int, advice: string),\n"
"  machine: (total: int, available: int, min_free: int, budget: int,\n"
"    stall_some: int, stall_full: int, psi: bool, wakes: int,\n"
"    swap_total: ?int, swap_free: ?int,\n"
"    nodes: [](node: int, total: ?int, free: ?int))\n"
")\n"
"\n"
"method Ladder() -> (ladder: Ladder)\n"
"\n"
"# Nothing is managed.\n"
"error NotManaged (reason: string)\n"
"\n"
"# No: of the budget, running VMs are sure of minimums, held is promised to\n"
"# others and reserve has to stay free, which leaves left.\n"
"error NoRoom (\n"
"  bytes: int,\n"
"  left: int,\n"
"  budget: int,\n"
"  minimums: int,\n"
"  held: int,\n"
"  reserve: int\n"
")\n"
"\n"
"# Nothing is held for this name.\n"
"error NotHeld (name: string)\n";

#define END { NULL, JSON_NULL, false }

static const struct varlink_param vm_params[] = {
	{ "vm", JSON_STRING, false },
	END,
};

static const struct varlink_param admit_params[] = {
	{ "bytes", JSON_INTEGER, false },
	{ "seconds", JSON_INTEGER, true },
	{ "name", JSON_STRING, true },
	END,
};

static const struct varlink_param name_params[] = {
	{ "name", JSON_STRING, false },
	END,
};

static const struct varlink_method methods[INTERFACE_GOVERNOR_NR_METHODS] = {
	[INTERFACE_GOVERNOR_HOST] = { "Host", NULL, false },
	[INTERFACE_GOVERNOR_WHY] = { "Why", vm_params, false },
	[INTERFACE_GOVERNOR_AUTOMATIC] = { "Automatic", vm_params, true },
	[INTERFACE_GOVERNOR_ADMIT] = { "Admit", admit_params, true },
	[INTERFACE_GOVERNOR_RELEASE] = { "Release", name_params, true },
	[INTERFACE_GOVERNOR_LADDER] = { "Ladder", NULL, false },
};

const struct varlink_interface interface_governor = {
	.name = "io.ballonet.Governor",
	.description = description,
	.methods = methods,
	.nr_methods = INTERFACE_GOVERNOR_NR_METHODS,
};
