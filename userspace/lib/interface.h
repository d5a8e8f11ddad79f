/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control interfaces: io.ballonet, which the back-end has for its one VM
 * and the manager for all; io.ballonet.Backend and io.ballonet.Manager, which
 * only one of them has. Their texts in interface.c are the documentation.
 */
#ifndef BALLONET_INTERFACE_H
#define BALLONET_INTERFACE_H

#include "varlink.h"

#include <stdbool.h>
#include <stdint.h>

/* Longest name of a VM: its socket's path must fit into sun_path (108). */
#define INTERFACE_NAME_MAX	64

/* Handlers of io.ballonet, in this order. */
enum interface_method {
	INTERFACE_LIST,
	INTERFACE_STATUS,
	INTERFACE_SET_BALLOON,
	INTERFACE_TAKE,
	INTERFACE_STATS,
	INTERFACE_COUNTERS,
	INTERFACE_MONITOR,
	INTERFACE_NR_METHODS,
};

/* Handlers of io.ballonet.Backend, in this order. */
enum interface_backend_method {
	INTERFACE_BACKEND_HANDOVER,
	INTERFACE_BACKEND_GRANT_WISHES,
	INTERFACE_BACKEND_PREFAULT,
	INTERFACE_BACKEND_SHOW,
	INTERFACE_BACKEND_NR_METHODS,
};

/* Handlers of io.ballonet.Manager, in this order. */
enum interface_manager_method {
	INTERFACE_MANAGER_ADD,
	INTERFACE_MANAGER_REMOVE,
	INTERFACE_MANAGER_RESTART,
	INTERFACE_MANAGER_DESCRIBE,
	INTERFACE_MANAGER_RELOAD,
	INTERFACE_MANAGER_NR_METHODS,
};

extern const struct varlink_interface interface_ballonet;
extern const struct varlink_interface interface_backend;
extern const struct varlink_interface interface_manager;

#define INTERFACE_UNKNOWN_VM	"io.ballonet.UnknownVm"
#define INTERFACE_OUT_OF_RANGE	"io.ballonet.OutOfRange"
#define INTERFACE_NOT_READY	"io.ballonet.NotReady"
#define INTERFACE_VM_EXISTS	"io.ballonet.Manager.VmExists"
#define INTERFACE_VM_BUSY	"io.ballonet.Manager.VmBusy"
#define INTERFACE_FAILURE	"io.ballonet.Manager.Failed"

enum interface_state {
	INTERFACE_WAITING,
	INTERFACE_CONNECTED,
	INTERFACE_RUNNING,
	INTERFACE_REFUSED,
	INTERFACE_FAILED,
	INTERFACE_NR_STATES,
};

extern const char *const interface_state_names[INTERFACE_NR_STATES];

/*
 * What a guest's driver tells, in the order in which it is shown; the first one
 * is the host's.
 */
enum interface_event_type {
	INTERFACE_EVENT_RESET,
	INTERFACE_EVENT_SHORT,
	INTERFACE_EVENT_PLENTY,
	INTERFACE_EVENT_WISH,
	INTERFACE_EVENT_FLOOR,
	INTERFACE_NR_EVENTS,
};

extern const char *const interface_event_names[INTERFACE_NR_EVENTS];

/**
 * struct interface_event - an Event of io.ballonet
 * @vm:		which VM. Borrowed.
 * @type:	what happened
 * @value:	bytes, as the interface's text says; at most INT64_MAX
 * @seq:	the driver's number
 * @time_us:	when the host got it, in us since the epoch
 */
struct interface_event {
	const char *vm;
	enum interface_event_type type;
	uint64_t value;
	uint32_t seq;
	uint64_t time_us;
};

/* What nobody measures. */
#define INTERFACE_UNKNOWN	UINT64_MAX

/**
 * struct interface_vm - what io.ballonet tells of a VM; sizes in bytes
 * @name:	its name
 * @state:	see the interface's text
 * @memory:	guest RAM; 0 while it is not known
 * @target:	balloon that the host wants
 * @operator:	balloon that was set
 * @wish:	balloon that the guest wishes for
 * @actual:	balloon that the driver reported
 * @resident:	allocated in the memory files
 * @freed:	given back to the host since the back-end's start;
 *		INTERFACE_UNKNOWN without one
 * @prefaulted:	made ready for the guest; INTERFACE_UNKNOWN if not asked for
 * @standby:	blocks that the host can take by itself
 * @taken:	such blocks that it has taken
 * @demand:	what the manager thinks that it needs; INTERFACE_UNKNOWN if
 *		nothing was decided
 * @features:	array of strings; NULL if there are none. Borrowed.
 * @reason:	why it is not running, or NULL
 * @pressure:	"short" or "plenty", or NULL if the guest has told neither
 */
struct interface_vm {
	const char *name;
	enum interface_state state;
	uint64_t memory;
	uint64_t target;
	uint64_t operator;
	uint64_t wish;
	uint64_t actual;
	uint64_t resident;
	uint64_t freed;
	uint64_t prefaulted;
	uint64_t standby;
	uint64_t taken;
	uint64_t demand;
	json_t *features;
	const char *reason;
	const char *pressure;
};

bool interface_name_valid(const char *name);
json_t *interface_vm_pack(const struct interface_vm *vm);
int interface_vm_unpack(json_t *json, struct interface_vm *ret_vm);
json_t *interface_event_pack(const struct interface_event *event);
int interface_event_unpack(json_t *json, struct interface_event *ret_event);

int interface_unknown_vm(struct varlink_server *server, const char *vm);
int interface_not_ready(struct varlink_server *server, const char *vm,
			const char *reason);
int interface_out_of_range(struct varlink_server *server, const char *vm,
			   const char *field, int64_t value, int64_t minimum,
			   int64_t maximum);

#endif
