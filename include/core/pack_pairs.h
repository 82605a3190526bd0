/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_PACK_PAIRS_H
#define CORE_PACK_PAIRS_H
/*
 * pack_pairs -- where the loads of now land when sites are withdrawn, and then
 * one of their heirs, for each heir.  The same as pack_predict of every such
 * set, but only those clients are looked at for which the further withdrawal
 * makes a difference: all heirs together cost about one pass over the clients.
 *
 * A client stands for its share by weight of the load of the site that it
 * reaches now.
 */
#include "core/pack.h"

struct pack_pairs_input {
	struct pack *pack;
	size_t n; /* clients, those of the pack */
	/* The site that each reaches now, as an outcome of core/failover.h. */
	const uint16_t *now;
	const double *weight;
	size_t n_sites;
	const double *load;   /* of each site */
	struct pack_set down; /* withdrawn already */
	struct pack_set out;  /* withdrawn next, together */
};

struct pack_pairs;

/* What is in `in` is borrowed. */
struct pack_pairs *pack_pairs_new(const struct pack_pairs_input *in);
void pack_pairs_free(struct pack_pairs *pp);

/*
 * What lands where of the loads of `out`; and of `out` and an heir, when both
 * are withdrawn.  n_sites entries, written; load of clients of which nobody
 * knows where they go is missing from them.  False: of the load of one of these
 * sites no client is known.
 */
bool pack_pairs_first(struct pack_pairs *pp, double *lands);
bool pack_pairs_next(struct pack_pairs *pp, size_t heir, double *lands);

#endif /* CORE_PACK_PAIRS_H */
