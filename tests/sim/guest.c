// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest: a fluid model of what a Linux kernel does with too little memory.
 *
 * It allocates from free memory, then drops file pages that it does not need,
 * then file pages that it does, then swaps, and has a process killed when
 * there is nothing left. Pages that it needs and does not have are read back
 * as they are touched, and that is time lost.
 *
 * Rates, for a guest on an SSD: a page of 4 KiB is read back in 40 us with the
 * parallelism of a few CPUs (100 MiB/s), written out at 200 MiB/s.
 */
#include "sim.h"

#include <string.h>

/* MiB/s */
#define READ_BACK	100.0
#define WRITE_OUT	200.0
/* How fast a balloon moves. Measured for virtio_balloon: 1.7 GiB/s, idle. */
#define PLAIN_INFLATE	1024.0
#define PLAIN_DEFLATE	2048.0
#define OUR_INFLATE	2048.0
#define OUR_DEFLATE	4096.0
/* Taking a balloon out of caches goes through reclaim. */
#define RECLAIM		512.0
/* Part of what is in use that is touched in a second. */
#define TOUCH		0.1
/* Free page reporting: two seconds until what is free is reported. */
#define REPORT_TIME	2.0
/* Hot file pages that are kept as long as there is something to swap. */
#define HOT_KEPT	0.25
/* Least free memory of a guest, as part of its memory: the watermarks. */
#define WATERMARK	0.008
/*
 * Deflating on OOM: 1 MiB a call (VIRTIO_BALLOON_OOM_NR_PAGES), of which each
 * waits for the host and for a pass of reclaim that finds nothing; 4 ms is our
 * guess.
 */
#define OOM_DEFLATE	256.0
/* ballonet.ko gives back so much at a time, so often (driver/pressure.c). */
#define RELIEF		64.0
#define RELIEF_PART	8.0
#define RELIEF_TIME	0.1
#define PAUSE_MIN	5.0
#define PAUSE_MAX	160.0
/* A guest that does nothing but wait does not answer for statistics. */
#define DEAF		0.9
/* A reversal is as large as this, and follows within this time. */
#define SWING		64.0
#define SWING_TIME	120.0

/* The driver is ours. */
bool guest_has_ours(const struct sim *sim)
{
	return sim->driver == DRIVER_BALLONET;
}

double guest_kept(const struct guest *g)
{
	return g->memory - g->balloon;
}

double guest_free(const struct guest *g)
{
	return guest_kept(g) - g->kernel - g->anon - g->cache_hot -
		g->cache_cold;
}

/* As the kernel reckons: file pages count, but for a part it needs. */
double guest_available(const struct guest *g)
{
	double low = WATERMARK * g->memory;
	double cache = g->cache_hot + g->cache_cold;

	return max_d(0, guest_free(g) - low + cache - min_d(cache / 2, low));
}

double guest_resident(const struct guest *g)
{
	return g->kernel + g->anon + g->cache_hot + g->cache_cold + g->stale -
		g->paged - g->paged_idle;
}

/* driver/floor.c */
double guest_floor(const struct guest *g)
{
	return min_d(32 + g->memory / 16, 1024);
}

double guest_demand(const struct guest *g, double now)
{
	double sum = g->base, t;
	int i;

	for (i = g->over; i < g->nr_bursts; i++) {
		const struct burst *b = &g->bursts[i];

		t = now - b->start;
		if (t < 0)
			break;
		if (b->cancelled || t > b->ramp + b->hold)
			continue;
		sum += t < b->ramp ? b->size * t / b->ramp : b->size;
	}
	return sum;
}

bool guest_up(const struct sim *sim, const struct guest *g)
{
	return sim->now >= g->down_until;
}

