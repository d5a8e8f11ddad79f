// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * Everything that allocates is done before fork(); the child only moves
 * descriptors, writes its process id into the environment and calls execve().
 * All of the manager's descriptors are close-on-exec; the child's are copied
 * out of the way first and then to 3, 4, ..., where sd_listen_fds(3) has them.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD	3
#define NR_ARGS		7
#define NR_OWN_ENV	4
/* What a shell returns for a program that cannot be run. */
#define EXIT_NO_EXEC	127

/* What is meant for the manager alone. */
static const char *const private_env[] = {
	"NOTIFY_SOCKET=", "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=",
	"WATCHDOG_PID=", "WATCHDOG_USEC=",
};

struct plan {
	char *argv[NR_ARGS + 1];
	char **env;
	char listen_pid[32];
	int *fds;
	size_t nr_fds;
};

static bool env_is_private(const char *assignment)
{
	size_t i;

	for (i = 0; i < sizeof(private_env) / sizeof(private_env[0]); i++)
		if (!strncmp(assignment, private_env[i],
			     strlen(private_env[i])))
			return true;
	return false;
}

static char *text(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static char *text(const char *format, ...)
{
	va_list args;
	char *out;

	va_start(args, format);
	if (vasprintf(&out, format, args) < 0)
		out = NULL;
	va_end(args);
	return out;
}

/* The own assignments are the first: they are the ones to free. */
static int env_plan(struct plan *plan, const struct child_args *args)
{
	size_t n = 0, i;
	char *names;

	while (environ[n])
		n++;
	plan->env = calloc(n + NR_OWN_ENV + 1, sizeof(char *));
	names = store_names(args->store);
	if (!plan->env || !names) {
		free(names);
		return -ENOMEM;
	}
	plan->env[0] = text("NOTIFY_SOCKET=%s", args->notify_path);
	plan->env[1] = text("LISTEN_FDS=%zu", args->store->nr);
	plan->env[2] = text("LISTEN_FDNAMES=%s", names);
	plan->env[3] = plan->listen_pid;
	free(names);
	if (!plan->env[0] || !plan->env[1] || !plan->env[2])
		return -ENOMEM;
	for (n = NR_OWN_ENV, i = 0; environ[i]; i++)
		if (!env_is_private(environ[i]))
			plan->env[n++] = environ[i];
	return 0;
}

static int fds_plan(struct plan *plan, const struct child_args *args)
{
	size_t i;

	plan->nr_fds = args->store->nr + 1;
	plan->fds = calloc(plan->nr_fds, sizeof(int));
	if (!plan->fds)
		return -ENOMEM;
	for (i = 0; i < args->store->nr; i++)
		plan->fds[i] = args->store->entries[i].fd;
	plan->fds[i] = args->vmm_fd;
	return 0;
}

static int argv_plan(struct plan *plan, const struct child_args *args)
{
	int n = 0;

	plan->argv[n++] = text("%s", args->program);
	plan->argv[n++] = text("--name=%s", args->vm);
	plan->argv[n++] = text("--control-path=%s", args->control_path);
	plan->argv[n++] = text("--wishes=%s", args->grant ? "grant" : "report");
	if (args->prefault)
		plan->argv[n++] = text("--prefault=on");
	if (args->standby)
		plan->argv[n++] = text("--standby=%s", args->standby);
	/* Behind the stored ones, in case its copy was not stored in time. */
	plan->argv[n++] = text("--fd=%zu", FIRST_FD + args->store->nr);
	while (n)
		if (!plan->argv[--n])
			return -ENOMEM;
	return 0;
}

static void plan_deinit(struct plan *plan)
{
	size_t i;

	for (i = 0; i < NR_ARGS; i++)
		free(plan->argv[i]);
	for (i = 0; plan->env && i < NR_OWN_ENV - 1; i++)
		free(plan->env[i]);
	free(plan->env);
	free(plan->fds);
}

static void __attribute__((noreturn)) child_run(struct plan *plan)
{
	int above = FIRST_FD + plan->nr_fds;
	sigset_t none;
	size_t i;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A ^C for the manager is not for the VMs. */
	setsid();
	for (i = 0; i < plan->nr_fds; i++) {
		plan->fds[i] = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, above);
		if (plan->fds[i] < 0)
			_exit(EXIT_NO_EXEC);
	}
	for (i = 0; i < plan->nr_fds; i++)
		if (dup2(plan->fds[i], FIRST_FD + i) < 0)
			_exit(EXIT_NO_EXEC);
	snprintf(plan->listen_pid, sizeof(plan->listen_pid), "LISTEN_PID=%d",
		 (int)getpid());
	execve(plan->argv[0], plan->argv, plan->env);
	_exit(EXIT_NO_EXEC);
}

/**
 * child_start - start a back-end
 * @args:	how
 * @ret_pid:	its process id
 * @ret_pidfd:	readable when it has ended; the caller waits for and closes it
 *
 * Return: 0 or a negative errno.
 */
int child_start(const struct child_args *args, pid_t *ret_pid, int *ret_pidfd)
{
	struct plan plan = { 0 };
	int pidfd, rc;
	pid_t pid;

	rc = argv_plan(&plan, args);
	if (!rc)
		rc = env_plan(&plan, args);
	if (!rc)
		rc = fds_plan(&plan, args);
	if (rc)
		goto out;
	pid = fork();
	if (!pid)
		child_run(&plan);
	if (pid < 0) {
		rc = -errno;
		goto out;
	}
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		rc = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		goto out;
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
out:
	plan_deinit(&plan);
	return rc;
}
