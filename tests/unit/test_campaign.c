/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/campaign.h"

#include <stdlib.h>
#include <string.h>

#include "core/failover.h"
#include "core/heirs.h"
#include "core/landing.h"
#include "test.h"

#define SITES 3u

static const struct {
	enum campaign_state from;
	enum campaign_event ev;
	enum campaign_state to;
} edges[] = {
	{ CAMPAIGN_RUNNING, CAMPAIGN_EV_PAUSE, CAMPAIGN_PAUSED },
	{ CAMPAIGN_RUNNING, CAMPAIGN_EV_COMPLETE, CAMPAIGN_DONE },
	{ CAMPAIGN_RUNNING, CAMPAIGN_EV_ABORT, CAMPAIGN_ABORTED },
	{ CAMPAIGN_RUNNING, CAMPAIGN_EV_FAIL, CAMPAIGN_FAILED },
	{ CAMPAIGN_PAUSED, CAMPAIGN_EV_RESUME, CAMPAIGN_RUNNING },
	{ CAMPAIGN_PAUSED, CAMPAIGN_EV_ABORT, CAMPAIGN_ABORTED },
	{ CAMPAIGN_PAUSED, CAMPAIGN_EV_FAIL, CAMPAIGN_FAILED },
};

static enum campaign_state
wanted(enum campaign_state from, enum campaign_event ev)
{
	for (size_t i = 0; i < TEST_COUNT(edges); i++) {
		if (edges[i].from == from && edges[i].ev == ev)
			return edges[i].to;
	}
	return CAMPAIGN_STAY;
}

/* Every pair of state and event; what is not named changes nothing. */
static void
test_every_edge(void **state)
{
	(void)state;
	for (int s = CAMPAIGN_RUNNING; s < CAMPAIGN_STATE_COUNT; s++) {
		enum campaign_state from = (enum campaign_state)s;

		assert_int_equal(campaign_state_find(campaign_state_name(from)),
		    from);
		for (int e = 0; e < CAMPAIGN_EV_COUNT; e++) {
			enum campaign_event ev = (enum campaign_event)e;

			assert_int_equal(campaign_next(from, ev),
			    wanted(from, ev));
		}
	}
	assert_int_equal(campaign_state_find("nonsense"), CAMPAIGN_STAY);
	assert_false(campaign_is_over(CAMPAIGN_PAUSED));
	assert_true(campaign_is_over(CAMPAIGN_ABORTED));
}

static void
test_displaced_are_asked_and_some_others(void **state)
{
	static const bool withdrawn[SITES] = { false, true, false };
	static uint16_t home[1000];
	static uint32_t out[1000];
	struct campaign_ask ask = { .n = 1000,
		.home = home,
		.n_sites = SITES,
		.withdrawn = withdrawn,
		.others = 50 };
	uint32_t n, displaced = 0, others[2] = { 0, 0 };

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		home[i] = (uint16_t)(1 + i % SITES);
	home[1] = OUTCOME_NONE;
	home[4] = OUTCOME_FLIPPING;
	n = campaign_pick(&ask, out);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t is = home[out[i]];

		assert_true(i == 0 || out[i] > out[i - 1]);
		assert_true(outcome_is_site(is, SITES));
		displaced += is == 2;
		if (is != 2)
			others[out[i] >= 500]++;
	}
	assert_int_equal(displaced, 333 - 2);
	assert_int_equal(others[0] + others[1], 50);
	/* Over the whole list. */
	assert_in_range(others[0], 24, 26);
	ask.others = 100000;
	assert_int_equal(campaign_pick(&ask, out), 998);
	ask.n = 0;
	assert_int_equal(campaign_pick(&ask, out), 0);
}

static void
test_rough_numbers(void **state)
{
	(void)state;
	/* Of as many sites simulated ones took 19, 30, 61 and 84. */
	assert_int_equal(campaign_rough(5, 1), 16 + 5 + 5);
	assert_int_equal(campaign_rough(5, 2), 16 + 5 + 10);
	assert_int_equal(campaign_rough(16, 2), 16 + 16 + 30);
	assert_int_equal(campaign_rough(30, 2), 16 + 30 + 30);
	assert_int_equal(campaign_rough(5, 3), 16 + 5 + 10 + 10);
	/* All but one may be withdrawn. */
	assert_int_equal(campaign_rough(2, 3), 16 + 2);
	assert_int_equal(campaign_rough(300, 1), 41);
}

