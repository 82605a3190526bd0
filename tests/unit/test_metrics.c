/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/metrics.h"
#include "test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "fleet/fleet_metrics.h"
#include "run_program.h"
#include "site/agent_metrics.h"

enum { FAM_PLAIN, FAM_SECONDS, FAM_PAIR, FAM_UNUSED, FAM_COUNT };

static const struct metric_family table[FAM_COUNT] = {
	[FAM_PLAIN] = { "t_plain", METRIC_GAUGE, 1, { NULL },
	    "with \\ and\nline, \"quotes\" stay" },
	[FAM_SECONDS] = { "t_seconds_total", METRIC_COUNTER, 1000, { "a" },
	    "help" },
	[FAM_PAIR] = { "t_pair", METRIC_GAUGE, 0, { "a", "state" }, "help" },
	[FAM_UNUSED] = { "t_unused", METRIC_GAUGE, 1, { NULL }, "help" },
};

static void
check_text(struct metrics *m, const char *want)
{
	char *text = metrics_render(m);

	assert_string_equal(text, want);
	free(text);
	metrics_free(m);
}

static void
test_nothing_is_an_empty_text(void **state)
{
	(void)state;
	check_text(metrics_new(table, FAM_COUNT), "");
}

static void
test_head_once_in_the_order_of_the_table(void **state)
{
	struct metrics *m = metrics_new(table, FAM_COUNT);

	(void)state;
	metrics_add(m, FAM_SECONDS, 1, METRIC_LABELS("z"));
	metrics_add(m, FAM_PLAIN, -5, METRIC_NO_LABELS);
	metrics_add(m, FAM_SECONDS, 61234, METRIC_LABELS("b"));
	check_text(m,
	    "# HELP t_plain with \\\\ and\\nline, \"quotes\" stay\n"
	    "# TYPE t_plain gauge\n"
	    "t_plain -5\n"
	    "# HELP t_seconds_total help\n"
	    "# TYPE t_seconds_total counter\n"
	    "t_seconds_total{a=\"b\"} 61.234\n"
	    "t_seconds_total{a=\"z\"} 0.001\n");
}

static void
test_first_of_equal_labels_counts(void **state)
{
	struct metrics *m = metrics_new(table, FAM_COUNT);

	(void)state;
	for (int64_t i = 1; i <= 200; i++)
		metrics_add(m, FAM_PLAIN, i, METRIC_NO_LABELS);
	check_text(m,
	    "# HELP t_plain with \\\\ and\\nline, \"quotes\" stay\n"
	    "# TYPE t_plain gauge\n"
	    "t_plain 1\n");
}

static void
test_label_values_are_escaped(void **state)
{
	struct metrics *m = metrics_new(table, FAM_COUNT);

	(void)state;
	metrics_add(m, FAM_PAIR, INT64_MAX,
	    METRIC_LABELS("\"\\\n}", "\xc3\xa9 ,="));
	metrics_add(m, FAM_PAIR, INT64_MIN, METRIC_LABELS("", ""));
	check_text(m,
	    "# HELP t_pair help\n"
	    "# TYPE t_pair gauge\n"
	    "t_pair{a=\"\",state=\"\"} -9223372036854775808\n"
	    "t_pair{a=\"\\\"\\\\\\n}\",state=\"\xc3\xa9 ,=\"} "
	    "9223372036854775807\n");
}

static void
test_state_set(void **state)
{
	static const char *const names[] = { "up", "down", NULL };
	struct metric_states one = { names, "down" };
	struct metric_states none = { names, NULL };
	struct metrics *m = metrics_new(table, FAM_COUNT);

	(void)state;
	metrics_add_states(m, FAM_PAIR, &one, METRIC_LABELS("x"));
	metrics_add_states(m, FAM_PAIR, &none, METRIC_LABELS("y"));
	check_text(m,
	    "# HELP t_pair help\n"
	    "# TYPE t_pair gauge\n"
	    "t_pair{a=\"x\",state=\"down\"} 1\n"
	    "t_pair{a=\"x\",state=\"up\"} 0\n"
	    "t_pair{a=\"y\",state=\"down\"} 0\n"
	    "t_pair{a=\"y\",state=\"up\"} 0\n");
}

