// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 *	              VMM connects           READY=1
 *	LISTENING ─────────────────► STARTING ────────► SERVING
 *	    ▲                          │  ▲                │
 *	    │ VMM gone                 │  └─ PAUSING ◄─────┤ back-end gone,
 *	    └──────────────────────────┴───────┴───────────┘ VMM still there
 *
 * A manager that finds a back-end running begins with ADOPTING in place of
 * STARTING: vm_adopt.c.
 *
 * A VMM dies when its socket reaches its end (reference: QEMU aborts). So the
 * connection and every descriptor that the back-end stored are held here, and
 * given up only when the VMM itself has closed. How the back-end ended does
 * not matter for that: whether there is still a VMM is asked of the socket.
 *
 * Two VMMs are given up earlier: one whose back-end has taken back everything
 * that was stored, which says that there is no going on (the VMM broke the
 * protocol, or a successor can do nothing with what is stored); and one whose
 * back-end never stored anything: it does not have a device yet, and an error
 * now is better than a VMM that waits for ever.
 */
#include "vm.h"
#include "child.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A back-end is ready within some ten milliseconds. */
#define READY_TIMEOUT_MS	10000
/* It ends by itself when the VMM is gone; then it is helped. */
#define END_TIMEOUT_MS		2000
/* So long it must have worked for its next end to be the first again. */
#define GOOD_TIME_MS		1000
/* So often a back-end is tried that never got to store anything. */
#define FRESH_TRIES		3

/* More than all descriptors of a VM, of which each is one notification. */
#define NOTIFICATIONS_MAX	(2 * STORE_MAX)

/* At once, then more slowly: the machine shall not burn for a broken VM. */
static const unsigned int pauses_ms[] = { 0, 50, 100, 200, 400, 800, 1000 };
#define NR_PAUSES (sizeof(pauses_ms) / sizeof(pauses_ms[0]))

static void backend_start(struct vm *vm);

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool vmm_alive(const struct vm *vm)
{
	struct pollfd pfd = { .fd = vm->vmm_fd, .events = POLLRDHUP };

	return vm->vmm_fd >= 0 && poll(&pfd, 1, 0) == 0;
}

/**
 * vm_vmm_unwatch - give up a VMM's connection
 * @vm:		a VM; nothing happens if it has no VMM
 */
void vm_vmm_unwatch(struct vm *vm)
{
	watch_stop(&vm->eof_watch);
	fd_close(&vm->eof_fd);
	fd_close(&vm->vmm_fd);
}

/**
 * vm_end - VMM and back-end have gone: listen again
 * @vm:		a VM
 */
void vm_end(struct vm *vm)
{
	vm_vmm_unwatch(vm);
	store_clear(&vm->store);
	link_cancel(&vm->link);
	alarm_clear(vm->alarm);
	alarm_clear(vm->wish_alarm);
	unlink(vm->control_path);
	vm->restarts = vm->failures = 0;
	vm->notifier = 0;
	vm->wish_done = vm->has_stored = false;
	vm_events_forget(vm);
	vm->phase = VM_LISTENING;
	listener_wait(&vm->listener, true);
	if (vm->doomed)
		alarm_set(vm->settings->reaper, 0);
}

static void vmm_end(struct vm *vm)
{
	log_info("%s: VMM has disconnected", vm->name);
	if (vm->pid)
		alarm_set(vm->alarm, END_TIMEOUT_MS);
	else
		vm_end(vm);
}

static void on_vmm_end(void *userdata, int events)
{
	struct vm *vm = userdata;

	(void)events;
	watch_stop(&vm->eof_watch);
	vmm_end(vm);
}

/**
 * vm_vmm_watch - take a VMM's connection
 * @vm:		a VM without VMM
 * @fd:		the connection; taken on success
 *
 * Return: 0 or a negative errno.
 */
