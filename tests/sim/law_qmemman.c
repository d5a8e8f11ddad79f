// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qmemman of Qubes OS, from its documentation and source (QubesOS/
 * qubes-core-admin, qubes/qmemman/algo.py and systemstate.py; meminfo-writer of
 * qubes-linux-utils).
 *
 * A program in each guest looks every 100 ms and tells when its use, swap
 * included and caches not, has changed by 30 MB. Every guest would like 1.3
 * times its use, at least 200 MiB. If all that fits, the rest is shared in
 * proportion; if not, who has too much goes down to what it would like, and
 * the others share that. Balances that move less than 150 MiB are left, unless
 * a guest lacks 15 MiB. It waits half a second for those who give, then hands
 * out what is there, and leaves a guest out that has not moved.
 *
 * Xen's free memory: as for squeezed.
 */
#include "sim.h"

#include <stdlib.h>

#define REPORT		30.0
#define FACTOR		1.3
#define LEAST		200.0
#define LEFT		50.0
#define SIGNIFICANT	150.0
#define LACKING		15.0
#define NEARLY		0.999
#define PATIENCE	0.5
#define LOW		0.005
/* It writes its numbers from a process, which has to run for that. */
#define DEAF		0.9

struct domain {
	double used;
	double want;
	double before;
	bool known;
	bool no_progress;
	bool pending;
};

struct qmemman {
	struct domain *domains;
	double since;
	bool balancing;
};

static void *qmemman_start(struct sim *sim)
{
	struct qmemman *q = calloc(1, sizeof(*q));

	if (q)
		q->domains = calloc(sim->nr, sizeof(*q->domains));
	return q;
}

static void qmemman_end(void *private)
{
	struct qmemman *q = private;

	free(q->domains);
	free(q);
}

static double actual(const struct guest *g)
{
	return max_d(guest_kept(g), g->memory - g->target);
}

static double free_memory(const struct sim *sim)
{
	double sum = sim->total - sim->overhead - LOW * sim->total;
	int i;

	for (i = 0; i < sim->nr; i++)
		if (guest_up(sim, &sim->guests[i]))
			sum -= actual(&sim->guests[i]);
	return sum;
}

static double preferred(const struct guest *g, const struct domain *d)
{
	return max_d(min_d(FACTOR * d->used, g->memory), LEAST);
}

static bool takes_part(const struct sim *sim, const struct qmemman *q, int i)
{
	return guest_up(sim, &sim->guests[i]) && q->domains[i].known &&
		!q->domains[i].no_progress;
}

static double used(const struct guest *g)
{
	double free = max_d(0, guest_free(g));

	if (g->vice == CLAIMS_NEED)
		return guest_kept(g);
	if (g->vice == CLAIMS_PLENTY)
		return 0;
	return guest_kept(g) - free - g->cache_hot - g->cache_cold +
		g->swapped;
}

/* Guests write what they use. Returns whether one did. */
static bool hear(struct sim *sim, struct qmemman *q)
{
	bool heard = false;
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		struct domain *d = &q->domains[i];
		double now = used(g);

		if (!guest_up(sim, g)) {
			d->known = false;
			continue;
		}
		if (g->vice == DRIVERLESS || g->vice == SILENT ||
		    g->stall > DEAF)
			continue;
		if (d->known && now - d->used < REPORT &&
		    d->used - now < REPORT)
			continue;
		d->used = now;
		d->known = true;
		heard = true;
	}
	return heard;
}

static void forgive(const struct sim *sim, struct qmemman *q)
{
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		struct domain *d = &q->domains[i];

		if (actual(g) <= g->memory - g->target + LEFT / 2 ||
		    actual(g) < preferred(g, d))
			d->no_progress = false;
	}
}

/* What exceeds somebody's maximum goes to the others in equal parts. */
static void hand_on(const struct sim *sim, struct qmemman *q, double left)
{
	int i, open = 0, round;

	for (i = 0; i < sim->nr; i++)
		if (takes_part(sim, q, i) &&
		    q->domains[i].want < sim->guests[i].memory)
			open++;
	for (round = 0; round < sim->nr && left > 1 && open > 0; round++) {
		double bonus = NEARLY * left / open, next = 0;
		int full = 0;

		for (i = 0; i < sim->nr; i++) {
			struct domain *d = &q->domains[i];
			double max = sim->guests[i].memory;

			if (!takes_part(sim, q, i) || d->want >= max)
				continue;
			d->want += bonus;
			if (d->want >= max) {
				next += d->want - max;
				d->want = max;
				full++;
			}
		}
		left = next;
		open -= full;
	}
}

