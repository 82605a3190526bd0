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

/* Rounded up from what the synthetic Internet showed (docs/pack.md). */
const double pack_wrong_share[PACK_LABEL_COUNT] = {
	[PACK_UNKNOWN] = 1,
	[PACK_GUESSED] = 0.3,
	[PACK_CONTRADICTED] = 0.3,
	[PACK_UNSTABLE] = 0.3,
	[PACK_COMPOSED] = 0.3,
	[PACK_CERTIFIED] = 0.002,
};

/* What is asked, and the kept experiments that withdrew just that. */
struct question {
	const struct pack *p;
	const struct pack_set *set;
	size_t which[PACK_EXPERIMENTS_MAX];
	size_t n;
};

static void
question_begin(struct question *q, const struct pack *p,
    const struct pack_set *set)
{
	q->p = p;
	q->set = set;
	q->n = 0;
	for (size_t i = 0; i < p->n_log; i++) {
		if (pack_mask_has(&p->learn, i) &&
		    pack_set_equal(&p->log[i].withdrawn, set))
			q->which[q->n++] = i;
	}
}

bool
pack_is_tainted(const struct pack_result *r, unsigned d,
    const struct pack_set *set)
{
	struct pack_set others = *set;

	for (unsigned j = 0; j < d; j++)
		pack_set_del(&others, r->site[j]);
	for (unsigned k = 0; k < r->taint.n; k++) {
		const struct pack_trigger *t = &r->taint.trigger[k];
		bool is_joint = t->with != PACK_NONE;

		if (!pack_set_has(set, t->site) ||
		    (is_joint && !pack_set_has(set, t->with)))
			continue;
		if (pack_set_has(&others, t->site) ||
		    (is_joint && pack_set_has(&others, t->with)))
			return true;
	}
	return false;
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
	*label = (enum pack_label)r->label[0];
	for (unsigned j = 1; j <= d; j++) {
		if (r->label[j] < (uint8_t)*label)
			*label = (enum pack_label)r->label[j];
	}
	if (*label == PACK_CERTIFIED && pack_is_tainted(r, d, set))
		*label = PACK_GUESSED;
	if (d > p->conf.depth && *label == PACK_CERTIFIED)
		*label = PACK_COMPOSED;
	return r->site[d];
}

uint16_t
pack_route_site(const struct pack *p, const struct pack_result *r,
    const struct pack_set *withdrawn)
{
	const struct pack_route *route;

	if (r->route == 0)
		return PACK_NONE;
	route = &p->route[r->route - 1];
	for (unsigned d = 0; d < route->n; d++) {
		if (!pack_set_has(withdrawn, route->site[d]))
			return route->site[d];
	}
	return PACK_NONE;
}

/* All alike, and at least one answered: the reading counts. */
static uint16_t
by_reading(const struct question *q, size_t c)
{
	uint16_t site = PACK_NONE;

	for (size_t k = 0; k < q->n; k++) {
		uint16_t u = pack_read(q->p, q->which[k], c);

		if (u == PACK_NONE)
			continue;
		if (u == PACK_FLIPPING || (site != PACK_NONE && u != site))
			return PACK_NONE;
		site = u;
	}
	return site;
}

static void
predict_one(const struct question *q, size_t c, struct pack_prediction *out)
{
	const struct pack_result *r = &q->p->result[c];
	enum pack_label label;
	uint16_t u = PACK_NONE;

	*out = (struct pack_prediction){ .other = PACK_NONE };
	out->site = by_rank(q->p, q->set, c, &label);
	if (r->n > 0 && r->label[0] != PACK_UNSTABLE)
		u = by_reading(q, c);
	if (u != PACK_NONE) {
		out->site = u;
		label = PACK_MEASURED;
	}
	out->label = (uint8_t)label;
	out->other = pack_route_site(q->p, r, q->set);
	if (out->other == PACK_NONE)
		return;
	out->other_share = r->other_share;
	if (out->site == PACK_NONE) {
		out->site = out->other;
		out->label = PACK_UNSTABLE;
	}
}

void
pack_predict_split(struct pack *p, const struct pack_set *withdrawn,
    struct pack_prediction *out)
{
	struct question q;

	pack_infer(p);
	question_begin(&q, p, withdrawn);
	for (size_t c = 0; c < p->conf.n_clients; c++)
		predict_one(&q, c, &out[c]);
}

void
pack_predict(struct pack *p, const struct pack_set *withdrawn, uint16_t *site,
    uint8_t *label)
{
	struct question q;

	pack_infer(p);
	question_begin(&q, p, withdrawn);
	for (size_t c = 0; c < p->conf.n_clients; c++) {
		struct pack_prediction one;

		predict_one(&q, c, &one);
		if (site != NULL)
			site[c] = one.site;
		if (label != NULL)
			label[c] = one.label;
	}
}

void
pack_predict_some(struct pack *p, const struct pack_set *withdrawn,
    const uint32_t *clients, size_t n, uint16_t *site)
{
	struct question q;

	pack_infer(p);
	question_begin(&q, p, withdrawn);
	for (size_t i = 0; i < n; i++) {
		struct pack_prediction one;

		predict_one(&q, clients[i], &one);
		site[i] = one.site;
	}
}

