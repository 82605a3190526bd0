/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Designs withdrawal sets.  A demand is a client that still lacks a rank: it
 * wants all sites of the ranks before withdrawn, and the sites that may come
 * next announcing.  A set is grown site by site, the best first.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/pack_state.h"

#define DEMANDS_MAX 15000u
#define ASKED_MAX 10u /* possible next sites of a demand */
#define PAIR_SHARE_MIN 0.01F
#define NEXT_FLOOR 0.02F
#define CURRENT_BONUS 0.5F
#define HIDDEN_COST 1.3F /* per probability that the answer is withdrawn */
#define JITTER 0.1
#define BARRED_SHARE 0.1
#define GAIN_MIN 1e-9F
#define TRIGGER_Q 0.8F
/* Less of all answering weight is not worth an experiment of its own. */
#define ALONE_WEIGHT_MIN 0.0004

struct demand {
	float weight;
	float hidden; /* probability that the next site is in the set */
	uint8_t missing;
	uint8_t n_before;
	uint8_t n_next;
	uint16_t before[PACK_RANKS_MAX];
	uint16_t next[ASKED_MAX];
	float q[ASKED_MAX];
};

struct touch {
	uint32_t demand;
	float q; /* < 0: the site is one of `before` */
};

struct workshop {
	const struct pack *p;
	size_t n;
	struct demand *demands;
	size_t *begin; /* per site, of its touches; n_sites + 1 */
	struct touch *touches;
	const float *partial; /* credit for 0, 1, 2, ... missing sites */
	float *delta;         /* per site: what flipping it gains */
	struct pack_set barred;
	struct pack_set set;
	unsigned n_set;
	struct pack_rng rng;
};

/* The rank that the client lacks first; 0: none that is asked for. */
static unsigned
lacking(const struct pack *p, const struct pack_result *r, bool with_disputed)
{
	if (r->n == 0 || r->label[0] == PACK_UNSTABLE)
		return 0;
	for (unsigned d = 1; d <= p->conf.depth; d++) {
		if (d >= 2 &&
		    p->next[r->site[0] * p->conf.n_sites + r->site[1]] <
			PAIR_SHARE_MIN)
			return 0;
		if (d >= r->n)
			return d;
		if (r->label[d] == PACK_CERTIFIED)
			continue;
		if (r->label[d] == PACK_UNSTABLE ||
		    (r->label[d] == PACK_CONTRADICTED && !with_disputed)) {
			return 0;
		}
		return d;
	}
	return 0;
}

static float
demand_weight(const struct pack *p, size_t c)
{
	double all = p->site_weight[p->result[c].site[0]];

	return all > 0 ? (float)((double)p->weight[c] / all) : 0;
}

static void
next_insert(struct demand *dm, uint16_t site, float q)
{
	size_t at = dm->n_next;

	if (at == ASKED_MAX && q <= dm->q[at - 1])
		return;
	if (at == ASKED_MAX) {
		at--;
	} else {
		dm->n_next++;
	}
	for (; at > 0 && dm->q[at - 1] < q; at--) {
		dm->q[at] = dm->q[at - 1];
		dm->next[at] = dm->next[at - 1];
	}
	dm->q[at] = q;
	dm->next[at] = site;
}

static void
next_normalize(struct demand *dm, uint16_t current)
{
	float all = 0, share = current == PACK_NONE ? 1 : CURRENT_BONUS;

	for (size_t k = 0; k < dm->n_next; k++)
		all += dm->q[k];
	for (size_t k = 0; k < dm->n_next; k++) {
		dm->q[k] *= share / all;
		if (dm->next[k] == current)
			dm->q[k] += CURRENT_BONUS;
	}
}

static bool
is_among(const uint16_t *sites, size_t n, uint16_t site)
{
	for (size_t k = 0; k < n; k++) {
		if (sites[k] == site)
			return true;
	}
	return false;
}

/* A set with a trigger of the client says nothing about it: the trigger is
 * wanted out of it as if it were the answer. */
