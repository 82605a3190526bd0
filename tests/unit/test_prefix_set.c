/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/prefix_set.h"

#include <string.h>

#include "test.h"

static struct prefix
prefix_of(const char *text)
{
	struct prefix p;
	struct err err;

	assert_int_equal(prefix_parse(text, &p, &err), 0);
	return p;
}

static bool
contains(const struct prefix_set *set, const char *text)
{
	struct addr a;
	struct err err;

	assert_int_equal(addr_parse(text, &a, &err), 0);
	return prefix_set_contains(set, &a);
}

static void
test_nothing_is_in_no_prefixes(void **state)
{
	struct prefix_set *set = prefix_set_new(NULL, 0);

	(void)state;
	assert_false(contains(set, "192.0.2.1"));
	assert_false(contains(set, "::"));
	prefix_set_free(set);
}

static void
test_edges_belong_to_it(void **state)
{
	const struct prefix prefixes[] = { prefix_of("2001:db8:1::/48"),
		prefix_of("192.0.2.128/25"), prefix_of("10.0.0.7/32"),
		prefix_of("::/8") };
	struct prefix_set *set = prefix_set_new(prefixes, TEST_COUNT(prefixes));

	(void)state;
	assert_true(contains(set, "192.0.2.128"));
	assert_true(contains(set, "192.0.2.255"));
	assert_true(contains(set, "2001:db8:1::"));
	assert_true(contains(set, "2001:db8:1:ffff:ffff:ffff:ffff:ffff"));
	assert_false(contains(set, "2001:db8:0:ffff:ffff:ffff:ffff:ffff"));
	assert_false(contains(set, "2001:db8:2::"));
	assert_true(contains(set, "00ff::1"));
	assert_false(contains(set, "0100::"));
	prefix_set_free(set);
}

/* A search that looks only at the nearest one would miss the larger. */
static void
test_smaller_prefixes_hide_no_larger(void **state)
{
	const struct prefix prefixes[] = { prefix_of("10.1.2.3/32"),
		prefix_of("10.1.0.0/16"), prefix_of("10.1.2.0/24"),
		prefix_of("10.1.0.0/16"), prefix_of("10.2.0.0/16") };
	struct prefix_set *set = prefix_set_new(prefixes, TEST_COUNT(prefixes));

	(void)state;
	assert_true(contains(set, "10.1.2.4"));
	assert_true(contains(set, "10.1.255.255"));
	assert_true(contains(set, "10.2.0.0"));
	assert_false(contains(set, "10.3.0.0"));
	assert_false(contains(set, "10.0.255.255"));
	prefix_set_free(set);
}

/* Addresses of IPv4 lie within ::/80 as they are written; that is the smallest
 * prefix around them. */
static void
test_a_wide_prefix_holds_its_family(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool is_in;
	} rows[] = {
		{ "0.0.0.0/0", "0.0.0.0", true },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "::", true },
		{ "::/0", "::fffe:ffff:ffff", true },
		{ "::/0", "::1:0:0:0", true },
		{ "::/0", "0.0.0.0", false },
		{ "::/0", "192.0.2.1", false },
		{ "::/0", "255.255.255.255", false },
		{ "::/80", "::1", true },
		{ "::/80", "192.0.2.1", false },
		{ "::/80", "::1:0:0:0", false },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		struct prefix p = prefix_of(rows[i].prefix);
		struct prefix_set *set = prefix_set_new(&p, 1);

		if (contains(set, rows[i].addr) != rows[i].is_in)
			fail_msg("%s in %s", rows[i].addr, rows[i].prefix);
		prefix_set_free(set);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_in_no_prefixes),
		cmocka_unit_test(test_edges_belong_to_it),
		cmocka_unit_test(test_smaller_prefixes_hide_no_larger),
		cmocka_unit_test(test_a_wide_prefix_holds_its_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
