/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real withdrawals beside their predictions. */
#include "report/report.h"

#include <string.h>

#include "base/mono.h"
#include "report/job.h"
#include "report/text.h"

static void
put_heirs(struct report_job *job, const json_t *heirs)
{
	static const struct table_column columns[] = {
		{ "HEIR", false },
		{ "PREDICTED", true },
		{ "SEEN", true },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *obj;
	size_t i;

	json_array_foreach (heirs, i, obj) {
		char told[TEXT_NUMBER_BYTES], seen[TEXT_NUMBER_BYTES];

		table_add(t, TABLE_PLAIN, "%s",
		    fields_text(&job->f, obj, "heir"));
		table_add(t, TABLE_PLAIN, "%s",
		    text_share(fields_real(&job->f, obj, "predicted"), told));
		table_add(t, TABLE_PLAIN, "%s",
		    text_share(fields_real(&job->f, obj, "seen"), seen));
	}
	table_print(t, "  ", job->style->color, job->out);
	table_free(t);
}

/* Old rows know since when, and are never short. */
static void
put_times(struct report_job *job, const json_t *landing)
{
	struct fields *f = &job->f;
	int64_t since_ms = fields_wall_ms(f, landing, "since_ms");
	char wall[WALL_TEXT_BYTES], age[TEXT_NUMBER_BYTES];

	text_put(job->out, fields_text(f, landing, "down"));
	if (since_ms == 0) {
		fputs(": withdrawn, not known since when", job->out);
	} else {
		fprintf(job->out, ": withdrawn %s",
		    wall_format(since_ms, wall));
	}
	if (!json_is_true(json_object_get(landing, "short")))
		return;
	fputs(", over or changed", job->out);
	if (since_ms != 0) {
		int64_t ms = fields_wall_ms(f, landing, "at_ms") - since_ms;

		fprintf(job->out, " after %s", text_age(ms > 0 ? ms : 0, age));
	}
	fputs(" (short)", job->out);
}

static void
put_landing(struct report_job *job, const json_t *landing)
{
	struct fields *f = &job->f;
	double seen = fields_real(f, landing, "weight_seen");
	double agreed = fields_real(f, landing, "weight_agreed");
	char share[TEXT_NUMBER_BYTES], distance[TEXT_NUMBER_BYTES];

	put_times(job, landing);
	fputs(", predicted: ", job->out);
	text_put(job->out, fields_text(f, landing, "label"));
	fprintf(job->out, "\n  %lld of %lld displaced clients seen since",
	    (long long)fields_count(f, landing, "seen"),
	    (long long)fields_count(f, landing, "displaced"));
	if (!(seen > 0)) {
		fputs(": not compared\n", job->out);
		return;
	}
	fprintf(job->out,
	    ", %s of their weight as predicted, distance of the shares %s\n",
	    text_share(agreed / seen, share),
	    text_share(fields_real(f, landing, "distance"), distance));
	put_heirs(job, fields_array(f, landing, "heirs"));
}

static void
landings_body(struct report_job *job, const json_t *doc)
{
	const json_t *list = fields_array(&job->f, doc, "landings"), *landing;
	size_t i;

	if (json_array_size(list) == 0) {
		fputs("no site was withdrawn since there are predictions\n",
		    job->out);
		return;
	}
	json_array_foreach (list, i, landing)
		put_landing(job, landing);
}

int
report_landings(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(landings_body, doc, style, out, err);
}
