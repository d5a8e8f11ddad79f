// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A run as a picture: the host's memory stacked by VM, what each VM uses of it
 * in full colour; the host's free memory against its floor; what was decided;
 * who waited. One column of pixels is a slice of the run.
 */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS		900
#define LEFT		70
#define STACK_TOP	50
#define STACK_HEIGHT	360
#define ROW_HEIGHT	70
#define ROW_GAP		34
#define WIDTH		(LEFT + COLUMNS + 30)
#define MOST_GUESTS	64

struct column {
	double used[MOST_GUESTS];
	double kept[MOST_GUESTS];
	double free;
	double paged;
	double given;
	double taken;
	double waiting;
	double kills;
	int ticks;
};

struct picture {
	struct column columns[COLUMNS];
	double target[MOST_GUESTS];
	double kills;
	int nr;
};

/* NULL if there is no memory, or more guests than can be told apart. */
struct picture *picture_start(const struct sim *sim)
{
	struct picture *p;

	if (sim->nr > MOST_GUESTS)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p)
		p->nr = sim->nr;
	return p;
}

static struct column *column_of(struct picture *p, const struct sim *sim)
{
	int i = sim->now / sim->end * COLUMNS;

	return &p->columns[i < COLUMNS ? i : COLUMNS - 1];
}

void picture_step(struct picture *p, const struct sim *sim)
{
	struct column *c = column_of(p, sim);
	double kills = sim->sums.vm_kills;
	int i;

	for (i = 0; i < p->nr; i++) {
		const struct guest *g = &sim->guests[i];
		double change = g->target - p->target[i];

		c->used[i] += g->kernel + g->anon + g->cache_hot;
		c->kept[i] += guest_resident(g);
		c->taken += max_d(0, change);
		c->given += max_d(0, -change);
		c->waiting = max_d(c->waiting, g->stall);
		p->target[i] = g->target;
		kills += g->total.kills;
	}
	c->free += host_free(sim);
	c->paged += sim->paged;
	c->kills += kills - p->kills;
	p->kills = kills;
	c->ticks++;
}

static void text(FILE *f, double x, double y, const char *anchor,
		 const char *words)
{
	fprintf(f, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n",
		x, y, anchor, words);
}

/* The area between two lines, each a value for every column. */
static void area(FILE *f, const double *low, const double *high,
		 const char *style)
{
	int i;

	fputs("<path d=\"M", f);
	for (i = 0; i < COLUMNS; i++)
		fprintf(f, "%d %.1f ", LEFT + i, high[i]);
	for (i = COLUMNS; i-- > 0;)
		fprintf(f, "L%d %.1f ", LEFT + i, low[i]);
	fprintf(f, "Z\" %s/>\n", style);
}

static void stack(FILE *f, const struct picture *p, const struct sim *sim)
{
	double low[COLUMNS], used[COLUMNS], high[COLUMNS], scale;
	char style[64];
	int i, x;

	scale = STACK_HEIGHT / sim->total;
	for (x = 0; x < COLUMNS; x++)
		high[x] = STACK_TOP + STACK_HEIGHT - sim->overhead * scale;
	for (x = 0; x < COLUMNS; x++)
		low[x] = STACK_TOP + STACK_HEIGHT;
	area(f, low, high, "fill=\"#888\"");
	for (i = 0; i < p->nr; i++) {
		for (x = 0; x < COLUMNS; x++) {
			const struct column *c = &p->columns[x];
			int ticks = c->ticks ? c->ticks : 1;

			low[x] = high[x];
			high[x] -= c->kept[i] / ticks * scale;
			used[x] = max_d(high[x], low[x] - c->used[i] / ticks *
					scale);
		}
		snprintf(style, sizeof(style), "fill=\"hsl(%d 70%% 82%%)\"",
			 i * 360 / p->nr);
		area(f, used, high, style);
		snprintf(style, sizeof(style), "fill=\"hsl(%d 60%% 50%%)\"",
			 i * 360 / p->nr);
		area(f, low, used, style);
	}
}

