/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/report.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/csv.h"
#include "report/fields.h"
#include "report/text.h"
#include "report_golden.h"

static const struct golden goldens[] = {
	{ "status", "status", report_status, false, NULL },
	{ "status", "status_color", report_status, true, NULL },
	{ "status", "sites", report_sites, false, NULL },
	{ "status_agent", "status_agent", report_status, false, NULL },
	{ "status_agent", "sites_agent", report_sites, false, NULL },
	{ "status_draining", "status_draining", report_status, false, NULL },
	{ "status_draining", "sites_draining", report_sites, false, NULL },
	{ "status_unheard", "status_unheard", report_status, false, NULL },
	{ "status_unheard", "sites_unheard", report_sites, false, NULL },
	{ "status_load", "sites_load", report_sites, false, NULL },
	{ "status_load", "status_load", report_status, false, NULL },
	{ "status_load", "status_load_color", report_status, true, NULL },
	{ "explain", "explain", report_explain, false, NULL },
	{ "events", "events", report_events, false, NULL },
	{ "drain", "drain", report_drain, false, NULL },
	{ "drain_done", "drain_done", report_drain, false, NULL },
	{ "restore", "restore", report_restore, false, NULL },
	{ "probe", "probe", report_probe, false, NULL },
	{ "check", "check", report_check, false, NULL },
	{ "check", "check_color", report_check, true, NULL },
	{ "experiment", "experiment", report_experiment, false, NULL },
	{ "no_experiment", "no_experiment", report_experiment, false, NULL },
	{ "experiment", "progress", report_progress, false, NULL },
	{ "parallel", "parallel_experiments", report_experiment, false, NULL },
	{ "parallel", "parallel_campaign", report_campaign, false, NULL },
	{ "parallel", "parallel_tests", report_tests, false, NULL },
	{ "no_tests", "no_tests", report_tests, false, NULL },
	{ "plan", "plan", report_campaign_plan, false, NULL },
	{ "plan_unusable", "plan_unusable", report_campaign_plan, false, NULL },
	{ "diff", "diff", report_diff, false, NULL },
	{ "landings", "landings", report_landings, false, NULL },
	{ "clients", "clients", report_clients, false, NULL },
	{ "clients_recent", "clients_recent", report_clients, false, NULL },
	{ "clients_agent", "clients_agent", report_clients, false, NULL },
	{ "import", "import", report_import, false, NULL },
	{ "recent", "recent", report_recent, false, NULL },
	{ "taken", "taken", report_taken, false, NULL },
	{ "optouts", "optouts", report_optouts, false, NULL },
	{ "no_optouts", "no_optouts", report_optouts, false, NULL },
	{ "optout_added", "optout_added", report_optout_added, false, NULL },
	{ "optout_removed", "optout_removed", report_optout_removed, false,
	    NULL },
	{ "failover", "failover_table", report_failover_table, false, NULL },
	{ "failover", "failover_csv", report_failover_csv, false, NULL },
	{ "failover", "failover_json", report_json, false, NULL },
	{ "events", "events_line", report_json_line, false, NULL },
};

static void
test_renderings_are_golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(goldens); i++)
		check_golden(&goldens[i]);
}

/* Nothing but what colours ask for may reach a terminal as a control. */
static void
test_no_control_reaches_the_terminal(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(goldens); i++) {
		json_t *doc = load_doc(goldens[i].doc);
		int rc;
		char *text = render(goldens[i].render, doc, &plain, &rc);

		for (const char *s = text; *s != '\0'; s++)
			assert_true(*s == '\n' || (*s >= ' ' && *s <= '~'));
		free(text);
		json_decref(doc);
	}
}

static void
test_every_value_may_be_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(goldens); i++)
		check_wrong_values(&goldens[i]);
}

static void
test_error_names_the_field(void **state)
{
	struct err err = { 0 };
	json_t *doc = json_pack("{s:[{s:s}]}", "sites", "site", "chc");

	(void)state;
	assert_int_equal(report_status(doc, &plain, stdout, &err), -1);
	assert_string_equal(err.msg,
	    "the daemon's answer: \"state\": missing, expected text");
	json_decref(doc);
	doc = json_pack("{s:i}", "sites", 3);
	assert_int_equal(report_status(doc, &plain, stdout, &err), -1);
	assert_string_equal(err.msg,
	    "the daemon's answer: \"sites\": expected a list, is a number "
	    "out of range");
	assert_int_equal(report_status(doc, &plain, stdout, NULL), -1);
	json_decref(doc);
}

