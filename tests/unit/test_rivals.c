// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "rivals.h"
#include "tree.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static struct rival rivals[RIVALS_MAX];

/* The words of the command line end in a NUL each. */
static void process(int pid, const char *comm, const char *words, size_t len)
{
	char file[64], text[64];

	snprintf(file, sizeof(file), "%d/comm", pid);
	snprintf(text, sizeof(text), "%s\n", comm);
	tree_put(file, text);
	snprintf(file, sizeof(file), "%d/cmdline", pid);
	tree_put_bytes(file, words, len);
}

#define PROCESS(pid, comm, words) process(pid, comm, words, sizeof(words))

static void a_quiet_host_has_none(void **state)
{
	(void)state;
	PROCESS(1, "systemd", "/sbin/init");
	PROCESS(20, "libvirtd", "/usr/sbin/libvirtd");
	PROCESS(21, "qemu-system-x86", "qemu-system-x86_64\0-name\0ksmtuned");
	PROCESS(22, "vim", "vim\0/usr/sbin/ksmtuned");
	PROCESS(23, "bash", "bash\0-c\0-x\0-y\0-z\0ksmtuned");
	assert_int_equal(rivals_find(tree_fd, rivals), 0);
}

static void each_kind_is_found_once_with_its_oldest_process(void **state)
{
	(void)state;
	PROCESS(300, "ksmtuned", "/bin/bash\0/usr/sbin/ksmtuned");
	PROCESS(30, "ksmtuned", "/bin/bash\0/usr/sbin/ksmtuned");
	PROCESS(31, "systemd-oomd", "/lib/systemd/systemd-oomd");
	PROCESS(32, "pvestatd", "pvestatd");
	assert_int_equal(rivals_find(tree_fd, rivals), 3);
	assert_string_equal(rivals[0].name, "ksmtuned");
	assert_int_equal(rivals[0].pid, 30);
	assert_int_equal(rivals[0].does, RIVAL_SHARING);
	assert_string_equal(rivals[1].name, "Proxmox VE");
	assert_int_equal(rivals[1].does, RIVAL_BALLOON);
	assert_non_null(strstr(rivals[1].advice, "shares 0"));
	assert_non_null(strstr(rivals[1].advice, "rivals = ignore"));
	assert_string_equal(rivals[2].name, "systemd-oomd");
	assert_int_equal(rivals[2].does, RIVAL_KILL);
}

static void scripts_are_found_by_their_interpreters_words(void **state)
{
	(void)state;
	PROCESS(40, "python3", "/usr/bin/python3\0-Es\0/usr/sbin/momd\0-c\0x");
	PROCESS(41, "python3.11", "python3.11\0/usr/share/vdsm/vdsmd");
	PROCESS(42, "python2", "python\0senpai.py");
	PROCESS(43, "perl", "perl\0-w\0pvestatd");
	assert_int_equal(rivals_find(tree_fd, rivals), 4);
}

static void users_programs_do_not_count(void **state)
{
	(void)state;
	PROCESS(50, "ksmtuned", "ksmtuned");
	if (fchownat(tree_fd, "50", 1000, 1000, 0))
		skip();
	assert_int_equal(rivals_find(tree_fd, rivals), 0);
	assert_int_equal(fchownat(tree_fd, "50", 999, 999, 0), 0);
	assert_int_equal(rivals_find(tree_fd, rivals), 1);
}

static void a_strange_proc_is_survived(void **state)
{
	static char words[4096];

	(void)state;
	memset(words, 'x', sizeof(words));
	PROCESS(60, "python3", "");
	PROCESS(61, "python3", "\0\0\0\0\0\0");
	process(62, "python3", words, sizeof(words));
	process(63, "python3", "", 0);
	PROCESS(64, "bash", "bash\0/");
	PROCESS(65, "bash", "bash\0.");
	PROCESS(66, "", "");
	process(67, "0123456789012345678901234567890123456789", words, 9);
	tree_put("68/other", "");
	tree_put("69", "a file");
	tree_put("2147483648/comm", "ksmtuned\n");
	tree_put("70x/comm", "ksmtuned\n");
	tree_put("0/comm", "ksmtuned\n");
	assert_int_equal(symlinkat("/proc/1", tree_fd, "71"), 0);
	assert_int_equal(rivals_find(tree_fd, rivals), 0);
}

static void this_machine_is_looked_through(void **state)
{
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(rivals_find(proc_fd, rivals) >= 0);
	close(proc_fd);
	assert_int_equal(rivals_find(-1, rivals), -EBADF);
}

#define in_tree(f) cmocka_unit_test_setup_teardown(f, tree_make, tree_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_tree(a_quiet_host_has_none),
		in_tree(each_kind_is_found_once_with_its_oldest_process),
		in_tree(scripts_are_found_by_their_interpreters_words),
		in_tree(users_programs_do_not_count),
		in_tree(a_strange_proc_is_survived),
		cmocka_unit_test(this_machine_is_looked_through),
	};

	return cmocka_run_group_tests_name("rivals", tests, NULL, NULL);
}