static void
test_field_of_another_type_is_no_sample(void **state)
{
	json_t *obj = json_pack("{s:i, s:s, s:n, s:f}", "good", 7, "text", "7",
	    "null", "real", 7.0);
	static const char *const keys[] = { "text", "null", "real", "absent" };
	struct metrics *m = metrics_new(table, FAM_COUNT);

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(keys); i++) {
		metrics_add_field(m, FAM_SECONDS, obj, keys[i],
		    METRIC_LABELS(keys[i]));
	}
	metrics_add_field(m, FAM_SECONDS, NULL, "good", METRIC_LABELS("none"));
	metrics_add_field(m, FAM_SECONDS, obj, "good", METRIC_LABELS("good"));
	json_decref(obj);
	check_text(m,
	    "# HELP t_seconds_total help\n"
	    "# TYPE t_seconds_total counter\n"
	    "t_seconds_total{a=\"good\"} 0.007\n");
}

static void
test_real_numbers_are_rounded(void **state)
{
	json_t *obj = json_pack("{s:f, s:i, s:s, s:f}", "half", 0.0126, "whole",
	    7, "text", "7", "huge", 1e18);
	struct metrics *m = metrics_new(table, FAM_COUNT);

	(void)state;
	metrics_add_real(m, FAM_SECONDS, obj, "half", METRIC_LABELS("half"));
	metrics_add_real(m, FAM_SECONDS, obj, "whole", METRIC_LABELS("whole"));
	metrics_add_real(m, FAM_SECONDS, obj, "text", METRIC_LABELS("text"));
	metrics_add_real(m, FAM_SECONDS, obj, "huge", METRIC_LABELS("huge"));
	metrics_add_real(m, FAM_SECONDS, NULL, "half", METRIC_LABELS("none"));
	json_decref(obj);
	check_text(m,
	    "# HELP t_seconds_total help\n"
	    "# TYPE t_seconds_total counter\n"
	    "t_seconds_total{a=\"half\"} 0.013\n"
	    "t_seconds_total{a=\"whole\"} 7.000\n");
}

/* ---- the table ---- */

static bool
is_name(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz_");

	return len > 0 && s[len] == '\0';
}

/* What promtool's linter would say of names. */
static void
test_table_is_well_formed(void **state)
{
	(void)state;
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct metric_family *f = &metric_table[i];
		size_t len;

		assert_non_null(f->name);
		len = strlen(f->name);
		assert_true(is_name(f->name));
		assert_int_equal(strncmp(f->name, "anycastd_", 9), 0);
		assert_int_equal(len > 6 &&
			strcmp(f->name + len - 6, "_total") == 0,
		    f->type == METRIC_COUNTER);
		assert_non_null(f->help);
		assert_null(strchr(f->help, '\n'));
		for (size_t l = 0; f->labels[l] != NULL; l++) {
			assert_true(l < METRIC_LABELS_MAX);
			assert_true(is_name(f->labels[l]));
		}
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(f->name, metric_table[k].name);
	}
}

static char *
read_page(void)
{
	char *text = NULL;
	size_t cap = 0;
	FILE *in = fopen("docs/metrics.md", "re");

	assert_non_null(in);
	assert_true(getdelim(&text, &cap, '\0', in) > 0);
	(void)fclose(in);
	return text;
}

/* "| `name` | type | `a`, `b` |": the row of the page, up to the meaning. */
static char *
page_row(const struct metric_family *f)
{
	char *row = xasprintf("\n| `%s` | %s |", f->name,
	    f->type == METRIC_COUNTER ? "counter" : "gauge");

	for (size_t i = 0; i <= METRIC_LABELS_MAX; i++) {
		bool is_end = f->labels[i] == NULL;
		char *longer = is_end ? xasprintf("%s |", row)
				      : xasprintf("%s%s `%s`", row,
					    i == 0 ? "" : ",", f->labels[i]);

		free(row);
		row = longer;
		if (is_end)
			break;
	}
	return row;
}

/* Nobody can use a number that is not explained. */
static void
test_page_has_every_metric_and_no_other(void **state)
{
	char *page = read_page();
	size_t n_rows = 0;

	(void)state;
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		char *row = page_row(&metric_table[i]);

		if (strstr(page, row) == NULL)
			print_error("docs/metrics.md lacks:%s\n", row);
		assert_non_null(strstr(page, row));
		free(row);
	}
	for (const char *p = page; (p = strstr(p, "\n| `anycastd_")) != NULL;
	     p++)
		n_rows++;
	assert_int_equal(n_rows, METRIC_COUNT);
	free(page);
}

/* ---- from the status ---- */

static json_t *
load_json(const char *text)
{
	json_error_t why;
	json_t *doc = json_loads(text, 0, &why);

	if (doc == NULL)
		print_error("%s\n", why.text);
	assert_non_null(doc);
	return doc;
}