int vm_vmm_watch(struct vm *vm, int fd)
{
	struct epoll_event event = { .events = EPOLLRDHUP };
	int rc;

	vm->eof_fd = epoll_create1(EPOLL_CLOEXEC);
	if (vm->eof_fd < 0)
		return -errno;
	rc = epoll_ctl(vm->eof_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
	if (!rc)
		rc = watch_start(vm->settings->loop, vm->eof_fd, UV_READABLE,
				 on_vmm_end, vm, &vm->eof_watch);
	if (rc) {
		fd_close(&vm->eof_fd);
		return rc;
	}
	vm->vmm_fd = fd;
	return 0;
}

static void fail_and_pause(struct vm *vm)
{
	unsigned int ms = pauses_ms[vm->failures < NR_PAUSES ? vm->failures :
				    NR_PAUSES - 1];

	vm->phase = VM_PAUSING;
	if (!vm->store.nr && vm->failures >= FRESH_TRIES) {
		log_err("%s: %s does not start, VMM is refused", vm->name,
			vm->settings->backend);
		vm_end(vm);
		return;
	}
	vm->failures++;
	vm->restarts++;
	if (ms)
		alarm_set(vm->alarm, ms);
	else
		backend_start(vm);
}

/* How it ended, in words. An adopted one is not our child: nobody knows. */
static const char *end_text(struct vm *vm, char *text, size_t size)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, vm->pidfd, &info, WEXITED | WNOHANG) < 0 ||
	    !info.si_pid)
		snprintf(text, size, "has ended");
	else if (info.si_code == CLD_EXITED)
		snprintf(text, size, "has ended with status %d",
			 info.si_status);
	else
		snprintf(text, size, "was killed by signal %d",
			 info.si_status);
	return text;
}

/**
 * vm_serve - the back-end works
 * @vm:		a VM that has one
 */
void vm_serve(struct vm *vm)
{
	int rc;

	vm->phase = VM_SERVING;
	vm->ready_at = uv_now(vm->settings->loop);
	if (vmm_alive(vm))
		alarm_clear(vm->alarm);
	rc = link_open(&vm->link);
	if (rc)
		log_warn("%s: cannot call back-end %d at %s: %s", vm->name,
			 (int)vm->pid, vm->control_path, strerror(-rc));
	follow_open(&vm->follow);
}

/* Whose notifications count; while adopting, those of who stores first. */
static pid_t notifier(const struct vm *vm)
{
	if (vm->pid)
		return vm->pid;
	return vm->phase == VM_ADOPTING ? vm->notifier : -1;
}

static void backend_ready(struct vm *vm)
{
	log_info("%s: back-end %d is ready", vm->name, (int)vm->pid);
	vm_serve(vm);
	/* What is done, a successor has from its predecessor's state. */
	if (!vm->wish_done)
		vm_wish_apply(vm);
}

static void notification(struct vm *vm, const struct store_message *message)
{
	if (message->refused && !vm->complained) {
		log_warn("%s: a descriptor from process %d was not kept: %s",
			 vm->name, (int)message->pid,
			 strerror(-message->refused));
		vm->complained = true;
	}
	if (vm->phase == VM_ADOPTING && !vm->notifier && message->kept)
		vm->notifier = message->pid;
	if (message->ready && vm->phase == VM_STARTING)
		backend_ready(vm);
}

/**
 * vm_notifications - take what the back-end has sent
 * @vm:		a VM
 */
void vm_notifications(struct vm *vm)
{
	struct store_message message;
	int i, rc = 0;

	/* One that sends without end is not listened to without end. */
	for (i = 0; i < NOTIFICATIONS_MAX; i++) {
		rc = store_receive(&vm->store, vm->notify_fd, notifier(vm),
				   &message);
		if (rc <= 0)
			break;
		vm->has_stored |= vm->store.nr > 0;
		notification(vm, &message);
	}
	if (rc < 0)
		log_warn("%s: %s: %s", vm->name, vm->notify_path,
			 strerror(-rc));
}

static void on_notify(void *userdata, int events)
{
	(void)events;
	vm_notifications(userdata);
}

static void on_process_end(void *userdata, int events)
{
	struct vm *vm = userdata;
	char text[64];
	bool gave_up, alive;

	(void)events;
	/* What it had stored before it died counts. */
	vm_notifications(vm);
	gave_up = !vm->store.nr && (vm->phase == VM_SERVING || vm->has_stored);
	end_text(vm, text, sizeof(text));
	watch_stop(&vm->pid_watch);
	fd_close(&vm->pidfd);
	link_close(&vm->link);
	follow_close(&vm->follow);
	alarm_clear(vm->alarm);
	alive = vmm_alive(vm);
	if (!alive || gave_up) {
		log_info("%s: back-end %d %s, %s", vm->name, (int)vm->pid,
			 text, !alive ? "VMM is gone" :
			 "no descriptor is stored: giving up its VMM");
		vm->pid = 0;
		vm_end(vm);
		return;
	}
	if (vm->killed || (vm->phase == VM_SERVING &&
	    uv_now(vm->settings->loop) - vm->ready_at >= GOOD_TIME_MS))
		vm->failures = 0;
	if (!vm->killed && vm->failures < NR_PAUSES)
		log_warn("%s: back-end %d %s, starting it again with %zu descriptors",
			 vm->name, (int)vm->pid, text, vm->store.nr);
	vm->pid = 0;
	vm->killed = false;
	fail_and_pause(vm);
}

