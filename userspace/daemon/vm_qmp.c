// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The link asks the VMM at intervals and keeps what it heard; everything here
 * answers from that, at once. So the methods of io.ballonet end before
 * vm_call() returns.
 *
 * A process behind the socket that is another one than before has another
 * guest: what the last one was told, it was not. The same process after a
 * while of silence is the same guest with the same balloon, also if it is a
 * manager before us that has talked to it: its number is in NAME.qmp.
 */
#include "vm_qmp.h"
#include "log.h"
#include "qmp_link.h"
#include "size.h"
#include "vm_note.h"
#include "vmm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Devices count in frames of 4096 bytes. */
#define FRAME		4096

/* So much of its memory no queue or ring of a VMM needs to have locked. */
#define FIXED_PART	4

/*
 * A driver that sends statistics does so twice within this time, which is what
 * it takes to see that they are new.
 */
#define HEAR_MS		10000

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * struct vm_qmp - one VM
 * @vm:		what all have
 * @link:	to its monitor
 * @vmm:	its process
 * @pid:	of the process that was seen last, 0 if none was
 * @resets:	of the guest, as far as they were seen
 * @others:	how often another has set the balloon, as far as that was logged
 * @last:	what was known while its monitor answered; memory is 0 if
 *		nothing was, or its process has ended
 * @up_ms:	since when this guest could be heard
 * @why:	why the monitor does not answer
 */
struct vm_qmp {
	struct vm vm;
	struct qmp_link *link;
	struct vmm vmm;
	pid_t pid;
	uint64_t resets;
	uint64_t others;
	struct plan_guest last;
	uint64_t up_ms;
	char why[FAULT_MAX];
};

/* Names of the control interface for statistics. */
static const char *const stat_names[QMP_NR_STATS] = {
	[QMP_STAT_SWAP_IN] = "swap_in",
	[QMP_STAT_SWAP_OUT] = "swap_out",
	[QMP_STAT_MAJOR_FAULTS] = "major_faults",
	[QMP_STAT_MINOR_FAULTS] = "minor_faults",
	[QMP_STAT_FREE] = "free",
	[QMP_STAT_TOTAL] = "total",
	[QMP_STAT_AVAILABLE] = "available",
	[QMP_STAT_CACHES] = "caches",
	[QMP_STAT_HUGETLB_ALLOCS] = "hugetlb_allocations",
	[QMP_STAT_HUGETLB_FAILS] = "hugetlb_failures",
	[QMP_STAT_OOM_KILLS] = "oom_kills",
	[QMP_STAT_ALLOC_STALLS] = "alloc_stalls",
	[QMP_STAT_ASYNC_SCANS] = "async_scans",
	[QMP_STAT_DIRECT_SCANS] = "direct_scans",
	[QMP_STAT_ASYNC_RECLAIMS] = "async_reclaims",
	[QMP_STAT_DIRECT_RECLAIMS] = "direct_reclaims",
};

static struct vm_qmp *of(struct vm *vm)
{
	return (struct vm_qmp *)vm;
}

static const struct vm_qmp *of_const(const struct vm *vm)
{
	return (const struct vm_qmp *)vm;
}

/*
 * What the link says
 */

/* Such as virsh setmem. */
static void others_log(struct vm_qmp *q, const struct qmp_vm *now)
{
	char text[SIZE_TEXT_MAX];

	if (now->others == q->others)
		return;
	q->others = now->others;
	log_info("%s: another has set its balloon to %s", q->vm.name,
		 size_format(now->target, text));
}

static void on_changed(void *userdata)
{
	struct vm_qmp *q = userdata;
	const struct qmp_vm *now = qmp_link_vm(q->link);

	others_log(q, now);
	if (now->resets == q->resets)
		return;
	q->resets = now->resets;
	q->up_ms = uv_now(q->vm.settings->loop);
	vm_events_forget(&q->vm);
}

static void on_up(struct vm_qmp *q)
{
	const unsigned int *version = qmp_link_version(q->link);
	pid_t pid = qmp_link_pid(q->link);

	q->vm.trouble = NULL;
	q->up_ms = uv_now(q->vm.settings->loop);
	log_info("%s: monitor answers: process %d, QEMU %u.%u.%u", q->vm.name,
		 (int)pid, version[0], version[1], version[2]);
	/* The number may be another process' by now. */
	vmm_set(&q->vmm, 0);
	vmm_set(&q->vmm, pid);
	q->last = (struct plan_guest){ 0 };
	if (!q->pid && vm_note_pid(&q->vm) == pid && pid)
		q->vm.wish_done = true;
	else if (q->pid != pid)
		vm_wish_forget(&q->vm);
	q->pid = pid;
	vm_note_write(&q->vm, pid);
	if (!q->vm.wish_done)
		vm_wish_apply(&q->vm);
}

