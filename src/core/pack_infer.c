/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ranks from readings.  A reading of an experiment that withdrew all of the
 * sites before rank d says about it: the site that answered comes before every
 * other site that announced.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/pack_state.h"

/* Scores: how fast a reading loses weight with the size of its set; what one
 * against a candidate costs, also when small sets support it. */
#define WEIGHT_HALF 20.0F
#define AGAINST 2.0F
#define AGAINST_SMALL 1.0F
#define AGAINST_ANY 0.2F
#define PRIOR 0.3F
#define SETTLED_SCORE 0.15F
/* A site is known to inherit from another one from this share of clients. */
#define KNOWN_SHARE 0.001
/* Unstable: this many readings elsewhere while the own site announced, and
 * this share of all such. */
#define UNSTABLE_MIN 3u
#define UNSTABLE_SHARE 0.1
/* Log odds at which a cause for moves of a client is believed; for readings
 * that disagree it must be surer. */
#define HOME_ODDS 1.0
#define DISPUTE_ODDS 3.0
/* Readings from small sets after which a dispute will not be settled. */
#define SMALL_ENOUGH 5u
/* A client is split between two routes if it is so often on the second. */
#define SPLIT_SHARE_MIN 0.25F

static void
masks_build(struct pack *p)
{
	memset(&p->learn, 0, sizeof(p->learn));
	memset(&p->baseline, 0, sizeof(p->baseline));
	memset(p->out_of, 0, sizeof(p->out_of));
	for (size_t i = 0; i < p->as_of; i++) {
		const struct pack_experiment *e = &p->log[i];

		if (e->is_discarded || e->is_aside || e->is_holdout)
			continue;
		pack_mask_add(&p->learn, i);
		if (e->n_withdrawn == 0)
			pack_mask_add(&p->baseline, i);
		for (size_t s = 0; s < p->conf.n_sites; s++) {
			if (pack_set_has(&e->withdrawn, s))
				pack_mask_add(&p->out_of[s], i);
		}
	}
}

static struct pack_candidate *
candidate_get(struct pack_evidence *ev, uint16_t site)
{
	for (size_t k = 0; k < ev->n; k++) {
		if (ev->candidate[k].site == site)
			return &ev->candidate[k];
	}
	if (ev->n == PACK_CANDIDATES_MAX)
		return NULL;
	ev->candidate[ev->n] =
	    (struct pack_candidate){ .site = site, .smallest = UINT16_MAX };
	return &ev->candidate[ev->n++];
}

static float
reading_weight(unsigned others)
{
	return 1.0F / (1.0F + (float)others / WEIGHT_HALF);
}

static bool
is_before(const uint16_t *before, unsigned d, uint16_t site)
{
	for (unsigned j = 0; j < d; j++) {
		if (before[j] == site)
			return true;
	}
	return false;
}

/* Takes the experiments with this trigger out of m, unless the sites before
 * rank d pull it anyway. */
static void
trigger_drop(const struct pack *p, const struct pack_trigger *t,
    const uint16_t *before, unsigned d, struct pack_mask *m)
{
	bool is_site = is_before(before, d, t->site);
	bool is_with = t->with == PACK_NONE || is_before(before, d, t->with);
	struct pack_mask drop = *m;

	if (is_site && is_with)
		return;
	if (!is_site)
		pack_mask_and(&drop, &p->out_of[t->site]);
	if (!is_with)
		pack_mask_and(&drop, &p->out_of[t->with]);
	pack_mask_drop(m, &drop);
}

/* Experiments that can show rank d: all sites before it were withdrawn, and
 * nothing that taints. */
static struct pack_mask
relevant(const struct pack *p, const struct pack_taint *taint,
    const uint16_t *before, unsigned d)
{
	struct pack_mask m = p->learn;

	for (unsigned j = 0; j < d; j++)
		pack_mask_and(&m, &p->out_of[before[j]]);
	for (unsigned k = 0; k < taint->n; k++)
		trigger_drop(p, &taint->trigger[k], before, d, &m);
	return m;
}

