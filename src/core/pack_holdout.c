/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the hold-outs say about the sets that matter.
 *
 * Their plain agreement is of the sets that they happen to be: small clusters
 * use later ranks than pairs do, and a heavy client more or less in them decides
 * about points.  So agreement is taken by strata -- how many ranks a prediction
 * needed, and how sure it was -- by clients, not by weight, and then put together
 * in the proportion that the sets that matter have them, by weight.
 */
#include "core/pack_holdout.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"

/* Of a site's clients, so that the pair with that heir matters. */
#define MATTERS 0.01
/* With fewer clients a stratum borrows from the one that is most like it. */
#define CLIENTS_MIN 30.0

unsigned
pack_stratum(const struct pack *p, const struct pack_result *r, unsigned ranks,
    bool is_certified)
{
	if (r->label[0] == PACK_UNSTABLE)
		return PACK_STRATUM_FLAPS;
	if (ranks == 0 || ranks > p->conf.depth)
		return PACK_STRATA;
	return 1 + 2 * (ranks - 1) + !is_certified;
}

void
pack_strata_add(struct pack_strata *to, const struct pack_strata *more)
{
	for (unsigned s = 0; s < PACK_STRATA; s++) {
		to->seen[s] += more->seen[s];
		to->agreed[s] += more->agreed[s];
	}
}

/* Which pairs matter: heirs of a share, either way round. */
static struct pack_set *
partners_of(const struct pack *p)
{
	size_t n = p->conf.n_sites;
	struct pack_set *out = xcalloc(n, sizeof(*out));
	double *weight = xcalloc(n * n, sizeof(*weight));
	double *all = xcalloc(n, sizeof(*all));

	for (size_t c = 0; c < p->conf.n_clients; c++) {
		const struct pack_result *r = &p->result[c];

		if (r->n < 2)
			continue;
		weight[r->site[0] * n + r->site[1]] += (double)p->weight[c];
		all[r->site[0]] += (double)p->weight[c];
	}
	for (size_t a = 0; a < n; a++) {
		for (size_t b = 0; b < n; b++) {
			if (a == b || weight[a * n + b] < MATTERS * all[a] ||
			    all[a] <= 0)
				continue;
			pack_set_add(&out[a], (uint16_t)b);
			pack_set_add(&out[b], (uint16_t)a);
		}
	}
	free(weight);
	free(all);
	return out;
}

/* Is the prediction that needs so many ranks certified? */
static bool
is_certified_to(const struct pack_result *r, unsigned ranks)
{
	struct pack_set withdrawn = { { 0 } };

	for (unsigned d = 0; d <= ranks && d < r->n; d++) {
		if (r->label[d] != PACK_CERTIFIED)
			return false;
		if (d < ranks)
			pack_set_add(&withdrawn, r->site[d]);
	}
	return ranks < r->n && !pack_is_tainted(r, ranks, &withdrawn);
}

/*
 * In how many of the sets of `size` sites that matter for a client its
 * prediction needs how many ranks; its own site is in each.  Further sites of a
 * set of three are taken as partners of its own.
 */
static void
count_ranks(const struct pack_result *r, const struct pack_set *partners,
    unsigned size, double ranks[PACK_DEPTH_MAX + 1])
{
	double m = (double)pack_set_count(partners);
	bool has1 = r->n > 1 && pack_set_has(partners, r->site[1]);
	bool has2 = r->n > 2 && pack_set_has(partners, r->site[2]);
	double with1 = size == 1 || !has1 ? 0 : size == 2 ? 1 : m - 1;
	double with2 = has1 && has2 && size == 3 ? 1 : 0;
	double sets = size == 1 ? 1 : size == 2 ? m : m * (m - 1) / 2;

	ranks[1] = sets - with1;
	ranks[2] = with1 - with2;
	ranks[3] = with2;
}

/* Weight of each stratum over the sets that matter. */
static void
weigh(const struct pack *p, double weight[PACK_STRATA])
{
	struct pack_set *partners = partners_of(p);

	for (unsigned s = 0; s < PACK_STRATA; s++)
		weight[s] = 0;
	for (size_t c = 0; c < p->conf.n_clients; c++) {
		const struct pack_result *r = &p->result[c];
		double ranks[PACK_DEPTH_MAX + 1];

		if (r->n < 2)
			continue;
		count_ranks(r, &partners[r->site[0]], p->conf.depth, ranks);
		for (unsigned k = 1; k <= p->conf.depth; k++) {
			unsigned s =
			    pack_stratum(p, r, k, is_certified_to(r, k));

			weight[s] += ranks[k] * (double)p->weight[c];
		}
	}
	free(partners);
}

/* A stratum's agreement; with too few clients together with those of the same
 * certainty, then of all. */
static double
rate_of(const struct pack_strata *held, unsigned s)
{
	double seen = held->seen[s], agreed = held->agreed[s];

	for (unsigned k = 1; k < PACK_STRATA && seen < CLIENTS_MIN; k++) {
		if (k != s && s != PACK_STRATUM_FLAPS && k % 2 == s % 2) {
			seen += held->seen[k];
			agreed += held->agreed[k];
		}
	}
	for (unsigned k = 0; k < PACK_STRATA && seen < CLIENTS_MIN; k++) {
		seen += held->seen[k];
		agreed += held->agreed[k];
	}
	return pack_ratio(agreed, seen);
}

double
pack_holdout_estimate(const struct pack *p, const struct pack_strata *held)
{
	double weight[PACK_STRATA], all = 0, right = 0, seen = 0;

	for (unsigned s = 0; s < PACK_STRATA; s++)
		seen += held->seen[s];
	if (seen <= 0)
		return NAN;
	weigh(p, weight);
	for (unsigned s = 0; s < PACK_STRATA; s++) {
		if (weight[s] <= 0)
			continue;
		all += weight[s];
		right += weight[s] * rate_of(held, s);
	}
	return pack_ratio(right, all);
}
