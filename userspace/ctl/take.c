// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ballonetctl take: have the host take what a guest has on standby.
 */
#include "ctl.h"
#include "size.h"

#include <inttypes.h>
#include <stdio.h>

/* One call takes for a second at most. */
static int take_some(struct ctl *ctl, uint64_t bytes, uint64_t *ret_taken,
		     uint64_t *ret_freed)
{
	struct varlink_reply reply;
	json_int_t taken = 0, freed = 0;
	int rc;

	rc = ctl_call(ctl, "io.ballonet.Take",
		      json_pack("{s:s,s:I}", "vm", ctl->vm, "bytes",
				(json_int_t)bytes), &reply);
	if (rc)
		return rc;
	if (json_unpack(reply.parameters, "{s:I,s:I}", "taken", &taken,
			"freed", &freed) || taken < 0 || freed < 0) {
		ctl_error("%s: the answer makes no sense", ctl->vm);
		rc = CTL_FAILURE;
	}
	varlink_reply_deinit(&reply);
	*ret_taken = taken;
	*ret_freed = freed;
	return rc;
}

static void result_print(const struct ctl *ctl, uint64_t taken, uint64_t freed)
{
	char text[2][SIZE_TEXT_MAX];

	if (ctl->json) {
		json_t *json = json_pack("{s:I,s:I}",
					 "taken", (json_int_t)taken,
					 "freed", (json_int_t)freed);

		ctl_print_json(json);
		json_decref(json);
		return;
	}
	printf("%s: took %s (%" PRIu64 " bytes), %s (%" PRIu64
	       " bytes) freed\n", ctl->vm, size_format(taken, text[0]), taken,
	       size_format(freed, text[1]), freed);
}

/**
 * ctl_take - take what is on standby
 * @ctl:	with @vm and @size
 *
 * Return: an exit code.
 */
int ctl_take(struct ctl *ctl)
{
	uint64_t want, taken = 0, freed = 0, n, f;
	int rc;

	if (!ctl->size) {
		ctl_error("%s: how much to take is missing", ctl->vm);
		return CTL_USAGE;
	}
	rc = ctl_size(ctl->vm, ctl->size, &want);
	do {
		n = 0;
		if (!rc)
			rc = take_some(ctl, want - taken, &n, &f);
		if (rc)
			break;
		taken += n;
		freed += f;
	} while (n && taken < want);
	if (rc && !taken)
		return rc;
	result_print(ctl, taken, freed);
	if (!rc && taken < want)
		rc = CTL_PARTIAL;
	return rc;
}
