/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host with virtual machines that want memory, in small steps of time, and
 * laws that say how big each balloon shall be. Sizes are MiB and times seconds,
 * both double. Every law sees the same guests with the same demand, balloon
 * driver and host; what differs is what its makers let it look at, how often,
 * and what it does then.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TICK		0.25
/* Nothing is counted before everybody had the time to settle. */
#define WARM_UP		180.0
#define MAX_BURSTS	128
/* Before anything has happened. */
#define NEVER		(-1e9)

/* What the balloon driver in the guests is. */
enum driver {
	/* Linux's: takes what it is asked for; statistics when polled */
	DRIVER_PLAIN,
	/* the same, where the host lets it deflate on OOM, as ours does */
	DRIVER_OOM,
	/* ours: a floor, gives back under pressure, says when it is short */
	DRIVER_BALLONET,
};

/* How a guest misbehaves. */
enum vice {
	HONEST,
	/* no balloon driver */
	DRIVERLESS,
	/* the driver accepts a target and does nothing */
	WEDGED,
	/* no statistics */
	SILENT,
	/* says that nothing is available and that it is short */
	CLAIMS_NEED,
	/* says that all is available */
	CLAIMS_PLENTY,
	/* touches all it gets and holds it */
	GRABBER,
};

struct burst {
	double start;
	double ramp;
	double hold;
	double size;
	bool cancelled;
};

/**
 * struct sample - what a guest's statistics say
 * @when:	when they were taken
 */
struct sample {
	double when;
	double available;
	double free;
	double caches;
	double balloon;
	double swap_free;
	double swap_in;
	double swap_out;
	double refaults;
	double stalls;
	double kills;
};

/**
 * struct zigzag - counts how often something turns
 * @extreme:	where it turned, or how far it has come since
 * @at:		when that was
 * @direction:	in which it goes, 0 at the start
 */
struct zigzag {
	double extreme;
	double at;
	int direction;
};

/**
 * struct guest - one virtual machine
 * @memory:	its RAM
 * @min:	what the operator guarantees it
 * @kernel:	that its kernel uses for itself
 * @swap:	swap space
 * @base:	anonymous memory it always wants
 * @hot:	file pages it uses again and again
 * @stream:	file pages it reads once, per second
 * @active:	part of its memory that it really touches
 * @vice:	how it misbehaves
 * @shares:	its weight
 * @bursts:	of anonymous memory, by start
 * @over:	so many of them are over
 * @anon:	anonymous memory in its RAM
 * @swapped:	in its swap
 * @cache_hot:	of @hot, in its RAM
 * @cache_cold:	file pages that it will not use again
 * @balloon:	given to the host
 * @target:	balloon that it was told to have
 * @stale:	free memory that still occupies the host
 * @paged_idle:	of its memory, paged out by the host and not in use
 * @paged:	the same, in use
 * @halted:	it gave back to save a process, and takes nothing before it is
 *		told another target
 * @blocked_until: its driver does not inflate before
 * @pause:	the next such pause
 * @short_at:	when its driver last said that it is short
 * @was_short:	it said so, and nothing since
 * @plenty_at:	when its driver last said that it is not any more
 * @down_until:	it was killed by the host and starts again then
 * @wanted:	allocation of this tick that the host has to find
 * @stall:	part of this tick that it waited
 * @host_stall:	of that, for the host
 * @targets:	turns of @target
 * @wants:	turns of what it wants itself
 * @total:	sums since the warm-up
 */
struct guest {
	double memory;
	double min;
	double kernel;
	double swap;
	double base;
	double hot;
	double stream;
	double active;
	enum vice vice;
	unsigned int shares;
	struct burst bursts[MAX_BURSTS];
	int nr_bursts;
	int over;

