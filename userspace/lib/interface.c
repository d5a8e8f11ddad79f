// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Texts and signatures of the control interfaces, and their Vm and errors as C.
 */
#include "interface.h"

#include <errno.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char ballonet_description[] =
"# Memory balloons of virtual machines. Sizes are bytes.\n"
"interface io.ballonet\n"
"\n"
"# waiting: no VMM has connected.\n"
"# connected: the VMM is there, the guest's driver is not ready.\n"
"# running: the balloon follows its target.\n"
"# refused: the guest's memory cannot or must not be reclaimed.\n"
"# failed: the back-end does not run.\n"
"type State (waiting, connected, running, refused, failed)\n"
"\n"
"# memory: the guest's RAM, 0 while it is not known.\n"
"# target: balloon that the host wants; actual: balloon that there is.\n"
"# operator: what was set with SetBalloon. wish: what the guest's administrator\n"
"# asks for. The target is the larger one if wishes are granted, else operator.\n"
"# resident: what is allocated in the guest's memory files.\n"
"# freed: what the host got back since the back-end started, measured; null if\n"
"# there is no back-end.\n"
"# prefaulted: what came back to the guest and was made ready for it since the\n"
"# back-end started; null if that is not asked for.\n"
"# standby: what the guest does without for now, and the host can take with\n"
"# Take; taken: what it has taken of that, and the guest has not had back.\n"
"# features: what driver and device agreed on.\n"
"# reason: why the state is not running.\n"
"# pressure: what the guest told last about its memory; null if nothing.\n"
"# demand: what the guest needs, by the manager's evidence; null if nothing is\n"
"# decided about it.\n"
"type Vm (\n"
"  name: string,\n"
"  state: State,\n"
"  memory: int,\n"
"  target: int,\n"
"  operator: int,\n"
"  wish: int,\n"
"  actual: int,\n"
"  resident: int,\n"
"  freed: ?int,\n"
"  prefaulted: ?int,\n"
"  standby: int,\n"
"  taken: int,\n"
"  features: []string,\n"
"  reason: ?string,\n"
"  pressure: ?Pressure,\n"
"  demand: ?int\n"
")\n"
"\n"
"type Pressure (short, plenty)\n"
"\n"
"# What a guest's driver told, as it told it; none of it is checked.\n"
"# short: it is short of memory. plenty: it no longer is. Their value is what\n"
"# is available to it. wish: value is the balloon that it wishes for. floor:\n"
"# it gives no more, since it would have less than it keeps for itself; value\n"
"# is what is missing to the target.\n"
"# reset: the driver that told the events before is gone, and its wish with it.\n"
"# seq: the driver's count of its events. time_us: when the host got it, since\n"
"# the epoch.\n"
"type EventType (reset, short, plenty, wish, floor)\n"
"type Event (\n"
"  vm: string,\n"
"  type: EventType,\n"
"  value: int,\n"
"  seq: int,\n"
"  time_us: int\n"
")\n"
"\n"
"# All VMs. level: how short the host is, as Host of io.ballonet.Governor; null\n"
"# if nothing is managed.\n"
"method List() -> (vms: []Vm, level: ?string)\n"
"\n"
"# One VM, and the last event of each type that its driver told.\n"
"# level: as in List.\n"
"method Status(vm: string) -> (vm: Vm, events: []Event, level: ?string)\n"
"\n"
"# Want a balloon of so many bytes, a multiple of 4096 and at most the guest's\n"
"# memory. Returns at once; the guest follows. Kept until the driver is there.\n"
"method SetBalloon(vm: string, bytes: int) -> (vm: Vm)\n"
"\n"
"# Take so much of what is on standby, whether the guest runs or not. Returns\n"
"# when it is done, when there is no more, or after a second. taken: blocks of\n"
"# 2 MiB that the guest does without. freed: what the host got, measured.\n"
"method Take(vm: string, bytes: int) -> (taken: int, freed: int)\n"
"\n"
"# What the guest's driver says about its memory, and how old that is.\n"
"method Stats(vm: string) -> (age_ms: int, stats: [string]int)\n"
"\n"
"# What the back-end counted since it started, for debugging and tests.\n"
"method Counters(vm: string) -> (counters: [string]int)\n"
"\n"
"# What guests tell: first what each told last, at once; then, to a call with\n"
"# \"more\", each event as it comes. Without vm, of all VMs. lost: events that\n"
"# are not here because the client was slow, or there were too many.\n"
"method Monitor(vm: ?string) -> (events: []Event, lost: int)\n"
"\n"
"# There is no VM of this name.\n"
"error UnknownVm (vm: string)\n"
"\n"
"# The value is outside minimum and maximum, or no multiple of 4096.\n"
"error OutOfRange (\n"
"  vm: string,\n"
"  field: string,\n"
"  value: int,\n"
"  minimum: int,\n"
"  maximum: int\n"
")\n"
"\n"
"# Not now; the reason says why.\n"
"error NotReady (vm: string, reason: string)\n";

