/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/escape.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "test.h"

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "", "", 0 },
		{ "PING", "PING", 4 },
		{ "a\\r\\n\\t\\\\b", "a\r\n\t\\b", 6 },
		{ "\\x00\\xfF\\x41",
		    "\0\xff"
		    "A",
		    3 },
		{ "\\\\x41", "\\x41", 4 },
		{ "gr\xc3\xbcn", "gr\xc3\xbcn", 5 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		/* One byte too many would be seen. */
		uint8_t *out = malloc(strlen(cases[i].text) + 1);

		assert_non_null(out);
		assert_int_equal(escape_parse(cases[i].text, out, NULL),
		    cases[i].len);
		assert_memory_equal(out, cases[i].bytes, cases[i].len);
		free(out);
	}
}

static void
test_parse_refuses(void **state)
{
	static const struct {
		const char *text;
		const char *where;
	} cases[] = {
		{ "\\", "character 1:" },
		{ "ab\\", "character 3:" },
		{ "\\q", "character 1:" },
		{ "\\0", "character 1:" },
		{ "\\R", "character 1:" },
		{ "a\\x", "character 2:" },
		{ "a\\x4", "character 2:" },
		{ "a\\x4g", "character 2:" },
		{ "a\\xg4", "character 2:" },
		{ "a\\X41", "character 2:" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *text = xstrdup(cases[i].text);
		uint8_t out[16];
		struct err err = { 0 };

		assert_int_equal(escape_parse(text, out, &err), -1);
		assert_int_equal(err.code, ERR_CONF);
		assert_memory_equal(err.msg, cases[i].where,
		    strlen(cases[i].where));
		free(text);
	}
}

/* Every byte comes back, and on the way it is printable ASCII. */
static void
test_round_trip(void **state)
{
	uint8_t all[256], out[1024];
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	text = escape_format(all, sizeof(all));
	for (const char *s = text; *s != '\0'; s++)
		assert_true(*s >= ' ' && *s <= '~');
	assert_int_equal(escape_parse(text, out, NULL), sizeof(all));
	assert_memory_equal(out, all, sizeof(all));
	free(text);
	text = escape_format(NULL, 0);
	assert_string_equal(text, "");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
