/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Failover maps as CSV: a line per site, heir and family; behind an heir's
 * lines those of where its part goes if it fails too, with its name in "via".
 * New columns are added at the end only: scripts count.
 */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mono.h"
#include "base/xalloc.h"
#include "report/csv.h"
#include "report/job.h"
#include "report/text.h"

static const char *const family_names[] = {
	[MODEL_FAMILY_4] = "4",
	[MODEL_FAMILY_6] = "6",
	[MODEL_FAMILY_ALL] = "all",
};

/* What all the lines of one list of heirs share. */
struct level {
	const struct model_map *map;
	int depth;
	const char *via; /* names of the heirs that fail too, "" at first */
	int64_t clients; /* of all the list */
	double weight;
	char experiment[TEXT_NUMBER_BYTES];
	char measured[WALL_TEXT_BYTES];
	char age[TEXT_NUMBER_BYTES];
	const char *tests[MODEL_FAMILY_COUNT];
};

enum column {
	COL_SITE,
	COL_EXPERIMENT,
	COL_MEASURED_AT,
	COL_FAMILY,
	COL_HEIR,
	COL_CLIENTS,
	COL_CLIENTS_SHARE,
	COL_WEIGHT,
	COL_WEIGHT_SHARE,
	COL_DEPTH,
	COL_VIA,
	COL_LOW,
	COL_HIGH,
	COL_LOAD,
	COL_LOAD_AFTER,
	COL_CAPACITY,
	COL_LABEL,
	COL_NOISE_FLOOR,
	COL_AGE_MS,
	COL_TESTS,
	COL_LOAD_AFTER_MAX,
	COL_LOAD_UNPLACED,
	COL_COUNT
};

static const char *const header[COL_COUNT + 1] = { "site", "experiment",
	"measured_at", "family", "heir", "clients", "clients_share", "weight",
	"weight_share", "depth", "via", "low", "high", "load", "load_after",
	"capacity", "label", "noise_floor", "age_ms", "tests", "load_after_max",
	"load_unplaced", NULL };

static double
share_of(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

/* Empty if not known. */
static const char *
real(double v, char buf[TEXT_NUMBER_BYTES])
{
	buf[0] = '\0';
	if (!isnan(v))
		(void)snprintf(buf, TEXT_NUMBER_BYTES, "%.9g", v);
	return buf;
}

/* What is the same for all families, or is known for all together only. */
static void
fill_all(const char *fields[], const struct model_heir *h, bool all,
    char bufs[COL_COUNT][TEXT_NUMBER_BYTES])
{
	const struct {
		enum column at;
		double v;
	} reals[] = {
		{ COL_LOW, h->low },
		{ COL_HIGH, h->high },
		{ COL_LOAD, h->load },
		{ COL_LOAD_AFTER, h->load_after },
		{ COL_CAPACITY, h->capacity },
		{ COL_LOAD_AFTER_MAX, h->load_after_max },
		{ COL_LOAD_UNPLACED, h->unplaced },
	};

	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
		fields[reals[i].at] =
		    all ? real(reals[i].v, bufs[reals[i].at]) : "";
	}
}

/* An heir's own, or that of its map; deeper levels may be less sure. */
static const char *
label_of(const struct level *l, const struct model_heir *h)
{
	enum model_label label = h->label;

	if (label == MODEL_UNLABELLED && l->depth == 1)
		label = l->map->label;
	return model_label_name(label);
}

