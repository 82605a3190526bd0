/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules by which readings become ranks: a few sites, cases by hand. */
#include <stdlib.h>
#include <string.h>

#include "core/pack.h"
#include "test.h"

#define N PACK_NONE

/* 100 sites: a small set has at most 5.  One client under test, and others
 * that make sites known as heirs. */
#define SITES 100
#define CLIENTS 3

struct lab {
	struct pack *p;
};

static int
setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct pack_conf conf = {
		.n_sites = SITES, .n_clients = CLIENTS, .depth = 2, .seed = 1
	};

	lab->p = pack_new(&conf, NULL);
	*state = lab;
	return lab->p == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	struct lab *lab = *state;

	pack_free(lab->p);
	free(lab);
	return 0;
}

/* Sites a to b, both included. */
static struct pack_set
range(size_t a, size_t b)
{
	struct pack_set set = { { 0 } };

	for (size_t s = a; s <= b; s++)
		pack_set_add(&set, s);
	return set;
}

static struct pack_set
with(struct pack_set set, size_t site)
{
	pack_set_add(&set, site);
	return set;
}

/* One experiment; the other clients are silent. */
static void
read_one(struct lab *lab, struct pack_set set, uint16_t site)
{
	const uint16_t outcome[CLIENTS] = { site, N, N };

	assert_true(pack_add(lab->p, &set, PACK_SEED, outcome, NULL) >= 0);
}

static void
base(struct lab *lab, uint16_t site)
{
	const uint16_t outcome[CLIENTS] = { site, N, N };
	struct pack_set none = { { 0 } };

	assert_true(pack_add(lab->p, &none, PACK_BASELINE, outcome, NULL) >= 0);
}

static struct pack_client
client(struct lab *lab)
{
	struct pack_client k;

	pack_client(lab->p, 0, &k);
	return k;
}

static void
test_silent_client_has_no_rank(void **state)
{
	struct lab *lab = *state;
	struct pack_client k;

	base(lab, N);
	read_one(lab, range(0, 0), N);
	k = client(lab);
	assert_int_equal(k.n, 0);
	assert_true(k.is_silent);
}

/* A reading proves that the site comes before all that announced.  The sites
 * that were withdrawn with it are excluded by a second reading. */
static void
test_rule_a_needs_every_other_site_seen_announcing(void **state)
{
	struct lab *lab = *state;
	struct pack_client k;

	base(lab, 0);
	read_one(lab, with(range(10, 40), 0), 1);
	k = client(lab);
	assert_int_equal(k.ranks[1].site, 1);
	assert_int_equal(k.ranks[1].label, PACK_GUESSED);
	read_one(lab, with(range(41, 70), 0), 1);
	k = client(lab);
	assert_int_equal(k.ranks[1].label, PACK_CERTIFIED);
	assert_int_equal(k.ranks[1].rule, PACK_RULE_A);
	assert_int_equal(k.ranks[1].support, 2);
	assert_int_equal(k.ranks[1].against, 0);
	assert_int_equal(k.ranks[1].smallest, 31);
}

/* Trap: true heir and site always withdrawn together.  What the candidates say
 * must not certify level 1 after big sets. */
static void
test_level_one_is_not_certified_by_candidates_alone(void **state)
{
	struct lab *lab = *state;
	struct pack_client k;

	base(lab, 0);
	for (int i = 0; i < 6; i++)
		read_one(lab, with(range(50, 80), 0), 1);
	k = client(lab);
	assert_int_equal(k.ranks[1].site, 1);
	assert_int_equal(k.ranks[1].label, PACK_GUESSED);
}

static void
test_rule_c_takes_a_small_set(void **state)
{
	struct lab *lab = *state;
	struct pack_client k;

	base(lab, 0);
	read_one(lab, with(range(50, 53), 0), 1);
	k = client(lab);
	assert_int_equal(k.ranks[1].label, PACK_CERTIFIED);
	assert_int_equal(k.ranks[1].rule, PACK_RULE_C);
}

/* Of 16 sites a set of five leaves three open: any of them may come first, and
 * with a few networks behind all clients nobody would have shown it yet. */
