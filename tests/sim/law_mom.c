// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MOM of oVirt with its own rules, from its source (oVirt/mom, doc/
 * balloon.rules, doc/mom-balloon+ksm.conf).
 *
 * Every 5 s it looks, and takes means over 10 looks; every 10 s it decides. A
 * host with less than 20 % free shrinks every guest by at most 5 % to its use
 * and a part that falls with the host's free memory; below 5 % free that part
 * is negative. Otherwise it grows every guest by 5 %. Changes below a quarter
 * of a percent are left.
 *
 * The rules of today take the smaller of the guest's minimum and that bound
 * where the larger one must be meant; here it is the larger one, which is what
 * their comments say and what is better for guests.
 */
#include "sim.h"

#include <stdlib.h>

#define LOOK		5.0
#define DECIDE		10.0
#define LOOKS		10
#define PRESSURE	0.20
#define CRITICAL	0.05
#define GUEST_FREE	0.20
#define STEP		0.05
#define WORTH		0.0025

struct mean {
	double values[LOOKS];
	int nr;
	int next;
};

struct mom_guest {
	struct mean balloon;
	struct mean unused;
};

struct mom {
	struct mom_guest *guests;
	struct mean host;
	double look_at;
	double decide_at;
};

static void *mom_start(struct sim *sim)
{
	struct mom *m = calloc(1, sizeof(*m));

	if (m) {
		m->guests = calloc(sim->nr, sizeof(*m->guests));
		m->decide_at = DECIDE;
	}
	return m;
}

static void mom_end(void *private)
{
	struct mom *m = private;

	free(m->guests);
	free(m);
}

static void mean_add(struct mean *mean, double value)
{
	mean->values[mean->next] = value;
	mean->next = (mean->next + 1) % LOOKS;
	if (mean->nr < LOOKS)
		mean->nr++;
}

static double mean_of(const struct mean *mean)
{
	double sum = 0;
	int i;

	for (i = 0; i < mean->nr; i++)
		sum += mean->values[i];
	return mean->nr ? sum / mean->nr : 0;
}

static void look(struct sim *sim, struct mom *m)
{
	struct sample sample;
	int i;

	mean_add(&m->host, host_free(sim));
	for (i = 0; i < sim->nr; i++) {
		if (!guest_up(sim, &sim->guests[i]))
			m->guests[i] = (struct mom_guest){ 0 };
		if (!guest_sample(sim, &sim->guests[i], &sample))
			continue;
		mean_add(&m->guests[i].balloon, guest_kept(&sim->guests[i]));
		mean_add(&m->guests[i].unused, sample.free);
	}
}

static void decide_one(struct sim *sim, struct guest *g,
		       const struct mom_guest *mg, double host_free_part)
{
	double current = guest_kept(g), part = GUEST_FREE, least, size;
	double used = mean_of(&mg->balloon) - mean_of(&mg->unused);
	bool shrink = host_free_part < PRESSURE;

	if (host_free_part <= CRITICAL)
		part = host_free_part - CRITICAL;
	else if (shrink)
		part = GUEST_FREE * host_free_part / PRESSURE;
	least = max_d(g->min, used + part * current);
	if (shrink) {
		size = max_d(current * (1 - STEP), least);
		if (size > current)
			return;
	} else {
		if (current >= g->memory)
			return;
		size = max_d(min_d(current * (1 + STEP), g->memory), least);
	}
	if (size - current > WORTH * current ||
	    current - size > WORTH * current)
		guest_target(sim, g, g->memory - size);
}

static void mom_step(struct sim *sim)
{
	struct mom *m = sim->private;
	int i;

	if (sim->now >= m->look_at) {
		m->look_at += LOOK;
		look(sim, m);
	}
	if (sim->now < m->decide_at)
		return;
	m->decide_at += DECIDE;
	for (i = 0; i < sim->nr; i++)
		if (guest_up(sim, &sim->guests[i]) &&
		    m->guests[i].unused.nr)
			decide_one(sim, &sim->guests[i], &m->guests[i],
				   mean_of(&m->host) / sim->total);
}

const struct law law_mom = { "MOM", mom_start, mom_step, mom_end };
