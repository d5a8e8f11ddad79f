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

#include "procfile.h"
#include "qmp.h"
#include "qmp_balloon.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MIB	(UINT64_C(1) << 20)

#define GREETING "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, " \
	"\"minor\": 2, \"major\": 7}, \"package\": \"x\"}, " \
	"\"capabilities\": [\"oob\"]}}\r\n"

/* A client, and what it heard. */
struct fixture {
	struct qmp qmp;
	struct qmp_balloon balloon;
	struct fault fault;
	uint64_t now_ms;
	unsigned int ready;
	unsigned int events;
	unsigned int changes;
	unsigned int ended;
	int rc;
	char desc[256];
};

static void on_ready(void *userdata)
{
	struct fixture *f = userdata;

	f->ready++;
}

static void on_event(const char *name, json_t *data, void *userdata)
{
	struct fixture *f = userdata;

	assert_true(json_is_object(data));
	f->events++;
	qmp_balloon_event(&f->balloon, name, data);
}

static const struct qmp_ops ops = { on_ready, on_event };

static void on_changed(void *userdata)
{
	struct fixture *f = userdata;

	f->changes++;
}

static void on_done(const struct qmp_answer *answer, void *userdata)
{
	struct fixture *f = userdata;

	f->ended++;
	f->rc = answer->rc;
	snprintf(f->desc, sizeof(f->desc), "%s",
		 answer->desc ? answer->desc : "");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->now_ms = 1000;
	qmp_init(&f->qmp, &ops, f);
	qmp_connected(&f->qmp, 0xabc);
	qmp_balloon_init(&f->balloon, &f->qmp, 2, true, on_changed, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qmp_deinit(&f->qmp);
	free(f);
	return 0;
}

static int feed(struct fixture *f, const char *text)
{
	return qmp_feed(&f->qmp, f->now_ms, text, strlen(text), &f->fault);
}

static void say(struct fixture *f, const char *text)
{
	if (feed(f, text))
		fail_msg("%s: %s", text, f->fault.text);
}

/* The next command that was sent, taken off the output. */
static json_t *sent(struct fixture *f)
{
	json_t *message;
	char *end;

	if (!f->qmp.out.len)
		return NULL;
	end = memchr(f->qmp.out.data, '\n', f->qmp.out.len);
	assert_non_null(end);
	message = json_loadb(f->qmp.out.data, end - f->qmp.out.data, 0, NULL);
	assert_non_null(message);
	varlink_buf_consume(&f->qmp.out, end + 1 - f->qmp.out.data);
	return message;
}

/* Expects this command, answers "return" or "error" with a value. */
static json_t *respond(struct fixture *f, const char *command,
		       const char *key, const char *value)
{
	json_t *message = sent(f);
	char text[4096];

	assert_non_null(message);
	assert_string_equal(json_string_value(json_object_get(message,
							      "execute")),
			    command);
	snprintf(text, sizeof(text), "{\"%s\": %s, \"id\": \"%s\"}\r\n", key,
		 value, json_string_value(json_object_get(message, "id")));
	say(f, text);
	return message;
}

static void answer(struct fixture *f, const char *command, const char *value)
{
	json_decref(respond(f, command, "return", value));
}

static void refuse(struct fixture *f, const char *command, const char *class)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"class\": \"%s\", \"desc\": \"no\"}",
		 class);
	json_decref(respond(f, command, "error", text));
}

static void negotiate(struct fixture *f)
{
	say(f, GREETING);
	answer(f, "qmp_capabilities", "{}");
	assert_int_equal(f->qmp.state, QMP_READY);
}

/*
 * The protocol
 */

static void commands_are_taken_after_negotiation(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(qmp_execute(&f->qmp, "stop", NULL, on_done, f),
			 -ENOTCONN);
	say(f, GREETING);
	assert_int_equal(f->ready, 0);
	assert_int_equal(f->qmp.version[0], 7);
	assert_int_equal(f->qmp.version[2], 22);
	answer(f, "qmp_capabilities", "{}");
	assert_int_equal(f->ready, 1);
	assert_int_equal(qmp_execute(&f->qmp, "stop", NULL, on_done, f), 0);
	answer(f, "stop", "{}");
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->rc, 0);
}

static void bytes_may_come_one_by_one(void **state)
{
	struct fixture *f = *state;
	const char *p;

	for (p = GREETING; *p; p++)
		assert_int_equal(qmp_feed(&f->qmp, 1, p, 1, &f->fault), 0);
	assert_int_equal(f->qmp.state, QMP_NEGOTIATING);
	say(f, "\r\n\n\r\n");
	answer(f, "qmp_capabilities", "{}");
	assert_int_equal(f->ready, 1);
}

