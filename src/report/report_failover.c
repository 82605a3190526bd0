/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Failover maps.  All shares are of all the site's clients, those that gave no
 * answer after the withdrawal ("unknown") and both families included: so the
 * rows of a map add up to 1, and a row says how much arrives where.
 */
#include "report/report.h"

#include <string.h>

#include "base/mono.h"
#include "report/csv.h"
#include "report/job.h"
#include "report/text.h"

enum family { FAMILY_4, FAMILY_6, FAMILY_ALL, FAMILY_COUNT };

static const char *const family_names[] = {
	[FAMILY_4] = "4",
	[FAMILY_6] = "6",
	[FAMILY_ALL] = "all",
};

struct heir {
	const char *name; /* NULL: unknown */
	int64_t clients[FAMILY_COUNT];
	double weight[FAMILY_COUNT];
	double clients_share, weight_share; /* of FAMILY_ALL */
};

/* A row for clients without an answer, should the map have none. */
static const struct heir nobody = { 0 };

static struct heir
read_heir(struct fields *f, const json_t *obj)
{
	const json_t *families = fields_object_opt(f, obj, "families");
	struct heir h = { 0 };

	h.name = fields_text_or(f, obj, "heir", NULL);
	h.clients[FAMILY_ALL] = fields_count(f, obj, "clients");
	h.weight[FAMILY_ALL] = fields_real(f, obj, "weight");
	h.clients_share = fields_real(f, obj, "clients_share");
	h.weight_share = fields_real(f, obj, "weight_share");
	for (int i = FAMILY_4; i < FAMILY_ALL; i++) {
		const json_t *o =
		    fields_object_opt(f, families, family_names[i]);

		if (o == NULL)
			continue;
		h.clients[i] = fields_count(f, o, "clients");
		h.weight[i] = fields_real(f, o, "weight");
	}
	return h;
}

static void
add_heir(struct table *t, const struct heir *h)
{
	char share[TEXT_NUMBER_BYTES], weight_share[TEXT_NUMBER_BYTES];
	char weight[TEXT_NUMBER_BYTES];

	table_add(t, h->name == NULL ? TABLE_BOLD : TABLE_PLAIN, "%s",
	    h->name == NULL ? "unknown" : h->name);
	table_add(t, TABLE_PLAIN, "%lld", (long long)h->clients[FAMILY_ALL]);
	table_add(t, TABLE_PLAIN, "%s", text_share(h->clients_share, share));
	table_add(t, TABLE_PLAIN, "%s",
	    text_weight(h->weight[FAMILY_ALL], weight));
	table_add(t, TABLE_PLAIN, "%s",
	    text_share(h->weight_share, weight_share));
	table_add(t, TABLE_PLAIN, "%lld", (long long)h->clients[FAMILY_4]);
	table_add(t, TABLE_PLAIN, "%lld", (long long)h->clients[FAMILY_6]);
}

void
report_put_heirs(struct report_job *job, const json_t *heirs,
    const char *indent)
{
	static const struct table_column columns[] = {
		{ "HEIR", false },
		{ "CLIENTS", true },
		{ "SHARE", true },
		{ "WEIGHT", true },
		{ "SHARE", true },
		{ "IPv4", true },
		{ "IPv6", true },
	};
	struct table *t =
	    table_new(columns, sizeof(columns) / sizeof(columns[0]));
	struct heir unknown = nobody;
	const json_t *obj;
	size_t i;

	json_array_foreach (heirs, i, obj) {
		struct heir h = read_heir(&job->f, obj);

		if (h.name == NULL) {
			unknown = h;
		} else {
			add_heir(t, &h);
		}
	}
	add_heir(t, &unknown);
	table_print(t, indent, job->style->color, job->out);
	table_free(t);
}

static void
put_map_head(struct report_job *job, const json_t *map)
{
	struct fields *f = &job->f;
	int64_t measured_ms = fields_wall_ms(f, map, "measured_ms");
	char age[TEXT_NUMBER_BYTES], weight[TEXT_NUMBER_BYTES];
	char wall[WALL_TEXT_BYTES];

	fputs("site ", job->out);
	text_put(job->out, fields_text(f, map, "site"));
	fprintf(job->out, ": measured %s ago at %s by experiment %lld\n",
	    text_age(fields_count(f, map, "age_ms"), age),
	    wall_format(measured_ms, wall),
	    (long long)fields_count(f, map, "experiment"));
	fprintf(job->out, "%lld clients, weight %s",
	    (long long)fields_count(f, map, "clients"),
	    text_weight(fields_real(f, map, "weight"), weight));
	fprintf(job->out,
	    "; bystanders (clients of other sites that moved): %lld\n",
	    (long long)fields_count(f, map, "bystanders"));
	fprintf(job->out, "%lld of %lld clients of the list answered\n",
	    (long long)fields_count(f, map, "answered"),
	    (long long)fields_count(f, map, "list_clients"));
}

