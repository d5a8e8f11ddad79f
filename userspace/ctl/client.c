// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls over the control socket, one at a time, and what their errors mean.
 */
#include "ctl.h"
#include "interface_governor.h"
#include "size.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The manager gives a back-end 2 s before it answers NotReady. */
#define ANSWER_TIMEOUT_MS 5000

/**
 * ctl_now_ms - a clock that only goes forward
 *
 * Return: milliseconds.
 */
uint64_t ctl_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static int client_connect(struct ctl *ctl)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(ctl->control);

	if (len >= sizeof(addr.sun_path)) {
		ctl_error("%s: path of %zu bytes, limit %zu", ctl->control, len,
			  sizeof(addr.sun_path) - 1);
		return CTL_USAGE;
	}
	memcpy(addr.sun_path, ctl->control, len);
	ctl->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ctl->fd < 0) {
		ctl_error("socket: %m");
		return CTL_FAILURE;
	}
	if (connect(ctl->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		ctl_error("%s: %m (is ballonetd running?)", ctl->control);
		close(ctl->fd);
		ctl->fd = -1;
		return errno == EACCES ? CTL_DENIED : CTL_UNREACHABLE;
	}
	return CTL_OK;
}

static int client_send(struct ctl *ctl, const struct varlink_buf *out)
{
	size_t done;
	ssize_t n;

	for (done = 0; done < out->len; done += n) {
		n = send(ctl->fd, out->data + done, out->len - done,
			 MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return -errno;
	}
	return 0;
}

/* @timeout_ms: -1 waits for ever. */
static int client_receive(struct ctl *ctl, int timeout_ms,
			  struct varlink_reply *ret_reply)
{
	uint64_t end = ctl_now_ms() + timeout_ms, now;
	struct pollfd pfd = { .fd = ctl->fd, .events = POLLIN };
	char piece[16384];
	ssize_t n;
	int rc;

	for (;;) {
		rc = varlink_reply_next(&ctl->in, ret_reply);
		if (rc)
			return rc < 0 ? rc : 0;
		now = ctl_now_ms();
		rc = poll(&pfd, 1, timeout_ms < 0 ? -1 :
			  now < end ? (int)(end - now) : 0);
		if (rc < 0 && errno != EINTR)
			return -errno;
		if (!rc)
			return -ETIMEDOUT;
		n = rc > 0 ? recv(ctl->fd, piece, sizeof(piece), 0) : 0;
		if (n < 0)
			return -errno;
		if (!n && rc > 0)
			return -ECONNRESET;
		rc = varlink_buf_append(&ctl->in, piece, n);
		if (rc)
			return rc;
	}
}

static const char *text_of(const struct varlink_reply *reply, const char *key)
{
	const char *text;

	text = json_string_value(json_object_get(reply->parameters, key));
	return text ? text : "?";
}

static long long number_of(const struct varlink_reply *reply, const char *key)
{
	return json_integer_value(json_object_get(reply->parameters, key));
}

static int unknown_vm(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)ctl;
	ctl_error("%s: no such VM", text_of(reply, "vm"));
	return CTL_UNKNOWN_VM;
}

static int out_of_range(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)ctl;
	ctl_error("%s: %s %lld is out of range: %lld to %lld, in steps of 4096",
		  text_of(reply, "vm"), text_of(reply, "field"),
		  number_of(reply, "value"), number_of(reply, "minimum"),
		  number_of(reply, "maximum"));
	return CTL_USAGE;
}

static int not_ready(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)ctl;
	ctl_error("%s: %s", text_of(reply, "vm"), text_of(reply, "reason"));
	return CTL_NOT_READY;
}

static int denied(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)reply;
	ctl_error("%s: only root and the owner of the socket may do this",
		  ctl->control);
	return CTL_DENIED;
}

static int vm_exists(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)ctl;
	ctl_error("%s: there is such a VM already", text_of(reply, "vm"));
	return CTL_FAILURE;
}