static void
triggers_add(const struct pack_result *r, struct demand *dm)
{
	for (unsigned k = 0; k < r->taint.n; k++) {
		uint16_t site = r->taint.trigger[k].site;

		if (is_among(dm->before, dm->n_before, site) ||
		    is_among(dm->next, dm->n_next, site))
			continue;
		if (dm->n_next == ASKED_MAX)
			dm->n_next--;
		dm->next[dm->n_next] = site;
		dm->q[dm->n_next++] = TRIGGER_Q;
	}
}

/* Which sites may come next, and how likely. */
static void
demand_fill(const struct pack *p, size_t c, unsigned d, const uint16_t *u,
    struct demand *dm)
{
	const struct pack_result *r = &p->result[c];
	const float *first = p->next + r->site[0] * p->conf.n_sites;
	const float *last = p->next + r->site[d - 1] * p->conf.n_sites;
	struct pack_view view = { u, r->taint, PACK_NONE };
	struct pack_evidence ev;
	uint16_t current = PACK_NONE;

	dm->n_before = (uint8_t)d;
	memcpy(dm->before, r->site, d * sizeof(dm->before[0]));
	pack_evidence(p, &view, r->site, d, &ev);
	if (ev.n > 0)
		current = ev.candidate[ev.best].site;
	for (size_t x = 0; x < p->conf.n_sites; x++) {
		float q = (first[x] + last[x]) / 2;

		if (!pack_set_has(&ev.possible, x))
			continue;
		if (x == current || q > 0 || pack_set_has(&ev.known, x)) {
			next_insert(dm, (uint16_t)x,
			    q + (x == current ? 1 : NEXT_FLOOR));
		}
	}
	if (dm->n_next > 0)
		next_normalize(dm, current);
	triggers_add(r, dm);
}

/* Weight per (first site, second site or itself) that lacks a rank. */
static float *
open_shares(const struct pack *p, const struct pack_design *how)
{
	size_t n = p->conf.n_sites;
	float *open = xcalloc(n * n, sizeof(*open));

	for (size_t c = 0; c < p->conf.n_clients; c++) {
		const struct pack_result *r = &p->result[c];
		unsigned d = lacking(p, r, how->with_disputed);

		if (d > 0) {
			open[r->site[0] * n + r->site[d > 1]] +=
			    demand_weight(p, c);
		}
	}
	return open;
}

static bool
is_asked(const struct pack *p, const struct pack_design *how, const float *open,
    size_t c, unsigned *d)
{
	const struct pack_result *r = &p->result[c];

	*d = lacking(p, r, how->with_disputed);
	return *d > 0 &&
	    (double)open[r->site[0] * p->conf.n_sites + r->site[*d > 1]] >
	    how->open_min;
}

/* At most DEMANDS_MAX of them, drawn in proportion to their weights. */
static void
demands_collect(struct workshop *ws, const struct pack_design *how)
{
	const struct pack *p = ws->p;
	float *open = open_shares(p, how);
	uint16_t *u = xcalloc(p->as_of + 1, sizeof(*u));
	double all = 0, step, at, sum = 0;
	unsigned d;

	for (size_t c = 0; c < p->conf.n_clients; c++) {
		if (is_asked(p, how, open, c, &d))
			all += (double)demand_weight(p, c);
	}
	step = all / DEMANDS_MAX;
	at = step * pack_rng_unit(&ws->rng);
	for (size_t c = 0; c < p->conf.n_clients && all > 0; c++) {
		struct demand *dm = &ws->demands[ws->n];
		double n;

		if (!is_asked(p, how, open, c, &d))
			continue;
		sum += (double)demand_weight(p, c);
		n = sum > at ? ceil((sum - at) / step) : 0;
		if (n < 1 || ws->n == DEMANDS_MAX)
			continue;
		at += n * step;
		pack_gather(p, c, 1, u);
		memset(dm, 0, sizeof(*dm));
		dm->weight = (float)(n * step);
		demand_fill(p, c, d, u, dm);
		ws->n++;
	}
	free(u);
	free(open);
}

