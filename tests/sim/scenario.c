// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What happens in a run. 16 or 1000 VMs of 8 GiB, each guaranteed 2, on a host
 * with 3.5 GiB for each, of which 2 GiB in 16 VMs are the host's own. All is
 * drawn from the seed before the run, so that every law sees the same.
 */
#include "sim.h"

#include "plan.h"

#include <string.h>

#define MEMORY		8192.0
#define MIN		2048.0
#define HOST_PER_VM	3584.0
#define OVERHEAD_PER_VM	128.0
#define SWAP_PER_VM	1024.0
#define KERNEL		160.0
#define HOST_PAGE_PER_VM 1024.0
/*
 * "Fits": at no time is more wanted than this part of what there is. The rest
 * is what kernels need free to work at all, about half a GiB in a guest of 8.
 */
#define FITS		0.80
#define MAX_TIME	4096

static uint64_t random_next(uint64_t *random)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

double random_between(uint64_t *random, double low, double high)
{
	double part = (random_next(random) >> 11) / (double)(1ULL << 53);

	return low + (high - low) * part;
}

static void burst_add(struct guest *g, double start, double ramp, double hold,
		      double size)
{
	if (g->nr_bursts < MAX_BURSTS)
		g->bursts[g->nr_bursts++] = (struct burst){
			.start = start, .ramp = ramp, .hold = hold,
			.size = size,
		};
}

static double guest_size(const struct sim *sim)
{
	return sim->guests[0].memory;
}

/*
 * Bursts as they come, one at a time, on average @every seconds between them.
 * Nothing of the mathematical library, so that a seed is the same everywhere.
 */
static void bursts(const struct sim *sim, struct guest *g, uint64_t *random,
		   double every, double low, double high, double fastest,
		   double slowest)
{
	double t = random_between(random, 0, every);
	double limit = 0.85 * guest_size(sim) - g->base - g->kernel - g->hot;

	while (t < sim->end) {
		double size = min_d(random_between(random, low, high), limit);
		double ramp = random_between(random, fastest, slowest);
		double hold = random_between(random, 20, 180);

		burst_add(g, t, ramp, hold, size);
		t += ramp + hold +
			random_between(random, 0.1 * every, 1.9 * every);
	}
}

/* Leave out bursts, the latest first, until all that is wanted fits. */
static void make_fit(struct sim *sim)
{
	double room = FITS * (sim->total - sim->overhead), sum, t;
	static double wanted[MAX_TIME];
	int i, j, s, from, to;

	memset(wanted, 0, sizeof(wanted));
	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		for (s = 0; s < MAX_TIME && s < sim->end; s++)
			wanted[s] += g->kernel + g->hot + g->base;
	}
	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		for (j = 0; j < g->nr_bursts; j++) {
			struct burst *b = &g->bursts[j];

			t = b->start + b->ramp + b->hold + 1;
			from = b->start;
			to = min_d(t, min_d(MAX_TIME, sim->end));
			sum = 0;
			for (s = from; s < to; s++)
				sum = max_d(sum, wanted[s]);
			if (sum + b->size > room) {
				b->cancelled = true;
				continue;
			}
			for (s = from; s < to; s++)
				wanted[s] += b->size;
		}
	}
}

static void mix(struct sim *sim, uint64_t *random)
{
	int i;

	for (i = 0; i < sim->nr; i++)
		bursts(sim, &sim->guests[i], random, 240, 512, 3072, 3, 60);
	make_fit(sim);
}

static void ramp_at(struct sim *sim, uint64_t *random, double rate,
		    double size)
{
	int i;

	for (i = 0; i < sim->nr; i++)
		bursts(sim, &sim->guests[i], random, 300, size / 2, size,
		       size / 2 / rate, size / rate);
	/* The same slope for all, whatever the size. */
	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];
		int j;

		for (j = 0; j < g->nr_bursts; j++)
			g->bursts[j].ramp = g->bursts[j].size / rate;
	}
	make_fit(sim);
}

static void ramp_slow(struct sim *sim, uint64_t *random)
{
	ramp_at(sim, random, 100, 4096);
}

static void ramp_fast(struct sim *sim, uint64_t *random)
{
	ramp_at(sim, random, 1024, 4096);
}

/* All at once, a GiB each, again and again; it fits. */
static void storm(struct sim *sim, uint64_t *random)
{
	double t;
	int i;

	for (t = 240; t < sim->end; t += random_between(random, 300, 600))
		for (i = 0; i < sim->nr; i++)
			burst_add(&sim->guests[i],
				  t + random_between(random, 0, 3), 5, 60,
				  1024);
	make_fit(sim);
}

static void sort_bursts(struct guest *g)
{
	int i, j;

	for (i = 1; i < g->nr_bursts; i++)
		for (j = i; j > 0 && g->bursts[j].start <
			     g->bursts[j - 1].start; j--) {
			struct burst b = g->bursts[j];

			g->bursts[j] = g->bursts[j - 1];
			g->bursts[j - 1] = b;
		}
}

