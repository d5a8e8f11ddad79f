// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A refresh is a handful of commands sent at once; its answers come in their
 * order. The first refresh looks for the balloon in the three places where
 * QEMU keeps devices; the second knows the path and asks for statistics. From
 * then on most refreshes are two commands.
 *
 * QEMU asks the guest every period_s seconds, on the VM's clock, and stops
 * asking when the guest does not answer or is reset; libvirt sets a period of
 * its domain's: one that was set once is not one that is still set. Statistics
 * count as new when QEMU's time of them changed since the last look, never by
 * comparing that time, the wall clock of QEMU's host, with ours.
 */
#include "qmp_balloon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Where devices are: those with an id, those without, those of the board. */
static const char *const containers[] = {
	"/machine/peripheral",
	"/machine/peripheral-anon",
	"/machine/unattached",
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

const char *const qmp_stat_names[QMP_NR_STATS] = {
	[QMP_STAT_SWAP_IN] = "stat-swap-in",
	[QMP_STAT_SWAP_OUT] = "stat-swap-out",
	[QMP_STAT_MAJOR_FAULTS] = "stat-major-faults",
	[QMP_STAT_MINOR_FAULTS] = "stat-minor-faults",
	[QMP_STAT_FREE] = "stat-free-memory",
	[QMP_STAT_TOTAL] = "stat-total-memory",
	[QMP_STAT_AVAILABLE] = "stat-available-memory",
	[QMP_STAT_CACHES] = "stat-disk-caches",
	[QMP_STAT_HUGETLB_ALLOCS] = "stat-htlb-pgalloc",
	[QMP_STAT_HUGETLB_FAILS] = "stat-htlb-pgfail",
	[QMP_STAT_OOM_KILLS] = "stat-oom-kills",
	[QMP_STAT_ALLOC_STALLS] = "stat-alloc-stalls",
	[QMP_STAT_ASYNC_SCANS] = "stat-async-scans",
	[QMP_STAT_DIRECT_SCANS] = "stat-direct-scans",
	[QMP_STAT_ASYNC_RECLAIMS] = "stat-async-reclaims",
	[QMP_STAT_DIRECT_RECLAIMS] = "stat-direct-reclaims",
};

static bool is_level(enum qmp_stat stat)
{
	return stat >= QMP_STAT_FREE && stat <= QMP_STAT_CACHES;
}

static void stats_forget(struct qmp_balloon *balloon)
{
	int i;

	for (i = 0; i < QMP_NR_STATS; i++)
		balloon->vm.stats[i] = PROCFILE_UNKNOWN;
	balloon->vm.stats_ms = 0;
	balloon->seen = false;
}

/**
 * qmp_balloon_init - begin
 * @balloon:	the caller's storage
 * @qmp:	the VM's connection; its owner passes on the events
 * @period_s:	how often the guest shall be asked for statistics; somebody
 *		else's shorter period is left alone
 * @events:	the connection stays, and they come
 * @changed:	called when something changed
 * @userdata:	for @changed
 */
void qmp_balloon_init(struct qmp_balloon *balloon, struct qmp *qmp,
		      uint32_t period_s, bool events,
		      void (*changed)(void *userdata), void *userdata)
{
	*balloon = (struct qmp_balloon){
		.qmp = qmp,
		.period_s = period_s,
		.events = events,
		.changed = changed,
		.userdata = userdata,
	};
	qmp_balloon_forget(balloon);
}

/**
 * qmp_balloon_forget - it may be another VM that is connected next
 * @balloon:	knows nothing afterwards; no refresh may be under way
 */
void qmp_balloon_forget(struct qmp_balloon *balloon)
{
	balloon->vm = (struct qmp_vm){
		.actual = PROCFILE_UNKNOWN,
		.target = PROCFILE_UNKNOWN,
		.others = balloon->vm.others,
	};
	balloon->path[0] = '\0';
	balloon->full_ms = 0;
	balloon->set_up = balloon->reached = false;
	balloon->beyond = 0;
	balloon->base = balloon->dimms = 0;
	balloon->incoming = balloon->outgoing = false;
	stats_forget(balloon);
}

/* The device is gone: look for another. */
static void device_forget(struct qmp_balloon *balloon)
{
	balloon->path[0] = '\0';
	balloon->set_up = false;
	balloon->vm.present = false;
	balloon->vm.actual = PROCFILE_UNKNOWN;
	balloon->vm.deflate_on_oom = balloon->vm.reporting = QMP_NOT_TOLD;
	stats_forget(balloon);
}

/* The answer to one of a refresh's commands; the last one ends it. */
static struct qmp_balloon *answered(void *userdata)
{
	struct qmp_balloon *balloon = userdata;

	balloon->asked--;
	return balloon;
}

static void answer_done(struct qmp_balloon *balloon,
			const struct qmp_answer *answer)
{
	if (!balloon->asked && answer->rc != -ECANCELED)
		balloon->changed(balloon->userdata);
}

static void ask(struct qmp_balloon *balloon, const char *command,
		json_t *arguments, qmp_done done)
{
	if (!qmp_execute(balloon->qmp, command, arguments, done, balloon))
		balloon->asked++;
}

static void ask_property(struct qmp_balloon *balloon, const char *property,
			 qmp_done done)
{
	ask(balloon, "qom-get",
	    json_pack("{s:s,s:s}", "path", balloon->path,
		      "property", property), done);
}

/*
 * What comes back
 */

/* QEMU subtracts what the guest says from what it has, unchecked. */
static void keep_take(struct qmp_balloon *balloon, const json_t *value)
{
	uint64_t keep;

	balloon->vm.actual = PROCFILE_UNKNOWN;
	if (qmp_number(value, &keep) && keep <= balloon->vm.memory)
		balloon->vm.actual = balloon->vm.memory - keep;
	else if (balloon->vm.memory)
		balloon->vm.impossible++;
}

/*
 * QEMU does not tell what it was told. But no guest goes beyond the target that
 * it has reached: if it rests there, another has set it. If it never came to
 * its target that may be so, too: QEMU is told again. A balloon that is smaller
 * may be one that its guest has taken back. How large it is depends on the
 * memory, so this counts where that was asked for as well.
 */
static void target_look(struct qmp_balloon *balloon, bool full)
{
	struct qmp_vm *vm = &balloon->vm;

	if (vm->target == PROCFILE_UNKNOWN || vm->actual == PROCFILE_UNKNOWN)
		return;
	if (vm->actual == vm->target)
		balloon->reached = true;
	if (vm->actual <= vm->target)
		return;
	if (!full || vm->actual != balloon->beyond) {
		balloon->beyond = vm->actual;
		if (balloon->reached)
			balloon->full_ms = 0;
	} else if (balloon->reached) {
		vm->target = vm->actual;
		vm->others++;
	} else {
		vm->target = PROCFILE_UNKNOWN;
	}
}

static void memory_update(struct qmp_balloon *balloon)
{
	if (__builtin_add_overflow(balloon->base, balloon->dimms,
				   &balloon->vm.memory) || !balloon->base)
		balloon->vm.memory = 0;
}

static void on_size(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);

	if (!answer->rc &&
	    !qmp_number(json_object_get(answer->value, "base-memory"),
			&balloon->base))
		balloon->base = 0;
	memory_update(balloon);
	answer_done(balloon, answer);
}

