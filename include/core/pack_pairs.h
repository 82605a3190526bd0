/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_PACK_PAIRS_H
#define CORE_PACK_PAIRS_H
/*
 * pack_pairs -- where clients go when a site is withdrawn and then one of its
 * heirs, for each of its heirs.  The same as pack_predict of every such pair,
 * but only those clients are looked at for which the second withdrawal makes a
 * difference: all pairs of a site cost about one pass over the clients.
 */
#include "core/pack.h"

struct pack_pairs_input {
	struct pack *pack;
	size_t n;             /* clients, those of the pack */
	const uint16_t *home; /* outcome at baseline, as in core/failover.h */
	const double *weight;
	size_t n_sites;
	size_t site;
};

struct pack_pairs;

/* What is in `in` is borrowed. */
struct pack_pairs *pack_pairs_new(const struct pack_pairs_input *in);
void pack_pairs_free(struct pack_pairs *pp);

/*
 * With site and heir withdrawn: shares by weight of the clients of each, by
 * where they land; n_sites entries, written.  What goes nowhere known is missing
 * from them.  False: one of the two has no clients, and nothing is known.
 */
bool pack_pairs_share(struct pack_pairs *pp, size_t heir, double *of_site,
    double *of_heir);

#endif /* CORE_PACK_PAIRS_H */
