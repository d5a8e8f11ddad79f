// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The keys of the configuration: what they take, and where it goes.
 */
#include "conf_parts.h"
#include "rung.h"
#include "size.h"
#include "standby.h"

#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Devices count in frames of 4096 bytes. */
#define FRAME 4096

/* Below, the manager is busy with looking; above, guests are long dead. */
#define PERIOD_MIN_MS	250
#define PERIOD_MAX_MS	10000

static int set_text(struct reading *r, char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return conf_wrong(r, "out of memory");
	free(*text);
	*text = copy;
	return 0;
}

static int set_backend(struct reading *r, const char *value)
{
	if (value[0] != '/')
		return conf_wrong(r, "backend: '%s': expected an absolute path",
				  value);
	return set_text(r, &r->conf->backend, value);
}

static int set_vm_group(struct reading *r, const char *value)
{
	if (!*value)
		return conf_wrong(r, "vm_group: expected the name of a group");
	return set_text(r, &r->conf->vm_group, value);
}

static int set_control_group(struct reading *r, const char *value)
{
	if (!*value)
		return conf_wrong(r, "control_group: expected the name of a group");
	return set_text(r, &r->conf->control_group, value);
}

static int set_wish(struct reading *r, const char *key, const char *value,
		    enum conf_wish wish)
{
	struct conf_vm *vm = &r->conf->vms[r->item];
	uint64_t bytes;

	if (size_parse(value, &bytes) || bytes % FRAME)
		return conf_wrong(r, "%s: '%s': expected a size that is a multiple of 4 KiB, such as 512M or 1.5G",
				  key, value);
	vm->wish = wish;
	vm->bytes = bytes;
	return 0;
}

static int set_balloon(struct reading *r, const char *value)
{
	return set_wish(r, "balloon", value, CONF_WISH_BALLOON);
}

static int set_memory(struct reading *r, const char *value)
{
	return set_wish(r, "memory", value, CONF_WISH_MEMORY);
}

static int set_wishes(struct reading *r, const char *value)
{
	bool grant = !strcmp(value, "grant");

	if (!grant && strcmp(value, "report"))
		return conf_wrong(r, "wishes: '%s': expected grant or report",
				  value);
	r->conf->vms[r->item].grant = grant;
	return 0;
}

static int set_prefault(struct reading *r, const char *value)
{
	bool on = !strcmp(value, "on");

	if (!on && strcmp(value, "off"))
		return conf_wrong(r, "prefault: '%s': expected on or off",
				  value);
	r->conf->vms[r->item].prefault = on;
	return 0;
}

/*
 * What the manager does
 */

static int set_manage(struct reading *r, const char *value)
{
	int i;

	for (i = 0; i < CONF_NR_MANAGES; i++) {
		if (!strcmp(value, conf_manage_names[i])) {
			r->conf->host.manage = i;
			return 0;
		}
	}
	return conf_wrong(r, "manage: '%s': expected off, dry-run or on",
			  value);
}

static int size_above_0(struct reading *r, const char *key, const char *value,
			uint64_t *ret_bytes)
{
	uint64_t bytes;

	if (size_parse(value, &bytes) || !bytes)
		return conf_wrong(r, "%s: '%s': expected a size above 0, such as 512M or 1.5G",
				  key, value);
	*ret_bytes = bytes;
	return 0;
}

static int set_budget(struct reading *r, const char *value)
{
	return size_above_0(r, "budget", value, &r->conf->host.budget);
}

static int set_reserve(struct reading *r, const char *value)
{
	return size_above_0(r, "reserve", value, &r->conf->host.reserve);
}

static int set_period(struct reading *r, const char *value)
{
	double seconds;
	char *end;

	seconds = strtod(value, &end);
	if (end == value || *end || !(seconds * 1000 >= PERIOD_MIN_MS &&
				      seconds * 1000 <= PERIOD_MAX_MS))
		return conf_wrong(r, "period: '%s': expected %g to %g seconds",
				  value, PERIOD_MIN_MS / 1000.0,
				  PERIOD_MAX_MS / 1000.0);
	r->conf->host.period_ms = seconds * 1000;
	return 0;
}

/* What an operator decides; all else on the ladder is there or is not. */
static const enum rung_kind rungs[] = { RUNG_KSM, RUNG_ZSWAP, RUNG_RECLAIM };

/* Return: a bit, or 0. */
static unsigned int rung_find(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rungs); i++)
		if (strlen(rung_names[rungs[i]]) == len &&
		    !strncmp(rung_names[rungs[i]], word, len))
			return 1u << rungs[i];
	return 0;
}

