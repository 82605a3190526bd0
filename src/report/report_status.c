/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The state of the fleet: a line per site for the tired, and every detail of
 * one site.  What is wrong comes before what is well.
 */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/job.h"
#include "report/text.h"

/* So many services are named in the line of a site; of more, only those that
 * are not healthy. */
#define SERVICES_NAMED 3
#define COLUMNS_MAX 8
/* A divergence shorter than one look at BIRD is how a change looks. */
#define DIVERGED_SHOWN_MS 1000

/* Text for one cell of a table, written piece by piece. */
struct note {
	FILE *f;
	char *text;
	size_t len;
	size_t n_parts;
};

static void
note_open(struct note *n)
{
	*n = (struct note){ 0 };
	n->f = open_memstream(&n->text, &n->len);
	if (n->f == NULL) { /* out of memory, as in xalloc */
		perror("report");
		abort();
	}
}

/* Write ", " or "; " before every part but the first. */
static FILE *
note_part(struct note *n, const char *separator)
{
	if (n->n_parts++ > 0)
		fputs(separator, n->f);
	return n->f;
}

static void
note_add_cell(struct note *n, struct table *t, enum table_ink ink)
{
	fclose(n->f);
	table_add(t, ink, "%s", n->text);
	free(n->text);
}

static bool
is_healthy(const char *health)
{
	return strcmp(health, "healthy") == 0;
}

static void
add_services(struct report_job *job, struct table *t, const json_t *services)
{
	bool all = json_array_size(services) <= SERVICES_NAMED;
	enum table_ink ink = TABLE_GREEN;
	size_t healthy = 0;
	struct note n;
	const json_t *s;
	size_t i;

	note_open(&n);
	json_array_foreach (services, i, s) {
		const char *name = fields_text(&job->f, s, "service");
		const char *health = fields_text(&job->f, s, "health");

		if (is_healthy(health)) {
			healthy++;
		} else if (ink != TABLE_RED) { /* sick outdoes unknown */
			ink = report_state_ink(health);
		}
		if (all || !is_healthy(health))
			fprintf(note_part(&n, ", "), "%s %s", name, health);
	}
	if (!all && healthy > 0)
		fprintf(note_part(&n, ", "), "%zu healthy", healthy);
	if (n.n_parts == 0)
		ink = TABLE_PLAIN;
	fputs(n.n_parts == 0 ? "none" : "", n.f);
	note_add_cell(&n, t, ink);
}

static bool
is_test_prefix(struct report_job *job, const json_t *prefix)
{
	return fields_text_or(&job->f, prefix, "service", NULL) == NULL;
}

/* How many service prefixes are really announced, of how many. */
static void
add_prefixes(struct report_job *job, struct table *t, const json_t *prefixes)
{
	size_t announced = 0, unknown = 0, all = 0;
	const json_t *p;
	size_t i;

	json_array_foreach (prefixes, i, p) {
		const char *real = fields_text(&job->f, p, "real");

		if (is_test_prefix(job, p))
			continue;
		all++;
		if (strcmp(real, "announced") == 0) {
			announced++;
		} else if (strcmp(real, "unknown") == 0) {
			unknown++;
		}
	}
	if (unknown > 0) {
		table_add(t, TABLE_BOLD, "?/%zu announced", all);
		return;
	}
	table_add(t, announced == all ? TABLE_PLAIN : TABLE_BOLD,
	    "%zu/%zu announced", announced, all);
}

/* Whether anybody measures or tells a load: else there is no such column. */
static bool
has_loads(const json_t *sites)
{
	const json_t *site;
	size_t i;

	json_array_foreach (sites, i, site) {
		if (json_object_get(site, "load") != NULL ||
		    json_object_get(site, "load_counter") != NULL)
			return true;
	}
	return false;
}

