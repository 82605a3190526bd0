/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/age.h"

#include "test.h"

static void
test_age_is_of_this_boot_alone(void **state)
{
	json_t *doc = json_object();
	int64_t us = mono_now().us;

	(void)state;
	age_stamp(doc);
	assert_in_range(age_of(doc), 0, 5000);
	json_object_set_new(doc, "us", json_integer(us - 60000000));
	assert_in_range(age_of(doc), 60000, 65000);
	/* What cannot be counts as new. */
	json_object_set_new(doc, "us", json_integer(us + 3600000000));
	assert_int_equal(age_of(doc), 0);
	json_object_set_new(doc, "us", json_integer(-1));
	assert_int_equal(age_of(doc), 0);
	json_object_set_new(doc, "us", json_integer(0));
	assert_true(age_of(doc) > 0);
	json_object_set_new(doc, "boot", json_string("another"));
	assert_int_equal(age_of(doc), 0);
	json_object_set_new(doc, "boot", json_string(""));
	assert_int_equal(age_of(doc), 0);
	json_object_clear(doc);
	assert_int_equal(age_of(doc), 0);
	assert_int_equal(age_of(NULL), 0);
	json_decref(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_age_is_of_this_boot_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
