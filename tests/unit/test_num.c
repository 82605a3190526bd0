/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/num.h"

#include <string.h>

#include "base/printable.h"
#include "test.h"

static void
test_u64_takes_whole_decimals_only(void **state)
{
	static const char *const bad[] = { "", " ", " 1", "1 ", "+1", "-1",
		"-0", "0x10", "1e3", "1.0", "1,0", "abc", "1a", "\t1", "1\n",
		"18446744073709551616", "99999999999999999999999" };
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		struct err err = { .code = ERR_NONE };

		assert_int_equal(num_parse_u64(bad[i], 0, UINT64_MAX, &v, &err),
		    -1);
		assert_int_equal(err.code, ERR_CONF);
		assert_int_equal(v, 7);
	}
	assert_int_equal(num_parse_u64("18446744073709551615", 0, UINT64_MAX,
			     &v, NULL),
	    0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(num_parse_u64("0", 0, 0, &v, NULL), 0);
	assert_true(v == 0);
}

static void
test_range_ends_belong_to_it(void **state)
{
	struct err err = { .code = ERR_NONE };
	uint32_t v = 0;

	(void)state;
	assert_int_equal(num_parse_u32("5", 5, 9, &v, NULL), 0);
	assert_int_equal(num_parse_u32("9", 5, 9, &v, NULL), 0);
	assert_int_equal(v, 9);
	assert_int_equal(num_parse_u32("4", 5, 9, &v, NULL), -1);
	assert_int_equal(num_parse_u32("10", 5, 9, &v, &err), -1);
	assert_string_equal(err.msg, "10: expected a number from 5 to 9");
	assert_int_equal(num_parse_u32("4294967296", 0, UINT32_MAX, &v, NULL),
	    -1);
	assert_int_equal(num_parse_u32("4294967295", 0, UINT32_MAX, &v, NULL),
	    0);
	assert_true(v == UINT32_MAX);
}

static void
test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "0s", 0 },
		{ "250ms", 250 },
		{ "2s", 2000 },
		{ "5m", 300000 },
		{ "1h", 3600000 },
		{ "2d", 172800000 },
		{ "1h30m", 5400000 },
		{ "1d1h1m1s1ms", 90061001 },
		{ "106751991167d7h12m55s807ms", INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(good); i++) {
		int64_t ms = -1;

		assert_int_equal(num_parse_duration_ms(good[i].text, 0,
				     INT64_MAX, &ms, NULL),
		    0);
		assert_true(ms == good[i].ms);
	}
}

static void
test_bad_durations(void **state)
{
	static const char *const bad[] = { "", "5", "s", "5 s", "5S", "-5s",
		"5sec", "5mm", "5s5", "5s1m", "1s1s", "1.5s", "0x5s", "1h 30m",
		"106751991167d7h12m55s808ms", "18446744073709551615d",
		"99999999999999999999s" };
	int64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		assert_int_equal(num_parse_duration_ms(bad[i], 0, INT64_MAX,
				     &ms, NULL),
		    -1);
		assert_true(ms == 7);
	}
}

static void
test_duration_range_is_named(void **state)
{
	struct err err = { .code = ERR_NONE };
	int64_t ms = 0;

	(void)state;
	assert_int_equal(num_parse_duration_ms("50ms", 50, 5400000, &ms, NULL),
	    0);
	assert_int_equal(num_parse_duration_ms("90m", 50, 5400000, &ms, NULL),
	    0);
	assert_int_equal(num_parse_duration_ms("49ms", 50, 5400000, &ms, &err),
	    -1);
	assert_string_equal(err.msg,
	    "49ms: expected a duration from 50ms to 1h30m");
}

/* What is printed parses back: the effective configuration relies on it. */
static void
test_duration_round_trip(void **state)
{
	static const int64_t samples[] = { 0, 1, 999, 1000, 1001, 59999, 60000,
		3599999, 3600000, 86399999, 86400000, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(samples); i++) {
		char buf[DURATION_TEXT_BYTES];
		int64_t ms = -1;

		assert_int_equal(num_parse_duration_ms(
				     num_format_duration_ms(samples[i], buf), 0,
				     INT64_MAX, &ms, NULL),
		    0);
		assert_true(ms == samples[i]);
	}
}

static void
test_negative_duration_is_printed(void **state)
{
	char buf[DURATION_TEXT_BYTES];

	(void)state;
	assert_string_equal(num_format_duration_ms(-5400000, buf), "-1h30m");
	assert_string_equal(num_format_duration_ms(INT64_MIN, buf),
	    "-106751991167d7h12m55s808ms");
}

/* Messages reach terminals and logs: no bytes from outside unchanged. */
static void
test_messages_are_printable_and_short(void **state)
{
	char want[PRINTABLE_TEXT_BYTES];
	char buf[PRINTABLE_TEXT_BYTES];
	char text[200];

	(void)state;
	assert_string_equal(printable("a\x1b[31m\n\xff\x7f", buf), "a?[31m???");
	assert_string_equal(printable("", buf), "\"\"");
	for (size_t n = 1; n < sizeof(text); n++) {
		memset(text, 'x', n);
		text[n] = '\0';
		(void)printable(text, buf);
		if (n < sizeof(buf)) {
			assert_string_equal(buf, text);
			continue;
		}
		memset(want, 'x', sizeof(want));
		memcpy(want + sizeof(want) - 4, "...", 4);
		assert_string_equal(buf, want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64_takes_whole_decimals_only),
		cmocka_unit_test(test_range_ends_belong_to_it),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_bad_durations),
		cmocka_unit_test(test_duration_range_is_named),
		cmocka_unit_test(test_duration_round_trip),
		cmocka_unit_test(test_negative_duration_is_printed),
		cmocka_unit_test(test_messages_are_printable_and_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
