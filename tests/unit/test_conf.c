// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/test_conf.XXXXXX";
static char path[sizeof(dir) + 8];

static void put(const char *name, const char *text)
{
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	char drop_ins[128];

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/b.conf", dir);
	snprintf(drop_ins, sizeof(drop_ins), "%s.d", path);
	return mkdir(drop_ins, 0700);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static int clean(void **state)
{
	char command[160];

	(void)state;
	snprintf(command, sizeof(command), "rm -f %s %s.d/*", path, path);
	return system(command);
}

static void values_are_read(void **state)
{
	struct conf conf;
	struct conf_error error;

	(void)state;
	put("b.conf", "# comment\n"
	    "[manager]\n"
	    "backend = /usr/libexec/vhost-user-balloon\n"
	    "vm_group=kvm\n"
	    "\n"
	    "[vm web-1]\n"
	    "balloon = 1.5G ; comment\n"
	    "[vm empty]\n"
	    "  [vm indented]\n"
	    "memory: 512M\n");
	assert_int_equal(conf_load(path, true, &conf, &error), 0);
	assert_string_equal(conf.backend, "/usr/libexec/vhost-user-balloon");
	assert_string_equal(conf.vm_group, "kvm");
	assert_null(conf.control_group);
	assert_int_equal(conf.nr_vms, 3);
	assert_string_equal(conf.vms[0].name, "web-1");
	assert_int_equal(conf.vms[0].wish, CONF_WISH_BALLOON);
	assert_int_equal(conf.vms[0].bytes, 3ULL << 29);
	assert_string_equal(conf.vms[1].name, "empty");
	assert_int_equal(conf.vms[1].wish, CONF_WISH_NONE);
	assert_string_equal(conf.vms[2].name, "indented");
	assert_int_equal(conf.vms[2].wish, CONF_WISH_MEMORY);
	conf_deinit(&conf);
}

static void drop_ins_win_in_the_order_of_their_names(void **state)
{
	struct conf conf;
	struct conf_error error;

	(void)state;
	put("b.conf", "[vm a]\nballoon = 1M\n");
	put("b.conf.d/20.conf", "[vm a]\nballoon = 20M\n[vm b]\n");
	put("b.conf.d/10.conf", "[vm a]\nmemory = 10M\n");
	put("b.conf.d/30.conf~", "[vm a]\nballoon = 30M\n");
	put("b.conf.d/.hidden.conf", "nonsense");
	assert_int_equal(conf_load(path, true, &conf, &error), 0);
	assert_int_equal(conf.nr_vms, 2);
	assert_int_equal(conf.vms[0].wish, CONF_WISH_BALLOON);
	assert_int_equal(conf.vms[0].bytes, 20 << 20);
	conf_deinit(&conf);
}

static void an_empty_file_is_valid(void **state)
{
	struct conf conf;
	struct conf_error error;

	(void)state;
	put("b.conf", "");
	assert_int_equal(conf_load(path, true, &conf, &error), 0);
	assert_int_equal(conf.nr_vms, 0);
	conf_deinit(&conf);
}

static void the_longest_name_is_read_whole(void **state)
{
	static const char name[] =
		"a123456789012345678901234567890123456789012345678901234567890123";
	struct conf conf;
	struct conf_error error;
	char text[128];

	(void)state;
	snprintf(text, sizeof(text), "[vm %s]\nballoon=4096\n", name);
	put("b.conf", text);
	assert_int_equal(conf_load(path, true, &conf, &error), 0);
	assert_string_equal(conf.vms[0].name, name);
	conf_deinit(&conf);
}

static void mistakes_name_line_and_what_was_expected(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *expected;
	} cases[] = {
		{ "[vm a]\n\nballoon = much\n", 3, "expected a size" },
		{ "[vm a]\nballoon = -1\n", 2, "expected a size" },
		{ "[vm a]\nballoon = 5000\n", 2, "multiple of 4 KiB" },
		{ "[vm a]\nballoon = 99999999999999999999\n", 2,
		  "expected a size" },
		{ "[vm a]\nballoon =\n", 2, "expected a size" },
		{ "[vm a]\nballon = 1M\n", 2, "unknown key 'ballon'" },
		{ "[vm a]\nbackend = /x\n", 2,
		  "expected balloon, memory or wishes" },
		{ "[manager]\nballoon = 1M\n", 2, "expected backend" },
		{ "[manager]\nbackend = x\n", 2, "expected an absolute path" },
		{ "[vm a]\nballoon = 1M\nballoon = 2M\n", 3, "once" },
		{ "[vm a]\nballoon = 1M\nmemory = 2M\n", 3, "either" },
		{ "[vm a]\nballoon = 1M\n  memory = 2M\n", 3, "once" },
		{ "balloon = 1M\n", 1, "[manager] or [vm NAME]" },
		{ "\n[policy]\n", 2, "unknown section [policy]" },
		{ "[vm]\n", 1, "unknown section [vm]" },
		{ "[vm ]\n", 1, "expected a name" },
		{ "[vm a/b]\n", 1, "expected a name" },
		{ "[vm ..]\n", 1, "expected a name" },
		{ "[vm a\n", 1, "expected ']'" },
		{ "[manager]\nnonsense\n[vm a]\n", 2,
		  "expected [section], key = value" },
		{ "[vm a]\nballoon = 1M\n\xff\xfe\n", 3,
		  "expected [section], key = value" },
	};
	struct conf conf = { .nr_vms = 77 };
	struct conf_error error;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		put("b.conf", cases[i].text);
		if (conf_load(path, true, &conf, &error) != -EINVAL)
			fail_msg("accepted: %s", cases[i].text);
		assert_string_equal(error.file, path);
		if (error.line != cases[i].line ||
		    !strstr(error.text, cases[i].expected))
			fail_msg("%s: line %d: %s", cases[i].text, error.line,
				 error.text);
		assert_int_equal(conf.nr_vms, 77);
	}
}

