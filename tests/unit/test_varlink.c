// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "interface.h"
#include "varlink.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A service with every kind of parameter, and one handler that answers late. */

struct fixture {
	struct varlink_server server;
	unsigned int calls;
};

static const struct varlink_param echo_params[] = {
	{ "text", JSON_STRING, false },
	{ "number", JSON_INTEGER, true },
	{ "flag", JSON_TRUE, true },
	{ NULL, JSON_NULL, false },
};

static const struct varlink_method methods[] = {
	{ "Echo", echo_params, false },
	{ "Late", NULL, false },
	{ "Change", NULL, true },
	{ "Missing", NULL, false },
	{ "Long", NULL, false },
};

static const struct varlink_interface interface = {
	.name = "org.example.test",
	.description = "interface org.example.test\nmethod Late() -> ()\n",
	.methods = methods,
	.nr_methods = ARRAY_SIZE(methods),
};

static void echo(struct varlink_server *server, json_t *params, void *userdata)
{
	struct fixture *f = userdata;

	f->calls++;
	varlink_server_reply(server, json_incref(params));
}

static void late(struct varlink_server *server, json_t *params, void *userdata)
{
	struct fixture *f = userdata;

	(void)server;
	(void)params;
	f->calls++;
}

static void long_answer(struct varlink_server *server, json_t *params,
			void *userdata)
{
	size_t len = VARLINK_MESSAGE_MAX;
	char *text = malloc(len);

	(void)params;
	(void)userdata;
	memset(text, 'x', len);
	varlink_server_reply(server, json_pack("{s:s%}", "t", text, len));
	free(text);
}

static const varlink_handler handlers[] = {
	echo, late, late, NULL, long_answer,
};

static const struct varlink_binding binding = { &interface, handlers };

static const struct varlink_service service = {
	.vendor = "Example",
	.product = "Test",
	.version = "1",
	.url = "https://example.org",
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

/* Sends a text with its NUL. */
static int feed(struct fixture *f, const char *text)
{
	return varlink_server_feed(&f->server, text, strlen(text) + 1);
}

static void expect(struct fixture *f, const char *answer)
{
	assert_true(f->server.out.len > strlen(answer));
	assert_string_equal(f->server.out.data, answer);
	varlink_buf_consume(&f->server.out, strlen(answer) + 1);
}

static void expect_nothing(struct fixture *f)
{
	assert_int_equal(f->server.out.len, 0);
}

/* Feeds one call, expects one answer. */
static void call(struct fixture *f, const char *text, const char *answer)
{
	assert_int_equal(feed(f, text), 0);
	expect(f, answer);
	expect_nothing(f);
}

static void a_call_is_answered(void **state)
{
	call(*state, "{\"method\":\"org.example.test.Echo\","
	     "\"parameters\":{\"text\":\"h\xc3\xa9\"}}",
	     "{\"parameters\":{\"text\":\"h\xc3\xa9\"}}");
}

static void a_call_may_come_byte_by_byte(void **state)
{
	static const char text[] = "{\"method\":\"org.example.test.Echo\","
		"\"parameters\":{\"text\":\"a\"}}";
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(text); i++) {
		expect_nothing(f);
		assert_int_equal(varlink_server_feed(&f->server, text + i, 1),
				 0);
	}
	expect(f, "{\"parameters\":{\"text\":\"a\"}}");
}

static void calls_in_one_piece_are_answered_in_order(void **state)
{
	static const char two[] =
		"{\"method\":\"org.example.test.Echo\","
		"\"parameters\":{\"text\":\"1\"}}\0"
		"{\"method\":\"org.example.test.Echo\","
		"\"parameters\":{\"text\":\"2\"}}";
	struct fixture *f = *state;

	assert_int_equal(varlink_server_feed(&f->server, two, sizeof(two)), 0);
	expect(f, "{\"parameters\":{\"text\":\"1\"}}");
	expect(f, "{\"parameters\":{\"text\":\"2\"}}");
	expect_nothing(f);
}

