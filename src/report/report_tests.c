/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Test prefixes: which are used, which rest, and how alike they are. */
#include "report/report.h"

#include <string.h>

#include "base/mono.h"
#include "report/job.h"
#include "report/table.h"
#include "report/text.h"

/* What must be said behind the table: why one is not used. */
static void
put_reasons(struct report_job *job, const json_t *tests)
{
	struct fields *f = &job->f;
	const json_t *test;
	size_t i;

	json_array_foreach (tests, i, test) {
		const char *state = fields_text(f, test, "state");
		const json_t *run = fields_object_opt(f, test, "null_run");
		const char *why = "";

		if (strcmp(state, "differs") == 0 ||
		    strcmp(state, "unknown") == 0) {
			why = fields_text_or(f, run, "reason", "");
		} else if (strcmp(state, "ambiguous") == 0) {
			why = "sites pair it with different prefixes";
		} else if (strcmp(state, "unchecked") == 0) {
			why =
			    "no null run yet, or none that is recent and over such clients";
		} else if (strcmp(state, "gone") == 0) {
			why = "no site has it any more";
		}
		if (why[0] == '\0')
			continue;
		fputs("  ", job->out);
		text_put(job->out, fields_text(f, test, "test"));
		fputs(": not used: ", job->out);
		text_put(job->out, why);
		fputc('\n', job->out);
	}
}

static void
add_check(struct report_job *job, struct table *t, const json_t *test)
{
	struct fields *f = &job->f;
	const json_t *run = fields_object_opt(f, test, "null_run");
	char text[TEXT_NUMBER_BYTES], wall[WALL_TEXT_BYTES];

	if (run == NULL) {
		for (int i = 0; i < 4; i++)
			table_add(t, TABLE_PLAIN, "-");
		return;
	}
	table_add(t, TABLE_PLAIN, "%s",
	    text_share(fields_real(f, run, "distance"), text));
	table_add(t, TABLE_PLAIN, "%s",
	    text_share(fields_real(f, run, "noise"), text));
	table_add(t, TABLE_PLAIN, "%s",
	    text_share(fields_real(f, run, "beyond"), text));
	table_add(t, TABLE_PLAIN, "%s",
	    wall_format(fields_wall_ms(f, run, "at_ms"), wall));
}

static void
add_test(struct report_job *job, struct table *t, const json_t *test)
{
	struct fields *f = &job->f;
	const char *state = fields_text(f, test, "state");
	bool is_used = json_is_true(json_object_get(test, "used"));
	int64_t experiment = fields_count(f, test, "experiment");
	int64_t rest_ms = fields_count(f, test, "rest_ms");
	char text[TEXT_NUMBER_BYTES];

	table_add(t, TABLE_PLAIN, "%s", fields_text(f, test, "test"));
	table_add(t, is_used ? TABLE_PLAIN : TABLE_BOLD, "%s", state);
	if (experiment != 0) {
		table_add(t, TABLE_PLAIN, "%lld", (long long)experiment);
	} else {
		table_add(t, TABLE_PLAIN, "-");
	}
	table_add(t, TABLE_PLAIN, "%s",
	    rest_ms > 0 ? text_age(rest_ms, text) : "-");
	add_check(job, t, test);
}

static void
tests_body(struct report_job *job, const json_t *doc)
{
	static const struct table_column columns[] = {
		{ "TEST PREFIX", false },
		{ "STATE", false },
		{ "EXPERIMENT", true },
		{ "RESTS", true },
		{ "DISTANCE", true },
		{ "NOISE", true },
		{ "BEYOND", true },
		{ "NULL RUN", false },
	};
	const json_t *tests = fields_array(&job->f, doc, "tests"), *test;
	struct table *t;
	size_t i;

	if (json_array_size(tests) == 0) {
		fputs("no test prefix\n", job->out);
		return;
	}
	t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach (tests, i, test)
		add_test(job, t, test);
	table_print(t, "", job->style->color, job->out);
	table_free(t);
	put_reasons(job, tests);
}

int
report_tests(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(tests_body, doc, style, out, err);
}