static void too_long_a_line_is_a_mistake(void **state)
{
	char text[600];
	struct conf conf;
	struct conf_error error;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "[vm a]\n#", 8);
	put("b.conf", text);
	assert_int_equal(conf_load(path, true, &conf, &error), -EINVAL);
	assert_int_equal(error.line, 2);
	assert_non_null(strstr(error.text, "too long"));
}

static void a_mistake_in_a_drop_in_names_the_drop_in(void **state)
{
	struct conf conf;
	struct conf_error error;

	(void)state;
	put("b.conf", "[vm a]\n");
	put("b.conf.d/10.conf", "[vm a]\nballoon = x\n");
	assert_int_equal(conf_load(path, true, &conf, &error), -EINVAL);
	assert_non_null(strstr(error.file, "/b.conf.d/10.conf"));
	assert_int_equal(error.line, 2);
}

static void a_missing_file_is_told(void **state)
{
	struct conf conf;
	struct conf_error error;

	(void)state;
	assert_int_equal(conf_load(path, true, &conf, &error), -ENOENT);
	assert_string_equal(error.file, path);
	assert_int_equal(error.line, 0);
}

static void a_missing_file_that_need_not_be_there_is_an_empty_one(void **state)
{
	struct conf conf;
	struct conf_error error;

	(void)state;
	put("b.conf.d/10.conf", "[vm a]\n");
	assert_int_equal(conf_load(path, false, &conf, &error), 0);
	assert_false(conf.found);
	assert_int_equal(conf.nr_vms, 1);
	conf_deinit(&conf);
	put("b.conf", "[vm b]\n");
	assert_int_equal(conf_load(path, false, &conf, &error), 0);
	assert_true(conf.found);
	assert_int_equal(conf.nr_vms, 2);
	conf_deinit(&conf);
}

static void a_link_to_nowhere_is_told(void **state)
{
	struct conf conf = { .nr_vms = 77 };
	struct conf_error error;
	char link[128];

	(void)state;
	snprintf(link, sizeof(link), "%s.d/10.conf", path);
	assert_int_equal(symlink("/nonexistent/file", link), 0);
	put("b.conf", "[vm a]\n");
	assert_int_equal(conf_load(path, false, &conf, &error), -ENOENT);
	assert_string_equal(error.file, link);
	assert_int_equal(error.line, 0);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nonexistent/file", path), 0);
	assert_int_equal(conf_load(path, false, &conf, &error), -ENOENT);
	assert_string_equal(error.file, path);
	assert_int_equal(conf.nr_vms, 77);
}

#define test(name) cmocka_unit_test_setup(name, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(values_are_read),
		test(drop_ins_win_in_the_order_of_their_names),
		test(an_empty_file_is_valid),
		test(the_longest_name_is_read_whole),
		test(mistakes_name_line_and_what_was_expected),
		test(too_long_a_line_is_a_mistake),
		test(a_mistake_in_a_drop_in_names_the_drop_in),
		test(a_missing_file_is_told),
		test(a_missing_file_that_need_not_be_there_is_an_empty_one),
		test(a_link_to_nowhere_is_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
