// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event_log.h"

/* A program that has Monitor, with one client. */
struct fixture {
	struct event_log log;
	struct event_follower follower;
	struct varlink_server server;
	uint32_t seq;
};

static void monitor(struct varlink_server *server, json_t *parameters,
		    void *userdata)
{
	struct fixture *f = userdata;

	event_follow(&f->follower, server, &f->log,
		     json_string_value(json_object_get(parameters, "vm")),
		     json_array());
}

static const varlink_handler handlers[INTERFACE_NR_METHODS] = {
	[INTERFACE_MONITOR] = monitor,
};

static const struct varlink_binding binding = { &interface_ballonet, handlers };

static const struct varlink_service service = {
	.bindings = &binding,
	.nr_bindings = 1,
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	varlink_server_init(&f->server, &service, false, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	varlink_server_deinit(&f->server);
	free(f);
	return 0;
}

static void add(struct fixture *f, const char *vm)
{
	const struct interface_event event = {
		.vm = vm,
		.type = INTERFACE_EVENT_WISH,
		.seq = f->seq++,
		.time_us = 1,
	};

	event_log_add(&f->log, &event);
}

static void call(struct fixture *f, const char *text)
{
	assert_int_equal(varlink_server_feed(&f->server, text,
					     strlen(text) + 1), 0);
}

static void follow(struct fixture *f)
{
	call(f, "{\"method\":\"io.ballonet.Monitor\",\"more\":true}");
	assert_string_equal(f->server.out.data,
			    "{\"parameters\":{\"events\":[],\"lost\":0},"
			    "\"continues\":true}");
	varlink_buf_consume(&f->server.out, f->server.out.len);
}

/* What the client reads: one answer with the events from @seq on. */
static void expect(struct fixture *f, uint32_t seq, size_t nr, json_int_t lost)
{
	struct interface_event event;
	struct varlink_reply reply;
	json_t *json;
	size_t i;

	event_follow_on(&f->follower, &f->server, &f->log);
	assert_int_equal(varlink_reply_next(&f->server.out, &reply), 1);
	assert_int_equal(f->server.out.len, 0);
	assert_true(reply.continues);
	assert_int_equal(json_integer_value(json_object_get(reply.parameters,
							    "lost")), lost);
	json = json_object_get(reply.parameters, "events");
	assert_int_equal(json_array_size(json), nr);
	for (i = 0; i < nr; i++) {
		assert_int_equal(interface_event_unpack(
			json_array_get(json, i), &event), 0);
		assert_int_equal(event.seq, seq + i);
	}
	varlink_reply_deinit(&reply);
}

static void expect_nothing(struct fixture *f)
{
	event_follow_on(&f->follower, &f->server, &f->log);
	assert_int_equal(f->server.out.len, 0);
	assert_false(event_follows_behind(&f->follower, &f->server, &f->log));
}

static void events_are_read_in_order(void **state)
{
	struct fixture *f = *state;
	struct interface_event event;
	uint64_t next = 0, lost = 0;
	char name[] = "a";

	assert_false(event_log_next(&f->log, &next, &lost, &event));
	add(f, name);
	name[0] = 'b';
	add(f, name);
	assert_true(event_log_next(&f->log, &next, &lost, &event));
	assert_string_equal(event.vm, "a");
	assert_int_equal(event.seq, 0);
	assert_true(event_log_next(&f->log, &next, &lost, &event));
	assert_string_equal(event.vm, "b");
	assert_false(event_log_next(&f->log, &next, &lost, &event));
	assert_int_equal(lost, 0);
}

static void the_oldest_are_lost_and_counted(void **state)
{
	struct fixture *f = *state;
	struct interface_event event;
	uint64_t next = 0, lost = 0;
	int i;

	for (i = 0; i < EVENT_LOG_MAX + 7; i++)
		add(f, "a");
	assert_true(event_log_next(&f->log, &next, &lost, &event));
	assert_int_equal(lost, 7);
	assert_int_equal(event.seq, 7);
	for (i = 1; i < EVENT_LOG_MAX; i++)
		assert_true(event_log_next(&f->log, &next, &lost, &event));
	assert_int_equal(event.seq, EVENT_LOG_MAX + 6);
	assert_false(event_log_next(&f->log, &next, &lost, &event));
	assert_int_equal(lost, 7);
}

static void who_wants_one_answer_gets_one(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"io.ballonet.Monitor\"}");
	assert_string_equal(f->server.out.data,
			    "{\"parameters\":{\"events\":[],\"lost\":0}}");
	varlink_buf_consume(&f->server.out, f->server.out.len);
	add(f, "a");
	expect_nothing(f);
}