/* "412/1000": of the capacity, if that is known. */
static void
add_load(struct report_job *job, struct table *t, const json_t *site)
{
	double load = fields_real_or(&job->f, site, "load", NAN);
	double capacity = fields_real_or(&job->f, site, "capacity", NAN);
	char text[TEXT_NUMBER_BYTES], of[TEXT_NUMBER_BYTES];

	if (isnan(load)) {
		/* Nothing where nobody says that he measures it. */
		table_add(t, TABLE_PLAIN, "%s",
		    json_object_get(site, "load_counter") != NULL ? "?" : "");
		return;
	}
	/* Of more, fractions say nothing. */
	(void)text_weight(load < 10 ? load : round(load), text);
	if (isnan(capacity)) {
		table_add(t, TABLE_PLAIN, "%s", text);
	} else {
		table_add(t, load > capacity ? TABLE_RED : TABLE_PLAIN, "%s/%s",
		    text, text_weight(capacity, of));
	}
}

static void
add_bird(struct report_job *job, struct table *t, const json_t *bird)
{
	const char *state = fields_text_or(&job->f, bird, "state", "unknown");
	long long up =
	    (long long)fields_count_or(&job->f, bird, "sessions_up", 0);
	long long all =
	    (long long)fields_count_or(&job->f, bird, "sessions_all", 0);

	if (strcmp(state, "connected") == 0) {
		table_add(t, up == all ? TABLE_PLAIN : TABLE_RED,
		    "%lld/%lld up", up, all);
	} else {
		table_add(t, report_state_ink(state), "%s", state);
	}
}

static void
add_agent(struct report_job *job, struct table *t, const json_t *site)
{
	int64_t age_ms = fields_count_or(&job->f, site, "agent_age_ms", -1);
	char buf[TEXT_NUMBER_BYTES];

	if (age_ms >= 0) {
		table_add(t, TABLE_PLAIN, "%s ago", text_age(age_ms, buf));
	} else if (json_object_get(site, "agent_age_ms") == NULL) {
		table_add(t, TABLE_PLAIN, "here"); /* the agent itself */
	} else {
		table_add(t, TABLE_RED, "never");
	}
}

static void
note_intents(struct report_job *job, struct note *n, const json_t *intents)
{
	FILE *out = job->out;
	const json_t *intent;
	size_t i;

	json_array_foreach (intents, i, intent) {
		if (!report_intent_is_active(job, intent))
			continue;
		job->out = note_part(n, "; ");
		report_put_intent(job, intent);
		job->out = out;
	}
}

static FILE *
begin_note(FILE *out, void *arg)
{
	(void)out;
	return note_part(arg, "; ");
}

static void
note_probes(struct report_job *job, struct note *n, const json_t *service)
{
	const json_t *probes = fields_array_opt(&job->f, service, "probes");
	const json_t *p;
	size_t i;

	json_array_foreach (probes, i, p) {
		const char *health = fields_text(&job->f, p, "health");

		if (is_healthy(health))
			continue;
		fprintf(note_part(n, "; "), "%s/%s %s: %s",
		    fields_text(&job->f, service, "service"),
		    fields_text(&job->f, p, "probe"), health,
		    fields_text_or(&job->f, p, "detail", ""));
	}
}

static void
note_services(struct report_job *job, struct note *n, const json_t *services)
{
	const json_t *s;
	size_t i;

	json_array_foreach (services, i, s) {
		if (!is_healthy(fields_text(&job->f, s, "health")))
			note_probes(job, n, s);
	}
}

static void
note_prefixes(struct report_job *job, struct note *n, const json_t *prefixes)
{
	int64_t longest_ms = 0;
	size_t diverged = 0, unheard = 0;
	char buf[TEXT_NUMBER_BYTES];
	const json_t *p;
	size_t i;

	json_array_foreach (prefixes, i, p) {
		int64_t ms = fields_count_or(&job->f, p, "diverged_for_ms", 0);

		if (ms >= DIVERGED_SHOWN_MS)
			diverged++;
		longest_ms = ms > longest_ms ? ms : longest_ms;
		unheard +=
		    strcmp(fields_text(&job->f, p, "real"), "announced") == 0 &&
		    fields_count_or(&job->f, p, "exported_to", 1) == 0;
		if (is_test_prefix(job, p) &&
		    strcmp(fields_text(&job->f, p, "desired"), "withdrawn") ==
			0)
			fputs("test prefix withdrawn", note_part(n, "; "));
	}
	if (unheard > 0) {
		fprintf(note_part(n, "; "),
		    "%zu %s in BIRD, but exported to no neighbour: are sessions up, and do they export?",
		    unheard, unheard == 1 ? "prefix is" : "prefixes are");
	}
	if (diverged > 0) {
		fprintf(note_part(n, "; "), "%zu %s diverged for %s", diverged,
		    diverged == 1 ? "prefix" : "prefixes",
		    text_age(longest_ms, buf));
	}
}

