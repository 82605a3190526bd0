/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The model for the page's script, short since there may be tens of thousands
 * of heirs: lists instead of objects, names by their number, shares as whole
 * numbers, what is not known at the end of a list left out and elsewhere null.
 *
 *     {"names": [NAME...], "maps": [{"site", "weight", "noise", "age", "label",
 *      "heirs": [HEIR...]}]}
 *     HEIR = [name, share, clients, [HEIR...] or 0, label, low, high,
 *             load after, load now, IPv4 clients, IPv6 clients, load after
 *             with all that could not be placed]
 *
 * name: -1 unknown; -1 - N: N heirs together, each too small to be seen.
 * Shares are of 100,000, loads are of the heir's capacity in thousandths.
 */
#include "report/page.h"

#include <math.h>
#include <stdlib.h>

#include "report/markup.h"
#include "report/text.h"

#define SHARE_UNIT 1e5
#define LOAD_UNIT 1e3
/* Below the first level, heirs with less of the site's weight than a picture
 * can show are put together, but for the first ones. */
#define SMALL_SHARE 0.001
#define SMALL_KEPT 3

struct data {
	FILE *out;
	const char **names;
	size_t n_names;
};

static void
put_real(FILE *out, double v)
{
	if (isnan(v)) {
		fputs("null", out);
	} else {
		fprintf(out, "%.0f", floor(v + 0.5));
	}
}

static double
load_of(const struct model_heir *h, double load)
{
	return h->capacity > 0 ? load / h->capacity * LOAD_UNIT : NAN;
}

/* The numbers behind the levels below, up to the last that is known. */
static void
put_rest(const struct data *d, const struct model_heir *h, bool first_level)
{
	double reals[] = { (double)h->label, h->low * SHARE_UNIT,
		h->high * SHARE_UNIT, load_of(h, h->load_after),
		load_of(h, h->load), (double)h->clients[MODEL_FAMILY_4],
		(double)h->clients[MODEL_FAMILY_6],
		model_has_bound(h) ? load_of(h, h->load_after_max) : NAN };
	size_t n = first_level ? 8 : 4;

	/* No family, no label: nobody said. */
	while (n > 0 && (isnan(reals[n - 1]) || reals[n - 1] == 0))
		n--;
	for (size_t i = 0; i < n; i++) {
		fputc(',', d->out);
		put_real(d->out, reals[i]);
	}
}

static void put_heirs(const struct data *d, const struct model_heirs *heirs,
    double of_site);

/* of_site: what the list is about, as a share of the site's weight. */
static void
put_heir(const struct data *d, const struct model_heir *h, double of_site)
{
	if (h->name == NULL) {
		fputs("[-1", d->out);
	} else {
		fprintf(d->out, "[%zu",
		    model_name_index(d->names, d->n_names, h->name));
	}
	fprintf(d->out, ",%.0f,%lld,",
	    floor(h->weight_share * SHARE_UNIT + 0.5),
	    (long long)h->clients[MODEL_FAMILY_ALL]);
	if (h->next.n > 0) {
		put_heirs(d, &h->next, of_site * h->weight_share);
	} else {
		fputc('0', d->out);
	}
	put_rest(d, h, of_site == 1);
	fputc(']', d->out);
}

static bool
is_small(const struct model_heirs *heirs, size_t i, double of_site)
{
	return of_site < 1 && i >= SMALL_KEPT && heirs->at[i].name != NULL &&
	    heirs->at[i].weight_share * of_site < SMALL_SHARE;
}

static void
put_heirs(const struct data *d, const struct model_heirs *heirs, double of_site)
{
	double share = 0, clients = 0;
	const char *comma = "";
	size_t n_small = 0;

	fputc('[', d->out);
	for (size_t i = 0; i < heirs->n; i++) {
		const struct model_heir *h = &heirs->at[i];

		if (is_small(heirs, i, of_site)) {
			share += h->weight_share;
			clients += (double)h->clients[MODEL_FAMILY_ALL];
			n_small++;
			continue;
		}
		fputs(comma, d->out);
		put_heir(d, h, of_site); /* to DEPTH_MAX */
		comma = ",";
	}
	if (n_small > 0) {
		fprintf(d->out, "%s[-%zu,%.0f,%.0f,0]", comma, n_small + 1,
		    share * SHARE_UNIT, clients);
	}
	fputc(']', d->out);
}

static void
put_map(const struct data *d, const struct model_map *m)
{
	char age[TEXT_NUMBER_BYTES];

	fprintf(d->out, "{\"site\":%zu,\"weight\":%.6g,\"noise\":",
	    model_name_index(d->names, d->n_names, m->site), m->weight);
	put_real(d->out, m->noise_floor * SHARE_UNIT);
	fprintf(d->out,
	    ",\"age\":\"%s\",\"label\":%d,\"heirs\":", text_age(m->age_ms, age),
	    (int)m->label);
	put_heirs(d, &m->heirs, 1);
	fputc('}', d->out);
}

void
page_put_data(FILE *out, const struct model *m)
{
	struct data d = { .out = out };

	d.names = model_names(m, &d.n_names);
	fputs("<script type=\"application/json\" id=\"data\">{\"names\":[",
	    out);
	for (size_t i = 0; i < d.n_names; i++) {
		if (i > 0)
			fputc(',', out);
		markup_put_json(out, d.names[i]);
	}
	fputs("],\"maps\":[", out);
	for (size_t i = 0; i < m->n_maps; i++) {
		fputs(i > 0 ? ",\n" : "\n", out);
		put_map(&d, &m->maps[i]);
	}
	fputs("]}</script>\n", out);
	free(d.names);
}