/* QEMU's balloon counts DIMMs, no NVDIMMs and no virtio-mem. */
static void on_devices(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);
	uint64_t sum = 0, size;
	const char *type;
	json_t *device;
	size_t i;

	json_array_foreach(answer->value, i, device) {
		type = json_string_value(json_object_get(device, "type"));
		if (type && !strcmp(type, "dimm") &&
		    qmp_number(json_object_get(json_object_get(device, "data"),
					       "size"), &size) &&
		    __builtin_add_overflow(sum, size, &sum))
			sum = 0;
	}
	if (!answer->rc)
		balloon->dimms = sum;
	memory_update(balloon);
	answer_done(balloon, answer);
}

static void migrating_update(struct qmp_balloon *balloon)
{
	balloon->vm.migrating = balloon->incoming || balloon->outgoing;
}

static void on_status(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);
	const char *status;

	if (!answer->rc) {
		balloon->vm.running = json_is_true(
			json_object_get(answer->value, "running"));
		status = json_string_value(
			json_object_get(answer->value, "status"));
		balloon->vm.down = status && !strcmp(status, "shutdown");
		balloon->incoming = status &&
			(!strcmp(status, "inmigrate") ||
			 !strcmp(status, "postmigrate") ||
			 !strcmp(status, "finish-migrate"));
		migrating_update(balloon);
	}
	answer_done(balloon, answer);
}

