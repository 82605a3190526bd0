/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Predictions for a withdrawn set: the first rank of each client that is not
 * in it, or the reading itself if just this set was measured.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/pack_state.h"

#define Z95 1.96
/* From these shares of the weight on, the whole has the label. */
#define WHOLE_MIN 0.99
#define UNSTABLE_MAX 0.02
/* How often a prediction is wrong, by its label; for the interval only. */
static const double wrong_share[PACK_LABEL_COUNT] = {
	[PACK_GUESSED] = 0.3,
	[PACK_CONTRADICTED] = 0.3,
	[PACK_UNSTABLE] = 0.5,
	[PACK_COMPOSED] = 0.3,
	[PACK_CERTIFIED] = 0.002,
};

/* The kept experiments that withdrew just this set. */
static size_t
measured_find(const struct pack *p, const struct pack_set *set, size_t *which)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_log; i++) {
		if (pack_mask_has(&p->learn, i) &&
		    pack_set_equal(&p->log[i].withdrawn, set))
			which[n++] = i;
	}
	return n;
}

/* The site of client c when set is withdrawn, by its ranks. */
static uint16_t
by_rank(const struct pack *p, const struct pack_set *set, size_t c,
    enum pack_label *label)
{
	const struct pack_result *r = &p->result[c];
	unsigned d = 0;

	while (d < r->n && pack_set_has(set, r->site[d]))
		d++;
	*label = PACK_UNKNOWN;
	if (d >= r->n)
		return PACK_NONE;
	/* The worst of the ranks that lead there. */
	*label = r->label[0];
	for (unsigned j = 1; j <= d; j++) {
		if (r->label[j] < *label)
			*label = r->label[j];
	}
	if (d > p->conf.depth && *label == PACK_CERTIFIED)
		*label = PACK_COMPOSED;
	return r->site[d];
}

/* All alike, and at least one answered: the reading counts. */
static uint16_t
by_reading(const struct pack *p, const size_t *which, size_t n, size_t c)
{
	uint16_t site = PACK_NONE;

	for (size_t k = 0; k < n; k++) {
		uint16_t u = pack_read(p, which[k], c);

		if (u == PACK_NONE)
			continue;
		if (u == PACK_FLIPPING || (site != PACK_NONE && u != site))
			return PACK_NONE;
		site = u;
	}
	return site;
}

void
pack_predict(struct pack *p, const struct pack_set *withdrawn, uint16_t *site,
    uint8_t *label)
{
	size_t which[PACK_EXPERIMENTS_MAX], n;

	pack_infer(p);
	n = measured_find(p, withdrawn, which);
	for (size_t c = 0; c < p->conf.n_clients; c++) {
		enum pack_label l;
		uint16_t x = by_rank(p, withdrawn, c, &l);
		uint16_t u = by_reading(p, which, n, c);

		if (u != PACK_NONE && p->result[c].n > 0 &&
		    l != PACK_UNSTABLE) {
			x = u;
			l = PACK_MEASURED;
		}
		if (site != NULL)
			site[c] = x;
		if (label != NULL)
			label[c] = (uint8_t)l;
	}
}

struct tally {
	double weight[PACK_SITES_MAX + 1]; /* the last: unknown */
	uint32_t clients[PACK_SITES_MAX + 1];
	double by_label[PACK_LABEL_COUNT];
	double square; /* sum of squared weights with a known way */
	double wrong;  /* expected wrong weight */
};

/* By the first heirs of the last known site, those that still announce. */
static void
spread(const struct pack *p, const struct pack_set *set, uint16_t last,
    double weight, struct tally *t)
{
	const float *next = p->next + last * p->conf.n_sites;
	double all = 0;

	t->clients[PACK_SITES_MAX]++;
	for (size_t x = 0; x < p->conf.n_sites; x++)
		all += pack_set_has(set, x) ? 0 : (double)next[x];
	if (all <= 0) {
		t->weight[PACK_SITES_MAX] += weight;
		t->by_label[PACK_UNKNOWN] += weight;
		return;
	}
	for (size_t x = 0; x < p->conf.n_sites; x++) {
		if (!pack_set_has(set, x))
			t->weight[x] += weight * (double)next[x] / all;
	}
	t->by_label[PACK_COMPOSED] += weight;
	t->square += weight * weight;
	t->wrong += weight * wrong_share[PACK_COMPOSED];
}