static const char backend_description[] =
"# What the manager asks of a back-end.\n"
"interface io.ballonet.Backend\n"
"\n"
"# Send every descriptor and the state again, to the notification socket of\n"
"# this path (as systemd's fd store), and use it from now on. The manager\n"
"# calls this when it was started anew and finds back-ends running.\n"
"method Handover(notify: string) -> ()\n"
"\n"
"# Shall a balloon that the guest wishes for be granted, or only be told of?\n"
"method GrantWishes(grant: bool) -> ()\n"
"\n"
"# Shall memory that comes back to the guest be made ready for it?\n"
"method Prefault(on: bool) -> ()\n"
"\n"
"# Ask the driver for statistics so often, 0 for not at all, and show them and\n"
"# the VM in the file of the state, without being asked.\n"
"method Show(period_ms: int) -> ()\n";

static const char manager_description[] =
"# Which VMs there are. io.ballonet is about each of them.\n"
"interface io.ballonet.Manager\n"
"\n"
"# Listen for a VMM on the socket that is returned. Names are 1 to 64 of\n"
"# A-Z a-z 0-9 . _ - and do not start with a dot. With qmp, manage a VM whose\n"
"# VMM has a balloon and a monitor at that socket, with pidfile one whose\n"
"# process is known only; that path is returned. qmp_mode: auto, hold or borrow.\n"
"method Add(\n"
"  vm: string,\n"
"  qmp: ?string,\n"
"  qmp_mode: ?string,\n"
"  qmp_period_ms: ?int,\n"
"  pidfile: ?string\n"
") -> (socket: string)\n"
"\n"
"# Forget a VM that no VMM is connected for.\n"
"method Remove(vm: string) -> ()\n"
"\n"
"# Replace a VM's back-end by a new process; VMM and guest do not notice.\n"
"method Restart(vm: string) -> ()\n"
"\n"
"# How a VM is served. socket: where its VMM connects, or its monitor. pid: of\n"
"# the back-end, or without one of the VMM. restarts: since the VMM\n"
"# connected. descriptors: names of those that are kept for the back-end.\n"
"method Describe(vm: string) -> (\n"
"  socket: string,\n"
"  pid: ?int,\n"
"  restarts: int,\n"
"  descriptors: []string\n"
")\n"
"\n"
"# Read the configuration again.\n"
"method Reload() -> ()\n"
"\n"
"# There is such a VM already.\n"
"error VmExists (vm: string)\n"
"\n"
"# A VMM is connected.\n"
"error VmBusy (vm: string)\n"
"\n"
"# It did not work; the reason says why.\n"
"error Failed (reason: string)\n";

#define END { NULL, JSON_NULL, false }

static const struct varlink_param vm_params[] = {
	{ "vm", JSON_STRING, false },
	END,
};

static const struct varlink_param monitor_params[] = {
	{ "vm", JSON_STRING, true },
	END,
};