static void a_refusal_has_a_number_and_printable_words(void **state)
{
	struct fixture *f = *state;

	negotiate(f);
	qmp_execute(&f->qmp, "balloon", NULL, on_done, f);
	json_decref(respond(f, "balloon", "error",
			    "{\"class\": \"DeviceNotActive\", "
			    "\"desc\": \"a\\nb\\u001b[2Jc\\u00e9\"}"));
	assert_int_equal(f->rc, -ENODEV);
	assert_string_equal(f->desc, "a?b?[2Jc??");
	qmp_execute(&f->qmp, "x", NULL, on_done, f);
	refuse(f, "x", "CommandNotFound");
	assert_int_equal(f->rc, -EOPNOTSUPP);
	qmp_execute(&f->qmp, "x", NULL, on_done, f);
	json_decref(respond(f, "x", "error", "[]"));
	assert_int_equal(f->rc, -EREMOTEIO);
	assert_string_equal(f->desc, "no reason given");
}

static void what_waits_is_cancelled_with_the_connection(void **state)
{
	struct fixture *f = *state;

	negotiate(f);
	qmp_execute(&f->qmp, "a", NULL, on_done, f);
	qmp_execute(&f->qmp, "b", NULL, on_done, f);
	qmp_connected(&f->qmp, 0xdef);
	assert_int_equal(f->ended, 2);
	assert_int_equal(f->rc, -ECANCELED);
	assert_int_equal(f->qmp.out.len, 0);
	negotiate(f);
}

static void a_limit_of_commands_wait(void **state)
{
	struct fixture *f = *state;
	int i;

	negotiate(f);
	for (i = 0; i < QMP_PENDING_MAX; i++)
		assert_int_equal(qmp_execute(&f->qmp, "a", NULL, on_done, f),
				 0);
	assert_int_equal(qmp_execute(&f->qmp, "a", json_object(), on_done, f),
			 -EBUSY);
	for (i = 0; i < QMP_PENDING_MAX; i++)
		answer(f, "a", "{}");
	assert_int_equal(f->ended, QMP_PENDING_MAX);
}

/* QEMU may still answer the client that was here before. */
static void some_answers_to_somebody_else_are_dropped(void **state)
{
	struct fixture *f = *state;
	int i;

	negotiate(f);
	qmp_execute(&f->qmp, "a", NULL, on_done, f);
	say(f, "{\"return\": {}, \"id\": \"libvirt-9\"}\n");
	say(f, "{\"return\": {}}\n");
	say(f, "{\"error\": {}, \"id\": 7}\n");
	assert_int_equal(f->ended, 0);
	answer(f, "a", "{}");
	assert_int_equal(f->ended, 1);
	for (i = 3; i < QMP_STRAYS_MAX; i++)
		say(f, "{\"return\": {}}\n");
	assert_int_equal(feed(f, "{\"return\": {}}\n"), -EBADMSG);
	assert_non_null(strstr(f->fault.text, "nobody asked for"));
}

static void a_flood_of_events_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	int i, rc = 0;

	negotiate(f);
	for (i = 0; i < 10 * QMP_EVENTS_BURST && !rc; i++) {
		f->now_ms += 10;	/* 100 a second are allowed */
		rc = feed(f, "{\"event\": \"RTC_CHANGE\"}\n");
	}
	assert_int_equal(rc, 0);
	for (i = 0; i < 2 * QMP_EVENTS_BURST && !rc; i++)
		rc = feed(f, "{\"event\": \"RTC_CHANGE\"}\n");
	assert_int_equal(rc, -ENOBUFS);
	assert_int_equal(feed(f, "\n"), -EPROTO);
}

static void a_line_without_end_is_refused(void **state)
{
	static char piece[64 * 1024];
	struct fixture *f = *state;
	int i, rc = 0;

	negotiate(f);
	memset(piece, ' ', sizeof(piece));
	for (i = 0; i < 100 && !rc; i++)
		rc = qmp_feed(&f->qmp, 1, piece, sizeof(piece), &f->fault);
	assert_int_equal(rc, -EMSGSIZE);
	assert_non_null(strstr(f->fault.text, "1048576"));
}

