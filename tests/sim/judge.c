/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define MATTERS 0.01 /* share from which an heir matters */
#define TRIPLES_SAMPLED 600u

/* Where one displaced client really goes. */
struct landing {
	uint32_t client;
	uint16_t first, second;
	bool is_first; /* displaced by its first route, not only its second */
	bool is_half;  /* displaced by one of the two routes it flaps between */
	bool is_twice; /* its first heir is withdrawn too */
};

struct judged_set {
	struct pack_set withdrawn;
	size_t begin, end; /* of its landings */
};

struct judged_level {
	struct judged_set *sets;
	size_t n, room;
	struct landing *landings;
	size_t n_landings, landings_room;
};

struct judge {
	struct internet *net;
	const struct noise *noise;
	size_t n_sites, n_clients;
	uint16_t *home, *home2; /* at baseline, by the first and second route */
	uint16_t *first, *second;
	uint16_t *heir; /* per client: where it goes from its home alone */
	double *share;  /* [s * n_sites + x]: of s's clients to x */
	struct judged_level levels[JUDGE_LEVELS];
	struct pack_set *triples; /* that matter */
	size_t n_triples, triples_room;
	struct pack_prediction *predicted;
};

static void
route(struct judge *j, const struct pack_set *withdrawn)
{
	struct internet_mood calm = { 0 };

	internet_route(j->net, withdrawn, &calm, j->first, j->second);
}

static struct judged_set *
set_begin(struct judged_level *l, const struct pack_set *withdrawn)
{
	if (l->n == l->room) {
		l->room = l->room == 0 ? 64 : 2 * l->room;
		l->sets = xreallocarray(l->sets, l->room, sizeof(*l->sets));
	}
	l->sets[l->n] = (struct judged_set){ .withdrawn = *withdrawn,
		.begin = l->n_landings,
		.end = l->n_landings };
	return &l->sets[l->n++];
}

static void
landing_add(struct judged_level *l, struct judged_set *set,
    const struct landing *landing)
{
	if (l->n_landings == l->landings_room) {
		l->landings_room =
		    l->landings_room == 0 ? 4096 : 2 * l->landings_room;
		l->landings = xreallocarray(l->landings, l->landings_room,
		    sizeof(*l->landings));
	}
	l->landings[l->n_landings++] = *landing;
	set->end = l->n_landings;
}

/* Routes the set and keeps where its clients land. */
static void
set_judge(struct judge *j, enum judge_level level,
    const struct pack_set *withdrawn)
{
	struct judged_level *l = &j->levels[level];
	struct judged_set *set = set_begin(l, withdrawn);

	route(j, withdrawn);
	for (size_t c = 0; c < j->n_clients; c++) {
		struct landing landing = { .client = (uint32_t)c,
			.first = j->first[c],
			.second = j->second[c] };
		bool is_second = j->noise->is_flapping[c] &&
		    pack_set_has(withdrawn, j->home2[c]);

		if (j->noise->is_silent[c] || j->home[c] == PACK_NONE ||
		    j->first[c] == PACK_NONE)
			continue;
		landing.is_first = pack_set_has(withdrawn, j->home[c]);
		if (!landing.is_first && !is_second)
			continue;
		landing.is_half =
		    j->noise->is_flapping[c] && landing.is_first != is_second;
		landing.is_twice = j->heir[c] != PACK_NONE &&
		    pack_set_has(withdrawn, j->heir[c]);
		landing_add(l, set, &landing);
	}
}

static void
singles_judge(struct judge *j)
{
	const double *weight = internet_weights(j->net);
	struct judged_level *l = &j->levels[JUDGE_1];

	for (size_t s = 0; s < j->n_sites; s++) {
		struct pack_set set = { { 0 } };
		double all = 0;

		pack_set_add(&set, s);
		set_judge(j, JUDGE_1, &set);
		for (size_t k = l->sets[s].begin; k < l->sets[s].end; k++) {
			const struct landing *a = &l->landings[k];

			if (!a->is_first)
				continue;
			j->heir[a->client] = a->first;
			j->share[s * j->n_sites + a->first] +=
			    weight[a->client];
			all += weight[a->client];
		}
		for (size_t x = 0; x < j->n_sites && all > 0; x++)
			j->share[s * j->n_sites + x] /= all;
	}
}

static void
triple_add(struct judge *j, const struct pack_set *pair, size_t x)
{
	if (j->n_triples == j->triples_room) {
		j->triples_room =
		    j->triples_room == 0 ? 1024 : 2 * j->triples_room;
		j->triples = xreallocarray(j->triples, j->triples_room,
		    sizeof(*j->triples));
	}
	j->triples[j->n_triples] = *pair;
	pack_set_add(&j->triples[j->n_triples++], x);
}

/* The shares of the heirs of a judged set; `from`: of this site's clients, or
 * PACK_NONE. */