static void
test_format_names(void **state)
{
	enum report_format format = REPORT_TABLE;
	struct err err;

	(void)state;
	assert_int_equal(report_parse_format("csv", &format, &err), 0);
	assert_int_equal(format, REPORT_CSV);
	assert_int_equal(report_parse_format("xml", &format, &err), -1);
	assert_string_equal(err.msg,
	    "format xml: not known, expected table, json, csv, dot, svg or "
	    "html");
	assert_int_equal(format, REPORT_CSV);
}

static char *
put_line(const char *const fields[])
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	csv_put_line(out, fields);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
test_csv_quotes_as_rfc_4180(void **state)
{
	static const char *const fields[] = { "a", "", "b,c", "d\"e", "f\ng",
		" h ", NULL };
	char *line = put_line(fields);

	(void)state;
	assert_string_equal(line, "a,,\"b,c\",\"d\"\"e\",\"f\ng\", h \n");
	free(line);
}

static void
test_ages_have_two_units(void **state)
{
	static const struct {
		int64_t ms;
		const char *want;
	} cases[] = {
		{ -5, "0ms" },
		{ 0, "0ms" },
		{ 999, "999ms" },
		{ 1000, "1s" },
		{ 59999, "59s" },
		{ 60000, "1m0s" },
		{ 3599999, "59m59s" },
		{ 3600000, "1h0m" },
		{ 86399999, "23h59m" },
		{ 86400000, "1d0h" },
		{ INT64_MAX, "106751991167d7h" },
	};
	char buf[TEXT_NUMBER_BYTES];

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++)
		assert_string_equal(text_age(cases[i].ms, buf), cases[i].want);
}

static void
test_clock_has_a_date_on_other_days(void **state)
{
	char buf[TEXT_NUMBER_BYTES];

	(void)state;
	assert_string_equal(text_clock(NOW_MS, NOW_MS, buf), "04:00Z");
	assert_string_equal(text_clock(NOW_MS - 86400000, NOW_MS, buf),
	    "2026-02-28 04:00Z");
	assert_string_equal(text_clock(TEXT_WALL_MAX_MS, NOW_MS, buf),
	    "9999-12-31 23:59Z");
}

/* A field read by name must be of its type and in its range. */
static void
test_fields_are_checked(void **state)
{
	struct err err = { 0 };
	struct fields f = { .err = &err };
	json_t *doc = json_pack("{s:s, s:i, s:f, s:n, s:b, s:I}", "text", "x",
	    "int", 3, "real", 0.5, "null", "bool", 1, "far",
	    (json_int_t)TEXT_WALL_MAX_MS);

	(void)state;
	assert_string_equal(fields_text(&f, doc, "text"), "x");
	assert_int_equal(fields_count(&f, doc, "int"), 3);
	assert_true(fields_real(&f, doc, "int") == 3);
	assert_true(fields_real(&f, doc, "real") == 0.5);
	assert_true(fields_bool(&f, doc, "bool"));
	assert_int_equal(fields_count_or(&f, doc, "null", 7), 7);
	assert_int_equal(fields_wall_ms_or(&f, doc, "none", 8), 8);
	assert_int_equal(fields_wall_ms(&f, doc, "far"), TEXT_WALL_MAX_MS);
	assert_null(fields_text_or(&f, doc, "null", NULL));
	assert_null(fields_array_opt(&f, doc, "null"));
	assert_null(fields_object_opt(&f, doc, "none"));
	assert_false(f.bad);
	assert_int_equal(fields_count(&f, doc, "real"), 0);
	assert_true(f.bad);
	assert_string_equal(err.msg,
	    "\"real\": expected a whole number from 0, is a number out of "
	    "range");
	/* The first error stays. */
	assert_string_equal(fields_text(&f, doc, "int"), "");
	assert_non_null(strstr(err.msg, "real"));
	json_object_set_new(doc, "far", json_integer(TEXT_WALL_MAX_MS + 1));
	f.bad = false;
	assert_int_equal(fields_wall_ms(&f, doc, "far"), 0);
	assert_true(f.bad);
	json_decref(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renderings_are_golden),
		cmocka_unit_test(test_no_control_reaches_the_terminal),
		cmocka_unit_test(test_every_value_may_be_wrong),
		cmocka_unit_test(test_error_names_the_field),
		cmocka_unit_test(test_format_names),
		cmocka_unit_test(test_csv_quotes_as_rfc_4180),
		cmocka_unit_test(test_ages_have_two_units),
		cmocka_unit_test(test_clock_has_a_date_on_other_days),
		cmocka_unit_test(test_fields_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
