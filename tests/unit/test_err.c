/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "test.h"

static void
test_set_fills_and_returns_minus_one(void **state)
{
	struct err err = { .code = ERR_SYS, .sys = 5 };

	(void)state;
	assert_int_equal(err_set(&err, ERR_CONF, "line %d: %s", 7, "bad"), -1);
	assert_int_equal(err.code, ERR_CONF);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.msg, "line 7: bad");
}

static void
test_sys_keeps_errno(void **state)
{
	struct err err = { 0 };

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&err, "open %s", "/x"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(err.code, ERR_SYS);
	assert_int_equal(err.sys, ENOENT);
	assert_string_equal(err.msg, "open /x: No such file or directory");
}

static void
test_wrap_puts_the_subject_first(void **state)
{
	struct err err = { 0 };

	(void)state;
	(void)err_set(&err, ERR_BIRD, "refused");
	assert_int_equal(err_wrap(&err, "site %s", "chc"), -1);
	assert_int_equal(err.code, ERR_BIRD);
	assert_string_equal(err.msg, "site chc: refused");
}

static void
test_null_is_no_error(void **state)
{
	(void)state;
	errno = EIO;
	assert_int_equal(err_set(NULL, ERR_CONF, "x"), -1);
	assert_int_equal(err_sys(NULL, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	assert_int_equal(errno, EIO);
}

/* Cut, terminated, and the subject of a wrap survives. */
static void
test_long_texts_are_cut(void **state)
{
	char text[2000];
	struct err err = { 0 };

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&err, ERR_CONF, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	(void)err_wrap(&err, "subject");
	assert_int_equal(strncmp(err.msg, "subject: xxx", 12), 0);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	(void)err_wrap(&err, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	errno = EIO;
	(void)err_sys(&err, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void
test_every_code_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < ERR_CODE_COUNT; a++) {
		assert_true(err_code_name((enum err_code)a)[0] != '\0');
		for (int b = 0; b < a; b++) {
			assert_string_not_equal(err_code_name((enum err_code)a),
			    err_code_name((enum err_code)b));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_fills_and_returns_minus_one),
		cmocka_unit_test(test_sys_keeps_errno),
		cmocka_unit_test(test_wrap_puts_the_subject_first),
		cmocka_unit_test(test_null_is_no_error),
		cmocka_unit_test(test_long_texts_are_cut),
		cmocka_unit_test(test_every_code_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
