// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The host: guests' memory in RAM, the rest paged out by its kernel, what is
 * idle first. Paging is done for every law; it is not a decision of theirs.
 */
#include "sim.h"

/* MiB/s, for each 16 guests: an NVMe device. */
#define PAGE_OUT	1024.0
#define GUESTS		16.0
/* MiB/s, for one guest: a page of 4 KiB in 40 us. */
#define PAGE_IN		100.0
#define TOUCH		0.1
/* Below this part of its RAM the kernel pages out, below 0 nobody gets any. */
#define LOW		0.005
#define RESTART		60.0

double host_free(const struct sim *sim)
{
	double sum = sim->overhead;
	int i;

	for (i = 0; i < sim->nr; i++)
		sum += guest_resident(&sim->guests[i]);
	return sim->total - sum;
}

/* Of what is in RAM: free in the guest, read once, or not touched. */
static double idle(const struct guest *g)
{
	double all = g->stale + g->cache_cold + g->anon * (1 - g->active);

	return max_d(0, all - g->paged_idle);
}

static double busy(const struct guest *g)
{
	double all = g->kernel / 2 + g->cache_hot + g->anon * g->active;

	return max_d(0, all - g->paged);
}

/* Page out so much of one guest, its idle memory first. */
void host_page_out(struct sim *sim, struct guest *g, double amount)
{
	double part;

	amount = clamp_d(amount, 0, sim->swap - sim->paged);
	part = min_d(amount, idle(g));
	g->paged_idle += part;
	sim->paged += part;
	amount = min_d(amount - part, busy(g));
	g->paged += amount;
	sim->paged += amount;
}

static void reclaim(struct sim *sim, double amount)
{
	double sum_idle = 0, sum_busy = 0, from_idle, from_busy, part;
	int i;

	amount = min_d(amount, max_d(1, sim->nr / GUESTS) * PAGE_OUT * TICK);
	amount = min_d(amount, sim->swap - sim->paged);
	for (i = 0; i < sim->nr; i++) {
		sum_idle += idle(&sim->guests[i]);
		sum_busy += busy(&sim->guests[i]);
	}
	from_idle = min_d(amount, sum_idle);
	from_busy = min_d(amount - from_idle, sum_busy);
	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		if (sum_idle > 0) {
			part = from_idle * idle(g) / sum_idle;
			g->paged_idle += part;
			sim->paged += part;
		}
		if (sum_busy > 0) {
			part = from_busy * busy(g) / sum_busy;
			g->paged += part;
			sim->paged += part;
		}
	}
}

/* What the guest freed or gave to the balloon is not paged out any more. */
static void forget(struct sim *sim, struct guest *g)
{
	double most = g->stale + g->cache_cold + g->anon * (1 - g->active);
	double gone = max_d(0, g->paged_idle - most);

	g->paged_idle -= gone;
	sim->paged -= gone;
	most = g->kernel / 2 + g->cache_hot + g->anon * g->active;
	gone = max_d(0, g->paged - most);
	g->paged -= gone;
	sim->paged -= gone;
}

static void page_in(struct sim *sim, struct guest *g)
{
	double touched = g->paged * TOUCH * TICK;
	double in = min_d(touched, PAGE_IN * TICK);

	if (touched < 0.01)
		return;
	g->host_stall += touched / (PAGE_IN * TICK);
	g->paged -= in;
	sim->paged -= in;
}

/* The kernel's OOM killer: the process that is largest is a VM. */
static void kill_vm(struct sim *sim)
{
	struct guest *victim = &sim->guests[0];
	int i;

	for (i = 1; i < sim->nr; i++)
		if (guest_resident(&sim->guests[i]) > guest_resident(victim))
			victim = &sim->guests[i];
	sim->paged -= victim->paged + victim->paged_idle;
	for (i = 0; i < victim->nr_bursts; i++)
		if (victim->bursts[i].start <= sim->now)
			victim->bursts[i].cancelled = true;
	guest_reset(victim);
	victim->down_until = sim->now + RESTART;
	if (sim->now > WARM_UP)
		sim->sums.vm_kills++;
}

/* There is less than nothing: who allocated in this tick did not. */
static void refuse(struct sim *sim, double missing)
{
	double wanted = 0, part;
	int i;

	for (i = 0; i < sim->nr; i++)
		wanted += sim->guests[i].wanted;
	if (wanted <= 0)
		return;
	part = min_d(1, missing / wanted);
	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		if (g->wanted < 0.01)
			continue;
		guest_refused(g, g->wanted * part);
		g->host_stall += part;
	}
}

static void account(struct sim *sim)
{
	double some = 0, full = 0;
	int i;

	for (i = 0; i < sim->nr; i++) {
		struct guest *g = &sim->guests[i];

		g->host_stall = min_d(1, g->host_stall);
		g->stall = min_d(1, g->stall + g->host_stall);
		if (!guest_up(sim, g))
			g->stall = 1;
		some += g->host_stall;
		full += g->host_stall / sim->nr;
		if (sim->now > WARM_UP) {
			g->total.stall += g->stall * TICK;
			g->total.host_stall += g->host_stall * TICK;
			sim->sums.used += g->kernel + g->anon + g->cache_hot;
			sim->sums.demand += g->kernel + g->hot +
				guest_demand(g, sim->now);
			sim->sums.ballooned += g->balloon;
		}
	}
	sim->stall_some = min_d(1, some);
	sim->stall_full = full;
	if (sim->now > WARM_UP) {
		sim->sums.time += TICK;
		if (host_free(sim) < sim->min_free)
			sim->sums.below_floor += TICK;
	}
}

/* What the host does in one tick, after its guests. */
void host_step(struct sim *sim)
{
	double low = LOW * sim->total, free;
	int i;

	for (i = 0; i < sim->nr; i++) {
		forget(sim, &sim->guests[i]);
		page_in(sim, &sim->guests[i]);
	}
	free = host_free(sim);
	if (free < low)
		reclaim(sim, low - free);
	free = host_free(sim);
	if (free < 0) {
		refuse(sim, -free);
		for (i = 0; i < sim->nr; i++)
			forget(sim, &sim->guests[i]);
		if (sim->swap - sim->paged < 1)
			kill_vm(sim);
	}
	account(sim);
}
