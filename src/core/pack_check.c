/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the log says about its own worth: all of it can be seen in production,
 * none of it needs the truth.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/pack_holdout.h"
#include "core/pack_state.h"

/* Sums of one experiment. */
struct sums {
	double standing, moved;    /* clients of announcing sites */
	double displaced, against; /* clients of withdrawn sites */
	double predicted, agreed;  /* of them, with a prediction */
	double certified, certified_agreed;
	struct pack_strata strata;
};

/* A client's weight, and where it counts. */
struct weighted {
	double weight;
	struct sums *sums;
};

static void
standing_add(const struct pack_result *r, uint16_t u, double weight,
    struct sums *s)
{
	/* Those known to change all the time say nothing about the set. */
	if (r->label[0] == PACK_UNSTABLE)
		return;
	s->standing += weight;
	s->moved += u != r->site[0] ? weight : 0;
}

/* The first rank of a route that announces, or its number of ranks; all of the
 * ranks up to it certified? */
static unsigned
first_announcing(const struct pack_result *r, const struct pack_set *withdrawn,
    bool *is_certified)
{
	*is_certified = true;
	for (unsigned d = 0; d < r->n; d++) {
		*is_certified &= r->label[d] == PACK_CERTIFIED;
		if (pack_set_has(withdrawn, r->site[d]))
			continue;
		*is_certified &= !pack_is_tainted(r, d, withdrawn);
		return d;
	}
	return r->n;
}

static void
displaced_add(const struct pack *p, const struct pack_experiment *e,
    const struct pack_result *r, uint16_t u, struct weighted *to)
{
	bool is_certified, is_right;
	unsigned rank = first_announcing(r, &e->withdrawn, &is_certified);
	double weight = to->weight;
	unsigned stratum;

	to->sums->displaced += weight;
	if (rank == r->n)
		return;
	/* Of a client that flaps, either route is right. */
	is_right =
	    u == r->site[rank] || u == pack_route_site(p, r, &e->withdrawn);
	stratum = pack_stratum(p, r, rank, is_certified);
	if (stratum < PACK_STRATA) {
		to->sums->strata.seen[stratum]++;
		to->sums->strata.agreed[stratum] += is_right;
	}
	to->sums->predicted += weight;
	to->sums->agreed += is_right ? weight : 0;
	if (is_certified) {
		to->sums->certified += weight;
		to->sums->certified_agreed += is_right ? weight : 0;
	}
}

/* Is there a reading of another site, neither withdrawn in the other? */
static bool
is_contradicted(const struct pack *p, const uint16_t *u,
    const struct pack_mask *displaced, size_t i)
{
	for (size_t w = 0; w < PACK_MASK_WORDS; w++) {
		uint64_t bits = displaced->w[w] & ~p->out_of[u[i]].w[w];

		for (; bits != 0; bits &= bits - 1) {
			size_t j = w * 64 + (size_t)__builtin_ctzll(bits);

			if (u[j] != u[i] &&
			    !pack_set_has(&p->log[i].withdrawn, u[j]))
				return true;
		}
	}
	return false;
}

static void
client_add(const struct pack *p, size_t c, const uint16_t *u, struct sums *sums)
{
	const struct pack_result *r = &p->result[c];
	double weight = (double)p->weight[c];
	struct pack_mask displaced = { { 0 } };

	if (r->n == 0)
		return;
	for (size_t i = 0; i < p->as_of; i++) {
		const struct pack_experiment *e = &p->log[i];

		if (u[i] >= PACK_FLIPPING)
			continue;
		if (!pack_set_has(&e->withdrawn, r->site[0])) {
			standing_add(r, u[i], weight, &sums[i]);
			continue;
		}
		displaced_add(p, e, r, u[i],
		    &(struct weighted){ weight, &sums[i] });
		if (pack_mask_has(&p->learn, i))
			pack_mask_add(&displaced, i);
	}
	for (size_t i = 0; i < p->as_of; i++) {
		if (pack_mask_has(&displaced, i) &&
		    is_contradicted(p, u, &displaced, i))
			sums[i].against += weight;
	}
}

static void
counts_fill(struct pack *p, const uint16_t *u)
{
	for (size_t i = 0; i < p->as_of; i++) {
		p->checks[i].answered += u[i] < PACK_FLIPPING;
		p->checks[i].flipping += u[i] == PACK_FLIPPING;
	}
}