/* What the host gets when it asks for statistics; false if nothing. */
bool guest_sample(const struct sim *sim, const struct guest *g,
		  struct sample *ret_sample)
{
	if (!guest_up(sim, g) || g->vice == DRIVERLESS || g->vice == SILENT)
		return false;
	/* In-tree, statistics share a work queue that waits for memory. */
	if (!guest_has_ours(sim) && g->stall > DEAF)
		return false;
	*ret_sample = (struct sample){
		.when = sim->now,
		.available = guest_available(g),
		.free = max_d(0, guest_free(g)),
		.caches = g->cache_hot + g->cache_cold,
		.balloon = g->balloon,
		.swap_free = g->swap - g->swapped,
		.swap_in = g->swap_in,
		.swap_out = g->swap_out,
		.refaults = g->refaults,
		.stalls = g->stalls,
		.kills = g->kills,
	};
	if (g->vice == CLAIMS_NEED) {
		ret_sample->available = 0;
		ret_sample->free = 0;
		ret_sample->caches = 0;
	} else if (g->vice == CLAIMS_PLENTY) {
		ret_sample->available = g->memory;
		ret_sample->free = g->memory;
	}
	return true;
}

/* Whether it comes back by SWING from where it turned, soon after it turned. */
static bool turned(struct zigzag *z, double value, double now)
{
	double way = value - z->extreme;
	bool soon = now - z->at <= SWING_TIME;

	if (!z->direction && (way > SWING || way < -SWING))
		z->direction = way > 0 ? 1 : -1;
	if (way * z->direction >= 0) {
		z->extreme = value;
		if (way > 0 || way < 0)
			z->at = now;
		return false;
	}
	if (way < SWING && way > -SWING)
		return false;
	z->direction = -z->direction;
	z->extreme = value;
	z->at = now;
	return soon && now > WARM_UP;
}

/* Tell a guest's driver how big its balloon shall be. */
void guest_target(struct sim *sim, struct guest *g, double balloon)
{
	if (g->vice == DRIVERLESS || !guest_up(sim, g))
		return;
	if (g->target < balloon || g->target > balloon)
		g->halted = false;
	g->target = clamp_d(balloon, 0, g->memory);
	if (!turned(&g->targets, g->target, sim->now))
		return;
	g->total.reversals++;
	/* What it wants itself has not moved for so long. */
	if (sim->now - g->wants.at > SWING_TIME)
		g->total.unasked++;
}

/* Free memory goes; some of it occupied the host. */
static void stale_used(struct guest *g, double amount, double free)
{
	g->stale -= free > 0 ? g->stale * min_d(1, amount / free) : g->stale;
}

static double take(double *from, double least, double amount)
{
	double taken = clamp_d(amount, 0, max_d(0, *from - least));

	*from -= taken;
	return taken;
}

/* Swap out as much as the disk takes; what is idle goes first. */
static double swap_out(struct guest *g, double amount)
{
	double out = min_d(amount, WRITE_OUT * TICK);

	out = min_d(out, min_d(g->swap - g->swapped, g->anon));
	out = max_d(0, out);
	g->anon -= out;
	g->swapped += out;
	g->swap_out += out;
	return out;
}

/*
 * Make so much room in a guest; what is freed becomes stale free memory.
 * Returns how much was got.
 */
static double reclaim(struct guest *g, double amount, bool hard)
{
	double got = take(&g->cache_cold, 0, amount);

	got += take(&g->cache_hot, g->swap > 0 && hard ? HOT_KEPT * g->hot : 0,
		    amount - got);
	if (hard) {
		got += swap_out(g, amount - got);
		got += take(&g->cache_hot, 0, amount - got);
	}
	g->stale += got;
	return got;
}

/* With so much about to be allocated. */
static void relieve(const struct sim *sim, struct guest *g, double amount)
{
	double low = guest_floor(g) / 2 + amount, relief;
	double now = sim->now;

	if (!guest_has_ours(sim) || g->vice == WEDGED || g->balloon <= 0)
		return;
	if (guest_available(g) >= low)
		return;
	relief = max_d(RELIEF, g->balloon / RELIEF_PART) * TICK / RELIEF_TIME;
	g->balloon -= min_d(relief, g->balloon);
	if (now >= g->blocked_until)
		g->pause = now < g->blocked_until + g->pause ?
			min_d(2 * g->pause, PAUSE_MAX) : PAUSE_MIN;
	g->blocked_until = now + g->pause;
}

