// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonetctl set: from what the guest keeps to a balloon, and the wait.
 */
#include "ctl.h"
#include "size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Devices count in frames of 4096 bytes, whatever the machine's pages. */
#define FRAME		4096
/* Ten looks a second: more than eyes follow, nothing for the manager. */
#define LOOK_MS		100

/**
 * ctl_size - read a size of the command line
 * @what:	it is for
 * @text:	the size
 * @ret_bytes:	likewise
 *
 * Reports its failures.
 *
 * Return: an exit code.
 */
int ctl_size(const char *what, const char *text, uint64_t *ret_bytes)
{
	int rc = size_parse(text, ret_bytes);

	if (rc == -ERANGE)
		ctl_error("%s: size '%s' is out of range, limit %" PRId64
			  " bytes", what, text, INT64_MAX);
	else if (rc)
		ctl_error("%s: '%s' is no size: bytes, or a number with K, M, G or T (powers of 1024)",
			  what, text);
	return rc ? CTL_USAGE : CTL_OK;
}

/*
 * The balloon that leaves the guest @keep bytes; rounded down to frames, so
 * that the guest never keeps less.
 */
static int balloon_for(struct ctl *ctl, uint64_t keep, uint64_t *ret_balloon)
{
	char text[2][SIZE_TEXT_MAX];
	struct varlink_reply reply;
	struct interface_vm vm;
	int rc;

	rc = ctl_status(ctl, "io.ballonet.Status",
			json_pack("{s:s}", "vm", ctl->vm), &reply, &vm);
	if (rc)
		return rc;
	varlink_reply_deinit(&reply);
	if (!vm.memory) {
		ctl_error("%s: its memory is not known before its VMM has started it: use --balloon=SIZE",
			  ctl->vm);
		return CTL_NOT_READY;
	}
	if (keep > vm.memory) {
		ctl_error("%s: cannot keep %s (%" PRIu64 " bytes), the guest has %s (%"
			  PRIu64 " bytes)", ctl->vm, size_format(keep, text[0]),
			  keep, size_format(vm.memory, text[1]), vm.memory);
		return CTL_USAGE;
	}
	*ret_balloon = (vm.memory - keep) / FRAME * FRAME;
	return CTL_OK;
}

static void show_progress(const struct interface_vm *vm, uint64_t *shown,
			  bool tty)
{
	char text[2][SIZE_TEXT_MAX];

	if (*shown == vm->actual)
		return;
	*shown = vm->actual;
	fprintf(stderr, "%s%s: balloon %s of %s%s", tty ? "\r\033[K" : "",
		vm->name, size_format(vm->actual, text[0]),
		size_format(vm->target, text[1]), tty ? "" : "\n");
}

/* Is there any use in waiting on? Reports if not. */
static int worth_waiting(const struct interface_vm *vm, uint64_t balloon)
{
	char text[SIZE_TEXT_MAX];

	if (vm->operator == balloon && vm->target > balloon) {
		ctl_error("%s: the guest wishes for a balloon of %s (%" PRIu64
			  " bytes), which is granted", vm->name,
			  size_format(vm->target, text), vm->target);
		return CTL_PARTIAL;
	}
	if (vm->target != balloon) {
		ctl_error("%s: somebody else set the balloon to %s (%" PRIu64
			  " bytes)", vm->name, size_format(vm->target, text),
			  vm->target);
		return CTL_PARTIAL;
	}
	if (vm->state == INTERFACE_REFUSED || vm->state == INTERFACE_FAILED) {
		ctl_error("%s: %s: %s", vm->name,
			  interface_state_names[vm->state],
			  vm->reason ? vm->reason : "no reason given");
		return CTL_FAILURE;
	}
	return CTL_OK;
}

static int look(struct ctl *ctl, uint64_t balloon, uint64_t *shown, bool tty,
		bool *ret_reached)
{
	struct varlink_reply reply;
	struct interface_vm vm;
	int rc;

	rc = ctl_status(ctl, "io.ballonet.Status",
			json_pack("{s:s}", "vm", ctl->vm), &reply, &vm);
	/* A back-end that is just being replaced is no reason to give up. */
	if (rc)
		return rc == CTL_NOT_READY ? CTL_OK : rc;
	show_progress(&vm, shown, tty);
	*ret_reached = vm.actual == balloon && vm.target == balloon;
	rc = *ret_reached ? CTL_OK : worth_waiting(&vm, balloon);
	varlink_reply_deinit(&reply);
	return rc;
}

static int wait_for(struct ctl *ctl, uint64_t balloon)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };
	uint64_t end = ctl_now_ms() + ctl->wait_ms, shown = UINT64_MAX;
	bool tty = isatty(STDERR_FILENO), reached = false;
	int rc;

	for (;;) {
		rc = look(ctl, balloon, &shown, tty, &reached);
		if (rc || reached || ctl_now_ms() >= end)
			break;
		nanosleep(&pause, NULL);
	}
	if (tty)
		fputs("\r\033[K", stderr);
	if (!rc && !reached) {
		ctl_error("%s: balloon not at %" PRIu64 " bytes after %g s",
			  ctl->vm, balloon, ctl->wait_ms / 1000.0);
		return CTL_PARTIAL;
	}
	return rc;
}

static int show_result(struct ctl *ctl)
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
		ctl_print_line(&vm);
	varlink_reply_deinit(&reply);
	return CTL_OK;
}

/**
 * ctl_set - set a VM's target, or leave it to the manager
 * @ctl:	with @vm and one of @size and @balloon
 *
 * Return: an exit code.
 */
int ctl_set(struct ctl *ctl)
{
	struct varlink_reply reply;
	struct interface_vm vm;
	uint64_t balloon;
	int rc, shown;

	if (ctl->size && !ctl->balloon && !strcmp(ctl->size, "auto"))
		return ctl_automatic(ctl);
	if (!ctl->size == !ctl->balloon) {
		ctl_error("%s: give either SIZE, which the guest keeps, or auto, or --balloon=SIZE",
			  ctl->vm);
		return CTL_USAGE;
	}
	rc = ctl_size(ctl->vm, ctl->size ? ctl->size : ctl->balloon, &balloon);
	if (!rc && ctl->size)
		rc = balloon_for(ctl, balloon, &balloon);
	if (rc)
		return rc;
	rc = ctl_status(ctl, "io.ballonet.SetBalloon",
			json_pack("{s:s,s:I}", "vm", ctl->vm, "bytes",
				  (json_int_t)balloon), &reply, &vm);
	if (rc)
		return rc;
	varlink_reply_deinit(&reply);
	if (ctl->wait)
		rc = wait_for(ctl, balloon);
	shown = show_result(ctl);
	return rc ? rc : shown;
}
