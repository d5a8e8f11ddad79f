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
#include "vm_backend.h"
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

/* The descriptor that a back-end shows its gauge in. */
#define STATE_FD		"state"

/* More than all descriptors of a VM, of which each is one notification. */
#define NOTIFICATIONS_MAX	(2 * STORE_MAX)

/* At once, then more slowly: the machine shall not burn for a broken VM. */
static const unsigned int pauses_ms[] = { 0, 50, 100, 200, 400, 800, 1000 };
#define NR_PAUSES (sizeof(pauses_ms) / sizeof(pauses_ms[0]))

static void backend_start(struct vm_backend *b);

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct ucred peer_of(int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	return cred;
}

static bool vmm_alive(const struct vm_backend *b)
{
	struct pollfd pfd = { .fd = b->vmm_fd, .events = POLLRDHUP };

	return b->vmm_fd >= 0 && poll(&pfd, 1, 0) == 0;
}

/**
 * vm_backend_unwatch_vmm - give up a VMM's connection
 * @b:		a VM; nothing happens if it has no VMM
 */
void vm_backend_unwatch_vmm(struct vm_backend *b)
{
	watch_stop(&b->eof_watch);
	fd_close(&b->eof_fd);
	fd_close(&b->vmm_fd);
	vmm_set(&b->vmm, 0);
}

/**
 * vm_backend_end - VMM and back-end have gone: listen again
 * @b:		a VM
 */
void vm_backend_end(struct vm_backend *b)
{
	vm_backend_unwatch_vmm(b);
	store_clear(&b->store);
	link_cancel(&b->link);
	alarm_clear(b->alarm);
	unlink(b->control_path);
	b->restarts = b->failures = 0;
	b->notifier = 0;
	b->has_stored = false;
	b->gauge = (struct gauge){ 0 };
	vm_wish_forget(&b->vm);
	vm_events_forget(&b->vm);
	b->phase = VM_LISTENING;
	listener_wait(&b->listener, true);
	if (b->vm.doomed)
		alarm_set(b->vm.settings->reaper, 0);
}

static void vmm_end(struct vm_backend *b)
{
	log_info("%s: VMM has disconnected", b->vm.name);
	if (b->pid)
		alarm_set(b->alarm, END_TIMEOUT_MS);
	else
		vm_backend_end(b);
}

static void on_vmm_end(void *userdata, int events)
{
	struct vm_backend *b = userdata;

	(void)events;
	watch_stop(&b->eof_watch);
	vmm_end(b);
}

/**
 * vm_backend_watch_vmm - take a VMM's connection
 * @b:		a VM without VMM
 * @fd:		the connection; taken on success
 *
 * Return: 0 or a negative errno.
 */
int vm_backend_watch_vmm(struct vm_backend *b, int fd)
{
	struct epoll_event event = { .events = EPOLLRDHUP };
	int rc;

	b->eof_fd = epoll_create1(EPOLL_CLOEXEC);
	if (b->eof_fd < 0)
		return -errno;
	rc = epoll_ctl(b->eof_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
	if (!rc)
		rc = watch_start(b->vm.settings->loop, b->eof_fd, UV_READABLE,
				 on_vmm_end, b, &b->eof_watch);
	if (rc) {
		fd_close(&b->eof_fd);
		return rc;
	}
	b->vmm_fd = fd;
	vmm_set(&b->vmm, peer_of(fd).pid);
	b->vm.guest++;
	return 0;
}

static void fail_and_pause(struct vm_backend *b)
{
	unsigned int ms = pauses_ms[b->failures < NR_PAUSES ? b->failures :
				    NR_PAUSES - 1];

	b->phase = VM_PAUSING;
	if (!b->store.nr && b->failures >= FRESH_TRIES) {
		log_err("%s: %s does not start, VMM is refused", b->vm.name,
			b->vm.settings->backend);
		vm_backend_end(b);
		return;
	}
	b->failures++;
	b->restarts++;
	if (ms)
		alarm_set(b->alarm, ms);
	else
		backend_start(b);
}

/* How it ended, in words. An adopted one is not our child: nobody knows. */
static const char *end_text(struct vm_backend *b, char *text, size_t size)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, b->pidfd, &info, WEXITED | WNOHANG) < 0 ||
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