static void a_late_answer_holds_up_the_next_call(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Late\"}"), 0);
	assert_false(varlink_server_wants_input(&f->server));
	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Late\"}"), 0);
	assert_int_equal(f->calls, 1);
	varlink_server_reply(&f->server, json_pack("{s:i}", "n", 1));
	assert_int_equal(varlink_server_dispatch(&f->server), 0);
	assert_int_equal(f->calls, 2);
	varlink_server_reply(&f->server, NULL);
	assert_true(varlink_server_wants_input(&f->server));
	expect(f, "{\"parameters\":{\"n\":1}}");
	expect(f, "{\"parameters\":{}}");
	expect_nothing(f);
}

static void who_feeds_a_waiting_call_without_end_is_stopped(void **state)
{
	static char piece[64 * 1024];
	struct fixture *f = *state;
	int i, rc = 0;

	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Late\"}"), 0);
	for (i = 0; i < 100 && !rc; i++)
		rc = varlink_server_feed(&f->server, piece, sizeof(piece));
	assert_int_equal(rc, -ENOBUFS);
}

static void a_oneway_call_gets_no_answer(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Echo\","
			      "\"parameters\":{\"text\":\"x\"},"
			      "\"oneway\":true}"), 0);
	assert_int_equal(f->calls, 1);
	assert_int_equal(feed(f, "{\"method\":\"org.example.test.No\","
			      "\"oneway\":true}"), 0);
	expect_nothing(f);
}

static void who_welcomes_several_answers_gets_one(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"org.example.test.Echo\","
	     "\"parameters\":{\"text\":\"x\"},\"more\":true}",
	     "{\"parameters\":{\"text\":\"x\"}}");
	expect_nothing(f);
}

static void who_welcomes_several_answers_may_get_them(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Late\","
			      "\"more\":true}"), 0);
	assert_true(f->server.more);
	varlink_server_continue(&f->server, json_pack("{s:i}", "n", 1));
	varlink_server_continue(&f->server, json_pack("{s:i}", "n", 2));
	assert_false(varlink_server_wants_input(&f->server));
	varlink_server_reply(&f->server, json_pack("{s:i}", "n", 3));
	assert_true(varlink_server_wants_input(&f->server));
	expect(f, "{\"parameters\":{\"n\":1},\"continues\":true}");
	expect(f, "{\"parameters\":{\"n\":2},\"continues\":true}");
	expect(f, "{\"parameters\":{\"n\":3}}");
	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Late\"}"), 0);
	assert_false(f->server.more);
}

static void a_oneway_call_welcomes_no_answers(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Late\","
			      "\"more\":true,\"oneway\":true}"), 0);
	assert_false(f->server.more);
	varlink_server_reply(&f->server, NULL);
	expect_nothing(f);
}

static void what_is_not_there_has_an_error_that_names_it(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"org.example.test.No\"}",
	     "{\"error\":\"org.varlink.service.MethodNotFound\","
	     "\"parameters\":{\"method\":\"org.example.test.No\"}}");
	call(f, "{\"method\":\"org.example.Echo\"}",
	     "{\"error\":\"org.varlink.service.InterfaceNotFound\","
	     "\"parameters\":{\"interface\":\"org.example\"}}");
	call(f, "{\"method\":\"Echo\"}",
	     "{\"error\":\"org.varlink.service.InterfaceNotFound\","
	     "\"parameters\":{\"interface\":\"Echo\"}}");
	call(f, "{\"method\":\"org.example.test.Missing\"}",
	     "{\"error\":\"org.varlink.service.MethodNotImplemented\","
	     "\"parameters\":{\"method\":\"org.example.test.Missing\"}}");
}