static void enough(struct sim *sim, struct qmemman *q, double preferences,
		   double available)
{
	double left = 0;
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		struct domain *d = &q->domains[i];

		if (!takes_part(sim, q, i))
			continue;
		d->want = NEARLY * (preferred(g, d) +
				    preferred(g, d) / preferences * available);
		if (d->want > g->memory) {
			left += d->want - g->memory;
			d->want = g->memory;
		}
	}
	hand_on(sim, q, left);
}

/*
 * Who has too much goes down to what it would like. What they give is not
 * handed out with this balance but with the next, when it is there: that is
 * how the source has it.
 */
static void too_little(struct sim *sim, struct qmemman *q, double free)
{
	double preferences = 0;
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		struct domain *d = &q->domains[i];
		double need = preferred(g, d) - actual(g);

		if (!takes_part(sim, q, i))
			continue;
		d->want = actual(g);
		if (need >= 0 && actual(g) < g->memory) {
			preferences += preferred(g, d);
		} else if (-need >= 10) {
			d->want = preferred(g, d);
			free += need;
		}
	}
	for (i = 0; free > 0 && i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		struct domain *d = &q->domains[i];

		if (takes_part(sim, q, i) && actual(g) < g->memory &&
		    preferred(g, d) >= actual(g))
			d->want = min_d(NEARLY * (actual(g) +
						  preferred(g, d) /
						  preferences * free),
					g->memory);
	}
}

static bool significant(const struct sim *sim, const struct qmemman *q,
			double free)
{
	double sum = 0, change;
	int i;

	if (LEFT - free > LACKING)
		return true;
	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		const struct domain *d = &q->domains[i];
		double target = g->memory - g->target;

		if (!takes_part(sim, q, i))
			continue;
		change = d->want - target;
		sum += change < 0 ? -change : change;
		if (target < preferred(g, d) && change > LACKING)
			return true;
	}
	return sum + (free > LEFT ? free - LEFT : LEFT - free) > SIGNIFICANT;
}

static void balance(struct sim *sim, struct qmemman *q)
{
	double free = free_memory(sim), needed = 0, preferences = 0;
	int i;

	forgive(sim, q);
	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];

		if (!takes_part(sim, q, i))
			continue;
		preferences += preferred(g, &q->domains[i]);
		needed += preferred(g, &q->domains[i]) - actual(g);
	}
	if (preferences <= 0)
		return;
	if (free - LEFT - needed > 0)
		enough(sim, q, preferences, free - LEFT - needed);
	else
		too_little(sim, q, free - LEFT);
	if (!significant(sim, q, free))
		return;
	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];
		struct domain *d = &q->domains[i];

		d->before = guest_kept(g);
		d->pending = takes_part(sim, q, i);
		if (d->pending && d->want < actual(g)) {
			guest_target(sim, g, g->memory - d->want);
			d->pending = false;
		}
	}
	q->balancing = true;
	q->since = sim->now;
}

/* Those who get, as far as those who give have given. */
static void hand_out(struct sim *sim, struct qmemman *q)
{
	bool late = sim->now - q->since >= PATIENCE;
	double free = free_memory(sim), before;
	int i, j;

	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];
		struct domain *d = &q->domains[i];

		if (!d->pending || !guest_up(sim, g))
			continue;
		before = actual(g);
		if (free - (d->want - before) >= 0.9 * LEFT) {
			guest_target(sim, g, g->memory - d->want);
			free -= actual(g) - before;
			d->pending = false;
			continue;
		}
		if (!late)
			return;
		for (j = 0; j < sim->nr; j++) {
			struct guest *o = &sim->guests[j];

			if (guest_kept(o) > o->memory - o->target + LEFT / 4 &&
			    guest_kept(o) >= q->domains[j].before)
				q->domains[j].no_progress = true;
		}
		guest_target(sim, g, g->memory - (free + actual(g) - LEFT));
		break;
	}
	q->balancing = false;
}

static void qmemman_step(struct sim *sim)
{
	struct qmemman *q = sim->private;
	bool heard = hear(sim, q);

	if (q->balancing)
		hand_out(sim, q);
	else if (heard)
		balance(sim, q);
}

const struct law law_qmemman = { "qmemman", qmemman_start, qmemman_step,
				 qmemman_end };
