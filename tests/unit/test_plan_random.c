// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What holds for every plan: thousands of hosts drawn from a seed, sane ones
 * and such as no honest guest or clock would make.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define CASES	5000
/* What is counted of memory that a guest has and does not need. */
#define EXPOSURE 4

static uint64_t seed;

static uint64_t next(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t limit)
{
	return limit ? next() % limit : 0;
}

/* A guest that could be, in one of the states that guests are in. */
static struct plan_guest some_guest(uint64_t now)
{
	struct plan_guest g = {
		.flags = PLAN_BALLOON | PLAN_STATS | PLAN_PAGEABLE,
		.memory = (1 + below(64)) * GIB / 2,
	};
	uint64_t kept, used;

	g.actual = below(g.memory / 2) & ~4095ULL;
	g.target = below(4) ? g.actual : below(g.memory / 2) & ~4095ULL;
	kept = g.memory - g.actual;
	used = below(kept);
	g.resident = used + below(kept - used);
	g.limits.min = below(g.memory / 4);
	g.limits.shares = 1 + below(4000);
	g.stats = (struct plan_stats){
		.when_ms = now - below(900),
		.available = kept - used,
		.free = below(kept - used),
		.caches = below(kept - used),
		.balloon = PLAN_UNKNOWN,
		.floor = below(2) ? PLAN_UNKNOWN : below(GIB),
		.swap_free = below(2) * GIB,
		.swap_in = below(GIB), .swap_out = below(GIB),
		.refaults = below(GIB),
		.alloc_stalls = below(1000), .oom_kills = below(3),
	};
	return g;
}

static void some_world(struct world *w)
{
	size_t i;

	world_init(w, 1 + below(MOST), GIB);
	w->host.total = 16 * GIB << below(4);
	w->host.available = below(w->host.total / (1 + below(20)));
	for (i = 0; i < w->nr; i++)
		w->guests[i] = some_guest(w->host.now_ms);
}

/* Of any value, and often of one that is at the edge of something. */
static uint64_t any(void)
{
	static const uint64_t edges[] = {
		0, 1, 4095, 4096, INT64_MAX, 1ULL << 63, UINT64_MAX - 1,
		UINT64_MAX, 1ULL << 60, 1ULL << 32, 1000000, GIB,
	};

	return below(2) ? edges[below(sizeof(edges) / sizeof(edges[0]))] :
		next() >> below(64);
}

static void corrupt_stats(struct plan_stats *stats)
{
	uint64_t *fields[] = {
		&stats->available, &stats->free, &stats->caches,
		&stats->balloon, &stats->floor, &stats->swap_free,
		&stats->swap_in, &stats->swap_out, &stats->refaults,
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (below(2))
			*fields[i] = any();
}

static void corrupt_guest(struct plan_guest *g)
{
	uint64_t *fields[] = {
		&g->memory, &g->target, &g->actual, &g->resident,
		&g->paged_out, &g->short_ms, &g->plenty_ms, &g->wish,
		&g->stats.when_ms, &g->limits.min, &g->limits.max,
	};
	size_t i;

	corrupt_stats(&g->stats);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!below(4))
			*fields[i] = any();
	if (!below(4))
		g->flags = any();
	if (!below(4))
		g->limits.shares = any();
	if (!below(4))
		g->limits.cap = any();
	if (!below(4))
		g->limits.tolerance = any();
}

static unsigned __int128 occupied(const struct plan_decision *d)
{
	if (d->share <= d->occupied)
		return d->share;
	return d->occupied + (d->share - d->occupied) / EXPOSURE;
}

static unsigned __int128 floors(const struct plan_decision *d)
{
	if (d->floor <= d->occupied)
		return d->floor;
	return d->occupied + (d->floor - d->occupied) / EXPOSURE;
}

