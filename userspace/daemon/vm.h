/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One VM, whichever way to it there is: a back-end process of ours
 * (vm_backend.h), or the monitor of a VMM that has a balloon of its own
 * (vm_qmp.h).
 */
#ifndef BALLONET_VM_H
#define BALLONET_VM_H

#include "conf.h"
#include "follow.h"
#include "governor.h"
#include "interface.h"
#include "link.h"
#include "plan.h"
#include "vmm.h"
#include "watch.h"
#include "way.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct vm_settings - what the manager decides for all VMs
 * @loop:	which runs
 * @backend:	path of vhost-user-balloon
 * @dir:	where the sockets are
 * @gid:	group of the sockets, or -1
 * @period_ms:	how often VMMs are asked
 * @show_ms:	how often back-ends show what they see and ask their guests for
 *		statistics; 0 while nothing is managed
 * @conf:	the configuration in force
 * @reaper:	rings when a doomed VM can be forgotten
 * @told:	called with what guests tell, as follow_fn
 * @manager:	for @told
 */
struct vm_settings {
	uv_loop_t *loop;
	const char *backend;
	const char *dir;
	gid_t gid;
	uint32_t period_ms;
	uint32_t show_ms;
	const struct conf *conf;
	struct alarm *reaper;
	follow_fn told;
	void *manager;
};

struct vm;

/**
 * struct vm_ops - a way to a VM
 * @destroy:	forget it and free it; VMM and balloon stay as they are
 * @present:	is there a VMM?
 * @bound:	would its VMM suffer if it were forgotten now?
 * @ready:	can its balloon be set?
 * @call:	a method of io.ballonet; @done is called exactly once, maybe
 *		from in here
 * @grant:	vm.grant has changed; may be NULL
 * @prefault:	vm.prefault has changed; may be NULL
 * @period:	vm_settings.period_ms or show_ms has changed; may be NULL
 * @restart:	replace the process that serves it; 0 or a negative errno; may
 *		be NULL
 * @snapshot:	fill in what is known, also of one that is not present but
 *		occupies memory; the rest is zero
 * @vmm:	its VMM's process, as far as it is known
 * @describe:	how it is served, as Describe of io.ballonet.Manager; NULL if it
 *		is not
 */
struct vm_ops {
	void (*destroy)(struct vm *vm);
	bool (*present)(const struct vm *vm);
	bool (*bound)(const struct vm *vm);
	bool (*ready)(const struct vm *vm);
	void (*call)(struct vm *vm, const char *method, json_t *parameters,
		     link_done done, void *userdata);
	void (*grant)(struct vm *vm);
	void (*prefault)(struct vm *vm);
	void (*period)(struct vm *vm);
	int (*restart)(struct vm *vm);
	void (*snapshot)(struct vm *vm, struct plan_guest *guest);
	const struct vmm *(*vmm)(const struct vm *vm);
	json_t *(*describe)(const struct vm *vm);
};

/**
 * struct vm - what all VMs have
 * @next:	in the manager's list
 * @ops:	the way to it
 * @settings:	the manager's
 * @name:	its name
 * @configured:	is in the configuration
 * @way:	how the configuration or a call names the way to it
 * @doomed:	is forgotten as soon as its VMM is gone
 * @trouble:	why there is no VMM, where that is known, or NULL
 * @guest:	changes when another guest begins: what was learnt of the last
 *		one is void
 * @governed:	the governor's part of it
 * @last:	the last event of each type; time_us is 0 if there was none
 * @told_ms:	when they came, in loop time
 * @wish_alarm:	when to look again whether @wish can be fulfilled
 * @wish:	what the balloon is set to when a VMM has connected
 * @wish_bytes:	for @wish
 * @setting:	calls that set its balloon and wait for their answers
 * @grant:	the guest's own wishes are granted
 * @prefault:	memory that comes back to the guest is made ready for it
 * @wish_done:	nothing is left to do: this VMM's balloon was set, or is what
 *		an operator or a manager before us has made of it
 */
struct vm {
	struct vm *next;
	const struct vm_ops *ops;
	const struct vm_settings *settings;
	char name[INTERFACE_NAME_MAX + 1];
	struct way way;
	bool configured;
	bool doomed;
	const char *trouble;
	uint64_t guest;
	struct governed governed;
	struct interface_event last[INTERFACE_NR_EVENTS];
	uint64_t told_ms[INTERFACE_NR_EVENTS];
	struct alarm *wish_alarm;
	enum conf_wish wish;
	uint64_t wish_bytes;
	unsigned int setting;
	bool grant;
	bool prefault;
	bool wish_done;
};

int vm_init(struct vm *vm, const struct vm_ops *ops,
	    const struct vm_settings *settings, const char *name);
void vm_deinit(struct vm *vm);
void vm_destroy(struct vm *vm);
bool vm_present(const struct vm *vm);
void vm_call(struct vm *vm, const char *method, json_t *parameters,
	     link_done done, void *userdata);
void vm_grant(struct vm *vm, bool grant);
void vm_prefault(struct vm *vm, bool on);
int vm_restart(struct vm *vm);
void vm_balloon(struct vm *vm, uint64_t bytes);
void vm_snapshot(struct vm *vm, struct plan_guest *ret_guest);
const struct vmm *vm_vmm(const struct vm *vm);
json_t *vm_describe(const struct vm *vm);
json_t *vm_pack(const struct vm *vm, const char *trouble);

/* vm_events.c */
void vm_events_told(void *userdata, const struct interface_event *event,
		    uint64_t lost);
void vm_events_forget(struct vm *vm);
const char *vm_events_pressure(const struct vm *vm);
void vm_events_pack(const struct vm *vm, json_t *events);

/* vm_hand.c */
void vm_hand_note(const struct vm *vm);
void vm_hand_forget(const struct vm *vm);
void vm_hand_recall(struct vm *vm);

/* vm_wish.c */
void vm_wish(struct vm *vm, enum conf_wish wish, uint64_t bytes);
void vm_wish_apply(struct vm *vm);
void vm_wish_forget(struct vm *vm);
void vm_wish_alarm(void *userdata);

#endif
