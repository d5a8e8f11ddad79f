// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The kernel wakes us when tasks have waited as long as the planner minds,
 * within a second; between wakes, what was lost in the last second is read with
 * each snapshot. The two do not look at the same second: a trigger that has
 * fired counts for a second as if what it waits for had been read.
 *
 * A machine without PSI (psi=0, or none in its kernel) has no stalls, and is
 * judged by its free memory alone.
 */
#include "psi.h"
#include "log.h"
#include "pressure.h"
#include "watch.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILE_NAME	"pressure/memory"

#define SECOND_US	1000000

/* As plan_host.c has them: these make it ORANGE, and RED. */
static const uint32_t stall_permille[PRESSURE_NR_KINDS] = {
	[PRESSURE_SOME] = 70,
	[PRESSURE_FULL] = 30,
};

/* Without privileges the kernel takes multiples of 2 s only. */
static const uint32_t windows_us[] = { SECOND_US, 2 * SECOND_US };

/**
 * struct psi_trigger - one kind of waiting
 * @psi:	whose
 * @fd:		of pressure_trigger_open(), or -1
 * @watch:	of @fd
 * @fired_us:	when it last woke us, 0 if never
 * @window:	for reading
 */
struct psi_trigger {
	struct psi *psi;
	int fd;
	struct watch *watch;
	uint64_t fired_us;
	struct pressure_window window;
};

/**
 * struct psi - the machine's
 * @proc_fd:	/proc, the caller's
 * @wake:	called when a trigger fires
 * @userdata:	for @wake
 * @works:	the kernel has it
 * @wakes:	how often a trigger fired
 * @triggers:	by kind
 */
struct psi {
	int proc_fd;
	psi_wake wake;
	void *userdata;
	bool works;
	uint64_t wakes;
	struct psi_trigger triggers[PRESSURE_NR_KINDS];
};

static void trigger_close(struct psi_trigger *trigger)
{
	watch_stop(&trigger->watch);
	if (trigger->fd >= 0)
		close(trigger->fd);
	trigger->fd = -1;
}

static void on_trigger(void *userdata, int events)
{
	struct psi_trigger *trigger = userdata;
	struct psi *psi = trigger->psi;
	struct pressure pressure;
	int rc;

	(void)events;
	rc = pressure_read(psi->proc_fd, FILE_NAME, &pressure);
	if (rc) {
		/* It would wake us for ever. */
		log_warn("/proc/" FILE_NAME ": %s: pressure wakes nobody any more",
			 strerror(-rc));
		trigger_close(trigger);
		return;
	}
	trigger->fired_us = uv_hrtime() / 1000;
	psi->wakes++;
	psi->wake(psi->userdata);
}

static int trigger_open(uv_loop_t *loop, struct psi_trigger *trigger,
			enum pressure_kind kind, struct fault *ret_fault)
{
	int rc = -EINVAL;
	size_t i;

	for (i = 0; rc == -EINVAL &&
	     i < sizeof(windows_us) / sizeof(windows_us[0]); i++)
		rc = pressure_trigger_open(trigger->psi->proc_fd, FILE_NAME,
					   kind, windows_us[i] / 1000 *
					   stall_permille[kind], windows_us[i],
					   &trigger->fd, ret_fault);
	if (rc)
		return rc;
	rc = watch_start(loop, trigger->fd, UV_PRIORITIZED, on_trigger,
			 trigger, &trigger->watch);
	if (!rc)
		return 0;
	trigger_close(trigger);
	return fault_set(ret_fault, rc, "/proc/" FILE_NAME ": %s",
			 strerror(-rc));
}

/* Files that only look like the kernel's wake nobody. */
static bool is_procfs(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

static void triggers_open(uv_loop_t *loop, struct psi *psi)
{
	struct fault fault;
	int kind;

	for (kind = 0; kind < PRESSURE_NR_KINDS; kind++)
		if (trigger_open(loop, &psi->triggers[kind], kind, &fault)) {
			log_warn("%s: pressure wakes nobody, it is looked at now and then only",
				 fault.text);
			return;
		}
}

/**
 * psi_create - begin to wait for pressure
 * @loop:	which runs
 * @proc_fd:	/proc; outlives it
 * @wake:	called when tasks have begun to wait
 * @userdata:	for @wake
 * @ret_psi:	to be given to psi_destroy(), also where the kernel has no PSI
 *
 * Return: 0 or -ENOMEM.
 */
int psi_create(uv_loop_t *loop, int proc_fd, psi_wake wake, void *userdata,
	       struct psi **ret_psi)
{
	struct psi *psi = calloc(1, sizeof(*psi));
	struct pressure pressure;
	int kind, rc;

	if (!psi)
		return -ENOMEM;
	psi->proc_fd = proc_fd;
	psi->wake = wake;
	psi->userdata = userdata;
	for (kind = 0; kind < PRESSURE_NR_KINDS; kind++) {
		psi->triggers[kind].psi = psi;
		psi->triggers[kind].fd = -1;
	}
	rc = pressure_read(proc_fd, FILE_NAME, &pressure);
	psi->works = !rc;
	if (rc)
		log_info("/proc/" FILE_NAME ": %s: the host is judged by its free memory alone",
			 strerror(-rc));
	else if (is_procfs(proc_fd))
		triggers_open(loop, psi);
	*ret_psi = psi;
	return 0;
}

/**
 * psi_destroy - wait no more
 * @psi:	set to NULL; nothing happens if it is
 */
void psi_destroy(struct psi **psi)
{
	int kind;

	if (!*psi)
		return;
	for (kind = 0; kind < PRESSURE_NR_KINDS; kind++)
		trigger_close(&(*psi)->triggers[kind]);
	free(*psi);
	*psi = NULL;
}

static uint32_t stall(struct psi *psi, enum pressure_kind kind,
		      uint64_t now_us, uint64_t total_us)
{
	struct psi_trigger *trigger = &psi->triggers[kind];
	uint32_t permille;

	permille = pressure_last_second(&trigger->window, now_us, total_us);
	if (trigger->fired_us && now_us - trigger->fired_us < SECOND_US &&
	    permille < stall_permille[kind])
		permille = stall_permille[kind];
	return permille;
}

/**
 * psi_read - how much of the last second was lost
 * @psi:	what psi_create() made
 * @now_us:	CLOCK_MONOTONIC
 * @ret_some:	permille in which some task waited; 0 without PSI
 * @ret_full:	permille in which all did
 */
void psi_read(struct psi *psi, uint64_t now_us, uint32_t *ret_some,
	      uint32_t *ret_full)
{
	struct pressure pressure;

	*ret_some = 0;
	*ret_full = 0;
	if (!psi->works ||
	    pressure_read(psi->proc_fd, FILE_NAME, &pressure))
		return;
	*ret_some = stall(psi, PRESSURE_SOME, now_us,
			  pressure.line[PRESSURE_SOME].total_us);
	*ret_full = stall(psi, PRESSURE_FULL, now_us,
			  pressure.line[PRESSURE_FULL].total_us);
}

/**
 * psi_works - does this kernel have it?
 * @psi:	what psi_create() made
 *
 * Return: whether it does.
 */
bool psi_works(const struct psi *psi)
{
	return psi->works;
}

/**
 * psi_wakes - how often it has woken somebody
 * @psi:	what psi_create() made
 *
 * Return: a number.
 */
uint64_t psi_wakes(const struct psi *psi)
{
	return psi->wakes;
}
