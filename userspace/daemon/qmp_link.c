// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * One alarm, which means something else in each phase:
 *
 *	IDLE	no connection; the alarm makes one
 *	ASKING	connected, answers are awaited; the alarm is the deadline
 *	RESTING	connected, all answers came; the alarm asks again (HOLD only)
 *
 * A round is: the balloon that is wanted, if QEMU was not told, and a refresh.
 * It is over when nothing is pending; a refresh that found the device is
 * followed at once by one that asks the device. After a failure the next
 * attempt comes later, twice as late each time, up to BACKOFF_MAX_MS.
 */
#include "qmp_link.h"

#include "sock.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * QEMU answers within a millisecond, unless its main loop waits for a disk or
 * a back-end. Longer than any of this and nothing there can be planned with.
 */
#define ANSWER_LIMIT_MS	5000

#define BACKOFF_MIN_MS	500
#define BACKOFF_MAX_MS	30000

/* What is read at once, and from one VM before others get their turn. */
#define PIECE_MAX	16384

/*
 * How old a guest's statistics may be when QEMU is asked for them: they count
 * from when they were seen to be new.
 */
#define STATS_MAX_S	2

enum phase {
	IDLE,
	ASKING,
	RESTING,
};

struct qmp_link {
	uv_loop_t *loop;
	struct qmp_link_options options;
	char path[SOCK_PATH_MAX];
	const struct qmp_link_ops *ops;
	void *userdata;
	enum phase phase;
	int fd;
	pid_t pid;
	struct watch *watch;
	/* What @watch waits for. */
	int events;
	struct alarm *alarm;
	struct qmp qmp;
	struct qmp_balloon balloon;
	/* The balloon that is wanted, PROCFILE_UNKNOWN if none was set. */
	uint64_t wanted;
	/* How often another has set it, as far as that counts in @wanted. */
	uint64_t others;
	/* QEMU was told in this round, and may have refused. */
	bool tried;
	/* A connection was up, or failed, and the owner heard of it. */
	bool told;
	bool up;
	uint32_t backoff_ms;
};

static void link_close(struct qmp_link *link)
{
	watch_stop(&link->watch);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->phase = IDLE;
	qmp_connected(&link->qmp, 0);
}

static void tell(struct qmp_link *link, bool up, const char *reason)
{
	if (link->told && link->up == up)
		return;
	link->told = true;
	link->up = up;
	link->ops->state(up, reason, link->userdata);
}

/* Another VM may be behind this path the next time. */
static void link_fail(struct qmp_link *link, const char *reason)
{
	link_close(link);
	qmp_balloon_forget(&link->balloon);
	link->backoff_ms = !link->backoff_ms ? BACKOFF_MIN_MS :
		link->backoff_ms >= BACKOFF_MAX_MS / 2 ? BACKOFF_MAX_MS :
		link->backoff_ms * 2;
	alarm_set(link->alarm, link->backoff_ms);
	tell(link, false, reason);
}

static void on_set(const struct qmp_answer *answer, void *userdata)
{
	struct qmp_link *link = userdata;

	/* Without a device, or cut off: told again in the next round. */
	if (answer->rc)
		link->balloon.vm.target = PROCFILE_UNKNOWN;
}

/* Tells QEMU the target, if that is news to it; once in a round. */
static void target_send(struct qmp_link *link)
{
	if (link->tried || link->wanted == PROCFILE_UNKNOWN ||
	    !link->balloon.vm.present ||
	    link->wanted == link->balloon.vm.target)
		return;
	link->tried = !qmp_balloon_set(&link->balloon, link->wanted, on_set,
				       link);
}

