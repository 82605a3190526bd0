/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Positions passed over hang on their block, in order; the blocks that have
 * such wait in a binary heap, the one that may be asked first on top.
 */
#include "probes/sweep_turns.h"

#include <stdlib.h>

#include "base/xalloc.h"

/* No call shall look ahead for long. */
#define PASSED_MAX 65536u
#define NONE SWEEP_TURNS_NONE

struct block {
	int64_t ready_us;     /* from then on it may be asked */
	uint32_t first, last; /* positions passed over; NONE: none */
};

struct sweep_turns {
	const uint32_t *block_of; /* by position */
	uint32_t n, next;
	int64_t gap_us;
	struct block *blocks;
	uint32_t *behind; /* by position: the next one passed over */
	uint32_t n_passed;
	uint32_t *heap; /* numbers of blocks */
	uint32_t n_heap;
};

struct sweep_turns *
sweep_turns_new(const uint32_t *block, uint32_t n, uint32_t n_blocks,
    int64_t gap_us)
{
	struct sweep_turns *t = xcalloc(1, sizeof(*t));

	*t =
	    (struct sweep_turns){ .block_of = block, .n = n, .gap_us = gap_us };
	if (gap_us == 0)
		return t;
	t->blocks = xcalloc(n_blocks, sizeof(*t->blocks));
	t->behind = xcalloc(n, sizeof(*t->behind));
	t->heap = xcalloc(n_blocks, sizeof(*t->heap));
	for (uint32_t i = 0; i < n_blocks; i++) {
		t->blocks[i] = (struct block){
			.ready_us = INT64_MIN, .first = NONE, .last = NONE
		};
	}
	return t;
}

void
sweep_turns_free(struct sweep_turns *t)
{
	if (t == NULL)
		return;
	free(t->blocks);
	free(t->behind);
	free(t->heap);
	free(t);
}

/* ---- the heap ---- */

static int64_t
ready_at(const struct sweep_turns *t, uint32_t slot)
{
	return t->blocks[t->heap[slot]].ready_us;
}

static void
heap_swap(struct sweep_turns *t, uint32_t a, uint32_t b)
{
	uint32_t kept = t->heap[a];

	t->heap[a] = t->heap[b];
	t->heap[b] = kept;
}

static void
heap_push(struct sweep_turns *t, uint32_t block)
{
	uint32_t i = t->n_heap++;

	t->heap[i] = block;
	while (i > 0 && ready_at(t, i) < ready_at(t, (i - 1) / 2)) {
		heap_swap(t, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

/* After the top has become later. */
static void
heap_sink(struct sweep_turns *t)
{
	uint32_t i = 0;

	for (;;) {
		uint32_t least = i;

		for (uint32_t c = 2 * i + 1; c <= 2 * i + 2; c++) {
			if (c < t->n_heap &&
			    ready_at(t, c) < ready_at(t, least))
				least = c;
		}
		if (least == i)
			return;
		heap_swap(t, i, least);
		i = least;
	}
}

static void
heap_drop_top(struct sweep_turns *t)
{
	t->heap[0] = t->heap[--t->n_heap];
	heap_sink(t);
}

/* ---- turns ---- */

static void
pass_over(struct sweep_turns *t, uint32_t position)
{
	uint32_t number = t->block_of[position];
	struct block *b = &t->blocks[number];

	t->behind[position] = NONE;
	t->n_passed++;
	if (b->first == NONE) {
		b->first = b->last = position;
		heap_push(t, number);
	} else {
		t->behind[b->last] = position;
		b->last = position;
	}
}

/* The first that the top block passed over. */
static uint32_t
take_passed(struct sweep_turns *t, int64_t now_us)
{
	struct block *b = &t->blocks[t->heap[0]];
	uint32_t position = b->first;

	b->first = t->behind[position];
	b->ready_us = now_us + t->gap_us;
	t->n_passed--;
	if (b->first == NONE) {
		heap_drop_top(t);
	} else {
		heap_sink(t);
	}
	return position;
}

uint32_t
sweep_turns_next(struct sweep_turns *t, int64_t now_us, int64_t *wait_us)
{
	*wait_us = -1;
	if (t->gap_us == 0)
		return t->next < t->n ? t->next++ : NONE;
	if (t->n_heap > 0 && ready_at(t, 0) <= now_us)
		return take_passed(t, now_us);
	while (t->next < t->n && t->n_passed < PASSED_MAX) {
		uint32_t position = t->next++;
		struct block *b = &t->blocks[t->block_of[position]];

		if (b->first == NONE && b->ready_us <= now_us) {
			b->ready_us = now_us + t->gap_us;
			return position;
		}
		pass_over(t, position);
	}
	if (t->n_heap > 0)
		*wait_us = ready_at(t, 0) - now_us;
	return NONE;
}
