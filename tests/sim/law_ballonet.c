// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ours: plan() of userspace/lib, the function that the manager runs. Statistics
 * are asked for once a second, of drivers without events twice; it plans as
 * often, or as often as the plan wants, when a guest says that it is short, and
 * when a glance at the host shows that it has become shorter.
 */
#include "sim.h"

#include "plan.h"

#include <stdlib.h>
#include <time.h>

#define PERIOD		1.0
#define MUTE_PERIOD	0.5
#define GLANCE_PERIOD	0.25
/* MiB/s that the host pages out of one VM when it is told to. */
#define PAGE_OUT	256.0

struct ballonet {
	struct plan_host_memory host;
	struct plan_guest *guests;
	struct plan_memory *memories;
	struct plan_decision *decisions;
	double period;
	double poll_at;
	double plan_at;
	double glance_at;
	double heard;
};

static uint64_t bytes(double mib)
{
	return mib > 0 ? (uint64_t)(mib * (1 << 20)) : 0;
}

static uint64_t ms(double seconds)
{
	return seconds < 0 ? 0 : (uint64_t)(seconds * 1000) + 1;
}

static void *ballonet_start(struct sim *sim)
{
	struct ballonet *b = calloc(1, sizeof(*b));

	if (b) {
		b->guests = calloc(sim->nr, sizeof(*b->guests));
		b->memories = calloc(sim->nr, sizeof(*b->memories));
		b->decisions = calloc(sim->nr, sizeof(*b->decisions));
		b->heard = NEVER;
		b->period = sim->period > 0 ? sim->period :
			guest_has_ours(sim) ? PERIOD : MUTE_PERIOD;
	}
	return b;
}

static void ballonet_end(void *private)
{
	struct ballonet *b = private;

	free(b->guests);
	free(b->memories);
	free(b->decisions);
	free(b);
}

static void poll_stats(struct sim *sim, struct ballonet *b)
{
	bool plain = !guest_has_ours(sim);
	struct sample s;
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];

		if (!guest_sample(sim, g, &s))
			continue;
		b->guests[i].stats = (struct plan_stats){
			.when_ms = ms(s.when),
			.available = bytes(s.available),
			.free = bytes(s.free),
			.caches = bytes(s.caches),
			.balloon = plain ? PLAN_UNKNOWN : bytes(s.balloon),
			.floor = plain ? PLAN_UNKNOWN : bytes(guest_floor(g)),
			.swap_free = plain ? PLAN_UNKNOWN : bytes(s.swap_free),
			.swap_in = bytes(s.swap_in),
			.swap_out = bytes(s.swap_out),
			.refaults = plain ? PLAN_UNKNOWN : bytes(s.refaults),
			.alloc_stalls = s.stalls,
			.oom_kills = s.kills,
		};
	}
}

static void snapshot(struct sim *sim, struct ballonet *b)
{
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];
		struct plan_guest *p = &b->guests[i];

		if (!guest_up(sim, g)) {
			*p = (struct plan_guest){ 0 };
			b->memories[i] = (struct plan_memory){ 0 };
			continue;
		}
		p->flags = PLAN_PAGEABLE;
		if (g->vice != DRIVERLESS)
			p->flags |= PLAN_BALLOON;
		if (g->vice != DRIVERLESS && g->vice != SILENT)
			p->flags |= PLAN_STATS;
		p->limits.min = bytes(g->min);
		p->limits.shares = g->shares;
		p->memory = bytes(g->memory);
		p->target = bytes(g->target);
		p->actual = bytes(g->balloon);
		p->resident = bytes(guest_resident(g));
		p->paged_out = bytes(g->paged + g->paged_idle);
		p->short_ms = ms(g->short_at);
		p->plenty_ms = ms(g->plenty_at);
	}
}

/* Whether a guest has said that it is short since the last look. */
static bool heard(struct sim *sim, struct ballonet *b)
{
	double newest = b->heard;
	bool news;
	int i;

	for (i = 0; i < sim->nr; i++)
		newest = max_d(newest, sim->guests[i].short_at);
	news = newest > b->heard;
	b->heard = newest;
	return news;
}

static void apply(struct sim *sim, struct ballonet *b)
{
	int i;

	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];
		const struct plan_decision *d = &b->decisions[i];

		if (!guest_up(sim, g))
			continue;
		if (d->balloon != b->guests[i].target)
			guest_target(sim, g, d->balloon / (double)(1 << 20));
		if (d->page_out)
			host_page_out(sim, g,
				      min_d(d->page_out / (double)(1 << 20),
					    PAGE_OUT * TICK));
	}
}

static struct plan_host look(const struct sim *sim)
{
	return (struct plan_host){
		.now_ms = ms(sim->now),
		.total = bytes(sim->total),
		.available = bytes(host_free(sim)),
		.swap_free = bytes(sim->swap - sim->paged),
		.stall_some = sim->stall_some * 1000,
		.stall_full = sim->stall_full * 1000,
	};
}

/* Whether the host has become shorter since the last plan. */
static bool glance(const struct sim *sim, struct ballonet *b)
{
	struct plan_host host;

	if (sim->now < b->glance_at)
		return false;
	b->glance_at = sim->now + GLANCE_PERIOD;
	host = look(sim);
	return plan_is_late(&host, &b->host);
}

static void ballonet_step(struct sim *sim)
{
	struct ballonet *b = sim->private;
	struct plan_summary summary;
	struct timespec begin, end;
	struct plan_host host = look(sim);
	bool news = heard(sim, b) || glance(sim, b);

	if (sim->now >= b->poll_at) {
		poll_stats(sim, b);
		b->poll_at = sim->now + b->period;
	}
	if (sim->now < b->plan_at && !news)
		return;
	snapshot(sim, b);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	plan(&host, &b->host, b->guests, b->memories, b->decisions, sim->nr,
	     &summary);
	clock_gettime(CLOCK_MONOTONIC, &end);
	sim->sums.plan_seconds += end.tv_sec - begin.tv_sec +
		(end.tv_nsec - begin.tv_nsec) / 1e9;
	sim->sums.plans++;
	sim->sums.steps += summary.steps;
	b->plan_at = sim->now + (summary.look_ms ? summary.look_ms / 1000.0 :
				 PERIOD);
	apply(sim, b);
}

const struct law law_ballonet = { "ballonet", ballonet_start, ballonet_step,
				  ballonet_end };
