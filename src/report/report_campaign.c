/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Campaigns: how far, how long yet; and how maps changed over time. */
#include "report/report.h"

#include <stdlib.h>
#include <math.h>
#include <string.h>

#include "base/mono.h"
#include "report/job.h"
#include "report/text.h"

static void
put_share(FILE *out, const char *label, double share)
{
	char text[TEXT_NUMBER_BYTES];

	fprintf(out, "  %-22s %s\n", label, text_share(share, text));
}

static void
put_state(struct report_job *job, const json_t *campaign)
{
	struct fields *f = &job->f;
	const char *state = fields_text(f, campaign, "state");
	const char *reason = fields_text_or(f, campaign, "reason", "");
	const char *waiting = fields_text_or(f, campaign, "waiting", "");

	fprintf(job->out, "campaign %lld, depth %lld: ",
	    (long long)fields_count(f, campaign, "id"),
	    (long long)fields_count(f, campaign, "depth"));
	table_put_ink(job->out, report_state_ink(state), job->style->color,
	    state);
	if (reason[0] != '\0') {
		fputs(": ", job->out);
		text_put(job->out, reason);
	}
	fputc('\n', job->out);
	if (waiting[0] != '\0') {
		fputs("  waits: ", job->out);
		text_put(job->out, waiting);
		fputc('\n', job->out);
	}
}

/* Experiments during which something else happened. */
static void
put_suspects(struct report_job *job, const json_t *campaign)
{
	struct fields *f = &job->f;
	long long suspect =
	    (long long)fields_count_or(f, campaign, "suspect", 0);
	long long repeats =
	    (long long)fields_count_or(f, campaign, "repeats", 0);
	long long cleared =
	    (long long)fields_count_or(f, campaign, "cleared", 0);
	const json_t *aside = fields_array_opt(f, campaign, "set_aside"), *id;
	size_t i;

	if (json_array_size(aside) > 0) {
		fputs("  set aside              experiment", job->out);
		json_array_foreach (aside, i, id) {
			fprintf(job->out, "%s%lld", i > 0 ? ", " : " ",
			    (long long)json_integer_value(id));
		}
		fputs(": clients of other sites went astray\n", job->out);
	}
	if (repeats > 0)
		fprintf(job->out, "  measured again         %lld", repeats);
	if (repeats > 0 && cleared > 0)
		fprintf(job->out, ", of which %lld went as before", cleared);
	if (repeats > 0)
		fputc('\n', job->out);
	if (suspect > 0) {
		fprintf(job->out,
		    "  suspect                %lld more of such, believed: no repeats are left\n",
		    suspect);
	}
}

static void
put_progress(struct report_job *job, const json_t *campaign)
{
	struct fields *f = &job->f;
	long long made = (long long)fields_count(f, campaign, "made");
	long long left = (long long)fields_count(f, campaign, "estimate");
	int64_t left_ms = fields_count(f, campaign, "left_ms");
	double holdout = fields_real_or(f, campaign, "holdout", -1);
	double right = fields_real_or(f, campaign, "right_estimate", -1);
	char age[TEXT_NUMBER_BYTES], wall[WALL_TEXT_BYTES];

	fprintf(job->out, "  started %s, over %lld clients\n",
	    wall_format(fields_wall_ms(f, campaign, "created_ms"), wall),
	    (long long)fields_count(f, campaign, "clients"));
	fprintf(job->out,
	    "  experiments            %lld made, %lld failed, about %lld to come",
	    made, (long long)fields_count(f, campaign, "failed"), left);
	if (left > 0)
		fprintf(job->out, " (%s)", text_age(left_ms, age));
	if (fields_count_or(f, campaign, "tests", 1) > 1) {
		fprintf(job->out,
		    "\n  side by side           %lld test prefixes",
		    (long long)fields_count(f, campaign, "tests"));
	}
	fprintf(job->out, "\n  phase                  ");
	text_put(job->out, fields_text(f, campaign, "phase"));
	fputc('\n', job->out);
	put_share(job->out, "certified so far",
	    fields_real(f, campaign, "certified"));
	if (holdout >= 0)
		put_share(job->out, "hold-outs as predicted", holdout);
	if (right >= 0)
		put_share(job->out, "so the map is right for", right);
	put_suspects(job, campaign);
}

