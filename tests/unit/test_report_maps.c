/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Failover maps in every format, with all that may be known of them. */
#include "report/report.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "report/csv.h"
#include "report/markup.h"
#include "report/model.h"
#include "report/page.h"
#include "report/text.h"
#include "report_golden.h"

/* text with each `what` replaced; frees text. */
static char *
replace(char *text, const char *what, const char *by)
{
	size_t len;
	char *out = NULL;
	FILE *f = open_memstream(&out, &len);
	const char *s = text, *found;

	assert_non_null(f);
	while ((found = strstr(s, what)) != NULL) {
		fprintf(f, "%.*s%s", (int)(found - s), s, by);
		s = found + strlen(what);
	}
	fputs(s, f);
	assert_int_equal(fclose(f), 0);
	free(text);
	return out;
}

/* The page without what is in src/report/web already, and its hashes. */
static char *
keep_page(char *text)
{
	static const char hash[] = "'sha256-";
	const char *s;

	for (int i = 0; i < 2; i++) {
		char *at = strstr(text, hash);

		assert_non_null(at);
		memset(at + 1, '.', strcspn(at + 1, "'"));
	}
	s = strstr(text, page_style);
	assert_non_null(s);
	assert_non_null(strstr(s, page_script));
	text = replace(text, page_style, "(page.css)");
	return replace(text, page_script, "(page.js)");
}

static const struct golden goldens[] = {
	{ "failover", "maps_dot", report_dot, false, NULL },
	{ "failover", "maps_svg", report_svg, false, NULL },
	{ "failover", "maps_html", report_failover_html, false, keep_page },
	{ "maps_deep", "maps_deep_table", report_failover_table, false, NULL },
	{ "maps_deep", "maps_deep_color", report_failover_table, true, NULL },
	{ "maps_deep", "maps_deep_csv", report_failover_csv, false, NULL },
	{ "maps_deep", "maps_deep_dot", report_dot, false, NULL },
	{ "maps_deep", "maps_deep_svg", report_svg, false, NULL },
	{ "maps_deep", "maps_deep_html", report_failover_html, false,
	    keep_page },
	{ "maps_set", "maps_set_table", report_failover_table, false, NULL },
	{ "maps_set", "maps_set_dot", report_dot, false, NULL },
	{ "maps_set", "maps_set_svg", report_svg, false, NULL },
	{ "maps_set", "maps_set_html", report_failover_html, false, keep_page },
	{ "maps_unplaced", "maps_unplaced_table", report_failover_table, false,
	    NULL },
	{ "maps_unplaced", "maps_unplaced_csv", report_failover_csv, false,
	    NULL },
	{ "maps_unplaced", "maps_unplaced_dot", report_dot, false, NULL },
	{ "maps_unplaced", "maps_unplaced_svg", report_svg, false, NULL },
	{ "maps_unplaced", "maps_unplaced_html", report_failover_html, false,
	    keep_page },
	{ "report_site", "report_site_table", report_site_table, false, NULL },
	{ "report_site", "report_site_dot", report_dot, false, NULL },
	{ "report_site", "report_site_html", report_site_html, false,
	    keep_page },
	{ "report_site_new", "report_site_new_table", report_site_table, false,
	    NULL },
	{ "report_site_new", "report_site_new_dot", report_dot, false, NULL },
	{ "report_site_new", "report_site_new_svg", report_svg, false, NULL },
	{ "report_site_new", "report_site_new_html", report_site_html, false,
	    keep_page },
	{ "report_experiment", "report_experiment_table",
	    report_experiment_table, false, NULL },
	{ "report_experiment_null", "report_experiment_null_table",
	    report_experiment_table, false, NULL },
	{ "report_experiment", "report_experiment_csv", report_experiment_csv,
	    false, NULL },
	{ "report_experiment", "report_experiment_html", report_experiment_html,
	    false, keep_page },
};

static void
test_renderings_are_golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(goldens); i++)
		check_golden(&goldens[i]);
}

static void
test_every_value_may_be_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(goldens); i++)
		check_wrong_values(&goldens[i]);
}

/* ---- hostile names ---- */

static char *
render_doc(report_fn *fn, const char *name)
{
	json_t *doc = load_doc(name);
	int rc;
	char *text = render(fn, doc, &plain, &rc);

	assert_int_equal(rc, 0);
	json_decref(doc);
	return text;
}

