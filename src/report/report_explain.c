/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why a prefix or a site is as it is: every input with its value, every rule
 * in its order with the one that decided, then the last events.
 */
#include "report/report.h"

#include <string.h>

#include "report/job.h"
#include "report/text.h"

static void
put_inputs(struct report_job *job, const json_t *inputs)
{
	static const struct table_column columns[] = {
		{ "INPUT", false },
		{ "VALUE", false },
		{ "SINCE", false },
		{ "DETAIL", false },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *in;
	size_t i;

	json_array_foreach (inputs, i, in) {
		const char *value = fields_text(&job->f, in, "value");
		int64_t since_ms =
		    fields_wall_ms_or(&job->f, in, "since_ms", 0);
		char buf[TEXT_NUMBER_BYTES];

		table_add(t, TABLE_PLAIN, "%s",
		    fields_text(&job->f, in, "input"));
		table_add(t, report_state_ink(value), "%s", value);
		table_add(t, TABLE_PLAIN, "%s",
		    since_ms > 0 ? report_clock(job, since_ms, buf) : "");
		table_add(t, TABLE_PLAIN, "%s",
		    fields_text_or(&job->f, in, "detail", ""));
	}
	table_print(t, "      ", job->style->color, job->out);
	table_free(t);
}

static void
put_rules(struct report_job *job, const json_t *rules, const char *decider)
{
	static const struct table_column columns[] = {
		{ "RULE", false },
		{ "APPLIES", false },
		{ "", false },
		{ "BECAUSE", false },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *r;
	size_t i;

	json_array_foreach (rules, i, r) {
		const char *name = fields_text(&job->f, r, "rule");
		bool applies = fields_bool(&job->f, r, "applies");
		bool decides = applies && strcmp(name, decider) == 0;

		table_add(t, decides ? TABLE_BOLD : TABLE_PLAIN, "%s", name);
		table_add(t, TABLE_PLAIN, "%s", applies ? "yes" : "no");
		table_add(t, TABLE_BOLD, "%s", decides ? "decides" : "");
		table_add(t, TABLE_PLAIN, "%s",
		    fields_text_or(&job->f, r, "text", ""));
	}
	table_print(t, "      ", job->style->color, job->out);
	table_free(t);
}

static void
put_prefix(struct report_job *job, const json_t *p)
{
	const char *desired = fields_text(&job->f, p, "desired");
	const char *real = fields_text(&job->f, p, "real");
	const char *service = fields_text_or(&job->f, p, "service", NULL);
	int64_t ms = fields_count_or(&job->f, p, "diverged_for_ms", 0);
	char buf[TEXT_NUMBER_BYTES];

	fputs("    prefix ", job->out);
	text_put(job->out, fields_text(&job->f, p, "prefix"));
	fputs(service == NULL ? " (test prefix)" : " of service ", job->out);
	text_put(job->out, service == NULL ? "" : service);
	fputs(": wanted ", job->out);
	text_put(job->out, desired);
	fputs(", really ", job->out);
	table_put_ink(job->out,
	    strcmp(desired, real) == 0 ? TABLE_PLAIN : TABLE_RED,
	    job->style->color, real);
	fprintf(job->out, ", exported to %lld peers",
	    (long long)fields_count_or(&job->f, p, "exported_to", 0));
	if (ms > 0)
		fprintf(job->out, ", diverged for %s", text_age(ms, buf));
	fputs("\n    why: ", job->out);
	text_put(job->out, fields_text_or(&job->f, p, "why", ""));
	fputc('\n', job->out);
	put_inputs(job, fields_array_opt(&job->f, p, "inputs"));
	put_rules(job, fields_array_opt(&job->f, p, "rules"),
	    fields_text_or(&job->f, p, "rule", ""));
}

static void
put_intents(struct report_job *job, const json_t *intents)
{
	const json_t *intent;
	size_t i;

	json_array_foreach (intents, i, intent) {
		if (!report_intent_is_active(job, intent))
			continue;
		fputs("    ", job->out);
		report_put_intent(job, intent);
		fputc('\n', job->out);
	}
}

static void
put_site(struct report_job *job, const json_t *site)
{
	const json_t *prefixes = fields_array_opt(&job->f, site, "prefixes");
	const json_t *services = fields_array_opt(&job->f, site, "services");
	const json_t *p;
	size_t i;

	fputs("  site ", job->out);
	table_put_ink(job->out, TABLE_BOLD, job->style->color,
	    fields_text(&job->f, site, "site"));
	fputc('\n', job->out);
	put_intents(job, fields_array_opt(&job->f, site, "intents"));
	json_array_foreach (prefixes, i, p)
		put_prefix(job, p);
	if (json_array_size(services) > 0)
		report_put_services(job, services, "    ");
}

static void
explain_body(struct report_job *job, const json_t *doc)
{
	const json_t *sites = fields_array(&job->f, doc, "sites");
	const json_t *events = fields_array_opt(&job->f, doc, "events");
	const json_t *site;
	size_t i;

	text_put(job->out, fields_text(&job->f, doc, "kind"));
	fputc(' ', job->out);
	table_put_ink(job->out, TABLE_BOLD, job->style->color,
	    fields_text(&job->f, doc, "what"));
	fputc('\n', job->out);
	json_array_foreach (sites, i, site)
		put_site(job, site);
	if (json_array_size(events) == 0)
		return;
	fputs("  recent events\n", job->out);
	report_put_events(job, events, "    ");
}

int
report_explain(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(explain_body, doc, style, out, err);
}
