// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Proxmox VE's law (tests/sim/law_proxmox.c) for guests that are real. A script
 * tells what there is on standard input, sizes in MiB,
 *
 *	vm NAME MEMORY MIN SHARES KEPT FREE
 *	...
 *	host RAM FREE
 *
 * and the law then answers with a line "NAME KEEP" for each VM whose target
 * changes, and a line "end". The law is to be asked every 10 s.
 */
#include "../sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VMS		64
#define NAME_SIZE	65
#define PERIOD		10.0

struct vm {
	char name[NAME_SIZE];
	double kept;
	double free;
};

static struct guest guests[MAX_VMS];
static struct vm vms[MAX_VMS];
static double ram_free;

static struct vm *vm_of(const struct guest *g)
{
	return &vms[g - guests];
}

bool guest_up(const struct sim *sim, const struct guest *g)
{
	(void)sim;
	return vm_of(g)->kept > 0;
}

double guest_kept(const struct guest *g)
{
	return vm_of(g)->kept;
}

bool guest_sample(const struct sim *sim, const struct guest *g,
		  struct sample *ret_sample)
{
	*ret_sample = (struct sample){
		.when = sim->now,
		.free = vm_of(g)->free,
	};
	return true;
}

double host_free(const struct sim *sim)
{
	(void)sim;
	return ram_free;
}

void guest_target(struct sim *sim, struct guest *g, double balloon)
{
	(void)sim;
	printf("%s %.0f\n", vm_of(g)->name, g->memory - balloon);
}

static void decide(struct sim *sim, double ram)
{
	sim->total = ram;
	law_proxmox.step(sim);
	sim->now += PERIOD;
	puts("end");
	fflush(stdout);
}

int main(void)
{
	struct sim sim = { .guests = guests, .nr = MAX_VMS };
	struct guest *g;
	struct vm *vm;
	double ram;
	char line[256];

	sim.private = law_proxmox.start(&sim);
	if (!sim.private)
		return 1;
	sim.nr = 0;
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "host %lf %lf", &ram, &ram_free) == 2) {
			decide(&sim, ram);
			sim.nr = 0;
			continue;
		}
		if (sim.nr == MAX_VMS)
			break;
		g = &guests[sim.nr];
		vm = &vms[sim.nr];
		*g = (struct guest){ 0 };
		if (sscanf(line, "vm %64s %lf %lf %u %lf %lf", vm->name,
			   &g->memory, &g->min, &g->shares, &vm->kept,
			   &vm->free) != 6)
			break;
		sim.nr++;
	}
	law_proxmox.end(sim.private);
	return 0;
}
