/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who does not want to be pinged. */
#include "report/report.h"

#include "base/mono.h"
#include "report/job.h"
#include "report/table.h"
#include "report/text.h"

static void
added_body(struct report_job *job, const json_t *doc)
{
	const json_t *row = fields_object(&job->f, doc, "optout");
	int64_t dropped = fields_count(&job->f, doc, "clients_dropped");

	text_put(job->out, fields_text(&job->f, row, "prefix"));
	fputs(": is not pinged any more", job->out);
	if (dropped > 0) {
		fprintf(job->out, ", %lld %s left the list", (long long)dropped,
		    dropped == 1 ? "client" : "clients");
	}
	fputc('\n', job->out);
}

int
report_optout_added(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(added_body, doc, style, out, err);
}

static void
removed_body(struct report_job *job, const json_t *doc)
{
	text_put(job->out, fields_text(&job->f, doc, "prefix"));
	fputs(": may be pinged again, from the next client list on\n",
	    job->out);
}

int
report_optout_removed(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(removed_body, doc, style, out, err);
}

static void
list_body(struct report_job *job, const json_t *doc)
{
	static const struct table_column columns[] = { { "PREFIX", false },
		{ "SINCE", false }, { "BY", false }, { "REASON", false } };
	const json_t *rows = fields_array(&job->f, doc, "optouts"), *row;
	struct table *t;
	char wall[WALL_TEXT_BYTES];
	size_t i;

	if (json_array_size(rows) == 0) {
		fputs("nobody has opted out\n", job->out);
		return;
	}
	t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach (rows, i, row) {
		table_add(t, TABLE_PLAIN, "%s",
		    fields_text(&job->f, row, "prefix"));
		table_add(t, TABLE_PLAIN, "%s",
		    wall_format(fields_wall_ms(&job->f, row, "created_ms"),
			wall));
		table_add(t, TABLE_PLAIN, "%s",
		    fields_text(&job->f, row, "actor"));
		table_add(t, TABLE_PLAIN, "%s",
		    fields_text(&job->f, row, "reason"));
	}
	table_print(t, "", job->style->color, job->out);
	table_free(t);
}

int
report_optouts(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(list_body, doc, style, out, err);
}
