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
#include "rung.h"
#include "standby.h"

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
		  "expected balloon, memory, wishes, prefault, class, qmp" },
		{ "[manager]\nballoon = 1M\n", 2, "expected backend" },
		{ "[manager]\nbackend = x\n", 2, "expected an absolute path" },
		{ "[vm a]\nballoon = 1M\nballoon = 2M\n", 3, "once" },
		{ "[vm a]\nballoon = 1M\nmemory = 2M\n", 3, "either" },
		{ "[vm a]\nballoon = 1M\n  memory = 2M\n", 3, "once" },
		{ "balloon = 1M\n", 1, "[class NAME] or [vm NAME]" },
		{ "\n[policy]\n", 2, "unknown section [policy]" },
		{ "[host x]\n", 1, "unknown section [host x]" },
		{ "[class]\n", 1, "unknown section [class]" },
		{ "[class a/b]\n", 1, "expected a name" },
		{ "[host]\nmanage = yes\n", 2,
		  "manage: 'yes': expected off, dry-run or on" },
		{ "[host]\nbudget = 0\n", 2, "budget: '0': expected a size" },
		{ "[host]\nreserve = x\n", 2, "reserve: 'x': expected a size" },
		{ "[host]\nperiod = 0.1\n", 2,
		  "period: '0.1': expected 0.25 to 10 seconds" },
		{ "[host]\nperiod = nan\n", 2, "expected 0.25 to 10 seconds" },
		{ "[host]\nmin = 1G\n", 2,
		  "expected manage, budget, reserve, period or ladder" },
		{ "[host]\nladder = ksm swap\n", 2,
		  "ladder: 'ksm swap': expected none, or some of" },
		{ "[host]\nladder =\n", 2, "ladder: '': expected none" },
		{ "[vm a]\nshare_group = a/b\n", 2,
		  "share_group: 'a/b': expected a name" },
		{ "[vm a]\nrivals = fight\n", 2,
		  "rivals: 'fight': expected respect or ignore" },
		{ "[vm a]\nstandby = yes\n", 2,
		  "standby: 'yes': expected off, on-demand or eager" },
		{ "[vm a]\nmin = -1\n", 2, "min: '-1': expected a size" },
		{ "[vm a]\nmax = 0\n", 2, "max: '0': expected a size above 0" },
		{ "[vm a]\nshares = 100001\n", 2,
		  "shares: '100001': expected 0 to 100000" },
		{ "[vm a]\nshares = -1\n", 2, "expected 0 to 100000" },
		{ "[vm a]\ncap = 101\n", 2,
		  "cap: '101': expected 1 to 100 (percent)" },
		{ "[vm a]\ncap_swapless = 0\n", 2, "expected 1 to 100" },
		{ "[vm a]\ntolerance = 1001\n", 2,
		  "tolerance: '1001': expected 1 to 1000 (permille)" },
		{ "[vm a]\nmin = 1G\nmin = 2G\n", 3, "min: expected once" },
		{ "[class c]\nclass = d\n", 2, "unknown key 'class'" },
		{ "[class c]\nballoon = 0\n", 2, "expected min, max" },
		{ "[vm a]\nclass = a/b\n", 2, "expected the NAME" },
		{ "[vm a]\n\nclass = lost\n[vm b]\n", 3,
		  "[vm a]: class: there is no [class lost]" },
		{ "[vm a]\nmin = 2G\nmax = 1G\n[vm b]\n", 3,
		  "[vm a]: min: 2 GiB is more than max, which is 1 GiB" },
		{ "[vm a]\nclass = c\nmin = 2G\n[class c]\nmax = 1G\n", 3,
		  "[vm a]: min: 2 GiB is more than max" },
		{ "[class c]\nmin = 2G\nmax = 1G\n[vm b]\n", 3,
		  "[class c]: min: 2 GiB is more than max" },
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

