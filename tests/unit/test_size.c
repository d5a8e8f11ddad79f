// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>

#include "size.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define UNTOUCHED 12345

static void sizes_are_read_with_binary_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "4096", 4096 },
		{ "4096B", 4096 },
		{ "007", 7 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "1Ki", 1024 },
		{ "1KiB", 1024 },
		{ "1kib", 1024 },
		{ "512M", 512ULL << 20 },
		{ "1G", 1ULL << 30 },
		{ "1.5G", 3ULL << 29 },
		{ "0.5MiB", 1ULL << 19 },
		{ "1.0G", 1ULL << 30 },
		{ "2T", 2ULL << 40 },
		{ "7E", 7ULL << 60 },
		{ "7.99E", 9211842821808707338ULL },
		{ "9223372036854775807", INT64_MAX },
		{ "0.1K", 102 },
		{ "0.333333333333333333333333333333G", 357913941 },
		{ "0.999999999999999999999999999999G", (1ULL << 30) - 1 },
	};
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bytes = UNTOUCHED;
		if (size_parse(cases[i].text, &bytes) ||
		    bytes != cases[i].bytes)
			fail_msg("'%s' gave %" PRIu64 ", not %" PRIu64,
				 cases[i].text, bytes, cases[i].bytes);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const cases[] = {
		"", " ", "-1", "+1", "-0", " 1", "1 ", "1 G", "G", ".5G", "1.",
		"1.G", "1.5", "1.5B", "1..5G", "1.5.5G", "1,5G", "0x10", "1e3",
		"1KB", "1MB", "1GB", "1X", "1GiBs", "1GG", "1iB", "nan", "inf",
		"1\n", "1g\xc3\xa9", "\xef\xbc\x91",
	};
	uint64_t bytes = UNTOUCHED;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (size_parse(cases[i], &bytes) != -EINVAL ||
		    bytes != UNTOUCHED)
			fail_msg("'%s' was not refused", cases[i]);
}

static void too_large_a_size_is_out_of_range(void **state)
{
	static const char *const cases[] = {
		"9223372036854775808", "18446744073709551615",
		"18446744073709551616", "99999999999999999999999999", "8E",
		"16E", "8192P", "8388608T", "18446744073709551617G",
	};
	uint64_t bytes = UNTOUCHED;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (size_parse(cases[i], &bytes) != -ERANGE ||
		    bytes != UNTOUCHED)
			fail_msg("'%s' was not out of range", cases[i]);
}

static void sizes_are_written_with_one_decimal_cut_off(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1 KiB" },
		{ 1536, "1.5 KiB" },
		{ (1 << 20) - 1, "1023.9 KiB" },
		{ 512ULL << 20, "512 MiB" },
		{ 3ULL << 29, "1.5 GiB" },
		{ (1ULL << 30) + 1, "1 GiB" },
		{ INT64_MAX, "7.9 EiB" },
		{ UINT64_MAX, "15.9 EiB" },
	};
	char text[SIZE_TEXT_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(size_format(cases[i].bytes, text),
				    cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read_with_binary_units),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(too_large_a_size_is_out_of_range),
		cmocka_unit_test(sizes_are_written_with_one_decimal_cut_off),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
