/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What to measure next.  The phase is read off the log: so many baselines, so
 * many seeds, then designed sets until they gain too little, small sets until
 * they settle nothing more, what is still open alone, and hold-outs.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/campaign.h"
#include "core/pack_state.h"

#define BASELINES 2u
#define SEEDS 8u
#define SEED_SHARE 0.35
#define NAIVE_SITES_MAX 40u /* level 1 one by one up to so many sites */
#define REPACK_GAIN_MIN 0.015
#define CONFIRM_GAIN_MIN 0.004
#define CONFIRM_OPEN_MIN 0.01
#define ALONE_OPEN_MIN 0.02
#define STALE_BATCHES 3u
#define STALE_SHRINK 0.9
#define ALONE_MAX 4u
#define HOLDOUTS 6u
static_assert(BASELINES + SEEDS + HOLDOUTS == CAMPAIGN_FIXED,
    "what every campaign has");
#define HOLDOUT_PERMILLE 40u
#define HEIR_SHARE_MIN 0.01F

/* Distinguishes the streams of random numbers. */
enum { STREAM_SEED = 1000, STREAM_HOLDOUT = 2000 };

static unsigned
made(const struct pack *p, enum pack_purpose purpose)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n_log; i++)
		n += p->log[i].purpose == purpose && !p->log[i].is_discarded;
	return n;
}

static unsigned
kept(const struct pack *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n_log; i++) {
		n += p->log[i].purpose != PACK_OTHER && !p->log[i].is_discarded;
	}
	return n;
}

static unsigned
cap_of(const struct pack *p, unsigned permille)
{
	unsigned n = (unsigned)p->conf.n_sites;
	unsigned cap = n * permille / 1000;

	if (cap < 1)
		cap = 1;
	return cap < n ? cap : n - 1;
}

/* A suspect experiment, once more.  It is alone in its batch: it may clear the
 * others, and what else to ask depends on what it says. */
static size_t
plan_repeat(const struct pack *p, struct pack_plan *out)
{
	for (size_t i = 0; i < p->n_log; i++) {
		if (!p->log[i].is_due)
			continue;
		*out = (struct pack_plan){ .withdrawn = p->log[i].withdrawn,
			.purpose = PACK_REPEAT,
			.repeats = (uint16_t)(i + 1) };
		return 1;
	}
	return 0;
}

static size_t
plan_baselines(const struct pack *p, struct pack_plan *out, size_t max)
{
	unsigned have = made(p, PACK_BASELINE);
	size_t n = 0;

	for (; have + n < BASELINES && n < max; n++)
		out[n] = (struct pack_plan){ .purpose = PACK_BASELINE };
	return n;
}

static bool
was_alone(const struct pack *p, const struct pack_set *set)
{
	for (size_t i = 0; i < p->n_log; i++) {
		if (!p->log[i].is_discarded &&
		    pack_set_equal(&p->log[i].withdrawn, set))
			return true;
	}
	return false;
}

static size_t
plan_singles(const struct pack *p, struct pack_plan *out, size_t max)
{
	size_t n = 0;

	if (p->conf.n_sites > NAIVE_SITES_MAX)
		return 0;
	for (size_t s = 0; s < p->conf.n_sites && n < max; s++) {
		struct pack_set set = { { 0 } };

		pack_set_add(&set, s);
		if (pack_set_has(&p->conf.keep, s) || was_alone(p, &set))
			continue;
		out[n++] = (struct pack_plan){ .withdrawn = set,
			.purpose = PACK_SINGLE };
	}
	return n;
}

static struct pack_set
random_set(const struct pack *p, struct pack_rng *rng, unsigned cap)
{
	struct pack_set set = { { 0 } };
	unsigned n = 0;

	for (size_t s = 0; s < p->conf.n_sites; s++) {
		bool is_in = pack_rng_unit(rng) < SEED_SHARE;

		if (!is_in || n == cap || pack_set_has(&p->conf.keep, s))
			continue;
		pack_set_add(&set, s);
		n++;
	}
	return set;
}

static size_t
plan_seeds(const struct pack *p, struct pack_plan *out, size_t max)
{
	unsigned want = SEEDS;
	unsigned have = made(p, PACK_SEED), cap;
	size_t n = 0;

	if (p->conf.depth == 1 && p->conf.n_sites <= NAIVE_SITES_MAX)
		return 0;
	cap = cap_of(p, p->conf.cap_permille);
	for (unsigned k = have; k < want && n < max; k++) {
		struct pack_rng rng;

		pack_rng_init(&rng, p->conf.seed, STREAM_SEED + p->n_log + n);
		out[n] = (struct pack_plan){ .purpose = PACK_SEED };
		out[n].withdrawn = random_set(p, &rng, cap);
		n += pack_set_count(&out[n].withdrawn) > 0;
	}
	return n;
}