/**
 * vm_process_watch - take a back-end process
 * @vm:		a VM without back-end
 * @pid:	its process id
 * @pidfd:	likewise; taken on success
 *
 * Return: 0 or a negative errno.
 */
int vm_process_watch(struct vm *vm, pid_t pid, int pidfd)
{
	int rc = watch_start(vm->settings->loop, pidfd, UV_READABLE,
			     on_process_end, vm, &vm->pid_watch);

	if (rc)
		return rc;
	vm->pid = pid;
	vm->pidfd = pidfd;
	return 0;
}

/* The first back-end of a VMM makes its control socket, later ones get it. */
static void backend_start(struct vm *vm)
{
	const struct child_args args = {
		.program = vm->settings->backend,
		.vm = vm->name,
		.control_path = vm->control_path,
		.notify_path = vm->notify_path,
		.grant = vm->grant,
		.vmm_fd = vm->vmm_fd,
		.store = &vm->store,
	};
	int pidfd, rc;
	pid_t pid;

	if (!vm->store.nr)
		unlink(vm->control_path);
	vm->complained = false;
	rc = child_start(&args, &pid, &pidfd);
	if (rc) {
		log_err("%s: cannot start %s: %s", vm->name, args.program,
			strerror(-rc));
		fail_and_pause(vm);
		return;
	}
	rc = vm_process_watch(vm, pid, pidfd);
	if (rc) {
		log_err("%s: cannot watch process %d: %s", vm->name, (int)pid,
			strerror(-rc));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(pidfd);
		fail_and_pause(vm);
		return;
	}
	vm->phase = VM_STARTING;
	alarm_set(vm->alarm, READY_TIMEOUT_MS);
}

static void on_alarm(void *userdata)
{
	struct vm *vm = userdata;

	if (vm->phase == VM_PAUSING) {
		backend_start(vm);
		return;
	}
	if (vm->phase == VM_ADOPTING) {
		if (vm_adopt(vm))
			vm_end(vm);
		return;
	}
	log_warn("%s: back-end %d is not %s in time, killing it", vm->name,
		 (int)vm->pid, !vmm_alive(vm) || vm->killed ? "gone" : "ready");
	if (vm->pidfd >= 0)
		pidfd_send_signal(vm->pidfd, SIGKILL, NULL, 0);
}

static void log_accepted(const struct vm *vm, int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	log_info("%s: VMM has connected: process %d of user %u", vm->name,
		 (int)cred.pid, (unsigned int)cred.uid);
}

