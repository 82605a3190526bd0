/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/table.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "report/text.h"

static const struct table_column columns[] = {
	{ "NAME", false },
	{ "N", true },
	{ "NOTE", false },
};

static char *
print(const struct table *t, const char *indent, bool color)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	table_print(t, indent, color, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
test_columns_are_as_wide_as_their_widest(void **state)
{
	struct table *t = table_new(columns, TEST_COUNT(columns));
	char *text;

	(void)state;
	table_add(t, TABLE_PLAIN, "%s", "2001:db8:ffff:ffff::/64");
	table_add(t, TABLE_PLAIN, "%d", 7);
	table_skip(t);
	table_add(t, TABLE_PLAIN, "a");
	table_add(t, TABLE_PLAIN, "%d", 12345);
	table_add(t, TABLE_PLAIN, "note");
	text = print(t, "> ", false);
	assert_string_equal(text,
	    "> NAME                         N  NOTE\n"
	    "> 2001:db8:ffff:ffff::/64      7\n"
	    "> a                        12345  note\n");
	free(text);
	table_free(t);
}

static void
test_header_stands_alone(void **state)
{
	struct table *t = table_new(columns, TEST_COUNT(columns));
	char *text = print(t, "", false);

	(void)state;
	assert_string_equal(text, "NAME  N  NOTE\n");
	free(text);
	table_free(t);
	table_free(NULL);
}

static void
test_row_may_end_early(void **state)
{
	struct table *t = table_new(columns, TEST_COUNT(columns));
	char *text;

	(void)state;
	table_add(t, TABLE_PLAIN, "x");
	text = print(t, "", false);
	assert_string_equal(text, "NAME  N  NOTE\nx\n");
	free(text);
	table_free(t);
}

/* Escape sequences are ours alone, and do not count as columns. */
static void
test_ink_only_with_color(void **state)
{
	struct table *t = table_new(columns, 1);
	char *text;

	(void)state;
	table_add(t, TABLE_RED, "a\033[31mb");
	text = print(t, "", true);
	assert_string_equal(text,
	    "\033[1mNAME\033[0m\n\033[31ma?[31mb\033[0m\n");
	free(text);
	text = print(t, "", false);
	assert_string_equal(text, "NAME\na?[31mb\n");
	free(text);
	table_free(t);
}

static char *
clean(const char *s)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	text_put(out, s);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* What a terminal would obey, or what would mislead its reader. */
static void
test_unsafe_text_is_shown_as_marks(void **state)
{
	static const struct {
		const char *in, *want;
		size_t width;
	} cases[] = {
		{ "plain", "plain", 5 },
		{ "a\nb\tc\rd", "a?b?c?d", 7 },
		{ "\x1b[2J\x7f", "?[2J?", 5 },
		{ "\xc2\x9b", "?", 1 },          /* C1: CSI */
		{ "\xe2\x80\xae", "?", 1 },      /* right to left */
		{ "\xc3\xa9", "\xc3\xa9", 1 },   /* e acute */
		{ "e\xcc\x81", "e\xcc\x81", 1 }, /* the same, combined */
		{ "\xe6\x97\xa5", "\xe6\x97\xa5", 2 },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 2 },
		{ "\xc0\xaf", "??", 2 },           /* overlong */
		{ "\xe0\x80\xaf", "???", 3 },      /* overlong */
		{ "\xed\xa0\x80", "???", 3 },      /* surrogate */
		{ "\xf4\x90\x80\x80", "????", 4 }, /* past the end */
		{ "\xff\xfe", "??", 2 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *got = clean(cases[i].in);

		assert_string_equal(got, cases[i].want);
		assert_int_equal(text_width(cases[i].in), cases[i].width);
		free(got);
	}
}

/* A character cut off by the end of the string: no byte behind it is read. */
static void
test_cut_characters_stay_inside(void **state)
{
	static const char whole[] = "x\xf0\x9f\x98\x80y\xe6\x97\xa5\xc3\xa9";

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		char *s = xcalloc(1, n + 1);
		char *got;

		memcpy(s, whole, n);
		got = clean(s);
		assert_true(strlen(got) <= n);
		free(got);
		free(s);
	}
}

static void
test_cut_counts_columns(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	text_put_cut(out, "a\xe6\x97\xa5z", 2);
	fputc('|', out);
	text_put_cut(out, "a\xe6\x97\xa5z", 3);
	fputc('|', out);
	text_put_cut(out, "abc", 0);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "a|a\xe6\x97\xa5|");
	free(text);
}

static void
test_lines_are_indented(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	text_put_lines(out, "a\nb\r\n\n", "  ");
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "a\n  b?\n  ");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_as_wide_as_their_widest),
		cmocka_unit_test(test_header_stands_alone),
		cmocka_unit_test(test_row_may_end_early),
		cmocka_unit_test(test_ink_only_with_color),
		cmocka_unit_test(test_unsafe_text_is_shown_as_marks),
		cmocka_unit_test(test_cut_characters_stay_inside),
		cmocka_unit_test(test_cut_counts_columns),
		cmocka_unit_test(test_lines_are_indented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