static size_t
plans_finish(struct pack_plan *out, size_t n, enum pack_purpose purpose,
    double gain_min)
{
	size_t good = 0;

	for (size_t i = 0; i < n; i++) {
		if (out[i].gain < gain_min)
			continue;
		out[good] = out[i];
		out[good++].purpose = purpose;
	}
	return good;
}

static size_t
plan_repack(struct pack *p, struct pack_plan *out, size_t max)
{
	unsigned permille = p->conf.cap_permille;
	struct pack_design how = { .n = max };

	if (p->conf.depth == 1)
		permille = permille * 5 / 7;
	how.cap = cap_of(p, permille);
	return plans_finish(out, pack_design(p, &how, out), PACK_REPACK,
	    REPACK_GAIN_MIN);
}

/* Alone and held out come behind all designed sets. */
static bool
is_late(const struct pack *p)
{
	return made(p, PACK_ALONE) + made(p, PACK_HOLDOUT) > 0;
}

size_t
pack_stale_since(const struct pack *p)
{
	unsigned back = STALE_BATCHES * p->conf.batch, n = 0;
	size_t i = p->n_log;

	if (is_late(p) || made(p, PACK_CONFIRM) < back)
		return SIZE_MAX;
	while (i > 0 && n < back) {
		i--;
		n += p->log[i].purpose == PACK_CONFIRM &&
		    !p->log[i].is_discarded;
	}
	return i;
}

/* Have the last batches of small sets settled next to nothing? */
static bool
is_stale(const struct pack *p)
{
	return !isnan(p->open_then) &&
	    pack_open(p, true) > p->open_then * STALE_SHRINK;
}

static size_t
plan_confirm(struct pack *p, struct pack_plan *out, size_t max)
{
	struct pack_design how = {
		.n = max,
		.cap = p->low < p->conf.n_sites ? p->low
						: (unsigned)p->conf.n_sites - 1,
		.with_disputed = true,
		.open_min = CONFIRM_OPEN_MIN,
	};

	if (is_stale(p))
		return 0;
	return plans_finish(out, pack_design(p, &how, out), PACK_CONFIRM,
	    CONFIRM_GAIN_MIN);
}

static size_t
plan_alone(struct pack *p, struct pack_plan *out, size_t max)
{
	unsigned have = made(p, PACK_ALONE);
	size_t n = 0;

	while (have + n < ALONE_MAX && n < max) {
		struct pack_set set;

		if (!pack_most_open(p, ALONE_OPEN_MIN, out, n, &set) ||
		    was_alone(p, &set))
			break;
		out[n++] = (struct pack_plan){ .withdrawn = set,
			.purpose = PACK_ALONE };
	}
	return n;
}

/* One of the heirs of s that matter, each as likely as another; n_sites: it has
 * none. */
static size_t
heir_draw(const struct pack *p, struct pack_rng *rng, size_t s)
{
	size_t n = p->conf.n_sites, found = n, seen = 0;

	for (size_t x = 0; x < n; x++) {
		if (p->next[s * n + x] < HEIR_SHARE_MIN)
			continue;
		seen++;
		if (pack_rng_next(rng) % seen == 0)
			found = x;
	}
	return found;
}

/* A site and, down to the depth, an heir: what a map is asked for. */
static void
cluster_add(const struct pack *p, struct pack_rng *rng, size_t s,
    struct pack_set *set)
{
	size_t n = p->conf.n_sites;

	for (unsigned d = 0; d < p->conf.depth && s < n; d++) {
		if (pack_set_has(&p->conf.keep, s) ||
		    pack_set_count(set) + 1 >= n)
			return;
		pack_set_add(set, s);
		s = heir_draw(p, rng, s);
	}
}

/* All sites in an order of chance, so that hold-outs begin with different ones.
 */
static void
sites_shuffle(const struct pack *p, uint16_t *order)
{
	struct pack_rng rng;

	pack_rng_init(&rng, p->conf.seed, STREAM_HOLDOUT);
	for (size_t s = 0; s < p->conf.n_sites; s++) {
		size_t k = pack_rng_next(&rng) % (s + 1);

		order[s] = order[k];
		order[k] = (uint16_t)s;
	}
}

static size_t
plan_holdouts(const struct pack *p, struct pack_plan *out, size_t max)
{
	unsigned have = made(p, PACK_HOLDOUT);
	unsigned want = cap_of(p, HOLDOUT_PERMILLE);
	unsigned clusters = (want + p->conf.depth - 1) / p->conf.depth;
	uint16_t order[PACK_SITES_MAX] = { 0 };
	size_t n = 0;

	sites_shuffle(p, order);
	for (unsigned k = have; k < HOLDOUTS && n < max; k++, n++) {
		struct pack_rng rng;

		pack_rng_init(&rng, p->conf.seed, STREAM_HOLDOUT + 1 + k);
		out[n] = (struct pack_plan){ .purpose = PACK_HOLDOUT };
		for (unsigned c = 0; c < clusters; c++) {
			size_t at = k * clusters + c;

			while (at >= p->conf.n_sites)
				at -= p->conf.n_sites;
			cluster_add(p, &rng, order[at], &out[n].withdrawn);
		}
		if (pack_set_count(&out[n].withdrawn) == 0)
			break;
	}
	return n;
}