static const struct varlink_param set_balloon_params[] = {
	{ "vm", JSON_STRING, false },
	{ "bytes", JSON_INTEGER, false },
	END,
};

static const struct varlink_param handover_params[] = {
	{ "notify", JSON_STRING, false },
	END,
};

static const struct varlink_param grant_params[] = {
	{ "grant", JSON_TRUE, false },
	END,
};

static const struct varlink_param prefault_params[] = {
	{ "on", JSON_TRUE, false },
	END,
};

static const struct varlink_param add_params[] = {
	{ "vm", JSON_STRING, false },
	{ "qmp", JSON_STRING, true },
	{ "qmp_mode", JSON_STRING, true },
	{ "qmp_period_ms", JSON_INTEGER, true },
	{ "pidfile", JSON_STRING, true },
	END,
};

static const struct varlink_param show_params[] = {
	{ "period_ms", JSON_INTEGER, false },
	END,
};

static const struct varlink_method ballonet_methods[] = {
	[INTERFACE_LIST] = { "List", NULL, false },
	[INTERFACE_STATUS] = { "Status", vm_params, false },
	[INTERFACE_SET_BALLOON] = { "SetBalloon", set_balloon_params, true },
	[INTERFACE_TAKE] = { "Take", set_balloon_params, true },
	[INTERFACE_STATS] = { "Stats", vm_params, false },
	[INTERFACE_COUNTERS] = { "Counters", vm_params, false },
	[INTERFACE_MONITOR] = { "Monitor", monitor_params, false },
};
_Static_assert(ARRAY_SIZE(ballonet_methods) == INTERFACE_NR_METHODS,
	       "one signature for each method");

static const struct varlink_method backend_methods[] = {
	[INTERFACE_BACKEND_HANDOVER] = { "Handover", handover_params, true },
	[INTERFACE_BACKEND_GRANT_WISHES] = { "GrantWishes", grant_params,
					     true },
	[INTERFACE_BACKEND_PREFAULT] = { "Prefault", prefault_params, true },
	[INTERFACE_BACKEND_SHOW] = { "Show", show_params, true },
};
_Static_assert(ARRAY_SIZE(backend_methods) == INTERFACE_BACKEND_NR_METHODS,
	       "one signature for each method");

static const struct varlink_method manager_methods[] = {
	[INTERFACE_MANAGER_ADD] = { "Add", add_params, true },
	[INTERFACE_MANAGER_REMOVE] = { "Remove", vm_params, true },
	[INTERFACE_MANAGER_RESTART] = { "Restart", vm_params, true },
	[INTERFACE_MANAGER_DESCRIBE] = { "Describe", vm_params, false },
	[INTERFACE_MANAGER_RELOAD] = { "Reload", NULL, true },
};
_Static_assert(ARRAY_SIZE(manager_methods) == INTERFACE_MANAGER_NR_METHODS,
	       "one signature for each method");

const struct varlink_interface interface_ballonet = {
	.name = "io.ballonet",
	.description = ballonet_description,
	.methods = ballonet_methods,
	.nr_methods = ARRAY_SIZE(ballonet_methods),
};

const struct varlink_interface interface_backend = {
	.name = "io.ballonet.Backend",
	.description = backend_description,
	.methods = backend_methods,
	.nr_methods = ARRAY_SIZE(backend_methods),
};

const struct varlink_interface interface_manager = {
	.name = "io.ballonet.Manager",
	.description = manager_description,
	.methods = manager_methods,
	.nr_methods = ARRAY_SIZE(manager_methods),
};

const char *const interface_state_names[INTERFACE_NR_STATES] = {
	[INTERFACE_WAITING] = "waiting",
	[INTERFACE_CONNECTED] = "connected",
	[INTERFACE_RUNNING] = "running",
	[INTERFACE_REFUSED] = "refused",
	[INTERFACE_FAILED] = "failed",
};

