// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What people see.
 */
#include "ctl.h"
#include "size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/**
 * ctl_error - say what went wrong
 * @format:	as printf, without a newline
 */
void ctl_error(const char *format, ...)
{
	int saved = errno;
	va_list args;

	fputs("ballonetctl: ", stderr);
	errno = saved;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	errno = saved;
}

/**
 * ctl_print_json - print JSON on one line
 * @json:	what to print
 */
void ctl_print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
}

/* What the guest keeps of its memory with such a balloon. */
static uint64_t keeps(const struct interface_vm *vm, uint64_t balloon)
{
	return balloon < vm->memory ? vm->memory - balloon : 0;
}

/* A size of guest memory, or a dash while the guest's memory is not known. */
static const char *memory_text(const struct interface_vm *vm, uint64_t bytes,
			       char text[SIZE_TEXT_MAX])
{
	return vm->memory ? size_format(bytes, text) : "-";
}

static void table_row(const struct interface_vm *vm)
{
	char text[6][SIZE_TEXT_MAX];

	printf("%-20s %-9s %10s %10s %10s %10s %10s %10s %s\n", vm->name,
	       interface_state_names[vm->state],
	       memory_text(vm, vm->memory, text[0]),
	       memory_text(vm, keeps(vm, vm->target), text[1]),
	       memory_text(vm, keeps(vm, vm->actual), text[2]),
	       size_format(vm->actual, text[3]),
	       memory_text(vm, vm->resident, text[4]),
	       vm->demand == INTERFACE_UNKNOWN ? "-" :
	       size_format(vm->demand, text[5]),
	       vm->pressure ? vm->pressure : "-");
}

static void level_line(json_t *level)
{
	if (json_is_string(level))
		printf("%-16s %s\n", "host is", json_string_value(level));
}

/**
 * ctl_print_table - print all VMs, one a line, and how the host is
 * @list:	the answer to List; what is no Vm is left out
 */
void ctl_print_table(json_t *list)
{
	struct interface_vm vm;
	json_t *json;
	size_t i;

	printf("%-20s %-9s %10s %10s %10s %10s %10s %10s %s\n", "VM", "STATE",
	       "MEMORY", "TARGET", "CURRENT", "BALLOON", "ON HOST", "DEMAND",
	       "GUEST");
	json_array_foreach(json_object_get(list, "vms"), i, json)
		if (!interface_vm_unpack(json, &vm))
			table_row(&vm);
	if (json_object_get(list, "level"))
		putchar('\n');
	level_line(json_object_get(list, "level"));
}

static void size_line(const char *name, uint64_t bytes)
{
	char text[SIZE_TEXT_MAX];

	printf("%-16s %-11s %" PRIu64 "\n", name, size_format(bytes, text),
	       bytes);
}

/**
 * ctl_time_text - a time as people read it, in the machine's time zone
 * @us:		since the epoch
 * @text:	room for it
 *
 * Return: @text, or another text if it cannot be told.
 */
const char *ctl_time_text(uint64_t us, char text[CTL_TIME_MAX])
{
	time_t seconds = us / 1000000;
	struct tm tm;
	size_t len;

	if (!localtime_r(&seconds, &tm))
		return "?";
	len = strftime(text, CTL_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(text + len, CTL_TIME_MAX - len, ".%03u",
		 (unsigned int)(us / 1000 % 1000));
	return text;
}

static void event_lines(json_t *events)
{
	struct interface_event event;
	char time[CTL_TIME_MAX], size[SIZE_TEXT_MAX], name[32];
	json_t *json;
	size_t i;

	json_array_foreach(events, i, json) {
		if (interface_event_unpack(json, &event) ||
		    event.type == INTERFACE_EVENT_RESET)
			continue;
		snprintf(name, sizeof(name), "last %s",
			 interface_event_names[event.type]);
		printf("%-16s %-11s %" PRIu64 " at %s\n", name,
		       size_format(event.value, size), event.value,
		       ctl_time_text(event.time_us, time));
	}
}

/**
 * ctl_print_vm - print all about one VM: name, size and bytes a line
 * @vm:		the VM
 * @status:	the answer to Status, whose other members are shown, too
 */
void ctl_print_vm(const struct interface_vm *vm, json_t *status)
{
	json_t *feature;
	size_t i;

	printf("%-16s %s\n", "name", vm->name);
	printf("%-16s %s\n", "state", interface_state_names[vm->state]);
	if (vm->reason)
		printf("%-16s %s\n", "reason", vm->reason);
	if (vm->memory) {
		size_line("memory", vm->memory);
		size_line("target", keeps(vm, vm->target));
		size_line("current", keeps(vm, vm->actual));
	}
	size_line("balloon target", vm->target);
	size_line("operator wants", vm->operator);
	size_line("guest wishes", vm->wish);
	size_line("balloon", vm->actual);
	if (vm->memory)
		size_line("on host", vm->resident);
	if (vm->freed != INTERFACE_UNKNOWN)
		size_line("freed", vm->freed);
	else
		printf("%-16s -\n", "freed");
	if (vm->prefaulted != INTERFACE_UNKNOWN)
		size_line("prefaulted", vm->prefaulted);
	if (vm->standby || vm->taken) {
		size_line("standby", vm->standby);
		size_line("taken", vm->taken);
	}
	if (vm->pressure)
		printf("%-16s %s\n", "guest memory", vm->pressure);
	if (vm->demand != INTERFACE_UNKNOWN)
		size_line("demand", vm->demand);
	event_lines(json_object_get(status, "events"));
	printf("%-16s", "features");
	json_array_foreach(vm->features, i, feature)
		printf(" %s", json_string_value(feature));
	printf("%s\n", json_array_size(vm->features) ? "" : " none");
	level_line(json_object_get(status, "level"));
}

/**
 * ctl_print_line - print on one line how far a VM is
 * @vm:		the VM
 */
void ctl_print_line(const struct interface_vm *vm)
{
	char text[5][SIZE_TEXT_MAX];

	if (vm->memory)
		printf("%s: guest keeps %s of %s (target %s), ", vm->name,
		       size_format(keeps(vm, vm->actual), text[0]),
		       size_format(vm->memory, text[1]),
		       size_format(keeps(vm, vm->target), text[2]));
	else
		printf("%s: %s, ", vm->name, interface_state_names[vm->state]);
	printf("balloon %s (target %s)\n", size_format(vm->actual, text[3]),
	       size_format(vm->target, text[4]));
}

/**
 * ctl_print_numbers - print names and numbers, one a line
 * @numbers:	object of integers; what is no integer is left out
 */
void ctl_print_numbers(json_t *numbers)
{
	const char *name;
	json_t *value;

	json_object_foreach(numbers, name, value)
		if (json_is_integer(value))
			printf("%-24s %" JSON_INTEGER_FORMAT "\n", name,
			       json_integer_value(value));
}
