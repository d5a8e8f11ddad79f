// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vhost-user-balloon: command line, life and loop.
 */

#include "backend.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "interface.h"
#include "log.h"
#include "sock.h"

/* The sanitizers need system calls of their own. */
#ifdef __SANITIZE_ADDRESS__
#define SANDBOX		false
#else
#define SANDBOX		true
#endif

/* How often deadlines are looked at, while there are any. */
#define TICK_MS		50

/* Descriptors that a predecessor may leave. */
#define INHERIT_MAX	(REGION_MAX * 2 + NR_RINGS * 4 + 16)

/**
 * struct options - the command line
 * @socket_path: NULL if not given, as the other strings
 * @control_path: see @socket_path
 * @name:	of the VM
 * @fd:		-1 if not given
 * @control_fd:	-1 if not given
 * @grant:	the guest's wishes are granted
 * @standby:	what becomes of blocks on standby
 * @prefault:	what comes back to the guest is made ready
 * @sandbox:	give up what is not needed
 */
struct options {
	const char *socket_path;
	const char *control_path;
	const char *name;
	int fd;
	int control_fd;
	bool grant;
	enum standby_mode standby;
	bool prefault;
	bool sandbox;
};

enum {
	OPT_SOCKET_PATH = 256,
	OPT_FD,
	OPT_CONTROL_PATH,
	OPT_CONTROL_FD,
	OPT_NAME,
	OPT_WISHES,
	OPT_STANDBY,
	OPT_PREFAULT,
	OPT_NO_SANDBOX,
	OPT_CAPABILITIES,
};

static const struct argp_option options_table[] = {
	{ "socket-path", OPT_SOCKET_PATH, "PATH", 0,
	  "Listen on PATH for the VMM and take one connection", 0 },
	{ "fd", OPT_FD, "N", 0,
	  "Talk to the VMM over the connected socket N", 0 },
	{ "control-path", OPT_CONTROL_PATH, "PATH", 0,
	  "Listen on PATH for the control interface (Varlink)", 0 },
	{ "control-fd", OPT_CONTROL_FD, "N", 0,
	  "Take the listening socket N for the control interface", 0 },
	{ "name", OPT_NAME, "NAME", 0,
	  "Name of the VM (default: vm)", 0 },
	{ "wishes", OPT_WISHES, "POLICY", 0,
	  "What becomes of a balloon that the guest wishes for: grant "
	  "(default) or report", 0 },
	{ "standby", OPT_STANDBY, "MODE", 0,
	  "What becomes of blocks that the guest does without for now: off "
	  "(default: it is not asked for any), on-demand or eager", 0 },
	{ "prefault", OPT_PREFAULT, "MODE", 0,
	  "Whether memory that comes back to the guest is made ready for it: "
	  "off (default) or on", 0 },
	{ "no-sandbox", OPT_NO_SANDBOX, NULL, 0,
	  "Keep all system calls and capabilities, for debugging", 0 },
	{ "print-capabilities", OPT_CAPABILITIES, NULL, 0,
	  "Say what this back-end can do, as JSON", 0 },
	{ 0 },
};

const char *argp_program_version = PROGRAM " " BALLONET_VERSION;

static int parse_fd(struct argp_state *st, const char *arg)
{
	char *end;
	long fd = strtol(arg, &end, 10);

	if (*end || end == arg || fd < 0 || fd > INT32_MAX ||
	    fcntl(fd, F_GETFD) < 0)
		argp_error(st, "descriptor %s is not open", arg);
	return fd;
}

static enum standby_mode parse_standby(struct argp_state *st, const char *arg)
{
	enum standby_mode mode = standby_mode_find(arg);

	if (mode == NR_STANDBY_MODES)
		argp_error(st, "standby '%s': expected off, on-demand or eager",
			   arg);
	return mode;
}

