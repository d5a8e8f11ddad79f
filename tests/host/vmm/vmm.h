/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the fake VMM share.
 */
#ifndef VMM_H
#define VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE		4096ull
#define LOW		(2ull << 20)
#define HIGH_GPA	(4ull << 30)
#define USER		0x7f0000000000ull	/* where we claim to map it */
#define RINGS		8
#define NUM_MAX		256
#define TIMEOUT_MS	60000

/* Where a ring's parts and buffers are in the first two MiB. */
#define RING_GPA(q)	(0x10000ull + (q) * 0x4000ull)
#define AVAIL_OFF	0x1000ull
#define USED_OFF	0x2000ull
#define BUF_GPA		0x80000ull
#define BUF_SIZE	(LOW - BUF_GPA)
#define LAST_MAX	8192

/* Features with a queue of their own. */
#define STATS		(1ull << 1)
#define REPORT		(1ull << 5)
#define EVENTS		(1ull << 51)

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* One of a driver's statistics. */
struct stat_value {
	uint64_t tag, value;
};

/* A word of the language; arg[0] is the name. */
struct command {
	const char *name;
	void (*fn)(char **arg);
};

/* main.c */
extern char last[LAST_MAX];	/* what the last command said */
void die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t now_us(void);
uint8_t hex_byte(const char *s);
uint64_t number(const char *s);
bool readable(int fd, int ms);
void run_words(char **arg);

/* ram.c */
extern int ram_fd;
extern uint8_t *ram;
extern uint64_t ram_size;
extern uint64_t split;		/* where the second region begins, or 0 */
extern const struct command ram_commands[];
uint8_t *at(uint64_t gpa);
uint64_t gpa_of(uint64_t offset);
void check_ram(bool zero, bool say_it);
void mark(uint64_t frame, uint64_t nr, bool out);

/* message.c */
extern uint64_t features;
extern const struct command message_commands[];
void request(uint32_t nr, const void *data, uint32_t size, const int *fds,
	     int nr_fds);
void request_u64(uint32_t nr, uint64_t value);
void request_fd(uint32_t nr, uint64_t value, int fd);
void request_state(uint32_t nr, uint32_t index, uint32_t value);
uint64_t ask(uint32_t nr, const void *data, uint32_t size);
void send_memory(bool slots);
void cmd_write(char **arg);
uint32_t config_pages(void);

/* ring.c */
extern unsigned int num;
extern uint16_t avail_idx[RINGS];
extern const struct command ring_commands[];
int queue_of(uint64_t feature);
void start(void);
void stop(void);
void put(int q, const struct desc *d, unsigned int nr);
void show(int q);
void offer(int q, const struct desc *d, unsigned int nr);
void do_kick(int q);
void wait_ring(int q);
bool came_back(int q);

/* balloon.c */
extern const struct command balloon_commands[];
void arrays(int q, uint64_t frame, uint64_t left, bool nowait);

/* tell.c */
extern const struct command tell_commands[];
void offer_stats(const struct stat_value *numbers, size_t nr);
bool stats_wanted(void);

/* live.c */
extern const struct command live_commands[];

/* standby.c */
extern const struct command standby_commands[];

#endif
