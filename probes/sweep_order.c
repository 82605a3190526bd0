/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* The blocks are found by a hash table with linear probing. */
struct block {
	uint64_t key;
	uint32_t hosts;
	uint32_t seen;
};

/* Memory as much as there are blocks, not targets: each page of it that is used
 * for the first time costs as much as some probes. */
struct blocks {
	struct block *v; /* numbered as they come */
	uint32_t n, room;
	uint32_t *slots; /* hash table of numbers + 1, half of it empty */
	uint64_t mask;
	uint64_t seed;
};

#define BLOCKS_MIN 512u

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t
mix64(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static uint64_t
random_next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15;
	return mix64(*state);
}

/* In [0, n). */
static uint32_t
random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((random_next(state) >> 32) * n >> 32);
}

static void
swap(uint32_t *v, uint32_t a, uint32_t b)
{
	uint32_t kept = v[a];

	v[a] = v[b];
	v[b] = kept;
}

/* Both alike. */
static void
shuffle(uint32_t *index, uint32_t *block, uint32_t n, uint64_t seed)
{
	uint64_t state = mix64(seed);

	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = random_below(&state, i);

		swap(index, i - 1, j);
		swap(block, i - 1, j);
	}
}

/* The /24 or /48; no IPv6 block has the top bits of the IPv4 ones. */
static uint64_t
block_key(const struct addr *a)
{
	bool is_ipv4 = addr_is_ipv4(a);
	const uint8_t *p = is_ipv4 ? a->b + 12 : a->b;
	size_t n = is_ipv4 ? 3 : 6;
	uint64_t key = is_ipv4 ? 1 : 0;

	for (size_t i = 0; i < n; i++)
		key = key << 8 | p[i];
	return is_ipv4 ? key | (uint64_t)1 << 63 : key;
}

static uint32_t *
find_slot(const struct blocks *b, uint64_t key)
{
	uint64_t i = mix64(key ^ b->seed) & b->mask;

	while (b->slots[i] != 0 && b->v[b->slots[i] - 1].key != key)
		i = (i + 1) & b->mask;
	return &b->slots[i];
}

static void
blocks_grow(struct blocks *b)
{
	b->room = b->room == 0 ? BLOCKS_MIN : b->room * 2;
	b->v = xreallocarray(b->v, b->room, sizeof(*b->v));
	free(b->slots);
	b->mask = (uint64_t)b->room * 2 - 1;
	b->slots = xcalloc(b->mask + 1, sizeof(*b->slots));
	for (uint32_t i = 0; i < b->n; i++)
		*find_slot(b, b->v[i].key) = i + 1;
}

/* The block's number; counts one host into it. */
static uint32_t
blocks_count(struct blocks *b, uint64_t key)
{
	uint32_t *slot;

	if (b->n == b->room)
		blocks_grow(b);
	slot = find_slot(b, key);
	if (*slot == 0) {
		b->v[b->n] = (struct block){ .key = key };
		*slot = ++b->n;
	}
	b->v[*slot - 1].hosts++;
	return *slot - 1;
}

/* Where in [0, n) the block's next host belongs. */
static uint32_t
block_next_place(struct block *b, uint64_t seed, uint32_t n)
{
	uint64_t start = mix64(mix64(b->key) + seed) >> 32;
	uint64_t part = (((uint64_t)b->seen << 32) + start) / b->hosts;

	b->seen++;
	return (uint32_t)(part * n >> 32);
}

/* Moves v[i] to where it belongs, to[i]. */
static void
permute(uint32_t *v, const uint32_t *to, uint32_t *scratch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		scratch[to[i]] = v[i];
	memcpy(v, scratch, n * sizeof(*v));
}

/* Stable counting sort of index and block by place, which is lost; start is
 * scratch, n + 1 zeroes. */
static void
sort_by_place(uint32_t *index, uint32_t *block, uint32_t *place,
    uint32_t *start, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		start[place[i] + 1]++;
	for (uint32_t i = 0; i < n; i++)
		start[i + 1] += start[i];
	for (uint32_t i = 0; i < n; i++)
		place[i] = start[place[i]]++;
	permute(index, place, start, n);
	permute(block, place, start, n);
}

uint32_t
sweep_order_build(const struct addr *addrs, uint32_t *index, uint32_t *block,
    uint32_t n, uint64_t seed)
{
	uint32_t *place = xcalloc(n, sizeof(*place));
	uint32_t *start = xcalloc((size_t)n + 1, sizeof(*start));
	struct blocks blocks = { .seed = seed };

	/* Before the shuffle, when neighbours in the list are neighbours in
	 * memory, and mostly of one block. */
	for (uint32_t i = 0; i < n; i++)
		block[i] = blocks_count(&blocks, block_key(&addrs[index[i]]));
	shuffle(index, block, n, seed);
	for (uint32_t i = 0; i < n; i++)
		place[i] = block_next_place(&blocks.v[block[i]], seed, n);
	sort_by_place(index, block, place, start, n);
	free(blocks.v);
	free(blocks.slots);
	free(start);
	free(place);
	return blocks.n;
}