static void who_is_no_qmp_is_told_from_one(void **state)
{
	static const char *const bad[] = {
		"QEMU 7.2.22 monitor - type 'help' for more information\r\n",
		"SSH-2.0-OpenSSH\n",
		"[]\n", "1\n", "null\n", "\"QMP\"\n", "{}\n", "{\"QMP\": 1}\n",
		"{\"event\": \"STOP\"}\n", "{\"return\": {}}\n",
		"\x16\x03\x01\n", "\xff\xfe\n", "{\"QMP\": {}\n",
		"{\"QMP\": {}, \"QMP\": {}}\n",
		"{\"QMP\": {\"a\": 1e999}}\n",
		"{\"QMP\": {\"a\": \"\\u0000\"}}\n",
		"{\"QMP\": [[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]}\n",
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		qmp_connected(&f->qmp, 1);
		if (feed(f, bad[i]) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_true(strlen(f->fault.text) > 5);
	}
}

static void messages_of_no_kind_are_refused(void **state)
{
	static const char *const bad[] = {
		"{}\n", "{\"id\": 1}\n", "{\"event\": 1}\n", "[1]\n",
		"{\"event\": null}\n", "x\n",
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		qmp_connected(&f->qmp, 1);
		negotiate(f);
		if (feed(f, bad[i]) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	}
}

static void refused_capabilities_end_the_connection(void **state)
{
	struct fixture *f = *state;
	json_t *message;
	char text[256];

	say(f, GREETING);
	message = sent(f);
	snprintf(text, sizeof(text),
		 "{\"error\": {\"desc\": \"never\"}, \"id\": \"%s\"}\n",
		 json_string_value(json_object_get(message, "id")));
	json_decref(message);
	assert_int_equal(feed(f, text), -EPROTO);
	assert_non_null(strstr(f->fault.text, "never"));
	assert_int_equal(f->ready, 0);
}

static void numbers_are_exact_or_none(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t value;
	} cases[] = {
		{ "[0]", true, 0 },
		{ "[-0]", true, 0 },
		{ "[4096]", true, 4096 },
		{ "[9007199254740992]", true, UINT64_C(1) << 53 },
		{ "[9007199254740994]", false, 0 },
		{ "[18446744073709551615]", false, 0 },
		{ "[9223372036854775808]", false, 0 },
		{ "[99999999999999999999999999999999999999]", false, 0 },
		{ "[-1]", false, 0 },
		{ "[0.5]", false, 0 },
		{ "[1e300]", false, 0 },
		{ "[\"1\"]", false, 0 },
		{ "[true]", false, 0 },
		{ "[null]", false, 0 },
		{ "[{}]", false, 0 },
	};
	uint64_t value;
	json_t *array;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		array = json_loads(cases[i].text, JSON_DECODE_INT_AS_REAL,
				   NULL);
		assert_non_null(array);
		value = 0;
		if (qmp_number(json_array_get(array, 0), &value) !=
		    cases[i].good || value != cases[i].value)
			fail_msg("wrong: %s", cases[i].text);
		json_decref(array);
	}
	assert_false(qmp_number(NULL, &value));
}

/* No cut and no changed byte of a conversation does harm: for SAN=1. */
static void broken_conversations_are_survived(void **state)
{
	static const char talk[] = GREETING
		"{\"return\": {}, \"id\": \"ballonet-1-1\"}\n"
		"{\"event\": \"BALLOON_CHANGE\", \"data\": {\"actual\": 12}, "
		"\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}\n"
		"{\"return\": {\"actual\": 536870912}, \"id\": \"x\"}\n";
	struct fixture *f = *state;
	char copy[sizeof(talk)];
	size_t i;
	int byte;

	for (i = 0; i < sizeof(talk) - 1; i++)
		for (byte = 0; byte < 256; byte += 1 + byte / 128) {
			memcpy(copy, talk, sizeof(talk));
			copy[i] = (char)byte;
			qmp_connected(&f->qmp, 1);
			qmp_feed(&f->qmp, 1, copy, sizeof(talk) - 1, &f->fault);
		}
}

/*
 * The balloon
 */

static void list(struct fixture *f, const char *peripheral, const char *anon)
{
	answer(f, "qom-list", peripheral);
	answer(f, "qom-list", anon);
	answer(f, "qom-list", "[{\"name\": \"type\", \"type\": \"string\"}]");
}

static void answer_sizes(struct fixture *f, const char *keep)
{
	answer(f, "query-memory-size-summary",
	       "{\"base-memory\": 536870912, \"plugged-memory\": 1}");
	answer(f, "query-memory-devices", "[]");
	answer(f, "query-status", "{\"status\": \"running\", \"running\": true}");
	answer(f, "query-migrate", "{}");
	answer(f, "query-balloon", keep);
}

#define FULL "{\"actual\": 536870912}"