static int vm_busy(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)ctl;
	ctl_error("%s: its VMM is connected", text_of(reply, "vm"));
	return CTL_FAILURE;
}

static int failed(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)ctl;
	ctl_error("%s", text_of(reply, "reason"));
	return CTL_FAILURE;
}

static int no_method(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)reply;
	ctl_error("%s: cannot do this: not a manager's control socket",
		  ctl->control);
	return CTL_FAILURE;
}

static int not_held(struct ctl *ctl, const struct varlink_reply *reply)
{
	(void)ctl;
	ctl_error("%s: nothing is held for it", text_of(reply, "name"));
	return CTL_UNKNOWN_VM;
}

static int no_room(struct ctl *ctl, const struct varlink_reply *reply)
{
	char text[6][SIZE_TEXT_MAX];

	(void)ctl;
	ctl_error("no room for %s: %s could be promised, since of %s for VMs running ones are sure of %s, %s is held for others, and %s stays free",
		  size_format(number_of(reply, "bytes"), text[0]),
		  size_format(number_of(reply, "left"), text[1]),
		  size_format(number_of(reply, "budget"), text[2]),
		  size_format(number_of(reply, "minimums"), text[3]),
		  size_format(number_of(reply, "held"), text[4]),
		  size_format(number_of(reply, "reserve"), text[5]));
	return CTL_NO_ROOM;
}

static int invalid(struct ctl *ctl, const struct varlink_reply *reply)
{
	const char *value = ctl->vm ? ctl->vm : ctl->name ? ctl->name :
		ctl->size;

	ctl_error("%s: '%s' makes no sense for parameter %s", ctl->control,
		  value ? value : "", text_of(reply, "parameter"));
	return CTL_USAGE;
}

static const struct {
	const char *name;
	int (*report)(struct ctl *ctl, const struct varlink_reply *reply);
} errors[] = {
	{ INTERFACE_UNKNOWN_VM, unknown_vm },
	{ INTERFACE_OUT_OF_RANGE, out_of_range },
	{ INTERFACE_NOT_READY, not_ready },
	{ INTERFACE_VM_EXISTS, vm_exists },
	{ INTERFACE_VM_BUSY, vm_busy },
	{ INTERFACE_FAILURE, failed },
	{ INTERFACE_NOT_MANAGED, failed },
	{ INTERFACE_NO_ROOM, no_room },
	{ INTERFACE_NOT_HELD, not_held },
	{ "org.varlink.service.PermissionDenied", denied },
	{ "org.varlink.service.InterfaceNotFound", no_method },
	{ "org.varlink.service.MethodNotFound", no_method },
	{ "org.varlink.service.MethodNotImplemented", no_method },
	{ "org.varlink.service.InvalidParameter", invalid },
};

static int report(struct ctl *ctl, const struct varlink_reply *reply)
{
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (!strcmp(errors[i].name, reply->error))
			return errors[i].report(ctl, reply);
	ctl_error("%s: unexpected error %s", ctl->control, reply->error);
	return CTL_FAILURE;
}

/* What an attempt to get an answer means, and the answer if there is one. */
static int finish(struct ctl *ctl, int rc, struct varlink_reply *reply,
		  struct varlink_reply *ret_reply)
{
	if (rc) {
		ctl_error("%s: no answer: %s", ctl->control, strerror(-rc));
		return CTL_UNREACHABLE;
	}
	if (reply->error) {
		rc = report(ctl, reply);
		varlink_reply_deinit(reply);
		return rc;
	}
	*ret_reply = *reply;
	return CTL_OK;
}

/**
 * ctl_call_flags - call a method and wait for its first answer
 * @ctl:	connects at the first call
 * @method:	full name
 * @parameters:	an object or NULL; its reference is taken
 * @flags:	as varlink_call()
 * @ret_reply:	the answer, to be given to varlink_reply_deinit()
 *
 * Reports its failures.
 *
 * Return: an exit code; an answer if it is CTL_OK.
 */
