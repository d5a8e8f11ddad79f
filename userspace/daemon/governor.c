// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * Each period, sooner if the last plan says so, and at once when a guest tells
 * of its memory, the host's kernel of stalls, or a glance at the host shows
 * that its memory goes: a snapshot of the host and of all VMs goes through
 * plan(), and what comes out is done. Nothing here waits for a guest or a
 * back-end: the snapshot is what is known, with its age, and the planner takes
 * nothing on old evidence.
 *
 * What the planner remembers of a guest begins anew with each guest and with
 * each manager; it takes nothing before it has seen fresh evidence twice. So a
 * manager may end at any moment: the next one goes on from the balloons that it
 * finds.
 *
 * A dry run does all of that but to set the balloons.
 */
#include "governor_parts.h"
#include "log.h"
#include "plan_math.h"
#include "rivals.h"
#include "size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Plans for events are at least so far apart: the first event is acted upon at
 * once, the others of a burst together.
 */
#define BURST_MS	50
/* Between two plans the host is looked at so often. */
#define GLANCE_MS	250
/* A line about each new decision of a VM, of a restless one some. */
#define LINES_PER_S	1
#define LINES_AT_ONCE	8

static const struct conf_host *conf_of(const struct governor *governor)
{
	return &governor->manager->conf.host;
}

/**
 * governor_now - the time
 * @governor:	the governor
 *
 * Return: milliseconds of the loop.
 */
uint64_t governor_now(const struct governor *governor)
{
	return uv_now(governor->manager->settings.loop);
}

/**
 * governor_plan_in - make the next plan then, and not before
 * @governor:	the governor
 * @ms:		from now
 */
void governor_plan_in(struct governor *governor, uint64_t ms)
{
	governor->due_ms = governor_now(governor) + ms;
	alarm_set(governor->alarm, ms < GLANCE_MS ? ms : GLANCE_MS);
}

static int grow(void *array, size_t nr, size_t size)
{
	void **place = array;
	void *bigger = reallocarray(*place, nr, size);

	if (!bigger)
		return -ENOMEM;
	*place = bigger;
	return 0;
}

static int arrays_grow(struct governor *governor, size_t nr)
{
	int rc;

	if (nr <= governor->size)
		return 0;
	rc = grow(&governor->vms, nr, sizeof(void *)) ?:
		grow(&governor->guests, nr, sizeof(*governor->guests)) ?:
		grow(&governor->memories, nr, sizeof(*governor->memories)) ?:
		grow(&governor->decisions, nr, sizeof(*governor->decisions)) ?:
		grow(&governor->climbers, nr, sizeof(*governor->climbers));
	if (!rc)
		governor->size = nr;
	return rc;
}

/**
 * governor_vm_look - what is known of a VM, as far as the host can believe it
 * @governor:	the governor, with its host
 * @vm:		the VM
 * @ret_guest:	gets it
 */
void governor_vm_look(const struct governor *governor, struct vm *vm,
		      struct plan_guest *ret_guest)
{
	vm_snapshot(vm, ret_guest);
	/* Whatever a back-end says: what all occupy is the host's budget. */
	ret_guest->resident = min_u64(ret_guest->resident,
				      host_ram(governor->host));
}

static void guest_look(struct governor *governor, struct vm *vm,
		       struct plan_guest *ret_guest)
{
	const struct policy *policy = conf_policy(&governor->manager->conf,
						  vm->name);
	const struct plan_stats *stats = &ret_guest->stats;
	/* No other manager gets at the balloon of one of our back-ends. */
	bool has_rival = vm->way.kind == WAY_QMP &&
		ladder_rivals(governor->ladder) & RIVAL_BALLOON;

