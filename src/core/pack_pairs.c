/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/pack_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/failover.h"

struct pack_pairs {
	struct pack_pairs_input in;
	/* All clients that reach a site, by site: those of site s are
	 * by_site[start[s]] .. by_site[start[s + 1]]. */
	uint32_t *by_site;
	size_t *start;
	double *scale; /* of each site: load per weight; < 0: no client */
	/* The clients of `out`, and where each goes. */
	uint32_t *clients;
	uint16_t *first;
	size_t n;
	/* Those that a heir is asked about, and the answers. */
	uint32_t *asked;
	uint16_t *answer;
};

/* A counting sort. */
static void
sort_by_site(struct pack_pairs *pp)
{
	const struct pack_pairs_input *in = &pp->in;
	size_t *next = xcalloc(in->n_sites + 1, sizeof(*next));

	pp->by_site = xcalloc(in->n, sizeof(*pp->by_site));
	pp->start = xcalloc(in->n_sites + 2, sizeof(*pp->start));
	for (size_t c = 0; c < in->n; c++) {
		if (outcome_is_site(in->now[c], in->n_sites))
			pp->start[in->now[c]]++;
	}
	for (size_t s = 0; s < in->n_sites; s++) {
		pp->start[s + 1] += pp->start[s];
		next[s] = pp->start[s];
	}
	for (size_t c = 0; c < in->n; c++) {
		if (outcome_is_site(in->now[c], in->n_sites))
			pp->by_site[next[in->now[c] - 1u]++] = (uint32_t)c;
	}
	free(next);
}

static void
make_scales(struct pack_pairs *pp)
{
	pp->scale = xcalloc(pp->in.n_sites, sizeof(*pp->scale));
	for (size_t s = 0; s < pp->in.n_sites; s++) {
		double weight = 0;

		for (size_t i = pp->start[s]; i < pp->start[s + 1]; i++)
			weight += pp->in.weight[pp->by_site[i]];
		if (weight > 0) {
			pp->scale[s] = pp->in.load[s] / weight;
		} else {
			/* No load needs no client. */
			pp->scale[s] = pp->in.load[s] > 0 ? -1 : 0;
		}
	}
}

struct pack_pairs *
pack_pairs_new(const struct pack_pairs_input *in)
{
	struct pack_pairs *pp = xcalloc(1, sizeof(*pp));
	struct pack_set gone = in->down;

	pp->in = *in;
	sort_by_site(pp);
	make_scales(pp);
	pp->clients = xcalloc(in->n, sizeof(*pp->clients));
	pp->first = xcalloc(in->n, sizeof(*pp->first));
	pp->asked = xcalloc(in->n, sizeof(*pp->asked));
	pp->answer = xcalloc(in->n, sizeof(*pp->answer));
	for (size_t s = 0; s < in->n_sites; s++) {
		size_t n = pp->start[s + 1] - pp->start[s];

		if (!pack_set_has(&in->out, s))
			continue;
		pack_set_add(&gone, s);
		if (n > 0) {
			memcpy(pp->clients + pp->n, pp->by_site + pp->start[s],
			    n * sizeof(*pp->clients));
		}
		pp->n += n;
	}
	pack_predict_some(in->pack, &gone, pp->clients, pp->n, pp->first);
	return pp;
}

void
pack_pairs_free(struct pack_pairs *pp)
{
	if (pp == NULL)
		return;
	free(pp->by_site);
	free(pp->start);
	free(pp->scale);
	free(pp->clients);
	free(pp->first);
	free(pp->asked);
	free(pp->answer);
	free(pp);
}

static void
land(const struct pack_pairs *pp, uint32_t client, uint16_t site, double *lands)
{
	if (site < pp->in.n_sites) {
		lands[site] +=
		    pp->in.weight[client] * pp->scale[pp->in.now[client] - 1u];
	}
}

static bool
is_known(const struct pack_pairs *pp)
{
	for (size_t s = 0; s < pp->in.n_sites; s++) {
		if (pack_set_has(&pp->in.out, s) && pp->scale[s] < 0)
			return false;
	}
	return true;
}

bool
pack_pairs_first(struct pack_pairs *pp, double *lands)
{
	memset(lands, 0, pp->in.n_sites * sizeof(*lands));
	if (!is_known(pp))
		return false;
	for (size_t i = 0; i < pp->n; i++)
		land(pp, pp->clients[i], pp->first[i], lands);
	return true;
}

static struct pack_set
without(const struct pack_pairs *pp, size_t heir)
{
	struct pack_set gone = pp->in.down;

	for (size_t s = 0; s < pp->in.n_sites; s++) {
		if (s == heir || pack_set_has(&pp->in.out, s))
			pack_set_add(&gone, s);
	}
	return gone;
}

bool
pack_pairs_next(struct pack_pairs *pp, size_t heir, double *lands)
{
	struct pack_set gone = without(pp, heir);
	const uint32_t *own = pp->by_site + pp->start[heir];
	size_t n_own = pp->start[heir + 1] - pp->start[heir], n = 0;

	memset(lands, 0, pp->in.n_sites * sizeof(*lands));
	if (!is_known(pp) || pp->scale[heir] < 0)
		return false;
	/* Who went elsewhere than to the heir stays there. */
	for (size_t i = 0; i < pp->n; i++) {
		if (pp->first[i] == heir) {
			pp->asked[n++] = pp->clients[i];
		} else {
			land(pp, pp->clients[i], pp->first[i], lands);
		}
	}
	pack_predict_some(pp->in.pack, &gone, pp->asked, n, pp->answer);
	for (size_t i = 0; i < n; i++)
		land(pp, pp->asked[i], pp->answer[i], lands);
	pack_predict_some(pp->in.pack, &gone, own, n_own, pp->answer);
	for (size_t i = 0; i < n_own; i++)
		land(pp, own[i], pp->answer[i], lands);
	return true;
}
