/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "anycastctl/until.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test.h"

/* 2026-03-28T22:30:00Z: in Berlin 23:30, the night that summer begins. */
#define NOW_MS INT64_C(1774737000000)
#define MIN_MS INT64_C(60000)

/* after_min 0: refused. */
static void
check_time(const char *text, int64_t after_min)
{
	int64_t at = 0;
	struct err err = { 0 };
	int rc = ctl_parse_until(text, NOW_MS, &at, &err);

	if (after_min == 0) {
		assert_int_equal(rc, -1);
		assert_true(err.msg[0] != '\0');
		return;
	}
	if (rc != 0 || at != NOW_MS + after_min * MIN_MS) {
		fail_msg("%s: %lld min %s", text,
		    (long long)(at - NOW_MS) / MIN_MS, err.msg);
	}
}

static void
test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t after_min; /* 0: refused */
	} rows[] = {
		{ "23:45", 15 },
		{ "23:30", 1380 }, /* that day has 23 hours */
		{ "00:10", 40 },
		{ "2026-03-29 00:30", 60 },
		{ "2026-03-29T04:30", 240 }, /* after the lost hour */
		{ "2026-03-28 23:31:00", 1 },
		{ "22:31Z", 1 },
		{ "22:30Z", 1440 },
		{ "2026-03-28T22:40:00Z", 10 },
		{ "2026-03-28 23:30", 0 },
		{ "2025-01-01 00:00", 0 },
		{ "2026-04-31 10:00", 0 },
		{ "2027-02-29T10:00Z", 0 },
		{ "24:00", 0 },
		{ "noon", 0 },
		{ "", 0 },
		{ "Z", 0 },
		{ "23:45 ", 0 },
	};

	(void)state;
	(void)setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		check_time(rows[i].text, rows[i].after_min);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_times) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