static size_t
count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *s = text; (s = strstr(s, what)) != NULL; s++)
		n++;
	return n;
}

/* Nothing of a name may be seen as markup, nor as a control character. */
static void
check_markup(const char *text)
{
	static const char *const never[] = { "<img", "alert(1)<", "<b>", "<i>",
		"onerror=alert(1)>", "onload=alert(1)>", "-->", "]]>",
		"\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xae", "\xc2\x9b",
		"\xef\xbf\xbe" };

	for (size_t i = 0; i < TEST_COUNT(never); i++) {
		if (strstr(text, never[i]) != NULL)
			print_error("found %s\n", never[i]);
		assert_null(strstr(text, never[i]));
	}
	for (const char *s = text; *s != '\0'; s++) {
		assert_true((unsigned char)*s >= ' ' || *s == '\n' ||
		    *s == '\t');
	}
}

static void
test_names_are_no_html(void **state)
{
	static const struct {
		report_fn *fn;
		const char *doc;
	} pages[] = {
		{ report_failover_html, "maps_hostile" },
		{ report_site_html, "report_site_hostile" },
		{ report_experiment_html, "report_experiment_hostile" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(pages); i++) {
		char *text = keep_page(render_doc(pages[i].fn, pages[i].doc));

		/* The legend's own words are bold. */
		text = replace(text, "<b>measured</b>", "");
		text = replace(text, "<b>certified</b>", "");
		text = replace(text, "<b>composed</b>", "");
		text = replace(text, "<b>unstable</b>", "");
		text = replace(text, "<b>contradicted</b>", "");
		text = replace(text, "<b>guessed</b>", "");
		check_markup(text);
		assert_int_equal(count(text, "<script"), 2);
		assert_int_equal(count(text, "</script"), 2);
		free(text);
	}
}

/* The style and the program must not end their elements themselves. */
static void
test_assets_stay_in_their_elements(void **state)
{
	(void)state;
	assert_null(strstr(page_style, "</"));
	assert_null(strstr(page_script, "</"));
	assert_null(strstr(page_script, "<!--"));
	assert_null(strstr(page_style, "url("));
	assert_null(strstr(page_style, "@import"));
	assert_null(strstr(page_script, "innerHTML"));
	assert_null(strstr(page_script, "eval("));
}

static void
test_names_are_no_svg(void **state)
{
	char *text = render_doc(report_svg, "maps_hostile");

	(void)state;
	check_markup(text);
	assert_int_equal(count(text, "<script"), 0);
	assert_int_equal(count(text, "<svg"), 1);
	free(text);
}

/* As graphviz reads them: quotes of a line in pairs, after escapes. */
static void
test_names_are_no_dot(void **state)
{
	char *text = render_doc(report_dot, "maps_hostile");
	bool quoted = false;

	(void)state;
	for (const char *s = text; *s != '\0'; s++) {
		assert_true((unsigned char)*s >= ' ' || *s == '\n' ||
		    *s == '\t');
		if (quoted && *s == '\\') {
			assert_true(strchr("\\\"n", s[1]) != NULL);
			s++;
		} else if (*s == '"') {
			quoted = !quoted;
		} else if (*s == '\n') {
			assert_false(quoted);
		}
	}
	assert_null(strstr(text, "\"&lt;b"));
	assert_non_null(strstr(text, "&amp;lt;b"));
	free(text);
}

/* No cell may be a formula for a spreadsheet; numbers stay numbers. */
static void
test_names_are_no_formulas(void **state)
{
	static const struct {
		const char *field, *want;
	} cases[] = {
		{ "=1+1", "'=1+1\n" },
		{ "+1+1", "'+1+1\n" },
		{ "-1+1", "'-1+1\n" },
		{ "@SUM(1)", "'@SUM(1)\n" },
		{ "\tx", "'\tx\n" },
		{ "\rx", "\"'\rx\"\n" },
		{ "=a,\"b", "\"'=a,\"\"b\"\n" },
		{ "\xef\xbc\x9d"
		  "1",
		    "'\xef\xbc\x9d"
		    "1\n" },
		{ "-1.5e3", "-1.5e3\n" },
		{ "+7", "+7\n" },
		{ "-", "'-\n" },
		{ "a=1", "a=1\n" },
	};
	char *text = render_doc(report_failover_csv, "maps_hostile");

	(void)state;
	assert_non_null(strstr(text, "'=cmd|"));
	assert_null(strstr(text, ",=cmd|"));
	assert_null(strstr(text, "\n=cmd|"));
	assert_null(strstr(text, ",@SUM"));
	free(text);
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		const char *const fields[] = { cases[i].field, NULL };
		char *line = NULL;
		size_t len;
		FILE *out = open_memstream(&line, &len);

		assert_non_null(out);
		csv_put_line(out, fields);
		assert_int_equal(fclose(out), 0);
		assert_string_equal(line, cases[i].want);
		free(line);
	}
}

