// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The manager's side of QMP, by itself: watches a VM and says what it sees, one
 * JSON object a line, for the tests.
 *
 * Usage: qmpctl [--borrow] SOCKET PERIOD_MS STATS_S
 *
 * A line on standard input is a balloon in bytes, or the word "end".
 * Lines: {"up": bool, "reason": text} and {"vm": {...}}.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../userspace/daemon/qmp_link.h"
#include "../../userspace/daemon/watch.h"

static struct qmp_link *qmp_link;
static struct watch *input;

/* -1 is what is not known. */
static json_t *number(uint64_t value)
{
	return json_integer(value == PROCFILE_UNKNOWN ? -1 :
			    (json_int_t)value);
}

static void print(json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

static void on_changed(void *userdata)
{
	const struct qmp_vm *vm = qmp_link_vm(qmp_link);
	json_t *stats = json_object();
	int i;

	for (i = 0; i < QMP_NR_STATS; i++)
		if (vm->stats[i] != PROCFILE_UNKNOWN)
			json_object_set_new(stats, qmp_stat_names[i],
					    number(vm->stats[i]));
	print(json_pack("{s:{s:I,s:b,s:o,s:o,s:b,s:b,s:b,s:i,s:i,s:I,s:I,s:o,"
			"s:i,s:i}}", "vm",
			"memory", (json_int_t)vm->memory,
			"present", vm->present,
			"actual", number(vm->actual),
			"target", number(vm->target),
			"running", vm->running,
			"migrating", vm->migrating,
			"down", vm->down,
			"deflate_on_oom", vm->deflate_on_oom,
			"reporting", vm->reporting,
			"impossible", (json_int_t)vm->impossible,
			"age_ms", vm->stats_ms ? (json_int_t)
				(uv_now(userdata) - vm->stats_ms) : -1,
			"stats", stats,
			"pid", (int)qmp_link_pid(qmp_link),
			"qemu", (int)qmp_link_version(qmp_link)[0]));
}

static void on_state(bool up, const char *reason, void *userdata)
{
	(void)userdata;
	print(json_pack("{s:b,s:s}", "up", up, "reason", reason));
}

static void on_input(void *userdata, int events)
{
	char text[32];
	ssize_t n;

	(void)userdata, (void)events;
	n = read(STDIN_FILENO, text, sizeof(text) - 1);
	if (n < 0 && errno == EAGAIN)
		return;
	text[n > 0 ? n : 0] = '\0';
	if (n > 0 && strcmp(text, "end\n")) {
		if (qmp_link_set(qmp_link, strtoull(text, NULL, 10)))
			print(json_pack("{s:s}", "refused", text));
		return;
	}
	watch_stop(&input);
	qmp_link_destroy(&qmp_link);
}

int main(int argc, char **argv)
{
	static const struct qmp_link_ops ops = {
		.changed = on_changed,
		.state = on_state,
	};
	bool borrow = argc == 5 && !strcmp(argv[1], "--borrow");
	uv_loop_t *loop = uv_default_loop();
	struct qmp_link_options options;
	struct fault fault;
	int rc;

	if (argc != 4 + borrow) {
		fprintf(stderr,
			"usage: qmpctl [--borrow] SOCKET PERIOD_MS STATS_S\n");
		return 2;
	}
	argv += borrow;
	options = (struct qmp_link_options){
		.path = argv[1],
		.mode = borrow ? QMP_LINK_BORROW : qmp_link_mode_for(argv[1]),
		.period_ms = (uint32_t)strtoul(argv[2], NULL, 10),
		.stats_s = (uint32_t)strtoul(argv[3], NULL, 10),
	};
	rc = qmp_link_create(loop, &options, &ops, loop, &qmp_link, &fault);
	if (rc) {
		fprintf(stderr, "%s: %s\n", argv[1], fault.text);
		return 1;
	}
	rc = watch_start(loop, STDIN_FILENO, UV_READABLE, on_input, NULL,
			 &input);
	if (rc) {
		fprintf(stderr, "standard input: %s\n", uv_strerror(rc));
		qmp_link_destroy(&qmp_link);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
	return !!rc;
}
