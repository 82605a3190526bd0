/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/failover.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

bool
outcome_is_site(uint16_t outcome, size_t n_sites)
{
	return outcome != OUTCOME_NONE && outcome <= n_sites;
}

void
failover_share_add(struct failover_share *share, uint32_t block, double weight)
{
	if (block == 0 || block != share->block)
		share->block_weight = 0;
	share->block = block;
	share->clients++;
	share->weight += weight;
	/* (b + w)^2 in the place of b^2 */
	share->square += weight * (2 * share->block_weight + weight);
	share->block_weight += weight;
}

static void
map_init(struct failover_map *out, const struct failover_input *in)
{
	*out = (struct failover_map){ 0 };
	for (size_t i = 0; i < in->n_sites; i++)
		out->n_origins += in->withdrawn[i];
	out->origins = xcalloc(out->n_origins, sizeof(*out->origins));
	out->n_origins = 0;
	for (size_t i = 0; i < in->n_sites; i++) {
		struct failover_origin *o = &out->origins[out->n_origins];

		if (!in->withdrawn[i])
			continue;
		out->n_origins++;
		o->site = i;
		for (int family = 0; family < 2; family++) {
			o->heirs[family] =
			    xcalloc(in->n_sites + 1, sizeof(*o->heirs[family]));
		}
	}
}

void
failover_map_fini(struct failover_map *map)
{
	for (size_t i = 0; i < map->n_origins; i++) {
		free(map->origins[i].heirs[0]);
		free(map->origins[i].heirs[1]);
	}
	free(map->origins);
	*map = (struct failover_map){ 0 };
}

/* Who answered to one site in both baselines, and to another one. */
static bool
is_unstable(const struct failover_input *in, size_t i)
{
	return in->again != NULL &&
	    outcome_is_site(in->again[i], in->n_sites) &&
	    in->again[i] != in->before[i];
}

static void
count_client(const struct failover_input *in, size_t i,
    struct failover_origin *const *by_site, struct failover_map *out)
{
	size_t family = in->is_ipv4[i] ? 0 : 1, site = in->before[i] - 1u;
	bool is_known = outcome_is_site(in->after[i], in->n_sites);
	size_t heir = is_known ? in->after[i] - 1u : in->n_sites;

	out->answered++;
	if (by_site[site] != NULL) {
		/* A route that hung on somewhere is no heir: who still has it
		 * is lost when the site really fails. */
		if (is_known && in->withdrawn[heir])
			heir = in->n_sites;
		struct failover_share *share =
		    &by_site[site]->heirs[family][heir];
		struct failover_share *all = &by_site[site]->all;
		uint32_t block = in->block != NULL ? in->block[i] : 0;

		failover_share_add(share, block, in->weight[i]);
		failover_share_add(all, block, in->weight[i]);
		share->unstable += is_unstable(in, i);
		all->unstable += is_unstable(in, i);
	} else if (is_known) {
		out->others++;
		out->bystanders += heir != site;
	}
}

static void
count_null(const struct failover_input *in, struct failover_map *out)
{
	uint32_t *by_site = xcalloc(2 * in->n_sites, sizeof(*by_site));
	double weight = 0, moved = 0;
	uint64_t differ = 0;

	for (size_t i = 0; i < in->n; i++) {
		if (!outcome_is_site(in->before[i], in->n_sites) ||
		    !outcome_is_site(in->again[i], in->n_sites))
			continue;
		out->null_both++;
		weight += in->weight[i];
		if (in->before[i] != in->again[i]) {
			out->null_moved++;
			moved += in->weight[i];
		}
		by_site[2 * (size_t)(in->before[i] - 1u)]++;
		by_site[2 * (size_t)(in->again[i] - 1u) + 1]++;
	}
	for (size_t i = 0; i < in->n_sites; i++) {
		differ += by_site[2 * i] > by_site[2 * i + 1]
		    ? by_site[2 * i] - by_site[2 * i + 1]
		    : by_site[2 * i + 1] - by_site[2 * i];
	}
	if (weight > 0)
		out->null_moved_weight = moved / weight;
	if (out->null_both > 0)
		out->null_tv = (double)differ / 2 / out->null_both;
	free(by_site);
}