static void
tally_add(struct tally *t, uint16_t site, uint8_t label, double weight)
{
	t->clients[site]++;
	t->weight[site] += weight;
	t->by_label[label] += weight;
	t->wrong += weight * wrong_share[label];
	t->square += weight * weight;
}

/* Wilson's interval, widened by what may be wrong. */
static void
interval(double share, double n, double wrong, struct pack_heir *h)
{
	double z2 = Z95 * Z95;
	double middle = (share + z2 / (2 * n)) / (1 + z2 / n);
	double half = Z95 / (1 + z2 / n) *
	    sqrt(share * (1 - share) / n + z2 / (4 * n * n));

	h->low = fmax(0, middle - half - wrong);
	h->high = fmin(1, middle + half + wrong);
}

static int
heir_order(const void *a, const void *b)
{
	const struct pack_heir *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return (x->site > y->site) - (x->site < y->site);
}

static void
heirs_list(const struct tally *t, struct pack_heirs *out)
{
	double known = out->weight - t->weight[PACK_SITES_MAX];
	double n = t->square > 0 ? known * known / t->square : 0;

	for (size_t x = 0; x <= PACK_SITES_MAX; x++) {
		struct pack_heir *h = &out->heirs[out->n];
		bool is_unknown = x == PACK_SITES_MAX;
		double all = is_unknown ? out->weight : known;

		if (t->clients[x] == 0 && t->weight[x] <= 0)
			continue;
		*h = (struct pack_heir){
			.site = is_unknown ? PACK_NONE : (uint16_t)x,
			.clients = t->clients[x],
			.weight = t->weight[x],
			.share = all > 0 ? t->weight[x] / all : 0,
			.high = 1,
		};
		if (is_unknown) {
			h->low = h->high = h->share;
		} else if (n > 0) {
			interval(h->share, n, t->wrong / known, h);
		}
		out->n++;
	}
	qsort(out->heirs, out->n, sizeof(out->heirs[0]), heir_order);
}

static void
shares_fill(const struct tally *t, struct pack_heirs *out)
{
	double known = out->weight - t->weight[PACK_SITES_MAX];
	double per = known > 0 ? 1 / known : 0;

	out->known = out->weight > 0 ? known / out->weight : 0;
	out->measured = t->by_label[PACK_MEASURED] * per;
	out->certified = t->by_label[PACK_CERTIFIED] * per;
	out->contradicted = t->by_label[PACK_CONTRADICTED] * per;
	out->unstable = t->by_label[PACK_UNSTABLE] * per;
	out->composed = t->by_label[PACK_COMPOSED] * per;
	if (known <= 0) {
		out->label = PACK_UNKNOWN;
	} else if (out->unstable > UNSTABLE_MAX) {
		out->label = PACK_UNSTABLE;
	} else if (out->measured + out->unstable >= WHOLE_MIN) {
		out->label = PACK_MEASURED;
	} else if (out->measured + out->certified + out->unstable >=
	    WHOLE_MIN) {
		out->label = PACK_CERTIFIED;
	} else {
		out->label = PACK_COMPOSED;
	}
}

void
pack_heirs(struct pack *p, const struct pack_set *withdrawn, uint16_t from,
    struct pack_heirs *out)
{
	uint16_t *site = xcalloc(p->conf.n_clients, sizeof(*site));
	uint8_t *label = xcalloc(p->conf.n_clients, sizeof(*label));
	struct tally *t = xcalloc(1, sizeof(*t));

	memset(out, 0, sizeof(*out));
	pack_predict(p, withdrawn, site, label);
	for (size_t c = 0; c < p->conf.n_clients; c++) {
		const struct pack_result *r = &p->result[c];

		if (r->n == 0 || !pack_set_has(withdrawn, r->site[0]) ||
		    (from != PACK_NONE && r->site[0] != from))
			continue;
		out->clients++;
		out->weight += (double)p->weight[c];
		if (site[c] != PACK_NONE) {
			tally_add(t, site[c], label[c], (double)p->weight[c]);
		} else {
			spread(p, withdrawn, r->site[r->n - 1],
			    (double)p->weight[c], t);
		}
	}
	shares_fill(t, out);
	heirs_list(t, out);
	free(site);
	free(label);
	free(t);
}