static void parameters_of_the_wrong_type_are_named(void **state)
{
	static const struct {
		const char *parameters;
		const char *wrong;
	} cases[] = {
		{ "{}", "text" },
		{ "{\"text\":null}", "text" },
		{ "{\"text\":1}", "text" },
		{ "{\"text\":[\"a\"]}", "text" },
		{ "{\"text\":\"a\",\"number\":\"1\"}", "number" },
		{ "{\"text\":\"a\",\"number\":1.0}", "number" },
		{ "{\"text\":\"a\",\"number\":true}", "number" },
		{ "{\"text\":\"a\",\"flag\":1}", "flag" },
		{ "{\"text\":\"a\",\"other\":1}", "other" },
		{ "[]", "parameters" },
		{ "7", "parameters" },
		{ "\"x\"", "parameters" },
	};
	char text[256], answer[256];
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text),
			 "{\"method\":\"org.example.test.Echo\","
			 "\"parameters\":%s}", cases[i].parameters);
		snprintf(answer, sizeof(answer),
			 "{\"error\":\"org.varlink.service.InvalidParameter\","
			 "\"parameters\":{\"parameter\":\"%s\"}}",
			 cases[i].wrong);
		call(f, text, answer);
	}
	assert_int_equal(f->calls, 0);
	call(f, "{\"method\":\"org.example.test.Echo\",\"parameters\":"
	     "{\"text\":\"a\",\"number\":null,\"flag\":false}}",
	     "{\"parameters\":{\"text\":\"a\",\"number\":null,"
	     "\"flag\":false}}");
}

static void changing_needs_permission(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"org.example.test.Change\"}",
	     "{\"error\":\"org.varlink.service.PermissionDenied\","
	     "\"parameters\":{}}");
	f->server.may_write = true;
	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Change\"}"),
			 0);
	assert_int_equal(f->calls, 1);
}

static void what_is_no_call_ends_the_connection(void **state)
{
	static const char *const cases[] = {
		"", " ", "{", "}", "null", "[]", "7", "\"x\"", "{}",
		"{\"method\":7}", "{\"method\":null}", "{\"method\":[]}",
		"{\"method\":\"a.B\",\"oneway\":1}",
		"{\"method\":\"a.B\",\"more\":\"yes\"}",
		"{\"method\":\"a.B\",\"method\":\"a.C\"}",
		"{\"method\":\"a.B\"} x", "{\"method\":\"a.B\"}{}",
		"{\"method\":\"\\u0000\"}", "{\"method\":\"\xff\"}",
		"{\"method\":\"a.B\",\"parameters\":"
			"{\"n\":99999999999999999999}}",
		"{'method':'a.B'}",
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		varlink_server_deinit(&f->server);
		varlink_server_init(&f->server, &service, false, f);
		if (feed(f, cases[i]) != -EBADMSG)
			fail_msg("not refused: %s", cases[i]);
	}
	assert_int_equal(f->calls, 0);
}

static void deep_nesting_ends_the_connection(void **state)
{
	size_t depth = 100000;
	char *text = malloc(depth + 64);
	int rc;

	strcpy(text, "{\"method\":\"a.B\",\"parameters\":");
	memset(text + strlen(text) + 0, '[', depth);
	text[depth + 30] = '\0';
	rc = feed(*state, text);
	free(text);
	assert_int_equal(rc, -EBADMSG);
}

static void too_long_a_message_ends_the_connection(void **state)
{
	static char piece[4096];
	struct fixture *f = *state;
	int i, rc = 0;

	memset(piece, ' ', sizeof(piece));
	for (i = 0; i < VARLINK_MESSAGE_MAX / 4096; i++)
		assert_int_equal(varlink_server_feed(&f->server, piece,
						     sizeof(piece)), 0);
	rc = varlink_server_feed(&f->server, " ", 1);
	assert_int_equal(rc, -EMSGSIZE);
}

static void too_long_an_answer_ends_the_connection(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(feed(f, "{\"method\":\"org.example.test.Long\"}"),
			 -EMSGSIZE);
	expect_nothing(f);
}

