/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The three HTML reports, put together from the parts of page.h. */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/mono.h"
#include "base/xalloc.h"
#include "report/job.h"
#include "report/markup.h"
#include "report/page.h"
#include "report/text.h"

static void
put_wall(FILE *out, int64_t ms)
{
	char wall[WALL_TEXT_BYTES];

	fprintf(out, "<time>%s</time>", wall_format(ms, wall));
}

static void
put_fact(FILE *out, const char *name, const char *text)
{
	fprintf(out, "<div><dt>%s</dt><dd>", name);
	markup_put(out, text);
	fputs("</dd></div>", out);
}

static char *
about_text(const struct report_job *job, const char *what)
{
	char clock[TEXT_NUMBER_BYTES];

	return xasprintf("%s. Written by anycastd at %s.", what,
	    text_clock(job->style->now_ms, 0, clock));
}

static void
begin(struct report_job *job, const char *title, const char *what)
{
	char *about = about_text(job, what);

	page_begin(job->out, title, about);
	free(about);
}

/* What all pages end with. */
static void
end(struct report_job *job, const struct model *m)
{
	struct model_extent extent = model_extent(m);

	page_put_legend(job->out, &extent);
	page_put_data(job->out, m);
	page_end(job->out);
}

static void
put_maps(FILE *out, const struct model *m)
{
	for (size_t i = 0; i < m->n_maps; i++)
		page_put_map(out, &m->maps[i]);
}

static void
failover_body(struct report_job *job, const json_t *doc)
{
	struct model model;

	model_read(&job->f, doc, &model);
	model_sort(&model);
	begin(job, "Failover report",
	    "Where the clients of each site go if it fails");
	fputs("<main class=\"fleet\">\n<div class=\"overview\">\n", job->out);
	page_put_overview(job->out, &model);
	fputs("</div>\n<div class=\"maps\">\n", job->out);
	put_maps(job->out, &model);
	fputs("</div>\n</main>\n", job->out);
	end(job, &model);
	model_clear(&model);
}

int
report_failover_html(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(failover_body, doc, style, out, err);
}

/* ---- one site ---- */

static void
put_intents(struct report_job *job, const json_t *site)
{
	const json_t *intents = fields_array_opt(&job->f, site, "intents");
	const json_t *intent;
	size_t i;

	json_array_foreach (intents, i, intent) {
		FILE *out = job->out;
		size_t len;
		char *text = NULL;

		if (!report_intent_is_active(job, intent))
			continue;
		job->out = open_memstream(&text, &len);
		if (job->out == NULL)
			abort();
		report_put_intent(job, intent);
		(void)fclose(job->out);
		job->out = out;
		put_fact(out, "Intent", text);
		free(text);
	}
}

static void
put_health(struct report_job *job, const json_t *site)
{
	const json_t *services = fields_array_opt(&job->f, site, "services");
	const json_t *service;
	size_t i;

	json_array_foreach (services, i, service) {
		char *text =
		    xasprintf("%s %s", fields_text(&job->f, service, "service"),
			fields_text(&job->f, service, "health"));

		put_fact(job->out, "Service", text);
		free(text);
	}
}

static void
put_state(struct report_job *job, const json_t *site)
{
	const json_t *bird = fields_object_opt(&job->f, site, "bird");
	const char *state = fields_text(&job->f, site, "state");
	int64_t age_ms = fields_count_or(&job->f, site, "agent_age_ms", -1);
	char age[TEXT_NUMBER_BYTES];

	fputs("<section class=\"state\"><h2>Now ", job->out);
	fprintf(job->out, "<span class=\"state %s\">",
	    report_state_ink(state) == TABLE_RED ? "over" : "fits");
	markup_put(job->out, state);
	fputs("</span></h2>\n<dl class=\"facts\">", job->out);
	if (age_ms != -1)
		put_fact(job->out, "Agent heard", text_age(age_ms, age));
	put_fact(job->out, "BIRD",
	    fields_text_or(&job->f, bird, "state", "unknown"));
	put_health(job, site);
	put_intents(job, site);
	fputs("</dl></section>\n", job->out);
}