static void
touches_index(struct workshop *ws)
{
	size_t n_sites = ws->p->conf.n_sites, n = 0;

	for (size_t i = 0; i < ws->n; i++)
		n += ws->demands[i].n_before + (size_t)ws->demands[i].n_next;
	ws->touches = xcalloc(n + 1, sizeof(*ws->touches));
	ws->begin = xcalloc(n_sites + 2, sizeof(*ws->begin));
	for (size_t i = 0; i < ws->n; i++) {
		const struct demand *dm = &ws->demands[i];

		for (size_t k = 0; k < dm->n_before; k++)
			ws->begin[dm->before[k] + 2]++;
		for (size_t k = 0; k < dm->n_next; k++)
			ws->begin[dm->next[k] + 2]++;
	}
	for (size_t s = 2; s < n_sites + 2; s++)
		ws->begin[s] += ws->begin[s - 1];
	/* Filled through begin[site + 1], which so moves to its own end. */
	for (size_t i = 0; i < ws->n; i++) {
		const struct demand *dm = &ws->demands[i];

		for (size_t k = 0; k < dm->n_before; k++) {
			ws->touches[ws->begin[dm->before[k] + 1]++] =
			    (struct touch){ (uint32_t)i, -1 };
		}
		for (size_t k = 0; k < dm->n_next; k++) {
			ws->touches[ws->begin[dm->next[k] + 1]++] =
			    (struct touch){ (uint32_t)i, dm->q[k] };
		}
	}
}

static float
value(const struct workshop *ws, const struct demand *dm, int missing,
    float hidden)
{
	float clear = 1 - HIDDEN_COST * hidden;

	return clear > 0 ? dm->weight * ws->partial[missing] * clear : 0;
}

/* What flipping `site`, in a demand as before (q < 0) or next, gains. */
static float
flip_gain(const struct workshop *ws, const struct demand *dm, uint16_t site,
    float q)
{
	float now = value(ws, dm, dm->missing, dm->hidden);
	bool is_in = pack_set_has(&ws->set, site);

	if (q < 0) {
		return value(ws, dm, dm->missing + (is_in ? 1 : -1),
			   dm->hidden) -
		    now;
	}
	return value(ws, dm, dm->missing, dm->hidden + (is_in ? -q : q)) - now;
}

static void
demand_account(struct workshop *ws, const struct demand *dm, float sign)
{
	for (size_t k = 0; k < dm->n_before; k++) {
		ws->delta[dm->before[k]] +=
		    sign * flip_gain(ws, dm, dm->before[k], -1);
	}
	for (size_t k = 0; k < dm->n_next; k++) {
		ws->delta[dm->next[k]] +=
		    sign * flip_gain(ws, dm, dm->next[k], dm->q[k]);
	}
}

static void
flip(struct workshop *ws, size_t site)
{
	bool is_in = pack_set_has(&ws->set, site);
	size_t begin = ws->begin[site], end = ws->begin[site + 1];

	for (size_t t = begin; t < end; t++)
		demand_account(ws, &ws->demands[ws->touches[t].demand], -1);
	if (is_in) {
		pack_set_del(&ws->set, site);
	} else {
		pack_set_add(&ws->set, site);
	}
	ws->n_set += is_in ? -1u : 1u;
	for (size_t t = begin; t < end; t++) {
		struct demand *dm = &ws->demands[ws->touches[t].demand];
		float q = ws->touches[t].q;

		if (q < 0) {
			dm->missing = (uint8_t)(dm->missing + (is_in ? 1 : -1));
		} else {
			dm->hidden += is_in ? -q : q;
		}
	}
	for (size_t t = begin; t < end; t++)
		demand_account(ws, &ws->demands[ws->touches[t].demand], 1);
}

static void
climb(struct workshop *ws, unsigned cap)
{
	size_t n = ws->p->conf.n_sites;

	memset(ws->delta, 0, n * sizeof(*ws->delta));
	for (size_t i = 0; i < ws->n; i++)
		demand_account(ws, &ws->demands[i], 1);
	/* Each step improves; the bound only guards against rounding. */
	for (size_t step = 0; step < 4 * n; step++) {
		size_t best = n;
		double most = 0;

		for (size_t s = 0; s < n; s++) {
			bool is_in = pack_set_has(&ws->set, s);
			double gain = (double)ws->delta[s] *
			    (1 + JITTER * (pack_rng_unit(&ws->rng) - 0.5));

			if (gain <= most || ws->delta[s] < GAIN_MIN ||
			    (!is_in &&
				(ws->n_set >= cap ||
				    pack_set_has(&ws->barred, s))))
				continue;
			most = gain;
			best = s;
		}
		if (best == n)
			return;
		flip(ws, best);
	}
}

