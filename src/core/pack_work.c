/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order in which a pack infers, and that it can be done in parts: each step
 * is a pass over the clients, and goes on at the block at which it stopped.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "core/pack_state.h"

#define BLOCK_CLIENTS 128u

enum step {
	STEP_REVIEW,
	/* As of some batches ago, to see what those settled. */
	STEP_THEN_RANK,
	STEP_THEN_NEXT,
	STEP_THEN_RANK_DEEPER,
	STEP_THEN_NEXT_DEEPER,
	/* Now. */
	STEP_RANK,
	STEP_NEXT,
	STEP_RANK_DEEPER,
	STEP_NEXT_DEEPER,
	STEP_CHECK,
	STEP_COUNT
};

static const struct pack_pass *const passes[] = {
	[STEP_REVIEW] = &pack_pass_review,
	[STEP_THEN_RANK] = &pack_pass_rank,
	[STEP_THEN_NEXT] = &pack_pass_next,
	[STEP_THEN_RANK_DEEPER] = &pack_pass_rank,
	[STEP_THEN_NEXT_DEEPER] = &pack_pass_next,
	[STEP_RANK] = &pack_pass_rank,
	[STEP_NEXT] = &pack_pass_next,
	[STEP_RANK_DEEPER] = &pack_pass_rank,
	[STEP_NEXT_DEEPER] = &pack_pass_next,
	[STEP_CHECK] = &pack_pass_check,
};
static_assert(sizeof(passes) / sizeof(passes[0]) == STEP_COUNT,
    "a pass for each step");

void
pack_work_reset(struct pack *p)
{
	free(p->work.readings);
	free(p->work.sums);
	p->work = (struct pack_work){ 0 };
	p->is_inferred = p->is_checked = p->has_progress = false;
}

/* The next step that is to be made. */
static void
step_choose(struct pack *p)
{
	if (p->work.step == STEP_REVIEW && p->conf.keep_suspects)
		p->work.step++;
	if (p->work.step == STEP_THEN_RANK) {
		p->open_then = NAN;
		if (pack_stale_since(p) == SIZE_MAX)
			p->work.step = STEP_RANK;
	}
}

static void
step_begin(struct pack *p)
{
	struct pack_work *w = &p->work;
	const struct pack_pass *pass;
	size_t bytes;

	step_choose(p);
	if (w->step == STEP_THEN_RANK)
		pack_infer_begin(p, pack_stale_since(p));
	if (w->step == STEP_RANK)
		pack_infer_begin(p, p->n_log);
	if (w->step == STEP_RANK_DEEPER || w->step == STEP_THEN_RANK_DEEPER)
		pack_infer_deeper(p);
	pass = passes[w->step];
	w->is_begun = true;
	w->first = 0;
	bytes = pass->sums_bytes != NULL ? pass->sums_bytes(p) : 1;
	w->sums = xcalloc(1, bytes);
	if (pass->begin != NULL)
		pass->begin(p, w->sums);
	w->readings =
	    xcalloc(BLOCK_CLIENTS * (p->as_of + 1), sizeof(*w->readings));
}

static void
step_end(struct pack *p)
{
	struct pack_work *w = &p->work;
	const struct pack_pass *pass = passes[w->step];

	if (pass->end != NULL)
		pass->end(p, w->sums);
	free(w->readings);
	free(w->sums);
	w->readings = NULL;
	w->sums = NULL;
	w->is_begun = false;
	if (w->step == STEP_THEN_NEXT_DEEPER)
		p->open_then = pack_open(p, true);
	if (w->step == STEP_NEXT_DEEPER)
		p->is_inferred = true;
	if (w->step == STEP_CHECK)
		p->is_checked = true;
	w->step++;
}

/* One block.  Returns how many clients it has. */
static size_t
work_on(struct pack *p)
{
	struct pack_work *w = &p->work;
	struct pack_block block;

	if (!w->is_begun)
		step_begin(p);
	block.first = w->first;
	block.n = p->conf.n_clients - w->first;
	if (block.n > BLOCK_CLIENTS)
		block.n = BLOCK_CLIENTS;
	block.readings = w->readings;
	pack_gather(p, block.first, block.n, w->readings);
	passes[w->step]->add(p, &block, w->sums);
	w->first += block.n;
	if (w->first == p->conf.n_clients)
		step_end(p);
	return block.n;
}

bool
pack_work(struct pack *p, size_t n)
{
	size_t done = 0;

	while (done < n && !p->is_checked)
		done += work_on(p);
	return !p->is_checked;
}

void
pack_infer(struct pack *p)
{
	while (!p->is_inferred)
		(void)work_on(p);
}

void
pack_work_finish(struct pack *p)
{
	while (!p->is_checked)
		(void)work_on(p);
}
