// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonetctl ladder: what the host does for its memory besides the balloons,
 * and what that brought.
 */
#include "ctl.h"
#include "size.h"

#include <stdio.h>
#include <string.h>

#define MS_US	1000

/* What is missing is a dash. */
static const char *size_of(json_t *object, const char *key,
			   char text[SIZE_TEXT_MAX])
{
	json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return "-";
	return size_format(json_integer_value(value), text);
}

static const char *string_of(json_t *object, const char *key)
{
	const char *string = json_string_value(json_object_get(object, key));

	return string ? string : "";
}

static json_int_t number_of(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void sums_line(json_t *sums, const char *name, const char *rest)
{
	char text[3][SIZE_TEXT_MAX];

	printf("%-12s %11s %11s %11s %9lld  %s\n", name,
	       size_of(sums, "asked", text[0]), size_of(sums, "freed", text[1]),
	       size_of(sums, "returned", text[2]),
	       (long long)number_of(sums, "time_us") / MS_US, rest);
}

static void rungs_lines(json_t *ladder)
{
	json_t *rung;
	size_t i;

	printf("%-12s %11s %11s %11s %9s  %s\n", "RUNG", "ASKED", "FREED",
	       "RETURNED", "MS", "STATE");
	json_array_foreach(json_object_get(ladder, "rungs"), i, rung)
		sums_line(rung, string_of(rung, "rung"),
			  json_is_true(json_object_get(rung, "on")) ? "on" :
			  string_of(rung, "reason"));
}

static void vms_lines(json_t *ladder)
{
	json_t *vms = json_object_get(ladder, "vms"), *vm;
	char rest[512];
	size_t i;

	if (!json_array_size(vms))
		return;
	printf("\n%-12s %11s %11s %11s %9s  %s\n", "PAGED OUT", "ASKED",
	       "FREED", "RETURNED", "MS", "BY");
	json_array_foreach(vms, i, vm) {
		snprintf(rest, sizeof(rest), "%s%s%s", string_of(vm, "way"),
			 string_of(vm, "reason")[0] ? ", left alone: " : "",
			 string_of(vm, "reason"));
		sums_line(vm, string_of(vm, "vm"), rest);
	}
}

static void swaps_lines(json_t *ladder)
{
	json_t *swaps = json_object_get(ladder, "swaps"), *swap;
	char text[3][SIZE_TEXT_MAX];
	size_t i;

	if (json_array_size(swaps))
		printf("\n%-20s %11s %11s %11s %8s\n", "SWAP", "SIZE", "USED",
		       "IN RAM", "PRIORITY");
	json_array_foreach(swaps, i, swap)
		printf("%-20s %11s %11s %11s %8d\n", string_of(swap, "name"),
		       size_of(swap, "size", text[0]),
		       size_of(swap, "used", text[1]),
		       size_of(swap, "occupied", text[2]),
		       (int)number_of(swap, "priority"));
}

static void nodes_lines(json_t *ladder)
{
	json_t *nodes, *node;
	char text[2][SIZE_TEXT_MAX];
	size_t i;

	nodes = json_object_get(json_object_get(ladder, "machine"), "nodes");
	if (json_array_size(nodes) < 2)
		return;
	printf("\n%-12s %11s %11s\n", "NODE", "TOTAL", "FREE");
	json_array_foreach(nodes, i, node)
		printf("%-12d %11s %11s\n", (int)number_of(node, "node"),
		       size_of(node, "total", text[0]),
		       size_of(node, "free", text[1]));
}

static void rivals_lines(json_t *ladder)
{
	json_t *rival;
	size_t i;

	json_array_foreach(json_object_get(ladder, "rivals"), i, rival)
		printf("\n%s (process %d) manages memory, too; %s\n",
		       string_of(rival, "name"), (int)number_of(rival, "pid"),
		       string_of(rival, "advice"));
}

static void ladder_lines(json_t *ladder)
{
	rungs_lines(ladder);
	vms_lines(ladder);
	swaps_lines(ladder);
	nodes_lines(ladder);
	rivals_lines(ladder);
}

/**
 * ctl_ladder - show what the host does for its memory
 * @ctl:	the control socket
 *
 * Return: an exit code.
 */
int ctl_ladder(struct ctl *ctl)
{
	return ctl_show(ctl, "io.ballonet.Governor.Ladder", NULL, "ladder",
			ladder_lines);
}