static void
shares_of(const struct judge *j, const struct judged_level *l,
    const struct judged_set *set, uint16_t from, double *share)
{
	const double *weight = internet_weights(j->net);
	double all = 0;

	memset(share, 0, j->n_sites * sizeof(*share));
	for (size_t k = set->begin; k < set->end; k++) {
		const struct landing *a = &l->landings[k];

		if (!a->is_first ||
		    (from != PACK_NONE && j->home[a->client] != from))
			continue;
		share[a->first] += weight[a->client];
		all += weight[a->client];
	}
	for (size_t x = 0; x < j->n_sites && all > 0; x++)
		share[x] /= all;
}

static size_t
largest(const double *share, size_t n)
{
	size_t best = 0;

	for (size_t x = 1; x < n; x++) {
		if (share[x] > share[best])
			best = x;
	}
	return best;
}

static void
pair_judge(struct judge *j, size_t s, size_t t, double *share)
{
	struct judged_level *l = &j->levels[JUDGE_2];
	struct pack_set set = { { 0 } };

	pack_set_add(&set, s);
	pack_set_add(&set, t);
	set_judge(j, JUDGE_2, &set);
	shares_of(j, l, &l->sets[l->n - 1], PACK_NONE, share);
	for (size_t x = 0; x < j->n_sites; x++) {
		if (share[x] >= MATTERS)
			triple_add(j, &set, x);
	}
}

static int
set_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pack_set));
}

static void
pairs_judge(struct judge *j)
{
	double *share = xcalloc(j->n_sites, sizeof(*share));
	size_t kept = 0;

	for (size_t s = 0; s < j->n_sites; s++) {
		for (size_t t = 0; t < s; t++) {
			if (j->share[s * j->n_sites + t] >= MATTERS ||
			    j->share[t * j->n_sites + s] >= MATTERS)
				pair_judge(j, s, t, share);
		}
	}
	free(share);
	if (j->n_triples == 0)
		return;
	qsort(j->triples, j->n_triples, sizeof(*j->triples), set_order);
	for (size_t k = 0; k < j->n_triples; k++) {
		if (k == 0 ||
		    !pack_set_equal(&j->triples[k], &j->triples[kept - 1]))
			j->triples[kept++] = j->triples[k];
	}
	j->n_triples = kept;
}

static void
triples_judge(struct judge *j)
{
	struct sim_rng rng = { j->noise->conf.seed };
	size_t n =
	    j->n_triples < TRIPLES_SAMPLED ? j->n_triples : TRIPLES_SAMPLED;

	for (size_t k = 0; k < n; k++) {
		size_t other = k + sim_rng_below(&rng, j->n_triples - k);
		struct pack_set set = j->triples[other];

		j->triples[other] = j->triples[k];
		j->triples[k] = set;
		set_judge(j, JUDGE_3, &set);
	}
}

static void
chains_judge(struct judge *j)
{
	double *share = xcalloc(j->n_sites, sizeof(*share));

	for (size_t s = 0; s < j->n_sites; s++) {
		struct pack_set set = { { 0 } };
		struct judged_level *l = &j->levels[JUDGE_CHAIN];

		pack_set_add(&set, s);
		pack_set_add(&set,
		    largest(j->share + s * j->n_sites, j->n_sites));
		set_judge(j, JUDGE_CHAIN, &set);
		l->n--;
		shares_of(j, l, &l->sets[l->n], (uint16_t)s, share);
		l->n_landings = l->sets[l->n].begin;
		pack_set_add(&set, largest(share, j->n_sites));
		if (pack_set_count(&set) == 3)
			set_judge(j, JUDGE_CHAIN, &set);
	}
	free(share);
}

struct judge *
judge_new(struct internet *net, const struct noise *noise, unsigned depth)
{
	struct judge *j = xcalloc(1, sizeof(*j));
	struct pack_set none = { { 0 } };

	j->net = net;
	j->noise = noise;
	j->n_sites = internet_sites(net);
	j->n_clients = internet_clients(net);
	j->home = xcalloc(j->n_clients, sizeof(*j->home));
	j->home2 = xcalloc(j->n_clients, sizeof(*j->home2));
	j->first = xcalloc(j->n_clients, sizeof(*j->first));
	j->second = xcalloc(j->n_clients, sizeof(*j->second));
	j->heir = xcalloc(j->n_clients, sizeof(*j->heir));
	j->share = xcalloc(j->n_sites * j->n_sites, sizeof(*j->share));
	j->predicted = xcalloc(j->n_clients, sizeof(*j->predicted));
	route(j, &none);
	memcpy(j->home, j->first, j->n_clients * sizeof(*j->home));
	memcpy(j->home2, j->second, j->n_clients * sizeof(*j->home));
	for (size_t c = 0; c < j->n_clients; c++)
		j->heir[c] = PACK_NONE;
	singles_judge(j);
	if (depth >= 2)
		pairs_judge(j);
	if (depth >= 2)
		chains_judge(j);
	if (depth >= 3)
		triples_judge(j);
	return j;
}