static void
reading_add(const struct pack *p, struct pack_evidence *ev, unsigned d,
    size_t i, uint16_t site)
{
	const struct pack_experiment *e = &p->log[i];
	unsigned others = e->n_withdrawn - d;
	struct pack_candidate *k = candidate_get(ev, site);

	ev->readings++;
	for (size_t w = 0; w < PACK_WORDS; w++) {
		uint64_t later = e->withdrawn.bits[w];

		if (w == site / 64)
			later |= UINT64_C(1) << (site % 64);
		ev->possible.bits[w] &= later;
	}
	if (k == NULL)
		return;
	pack_mask_add(&k->seen, i);
	k->support++;
	k->score += reading_weight(others);
	if (others < k->smallest)
		k->smallest = (uint16_t)others;
	if (others <= p->low)
		k->n_small++;
}

/* Readings of others while this one announced. */
static void
against_count(const struct pack *p, const struct pack_mask *read,
    struct pack_candidate *k, unsigned d)
{
	float each = k->smallest <= p->low ? AGAINST_SMALL : AGAINST;

	for (size_t w = 0; w < PACK_MASK_WORDS; w++) {
		uint64_t bits =
		    read->w[w] & ~p->out_of[k->site].w[w] & ~k->seen.w[w];

		for (; bits != 0; bits &= bits - 1) {
			size_t i = w * 64 + (size_t)__builtin_ctzll(bits);

			k->against++;
			if (p->log[i].n_withdrawn - d <= p->low)
				k->small_against++;
			k->score -=
			    each * reading_weight(p->log[i].n_withdrawn - d);
		}
	}
	if (k->against > 0)
		k->score -= AGAINST_ANY;
}

static bool
is_only(const struct pack_set *a, const struct pack_set *b, uint16_t site)
{
	struct pack_set both;

	for (size_t w = 0; w < PACK_WORDS; w++)
		both.bits[w] = a->bits[w] & b->bits[w];
	return pack_set_has(&both, site) && pack_set_count(&both) == 1;
}

static enum pack_rule
rule_find(const struct pack *p, const struct pack_evidence *ev, unsigned d)
{
	const struct pack_candidate *k = &ev->candidate[ev->best];
	bool is_alone;

	if (ev->is_contradicted) {
		bool is_settled = k->small_against == 0 &&
		    (k->n_small >= 2 ||
			(k->n_small == 1 && k->support >= 3 &&
			    k->score > SETTLED_SCORE));

		return is_settled ? PACK_RULE_REPEATED : PACK_RULE_NONE;
	}
	if (is_only(&ev->possible, &p->sites, k->site))
		return PACK_RULE_A;
	is_alone = is_only(&ev->possible, &ev->known, k->site);
	if (d >= 2 && is_alone &&
	    (pack_set_count(&ev->possible) - 1 <= p->few || k->support >= 2))
		return PACK_RULE_B;
	if (is_alone && k->smallest <= p->few)
		return PACK_RULE_C;
	return PACK_RULE_NONE;
}

static void
sets_begin(const struct pack *p, const uint16_t *before, unsigned d,
    struct pack_evidence *ev)
{
	ev->possible = p->sites;
	memset(&ev->known, 0, sizeof(ev->known));
	for (unsigned j = 0; j < d; j++) {
		pack_set_del(&ev->possible, before[j]);
		for (size_t w = 0; w < PACK_WORDS; w++) {
			ev->known.bits[w] |= p->candidates[before[j]].bits[w];
		}
	}
}

static void
best_choose(const struct pack *p, const uint16_t *before, unsigned d,
    struct pack_evidence *ev)
{
	ev->is_contradicted = true;
	for (size_t j = 0; j < ev->n; j++) {
		struct pack_candidate *k = &ev->candidate[j];

		against_count(p, &ev->read, k, d);
		if (d > 0) {
			k->score += PRIOR *
			    p->next[before[0] * p->conf.n_sites + k->site];
		}
		if (k->against == 0)
			ev->is_contradicted = false;
		if (k->score > ev->candidate[ev->best].score)
			ev->best = j;
	}
}

/* Takes one word of experiments; leaves out those without a reading. */
static void
readings_take(const struct pack *p, const struct pack_view *view, unsigned d,
    size_t w, struct pack_evidence *ev)
{
	for (uint64_t bits = ev->read.w[w]; bits != 0; bits &= bits - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(bits);
		uint16_t site = view->u[w * 64 + bit];

		if (site < PACK_FLIPPING && site != view->other) {
			reading_add(p, ev, d, w * 64 + bit, site);
		} else {
			ev->read.w[w] &= ~(UINT64_C(1) << bit);
		}
	}
}