/* Two refreshes: finds the device, reads what it is. */
static void find(struct fixture *f)
{
	negotiate(f);
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), 8);
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), -EBUSY);
	answer_sizes(f, FULL);
	list(f, "[{\"name\": \"bal\", \"type\": \"child<virtio-balloon-pci>\"}]",
	     "[]");
	assert_int_equal(f->changes, 1);
	assert_string_equal(f->balloon.path, "/machine/peripheral/bal");
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), 5);
	answer(f, "query-migrate", "{}");
	answer(f, "qom-get", "true");
	answer(f, "qom-get", "false");
	answer(f, "qom-get", "0");
	answer(f, "qom-get", "{\"stats\": {}, \"last-update\": 0}");
	answer(f, "qom-set", "{}");
	assert_int_equal(f->changes, 2);
}

static void refresh_with(struct fixture *f, const char *keep, const char *stats)
{
	f->now_ms += 1000;
	f->balloon.full_ms = 0;
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), 7);
	answer_sizes(f, keep);
	answer(f, "qom-get", "2");
	answer(f, "qom-get", stats);
}

static void the_device_is_found_and_read(void **state)
{
	struct fixture *f = *state;
	const struct qmp_vm *vm = &f->balloon.vm;

	find(f);
	assert_int_equal(vm->memory, 512 * MIB);
	assert_true(vm->present && vm->running && !vm->migrating && !vm->down);
	assert_int_equal(vm->actual, 0);
	assert_true(vm->target == PROCFILE_UNKNOWN);
	assert_int_equal(vm->deflate_on_oom, QMP_YES);
	assert_int_equal(vm->reporting, QMP_NO);
	assert_null(sent(f));
}

static void strange_names_of_devices_are_left_alone(void **state)
{
	static char longer[512];
	struct fixture *f = *state;
	char name[300];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(longer, sizeof(longer),
		 "[{\"name\": \"%s\", \"type\": \"child<virtio-balloon-pci>\"}]",
		 name);
	negotiate(f);
	qmp_balloon_refresh(&f->balloon, f->now_ms);
	answer_sizes(f, FULL);
	list(f, longer, "[1, null, {}, {\"name\": 1, \"type\": []}, "
	     "{\"name\": \"a/../b\", \"type\": \"child<virtio-balloon-pci>\"}, "
	     "{\"name\": \"net\", \"type\": \"child<virtio-net-pci>\"}, "
	     "{\"name\": \"device[0]\", \"type\": \"child<virtio-balloon-ccw>\"}]");
	assert_string_equal(f->balloon.path,
			    "/machine/peripheral-anon/device[0]");
}

static void no_device_is_looked_for_now_and_then(void **state)
{
	struct fixture *f = *state;
	int i;

	negotiate(f);
	for (i = 0; i < 21; i++) {
		if (i % 10) {
			assert_int_equal(qmp_balloon_refresh(&f->balloon,
							     f->now_ms), 1);
			answer(f, "query-migrate", "{}");
		} else {
			assert_int_equal(qmp_balloon_refresh(&f->balloon,
							     f->now_ms), 8);
			answer(f, "query-memory-size-summary", "{}");
			answer(f, "query-memory-devices", "[]");
			answer(f, "query-status", "{}");
			answer(f, "query-migrate", "{}");
			refuse(f, "query-balloon", "DeviceNotActive");
			list(f, "[]", "[]");
		}
		assert_false(f->balloon.vm.present);
		f->now_ms += QMP_BALLOON_FULL_MS / 10;
	}
	assert_int_equal(f->changes, 21);
}

static void in_between_two_commands_are_enough(void **state)
{
	struct fixture *f = *state;

	find(f);
	f->now_ms += 1000;
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), 2);
	answer(f, "query-migrate", "{}");
	answer(f, "qom-get", "{}");
	assert_int_equal(f->changes, 3);
	/* Who hears no events asks for what they tell. */
	f->balloon.events = false;
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), 4);
	answer(f, "query-migrate", "{}");
	answer(f, "query-status", "{\"running\": false}");
	answer(f, "query-balloon", "{\"actual\": 536866816}");
	answer(f, "qom-get", "{}");
	assert_false(f->balloon.vm.running);
	assert_int_equal(f->balloon.vm.actual, 4096);
	f->now_ms += QMP_BALLOON_FULL_MS;
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), 7);
}

static void plugged_memory_is_asked_for_at_once(void **state)
{
	struct fixture *f = *state;

	find(f);
	say(f, "{\"event\": \"ACPI_DEVICE_OST\", \"data\": {\"info\": {}}}\n");
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), 7);
}

#define STATS(total, available, update) \
	"{\"stats\": {\"stat-total-memory\": " total ", " \
	"\"stat-available-memory\": " available ", " \
	"\"stat-free-memory\": 18446744073709551615, " \
	"\"stat-swap-in\": 9007199254740992, " \
	"\"stat-oom-kills\": 3}, \"last-update\": " update "}"