static void
test_small_fleet_leaves_less_open(void **state)
{
	const struct pack_conf conf = {
		.n_sites = 16, .n_clients = CLIENTS, .depth = 2, .seed = 1
	};
	struct lab small = { .p = pack_new(&conf, NULL) };
	struct pack_client k;

	(void)state;
	base(&small, 0);
	read_one(&small, range(0, 0), 1);
	read_one(&small, with(range(5, 7), 0), 1);
	read_one(&small, with(with(range(5, 7), 0), 1), 2);
	k = client(&small);
	assert_int_equal(k.ranks[2].site, 2);
	assert_int_equal(k.ranks[2].label, PACK_GUESSED);
	read_one(&small, with(range(0, 1), 6), 5);
	k = client(&small);
	assert_int_equal(k.ranks[2].site, 5);
	pack_free(small.p);
}

/* Level 2 may be certified by two readings that leave one known candidate. */
static void
test_rule_b_takes_two_readings_at_level_two(void **state)
{
	struct lab *lab = *state;
	struct pack_client k;

	base(lab, 0);
	read_one(lab, range(0, 0), 1);
	read_one(lab, with(with(range(50, 80), 0), 1), 2);
	k = client(lab);
	assert_int_equal(k.ranks[2].site, 2);
	assert_int_equal(k.ranks[2].label, PACK_GUESSED);
	read_one(lab, with(with(range(50, 80), 0), 1), 2);
	k = client(lab);
	assert_int_equal(k.ranks[2].label, PACK_CERTIFIED);
	assert_int_equal(k.ranks[2].rule, PACK_RULE_B);
}

/* Reading 2 while 1 announced, and 1 while 2 announced: one of both is wrong.
 * Small sets weigh more. */
static void
test_contradiction_goes_to_small_sets(void **state)
{
	struct lab *lab = *state;
	struct pack_client k;

	base(lab, 0);
	read_one(lab, with(range(50, 90), 0), 2);
	read_one(lab, with(range(40, 80), 0), 2);
	read_one(lab, range(0, 0), 1);
	k = client(lab);
	assert_int_equal(k.ranks[1].site, 1);
	assert_int_equal(k.ranks[1].label, PACK_CONTRADICTED);
	assert_int_equal(k.ranks[1].against, 2);
	read_one(lab, with(range(20, 23), 0), 1);
	k = client(lab);
	assert_int_equal(k.ranks[1].site, 1);
	assert_int_equal(k.ranks[1].label, PACK_CERTIFIED);
	assert_int_equal(k.ranks[1].rule, PACK_RULE_REPEATED);
}

/* Small sets that disagree settle nothing; after five readings from them the
 * rank is published as unstable, not asked for any more. */
static void
test_dispute_between_small_sets_is_not_settled(void **state)
{
	struct lab *lab = *state;
	struct pack_client k;

	base(lab, 0);
	read_one(lab, with(range(50, 53), 0), 1);
	read_one(lab, with(range(54, 57), 0), 1);
	read_one(lab, with(range(60, 63), 0), 2);
	k = client(lab);
	assert_int_equal(k.ranks[1].site, 1);
	assert_int_equal(k.ranks[1].label, PACK_CONTRADICTED);
	assert_int_equal(k.ranks[1].rule, PACK_RULE_NONE);
	read_one(lab, with(range(50, 53), 0), 2);
	read_one(lab, with(range(70, 73), 0), 1);
	k = client(lab);
	assert_int_equal(k.ranks[1].label, PACK_UNSTABLE);
	assert_int_equal(k.ranks[0].label, PACK_CERTIFIED);
}

/* Both baselines lost: the home is what other experiments show. */
static void
test_home_without_baseline(void **state)
{
	struct lab *lab = *state;

	base(lab, N);
	base(lab, N);
	read_one(lab, range(50, 60), 7);
	read_one(lab, range(20, 60), 7);
	assert_int_equal(client(lab).ranks[0].site, 7);
}

static void
test_lost_reading_says_nothing(void **state)
{
	struct lab *lab = *state;

	base(lab, 0);
	read_one(lab, range(0, 0), 1);
	read_one(lab, range(0, 0), N);
	read_one(lab, range(0, 0), PACK_FLIPPING);
	assert_int_equal(client(lab).ranks[1].readings, 1);
	assert_int_equal(client(lab).ranks[1].label, PACK_CERTIFIED);
}

/* Two baselines that differ, before there is more. */
static void
test_differing_baselines_are_unstable(void **state)
{
	struct lab *lab = *state;
	struct pack_summary m;

	base(lab, 0);
	base(lab, 5);
	assert_int_equal(client(lab).ranks[0].label, PACK_UNSTABLE);
	pack_summary(lab->p, &m);
	assert_int_equal(m.flapping_clients, 1);
}