void
pack_evidence(const struct pack *p, const struct pack_view *view,
    const uint16_t *before, unsigned d, struct pack_evidence *ev)
{
	ev->n = 0;
	ev->best = 0;
	ev->readings = 0;
	ev->rule = PACK_RULE_NONE;
	ev->is_contradicted = false;
	ev->read = relevant(p, &view->taint, before, d);
	sets_begin(p, before, d, ev);
	for (size_t w = 0; w < PACK_MASK_WORDS; w++)
		readings_take(p, view, d, w, ev);
	if (ev->n == 0)
		return;
	best_choose(p, before, d, ev);
	ev->rule = rule_find(p, ev, d);
}

/* The site at baseline; where baselines differ, the likelier one. */
static uint16_t
home_find(const struct pack *p, const struct pack_view *view)
{
	const uint16_t *u = view->u;
	struct pack_evidence ev;
	uint16_t home = PACK_NONE;
	bool is_same = true;

	for (size_t i = 0; i < p->as_of; i++) {
		if (!pack_mask_has(&p->baseline, i) || u[i] == PACK_NONE)
			continue;
		if (home == PACK_NONE) {
			home = u[i];
		} else if (u[i] != home) {
			is_same = false;
		}
	}
	if (home < PACK_FLIPPING && is_same)
		return home;
	pack_evidence(p, view, NULL, 0, &ev);
	return ev.n == 0 ? PACK_NONE : ev.candidate[ev.best].site;
}

/* Readings while the client's own site announced. */
struct standing {
	struct pack_mask stayed, moved;
	unsigned n_stayed, n_moved;
};

static void
standing_find(const struct pack *p, const uint16_t *u, uint16_t home,
    struct standing *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < p->as_of; i++) {
		if (!pack_mask_has(&p->learn, i) || u[i] == PACK_NONE ||
		    pack_mask_has(&p->out_of[home], i))
			continue;
		if (u[i] == home) {
			pack_mask_add(&s->stayed, i);
			s->n_stayed++;
		} else {
			pack_mask_add(&s->moved, i);
			s->n_moved++;
		}
	}
}

/* The site where the client is most often when it is not at home. */
static void
other_find(const struct pack *p, const uint16_t *u, const struct standing *s,
    struct pack_result *r)
{
	unsigned count[PACK_SITES_MAX] = { 0 };
	unsigned most = 0, could = 0;

	for (size_t i = 0; i < p->as_of; i++) {
		if (!pack_mask_has(&s->moved, i) || u[i] >= PACK_FLIPPING)
			continue;
		if (++count[u[i]] > most) {
			most = count[u[i]];
			r->other = u[i];
		}
	}
	for (size_t i = 0; i < p->as_of && most > 0; i++) {
		could += (pack_mask_has(&s->moved, i) ||
			     pack_mask_has(&s->stayed, i)) &&
		    !pack_mask_has(&p->out_of[r->other], i);
	}
	if (could > 0)
		r->other_share = (float)most / (float)could;
}

/* Does the client change its site while that site announces, for no reason? */
static bool
is_unstable(const struct pack *p, const uint16_t *u, struct pack_result *r)
{
	struct standing s;

	r->other = PACK_NONE;
	standing_find(p, u, r->site[0], &s);
	if (s.n_moved == 0)
		return false;
	if (pack_mask_overlap(&s.moved, &p->baseline) == 0 &&
	    pack_trigger_find(p, &s.moved, &s.stayed, HOME_ODDS, &r->taint))
		return false;
	/* Two baselines that differ are enough before there is more. */
	if ((s.n_moved < UNSTABLE_MIN ||
		s.n_moved <= UNSTABLE_SHARE * (s.n_moved + s.n_stayed)) &&
	    s.n_moved + s.n_stayed >= 2 * UNSTABLE_MIN)
		return false;
	other_find(p, u, &s, r);
	return true;
}

/* Is there a site that explains why readings disagree about rank d?  Each
 * candidate may be the one that holds without it. */
static bool
dispute_explain(const struct pack *p, const struct pack_evidence *ev,
    struct pack_taint *taint)
{
	for (size_t k = 0; k < ev->n; k++) {
		const struct pack_candidate *c = &ev->candidate[k];
		struct pack_mask against = ev->read;

		pack_mask_drop(&against, &p->out_of[c->site]);
		pack_mask_drop(&against, &c->seen);
		if (pack_trigger_find(p, &against, &c->seen, DISPUTE_ODDS,
			taint))
			return true;
	}
	return false;
}