void
failover_count(const struct failover_input *in, struct failover_map *out)
{
	struct failover_origin **by_site =
	    xcalloc(in->n_sites, sizeof(struct failover_origin *));

	map_init(out, in);
	for (size_t i = 0; i < out->n_origins; i++)
		by_site[out->origins[i].site] = &out->origins[i];
	for (size_t i = 0; i < in->n; i++) {
		if (outcome_is_site(in->before[i], in->n_sites))
			count_client(in, i, by_site, out);
	}
	if (in->again != NULL)
		count_null(in, out);
	free(by_site);
}

/* ---- settling ---- */

/* Clients that answered in both rounds, and how many of them moved. */
static void
rounds_compare(const uint16_t *a, const uint16_t *b, size_t n, size_t *both,
    size_t *moved)
{
	*both = 0;
	*moved = 0;
	for (size_t i = 0; i < n; i++) {
		if (a[i] == OUTCOME_NONE || b[i] == OUTCOME_NONE)
			continue;
		(*both)++;
		*moved += a[i] != b[i];
	}
}

unsigned
settle_moved_permille(const uint16_t *a, const uint16_t *b, size_t n)
{
	size_t both, moved;

	rounds_compare(a, b, n, &both, &moved);
	return both == 0 ? 1000 : (unsigned)(moved * 1000 / both);
}

static bool
is_forbidden(const struct settle_round *r, uint16_t outcome)
{
	return outcome_is_site(outcome, r->n_sites) &&
	    r->forbidden[outcome - 1u];
}

/* One-sided 95 %, squared. */
#define SETTLE_Z2 2.706

/* McNemar's test: loss alone begins and ends as many silences.  And no more than
 * the share that may move. */
static bool
is_beyond_loss(const struct settle *s)
{
	double net = (double)s->rose - (double)s->fell;
	double all = (double)s->rose + (double)s->fell;

	return net * net > SETTLE_Z2 * all &&
	    fabs(net) * 1000 > SETTLE_MOVED_MAX_PERMILLE * (double)s->displaced;
}

static void
judge_silence(struct settle *s, const struct settle_round *r)
{
	uint32_t before = 0;

	s->displaced = s->answered = s->rose = s->fell = 0;
	for (size_t i = 0; i < r->n && r->home != NULL; i++) {
		bool is_heard = r->current[i] != OUTCOME_NONE;
		bool was_heard =
		    r->previous != NULL && r->previous[i] != OUTCOME_NONE;

		if (!is_forbidden(r, r->home[i]))
			continue;
		s->displaced++;
		s->answered += is_heard;
		before += was_heard;
		s->rose += r->previous != NULL && is_heard && !was_heard;
		s->fell += was_heard && !is_heard;
	}
	if (r->previous == NULL || s->displaced == 0) {
		s->silence = SETTLE_SILENCE_UNKNOWN;
	} else if (is_beyond_loss(s)) {
		s->silence = SETTLE_SILENCE_CHANGING;
	} else if (s->answered == 0 || before == 0) {
		s->silence = SETTLE_SILENCE_NOBODY;
	} else {
		s->silence = SETTLE_SILENCE_STEADY;
	}
}

bool
settle_step(struct settle *s, const struct settle_round *r)
{
	bool is_calm = r->previous != NULL &&
	    settle_moved_permille(r->previous, r->current, r->n) <=
		SETTLE_MOVED_MAX_PERMILLE;

	/* Of the previous round too: it is one of those that must be alike. */
	for (size_t i = 0; i < r->n && is_calm; i++) {
		is_calm = !is_forbidden(r, r->current[i]) &&
		    !is_forbidden(r, r->previous[i]);
	}
	judge_silence(s, r);
	is_calm = is_calm && s->silence != SETTLE_SILENCE_CHANGING;
	s->still = is_calm ? s->still + 1 : 0;
	is_calm = is_calm && s->silence != SETTLE_SILENCE_NOBODY;
	s->calm = is_calm ? s->calm + 1 : 0;
	/* The first round is compared with nothing, hence one less. */
	return s->calm >= SETTLE_ROUNDS - 1;
}