/* Designs one set, and discounts the demands that it is expected to meet. */
static double
set_design(struct workshop *ws, unsigned cap)
{
	/* Pairs would never start without credit for half of them. */
	static const float partly[] = { 1, 0.2F, 0.04F, 0.008F, 0, 0 };
	static const float wholly[] = { 1, 0, 0, 0, 0, 0 };
	double gain = 0;

	memset(&ws->set, 0, sizeof(ws->set));
	ws->n_set = 0;
	ws->barred = ws->p->conf.keep;
	for (size_t s = 0; s < ws->p->conf.n_sites; s++) {
		if (pack_rng_unit(&ws->rng) < BARRED_SHARE)
			pack_set_add(&ws->barred, s);
	}
	for (size_t i = 0; i < ws->n; i++) {
		ws->demands[i].missing = ws->demands[i].n_before;
		ws->demands[i].hidden = 0;
	}
	ws->partial = partly;
	climb(ws, cap);
	ws->partial = wholly;
	climb(ws, cap);
	for (size_t i = 0; i < ws->n; i++) {
		struct demand *dm = &ws->demands[i];
		float v = value(ws, dm, dm->missing, dm->hidden);

		gain += (double)v;
		dm->weight -= v;
	}
	return gain;
}

size_t
pack_design(struct pack *p, const struct pack_design *how,
    struct pack_plan *plans)
{
	struct workshop ws = { .p = p };
	size_t n_sites = p->conf.n_sites, with_clients = 0, made = 0;

	pack_infer(p);
	pack_rng_init(&ws.rng, p->conf.seed, p->n_log);
	ws.demands = xcalloc(DEMANDS_MAX, sizeof(*ws.demands));
	ws.delta = xcalloc(n_sites, sizeof(*ws.delta));
	demands_collect(&ws, how);
	touches_index(&ws);
	for (size_t s = 0; s < n_sites; s++)
		with_clients += p->site_weight[s] > 0;
	for (; made < how->n && ws.n > 0; made++) {
		double gain = set_design(&ws, how->cap);

		if (ws.n_set == 0)
			break;
		plans[made].withdrawn = ws.set;
		plans[made].gain = gain / (double)with_clients;
	}
	free(ws.demands);
	free(ws.delta);
	free(ws.touches);
	free(ws.begin);
	return made;
}

double
pack_open(const struct pack *p, bool with_disputed)
{
	struct pack_design how = { .with_disputed = with_disputed };
	size_t n = p->conf.n_sites;
	float *open = open_shares(p, &how);
	double all = 0;

	for (size_t i = 0; i < n * n; i++)
		all += (double)open[i];
	free(open);
	return all;
}

static bool
is_planned(const struct pack_plan *plans, size_t n, const struct pack_set *set)
{
	for (size_t i = 0; i < n; i++) {
		if (pack_set_equal(&plans[i].withdrawn, set))
			return true;
	}
	return false;
}

bool
pack_most_open(const struct pack *p, double open_min,
    const struct pack_plan *plans, size_t n_plans, struct pack_set *out)
{
	struct pack_design how = { .with_disputed = true };
	size_t n = p->conf.n_sites;
	float *open = open_shares(p, &how);
	double most = open_min, all = 0;
	bool is_found = false;

	for (size_t s = 0; s < n; s++)
		all += p->site_weight[s];
	for (size_t i = 0; i < n * n; i++) {
		struct pack_set set = { { 0 } };

		pack_set_add(&set, i / n);
		pack_set_add(&set, i % n);
		if ((double)open[i] <= most ||
		    (double)open[i] * p->site_weight[i / n] <
			ALONE_WEIGHT_MIN * all ||
		    pack_set_count(&set) == n ||
		    is_planned(plans, n_plans, &set) ||
		    pack_set_has(&p->conf.keep, i / n) ||
		    pack_set_has(&p->conf.keep, i % n))
			continue;
		most = (double)open[i];
		*out = set;
		is_found = true;
	}
	free(open);
	return is_found;
}