static void on_shown(int rc, const struct varlink_reply *reply, void *userdata)
{
	struct vm_backend *b = userdata;

	if (rc != -ECANCELED && (rc || reply->error))
		log_warn("%s: back-end %d does not show what it sees, its VM is not managed: %s",
			 b->vm.name, (int)b->pid,
			 rc ? strerror(-rc) : reply->error);
}

static void show(struct vm *vm)
{
	struct vm_backend *b = (struct vm_backend *)vm;

	if (b->phase == VM_SERVING)
		link_call(&b->link, "io.ballonet.Backend.Show",
			  json_pack("{s:I}", "period_ms",
				    (json_int_t)vm->settings->show_ms),
			  on_shown, b);
}

/**
 * vm_backend_serve - the back-end works
 * @b:		a VM that has one
 */
void vm_backend_serve(struct vm_backend *b)
{
	int rc;

	b->phase = VM_SERVING;
	b->ready_at = uv_now(b->vm.settings->loop);
	if (vmm_alive(b))
		alarm_clear(b->alarm);
	rc = link_open(&b->link);
	if (rc)
		log_warn("%s: cannot call back-end %d at %s: %s", b->vm.name,
			 (int)b->pid, b->control_path, strerror(-rc));
	follow_open(&b->follow);
	show(&b->vm);
}

/* Whose notifications count; while adopting, those of who stores first. */
static pid_t notifier(const struct vm_backend *b)
{
	if (b->pid)
		return b->pid;
	return b->phase == VM_ADOPTING ? b->notifier : -1;
}

static void backend_ready(struct vm_backend *b)
{
	log_info("%s: back-end %d is ready", b->vm.name, (int)b->pid);
	vm_backend_serve(b);
	/* What is done, a successor has from its predecessor's state. */
	if (!b->vm.wish_done)
		vm_wish_apply(&b->vm);
}

static void notification(struct vm_backend *b,
			 const struct store_message *message)
{
	if (message->refused && !b->complained) {
		log_warn("%s: a descriptor from process %d was not kept: %s",
			 b->vm.name, (int)message->pid,
			 strerror(-message->refused));
		b->complained = true;
	}
	if (b->phase == VM_ADOPTING && !b->notifier && message->kept)
		b->notifier = message->pid;
	if (message->ready && b->phase == VM_STARTING)
		backend_ready(b);
}

/**
 * vm_backend_notifications - take what the back-end has sent
 * @b:		a VM
 */
void vm_backend_notifications(struct vm_backend *b)
{
	struct store_message message;
	int i, rc = 0;

	/* One that sends without end is not listened to without end. */
	for (i = 0; i < NOTIFICATIONS_MAX; i++) {
		rc = store_receive(&b->store, b->notify_fd, notifier(b),
				   &message);
		if (rc <= 0)
			break;
		b->has_stored |= b->store.nr > 0;
		notification(b, &message);
	}
	if (rc < 0)
		log_warn("%s: %s: %s", b->vm.name, b->notify_path,
			 strerror(-rc));
}

static void on_notify(void *userdata, int events)
{
	(void)events;
	vm_backend_notifications(userdata);
}