static int send_some(struct qmp_link *link)
{
	ssize_t n;

	if (!link->qmp.out.len)
		return 0;
	n = send(link->fd, link->qmp.out.data, link->qmp.out.len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	varlink_buf_consume(&link->qmp.out, n);
	return 0;
}

/* An error is for on_ready() to find. */
static void flush(struct qmp_link *link)
{
	int events;

	if (!link->watch)
		return;
	send_some(link);
	events = UV_READABLE | (link->qmp.out.len ? UV_WRITABLE : 0);
	if (events != link->events)
		watch_events(link->watch, events);
	link->events = events;
}

/* When QEMU is there and nothing is under way. */
static void rest(struct qmp_link *link)
{
	if (link->options.mode == QMP_LINK_BORROW)
		link_close(link);
	else
		link->phase = RESTING;
	/* All VMs at the same moments: one wakeup for all of them. */
	alarm_set(link->alarm, link->options.period_ms -
		  uv_now(link->loop) % link->options.period_ms);
	tell(link, true, "connected");
}

static void ask(struct qmp_link *link)
{
	link->phase = ASKING;
	link->tried = false;
	alarm_set(link->alarm, ANSWER_LIMIT_MS);
	target_send(link);
	qmp_balloon_refresh(&link->balloon, uv_now(link->loop));
	if (link->qmp.pending)
		flush(link);
	else
		rest(link);
}

static void on_qmp_ready(void *userdata)
{
	ask(userdata);
}

static void on_qmp_event(const char *name, json_t *data, void *userdata)
{
	struct qmp_link *link = userdata;

	qmp_balloon_event(&link->balloon, name, data);
}

static const struct qmp_ops qmp_ops = {
	.ready = on_qmp_ready,
	.event = on_qmp_event,
};

static void on_changed(void *userdata)
{
	struct qmp_link *link = userdata;
	const struct qmp_vm *vm = &link->balloon.vm;

	/* The last one to set a balloon wins. */
	if (link->others != vm->others)
		link->wanted = vm->target;
	link->others = vm->others;
	link->ops->changed(link->userdata);
}

/* The device was found in this round: ask it, too. */
static bool round_wants_more(const struct qmp_link *link)
{
	return link->balloon.path[0] && !link->balloon.seen;
}

/* All answers are there. */
static void round_end(struct qmp_link *link)
{
	link->backoff_ms = 0;
	target_send(link);
	if (round_wants_more(link))
		qmp_balloon_refresh(&link->balloon, uv_now(link->loop));
	if (!link->qmp.pending)
		rest(link);
}

static int receive_some(struct qmp_link *link, struct fault *ret_fault)
{
	char piece[PIECE_MAX];
	ssize_t n;

	n = recv(link->fd, piece, sizeof(piece), 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 :
			fault_set(ret_fault, -errno, "%s", strerror(errno));
	if (!n)
		return fault_set(ret_fault, -ECONNRESET,
				 "the VMM closed its monitor");
	return qmp_feed(&link->qmp, uv_now(link->loop), piece, n, ret_fault);
}

static void on_ready(void *userdata, int events)
{
	struct fault fault = { "no memory" };
	struct qmp_link *link = userdata;
	int rc;

	(void)events;
	rc = send_some(link);
	if (rc)
		fault_set(&fault, rc, "%s", strerror(-rc));
	else
		rc = receive_some(link, &fault);
	/* The owner may have been told, and have closed it. */
	if (link->fd < 0)
		return;
	if (rc)
		link_fail(link, fault.text);
	else if (link->phase == ASKING && link->qmp.state == QMP_READY &&
		 !link->qmp.pending)
		round_end(link);
	flush(link);
}

/* Who made the socket: QEMU, or who gave it to QEMU. */
static pid_t peer_pid(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return 0;
	return cred.pid;
}

/* Between two rounds another VMM may have taken the path. */
static void peer_update(struct qmp_link *link)
{
	pid_t pid = peer_pid(link->fd);

	if (pid != link->pid) {
		qmp_balloon_forget(&link->balloon);
		/* Up again when this round is over. */
		if (link->up)
			tell(link, false, "another VMM has its path");
		if (link->pid && link->ops->other) {
			link->wanted = PROCFILE_UNKNOWN;
			link->ops->other(link->userdata);
		}
	}
	link->pid = pid;
}

/*
 * VMMs make their monitors where other VMMs do: what is there must not lead to
 * the monitor of another.
 */
static int monitor_connect(const char *path, int *ret_fd)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc;
	char self[sizeof("/proc/self/fd/-2147483648")];
	struct stat st;

	if (fd < 0)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else
		rc = S_ISLNK(st.st_mode) ? -ELOOP : sock_connect(self, ret_fd);
	close(fd);
	return rc;
}

static void link_open(struct qmp_link *link)
{
	int rc;

	rc = monitor_connect(link->path, &link->fd);
	if (rc == -EAGAIN) {
		link_fail(link, "others wait for this monitor already");
		return;
	}
	if (!rc)
		rc = watch_start(link->loop, link->fd, UV_READABLE, on_ready,
				 link, &link->watch);
	if (rc) {
		link_fail(link, strerror(-rc));
		return;
	}
	link->events = UV_READABLE;
	peer_update(link);
	qmp_connected(&link->qmp, (uint64_t)getpid() << 32 ^ uv_hrtime());
	link->phase = ASKING;
	alarm_set(link->alarm, ANSWER_LIMIT_MS);
}

static void on_alarm(void *userdata)
{
	struct qmp_link *link = userdata;

	switch (link->phase) {
	case IDLE:
		link_open(link);
		break;
	case RESTING:
		ask(link);
		break;
	case ASKING:
		link_fail(link, link->qmp.state == QMP_GREETING ?
			  "no greeting: another client has this monitor" :
			  "the VMM does not answer");
		break;
	}
}

/**
 * qmp_link_mode_for - how to treat the socket of this path
 * @path:	a socket
 *
 * Return: QMP_LINK_BORROW for Proxmox' own, else QMP_LINK_HOLD.
 */
enum qmp_link_mode qmp_link_mode_for(const char *path)
{
	return !strncmp(path, "/var/run/qemu-server/", 21) ||
		!strncmp(path, "/run/qemu-server/", 17) ?
		QMP_LINK_BORROW : QMP_LINK_HOLD;
}

static int options_check(const struct qmp_link_options *options,
			 struct fault *ret_fault)
{
	if (strlen(options->path) >= SOCK_PATH_MAX)
		return fault_set(ret_fault, -ENAMETOOLONG,
				 "path of %zu bytes, limit %d",
				 strlen(options->path), SOCK_PATH_MAX - 1);
	if (!options->period_ms)
		return fault_set(ret_fault, -EINVAL, "a period is 0");
	return 0;
}

static uint32_t stats_period(const struct qmp_link_options *options)
{
	if (options->stats_s)
		return options->stats_s;
	return options->period_ms > STATS_MAX_S * 1000 ? STATS_MAX_S :
		(options->period_ms + 999) / 1000;
}

/**
 * qmp_link_create - begin to talk to a VM
 * @loop:	which runs; the link stays on it until qmp_link_destroy()
 * @options:	copied
 * @ops:	what the owner wants to hear; not called from in here
 * @userdata:	for @ops
 * @ret_link:	the link; connects from the loop, and again whenever it has to
 * @ret_fault:	what is wrong with the options
 *
 * Return: 0, -ENAMETOOLONG, -EINVAL for a period of 0, -ENOMEM.
 */
int qmp_link_create(uv_loop_t *loop, const struct qmp_link_options *options,
		    const struct qmp_link_ops *ops, void *userdata,
		    struct qmp_link **ret_link, struct fault *ret_fault)
{
	struct qmp_link *link;
	int rc;

	rc = options_check(options, ret_fault);
	if (rc)
		return rc;
	link = calloc(1, sizeof(*link));
	if (!link)
		return fault_set(ret_fault, -ENOMEM, "no memory");
	link->loop = loop;
	link->options = *options;
	snprintf(link->path, sizeof(link->path), "%s", options->path);
	link->options.path = link->path;
	link->ops = ops;
	link->userdata = userdata;
	link->fd = -1;
	link->wanted = PROCFILE_UNKNOWN;
	rc = alarm_create(loop, on_alarm, link, &link->alarm);
	if (rc) {
		free(link);
		return fault_set(ret_fault, rc, "no memory");
	}
	qmp_init(&link->qmp, &qmp_ops, link);
	qmp_balloon_init(&link->balloon, &link->qmp, stats_period(options),
			 options->mode == QMP_LINK_HOLD, on_changed, link);
	alarm_set(link->alarm, 0);
	*ret_link = link;
	return 0;
}

/**
 * qmp_link_destroy - leave a VM alone; its balloon stays as it is
 * @link:	set to NULL; nothing happens if it is. Not from its callbacks.
 */
void qmp_link_destroy(struct qmp_link **link)
{
	if (!*link)
		return;
	link_close(*link);
	alarm_destroy(&(*link)->alarm);
	free(*link);
	*link = NULL;
}

/**
 * qmp_link_set - the balloon that this VM shall have
 * @link:	a VM
 * @bytes:	goes to QEMU at once if it is connected, or as soon as it is,
 *		and again to a new VMM behind the same path
 *
 * Return: 0, or -ERANGE if the VM's memory is known and nothing would be left.
 */
int qmp_link_set(struct qmp_link *link, uint64_t bytes)
{
	if (link->balloon.vm.memory && bytes >= link->balloon.vm.memory)
		return -ERANGE;
	link->wanted = bytes;
	link->tried = false;
	if (link->phase == RESTING)
		ask(link);
	else if (link->phase == ASKING)
		target_send(link);
	else if (!link->backoff_ms)
		alarm_set(link->alarm, 0);
	flush(link);
	return 0;
}

/**
 * qmp_link_set_period - ask more often, or less
 * @link:	a VM
 * @period_ms:	from the next round on
 */
void qmp_link_set_period(struct qmp_link *link, uint32_t period_ms)
{
	link->options.period_ms = period_ms;
	link->balloon.period_s = stats_period(&link->options);
	link->balloon.set_up = false;
}

/**
 * qmp_link_wanted - what was set
 * @link:	a VM
 *
 * Return: the balloon of the last qmp_link_set(), or that of another who has
 * set it since; PROCFILE_UNKNOWN if none was set here since the VMM began.
 */
uint64_t qmp_link_wanted(const struct qmp_link *link)
{
	return link->wanted;
}

/**
 * qmp_link_vm - what is known of a VM
 * @link:	a VM
 *
 * Return: valid until the link is destroyed; its times are uv_now().
 */
const struct qmp_vm *qmp_link_vm(const struct qmp_link *link)
{
	return &link->balloon.vm;
}

/**
 * qmp_link_version - QEMU's version
 * @link:	a VM
 *
 * Return: major, minor, micro; 0 while there is no connection.
 */
const unsigned int *qmp_link_version(const struct qmp_link *link)
{
	return link->qmp.version;
}

/**
 * qmp_link_up - does the VMM answer?
 * @link:	a VM
 *
 * Return: true from the end of the first round up to the next failure.
 */
bool qmp_link_up(const struct qmp_link *link)
{
	return link->up;
}

/**
 * qmp_link_pid - the process behind the socket
 * @link:	a VM
 *
 * Return: QEMU's process, or who made the socket for it; 0 while unknown. To
 * look for the VM's cgroup; a VMM that ended and one that has its number now
 * are told apart by qmp_link_up().
 */
pid_t qmp_link_pid(const struct qmp_link *link)
{
	return link->pid;
}
