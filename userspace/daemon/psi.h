/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long the tasks of this machine wait for memory, and to be woken when
 * they begin to.
 */
#ifndef BALLONET_PSI_H
#define BALLONET_PSI_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct psi;

/**
 * typedef psi_wake - tasks have begun to wait for memory
 * @userdata:	as given to psi_create()
 */
typedef void (*psi_wake)(void *userdata);

int psi_create(uv_loop_t *loop, int proc_fd, psi_wake wake, void *userdata,
	       struct psi **ret_psi);
void psi_destroy(struct psi **psi);
void psi_read(struct psi *psi, uint64_t now_us, uint32_t *ret_some,
	      uint32_t *ret_full);
bool psi_works(const struct psi *psi);
uint64_t psi_wakes(const struct psi *psi);

#endif