void
judge_free(struct judge *j)
{
	if (j == NULL)
		return;
	for (size_t k = 0; k < JUDGE_LEVELS; k++) {
		free(j->levels[k].sets);
		free(j->levels[k].landings);
	}
	free(j->home);
	free(j->home2);
	free(j->first);
	free(j->second);
	free(j->heir);
	free(j->share);
	free(j->triples);
	free(j->predicted);
	free(j);
}

size_t
judge_sets(const struct judge *j, enum judge_level level)
{
	return j->levels[level].n;
}

size_t
judge_naive(const struct judge *j, unsigned depth)
{
	size_t n = 1 + j->n_sites;

	if (depth >= 2)
		n += j->levels[JUDGE_2].n;
	if (depth >= 3)
		n += j->n_triples;
	return n;
}

/* Sums over sets. */
struct sums {
	double all, right, certified, certified_right, twice, twice_right;
	double steady, steady_right; /* without those that flap */
	double single, single_right; /* by the first route, one answer */
	double label[PACK_LABEL_COUNT], label_wrong[PACK_LABEL_COUNT];
};

/* How much of where the client is was predicted: of its one or two sites, and
 * of the one or two that were named. */
static double
overlap(const struct pack_prediction *p, const struct landing *a,
    bool is_flapping)
{
	unsigned truths = is_flapping && a->second != a->first ? 2 : 1;
	unsigned named = p->other != PACK_NONE && p->other != p->site ? 2 : 1;
	unsigned right =
	    p->site == a->first || (named == 2 && p->other == a->first);

	right += truths == 2 &&
	    (p->site == a->second || (named == 2 && p->other == a->second));
	return (double)right / (truths > named ? truths : named);
}

static void
landing_score(const struct judge *j, const struct landing *a, double weight,
    struct sums *s)
{
	const struct pack_prediction *p = &j->predicted[a->client];
	bool is_flapping = j->noise->is_flapping[a->client];
	/* Of a client that flaps, often only one of its routes is displaced. */
	double w = a->is_half ? weight / 2 : weight;
	double right = w * overlap(p, a, is_flapping);

	s->all += w;
	s->right += right;
	s->label[p->label] += w;
	s->label_wrong[p->label] += w - right;
	if (p->label >= PACK_CERTIFIED) {
		s->certified += w;
		s->certified_right += right;
	}
	if (a->is_twice) {
		s->twice += w;
		s->twice_right += right;
	}
	if (!is_flapping) {
		s->steady += w;
		s->steady_right += right;
	}
	if (a->is_first) {
		s->single += weight;
		s->single_right += p->site == a->first ? weight : 0;
	}
}

/* Returns the total variation between predicted and true landing. */
static double
set_score(struct judge *j, struct pack *p, const struct judged_level *l,
    const struct judged_set *set, struct sums *s)
{
	const double *weight = internet_weights(j->net);
	double *diff = xcalloc(j->n_sites + 1, sizeof(*diff));
	double all = 0, tv = 0;

	pack_predict_split(p, &set->withdrawn, j->predicted);
	for (size_t k = set->begin; k < set->end; k++) {
		const struct landing *a = &l->landings[k];
		const struct pack_prediction *one = &j->predicted[a->client];
		double w = weight[a->client];

		landing_score(j, a, w, s);
		if (!a->is_first)
			continue;
		all += w;
		diff[a->first] += w;
		diff[one->site == PACK_NONE ? j->n_sites : one->site] -= w;
	}
	for (size_t x = 0; x <= j->n_sites && all > 0; x++)
		tv += fabs(diff[x]) / all / 2;
	free(diff);
	return tv;
}

static int
double_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void
judge_score(struct judge *j, struct pack *p, enum judge_level level,
    struct judge_score *out)
{
	const struct judged_level *l = &j->levels[level];
	struct sums s = { 0 };
	double *tv = xcalloc(l->n + 1, sizeof(*tv));

	memset(out, 0, sizeof(*out));
	for (size_t k = 0; k < l->n; k++)
		tv[k] = set_score(j, p, l, &l->sets[k], &s);
	qsort(tv, l->n, sizeof(*tv), double_order);
	if (l->n > 0) {
		out->tv_median = tv[l->n / 2];
		out->tv_p95 = tv[l->n * 95 / 100];
	}
	free(tv);
	if (s.all <= 0)
		return;
	out->right = s.right / s.all;
	out->single = s.single > 0 ? s.single_right / s.single : 1;
	out->steady = s.steady > 0 ? s.steady_right / s.steady : 1;
	for (size_t k = 0; k < PACK_LABEL_COUNT; k++) {
		out->share[k] = s.label[k] / s.all;
		out->wrong[k] = s.label_wrong[k] / s.all;
	}
	out->certified = s.certified / s.all;
	out->certified_right =
	    s.certified > 0 ? s.certified_right / s.certified : 1;
	out->second = s.twice > 0 ? s.twice_right / s.twice : 1;
}
