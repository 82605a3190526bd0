/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every detail of one site: services with their probes, prefixes, BIRD. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "report/job.h"
#include "report/text.h"

static void
add_health(struct table *t, const char *health)
{
	table_add(t, report_state_ink(health), "%s", health);
}

/* 0: not known. */
static void
add_since(struct report_job *job, struct table *t, const json_t *obj)
{
	int64_t since_ms = fields_wall_ms(&job->f, obj, "since_ms");
	char buf[TEXT_NUMBER_BYTES];

	if (since_ms == 0) {
		table_skip(t);
	} else {
		table_add(t, TABLE_PLAIN, "%s",
		    report_clock(job, since_ms, buf));
	}
}

static void
add_probe(struct report_job *job, struct table *t, const json_t *p)
{
	table_skip(t);
	table_add(t, TABLE_PLAIN, "%s", fields_text(&job->f, p, "probe"));
	table_add(t, TABLE_PLAIN, "%s", fields_text(&job->f, p, "kind"));
	add_health(t, fields_text(&job->f, p, "health"));
	add_since(job, t, p);
	report_add_took(t, p);
	table_add(t, TABLE_PLAIN, "%s",
	    fields_text_or(&job->f, p, "detail", ""));
}

/* What is out of the ordinary; older agents do not tell. */
static void
add_service_note(struct report_job *job, struct table *t, const json_t *service)
{
	const char *lost =
	    fields_text_or(&job->f, service, "when_lost", "hold");

	if (json_is_true(json_object_get(service, "unknown_too_long"))) {
		table_add(t, TABLE_RED, "no verdict for too long");
	} else if (strcmp(lost, "hold") != 0) {
		table_add(t, TABLE_PLAIN, "if anycastd is lost: %s", lost);
	} else {
		table_skip(t);
	}
}

static void
add_service(struct report_job *job, struct table *t, const json_t *service)
{
	const json_t *probes = fields_array_opt(&job->f, service, "probes");
	const json_t *p;
	size_t i;

	table_add(t, TABLE_BOLD, "%s",
	    fields_text(&job->f, service, "service"));
	table_skip(t);
	table_skip(t);
	add_health(t, fields_text(&job->f, service, "health"));
	add_since(job, t, service);
	table_skip(t);
	add_service_note(job, t, service);
	json_array_foreach (probes, i, p)
		add_probe(job, t, p);
}