static void inflate(const struct sim *sim, struct guest *g, double amount)
{
	double low = WATERMARK * g->memory, free = guest_free(g), got;
	bool plain = !guest_has_ours(sim);

	amount = min_d(amount,
		       (plain ? PLAIN_INFLATE : OUR_INFLATE) * TICK);
	if (!plain) {
		if (sim->now < g->blocked_until)
			return;
		amount = min_d(amount, guest_available(g) - guest_floor(g));
	}
	if (amount <= 0)
		return;
	got = clamp_d(free - low, 0, amount);
	if (got < amount)
		reclaim(g, min_d(amount - got, RECLAIM * TICK), plain);
	free = guest_free(g);
	got = clamp_d(free - low, 0, amount);
	stale_used(g, got, free);
	g->balloon += got;
}

static void balloon_step(const struct sim *sim, struct guest *g)
{
	double rate = guest_has_ours(sim) ? OUR_DEFLATE : PLAIN_DEFLATE;

	if (g->vice == WEDGED || g->vice == DRIVERLESS)
		return;
	if (g->target < g->balloon)
		g->balloon -= min_d(rate * TICK, g->balloon - g->target);
	else if (g->target > g->balloon && !g->halted)
		inflate(sim, g, g->target - g->balloon);
	relieve(sim, g, 0);
}

/* Allocate: returns what was got. Memory the host never saw costs it some. */
static double allocate(const struct sim *sim, struct guest *g, double amount)
{
	double low = WATERMARK * g->memory, free, got, stale;

	free = guest_free(g);
	if (free - low < amount) {
		relieve(sim, g, amount);
		free = guest_free(g);
		reclaim(g, amount - max_d(0, free - low), true);
		free = guest_free(g);
	}
	/* The last of it, when there is nothing else. */
	got = clamp_d(free - low / 2, 0, amount);
	stale = min_d(g->stale, got);
	g->stale -= stale;
	g->wanted += got - stale;
	return got;
}

static void cancel_bursts(struct guest *g, double now)
{
	int i;

	for (i = 0; i < g->nr_bursts; i++)
		if (g->bursts[i].start <= now)
			g->bursts[i].cancelled = true;
}

/* The kernel has a process killed: what came last. */
static void kill_process(const struct sim *sim, struct guest *g)
{
	double killed = max_d(0, g->anon + g->swapped - g->base);

	if (killed < 1)
		killed = min_d(g->anon, g->base / 4);
	cancel_bursts(g, sim->now);
	g->swapped -= min_d(g->swapped, killed / 2);
	killed = min_d(killed, g->anon);
	g->anon -= killed;
	g->stale += killed;
	g->kills++;
	g->stall = 1;
	if (sim->now > WARM_UP)
		g->total.kills++;
}

/* There is nothing left: the driver gives back, or a process is killed. */
static void out_of_memory(const struct sim *sim, struct guest *g)
{
	bool gives = sim->driver != DRIVER_PLAIN && g->vice != WEDGED &&
		g->balloon >= 1;

	if (!gives) {
		kill_process(sim, g);
	} else if (sim->driver == DRIVER_OOM) {
		g->balloon -= min_d(g->balloon, OOM_DEFLATE * TICK);
		g->halted = true;
	}
}

