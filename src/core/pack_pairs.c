/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/pack_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/failover.h"

/* Clients of a site. */
struct group {
	const uint32_t *clients;
	size_t n;
};

struct pack_pairs {
	struct pack_pairs_input in;
	/* All clients with a home, by home: those of site s are
	 * by_home[start[s]] .. by_home[start[s + 1]]. */
	uint32_t *by_home;
	size_t *start;
	struct group site;
	uint16_t *first; /* of each of the site: where it goes without it */
	/* Those that a pair is asked about, and the answers. */
	uint32_t *asked;
	uint16_t *answer;
};

static struct group
group_of(const struct pack_pairs *pp, size_t site)
{
	return (struct group){ pp->by_home + pp->start[site],
		pp->start[site + 1] - pp->start[site] };
}

/* A counting sort. */
static void
sort_by_home(struct pack_pairs *pp)
{
	const struct pack_pairs_input *in = &pp->in;
	size_t *next = xcalloc(in->n_sites + 1, sizeof(*next));

	pp->by_home = xcalloc(in->n, sizeof(*pp->by_home));
	pp->start = xcalloc(in->n_sites + 2, sizeof(*pp->start));
	for (size_t c = 0; c < in->n; c++) {
		if (outcome_is_site(in->home[c], in->n_sites))
			pp->start[in->home[c]]++;
	}
	for (size_t s = 0; s < in->n_sites; s++) {
		pp->start[s + 1] += pp->start[s];
		next[s] = pp->start[s];
	}
	for (size_t c = 0; c < in->n; c++) {
		if (outcome_is_site(in->home[c], in->n_sites)) {
			pp->by_home[next[in->home[c] - 1u]++] = (uint32_t)c;
		}
	}
	free(next);
}

struct pack_pairs *
pack_pairs_new(const struct pack_pairs_input *in)
{
	struct pack_pairs *pp = xcalloc(1, sizeof(*pp));
	struct pack_set one = { { 0 } };

	pp->in = *in;
	sort_by_home(pp);
	pp->site = group_of(pp, in->site);
	pp->first = xcalloc(pp->site.n, sizeof(*pp->first));
	pp->asked = xcalloc(pp->site.n, sizeof(*pp->asked));
	pp->answer = xcalloc(in->n, sizeof(*pp->answer));
	pack_set_add(&one, in->site);
	pack_predict_some(in->pack, &one, pp->site.clients, pp->site.n,
	    pp->first);
	return pp;
}

void
pack_pairs_free(struct pack_pairs *pp)
{
	if (pp == NULL)
		return;
	free(pp->by_home);
	free(pp->start);
	free(pp->first);
	free(pp->asked);
	free(pp->answer);
	free(pp);
}

static double
weight_of(const struct pack_pairs *pp, struct group g)
{
	double weight = 0;

	for (size_t i = 0; i < g.n; i++)
		weight += pp->in.weight[g.clients[i]];
	return weight;
}

static void
land_group(struct pack_pairs *pp, const struct pack_set *both, struct group g,
    double *lands)
{
	pack_predict_some(pp->in.pack, both, g.clients, g.n, pp->answer);
	for (size_t i = 0; i < g.n; i++) {
		if (pp->answer[i] < pp->in.n_sites)
			lands[pp->answer[i]] += pp->in.weight[g.clients[i]];
	}
}

/* Who went elsewhere than to the heir stays there. */
static void
land_site(struct pack_pairs *pp, const struct pack_set *both, size_t heir,
    double *lands)
{
	struct group asked = { pp->asked, 0 };

	for (size_t i = 0; i < pp->site.n; i++) {
		uint32_t client = pp->site.clients[i];

		if (pp->first[i] == heir) {
			pp->asked[asked.n++] = client;
		} else if (pp->first[i] < pp->in.n_sites) {
			lands[pp->first[i]] += pp->in.weight[client];
		}
	}
	land_group(pp, both, asked, lands);
}

bool
pack_pairs_share(struct pack_pairs *pp, size_t heir, double *of_site,
    double *of_heir)
{
	size_t n_sites = pp->in.n_sites;
	struct group other = group_of(pp, heir);
	double of_all = weight_of(pp, pp->site);
	double of_other = weight_of(pp, other);
	struct pack_set both = { { 0 } };

	memset(of_site, 0, n_sites * sizeof(*of_site));
	memset(of_heir, 0, n_sites * sizeof(*of_heir));
	if (of_all <= 0 || of_other <= 0)
		return false;
	pack_set_add(&both, pp->in.site);
	pack_set_add(&both, heir);
	land_site(pp, &both, heir, of_site);
	land_group(pp, &both, other, of_heir);
	for (size_t i = 0; i < n_sites; i++) {
		of_site[i] /= of_all;
		of_heir[i] /= of_other;
	}
	return true;
}