static void
put_line(FILE *out, const struct level *l, const struct model_heir *h,
    int family)
{
	bool all = family == MODEL_FAMILY_ALL;
	double clients = (double)h->clients[family];
	char bufs[COL_COUNT][TEXT_NUMBER_BYTES];
	const char *fields[COL_COUNT + 1] = { l->map->site, l->experiment,
		l->measured, family_names[family],
		h->name == NULL ? "" : h->name };

	(void)snprintf(bufs[COL_CLIENTS], TEXT_NUMBER_BYTES, "%.0f", clients);
	fields[COL_CLIENTS] = bufs[COL_CLIENTS];
	fields[COL_CLIENTS_SHARE] =
	    real(all ? h->clients_share : share_of(clients, (double)l->clients),
		bufs[COL_CLIENTS_SHARE]);
	(void)snprintf(bufs[COL_WEIGHT], TEXT_NUMBER_BYTES, "%.15g",
	    h->weight[family]);
	fields[COL_WEIGHT] = bufs[COL_WEIGHT];
	fields[COL_WEIGHT_SHARE] =
	    real(all ? h->weight_share : share_of(h->weight[family], l->weight),
		bufs[COL_WEIGHT_SHARE]);
	(void)snprintf(bufs[COL_DEPTH], TEXT_NUMBER_BYTES, "%d", l->depth);
	fields[COL_DEPTH] = bufs[COL_DEPTH];
	fields[COL_VIA] = l->via;
	fill_all(fields, h, all, bufs);
	fields[COL_LABEL] = label_of(l, h);
	fields[COL_NOISE_FLOOR] =
	    real(l->map->noise_floor, bufs[COL_NOISE_FLOOR]);
	fields[COL_AGE_MS] = l->age;
	fields[COL_TESTS] = l->tests[family];
	csv_put_line(out, fields);
}

static void put_heirs(FILE *out, const struct level *l,
    const struct model_heirs *heirs);

/* Families are known for the first level only. */
static void
put_heir(FILE *out, const struct level *l, const struct model_heir *h)
{
	struct level deeper = *l;
	char *via;

	for (int i = l->depth == 1 ? 0 : MODEL_FAMILY_ALL;
	     i < MODEL_FAMILY_COUNT; i++)
		put_line(out, l, h, i);
	if (h->next.n == 0)
		return;
	via = xasprintf("%s%s%s", l->via, l->via[0] == '\0' ? "" : " ",
	    h->name == NULL ? "" : h->name);
	deeper.depth++;
	deeper.via = via;
	put_heirs(out, &deeper, &h->next);
	free(via);
}

/* The unknown come last, with zeros if there are none of them. */
static void
put_heirs(FILE *out, const struct level *l, const struct model_heirs *heirs)
{
	static const struct model_heir nobody = { .low = NAN,
		.high = NAN,
		.load = NAN,
		.load_after = NAN,
		.load_after_max = NAN,
		.unplaced = NAN,
		.capacity = NAN };

	for (size_t i = 0; i < heirs->n; i++)
		put_heir(out, l, &heirs->at[i]);
	if (heirs->n == 0 || heirs->at[heirs->n - 1].name != NULL)
		put_heir(out, l, &nobody);
}

static void
put_map(FILE *out, const struct model_map *m)
{
	struct level l = {
		.map = m,
		.depth = 1,
		.via = "",
		.clients = m->clients,
		.weight = m->weight,
	};
	char *tests;

	(void)snprintf(l.experiment, sizeof(l.experiment), "%lld",
	    (long long)m->experiment);
	(void)snprintf(l.age, sizeof(l.age), "%lld", (long long)m->age_ms);
	wall_format(m->measured_ms, l.measured);
	tests = xasprintf("%s%s%s", m->tests[MODEL_FAMILY_4],
	    m->tests[MODEL_FAMILY_4][0] != '\0' &&
		    m->tests[MODEL_FAMILY_6][0] != '\0'
		? ", "
		: "",
	    m->tests[MODEL_FAMILY_6]);
	l.tests[MODEL_FAMILY_4] = m->tests[MODEL_FAMILY_4];
	l.tests[MODEL_FAMILY_6] = m->tests[MODEL_FAMILY_6];
	l.tests[MODEL_FAMILY_ALL] = tests;
	put_heirs(out, &l, &m->heirs);
	free(tests);
}

static void
csv_body(struct report_job *job, const json_t *doc)
{
	struct model model;

	model_read(&job->f, doc, &model);
	csv_put_line(job->out, header);
	for (size_t i = 0; i < model.n_maps; i++)
		put_map(job->out, &model.maps[i]);
	model_clear(&model);
}

int
report_failover_csv(const json_t *doc, const struct report_style *style,
    FILE *out, struct err *err)
{
	return report_run(csv_body, doc, style, out, err);
}
