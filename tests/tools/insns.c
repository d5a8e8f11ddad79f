// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin for QEMU that counts the instructions of a guest under TCG. It asks
 * nothing of the guest, and what other work the machine has does not show.
 *
 *	-plugin PATH/insns.so,path=PIPE
 *
 * For each byte that is written to the fifo PIPE.in, the number of instructions
 * so far comes out of PIPE.out, as a line.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "insns.h"

#define API_VERSION	7
#define INLINE_ADD	0

PUBLIC int qemu_plugin_version = API_VERSION;

static struct counter insns;
static int pipe_in, pipe_out;

static void translated(struct tb *tb, void *arg)
{
	(void)arg;
	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, INLINE_ADD,
		insns, qemu_plugin_tb_n_insns(tb));
}

static void *answer(void *arg)
{
	char ask;

	while (read(pipe_in, &ask, 1) == 1)
		dprintf(pipe_out, "%" PRIu64 "\n",
			qemu_plugin_u64_sum(insns));
	return arg;
}

/* Held open at both ends, so that it never is at its end. */
static int open_pipe(const char *path, const char *end)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s.%s", path, end);
	return open(name, O_RDWR | O_CLOEXEC);
}

/**
 * qemu_plugin_install() - QEMU begins
 * @id:		names this plugin
 * @info:	of QEMU
 * @argc:	elements of @argv
 * @argv:	path=PIPE
 *
 * Return: 0, or what ends QEMU.
 */
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	pthread_t thread;

	(void)info;
	if (argc != 1 || strncmp(argv[0], "path=", 5)) {
		fprintf(stderr, "insns: expected path=PIPE\n");
		return -1;
	}
	pipe_in = open_pipe(argv[0] + 5, "in");
	pipe_out = open_pipe(argv[0] + 5, "out");
	if (pipe_in < 0 || pipe_out < 0) {
		fprintf(stderr, "insns: cannot open %s.in and .out\n",
			argv[0] + 5);
		return -1;
	}
	insns.score = qemu_plugin_scoreboard_new(sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated, NULL);
	return pthread_create(&thread, NULL, answer, NULL) ? -1 : 0;
}
