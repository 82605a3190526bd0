/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "probes/sweep_turns.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#define POSITIONS_MAX 100000u

static uint32_t block[POSITIONS_MAX];
static uint32_t order[POSITIONS_MAX]; /* positions as they came */
static int64_t at_us[POSITIONS_MAX];  /* by position */

/* Sends all at the given rate; returns when the last was sent. */
static int64_t
run(uint32_t n, uint32_t n_blocks, int64_t gap_us, int64_t step_us)
{
	struct sweep_turns *t = sweep_turns_new(block, n, n_blocks, gap_us);
	int64_t now_us = 1000000, last_us = 0, wait_us = 0;
	uint32_t sent = 0, position;

	memset(at_us, 0, sizeof(at_us));
	for (;;) {
		position = sweep_turns_next(t, now_us, &wait_us);
		if (position == SWEEP_TURNS_NONE && wait_us == -1)
			break;
		if (position == SWEEP_TURNS_NONE) {
			assert_true(wait_us > 0 && wait_us <= gap_us);
			now_us += wait_us;
			continue;
		}
		assert_true(position < n);
		assert_true(at_us[position] == 0);
		at_us[position] = now_us;
		order[sent++] = position;
		last_us = now_us;
		now_us += step_us;
	}
	assert_int_equal(sent, n);
	sweep_turns_free(t);
	return last_us - 1000000;
}

static void
assert_gaps(uint32_t n, uint32_t n_blocks, int64_t gap_us)
{
	int64_t *last = calloc(n_blocks, sizeof(*last));

	assert_non_null(last);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t b = block[order[i]];
		int64_t now = at_us[order[i]];

		assert_true(last[b] == 0 || now - last[b] >= gap_us);
		last[b] = now;
	}
	free(last);
}

static void
test_without_a_gap_the_order_is_kept(void **state)
{
	(void)state;
	memset(block, 0, sizeof(block));
	assert_true(run(1000, 1, 0, 10) == 9990);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(order[i], i);
	assert_true(run(0, 0, 0, 10) == -1000000);
}

/* The order is the seed's as long as no block would come too early. */
static void
test_wide_order_is_kept(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		block[i] = i % 100;
	assert_true(run(10000, 100, 1000, 10) == 99990);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(order[i], i);
	assert_gaps(10000, 100, 1000);
}

/* One block after the other: the others are looked for ahead. */
static void
test_blocks_in_a_row_are_mixed(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		block[i] = i / 100;
	assert_in_range(run(10000, 100, 1000, 10), 9999 * 10, 9999 * 10 + 2000);
	assert_gaps(10000, 100, 1000);
}

/* What remains of a large block goes at the gap's pace, no slower. */
static void
test_one_block_is_as_slow_as_the_gap(void **state)
{
	(void)state;
	memset(block, 0, sizeof(block));
	assert_true(run(200, 1, 5000, 10) == 995000);
	assert_gaps(200, 1, 5000);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(order[i], i);
}

static void
test_uneven_blocks_take_as_long_as_the_largest(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		block[n++] = 0;
	for (uint32_t i = 1; i < 1000; i++)
		block[n++] = i;
	assert_in_range(run(n, 1000, 1000, 10), 299 * 1000, 299 * 1000 + 1000);
	assert_gaps(n, 1000, 1000);
}

/* More than are passed over at once: still all of them, once. */
static void
test_look_ahead_is_bounded(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < POSITIONS_MAX; i++)
		block[i] = i < 90000 ? 0 : 1 + i % 50;
	(void)run(POSITIONS_MAX, 51, 7, 1);
	assert_gaps(POSITIONS_MAX, 51, 7);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_gap_the_order_is_kept),
		cmocka_unit_test(test_wide_order_is_kept),
		cmocka_unit_test(test_blocks_in_a_row_are_mixed),
		cmocka_unit_test(test_one_block_is_as_slow_as_the_gap),
		cmocka_unit_test(
		    test_uneven_blocks_take_as_long_as_the_largest),
		cmocka_unit_test(test_look_ahead_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