static void
campaign_body(struct report_job *job, const json_t *doc)
{
	const json_t *campaign = fields_object_opt(&job->f, doc, "campaign");

	if (campaign == NULL) {
		fputs("no campaign\n", job->out);
		return;
	}
	put_state(job, campaign);
	put_progress(job, campaign);
}

int
report_campaign(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(campaign_body, doc, style, out, err);
}

static void
put_plan_tests(struct report_job *job, const json_t *plan)
{
	long long n = (long long)fields_count_or(&job->f, plan, "tests", 1);
	long long unchecked =
	    (long long)fields_count_or(&job->f, plan, "unchecked", 0);

	if (n <= 1)
		return;
	fprintf(job->out, "  on %lld test prefixes side by side", n);
	if (unchecked > 0) {
		fprintf(job->out,
		    ", if a null run finds %lld of them as the first",
		    unchecked);
	}
	fputc('\n', job->out);
}

/* So many fewer experiments run side by side. */
static void
put_plan_unusable(struct report_job *job, const json_t *plan)
{
	struct fields *f = &job->f;
	const json_t *unusable = fields_array_opt(f, plan, "unusable"), *test;
	size_t i, n = json_array_size(unusable);

	if (n == 0)
		return;
	fprintf(job->out, "  of %llu test prefixes %zu cannot be used:\n",
	    (unsigned long long)fields_count_or(f, plan, "tests", 1) + n, n);
	json_array_foreach (unusable, i, test) {
		const char *state = fields_text(f, test, "state");

		fputs("    ", job->out);
		text_put(job->out, fields_text(f, test, "test"));
		fputs(": ", job->out);
		text_put(job->out, state);
		fputs(": ", job->out);
		text_put(job->out, fields_text(f, test, "reason"));
		if (strcmp(state, "unknown") == 0)
			fputs("; a campaign tries it again", job->out);
		fputc('\n', job->out);
	}
}

/* What must be mended before anything is begun. */
static void
put_plan_unheard(struct report_job *job, const json_t *plan)
{
	const json_t *list = fields_array_opt(&job->f, plan, "unheard"), *u;
	size_t i;

	json_array_foreach (list, i, u) {
		fputs("  not yet: site ", job->out);
		text_put(job->out, fields_text(&job->f, u, "site"));
		fputc(' ', job->out);
		report_put_unheard(job, job->out, u);
		fputc('\n', job->out);
	}
}

static void
plan_body(struct report_job *job, const json_t *doc)
{
	struct fields *f = &job->f;
	const json_t *plan = fields_object(f, doc, "plan");
	char each[TEXT_NUMBER_BYTES], pace[TEXT_NUMBER_BYTES];
	char all[TEXT_NUMBER_BYTES];

	fprintf(job->out,
	    "a campaign of depth %lld over %lld sites and %lld clients\n",
	    (long long)fields_count(f, plan, "depth"),
	    (long long)fields_count(f, plan, "sites"),
	    (long long)fields_count(f, plan, "clients"));
	fprintf(job->out,
	    "  about %lld experiments of %s each, %s between two: %s in all\n",
	    (long long)fields_count(f, plan, "experiments"),
	    text_age(fields_count(f, plan, "each_ms"), each),
	    text_age(fields_count(f, plan, "pace_ms"), pace),
	    text_age(fields_count(f, plan, "time_ms"), all));
	put_plan_tests(job, plan);
	put_plan_unusable(job, plan);
	put_plan_unheard(job, plan);
}

int
report_campaign_plan(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(plan_body, doc, style, out, err);
}

/* ---- how maps changed ---- */

