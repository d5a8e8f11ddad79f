// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ladder as people and programs see it.
 */
#include "hostmem.h"
#include "ladder_parts.h"
#include "procfile.h"

#include <string.h>

/* A number that the kernel may not tell. */
static json_t *number(uint64_t value)
{
	return value <= INT64_MAX ? json_integer((json_int_t)value) : NULL;
}

static json_int_t sat(uint64_t value)
{
	return value <= INT64_MAX ? (json_int_t)value : INT64_MAX;
}

/* Why a rung is not used, or NULL. */
static const char *rung_trouble(const struct ladder *ladder,
				enum rung_kind kind)
{
	const struct rung *rung = &ladder->rungs[kind];
	const struct rival *rival;

	if (kind == RUNG_KSM)
		return ladder->merges ? NULL : ladder->ksm_reason;
	if (kind == RUNG_ZSWAP)
		return ladder->zswap.enabled ||
			!strcmp(ladder->zswap_reason, "on") ? NULL :
			ladder->zswap_reason;
	if (kind != RUNG_RECLAIM)
		return NULL;
	rival = ladder_rival(ladder, RIVAL_RECLAIM);
	if (!ladder_allows(ladder, kind))
		return "off: not in 'ladder'";
	return rival ? rival->name :
		rung_is_ready(rung, ladder->now_ms) ? NULL : rung->reason;
}

static json_t *rungs_pack(const struct ladder *ladder)
{
	json_t *array = json_array();
	const struct rung_sum *sum;
	const char *trouble;
	int kind;

	for (kind = 0; kind < RUNG_NR_KINDS; kind++) {
		sum = &ladder->rungs[kind].all;
		trouble = rung_trouble(ladder, kind);
		json_array_append_new(array, json_pack(
			"{s:s,s:b,s:s*,s:I,s:I,s:I,s:I,s:I}",
			"rung", rung_names[kind], "on", !trouble,
			"reason", trouble, "calls", sat(sum->calls),
			"asked", sat(sum->asked), "freed", sat(sum->freed),
			"returned", sat(sum->returned),
			"time_us", sat(sum->time_us)));
	}
	return array;
}

static json_t *ksm_pack(const struct ladder *ladder)
{
	const struct ksm *ksm = &ladder->ksm;

	if (!ladder->has_ksm)
		return NULL;
	return json_pack("{s:I,s:b,s:b,s:I,s:I,s:o*,s:i}",
			 "run", sat(ksm->run), "advisor", ksm->has_advisor,
			 "mixed", ladder->mixed,
			 "saved", sat(ksm_saved(ksm)),
			 "profit", (json_int_t)ksm->profit,
			 "full_scans", number(ksm->full_scans),
			 "processes", ladder->look.nr_merging > 0 ?
				ladder->look.nr_merging : 0);
}

static json_t *zswap_pack(struct ladder *ladder)
{
	struct hostmem mem;

	zswap_read(ladder->sys_fd, &ladder->zswap);
	if (!ladder->zswap.exists || hostmem_read(ladder->proc_fd, &mem))
		return NULL;
	return json_pack("{s:b,s:o*,s:o*,s:o*,s:i}",
			 "enabled", ladder->zswap.enabled,
			 "max_percent", number(ladder->zswap.max_percent),
			 "stored", number(mem.zswapped),
			 "occupied", number(mem.zswap),
			 "ratio", (int)swaps_ratio(mem.zswapped, mem.zswap));
}

static json_t *swaps_pack(const struct ladder *ladder)
{
	struct swap swaps[SWAPS_MAX];
	json_t *array = json_array();
	int i, nr = swaps_read(ladder->proc_fd, ladder->sys_fd, swaps);

	for (i = 0; i < nr; i++)
		json_array_append_new(array, json_pack(
			"{s:s,s:b,s:i,s:o*,s:o*,s:o*,s:o*}",
			"name", swaps[i].name,
			"compressed", swaps[i].compressed,
			"priority", swaps[i].priority,
			"size", number(swaps[i].size),
			"used", number(swaps[i].used),
			"stored", number(swaps[i].stored),
			"occupied", number(swaps[i].occupied)));
	return array;
}

static json_t *rivals_pack(const struct ladder *ladder)
{
	json_t *array = json_array();
	const struct rival *rival;
	int i;

	for (i = 0; i < ladder->look.nr_rivals; i++) {
		rival = &ladder->look.rivals[i];
		json_array_append_new(array, json_pack(
			"{s:s,s:i,s:s}", "name", rival->name,
			"pid", (int)rival->pid, "advice", rival->advice));
	}
	return array;
}

/* VMs that were paged out. */
static json_t *vms_pack(const struct ladder *ladder)
{
	json_t *array = json_array();
	const struct ladder_guest *guest;

	for (guest = ladder->guests; guest < ladder->guests + ladder->nr;
	     guest++) {
		if (!guest->rung.all.calls)
			continue;
		json_array_append_new(array, json_pack(
			"{s:s,s:s,s:s*,s:I,s:I,s:I,s:I}",
			"vm", guest->name,
			"way", guest->cgroup_fd >= 0 ? "cgroup" : "process",
			"reason", rung_is_ready(&guest->rung, ladder->now_ms) ?
				NULL : guest->rung.reason,
			"asked", sat(guest->rung.all.asked),
			"freed", sat(guest->rung.all.freed),
			"returned", sat(guest->rung.all.returned),
			"time_us", sat(guest->rung.all.time_us)));
	}
	return array;
}

/**
 * ladder_pack - what each rung did, and what the host has for it
 * @ladder:	the ladder
 *
 * Return: a Ladder of io.ballonet.Governor, or NULL if there is no memory.
 */
json_t *ladder_pack(struct ladder *ladder)
{
	return json_pack("{s:o,s:o*,s:o*,s:o,s:o,s:o}",
			 "rungs", rungs_pack(ladder),
			 "ksm", ksm_pack(ladder),
			 "zswap", zswap_pack(ladder),
			 "swaps", swaps_pack(ladder),
			 "vms", vms_pack(ladder),
			 "rivals", rivals_pack(ladder));
}