static void statistics_are_new_when_their_time_changes(void **state)
{
	struct fixture *f = *state;
	const struct qmp_vm *vm = &f->balloon.vm;

	find(f);
	assert_int_equal(vm->stats_ms, 0);
	refresh_with(f, FULL, STATS("500000000", "1", "1700000000"));
	assert_int_equal(vm->stats_ms, 2000);
	refresh_with(f, FULL, STATS("500000000", "2", "1700000000"));
	assert_int_equal(vm->stats_ms, 2000);
	/* The wall clock of that host was set back. */
	refresh_with(f, FULL, STATS("500000000", "3", "1600000000"));
	assert_int_equal(vm->stats_ms, 4000);
	assert_int_equal(vm->stats[QMP_STAT_AVAILABLE], 3);
	assert_int_equal(vm->stats[QMP_STAT_OOM_KILLS], 3);
	assert_true(vm->stats[QMP_STAT_FREE] == PROCFILE_UNKNOWN);
	assert_true(vm->stats[QMP_STAT_CACHES] == PROCFILE_UNKNOWN);
}

#define FAULTS(faults, update) \
	"{\"stats\": {\"stat-minor-faults\": " faults "}, " \
	"\"last-update\": " update "}"

static void counts_that_begin_again_are_another_kernel(void **state)
{
	struct fixture *f = *state;
	const struct qmp_vm *vm = &f->balloon.vm;

	find(f);
	refresh_with(f, FULL, FAULTS("1000", "1"));
	refresh_with(f, FULL, FAULTS("1001", "2"));
	assert_int_equal(vm->resets, 0);
	refresh_with(f, FULL, FAULTS("18446744073709551615", "3"));
	refresh_with(f, FULL, FAULTS("900", "4"));
	assert_int_equal(vm->resets, 0);
	refresh_with(f, FULL, FAULTS("899", "5"));
	assert_int_equal(vm->resets, 1);
}

static void old_statistics_at_first_sight_are_not_new(void **state)
{
	struct fixture *f = *state;

	find(f);
	qmp_balloon_forget(&f->balloon);
	strcpy(f->balloon.path, "/machine/peripheral/bal");
	f->balloon.set_up = true;
	refresh_with(f, FULL, STATS("1", "1", "1700000000"));
	assert_int_equal(f->balloon.vm.stats_ms, 0);
}

static void a_lying_guests_numbers_are_unknown(void **state)
{
	static const char *const lies[] = {
		STATS("536870913", "1", "1"),
		STATS("1", "9007199254740992", "1"),
	};
	static const char *const keeps[] = {
		"{\"actual\": 536870913}",
		"{\"actual\": 18446744073709551615}",
		"{\"actual\": -4096}",
		"{\"actual\": \"1\"}",
		"{}",
		"[]",
	};
	struct fixture *f = *state;
	uint64_t was;
	size_t i;

	find(f);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		was = f->balloon.vm.impossible;
		refresh_with(f, FULL, lies[i]);
		assert_int_equal(f->balloon.vm.impossible, was + 1);
	}
	for (i = 0; i < ARRAY_SIZE(keeps); i++) {
		refresh_with(f, keeps[i], "[]");
		assert_true(f->balloon.vm.actual == PROCFILE_UNKNOWN);
		assert_true(f->balloon.vm.present);
	}
	refresh_with(f, "{\"actual\": 4096}", "null");
	assert_int_equal(f->balloon.vm.actual, 512 * MIB - 4096);
}

static void dimms_count_and_other_devices_do_not(void **state)
{
	struct fixture *f = *state;

	negotiate(f);
	qmp_balloon_refresh(&f->balloon, f->now_ms);
	answer(f, "query-memory-size-summary", "{\"base-memory\": 536870912}");
	answer(f, "query-memory-devices",
	       "[{\"type\": \"dimm\", \"data\": {\"size\": 1048576}}, "
	       "{\"type\": \"nvdimm\", \"data\": {\"size\": 1048576}}, "
	       "{\"type\": \"virtio-mem\", \"data\": {\"size\": 1048576}}, "
	       "{\"type\": \"dimm\"}, {}, 1]");
	assert_int_equal(f->balloon.vm.memory, 513 * MIB);
}

static void the_target_is_told_as_what_the_guest_keeps(void **state)
{
	struct fixture *f = *state;
	json_t *message;

	assert_int_equal(qmp_balloon_set(&f->balloon, 0, on_done, f), -EAGAIN);
	find(f);
	assert_int_equal(qmp_balloon_set(&f->balloon, 512 * MIB, on_done, f),
			 -ERANGE);
	assert_int_equal(qmp_balloon_set(&f->balloon, UINT64_MAX, on_done, f),
			 -ERANGE);
	assert_int_equal(qmp_balloon_set(&f->balloon, 128 * MIB, on_done, f),
			 0);
	assert_int_equal(f->balloon.vm.target, 128 * MIB);
	message = respond(f, "balloon", "return", "{}");
	assert_int_equal(json_integer_value(json_object_get(
		json_object_get(message, "arguments"), "value")), 384 * MIB);
	json_decref(message);
	assert_int_equal(f->ended, 1);
}

