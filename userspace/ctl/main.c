// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonetctl: the operator's tool. Command line, table of verbs.
 */
#include "ctl.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Long enough for a large guest, short enough for a script that hangs on it. */
#define WAIT_DEFAULT_MS	60000
#define WAIT_MAX_S	86400
/* As the manager has it. */
#define HOLD_MAX_S	86400

enum option_key {
	OPTION_FOR = 256,
	OPTION_NAME,
	OPTION_QMP,
	OPTION_QMP_MODE,
	OPTION_PIDFILE,
};

static int list(struct ctl *ctl)
{
	return ctl_show(ctl, "io.ballonet.List", NULL,
			ctl->json ? "vms" : NULL, ctl_print_table);
}

static int status(struct ctl *ctl)
{
	struct varlink_reply reply;
	struct interface_vm vm;
	int rc;

	rc = ctl_status(ctl, "io.ballonet.Status",
			json_pack("{s:s}", "vm", ctl->vm), &reply, &vm);
	if (rc)
		return rc;
	if (ctl->json)
		ctl_print_json(json_object_get(reply.parameters, "vm"));
	else
		ctl_print_vm(&vm, reply.parameters);
	varlink_reply_deinit(&reply);
	return CTL_OK;
}

static void stats_lines(json_t *answer)
{
	ctl_print_numbers(json_object_get(answer, "stats"));
	printf("%-24s %" JSON_INTEGER_FORMAT "\n", "age_ms",
	       json_integer_value(json_object_get(answer, "age_ms")));
}

static int stats(struct ctl *ctl)
{
	return ctl_show(ctl, "io.ballonet.Stats",
			json_pack("{s:s}", "vm", ctl->vm), NULL, stats_lines);
}

static int counters(struct ctl *ctl)
{
	return ctl_show(ctl, "io.ballonet.Counters",
			json_pack("{s:s}", "vm", ctl->vm), "counters",
			ctl_print_numbers);
}

static void path_line(json_t *answer)
{
	const char *path = json_string_value(json_object_get(answer,
							     "socket"));

	puts(path ? path : "?");
}

static int add(struct ctl *ctl)
{
	return ctl_show(ctl, "io.ballonet.Manager.Add",
			json_pack("{s:s,s:s*,s:s*,s:s*}", "vm", ctl->vm,
				  "qmp", ctl->qmp, "qmp_mode", ctl->qmp_mode,
				  "pidfile", ctl->pidfile), NULL, path_line);
}

static int order(struct ctl *ctl, const char *method)
{
	return ctl_order(ctl, method, json_pack("{s:s*}", "vm", ctl->vm));
}

static int drop(struct ctl *ctl)
{
	return order(ctl, "io.ballonet.Manager.Remove");
}

static int restart(struct ctl *ctl)
{
	return order(ctl, "io.ballonet.Manager.Restart");
}

static int reload(struct ctl *ctl)
{
	return order(ctl, "io.ballonet.Manager.Reload");
}

/* Which arguments and options a verb takes. */
#define VM	(1u << 0)
#define SIZE	(1u << 1)
#define SETTING	(1u << 2)
/* of these, the VM may be left out */
#define ANY_VM	(1u << 3)
#define LAST	(1u << 4)
#define LEASE	(1u << 5)
#define WAY	(1u << 6)