static void anon_step(const struct sim *sim, struct guest *g, double want)
{
	double have = g->anon + g->swapped, more, got;

	if (g->vice == GRABBER)
		want = max_d(want, have + max_d(0, guest_free(g) -
						   0.05 * g->memory));
	if (want < have) {
		double gone = have - want, part = gone / have;

		g->stale += g->anon * part;
		g->anon -= g->anon * part;
		g->swapped -= g->swapped * part;
		return;
	}
	more = want - have;
	got = allocate(sim, g, more);
	g->anon += got;
	if (more - got < 1)
		return;
	g->stalls += (more - got) / 4;
	g->stall += (more - got) / more;
	/* Where something moves it waits. */
	if (g->swap - g->swapped < 1 && g->cache_hot + g->cache_cold < 1)
		out_of_memory(sim, g);
}

static double read_back(const struct sim *sim, struct guest *g, double amount,
			double *to)
{
	double got = allocate(sim, g, min_d(amount, READ_BACK * TICK));

	*to += got;
	g->stall += amount / (READ_BACK * TICK);
	return got;
}

static void touch_step(const struct sim *sim, struct guest *g)
{
	double touched, missing, idle, all = g->anon + g->swapped;

	/* Of what is swapped, what is idle was swapped first. */
	idle = all * (1 - g->active);
	missing = max_d(0, g->swapped - idle);
	touched = missing * TOUCH * TICK;
	if (touched > 0.01) {
		touched = read_back(sim, g, touched, &g->anon);
		g->swapped -= touched;
		g->swap_in += touched;
		g->refaults += touched;
	}
	touched = (g->hot - g->cache_hot) * TOUCH * TICK;
	if (touched > 0.01)
		g->refaults += read_back(sim, g, touched, &g->cache_hot);
}

/* Files read once: they fill what is free, and then each other's place. */
static void stream_step(struct guest *g)
{
	double room = guest_free(g) - 2 * WATERMARK * g->memory, stale;
	double amount = clamp_d(g->stream * TICK, 0, max_d(0, room));

	stale = min_d(g->stale, amount);
	g->stale -= stale;
	g->wanted += amount - stale;
	g->cache_cold += amount;
}

static void events_step(const struct sim *sim, struct guest *g)
{
	double low = guest_floor(g) / 2;

	if (!guest_has_ours(sim))
		return;
	if (g->vice == CLAIMS_NEED ||
	    (g->balloon > 0 && guest_available(g) < low)) {
		g->short_at = sim->now;
		g->was_short = true;
	} else if (g->was_short && guest_available(g) > 2 * low) {
		g->plenty_at = sim->now;
		g->was_short = false;
	}
}

/* A guest that starts: nothing in it, nothing given. */
void guest_reset(struct guest *g)
{
	g->anon = g->swapped = g->cache_hot = g->cache_cold = 0;
	g->balloon = g->target = g->stale = 0;
	g->paged = g->paged_idle = 0;
	g->short_at = g->plenty_at = g->blocked_until = NEVER;
	g->was_short = false;
	g->targets = (struct zigzag){ 0 };
}

/* The host did not find the memory: so much was not allocated after all. */
void guest_refused(struct guest *g, double amount)
{
	double anon = min_d(amount, max_d(0, g->anon - g->base / 2));

	g->anon -= anon;
	take(&g->cache_cold, 0, amount - anon);
}

/* Bursts that are over need not be looked at again. */
static void bursts_step(struct guest *g, double now)
{
	const struct burst *b = &g->bursts[g->over];

	for (; g->over < g->nr_bursts; g->over++, b++)
		if (now <= b->start + b->ramp + b->hold)
			return;
}

/* What a guest does in one tick. */
void guest_step(struct sim *sim, struct guest *g)
{
	bursts_step(g, sim->now);
	turned(&g->wants, guest_demand(g, sim->now), sim->now);
	g->wanted = 0;
	g->stall = 0;
	g->host_stall = 0;
	if (!guest_up(sim, g))
		return;
	balloon_step(sim, g);
	anon_step(sim, g, guest_demand(g, sim->now));
	touch_step(sim, g);
	stream_step(g);
	events_step(sim, g);
	if (sim->reporting)
		g->stale -= g->stale * min_d(1, TICK / REPORT_TIME);
}