static int64_t
time_of(unsigned experiments, unsigned n_tests)
{
	struct campaign_time t = { .experiments = experiments,
		.n_tests = n_tests,
		.each_ms = 1000,
		.pace_ms = 50 };

	return campaign_time_ms(&t);
}

/* What many test prefixes save; none known yet is as one. */
static void
test_time_and_batches(void **state)
{
	(void)state;
	assert_int_equal(time_of(0, 1), 0);
	assert_int_equal(time_of(3, 1), 3100);
	assert_int_equal(time_of(3, 0), 3100);
	assert_int_equal(time_of(4, 2), 2050);
	assert_int_equal(time_of(5, 2), 3100);
	assert_int_equal(time_of(4, 4), 1000);
	assert_int_equal(time_of(2, 4), 1000);
	assert_int_equal(campaign_batch(0, 4), 4);
	assert_int_equal(campaign_batch(1, 4), 4);
	assert_int_equal(campaign_batch(2, 4), 4);
	assert_int_equal(campaign_batch(3, 4), 3);
	assert_int_equal(campaign_batch(4, 4), 4);
	assert_int_equal(campaign_batch(9, 4), 4);
}

/* Wilson's interval, figures from his formula by hand. */
static void
test_intervals(void **state)
{
	struct heirs_part part = {
		.weight = 50, .all = 100, .all_square = 100
	};
	double low, high;

	(void)state;
	heirs_interval(&part, &low, &high);
	assert_true(low > 0.4038 - 1e-4 && low < 0.4038 + 1e-4);
	assert_true(high > 0.5962 - 1e-4 && high < 0.5962 + 1e-4);
	/* A heavy client counts as few. */
	part.all_square = 10000;
	heirs_interval(&part, &low, &high);
	assert_true(low < 0.1 && high > 0.9);
	part =
	    (struct heirs_part){ .weight = 100, .all = 100, .all_square = 100 };
	heirs_interval(&part, &low, &high);
	assert_true(low < 0.97 && high == 1);
	part.noise = 0.5;
	heirs_interval(&part, &low, &high);
	assert_true(low < 0.5 && high == 1);
	part.all = 0;
	heirs_interval(&part, &low, &high);
	assert_true(low == 0 && high == 1);
}

static void
test_distances(void **state)
{
	static const double a[] = { 0.5, 0.5, 0 }, b[] = { 0.25, 0.5, 0.25 };

	(void)state;
	assert_true(heirs_distance(a, a, 3) == 0);
	assert_true(heirs_distance(a, b, 3) == 0.25);
}

/* Who was not seen, or has no prediction, is no part of the comparison. */
static void
test_landing(void **state)
{
	enum { N = 8 };
	static const bool down[SITES] = { true, false, false };
	static const uint16_t home[N] = { 1, 1, 1, 1, 1, 1, 2, OUTCOME_NONE };
	static const uint16_t told[N] = { 2, 2, 3, OUTCOME_NONE, 2, 2, 2, 2 };
	static const uint16_t seen[N] = { 2, 3, OUTCOME_NONE, 2, 1,
		OUTCOME_FLIPPING, 3, 3 };
	static const double weight[N] = { 6, 1, 50, 50, 1, 50, 50, 50 };
	const struct landing_input in = { .n = N,
		.home = home,
		.predicted = told,
		.seen = seen,
		.weight = weight,
		.n_sites = SITES,
		.down = down };
	struct landing out;

	(void)state;
	landing_compare(&in, &out);
	assert_int_equal(out.displaced, 6);
	assert_int_equal(out.seen, 3);
	assert_int_equal(out.agreed, 1);
	assert_int_equal(out.remained, 1);
	assert_int_equal(out.several, 1);
	assert_true(out.weight_seen == 8 && out.weight_agreed == 6);
	assert_true(out.distance == 0.25);
	assert_true(out.predicted[1] == 8 && out.landed[0] == 1);
	landing_fini(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_edge),
		cmocka_unit_test(test_displaced_are_asked_and_some_others),
		cmocka_unit_test(test_rough_numbers),
		cmocka_unit_test(test_time_and_batches),
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_distances),
		cmocka_unit_test(test_landing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
