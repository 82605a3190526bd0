/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/brake.h"

#include "test.h"

#define N 10
#define WINDOW_MS 5000

static const struct mono t0 = { .us = 1000000000 };

static void
break_all(struct brake_item *items, size_t n, int64_t at_ms)
{
	for (size_t i = 0; i < n; i++) {
		items[i] = (struct brake_item){ true, mono_add_ms(t0, at_ms) };
	}
}

static void
test_more_than_so_many_at_once_engage_it(void **state)
{
	static const struct brake_conf conf = { .more_than = 3,
		.window_ms = WINDOW_MS };
	struct brake_item items[N] = { 0 };
	struct brake b = { 0 };

	(void)state;
	break_all(items, 3, 0);
	assert_int_equal(brake_step(&b, &conf, items, N, t0), BRAKE_SAME);
	break_all(items, 4, 0);
	assert_int_equal(brake_step(&b, &conf, items, N, t0), BRAKE_ENGAGED);
	assert_true(b.is_engaged);
	assert_int_equal(b.failed, 4);
	assert_int_equal(b.of, N);
	/* Not by time: as long as they are sick it holds. */
	assert_int_equal(brake_step(&b, &conf, items, N,
			     mono_add_ms(t0, 3600000)),
	    BRAKE_SAME);
	items[0].is_failing = false;
	assert_int_equal(brake_step(&b, &conf, items, N,
			     mono_add_ms(t0, 3600001)),
	    BRAKE_RECOVERED);
	assert_false(b.is_engaged);
}

/* One after the other is life, not correlation. */
static void
test_slow_failures_do_not_engage_it(void **state)
{
	static const struct brake_conf conf = { .more_than = 1,
		.window_ms = WINDOW_MS };
	struct brake_item items[N] = { 0 };
	struct brake b = { 0 };

	(void)state;
	for (size_t i = 0; i < N; i++) {
		int64_t at = (int64_t)i * (WINDOW_MS + 1);

		items[i] = (struct brake_item){ true, mono_add_ms(t0, at) };
		assert_int_equal(brake_step(&b, &conf, items, N,
				     mono_add_ms(t0, at)),
		    BRAKE_SAME);
	}
}

/* The share is of those that were well before: one sick since days is not. */
static void
test_a_share_of_those_that_stood(void **state)
{
	static const struct brake_conf conf = { .share_percent = 100,
		.window_ms = WINDOW_MS };
	struct brake_item items[3] = { 0 };
	struct brake b = { 0 };

	(void)state;
	break_all(items, 1, -86400000);
	break_all(items + 1, 1, 0);
	assert_int_equal(brake_step(&b, &conf, items, 3, t0), BRAKE_SAME);
	break_all(items + 2, 1, 0);
	assert_int_equal(brake_step(&b, &conf, items, 3, t0), BRAKE_ENGAGED);
	assert_int_equal(b.failed, 2);
	assert_int_equal(b.of, 2);
	items[1].is_failing = false;
	assert_int_equal(brake_step(&b, &conf, items, 3, t0), BRAKE_RECOVERED);
}

/* A site with one service has nothing to compare it with. */
static void
test_one_alone_is_never_correlated(void **state)
{
	static const struct brake_conf share = { .share_percent = 1,
		.window_ms = WINDOW_MS };
	static const struct brake_conf none = { .window_ms = WINDOW_MS };
	struct brake_item items[N] = { 0 };
	struct brake b = { 0 };

	(void)state;
	break_all(items, 1, 0);
	assert_int_equal(brake_step(&b, &share, items, 1, t0), BRAKE_SAME);
	assert_int_equal(brake_step(&b, &share, items, N, t0), BRAKE_SAME);
	assert_int_equal(brake_step(&b, &none, items, N, t0), BRAKE_SAME);
	assert_int_equal(brake_step(&b, &none, items, 0, t0), BRAKE_SAME);
}

/* Let go by time it does not engage again for the same failures. */
static void
test_released_by_time_it_stays_open(void **state)
{
	static const struct brake_conf conf = {
		.more_than = 1, .window_ms = WINDOW_MS, .release_ms = 1000
	};
	struct brake_item items[N] = { 0 };
	struct brake b = { 0 };

	(void)state;
	break_all(items, 2, 0);
	assert_int_equal(brake_step(&b, &conf, items, N, t0), BRAKE_ENGAGED);
	assert_int_equal(brake_step(&b, &conf, items, N,
			     mono_add_ms(t0, WINDOW_MS)),
	    BRAKE_SAME);
	for (int64_t ms = WINDOW_MS + 1; ms < WINDOW_MS + 100; ms++) {
		assert_int_equal(brake_step(&b, &conf, items, N,
				     mono_add_ms(t0, ms)),
		    ms == WINDOW_MS + 1 ? BRAKE_TIMED_OUT : BRAKE_SAME);
	}
}

