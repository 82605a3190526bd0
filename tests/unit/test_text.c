/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#include "store/utf8.h"
#include "test.h"

static void
test_copy_says_whether_it_fitted(void **state)
{
	static const char text[] = "hello";

	(void)state;
	for (size_t size = 1; size <= sizeof(text) + 1; size++) {
		char *dst = malloc(size);
		bool fits = size >= sizeof(text);

		assert_non_null(dst);
		assert_int_equal(text_copy(dst, size, text), fits);
		assert_int_equal(strlen(dst), fits ? 5 : size - 1);
		assert_memory_equal(dst, text, strlen(dst));
		free(dst);
	}
}

/* Half a character could not be told as JSON: the whole answer would fail. */
static void
test_copy_does_not_cut_a_character(void **state)
{
	/* 1, 2, 3 and 4 bytes. */
	static const char text[] = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80";
	static const size_t wholes[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10 };

	(void)state;
	for (size_t size = 1; size <= sizeof(text); size++) {
		char dst[sizeof(text)];

		(void)text_copy(dst, size, text);
		assert_int_equal(strlen(dst), wholes[size - 1]);
		assert_true(utf8_is_text(dst, strlen(dst)));
	}
}

static void
test_copy_of_what_is_no_text_at_all(void **state)
{
	char dst[4];

	(void)state;
	assert_false(text_copy(dst, sizeof(dst), "\x80\x80\x80\x80\x80"));
	assert_string_equal(dst, "");
	assert_true(text_copy(dst, sizeof(dst), "\x80\x80\x80"));
	assert_string_equal(dst, "\x80\x80\x80");
}

static void
test_clean_leaves_text_only(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a\xc3\xbc\xe2\x82\xac", "a\xc3\xbc\xe2\x82\xac" },
		{ "\xff", "?" },
		{ "a\xc3", "a?" },
		{ "\xc3(", "?(" },
		{ "\xe2\x82", "?\?" },
		{ "\xed\xa0\x80", "?\?\?" },       /* a surrogate */
		{ "\xc0\xaf", "?\?" },             /* overlong */
		{ "\xf4\x90\x80\x80", "?\?\?\?" }, /* above U+10FFFF */
		{ "\x80z", "?z" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *text = strdup(cases[i].in);

		assert_non_null(text);
		utf8_clean(text);
		assert_string_equal(text, cases[i].out);
		assert_true(utf8_is_text(text, strlen(text)));
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_says_whether_it_fitted),
		cmocka_unit_test(test_copy_does_not_cut_a_character),
		cmocka_unit_test(test_copy_of_what_is_no_text_at_all),
		cmocka_unit_test(test_clean_leaves_text_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