static void who_does_not_read_answers_is_not_served(void **state)
{
	char text[600], x[513];
	struct fixture *f = *state;
	unsigned int i;

	memset(x, 'x', 512);
	x[512] = '\0';
	snprintf(text, sizeof(text), "{\"method\":\"org.example.test.Echo\","
		 "\"parameters\":{\"text\":\"%s\"}}", x);
	for (i = 0; varlink_server_wants_input(&f->server); i++)
		assert_int_equal(feed(f, text), 0);
	assert_true(f->server.out.len < VARLINK_MESSAGE_MAX + 1024);
	assert_int_equal(feed(f, text), 0);
	assert_int_equal(f->calls, i);
	varlink_buf_consume(&f->server.out, f->server.out.len);
	assert_int_equal(varlink_server_dispatch(&f->server), 0);
	assert_int_equal(f->calls, i + 1);
}

static void the_service_tells_what_it_is(void **state)
{
	struct fixture *f = *state;

	call(f, "{\"method\":\"org.varlink.service.GetInfo\"}",
	     "{\"parameters\":{\"vendor\":\"Example\",\"product\":\"Test\","
	     "\"version\":\"1\",\"url\":\"https://example.org\","
	     "\"interfaces\":[\"org.varlink.service\","
	     "\"org.example.test\"]}}");
	call(f, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
	     "\"parameters\":{\"interface\":\"org.example.test\"}}",
	     "{\"parameters\":{\"description\":"
	     "\"interface org.example.test\\nmethod Late() -> ()\\n\"}}");
	call(f, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
	     "\"parameters\":{\"interface\":\"no.such\"}}",
	     "{\"error\":\"org.varlink.service.InterfaceNotFound\","
	     "\"parameters\":{\"interface\":\"no.such\"}}");
}

static void the_client_writes_calls(void **state)
{
	struct varlink_buf out = { 0 };

	(void)state;
	assert_int_equal(varlink_call(&out, "a.B", NULL, 0), 0);
	assert_string_equal(out.data, "{\"method\":\"a.B\"}");
	varlink_buf_consume(&out, out.len);
	assert_int_equal(varlink_call(&out, "a.B", json_pack("{s:i}", "n", 1),
				      VARLINK_ONEWAY | VARLINK_MORE), 0);
	assert_string_equal(out.data, "{\"method\":\"a.B\",\"parameters\":"
			    "{\"n\":1},\"oneway\":true,\"more\":true}");
	varlink_buf_deinit(&out);
}

static void the_client_reads_answers(void **state)
{
	static const char text[] =
		"{\"parameters\":{\"n\":1},\"continues\":true}\0"
		"{\"error\":\"a.E\",\"parameters\":{\"why\":\"x\"}}\0"
		"{}\0"
		"{\"parameters\":null}";
	struct varlink_buf in = { 0 };
	struct varlink_reply reply;

	(void)state;
	varlink_buf_append(&in, text, sizeof(text));
	assert_int_equal(varlink_reply_next(&in, &reply), 1);
	assert_true(reply.continues);
	assert_null(reply.error);
	varlink_reply_deinit(&reply);
	assert_int_equal(varlink_reply_next(&in, &reply), 1);
	assert_string_equal(reply.error, "a.E");
	assert_string_equal(json_string_value(
		json_object_get(reply.parameters, "why")), "x");
	varlink_reply_deinit(&reply);
	assert_int_equal(varlink_reply_next(&in, &reply), 1);
	assert_int_equal(json_object_size(reply.parameters), 0);
	varlink_reply_deinit(&reply);
	assert_int_equal(varlink_reply_next(&in, &reply), 1);
	varlink_reply_deinit(&reply);
	assert_int_equal(varlink_reply_next(&in, &reply), 0);
	varlink_buf_deinit(&in);
}

static void the_client_refuses_what_is_no_answer(void **state)
{
	static const char *const cases[] = {
		"{\"error\":1}", "{\"continues\":1}", "{\"parameters\":[]}",
		"[]", "x",
	};
	struct varlink_buf in = { 0 };
	struct varlink_reply reply;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		varlink_buf_append(&in, cases[i], strlen(cases[i]) + 1);
		assert_int_equal(varlink_reply_next(&in, &reply), -EBADMSG);
		varlink_buf_deinit(&in);
	}
}