	double anon;
	double swapped;
	double cache_hot;
	double cache_cold;
	double balloon;
	double target;
	double stale;
	double paged_idle;
	double paged;
	bool halted;
	double blocked_until;
	double pause;
	double short_at;
	bool was_short;
	double plenty_at;
	double down_until;
	double wanted;
	double stall;
	double host_stall;

	double swap_in;
	double swap_out;
	double refaults;
	double stalls;
	double kills;

	struct zigzag targets;
	struct zigzag wants;
	struct {
		double stall;
		double host_stall;
		double kills;
		double reversals;
		double unasked;
	} total;
};

struct law;

/**
 * struct sim - one run
 * @law:	who decides
 * @private:	the law's
 * @driver:	in all guests
 * @period:	time between two samples of statistics, where the law does not
 *		have its own
 * @reporting:	guests report free pages to the host
 * @now:	since the start
 * @end:	of the run
 * @total:	the host's RAM
 * @overhead:	that is not for guests
 * @swap:	the host's swap space
 * @paged:	in it
 * @stall_some:	part of the last tick in which somebody waited for the host
 * @stall_full:	mean over all guests
 * @min_free:	floor by which laws are compared
 * @guests:	all
 * @nr:		how many
 * @sums:	since the warm-up
 */
struct sim {
	const struct law *law;
	void *private;
	enum driver driver;
	double period;
	bool reporting;
	double now;
	double end;
	double total;
	double overhead;
	double swap;
	double paged;
	double stall_some;
	double stall_full;
	double min_free;
	struct guest *guests;
	int nr;
	struct {
		double vm_kills;
		double below_floor;
		double used;
		double demand;
		double ballooned;
		double time;
		double plan_seconds;
		double plans;
		double steps;
	} sums;
};

/**
 * struct law - who gets how much
 * @name:	for tables
 * @start:	allocate private memory; may be NULL
 * @step:	called in every tick
 * @end:	free that memory; may be NULL
 */
struct law {
	const char *name;
	void *(*start)(struct sim *sim);
	void (*step)(struct sim *sim);
	void (*end)(void *private);
};

extern const struct law law_off, law_squeezed, law_qmemman, law_mom,
	law_proxmox, law_ballonet, law_oracle;

/* guest.c */
bool guest_has_ours(const struct sim *sim);
double guest_kept(const struct guest *g);
double guest_free(const struct guest *g);
double guest_available(const struct guest *g);
double guest_resident(const struct guest *g);
double guest_floor(const struct guest *g);
double guest_demand(const struct guest *g, double now);
bool guest_up(const struct sim *sim, const struct guest *g);
bool guest_sample(const struct sim *sim, const struct guest *g,
		  struct sample *ret_sample);
void guest_target(struct sim *sim, struct guest *g, double balloon);
void guest_step(struct sim *sim, struct guest *g);
void guest_refused(struct guest *g, double amount);
void guest_reset(struct guest *g);

/* host.c */
double host_free(const struct sim *sim);
void host_page_out(struct sim *sim, struct guest *g, double amount);
void host_step(struct sim *sim);

/* scenario.c */
struct scenario {
	const char *name;
	const char *what;
	/* total demand never exceeds what the host has */
	bool fits;
	void (*make)(struct sim *sim, uint64_t *random);
	bool reporting;
};

extern const struct scenario scenarios[];
extern const int nr_scenarios;

double random_between(uint64_t *random, double low, double high);
void scenario_make(struct sim *sim, const struct scenario *scenario, int nr,
		   double duration, uint64_t seed);

/* picture.c */
struct picture;
struct picture *picture_start(const struct sim *sim);
void picture_step(struct picture *picture, const struct sim *sim);
int picture_end(struct picture *picture, const struct sim *sim,
		const char *path, const char *title);

static inline double min_d(double a, double b)
{
	return a < b ? a : b;
}

static inline double max_d(double a, double b)
{
	return a > b ? a : b;
}

static inline double clamp_d(double value, double low, double high)
{
	return max_d(low, min_d(value, high));
}

#endif