/* QEMU is told to make the balloon so large, and has it. */
static void reach(struct fixture *f, uint64_t balloon, const char *keep)
{
	assert_int_equal(qmp_balloon_set(&f->balloon, balloon, on_done, f), 0);
	answer(f, "balloon", "{}");
	refresh_with(f, keep, "{}");
	assert_int_equal(f->balloon.vm.actual, balloon);
	assert_int_equal(f->balloon.vm.others, 0);
}

#define KEEP_384 "{\"actual\": 402653184}"
#define KEEP_256 "{\"actual\": 268435456}"

static void a_balloon_that_another_has_set_is_seen(void **state)
{
	struct fixture *f = *state;
	const struct qmp_vm *vm = &f->balloon.vm;

	find(f);
	reach(f, 128 * MIB, KEEP_384);
	say(f, "{\"event\": \"BALLOON_CHANGE\", \"data\": " KEEP_256 "}\n");
	/* Looked at again at once, before it is believed. */
	assert_int_equal(vm->target, 128 * MIB);
	assert_int_equal(f->balloon.full_ms, 0);
	refresh_with(f, KEEP_256, "{}");
	assert_int_equal(vm->target, 256 * MIB);
	assert_int_equal(vm->others, 1);
	refresh_with(f, KEEP_256, "{}");
	assert_int_equal(vm->others, 1);
	/* It counts as long as we live, whoever the VMM is. */
	qmp_balloon_forget(&f->balloon);
	assert_int_equal(vm->others, 1);
}

/* It has come to its target, and is told to go half the way back. */
static void turn_back(struct fixture *f)
{
	find(f);
	reach(f, 256 * MIB, KEEP_256);
	assert_int_equal(qmp_balloon_set(&f->balloon, 128 * MIB, on_done, f),
			 0);
	answer(f, "balloon", "{}");
}

static void a_guest_on_its_way_is_not_another(void **state)
{
	struct fixture *f = *state;

	turn_back(f);
	/* It has not begun, is half way, is there, takes it back. */
	refresh_with(f, KEEP_256, "{}");
	refresh_with(f, "{\"actual\": 335544320}", "{}");
	refresh_with(f, KEEP_384, "{}");
	refresh_with(f, FULL, "{}");
	refresh_with(f, FULL, "{}");
	assert_int_equal(f->balloon.vm.target, 128 * MIB);
	assert_int_equal(f->balloon.vm.others, 0);
}

/* Another may have set its balloon before it was there. */
static void a_guest_that_does_not_move_is_told_again(void **state)
{
	struct fixture *f = *state;

	turn_back(f);
	refresh_with(f, KEEP_256, "{}");
	assert_int_equal(f->balloon.vm.target, 128 * MIB);
	refresh_with(f, KEEP_256, "{}");
	assert_true(f->balloon.vm.target == PROCFILE_UNKNOWN);
	assert_int_equal(f->balloon.vm.others, 0);
}

static void events_change_what_is_known(void **state)
{
	struct fixture *f = *state;
	const struct qmp_vm *vm = &f->balloon.vm;

	find(f);
	say(f, "{\"event\": \"BALLOON_CHANGE\", \"data\": {\"actual\": 536866816}}\n");
	assert_int_equal(vm->actual, 4096);
	say(f, "{\"event\": \"BALLOON_CHANGE\"}\n");
	assert_true(vm->actual == PROCFILE_UNKNOWN);
	say(f, "{\"event\": \"STOP\"}\n");
	assert_false(vm->running);
	say(f, "{\"event\": \"RESUME\", \"data\": 1}\n");
	assert_true(vm->running);
	say(f, "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n");
	assert_true(vm->down);
	assert_int_equal(f->changes, 7);
	say(f, "{\"event\": \"NIC_RX_FILTER_CHANGED\", \"data\": {}}\n");
	assert_int_equal(f->changes, 7);
}

static void an_unplugged_balloon_is_forgotten(void **state)
{
	struct fixture *f = *state;

	find(f);
	say(f, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/machine/peripheral/nic\"}}\n");
	assert_true(f->balloon.vm.present);
	say(f, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"bal\", \"path\": \"/machine/peripheral/bal\"}}\n");
	assert_false(f->balloon.vm.present);
	assert_string_equal(f->balloon.path, "");
}

