/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/agreement.h"

#include <math.h>

#include "core/failover.h"
#include "test.h"

#define N 2000u
#define SITES 4u
#define LIMIT 0.01

/* Two test prefixes over a world of clients, the second half of IPv6. */
struct world {
	uint16_t one[2][N], two[2][N];
	double weight[N];
	bool is_ipv4[N];
	const uint32_t *block;
	struct agreement_rule rule;
	struct agreement a;
};

static uint16_t
home(uint32_t i)
{
	return (uint16_t)(1 + i % SITES);
}

static uint16_t
elsewhere(uint32_t i)
{
	return (uint16_t)(home(i) % SITES + 1);
}

static struct world *
make(void)
{
	static struct world w;

	w = (struct world){ .rule = { .limit = LIMIT,
				.min_clients = 100,
				.has_family = { true, true } } };
	for (uint32_t i = 0; i < N; i++) {
		for (size_t k = 0; k < 2; k++)
			w.one[k][i] = w.two[k][i] = home(i);
		w.weight[i] = 1;
		w.is_ipv4[i] = i < N / 2;
	}
	return &w;
}

static enum agreement_verdict
judge(struct world *w)
{
	struct agreement_input in = { .n = N,
		.one = { w->one[0], w->one[1] },
		.two = { w->two[0], w->two[1] },
		.weight = w->weight,
		.is_ipv4 = w->is_ipv4,
		.block = w->block,
		.n_sites = SITES };

	agreement_count(&in, &w->a);
	return agreement_judge(&w->a, &w->rule);
}

/* The same on every run. */
static uint32_t
dice(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void
test_the_same_catchments_are_alike(void **state)
{
	struct world *w = make();

	(void)state;
	assert_int_equal(judge(w), AGREEMENT_ALIKE);
	assert_int_equal(w->a.compared, N);
	for (unsigned f = 0; f < 2; f++) {
		for (int way = 0; way < AGREEMENT_WAY_COUNT; way++) {
			const struct agreement_share *s = &w->a.shares[f][way];

			assert_int_equal(s->compared, N / 2);
			assert_true(s->distance == 0 && s->noise == 0);
			assert_true(s->beyond == 0);
		}
	}
}

/* One transit in fifty sends one of the prefixes elsewhere. */
static void
test_a_policy_for_one_prefix_is_found_with_its_family(void **state)
{
	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		struct world *w = make();

		for (uint32_t i = f * N / 2; i < (f + 1) * N / 2; i += 20) {
			w->two[0][i] = w->two[1][i] = elsewhere(i);
		}
		assert_int_equal(judge(w), AGREEMENT_DIFFERS);
		assert_int_equal(w->a.worst_family, f);
		assert_int_equal(w->a.worst_way, AGREEMENT_MOVED);
		assert_true(w->a.shares[f][0].distance == 0.05);
		assert_true(w->a.shares[f][0].noise == 0);
		assert_true(w->a.shares[1 - f][0].distance == 0);
		/* Not all of it is for sure. */
		assert_true(w->a.shares[f][0].beyond > 0.03);
		assert_true(w->a.shares[f][0].beyond < 0.05);
	}
}

/*
 * One /24 of 40 among the clients of IPv4 goes elsewhere by one of the prefixes:
 * as 25 clients it is 2.5 % for sure, as the one network that it is it may be
 * chance; and ten of them are none.
 */
static void
test_clients_of_a_block_count_once(void **state)
{
	static uint32_t block[N];
	struct world *w = make();
	double beyond;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		block[i] = 1 + i / 25;
	for (uint32_t i = 0; i < 25; i++)
		w->two[0][i] = w->two[1][i] = elsewhere(i);
	assert_int_equal(judge(w), AGREEMENT_DIFFERS);
	w->block = block;
	assert_int_equal(judge(w), AGREEMENT_ALIKE);
	assert_true(w->a.shares[0][AGREEMENT_MOVED].distance == 0.025);
	assert_int_equal(w->a.shares[0][AGREEMENT_MOVED].compared, N / 2);
	/* As many clients as blocks say just as much. */
	beyond = w->a.shares[0][AGREEMENT_MOVED].beyond;
	for (uint32_t i = 0; i < N; i++) {
		for (size_t k = 0; k < 2 && i % 25 != 0; k++)
			w->one[k][i] = w->two[k][i] = OUTCOME_NOT_ASKED;
	}
	w->block = NULL;
	(void)judge(w);
	assert_true(fabs(w->a.shares[0][AGREEMENT_MOVED].beyond - beyond) <
	    1e-9);
	w = make();
	w->block = block;
	for (uint32_t i = 0; i < 250; i++)
		w->two[0][i] = w->two[1][i] = elsewhere(i);
	assert_int_equal(judge(w), AGREEMENT_DIFFERS);
}