static void
table_body(struct report_job *job, const json_t *doc)
{
	const json_t *maps = fields_array(&job->f, doc, "maps");
	const json_t *map;
	size_t i;

	json_array_foreach (maps, i, map) {
		if (i > 0)
			fputc('\n', job->out);
		put_map_head(job, map);
		report_put_heirs(job, fields_array(&job->f, map, "heirs"),
		    "  ");
		fputs("shares are of all clients of the site; unknown: "
		      "no answer after the withdrawal\n",
		    job->out);
	}
}

/* What all the lines of one map share. */
struct map {
	const char *site;
	char experiment[TEXT_NUMBER_BYTES];
	char measured[WALL_TEXT_BYTES];
	int64_t clients;
	double weight;
};

static double
share_of(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static void
put_csv_line(FILE *out, const struct map *m, const struct heir *h, int family)
{
	bool all = family == FAMILY_ALL;
	double clients_share = all
	    ? h->clients_share
	    : share_of((double)h->clients[family], (double)m->clients);
	double weight_share =
	    all ? h->weight_share : share_of(h->weight[family], m->weight);
	char clients[TEXT_NUMBER_BYTES], share[TEXT_NUMBER_BYTES];
	char weight[TEXT_NUMBER_BYTES], of_weight[TEXT_NUMBER_BYTES];
	const char *fields[] = { m->site, m->experiment, m->measured,
		family_names[family], h->name == NULL ? "" : h->name, clients,
		share, weight, of_weight, NULL };

	(void)snprintf(clients, sizeof(clients), "%lld",
	    (long long)h->clients[family]);
	(void)snprintf(share, sizeof(share), "%.9g", clients_share);
	(void)snprintf(weight, sizeof(weight), "%.15g", h->weight[family]);
	(void)snprintf(of_weight, sizeof(of_weight), "%.9g", weight_share);
	csv_put_line(out, fields);
}

static void
put_csv_heir(FILE *out, const struct map *m, const struct heir *h)
{
	for (int i = 0; i < FAMILY_COUNT; i++)
		put_csv_line(out, m, h, i);
}

static void
put_csv_map(struct report_job *job, const json_t *map)
{
	struct fields *f = &job->f;
	struct map m = { .site = fields_text(f, map, "site") };
	const json_t *heirs = fields_array(f, map, "heirs");
	struct heir unknown = nobody;
	const json_t *obj;
	size_t i;

	(void)snprintf(m.experiment, sizeof(m.experiment), "%lld",
	    (long long)fields_count(f, map, "experiment"));
	wall_format(fields_wall_ms(f, map, "measured_ms"), m.measured);
	m.clients = fields_count(f, map, "clients");
	m.weight = fields_real(f, map, "weight");
	json_array_foreach (heirs, i, obj) {
		struct heir h = read_heir(f, obj);

		if (h.name == NULL) {
			unknown = h;
		} else {
			put_csv_heir(job->out, &m, &h);
		}
	}
	put_csv_heir(job->out, &m, &unknown);
}

static void
csv_body(struct report_job *job, const json_t *doc)
{
	static const char *const header[] = { "site", "experiment",
		"measured_at", "family", "heir", "clients", "clients_share",
		"weight", "weight_share", NULL };
	const json_t *maps = fields_array(&job->f, doc, "maps");
	const json_t *map;
	size_t i;

	csv_put_line(job->out, header);
	json_array_foreach (maps, i, map)
		put_csv_map(job, map);
}

int
report_failover_table(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(table_body, doc, style, out, err);
}

int
report_failover_csv(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(csv_body, doc, style, out, err);
}

int
report_failover(enum report_format format, const json_t *doc,
    const struct report_style *style, FILE *out, struct err *err)
{
	static report_fn *const renderers[REPORT_FORMAT_COUNT] = {
		[REPORT_TABLE] = report_failover_table,
		[REPORT_JSON] = report_json,
		[REPORT_CSV] = report_failover_csv,
	};

	return renderers[format](doc, style, out, err);
}
