/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Why a client is sometimes elsewhere.  If all of it happens while some site is
 * withdrawn, then an AS on the way changes its mind with that site, and the
 * readings with it are another client's, so to speak.  If nothing explains it,
 * the client flaps.
 *
 * An explanation is a set E of experiments that holds all moves.  It is judged
 * by its likelihood: moves at their rate within E and none outside, against
 * moves at one rate everywhere.  The number of explanations that were tried is
 * the odds that it must beat.
 */
#include <math.h>
#include <string.h>

#include "core/pack_state.h"

/* Causes that are tried as the first of two. */
#define FIRSTS_MAX 8u

struct search {
	const struct pack *p;
	const struct pack_mask *moved, *stayed;
	unsigned n_moved, n_stayed;
	double single_min, pair_min; /* log likelihood to beat */
	double best;
	struct pack_trigger found[2];
	uint8_t n_found;
};

/* n log(n / all), 0 for none. */
static double
log_part(unsigned n, unsigned all)
{
	return n == 0 ? 0 : n * log((double)n / all);
}

/* The log likelihood ratio of moves only within E, where the client stayed
 * `stayed` times. */
static double
gain_of(const struct search *s, unsigned stayed)
{
	unsigned all = s->n_moved + s->n_stayed;

	return log_part(s->n_moved, s->n_moved + stayed) +
	    log_part(stayed, s->n_moved + stayed) - log_part(s->n_moved, all) -
	    log_part(s->n_stayed, all);
}

static void
found_set(struct search *s, double gain, const struct pack_trigger *triggers,
    uint8_t n)
{
	if (gain <= s->best)
		return;
	s->best = gain;
	s->n_found = n;
	memcpy(s->found, triggers, n * sizeof(*triggers));
}

static void
singles_try(struct search *s)
{
	for (size_t y = 0; y < s->p->conf.n_sites; y++) {
		const struct pack_mask *out = &s->p->out_of[y];
		struct pack_trigger t = { (uint16_t)y, PACK_NONE };
		double gain;

		if (pack_mask_overlap(s->moved, out) < s->n_moved)
			continue;
		gain = gain_of(s, pack_mask_overlap(s->stayed, out));
		if (gain >= s->single_min)
			found_set(s, gain, &t, 1);
	}
}

/* Two sites of which both must be out. */
static void
joints_try(struct search *s)
{
	uint16_t always[PACK_SITES_MAX];
	size_t n = 0;

	for (size_t y = 0; y < s->p->conf.n_sites; y++) {
		if (pack_mask_overlap(s->moved, &s->p->out_of[y]) == s->n_moved)
			always[n++] = (uint16_t)y;
	}
	for (size_t a = 0; a < n; a++) {
		struct pack_mask m = *s->stayed;

		pack_mask_and(&m, &s->p->out_of[always[a]]);
		for (size_t b = a + 1; b < n; b++) {
			struct pack_trigger t = { always[a], always[b] };
			double gain = gain_of(s,
			    pack_mask_overlap(&m, &s->p->out_of[always[b]]));

			if (gain >= s->pair_min)
				found_set(s, gain, &t, 1);
		}
	}
}

/* A second site that, with the first, accounts for all moves. */
static void
second_try(struct search *s, uint16_t first)
{
	const struct pack_mask *out = &s->p->out_of[first];
	struct pack_mask left = *s->moved, stayed = *s->stayed;
	unsigned n_left, n_stayed = pack_mask_overlap(s->stayed, out);

	pack_mask_drop(&left, out);
	pack_mask_drop(&stayed, out);
	n_left = pack_mask_overlap(&left, &left);
	for (size_t y = 0; y < s->p->conf.n_sites; y++) {
		const struct pack_mask *also = &s->p->out_of[y];
		struct pack_trigger t[2] = { { first, PACK_NONE },
			{ (uint16_t)y, PACK_NONE } };
		double gain;

		if (pack_mask_overlap(&left, also) < n_left)
			continue;
		gain = gain_of(s, n_stayed + pack_mask_overlap(&stayed, also));
		if (gain >= s->pair_min)
			found_set(s, gain, t, 2);
	}
}

/* The site that was out more often with moves than with stays, of those that
 * are not tried yet; n_sites: none. */
static size_t
first_choose(const struct search *s, const bool *tried)
{
	size_t best = s->p->conf.n_sites;
	double most = 0;

	for (size_t y = 0; y < s->p->conf.n_sites; y++) {
		const struct pack_mask *out = &s->p->out_of[y];
		double score = pack_mask_overlap(s->moved, out) -
		    1.0 * s->n_moved / s->n_stayed *
			pack_mask_overlap(s->stayed, out);

		if (!tried[y] && score > most) {
			most = score;
			best = y;
		}
	}
	return best;
}

/* Two sites of which either suffices. */
static void
eithers_try(struct search *s)
{
	bool tried[PACK_SITES_MAX] = { false };

	for (unsigned k = 0; k < FIRSTS_MAX; k++) {
		size_t first = first_choose(s, tried);

		if (first == s->p->conf.n_sites)
			return;
		tried[first] = true;
		second_try(s, (uint16_t)first);
	}
}

bool
pack_trigger_find(const struct pack *p, const struct pack_mask *moved,
    const struct pack_mask *stayed, double log_odds, struct pack_taint *taint)
{
	struct search s = { .p = p,
		.moved = moved,
		.stayed = stayed,
		.n_moved = pack_mask_overlap(moved, moved),
		.n_stayed = pack_mask_overlap(stayed, stayed) };
	double tries = log((double)p->conf.n_sites);

	if (s.n_moved == 0 || s.n_stayed == 0)
		return false;
	s.single_min = tries + log_odds;
	s.pair_min = 2 * tries - log(2) + log_odds;
	if (gain_of(&s, 0) < s.single_min)
		return false;
	singles_try(&s);
	if (s.n_found == 0 && gain_of(&s, 0) >= s.pair_min) {
		joints_try(&s);
		eithers_try(&s);
	}
	if (s.n_found == 0 || taint->n + s.n_found > PACK_TRIGGERS_MAX)
		return false;
	memcpy(&taint->trigger[taint->n], s.found,
	    s.n_found * sizeof(s.found[0]));
	taint->n = (uint8_t)(taint->n + s.n_found);
	return true;
}