static void on_process_end(void *userdata, int events)
{
	struct vm_backend *b = userdata;
	char text[64];
	bool gave_up, alive;

	(void)events;
	/* What it had stored before it died counts. */
	vm_backend_notifications(b);
	gave_up = !b->store.nr && (b->phase == VM_SERVING || b->has_stored);
	end_text(b, text, sizeof(text));
	watch_stop(&b->pid_watch);
	fd_close(&b->pidfd);
	link_close(&b->link);
	follow_close(&b->follow);
	alarm_clear(b->alarm);
	alive = vmm_alive(b);
	if (!alive || gave_up) {
		log_info("%s: back-end %d %s, %s", b->vm.name, (int)b->pid,
			 text, !alive ? "VMM is gone" :
			 "no descriptor is stored: giving up its VMM");
		b->pid = 0;
		vm_backend_end(b);
		return;
	}
	if (b->killed || (b->phase == VM_SERVING &&
	    uv_now(b->vm.settings->loop) - b->ready_at >= GOOD_TIME_MS))
		b->failures = 0;
	if (!b->killed && b->failures < NR_PAUSES)
		log_warn("%s: back-end %d %s, starting it again with %zu descriptors",
			 b->vm.name, (int)b->pid, text, b->store.nr);
	b->pid = 0;
	b->killed = false;
	fail_and_pause(b);
}

/**
 * vm_backend_watch_process - take a back-end process
 * @b:		a VM without back-end
 * @pid:	its process id
 * @pidfd:	likewise; taken on success
 *
 * Return: 0 or a negative errno.
 */
int vm_backend_watch_process(struct vm_backend *b, pid_t pid, int pidfd)
{
	int rc = watch_start(b->vm.settings->loop, pidfd, UV_READABLE,
			     on_process_end, b, &b->pid_watch);

	if (rc)
		return rc;
	b->pid = pid;
	b->pidfd = pidfd;
	return 0;
}

/* The first back-end of a VMM makes its control socket, later ones get it. */
static void backend_start(struct vm_backend *b)
{
	const struct child_args args = {
		.program = b->vm.settings->backend,
		.vm = b->vm.name,
		.control_path = b->control_path,
		.notify_path = b->notify_path,
		.grant = b->vm.grant,
		.prefault = b->vm.prefault,
		.standby = policy_standby(conf_policy(b->vm.settings->conf,
						      b->vm.name)),
		.vmm_fd = b->vmm_fd,
		.store = &b->store,
	};
	int pidfd, rc;
	pid_t pid;

	if (!b->store.nr)
		unlink(b->control_path);
	b->complained = false;
	rc = child_start(&args, &pid, &pidfd);
	if (rc) {
		log_err("%s: cannot start %s: %s", b->vm.name, args.program,
			strerror(-rc));
		fail_and_pause(b);
		return;
	}
	rc = vm_backend_watch_process(b, pid, pidfd);
	if (rc) {
		log_err("%s: cannot watch process %d: %s", b->vm.name, (int)pid,
			strerror(-rc));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(pidfd);
		fail_and_pause(b);
		return;
	}
	b->phase = VM_STARTING;
	alarm_set(b->alarm, READY_TIMEOUT_MS);
}

static void on_alarm(void *userdata)
{
	struct vm_backend *b = userdata;

	if (b->phase == VM_PAUSING) {
		backend_start(b);
		return;
	}
	if (b->phase == VM_ADOPTING) {
		if (vm_adopt(b))
			vm_backend_end(b);
		return;
	}
	log_warn("%s: back-end %d is not %s in time, killing it", b->vm.name,
		 (int)b->pid, !vmm_alive(b) || b->killed ? "gone" : "ready");
	if (b->pidfd >= 0)
		pidfd_send_signal(b->pidfd, SIGKILL, NULL, 0);
}

static void log_accepted(const struct vm_backend *b, int fd)
{
	const struct ucred cred = peer_of(fd);

	log_info("%s: VMM has connected: process %d of user %u", b->vm.name,
		 (int)cred.pid, (unsigned int)cred.uid);
}