/* A row of bars up and, if @down, bars down. */
static void row(FILE *f, const struct picture *p, double top, double most,
		double (*up)(const struct column *),
		double (*down)(const struct column *), const char *title)
{
	double middle = down ? top + ROW_HEIGHT / 2.0 : top + ROW_HEIGHT;
	double height = down ? ROW_HEIGHT / 2.0 : ROW_HEIGHT;
	char words[32];
	int x;

	text(f, LEFT, top - 6, "start", title);
	snprintf(words, sizeof(words), most < 2 ? "%.1f" : "%.0f", most);
	text(f, LEFT - 6, top + 8, "end", words);
	fprintf(f, "<path stroke=\"#26c\" d=\"");
	for (x = 0; x < COLUMNS; x++)
		fprintf(f, "M%d %.1fv%.1f", LEFT + x, middle, -height *
			min_d(1, up(&p->columns[x]) / most));
	fprintf(f, "\"/>\n");
	if (down) {
		fprintf(f, "<path stroke=\"#c62\" d=\"");
		for (x = 0; x < COLUMNS; x++)
			fprintf(f, "M%d %.1fv%.1f", LEFT + x, middle, height *
				min_d(1, down(&p->columns[x]) / most));
		fprintf(f, "\"/>\n");
	}
	fprintf(f, "<path stroke=\"#444\" d=\"M%d %.1fh%d\"/>\n", LEFT, middle,
		COLUMNS);
}

static double free_of(const struct column *c)
{
	return max_d(0, c->free) / (c->ticks ? c->ticks : 1) / 1024;
}

static double paged_of(const struct column *c)
{
	return c->paged / (c->ticks ? c->ticks : 1) / 1024;
}

static double given_of(const struct column *c)
{
	return c->given / 1024;
}

static double taken_of(const struct column *c)
{
	return c->taken / 1024;
}

static double waiting_of(const struct column *c)
{
	return c->waiting;
}

static void axes(FILE *f, const struct sim *sim, int height)
{
	double gib, x, y;
	char words[32];

	for (gib = 0; gib <= sim->total / 1024; gib += 8) {
		y = STACK_TOP + STACK_HEIGHT * (1 - gib * 1024 / sim->total);
		snprintf(words, sizeof(words), "%.0f GiB", gib);
		text(f, LEFT - 6, y + 4, "end", words);
	}
	for (x = 0; x <= sim->end; x += sim->end / 6) {
		snprintf(words, sizeof(words), "%.0f s", x);
		text(f, LEFT + x / sim->end * COLUMNS, height - 8, "middle",
		     words);
	}
}

static void draw(FILE *f, const struct picture *p, const struct sim *sim,
		 const char *title)
{
	int top = STACK_TOP + STACK_HEIGHT + ROW_GAP;
	int step = ROW_HEIGHT + ROW_GAP, height = top + 3 * step;
	char words[256];
	double y;
	int x;

	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\" shape-rendering=\"crispEdges\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		WIDTH, height);
	snprintf(words, sizeof(words),
		 "%s: %s. Host RAM by VM: used (dark), else occupied (light), free (white).",
		 sim->law->name, title);
	text(f, LEFT, 24, "start", words);
	stack(f, p, sim);
	for (x = 0; x < COLUMNS; x++)
		if (p->columns[x].kills > 0)
			fprintf(f, "<path stroke=\"#000\" d=\"M%d %dv-12\"/>\n",
				LEFT + x, STACK_TOP);
	row(f, p, top, 16, free_of, paged_of,
	    "host: free (up), paged out (down), GiB; line: what it should keep free");
	y = top + ROW_HEIGHT / 2.0 *
		(1 - min_d(1, sim->min_free / 1024 / 16));
	fprintf(f, "<path stroke=\"#c00\" d=\"M%d %.1fh%d\"/>\n", LEFT, y,
		COLUMNS);
	row(f, p, top + step, 4, given_of, taken_of,
	    "decisions: targets raised (up) and lowered (down), GiB in a slice");
	row(f, p, top + 2 * step, 1, waiting_of, NULL,
	    "pressure: part of its time that the guest worst off waited; marks at the top: kills");
	axes(f, sim, height);
	fputs("</svg>\n", f);
}

/* Write it to a file; returns 0 or a negative error. */
int picture_end(struct picture *p, const struct sim *sim, const char *path,
		const char *title)
{
	FILE *f = fopen(path, "w");
	int ret = 0;

	if (!f) {
		free(p);
		return -errno;
	}
	draw(f, p, sim, title);
	if (fclose(f))
		ret = -errno;
	free(p);
	return ret;
}