static void after_a_reset_the_period_is_set_again(void **state)
{
	struct fixture *f = *state;
	json_t *message;

	find(f);
	refresh_with(f, FULL, STATS("1", "1", "5"));
	say(f, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n");
	assert_int_equal(f->balloon.vm.stats_ms, 0);
	assert_true(f->balloon.vm.stats[QMP_STAT_TOTAL] == PROCFILE_UNKNOWN);
	qmp_balloon_refresh(&f->balloon, f->now_ms);
	answer(f, "query-migrate", "{}");
	answer(f, "qom-get", "true");
	answer(f, "qom-get", "true");
	answer(f, "qom-get", "10");
	answer(f, "qom-get", "{}");
	message = respond(f, "qom-set", "return", "{}");
	assert_int_equal(json_integer_value(json_object_get(
		json_object_get(message, "arguments"), "value")), 2);
	json_decref(message);
}

/* libvirt sets that of its domain, when it starts it or is told to. */
static void somebody_elses_longer_period_does_not_stay(void **state)
{
	struct fixture *f = *state;

	find(f);
	f->now_ms += QMP_BALLOON_FULL_MS;
	assert_int_equal(qmp_balloon_refresh(&f->balloon, f->now_ms), 7);
	answer_sizes(f, FULL);
	answer(f, "qom-get", "5");
	answer(f, "qom-get", "{}");
	answer(f, "qom-set", "{}");
	assert_null(sent(f));
}

static void somebody_elses_shorter_period_stays(void **state)
{
	struct fixture *f = *state;

	find(f);
	f->balloon.set_up = false;
	qmp_balloon_refresh(&f->balloon, f->now_ms);
	answer(f, "query-migrate", "{}");
	answer(f, "qom-get", "true");
	refuse(f, "qom-get", "GenericError");
	answer(f, "qom-get", "1");
	answer(f, "qom-get", "{}");
	assert_null(sent(f));
	assert_true(f->balloon.set_up);
	assert_int_equal(f->balloon.vm.reporting, QMP_NOT_TOLD);
}

static void migration_is_seen(void **state)
{
	static const struct {
		const char *status, *migrate;
		bool migrating;
	} cases[] = {
		{ "running", "{}", false },
		{ "running", "{\"status\": \"none\"}", false },
		{ "running", "{\"status\": \"completed\"}", false },
		{ "running", "{\"status\": \"active\"}", true },
		{ "running", "{\"status\": \"postcopy-active\"}", true },
		{ "running", "{\"status\": \"setup\"}", true },
		{ "inmigrate", "{}", true },
		{ "postmigrate", "{\"status\": \"completed\"}", true },
		{ "paused", "{\"status\": 7}", false },
	};
	struct fixture *f = *state;
	char status[128];
	size_t i;

	find(f);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(status, sizeof(status),
			 "{\"status\": \"%s\", \"running\": true}",
			 cases[i].status);
		f->balloon.full_ms = 0;
		qmp_balloon_refresh(&f->balloon, f->now_ms);
		answer(f, "query-memory-size-summary", "{}");
		answer(f, "query-memory-devices", "[]");
		answer(f, "query-status", status);
		answer(f, "query-migrate", cases[i].migrate);
		answer(f, "query-balloon", FULL);
		answer(f, "qom-get", "2");
		answer(f, "qom-get", "{}");
		assert_int_equal(f->balloon.vm.migrating, cases[i].migrating);
	}
}

static void migration_is_seen_at_each_look(void **state)
{
	static const char *const sent[] = {
		"none", "active", "active", "none",
	};
	struct fixture *f = *state;
	char migrate[64];
	size_t i;

	find(f);
	for (i = 0; i < 2 * ARRAY_SIZE(sent); i++) {
		f->balloon.events = i < ARRAY_SIZE(sent);
		snprintf(migrate, sizeof(migrate), "{\"status\": \"%s\"}",
			 sent[i % ARRAY_SIZE(sent)]);
		qmp_balloon_refresh(&f->balloon, f->now_ms);
		answer(f, "query-migrate", migrate);
		if (!f->balloon.events) {
			answer(f, "query-status",
			       "{\"status\": \"running\", \"running\": true}");
			answer(f, "query-balloon", FULL);
		}
		answer(f, "qom-get", "{}");
		assert_int_equal(f->balloon.vm.migrating,
				 i % ARRAY_SIZE(sent) % 3 > 0);
	}
}

static void migration_is_seen_at_once_where_qemu_tells(void **state)
{
	struct fixture *f = *state;

	find(f);
	say(f, "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"setup\"}}\n");
	assert_true(f->balloon.vm.migrating);
	say(f, "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\n");
	assert_true(f->balloon.vm.migrating);
	say(f, "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"failed\"}}\n");
	assert_false(f->balloon.vm.migrating);
}