/* Gentle steps are configured; older agents do not tell. */
static bool
wants_steps(struct report_job *job, const json_t *site)
{
	const json_t *services = fields_array_opt(&job->f, site, "services");
	const json_t *s;
	size_t i;

	json_array_foreach (services, i, s) {
		const json_t *drain = fields_object_opt(&job->f, s, "drain");

		if (json_array_size(fields_array_opt(&job->f, drain, "steps")) >
		    1)
			return true;
	}
	return false;
}

static void
note_control(struct report_job *job, struct note *n, const json_t *site)
{
	const json_t *bird = fields_object_opt(&job->f, site, "bird");
	const char *error = fields_text_or(&job->f, bird, "last_error", "");
	const char *refusal = fields_text_or(&job->f, bird, "config_error", "");
	long long applied =
	    (long long)fields_count_or(&job->f, site, "applied_revision", 0);
	long long wanted =
	    (long long)fields_count_or(&job->f, site, "wanted_revision", 0);

	if (error[0] != '\0') {
		fprintf(note_part(n, "; "), "bird: %s", error);
	} else if (refusal[0] != '\0') {
		fprintf(note_part(n, "; "), "bird would refuse any change: %s",
		    refusal);
	} else if (json_is_false(json_object_get(bird, "export_conf")) &&
	    strcmp(fields_text_or(&job->f, bird, "state", ""), "connected") ==
		0 &&
	    wants_steps(job, site)) {
		fputs(
		    "bird.conf does not include export.conf of anycastd: drains are not gentle",
		    note_part(n, "; "));
	}
	if (applied != wanted) {
		fprintf(note_part(n, "; "), "has orders %lld, newest is %lld",
		    applied, wanted);
	}
}

/* Why the load that should be measured is not known. */
static void
note_load(struct report_job *job, struct note *n, const json_t *site)
{
	const json_t *counter =
	    fields_object_opt(&job->f, site, "load_counter");
	const char *trouble = fields_text_or(&job->f, counter, "trouble", "");

	if (trouble[0] != '\0') {
		fprintf(note_part(n, "; "), "load: %s: %s",
		    fields_text_or(&job->f, counter, "counter", ""), trouble);
	}
}

/* Experiments would be blind here. */
static void
note_unheard(struct report_job *job, struct note *n, const json_t *site)
{
	const json_t *sweep = fields_object_opt(&job->f, site, "sweep");
	const json_t *list = fields_array_opt(&job->f, sweep, "unheard"), *u;
	const char *other = fields_text_or(&job->f, site, "other_layout", "");
	size_t i;

	if (other[0] != '\0')
		text_put(note_part(n, "; "), other);
	json_array_foreach (list, i, u)
		report_put_unheard(job, note_part(n, "; "), u);
}

/* A freeze is told among the intents. */
static void
note_guards(struct report_job *job, struct note *n, const json_t *guards)
{
	const json_t *g;
	size_t i;

	json_array_foreach (guards, i, g) {
		const char *name = fields_text(&job->f, g, "guard");

		if (strcmp(name, "freeze") == 0)
			continue;
		fprintf(note_part(n, "; "), "guard %s: %s", name,
		    fields_text_or(&job->f, g, "why", ""));
	}
}