static void shares_stay_within_the_budget_or_at_the_floors(void **state)
{
	struct world w;
	int n;

	(void)state;
	seed = 1;
	for (n = 0; n < CASES; n++) {
		unsigned __int128 sum = 0, least = 0;
		size_t i;

		some_world(&w);
		world_meet(&w);
		world_plan(&w);
		for (i = 0; i < w.nr; i++) {
			sum += occupied(&w.decisions[i]);
			least += floors(&w.decisions[i]);
		}
		if (sum > w.summary.budget && sum > least)
			fail_msg("case %d: %" PRIu64 " MiB of %" PRIu64, n,
				 (uint64_t)(sum >> 20),
				 w.summary.budget >> 20);
		if (least > w.summary.budget)
			assert_true(w.summary.missing ==
				    least - w.summary.budget);
		else
			assert_int_equal(w.summary.missing, 0);
	}
}

static void minimum_and_maximum_hold(void **state)
{
	struct world w;
	int n, step;
	size_t i;

	(void)state;
	seed = 2;
	for (n = 0; n < CASES / 10; n++) {
		some_world(&w);
		for (step = 0; step < 20; step++) {
			world_plan(&w);
			for (i = 0; i < w.nr; i++) {
				const struct plan_guest *g = &w.guests[i];
				uint64_t told = g->memory - g->target;

				assert_true(w.decisions[i].keep <= g->memory);
				if (w.decisions[i].keep < g->limits.min &&
				    w.decisions[i].keep < told)
					fail_msg("case %d guest %zu", n, i);
				assert_int_equal(w.decisions[i].balloon & 4095,
						 0);
			}
			world_obey(&w);
			world_wait(&w, 250 + below(1000));
			w.host.available = below(w.host.total / 4);
		}
	}
}

static void memory_goes_by_shares_when_all_are_active(void **state)
{
	struct world w;
	int n, compared = 0;
	uint64_t a, b;

	(void)state;
	seed = 3;
	for (n = 0; n < CASES; n++) {
		world_init(&w, 4, 7 * GIB);
		w.guests[0].limits.shares = 500 + below(1000);
		w.guests[1].limits.shares = 500 + below(1000);
		w.guests[0].limits.min = w.guests[1].limits.min = 0;
		world_meet(&w);
		w.host.total = 32 * GIB;
		w.host.available = below(GIB / 4);
		w.host.held = 0;
		/* As much again has to be got from what they use. */
		w.host.min_free = 6 * GIB + below(4 * GIB);
		world_plan(&w);
		assert_true(w.summary.level >= PLAN_RED);
		a = w.decisions[0].share;
		b = w.decisions[1].share;
		if (a > 7 * GIB || b > 7 * GIB)
			continue;
		/* a / b is as the shares are, to a millionth */
		if (llabs((long long)(a / MIB * w.guests[1].limits.shares) -
			  (long long)(b / MIB * w.guests[0].limits.shares)) >
		    4000)
			fail_msg("case %d: %" PRIu64 " to %" PRIu64, n, a, b);
		compared++;
	}
	assert_true(compared > CASES / 2);
}