typedef void put_fn(FILE *out, const char *s);

static char *
put(put_fn *fn, const char *s)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fn(out, s);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
test_markup_escapes(void **state)
{
	static const struct {
		put_fn *fn;
		const char *s, *want;
	} cases[] = {
		{ markup_put, "a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;" },
		{ markup_put, "\x01\xff\xe2\x80\xa8", "???" },
		{ markup_put, "gr\xc3\xbcn", "gr\xc3\xbcn" },
		{ markup_put_json, "a<\"\\\n\xc3\xbc",
		    "\"a\\u003c\\u0022\\u005c?\\u00fc\"" },
		{ markup_put_json, "\xf0\x9f\x98\x80", "\"\\ud83d\\ude00\"" },
		{ markup_put_fragment, "a b/\xc3\xbc&", "a%20b%2F%C3%BC%26" },
		{ markup_put_fragment, "?\x01", "%3F%3F" },
		{ markup_put_dot, "a\"b\\N&lt;\n", "a\\\"b\\\\N&amp;lt;?" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *text = put(cases[i].fn, cases[i].s);

		assert_string_equal(text, cases[i].want);
		free(text);
	}
}

static void
put_number(FILE *out, const char *s)
{
	markup_put_number(out, strtod(s, NULL));
}

static void
test_numbers_are_grouped(void **state)
{
	static const struct {
		const char *v, *want;
	} cases[] = {
		{ "0", "0" },
		{ "999", "999" },
		{ "1000",
		    "1\xe2\x80\xaf"
		    "000" },
		{ "1234567.8",
		    "1\xe2\x80\xaf"
		    "234\xe2\x80\xaf"
		    "568" },
		{ "0.257", "0.26" },
		{ "1e15", "1e+15" },
		{ "1e308", "1e+308" },
		{ "nan", "nan" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		char *text = put(put_number, cases[i].v);

		assert_string_equal(text, cases[i].want);
		free(text);
	}
}

/* Ties too: the page has them from whole thousandths. */
static void
test_shares_are_rounded_half_up(void **state)
{
	static const struct {
		double share;
		const char *as_share, *as_ratio;
	} cases[] = {
		{ 0, "0.0 %", "0 %" },
		{ 0.3125, "31.3 %", "31 %" },
		{ 0.31249, "31.2 %", "31 %" },
		{ 0.0005, "0.1 %", "0 %" },
		{ 0.225, "22.5 %", "23 %" },
		{ 1, "100.0 %", "100 %" },
		{ 1.045, "104.5 %", "105 %" },
	};
	char buf[TEXT_NUMBER_BYTES];

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		assert_string_equal(text_share(cases[i].share, buf),
		    cases[i].as_share);
		assert_string_equal(text_ratio(cases[i].share, buf),
		    cases[i].as_ratio);
	}
	assert_string_equal(text_range(0.3125, 0.4, "-", buf), "31.3-40.0");
	assert_true(strlen(text_range(1e308, 1e308, "-", buf)) <
	    TEXT_NUMBER_BYTES);
}

/* ---- order ---- */

/* By overload where known, before what is not known, by weight; unknown and
 * maps without heirs last. */
static void
test_worst_first(void **state)
{
	struct model_heir heirs[] = {
		{ .name = NULL, .capacity = NAN, .weight = { 0, 0, 99 } },
		{ .name = "light", .capacity = NAN, .weight = { 0, 0, 1 } },
		{ .name = "fits", .load_after = 5, .capacity = 10 },
		{ .name = "heavy", .capacity = NAN, .weight = { 0, 0, 50 } },
		{ .name = "over", .load_after = 11, .capacity = 10 },
		{ .name = "none", .load_after = 11, .capacity = 0 },
	};
	static const char *const want[] = { "over", "fits", "heavy", "light",
		"none", NULL };
	struct model_heirs list = { heirs, TEST_COUNT(heirs) };

	(void)state;
	assert_string_equal(model_worst(&list)->name, "over");
	model_sort_heirs(&list);
	for (size_t i = 0; i < TEST_COUNT(want); i++) {
		if (want[i] == NULL) {
			assert_null(heirs[i].name);
		} else {
			assert_string_equal(heirs[i].name, want[i]);
		}
	}
	list.n = 0;
	assert_null(model_worst(&list));
}

/* By what may come at most: a site of whose clients little is known is not
 * safe for it.  What is not told, by an older daemon, adds nothing. */
static void
test_worst_first_by_the_upper_bound(void **state)
{
	struct model_heir known[] = {
		{ .name = "full", .load_after = 9, .capacity = 10 },
	};
	struct model_heir half[] = {
		{ .name = "big",
		    .load_after = 7,
		    .load_after_max = 9.5,
		    .capacity = 20 },
		{ .name = "small",
		    .load_after = 6,
		    .load_after_max = 9.5,
		    .capacity = 10 },
		{ .name = NULL, .capacity = NAN, .unplaced = 3.5 },
	};
	struct model_heir none[] = {
		{ .name = NULL, .capacity = NAN, .unplaced = 1 },
	};
	struct model_map maps[] = {
		{ .site = "a", .heirs = { known, TEST_COUNT(known) } },
		{ .site = "b", .heirs = { half, TEST_COUNT(half) } },
		{ .site = "c", .heirs = { none, TEST_COUNT(none) } },
	};
	struct model model = { maps, TEST_COUNT(maps) };

	(void)state;
	assert_string_equal(model_worst(&maps[1].heirs)->name, "small");
	model_sort(&model);
	assert_string_equal(maps[0].site, "c");
	assert_string_equal(maps[1].site, "b");
	assert_string_equal(maps[2].site, "a");
}

/* The levels that are read are bounded, and all are freed. */
static void
test_depth_is_bounded(void **state)
{
	json_t *list = json_array();
	struct err err;
	struct fields f = { .err = &err };
	const struct model_heirs *level;
	struct model_heirs heirs;
	int depth = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		json_t *heir = json_pack("{s:s, s:i, s:f, s:f, s:f, s:o}",
		    "heir", "x", "clients", 1, "weight", 1.0, "clients_share",
		    1.0, "weight_share", 1.0, "heirs", list);

		list = json_pack("[o]", heir);
	}
	model_read_heirs(&f, list, &heirs);
	assert_false(f.bad);
	for (level = &heirs; level->n > 0; level = &level->at[0].next)
		depth++;
	assert_int_equal(depth, MODEL_DEPTH_MAX);
	model_clear_heirs(&heirs);
	json_decref(list);
}