/* Of the fleet, below its sites. */
static void
put_guards(struct report_job *job, const json_t *guards)
{
	const json_t *g;
	size_t i;

	json_array_foreach (guards, i, g) {
		fputs("guard ", job->out);
		text_put(job->out, fields_text(&job->f, g, "guard"));
		fputs(": ", job->out);
		text_put(job->out, fields_text_or(&job->f, g, "why", ""));
		fputc('\n', job->out);
	}
}

static void
add_site(struct report_job *job, struct table *t, const json_t *site,
    bool with_load)
{
	const char *state = fields_text(&job->f, site, "state");
	const json_t *services = fields_array_opt(&job->f, site, "services");
	const json_t *prefixes = fields_array_opt(&job->f, site, "prefixes");
	struct note n;

	table_add(t, TABLE_BOLD, "%s", fields_text(&job->f, site, "site"));
	table_add(t, report_state_ink(state), "%s", state);
	add_agent(job, t, site);
	add_bird(job, t, fields_object_opt(&job->f, site, "bird"));
	add_services(job, t, services);
	add_prefixes(job, t, prefixes);
	if (with_load)
		add_load(job, t, site);
	note_open(&n);
	note_intents(job, &n, fields_array_opt(&job->f, site, "intents"));
	report_put_drains(job, site, begin_note, &n);
	note_guards(job, &n, fields_array_opt(&job->f, site, "guards"));
	note_services(job, &n, services);
	note_prefixes(job, &n, prefixes);
	note_control(job, &n, site);
	note_load(job, &n, site);
	note_unheard(job, &n, site);
	note_add_cell(&n, t, TABLE_PLAIN);
}

static void
put_daemon(struct report_job *job, const json_t *doc)
{
	const json_t *roles = fields_array_opt(&job->f, doc, "roles");
	int64_t now_ms = fields_wall_ms(&job->f, doc, "now_ms");
	int64_t started_ms = fields_wall_ms(&job->f, doc, "started_ms");
	char buf[TEXT_NUMBER_BYTES];
	const json_t *role;
	size_t i;

	fputs("anycastd ", job->out);
	text_put(job->out, fields_text(&job->f, doc, "version"));
	json_array_foreach (roles, i, role) {
		const char *name = json_string_value(role);

		fputs(i == 0 ? ", " : " and ", job->out);
		text_put(job->out, name == NULL ? "?" : name);
	}
	fprintf(job->out, ", up %s\n", text_age(now_ms - started_ms, buf));
}

static void
status_body(struct report_job *job, const json_t *doc)
{
	struct table_column columns[COLUMNS_MAX] = {
		{ "SITE", false },
		{ "STATE", false },
		{ "AGENT", false },
		{ "BIRD", false },
		{ "SERVICES", false },
		{ "PREFIXES", false },
	};
	const json_t *sites = fields_array(&job->f, doc, "sites");
	bool with_load = has_loads(sites);
	size_t n_columns = COLUMNS_MAX - 2;
	const json_t *clients = fields_object_opt(&job->f, doc, "clients");
	const json_t *experiment =
	    fields_object_opt(&job->f, doc, "experiment");
	struct table *t;
	const json_t *site;
	size_t i;

	if (with_load)
		columns[n_columns++] = (struct table_column){ "LOAD", true };
	columns[n_columns++] = (struct table_column){ "NOTE", false };
	t = table_new(columns, n_columns);
	json_array_foreach (sites, i, site)
		add_site(job, t, site, with_load);
	table_print(t, "", job->style->color, job->out);
	table_free(t);
	put_guards(job, fields_array_opt(&job->f, doc, "guards"));
	if (experiment != NULL)
		report_put_experiment(job, experiment);
	if (clients != NULL) {
		fprintf(job->out, "clients: list %lld, %lld clients\n",
		    (long long)fields_count_or(&job->f, clients, "list", 0),
		    (long long)fields_count_or(&job->f, clients, "count", 0));
	}
	put_daemon(job, doc);
}

int
report_status(const json_t *doc, const struct report_style *style, FILE *out,
    struct err *err)
{
	return report_run(status_body, doc, style, out, err);
}