/* A client on two routes: each is inferred from its own readings. */
static void
test_flapping_client_has_two_routes(void **state)
{
	struct lab *lab = *state;
	struct pack_prediction all[CLIENTS];
	struct pack_set set = range(0, 0);

	base(lab, 0);
	base(lab, 5);
	for (size_t i = 0; i < 8; i++)
		read_one(lab, range(50 + i, 70 + i), i % 2 == 0 ? 0 : 5);
	for (size_t i = 0; i < 6; i++) {
		read_one(lab, with(range(50 + i, 70 + i), 0),
		    i % 3 == 0 ? 1 : 5);
	}
	pack_predict_split(lab->p, &set, all);
	assert_int_equal(all[0].site == 5 ? all[0].other : all[0].site, 1);
	assert_true(all[0].site == 5 || all[0].other == 5);
	assert_int_equal(all[0].label, PACK_UNSTABLE);
	assert_true(all[0].other_share > 0.25F && all[0].other_share < 0.75F);
}

/* Whenever 9 is withdrawn the client is elsewhere: that is 9's doing, not
 * flapping, and readings with 9 out say nothing about the ranks without. */
static void
test_trigger_is_not_flapping(void **state)
{
	struct lab *lab = *state;
	struct pack_client k;

	base(lab, 0);
	for (size_t i = 0; i < 16; i++) {
		struct pack_set set = range(20 + 2 * i, 50 + 2 * i);

		read_one(lab, i % 2 == 0 ? set : with(set, 9),
		    i % 2 == 0 ? 0 : 3);
	}
	for (size_t i = 0; i < 6; i++) {
		struct pack_set set = with(range(20 + 4 * i, 50 + 4 * i), 0);

		read_one(lab, i % 2 == 0 ? set : with(set, 9),
		    i % 2 == 0 ? 1 : 3);
	}
	k = client(lab);
	assert_int_equal(k.ranks[0].label, PACK_CERTIFIED);
	assert_int_equal(k.ranks[1].site, 1);
	assert_int_equal(k.ranks[1].against, 0);
	assert_int_equal(k.ranks[1].support, 3);
	assert_int_equal(k.other, PACK_NONE);
}

/* With the trigger itself withdrawn, a prediction is not certified. */
static void
test_prediction_with_trigger_is_a_guess(void **state)
{
	struct lab *lab = *state;
	struct pack_set set = range(0, 0);
	uint16_t site[CLIENTS];
	uint8_t label[CLIENTS];

	test_trigger_is_not_flapping(state);
	read_one(lab, range(0, 2), 4);
	pack_predict(lab->p, &set, site, label);
	assert_int_equal(site[0], 1);
	assert_int_equal(label[0], PACK_CERTIFIED);
	set = with(set, 9);
	pack_predict(lab->p, &set, site, label);
	assert_int_equal(label[0], PACK_GUESSED);
}

/* Held-out experiments are never learned from. */
static void
test_holdout_is_not_learned(void **state)
{
	struct lab *lab = *state;
	const uint16_t outcome[CLIENTS] = { 1, N, N };
	struct pack_set set = range(0, 0);
	struct pack_check check;

	base(lab, 0);
	assert_true(pack_add(lab->p, &set, PACK_HOLDOUT, outcome, NULL) >= 0);
	assert_int_equal(client(lab).n, 1);
	read_one(lab, range(0, 1), 2);
	read_one(lab, range(0, 0), 3);
	pack_check(lab->p, 1, &check);
	assert_true(check.agreement < 0.5);
	assert_int_equal(client(lab).ranks[1].site, 3);
}

static void
test_discarded_is_not_learned(void **state)
{
	struct lab *lab = *state;

	base(lab, 0);
	read_one(lab, range(0, 0), 1);
	pack_discard(lab->p, 1);
	assert_int_equal(client(lab).n, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_silent_client_has_no_rank),
		CASE(test_rule_a_needs_every_other_site_seen_announcing),
		CASE(test_level_one_is_not_certified_by_candidates_alone),
		CASE(test_rule_c_takes_a_small_set),
		CASE(test_small_fleet_leaves_less_open),
		CASE(test_rule_b_takes_two_readings_at_level_two),
		CASE(test_contradiction_goes_to_small_sets),
		CASE(test_dispute_between_small_sets_is_not_settled),
		CASE(test_home_without_baseline),
		CASE(test_lost_reading_says_nothing),
		CASE(test_differing_baselines_are_unstable),
		CASE(test_flapping_client_has_two_routes),
		CASE(test_trigger_is_not_flapping),
		CASE(test_prediction_with_trigger_is_a_guess),
		CASE(test_holdout_is_not_learned),
		CASE(test_discarded_is_not_learned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
