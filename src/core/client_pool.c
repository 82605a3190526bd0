/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Decay costs nothing per sighting (forward decay; Cormode et al., ICDE 2009):
 * instead of shrinking all that is old, what is new is scaled up by how long it
 * came after a landmark.  All weights have the same scale, so they compare as
 * they are; once in many half-lives the landmark moves and all are scaled down.
 */
#include "core/client_pool.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/xalloc.h"

#define NONE UINT32_MAX
/* Half-lives until the landmark moves: weights stay far from overflow. */
#define LANDMARK_MAX 64.0
/* Below it a weight is nothing; keeps exp2 from denormal numbers. */
#define EXPONENT_MIN (-900.0)
/* What goes at once when the pool is full. */
#define EVICT_SHARE 16u
/* A weight's bucket is its exponent and 4 bits of its fraction. */
#define BUCKET_SHIFT 48u
#define BUCKETS (1u << (63 - BUCKET_SHIFT))

#define IPV4_KEY ((uint64_t)1 << 56)
#define IPV4_TAIL_AT 15u
#define IPV6_TAIL_AT 6u
#define TAIL_BYTES 10u

struct pool_client {
	double weight;
	uint32_t next; /* in its block, or among the free; NONE: last */
	uint32_t last_seen;
	uint8_t tail[TAIL_BYTES]; /* the address behind the block's part */
};
static_assert(sizeof(struct pool_client) == 32, "as the header says");

struct pool_block {
	uint64_t key;
	double weight;
	uint32_t first;
	uint32_t n;
};

struct client_pool {
	struct client_pool_limits limits;
	double half_life_ms;
	int64_t landmark_ms;
	struct pool_client *clients;
	uint32_t free_first;
	uint32_t n_clients;
	struct pool_block *blocks; /* n_blocks of them, no gaps */
	uint32_t n_blocks;
	uint32_t *table; /* index of a block + 1, by hash; 0: empty */
	uint32_t table_mask;
	uint64_t evicted_blocks, evicted_clients, replaced;
	uint32_t bucket_blocks[BUCKETS];
	uint32_t bucket_clients[BUCKETS];
};

struct client_pool *
client_pool_new(const struct client_pool_limits *limits)
{
	struct client_pool *cp = xcalloc(1, sizeof(*cp));
	uint32_t size = 2;

	assert(limits->clients >= 1 && limits->blocks >= 1 &&
	    limits->clients <= CLIENT_POOL_CLIENTS_MAX &&
	    limits->blocks <= limits->clients && limits->per_block >= 1 &&
	    limits->half_life_ms > 0);
	while (size < limits->blocks * 2)
		size *= 2;
	cp->limits = *limits;
	cp->half_life_ms = (double)limits->half_life_ms;
	cp->clients = xcalloc(limits->clients, sizeof(*cp->clients));
	cp->blocks = xcalloc(limits->blocks, sizeof(*cp->blocks));
	cp->table = xcalloc(size, sizeof(*cp->table));
	cp->table_mask = size - 1;
	cp->free_first = NONE;
	for (uint32_t i = limits->clients; i > 0; i--) {
		cp->clients[i - 1].next = cp->free_first;
		cp->free_first = i - 1;
	}
	return cp;
}

void
client_pool_free(struct client_pool *cp)
{
	if (cp == NULL)
		return;
	free(cp->clients);
	free(cp->blocks);
	free(cp->table);
	free(cp);
}

size_t
client_pool_bytes(const struct client_pool *cp)
{
	return sizeof(*cp) + cp->limits.clients * sizeof(*cp->clients) +
	    cp->limits.blocks * sizeof(*cp->blocks) +
	    ((size_t)cp->table_mask + 1) * sizeof(*cp->table);
}

/* ---- addresses ---- */

static uint64_t
block_key(const struct addr *a)
{
	uint64_t key = 0;

	if (addr_is_ipv4(a)) {
		return IPV4_KEY | (uint64_t)a->b[12] << 16 |
		    (uint64_t)a->b[13] << 8 | a->b[14];
	}
	for (size_t i = 0; i < IPV6_TAIL_AT; i++)
		key = key << 8 | a->b[i];
	return key;
}

static void
split_tail(const struct addr *a, uint8_t tail[TAIL_BYTES])
{
	memset(tail, 0, TAIL_BYTES);
	if (addr_is_ipv4(a)) {
		tail[0] = a->b[IPV4_TAIL_AT];
	} else {
		memcpy(tail, a->b + IPV6_TAIL_AT, TAIL_BYTES);
	}
}