static void
evidence_find(const struct pack *p, struct pack_view *view,
    const uint16_t *before, unsigned d, struct pack_evidence *ev)
{
	pack_evidence(p, view, before, d, ev);
	while (ev->n > 0 && ev->is_contradicted &&
	    dispute_explain(p, ev, &view->taint))
		pack_evidence(p, view, before, d, ev);
}

static enum pack_label
label_of(const struct pack_evidence *ev)
{
	unsigned small = 0;

	if (ev->rule != PACK_RULE_NONE)
		return PACK_CERTIFIED;
	if (!ev->is_contradicted)
		return PACK_GUESSED;
	for (size_t k = 0; k < ev->n; k++)
		small += ev->candidate[k].n_small;
	return small >= SMALL_ENOUGH ? PACK_UNSTABLE : PACK_CONTRADICTED;
}

/* Ranks of a client that does not flap. */
static void
ranks_steady(const struct pack *p, struct pack_view *view,
    struct pack_result *r)
{
	struct pack_evidence ev;

	view->taint = r->taint;
	for (unsigned d = 1; d <= p->deepest; d++) {
		evidence_find(p, view, r->site, d, &ev);
		if (ev.n == 0)
			break;
		r->site[d] = ev.candidate[ev.best].site;
		r->rule[d] = (uint8_t)ev.rule;
		r->label[d] = (uint8_t)label_of(&ev);
		r->n++;
	}
	r->taint = view->taint;
}

/* Ranks of one of two routes: what is not seen without the other one's site
 * leads there. */
static void
ranks_route(const struct pack *p, const uint16_t *u, uint16_t other,
    struct pack_route *route)
{
	struct pack_view apart = { .u = u, .other = other };
	struct pack_view both = { .u = u, .other = PACK_NONE };
	struct pack_evidence ev;

	if (other != PACK_NONE) {
		apart.taint.trigger[0] =
		    (struct pack_trigger){ other, PACK_NONE };
		apart.taint.n = 1;
	}
	for (unsigned d = 1; d <= p->deepest; d++) {
		if (is_before(route->site, d, other))
			apart = both;
		pack_evidence(p, &apart, route->site, d, &ev);
		if (ev.n == 0)
			pack_evidence(p, &both, route->site, d, &ev);
		if (ev.n == 0)
			break;
		route->site[route->n++] = ev.candidate[ev.best].site;
	}
}

static void
route_keep(struct pack *p, const struct pack_route *route,
    struct pack_result *r)
{
	if (p->n_route == p->route_room) {
		p->route_room = p->route_room == 0 ? 256 : 2 * p->route_room;
		p->route =
		    xreallocarray(p->route, p->route_room, sizeof(*p->route));
	}
	p->route[p->n_route++] = *route;
	r->route = (uint32_t)p->n_route;
}

static void
ranks_flapping(struct pack *p, const uint16_t *u, struct pack_result *r)
{
	struct pack_route first = { { r->site[0] }, 1 };
	struct pack_route second = { { r->other }, 1 };

	if (r->other_share < SPLIT_SHARE_MIN)
		r->other = PACK_NONE;
	ranks_route(p, u, r->other, &first);
	memcpy(r->site, first.site, first.n * sizeof(first.site[0]));
	r->n = first.n;
	for (unsigned d = 0; d < r->n; d++)
		r->label[d] = PACK_UNSTABLE;
	if (r->other == PACK_NONE) {
		r->other_share = 0;
		return;
	}
	ranks_route(p, u, r->site[0], &second);
	route_keep(p, &second, r);
}

static void
rank_all(struct pack *p, const uint16_t *u, struct pack_result *r)
{
	struct pack_view view = { .u = u, .other = PACK_NONE };

	memset(r, 0, sizeof(*r));
	r->other = PACK_NONE;
	for (unsigned d = 0; d < PACK_RANKS_MAX; d++)
		r->site[d] = PACK_NONE;
	r->site[0] = home_find(p, &view);
	if (r->site[0] == PACK_NONE)
		return;
	r->n = 1;
	r->label[0] = PACK_CERTIFIED;
	r->rule[0] = PACK_RULE_A;
	if (is_unstable(p, u, r)) {
		ranks_flapping(p, u, r);
	} else {
		ranks_steady(p, &view, r);
	}
}