static const char agent_json[] =
    "{'site': 'chc', 'state': 'degraded', 'intents': [{}, {}],"
    " 'load': 0.25,"
    " 'services': [{'service': 'web', 'health': 'sick', 'probes': ["
    "  {'probe': 'page', 'health': 'sick', 'rtt_us': 1500, 'results':"
    "   {'pass': 3, 'fail': 4, 'untried': 1}},"
    "  {'probe': 'port', 'health': 'unknown', 'rtt_us': -1, 'results':"
    "   {'pass': 0, 'fail': 0, 'untried': 0}}]}],"
    " 'prefixes': [{'prefix': '192.0.2.0/24', 'service': 'web',"
    "   'desired': 'withdrawn', 'real': 'announced', 'exported_to': 2,"
    "   'diverged_for_ms': 12345},"
    "  {'prefix': '198.51.100.0/24', 'service': null,"
    "   'desired': 'announced', 'real': 'announced', 'exported_to': 1,"
    "   'diverged_for_ms': 0}],"
    " 'bird': {'state': 'connected', 'sessions_up': 1, 'sessions_all': 2,"
    "  'reconfigurations': 5, 'failures': 1},"
    " 'uplink': {'silent_for_ms': 250, 'applied_revision': 11,"
    "  'wanted_revision': 12, 'lost_batches': 0},"
    " 'sweep': {'sent': 10, 'total': 100, 'send_errors': 2, 'starts': 1,"
    "  'counters': {'accepted': 9, 'short': 1, 'type': 2, 'late': 3,"
    "   'forged': 4, 'kernel_drops': 5},"
    "  'unheard': [{'prefix': '198.51.100.0/24', 'reason': 'r',"
    "   'remedy': 'm'}],"
    "  'capture': 'raw', 'skipped_optout': 6, 'skipped_special': 7}}";

/* JSON with apostrophes for quotes: easier to read in C. */
static json_t *
load_quoted(const char *text)
{
	char *copy = xstrdup(text);
	json_t *doc;

	for (char *p = copy; *p != '\0'; p++) {
		if (*p == '\'')
			*p = '"';
	}
	doc = load_json(copy);
	free(copy);
	return doc;
}

static void
check_lines(const char *text, const char *const *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *line = xasprintf("\n%s\n", lines[i]);

		if (strstr(text, line) == NULL)
			print_error("missing: %s\nin: %s\n", lines[i], text);
		assert_non_null(strstr(text, line));
		free(line);
	}
}

static void
test_agent(void **state)
{
	static const char *const lines[] = {
		"anycastd_site_state{site=\"chc\",state=\"degraded\"} 1",
		"anycastd_site_state{site=\"chc\",state=\"announcing\"} 0",
		"anycastd_service_health{site=\"chc\",service=\"web\","
		"state=\"sick\"} 1",
		"anycastd_probe_health{site=\"chc\",service=\"web\","
		"probe=\"port\",state=\"unknown\"} 1",
		"anycastd_probe_rtt_seconds{site=\"chc\",service=\"web\","
		"probe=\"page\"} 0.001500",
		"anycastd_probe_results_total{site=\"chc\",service=\"web\","
		"probe=\"page\",verdict=\"fail\"} 4",
		"anycastd_prefix_desired{site=\"chc\",prefix=\"192.0.2.0/24\","
		"service=\"web\"} 0",
		"anycastd_prefix_desired{site=\"chc\","
		"prefix=\"198.51.100.0/24\",service=\"\"} 1",
		"anycastd_prefix_real{site=\"chc\",prefix=\"192.0.2.0/24\","
		"service=\"web\",state=\"announced\"} 1",
		"anycastd_prefix_exported_to{site=\"chc\","
		"prefix=\"192.0.2.0/24\",service=\"web\"} 2",
		"anycastd_prefix_diverged_seconds{site=\"chc\","
		"prefix=\"192.0.2.0/24\",service=\"web\"} 12.345",
		"anycastd_bird_connected{site=\"chc\"} 1",
		"anycastd_bird_sessions{site=\"chc\"} 2",
		"anycastd_bird_sessions_up{site=\"chc\"} 1",
		"anycastd_bird_reconfigurations_total{site=\"chc\"} 5",
		"anycastd_bird_failures_total{site=\"chc\"} 1",
		"anycastd_intents_active{site=\"chc\"} 2",
		"anycastd_uplink_silent_seconds{site=\"chc\"} 0.250",
		"anycastd_orders_applied_revision{site=\"chc\"} 11",
		"anycastd_orders_wanted_revision{site=\"chc\"} 12",
		"anycastd_sweep_sent_packets{site=\"chc\"} 10",
		"anycastd_sweep_replies_total{site=\"chc\","
		"verdict=\"forged\"} 4",
		"anycastd_sweep_kernel_drops_total{site=\"chc\"} 5",
		"anycastd_site_load{site=\"chc\"} 0.250",
		"anycastd_sweep_skipped_targets{site=\"chc\","
		"reason=\"optout\"} 6",
		"anycastd_sweep_skipped_targets{site=\"chc\","
		"reason=\"special\"} 7",
		"anycastd_sweep_capture{site=\"chc\",mode=\"raw\"} 1",
		"anycastd_sweep_capture{site=\"chc\",mode=\"ring\"} 0",
		"anycastd_sweep_unheard_prefixes{site=\"chc\"} 1",
	};
	json_t *site = load_quoted(agent_json);
	struct metrics *m = metrics_new(metric_table, METRIC_COUNT);
	char *text;

	(void)state;
	agent_metrics_add(m, site);
	text = metrics_render(m);
	check_lines(text, lines, TEST_COUNT(lines));
	/* No answer, no time. */
	assert_null(strstr(text,
	    "rtt_seconds{site=\"chc\",service=\"web\","
	    "probe=\"port\""));
	free(text);
	metrics_free(m);
	json_decref(site);
}