static void on_connect(void *userdata, int events)
{
	struct vm_backend *b = userdata;
	int fd, rc;

	(void)events;
	if (b->phase != VM_LISTENING && !vmm_alive(b)) {
		/* The next one, before the last one's back-end has ended. */
		listener_wait(&b->listener, false);
		return;
	}
	fd = listener_accept(&b->listener, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (b->phase != VM_LISTENING) {
		log_warn_rarely(&b->second_vmm, "%s: refused a second VMM",
				b->vm.name);
		close(fd);
		return;
	}
	rc = vm_backend_watch_vmm(b, fd);
	if (rc) {
		log_err("%s: cannot watch the VMM: %s", b->vm.name,
			strerror(-rc));
		close(fd);
		return;
	}
	log_accepted(b, fd);
	backend_start(b);
}

static int path_format(char path[SOCK_PATH_MAX], const struct vm_backend *b,
		       const char *suffix)
{
	int len = snprintf(path, SOCK_PATH_MAX, "%s/%s.%s", b->vm.settings->dir,
			   b->vm.name, suffix);

	return len >= SOCK_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int sockets_open(struct vm_backend *b)
{
	const struct vm_settings *s = b->vm.settings;
	int rc;

	rc = sock_bind(b->notify_path, SOCK_DGRAM, 0600, -1, &b->notify_fd);
	if (!rc)
		rc = store_prepare(b->notify_fd);
	if (!rc)
		rc = watch_start(s->loop, b->notify_fd, UV_READABLE,
				 on_notify, b, &b->notify_watch);
	if (!rc)
		rc = listener_open(&b->listener, s->loop, b->socket_path,
				   s->gid, on_connect, b);
	return rc;
}

static struct vm_backend *of(struct vm *vm)
{
	return (struct vm_backend *)vm;
}

static const struct vm_backend *of_const(const struct vm *vm)
{
	return (const struct vm_backend *)vm;
}

/* A back-end goes on alone, and can be adopted by the next manager. */
static void destroy(struct vm *vm)
{
	struct vm_backend *b = of(vm);

	listener_close(&b->listener, b->socket_path);
	if (b->notify_fd >= 0)
		unlink(b->notify_path);
	watch_stop(&b->notify_watch);
	watch_stop(&b->eof_watch);
	watch_stop(&b->pid_watch);
	fd_close(&b->notify_fd);
	fd_close(&b->vmm_fd);
	fd_close(&b->eof_fd);
	fd_close(&b->pidfd);
	store_clear(&b->store);
	if (b->link.alarm)
		link_deinit(&b->link);
	if (b->follow.alarm)
		follow_deinit(&b->follow);
	alarm_destroy(&b->alarm);
	vmm_deinit(&b->vmm);
	vm_deinit(vm);
	free(b);
}

static bool present(const struct vm *vm)
{
	return of_const(vm)->phase != VM_LISTENING;
}

static bool ready(const struct vm *vm)
{
	return of_const(vm)->phase == VM_SERVING;
}

static void call(struct vm *vm, const char *method, json_t *parameters,
		 link_done done, void *userdata)
{
	link_call(&of(vm)->link, method, parameters, done, userdata);
}

static void on_told(int rc, const struct varlink_reply *reply, void *userdata)
{
	struct vm_backend *b = userdata;

	if (rc != -ECANCELED && (rc || reply->error))
		log_warn("%s: back-end %d has not taken a setting: %s",
			 b->vm.name, (int)b->pid,
			 rc ? strerror(-rc) : reply->error);
}

/* A back-end that is not there yet is started with its settings. */
static void tell(struct vm_backend *b, const char *method, const char *name,
		 bool value)
{
	if (b->phase == VM_SERVING || b->phase == VM_STARTING)
		link_call(&b->link, method, json_pack("{s:b}", name, value),
			  on_told, b);
}

static void grant(struct vm *vm)
{
	tell(of(vm), "io.ballonet.Backend.GrantWishes", "grant", vm->grant);
}

static void prefault(struct vm *vm)
{
	tell(of(vm), "io.ballonet.Backend.Prefault", "on", vm->prefault);
}

static int restart(struct vm *vm)
{
	struct vm_backend *b = of(vm);

	if (b->phase != VM_SERVING)
		return -ESRCH;
	/* It is made to be killed at any moment: no second way to end it. */
	b->killed = true;
	if (pidfd_send_signal(b->pidfd, SIGKILL, NULL, 0) < 0)
		return -errno;
	log_info("%s: replacing back-end %d", vm->name, (int)b->pid);
	alarm_set(b->alarm, END_TIMEOUT_MS);
	return 0;
}

/* Its memory is a file: no process' count has what of it was paged out. */
static uint64_t paged_out(struct vm_backend *b)
{
	vmm_look(&b->vmm, uv_now(b->vm.settings->loop));
	return b->vmm.cgroup_fd >= 0 ? b->vmm.swapped : 0;
}

static void snapshot(struct vm *vm, struct plan_guest *guest)
{
	struct vm_backend *b = of(vm);

	if (!present(vm))
		return;
	/* What cannot be seen now is as it was, with its age. */
	(void)gauge_look(store_find(&b->store, STATE_FD), &b->gauge);
	(void)vm_regions_resident(&b->store, &b->gauge.resident);
	vm_gauge_snapshot(&b->gauge, guest);
	guest->paged_out = paged_out(b);
	guest->resident -= guest->paged_out < guest->resident ?
		guest->paged_out : guest->resident;
	if (!b->vmm.fixed)
		guest->flags |= PLAN_PAGEABLE;
}

static const struct vmm *vmm(const struct vm *vm)
{
	return &of_const(vm)->vmm;
}

static json_t *describe(const struct vm *vm)
{
	const struct vm_backend *b = of_const(vm);
	json_t *names = json_array();
	size_t i;

	for (i = 0; i < b->store.nr; i++)
		json_array_append_new(names,
				      json_string(b->store.entries[i].name));
	return json_pack("{s:s,s:o*,s:i,s:o}", "socket", b->socket_path,
			 "pid", b->pid ? json_integer(b->pid) : NULL,
			 "restarts", (int)b->restarts, "descriptors", names);
}

static const struct vm_ops ops = {
	.destroy = destroy,
	.present = present,
	.bound = present,
	.ready = ready,
	.call = call,
	.grant = grant,
	.prefault = prefault,
	.period = show,
	.restart = restart,
	.snapshot = snapshot,
	.vmm = vmm,
	.describe = describe,
};

/**
 * vm_backend_of - the back-end of a VM
 * @vm:		a VM
 *
 * Return: NULL if there is another way to it.
 */
struct vm_backend *vm_backend_of(struct vm *vm)
{
	return vm->ops == &ops ? of(vm) : NULL;
}

/**
 * vm_backend_create - begin to listen for a VM's VMM
 * @settings:	outlive the VM
 * @name:	a valid name
 * @ret_vm:	to be given to vm_destroy()
 *
 * Return: 0 or a negative errno as sock_bind().
 */
int vm_backend_create(const struct vm_settings *settings, const char *name,
		      struct vm **ret_vm)
{
	struct vm_backend *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return -ENOMEM;
	b->listener.fd = b->notify_fd = b->vmm_fd = -1;
	b->eof_fd = b->pidfd = -1;
	vmm_init(&b->vmm);
	rc = vm_init(&b->vm, &ops, settings, name) ?:
		path_format(b->socket_path, b, "sock") ?:
		path_format(b->control_path, b, "control") ?:
		path_format(b->notify_path, b, "notify") ?:
		link_init(&b->link, settings->loop, b->control_path) ?:
		follow_init(&b->follow, settings->loop, b->control_path,
			    vm_events_told, &b->vm) ?:
		alarm_create(settings->loop, on_alarm, b, &b->alarm) ?:
		sockets_open(b);
	if (rc) {
		destroy(&b->vm);
		return rc;
	}
	*ret_vm = &b->vm;
	return 0;
}
