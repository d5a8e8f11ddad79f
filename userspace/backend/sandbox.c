// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this process may still do once it serves: talk over what it has open,
 * map and discard guest memory, read about its VMM in /proc. A guest or a VMM
 * that takes it over gets no further.
 */

#include "backend.h"

#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>

/*
 * All that is needed after the start, by the file that needs it. What is
 * missing here fails with EPERM and does not kill: a VM hangs on us.
 */
static const int allowed[] = {
	/* main.c, worker.c: loops, threads, clock, end */
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(accept4),
	SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(tgkill), SCMP_SYS(sched_yield),
	/* the C library: a thread's first moments */
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	/* the C library: memory, files, random seeds */
	SCMP_SYS(brk), SCMP_SYS(mremap), SCMP_SYS(mprotect),
	SCMP_SYS(getrandom), SCMP_SYS(lseek), SCMP_SYS(newfstatat),
	/* lib/vhost_user.c, lib/fdstore.c, control.c: sockets */
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom),
	SCMP_SYS(sendto), SCMP_SYS(socket), SCMP_SYS(setsockopt),
	/* lib/region.c, lib/discard.c: guest memory */
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(madvise),
	SCMP_SYS(fallocate), SCMP_SYS(fstat), SCMP_SYS(fstatfs),
	/* frontend.c, config.c: new descriptors, bytes that wait */
	SCMP_SYS(fcntl), SCMP_SYS(ioctl),
	/* guard.c: the VMM's process */
	SCMP_SYS(getsockopt), SCMP_SYS(openat), SCMP_SYS(getdents64),
	SCMP_SYS(readlinkat),
};

/**
 * sandbox_drop() - give up all capabilities but two
 *
 * guard.c needs these, to look at a VMM of another user; the system calls
 * that could abuse them go with sandbox_enter().
 *
 * Context: before there is a second thread: capabilities are each thread's.
 */
void sandbox_drop(void)
{
	bool ptrace, search;

	if (capng_get_caps_process())
		return;
	ptrace = capng_have_capability(CAPNG_PERMITTED, CAP_SYS_PTRACE);
	search = capng_have_capability(CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
	capng_clear(CAPNG_SELECT_CAPS);
	if (ptrace)
		(void)capng_update(CAPNG_ADD,
				   CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				   CAP_SYS_PTRACE);
	if (search)
		(void)capng_update(CAPNG_ADD,
				   CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				   CAP_DAC_READ_SEARCH);
	/* Dropping what it has is always allowed. */
	(void)capng_apply(CAPNG_SELECT_CAPS);
}

/**
 * sandbox_enter() - give up the system calls that are not needed
 * @ret_fault:	what failed
 *
 * Context: all threads are there; it holds for all of them.
 *
 * Return: 0 or a negative errno.
 */
int sandbox_enter(struct fault *ret_fault)
{
	scmp_filter_ctx ctx;
	unsigned int i;
	int ret;

	ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		return fault_set(ret_fault, -ENOMEM, "sandbox: no memory");
	ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	for (i = 0; i < ARRAY_SIZE(allowed) && !ret; i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	if (ret)
		return fault_set(ret_fault, ret,
				 "sandbox: cannot filter system calls");
	return 0;
}