void
report_put_services(struct report_job *job, const json_t *services,
    const char *indent)
{
	static const struct table_column columns[] = {
		{ "SERVICE", false },
		{ "PROBE", false },
		{ "KIND", false },
		{ "HEALTH", false },
		{ "SINCE", false },
		{ "TOOK", true },
		{ "DETAIL", false },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *s;
	size_t i;

	json_array_foreach (services, i, s)
		add_service(job, t, s);
	table_print(t, indent, job->style->color, job->out);
	table_free(t);
}

static void
add_prefix(struct report_job *job, struct table *t, const json_t *p)
{
	const char *desired = fields_text(&job->f, p, "desired");
	const char *real = fields_text(&job->f, p, "real");
	int64_t ms = fields_count_or(&job->f, p, "diverged_for_ms", 0);
	char buf[TEXT_NUMBER_BYTES];

	table_add(t, TABLE_BOLD, "%s", fields_text(&job->f, p, "prefix"));
	table_add(t, TABLE_PLAIN, "%s",
	    fields_text_or(&job->f, p, "service", "(test)"));
	table_add(t, TABLE_PLAIN, "%s", desired);
	table_add(t, strcmp(desired, real) == 0 ? TABLE_PLAIN : TABLE_RED, "%s",
	    real);
	table_add(t, TABLE_PLAIN, "%lld",
	    (long long)fields_count_or(&job->f, p, "exported_to", 0));
	table_add(t, ms > 0 ? TABLE_RED : TABLE_PLAIN, "%s",
	    ms > 0 ? text_age(ms, buf) : "");
	table_add(t, TABLE_PLAIN, "%s", fields_text_or(&job->f, p, "why", ""));
}

/* A table of prefixes of a site as in /v1/status. */
static void
put_prefixes(struct report_job *job, const json_t *prefixes, const char *indent)
{
	static const struct table_column columns[] = {
		{ "PREFIX", false },
		{ "SERVICE", false },
		{ "DESIRED", false },
		{ "REAL", false },
		{ "PEERS", true },
		{ "DIVERGED", false },
		{ "WHY", false },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *p;
	size_t i;

	json_array_foreach (prefixes, i, p)
		add_prefix(job, t, p);
	table_print(t, indent, job->style->color, job->out);
	table_free(t);
}

static void
put_agent(struct report_job *job, const json_t *site)
{
	int64_t age_ms = fields_count_or(&job->f, site, "agent_age_ms", -1);
	long long applied =
	    (long long)fields_count_or(&job->f, site, "applied_revision", 0);
	long long wanted =
	    (long long)fields_count_or(&job->f, site, "wanted_revision", 0);
	char buf[TEXT_NUMBER_BYTES];

	if (json_object_get(site, "agent_age_ms") == NULL) {
		fputs("  agent  answers itself\n", job->out);
		return;
	}
	if (age_ms == -1) {
		fputs("  agent  never heard from", job->out);
	} else {
		fprintf(job->out, "  agent  heard from %s ago",
		    text_age(age_ms, buf));
	}
	fprintf(job->out, ", has orders %lld, newest is %lld\n", applied,
	    wanted);
}

static void
put_bird(struct report_job *job, const json_t *bird)
{
	const char *error = fields_text_or(&job->f, bird, "last_error", "");
	const char *refusal = fields_text_or(&job->f, bird, "config_error", "");
	const char *state = fields_text_or(&job->f, bird, "state", "unknown");

	fputs("  bird   ", job->out);
	table_put_ink(job->out, report_state_ink(state), job->style->color,
	    state);
	fputs(", version ", job->out);
	text_put(job->out, fields_text_or(&job->f, bird, "version", "unknown"));
	fprintf(job->out, ", %lld of %lld sessions up\n",
	    (long long)fields_count_or(&job->f, bird, "sessions_up", 0),
	    (long long)fields_count_or(&job->f, bird, "sessions_all", 0));
	if (error[0] == '\0' && refusal[0] == '\0')
		return;
	fputs(error[0] != '\0' ? "  bird   last error: "
			       : "  bird   would refuse any change: ",
	    job->out);
	text_put(job->out, error[0] != '\0' ? error : refusal);
	fputc('\n', job->out);
}

/* "412 of 1000, by nft inet filter web" */
static void
put_load(struct report_job *job, const json_t *site)
{
	const json_t *counter =
	    fields_object_opt(&job->f, site, "load_counter");
	double load = fields_real_or(&job->f, site, "load", NAN);
	double capacity = fields_real_or(&job->f, site, "capacity", NAN);
	const char *trouble = fields_text_or(&job->f, counter, "trouble", "");
	char text[TEXT_NUMBER_BYTES];

	if (isnan(load) && counter == NULL)
		return;
	fprintf(job->out, "  load   %s",
	    isnan(load) ? "not known" : text_weight(load, text));
	if (!isnan(capacity)) {
		fprintf(job->out, "%s %s", isnan(load) ? ", capacity" : " of",
		    text_weight(capacity, text));
	}
	fputs(", by ", job->out);
	text_put(job->out,
	    counter != NULL &&
		    strcmp(fields_text_or(&job->f, site, "load_by", "agent"),
			"agent") == 0
		? fields_text(&job->f, counter, "counter")
		: "the configuration");
	fputc('\n', job->out);
	if (trouble[0] == '\0')
		return;
	fputs("  load   ", job->out);
	text_put(job->out, fields_text(&job->f, counter, "counter"));
	fputs(": ", job->out);
	text_put(job->out, trouble);
	fputc('\n', job->out);
}

/* Experiments would be blind here. */
static void
put_unheard(struct report_job *job, const json_t *site)
{
	const json_t *sweep = fields_object_opt(&job->f, site, "sweep");
	const json_t *list = fields_array_opt(&job->f, sweep, "unheard"), *u;
	const char *other = fields_text_or(&job->f, site, "other_layout", "");
	size_t i;

	if (other[0] != '\0') {
		fputs("  sweep  ", job->out);
		text_put(job->out, other);
		fputc('\n', job->out);
	}
	json_array_foreach (list, i, u) {
		fputs("  sweep  ", job->out);
		report_put_unheard(job, job->out, u);
		fputc('\n', job->out);
	}
}

static void
put_site(struct report_job *job, const json_t *site)
{
	const json_t *intents = fields_array_opt(&job->f, site, "intents");
	const char *state = fields_text(&job->f, site, "state");
	const json_t *intent;
	size_t i;

	fputs("site ", job->out);
	text_put(job->out, fields_text(&job->f, site, "site"));
	fputs(": ", job->out);
	table_put_ink(job->out, report_state_ink(state), job->style->color,
	    state);
	fputc('\n', job->out);
	put_agent(job, site);
	put_bird(job, fields_object_opt(&job->f, site, "bird"));
	put_load(job, site);
	put_unheard(job, site);
	json_array_foreach (intents, i, intent) {
		if (!report_intent_is_active(job, intent))
			continue;
		fputs("  ", job->out);
		report_put_intent(job, intent);
		fputc('\n', job->out);
	}
	report_put_drains(job, site, NULL, NULL);
	fputc('\n', job->out);
	report_put_services(job, fields_array_opt(&job->f, site, "services"),
	    "  ");
	fputc('\n', job->out);
	put_prefixes(job, fields_array_opt(&job->f, site, "prefixes"), "  ");
}

static void
sites_body(struct report_job *job, const json_t *doc)
{
	const json_t *sites = fields_array(&job->f, doc, "sites");
	const json_t *site;
	size_t i;

	json_array_foreach (sites, i, site) {
		if (i > 0)
			fputc('\n', job->out);
		put_site(job, site);
	}
}

int
report_sites(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(sites_body, doc, style, out, err);
}

/* A table per heir that has heirs of its own: all of them, unlike the column of
 * the table before. */
static void
put_next(struct report_job *job, const struct model_heirs *heirs,
    const char *failed)
{
	for (size_t i = 0; i < heirs->n; i++) {
		const struct model_heir *h = &heirs->at[i];
		char *also;

		if (h->next.n == 0 || h->name == NULL)
			continue;
		also = xasprintf("%s and %s", failed, h->name);
		fputs("\nif ", job->out);
		text_put(job->out, also);
		fprintf(job->out,
		    " fail: where the %lld clients go that had gone to ",
		    (long long)h->clients[MODEL_FAMILY_ALL]);
		text_put(job->out, h->name);
		fputc('\n', job->out);
		report_put_model_heirs(job, &h->next, "  ");
		put_next(job, &h->next, also);
		free(also);
	}
}

static void
put_maps(struct report_job *job, const json_t *doc)
{
	struct model model;

	model_read(&job->f, doc, &model);
	if (model.n_maps == 0)
		fputs("\nno failover map yet\n", job->out);
	for (size_t i = 0; i < model.n_maps; i++) {
		fputs("\nif it fails\n", job->out);
		model_sort_heirs(&model.maps[i].heirs);
		report_put_map_head(job, &model.maps[i]);
		report_put_model_heirs(job, &model.maps[i].heirs, "  ");
		put_next(job, &model.maps[i].heirs, model.maps[i].site);
	}
	model_clear(&model);
}

static void
site_body(struct report_job *job, const json_t *doc)
{
	const json_t *events = fields_array_opt(&job->f, doc, "events");

	put_site(job, fields_object(&job->f, doc, "site"));
	put_maps(job, doc);
	if (json_array_size(events) == 0)
		return;
	fputs("\nnewest events\n", job->out);
	report_put_events(job, events, "  ");
}

int
report_site_table(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(site_body, doc, style, out, err);
}