	governor_vm_look(governor, vm, ret_guest);
	policy_limits(policy, ret_guest->memory, host_ram(governor->host),
		      &ret_guest->limits);
	if (!policy_is_managed(policy, has_rival)) {
		ret_guest->flags |= PLAN_MANUAL;
		ret_guest->flags &= ~PLAN_PAGEABLE;
	}
	if (!vm->grant)
		ret_guest->wish = 0;
	/* Statistics that say nothing are none: nothing is gained by them. */
	if (stats->when_ms && stats->available == PLAN_UNKNOWN &&
	    stats->free == PLAN_UNKNOWN)
		ret_guest->flags &= ~PLAN_STATS;
	if (vm->governed.guest != vm->guest || !vm->governed.serial) {
		vm->governed.guest = vm->guest;
		vm->governed.serial = ++governor->serial;
		memset(&vm->governed.memory, 0, sizeof(vm->governed.memory));
		memset(&vm->governed.standby, 0,
		       sizeof(vm->governed.standby));
		vm->governed.now.time_us = 0;
	}
}

/* Return: how many VMs there are, with something in them; or -ENOMEM. */
static ssize_t guests_look(struct governor *governor)
{
	struct vm *vm;
	size_t nr = 0;
	int rc;

	for (vm = governor->manager->vms; vm; vm = vm->next)
		nr++;
	rc = arrays_grow(governor, nr);
	if (rc)
		return rc;
	nr = 0;
	for (vm = governor->manager->vms; vm; vm = vm->next) {
		guest_look(governor, vm, &governor->guests[nr]);
		if (!governor->guests[nr].memory) {
			vm->governed.now.time_us = 0;
			continue;
		}
		governor->memories[nr] = vm->governed.memory;
		governor->vms[nr++] = vm;
	}
	return nr;
}

static int host_look(struct governor *governor, size_t nr)
{
	struct plan_host *host = &governor->snapshot;
	uint64_t occupied = 0, period = conf_of(governor)->period_ms;
	size_t i;
	int rc;

	for (i = 0; i < nr; i++)
		occupied = add_sat(occupied, governor->guests[i].resident);
	rc = host_snapshot(governor->host, occupied, host);
	if (rc)
		return rc;
	/* As back-ends count, for whom 0 is never. */
	host->now_ms++;
	host->held = governor_held(governor, nr);
	if (!(conf_of(governor)->ladder & 1U << RUNG_RECLAIM))
		host->swap_free = 0;
	/* Looking more often makes no guest answer sooner. */
	host->period_ms = period > 1000 ? period : 1000;
	return 0;
}

static uint64_t since(uint64_t now_ms, uint64_t when_ms)
{
	if (!when_ms)
		return DECISION_NEVER;
	return when_ms < now_ms ? now_ms - when_ms : 0;
}

static void evidence(const struct governor *governor, size_t i,
		     struct decision *ret_decision)
{
	const struct plan_guest *guest = &governor->guests[i];
	uint64_t now_ms = governor->snapshot.now_ms;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*ret_decision = (struct decision){
		.time_us = now.tv_sec * UINT64_C(1000000) + now.tv_nsec / 1000,
		.from = guest->memory - (guest->target < guest->memory ?
					 guest->target : guest->memory),
		.to = governor->decisions[i].keep,
		.page_out = governor->decisions[i].page_out,
		.standby = guest->standby,
		.take = guest->taking,
		.dry = conf_of(governor)->manage != CONF_MANAGE_ON,
		.level = governor->summary.level,
		.free = governor->summary.free,
		.min_free = governor->summary.min_free,
		.plan = governor->decisions[i],
		.available = guest->stats.when_ms ? guest->stats.available :
			PLAN_UNKNOWN,
		.stats_ms = since(now_ms, guest->stats.when_ms),
		.short_ms = since(now_ms, guest->short_ms),
	};
}

static void decision_log_line(const struct decision *d, const char *vm)
{
	char text[5][SIZE_TEXT_MAX];

	log_info("%s: %s %s instead of %s: %s (host %s, %s free; uses %s, demands %s)",
		 vm, d->dry ? "would keep" : "keeps",
		 size_format(d->to, text[0]), size_format(d->from, text[1]),
		 plan_reason_names[d->plan.reason], plan_level_names[d->level],
		 size_format(d->free, text[2]),
		 size_format(d->plan.used, text[3]),
		 size_format(d->plan.demand, text[4]));
}

/*
 * What the guest then has: its own wish is granted by the back-end, also below
 * what the plan leaves it.
 */
