// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Run the laws on the scenarios and compare them.
 *
 * Usage: sim [-n GUESTS] [-s SEEDS] [-t SECONDS] [-d plain|oom|ballonet]
 *	      [-i SECONDS] [-l LAW] [-p PREFIX] [SCENARIO...]
 *
 * Prints a table with a line for each scenario and law: means over the seeds.
 * With -i, our manager has the statistics of all guests that often. With -p,
 * PREFIX-SCENARIO-LAW.svg shows the run of the first seed.
 */
#include "sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct law *const laws[] = {
	&law_off, &law_squeezed, &law_qmemman, &law_mom, &law_proxmox,
	&law_ballonet, &law_oracle,
};

#define NR_LAWS ((int)(sizeof(laws) / sizeof(laws[0])))

static const char *const drivers[] = {
	[DRIVER_PLAIN] = "plain",
	[DRIVER_OOM] = "oom",
	[DRIVER_BALLONET] = "ballonet",
};

struct options {
	int nr;
	int seeds;
	double duration;
	enum driver driver;
	double period;
	const char *law;
	const char *prefix;
};

/* Of one run, or summed over all seeds. */
struct result {
	double kills;
	double vm_kills;
	double stall;
	double host_stall;
	double reversals;
	double unasked;
	double below;
	double used;
	double ballooned;
	double plan_us;
	double steps;
};

static void result_add(const struct sim *sim, struct result *r)
{
	double hours = sim->sums.time / 3600 * sim->nr;
	int i;

	for (i = 0; i < sim->nr; i++) {
		const struct guest *g = &sim->guests[i];

		/* What a guest does to itself is its own. */
		if (g->vice == GRABBER || g->vice == CLAIMS_PLENTY)
			continue;
		r->kills += g->total.kills;
		r->stall += g->total.stall / hours;
		r->host_stall += g->total.host_stall / hours;
		r->reversals += g->total.reversals / hours;
		r->unasked += g->total.unasked / hours;
	}
	r->vm_kills += sim->sums.vm_kills;
	r->below += sim->sums.below_floor / sim->sums.time;
	r->used += sim->sums.used * TICK / sim->sums.time /
		(sim->total - sim->overhead);
	r->ballooned += sim->sums.ballooned * TICK / sim->sums.time / sim->nr;
	if (sim->sums.plans > 0) {
		r->plan_us += sim->sums.plan_seconds / sim->sums.plans * 1e6;
		r->steps += sim->sums.steps / sim->sums.plans / sim->nr;
	}
}

static void run(const struct options *options, const struct scenario *scenario,
		const struct law *law, uint64_t seed, struct result *r)
{
	struct picture *picture = NULL;
	struct sim sim = { .law = law, .driver = options->driver,
			   .period = options->period };
	char path[4096];
	int i;

	sim.guests = calloc(options->nr, sizeof(*sim.guests));
	if (!sim.guests)
		exit(1);
	scenario_make(&sim, scenario, options->nr, options->duration, seed);
	if (law->start) {
		sim.private = law->start(&sim);
		if (!sim.private)
			exit(1);
	}
	if (options->prefix && seed == 1)
		picture = picture_start(&sim);
	for (; sim.now < sim.end; sim.now += TICK) {
		for (i = 0; i < sim.nr; i++)
			guest_step(&sim, &sim.guests[i]);
		host_step(&sim);
		law->step(&sim);
		if (picture)
			picture_step(picture, &sim);
	}
	if (picture) {
		snprintf(path, sizeof(path), "%s-%s-%s.svg", options->prefix,
			 scenario->name, law->name);
		if (picture_end(picture, &sim, path, scenario->what))
			exit(1);
	}
	result_add(&sim, r);
	if (law->end)
		law->end(sim.private);
	free(sim.guests);
}

static void print(const struct options *options,
		  const struct scenario *scenario, const struct law *law,
		  const struct result *r)
{
	double n = options->seeds;

	printf("%s\t%s\t%d\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.0f\t%.0f\t%.1f\n",
	       scenario->name, scenario->fits ? "fits" : "over", options->nr,
	       drivers[options->driver], law->name, r->kills / n,
	       r->vm_kills / n, r->stall / n,
	       r->host_stall / n, r->reversals / n, r->unasked / n,
	       100 * r->below / n, 100 * r->used / n, r->ballooned / n,
	       r->plan_us / n, r->steps / n);
	fflush(stdout);
}

static bool chosen(const char *name, int argc, char **argv)
{
	int i;

	for (i = optind; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return optind == argc;
}

static int parse_driver(const char *name, enum driver *ret_driver)
{
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(name, drivers[i])) {
			*ret_driver = i;
			return 0;
		}
	return -1;
}

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "n:s:t:d:i:l:p:")) != -1) {
		switch (c) {
		case 'n':
			o->nr = atoi(optarg);
			break;
		case 's':
			o->seeds = atoi(optarg);
			break;
		case 't':
			o->duration = atof(optarg);
			break;
		case 'd':
			if (parse_driver(optarg, &o->driver))
				return -1;
			break;
		case 'i':
			o->period = atof(optarg);
			break;
		case 'l':
			o->law = optarg;
			break;
		case 'p':
			o->prefix = optarg;
			break;
		default:
			return -1;
		}
	}
	return o->nr < 1 || o->seeds < 1 || o->duration <= WARM_UP ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.nr = 16, .seeds = 20, .duration = 3600,
		.driver = DRIVER_BALLONET,
	};
	int i, j, seed;

	if (parse(argc, argv, &o)) {
		fprintf(stderr, "sim: bad arguments\n");
		return 2;
	}
	printf("scenario\tdemand\tguests\tdriver\tlaw\tkills\tvm-kills\tstall-s/h\thost-s/h\treversals/h\tunasked/h\tbelow-%%\tused-%%\tballoon-M\tplan-us\tsteps\n");
	for (i = 0; i < nr_scenarios; i++) {
		if (!chosen(scenarios[i].name, argc, argv))
			continue;
		for (j = 0; j < NR_LAWS; j++) {
			struct result r = { 0 };

			if (o.law && strcmp(o.law, laws[j]->name))
				continue;
			for (seed = 1; seed <= o.seeds; seed++)
				run(&o, &scenarios[i], laws[j], seed, &r);
			print(&o, &scenarios[i], laws[j], &r);
		}
	}
	return 0;
}
