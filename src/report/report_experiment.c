/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments: how far, and what came of them. */
#include "report/report.h"

#include <string.h>

#include "base/mono.h"
#include "report/csv.h"
#include "report/job.h"
#include "report/table.h"
#include "report/text.h"

#define BAR_COLUMNS 20
#define PERMILLE 1000

static int64_t
read_permille(struct report_job *job, const json_t *experiment)
{
	int64_t permille =
	    fields_count_or(&job->f, experiment, "progress_permille", 0);

	return permille > PERMILLE ? PERMILLE : permille;
}

/* "experiment 7 of site chc: " */
static void
put_name(struct report_job *job, const json_t *experiment)
{
	const char *site = fields_text(&job->f, experiment, "site");

	fprintf(job->out, "experiment %lld",
	    (long long)fields_count(&job->f, experiment, "id"));
	if (site[0] == '\0') {
		fputs(" without a withdrawal", job->out);
	} else {
		fputs(" of site ", job->out);
		text_put(job->out, site);
	}
	fputs(": ", job->out);
}

/* "2m10s left" or "2m10s to 6m left"; nothing when it is over. */
static void
put_left(struct report_job *job, const json_t *experiment, const char *before)
{
	int64_t ms = fields_count_or(&job->f, experiment, "left_ms", 0);
	int64_t max_ms = fields_count_or(&job->f, experiment, "left_max_ms", 0);
	char age[TEXT_NUMBER_BYTES];

	if (ms <= 0 && max_ms <= 0)
		return;
	fprintf(job->out, "%s%s", before, text_age(ms, age));
	if (max_ms > ms)
		fprintf(job->out, " to %s", text_age(max_ms, age));
	fputs(" left", job->out);
}

void
report_put_experiment(struct report_job *job, const json_t *experiment)
{
	const char *state = fields_text(&job->f, experiment, "state");
	const char *step = fields_text_or(&job->f, experiment, "step", "");
	const char *reason = fields_text_or(&job->f, experiment, "reason", "");

	put_name(job, experiment);
	table_put_ink(job->out, report_state_ink(state), job->style->color,
	    state);
	fprintf(job->out, ", %.1f %%",
	    (double)read_permille(job, experiment) / 10);
	if (step[0] != '\0') {
		fputs(", ", job->out);
		text_put(job->out, step);
	}
	put_left(job, experiment, ", ");
	if (reason[0] != '\0') {
		fputs(": ", job->out);
		text_put(job->out, reason);
	}
	fputc('\n', job->out);
}

const struct report_counter report_counters[REPORT_COUNTERS] = {
	{ "accepted", "accepted" },
	{ "duplicate", "duplicate" },
	{ "second_site", "at a second site" },
	{ "late", "late" },
	{ "forged", "forged" },
	{ "other_source", "of another source" },
	{ "short", "too short" },
	{ "kernel_drops", "dropped by the kernel" },
};

static void
put_counters(struct report_job *job, const json_t *counters)
{
	fputs("  replies\n", job->out);
	for (size_t i = 0; i < REPORT_COUNTERS; i++) {
		int64_t n = fields_count_or(&job->f, counters,
		    report_counters[i].key, -1);

		/* Not known is not none. */
		if (n != -1) {
			fprintf(job->out, "    %-22s %lld\n",
			    report_counters[i].label, (long long)n);
		}
	}
}

/* Which site had what, if the daemon tells. */
static void
put_sites(struct report_job *job, const json_t *experiment)
{
	static const char *const keys[] = { "accepted", "duplicate",
		"second_site", "other_source", "late", "forged" };
	static const struct table_column columns[] = { { "SITE", false },
		{ "ACCEPTED", true }, { "DUPLICATE", true },
		{ "SECOND SITE", true }, { "OTHER SOURCE", true },
		{ "LATE", true }, { "FORGED", true } };
	const json_t *sites = fields_array_opt(&job->f, experiment, "replies");
	const json_t *site;
	struct table *t;
	size_t i;

	if (json_array_size(sites) == 0)
		return;
	t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	json_array_foreach (sites, i, site) {
		table_add(t, TABLE_PLAIN, "%s",
		    fields_text(&job->f, site, "site"));
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
			table_add(t, TABLE_PLAIN, "%lld",
			    (long long)fields_count_or(&job->f, site, keys[k],
				0));
		}
	}
	table_print(t, "    ", job->style->color, job->out);
	table_free(t);
}