static error_t parse_opt(int key, char *arg, struct argp_state *st)
{
	struct options *o = st->input;

	switch (key) {
	case OPT_SOCKET_PATH:
		o->socket_path = arg;
		return 0;
	case OPT_FD:
		o->fd = parse_fd(st, arg);
		return 0;
	case OPT_CONTROL_PATH:
		o->control_path = arg;
		return 0;
	case OPT_CONTROL_FD:
		o->control_fd = parse_fd(st, arg);
		return 0;
	case OPT_NAME:
		if (!interface_name_valid(arg))
			argp_error(st, "name '%s': expected 1 to %d of A-Z a-z 0-9 . _ -",
				   arg, INTERFACE_NAME_MAX);
		o->name = arg;
		return 0;
	case OPT_WISHES:
		o->grant = !strcmp(arg, "grant");
		if (!o->grant && strcmp(arg, "report"))
			argp_error(st, "wishes '%s': expected grant or report",
				   arg);
		return 0;
	case OPT_STANDBY:
		o->standby = parse_standby(st, arg);
		return 0;
	case OPT_PREFAULT:
		o->prefault = !strcmp(arg, "on");
		if (!o->prefault && strcmp(arg, "off"))
			argp_error(st, "prefault '%s': expected off or on",
				   arg);
		return 0;
	case OPT_NO_SANDBOX:
		o->sandbox = false;
		return 0;
	case OPT_CAPABILITIES:
		puts("{\n  \"type\": \"balloon\",\n  \"features\": []\n}");
		exit(EXIT_SUCCESS);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options_table,
	.parser = parse_opt,
	.doc = "The balloon device of one virtual machine, as a vhost-user "
	       "back-end.\vOne of --socket-path and --fd is needed, unless the "
	       "descriptors of a predecessor are inherited (LISTEN_FDS). Runs "
	       "in the foreground; ends with the VMM's connection or on "
	       "SIGTERM.",
};

/**
 * now_ms() - the time
 *
 * Return: milliseconds of CLOCK_MONOTONIC, never 0.
 */
uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000) + ts.tv_nsec / 1000000 + 1;
}

/**
 * event_signal() - wake whoever waits for an eventfd
 * @fd:		the eventfd
 */
void event_signal(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

/**
 * event_clear() - take note of an eventfd
 * @fd:		the eventfd, non-blocking
 */
void event_clear(int fd)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
}

/**
 * watch() - have the main loop look at a descriptor
 * @b:		the back-end
 * @fd:		the descriptor
 *
 * Return: 0 or a negative errno.
 */
