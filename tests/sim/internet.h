/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIM_INTERNET_H
#define SIM_INTERNET_H
/*
 * internet -- a synthetic Internet that routes one anycast prefix.
 *
 * ASes in five tiers, with PoPs in metros, customer-provider and peer sessions
 * at PoPs; sites with sessions to transits, peers at their exchange, or inside
 * an ISP.  Routing is Gao-Rexford (customer over peer over provider, then the
 * shorter path, valley-free export), and hot potato inside an AS: each of its
 * PoPs uses the nearest exit of those that are equally good, so that one AS may
 * split into several catchments.  Clients are the ASes that have no customers.
 *
 * docs/pack.md says what is modelled, and what is not.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pack.h"

enum tier { TIER1, TIER_LARGE, TIER_NATIONAL, TIER_SMALL, TIER_STUB, TIERS };

struct internet_conf {
	uint64_t seed;
	size_t n_sites;
	size_t n_as[TIERS];
	size_t n_metros, n_countries;
	/* Of the peer sessions at sites, how many are customer sessions. */
	unsigned stress_percent;
};

/* 75,040 ASes as in the study; `small`: a fortieth of it, for unit tests. */
struct internet_conf internet_conf_full(uint64_t seed, size_t n_sites);
struct internet_conf internet_conf_small(uint64_t seed, size_t n_sites);

struct internet;

struct internet *internet_new(const struct internet_conf *conf);
void internet_free(struct internet *net);

size_t internet_sites(const struct internet *net);
size_t internet_clients(const struct internet *net);
bool internet_is_multihomed(const struct internet *net, size_t client);
const double *internet_weights(const struct internet *net); /* borrowed */

struct internet_size {
	size_t ases, pops, transit_links, peer_links, site_sessions;
	size_t largest_customer_degree;
};
void internet_size(const struct internet *net, struct internet_size *out);

/* What differs from one experiment to the next: all zero for the truth. */
struct internet_mood {
	/* Of all ASes this share picks another exit; which ones and which exit
	 * depends on the salt. */
	double wavering;
	uint64_t salt;
};

/*
 * Routes with these sites withdrawn: first[c] is the site of client c, or
 * PACK_NONE; second[c] (may be NULL) where it would be by its other provider
 * or peer, first[c] if it has none.
 */
void internet_route(struct internet *net, const struct pack_set *withdrawn,
    const struct internet_mood *mood, uint16_t *first, uint16_t *second);

/* Changes the exits of this share of all ASes for good. */
void internet_drift(struct internet *net, double share, uint64_t salt);

/* splitmix64: the simulator's only source of chance. */
struct sim_rng {
	uint64_t s;
};
uint64_t sim_hash(uint64_t x);
double sim_unit(uint64_t hash); /* [0, 1) */
uint64_t sim_rng_next(struct sim_rng *r);
size_t sim_rng_below(struct sim_rng *r, size_t n);
double sim_rng_unit(struct sim_rng *r);

#endif /* SIM_INTERNET_H */
