// SPDX-License-Identifier: GPL-2.0-or-later
#include "decision.h"

#include <errno.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A target goes in steps; steps that follow so soon are one decision. */
#define SAME_US		(10 * 1000 * 1000)

static const char *const meanings[PLAN_NR_REASONS] = {
	[PLAN_STEADY] = "there is nothing to change, or too little to be worth it",
	[PLAN_NEED] = "the guest is in need of memory",
	[PLAN_GROW] = "the guest gets what it demands",
	[PLAN_SPARE] = "the host has more than all VMs demand",
	[PLAN_TAKE_IDLE] = "the host is short: what the VM does not use goes first",
	[PLAN_TAKE_CACHE] = "the host is short: the guest's caches go",
	[PLAN_TAKE_SHARE] = "the host is very short: the VM has more than its share",
	[PLAN_HOLD] = "nothing is taken so soon after something was given",
	[PLAN_STALE] = "nothing is taken: the guest's statistics are too old",
	[PLAN_ADOPTED] = "nothing is taken before the guest has sent statistics twice",
	[PLAN_STUCK] = "its balloon does not move; it is asked again later",
	[PLAN_FIXED] = "it has no driver, or its memory must not be taken",
	[PLAN_BY_HAND] = "its balloon was set by hand, or it is not to be managed",
	[PLAN_IS_FROZEN] = "it is paused, migrates or does not answer: its balloon is left alone",
	[PLAN_WISH] = "its administrator wishes for a balloon",
	[PLAN_LIMIT] = "it had more than its maximum",
};

/**
 * decision_meaning - a reason as a sentence
 * @reason:	why
 *
 * Return: the sentence, without a full stop.
 */
const char *decision_meaning(enum plan_reason reason)
{
	return meanings[reason];
}

static int direction(const struct decision *decision)
{
	if (decision->to == decision->from)
		return 0;
	return decision->to > decision->from ? 1 : -1;
}

static bool goes_on(const struct decision *last, const struct decision *next)
{
	uint64_t reached = last->dry ? last->from : last->to;

	return next->from == reached &&
		last->plan.reason == next->plan.reason &&
		last->dry == next->dry && direction(last) == direction(next) &&
		next->time_us >= last->time_us &&
		next->time_us - last->time_us <= SAME_US;
}

/**
 * decision_log_add - note a decision
 * @log:	where; the oldest one is forgotten if there is no room
 * @decision:	of one plan; since_us and steps are filled in
 *
 * One more step in the direction of the last decision for the same reason
 * becomes part of it: its evidence is the newest, its beginning stays.
 *
 * Return: true if it is a new one.
 */
bool decision_log_add(struct decision_log *log, const struct decision *decision)
{
	size_t last = (log->nr + DECISION_LOG_MAX - 1) % DECISION_LOG_MAX;
	struct decision next = *decision;

	next.since_us = decision->time_us;
	next.steps = 1;
	if (!log->nr || !goes_on(&log->entries[last], decision)) {
		log->entries[log->nr++ % DECISION_LOG_MAX] = next;
		return true;
	}
	next.since_us = log->entries[last].since_us;
	next.steps = log->entries[last].steps + 1;
	next.from = log->entries[last].from;
	log->entries[last] = next;
	return false;
}

/**
 * decision_log_get - look at a decision
 * @log:	where
 * @age:	0 is the newest
 *
 * Return: the decision, or NULL if there is none so old.
 */
const struct decision *decision_log_get(const struct decision_log *log,
					size_t age)
{
	if (age >= log->nr || age >= DECISION_LOG_MAX)
		return NULL;
	return &log->entries[(log->nr - 1 - age) % DECISION_LOG_MAX];
}

