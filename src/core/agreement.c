/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/agreement.h"

#include <math.h>

#include "core/failover.h"
#include "core/heirs.h"

/* How clients differ between two sweeps, or sums of that over several pairs. */
struct tally {
	struct failover_share clients, weight; /* all; each client weighs 1 */
	double differ, weight_differ;
};

/* Of one family: two pairs of sweeps of one prefix, four of both. */
#define NOISE_PAIRS 2
#define BETWEEN_PAIRS 4
struct family {
	struct tally noise[NOISE_PAIRS][AGREEMENT_WAY_COUNT];
	struct tally between[BETWEEN_PAIRS][AGREEMENT_WAY_COUNT];
};

/* A client in all sweeps. */
struct client {
	uint16_t one[2], two[2];
	double weight;
	uint32_t block;
	bool is_asked;    /* in all of them */
	bool is_heard;    /* in any */
	bool never_flips; /* in none is it caught at two sites */
};

static void
add(struct tally *t, const struct client *c, bool differs)
{
	failover_share_add(&t->clients, c->block, 1);
	failover_share_add(&t->weight, c->block, c->weight);
	if (differs) {
		t->differ++;
		t->weight_differ += c->weight;
	}
}

static bool
is_heard(const struct agreement_input *in, uint16_t outcome)
{
	return outcome == OUTCOME_FLIPPING ||
	    outcome_is_site(outcome, in->n_sites);
}

static struct client
client_of(const struct agreement_input *in, size_t i)
{
	struct client c = { .weight = in->weight[i],
		.block = in->block != NULL ? in->block[i] : 0,
		.is_asked = true,
		.never_flips = true };

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
		add(&by_way[AGREEMENT_FLIPS], c,
		    (a == OUTCOME_FLIPPING) != (b == OUTCOME_FLIPPING));
	}
	if (first && second && c->never_flips)
		add(&by_way[AGREEMENT_MOVED], c, a != b);
	if (first || second)
		add(&by_way[AGREEMENT_LOST], c, first != second);
}

static void
add_client(const struct agreement_input *in, const struct client *c,
    struct family *f)
{
	add_pair(in, c, c->one[0], c->one[1], f->noise[0]);
	add_pair(in, c, c->two[0], c->two[1], f->noise[1]);
	for (size_t k = 0; k < BETWEEN_PAIRS; k++)
		add_pair(in, c, c->one[k / 2], c->two[k % 2], f->between[k]);
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

/* Sums, in which blocks are no more. */
struct sum {
	double all, differ, square; /* clients */
	double weight, weight_differ, weight_square;
};

static struct sum
sum_of(const struct tally (*pairs)[AGREEMENT_WAY_COUNT], size_t n, int way)
{
	struct sum sum = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct tally *t = &pairs[i][way];

		sum.all += t->clients.weight;
		sum.differ += t->differ;
		sum.square += t->clients.square;
		sum.weight += t->weight.weight;
		sum.weight_differ += t->weight_differ;
		sum.weight_square += t->weight.square;
	}
	return sum;
}

static struct agreement_share
share_of(const struct family *f, int way)
{
	struct sum noise = sum_of(f->noise, NOISE_PAIRS, way);
	struct sum between = sum_of(f->between, BETWEEN_PAIRS, way);
	struct agreement_share s = { .compared = (uint32_t)lround(between.all /
					 BETWEEN_PAIRS),
		.distance = share(between.differ, between.all),
		.noise = share(noise.differ, noise.all),
		.weight_distance = share(between.weight_differ, between.weight),
		.weight_noise = share(noise.weight_differ, noise.weight) };
	/* The pairs are of the same clients: they count once.  And so does a
	 * block, whose clients go the same way, nearly always. */
	struct heirs_part clients = { .weight = between.differ / BETWEEN_PAIRS,
		.all = between.all / BETWEEN_PAIRS,
		.all_square = between.square / BETWEEN_PAIRS };
	struct heirs_part weight = { .weight =
					 between.weight_differ / BETWEEN_PAIRS,
		.all = between.weight / BETWEEN_PAIRS,
		.all_square = between.weight_square / BETWEEN_PAIRS };

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
			out->shares[f][w] = share_of(&families[f], w);
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