int watch(struct backend *b, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/**
 * accept_one() - take a connection
 * @b:		the back-end
 * @listen:	socket that is ready
 *
 * Return: its descriptor, or -1.
 */
int accept_one(struct backend *b, int listen)
{
	int fd = accept4(listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
		return fd;
	/* Turned away, or it is announced for ever. */
	log_warn("a connection was turned away: %s", strerror(errno));
	close(b->spare);
	fd = accept4(listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	b->spare = fcntl(b->wake_main, F_DUPFD_CLOEXEC, 0);
	return -1;
}

static void accept_frontend(struct backend *b)
{
	int fd = accept_one(b, b->listen);

	if (fd < 0)
		return;
	if (b->frontend >= 0 || watch(b, fd)) {
		log_warn("a second VMM connected to %s; one is there already",
			 b->socket_path ? b->socket_path : "the socket");
		close(fd);
		return;
	}
	b->frontend = fd;
	b->state->frontend_id = keep_fd(b, "frontend", fd);
	log_info("the VMM connected");
}

static void dispatch(struct backend *b, const struct epoll_event *ev,
		     int signals)
{
	int fd = ev->data.fd;

	if (fd == b->frontend) {
		frontend_event(b);
	} else if (fd == b->listen) {
		accept_frontend(b);
	} else if (fd == b->wake_main) {
		event_clear(b->wake_main);
		config_update_target(b);
		control_news(b);
		control_take(b);
		control_tick(b);
	} else if (fd == signals) {
		b->quit = true;
	} else {
		(void)control_event(b, fd, ev->events);
	}
}

static int wait_ms(const struct backend *b)
{
	int show = show_wait(b);

	if (!b->no_memory_ms && !control_waits(b) && !keep_waits(b))
		return show;
	return show < 0 || show > TICK_MS ? TICK_MS : show;
}

static void loop(struct backend *b, int signals)
{
	struct epoll_event ev[8];
	int i, n;

	while (!b->quit) {
		n = epoll_wait(b->epoll, ev, ARRAY_SIZE(ev), wait_ms(b));
		for (i = 0; i < n && !b->quit; i++)
			dispatch(b, &ev[i], signals);
		frontend_tick(b);
		if (keep_waits(b))
			keep_retry(b);
		if (control_waits(b))
			control_tick(b);
		if (n > 0)
			show(b);
		show_tick(b);
	}
}

static int watch_signals(struct backend *b)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return watch(b, fd) ? -errno : fd;
}

static void backend_init(struct backend *b, const struct options *o)
{
	unsigned int i;

	*b = (struct backend){
		.name = o->name,
		.state_fd = -1,
		.listen = -1,
		.frontend = -1,
		.channel = -1,
		.control_fd = -1,
		.grant = o->grant,
		.standby.mode = o->standby,
		.reclaim.prefault.on = o->prefault,
	};
	for (i = 0; i < NR_RINGS; i++)
		b->ring[i].kick = b->ring[i].call = -1;
	pthread_mutex_init(&b->run, NULL);
	pthread_mutex_init(&b->info, NULL);
	pthread_cond_init(&b->resumed, NULL);
}

/* Who may connect is for the umask to say, as usual. */
static int listen_at(const char *path, struct fault *ret_fault)
{
	mode_t mask = umask(0);
	int fd, ret;

	umask(mask);
	ret = sock_bind(path, SOCK_STREAM, 0777 & ~mask, -1, &fd);
	if (ret)
		return fault_set(ret_fault, ret, "socket %s: %s", path,
				 sock_bind_error(ret));
	return fd;
}

/* Opens what the command line says and the predecessor did not leave. */
static int open_sockets(struct backend *b, const struct options *o,
			struct fault *ret_fault)
{
	struct state *s = b->state;

	b->socket_path = o->socket_path;
	b->control_path = o->control_path;
	if (b->frontend < 0 && o->fd >= 0) {
		b->frontend = o->fd;
		(void)fcntl(o->fd, F_SETFD, FD_CLOEXEC);
		s->frontend_id = keep_fd(b, "frontend", b->frontend);
	}
	if (b->frontend < 0 && b->listen < 0 && o->socket_path) {
		b->listen = listen_at(o->socket_path, ret_fault);
		if (b->listen < 0)
			return b->listen;
		s->listen_id = keep_fd(b, "listen", b->listen);
	}
	if (b->frontend < 0 && b->listen < 0)
		return fault_set(ret_fault, -EINVAL,
			"one of --socket-path and --fd is needed");

	if (b->control_fd < 0 && o->control_fd >= 0)
		b->control_fd = o->control_fd;
	else if (b->control_fd < 0 && o->control_path)
		b->control_fd = listen_at(o->control_path, ret_fault);
	else
		return 0;
	if (b->control_fd < 0)
		return b->control_fd;
	(void)fcntl(b->control_fd, F_SETFD, FD_CLOEXEC);
	s->control_id = keep_fd(b, "control", b->control_fd);
	return 0;
}

static int take_up(struct backend *b, struct fault *ret_fault)
{
	struct fdstore_fd fds[INHERIT_MAX];
	int i, n, ret;

	ret = fdstore_init(&b->store, getenv("NOTIFY_SOCKET"));
	if (ret)
		log_warn("NOTIFY_SOCKET cannot be used: %s", strerror(-ret));
	n = fdstore_inherited(getenv("LISTEN_PID"), getenv("LISTEN_FDS"),
			      getenv("LISTEN_FDNAMES"), fds, ARRAY_SIZE(fds));
	if (n < 0)
		return fault_set(ret_fault, n,
			"the inherited descriptors cannot be used: %s",
			strerror(-n));
	ret = keep_resume(b, fds, n, ret_fault);
	if (ret == -ENOENT)
		return keep_init(b, ret_fault);
	if (!ret)
		log_info("took up the predecessor's work");
	/* Those that the state does not name go as well, see give_up(). */
	for (i = 0; i < n && ret == -EPROTO; i++)
		(void)fdstore_drop(&b->store, fds[i].name);
	return ret;
}

/* Lets the rings of a predecessor run on. */
static int run_on(struct backend *b, struct fault *ret_fault)
{
	unsigned int i;
	int ret;

	worker_pause(b);
	rings_set_roles(b);
	standby_resume(b);
	ret = rings_update(b, ret_fault);
	for (i = 0; i < NR_RINGS; i++) {
		if (!b->ring[i].running)
			continue;
		vring_recover(&b->ring[i].vr);
		if (b->ring[i].call >= 0)
			event_signal(b->ring[i].call);
		if (b->ring[i].role != ROLE_STATS)
			continue;
		/* The buffer that is held may be old: have a new one. */
		atomic_store(&b->stats_new, false);
		atomic_store(&b->want_stats, true);
	}
	b->again = true;
	worker_resume(b);
	frontend_resume(b);
	config_update_target(b);
	return ret;
}

static int start(struct backend *b, const struct options *o, int *ret_signals,
		 struct fault *ret_fault)
{
	int ret;

	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	b->wake_main = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->spare = fcntl(b->wake_main, F_DUPFD_CLOEXEC, 0);
	if (b->epoll < 0 || b->spare < 0)
		return fault_set(ret_fault, -errno, "%s", strerror(errno));
	ret = take_up(b, ret_fault);
	if (!ret)
		ret = open_sockets(b, o, ret_fault);
	if (ret)
		return ret;
	config_init(b);
	ret = o->sandbox ? sandbox_drop(ret_fault) : 0;
	if (ret)
		return ret;

	*ret_signals = watch_signals(b);
	if (*ret_signals < 0 || control_init(b) || watch(b, b->wake_main) ||
	    worker_start(b))
		return fault_set(ret_fault, -EIO, "cannot start: %s",
				 strerror(errno));
	ret = run_on(b, ret_fault);
	if (ret)
		return ret;
	if (b->frontend >= 0 && watch(b, b->frontend))
		return fault_set(ret_fault, -EBADF,
				 "the VMM's descriptor is no socket");
	if (b->listen >= 0 && watch(b, b->listen))
		return fault_set(ret_fault, -EBADF,
				 "the listening descriptor is no socket");
	return 0;
}

/* A successor goes on with the listening sockets: their paths stay. */
static void remove_paths(const struct backend *b)
{
	if (b->store.sock >= 0 && !b->lost)
		return;
	if (b->listen >= 0 && b->socket_path)
		(void)unlink(b->socket_path);
	if (b->control_fd >= 0 && b->control_path)
		(void)unlink(b->control_path);
}

/*
 * What cannot be used now, no successor can use either: better the VMM sees
 * the end than one successor after the other.
 */
static int give_up(struct backend *b, int ret, const struct fault *why)
{
	log_err("%s", why->text);
	if (ret == -EPROTO) {
		b->lost = true;
		keep_drop_all(b);
		remove_paths(b);
	}
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct options o = {
		.name = "vm",
		.fd = -1,
		.control_fd = -1,
		.grant = true,
		.sandbox = SANDBOX,
	};
	struct fault why = { "" };
	static struct backend b;
	int signals = -1, ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return EXIT_FAILURE;
	log_init(PROGRAM, o.name);
	backend_init(&b, &o);
	ret = start(&b, &o, &signals, &why);
	if (!ret && o.sandbox)
		ret = sandbox_enter(&why);
	if (ret)
		return give_up(&b, ret, &why);
	(void)fdstore_notify(&b.store, "READY=1");

	loop(&b, signals);

	worker_end(&b);
	control_deinit(&b);
	remove_paths(&b);
	return b.status;
}