void
pack_predict_split_some(struct pack *p, const struct pack_set *withdrawn,
    const uint32_t *clients, size_t n, struct pack_prediction *out)
{
	struct question q;

	pack_infer(p);
	question_begin(&q, p, withdrawn);
	for (size_t i = 0; i < n; i++)
		predict_one(&q, clients[i], &out[i]);
}

double
pack_wrong_of(struct pack *p, const struct pack_set *withdrawn,
    const uint32_t *clients, size_t n)
{
	double wrong = 0, known = 0;
	struct question q;

	pack_infer(p);
	question_begin(&q, p, withdrawn);
	for (size_t i = 0; i < n; i++) {
		double weight = (double)p->weight[clients[i]];
		struct pack_prediction one;

		predict_one(&q, clients[i], &one);
		if (one.site == PACK_NONE)
			continue;
		known += weight;
		wrong += weight * pack_wrong_share[one.label];
	}
	return known > 0 ? wrong / known : 0;
}

struct tally {
	const struct pack *p;
	const struct pack_set *set;
	uint16_t from;
	double weight[PACK_SITES_MAX + 1]; /* the last: unknown */
	uint32_t clients[PACK_SITES_MAX + 1];
	double by_label[PACK_LABEL_COUNT];
	double square; /* sum of squared weights with a known way */
	double wrong;  /* expected wrong weight */
};

static void
tally_add(struct tally *t, uint16_t site, uint8_t label, double weight)
{
	t->clients[site]++;
	t->weight[site] += weight;
	t->by_label[label] += weight;
	t->wrong += weight * pack_wrong_share[label];
	t->square += weight * weight;
}

/* By the first heirs of the last known site, those that still announce. */
static void
spread(struct tally *t, uint16_t last, double weight)
{
	const struct pack *p = t->p;
	const float *next = p->next + last * p->conf.n_sites;
	double all = 0;

	t->clients[PACK_SITES_MAX]++;
	for (size_t x = 0; x < p->conf.n_sites; x++)
		all += pack_set_has(t->set, x) ? 0 : (double)next[x];
	if (all <= 0) {
		t->weight[PACK_SITES_MAX] += weight;
		t->by_label[PACK_UNKNOWN] += weight;
		return;
	}
	for (size_t x = 0; x < p->conf.n_sites; x++) {
		if (!pack_set_has(t->set, x))
			t->weight[x] += weight * (double)next[x] / all;
	}
	t->by_label[PACK_COMPOSED] += weight;
	t->square += weight * weight;
	t->wrong += weight * pack_wrong_share[PACK_COMPOSED];
}

/* Is the route that begins at `home` displaced, and asked for? */
static bool
is_counted(const struct tally *t, uint16_t home)
{
	return pack_set_has(t->set, home) &&
	    (t->from == PACK_NONE || t->from == home);
}

/* Is one of the client's routes?  Most clients have none that is, and what is
 * predicted of them costs more than to see that. */
static bool
is_displaced(const struct tally *t, size_t c)
{
	const struct pack_result *r = &t->p->result[c];

	return r->n > 0 &&
	    (is_counted(t, r->site[0]) ||
		(r->route != 0 && is_counted(t, r->other)));
}

/* Adds a client's routes that are displaced; returns their weight. */
static double
client_tally(struct tally *t, size_t c, const struct pack_prediction *one)
{
	const struct pack_result *r = &t->p->result[c];
	double weight = (double)t->p->weight[c];
	double second = weight * (double)one->other_share, sum = 0;

	if (is_counted(t, r->site[0])) {
		sum += weight - second;
		if (one->site != PACK_NONE) {
			tally_add(t, one->site, one->label, weight - second);
		} else {
			spread(t, r->site[r->n - 1], weight);
		}
	}
	if (one->other != PACK_NONE && is_counted(t, r->other)) {
		sum += second;
		tally_add(t, one->other, one->label, second);
	}
	return sum;
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

static void
heirs_add(struct tally *t, const struct question *q, size_t c,
    struct pack_heirs *out)
{
	struct pack_prediction one;
	double weight;

	if (!is_displaced(t, c))
		return;
	predict_one(q, c, &one);
	weight = client_tally(t, c, &one);
	out->clients += weight > 0;
	out->weight += weight;
}

void
pack_heirs(struct pack *p, const struct pack_set *withdrawn, uint16_t from,
    struct pack_heirs *out)
{
	struct tally *t = xcalloc(1, sizeof(*t));
	struct question q;

	t->p = p;
	t->set = withdrawn;
	t->from = from;
	memset(out, 0, sizeof(*out));
	pack_infer(p);
	question_begin(&q, p, withdrawn);
	for (size_t c = 0; c < p->conf.n_clients; c++)
		heirs_add(t, &q, c, out);
	shares_fill(t, out);
	heirs_list(t, out);
	free(t);
}

enum pack_label
pack_label_of(struct pack *p, const struct pack_set *withdrawn,
    const uint32_t *clients, size_t n)
{
	struct tally *t = xcalloc(1, sizeof(*t));
	struct pack_heirs *out = xcalloc(1, sizeof(*out));
	enum pack_label label;
	struct question q;

	t->p = p;
	t->set = withdrawn;
	t->from = PACK_NONE;
	pack_infer(p);
	question_begin(&q, p, withdrawn);
	for (size_t i = 0; i < n; i++)
		heirs_add(t, &q, clients[i], out);
	shares_fill(t, out);
	label = out->label;
	free(out);
	free(t);
	return label;
}
