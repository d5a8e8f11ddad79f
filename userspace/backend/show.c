// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the manager sees without asking (gauge.h), as often as it wants: then
 * the driver is asked for statistics, too.
 */

#include "backend.h"

#include <endian.h>
#include <string.h>
#include <sys/mman.h>

#include "control.h"

/*
 * As often is a driver asked that cannot say when it is short: at 1 GiB/s a
 * guest of 8 GiB has used its room in half a second (lib/plan.md).
 */
#define MUTE_MS	500

/**
 * show_init() - have a page to show something on
 * @b:		the back-end, with its state
 *
 * Without one nothing is shown, and all else works.
 */
void show_init(struct backend *b)
{
	void *page;

	_Static_assert(sizeof(struct state) <= GAUGE_OFFSET,
		       "the state ends where the gauge begins");
	page = mmap(NULL, GAUGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    b->state_fd, GAUGE_OFFSET);
	if (page != MAP_FAILED)
		b->gauge = page;
}

static void stat_set(struct gauge *gauge, uint16_t tag, uint64_t value)
{
	uint32_t i = 0;

	while (i < gauge->nr && gauge->tag[i] != tag)
		i++;
	if (i == GAUGE_STATS_MAX)
		return;
	if (i == gauge->nr)
		gauge->nr++;
	gauge->tag[i] = tag;
	gauge->value[i] = value;
}

/* By the table itself, whatever the driver says, and however old that is. */
static void show_standby(struct backend *b, struct gauge *gauge)
{
	uint64_t offered, taken;

	if (!(b->state->features & BIT(BALLONET_F_STANDBY)))
		return;
	standby_get(b, &offered, &taken);
	stat_set(gauge, BALLONET_S_STANDBY, offered + taken);
	stat_set(gauge, BALLONET_S_STANDBY_TAKEN, taken);
}

static void show_stats(struct backend *b, struct gauge *gauge)
{
	unsigned int i;

	pthread_mutex_lock(&b->info);
	gauge->stats_ms = b->sample.when_ms;
	gauge->nr = b->sample.nr < GAUGE_STATS_MAX ? b->sample.nr :
		GAUGE_STATS_MAX;
	for (i = 0; i < gauge->nr; i++) {
		gauge->tag[i] = b->sample.tag[i];
		gauge->value[i] = b->sample.value[i];
	}
	pthread_mutex_unlock(&b->info);
}

/**
 * show() - show what is new
 * @b:		the back-end
 */
void show(struct backend *b)
{
	struct gauge gauge = { .when_ms = now_ms() };
	struct interface_vm vm;
	struct fault why;

	if (!b->gauge || !b->show_period_ms)
		return;
	api_vm(b, &vm, &why);
	gauge.state = vm.state;
	gauge.features = b->state->features;
	gauge.memory = vm.memory;
	gauge.target = vm.target;
	gauge.wish = vm.wish;
	gauge.actual = vm.actual;
	gauge.resident = vm.resident;
	show_stats(b, &gauge);
	show_standby(b, &gauge);
	gauge_show(b->gauge, &gauge);
}

/**
 * show_set_period() - how often the manager looks
 * @b:		the back-end
 * @ms:		the period; 0 if it does not
 */
void show_set_period(struct backend *b, uint32_t ms)
{
	b->show_period_ms = ms;
	b->show_at_ms = 0;
}

static uint32_t look_ms(const struct backend *b)
{
	bool mute = !(b->state->features & BIT(BALLONET_F_EVENTS));

	return mute && b->show_period_ms > MUTE_MS ? MUTE_MS :
		b->show_period_ms;
}

/**
 * show_wait() - when is show_tick() to be called?
 * @b:		the back-end
 *
 * Return: so many milliseconds from now, or -1 for never.
 */
int show_wait(const struct backend *b)
{
	uint64_t now = now_ms();

	if (!b->show_period_ms)
		return -1;
	return b->show_at_ms > now ? (int)(b->show_at_ms - now) : 0;
}

/**
 * show_tick() - have the driver asked, and show what there is, when it is time
 * @b:		the back-end
 */
void show_tick(struct backend *b)
{
	if (show_wait(b))
		return;
	b->show_at_ms = now_ms() + look_ms(b);
	/* The first ones come by themselves. */
	if (api_sample_time(b)) {
		atomic_store(&b->want_stats, true);
		event_signal(b->wake_worker);
	}
	show(b);
}