static void who_follows_gets_all_from_then_on(void **state)
{
	struct fixture *f = *state;

	add(f, "a");
	follow(f);
	expect_nothing(f);
	add(f, "a");
	add(f, "b");
	expect(f, 1, 2, 0);
	expect_nothing(f);
	add(f, "a");
	expect(f, 3, 1, 0);
	assert_false(varlink_server_wants_input(&f->server));
}

static void who_follows_one_vm_hears_of_no_other(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"io.ballonet.Monitor\",\"more\":true,"
	     "\"parameters\":{\"vm\":\"a\"}}");
	varlink_buf_consume(&f->server.out, f->server.out.len);
	add(f, "b");
	expect_nothing(f);
	add(f, "b");
	add(f, "a");
	add(f, "ab");
	expect(f, 2, 1, 0);
}

static void who_is_slow_loses_the_oldest_and_hears_how_many(void **state)
{
	struct fixture *f = *state;
	struct varlink_reply reply;
	size_t len, n = 0;
	int i;

	follow(f);
	add(f, "a");
	event_follow_on(&f->follower, &f->server, &f->log);
	len = f->server.out.len;
	for (i = 0; i < 3 * EVENT_LOG_MAX; i++) {
		add(f, "a");
		event_follow_on(&f->follower, &f->server, &f->log);
		assert_int_equal(f->server.out.len, len);
	}
	varlink_buf_consume(&f->server.out, len);
	expect(f, 2 * EVENT_LOG_MAX + 1, 64, 2 * EVENT_LOG_MAX);
	while (event_follows_behind(&f->follower, &f->server, &f->log)) {
		event_follow_on(&f->follower, &f->server, &f->log);
		assert_int_equal(varlink_reply_next(&f->server.out, &reply), 1);
		assert_int_equal(json_integer_value(json_object_get(
			reply.parameters, "lost")), 0);
		n += json_array_size(json_object_get(reply.parameters,
						     "events"));
		varlink_reply_deinit(&reply);
	}
	assert_int_equal(n, EVENT_LOG_MAX - 64);
}

static void what_was_lost_elsewhere_is_told_once(void **state)
{
	struct fixture *f = *state;

	f->log.lost = 5;
	follow(f);
	expect_nothing(f);
	f->log.lost += 3;
	expect(f, 0, 0, 3);
	expect_nothing(f);
}

static void an_event_survives_the_wire(void **state)
{
	const struct interface_event event = {
		.vm = "web-1", .type = INTERFACE_EVENT_FLOOR,
		.value = INT64_MAX, .seq = UINT32_MAX, .time_us = INT64_MAX,
	};
	json_t *json = interface_event_pack(&event);
	struct interface_event back;

	(void)state;
	assert_int_equal(interface_event_unpack(json, &back), 0);
	assert_string_equal(back.vm, "web-1");
	assert_int_equal(back.type, INTERFACE_EVENT_FLOOR);
	assert_true(back.value == event.value && back.seq == event.seq &&
		    back.time_us == event.time_us);
	json_object_set_new(json, "seq", json_integer(1LL << 32));
	assert_int_equal(interface_event_unpack(json, &back), -EBADMSG);
	json_object_set_new(json, "seq", json_integer(0));
	json_object_set_new(json, "value", json_integer(-1));
	assert_int_equal(interface_event_unpack(json, &back), -EBADMSG);
	json_object_set_new(json, "value", json_integer(0));
	json_object_set_new(json, "type", json_string("later"));
	assert_int_equal(interface_event_unpack(json, &back), -ENOENT);
	json_decref(json);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(events_are_read_in_order),
		test(the_oldest_are_lost_and_counted),
		test(who_wants_one_answer_gets_one),
		test(who_follows_gets_all_from_then_on),
		test(who_follows_one_vm_hears_of_no_other),
		test(who_is_slow_loses_the_oldest_and_hears_how_many),
		test(what_was_lost_elsewhere_is_told_once),
		cmocka_unit_test(an_event_survives_the_wire),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