/* A site on its own has neither uplink nor sweeper. */
static void
test_agent_alone(void **state)
{
	json_t *site = load_quoted(agent_json);
	struct metrics *m = metrics_new(metric_table, METRIC_COUNT);
	char *text;

	(void)state;
	json_object_set_new(site, "uplink", json_null());
	json_object_set_new(site, "sweep", json_null());
	agent_metrics_add(m, site);
	text = metrics_render(m);
	assert_null(strstr(text, "anycastd_uplink_"));
	assert_null(strstr(text, "anycastd_orders_"));
	assert_null(strstr(text, "anycastd_sweep_"));
	free(text);
	metrics_free(m);
	json_decref(site);
}

static const char fleet_json[] =
    "{'sites': [{'site': 'chc', 'state': 'announcing', 'agent_age_ms': 1200,"
    "  'applied_revision': 3, 'wanted_revision': 4, 'intents': [{}],"
    "  'load': 12.5, 'load_by': 'agent', 'capacity': 100},"
    " {'site': 'akl', 'state': 'lost', 'agent_age_ms': null,"
    "  'applied_revision': 0, 'wanted_revision': 4, 'intents': []},"
    " {'site': 'syd', 'state': 'from the future', 'agent_age_ms': 5}],"
    " 'clients': {'list': 1, 'count': 126000, 'optouts': 2},"
    " 'tests': [{'test': '203.0.113.0/24', 'state': 'differs',"
    "  'rest_ms': 1500, 'null_run': {'distance': 0.053, 'noise': 0.01,"
    "  'beyond': 0.0312}}],"
    " 'experiments': [{'site': 'akl', 'test': '203.0.113.0/24',"
    "  'state': 'sweep', 'progress_permille': 500}],"
    " 'experiment': {'site': 'chc', 'test': '198.51.100.0/24',"
    "  'state': 'settle',"
    "  'progress_permille': 450,"
    "  'replies': [{'site': 'akl', 'second_site': 8}]}}";

