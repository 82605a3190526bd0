/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/silence.h"

#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "core/failover.h"

/* A site and a family, or both. */
struct ear {
	uint32_t had;  /* clients before */
	uint32_t kept; /* of them, heard now, wherever */
	bool hears;    /* anybody, now */
	/* Of had, SILENCE_PER_BLOCK of a block at most; the last block, and how
	 * many of that. */
	uint32_t witnesses, block, of_block;
};

static struct ear *
ear_of(struct ear *ears, uint16_t outcome, enum silence_family family)
{
	return &ears[(size_t)(outcome - 1u) * SILENCE_FAMILY_COUNT + family];
}

static void
take_witness(struct ear *e, uint32_t block)
{
	if (block == 0 || block != e->block)
		e->of_block = 0;
	e->block = block;
	if (e->of_block == SILENCE_PER_BLOCK)
		return;
	e->of_block++;
	e->witnesses++;
}

static void
take_client(const struct silence_input *in, size_t i, struct ear *ears,
    enum silence_family family)
{
	struct ear *e;

	if (outcome_is_site(in->now[i], in->n_sites))
		ear_of(ears, in->now[i], family)->hears = true;
	if (!outcome_is_site(in->before[i], in->n_sites))
		return;
	e = ear_of(ears, in->before[i], family);
	e->had++;
	take_witness(e, in->block != NULL ? in->block[i] : 0);
	e->kept += in->now[i] != OUTCOME_NONE;
}

static struct ear *
count_ears(const struct silence_input *in)
{
	struct ear *ears =
	    xcalloc(in->n_sites * SILENCE_FAMILY_COUNT, sizeof(*ears));

	for (size_t i = 0; i < in->n; i++) {
		take_client(in, i, ears, SILENCE_BOTH);
		take_client(in, i, ears,
		    in->is_ipv4[i] ? SILENCE_IPV4 : SILENCE_IPV6);
	}
	return ears;
}

static bool
is_silent(const struct ear *e)
{
	return e->had > 0 && e->kept == 0 && !e->hears;
}

/* Among the clients of who hears; a little more than was seen, since they may be
 * few. */
static double
loss_of(const struct silence_input *in, const struct ear *ears)
{
	uint64_t had = 0, kept = 0;

	for (size_t i = 0; i < in->n_sites * SILENCE_FAMILY_COUNT; i++) {
		size_t site = i / SILENCE_FAMILY_COUNT;

		if (i % SILENCE_FAMILY_COUNT == SILENCE_BOTH ||
		    is_silent(&ears[i]) ||
		    (in->excused != NULL && in->excused[site]))
			continue;
		had += ears[i].had;
		kept += ears[i].kept;
	}
	return fmax((double)(had - kept + 1) / (double)(had + 2),
	    SILENCE_LOSS_MIN);
}

bool
silence_find(const struct silence_input *in, struct silence *out)
{
	size_t n = in->n_sites * SILENCE_FAMILY_COUNT;
	struct ear *ears = count_ears(in);
	double loss = loss_of(in, ears);

	out->clients = 0;
	for (size_t i = 0; i < n; i++) {
		size_t site = i / SILENCE_FAMILY_COUNT;

		if (!is_silent(&ears[i]) || ears[i].had <= out->clients ||
		    (in->excused != NULL && in->excused[site]) ||
		    pow(loss, ears[i].witnesses) * (double)n > SILENCE_CHANCE)
			continue;
		*out = (struct silence){ .site = site,
			.family =
			    (enum silence_family)(i % SILENCE_FAMILY_COUNT),
			.clients = ears[i].had };
	}
	free(ears);
	return out->clients > 0;
}
