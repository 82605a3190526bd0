/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/test_names.h"

#include <stdlib.h>

#include "test.h"

static void
assert_json(const char *names, const char *want)
{
	json_t *doc = test_names_json(names);
	char *text = json_dumps(doc, JSON_COMPACT);

	assert_string_equal(text, want);
	free(text);
	json_decref(doc);
}

static void
test_each_is_named_once(void **state)
{
	char *names = NULL;

	(void)state;
	test_names_add(&names, NULL);
	test_names_add(&names, "");
	test_names_add(&names, ",");
	assert_null(names);
	test_names_add(&names, "198.51.100.0/24,2001:db8::/48");
	test_names_add(&names, "198.51.100.0/24");
	/* One that is the beginning of another. */
	test_names_add(&names, "198.51.100.0/2,2001:db8::/48,,2001:db8::/4");
	assert_string_equal(names,
	    "198.51.100.0/24,2001:db8::/48,198.51.100.0/2,2001:db8::/4");
	free(names);
}

static void
test_they_are_told_by_family(void **state)
{
	(void)state;
	assert_json(NULL, "{\"4\":[],\"6\":[]}");
	assert_json("", "{\"4\":[],\"6\":[]}");
	assert_json("2001:db8::/48,198.51.100.0/24,198.18.0.0/24",
	    "{\"4\":[\"198.51.100.0/24\",\"198.18.0.0/24\"],"
	    "\"6\":[\"2001:db8::/48\"]}");
	/* Whatever a store holds. */
	assert_json("\xff,198.18.0.0/24",
	    "{\"4\":[\"198.18.0.0/24\"],\"6\":[]}");
}

static void
test_only_those_that_are_known_differ(void **state)
{
	(void)state;
	assert_false(test_names_differ(NULL, "198.18.0.0/24"));
	assert_false(test_names_differ("198.18.0.0/24", ""));
	assert_false(test_names_differ("198.18.0.0/24,2001:db8::/48",
	    "2001:db8::/48,198.18.0.0/24"));
	assert_true(test_names_differ("198.18.0.0/24", "198.18.0.0/2"));
	/* One more is others, on either side. */
	assert_true(test_names_differ("198.18.0.0/24",
	    "198.18.0.0/24,198.51.100.0/24"));
	assert_true(test_names_differ("198.18.0.0/24,198.51.100.0/24",
	    "198.18.0.0/24"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_named_once),
		cmocka_unit_test(test_they_are_told_by_family),
		cmocka_unit_test(test_only_those_that_are_known_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