static void on_state(bool up, const char *reason, void *userdata)
{
	struct vm_qmp *q = userdata;

	if (up) {
		on_up(q);
		return;
	}
	snprintf(q->why, sizeof(q->why), "%s", reason);
	q->vm.trouble = q->why;
	log_info("%s: monitor does not answer: %s", q->vm.name, reason);
	if (q->vm.doomed)
		alarm_set(q->vm.settings->reaper, 0);
}

/* The link has seen that another VMM is behind the path. */
static void on_other(void *userdata)
{
	struct vm_qmp *q = userdata;

	q->up_ms = uv_now(q->vm.settings->loop);
	vm_wish_forget(&q->vm);
	vm_events_forget(&q->vm);
}

static const struct qmp_link_ops link_ops = {
	.changed = on_changed,
	.state = on_state,
	.other = on_other,
};

/*
 * What is known
 */

/* Locked or passed through: QEMU gives nothing back, whatever its guest does */
static bool is_fixed(const struct vm_qmp *q)
{
	const struct qmp_vm *now = qmp_link_vm(q->link);

	return now->memory && q->vmm.looked_ms && q->vmm.fixed != UINT64_MAX &&
		q->vmm.fixed >= now->memory / FIXED_PART;
}

static bool was_heard(const struct qmp_vm *now)
{
	return now->stats_ms ||
		(now->actual != PROCFILE_UNKNOWN && now->actual);
}

/* Its driver has told what is in use, or had the time to and does not. */
static bool had_its_say(const struct vm_qmp *q)
{
	return qmp_link_vm(q->link)->stats_ms ||
		uv_now(q->vm.settings->loop) - q->up_ms >= HEAR_MS;
}

static enum interface_state state_of(const struct vm_qmp *q,
				     const char **ret_reason)
{
	const struct qmp_vm *now = qmp_link_vm(q->link);
	const char *reason = NULL;
	enum interface_state state = INTERFACE_RUNNING;

	if (!now->present) {
		state = INTERFACE_REFUSED;
		reason = "its VMM has no balloon device";
	} else if (is_fixed(q)) {
		state = INTERFACE_REFUSED;
		reason = "its memory is locked, pinned by a device, or of huge pages: its VMM gives nothing back";
	} else if (now->migrating) {
		state = INTERFACE_CONNECTED;
		reason = "it migrates";
	} else if (!now->running) {
		state = INTERFACE_CONNECTED;
		reason = now->down ? "it has shut down" : "it is paused";
	} else if (!was_heard(now)) {
		state = INTERFACE_CONNECTED;
		reason = "the guest's driver has sent no statistics";
	}
	*ret_reason = reason;
	return state;
}

static uint64_t known(uint64_t value, uint64_t otherwise)
{
	return value == PROCFILE_UNKNOWN ? otherwise : value;
}