/* Which sites inherit from which, and how much, by the current ranks. */
static void
next_add(struct pack *p, size_t c, const uint16_t *u, uint32_t *seen)
{
	const struct pack_result *r = &p->result[c];
	size_t home = r->site[0], n = p->conf.n_sites;
	struct pack_set met = { { 0 } };

	if (r->n == 0)
		return;
	p->site_weight[home] += (double)p->weight[c];
	seen[n * n + home]++;
	if (r->n > 1)
		p->next[home * n + r->site[1]] += 1.0F;
	for (size_t i = 0; i < p->as_of; i++) {
		if (u[i] < PACK_FLIPPING && pack_mask_has(&p->learn, i) &&
		    !pack_set_has(&met, u[i])) {
			pack_set_add(&met, u[i]);
			seen[home * n + u[i]]++;
		}
	}
}

static void
next_end(struct pack *p, const uint32_t *seen)
{
	size_t n = p->conf.n_sites;

	memset(p->candidates, 0, sizeof(p->candidates));
	for (size_t s = 0; s < n; s++) {
		double clients = seen[n * n + s];
		float all = 0;

		for (size_t x = 0; x < n; x++) {
			all += p->next[s * n + x];
			if (seen[s * n + x] > 0 &&
			    seen[s * n + x] >= KNOWN_SHARE * clients)
				pack_set_add(&p->candidates[s], x);
		}
		for (size_t x = 0; x < n && all > 0; x++)
			p->next[s * n + x] /= all;
	}
}

static void
rank_begin(struct pack *p, void *sums)
{
	(void)sums;
	p->n_route = 0;
}

static void
rank_add(struct pack *p, const struct pack_block *block, void *sums)
{
	(void)sums;
	for (size_t c = 0; c < block->n; c++) {
		rank_all(p, block->readings + c * p->as_of,
		    &p->result[block->first + c]);
	}
}

const struct pack_pass pack_pass_rank = { NULL, rank_begin, rank_add, NULL };

static size_t
seen_bytes(const struct pack *p)
{
	size_t n = p->conf.n_sites;

	return (n * n + n) * sizeof(uint32_t);
}

static void
next_begin(struct pack *p, void *sums)
{
	size_t n = p->conf.n_sites;

	(void)sums;
	memset(p->next, 0, n * n * sizeof(*p->next));
	memset(p->site_weight, 0, n * sizeof(*p->site_weight));
}

static void
next_block(struct pack *p, const struct pack_block *block, void *sums)
{
	for (size_t c = 0; c < block->n; c++) {
		next_add(p, block->first + c, block->readings + c * p->as_of,
		    sums);
	}
}

static void
next_finish(struct pack *p, void *sums)
{
	next_end(p, sums);
}

const struct pack_pass pack_pass_next = { seen_bytes, next_begin, next_block,
	next_finish };

void
pack_infer_begin(struct pack *p, size_t n)
{
	p->as_of = n;
	masks_build(p);
	memset(p->next, 0,
	    p->conf.n_sites * p->conf.n_sites * sizeof(*p->next));
	memset(p->candidates, 0, sizeof(p->candidates));
	/* The first pass is for what is known of heirs, which is rank 1. */
	p->deepest = 1;
}

void
pack_infer_deeper(struct pack *p)
{
	p->deepest = p->conf.depth + 1;
}

void
pack_client(struct pack *p, size_t client, struct pack_client *out)
{
	uint16_t u[PACK_EXPERIMENTS_MAX];
	const struct pack_result *r = &p->result[client];
	struct pack_view view = { .u = u, .other = PACK_NONE };

	pack_infer(p);
	view.taint = r->taint;
	memset(out, 0, sizeof(*out));
	pack_gather(p, client, 1, u);
	out->n = r->n;
	out->other = r->other;
	out->other_share = r->other_share;
	out->is_silent = r->n == 0;
	for (unsigned d = 0; d < PACK_RANKS_MAX; d++) {
		struct pack_rank *k = &out->ranks[d];
		struct pack_evidence ev;

		k->site = r->site[d];
		if (d >= r->n)
			continue;
		k->label = (enum pack_label)r->label[d];
		k->rule = (enum pack_rule)r->rule[d];
		pack_evidence(p, &view, r->site, d, &ev);
		k->readings = ev.readings;
		for (size_t j = 0; j < ev.n; j++) {
			if (ev.candidate[j].site != k->site)
				continue;
			k->support = ev.candidate[j].support;
			k->against = ev.candidate[j].against;
			k->smallest = (uint16_t)(ev.candidate[j].smallest + d);
		}
	}
}