/* On which test prefix; and what that is worth, if it is not the first. */
static void
put_test(struct report_job *job, const json_t *experiment)
{
	const char *test = fields_text_or(&job->f, experiment, "test", "");
	const json_t *distance = json_object_get(experiment, "test_distance");
	char apart[TEXT_NUMBER_BYTES], noise[TEXT_NUMBER_BYTES];

	if (test[0] == '\0')
		return;
	fputs("  over    test prefix ", job->out);
	text_put(job->out, test);
	if (json_is_number(distance)) {
		fprintf(job->out, ", %s from the first, noise %s",
		    text_share(fields_real(&job->f, experiment,
				   "test_distance"),
			apart),
		    text_share(fields_real(&job->f, experiment, "test_noise"),
			noise));
	}
	fputc('\n', job->out);
}

/* While routing settles, and of what the experiment began to sweep by. */
static void
put_settle(struct report_job *job, const json_t *experiment)
{
	const json_t *settle = fields_object_opt(&job->f, experiment, "settle");
	const char *silence;

	if (settle == NULL)
		return;
	silence = fields_text(&job->f, settle, "silence");
	fprintf(job->out, "  heard   %lld of %lld displaced sentinels",
	    (long long)fields_count(&job->f, settle, "answered"),
	    (long long)fields_count(&job->f, settle, "displaced"));
	/* None of so many is all that "nobody" says. */
	if (strcmp(silence, "unknown") != 0 && strcmp(silence, "nobody") != 0) {
		fputs(", ", job->out);
		text_put(job->out, silence);
	}
	fputc('\n', job->out);
}

/* One line for each of those that run beside the newest. */
static void
put_others(struct report_job *job, const json_t *doc, const json_t *newest)
{
	const json_t *list = fields_array_opt(&job->f, doc, "experiments");
	const json_t *experiment;
	size_t i;

	json_array_foreach (list, i, experiment) {
		if (json_equal(json_object_get(experiment, "id"),
			json_object_get(newest, "id")))
			continue;
		report_put_experiment(job, experiment);
		put_test(job, experiment);
		put_settle(job, experiment);
	}
}

static void
experiment_body(struct report_job *job, const json_t *doc)
{
	const json_t *experiment =
	    fields_object_opt(&job->f, doc, "experiment");
	const json_t *counters;
	int64_t created_ms, ended_ms;
	char wall[WALL_TEXT_BYTES];

	if (experiment == NULL) {
		fputs("no experiment\n", job->out);
		return;
	}
	counters = fields_object_opt(&job->f, experiment, "counters");
	created_ms = fields_wall_ms(&job->f, experiment, "created_ms");
	ended_ms = fields_wall_ms_or(&job->f, experiment, "ended_ms", 0);
	put_others(job, doc, experiment);
	report_put_experiment(job, experiment);
	put_test(job, experiment);
	put_settle(job, experiment);
	fprintf(job->out, "  started %s\n", wall_format(created_ms, wall));
	if (ended_ms != 0) {
		fprintf(job->out, "  ended   %s\n",
		    wall_format(ended_ms, wall));
	}
	if (counters != NULL)
		put_counters(job, counters);
	put_sites(job, experiment);
}

int
report_experiment(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(experiment_body, doc, style, out, err);
}