static void
put_event(struct report_job *job, const json_t *event)
{
	static const char *const keys[] = { "kind", "subject", "what", "reason",
		"actor" };

	fputs("<tr><td class=t>", job->out);
	put_wall(job->out, fields_wall_ms(&job->f, event, "at_ms"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		fputs("<td class=t>", job->out);
		markup_put(job->out,
		    fields_text_or(&job->f, event, keys[i], ""));
	}
	fputs("\n", job->out);
}

static void
put_events(struct report_job *job, const json_t *doc)
{
	const json_t *events = fields_array_opt(&job->f, doc, "events");
	const json_t *event;
	size_t i;

	if (json_array_size(events) == 0)
		return;
	fputs("<section class=\"events\"><h2>Events</h2>\n"
	      "<div class=\"scroll\"><table class=\"sort\"><thead><tr>"
	      "<th scope=\"col\">Time</th><th scope=\"col\">Kind</th>"
	      "<th scope=\"col\">Subject</th><th scope=\"col\">What</th>"
	      "<th scope=\"col\">Reason</th><th scope=\"col\">Who</th>"
	      "</tr></thead>\n<tbody>\n",
	    job->out);
	json_array_foreach (events, i, event)
		put_event(job, event);
	fputs("</tbody></table></div></section>\n", job->out);
}

static void
put_no_map(struct report_job *job, const struct model *m)
{
	if (m->n_maps == 0) {
		fputs("<p class=\"summary\">No failover map yet.</p>\n",
		    job->out);
	}
}

static void
site_body(struct report_job *job, const json_t *doc)
{
	const json_t *site = fields_object(&job->f, doc, "site");
	char *title = xasprintf("Site %s", fields_text(&job->f, site, "site"));
	struct model model;

	model_read(&job->f, doc, &model);
	model_sort(&model);
	begin(job, title, "Its state, and where its clients go if it fails");
	fputs("<main>\n", job->out);
	put_state(job, site);
	put_no_map(job, &model);
	put_maps(job->out, &model);
	put_events(job, doc);
	fputs("</main>\n", job->out);
	end(job, &model);
	model_clear(&model);
	free(title);
}

int
report_site_html(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(site_body, doc, style, out, err);
}

/* ---- one experiment ---- */

static void
put_counters(struct report_job *job, const json_t *experiment)
{
	const json_t *counters =
	    fields_object_opt(&job->f, experiment, "counters");

	if (counters == NULL)
		return;
	fputs("<div class=\"scroll\"><table><caption>Replies</caption>"
	      "<tbody>\n",
	    job->out);
	for (size_t i = 0; i < REPORT_COUNTERS; i++) {
		int64_t n = fields_count_or(&job->f, counters,
		    report_counters[i].key, -1);

		/* Not known is not none. */
		if (n == -1)
			continue;
		fprintf(job->out, "<tr><th scope=\"row\">%s</th><td>",
		    report_counters[i].label);
		markup_put_number(job->out, (double)n);
		fputs("\n", job->out);
	}
	fputs("</tbody></table></div>\n", job->out);
}

static void
put_site_counters(struct report_job *job, const json_t *site)
{
	fputs("<tr><th scope=\"row\">", job->out);
	markup_put(job->out, fields_text(&job->f, site, "site"));
	for (size_t i = 0; i < REPORT_SITE_COUNTERS; i++) {
		fputs("<td>", job->out);
		markup_put_number(job->out,
		    (double)fields_count_or(&job->f, site,
			report_counters[i].key, 0));
	}
	fputc('\n', job->out);
}

static void
put_replies(struct report_job *job, const json_t *experiment)
{
	const json_t *sites = fields_array_opt(&job->f, experiment, "replies");
	const json_t *site;
	size_t i;

	if (json_array_size(sites) == 0)
		return;
	fputs("<div class=\"scroll\"><table class=\"sort\"><caption>Replies by "
	      "the site that they came to</caption>\n<thead><tr>"
	      "<th scope=\"col\" class=\"t\">Site",
	    job->out);
	for (i = 0; i < REPORT_SITE_COUNTERS; i++) {
		fprintf(job->out, "<th scope=\"col\" class=\"n\">%s",
		    report_counters[i].label);
	}
	fputs("\n<tbody>\n", job->out);
	json_array_foreach (sites, i, site)
		put_site_counters(job, site);
	fputs("</table></div>\n", job->out);
}

/* How far its two baselines are apart. */
static void
put_null(struct report_job *job, const json_t *null)
{
	double both, moved;
	char text[TEXT_NUMBER_BYTES];

	if (null == NULL)
		return;
	both = (double)fields_count(&job->f, null, "both");
	moved = (double)fields_count(&job->f, null, "moved");
	if (both > 0) {
		put_fact(job->out, "Noise floor",
		    text_share(moved / both, text));
	}
}

static void
put_experiment(struct report_job *job, const json_t *e)
{
	int64_t created_ms = fields_wall_ms(&job->f, e, "created_ms");
	int64_t ended_ms = fields_wall_ms_or(&job->f, e, "ended_ms", 0);
	const char *state = fields_text(&job->f, e, "state");
	const char *reason = fields_text_or(&job->f, e, "reason", "");
	const char *site;
	char wall[WALL_TEXT_BYTES], age[TEXT_NUMBER_BYTES];

	fprintf(job->out,
	    "<section class=\"state\"><h2>State <span class=\"state %s\">",
	    report_state_ink(state) == TABLE_RED ? "over" : "fits");
	markup_put(job->out, state);
	fputs("</span></h2>\n<dl class=\"facts\">", job->out);
	site = fields_text(&job->f, e, "site");
	put_fact(job->out, "Withdrawn", site[0] == '\0' ? "nothing" : site);
	put_fact(job->out, "Started", wall_format(created_ms, wall));
	if (ended_ms != 0) {
		put_fact(job->out, "Ended", wall_format(ended_ms, wall));
		put_fact(job->out, "Took",
		    text_age(ended_ms - created_ms, age));
	}
	put_fact(job->out, "Step", fields_text_or(&job->f, e, "step", ""));
	put_null(job, fields_object_opt(&job->f, e, "null"));
	if (reason[0] != '\0')
		put_fact(job->out, "Reason", reason);
	fputs("</dl>\n", job->out);
	put_counters(job, e);
	put_replies(job, e);
	fputs("</section>\n", job->out);
}

static void
experiment_html_body(struct report_job *job, const json_t *doc)
{
	const json_t *e = fields_object(&job->f, doc, "experiment");
	char *title = xasprintf("Experiment %lld",
	    (long long)fields_count(&job->f, e, "id"));
	struct model model;

	model_read(&job->f, doc, &model);
	model_sort(&model);
	begin(job, title, "What it did, and what came of it");
	fputs("<main>\n", job->out);
	put_experiment(job, e);
	put_maps(job->out, &model);
	fputs("</main>\n", job->out);
	end(job, &model);
	model_clear(&model);
	free(title);
}

int
report_experiment_html(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(experiment_html_body, doc, style, out, err);
}