static void on_connect(void *userdata, int events)
{
	struct vm *vm = userdata;
	int fd, rc;

	(void)events;
	if (vm->phase != VM_LISTENING && !vmm_alive(vm)) {
		/* The next one, before the last one's back-end has ended. */
		listener_wait(&vm->listener, false);
		return;
	}
	fd = listener_accept(&vm->listener, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (vm->phase != VM_LISTENING) {
		log_warn_rarely(&vm->second_vmm, "%s: refused a second VMM",
				vm->name);
		close(fd);
		return;
	}
	rc = vm_vmm_watch(vm, fd);
	if (rc) {
		log_err("%s: cannot watch the VMM: %s", vm->name,
			strerror(-rc));
		close(fd);
		return;
	}
	log_accepted(vm, fd);
	backend_start(vm);
}

static int path_format(char path[SOCK_PATH_MAX], const struct vm *vm,
		       const char *suffix)
{
	int len = snprintf(path, SOCK_PATH_MAX, "%s/%s.%s", vm->settings->dir,
			   vm->name, suffix);

	return len >= SOCK_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int sockets_open(struct vm *vm)
{
	const struct vm_settings *s = vm->settings;
	int rc;

	rc = sock_bind(vm->notify_path, SOCK_DGRAM, 0600, -1, &vm->notify_fd);
	if (!rc)
		rc = store_prepare(vm->notify_fd);
	if (!rc)
		rc = watch_start(s->loop, vm->notify_fd, UV_READABLE,
				 on_notify, vm, &vm->notify_watch);
	if (!rc)
		rc = listener_open(&vm->listener, s->loop, vm->socket_path,
				   s->gid, on_connect, vm);
	return rc;
}

/**
 * vm_create - begin to listen for a VM's VMM
 * @settings:	outlive the VM
 * @name:	a valid name
 * @ret_vm:	to be given to vm_destroy()
 *
 * Return: 0 or a negative errno as sock_bind().
 */
int vm_create(const struct vm_settings *settings, const char *name,
	      struct vm **ret_vm)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int rc;

	if (!vm)
		return -ENOMEM;
	vm->settings = settings;
	vm->grant = true;
	vm->listener.fd = vm->notify_fd = vm->vmm_fd = -1;
	vm->eof_fd = vm->pidfd = -1;
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	rc = path_format(vm->socket_path, vm, "sock") ?:
		path_format(vm->control_path, vm, "control") ?:
		path_format(vm->notify_path, vm, "notify") ?:
		link_init(&vm->link, settings->loop, vm->control_path) ?:
		follow_init(&vm->follow, settings->loop, vm->control_path,
			    vm_events_told, vm) ?:
		alarm_create(settings->loop, on_alarm, vm, &vm->alarm) ?:
		alarm_create(settings->loop, vm_wish_alarm, vm,
			     &vm->wish_alarm) ?:
		sockets_open(vm);
	if (rc) {
		vm_destroy(vm);
		return rc;
	}
	*ret_vm = vm;
	return 0;
}

/**
 * vm_destroy - forget a VM
 * @vm:		what vm_create() returned. A back-end goes on without a keeper
 *		of its descriptors, and can be adopted by the next manager.
 */
void vm_destroy(struct vm *vm)
{
	listener_close(&vm->listener, vm->socket_path);
	if (vm->notify_fd >= 0)
		unlink(vm->notify_path);
	watch_stop(&vm->notify_watch);
	watch_stop(&vm->eof_watch);
	watch_stop(&vm->pid_watch);
	fd_close(&vm->notify_fd);
	fd_close(&vm->vmm_fd);
	fd_close(&vm->eof_fd);
	fd_close(&vm->pidfd);
	store_clear(&vm->store);
	if (vm->link.alarm)
		link_deinit(&vm->link);
	if (vm->follow.alarm)
		follow_deinit(&vm->follow);
	alarm_destroy(&vm->alarm);
	alarm_destroy(&vm->wish_alarm);
	free(vm);
}

/**
 * vm_restart - replace the back-end by a new process
 * @vm:		a VM
 *
 * Return: 0, or -ESRCH if there is none.
 */
int vm_restart(struct vm *vm)
{
	if (vm->phase != VM_SERVING)
		return -ESRCH;
	/* It is made to be killed at any moment: no second way to end it. */
	vm->killed = true;
	if (pidfd_send_signal(vm->pidfd, SIGKILL, NULL, 0) < 0)
		return -errno;
	log_info("%s: replacing back-end %d", vm->name, (int)vm->pid);
	alarm_set(vm->alarm, END_TIMEOUT_MS);
	return 0;
}

/**
 * vm_pack - what the manager itself knows of a VM, as a Vm of io.ballonet
 * @vm:		a VM
 * @trouble:	why its back-end could not be asked, or NULL
 *
 * Return: a new reference, or NULL if there is no memory.
 */
json_t *vm_pack(const struct vm *vm, const char *trouble)
{
	const struct interface_vm out = {
		.name = vm->name,
		.state = vm->phase == VM_LISTENING ? INTERFACE_WAITING :
			INTERFACE_FAILED,
		.target = vm->wish == CONF_WISH_BALLOON ? vm->wish_bytes : 0,
		.operator = vm->wish == CONF_WISH_BALLOON ? vm->wish_bytes : 0,
		.wish = vm->last[INTERFACE_EVENT_WISH].value,
		.reason = trouble,
		.pressure = vm_events_pressure(vm),
	};

	return interface_vm_pack(&out);
}