static int set_ladder(struct reading *r, const char *value)
{
	const char *word = value;
	unsigned int all = 0, one;
	size_t len;

	if (strcmp(value, "none"))
		for (; (len = strcspn(word, " \t")); word += len,
		     word += strspn(word, " \t")) {
			one = rung_find(word, len);
			if (!one)
				break;
			all |= one;
		}
	if (strcmp(value, "none") && (*word || !all))
		return conf_wrong(r, "ladder: '%s': expected none, or some of ksm, zswap and reclaim",
				  value);
	r->conf->host.ladder = all;
	return 0;
}

/*
 * What is intended for a VM
 */

static struct policy *policy_of(struct reading *r, uint32_t given)
{
	struct conf *conf = r->conf;
	struct conf_place here = { conf->nr_files - 1, r->line };
	struct policy *policy;

	if (r->section == CONF_SECTION_CLASS) {
		conf->classes[r->item].place = here;
		policy = &conf->classes[r->item].policy;
	} else {
		conf->vms[r->item].place = here;
		policy = &conf->vms[r->item].policy;
	}
	policy->given |= given;
	return policy;
}

static int set_min(struct reading *r, const char *value)
{
	uint64_t bytes;

	if (size_parse(value, &bytes))
		return conf_wrong(r, "min: '%s': expected a size, such as 512M or 1.5G",
				  value);
	policy_of(r, POLICY_MIN)->min = bytes;
	return 0;
}

static int set_max(struct reading *r, const char *value)
{
	return size_above_0(r, "max", value, &policy_of(r, POLICY_MAX)->max);
}

static int number(struct reading *r, const char *key, const char *value,
		  uint32_t min, uint32_t max, const char *unit,
		  uint32_t *ret_number)
{
	unsigned long n;
	char *end;

	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || n < min || n > max)
		return conf_wrong(r, "%s: '%s': expected %u to %u%s", key,
				  value, min, max, unit);
	*ret_number = n;
	return 0;
}

static int set_shares(struct reading *r, const char *value)
{
	return number(r, "shares", value, 0, PLAN_SHARES_MAX, "",
		      &policy_of(r, POLICY_SHARES)->shares);
}

static int set_cap(struct reading *r, const char *value)
{
	return number(r, "cap", value, 1, 100, " (percent)",
		      &policy_of(r, POLICY_CAP)->cap);
}

static int set_cap_swapless(struct reading *r, const char *value)
{
	return number(r, "cap_swapless", value, 1, 100, " (percent)",
		      &policy_of(r, POLICY_CAP_SWAPLESS)->cap_swapless);
}

static int set_tolerance(struct reading *r, const char *value)
{
	return number(r, "tolerance", value, 1, 1000, " (permille)",
		      &policy_of(r, POLICY_TOLERANCE)->tolerance);
}

static int set_share_group(struct reading *r, const char *value)
{
	struct policy *policy;

	if (!interface_name_valid(value))
		return conf_wrong(r, "share_group: '%s': expected a name, as of a VM",
				  value);
	policy = policy_of(r, POLICY_SHARE_GROUP);
	snprintf(policy->share_group, sizeof(policy->share_group), "%s",
		 value);
	return 0;
}

static int set_rivals(struct reading *r, const char *value)
{
	int i;

	for (i = 0; i < POLICY_NR_RIVALS; i++) {
		if (!strcmp(value, policy_rivals_names[i])) {
			policy_of(r, POLICY_RIVALS)->rivals = i;
			return 0;
		}
	}
	return conf_wrong(r, "rivals: '%s': expected respect or ignore",
			  value);
}

static int set_standby(struct reading *r, const char *value)
{
	enum standby_mode mode = standby_mode_find(value);

	if (mode == NR_STANDBY_MODES)
		return conf_wrong(r, "standby: '%s': expected off, on-demand or eager",
				  value);
	policy_of(r, POLICY_STANDBY)->standby = mode;
	return 0;
}

static int set_class(struct reading *r, const char *value)
{
	struct conf_vm *vm = &r->conf->vms[r->item];

	if (!interface_name_valid(value))
		return conf_wrong(r, "class: '%s': expected the NAME of a [class NAME]",
				  value);
	snprintf(vm->class, sizeof(vm->class), "%s", value);
	vm->class_place = (struct conf_place){ r->conf->nr_files - 1,
					       r->line };
	return 0;
}

/*
 * The way to a VM
 */

static int set_way(struct reading *r, enum way_kind kind, const char *value)
{
	struct fault fault;

	if (way_set_path(&r->conf->vms[r->item].way, kind, value, &fault))
		return conf_wrong(r, "%s", fault.text);
	return 0;
}

static int set_qmp(struct reading *r, const char *value)
{
	return set_way(r, WAY_QMP, value);
}

static int set_pidfile(struct reading *r, const char *value)
{
	return set_way(r, WAY_PROCESS, value);
}