/* What query-status does not tell: it sends, and its guest runs. */
static void outgoing_take(struct qmp_balloon *balloon, const json_t *value)
{
	static const char *const over[] = {
		"none", "cancelled", "failed", "completed",
	};
	const char *status = json_string_value(
		json_object_get(value, "status"));
	size_t i;

	for (i = 0; status && i < ARRAY_SIZE(over); i++)
		if (!strcmp(status, over[i]))
			status = NULL;
	balloon->outgoing = status;
	migrating_update(balloon);
}

static void on_migrate(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);

	if (!answer->rc)
		outgoing_take(balloon, answer->value);
	answer_done(balloon, answer);
}

static void on_balloon(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);

	if (!answer->rc) {
		balloon->vm.present = true;
		keep_take(balloon, json_object_get(answer->value, "actual"));
		target_look(balloon, balloon->full_ms == balloon->now_ms);
	} else if (answer->rc != -ECANCELED) {
		device_forget(balloon);
	}
	answer_done(balloon, answer);
}

static uint64_t stat_take(struct qmp_balloon *balloon, enum qmp_stat stat,
			  const json_t *stats)
{
	uint64_t value;

	if (!qmp_number(json_object_get(stats, qmp_stat_names[stat]), &value))
		return PROCFILE_UNKNOWN;
	if (is_level(stat) && value > balloon->vm.memory) {
		balloon->vm.impossible++;
		return PROCFILE_UNKNOWN;
	}
	return value;
}

/* What is counted since boot has become less: who borrows hears no RESET. */
static bool has_begun_again(uint64_t was, uint64_t is)
{
	return was != PROCFILE_UNKNOWN && is != PROCFILE_UNKNOWN && is < was;
}

static void stats_take(struct qmp_balloon *balloon, const json_t *value)
{
	json_t *stats = json_object_get(value, "stats");
	uint64_t faults = balloon->vm.stats[QMP_STAT_MINOR_FAULTS];
	uint64_t update;
	int i;

	if (!qmp_number(json_object_get(value, "last-update"), &update))
		update = 0;
	for (i = 0; i < QMP_NR_STATS; i++)
		balloon->vm.stats[i] = stat_take(balloon, i, stats);
	if (has_begun_again(faults, balloon->vm.stats[QMP_STAT_MINOR_FAULTS]))
		balloon->vm.resets++;
	if (update && balloon->seen && update != balloon->last_update)
		balloon->vm.stats_ms = balloon->now_ms;
	balloon->last_update = update;
	balloon->seen = true;
}

static void on_stats(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);

	if (!answer->rc && balloon->path[0])
		stats_take(balloon, answer->value);
	else if (answer->rc != -ECANCELED)
		balloon->path[0] = '\0';
	answer_done(balloon, answer);
}

static enum qmp_tristate tristate(const struct qmp_answer *answer)
{
	if (answer->rc || !json_is_boolean(answer->value))
		return QMP_NOT_TOLD;
	return json_is_true(answer->value) ? QMP_YES : QMP_NO;
}

static void on_deflate_on_oom(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);

	balloon->vm.deflate_on_oom = tristate(answer);
	answer_done(balloon, answer);
}

static void on_reporting(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);

	balloon->vm.reporting = tristate(answer);
	answer_done(balloon, answer);
}

static void on_period_set(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);

	balloon->set_up = !answer->rc && balloon->path[0];
	answer_done(balloon, answer);
}