static uint64_t balloon_of(const struct plan_guest *guest,
			   const struct plan_decision *plan)
{
	return max_u64(plan->balloon, min_u64(guest->wish, guest->memory));
}

static void act(struct governor *governor, size_t i)
{
	const struct plan_guest *guest = &governor->guests[i];
	const struct plan_decision *plan = &governor->decisions[i];
	struct vm *vm = governor->vms[i];
	struct governed *governed = &vm->governed;
	bool change = governor_moves(guest) &&
		balloon_of(guest, plan) != guest->target;

	governed->memory = governor->memories[i];
	evidence(governor, i, &governed->now);
	if (guest->taking && !governed->now.dry)
		governor_take(vm, guest->taking);
	if (!change)
		return;
	if (decision_log_add(&governed->log, &governed->now) &&
	    bucket_take(&governed->lines, governor_now(governor), LINES_PER_S,
			LINES_AT_ONCE))
		decision_log_line(&governed->now, vm->name);
	if (!governed->now.dry)
		vm_balloon(vm, plan->balloon);
}

static void level_log(const struct governor *governor, enum plan_level before)
{
	const struct plan_summary *summary = &governor->summary;
	char text[3][SIZE_TEXT_MAX];

	if (governor->planned && summary->level == before)
		return;
	log_info("host is %s: %s free, %s to keep free, %s for VMs",
		 plan_level_names[summary->level],
		 size_format(summary->free, text[0]),
		 size_format(summary->min_free, text[1]),
		 size_format(summary->budget, text[2]));
}

/**
 * governor_plan - plan, and do what comes out
 * @governor:	the governor, with its host
 *
 * Return: 0 or a negative errno, which is logged.
 */
int governor_plan(struct governor *governor)
{
	enum plan_level before = governor->summary.level;
	ssize_t nr, i;
	int rc;

	nr = guests_look(governor);
	rc = nr < 0 ? (int)nr : host_look(governor, nr);
	if (rc) {
		log_warn_rarely(&governor->trouble, "cannot plan: %s",
				strerror(-rc));
		return rc;
	}
	governor_take_look(governor, nr);
	plan(&governor->snapshot, &governor->memory, governor->guests,
	     governor->memories, governor->decisions, nr, &governor->summary);
	level_log(governor, before);
	governor->planned = true;
	governor->nr = nr;
	for (i = 0; i < nr; i++)
		act(governor, i);
	/* In a dry run no rung is allowed: that ends what was begun before. */
	governor_climb(governor);
	return 0;
}

static void on_alarm(void *userdata)
{
	struct governor *governor = userdata;
	uint64_t period = conf_of(governor)->period_ms;
	uint64_t now = governor_now(governor);

	if (now < governor->due_ms && !governor_glance(governor)) {
		governor_plan_in(governor, governor->due_ms - now);
		return;
	}
	(void)governor_plan(governor);
	if (governor->summary.look_ms && governor->summary.look_ms < period)
		period = governor->summary.look_ms;
	governor_plan_in(governor, period);
}

/**
 * governor_hurry - something has happened: plan now, or at the end of the burst
 * @governor:	the governor
 */
void governor_hurry(struct governor *governor)
{
	uint64_t now = governor_now(governor);
	uint64_t due = governor->urgent_ms + BURST_MS;

	if (!governor->host)
		return;
	if (due < now)
		due = now;
	if (governor->due_ms <= due)
		return;
	governor->urgent_ms = due;
	governor_plan_in(governor, due - now);
}

static void on_wake(void *userdata)
{
	governor_hurry(userdata);
}

/**
 * governor_told - a guest has told something
 * @governor:	the governor
 * @type:	what
 */
void governor_told(struct governor *governor, enum interface_event_type type)
{
	if (type == INTERFACE_EVENT_SHORT || type == INTERFACE_EVENT_PLENTY ||
	    type == INTERFACE_EVENT_WISH)
		governor_hurry(governor);
}

static void stop(struct governor *governor)
{
	struct vm *vm;

	alarm_clear(governor->alarm);
	ladder_destroy(&governor->ladder);
	host_destroy(&governor->host);
	governor->planned = false;
	governor->memory = (struct plan_host_memory){ 0 };
	for (vm = governor->manager->vms; vm; vm = vm->next) {
		memset(&vm->governed.memory, 0, sizeof(vm->governed.memory));
		vm->governed.now.time_us = 0;
	}
}