static void the_order_of_guests_does_not_matter(void **state)
{
	static struct world a, b;
	size_t i, j, order[MOST];
	int n, step;

	(void)state;
	seed = 4;
	for (n = 0; n < CASES / 10; n++) {
		some_world(&a);
		if (below(2))
			corrupt_guest(&a.guests[below(a.nr)]);
		b = a;
		for (i = 0; i < a.nr; i++)
			order[i] = i;
		for (i = a.nr; i-- > 1;) {
			size_t t = order[i];

			j = below(i + 1);
			order[i] = order[j];
			order[j] = t;
		}
		for (step = 0; step < 5; step++) {
			for (i = 0; i < a.nr; i++)
				b.guests[order[i]] = a.guests[i];
			b.host = a.host;
			world_plan(&a);
			world_plan(&b);
			for (i = 0; i < a.nr; i++)
				assert_memory_equal(
					&a.decisions[i],
					&b.decisions[order[i]],
					sizeof(a.decisions[i]));
			assert_memory_equal(&a.summary, &b.summary,
					    sizeof(a.summary));
			a.host.now_ms += 1000;
			for (i = 0; i < a.nr; i++) {
				a.guests[i].target = a.decisions[i].balloon;
				a.guests[i].stats.when_ms += 1000;
			}
		}
	}
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/*
 * What a guest is entitled to follows its own numbers once, others' numbers and
 * the host's as they are counted: a MiB more or less occupied is four MiB more
 * or less that is spare.
 */
static void a_small_change_has_a_small_effect(void **state)
{
	static struct world a, b;
	uint64_t change, limit;
	size_t i, k;
	int n, compared = 0;

	(void)state;
	seed = 5;
	for (n = 0; n < CASES; n++) {
		some_world(&a);
		world_meet(&a);
		b = a;
		change = below(4 * MIB);
		k = below(b.nr);
		switch (below(4)) {
		case 0:
			b.host.available += change;
			break;
		case 1:
			b.guests[k].stats.available += change;
			break;
		case 2:
			b.guests[k].resident += change;
			break;
		default:
			b.guests[k].limits.min += change;
		}
		world_plan(&a);
		world_plan(&b);
		if (a.summary.level != b.summary.level ||
		    a.decisions[k].need != b.decisions[k].need)
			continue;
		/* Growth, extrapolated for 5 s, is of the last second. */
		limit = 8 * EXPOSURE * change + 4 * MIB;
		for (i = 0; i < a.nr; i++)
			if (distance(a.decisions[i].share,
				     b.decisions[i].share) > limit)
				fail_msg("case %d guest %zu: %" PRIu64
					 " KiB more, share %" PRIu64 " to %"
					 PRIu64 " KiB", n, i, change >> 10,
					 a.decisions[i].share >> 10,
					 b.decisions[i].share >> 10);
		compared++;
	}
	assert_true(compared > CASES / 2);
}

static void more_shares_never_give_less(void **state)
{
	static struct world a, b;
	size_t i, k;
	int n;

	(void)state;
	seed = 6;
	for (n = 0; n < CASES; n++) {
		some_world(&a);
		world_meet(&a);
		k = below(a.nr);
		b = a;
		b.guests[k].limits.shares += 1 + below(4000);
		world_plan(&a);
		world_plan(&b);
		assert_true(b.decisions[k].share >= a.decisions[k].share);
		for (i = 0; i < a.nr; i++)
			if (i != k)
				assert_true(b.decisions[i].share <=
					    a.decisions[i].share);
	}
}

static void nonsense_is_survived(void **state)
{
	static struct world w;
	int n, step;
	size_t i;

	(void)state;
	seed = 7;
	for (n = 0; n < CASES; n++) {
		some_world(&w);
		for (step = 0; step < 6; step++) {
			for (i = 0; i < w.nr; i++)
				if (below(2))
					corrupt_guest(&w.guests[i]);
			if (!below(3))
				w.host.total = any();
			if (!below(3))
				w.host.available = any();
			if (!below(3))
				w.host.held = any();
			if (!below(3))
				w.host.swap_free = any();
			if (!below(3))
				w.host.min_free = any();
			if (!below(3))
				w.host.period_ms = any();
			w.host.now_ms = below(2) ? any() :
				w.host.now_ms + below(5000);
			world_plan(&w);
			for (i = 0; i < w.nr; i++) {
				const struct plan_decision *d =
					&w.decisions[i];

				assert_true(d->balloon <= w.guests[i].memory);
				assert_true(d->page_out <= w.guests[i].memory);
				assert_true(d->floor <= d->ceiling);
				assert_true(d->share >= d->floor);
				assert_true(d->share <= d->ceiling);
				assert_true(d->reason < PLAN_NR_REASONS);
			}
		}
	}
}

/*
 * However a guest lies, others have their demand or their part of the budget by
 * shares, whatever is less.
 */
static void a_liar_hurts_only_itself(void **state)
{
	static struct world w;
	uint64_t shares, due;
	int n, step;
	size_t i, k;

	(void)state;
	seed = 8;
	for (n = 0; n < CASES; n++) {
		some_world(&w);
		shares = 0;
		for (i = 0; i < w.nr; i++) {
			w.guests[i].limits.min = 0;
			shares += w.guests[i].limits.shares;
		}
		world_meet(&w);
		w.host.available = 0;
		k = below(w.nr);
		for (step = 0; step < 3; step++) {
			corrupt_stats(&w.guests[k].stats);
			if (below(2))
				w.guests[k].actual = any();
			w.guests[k].short_ms = below(2) ? w.host.now_ms : 0;
			world_plan(&w);
			assert_true(w.summary.level >= PLAN_RED);
			for (i = 0; i < w.nr; i++) {
				const struct plan_decision *d =
					&w.decisions[i];

				due = (unsigned __int128)w.summary.budget *
					w.guests[i].limits.shares / shares;
				if (i == k || w.summary.missing)
					continue;
				if (d->share < d->demand &&
				    d->share + 4096 < due &&
				    d->share < d->ceiling)
					fail_msg("case %d guest %zu", n, i);
			}
			world_wait(&w, 1000);
		}
	}
}

/*
 * In RED, whoever is in need and whatever they say: beyond their shares they
 * are lent together no more than the host has, and half of what it should keep
 * is left.
 */
static void what_is_lent_is_there(void **state)
{
	static struct world w;
	uint64_t there;
	size_t i;
	int n;

	(void)state;
	seed = 11;
	for (n = 0; n < CASES; n++) {
		unsigned __int128 lent = 0;

		some_world(&w);
		w.host.swap_free = 0;
		world_meet(&w);
		w.host.available = 0;
		world_plan(&w);
		world_wait(&w, 250);
		w.host.available = below(4 * w.summary.min_free);
		for (i = 0; i < w.nr; i++) {
			if (below(2))
				corrupt_stats(&w.guests[i].stats);
			w.guests[i].short_ms = below(2) ? w.host.now_ms : 0;
		}
		world_plan(&w);
		assert_true(w.summary.level >= PLAN_RED);
		for (i = 0; i < w.nr; i++) {
			const struct plan_decision *d = &w.decisions[i];
			uint64_t told = w.guests[i].memory - w.guests[i].target;

			if (d->share >= d->current)
				continue;
			if (told < d->current)
				told = d->current;
			if (d->keep > told)
				lent += d->keep - told;
		}
		there = w.summary.min_free / 2;
		there = w.host.available > there ?
			w.host.available - there : 0;
		/* Targets are whole pages. */
		if (lent > there + w.nr * 4096)
			fail_msg("case %d", n);
	}
}

static void a_clock_that_jumps_hurts_nobody_for_long(void **state)
{
	static const int64_t jumps[] = {
		-999999, -3600000, 3600000, 86400000LL * 365, 20000,
	};
	struct world w;
	size_t j, i;
	int seconds;

	(void)state;
	for (j = 0; j < sizeof(jumps) / sizeof(jumps[0]); j++) {
		world_init(&w, 2, 2 * GIB);
		w.host.now_ms = 4000000;
		world_wait(&w, 0);
		world_meet(&w);
		w.host.available = 2 * GIB;
		world_run(&w, 5);
		/* Statistics are of before. */
		w.host.now_ms += jumps[j];
		for (i = 0; i < 2; i++)
			w.guests[i].target = w.guests[i].actual;
		world_plan(&w);
		for (i = 0; i < 2; i++)
			assert_true(w.decisions[i].balloon <=
				    w.guests[i].target);
		/* New ones come, and it goes on. */
		for (seconds = 0; seconds < 90; seconds++) {
			w.host.available = GIB;
			world_wait(&w, 1000);
			world_plan(&w);
			world_obey(&w);
		}
		assert_true(w.guests[0].target > 2 * GIB);
	}
}

static void no_guests_and_no_memory_are_a_plan_too(void **state)
{
	struct plan_host_memory memory = { 0 };
	struct plan_host host = { 0 };
	struct plan_summary summary;

	(void)state;
	plan(&host, &memory, NULL, NULL, NULL, 0, &summary);
	assert_int_equal(summary.budget, 0);
	host = (struct plan_host){ .now_ms = 1, .total = 64 * GIB,
				   .available = 60 * GIB };
	plan(&host, &memory, NULL, NULL, NULL, 0, &summary);
	assert_int_equal(summary.level, PLAN_GREEN);
}

/* So many guests of an exabyte, each of which the host has one. */
static void enormous_hosts_are_planned_for(void **state)
{
	const size_t nr = 10000;
	struct plan_guest *guests = calloc(nr, sizeof(*guests));
	struct plan_memory *memories = calloc(nr, sizeof(*memories));
	struct plan_decision *decisions = calloc(nr, sizeof(*decisions));
	struct plan_host_memory memory = { 0 };
	struct plan_host host = { .total = 1ULL << 60 };
	struct plan_summary summary;
	int second;
	size_t i;

	(void)state;
	assert_true(guests && memories && decisions);
	for (second = 1; second < 5; second++) {
		host.now_ms = second * 1000;
		for (i = 0; i < nr; i++) {
			guests[i] = some_guest(host.now_ms);
			guests[i].memory = 1ULL << 60;
			guests[i].resident = 1ULL << 60;
			guests[i].stats.available = 1ULL << 59;
			guests[i].target = guests[i].actual = 0;
		}
		plan(&host, &memory, guests, memories, decisions, nr,
		     &summary);
	}
	assert_int_equal(summary.level, PLAN_BLACK);
	for (i = 0; i < nr; i++)
		assert_true(decisions[i].balloon <= 512 * MIB);
	free(guests);
	free(memories);
	free(decisions);
}

static uint64_t steps_of(size_t nr, double *ret_ms)
{
	struct plan_guest *guests = calloc(nr, sizeof(*guests));
	struct plan_memory *memories = calloc(nr, sizeof(*memories));
	struct plan_decision *decisions = calloc(nr, sizeof(*decisions));
	struct plan_host host = { .total = nr * 4 * GIB };
	struct plan_host_memory memory = { 0 };
	struct plan_summary summary = { 0 };
	struct timespec start, end;
	uint64_t second, most = 0;
	double ms = 0;
	size_t i;

	assert_true(guests && memories && decisions);
	seed = 9;
	for (i = 0; i < nr; i++)
		guests[i] = some_guest(1000);
	for (second = 1; second <= 20; second++) {
		host.now_ms = second * 1000;
		host.available = nr * (GIB >> second % 8);
		for (i = 0; i < nr; i++)
			guests[i].stats.when_ms = host.now_ms;
		clock_gettime(CLOCK_MONOTONIC, &start);
		plan(&host, &memory, guests, memories, decisions, nr,
		     &summary);
		clock_gettime(CLOCK_MONOTONIC, &end);
		ms += (end.tv_sec - start.tv_sec) * 1e3 +
			(end.tv_nsec - start.tv_nsec) / 1e6;
		if (summary.steps > most)
			most = summary.steps;
	}
	*ret_ms = ms / 20;
	free(guests);
	free(memories);
	free(decisions);
	return most;
}

/* In looks at a guest, which are the same on every machine. */
static void a_plan_takes_time_in_proportion_to_the_guests(void **state)
{
	double small_ms, ms;
	uint64_t small = steps_of(100, &small_ms), large = steps_of(1000, &ms);

	(void)state;
	print_message("# 1000 guests: %.2f ms, %" PRIu64
		      " looks at each; 100 guests: %.2f ms\n", ms,
		      large / 1000, small_ms);
	assert_true(large / 1000 <= 80);
	assert_true(large / 1000 <= small / 100 + 8);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			shares_stay_within_the_budget_or_at_the_floors),
		cmocka_unit_test(minimum_and_maximum_hold),
		cmocka_unit_test(memory_goes_by_shares_when_all_are_active),
		cmocka_unit_test(the_order_of_guests_does_not_matter),
		cmocka_unit_test(a_small_change_has_a_small_effect),
		cmocka_unit_test(more_shares_never_give_less),
		cmocka_unit_test(nonsense_is_survived),
		cmocka_unit_test(a_liar_hurts_only_itself),
		cmocka_unit_test(what_is_lent_is_there),
		cmocka_unit_test(a_clock_that_jumps_hurts_nobody_for_long),
		cmocka_unit_test(no_guests_and_no_memory_are_a_plan_too),
		cmocka_unit_test(enormous_hosts_are_planned_for),
		cmocka_unit_test(
			a_plan_takes_time_in_proportion_to_the_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