static struct addr
join(uint64_t key, const uint8_t tail[TAIL_BYTES])
{
	struct addr a = { { 0 } };

	if ((key & IPV4_KEY) != 0) {
		a.b[10] = a.b[11] = 0xff;
		a.b[12] = (uint8_t)(key >> 16);
		a.b[13] = (uint8_t)(key >> 8);
		a.b[14] = (uint8_t)key;
		a.b[IPV4_TAIL_AT] = tail[0];
		return a;
	}
	for (size_t i = 0; i < IPV6_TAIL_AT; i++)
		a.b[i] = (uint8_t)(key >> (8 * (IPV6_TAIL_AT - 1 - i)));
	memcpy(a.b + IPV6_TAIL_AT, tail, TAIL_BYTES);
	return a;
}

/* ---- the table of blocks ---- */

/* Where the block is in the table, or where it would be. */
static uint32_t *
table_slot(const struct client_pool *cp, uint64_t key)
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t at;

	static_assert(CLIENT_POOL_SEED_BYTES == crypto_shorthash_KEYBYTES,
	    "the seed is a key");
	(void)crypto_shorthash(hash, (const uint8_t *)&key, sizeof(key),
	    cp->limits.seed);
	memcpy(&at, hash, sizeof(at));
	for (at &= cp->table_mask;; at = (at + 1) & cp->table_mask) {
		uint32_t entry = cp->table[at];

		if (entry == 0 || cp->blocks[entry - 1].key == key)
			return &cp->table[at];
	}
}

static void
table_rebuild(struct client_pool *cp)
{
	memset(cp->table, 0, ((size_t)cp->table_mask + 1) * sizeof(*cp->table));
	for (uint32_t i = 0; i < cp->n_blocks; i++)
		*table_slot(cp, cp->blocks[i].key) = i + 1;
}

/* ---- eviction ---- */

/* Doubles that are not negative sort as their bits do. */
static uint32_t
weight_bucket(double weight)
{
	uint64_t bits;

	memcpy(&bits, &weight, sizeof(bits));
	return (uint32_t)(bits >> BUCKET_SHIFT) & (BUCKETS - 1);
}

static void
release_block(struct client_pool *cp, const struct pool_block *b)
{
	uint32_t i = b->first;

	while (i != NONE) {
		uint32_t next = cp->clients[i].next;

		cp->clients[i].next = cp->free_first;
		cp->free_first = i;
		i = next;
	}
	cp->n_clients -= b->n;
	cp->evicted_clients += b->n;
	cp->evicted_blocks++;
}

static void
fill_buckets(struct client_pool *cp)
{
	memset(cp->bucket_blocks, 0, sizeof(cp->bucket_blocks));
	memset(cp->bucket_clients, 0, sizeof(cp->bucket_clients));
	for (uint32_t i = 0; i < cp->n_blocks; i++) {
		uint32_t at = weight_bucket(cp->blocks[i].weight);

		cp->bucket_blocks[at]++;
		cp->bucket_clients[at] += cp->blocks[i].n;
	}
}

/* The heaviest bucket that has to give something. */
static uint32_t
last_bucket(const struct client_pool *cp, uint32_t blocks, uint32_t clients)
{
	uint32_t got_blocks = 0, got_clients = 0, at = 0;

	for (; at < BUCKETS - 1; at++) {
		got_blocks += cp->bucket_blocks[at];
		got_clients += cp->bucket_clients[at];
		if (got_blocks >= blocks && got_clients >= clients)
			break;
	}
	return at;
}

/* Two passes over the blocks, no sorting: the lightest go, to 1/16 of a power
 * of two. */
static void
evict(struct client_pool *cp)
{
	uint32_t want_blocks = cp->n_blocks == cp->limits.blocks
	    ? cp->limits.blocks / EVICT_SHARE + 1
	    : 0;
	uint32_t want_clients = cp->n_clients == cp->limits.clients
	    ? cp->limits.clients / EVICT_SHARE + 1
	    : 0;
	uint32_t last, kept = 0, blocks = 0, clients = 0;

	fill_buckets(cp);
	last = last_bucket(cp, want_blocks, want_clients);
	/* What lies below the last bucket goes in any case. */
	for (uint32_t at = 0; at < last; at++) {
		blocks += cp->bucket_blocks[at];
		clients += cp->bucket_clients[at];
	}
	for (uint32_t i = 0; i < cp->n_blocks; i++) {
		struct pool_block b = cp->blocks[i];
		uint32_t at = weight_bucket(b.weight);
		bool goes = at < last;

		if (at == last &&
		    (blocks < want_blocks || clients < want_clients)) {
			goes = true;
			blocks++;
			clients += b.n;
		}
		if (goes) {
			release_block(cp, &b);
		} else {
			cp->blocks[kept++] = b;
		}
	}
	cp->n_blocks = kept;
	table_rebuild(cp);
}

/* ---- decay ---- */

