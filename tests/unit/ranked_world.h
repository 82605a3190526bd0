/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef RANKED_WORLD_H
#define RANKED_WORLD_H
/*
 * ranked_world -- clients that each rank all sites and reach the first that
 * announces.  What core/pack assumes, without any noise: tests add their own.
 * And what a pack says of itself, as values.
 */
#include <stdlib.h>

#include "core/pack.h"

struct ranked_world {
	size_t n_sites, n_clients;
	uint16_t *rank; /* [client * n_sites + r] */
	uint16_t *outcome;
};

/* Sites and clients on a ring; every client prefers near sites, by a distance
 * that each site stretches in its own way. */
static inline void
ranked_world_init(struct ranked_world *w, size_t n_sites, size_t n_clients,
    unsigned seed)
{
	double *where = calloc(3 * n_sites, sizeof(*where));

	w->n_sites = n_sites;
	w->n_clients = n_clients;
	w->rank = calloc(n_clients * n_sites, sizeof(*w->rank));
	w->outcome = calloc(n_clients, sizeof(*w->outcome));
	for (size_t s = 0; s < n_sites; s++) {
		where[s] = rand_r(&seed) / (RAND_MAX + 1.0);
		where[n_sites + s] = 0.7 + 0.6 * rand_r(&seed) / RAND_MAX;
	}
	for (size_t c = 0; c < n_clients; c++) {
		double at = rand_r(&seed) / (RAND_MAX + 1.0);
		double *far = where + 2 * n_sites;
		uint16_t *rank = w->rank + c * n_sites;

		for (size_t s = 0; s < n_sites; s++) {
			double d =
			    where[s] > at ? where[s] - at : at - where[s];
			size_t r = s;

			far[s] = (d > 0.5 ? 1 - d : d) * where[n_sites + s];
			for (; r > 0 && far[rank[r - 1]] > far[s]; r--)
				rank[r] = rank[r - 1];
			rank[r] = (uint16_t)s;
		}
	}
	free(where);
}

static inline void
ranked_world_fini(struct ranked_world *w)
{
	free(w->rank);
	free(w->outcome);
}

static inline uint16_t
ranked_world_site(const struct ranked_world *w, size_t c,
    const struct pack_set *withdrawn)
{
	const uint16_t *rank = w->rank + c * w->n_sites;

	for (size_t r = 0; r < w->n_sites; r++) {
		if (!pack_set_has(withdrawn, rank[r]))
			return rank[r];
	}
	return PACK_NONE;
}

/* Every client's site; borrowed until the next call. */
static inline const uint16_t *
ranked_world_measure(struct ranked_world *w, const struct pack_set *withdrawn)
{
	for (size_t c = 0; c < w->n_clients; c++)
		w->outcome[c] = ranked_world_site(w, c, withdrawn);
	return w->outcome;
}

/* Runs a campaign to its end; returns how many experiments it took. */
static inline size_t
ranked_world_campaign(struct ranked_world *w, struct pack *p)
{
	struct pack_plan plans[PACK_BATCH_MAX];
	size_t n;

	while ((n = pack_next(p, plans, PACK_BATCH_MAX)) > 0) {
		for (size_t i = 0; i < n; i++) {
			const struct pack_set *set = &plans[i].withdrawn;

			if (pack_add(p, set, plans[i].purpose,
				ranked_world_measure(w, set), NULL) == -1)
				return 0;
		}
	}
	return pack_count(p);
}

static inline struct pack_check
check_of(struct pack *p, size_t i)
{
	struct pack_check check;

	pack_check(p, i, &check);
	return check;
}

static inline struct pack_summary
summary_of(struct pack *p)
{
	struct pack_summary m;

	pack_summary(p, &m);
	return m;
}

#endif /* RANKED_WORLD_H */
