/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small synthetic Internet judges whole campaigns; `make bench-pack` has the
 * full one. */
#include <math.h>
#include <stdlib.h>

#include "../sim/judge.h"
#include "test.h"

struct trial {
	double bursts; /* of the experiments: disturbed */
	bool keep_suspects;
	size_t experiments, naive;
	struct judge_score level[JUDGE_LEVELS];
	struct pack_summary summary;
};

static void
measure_all(struct pack *p, struct noise *noise, size_t clients)
{
	uint16_t *outcome = calloc(clients, sizeof(*outcome));
	struct pack_plan plans[PACK_BATCH_MAX];
	size_t n;

	while ((n = pack_next(p, plans, PACK_BATCH_MAX)) > 0) {
		for (size_t k = 0; k < n; k++) {
			noise_measure(noise, &plans[k].withdrawn, outcome);
			assert_true(pack_add(p, &plans[k].withdrawn,
					plans[k].purpose, outcome, NULL) >= 0);
		}
	}
	free(outcome);
}

static void
try_out(size_t sites, unsigned depth, const char *model, uint64_t seed,
    struct trial *t)
{
	struct internet_conf conf = internet_conf_small(seed, sites);
	struct internet *net = internet_new(&conf);
	struct noise_conf noise_conf;
	struct noise noise;
	struct judge *judge;
	struct pack *p;

	assert_true(noise_model(model, seed, &noise_conf));
	noise_conf.bursts = t->bursts;
	noise_conf.burst_share = 0.3;
	noise_init(&noise, &noise_conf, net);
	p = pack_new(&(struct pack_conf){ .n_sites = sites,
			 .n_clients = internet_clients(net),
			 .weight = internet_weights(net),
			 .depth = depth,
			 .seed = seed,
			 .keep_suspects = t->keep_suspects },
	    NULL);
	assert_non_null(p);
	measure_all(p, &noise, internet_clients(net));
	judge = judge_new(net, &noise, depth);
	t->experiments = pack_count(p);
	t->naive = judge_naive(judge, depth);
	for (int k = 0; k < JUDGE_LEVELS; k++)
		judge_score(judge, p, (enum judge_level)k, &t->level[k]);
	pack_summary(p, &t->summary);
	judge_free(judge);
	pack_free(p);
	noise_fini(&noise);
	internet_free(net);
}

/* Fewer experiments than one for each set, and right. */
static void
test_depth_two_without_noise(void **state)
{
	struct trial t = { 0 };

	(void)state;
	try_out(50, 2, "none", 1, &t);
	assert_true(t.experiments < t.naive / 2);
	assert_true(t.level[JUDGE_1].right > 0.99);
	assert_true(t.level[JUDGE_2].right > 0.99);
	assert_true(t.level[JUDGE_2].certified > 0.9);
	assert_true(t.level[JUDGE_2].certified_right > 0.995);
	assert_int_equal(t.summary.silent_clients, 0);
}

/* With silence, loss and flapping; the certified part holds what it claims,
 * and the hold-outs tell how right the map is. */
static void
test_depth_two_with_noise(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct trial t = { 0 };

		try_out(50, 2, "n1", seed, &t);
		assert_true(t.experiments < t.naive / 2);
		assert_true(t.level[JUDGE_2].right > 0.98);
		assert_true(t.level[JUDGE_2].certified_right > 0.99);
		assert_true(t.summary.holdout > 0.96);
		assert_true(t.summary.silent > 0.3);
		assert_true(t.summary.flapping_clients > 0);
	}
}

static void
test_depth_three_reaches_chains(void **state)
{
	struct trial two = { 0 }, three = { 0 };

	(void)state;
	try_out(50, 2, "n1", 1, &two);
	try_out(50, 3, "n1", 1, &three);
	assert_true(three.level[JUDGE_3].right > 0.97);
	assert_true(three.level[JUDGE_CHAIN].right >
	    two.level[JUDGE_CHAIN].right);
}

/* ASes that waver and drift: worse, but nothing breaks. */
static void
test_wavering_and_drift(void **state)
{
	static const char *const models[] = { "n2", "n3" };

	(void)state;
	for (size_t k = 0; k < TEST_COUNT(models); k++) {
		struct trial t = { 0 };

		try_out(50, 2, models[k], 1, &t);
		assert_true(t.level[JUDGE_2].right > 0.95);
		assert_true(t.level[JUDGE_2].certified_right > 0.97);
	}
}

/* In one of seven experiments 30 % of the ASes pick another exit while it runs.
 * With those set aside and measured again a campaign is shorter, repeats
 * included, more of its map is sure, and it knows better how right it is. */
static void
test_disturbed_experiments(void **state)
{
	struct {
		double experiments, certified, certified_right, off;
	} sum[2] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		for (int keep = 0; keep < 2; keep++) {
			struct trial t = { .bursts = 0.15,
				.keep_suspects = keep };
			const struct judge_score *score = &t.level[JUDGE_2];

			try_out(80, 2, "n1", seed, &t);
			sum[keep].experiments += (double)t.experiments;
			sum[keep].certified += score->certified;
			sum[keep].certified_right += score->certified_right;
			sum[keep].off +=
			    fabs(t.summary.right_estimate - score->right);
			assert_true(t.summary.by_purpose[PACK_REPEAT] <=
			    t.experiments / 5);
		}
	}
	assert_true(sum[0].experiments < 0.95 * sum[1].experiments);
	assert_true(sum[0].certified > sum[1].certified + 12 * 0.02);
	assert_true(sum[0].certified_right > sum[1].certified_right);
	assert_true(sum[0].off < sum[1].off / 2);
}

/* Nothing happens: nothing is measured again. */
static void
test_calm_needs_no_repeats(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct trial t = { 0 };

		try_out(80, 2, "n1", seed, &t);
		assert_int_equal(t.summary.by_purpose[PACK_REPEAT], 0);
	}
}

/* The same seed is the same Internet and the same campaign. */
static void
test_simulation_repeats(void **state)
{
	struct trial a = { 0 }, b = { 0 };

	(void)state;
	try_out(30, 2, "n1", 4, &a);
	try_out(30, 2, "n1", 4, &b);
	assert_int_equal(a.experiments, b.experiments);
	assert_memory_equal(a.level, b.level, sizeof(a.level));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_depth_two_without_noise),
		cmocka_unit_test(test_depth_two_with_noise),
		cmocka_unit_test(test_depth_three_reaches_chains),
		cmocka_unit_test(test_wavering_and_drift),
		cmocka_unit_test(test_disturbed_experiments),
		cmocka_unit_test(test_calm_needs_no_repeats),
		cmocka_unit_test(test_simulation_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
