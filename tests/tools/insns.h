/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is used of QEMU's interface for plugins, as QEMU 11.1 has it: Debian
 * ships no header.
 */
#ifndef BALLONET_INSNS_H
#define BALLONET_INSNS_H

#include <stddef.h>
#include <stdint.h>

#define PUBLIC		__attribute__((visibility("default")))

struct tb;
struct scoreboard;

struct counter {
	struct scoreboard *score;
	size_t offset;
};

typedef void (*translated_fn)(struct tb *tb, void *arg);

struct scoreboard *qemu_plugin_scoreboard_new(size_t size);
uint64_t qemu_plugin_u64_sum(struct counter counter);
size_t qemu_plugin_tb_n_insns(const struct tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_fn fn,
					   void *arg);
void
qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct tb *tb, int op,
						  struct counter counter,
						  uint64_t add);

/* What QEMU looks for. */
extern int qemu_plugin_version;
PUBLIC int qemu_plugin_install(uint64_t id, const void *info, int argc,
			       char **argv);

#endif /* BALLONET_INSNS_H */