static void
progress_body(struct report_job *job, const json_t *doc)
{
	const json_t *experiment = fields_object(&job->f, doc, "experiment");
	int64_t permille = read_permille(job, experiment);
	size_t full = (size_t)permille * BAR_COLUMNS / PERMILLE;
	char bar[BAR_COLUMNS + 1];

	memset(bar, '.', BAR_COLUMNS);
	memset(bar, '#', full);
	bar[BAR_COLUMNS] = '\0';
	fputs("site ", job->out);
	text_put(job->out, fields_text(&job->f, experiment, "site"));
	fputs(": ", job->out);
	text_put(job->out, fields_text(&job->f, experiment, "state"));
	fprintf(job->out, " [%s] %.1f %% ", bar, (double)permille / 10);
	text_put(job->out, fields_text_or(&job->f, experiment, "step", ""));
	put_left(job, experiment, ", ");
}

int
report_progress(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(progress_body, doc, style, out, err);
}

static void
experiment_table_body(struct report_job *job, const json_t *doc)
{
	struct model model;

	experiment_body(job, doc);
	model_read(&job->f, doc, &model);
	for (size_t i = 0; i < model.n_maps; i++) {
		fputc('\n', job->out);
		model_sort_heirs(&model.maps[i].heirs);
		report_put_map_head(job, &model.maps[i]);
		report_put_model_heirs(job, &model.maps[i].heirs, "  ");
	}
	model_clear(&model);
}

int
report_experiment_table(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(experiment_table_body, doc, style, out, err);
}

static void
csv_head(FILE *out)
{
	const char *names[] = { "id", "site", "state", "reason", "created_at",
		"ended_at", "clients", NULL };

	for (size_t i = 0; names[i] != NULL; i++)
		fprintf(out, "%s,", names[i]);
	for (size_t i = 0; i < REPORT_COUNTERS; i++)
		fprintf(out, "%s,", report_counters[i].key);
	fputs("test\n", out);
}

/* Times that are not known, and counters that were not sent, are empty. */
static void
experiment_csv_body(struct report_job *job, const json_t *doc)
{
	enum { ID, SITE, STATE, REASON, CREATED, ENDED, CLIENTS, FIXED };
	const json_t *e = fields_object(&job->f, doc, "experiment");
	const json_t *counters = fields_object_opt(&job->f, e, "counters");
	int64_t ended_ms = fields_wall_ms_or(&job->f, e, "ended_ms", 0);
	char created[WALL_TEXT_BYTES], ended[WALL_TEXT_BYTES] = "";
	char numbers[FIXED + REPORT_COUNTERS][TEXT_NUMBER_BYTES];
	const char *fields[FIXED + REPORT_COUNTERS + 2] = { 0 };

	if (ended_ms != 0)
		wall_format(ended_ms, ended);
	(void)snprintf(numbers[ID], TEXT_NUMBER_BYTES, "%lld",
	    (long long)fields_count(&job->f, e, "id"));
	(void)snprintf(numbers[CLIENTS], TEXT_NUMBER_BYTES, "%lld",
	    (long long)fields_count_or(&job->f, e, "clients", 0));
	fields[ID] = numbers[ID];
	fields[SITE] = fields_text(&job->f, e, "site");
	fields[STATE] = fields_text(&job->f, e, "state");
	fields[REASON] = fields_text_or(&job->f, e, "reason", "");
	fields[CREATED] =
	    wall_format(fields_wall_ms(&job->f, e, "created_ms"), created);
	fields[ENDED] = ended;
	fields[CLIENTS] = numbers[CLIENTS];
	for (size_t i = 0; i < REPORT_COUNTERS; i++) {
		int64_t n = fields_count_or(&job->f, counters,
		    report_counters[i].key, -1);

		numbers[FIXED + i][0] = '\0';
		if (n != -1) {
			(void)snprintf(numbers[FIXED + i], TEXT_NUMBER_BYTES,
			    "%lld", (long long)n);
		}
		fields[FIXED + i] = numbers[FIXED + i];
	}
	fields[FIXED + REPORT_COUNTERS] =
	    fields_text_or(&job->f, e, "test", "");
	csv_head(job->out);
	csv_put_line(job->out, fields);
}

int
report_experiment_csv(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(experiment_csv_body, doc, style, out, err);
}
