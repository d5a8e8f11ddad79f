// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this process may still do once it serves: talk over what it has open,
 * map and discard guest memory, read about its VMM in /proc. A guest or a VMM
 * that takes it over gets no further.
 */

#include "backend.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

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
	SCMP_SYS(sched_yield),
	/* lib/logline.c */
	SCMP_SYS(poll), SCMP_SYS(ppoll),
	/* the C library: a thread's first moments */
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	/* the C library: memory, files, random seeds */
	SCMP_SYS(brk), SCMP_SYS(mremap), SCMP_SYS(getrandom),
	SCMP_SYS(lseek), SCMP_SYS(newfstatat),
	/* lib/vhost_user.c, lib/fdstore.c, control.c: sockets */
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom),
	SCMP_SYS(sendto), SCMP_SYS(setsockopt),
	/* lib/region.c, lib/discard.c: guest memory */
	SCMP_SYS(munmap), SCMP_SYS(madvise), SCMP_SYS(fallocate),
	SCMP_SYS(fstat), SCMP_SYS(fstatfs),
	/* frontend.c, config.c: new descriptors, bytes that wait */
	SCMP_SYS(fcntl), SCMP_SYS(ioctl),
	/* guard.c: the VMM's process */
	SCMP_SYS(getsockopt), SCMP_SYS(getdents64), SCMP_SYS(readlinkat),
};

static int allow_some(scmp_filter_ctx ctx)
{
	/* Calls that are allowed only if an argument is like this. */
	const struct {
		int call;
		struct scmp_arg_cmp arg;
	} some[] = {
		/* the C library: abort() */
		{ SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, getpid()) },
		/* Handover: lib/fdstore.c */
		{ SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX) },
		/* guard.c reads */
		{ SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ,
			O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY) },
		/* data only */
		{ SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0) },
		{ SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,
					      0) },
	};
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(some) && !ret; i++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, some[i].call, 1,
				       some[i].arg);
	return ret;
}

/**
 * sandbox_drop() - give up all capabilities but two
 * @ret_fault:	what failed
 *
 * guard.c needs these, to look at a VMM of another user; the system calls
 * that could abuse them go with sandbox_enter().
 *
 * Context: before there is a second thread: capabilities are each thread's.
 *
 * Return: 0 or a negative errno.
 */
int sandbox_drop(struct fault *ret_fault)
{
	static const unsigned int kept[] = {
		CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH,
	};
	bool has[ARRAY_SIZE(kept)];
	unsigned int i;

	if (capng_get_caps_process())
		return fault_set(ret_fault, -EPERM,
				 "sandbox: cannot read the capabilities");
	for (i = 0; i < ARRAY_SIZE(kept); i++)
		has[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	capng_clear(CAPNG_SELECT_CAPS);
	for (i = 0; i < ARRAY_SIZE(kept); i++)
		if (has[i])
			(void)capng_update(CAPNG_ADD,
					   CAPNG_EFFECTIVE | CAPNG_PERMITTED,
					   kept[i]);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return fault_set(ret_fault, -EPERM,
				 "sandbox: cannot give up capabilities");
	return 0;
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
		ret = allow_some(ctx);
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	if (ret)
		return fault_set(ret_fault, ret,
				 "sandbox: cannot filter system calls");
	return 0;
}