static void
test_clients_that_one_prefix_does_not_reach_are_found(void **state)
{
	struct world *w = make();

	(void)state;
	for (uint32_t i = 0; i < N / 2; i += 20)
		w->two[0][i] = w->two[1][i] = OUTCOME_NONE;
	assert_int_equal(judge(w), AGREEMENT_DIFFERS);
	assert_int_equal(w->a.worst_way, AGREEMENT_LOST);
	assert_int_equal(w->a.shares[0][AGREEMENT_MOVED].compared, 950);
	assert_true(w->a.shares[0][AGREEMENT_LOST].distance == 0.05);
	assert_true(w->a.shares[0][AGREEMENT_MOVED].distance == 0);
}

static void
test_a_prefix_that_nobody_answers_differs(void **state)
{
	struct world *w = make();

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		w->two[0][i] = w->two[1][i] = OUTCOME_NONE;
	assert_int_equal(judge(w), AGREEMENT_DIFFERS);
	assert_true(w->a.shares[0][AGREEMENT_LOST].distance == 1);
	for (uint32_t i = 0; i < N; i++)
		w->one[0][i] = w->one[1][i] = OUTCOME_NONE;
	assert_int_equal(judge(w), AGREEMENT_UNKNOWN);
	assert_int_equal(w->a.compared, 0);
}

static uint16_t
answer(uint32_t *seed, uint32_t i, bool flaps)
{
	bool is_elsewhere = flaps && dice(seed) % 2 == 0;

	if (dice(seed) % 20 == 0)
		return OUTCOME_NONE;
	return is_elsewhere ? elsewhere(i) : home(i);
}

/* 10 % flap, 5 % of the replies are lost: in all sweeps alike. */
static void
test_noise_alone_is_no_difference(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int run = 0; run < 20; run++) {
		struct world *w = make();
		uint16_t *sweeps[] = { w->one[0], w->one[1], w->two[0],
			w->two[1] };

		for (uint32_t i = 0; i < N; i++) {
			bool flaps = dice(&seed) % 10 == 0;

			for (size_t k = 0; k < 4; k++)
				sweeps[k][i] = answer(&seed, i, flaps);
		}
		assert_int_equal(judge(w), AGREEMENT_ALIKE);
		assert_true(w->a.shares[0][AGREEMENT_MOVED].noise > 0.02);
		assert_true(w->a.shares[0][AGREEMENT_LOST].noise > 0.05);
	}
}

/* What the noise hides must be large to be found, and then it is. */
static void
test_a_difference_above_the_noise_is_found(void **state)
{
	struct world *w = make();
	uint32_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		if (dice(&seed) % 10 == 0) {
			w->one[1][i] = w->two[1][i] = elsewhere(i);
		}
		if (i % 8 == 0) {
			w->two[0][i] = w->two[1][i] =
			    (uint16_t)((home(i) + 1) % 4 + 1);
		}
	}
	assert_int_equal(judge(w), AGREEMENT_DIFFERS);
}

/* One heavy network is a share of the weight, not of the clients. */
static void
test_weight_counts_too(void **state)
{
	struct world *w = make();

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		w->weight[i] = 100;
		w->two[0][i] = w->two[1][i] = elsewhere(i);
	}
	assert_int_equal(judge(w), AGREEMENT_DIFFERS);
	assert_true(w->a.shares[0][0].distance == 0.008);
	assert_true(w->a.shares[0][0].weight_distance > 0.4);
}

/* Of all the others nothing is heard. */
static void
silence(struct world *w, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		for (size_t k = 0; k < 2; k++)
			w->one[k][i] = w->two[k][i] = OUTCOME_NONE;
	}
}

/* A handful of clients that agree proves little, and two of twenty that do not
 * may be chance. */
static void
test_few_clients_are_not_believed(void **state)
{
	struct world *w = make();

	(void)state;
	silence(w, 20, N);
	assert_int_equal(judge(w), AGREEMENT_UNKNOWN);
	assert_int_equal(w->a.compared, 20);
	w->two[0][0] = w->two[0][1] = 4;
	assert_int_equal(judge(w), AGREEMENT_UNKNOWN);
	for (uint32_t i = 0; i < 6; i++)
		w->two[0][i] = w->two[1][i] = elsewhere(i);
	assert_int_equal(judge(w), AGREEMENT_DIFFERS);
}

/* Each family by itself: that the other is alike says nothing of it. */
static void
test_few_clients_of_one_family_are_too_few(void **state)
{
	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		struct world *w = make();
		uint32_t end = (f + 1) * N / 2;

		silence(w, end - N / 2 + 99, end);
		assert_int_equal(judge(w), AGREEMENT_UNKNOWN);
		assert_int_equal(agreement_thin_family(&w->a, &w->rule), f);
		w->rule.min_clients = 99;
		assert_int_equal(judge(w), AGREEMENT_ALIKE);
		assert_int_equal(agreement_thin_family(&w->a, &w->rule), -1);
		w->rule.min_clients = 100;
		/* None can answer, whatever the list holds. */
		w->rule.has_family[f] = false;
		assert_int_equal(judge(w), AGREEMENT_ALIKE);
		/* There is nobody to ask. */
		w->rule.has_family[f] = true;
		for (uint32_t i = end - N / 2; i < end; i++)
			w->is_ipv4[i] = !w->is_ipv4[i];
		assert_int_equal(judge(w), AGREEMENT_ALIKE);
		assert_int_equal(w->a.asked[f], 0);
	}
}