/* No guest wants more than its own RAM: no law could help it. */
static void flood_one(struct guest *g, double start)
{
	double ramp = 15, hold = 300;
	int i;

	for (i = 0; i < g->nr_bursts; i++) {
		struct burst *b = &g->bursts[i];

		if (b->start < start + ramp + hold &&
		    b->start + b->ramp + b->hold > start)
			b->cancelled = true;
	}
	burst_add(g, start, ramp, hold, 3584);
	sort_bursts(g);
}

/* Six of sixteen want 3.5 GiB within 15 s: more than there is. */
static void flood(struct sim *sim, uint64_t *random)
{
	double t;
	int i;

	mix(sim, random);
	for (t = 600; t < sim->end; t += 900)
		for (i = 0; i < sim->nr; i++)
			if (i % 16 < 6)
				flood_one(&sim->guests[i], t);
}

/* Half hold much and touch little of it, the others work. */
static void hoarders(struct sim *sim, uint64_t *random)
{
	int i;

	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		if (i % 2) {
			g->base = random_between(random, 600, 1200);
			bursts(sim, g, random, 200, 512, 2560, 3, 30);
		} else {
			g->base = random_between(random, 2600, 3200);
			g->active = 0.05;
			g->swap = 2 * SWAP_PER_VM;
		}
	}
	make_fit(sim);
}

/* Pairs that want in turn. */
static void ping_pong(struct sim *sim, uint64_t *random)
{
	double t;
	int i;

	for (i = 0; i < sim->nr; i++) {
		t = 120 + random_between(random, 0, 30) + i % 2 * 60;
		for (; t < sim->end; t += 120)
			burst_add(&sim->guests[i], t, 6, 52, 2560);
	}
	make_fit(sim);
}

static void cache_hogs(struct sim *sim, uint64_t *random)
{
	int i;

	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		if (i % 2)
			bursts(sim, g, random, 200, 512, 3072, 3, 30);
		else
			g->stream = 100;
	}
	make_fit(sim);
}

static void swapless(struct sim *sim, uint64_t *random)
{
	int i;

	for (i = 0; i < sim->nr; i++)
		sim->guests[i].swap = 0;
	mix(sim, random);
}

static void broken(struct sim *sim, uint64_t *random)
{
	int i;

	for (i = 0; i < sim->nr; i++) {
		if (i % 16 == 3 || i % 16 == 11)
			sim->guests[i].vice = DRIVERLESS;
		else if (i % 16 == 6)
			sim->guests[i].vice = WEDGED;
		else if (i % 16 == 9)
			sim->guests[i].vice = SILENT;
	}
	mix(sim, random);
}

static void liars(struct sim *sim, uint64_t *random)
{
	static const enum vice vices[] = {
		[2] = CLAIMS_NEED, [7] = CLAIMS_PLENTY, [12] = GRABBER,
		[15] = HONEST,
	};
	int i;

	for (i = 0; i < sim->nr; i++)
		sim->guests[i].vice = vices[i % 16];
	mix(sim, random);
}

const struct scenario scenarios[] = {
	{ "mix", "bursts of 0.5 to 3 GiB in 3 to 60 s", true, mix, false },
	{ "reporting", "the same, with free page reporting", true, mix, true },
	{ "ramp-100M", "ramps of 100 MiB/s", true, ramp_slow, false },
	{ "ramp-1G", "ramps of 1 GiB/s", true, ramp_fast, false },
	{ "storm", "all at once, 1 GiB each", true, storm, false },
	{ "flood", "6 of 16 want 3.5 GiB in 15 s, more than there is", false,
	  flood, false },
	{ "hoarders", "half hold idle memory, the others work", true, hoarders,
	  false },
	{ "ping-pong", "pairs that want in turn", true, ping_pong, false },
	{ "cache-hogs", "half fill their page cache, the others work", true,
	  cache_hogs, false },
	{ "swapless", "no guest has swap", true, swapless, false },
	{ "broken", "2 of 16 without driver, 1 wedged, 1 without statistics",
	  true, broken, false },
	{ "liars", "3 of 16 lie or hold all they get", true, liars, false },
};

const int nr_scenarios = sizeof(scenarios) / sizeof(scenarios[0]);

/* The same for every law, from the same seed. */
void scenario_make(struct sim *sim, const struct scenario *scenario, int nr,
		   double duration, uint64_t seed)
{
	uint64_t random = seed;
	int i;

	sim->nr = nr;
	sim->end = duration;
	sim->reporting = scenario->reporting;
	sim->total = HOST_PER_VM * nr;
	sim->overhead = OVERHEAD_PER_VM * nr;
	sim->swap = HOST_PAGE_PER_VM * nr;
	sim->min_free = plan_min_free((uint64_t)sim->total << 20) / 1048576.0;
	for (i = 0; i < nr; i++) {
		struct guest *g = &sim->guests[i];

		*g = (struct guest){
			.memory = MEMORY,
			.min = MIN,
			.kernel = KERNEL,
			.shares = 1000,
			.swap = i % 3 ? SWAP_PER_VM : 0,
			.base = random_between(&random, 700, 1900),
			.hot = random_between(&random, 100, 500),
			.stream = random_between(&random, 0, 3),
			.active = random_between(&random, 0.5, 1),
		};
		guest_reset(g);
		g->cache_hot = g->hot;
	}
	scenario->make(sim, &random);
}
