// SPDX-License-Identifier: GPL-2.0-or-later
#include "admission.h"
#include "plan_math.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/**
 * admission_left - what can be promised to one more VM
 * @room:	the sums
 *
 * Return: bytes, 0 if too much is promised already.
 */
uint64_t admission_left(const struct admission_room *room)
{
	uint64_t promised = add_sat(room->minimums, room->held);

	return sub_sat(room->budget, add_sat(promised, room->reserve));
}

/**
 * admission_to_take - what running VMs would have to give for one more
 * @room:	the sums
 * @bytes:	what it is promised
 *
 * Return: bytes.
 */
uint64_t admission_to_take(const struct admission_room *room, uint64_t bytes)
{
	uint64_t wanted = add_sat(add_sat(bytes, room->held), room->reserve);

	return sub_sat(wanted, room->available);
}

static void forget(struct admission *admission, struct lease *lease)
{
	*lease = admission->leases[--admission->nr];
}

/**
 * admission_expire - let go what is over
 * @admission:	all room
 * @now_ms:	the time
 */
void admission_expire(struct admission *admission, uint64_t now_ms)
{
	size_t i = 0;

	while (i < admission->nr) {
		if (admission->leases[i].until_ms <= now_ms)
			forget(admission, &admission->leases[i]);
		else
			i++;
	}
}

/**
 * admission_find - look for room that is held
 * @admission:	all room
 * @name:	for whom
 *
 * Return: the lease, or NULL.
 */
struct lease *admission_find(struct admission *admission, const char *name)
{
	size_t i;

	for (i = 0; i < admission->nr; i++)
		if (!strcmp(admission->leases[i].name, name))
			return &admission->leases[i];
	return NULL;
}

/**
 * admission_hold - hold room; it was found that there is some
 * @admission:	all room
 * @name:	for whom: a valid name of a VM; what was held for it before is
 *		replaced
 * @bytes:	how much
 * @until_ms:	then it is over
 *
 * Return: 0, or -ENOSPC if too many wait.
 */
int admission_hold(struct admission *admission, const char *name,
		   uint64_t bytes, uint64_t until_ms)
{
	struct lease *lease = admission_find(admission, name);

	if (!lease) {
		if (admission->nr == ADMISSION_MAX)
			return -ENOSPC;
		lease = &admission->leases[admission->nr++];
	}
	*lease = (struct lease){ .bytes = bytes, .until_ms = until_ms };
	snprintf(lease->name, sizeof(lease->name), "%s", name);
	return 0;
}

/**
 * admission_release - let go before its time
 * @admission:	all room
 * @name:	for whom it was held
 *
 * Return: 0 or -ENOENT.
 */
int admission_release(struct admission *admission, const char *name)
{
	struct lease *lease = admission_find(admission, name);

	if (!lease)
		return -ENOENT;
	forget(admission, lease);
	return 0;
}

/**
 * admission_held - what is held and not taken yet
 * @admission:	all room
 *
 * Return: bytes.
 */
uint64_t admission_held(const struct admission *admission)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < admission->nr; i++)
		sum = add_sat(sum, sub_sat(admission->leases[i].bytes,
					   admission->leases[i].taken));
	return sum;
}