static double
scale(const struct client_pool *cp, int64_t at_ms)
{
	double x = (double)(at_ms - cp->landmark_ms) / cp->half_life_ms;

	return exp2(x < EXPONENT_MIN ? EXPONENT_MIN : x);
}

static void
move_landmark(struct client_pool *cp, int64_t at_ms)
{
	double down = 1 / scale(cp, at_ms);

	/* So far ahead that nothing old is left. */
	if (!isfinite(down) || down < 0)
		down = 0;
	for (uint32_t i = 0; i < cp->n_blocks; i++) {
		cp->blocks[i].weight *= down;
		for (uint32_t c = cp->blocks[i].first; c != NONE;
		     c = cp->clients[c].next)
			cp->clients[c].weight *= down;
	}
	cp->landmark_ms = at_ms;
}

/* ---- adding ---- */

static struct pool_block *
find_block(struct client_pool *cp, uint64_t key)
{
	uint32_t *slot = table_slot(cp, key);

	if (*slot == 0) {
		cp->blocks[cp->n_blocks] =
		    (struct pool_block){ .key = key, .first = NONE };
		*slot = ++cp->n_blocks;
	}
	return &cp->blocks[*slot - 1];
}

/* The block's client with this tail, old or new. */
static struct pool_client *
find_client(struct client_pool *cp, struct pool_block *b,
    const uint8_t tail[TAIL_BYTES])
{
	struct pool_client *lightest = NULL, *c;
	uint32_t i;

	for (i = b->first; i != NONE; i = cp->clients[i].next) {
		c = &cp->clients[i];
		if (memcmp(c->tail, tail, TAIL_BYTES) == 0)
			return c;
		if (lightest == NULL || c->weight < lightest->weight)
			lightest = c;
	}
	if (b->n >= cp->limits.per_block && lightest != NULL) {
		memcpy(lightest->tail, tail, TAIL_BYTES);
		lightest->last_seen = 0;
		cp->replaced++;
		return lightest;
	}
	i = cp->free_first;
	c = &cp->clients[i];
	cp->free_first = c->next;
	*c = (struct pool_client){ .next = b->first };
	memcpy(c->tail, tail, TAIL_BYTES);
	b->first = i;
	b->n++;
	cp->n_clients++;
	return c;
}

void
client_pool_add(struct client_pool *cp, const struct client_sighting *s)
{
	uint8_t tail[TAIL_BYTES];
	struct pool_client *c;
	struct pool_block *b;
	double weight;

	if ((double)(s->at_ms - cp->landmark_ms) >
	    LANDMARK_MAX * cp->half_life_ms)
		move_landmark(cp, s->at_ms);
	if (cp->n_blocks == cp->limits.blocks ||
	    cp->n_clients == cp->limits.clients)
		evict(cp);
	weight = s->weight * scale(cp, s->at_ms);
	split_tail(&s->addr, tail);
	b = find_block(cp, block_key(&s->addr));
	c = find_client(cp, b, tail);
	b->weight += weight;
	c->weight += weight;
	if (s->last_seen > 0 && s->last_seen <= UINT32_MAX &&
	    (uint32_t)s->last_seen > c->last_seen)
		c->last_seen = (uint32_t)s->last_seen;
}

/* ---- reading ---- */

uint32_t
client_pool_count(const struct client_pool *cp)
{
	return cp->n_clients;
}

static int
compare_addr(const void *va, const void *vb)
{
	const struct client *a = va;
	const struct client *b = vb;

	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
}

void
client_pool_list(const struct client_pool *cp, int64_t now_ms,
    struct client *out)
{
	double down = 1 / scale(cp, now_ms);
	size_t n = 0;

	for (uint32_t i = 0; i < cp->n_blocks; i++) {
		const struct pool_block *b = &cp->blocks[i];

		for (uint32_t j = b->first; j != NONE;
		     j = cp->clients[j].next) {
			const struct pool_client *c = &cp->clients[j];

			out[n++] =
			    (struct client){ .addr = join(b->key, c->tail),
				    .weight = c->weight * down,
				    .last_seen = c->last_seen };
		}
	}
	if (n > 0)
		qsort(out, n, sizeof(*out), compare_addr);
}

void
client_pool_stats(const struct client_pool *cp, int64_t now_ms,
    struct client_pool_stats *out)
{
	struct client_pool_stats st = { .clients = cp->n_clients,
		.blocks = cp->n_blocks,
		.evicted_blocks = cp->evicted_blocks,
		.evicted_clients = cp->evicted_clients,
		.replaced = cp->replaced };

	for (uint32_t i = 0; i < cp->n_blocks; i++) {
		st.weight += cp->blocks[i].weight;
		if ((cp->blocks[i].key & IPV4_KEY) != 0)
			st.clients_ipv4 += cp->blocks[i].n;
	}
	st.weight /= scale(cp, now_ms);
	*out = st;
}
