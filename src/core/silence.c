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
	uint32_t lost; /* of the witnesses, heard nowhere now */
};

static struct ear *
ear_of(struct ear *ears, uint16_t outcome, enum silence_family family)
{
	return &ears[(size_t)(outcome - 1u) * SILENCE_FAMILY_COUNT + family];
}

static void
take_witness(struct ear *e, uint32_t block, bool is_lost)
{
	if (block == 0 || block != e->block)
		e->of_block = 0;
	e->block = block;
	if (e->of_block == SILENCE_PER_BLOCK)
		return;
	e->of_block++;
	e->witnesses++;
	e->lost += is_lost;
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
	take_witness(e, in->block != NULL ? in->block[i] : 0,
	    in->now[i] == OUTCOME_NONE);
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

static bool
is_excused(const struct silence_input *in, size_t site)
{
	return in->excused != NULL && in->excused[site];
}

/* Among the clients of who hears, but for one site; a little more than was seen,
 * since they may be few. */
static double
loss_beside(const struct silence_input *in, const struct ear *ears,
    size_t but_for, size_t family)
{
	uint64_t had = 0, kept = 0;

	for (size_t i = 0; i < in->n_sites * SILENCE_FAMILY_COUNT; i++) {
		size_t site = i / SILENCE_FAMILY_COUNT;

		if (i % SILENCE_FAMILY_COUNT == SILENCE_BOTH ||
		    (family != SILENCE_BOTH &&
			i % SILENCE_FAMILY_COUNT != family) ||
		    is_silent(&ears[i]) || site == but_for ||
		    is_excused(in, site))
			continue;
		had += ears[i].had;
		kept += ears[i].kept;
	}
	return fmax((double)(had - kept + 1) / (double)(had + 2),
	    SILENCE_LOSS_MIN);
}

static void
take_found(const struct ear *ears, size_t i, bool is_part, struct silence *out)
{
	*out = (struct silence){ .site = i / SILENCE_FAMILY_COUNT,
		.family = (enum silence_family)(i % SILENCE_FAMILY_COUNT),
		.clients = ears[i].had,
		.lost = ears[i].had - ears[i].kept,
		.is_part = is_part };
}

static void
find_silent(const struct silence_input *in, const struct ear *ears,
    struct silence *out)
{
	size_t n = in->n_sites * SILENCE_FAMILY_COUNT;
	double loss = loss_beside(in, ears, in->n_sites, SILENCE_BOTH);

	for (size_t i = 0; i < n; i++) {
		if (is_silent(&ears[i]) && ears[i].had > out->clients &&
		    !is_excused(in, i / SILENCE_FAMILY_COUNT) &&
		    pow(loss, ears[i].witnesses) * (double)n <= SILENCE_CHANCE)
			take_found(ears, i, false, out);
	}
}

/* That of one family, or of both as the ear has them: one may lose more than the
 * other everywhere. */
static double
loss_expected(const struct silence_input *in, const struct ear *ears, size_t i)
{
	size_t site = i / SILENCE_FAMILY_COUNT;
	double n = 0, lost = 0;

	for (size_t f = 0; f < SILENCE_FAMILY_COUNT; f++) {
		double w = ears[site * SILENCE_FAMILY_COUNT + f].witnesses;

		if (f == SILENCE_BOTH ||
		    (i % SILENCE_FAMILY_COUNT != SILENCE_BOTH &&
			i % SILENCE_FAMILY_COUNT != f))
			continue;
		n += w;
		lost += w * loss_beside(in, ears, site, f);
	}
	return n > 0 ? fmin(lost / n, SILENCE_LOSS_MAX) : SILENCE_LOSS_MAX;
}

static bool
is_part_lost(const struct silence_input *in, const struct ear *ears, size_t i)
{
	double n = ears[i].witnesses, lost = ears[i].lost, loss;

	if (ears[i].witnesses < SILENCE_PART_WITNESSES ||
	    lost <= SILENCE_PART * n)
		return false;
	loss = loss_expected(in, ears, i);
	return lost >
	    n * loss + SILENCE_PART_SIGMAS * sqrt(n * loss * (1 - loss));
}

static void
find_part(const struct silence_input *in, const struct ear *ears,
    struct silence *out)
{
	for (size_t i = 0; i < in->n_sites * SILENCE_FAMILY_COUNT; i++) {
		if (ears[i].had - ears[i].kept > out->lost &&
		    !is_excused(in, i / SILENCE_FAMILY_COUNT) &&
		    is_part_lost(in, ears, i))
			take_found(ears, i, true, out);
	}
}

bool
silence_find(const struct silence_input *in, struct silence *out)
{
	struct ear *ears = count_ears(in);

	*out = (struct silence){ .clients = 0 };
	find_silent(in, ears, out);
	if (out->clients == 0)
		find_part(in, ears, out);
	free(ears);
	return out->clients > 0;
}
