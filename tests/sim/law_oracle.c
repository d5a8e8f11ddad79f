// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Not a law: it knows what each guest will want, and all that no host can see.
 * What it does not save, no law can be blamed for; and targets have to turn
 * about as often as its do.
 *
 * Each guest is given the most that it will want in the next seconds, and keeps
 * it until somebody else needs it: then it is taken from whoever does not need
 * it for the longest time. Where all that does not fit, guests with swap go
 * without as much as their swap takes, since they wait and the others kill;
 * then all without part of their file pages; the rest is left to the host's
 * paging.
 */
#include "sim.h"

#include <stdlib.h>

/* As long as a GiB takes to a guest's swap, and some. */
#define AHEAD		10.0
#define LOOKS		20
/* Watermarks of a guest and of the host, as in guest.c and host.c. */
#define GUEST_LOW	0.012
#define HOST_LOW	0.006
/* Swap that is left free. */
#define SWAP_LEFT	32.0

/* What is taken at once from one guest. */
#define STEP		256.0

struct oracle {
	double *need;
	double *keep;
};

static void *oracle_start(struct sim *sim)
{
	struct oracle *o = calloc(1, sizeof(*o));

	if (o) {
		o->need = calloc(sim->nr, sizeof(*o->need));
		o->keep = calloc(sim->nr, sizeof(*o->keep));
	}
	return o;
}

static void oracle_end(void *private)
{
	struct oracle *o = private;

	free(o->need);
	free(o->keep);
	free(o);
}

static bool moves(const struct sim *sim, const struct guest *g)
{
	return guest_up(sim, g) && g->vice != DRIVERLESS && g->vice != WEDGED;
}

static double most_wanted(const struct sim *sim, const struct guest *g)
{
	double most = 0;
	int i;

	/* Bursts are straight lines, so that few looks find the highest. */
	for (i = 0; i <= LOOKS; i++)
		most = max_d(most, guest_demand(g, sim->now +
						   AHEAD * i / LOOKS));
	return most + g->kernel + g->hot + GUEST_LOW * g->memory;
}

/* What it could have in its swap without waiting for the disk too long. */
static double swappable(const struct sim *sim, const struct guest *g)
{
	return moves(sim, g) ? max_d(0, g->swap - SWAP_LEFT) : 0;
}

/* Take so much in proportion to what each could do without. */
static double do_without(struct sim *sim, struct oracle *o, double missing,
			 double (*could)(const struct sim *sim,
					 const struct guest *g))
{
	double sum = 0, part;
	int i;

	for (i = 0; i < sim->nr; i++)
		sum += could(sim, &sim->guests[i]);
	if (missing <= 0 || sum <= 0)
		return missing;
	part = min_d(1, missing / sum);
	for (i = 0; i < sim->nr; i++)
		o->need[i] -= part * could(sim, &sim->guests[i]);
	return missing - part * sum;
}

static double half_of_files(const struct sim *sim, const struct guest *g)
{
	return moves(sim, g) ? g->hot / 2 : 0;
}

/* When it will want more than it does in the next seconds. */
static double next_want(const struct sim *sim, const struct guest *g)
{
	int i;

	for (i = g->over; i < g->nr_bursts; i++)
		if (!g->bursts[i].cancelled &&
		    g->bursts[i].start > sim->now + AHEAD)
			return g->bursts[i].start;
	return sim->end;
}

/* Whose memory is not needed for the longest time; -1 if nobody has any. */
static int idlest(const struct sim *sim, const struct oracle *o)
{
	double latest = 0, next;
	int i, found = -1;

	for (i = 0; i < sim->nr; i++) {
		if (o->keep[i] - o->need[i] < 1)
			continue;
		next = next_want(sim, &sim->guests[i]);
		if (next > latest) {
			latest = next;
			found = i;
		}
	}
	return found;
}

/* Nothing is taken but for somebody who needs it. */
static void oracle_step(struct sim *sim)
{
	struct oracle *o = sim->private;
	double room = sim->total * (1 - HOST_LOW) - sim->overhead;
	double missing = -room;
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];

		o->need[i] = moves(sim, g) ? most_wanted(sim, g) :
			guest_resident(g);
		missing += o->need[i];
	}
	missing = do_without(sim, o, missing, swappable);
	do_without(sim, o, missing, half_of_files);
	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];

		o->keep[i] = moves(sim, g) ?
			max_d(o->need[i], g->memory - g->target) : o->need[i];
		room -= o->keep[i];
	}
	while (room < 0 && (i = idlest(sim, o)) >= 0) {
		double part = min_d(-room, o->keep[i] - o->need[i]);

		part = max_d(part, min_d(STEP, o->keep[i] - o->need[i]));
		o->keep[i] -= part;
		room += part;
	}
	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		if (moves(sim, g))
			guest_target(sim, g, g->memory -
				     max_d(g->min, o->keep[i]));
	}
}

const struct law law_oracle = { "oracle", oracle_start, oracle_step,
				oracle_end };
