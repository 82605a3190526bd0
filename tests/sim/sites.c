/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The generator's last stage but the clients' weights: the sites, each with
 * sessions to transits, to peers at its exchange, or inside an ISP.
 */
#include <stdlib.h>

#include "base/xalloc.h"
#include "yard.h"

static void
attach(struct yard *y, size_t site, uint32_t v, size_t metro,
    enum relation relation)
{
	struct internet *net = y->net;
	struct attachment *a = &net->attachments[net->n_attachments++];

	if (relation == FROM_PEER &&
	    sim_rng_below(&y->rng, 100) < net->conf.stress_percent)
		relation = FROM_CUSTOMER;
	*a = (struct attachment){ v, (uint16_t)site,
		(uint16_t)pop_nearest(net, &net->ases[v], metro), relation };
}

/* The members of the pool that have a PoP near the metro, at most `most`. */
static void
transits_attach(struct yard *y, size_t site, size_t metro, size_t most)
{
	struct internet *net = y->net;
	size_t n1 = net->conf.n_as[TIER1] < 7 ? net->conf.n_as[TIER1] : 7;
	size_t n = n1 + 3, start = sim_rng_below(&y->rng, n), made = 0;

	for (int round = 0; round < 2; round++) {
		for (size_t k = 0; k < n && made < most; k++) {
			size_t at = (start + k) % n;
			uint32_t v = (uint32_t)(at < n1
				? at
				: net->conf.n_as[TIER1] + at - n1);
			uint32_t pop = pop_nearest(net, &net->ases[v], metro);
			double far =
			    (double)net->distance[metro * net->n_metros +
				net->pop_metro[net->ases[v].pop + pop]];

			/* Far transits only if there is no near one. */
			if (far > NEAR && (round == 0 || made > 0))
				continue;
			attach(y, site, v, metro, FROM_CUSTOMER);
			made++;
		}
		if (made > 0)
			return;
	}
}

static void
isp_attach(struct yard *y, size_t site, size_t metro)
{
	struct internet *net = y->net;
	size_t country = net->metros[metro].country;
	size_t g = ticket_group(y, TIER_NATIONAL, country);

	if (y->n_tickets[g] == 0)
		g = ticket_group(y, TIER_NATIONAL, net->conf.n_countries);
	attach(y, site, y->tickets[g][sim_rng_below(&y->rng, y->n_tickets[g])],
	    metro,
	    sim_rng_below(&y->rng, 100) < 80 ? FROM_PEER : FROM_CUSTOMER);
}

static void
site_make(struct yard *y, size_t site, size_t metro)
{
	const struct metro *mt = &y->net->metros[metro];
	bool is_embedded =
	    sim_rng_below(&y->rng, 100) < (mt->has_exchange ? 8 : 35);
	size_t n = y->n_members[metro];

	if (is_embedded) {
		isp_attach(y, site, metro);
		if (sim_rng_below(&y->rng, 2) == 0)
			transits_attach(y, site, metro, 1);
		return;
	}
	transits_attach(y, site, metro, 2 + sim_rng_below(&y->rng, 3));
	for (size_t k = 0; k < n && k < 8; k++) {
		uint32_t v = UINT32_MAX;

		/* Of three, the one that is highest up. */
		for (int draw = 0; draw < 3; draw++) {
			size_t at = sim_rng_below(&y->rng, n);

			if (y->members[metro][at] < v)
				v = y->members[metro][at];
		}
		if (v < y->net->first_stub)
			attach(y, site, v, metro, FROM_PEER);
	}
}

static int
attachment_order(const void *a, const void *b)
{
	const struct attachment *x = a, *y = b;

	if (x->as != y->as)
		return x->as < y->as ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

void
sites_make(struct yard *y)
{
	struct internet *net = y->net;
	bool *is_taken = xcalloc(net->n_metros, sizeof(*is_taken));

	net->attachments =
	    xcalloc(net->conf.n_sites * 16, sizeof(*net->attachments));
	for (size_t s = 0; s < net->conf.n_sites; s++) {
		size_t m = metro_draw(y, UINT32_MAX, 0, 0);

		for (int tries = 0; is_taken[m] && tries < 5; tries++)
			m = metro_draw(y, UINT32_MAX, 0, 0);
		while (is_taken[m] && net->conf.n_sites < net->n_metros)
			m = (m + 1) % net->n_metros;
		is_taken[m] = true;
		site_make(y, s, m);
	}
	free(is_taken);
	qsort(net->attachments, net->n_attachments, sizeof(*net->attachments),
	    attachment_order);
	net->attached = xcalloc(net->n_ases + 1, sizeof(*net->attached));
	for (size_t v = 0, k = 0; v <= net->n_ases; v++) {
		while (k < net->n_attachments && net->attachments[k].as < v)
			k++;
		net->attached[v] = k;
	}
}