static void a_lost_connection_leaves_no_refresh_behind(void **state)
{
	struct fixture *f = *state;
	unsigned int changes;

	find(f);
	qmp_balloon_refresh(&f->balloon, f->now_ms);
	changes = f->changes;
	qmp_connected(&f->qmp, 2);
	assert_int_equal(f->balloon.asked, 0);
	assert_int_equal(f->changes, changes);
	assert_int_equal(qmp_balloon_refresh(&f->balloon, 9), -ENOTCONN);
	negotiate(f);
	assert_true(qmp_balloon_refresh(&f->balloon, 9) > 0);
}

/* Every command is answered with every kind of nonsense. */
static void nonsense_as_an_answer_is_survived(void **state)
{
	static const char *const values[] = {
		"null", "true", "1", "-1", "\"x\"", "[]", "{}", "[null]",
		"[[]]", "[{}]", "[{\"name\": \"x\", \"type\": 1}]",
		"{\"stats\": 1, \"last-update\": []}",
		"{\"stats\": {\"stat-free-memory\": {}}}",
		"{\"base-memory\": 1e300}",
		"{\"base-memory\": 9007199254740992}",
		"[{\"type\": \"dimm\", \"data\": {\"size\": 9007199254740992}},"
		" {\"type\": \"dimm\", \"data\": {\"size\": 9007199254740992}}]",
		"[{\"name\": \"x\", \"type\": \"child<virtio-balloon>\"}]",
		"{\"status\": {}, \"running\": \"yes\"}",
	};
	struct fixture *f = *state;
	json_t *message;
	char text[512];
	size_t i, j;

	negotiate(f);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		for (j = 0; j < ARRAY_SIZE(values); j++) {
			f->now_ms += 60000;
			qmp_balloon_refresh(&f->balloon, f->now_ms);
			while ((message = sent(f))) {
				snprintf(text, sizeof(text),
					 "{\"return\": %s, \"id\": \"%s\"}\n",
					 values[f->qmp.pending % 2 ? i : j],
					 json_string_value(json_object_get(
						message, "id")));
				json_decref(message);
				say(f, text);
			}
			assert_int_equal(f->balloon.asked, 0);
			assert_true(f->balloon.vm.actual == PROCFILE_UNKNOWN ||
				    f->balloon.vm.actual <=
				    f->balloon.vm.memory);
		}
}

#define with_client(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_client(commands_are_taken_after_negotiation),
		with_client(bytes_may_come_one_by_one),
		with_client(a_refusal_has_a_number_and_printable_words),
		with_client(what_waits_is_cancelled_with_the_connection),
		with_client(a_limit_of_commands_wait),
		with_client(some_answers_to_somebody_else_are_dropped),
		with_client(a_flood_of_events_ends_the_connection),
		with_client(a_line_without_end_is_refused),
		with_client(who_is_no_qmp_is_told_from_one),
		with_client(messages_of_no_kind_are_refused),
		with_client(refused_capabilities_end_the_connection),
		cmocka_unit_test(numbers_are_exact_or_none),
		with_client(broken_conversations_are_survived),
		with_client(the_device_is_found_and_read),
		with_client(strange_names_of_devices_are_left_alone),
		with_client(no_device_is_looked_for_now_and_then),
		with_client(in_between_two_commands_are_enough),
		with_client(plugged_memory_is_asked_for_at_once),
		with_client(statistics_are_new_when_their_time_changes),
		with_client(counts_that_begin_again_are_another_kernel),
		with_client(old_statistics_at_first_sight_are_not_new),
		with_client(a_lying_guests_numbers_are_unknown),
		with_client(dimms_count_and_other_devices_do_not),
		with_client(the_target_is_told_as_what_the_guest_keeps),
		with_client(a_balloon_that_another_has_set_is_seen),
		with_client(a_guest_on_its_way_is_not_another),
		with_client(a_guest_that_does_not_move_is_told_again),
		with_client(events_change_what_is_known),
		with_client(an_unplugged_balloon_is_forgotten),
		with_client(after_a_reset_the_period_is_set_again),
		with_client(somebody_elses_longer_period_does_not_stay),
		with_client(somebody_elses_shorter_period_stays),
		with_client(migration_is_seen),
		with_client(migration_is_seen_at_each_look),
		with_client(migration_is_seen_at_once_where_qemu_tells),
		with_client(a_lost_connection_leaves_no_refresh_behind),
		with_client(nonsense_as_an_answer_is_survived),
	};

	return cmocka_run_group_tests_name("qmp", tests, NULL, NULL);
}