const char *const interface_event_names[INTERFACE_NR_EVENTS] = {
	[INTERFACE_EVENT_RESET] = "reset",
	[INTERFACE_EVENT_SHORT] = "short",
	[INTERFACE_EVENT_PLENTY] = "plenty",
	[INTERFACE_EVENT_WISH] = "wish",
	[INTERFACE_EVENT_FLOOR] = "floor",
};

/**
 * interface_name_valid - can a VM have this name?
 * @name:	the name
 *
 * It becomes a part of file names and of log lines.
 *
 * Return: true if it is 1 to INTERFACE_NAME_MAX characters of A-Z, a-z, 0-9,
 * dot, underscore and minus and does not start with a dot.
 */
bool interface_name_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	return len >= 1 && len <= INTERFACE_NAME_MAX && name[0] != '.' &&
		strspn(name, allowed) == len;
}

/**
 * interface_vm_pack - a Vm as JSON
 * @vm:		the VM
 *
 * Return: a new reference, or NULL if there is no memory.
 */
json_t *interface_vm_pack(const struct interface_vm *vm)
{
	return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o*,s:o*,s:I,s:I,s:o,s:s*,s:s*}",
		"name", vm->name,
		"state", interface_state_names[vm->state],
		"memory", (json_int_t)vm->memory,
		"target", (json_int_t)vm->target,
		"operator", (json_int_t)vm->operator,
		"wish", (json_int_t)vm->wish,
		"actual", (json_int_t)vm->actual,
		"resident", (json_int_t)vm->resident,
		"freed", vm->freed == INTERFACE_UNKNOWN ? NULL :
			json_integer((json_int_t)vm->freed),
		"prefaulted", vm->prefaulted == INTERFACE_UNKNOWN ? NULL :
			json_integer((json_int_t)vm->prefaulted),
		"standby", (json_int_t)vm->standby,
		"taken", (json_int_t)vm->taken,
		"features", vm->features ? json_incref(vm->features) :
			json_array(),
		"reason", vm->reason, "pressure", vm->pressure);
}

static int state_parse(const char *name, enum interface_state *ret_state)
{
	int i;

	for (i = 0; i < INTERFACE_NR_STATES; i++) {
		if (!strcmp(interface_state_names[i], name)) {
			*ret_state = i;
			return 0;
		}
	}
	return -EBADMSG;
}

/**
 * interface_vm_unpack - a Vm from JSON
 * @json:	what came from a server
 * @ret_vm:	points into @json
 *
 * Return: 0, or -EBADMSG if it is no Vm.
 */
int interface_vm_unpack(json_t *json, struct interface_vm *ret_vm)
{
	json_int_t memory, target, actual, resident;
	json_int_t operator = -1, wish = 0, freed = -1, standby = 0, taken = 0;
	json_int_t prefaulted = -1, demand = -1;
	const char *state;
	struct interface_vm vm = { 0 };

	if (json_unpack(json, "{s:s,s:s,s:I,s:I,s:I,s:I,s?I,s:o,s?s,s?I,s?I,s?s,s?I,s?I,s?I,s?I}",
			"name", &vm.name, "state", &state, "memory", &memory,
			"target", &target, "actual", &actual,
			"resident", &resident, "freed", &freed,
			"features", &vm.features, "reason", &vm.reason,
			"operator", &operator, "wish", &wish,
			"pressure", &vm.pressure, "standby", &standby,
			"taken", &taken, "prefaulted", &prefaulted,
			"demand", &demand))
		return -EBADMSG;
	/* The first version of a back-end does not tell. */
	if (operator == -1)
		operator = target;
	if (memory < 0 || target < 0 || operator < 0 || wish < 0 ||
	    actual < 0 || resident < 0 || freed < -1 || standby < 0 ||
	    taken < 0 || prefaulted < -1 || demand < -1 ||
	    !json_is_array(vm.features) || state_parse(state, &vm.state))
		return -EBADMSG;
	vm.memory = memory;
	vm.target = target;
	vm.operator = operator;
	vm.wish = wish;
	vm.actual = actual;
	vm.resident = resident;
	vm.freed = freed < 0 ? INTERFACE_UNKNOWN : (uint64_t)freed;
	vm.prefaulted = prefaulted < 0 ? INTERFACE_UNKNOWN :
					 (uint64_t)prefaulted;
	vm.standby = standby;
	vm.taken = taken;
	vm.demand = demand < 0 ? INTERFACE_UNKNOWN : (uint64_t)demand;
	*ret_vm = vm;
	return 0;
}