static const struct verb {
	const char *name;
	const char *usage;
	const char *summary;
	unsigned int takes;
	int (*run)(struct ctl *ctl);
} verbs[] = {
	{ "list", "list", "all VMs", 0, list },
	{ "status", "status VM", "all about one VM", VM, status },
	{ "set", "set VM SIZE", "leave the guest SIZE of its memory",
	  VM | SIZE | SETTING, ctl_set },
	{ "set", "set VM --balloon=SIZE", "take SIZE from the guest",
	  VM | SIZE | SETTING, ctl_set },
	{ "take", "take VM SIZE", "take SIZE of what is on standby",
	  VM | SIZE, ctl_take },
	{ "set", "set VM auto", "leave its balloon to the manager",
	  VM | SIZE | SETTING, ctl_set },
	{ "why", "why VM", "what was decided about it lately, and why", VM,
	  ctl_why },
	{ "host", "host", "how short the host is of memory", 0, ctl_host },
	{ "ladder", "ladder",
	  "what the host does for its memory, and what it brought", 0,
	  ctl_ladder },
	{ "admit", "admit SIZE",
	  "can a VM start that is promised SIZE? hold it for --for seconds",
	  SIZE | LEASE, ctl_admit },
	{ "release", "release NAME", "what admit holds is no longer needed", VM,
	  ctl_release },
	{ "stats", "stats VM", "what the guest says about its memory", VM,
	  stats },
	{ "counters", "counters VM", "what the back-end counted", VM,
	  counters },
	{ "events", "events [VM]", "what guests tell, as it comes",
	  VM | ANY_VM | LAST, ctl_events },
	{ "add", "add VM", "listen for a VMM, print the socket's path",
	  VM | WAY, add },
	{ "add", "add VM --qmp=PATH", "manage the balloon of a QEMU",
	  VM | WAY, add },
	{ "remove", "remove VM", "forget a VM without VMM", VM, drop },
	{ "restart", "restart VM", "replace the VM's back-end process", VM,
	  restart },
	{ "reload", "reload", "read ballonetd's configuration again", 0,
	  reload },
};

static const struct {
	int code;
	const char *meaning;
} exit_codes[] = {
	{ CTL_OK, "done; with --wait: the target is reached" },
	{ CTL_FAILURE, "failed, for another reason than those below" },
	{ CTL_USAGE, "wrong arguments, or a value out of range" },
	{ CTL_PARTIAL, "--wait: the target was not reached in time; take: less" },
	{ CTL_UNKNOWN_VM, "there is no such VM" },
	{ CTL_UNREACHABLE, "no answer on the control socket" },
	{ CTL_NOT_READY, "the VM is not ready for this" },
	{ CTL_DENIED, "permission denied" },
	{ CTL_NO_ROOM, "admit: there is no room" },
};

struct arguments {
	struct ctl *ctl;
	const struct verb *verb;
	bool setting;
};

static const struct argp_option options[] = {
	{ "control", 'c', "PATH", 0,
	  "control socket of ballonetd, or of one vhost-user-balloon (default "
	  CTL_CONTROL_PATH ")", 0 },
	{ "json", 'j', NULL, 0, "print answers as JSON", 0 },
	{ "balloon", 'b', "SIZE", 0, "set: the balloon's size", 0 },
	{ "wait", 'w', "SECONDS", OPTION_ARG_OPTIONAL,
	  "set: wait until the target is reached (at most 60 s)", 0 },
	{ "last", 'l', NULL, 0,
	  "events: the last of each type, and do not wait", 0 },
	{ "qmp", OPTION_QMP, "PATH", 0,
	  "add: the VMM has a balloon, and a monitor at PATH", 0 },
	{ "qmp-mode", OPTION_QMP_MODE, "MODE", 0,
	  "add: hold the monitor, or borrow it for each question (default auto: by its path)",
	  0 },
	{ "pidfile", OPTION_PIDFILE, "PATH", 0,
	  "add: the VM has no balloon, its process' number is in PATH", 0 },
	{ "for", OPTION_FOR, "SECONDS", 0,
	  "admit: hold the room for so long (default 60)", 0 },
	{ "name", OPTION_NAME, "VM", 0,
	  "admit: the VM that is to start (default: a name is made up)", 0 },
	{ 0 },
};

static void for_parse(struct argp_state *state, struct ctl *ctl,
		      const char *text)
{
	char *end;
	long seconds = strtol(text, &end, 10);

	if (end == text || *end || seconds < 1 || seconds > HOLD_MAX_S)
		argp_error(state, "--for: '%s' is not 1 to %d seconds", text,
			   HOLD_MAX_S);
	ctl->seconds = seconds;
}

static void wait_parse(struct argp_state *state, struct ctl *ctl,
		       const char *text)
{
	char *end;
	double seconds;

	ctl->wait = true;
	ctl->wait_ms = WAIT_DEFAULT_MS;
	if (!text)
		return;
	seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= 0 && seconds <= WAIT_MAX_S))
		argp_error(state, "--wait: '%s' is not 0 to %d seconds", text,
			   WAIT_MAX_S);
	ctl->wait_ms = seconds * 1000;
}

