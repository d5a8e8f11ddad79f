// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonetctl why, host and set VM auto: what the manager decides.
 */
#include "ctl.h"
#include "decision.h"
#include "size.h"

#include <inttypes.h>
#include <stdio.h>

/* Bytes for "1023.9 MiB of 1023.9 MiB" and the like. */
#define AGO_MAX	32

static const char *ago(uint64_t ms, char text[AGO_MAX])
{
	if (ms == DECISION_NEVER)
		return "never";
	snprintf(text, AGO_MAX, "%.1f s before", ms / 1000.0);
	return text;
}

static void evidence_lines(const struct decision *d)
{
	const struct plan_decision *plan = &d->plan;
	char text[4][SIZE_TEXT_MAX], time[2][AGO_MAX];

	printf("    host     %s: %s free, %s to keep free\n",
	       plan_level_names[d->level], size_format(d->free, text[0]),
	       size_format(d->min_free, text[1]));
	printf("    guest    keeps %s, uses %s (%s in the last minute), demands %s\n",
	       size_format(plan->current, text[0]),
	       size_format(plan->used, text[1]),
	       size_format(plan->working, text[2]),
	       size_format(plan->demand, text[3]));
	printf("    it says  %s available (%s); short of memory: %s%s\n",
	       d->available == PLAN_UNKNOWN ? "nothing is known to be" :
	       size_format(d->available, text[0]), ago(d->stats_ms, time[0]),
	       ago(d->short_ms, time[1]), plan->need ? "; is in need" : "");
	printf("    law      share %s, at least %s, at most %s\n",
	       size_format(plan->share, text[0]),
	       size_format(plan->floor, text[1]),
	       size_format(plan->ceiling, text[2]));
	if (d->standby)
		printf("    standby  %s, of which the host takes %s\n",
		       size_format(d->standby, text[0]),
		       size_format(d->take, text[1]));
	if (d->page_out)
		printf("    host     pages out %s of it\n",
		       size_format(d->page_out, text[0]));
}

static void steps_text(const struct decision *d)
{
	if (d->steps > 1)
		printf(" in %" PRIu64 " steps since %.1f s", d->steps,
		       (d->time_us - d->since_us) / 1e6);
}

static void decision_lines(const struct decision *d)
{
	char text[2][SIZE_TEXT_MAX], time[CTL_TIME_MAX];

	printf("%s  %s -> %s%s", ctl_time_text(d->time_us, time),
	       size_format(d->from, text[0]), size_format(d->to, text[1]),
	       d->dry ? " (dry run: not done)" : "");
	steps_text(d);
	printf("\n    %s: %s\n", plan_reason_names[d->plan.reason],
	       decision_meaning(d->plan.reason));
	evidence_lines(d);
}

static void now_lines(json_t *json)
{
	char text[SIZE_TEXT_MAX];
	struct decision d;

	if (decision_unpack(json, &d)) {
		puts("now: nothing has been decided");
		return;
	}
	printf("now: keeps %s%s\n    %s: %s\n", size_format(d.to, text),
	       d.dry ? " (dry run: nothing is done)" : "",
	       plan_reason_names[d.plan.reason],
	       decision_meaning(d.plan.reason));
	evidence_lines(&d);
}

static void why_lines(json_t *why)
{
	struct decision decision;
	json_t *json;
	size_t i;

	now_lines(json_object_get(why, "now"));
	json_array_foreach(json_object_get(why, "decisions"), i, json)
		if (!decision_unpack(json, &decision))
			decision_lines(&decision);
}

/**
 * ctl_why - show what was decided about a VM lately, and why
 * @ctl:	with @vm
 *
 * Return: an exit code.
 */
int ctl_why(struct ctl *ctl)
{
	return ctl_show(ctl, "io.ballonet.Governor.Why",
			json_pack("{s:s}", "vm", ctl->vm), NULL, why_lines);
}

/* What people see of a Host, in this order. */
static const struct {
	const char *name;
	const char *shown;
} sizes[] = {
	{ "total", "total" },
	{ "available", "available" },
	{ "free", "free" },
	{ "min_free", "to keep free" },
	{ "held", "held" },
	{ "budget", "for VMs" },
	{ "demand", "VMs demand" },
	{ "missing", "missing" },
};

static void host_lines(json_t *host)
{
	const char *manage = NULL, *level = NULL;
	json_int_t some = 0, full = 0;
	char text[SIZE_TEXT_MAX];
	json_t *value;
	size_t i;

	json_unpack(host, "{s?s,s?s,s?I,s?I}", "manage", &manage, "level",
		    &level, "stall_some", &some, "stall_full", &full);
	printf("%-16s %s\n", "manage", manage ? manage : "?");
	if (!level)
		return;
	printf("%-16s %s\n", "level", level);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		value = json_object_get(host, sizes[i].name);
		if (json_is_integer(value))
			printf("%-16s %-11s %" JSON_INTEGER_FORMAT "\n",
			       sizes[i].shown,
			       size_format(json_integer_value(value), text),
			       json_integer_value(value));
	}
	printf("%-16s some %.1f %%, all %.1f %%\n", "tasks waiting",
	       some / 10.0, full / 10.0);
}

/**
 * ctl_host - show how short the host is
 * @ctl:	the control socket
 *
 * Return: an exit code.
 */
int ctl_host(struct ctl *ctl)
{
	return ctl_show(ctl, "io.ballonet.Governor.Host", NULL, "host",
			host_lines);
}

/**
 * ctl_automatic - leave a VM's balloon to the manager
 * @ctl:	with @vm
 *
 * Return: an exit code.
 */
int ctl_automatic(struct ctl *ctl)
{
	return ctl_order(ctl, "io.ballonet.Governor.Automatic",
			 json_pack("{s:s}", "vm", ctl->vm));
}
