/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_CLIENT_POOL_H
#define CORE_CLIENT_POOL_H
/*
 * client_pool -- recent clients with their weights, in bounded memory.
 *
 * Weights decay exponentially: after a half-life without traffic a client has
 * half of its weight.  Each block, an IPv4 /24 or an IPv6 /48, keeps at most
 * `per_block` clients by the space-saving rule (Metwally et al., ICDT 2005): a
 * new one takes the place and the weight of the lightest, so that the weights
 * of a block's clients always add up to the block's traffic.  When the pool is
 * full the lightest blocks go, a sixteenth of the pool at a time.
 *
 * Time is an argument: milliseconds of any clock that only moves forward.  A
 * sighting older than what the pool has seen already counts by its age.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/client_list.h"

#define CLIENT_POOL_CLIENTS_MAX 2000000u
#define CLIENT_POOL_PER_BLOCK_MAX 64u
#define CLIENT_POOL_SEED_BYTES 16u

struct client_pool_limits {
	uint32_t clients; /* 1 .. CLIENT_POOL_CLIENTS_MAX */
	uint32_t blocks;  /* 1 .. clients */
	uint32_t per_block;
	int64_t half_life_ms; /* > 0 */
	/* Of the hash; random, so that nobody can aim at its weak spots. */
	uint8_t seed[CLIENT_POOL_SEED_BYTES];
};

struct client_sighting {
	struct addr addr;
	double weight; /* >= 0, at most 1e15 */
	int64_t at_ms;
	int64_t last_seen; /* epoch seconds; the latest one is kept */
};

struct client_pool_stats {
	uint32_t clients;
	uint32_t blocks;
	uint32_t clients_ipv4;
	double weight;           /* decayed to now */
	uint64_t evicted_blocks; /* since the pool was made */
	uint64_t evicted_clients;
	uint64_t replaced; /* clients that gave way inside of their block */
};

struct client_pool;

/* Takes all of its memory at once: about 32 bytes a client and 32 a block. */
struct client_pool *client_pool_new(const struct client_pool_limits *limits);
void client_pool_free(struct client_pool *cp);

void client_pool_add(struct client_pool *cp, const struct client_sighting *s);

uint32_t client_pool_count(const struct client_pool *cp);
/* Into out, with room for client_pool_count: weights decayed to now, sorted by
 * address. */
void client_pool_list(const struct client_pool *cp, int64_t now_ms,
    struct client *out);
void client_pool_stats(const struct client_pool *cp, int64_t now_ms,
    struct client_pool_stats *out);
size_t client_pool_bytes(const struct client_pool *cp);

#endif /* CORE_CLIENT_POOL_H */
