// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A trigger of the kernel's pressure stall information (PSI): wakes us when
 * processes lost more than so much time waiting for memory.
 *
 * A module cannot read PSI, nor arm a trigger. A program of the guest
 * (ballonet-psi) does that: it opens /proc/pressure/memory, writes the trigger,
 * and writes the descriptor's number to sysfs. From then on the module holds
 * the file, and the program is not needed any more: no process has to be
 * scheduled while the guest is in trouble.
 *
 * The wait queue belongs to the trigger, and the trigger to the file: once
 * written it stays until the file is released, which our reference prevents.
 * So, other than with the files of control groups, which are refused, it never
 * goes away under us (POLLFREE), and removing ourselves from the queue is
 * enough: its lock keeps us from being called afterwards.
 *
 * The trigger stays armed while the device is suspended or reset, and is let
 * go when the driver is unbound.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "internal.h"

#define PSI_PATH	"/pressure/memory"	/* below the root of procfs */

/**
 * struct ballonet_psi - a trigger that was handed over
 * @bal:	whom to alarm
 * @file:	with a reference
 * @head:	the trigger's wait queue
 * @wait:	we, in @head
 * @table:	how poll() tells us @head
 * @rearm:	makes the trigger wake us the next time
 *
 * Nothing changes once it is armed.
 */
struct ballonet_psi {
	struct ballonet *bal;
	struct file *file;
	wait_queue_head_t *head;
	wait_queue_entry_t wait;
	poll_table table;
	struct work_struct rearm;
};

/* Called under the queue's lock, by the kernel's own thread for triggers. */
static int woken(wait_queue_entry_t *wait, unsigned int mode, int sync,
		 void *key)
{
	struct ballonet_psi *psi = container_of(wait, struct ballonet_psi,
						wait);

	ballonet_count(psi->bal, BALLONET_C_PSI, 1);
	ballonet_watch_alarm(psi->bal);
	queue_work(psi->bal->wq, &psi->rearm);
	return 0;
}

/*
 * A trigger that fired is quiet until somebody polls. Not from woken(), since
 * how much of that the file does under the queue's lock is its own business.
 */
static void rearm_work(struct work_struct *work)
{
	struct ballonet_psi *psi = container_of(work, struct ballonet_psi,
						rearm);

	vfs_poll(psi->file, NULL);
}

static void queue_found(struct file *file, wait_queue_head_t *head,
			poll_table *table)
{
	struct ballonet_psi *psi = container_of(table, struct ballonet_psi,
						table);

	/* A trigger has one. */
	if (psi->head)
		return;
	psi->head = head;
	add_wait_queue(head, &psi->wait);
}

static bool is_memory_pressure(struct file *file)
{
	char buf[sizeof(PSI_PATH) + 1];
	char *path;

	if (file_inode(file)->i_sb->s_magic != PROC_SUPER_MAGIC)
		return false;
	path = dentry_path_raw(file->f_path.dentry, buf, sizeof(buf));
	return !IS_ERR(path) && !strcmp(path, PSI_PATH);
}

static void psi_free(struct ballonet_psi *psi)
{
	if (psi->head) {
		remove_wait_queue(psi->head, &psi->wait);
		cancel_work_sync(&psi->rearm);
	}
	if (psi->file)
		fput(psi->file);
	kfree(psi);
}

static int psi_hook(struct ballonet_psi *psi, int fd)
{
	psi->file = fget(fd);
	if (!psi->file)
		return -EBADF;
	if (!is_memory_pressure(psi->file))
		return -EINVAL;
	init_poll_funcptr(&psi->table, queue_found);
	/* Where no trigger was written, there is an error and no queue. */
	if ((vfs_poll(psi->file, &psi->table) & EPOLLERR) || !psi->head)
		return -EINVAL;
	return 0;
}

/**
 * ballonet_psi_arm() - take over a trigger, in place of the one there is
 * @bal:	the balloon
 * @fd:		of the calling process: /proc/pressure/memory with a trigger
 *
 * Context: may sleep.
 *
 * Return: 0; -EBADF if there is no such descriptor, -EINVAL if it is not that
 * file or has no trigger, or -ENOMEM. The old trigger stays then.
 */
int ballonet_psi_arm(struct ballonet *bal, int fd)
{
	struct ballonet_psi *psi = kzalloc(sizeof(*psi), GFP_KERNEL);
	int rc;

	if (!psi)
		return -ENOMEM;
	psi->bal = bal;
	INIT_WORK(&psi->rearm, rearm_work);
	init_waitqueue_func_entry(&psi->wait, woken);
	rc = psi_hook(psi, fd);
	if (!rc)
		psi = xchg(&bal->psi, psi);
	if (psi)
		psi_free(psi);
	return rc;
}

/**
 * ballonet_psi_disarm() - let go of the trigger, if there is one
 * @bal:	the balloon
 *
 * Context: may sleep.
 */
void ballonet_psi_disarm(struct ballonet *bal)
{
	struct ballonet_psi *psi = xchg(&bal->psi, NULL);

	if (psi)
		psi_free(psi);
}

/**
 * ballonet_psi_armed() - whether a trigger was handed over
 * @bal:	the balloon
 *
 * Return: true if there is one.
 */
bool ballonet_psi_armed(struct ballonet *bal)
{
	return READ_ONCE(bal->psi);
}