static int set_qmp_mode(struct reading *r, const char *value)
{
	struct fault fault;

	if (way_set_mode(&r->conf->vms[r->item].way, value, &fault))
		return conf_wrong(r, "%s", fault.text);
	return 0;
}

static int set_qmp_period(struct reading *r, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end ||
	    !(seconds * 1000 >= WAY_PERIOD_MIN_MS &&
	      seconds * 1000 <= WAY_PERIOD_MAX_MS))
		return conf_wrong(r, "qmp_period: '%s': expected %g to %g seconds",
				  value, WAY_PERIOD_MIN_MS / 1000.0,
				  WAY_PERIOD_MAX_MS / 1000.0);
	r->conf->vms[r->item].way.period_ms = seconds * 1000;
	return 0;
}

/*
 * The table
 */

#define MANAGER	(1u << CONF_SECTION_MANAGER)
#define HOST	(1u << CONF_SECTION_HOST)
#define CLASS	(1u << CONF_SECTION_CLASS)
#define VM	(1u << CONF_SECTION_VM)

/* Of balloon and memory. */
#define GROUP_WISH	3
/* Of qmp and pidfile. */
#define GROUP_WAY	12

/* Keys of one group exclude each other in one section of one file. */
static const struct key {
	unsigned int sections;
	const char *name;
	unsigned int group;
	int (*set)(struct reading *r, const char *value);
} keys[] = {
	{ MANAGER, "backend", 0, set_backend },
	{ MANAGER, "vm_group", 1, set_vm_group },
	{ MANAGER, "control_group", 2, set_control_group },
	{ HOST, "manage", 0, set_manage },
	{ HOST, "budget", 1, set_budget },
	{ HOST, "reserve", 2, set_reserve },
	{ HOST, "period", 3, set_period },
	{ HOST, "ladder", 4, set_ladder },
	{ VM, "balloon", GROUP_WISH, set_balloon },
	{ VM, "memory", GROUP_WISH, set_memory },
	{ VM, "wishes", 4, set_wishes },
	{ VM, "prefault", 17, set_prefault },
	{ VM, "class", 5, set_class },
	{ VM, "qmp", GROUP_WAY, set_qmp },
	{ VM, "pidfile", GROUP_WAY, set_pidfile },
	{ VM, "qmp_mode", 13, set_qmp_mode },
	{ VM, "qmp_period", 14, set_qmp_period },
	{ VM | CLASS, "min", 6, set_min },
	{ VM | CLASS, "max", 7, set_max },
	{ VM | CLASS, "shares", 8, set_shares },
	{ VM | CLASS, "cap", 9, set_cap },
	{ VM | CLASS, "cap_swapless", 10, set_cap_swapless },
	{ VM | CLASS, "tolerance", 11, set_tolerance },
	{ VM | CLASS, "share_group", 15, set_share_group },
	{ VM | CLASS, "rivals", 16, set_rivals },
	{ VM | CLASS, "standby", 18, set_standby },
};

#define POLICY_KEYS "min, max, shares, cap, cap_swapless, tolerance, share_group, rivals or standby"

static const char *const section_keys[CONF_NR_SECTIONS] = {
	[CONF_SECTION_NONE] = "[manager], [host], [class NAME] or [vm NAME] before the first key",
	[CONF_SECTION_MANAGER] = "backend, vm_group or control_group",
	[CONF_SECTION_HOST] = "manage, budget, reserve, period or ladder",
	[CONF_SECTION_CLASS] = POLICY_KEYS,
	[CONF_SECTION_VM] = ("balloon, memory, wishes, prefault, class, qmp, qmp_mode, qmp_period, pidfile, " POLICY_KEYS),
};

/**
 * conf_key_set() - take in a line
 * @r:		what is being read
 * @name:	the key
 * @value:	likewise
 *
 * Return: 0 or -EINVAL.
 */
int conf_key_set(struct reading *r, const char *name, const char *value)
{
	const struct key *key;

	for (key = keys; key < keys + ARRAY_SIZE(keys); key++)
		if (key->sections & 1u << r->section &&
		    !strcmp(key->name, name))
			break;
	if (key == keys + ARRAY_SIZE(keys))
		return conf_wrong(r, "unknown key '%s': expected %s", name,
				  section_keys[r->section]);
	if (r->given & 1u << key->group)
		return conf_wrong(r, "%s: expected once in a section%s", name,
				  key->sections != VM ? "" :
				  key->group == GROUP_WISH ?
				  ", and either balloon or memory" :
				  key->group == GROUP_WAY ?
				  ", and either qmp or pidfile" : "");
	r->given |= 1u << key->group;
	return key->set(r, value);
}