static void names_of_vms_are_safe_as_file_names(void **state)
{
	static const char longest[] =
		"0123456789012345678901234567890123456789012345678901234567890123";

	(void)state;
	assert_true(interface_name_valid("web-1"));
	assert_true(interface_name_valid("A.b_C"));
	assert_true(interface_name_valid(longest));
	assert_true(interface_name_valid(longest + 1));
	assert_false(interface_name_valid(""));
	assert_false(interface_name_valid("."));
	assert_false(interface_name_valid(".."));
	assert_false(interface_name_valid(".hidden"));
	assert_false(interface_name_valid("a/b"));
	assert_false(interface_name_valid("a b"));
	assert_false(interface_name_valid("a\n"));
	assert_false(interface_name_valid("\xc3\xa9"));
	assert_false(interface_name_valid(
		"01234567890123456789012345678901234567890123456789012345678901234"));
}

static void a_vm_survives_the_wire(void **state)
{
	json_t *features = json_pack("[ss]", "stats", "ranges");
	const struct interface_vm vm = {
		.name = "web-1", .state = INTERFACE_REFUSED,
		.memory = 1ULL << 40, .target = 4096, .operator = 1,
		.wish = 2, .actual = 8192, .resident = 1,
		.freed = INT64_MAX, .features = features,
		.reason = "locked memory", .pressure = "short",
	};
	json_t *json = interface_vm_pack(&vm);
	struct interface_vm back;

	(void)state;
	assert_int_equal(interface_vm_unpack(json, &back), 0);
	assert_string_equal(back.name, "web-1");
	assert_int_equal(back.state, INTERFACE_REFUSED);
	assert_int_equal(back.memory, vm.memory);
	assert_int_equal(back.freed, vm.freed);
	assert_int_equal(json_array_size(back.features), 2);
	assert_string_equal(back.reason, "locked memory");
	assert_string_equal(back.pressure, "short");
	assert_int_equal(back.operator, 1);
	assert_int_equal(back.wish, 2);
	/* As from a back-end that is older than these. */
	json_object_del(json, "operator");
	json_object_del(json, "wish");
	json_object_del(json, "pressure");
	assert_int_equal(interface_vm_unpack(json, &back), 0);
	assert_int_equal(back.operator, 4096);
	assert_int_equal(back.wish, 0);
	assert_null(back.pressure);
	json_object_set_new(json, "target", json_integer(-1));
	assert_int_equal(interface_vm_unpack(json, &back), -EBADMSG);
	json_object_set_new(json, "target", json_string("1"));
	assert_int_equal(interface_vm_unpack(json, &back), -EBADMSG);
	json_decref(json);
	json_decref(features);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_call_is_answered),
		test(a_call_may_come_byte_by_byte),
		test(calls_in_one_piece_are_answered_in_order),
		test(a_late_answer_holds_up_the_next_call),
		test(who_feeds_a_waiting_call_without_end_is_stopped),
		test(a_oneway_call_gets_no_answer),
		test(who_welcomes_several_answers_gets_one),
		test(who_welcomes_several_answers_may_get_them),
		test(a_oneway_call_welcomes_no_answers),
		test(what_is_not_there_has_an_error_that_names_it),
		test(parameters_of_the_wrong_type_are_named),
		test(changing_needs_permission),
		test(what_is_no_call_ends_the_connection),
		test(deep_nesting_ends_the_connection),
		test(too_long_a_message_ends_the_connection),
		test(too_long_an_answer_ends_the_connection),
		test(who_does_not_read_answers_is_not_served),
		test(the_service_tells_what_it_is),
		cmocka_unit_test(the_client_writes_calls),
		cmocka_unit_test(the_client_reads_answers),
		cmocka_unit_test(the_client_refuses_what_is_no_answer),
		cmocka_unit_test(names_of_vms_are_safe_as_file_names),
		cmocka_unit_test(a_vm_survives_the_wire),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