static uint64_t target_of(const struct vm_qmp *q)
{
	const struct qmp_vm *now = qmp_link_vm(q->link);

	return known(qmp_link_wanted(q->link),
		     known(now->target, known(now->actual, 0)));
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

static json_t *features(const struct qmp_vm *now)
{
	json_t *list = json_array();

	json_array_append_new(list, json_string("qmp"));
	if (now->stats_ms)
		json_array_append_new(list, json_string("stats"));
	if (now->deflate_on_oom == QMP_YES)
		json_array_append_new(list, json_string("deflate-on-oom"));
	if (now->reporting == QMP_YES)
		json_array_append_new(list, json_string("reporting"));
	return list;
}

static json_t *pack(struct vm_qmp *q)
{
	const struct qmp_vm *now = qmp_link_vm(q->link);
	struct interface_vm out;
	const char *reason;
	json_t *json;

	vmm_look(&q->vmm, uv_now(q->vm.settings->loop));
	out = (struct interface_vm){
		.name = q->vm.name,
		.state = state_of(q, &reason),
		.memory = now->memory,
		.target = target_of(q),
		.operator = target_of(q),
		.actual = known(now->actual, 0),
		.resident = at_most(q->vmm.resident, now->memory),
		.freed = INTERFACE_UNKNOWN,
		.prefaulted = INTERFACE_UNKNOWN,
		.features = features(now),
		.reason = reason,
	};
	json = interface_vm_pack(&out);
	json_decref(out.features);
	return json;
}

/*
 * What is called
 */

static void answer(const char *error, json_t *parameters, link_done done,
		   void *userdata)
{
	const struct varlink_reply reply = {
		.parameters = parameters,
		.error = error,
	};

	done(parameters ? 0 : -ENOMEM, parameters ? &reply : NULL, userdata);
	json_decref(parameters);
}

static void not_ready(struct vm_qmp *q, const char *reason, link_done done,
		      void *userdata)
{
	answer(INTERFACE_NOT_READY,
	       json_pack("{s:s,s:s}", "vm", q->vm.name, "reason", reason),
	       done, userdata);
}

static void status(struct vm_qmp *q, json_t *parameters, link_done done,
		   void *userdata)
{
	(void)parameters;
	answer(NULL, json_pack("{s:o,s:[]}", "vm", pack(q), "events"), done,
	       userdata);
}

static void set_balloon(struct vm_qmp *q, json_t *parameters, link_done done,
			void *userdata)
{
	const struct qmp_vm *now = qmp_link_vm(q->link);
	json_int_t bytes =
		json_integer_value(json_object_get(parameters, "bytes"));

	if (!now->present) {
		not_ready(q, "its VMM has no balloon device", done, userdata);
		return;
	}
	if (!qmp_link_set(q->link, bytes)) {
		answer(NULL, json_pack("{s:o}", "vm", pack(q)), done,
		       userdata);
		return;
	}
	answer(INTERFACE_OUT_OF_RANGE,
	       json_pack("{s:s,s:s,s:I,s:I,s:I}", "vm", q->vm.name, "field",
			 "bytes", "value", bytes, "minimum", (json_int_t)0,
			 "maximum", (json_int_t)(now->memory - FRAME)),
	       done, userdata);
}

static void stats(struct vm_qmp *q, json_t *parameters, link_done done,
		  void *userdata)
{
	const struct qmp_vm *now = qmp_link_vm(q->link);
	json_t *json;
	int i;

	(void)parameters;
	if (!now->stats_ms) {
		not_ready(q, "the guest's driver has sent no statistics", done,
			  userdata);
		return;
	}
	json = json_object();
	for (i = 0; i < QMP_NR_STATS; i++)
		if (now->stats[i] != PROCFILE_UNKNOWN)
			json_object_set_new(json, stat_names[i],
				json_integer((json_int_t)now->stats[i]));
	answer(NULL,
	       json_pack("{s:I,s:o}", "age_ms",
			 (json_int_t)(uv_now(q->vm.settings->loop) -
				      now->stats_ms), "stats", json),
	       done, userdata);
}

static void counters(struct vm_qmp *q, json_t *parameters, link_done done,
		     void *userdata)
{
	const struct qmp_vm *now = qmp_link_vm(q->link);

	(void)parameters;
	answer(NULL,
	       json_pack("{s:{s:I,s:I}}", "counters", "impossible",
			 (json_int_t)now->impossible, "resets",
			 (json_int_t)now->resets), done, userdata);
}

static void call(struct vm *vm, const char *method, json_t *parameters,
		 link_done done, void *userdata)
{
	static const struct {
		const char *name;
		void (*run)(struct vm_qmp *q, json_t *parameters,
			    link_done done, void *userdata);
	} methods[] = {
		{ "io.ballonet.Status", status },
		{ "io.ballonet.SetBalloon", set_balloon },
		{ "io.ballonet.Stats", stats },
		{ "io.ballonet.Counters", counters },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(methods); i++)
		if (!strcmp(methods[i].name, method))
			break;
	if (i < ARRAY_SIZE(methods))
		methods[i].run(of(vm), parameters, done, userdata);
	else
		not_ready(of(vm), "there is no back-end", done, userdata);
	json_decref(parameters);
}

/*
 * The way
 */

static void destroy(struct vm *vm)
{
	struct vm_qmp *q = of(vm);

	qmp_link_destroy(&q->link);
	vmm_deinit(&q->vmm);
	vm_deinit(vm);
	free(q);
}

static bool present(const struct vm *vm)
{
	return qmp_link_up(of_const(vm)->link);
}

/* It is asked, not served: it does not miss us. */
static bool bound(const struct vm *vm)
{
	(void)vm;
	return false;
}

static bool ready(const struct vm *vm)
{
	return present(vm) && qmp_link_vm(of_const(vm)->link)->present;
}

static void stats_take(const struct qmp_vm *now, struct plan_stats *stats)
{
	stats->when_ms = now->stats_ms;
	stats->available = now->stats[QMP_STAT_AVAILABLE];
	stats->free = now->stats[QMP_STAT_FREE];
	stats->caches = now->stats[QMP_STAT_CACHES];
	stats->swap_in = now->stats[QMP_STAT_SWAP_IN];
	stats->swap_out = now->stats[QMP_STAT_SWAP_OUT];
	stats->oom_kills = now->stats[QMP_STAT_OOM_KILLS];
	stats->alloc_stalls = now->stats[QMP_STAT_ALLOC_STALLS];
}

/*
 * As long as its process lives, what it has is nobody else's. Of one that was
 * never heard, what it occupies is all that is known.
 */
static void snapshot_silent(struct vm_qmp *q, struct plan_guest *guest)
{
	const struct plan_guest *last = &q->last;

	if (!q->vmm.resident) {
		q->last.memory = 0;
		vmm_set(&q->vmm, qmp_link_pid(q->link));
		vmm_look(&q->vmm, uv_now(q->vm.settings->loop));
	}
	guest->flags = (last->flags & PLAN_BALLOON) | PLAN_STATS | PLAN_FROZEN;
	guest->memory = last->memory ? last->memory : q->vmm.resident;
	guest->target = last->memory ? last->target : 0;
	guest->actual = last->memory ? last->actual : 0;
	guest->resident = at_most(q->vmm.resident, guest->memory);
	guest->paged_out = at_most(q->vmm.swapped, guest->memory);
}

static void snapshot(struct vm *vm, struct plan_guest *guest)
{
	struct vm_qmp *q = of(vm);
	const struct qmp_vm *now = qmp_link_vm(q->link);

	vmm_look(&q->vmm, uv_now(vm->settings->loop));
	if (!present(vm)) {
		snapshot_silent(q, guest);
		return;
	}
	if (now->present && was_heard(now) && !is_fixed(q))
		guest->flags |= PLAN_BALLOON;
	/* Without them: not heard yet, so that nothing is taken. */
	guest->flags |= PLAN_STATS;
	if (now->stats_ms)
		stats_take(now, &guest->stats);
	if (now->migrating || !now->running)
		guest->flags |= PLAN_FROZEN;
	if (!q->vmm.fixed && had_its_say(q))
		guest->flags |= PLAN_PAGEABLE;
	guest->period_ms = vm->way.period_ms;
	guest->memory = now->memory;
	guest->target = at_most(target_of(q), now->memory);
	guest->actual = known(now->actual, 0);
	guest->resident = at_most(q->vmm.resident, now->memory);
	guest->paged_out = at_most(q->vmm.swapped, now->memory);
	q->last = *guest;
}

static const struct vmm *vmm(const struct vm *vm)
{
	return &of_const(vm)->vmm;
}

static void period(struct vm *vm)
{
	if (!vm->way.period_ms)
		qmp_link_set_period(of(vm)->link, vm->settings->period_ms);
}

static const struct vm_ops ops = {
	.destroy = destroy,
	.present = present,
	.bound = bound,
	.ready = ready,
	.call = call,
	.period = period,
	.snapshot = snapshot,
	.vmm = vmm,
};

static enum qmp_link_mode mode_of(const struct way *way)
{
	if (way->mode == WAY_BY_PATH)
		return qmp_link_mode_for(way->path);
	return way->mode == WAY_BORROW ? QMP_LINK_BORROW : QMP_LINK_HOLD;
}

/**
 * vm_qmp_create - begin to ask a VM's monitor
 * @settings:	outlive the VM
 * @name:	a valid name
 * @way:	to it
 * @ret_vm:	to be given to vm_destroy()
 * @ret_fault:	what is wrong
 *
 * Return: 0, or as qmp_link_create().
 */
int vm_qmp_create(const struct vm_settings *settings, const char *name,
		  const struct way *way, struct vm **ret_vm,
		  struct fault *ret_fault)
{
	const struct qmp_link_options options = {
		.path = way->path,
		.mode = mode_of(way),
		.period_ms = way->period_ms ? way->period_ms :
			settings->period_ms,
	};
	struct vm_qmp *q = calloc(1, sizeof(*q));
	int rc;

	if (!q)
		return fault_set(ret_fault, -ENOMEM, "no memory");
	vmm_init(&q->vmm);
	rc = vm_init(&q->vm, &ops, settings, name);
	if (rc)
		fault_set(ret_fault, rc, "no memory");
	else
		rc = qmp_link_create(settings->loop, &options, &link_ops, q,
				     &q->link, ret_fault);
	if (rc) {
		destroy(&q->vm);
		return rc;
	}
	q->vm.way = *way;
	q->vm.trouble = "its monitor was not asked yet";
	*ret_vm = &q->vm;
	return 0;
}
