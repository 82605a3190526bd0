/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_PACK_HOLDOUT_H
#define CORE_PACK_HOLDOUT_H
/*
 * pack_holdout -- from the hold-outs' agreement to an estimate of how right the
 * map is about the sets that matter: each site's pairs (or triples) with sites
 * that give it, or take from it, one client in a hundred.  Private to core/pack.
 */
#include "core/pack_state.h"

/* Those that flap; then, by the ranks a prediction needed: certified, not. */
#define PACK_STRATUM_FLAPS 0u
#define PACK_STRATA (1u + 2u * PACK_DEPTH_MAX)

struct pack_strata {
	double seen[PACK_STRATA], agreed[PACK_STRATA]; /* clients */
};

/* PACK_STRATA: deeper than the map is. */
unsigned pack_stratum(const struct pack *p, const struct pack_result *r,
    unsigned ranks, bool is_certified);
void pack_strata_add(struct pack_strata *to, const struct pack_strata *more);
/* A share of weight; NAN: no hold-out was made. */
double pack_holdout_estimate(const struct pack *p,
    const struct pack_strata *held);

#endif /* CORE_PACK_HOLDOUT_H */