/* "unknown" twice in one list: one row, nothing leaks. */
static void
test_unknown_is_one_row(void **state)
{
	json_t *list = json_loads(
	    "[{\"heir\": null, \"clients\": 1, \"weight\": 1, "
	    "\"clients_share\": 0.5, \"weight_share\": 0.5, \"heirs\": "
	    "[{\"heir\": \"a\", \"clients\": 1, \"weight\": 1, "
	    "\"clients_share\": 1, \"weight_share\": 1}]}, "
	    "{\"heir\": null, \"clients\": 2, \"weight\": 1, "
	    "\"clients_share\": 0.5, \"weight_share\": 0.5}]",
	    0, NULL);
	struct err err;
	struct fields f = { .err = &err };
	struct model_heirs heirs;

	(void)state;
	assert_non_null(list);
	model_read_heirs(&f, list, &heirs);
	assert_int_equal(heirs.n, 1);
	assert_int_equal(heirs.at[0].clients[MODEL_FAMILY_ALL], 2);
	model_clear_heirs(&heirs);
	json_decref(list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renderings_are_golden),
		cmocka_unit_test(test_every_value_may_be_wrong),
		cmocka_unit_test(test_names_are_no_html),
		cmocka_unit_test(test_assets_stay_in_their_elements),
		cmocka_unit_test(test_names_are_no_svg),
		cmocka_unit_test(test_names_are_no_dot),
		cmocka_unit_test(test_names_are_no_formulas),
		cmocka_unit_test(test_markup_escapes),
		cmocka_unit_test(test_numbers_are_grouped),
		cmocka_unit_test(test_shares_are_rounded_half_up),
		cmocka_unit_test(test_worst_first),
		cmocka_unit_test(test_worst_first_by_the_upper_bound),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_unknown_is_one_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
