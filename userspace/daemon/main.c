// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonetd: the memory manager of a host. Command line, signals, loop.
 */
#include "control.h"
#include "fdstore.h"
#include "log.h"
#include "manager.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define CONF_DEFAULT	BALLONET_SYSCONFDIR "/ballonet/ballonetd.conf"
#define RUNTIME_DEFAULT	"/run/ballonet"

/*
 * When the manager ends, what threads have begun is waited for so long: taking
 * merged memory apart may take minutes.
 */
#define END_MS		1000

enum option_key {
	OPTION_RUNTIME_DIR = 256,
	OPTION_BACKEND,
	OPTION_CHECK_CONFIG,
};

static const struct argp_option options[] = {
	{ "config", 'c', "PATH", 0,
	  "configuration file (default " CONF_DEFAULT
	  "); drop-ins are PATH.d/*.conf", 0 },
	{ "runtime-dir", OPTION_RUNTIME_DIR, "DIR", 0,
	  "where the sockets are (default " RUNTIME_DEFAULT ")", 0 },
	{ "backend", OPTION_BACKEND, "PATH", 0,
	  "vhost-user-balloon to start, instead of the configured one", 0 },
	{ "check-config", OPTION_CHECK_CONFIG, NULL, 0,
	  "say whether the configuration is valid, and exit", 0 },
	{ 0 },
};

struct arguments {
	struct manager_args manager;
	bool check;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case 'c':
		args->manager.conf_path = text;
		args->manager.conf_given = true;
		return 0;
	case OPTION_RUNTIME_DIR:
		args->manager.runtime_dir = text;
		return 0;
	case OPTION_BACKEND:
		args->manager.backend = text;
		return 0;
	case OPTION_CHECK_CONFIG:
		args->check = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "too many arguments: %s", text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fputs("ballonetd " BALLONET_VERSION "\n", stream);
}

/* The parts that signals reach. */
struct daemon {
	uv_loop_t loop;
	struct manager manager;
	struct control control;
	struct fdstore notify;
	uv_signal_t signals[3];
	struct alarm *watchdog;
	uint64_t watchdog_ms;
};

static void on_end(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;

	log_info("signal %d: ending; back-ends and balloons stay", number);
	fdstore_notify(&daemon->notify, "STOPPING=1");
	uv_stop(&daemon->loop);
}

static void on_reload(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;
	struct timespec now;
	char text[80], trouble[MANAGER_TEXT_MAX];

	(void)number;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		 now.tv_sec * 1000000LL + now.tv_nsec / 1000);
	fdstore_notify(&daemon->notify, text);
	if (manager_reload(&daemon->manager, trouble, sizeof(trouble)))
		log_err("%s", trouble);
	fdstore_notify(&daemon->notify, "READY=1");
}

static int signals_start(struct daemon *daemon)
{
	static const struct {
		int number;
		uv_signal_cb fn;
	} table[] = {
		{ SIGTERM, on_end },
		{ SIGINT, on_end },
		{ SIGHUP, on_reload },
	};
	size_t i;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		rc = uv_signal_init(&daemon->loop, &daemon->signals[i]);
		daemon->signals[i].data = daemon;
		if (!rc)
			rc = uv_signal_start(&daemon->signals[i], table[i].fn,
					     table[i].number);
		if (rc)
			return rc;
	}
	return 0;
}

static void on_watchdog(void *userdata)
{
	struct daemon *daemon = userdata;

	fdstore_notify(&daemon->notify, "WATCHDOG=1");
	alarm_set(daemon->watchdog, daemon->watchdog_ms);
}

/* sd_watchdog_enabled(3): half of the time that is given. */
static int watchdog_start(struct daemon *daemon)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	int rc;

	if (!usec || (pid && atol(pid) != getpid()))
		return 0;
	daemon->watchdog_ms = strtoull(usec, NULL, 10) / 2000;
	if (!daemon->watchdog_ms)
		return 0;
	rc = alarm_create(&daemon->loop, on_watchdog, daemon,
			  &daemon->watchdog);
	if (!rc)
		on_watchdog(daemon);
	return rc;
}

/* Some twenty for each VM; back-ends get the same limit. */
static void descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot allow %llu descriptors: %m",
			 (unsigned long long)limit.rlim_max);
}

static int start(struct daemon *daemon, const struct manager_args *args)
{
	int rc;

	descriptors_allow();
	rc = fdstore_init(&daemon->notify, getenv("NOTIFY_SOCKET"));
	if (rc)
		log_warn("NOTIFY_SOCKET: %s", strerror(-rc));
	rc = signals_start(daemon) ?: watchdog_start(daemon);
	if (rc) {
		log_err("cannot start: %s", strerror(-rc));
		return rc;
	}
	rc = manager_init(&daemon->manager, args, &daemon->loop);
	if (rc)
		return rc;
	/* Whoever binds it is the only manager here. */
	rc = control_init(&daemon->control, &daemon->manager);
	if (rc)
		return rc;
	manager_start(&daemon->manager);
	fdstore_notify(&daemon->notify, "READY=1");
	log_info("ready at %s", daemon->manager.control_path);
	return 0;
}

/* Return: false if a thread is at work still. */
static bool stop(struct daemon *daemon)
{
	size_t i;

	if (daemon->control.manager)
		control_deinit(&daemon->control);
	manager_deinit(&daemon->manager);
	alarm_destroy(&daemon->watchdog);
	for (i = 0; i < sizeof(daemon->signals) / sizeof(uv_signal_t); i++)
		if (daemon->signals[i].data)
			uv_close((uv_handle_t *)&daemon->signals[i], NULL);
	fdstore_deinit(&daemon->notify);
	return loop_end(&daemon->loop, END_MS);
}

static int check(const struct manager_args *args)
{
	struct conf_error error;
	struct conf conf;

	if (conf_load(args->conf_path, args->conf_given, &conf, &error)) {
		log_err("%s:%d: %s", error.file, error.line, error.text);
		return EXIT_FAILURE;
	}
	printf("%s: valid, %zu VMs\n", args->conf_path, conf.nr_vms);
	conf_deinit(&conf);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Start and watch one memory balloon back-end for each VM.\v"
			"SIGHUP reloads the configuration. SIGTERM ends the manager; VMs and their back-ends go on, and the next manager takes them over.",
	};
	struct arguments args = {
		.manager.conf_path = CONF_DEFAULT,
		.manager.runtime_dir = RUNTIME_DEFAULT,
	};
	struct daemon daemon = { .notify.sock = -1 };
	int rc;

	argp_program_version_hook = print_version;
	log_init();
	rc = argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (rc) {
		log_err("%s", strerror(rc));
		return EXIT_FAILURE;
	}
	if (args.check)
		return check(&args.manager);
	rc = uv_loop_init(&daemon.loop);
	if (rc) {
		log_err("cannot start: %s", uv_strerror(rc));
		return EXIT_FAILURE;
	}
	rc = start(&daemon, &args.manager);
	if (!rc)
		uv_run(&daemon.loop, UV_RUN_DEFAULT);
	if (!stop(&daemon)) {
		/* The kernel gives up then what it does for that thread. */
		log_info("not waiting for a disk or the kernel");
		_exit(rc ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