static void on_period(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_balloon *balloon = answered(userdata);
	uint64_t period;

	if (balloon->path[0] && qmp_number(answer->value, &period)) {
		if (period && period <= balloon->period_s)
			balloon->set_up = true;
		else
			ask(balloon, "qom-set",
			    json_pack("{s:s,s:s,s:I}", "path", balloon->path,
				      "property",
				      "guest-stats-polling-interval", "value",
				      (json_int_t)balloon->period_s),
			    on_period_set);
	}
	answer_done(balloon, answer);
}

/* -pci, -pci-transitional, -ccw, -device (MMIO); an id of the user's. */
static bool is_balloon(const json_t *object, const char **ret_name)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	const char *type = json_string_value(json_object_get(object, "type"));

	if (!name || !type || strncmp(type, "child<virtio-balloon", 20) ||
	    strchr(name, '/'))
		return false;
	*ret_name = name;
	return true;
}

static void on_list(struct qmp_balloon *balloon, const char *container,
		    const struct qmp_answer *answer)
{
	const char *name;
	json_t *object;
	size_t i;
	int len;

	json_array_foreach(answer->value, i, object) {
		if (balloon->path[0] || !is_balloon(object, &name))
			continue;
		len = snprintf(balloon->path, sizeof(balloon->path), "%s/%s",
			       container, name);
		if (len >= (int)sizeof(balloon->path))
			balloon->path[0] = '\0';
	}
	answer_done(balloon, answer);
}

static void on_peripheral(const struct qmp_answer *answer, void *userdata)
{
	on_list(answered(userdata), containers[0], answer);
}

static void on_peripheral_anon(const struct qmp_answer *answer, void *userdata)
{
	on_list(answered(userdata), containers[1], answer);
}

static void on_unattached(const struct qmp_answer *answer, void *userdata)
{
	on_list(answered(userdata), containers[2], answer);
}

/*
 * What is asked
 */

static void search(struct qmp_balloon *balloon)
{
	static const qmp_done done[ARRAY_SIZE(containers)] = {
		on_peripheral, on_peripheral_anon, on_unattached,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(containers); i++)
		ask(balloon, "qom-list",
		    json_pack("{s:s}", "path", containers[i]), done[i]);
}

static void ask_period(struct qmp_balloon *balloon)
{
	ask_property(balloon, "guest-stats-polling-interval", on_period);
}

static void set_up(struct qmp_balloon *balloon)
{
	ask_property(balloon, "deflate-on-oom", on_deflate_on_oom);
	ask_property(balloon, "free-page-reporting", on_reporting);
	ask_period(balloon);
}

/* The memory first: the guest's numbers are checked by it. */
static void ask_all(struct qmp_balloon *balloon)
{
	balloon->full_ms = balloon->now_ms;
	ask(balloon, "query-memory-size-summary", NULL, on_size);
	ask(balloon, "query-memory-devices", NULL, on_devices);
	ask(balloon, "query-status", NULL, on_status);
	ask(balloon, "query-migrate", NULL, on_migrate);
	ask(balloon, "query-balloon", NULL, on_balloon);
	if (!balloon->path[0])
		search(balloon);
	else if (balloon->set_up)
		ask_period(balloon);
}

/*
 * Of migration QEMU tells only who has asked for that with a capability, which
 * is the VM's and not ours to set. The rest is what events would have told.
 */
static void ask_state(struct qmp_balloon *balloon)
{
	ask(balloon, "query-migrate", NULL, on_migrate);
	if (balloon->events)
		return;
	ask(balloon, "query-status", NULL, on_status);
	ask(balloon, "query-balloon", NULL, on_balloon);
}

/**
 * qmp_balloon_refresh - ask for what is new
 * @balloon:	of a VM whose qmp is ready; changed() is called when all answers
 *		are there
 * @now_ms:	a clock that only goes forward, not 0
 *
 * The answers are as old as this call: statistics become new at most once in
 * period_s. Of the VM's memory and of a balloon that was plugged in it may
 * hear QMP_BALLOON_FULL_MS late.
 *
 * Return: how many commands were sent, which may be none, -EBUSY while the last
 * refresh is under way, -ENOTCONN.
 */
