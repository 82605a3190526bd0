/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "report/report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/intent.h"
#include "report/job.h"
#include "report/text.h"

/* Enough to give back what the daemon wrote, without 0.1 turning into
 * 0.10000000000000001. */
#define JSON_DIGITS 15

static const char *const format_names[] = {
	[REPORT_TABLE] = "table",
	[REPORT_JSON] = "json",
	[REPORT_CSV] = "csv",
	[REPORT_DOT] = "dot",
	[REPORT_SVG] = "svg",
	[REPORT_HTML] = "html",
};
static_assert(sizeof(format_names) / sizeof(format_names[0]) ==
	REPORT_FORMAT_COUNT,
    "formats");

int
report_parse_format(const char *name, enum report_format *out, struct err *err)
{
	for (int i = 0; i < REPORT_FORMAT_COUNT; i++) {
		if (strcmp(name, format_names[i]) == 0) {
			*out = (enum report_format)i;
			return 0;
		}
	}
	return err_set(err, ERR_CONF,
	    "format %s: not known, expected table, json, csv, dot, svg or html",
	    name);
}

report_fn *
report_renderer(enum report_kind kind, enum report_format format)
{
	static report_fn *const renderers[][REPORT_FORMAT_COUNT] = {
		[REPORT_FAILOVER] = { report_failover_table, report_json,
		    report_failover_csv, report_dot, report_svg,
		    report_failover_html },
		[REPORT_SITE] = { report_site_table, report_json,
		    report_failover_csv, report_dot, report_svg,
		    report_site_html },
		[REPORT_EXPERIMENT] = { report_experiment_table, report_json,
		    report_experiment_csv, report_dot, report_svg,
		    report_experiment_html },
	};
	static_assert(sizeof(renderers) / sizeof(renderers[0]) ==
		REPORT_KIND_COUNT,
	    "kinds");

	return renderers[kind][format];
}

int
report_run(report_body_fn *body, const json_t *doc,
    const struct report_style *style, FILE *out, struct err *err)
{
	struct err local = { 0 };
	struct report_job job = { .style = style };
	char *text = NULL;
	size_t len = 0;
	int rc = 0;

	job.f.err = err != NULL ? err : &local;
	job.out = open_memstream(&text, &len);
	if (job.out == NULL)
		return err_sys(err, "report");
	body(&job, doc);
	if (fclose(job.out) != 0) {
		rc = err_sys(err, "report");
	} else if (job.f.bad) {
		rc = err_wrap(err, "the daemon's answer");
	} else {
		fwrite(text, 1, len, out);
	}
	free(text);
	return rc;
}

static int
dump(const json_t *doc, size_t layout, FILE *out, struct err *err)
{
	size_t flags = layout | JSON_ENSURE_ASCII | JSON_ENCODE_ANY |
	    JSON_REAL_PRECISION(JSON_DIGITS);
	char *text = json_dumps(doc, flags);

	if (text == NULL) {
		return err_set(err, ERR_PROTO,
		    "the daemon's answer: cannot be written as JSON");
	}
	fputs(text, out);
	fputc('\n', out);
	free(text);
	return 0;
}

int
report_json(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	(void)style;
	return dump(doc, JSON_INDENT(2), out, err);
}

int
report_json_line(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	(void)style;
	return dump(doc, JSON_COMPACT, out, err);
}

enum table_ink
report_state_ink(const char *state)
{
	static const struct {
		const char *state;
		enum table_ink ink;
	} inks[] = {
		{ "announcing", TABLE_GREEN },
		{ "healthy", TABLE_GREEN },
		{ "drained", TABLE_BOLD },
		{ "draining", TABLE_BOLD },
		{ "unknown", TABLE_BOLD },
		{ "degraded", TABLE_RED },
		{ "withdrawn", TABLE_BOLD },
		{ "isolated", TABLE_RED },
		{ "diverged", TABLE_RED },
		{ "lost", TABLE_RED },
		{ "sick", TABLE_RED },
		{ "down", TABLE_RED },
		{ "silent", TABLE_RED },
		{ "failed", TABLE_RED },
	};

	for (size_t i = 0; i < sizeof(inks) / sizeof(inks[0]); i++) {
		if (strcmp(state, inks[i].state) == 0)
			return inks[i].ink;
	}
	return TABLE_PLAIN;
}

const char *
report_clock(const struct report_job *job, int64_t wall_ms, char *buf)
{
	return text_clock(wall_ms, job->style->now_ms, buf);
}

void
report_put_unheard(struct report_job *job, FILE *out, const json_t *unheard)
{
	static const char *const keys[] = { "prefix", "reason", "remedy" };

	fputs("hears no replies to ", out);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (i > 0)
			fputs(": ", out);
		text_put(out, fields_text(&job->f, unheard, keys[i]));
	}
}

bool
report_intent_is_active(struct report_job *job, const json_t *intent)
{
	return fields_count_or(&job->f, intent, "ended_ms", 0) == 0;
}

static const char *
kind_shown(const char *kind)
{
	if (strcmp(kind, "drain") == 0)
		return "drained";
	return strcmp(kind, "freeze") == 0 ? "frozen" : kind;
}

void
report_put_intent(struct report_job *job, const json_t *intent)
{
	const char *kind = fields_text(&job->f, intent, "kind");
	const char *actor = fields_text_or(&job->f, intent, "actor", "");
	const char *reason = fields_text_or(&job->f, intent, "reason", "");
	int64_t since_ms = fields_wall_ms(&job->f, intent, "created_ms");
	int64_t until_ms = fields_wall_ms_or(&job->f, intent, "until_ms", 0);
	char buf[TEXT_NUMBER_BYTES];

	const char *scope = fields_text_or(&job->f, intent, "scope", "");
	const char *owner = fields_text_or(&job->f, intent, "owner", "");

	text_put(job->out, kind_shown(kind));
	if (scope[0] != '\0') {
		fputs(": ", job->out);
		text_put(job->out, intent_scope_name(scope));
	}
	if (actor[0] != '\0') {
		fputs(" by ", job->out);
		text_put(job->out, actor);
	}
	fprintf(job->out, " since %s", report_clock(job, since_ms, buf));
	if (until_ms != 0) {
		fprintf(job->out, " until %s",
		    report_clock(job, until_ms, buf));
	}
	if (reason[0] != '\0') {
		fputs(": ", job->out);
		text_put(job->out, reason);
	}
	if (owner[0] != '\0') {
		fputs(" (owner ", job->out);
		text_put(job->out, owner);
		fputc(')', job->out);
	}
}
