/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/agreement.h"

#include <math.h>

#include "core/failover.h"
#include "core/heirs.h"

/* How clients differ between pairs of sweeps: sums over all pairs. */
struct tally {
	double all, differ; /* clients */
	double weight, weight_differ;
	double square; /* of the weights */
};

/* Of one family: two pairs of sweeps of one prefix, four of both. */
struct family {
	struct tally noise[AGREEMENT_WAY_COUNT];
	struct tally between[AGREEMENT_WAY_COUNT];
};
#define BETWEEN_PAIRS 4.0

static void
add(struct tally *t, double weight, bool differs)
{
	t->all++;
	t->weight += weight;
	t->square += weight * weight;
	if (differs) {
		t->differ++;
		t->weight_differ += weight;
	}
}

/* Client i in two sweeps. */
static void
add_pair(const struct agreement_input *in, size_t i, const uint16_t *const s[2],
    struct tally *by_way)
{
	bool first = outcome_is_site(s[0][i], in->n_sites);
	bool second = outcome_is_site(s[1][i], in->n_sites);

	if (first && second) {
		add(&by_way[AGREEMENT_MOVED], in->weight[i],
		    s[0][i] != s[1][i]);
	}
	if (first || second)
		add(&by_way[AGREEMENT_LOST], in->weight[i], first != second);
}

/* Caught at two sites in one sweep, or not asked: it says nothing. */
static bool
is_clear(const struct agreement_input *in, size_t i)
{
	for (size_t k = 0; k < 2; k++) {
		if (in->one[k][i] == OUTCOME_FLIPPING ||
		    in->two[k][i] == OUTCOME_FLIPPING ||
		    in->one[k][i] == OUTCOME_NOT_ASKED ||
		    in->two[k][i] == OUTCOME_NOT_ASKED)
			return false;
	}
	return true;
}

static bool
is_heard(const struct agreement_input *in, size_t i)
{
	return outcome_is_site(in->one[0][i], in->n_sites) ||
	    outcome_is_site(in->one[1][i], in->n_sites) ||
	    outcome_is_site(in->two[0][i], in->n_sites) ||
	    outcome_is_site(in->two[1][i], in->n_sites);
}

static void
add_client(const struct agreement_input *in, size_t i, struct family *f)
{
	add_pair(in, i, in->one, f->noise);
	add_pair(in, i, in->two, f->noise);
	for (size_t k = 0; k < 4; k++) {
		const uint16_t *const pair[2] = { in->one[k / 2],
			in->two[k % 2] };

		add_pair(in, i, pair, f->between);
	}
}

static double
share(double part, double all)
{
	return all > 0 ? part / all : 0;
}

/* The lower end of the interval of a share, less the noise. */
static double
beyond(const struct heirs_part *part, double noise)
{
	double low, high;

	heirs_interval(part, &low, &high);
	return fmax(0, low - noise);
}

static struct agreement_share
share_of(const struct tally *noise, const struct tally *between)
{
	struct agreement_share s = { .compared = (uint32_t)lround(between->all /
					 BETWEEN_PAIRS),
		.distance = share(between->differ, between->all),
		.noise = share(noise->differ, noise->all),
		.weight_distance =
		    share(between->weight_differ, between->weight),
		.weight_noise = share(noise->weight_differ, noise->weight) };
	/* The pairs are of the same clients: they count once. */
	struct heirs_part clients = { .weight = between->differ / BETWEEN_PAIRS,
		.all = between->all / BETWEEN_PAIRS,
		.all_square = between->all / BETWEEN_PAIRS };
	struct heirs_part weight = { .weight =
					 between->weight_differ / BETWEEN_PAIRS,
		.all = between->weight / BETWEEN_PAIRS,
		.all_square = between->square / BETWEEN_PAIRS };

	double by_clients = beyond(&clients, s.noise);
	double by_weight = beyond(&weight, s.weight_noise);

	s.by_weight = by_weight > by_clients;
	s.beyond = fmax(by_clients, by_weight);
	return s;
}

static void
find_worst(struct agreement *a)
{
	for (unsigned f = 0; f < 2; f++) {
		for (int w = 0; w < AGREEMENT_WAY_COUNT; w++) {
			if (a->shares[f][w].beyond <=
			    a->shares[a->worst_family][a->worst_way].beyond)
				continue;
			a->worst_family = f;
			a->worst_way = (enum agreement_way)w;
		}
	}
}

void
agreement_count(const struct agreement_input *in, struct agreement *out)
{
	struct family families[2] = { 0 };

	*out = (struct agreement){ 0 };
	for (size_t i = 0; i < in->n; i++) {
		if (!is_clear(in, i) || !is_heard(in, i))
			continue;
		out->compared++;
		add_client(in, i, &families[in->is_ipv4[i] ? 0 : 1]);
	}
	for (unsigned f = 0; f < 2; f++) {
		for (int w = 0; w < AGREEMENT_WAY_COUNT; w++) {
			out->shares[f][w] = share_of(&families[f].noise[w],
			    &families[f].between[w]);
		}
	}
	find_worst(out);
}

enum agreement_verdict
agreement_judge(const struct agreement *a, double limit)
{
	if (a->compared == 0)
		return AGREEMENT_UNKNOWN;
	return a->shares[a->worst_family][a->worst_way].beyond > limit
	    ? AGREEMENT_DIFFERS
	    : AGREEMENT_ALIKE;
}

const char *
agreement_verdict_name(enum agreement_verdict v)
{
	static const char *const names[] = {
		[AGREEMENT_UNKNOWN] = "unknown",
		[AGREEMENT_ALIKE] = "alike",
		[AGREEMENT_DIFFERS] = "differs",
	};

	return names[v];
}

const char *
agreement_way_name(enum agreement_way way)
{
	static const char *const names[AGREEMENT_WAY_COUNT] = {
		[AGREEMENT_MOVED] = "moved",
		[AGREEMENT_LOST] = "lost",
	};

	return names[way];
}