static void start(struct governor *governor)
{
	const struct host_options options = {
		.budget = conf_of(governor)->budget,
		.min_free = conf_of(governor)->reserve,
	};
	int rc = host_create(governor->manager->settings.loop, &options,
			     on_wake, governor, &governor->host);

	if (!rc)
		rc = ladder_create(governor->manager->settings.loop,
				   governor->host, &governor->ladder);
	if (rc) {
		host_destroy(&governor->host);
		log_err("cannot look at the host: %s; nothing is managed",
			strerror(-rc));
	}
}

/**
 * governor_configure - the configuration has been read
 * @governor:	the governor
 */
void governor_configure(struct governor *governor)
{
	const struct conf_host *conf = conf_of(governor);

	if (conf->manage == CONF_MANAGE_OFF) {
		if (governor->host)
			stop(governor);
		return;
	}
	if (governor->host)
		host_limit(governor->host, conf->budget, conf->reserve);
	else
		start(governor);
	if (!governor->host)
		return;
	/* A dry run only measures. */
	ladder_configure(governor->ladder,
			 conf->manage == CONF_MANAGE_ON ? conf->ladder : 0);
	governor_plan_in(governor, 0);
}

/**
 * governor_create - begin to govern
 * @manager:	whose VMs
 * @ret_governor: to be given to governor_destroy(); does nothing before
 *		governor_configure()
 *
 * Return: 0 or a negative errno.
 */
int governor_create(struct manager *manager, struct governor **ret_governor)
{
	struct governor *governor = calloc(1, sizeof(*governor));
	int rc;

	if (!governor)
		return -ENOMEM;
	governor->manager = manager;
	rc = alarm_create(manager->settings.loop, on_alarm, governor,
			  &governor->alarm);
	if (rc) {
		free(governor);
		return rc;
	}
	*ret_governor = governor;
	return 0;
}

/**
 * governor_destroy - govern no more; balloons stay as they are
 * @governor:	set to NULL; nothing happens if it is
 */
void governor_destroy(struct governor **governor)
{
	struct governor *g = *governor;

	if (!g)
		return;
	ladder_destroy(&g->ladder);
	host_destroy(&g->host);
	alarm_destroy(&g->alarm);
	free(g->vms);
	free(g->guests);
	free(g->memories);
	free(g->decisions);
	free(g->climbers);
	free(g);
	*governor = NULL;
}

/**
 * governor_level - how short the host is
 * @governor:	the governor
 *
 * Return: a name of plan_level_names, NULL if nothing is managed.
 */
const char *governor_level(const struct governor *governor)
{
	return governor->planned ?
		plan_level_names[governor->summary.level] : NULL;
}

/* The plan counts as free what it has taken of what is on standby; not yet. */
static uint64_t available_now(const struct governor *governor)
{
	return sub_sat(governor->snapshot.available, governor_taking(governor));
}

/**
 * governor_pack - the host as the governor sees it
 * @governor:	the governor
 *
 * Return: a Host of io.ballonet.Governor, or NULL if there is no memory.
 */
json_t *governor_pack(const struct governor *governor)
{
	const struct plan_summary *summary = &governor->summary;
	const struct plan_host *host = &governor->snapshot;

	if (!governor->planned)
		return json_pack("{s:s}", "manage",
			conf_manage_names[conf_of(governor)->manage]);
	return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:i}",
		"manage", conf_manage_names[conf_of(governor)->manage],
		"level", plan_level_names[summary->level],
		"total", (json_int_t)host->total,
		"available", (json_int_t)available_now(governor),
		"free", (json_int_t)summary->free,
		"min_free", (json_int_t)summary->min_free,
		"budget", (json_int_t)summary->budget,
		"demand", (json_int_t)summary->demand,
		"missing", (json_int_t)summary->missing,
		"held", (json_int_t)host->held,
		"stall_some", (int)host->stall_some,
		"stall_full", (int)host->stall_full);
}
