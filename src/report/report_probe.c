/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Results of probes that somebody asked for. */
#include "report/report.h"

#include <string.h>

#include "report/job.h"
#include "report/text.h"

static struct table *
new_table(void)
{
	static const struct table_column columns[] = {
		{ "SERVICE", false },
		{ "PROBE", false },
		{ "KIND", false },
		{ "RESULT", false },
		{ "TOOK", true },
		{ "HEALTH", false },
		{ "DETAIL", false },
	};

	return table_new(columns, sizeof(columns) / sizeof(columns[0]));
}

static enum table_ink
verdict_ink(const char *verdict)
{
	if (strcmp(verdict, "pass") == 0)
		return TABLE_GREEN;
	return strcmp(verdict, "fail") == 0 ? TABLE_RED : TABLE_BOLD;
}

void
report_add_took(struct table *t, const json_t *probe)
{
	json_int_t us = json_integer_value(json_object_get(probe, "rtt_us"));

	/* Negative: not known. */
	if (us < 0) {
		table_skip(t);
	} else {
		table_add(t, TABLE_PLAIN, "%.1f ms", (double)us / 1000.0);
	}
}

static void
add_probe(struct report_job *job, struct table *t, const char *service,
    const json_t *probe)
{
	const char *verdict = fields_text(&job->f, probe, "verdict");
	const char *health = fields_text(&job->f, probe, "health");

	table_add(t, TABLE_PLAIN, "%s", service);
	table_add(t, TABLE_PLAIN, "%s", fields_text(&job->f, probe, "probe"));
	table_add(t, TABLE_PLAIN, "%s", fields_text(&job->f, probe, "kind"));
	table_add(t, verdict_ink(verdict), "%s", verdict);
	report_add_took(t, probe);
	table_add(t, report_state_ink(health), "%s", health);
	table_add(t, TABLE_PLAIN, "%s",
	    fields_text_or(&job->f, probe, "detail", ""));
}

static void
probe_body(struct report_job *job, const json_t *doc)
{
	struct table *t = new_table();

	add_probe(job, t, fields_text(&job->f, doc, "service"), doc);
	table_print(t, "", job->style->color, job->out);
	table_free(t);
}

static void
check_body(struct report_job *job, const json_t *doc)
{
	const json_t *services = fields_array(&job->f, doc, "services");
	struct table *t = new_table();
	const json_t *service, *probe;
	size_t i, k;

	json_array_foreach (services, i, service) {
		const char *name = fields_text(&job->f, service, "service");
		const json_t *probes = fields_array(&job->f, service, "probes");

		json_array_foreach (probes, k, probe)
			add_probe(job, t, k == 0 ? name : "", probe);
	}
	table_print(t, "", job->style->color, job->out);
	table_free(t);
	json_array_foreach (services, i, service) {
		const char *health = fields_text(&job->f, service, "health");

		fputs("service ", job->out);
		text_put(job->out, fields_text(&job->f, service, "service"));
		fputs(" is ", job->out);
		table_put_ink(job->out, report_state_ink(health),
		    job->style->color, health);
		fputc('\n', job->out);
	}
}

int
report_probe(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(probe_body, doc, style, out, err);
}

int
report_check(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(check_body, doc, style, out, err);
}