/* Those that failed long before do not keep it engaged. */
static void
test_old_failures_do_not_hold_it(void **state)
{
	static const struct brake_conf conf = { .more_than = 1,
		.window_ms = WINDOW_MS };
	struct brake_item items[N] = { 0 };
	struct brake b = { 0 };

	(void)state;
	break_all(items, 5, -86400000);
	break_all(items + 5, 2, 0);
	assert_int_equal(brake_step(&b, &conf, items, N, t0), BRAKE_ENGAGED);
	items[5].is_failing = false;
	assert_int_equal(brake_step(&b, &conf, items, N, t0), BRAKE_RECOVERED);
}

/* Who cannot be seen is what it was: only who is well has recovered. */
static void
test_the_unseen_do_not_release_it(void **state)
{
	static const struct brake_conf conf = { .more_than = 1,
		.window_ms = WINDOW_MS };
	struct brake_item items[3] = { 0 };
	struct brake b = { 0 };

	(void)state;
	brake_see(&items[0], BRAKE_FAILING, t0);
	brake_see(&items[1], BRAKE_FAILING, t0);
	brake_see(&items[2], BRAKE_UNSEEN, t0);
	assert_int_equal(brake_step(&b, &conf, items, 3, t0), BRAKE_ENGAGED);
	assert_int_equal(b.failed, 2);
	for (size_t i = 0; i < 3; i++)
		brake_see(&items[i], BRAKE_UNSEEN, t0);
	assert_int_equal(brake_step(&b, &conf, items, 3, t0), BRAKE_SAME);
	brake_see(&items[0], BRAKE_WELL, t0);
	assert_int_equal(brake_step(&b, &conf, items, 3, t0), BRAKE_RECOVERED);
}

/* One of those that held it is gone, one is new, the window is shorter. */
static void
test_a_change_of_what_is_counted_does_not_release_it(void **state)
{
	static const struct brake_conf before = { .share_percent = 100,
		.window_ms = WINDOW_MS };
	static const struct brake_conf after = { .share_percent = 100,
		.window_ms = 1 };
	struct brake_item items[4] = { 0 };
	struct brake b = { 0 };

	(void)state;
	assert_false(brake_item_new(&b).is_failing);
	break_all(items, 4, -1000);
	assert_int_equal(brake_step(&b, &before, items, 4, t0), BRAKE_ENGAGED);
	assert_int_equal(b.at_least, 4);
	/* Of four, two remain. */
	brake_reckon(&b, &after, items, 2);
	assert_int_equal(brake_step(&b, &after, items, 2, t0), BRAKE_SAME);
	assert_int_equal(b.at_least, 2);
	/* New ones must not let it go by being well, nor hold it for ever. */
	items[2] = brake_item_new(&b);
	brake_reckon(&b, &after, items, 3);
	assert_int_equal(brake_step(&b, &after, items, 3, t0), BRAKE_SAME);
	brake_see(&items[2], BRAKE_WELL, t0);
	assert_int_equal(brake_step(&b, &after, items, 3, t0), BRAKE_SAME);
	/* One alone is never correlated, but it was with others. */
	brake_reckon(&b, &after, items, 1);
	assert_int_equal(brake_step(&b, &after, items, 1, t0), BRAKE_SAME);
	brake_see(&items[0], BRAKE_WELL, t0);
	assert_int_equal(brake_step(&b, &after, items, 1, t0), BRAKE_RECOVERED);
}

/* All that failed are gone: it holds nobody. */
static void
test_it_does_not_outlive_all_that_failed(void **state)
{
	static const struct brake_conf conf = { .share_percent = 50,
		.window_ms = WINDOW_MS };
	struct brake_item items[4] = { 0 };
	struct brake b = { 0 };

	(void)state;
	break_all(items, 2, 0);
	assert_int_equal(brake_step(&b, &conf, items, 4, t0), BRAKE_ENGAGED);
	brake_reckon(&b, &conf, items + 2, 2);
	assert_int_equal(brake_step(&b, &conf, items + 2, 2, t0),
	    BRAKE_RECOVERED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_than_so_many_at_once_engage_it),
		cmocka_unit_test(test_slow_failures_do_not_engage_it),
		cmocka_unit_test(test_a_share_of_those_that_stood),
		cmocka_unit_test(test_one_alone_is_never_correlated),
		cmocka_unit_test(test_released_by_time_it_stays_open),
		cmocka_unit_test(test_old_failures_do_not_hold_it),
		cmocka_unit_test(test_the_unseen_do_not_release_it),
		cmocka_unit_test(
		    test_a_change_of_what_is_counted_does_not_release_it),
		cmocka_unit_test(test_it_does_not_outlive_all_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
