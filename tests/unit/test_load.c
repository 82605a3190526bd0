/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/load.h"

#include "test.h"

static const struct load_conf conf = {
	.unit = 1, .half_life_ms = 10000, .stale_ms = 15000
};

static struct mono
at(int64_t ms)
{
	return (struct mono){ .us = 5000000 + ms * 1000 };
}

static void
assert_load(const struct load *l, int64_t ms, double low, double high)
{
	double load = -1;

	assert_true(load_get(l, &conf, at(ms), &load));
	if (load < low || load > high)
		fail_msg("%f, expected %f to %f", load, low, high);
}

static void
test_a_rate_needs_two_readings(void **state)
{
	struct load l = { 0 };
	double load;

	(void)state;
	assert_false(load_get(&l, &conf, at(0), &load));
	load_take(&l, &conf, 1000, at(0));
	assert_false(load_get(&l, &conf, at(0), &load));
	load_take(&l, &conf, 1500, at(5000));
	assert_load(&l, 5000, 99.999, 100.001);
}

static void
test_a_unit_is_so_many(void **state)
{
	const struct load_conf mbit = { .unit = 125000, .stale_ms = 15000 };
	struct load l = { 0 };
	double load;

	(void)state;
	load_take(&l, &mbit, 0, at(0));
	load_take(&l, &mbit, 12500000, at(1000));
	assert_true(load_get(&l, &mbit, at(1000), &load));
	assert_true(load > 99.99 && load < 100.01);
	/* Without a half-life the newest reading is it. */
	load_take(&l, &mbit, 12500000, at(2000));
	assert_true(load_get(&l, &mbit, at(2000), &load));
	assert_true(load == 0);
}

static void
test_half_is_forgotten_in_a_half_life(void **state)
{
	struct load steps = { 0 }, leap = { 0 };

	(void)state;
	load_take(&steps, &conf, 0, at(0));
	load_take(&steps, &conf, 100, at(1000));
	leap = steps;
	/* Idle for ten seconds: looked at once, or often. */
	load_take(&leap, &conf, 100, at(11000));
	assert_load(&leap, 11000, 49.999, 50.001);
	for (int64_t s = 2; s <= 11; s++)
		load_take(&steps, &conf, 100, at(s * 1000));
	assert_load(&steps, 11000, 49.999, 50.001);
}

/* What fell was reset, or has wrapped: nobody knows how far. */
static void
test_a_counter_that_fell_says_nothing(void **state)
{
	struct load l = { 0 };

	(void)state;
	load_take(&l, &conf, UINT32_MAX - 400u, at(0));
	load_take(&l, &conf, UINT32_MAX - 300u, at(1000));
	assert_load(&l, 1000, 99.999, 100.001);
	load_take(&l, &conf, 7, at(2000));
	assert_load(&l, 2000, 99.999, 100.001);
	load_take(&l, &conf, 107, at(3000));
	assert_load(&l, 3000, 99.999, 100.001);
	/* The highest that there is. */
	l = (struct load){ 0 };
	load_take(&l, &conf, UINT64_MAX - 100, at(0));
	load_take(&l, &conf, UINT64_MAX, at(1000));
	assert_load(&l, 1000, 99.999, 100.001);
	load_take(&l, &conf, 0, at(2000));
	assert_load(&l, 2000, 99.999, 100.001);
}

static void
test_what_is_old_is_not_known(void **state)
{
	struct load l = { 0 };
	double load;

	(void)state;
	load_take(&l, &conf, 0, at(0));
	load_take(&l, &conf, 1000, at(1000));
	assert_load(&l, 16000, 999.9, 1000.1);
	assert_false(load_get(&l, &conf, at(16001), &load));
	/* A counter that only falls never says anything. */
	load_take(&l, &conf, 900, at(17000));
	assert_false(load_get(&l, &conf, at(17000), &load));
	/* Then it begins anew, whatever it was before. */
	load_take(&l, &conf, 910, at(18000));
	assert_load(&l, 18000, 9.999, 10.001);
}

/* Unreadable for hours, in which there was little to do: the mean over them is
 * no load of now. */
static void
test_a_gap_is_not_averaged(void **state)
{
	struct load l = { 0 };
	double load;

	(void)state;
	load_take(&l, &conf, 0, at(0));
	load_take(&l, &conf, 1000, at(1000));
	load_take(&l, &conf, 501000, at(14401000));
	assert_false(load_get(&l, &conf, at(14401000), &load));
	load_take(&l, &conf, 506000, at(14406000));
	assert_load(&l, 14406000, 999.9, 1000.1);
	/* Just as long as a load is known is no gap. */
	load_take(&l, &conf, 506000, at(14421000));
	assert_true(load_get(&l, &conf, at(14421000), &load));
}

static void
test_two_readings_at_one_time(void **state)
{
	struct load l = { 0 };

	(void)state;
	load_take(&l, &conf, 0, at(0));
	load_take(&l, &conf, 50, at(0));
	load_take(&l, &conf, 100, at(1000));
	assert_load(&l, 1000, 99.999, 100.001);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate_needs_two_readings),
		cmocka_unit_test(test_a_unit_is_so_many),
		cmocka_unit_test(test_half_is_forgotten_in_a_half_life),
		cmocka_unit_test(test_a_counter_that_fell_says_nothing),
		cmocka_unit_test(test_what_is_old_is_not_known),
		cmocka_unit_test(test_a_gap_is_not_averaged),
		cmocka_unit_test(test_two_readings_at_one_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
