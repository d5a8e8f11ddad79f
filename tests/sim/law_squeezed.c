// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * squeezed of XenServer and XCP-ng, from its description and source
 * (xapi-project/xen-api, doc/content/squeezed, ocaml/squeezed/lib/squeeze.ml).
 *
 * What is over when everybody has the minimum is shared in proportion to
 * maximum - minimum. What guests say about their memory is not looked at.
 * Every 10 s it checks the balance; while targets are not reached it looks
 * once a second, shrinks before it grows, and leaves out a guest that makes no
 * progress for 5 s.
 *
 * Xen's free memory is what no guest may have: the host less what all guests
 * keep. It leaves 9 MiB of that; here also the host's low watermark, since a
 * Linux host pages below that and Xen does not.
 */
#include "sim.h"

#include <stdlib.h>

#define CHECK		10.0
#define AGAIN		1.0
#define STUCK		5.0
#define SLUSH		9.0
#define LOW		0.005
#define INACCURACY	1.0

struct domain {
	double actual;
	double progress_at;
	bool stuck;
};

struct squeezed {
	struct domain *domains;
	double next;
	bool looping;
};

static void *squeezed_start(struct sim *sim)
{
	struct squeezed *s = calloc(1, sizeof(*s));

	if (s)
		s->domains = calloc(sim->nr, sizeof(*s->domains));
	return s;
}

static void squeezed_end(void *private)
{
	struct squeezed *s = private;

	free(s->domains);
	free(s);
}

static bool can_balloon(const struct sim *sim, const struct guest *g)
{
	return guest_up(sim, g) && g->vice != DRIVERLESS;
}

static bool hit(double actual, double target)
{
	return actual - target <= INACCURACY && target - actual <= INACCURACY;
}

static void stuck_update(const struct sim *sim, struct squeezed *s, int i)
{
	const struct guest *g = &sim->guests[i];
	struct domain *d = &s->domains[i];
	double actual = guest_kept(g), target = g->memory - g->target;
	double moved = actual - d->actual;

	d->actual = actual;
	if ((moved > 0 && target > actual) || (moved < 0 && target < actual)) {
		d->progress_at = sim->now;
		d->stuck = false;
	}
	if (!hit(actual, target) && sim->now - d->progress_at > STUCK)
		d->stuck = true;
}

/* The part of maximum - minimum that everybody gets. */
static double gamma_of(const struct sim *sim, const struct squeezed *s)
{
	double surplus = sim->total - sim->overhead - SLUSH -
		LOW * sim->total, range = 0;
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];

		if (!guest_up(sim, g))
			continue;
		surplus -= guest_kept(g);
		if (!can_balloon(sim, g) || s->domains[i].stuck)
			continue;
		surplus += max_d(0, guest_kept(g) - g->min - 2 * INACCURACY);
		range += g->memory - g->min;
	}
	return range > 0 ? clamp_d(surplus / range, 0, 1) : 0;
}

/* One look; returns whether there is something left to do. */
static bool iterate(struct sim *sim, struct squeezed *s)
{
	bool freeing = false, busy = false;
	double gamma, target;
	int i;

	for (i = 0; i < sim->nr; i++)
		stuck_update(sim, s, i);
	gamma = gamma_of(sim, s);
	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];

		target = g->min + gamma * (g->memory - g->min);
		if (can_balloon(sim, g) && !s->domains[i].stuck &&
		    target < guest_kept(g) && !hit(guest_kept(g), target))
			freeing = true;
	}
	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		if (!can_balloon(sim, g) || s->domains[i].stuck)
			continue;
		if (!hit(guest_kept(g), g->memory - g->target))
			busy = true;
		target = g->min + gamma * (g->memory - g->min);
		if (freeing != (target < guest_kept(g) &&
				!hit(guest_kept(g), target)))
			continue;
		if (!hit(g->memory - g->target, target))
			busy = true;
		guest_target(sim, g, g->memory - target);
	}
	return busy;
}

static void squeezed_step(struct sim *sim)
{
	struct squeezed *s = sim->private;
	int i;

	if (sim->now < s->next)
		return;
	if (!s->looping)
		for (i = 0; i < sim->nr; i++)
			s->domains[i] = (struct domain){
				guest_kept(&sim->guests[i]), sim->now, false };
	s->looping = iterate(sim, s);
	s->next = sim->now + (s->looping ? AGAIN : CHECK);
}

const struct law law_squeezed = { "squeezed", squeezed_start, squeezed_step,
				  squeezed_end };
