/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* The blocks are found by a hash table with linear probing. */
struct block {
	uint64_t key;
	uint32_t hosts; /* 0: this slot of the table is free */
	uint32_t seen;
	uint32_t number;
};

struct block_table {
	struct block *slots;
	uint64_t mask;
	uint64_t seed;
	uint32_t n; /* blocks */
};

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
shuffle(uint32_t *index, uint32_t *slot, uint32_t n, uint64_t seed)
{
	uint64_t state = mix64(seed);

	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = random_below(&state, i);

		swap(index, i - 1, j);
		swap(slot, i - 1, j);
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

static void
block_table_init(struct block_table *t, uint32_t n, uint64_t seed)
{
	uint64_t size = 2;

	while (size < (uint64_t)n * 2)
		size *= 2;
	t->slots = xcalloc(size, sizeof(t->slots[0]));
	t->mask = size - 1;
	t->seed = seed;
	t->n = 0;
}

/* The block's slot number; counts one host into it. */
static uint32_t
block_table_count(struct block_table *t, uint64_t key)
{
	uint64_t i = mix64(key ^ t->seed) & t->mask;

	while (t->slots[i].hosts > 0 && t->slots[i].key != key)
		i = (i + 1) & t->mask;
	if (t->slots[i].hosts == 0)
		t->slots[i] = (struct block){ .key = key, .number = t->n++ };
	t->slots[i].hosts++;
	return (uint32_t)i;
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

/* Stable counting sort of index and block by place; start is scratch, n + 1
 * zeroes. */
static void
sort_by_place(uint32_t *index, uint32_t *block, const uint32_t *place,
    uint32_t *start, uint32_t n)
{
	uint32_t *sorted = xcalloc(n, 2 * sizeof(*sorted));

	for (uint32_t i = 0; i < n; i++)
		start[place[i] + 1]++;
	for (uint32_t i = 0; i < n; i++)
		start[i + 1] += start[i];
	for (uint32_t i = 0; i < n; i++) {
		uint32_t to = start[place[i]]++;

		sorted[to] = index[i];
		sorted[n + to] = block[i];
	}
	memcpy(index, sorted, n * sizeof(*sorted));
	memcpy(block, sorted + n, n * sizeof(*sorted));
	free(sorted);
}

uint32_t
sweep_order_build(const struct addr *addrs, uint32_t *index, uint32_t *block,
    uint32_t n, uint64_t seed)
{
	uint32_t *place = xcalloc(n, sizeof(*place));
	uint32_t *start = xcalloc((size_t)n + 1, sizeof(*start));
	struct block_table blocks;

	block_table_init(&blocks, n, seed);
	/* Before the shuffle, when neighbours in the list are neighbours in
	 * memory, and mostly of one block. */
	for (uint32_t i = 0; i < n; i++) {
		place[i] =
		    block_table_count(&blocks, block_key(&addrs[index[i]]));
	}
	shuffle(index, place, n, seed);
	for (uint32_t i = 0; i < n; i++) {
		struct block *b = &blocks.slots[place[i]];

		block[i] = b->number;
		place[i] = block_next_place(b, seed, n);
	}
	sort_by_place(index, block, place, start, n);
	free(blocks.slots);
	free(start);
	free(place);
	return blocks.n;
}