static int
double_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
bystanders_median(const struct pack *p)
{
	double values[PACK_EXPERIMENTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < p->as_of; i++) {
		if (!p->log[i].is_discarded && p->log[i].n_withdrawn > 0)
			values[n++] = p->checks[i].bystanders;
	}
	qsort(values, n, sizeof(values[0]), double_order);
	return n > 0 ? values[n / 2] : 0;
}

static void
checks_finish(struct pack *p, const struct sums *sums)
{
	for (size_t i = 0; i < p->as_of; i++) {
		const struct pack_experiment *e = &p->log[i];
		const struct sums *s = &sums[i];
		struct pack_check *k = &p->checks[i];

		k->withdrawn = e->withdrawn;
		k->purpose = e->purpose;
		k->is_discarded = e->is_discarded;
		k->is_suspect = e->is_suspect;
		k->is_aside = e->is_aside;
		k->repeats = (unsigned)pack_original(p, e);
		k->astray = (double)e->astray;
		k->impossible = e->impossible;
		k->bystanders = s->standing > 0 ? s->moved / s->standing : 0;
		k->contradictions =
		    s->displaced > 0 ? s->against / s->displaced : 0;
		k->agreement = pack_ratio(s->agreed, s->predicted);
		k->agreement_certified =
		    pack_ratio(s->certified_agreed, s->certified);
	}
}

static void
summary_begin(struct pack *p, const struct sums *sums)
{
	struct pack_summary *m = &p->summary;
	struct sums held = { 0 }, learned = { 0 };
	struct pack_strata strata = { 0 };

	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < p->as_of; i++) {
		const struct pack_experiment *e = &p->log[i];

		if (e->is_discarded) {
			m->discarded++;
			continue;
		}
		m->by_purpose[e->purpose]++;
		m->aside += e->is_aside;
		m->suspect += e->is_suspect && !e->is_aside;
		m->cleared += e->repeats != 0 &&
		    !p->log[pack_original(p, e) - 1].is_suspect;
		if (e->is_aside)
			continue;
		learned.displaced += sums[i].displaced;
		learned.against += sums[i].against;
		if (!e->is_holdout)
			continue;
		held.predicted += sums[i].predicted;
		held.agreed += sums[i].agreed;
		held.certified += sums[i].certified;
		held.certified_agreed += sums[i].certified_agreed;
		pack_strata_add(&strata, &sums[i].strata);
	}
	m->contradiction_rate =
	    learned.displaced > 0 ? learned.against / learned.displaced : 0;
	m->bystanders_median = bystanders_median(p);
	m->holdout = pack_ratio(held.agreed, held.predicted);
	m->holdout_certified =
	    pack_ratio(held.certified_agreed, held.certified);
	m->right_estimate = pack_holdout_estimate(p, &strata);
}

static void
summary_clients(struct pack *p)
{
	struct pack_summary *m = &p->summary;
	double answering = 0, all = 0;

	for (size_t c = 0; c < p->conf.n_clients; c++) {
		const struct pack_result *r = &p->result[c];
		double weight = (double)p->weight[c];

		all += weight;
		if (r->n == 0) {
			m->silent_clients++;
			m->silent += weight;
			continue;
		}
		answering += weight;
		if (r->label[0] == PACK_UNSTABLE) {
			m->flapping_clients++;
			m->flapping += weight;
		}
	}
	m->silent = all > 0 ? m->silent / all : 0;
	m->flapping = answering > 0 ? m->flapping / answering : 0;
}

static size_t
sums_bytes(const struct pack *p)
{
	return (p->as_of + 1) * sizeof(struct sums);
}

static void
check_begin(struct pack *p, void *sums)
{
	(void)sums;
	memset(p->checks, 0, sizeof(p->checks));
}

static void
check_add(struct pack *p, const struct pack_block *block, void *sums)
{
	for (size_t c = 0; c < block->n; c++) {
		const uint16_t *u = block->readings + c * p->as_of;

		counts_fill(p, u);
		client_add(p, block->first + c, u, sums);
	}
}

static void
check_end(struct pack *p, void *sums)
{
	checks_finish(p, sums);
	summary_begin(p, sums);
	summary_clients(p);
}

const struct pack_pass pack_pass_check = { sums_bytes, check_begin, check_add,
	check_end };

void
pack_check(struct pack *p, size_t i, struct pack_check *out)
{
	pack_work_finish(p);
	*out = p->checks[i];
}

void
pack_summary(struct pack *p, struct pack_summary *out)
{
	pack_work_finish(p);
	*out = p->summary;
}