/* Numbers of a Decision, in the order in which they are shown. */
static const struct {
	const char *name;
	size_t offset;
	/* null if it is UINT64_MAX */
	bool optional;
} numbers[] = {
	{ "time_us", offsetof(struct decision, time_us), false },
	{ "since_us", offsetof(struct decision, since_us), false },
	{ "steps", offsetof(struct decision, steps), false },
	{ "from", offsetof(struct decision, from), false },
	{ "to", offsetof(struct decision, to), false },
	{ "page_out", offsetof(struct decision, page_out), false },
	{ "standby", offsetof(struct decision, standby), false },
	{ "take", offsetof(struct decision, take), false },
	{ "free", offsetof(struct decision, free), false },
	{ "min_free", offsetof(struct decision, min_free), false },
	{ "current", offsetof(struct decision, plan.current), false },
	{ "used", offsetof(struct decision, plan.used), false },
	{ "working", offsetof(struct decision, plan.working), false },
	{ "demand", offsetof(struct decision, plan.demand), false },
	{ "floor", offsetof(struct decision, plan.floor), false },
	{ "ceiling", offsetof(struct decision, plan.ceiling), false },
	{ "occupied", offsetof(struct decision, plan.occupied), false },
	{ "share", offsetof(struct decision, plan.share), false },
	{ "available", offsetof(struct decision, available), true },
	{ "stats_ms", offsetof(struct decision, stats_ms), true },
	{ "short_ms", offsetof(struct decision, short_ms), true },
};

static uint64_t *number_of(struct decision *decision, size_t i)
{
	return (uint64_t *)((char *)decision + numbers[i].offset);
}

/* What JSON cannot carry is cut off. */
static json_t *number_pack(uint64_t value, bool optional)
{
	if (optional && value == UINT64_MAX)
		return json_null();
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/**
 * decision_pack - a Decision as JSON
 * @decision:	the decision
 *
 * Return: a new reference, or NULL if there is no memory.
 */
json_t *decision_pack(const struct decision *decision)
{
	struct decision copy = *decision;
	json_t *json;
	size_t i;

	json = json_pack("{s:s,s:s,s:s,s:b,s:b}",
			 "reason", plan_reason_names[decision->plan.reason],
			 "meaning", decision_meaning(decision->plan.reason),
			 "level", plan_level_names[decision->level],
			 "need", decision->plan.need, "dry_run", decision->dry);
	for (i = 0; json && i < ARRAY_SIZE(numbers); i++)
		json_object_set_new(json, numbers[i].name,
				    number_pack(*number_of(&copy, i),
						numbers[i].optional));
	return json;
}

/* Return: its place in @names, or -1. */
static int name_find(const json_t *name, const char *const *names, int nr)
{
	const char *text = json_string_value(name);
	int i;

	for (i = 0; text && i < nr; i++)
		if (!strcmp(text, names[i]))
			return i;
	return -1;
}

static int number_unpack(const json_t *json, bool optional, uint64_t *ret_value)
{
	/* An older manager does not tell all of them. */
	if (!json && !optional) {
		*ret_value = 0;
		return 0;
	}
	if (optional && (!json || json_is_null(json))) {
		*ret_value = UINT64_MAX;
		return 0;
	}
	if (!json_is_integer(json) || json_integer_value(json) < 0)
		return -EBADMSG;
	*ret_value = json_integer_value(json);
	return 0;
}

/**
 * decision_unpack - a Decision from JSON
 * @json:	what came from a server
 * @ret_decision: the decision
 *
 * Return: 0, or -EBADMSG if it is no Decision.
 */
int decision_unpack(json_t *json, struct decision *ret_decision)
{
	struct decision decision = { 0 };
	int reason, level;
	size_t i;

	reason = name_find(json_object_get(json, "reason"), plan_reason_names,
			   PLAN_NR_REASONS);
	level = name_find(json_object_get(json, "level"), plan_level_names,
			  PLAN_NR_LEVELS);
	if (reason < 0 || level < 0)
		return -EBADMSG;
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (number_unpack(json_object_get(json, numbers[i].name),
				  numbers[i].optional,
				  number_of(&decision, i)))
			return -EBADMSG;
	decision.plan.reason = reason;
	decision.plan.need = json_is_true(json_object_get(json, "need"));
	decision.dry = json_is_true(json_object_get(json, "dry_run"));
	decision.level = level;
	*ret_decision = decision;
	return 0;
}
