// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host with little memory, for guests that run on one with much: looks fifty
 * times a second at what guests occupy and, if it is told to, does what a
 * kernel without memory does.
 *
 *	hostwatch DIR RAM FLOOR LOG [kill]
 *
 * Each entry of DIR is a link to the memory file of the guest of that name, by
 * way of /proc/PID/fd. RAM is the host's, all of it for guests; below FLOOR
 * free it is short. Runs until SIGTERM. Prints a line when something is over
 * (times in ms, sizes in MiB):
 *
 *	short WHEN HOW-LONG MOST	so much was missing to FLOOR
 *	over WHEN HOW-LONG MOST		guests occupied so much more than RAM
 *	kill WHEN NAME			with "kill": the largest guest was killed
 *
 * and to LOG once a second WHEN and what each guest occupies, after names in
 * the first line.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB		(1 << 20)
#define MAX_GUESTS	64
#define LOOK_MS		20
#define LOG_MS		1000
/* The next is killed when the last one's memory is back. */
#define KILL_MS		1000

struct guest {
	char name[256];
	char path[512];
	int64_t held;
};

/* Something that lasts: since when, and the worst of it. */
struct spell {
	const char *name;
	int64_t since;
	int64_t worst;
};

static struct guest guests[MAX_GUESTS];
static int nr_guests;
static volatile sig_atomic_t ends;

static void on_end(int number)
{
	(void)number;
	ends = true;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct guest *)a)->name,
		      ((const struct guest *)b)->name);
}

static int guests_find(const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);

	if (!d)
		return -errno;
	while ((entry = readdir(d)) && nr_guests < MAX_GUESTS) {
		struct guest *g = &guests[nr_guests];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(g->name, sizeof(g->name), "%s", entry->d_name);
		snprintf(g->path, sizeof(g->path), "%s/%s", dir,
			 entry->d_name);
		nr_guests++;
	}
	closedir(d);
	qsort(guests, nr_guests, sizeof(guests[0]), by_name);
	return 0;
}

/* A guest that is down occupies nothing. */
static int64_t look(void)
{
	int64_t sum = 0;
	struct stat st;

	for (int i = 0; i < nr_guests; i++) {
		guests[i].held = stat(guests[i].path, &st) < 0 ? 0 :
			st.st_blocks * 512LL;
		sum += guests[i].held;
	}
	return sum;
}

static void kill_largest(int64_t now)
{
	struct guest *worst = &guests[0];
	char target[256];
	ssize_t len;
	int pid;

	for (int i = 1; i < nr_guests; i++)
		if (guests[i].held > worst->held)
			worst = &guests[i];
	len = readlink(worst->path, target, sizeof(target) - 1);
	if (len < 0)
		return;
	target[len] = '\0';
	if (sscanf(target, "/proc/%d/", &pid) != 1 || kill(-pid, SIGKILL) < 0)
		return;
	printf("kill %lld %s\n", (long long)now, worst->name);
}

static void spell_follow(struct spell *spell, bool on, int64_t value,
			 int64_t now)
{
	if (on && !spell->since) {
		spell->since = now;
		spell->worst = value;
	}
	if (on && value > spell->worst)
		spell->worst = value;
	if (on || !spell->since)
		return;
	printf("%s %lld %lld %lld\n", spell->name, (long long)spell->since,
	       (long long)(now - spell->since),
	       (long long)(spell->worst / MIB));
	spell->since = 0;
}

static void log_line(FILE *log, int64_t now)
{
	fprintf(log, "%lld", (long long)now);
	for (int i = 0; i < nr_guests; i++)
		fprintf(log, " %lld", (long long)(guests[i].held / MIB));
	fputc('\n', log);
	fflush(log);
}

static void watch(int64_t ram, int64_t least, FILE *log, bool kills)
{
	struct spell is_short = { .name = "short" }, is_over = { .name = "over" };
	int64_t now, sum, logged = 0, killed = 0;

	do {
		now = now_ms();
		sum = look();
		spell_follow(&is_short, ram - sum < least, least - ram + sum,
			     now);
		spell_follow(&is_over, sum > ram, sum - ram, now);
		if (kills && sum > ram && now - killed >= KILL_MS) {
			kill_largest(now);
			killed = now;
		}
		if (now - logged >= LOG_MS) {
			log_line(log, now);
			logged = now;
		}
		usleep(LOOK_MS * 1000);
	} while (!ends);
	now = now_ms();
	spell_follow(&is_short, false, 0, now);
	spell_follow(&is_over, false, 0, now);
}

int main(int argc, char **argv)
{
	FILE *log;

	if (argc < 5 || guests_find(argv[1]) < 0 || !nr_guests) {
		fputs("usage: hostwatch DIR RAM FLOOR LOG [kill]\n", stderr);
		return 2;
	}
	log = fopen(argv[4], "w");
	if (!log) {
		perror(argv[4]);
		return 1;
	}
	signal(SIGTERM, on_end);
	setvbuf(stdout, NULL, _IOLBF, 0);
	fputs("ms", log);
	for (int i = 0; i < nr_guests; i++)
		fprintf(log, " %s", guests[i].name);
	fputc('\n', log);
	watch(strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10), log,
	      argc > 5);
	fclose(log);
	return 0;
}