static const struct verb *verb_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static void argument_parse(struct argp_state *state, struct arguments *args,
			   char *text)
{
	struct ctl *ctl = args->ctl;

	if (!args->verb) {
		args->verb = verb_find(text);
		if (!args->verb)
			argp_error(state, "no such command: %s", text);
	} else if (args->verb->takes & VM && !ctl->vm) {
		ctl->vm = text;
	} else if (args->verb->takes & SIZE && !ctl->size) {
		ctl->size = text;
	} else {
		argp_error(state, "%s: too many arguments: %s",
			   args->verb->name, text);
	}
}

static void arguments_check(struct argp_state *state,
			    const struct arguments *args)
{
	if (!args->verb)
		argp_error(state, "a command is missing");
	else if (args->verb->takes & VM && !(args->verb->takes & ANY_VM) &&
		 !args->ctl->vm)
		argp_error(state, "%s: the name of a VM is missing",
			   args->verb->name);
	else if (args->setting && !(args->verb->takes & SETTING))
		argp_error(state, "%s: --balloon and --wait belong to set",
			   args->verb->name);
	else if ((args->ctl->qmp || args->ctl->qmp_mode ||
		  args->ctl->pidfile) && !(args->verb->takes & WAY))
		argp_error(state, "%s: --qmp, --qmp-mode and --pidfile belong to add",
			   args->verb->name);
	else if (args->ctl->last && !(args->verb->takes & LAST))
		argp_error(state, "%s: --last belongs to events",
			   args->verb->name);
	else if ((args->ctl->seconds || args->ctl->name) &&
		 !(args->verb->takes & LEASE))
		argp_error(state, "%s: --for and --name belong to admit",
			   args->verb->name);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case 'c':
		args->ctl->control = text;
		return 0;
	case 'j':
		args->ctl->json = true;
		return 0;
	case 'b':
		args->ctl->balloon = text;
		args->setting = true;
		return 0;
	case OPTION_QMP:
		args->ctl->qmp = text;
		return 0;
	case OPTION_QMP_MODE:
		args->ctl->qmp_mode = text;
		return 0;
	case OPTION_PIDFILE:
		args->ctl->pidfile = text;
		return 0;
	case 'l':
		args->ctl->last = true;
		return 0;
	case 'w':
		wait_parse(state, args->ctl, text);
		args->setting = true;
		return 0;
	case OPTION_FOR:
		for_parse(state, args->ctl, text);
		return 0;
	case OPTION_NAME:
		args->ctl->name = text;
		return 0;
	case ARGP_KEY_ARG:
		argument_parse(state, args, text);
		return 0;
	case ARGP_KEY_END:
		arguments_check(state, args);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The tables above are the help's text. */
static char *help(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t len, i;
	FILE *f;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	f = open_memstream(&out, &len);
	if (!f)
		return NULL;
	fputs("Commands:\n", f);
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  %-24s %s\n", verbs[i].usage, verbs[i].summary);
	fputs("\nA SIZE is bytes, or a number with K, M, G or T (powers of 1024): 512M, 1.5G.\n",
	      f);
	fputs("\nExit codes:\n", f);
	for (i = 0; i < ARRAY_SIZE(exit_codes); i++)
		fprintf(f, "  %d  %s\n", exit_codes[i].code,
			exit_codes[i].meaning);
	return fclose(f) ? NULL : out;
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fputs("ballonetctl " BALLONET_VERSION "\n", stream);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "COMMAND [VM [SIZE]]",
		.doc = "See and set how much memory VMs keep.\v ",
		.help_filter = help,
	};
	struct ctl ctl = { .control = CTL_CONTROL_PATH, .fd = -1 };
	struct arguments args = { .ctl = &ctl };
	int rc;

	argp_err_exit_status = CTL_USAGE;
	argp_program_version_hook = print_version;
	rc = argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (rc) {
		ctl_error("%s", strerror(rc));
		return CTL_FAILURE;
	}
	rc = args.verb->run(&ctl);
	varlink_buf_deinit(&ctl.in);
	if (ctl.fd >= 0)
		close(ctl.fd);
	if (fflush(stdout) || ferror(stdout)) {
		ctl_error("cannot write: %m");
		return rc ? rc : CTL_FAILURE;
	}
	return rc;
}
