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

static bool
is_heard(const struct agreement_input *in, uint16_t outcome)
{
	return outcome == OUTCOME_FLIPPING ||
	    outcome_is_site(outcome, in->n_sites);
}

/* A client in all sweeps. */
struct client {
	uint16_t one[2], two[2];
	double weight;
	bool is_asked;    /* in all of them */
	bool is_heard;    /* in any */
	bool never_flips; /* in none is it caught at two sites */
};

static struct client
client_of(const struct agreement_input *in, size_t i)
{
	struct client c = {
		.weight = in->weight[i], .is_asked = true, .never_flips = true
	};

	for (size_t k = 0; k < 4; k++) {
		uint16_t outcome = k < 2 ? in->one[k][i] : in->two[k - 2][i];

		*(k < 2 ? &c.one[k] : &c.two[k - 2]) = outcome;
		c.is_asked &= outcome != OUTCOME_NOT_ASKED;
		c.is_heard |= is_heard(in, outcome);
		c.never_flips &= outcome != OUTCOME_FLIPPING;
	}
	return c;
}

/* Its outcomes in two sweeps.  Where one is that flips in any of the four, chance
 * says: that it flips is what counts. */
static void
add_pair(const struct agreement_input *in, const struct client *c, uint16_t a,
    uint16_t b, struct tally *by_way)
{
	bool first = is_heard(in, a), second = is_heard(in, b);

	if (first && second) {
		add(&by_way[AGREEMENT_FLIPS], c->weight,
		    (a == OUTCOME_FLIPPING) != (b == OUTCOME_FLIPPING));
	}
	if (first && second && c->never_flips)
		add(&by_way[AGREEMENT_MOVED], c->weight, a != b);
	if (first || second)
		add(&by_way[AGREEMENT_LOST], c->weight, first != second);
}

static void
add_client(const struct agreement_input *in, const struct client *c,
    struct family *f)
{
	add_pair(in, c, c->one[0], c->one[1], f->noise);
	add_pair(in, c, c->two[0], c->two[1], f->noise);
	for (size_t k = 0; k < 4; k++)
		add_pair(in, c, c->one[k / 2], c->two[k % 2], f->between);
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
		struct client c = client_of(in, i);

		out->asked[in->is_ipv4[i] ? 0 : 1] += c.is_asked;
		if (!c.is_asked || !c.is_heard)
			continue;
		out->compared++;
		add_client(in, &c, &families[in->is_ipv4[i] ? 0 : 1]);
	}
	for (unsigned f = 0; f < 2; f++) {
		for (int w = 0; w < AGREEMENT_WAY_COUNT; w++) {
			out->shares[f][w] = share_of(&families[f].noise[w],
			    &families[f].between[w]);
		}
	}
	find_worst(out);
}

static bool
is_judged(const struct agreement *a, const struct agreement_rule *rule, int f)
{
	return rule->has_family[f] && a->asked[f] > 0;
}

int
agreement_thin_family(const struct agreement *a,
    const struct agreement_rule *rule)
{
	for (int f = 0; f < 2; f++) {
		if (is_judged(a, rule, f) &&
		    a->shares[f][AGREEMENT_MOVED].compared < rule->min_clients)
			return f;
	}
	return -1;
}

/* That they differ is for sure, however few show it. */
enum agreement_verdict
agreement_judge(const struct agreement *a, const struct agreement_rule *rule)
{
	if (a->shares[a->worst_family][a->worst_way].beyond > rule->limit)
		return AGREEMENT_DIFFERS;
	if (a->compared == 0 ||
	    (!is_judged(a, rule, 0) && !is_judged(a, rule, 1)) ||
	    agreement_thin_family(a, rule) != -1)
		return AGREEMENT_UNKNOWN;
	return AGREEMENT_ALIKE;
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
		[AGREEMENT_FLIPS] = "flips",
	};

	return names[way];
}
