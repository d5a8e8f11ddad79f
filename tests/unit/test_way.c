// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "way.h"

/* What way_unpack() says of a text. */
static int unpacked(const char *text, struct way *way, struct fault *fault)
{
	json_t *json = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(json);
	rc = way_unpack(json, way, fault);
	json_decref(json);
	return rc;
}

static void nothing_is_a_back_end(void **state)
{
	struct fault fault;
	struct way way;

	(void)state;
	assert_int_equal(unpacked("{\"vm\": \"a\"}", &way, &fault), 0);
	assert_int_equal(way.kind, WAY_BACKEND);
}

static void a_way_outlives_being_packed(void **state)
{
	struct way ways[3] = {
		{ .kind = WAY_BACKEND },
		{ .kind = WAY_QMP, .path = "/run/a", .mode = WAY_BORROW,
		  .period_ms = 500 },
		{ .kind = WAY_PROCESS, .path = "/run/b" },
	};
	struct fault fault;
	struct way back;
	json_t *json;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		json = way_pack(&ways[i]);
		assert_int_equal(way_unpack(json, &back, &fault), 0);
		assert_true(way_equal(&ways[i], &back));
		assert_false(way_equal(&ways[(i + 1) % 3], &back));
		json_decref(json);
	}
}

static void a_back_end_has_no_monitor_to_differ_in(void **state)
{
	const struct way a = { .kind = WAY_BACKEND };
	const struct way b = { .kind = WAY_BACKEND, .period_ms = 200 };

	(void)state;
	assert_true(way_equal(&a, &b));
}

static void what_makes_no_sense_is_named(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{ "{\"qmp\": \"a\"}", "qmp: 'a': expected an absolute path" },
		{ "{\"pidfile\": \"\"}", "pidfile: ''" },
		{ "{\"qmp\": \"/a\", \"pidfile\": \"/b\"}", "one of them" },
		{ "{\"qmp\": \"/a\", \"qmp_mode\": \"x\"}", "qmp_mode: 'x'" },
		{ "{\"qmp\": \"/a\", \"qmp_period_ms\": -1}", "-1: expected" },
		{ "{\"qmp\": \"/a\", \"qmp_period_ms\": 60001}", "60001" },
	};
	struct fault fault;
	struct way way;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(unpacked(cases[i].text, &way, &fault),
				 -EINVAL);
		assert_non_null(strstr(fault.text, cases[i].why));
	}
}

static void libvirts_own_monitors_are_refused(void **state)
{
	static const struct {
		const char *path;
		int rc;
	} cases[] = {
		{ "/var/lib/libvirt/qemu/domain-1-a/monitor.sock", -EINVAL },
		{ "/srv/u/.config/libvirt/qemu/lib/domain-12-b/monitor.sock",
		  -EINVAL },
		{ "/tmp/root/lib/domain-1-c/monitor.sock", -EINVAL },
		/* Ours beside it, where AppArmor lets QEMU make one. */
		{ "/var/lib/libvirt/qemu/domain-1-a/ballonet.sock", 0 },
		{ "/run/ballonet/qmp/domain-1", 0 },
		{ "/run/monitor.sock", 0 },
		{ "/monitor.sock", 0 },
	};
	struct fault fault;
	struct way way;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(way_set_path(&way, WAY_QMP, cases[i].path,
					      &fault), cases[i].rc);
		if (cases[i].rc)
			assert_non_null(strstr(fault.text,
					       "this monitor is libvirt's"));
	}
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct way way = { 0 };
	struct fault fault;
	char path[SOCK_PATH_MAX + 1];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[SOCK_PATH_MAX] = '\0';
	assert_int_equal(way_set_path(&way, WAY_QMP, path, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "108 bytes, limit 107"));
	path[SOCK_PATH_MAX - 1] = '\0';
	assert_int_equal(way_set_path(&way, WAY_QMP, path, &fault), 0);
	assert_string_equal(way.path, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_a_back_end),
		cmocka_unit_test(a_way_outlives_being_packed),
		cmocka_unit_test(a_back_end_has_no_monitor_to_differ_in),
		cmocka_unit_test(what_makes_no_sense_is_named),
		cmocka_unit_test(libvirts_own_monitors_are_refused),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
