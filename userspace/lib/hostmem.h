/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of this machine as its kernel tells it. Sizes are bytes; what the
 * kernel does not tell is PROCFILE_UNKNOWN. How fast something changes:
 * rate_step(), with CLOCK_MONOTONIC.
 */
#ifndef BALLONET_HOSTMEM_H
#define BALLONET_HOSTMEM_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct hostmem - /proc/meminfo
 * @total:	RAM that the kernel manages
 * @free:	used for nothing
 * @available:	could be had without swapping
 * @cached:	page cache, with @shmem
 * @shmem:	tmpfs and shared memory: the RAM of VMs with share=on
 * @anon:	anonymous memory: the RAM of other VMs
 * @unevictable: never to be paged out
 * @committed:	promised to processes
 * @swap_total:	swap space
 * @swap_free:	free swap space
 * @zswap:	RAM that compressed pages occupy
 * @zswapped:	what those were before compression
 * @hugetlb:	RAM in the pools of huge pages
 */
struct hostmem {
	uint64_t total;
	uint64_t free;
	uint64_t available;
	uint64_t cached;
	uint64_t shmem;
	uint64_t anon;
	uint64_t unevictable;
	uint64_t committed;
	uint64_t swap_total;
	uint64_t swap_free;
	uint64_t zswap;
	uint64_t zswapped;
	uint64_t hugetlb;
};

/**
 * struct hostmem_events - /proc/vmstat: what happened since the start
 * @swap_in:	bytes
 * @swap_out:	bytes
 * @zswap_in:	bytes, out of the compressed pool
 * @zswap_out:	bytes, into it
 * @zswap_written: bytes, from it to the disk
 * @refault_anon: bytes, paged in soon after they were paged out
 * @refault_file: bytes
 * @major_faults: that had to read, a number
 * @alloc_stalls: allocations that had to reclaim, a number
 * @oom_kills:	a number
 */
struct hostmem_events {
	uint64_t swap_in;
	uint64_t swap_out;
	uint64_t zswap_in;
	uint64_t zswap_out;
	uint64_t zswap_written;
	uint64_t refault_anon;
	uint64_t refault_file;
	uint64_t major_faults;
	uint64_t alloc_stalls;
	uint64_t oom_kills;
};

/* MAX_NUMNODES of the kernels that distributions build. */
#define HOSTMEM_NODES_MAX	1024

/**
 * struct hostmem_node - a NUMA node that has memory
 * @id:		the kernel's number
 * @total:	its RAM
 * @free:	used for nothing
 * @active_file: page cache in use
 * @inactive_file: page cache not used lately
 * @slab_reclaimable: caches that the kernel would shrink
 */
struct hostmem_node {
	uint64_t id;
	uint64_t total;
	uint64_t free;
	uint64_t active_file;
	uint64_t inactive_file;
	uint64_t slab_reclaimable;
};

int hostmem_read(int proc_fd, struct hostmem *ret_mem);
int hostmem_events_read(int proc_fd, struct hostmem_events *ret_events);
int hostmem_watermark(int proc_fd, uint64_t *ret_bytes);
int hostmem_nodes(int node_fd, struct hostmem_node *ret_nodes, size_t max);

#endif
