/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a drain or a restore changes, or would change. */
#include "report/report.h"

#include <string.h>

#include "base/num.h"
#include "report/job.h"
#include "report/text.h"

static void
put_changes(struct report_job *job, const json_t *changes)
{
	const json_t *c;
	size_t i;

	if (json_array_size(changes) == 0)
		fputs("  no prefix changes\n", job->out);
	json_array_foreach (changes, i, c) {
		fputs("  ", job->out);
		text_put(job->out, fields_text(&job->f, c, "prefix"));
		fputs(" (", job->out);
		text_put(job->out,
		    fields_text_or(&job->f, c, "service", "test prefix"));
		fputs("): ", job->out);
		text_put(job->out, fields_text(&job->f, c, "from"));
		fputs(" -> ", job->out);
		text_put(job->out, fields_text(&job->f, c, "to"));
		fputc('\n', job->out);
	}
}

static void
put_diff(struct report_job *job, const char *diff)
{
	if (diff[0] == '\0')
		return;
	fputs("in the route file of BIRD:\n    ", job->out);
	text_put_lines(job->out, diff, "    ");
	fputc('\n', job->out);
}

/* "below 100/s" and so on: what a step waits for. */
static void
put_condition(struct report_job *job, const json_t *step)
{
	int64_t hold_ms = fields_count_or(&job->f, step, "hold_ms", 0);
	int64_t below = fields_count_or(&job->f, step, "below", 0);
	int64_t wait_ms = fields_count_or(&job->f, step, "wait_max_ms", 0);
	char buf[DURATION_TEXT_BYTES];

	if (hold_ms > 0) {
		fprintf(job->out, ", held for %s",
		    num_format_duration_ms(hold_ms, buf));
	}
	if (below > 0) {
		fprintf(job->out, ", until traffic is below %lld/s",
		    (long long)below);
	}
	if (wait_ms > 0) {
		fprintf(job->out, " or %s have passed",
		    num_format_duration_ms(wait_ms, buf));
	}
	fputc('\n', job->out);
}

/* They do not wait for each other. */
static bool
has_several_services(struct report_job *job, const json_t *steps)
{
	const char *first = NULL;
	const json_t *step;
	size_t i;

	json_array_foreach (steps, i, step) {
		const char *service = fields_text(&job->f, step, "service");

		if (first != NULL && strcmp(first, service) != 0)
			return true;
		first = service;
	}
	return false;
}

static void
put_steps(struct report_job *job, const json_t *steps)
{
	const char *before = "";
	const json_t *step;
	size_t i, number = 0;

	if (json_array_size(steps) == 0)
		return;
	fputs(has_several_services(job, steps)
		? "step by step, the services side by side:\n"
		: "step by step:\n",
	    job->out);
	json_array_foreach (steps, i, step) {
		const char *service = fields_text(&job->f, step, "service");
		const char *diff =
		    fields_text_or(&job->f, step, "include_diff", "");

		number = strcmp(service, before) == 0 ? number + 1 : 1;
		before = service;
		fprintf(job->out, "  %zu. ", number);
		text_put(job->out, service);
		fputs(": ", job->out);
		text_put(job->out, fields_text(&job->f, step, "step"));
		put_condition(job, step);
		if (diff[0] != '\0') {
			fputs("       ", job->out);
			text_put_lines(job->out, diff, "       ");
			fputc('\n', job->out);
		}
	}
}

static void
put_landing(struct report_job *job, const json_t *landing)
{
	if (landing == NULL) {
		fputs("where its clients land is not known: no map of it "
		      "here, see predict run\n",
		    job->out);
		return;
	}
	fputs("where its clients land, by the newest map:\n", job->out);
	report_put_heirs(job, landing, "  ");
}

/* Whether the heirs have room; older daemons do not tell. */
static void
put_room(struct report_job *job, const char *room)
{
	if (room[0] == '\0')
		return;
	fputs("room at its heirs: ", job->out);
	text_put(job->out, room);
	fputc('\n', job->out);
}

static void
put_site(struct report_job *job, const json_t *doc)
{
	fputs("site ", job->out);
	text_put(job->out, fields_text(&job->f, doc, "site"));
	fputs(": ", job->out);
}

/* What keeps it from happening at once. */
static void
put_warning(struct report_job *job, const json_t *doc)
{
	const char *warning = fields_text_or(&job->f, doc, "warning", "");

	if (warning[0] == '\0')
		return;
	fputs("  warning: ", job->out);
	text_put(job->out, warning);
	fputc('\n', job->out);
}

static void
drain_body(struct report_job *job, const json_t *doc)
{
	const json_t *intent = fields_object_opt(&job->f, doc, "intent");
	bool dry_run = fields_bool(&job->f, doc, "dry_run");

	put_site(job, doc);
	if (dry_run) {
		fputs("a drain would change", job->out);
	} else if (intent != NULL) {
		report_put_intent(job, intent);
	} else {
		fputs("drained", job->out);
	}
	fputc('\n', job->out);
	put_changes(job, fields_array(&job->f, doc, "changes"));
	put_warning(job, doc);
	put_diff(job, fields_text_or(&job->f, doc, "include_diff", ""));
	put_steps(job, fields_array_opt(&job->f, doc, "steps"));
	put_landing(job, fields_array_opt(&job->f, doc, "landing"));
	put_room(job, fields_text_or(&job->f, doc, "room", ""));
	if (dry_run)
		fputs("nothing was changed\n", job->out);
}

int
report_drain(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(drain_body, doc, style, out, err);
}

static void
restore_body(struct report_job *job, const json_t *doc)
{
	const json_t *ended = fields_array(&job->f, doc, "ended");
	const json_t *intent;
	size_t i;

	put_site(job, doc);
	fputs("restored\n", job->out);
	json_array_foreach (ended, i, intent) {
		fputs("  no longer ", job->out);
		report_put_intent(job, intent);
		fputc('\n', job->out);
	}
	put_changes(job, fields_array(&job->f, doc, "changes"));
	put_warning(job, doc);
	put_steps(job, fields_array_opt(&job->f, doc, "steps"));
}

int
report_restore(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(restore_body, doc, style, out, err);
}

static void
put_whose(struct report_job *job, const json_t *intent)
{
	const char *site = fields_text(&job->f, intent, "site");

	if (strcmp(site, "*") == 0) {
		fputs("the fleet: ", job->out);
		return;
	}
	put_site(job, intent);
}

static void
guard_act_body(struct report_job *job, const json_t *doc)
{
	const json_t *intent = fields_object_opt(&job->f, doc, "intent");
	const json_t *ended = fields_array_opt(&job->f, doc, "ended");
	size_t i;

	if (intent != NULL) {
		put_whose(job, intent);
		report_put_intent(job, intent);
		fputc('\n', job->out);
	}
	json_array_foreach (ended, i, intent) {
		put_whose(job, intent);
		fputs("no longer ", job->out);
		report_put_intent(job, intent);
		fputc('\n', job->out);
	}
}

int
report_guard_act(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(guard_act_body, doc, style, out, err);
}