int qmp_balloon_refresh(struct qmp_balloon *balloon, uint64_t now_ms)
{
	if (balloon->qmp->state != QMP_READY)
		return -ENOTCONN;
	if (balloon->asked)
		return -EBUSY;
	balloon->now_ms = now_ms;
	if (!balloon->full_ms ||
	    now_ms - balloon->full_ms >= QMP_BALLOON_FULL_MS)
		ask_all(balloon);
	else
		ask_state(balloon);
	if (balloon->path[0] && !balloon->set_up)
		set_up(balloon);
	if (balloon->path[0])
		ask_property(balloon, "guest-stats", on_stats);
	return (int)balloon->asked;
}

/**
 * qmp_balloon_set - tell the guest how large its balloon shall be
 * @balloon:	of a VM whose qmp is ready
 * @bytes:	the balloon
 * @done:	called when QEMU has taken it; the guest's answer is
 *		qmp_vm.actual
 * @userdata:	for @done
 *
 * Return: 0, -EAGAIN while the VM's memory is not known, -ERANGE if nothing
 * would be left of it, or as qmp_execute().
 */
int qmp_balloon_set(struct qmp_balloon *balloon, uint64_t bytes,
		    qmp_done done, void *userdata)
{
	uint64_t memory = balloon->vm.memory;
	int rc;

	if (!memory)
		return -EAGAIN;
	if (bytes >= memory)
		return -ERANGE;
	rc = qmp_execute(balloon->qmp, "balloon",
			 json_pack("{s:I}", "value",
				   (json_int_t)(memory - bytes)),
			 done, userdata);
	if (rc)
		return rc;
	balloon->vm.target = bytes;
	balloon->reached = false;
	balloon->beyond = 0;
	return 0;
}

static void on_balloon_change(struct qmp_balloon *balloon, json_t *data)
{
	keep_take(balloon, json_object_get(data, "actual"));
	target_look(balloon, false);
}

static void on_stop(struct qmp_balloon *balloon, json_t *data)
{
	(void)data;
	balloon->vm.running = false;
}

static void on_resume(struct qmp_balloon *balloon, json_t *data)
{
	(void)data;
	balloon->vm.running = true;
}

static void on_shutdown(struct qmp_balloon *balloon, json_t *data)
{
	(void)data;
	balloon->vm.down = true;
}

/* Another kernel: what the last one said is void, and nobody asks it. */
static void on_reset(struct qmp_balloon *balloon, json_t *data)
{
	(void)data;
	balloon->vm.resets++;
	balloon->set_up = false;
	stats_forget(balloon);
}

/* Where somebody, as libvirt, has set the capability "events". */
static void on_migration(struct qmp_balloon *balloon, json_t *data)
{
	outgoing_take(balloon, data);
}

/* A DIMM came or went. */
static void on_memory(struct qmp_balloon *balloon, json_t *data)
{
	(void)data;
	balloon->full_ms = 0;
}

static void on_device_deleted(struct qmp_balloon *balloon, json_t *data)
{
	const char *path = json_string_value(json_object_get(data, "path"));

	balloon->full_ms = 0;
	if (path && balloon->path[0] && !strcmp(path, balloon->path))
		device_forget(balloon);
}

/**
 * qmp_balloon_event - something happened to the VM
 * @balloon:	its balloon
 * @name:	of the event
 * @data:	of the event
 */
void qmp_balloon_event(struct qmp_balloon *balloon, const char *name,
		       json_t *data)
{
	static const struct {
		const char *name;
		void (*take)(struct qmp_balloon *balloon, json_t *data);
	} events[] = {
		{ "BALLOON_CHANGE", on_balloon_change },
		{ "STOP", on_stop },
		{ "RESUME", on_resume },
		{ "SHUTDOWN", on_shutdown },
		{ "RESET", on_reset },
		{ "MIGRATION", on_migration },
		{ "DEVICE_DELETED", on_device_deleted },
		{ "ACPI_DEVICE_OST", on_memory },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		if (strcmp(name, events[i].name))
			continue;
		events[i].take(balloon, data);
		balloon->changed(balloon->userdata);
	}
}
