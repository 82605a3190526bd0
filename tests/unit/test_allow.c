/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/allow.h"

#include <string.h>

#include "test.h"

static struct prefix
prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p, NULL), 0);
	return p;
}

static struct allow_entry
entry(const char *text)
{
	struct allow_entry e = { 0 };
	struct err err;

	if (allow_entry_parse(text, &e, &err) == -1)
		fail_msg("%s", err.msg);
	return e;
}

/* 0 allowed; else the refusal is in err. */
static int
check(const char *allowed, const char *asked, struct err *err)
{
	struct allow_entry e = entry(allowed);
	struct allow_list list = { &e, 1 };
	struct prefix p = prefix(asked);

	return allow_check(&list, &p, err);
}

static void
test_entries_are_read_as_birds_sets(void **state)
{
	static const char *const good[] = { "192.0.2.0/24", "10.0.0.0/8+",
		"10.0.0.0/8{24,32}", "2001:db8::/32{48,48}", "2001:db8::/32+",
		"192.0.2.0/24{25,25}" };
	static const char *const bad[] = { "", "192.0.2.0", "0.0.0.0/0",
		"0.0.0.0/0+", "::/0{48,48}", "192.0.2.0/24{23,25}",
		"192.0.2.0/24{26,25}", "192.0.2.0/24{24,33}",
		"192.0.2.0/24{24}", "192.0.2.0/24{,}", "192.0.2.0/24{24,25",
		"192.0.2.0/24++", "192.0.2.0/24 ", "192.0.2.1/24",
		"192.0.2.0/24{24,25}+", "192.0.2.0/24{0000,24}",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/32+" };
	char buf[ALLOW_TEXT_BYTES];
	struct allow_entry e;
	struct err err;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(good); i++) {
		e = entry(good[i]);
		assert_string_equal(allow_entry_format(&e, buf), good[i]);
	}
	for (size_t i = 0; i < TEST_COUNT(bad); i++) {
		if (allow_entry_parse(bad[i], &e, &err) != -1)
			fail_msg("%s was taken", bad[i]);
	}
}

static void
test_only_what_is_listed_is_allowed(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(check("192.0.2.0/24", "192.0.2.0/24", &err), 0);
	assert_int_equal(check("192.0.2.0/24", "198.51.100.0/24", &err), -1);
	assert_non_null(strstr(err.msg, "guard allow_list"));
	/* A more specific, and a less specific. */
	assert_int_equal(check("192.0.2.0/24", "192.0.2.0/25", &err), -1);
	assert_non_null(strstr(err.msg, "length"));
	assert_int_equal(check("192.0.2.0/24+", "192.0.2.128/25", &err), 0);
	assert_int_equal(check("192.0.2.0/24", "192.0.0.0/16", &err), -1);
	assert_int_equal(check("192.0.2.0/24+", "192.0.0.0/16", &err), -1);
	assert_int_equal(check("10.0.0.0/8{24,32}", "10.1.2.0/24", &err), 0);
	assert_int_equal(check("10.0.0.0/8{24,32}", "10.0.0.0/8", &err), -1);
	assert_int_equal(check("10.0.0.0/8{24,32}", "10.1.0.0/23", &err), -1);
	/* Other family. */
	assert_int_equal(check("2001:db8::/32+", "192.0.2.0/24", &err), -1);
	assert_int_equal(check("2001:db8::/32+", "2001:db8:1::/48", &err), 0);
}

/* What nobody may announce to the Internet needs an entry of its own. */
static void
test_wide_entries_do_not_open_bogons(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(check("8.0.0.0/5+", "10.1.0.0/16", &err), -1);
	assert_non_null(strstr(err.msg, "private"));
	assert_int_equal(check("8.0.0.0/5+", "11.1.0.0/16", &err), 0);
	assert_int_equal(check("10.0.0.0/8+", "10.1.0.0/16", &err), 0);
	assert_int_equal(check("2001::/16+", "2001:db8::/32", &err), 0);
	assert_int_equal(check("2000::/3+", "2001:db8::/32", &err), -1);
}

/* List or not, some things are never announced. */
static void
test_never_a_default_route_nor_multicast(void **state)
{
	static const char *const never[] = { "0.0.0.0/0", "::/0", "224.0.0.0/4",
		"ff00::/8", "127.0.0.0/8", "0.0.0.0/8" };
	struct allow_list none = { NULL, 0 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(never); i++) {
		struct prefix p = prefix(never[i]);

		assert_int_equal(allow_check(&none, &p, &err), -1);
		assert_int_equal(allow_check(NULL, &p, &err), -1);
		assert_non_null(strstr(err.msg, never[i]));
	}
	{
		struct prefix p = prefix("10.1.2.3/32");

		assert_int_equal(allow_check(&none, &p, &err), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_are_read_as_birds_sets),
		cmocka_unit_test(test_only_what_is_listed_is_allowed),
		cmocka_unit_test(test_wide_entries_do_not_open_bogons),
		cmocka_unit_test(test_never_a_default_route_nor_multicast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