/**
 * interface_event_pack - an Event as JSON
 * @event:	the event
 *
 * Return: a new reference, or NULL if there is no memory.
 */
json_t *interface_event_pack(const struct interface_event *event)
{
	return json_pack("{s:s,s:s,s:I,s:I,s:I}",
		"vm", event->vm,
		"type", interface_event_names[event->type],
		"value", (json_int_t)event->value,
		"seq", (json_int_t)event->seq,
		"time_us", (json_int_t)event->time_us);
}

/**
 * interface_event_unpack - an Event from JSON
 * @json:	what came from a server
 * @ret_event:	points into @json
 *
 * Return: 0, -ENOENT if its type is not known, or -EBADMSG if it is no Event.
 */
int interface_event_unpack(json_t *json, struct interface_event *ret_event)
{
	struct interface_event event = { 0 };
	json_int_t value, seq, time_us;
	const char *type;
	int i;

	if (json_unpack(json, "{s:s,s:s,s:I,s:I,s:I}", "vm", &event.vm,
			"type", &type, "value", &value, "seq", &seq,
			"time_us", &time_us) ||
	    value < 0 || seq < 0 || seq > UINT32_MAX || time_us < 0)
		return -EBADMSG;
	for (i = 0; i < INTERFACE_NR_EVENTS; i++)
		if (!strcmp(interface_event_names[i], type))
			break;
	if (i == INTERFACE_NR_EVENTS)
		return -ENOENT;
	event.type = i;
	event.value = value;
	event.seq = seq;
	event.time_us = time_us;
	*ret_event = event;
	return 0;
}

/**
 * interface_unknown_vm - answer io.ballonet.UnknownVm
 * @server:	a connection whose call waits
 * @vm:		the name that was asked for
 *
 * Return: as varlink_server_reply().
 */
int interface_unknown_vm(struct varlink_server *server, const char *vm)
{
	return varlink_server_error(server, INTERFACE_UNKNOWN_VM,
				    json_pack("{s:s}", "vm", vm));
}

/**
 * interface_not_ready - answer io.ballonet.NotReady
 * @server:	a connection whose call waits
 * @vm:		which VM
 * @reason:	why not, in words
 *
 * Return: as varlink_server_reply().
 */
int interface_not_ready(struct varlink_server *server, const char *vm,
			const char *reason)
{
	return varlink_server_error(server, INTERFACE_NOT_READY,
				    json_pack("{s:s,s:s}", "vm", vm,
					      "reason", reason));
}

/**
 * interface_out_of_range - answer io.ballonet.OutOfRange
 * @server:	a connection whose call waits
 * @vm:		which VM
 * @field:	the parameter
 * @value:	what it was
 * @minimum:	least that is allowed
 * @maximum:	most that is allowed
 *
 * Return: as varlink_server_reply().
 */
int interface_out_of_range(struct varlink_server *server, const char *vm,
			   const char *field, int64_t value, int64_t minimum,
			   int64_t maximum)
{
	return varlink_server_error(server, INTERFACE_OUT_OF_RANGE,
		json_pack("{s:s,s:s,s:I,s:I,s:I}", "vm", vm, "field", field,
			  "value", (json_int_t)value,
			  "minimum", (json_int_t)minimum,
			  "maximum", (json_int_t)maximum));
}