static void
test_fleet(void **state)
{
	static const char *const lines[] = {
		"anycastd_fleet_site_state{site=\"chc\","
		"state=\"announcing\"} 1",
		"anycastd_fleet_site_state{site=\"akl\",state=\"lost\"} 1",
		"anycastd_fleet_site_state{site=\"syd\",state=\"unknown\"} 1",
		"anycastd_fleet_agent_age_seconds{site=\"chc\"} 1.200",
		"anycastd_fleet_applied_revision{site=\"chc\"} 3",
		"anycastd_fleet_wanted_revision{site=\"akl\"} 4",
		"anycastd_fleet_intents_active{site=\"chc\"} 1",
		"anycastd_fleet_site_load{site=\"chc\",by=\"agent\"} 12.500",
		"anycastd_fleet_site_capacity{site=\"chc\"} 100",
		"anycastd_fleet_clients 126000",
		"anycastd_fleet_experiment_state{test=\"198.51.100.0/24\","
		"site=\"chc\",state=\"settle\"} 1",
		"anycastd_fleet_experiment_state{test=\"203.0.113.0/24\","
		"site=\"akl\",state=\"sweep\"} 1",
		"anycastd_fleet_experiment_state{test=\"198.51.100.0/24\","
		"site=\"chc\",state=\"done\"} 0",
		"anycastd_fleet_experiment_progress_ratio{"
		"test=\"198.51.100.0/24\",site=\"chc\"} 0.450",
		"anycastd_fleet_experiment_replies{test=\"198.51.100.0/24\","
		"site=\"akl\",class=\"second_site\"} 8",
		"anycastd_fleet_test_prefix_state{test=\"203.0.113.0/24\","
		"state=\"differs\"} 1",
		"anycastd_fleet_test_prefix_state{test=\"203.0.113.0/24\","
		"state=\"alike\"} 0",
		"anycastd_fleet_test_prefix_rest_seconds{"
		"test=\"203.0.113.0/24\"} 1.500",
		"anycastd_fleet_test_prefix_distance_ratio{"
		"test=\"203.0.113.0/24\"} 0.053000",
		"anycastd_fleet_test_prefix_noise_ratio{"
		"test=\"203.0.113.0/24\"} 0.010000",
		"anycastd_fleet_test_prefix_beyond_ratio{"
		"test=\"203.0.113.0/24\"} 0.031200",
		"anycastd_fleet_optouts 2",
	};
	json_t *doc = load_quoted(fleet_json);
	struct metrics *m = metrics_new(metric_table, METRIC_COUNT);
	char *text;

	(void)state;
	fleet_metrics_add(m, doc);
	text = metrics_render(m);
	check_lines(text, lines, TEST_COUNT(lines));
	assert_null(strstr(text, "age_seconds{site=\"akl\""));
	assert_null(strstr(text, "from the future"));
	free(text);
	metrics_free(m);
	json_decref(doc);
}

/* Agents are not trusted to keep to the types. */
static void
test_malformed_status(void **state)
{
	static const char *const docs[] = { "{}", "[]",
		"{'sites': 1, 'clients': [], 'experiment': 'x'}",
		"{'sites': [1, null, {}, {'site': 1, 'state': 1, 'services':"
		" {}, 'prefixes': [[]]}]}",
		"{'site': 'a', 'services': [1, {'probes': 1}, {'probes': [1]}],"
		" 'prefixes': [{}, 1], 'bird': 1, 'uplink': [], 'sweep': {}}" };

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(docs); i++) {
		json_t *doc = load_quoted(docs[i]);
		struct metrics *m = metrics_new(metric_table, METRIC_COUNT);
		char *text;

		agent_metrics_add(m, doc);
		fleet_metrics_add(m, doc);
		text = metrics_render(m);
		free(text);
		metrics_free(m);
		json_decref(doc);
	}
}

/* The judge of the format, where it is installed. */
static void
test_promtool(void **state)
{
	json_t *site = load_quoted(agent_json),
	       *fleet = load_quoted(fleet_json);
	struct metrics *m = metrics_new(metric_table, METRIC_COUNT);
	static const char *const argv[] = { "promtool", "check", "metrics",
		NULL };
	char *text, out[4096];
	int rc;

	(void)state;
	agent_metrics_add(m, site);
	fleet_metrics_add(m, fleet);
	json_decref(site);
	json_decref(fleet);
	text = metrics_render(m);
	metrics_free(m);
	rc = run_program(argv, text, out, sizeof(out));
	free(text);
	if (rc == RUN_NOT_FOUND) {
		print_message("skip: promtool is not installed\n");
		skip();
	}
	if (rc != 0)
		print_error("%s\n", out);
	assert_int_equal(rc, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_an_empty_text),
		cmocka_unit_test(test_head_once_in_the_order_of_the_table),
		cmocka_unit_test(test_first_of_equal_labels_counts),
		cmocka_unit_test(test_label_values_are_escaped),
		cmocka_unit_test(test_state_set),
		cmocka_unit_test(test_field_of_another_type_is_no_sample),
		cmocka_unit_test(test_real_numbers_are_rounded),
		cmocka_unit_test(test_table_is_well_formed),
		cmocka_unit_test(test_page_has_every_metric_and_no_other),
		cmocka_unit_test(test_agent),
		cmocka_unit_test(test_agent_alone),
		cmocka_unit_test(test_fleet),
		cmocka_unit_test(test_malformed_status),
		cmocka_unit_test(test_promtool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