/* Those that were heard, but by no two sweeps at one site each. */
static void
test_clients_that_never_tell_their_site_are_no_witnesses(void **state)
{
	struct world *w = make();

	(void)state;
	for (uint32_t i = 99; i < N / 2; i++) {
		for (size_t k = 0; k < 2; k++)
			w->one[k][i] = w->two[k][i] = OUTCOME_FLIPPING;
	}
	assert_int_equal(judge(w), AGREEMENT_UNKNOWN);
	assert_int_equal(w->a.compared, N);
}

/* At two sites in one sweep of four: chance decides where it is caught. */
static void
test_a_client_that_flips_is_no_witness_of_its_site(void **state)
{
	struct world *w = make();

	(void)state;
	for (uint32_t i = 0; i < N / 4; i++) {
		w->one[i % 2][i] = OUTCOME_FLIPPING;
		w->two[0][i] = w->two[1][i] = 2;
	}
	w->two[1][N - 1] = OUTCOME_NOT_ASKED;
	assert_int_equal(judge(w), AGREEMENT_ALIKE);
	assert_int_equal(w->a.compared, N - 1);
	assert_int_equal(w->a.shares[0][AGREEMENT_MOVED].compared, N / 4);
	assert_int_equal(w->a.shares[0][AGREEMENT_FLIPS].compared, N / 2);
	assert_true(w->a.shares[0][AGREEMENT_FLIPS].distance == 0.25);
	assert_true(w->a.shares[0][AGREEMENT_FLIPS].noise == 0.25);
}

static void
test_flipping_by_one_prefix_only_is_a_difference(void **state)
{
	(void)state;
	for (unsigned f = 0; f < 2; f++) {
		struct world *w = make();

		for (uint32_t i = f * N / 2; i < (f + 1) * N / 2; i += 20)
			w->two[0][i] = w->two[1][i] = OUTCOME_FLIPPING;
		assert_int_equal(judge(w), AGREEMENT_DIFFERS);
		assert_int_equal(w->a.worst_family, f);
		assert_int_equal(w->a.worst_way, AGREEMENT_FLIPS);
		assert_true(w->a.shares[f][AGREEMENT_FLIPS].distance == 0.05);
		assert_true(w->a.shares[f][AGREEMENT_FLIPS].noise == 0);
		assert_true(w->a.shares[f][AGREEMENT_LOST].distance == 0);
	}
}

static void
test_flipping_by_both_is_none(void **state)
{
	struct world *w = make();

	(void)state;
	for (uint32_t i = 0; i < N; i += 2) {
		for (size_t k = 0; k < 2; k++)
			w->one[k][i] = w->two[k][i] = OUTCOME_FLIPPING;
	}
	assert_int_equal(judge(w), AGREEMENT_ALIKE);
	assert_int_equal(w->a.compared, N);
	assert_true(w->a.shares[0][AGREEMENT_FLIPS].distance == 0);
}

/* It answers: silence by the other is a loss. */
static void
test_flipping_by_one_and_silent_by_the_other_is_a_loss(void **state)
{
	struct world *w = make();

	(void)state;
	for (uint32_t i = 0; i < N / 2; i += 20) {
		w->one[0][i] = w->one[1][i] = OUTCOME_FLIPPING;
		w->two[0][i] = w->two[1][i] = OUTCOME_NONE;
	}
	assert_int_equal(judge(w), AGREEMENT_DIFFERS);
	assert_int_equal(w->a.worst_way, AGREEMENT_LOST);
	assert_true(w->a.shares[0][AGREEMENT_LOST].distance == 0.05);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_catchments_are_alike),
		cmocka_unit_test(
		    test_a_policy_for_one_prefix_is_found_with_its_family),
		cmocka_unit_test(test_clients_of_a_block_count_once),
		cmocka_unit_test(
		    test_clients_that_one_prefix_does_not_reach_are_found),
		cmocka_unit_test(test_a_prefix_that_nobody_answers_differs),
		cmocka_unit_test(test_noise_alone_is_no_difference),
		cmocka_unit_test(test_a_difference_above_the_noise_is_found),
		cmocka_unit_test(test_weight_counts_too),
		cmocka_unit_test(test_few_clients_are_not_believed),
		cmocka_unit_test(test_few_clients_of_one_family_are_too_few),
		cmocka_unit_test(
		    test_clients_that_never_tell_their_site_are_no_witnesses),
		cmocka_unit_test(
		    test_a_client_that_flips_is_no_witness_of_its_site),
		cmocka_unit_test(
		    test_flipping_by_one_prefix_only_is_a_difference),
		cmocka_unit_test(test_flipping_by_both_is_none),
		cmocka_unit_test(
		    test_flipping_by_one_and_silent_by_the_other_is_a_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