int ctl_call_flags(struct ctl *ctl, const char *method, json_t *parameters,
		   unsigned int flags, struct varlink_reply *ret_reply)
{
	struct varlink_buf out = { 0 };
	struct varlink_reply reply;
	int rc;

	if (ctl->fd < 0) {
		rc = client_connect(ctl);
		if (rc) {
			json_decref(parameters);
			return rc;
		}
	}
	rc = varlink_call(&out, method, parameters, flags);
	if (!rc)
		rc = client_send(ctl, &out);
	varlink_buf_deinit(&out);
	if (!rc)
		rc = client_receive(ctl, ANSWER_TIMEOUT_MS, &reply);
	return finish(ctl, rc, &reply, ret_reply);
}

/**
 * ctl_call - call a method that has one answer
 * @ctl:	as ctl_call_flags()
 * @method:	likewise
 * @parameters:	likewise
 * @ret_reply:	likewise
 *
 * Return: as ctl_call_flags().
 */
int ctl_call(struct ctl *ctl, const char *method, json_t *parameters,
	     struct varlink_reply *ret_reply)
{
	return ctl_call_flags(ctl, method, parameters, 0, ret_reply);
}

/**
 * ctl_show - call a method and print what it returns, as JSON or for people
 * @ctl:	the control socket
 * @method:	full name
 * @parameters:	an object or NULL; its reference is taken
 * @member:	of what is returned; NULL for all of it
 * @print:	for people
 *
 * Return: an exit code.
 */
int ctl_show(struct ctl *ctl, const char *method, json_t *parameters,
	     const char *member, void (*print)(json_t *what))
{
	struct varlink_reply reply = { 0 };
	json_t *what;
	int rc;

	rc = ctl_call(ctl, method, parameters, &reply);
	if (rc)
		return rc;
	what = member ? json_object_get(reply.parameters, member) :
		reply.parameters;
	if (ctl->json)
		ctl_print_json(what);
	else
		print(what);
	varlink_reply_deinit(&reply);
	return CTL_OK;
}

/**
 * ctl_order - call a method that returns nothing
 * @ctl:	the control socket
 * @method:	full name
 * @parameters:	an object or NULL; its reference is taken
 *
 * Return: an exit code.
 */
int ctl_order(struct ctl *ctl, const char *method, json_t *parameters)
{
	struct varlink_reply reply;
	int rc;

	rc = ctl_call(ctl, method, parameters, &reply);
	if (!rc)
		varlink_reply_deinit(&reply);
	return rc;
}

/**
 * ctl_next - wait for the next answer of a call that goes on, for ever
 * @ctl:	as it was for ctl_call_flags() with VARLINK_MORE
 * @ret_reply:	likewise
 *
 * Return: as ctl_call_flags().
 */
int ctl_next(struct ctl *ctl, struct varlink_reply *ret_reply)
{
	struct varlink_reply reply;

	return finish(ctl, client_receive(ctl, -1, &reply), &reply, ret_reply);
}

/**
 * ctl_status - call a method that returns a Vm
 * @ctl:	as ctl_call()
 * @method:	full name
 * @parameters:	an object; its reference is taken
 * @ret_reply:	owns the VM, to be given to varlink_reply_deinit()
 * @ret_vm:	the VM
 *
 * Return: as ctl_call().
 */
int ctl_status(struct ctl *ctl, const char *method, json_t *parameters,
	       struct varlink_reply *ret_reply, struct interface_vm *ret_vm)
{
	struct varlink_reply reply = { 0 };
	int rc;

	rc = ctl_call(ctl, method, parameters, &reply);
	if (rc)
		return rc;
	if (interface_vm_unpack(json_object_get(reply.parameters, "vm"),
				ret_vm)) {
		ctl_error("%s: %s: the answer is no VM", ctl->control, method);
		varlink_reply_deinit(&reply);
		return CTL_FAILURE;
	}
	*ret_reply = reply;
	return CTL_OK;
}