static void
put_moves(struct report_job *job, const json_t *heirs)
{
	static const struct table_column columns[] = {
		{ "HEIR", false },
		{ "BEFORE", true },
		{ "NOW", true },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *obj;
	size_t i;

	json_array_foreach (heirs, i, obj) {
		char before[TEXT_NUMBER_BYTES], now[TEXT_NUMBER_BYTES];

		table_add(t, TABLE_PLAIN, "%s",
		    fields_text_or(&job->f, obj, "heir", "unknown"));
		table_add(t, TABLE_PLAIN, "%s",
		    text_share(fields_real(&job->f, obj, "before"), before));
		table_add(t, TABLE_PLAIN, "%s",
		    text_share(fields_real(&job->f, obj, "now"), now));
	}
	table_print(t, "  ", job->style->color, job->out);
	table_free(t);
}

/* Over which test prefixes a map was measured, IPv4 first. */
static void
put_tests(struct report_job *job, const json_t *diff, const char *key)
{
	const json_t *tests = fields_object_opt(&job->f, diff, key);
	const char *between = " ";

	for (int i = 0; i < 2; i++) {
		char *names = fields_texts_or_none(&job->f, tests,
		    i == 0 ? "4" : "6", ", ");

		if (names[0] != '\0') {
			fputs(between, job->out);
			text_put(job->out, names);
			between = ", ";
		}
		free(names);
	}
}

/* How far apart, and by what of it that says nothing. */
static void
put_distance(struct report_job *job, const json_t *diff, bool changed)
{
	struct fields *f = &job->f;
	double distance = fields_real_or(f, diff, "distance", NAN);
	double before = fields_real_or(f, diff, "unknown_before", NAN);
	double now = fields_real_or(f, diff, "unknown_now", NAN);
	char text[TEXT_NUMBER_BYTES];

	if (isnan(distance)) {
		fputs(": nobody answered, not compared", job->out);
	} else {
		fprintf(job->out, ": %s, distance %s",
		    changed ? "changed" : "as before",
		    text_share(distance, text));
	}
	fprintf(job->out, ", noise %s",
	    text_share(fields_real(f, diff, "noise"), text));
	if (strcmp(fields_text_or(f, diff, "noise_by", ""), "clients") == 0)
		fputs(" (of clients)", job->out);
	if (isnan(before + now))
		return;
	fprintf(job->out, "; unknown %s", text_share(before, text));
	fprintf(job->out, ", now %s", text_share(now, text));
}

static void
put_diff(struct report_job *job, const json_t *diff)
{
	struct fields *f = &job->f;
	bool changed = json_is_true(json_object_get(diff, "changed"));
	char wall[WALL_TEXT_BYTES];

	text_put(job->out, fields_text(f, diff, "site"));
	put_distance(job, diff, changed);
	fprintf(job->out, "; experiment %lld of %s",
	    (long long)fields_count(f, diff, "before"),
	    wall_format(fields_wall_ms(f, diff, "before_ms"), wall));
	fprintf(job->out, " and %lld of %s\n",
	    (long long)fields_count(f, diff, "now"),
	    wall_format(fields_wall_ms(f, diff, "now_ms"), wall));
	if (json_is_true(json_object_get(diff, "tests_differ"))) {
		fputs("  over different test prefixes: before", job->out);
		put_tests(job, diff, "before_tests");
		fputs("; now", job->out);
		put_tests(job, diff, "now_tests");
		fputc('\n', job->out);
	}
	if (changed)
		put_moves(job, fields_array(f, diff, "heirs"));
}

static void
diff_body(struct report_job *job, const json_t *doc)
{
	const json_t *diffs = fields_array(&job->f, doc, "diffs"), *diff;
	size_t i;

	if (json_array_size(diffs) == 0) {
		fputs("no set of sites was measured twice\n", job->out);
		return;
	}
	json_array_foreach (diffs, i, diff)
		put_diff(job, diff);
}

int
report_diff(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(diff_body, doc, style, out, err);
}
