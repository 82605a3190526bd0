/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Events: one line each, no table, so that they can be followed as they come
 * and cut by other programs. */
#include "report/report.h"

#include "base/mono.h"
#include "report/job.h"
#include "report/text.h"

static void
put_event(struct report_job *job, const json_t *event)
{
	const char *reason = fields_text_or(&job->f, event, "reason", "");
	const char *actor = fields_text_or(&job->f, event, "actor", "");
	char wall[WALL_TEXT_BYTES];

	fprintf(job->out, "%s ",
	    wall_format(fields_wall_ms(&job->f, event, "at_ms"), wall));
	text_put(job->out, fields_text(&job->f, event, "kind"));
	fputc(' ', job->out);
	table_put_ink(job->out, TABLE_BOLD, job->style->color,
	    fields_text(&job->f, event, "subject"));
	fputs(": ", job->out);
	text_put(job->out, fields_text(&job->f, event, "what"));
	if (reason[0] != '\0') {
		fputs(": ", job->out);
		text_put(job->out, reason);
	}
	if (actor[0] != '\0') {
		fputs(" (", job->out);
		text_put(job->out, actor);
		fputc(')', job->out);
	}
	fputc('\n', job->out);
}

void
report_put_events(struct report_job *job, const json_t *events,
    const char *indent)
{
	const json_t *event;
	size_t i;

	json_array_foreach (events, i, event) {
		fputs(indent, job->out);
		put_event(job, event);
	}
}

static void
events_body(struct report_job *job, const json_t *doc)
{
	report_put_events(job, fields_array(&job->f, doc, "events"), "");
}

int
report_events(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(events_body, doc, style, out, err);
}