/* The phases in their order; none goes back. */
static size_t
plan_next(struct pack *p, struct pack_plan *out, size_t max)
{
	size_t n = plan_repeat(p, out);

	if (n == 0)
		n = plan_baselines(p, out, max);
	if (n == 0)
		n = plan_singles(p, out, max);
	if (n == 0)
		n = plan_seeds(p, out, max);
	if (n == 0 && !is_late(p) && made(p, PACK_CONFIRM) == 0)
		n = plan_repack(p, out, max);
	if (n == 0 && !is_late(p))
		n = plan_confirm(p, out, max);
	if (n == 0 && made(p, PACK_HOLDOUT) == 0)
		n = plan_alone(p, out, max);
	return n;
}

size_t
pack_next(struct pack *p, struct pack_plan *out, size_t max)
{
	unsigned spent = kept(p), heldout = made(p, PACK_HOLDOUT);
	unsigned reserve = heldout < HOLDOUTS ? HOLDOUTS - heldout : 0;
	size_t room = PACK_EXPERIMENTS_MAX - p->n_log, n = 0;

	if (max > p->conf.batch)
		max = p->conf.batch;
	if (max > room)
		max = room;
	if (p->conf.n_sites < 2 || max == 0 || spent >= p->conf.budget)
		return 0;
	pack_infer(p);
	if (p->conf.budget > spent + reserve) {
		size_t left = p->conf.budget - spent - reserve;

		n = plan_next(p, out, left < max ? left : max);
	}
	if (n == 0) {
		size_t left = p->conf.budget - spent;

		n = plan_holdouts(p, out, left < max ? left : max);
	}
	return n;
}

/* How many designed and small sets campaigns of a depth took at most, with 300
 * sites and noise (docs/pack.md), or as many as there are; what is left of them
 * is the estimate. */
static unsigned
estimate_of(const struct pack *p, bool goes_on, enum pack_purpose phase)
{
	static const unsigned designed[PACK_DEPTH_MAX + 1] = { 0, 20, 60, 110 };
	unsigned heldout = made(p, PACK_HOLDOUT);
	unsigned fixed = BASELINES + SEEDS + HOLDOUTS;
	unsigned want = designed[p->conf.depth];
	unsigned done = kept(p);

	if (!goes_on)
		return 0;
	if (phase == PACK_HOLDOUT || heldout > 0) {
		unsigned left = heldout < HOLDOUTS ? HOLDOUTS - heldout : 0;

		return left + (phase == PACK_REPEAT);
	}
	if (p->conf.n_sites <= NAIVE_SITES_MAX) {
		uint64_t sets =
		    campaign_open_sets(p->conf.n_sites, p->conf.depth);

		fixed += (unsigned)p->conf.n_sites;
		if (sets < want)
			want = (unsigned)sets;
	}
	/* Never less than a batch while it goes on. */
	return fixed + want > done + p->conf.batch ? fixed + want - done
						   : p->conf.batch;
}

/* A client's least sure rank down to the depth; UNKNOWN if one is missing. */
static enum pack_label
label_least(const struct pack *p, const struct pack_result *r)
{
	uint8_t least = PACK_CERTIFIED;

	if (r->n <= p->conf.depth)
		return PACK_UNKNOWN;
	for (unsigned d = 0; d <= p->conf.depth; d++) {
		if (r->label[d] < least)
			least = r->label[d];
	}
	return (enum pack_label)least;
}

static void
progress_find(struct pack *p, struct pack_progress *out)
{
	struct pack_plan plans[PACK_BATCH_MAX];
	size_t n = pack_next(p, plans, PACK_BATCH_MAX);
	double all = 0;

	pack_infer(p);
	memset(out, 0, sizeof(*out));
	out->is_done = n == 0;
	out->phase = n == 0 ? PACK_HOLDOUT : plans[0].purpose;
	out->made = kept(p);
	out->estimate = estimate_of(p, n > 0, out->phase);
	for (size_t c = 0; c < p->conf.n_clients; c++) {
		const struct pack_result *r = &p->result[c];
		double weight = (double)p->weight[c];
		enum pack_label label = label_least(p, r);

		if (r->n == 0)
			continue;
		all += weight;
		out->certified += label == PACK_CERTIFIED ? weight : 0;
		out->expected_wrong += weight * pack_wrong_share[label];
	}
	if (all > 0) {
		out->certified /= all;
		out->expected_wrong /= all;
	}
}

void
pack_progress(struct pack *p, struct pack_progress *out)
{
	if (!p->has_progress)
		progress_find(p, &p->progress);
	p->has_progress = true;
	*out = p->progress;
}
