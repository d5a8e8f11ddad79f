// SPDX-License-Identifier: GPL-2.0-or-later
/* userspace/daemon/vmm.c: when what is costly is looked at. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../userspace/daemon/vmm.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB	(UINT64_C(1) << 20)

/* From now on so much of this process is resident, as far as it is told. */
static void resident(const struct vmm *vmm, uint64_t bytes)
{
	char text[64];
	int len;

	len = snprintf(text, sizeof(text), "9999999 %llu 0 0 0 0 0\n",
		       (unsigned long long)bytes / getpagesize());
	assert_int_equal(ftruncate(vmm->statm_fd, 0), 0);
	assert_int_equal(pwrite(vmm->statm_fd, text, len, 0), len);
}

static void what_left_ram_is_looked_for_at_once(void **state)
{
	struct vmm vmm;

	(void)state;
	vmm_init(&vmm);
	vmm_set(&vmm, getpid());
	close(vmm.statm_fd);
	vmm.statm_fd = memfd_create("statm", MFD_CLOEXEC);
	resident(&vmm, 100 * MIB);
	vmm_look(&vmm, 1000);
	assert_int_equal(vmm.looked_ms, 1000);
	resident(&vmm, 85 * MIB);
	vmm_look(&vmm, 1001);
	assert_int_equal(vmm.looked_ms, 1000);
	resident(&vmm, 84 * MIB);
	vmm_look(&vmm, 1002);
	assert_int_equal(vmm.looked_ms, 1002);
	/* What came to it came from nowhere, unless some was paged out. */
	resident(&vmm, 200 * MIB);
	vmm.swapped = 0;
	vmm_look(&vmm, 1003);
	assert_int_equal(vmm.looked_ms, 1002);
	vmm.swapped = MIB;
	vmm_look(&vmm, 1004);
	assert_int_equal(vmm.looked_ms, 1004);
	vmm_deinit(&vmm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_left_ram_is_looked_for_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