static void a_vm_inherits_from_its_class_what_it_does_not_say(void **state)
{
	struct conf conf;
	struct conf_error error;
	const struct policy *policy;

	(void)state;
	put("b.conf", "[vm a]\n"
	    "class = batch\n"
	    "shares = 0\n"
	    "[class batch]\n"
	    "min = 1G\nmax=8G\nshares = 100\ncap = 80\n"
	    "cap_swapless = 40\ntolerance = 50\n"
	    "[vm b]\n"
	    "min = 2G\n"
	    "[vm c]\n"
	    "qmp = /c\nshare_group = theirs\nrivals = ignore\n"
	    "standby = off\n"
	    "[class default]\n"
	    "min = 512M\ntolerance = 1\nshare_group = ours\n"
	    "standby = eager\n");
	put("b.conf.d/10.conf", "[class batch]\ncap = 70\n");
	assert_int_equal(conf_load(path, true, &conf, &error), 0);
	policy = conf_policy(&conf, "a");
	assert_int_equal(policy->given, POLICY_MIN | POLICY_MAX |
			 POLICY_SHARES | POLICY_CAP | POLICY_CAP_SWAPLESS |
			 POLICY_TOLERANCE);
	assert_int_equal(policy->min, 1 << 30);
	assert_int_equal(policy->max, 8ULL << 30);
	assert_int_equal(policy->shares, 0);
	assert_int_equal(policy->cap, 70);
	assert_int_equal(policy->cap_swapless, 40);
	assert_int_equal(policy->tolerance, 50);
	assert_false(policy_is_managed(policy, false));
	policy = conf_policy(&conf, "b");
	assert_int_equal(policy->given, POLICY_MIN | POLICY_TOLERANCE |
			 POLICY_SHARE_GROUP | POLICY_STANDBY);
	assert_int_equal(policy->min, 2ULL << 30);
	policy = conf_policy(&conf, "c");
	assert_string_equal(policy->share_group, "theirs");
	assert_int_equal(policy->rivals, POLICY_RIVALS_IGNORE);
	assert_int_equal(policy->standby, STANDBY_OFF);
	policy = conf_policy(&conf, "added by a call");
	assert_int_equal(policy->min, 512 << 20);
	assert_int_equal(policy->tolerance, 1);
	assert_string_equal(policy->share_group, "ours");
	assert_int_equal(policy->standby, STANDBY_EAGER);
	assert_true(policy_is_managed(policy, false));
	conf_deinit(&conf);
}

/* In no order, and some begin like others. */
static void each_of_many_vms_is_found(void **state)
{
	static char text[64 * 1024];
	struct conf_error error;
	struct conf conf;
	char name[16];
	size_t len = 0;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		len += snprintf(text + len, sizeof(text) - len,
				"[vm v%d]\nshares = %d\n", i * 7 % 1000,
				i * 7 % 1000 + 1);
	put("b.conf", text);
	put("b.conf.d/10.conf", "[vm v500]\nshares = 2000\n");
	assert_int_equal(conf_load(path, true, &conf, &error), 0);
	assert_int_equal(conf.nr_vms, 1000);
	assert_string_equal(conf.vms[1].name, "v7");
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		assert_string_equal(conf_vm_find(&conf, name)->name, name);
		assert_int_equal(conf_policy(&conf, name)->shares,
				 i == 500 ? 2000 : i + 1);
	}
	assert_null(conf_vm_find(&conf, "v1000"));
	assert_null(conf_vm_find(&conf, "v"));
	assert_null(conf_vm_find(&conf, ""));
	conf_deinit(&conf);
	assert_null(conf_vm_find(&conf, "v1"));
}

static void what_is_not_said_of_the_host_is_safe(void **state)
{
	struct conf conf;
	struct conf_error error;

	(void)state;
	put("b.conf", "[vm a]\n");
	assert_int_equal(conf_load(path, true, &conf, &error), 0);
	assert_int_equal(conf.host.manage, CONF_MANAGE_DRY_RUN);
	assert_int_equal(conf.host.budget, 0);
	assert_int_equal(conf.host.reserve, 0);
	assert_int_equal(conf.host.period_ms, 1000);
	/* Merging memory of VMs is for their owners to allow. */
	assert_int_equal(conf.host.ladder, 1u << RUNG_RECLAIM);
	assert_int_equal(conf_policy(&conf, "a")->given, 0);
	conf_deinit(&conf);
	put("b.conf", "[host]\nmanage = on\nbudget = 3G\nreserve = 64M\n"
	    "period = 0.5\nladder = ksm  zswap\n");
	assert_int_equal(conf_load(path, true, &conf, &error), 0);
	assert_int_equal(conf.host.ladder, 1u << RUNG_KSM | 1u << RUNG_ZSWAP);
	assert_int_equal(conf.host.manage, CONF_MANAGE_ON);
	assert_int_equal(conf.host.budget, 3ULL << 30);
	assert_int_equal(conf.host.reserve, 64 << 20);
	assert_int_equal(conf.host.period_ms, 500);
	conf_deinit(&conf);
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
		test(a_vm_inherits_from_its_class_what_it_does_not_say),
		test(each_of_many_vms_is_found),
		test(what_is_not_said_of_the_host_is_safe),
		test(too_long_a_line_is_a_mistake),
		test(a_mistake_in_a_drop_in_names_the_drop_in),
		test(a_missing_file_is_told),
		test(a_missing_file_that_need_not_be_there_is_an_empty_one),
		test(a_link_to_nowhere_is_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