bool
settle_is_still(const struct settle *s)
{
	return s->still >= SETTLE_ROUNDS - 1;
}

const char *
settle_silence_name(enum settle_silence silence)
{
	static const char *const names[SETTLE_SILENCE_COUNT] = {
		[SETTLE_SILENCE_UNKNOWN] = "unknown",
		[SETTLE_SILENCE_STEADY] = "steady",
		[SETTLE_SILENCE_CHANGING] = "changing",
		[SETTLE_SILENCE_NOBODY] = "nobody",
	};

	return names[silence];
}

/* ---- sentinels ---- */

/* Clients by class: those of class k are list[start[k]] .. list[start[k+1]]. */
struct classes {
	size_t n; /* classes */
	uint32_t *start;
	uint32_t *list;
};

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t
class_of(const struct sentinel_input *in, size_t i)
{
	return in->class != NULL ? in->class[i] : in->before[i];
}

static bool
is_candidate(const struct sentinel_input *in, size_t i, bool withdrawn)
{
	return outcome_is_site(in->before[i], in->n_sites) &&
	    in->withdrawn[in->before[i] - 1u] == withdrawn;
}

/* The candidates of one half. */
static void
classes_init(struct classes *c, const struct sentinel_input *in, bool withdrawn)
{
	uint32_t *at;

	c->n = in->class != NULL ? in->n_classes : in->n_sites + 1;
	c->start = xcalloc(c->n + 1, sizeof(*c->start));
	at = xcalloc(c->n, sizeof(*at));
	for (size_t i = 0; i < in->n; i++) {
		if (is_candidate(in, i, withdrawn))
			c->start[class_of(in, i) + 1]++;
	}
	for (size_t k = 0; k < c->n; k++)
		c->start[k + 1] += c->start[k];
	c->list = xcalloc(c->start[c->n], sizeof(*c->list));
	for (size_t i = 0; i < in->n; i++) {
		uint32_t k = class_of(in, i);

		if (is_candidate(in, i, withdrawn))
			c->list[c->start[k] + at[k]++] = (uint32_t)i;
	}
	free(at);
}

static void
classes_fini(struct classes *c)
{
	free(c->start);
	free(c->list);
}

/*
 * Which of len is taken k-th, so that the first few are spread over all of
 * them, however few: neighbours in the list are neighbours in the network.
 * len if there is none for this k.
 */
static uint32_t
spread(uint32_t k, uint32_t len)
{
	uint32_t out = 0;
	int bits = 0;

	while ((1u << bits) < len)
		bits++;
	if (k >= 1u << bits)
		return len;
	for (int i = 0; i < bits; i++)
		out |= ((k >> i) & 1u) << (bits - 1 - i);
	return out < len ? out : len;
}

/* The first of every class, then the second of every class, ... */
static uint32_t
take(const struct classes *c, uint32_t room, uint32_t *out)
{
	uint32_t n = 0, all = c->start[c->n];

	if (room > all)
		room = all;
	for (uint32_t k = 0; n < room; k++) {
		for (size_t i = 0; i < c->n && n < room; i++) {
			uint32_t len = c->start[i + 1] - c->start[i];
			uint32_t at = spread(k, len);

			if (at < len)
				out[n++] = c->list[c->start[i] + at];
		}
	}
	return n;
}

uint32_t
sentinels_pick(const struct sentinel_input *in, uint32_t max, uint32_t *out)
{
	struct classes own, others;
	uint32_t room = max - max / 2, n;

	classes_init(&own, in, true);
	classes_init(&others, in, false);
	if (others.start[others.n] < max / 2)
		room = max - others.start[others.n];
	n = take(&own, room, out);
	n += take(&others, max - n, out + n);
	qsort(out, n, sizeof(*out), by_number);
	classes_fini(&own);
	classes_fini(&others);
	return n;
}
