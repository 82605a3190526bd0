/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/experiment.h"

#include "test.h"

/* All states with all their edges, written a second time. */
static const struct {
	enum experiment_state state, complete, fail;
	bool withdrawn, over;
	const char *name;
} table[] = {
	{ EXPERIMENT_STAY, EXPERIMENT_STAY, EXPERIMENT_STAY, false, false, "" },
	{ EXPERIMENT_BASELINE, EXPERIMENT_WITHDRAW, EXPERIMENT_FAILED, false,
	    false, "baseline" },
	{ EXPERIMENT_WITHDRAW, EXPERIMENT_SETTLE, EXPERIMENT_FAILED, true,
	    false, "withdraw" },
	{ EXPERIMENT_SETTLE, EXPERIMENT_SWEEP, EXPERIMENT_FAILED, true, false,
	    "settle" },
	{ EXPERIMENT_SWEEP, EXPERIMENT_RESTORE, EXPERIMENT_FAILED, true, false,
	    "sweep" },
	{ EXPERIMENT_RESTORE, EXPERIMENT_VERIFY, EXPERIMENT_FAILED, false,
	    false, "restore" },
	{ EXPERIMENT_VERIFY, EXPERIMENT_REBASELINE, EXPERIMENT_FAILED, false,
	    false, "verify" },
	{ EXPERIMENT_REBASELINE, EXPERIMENT_DONE, EXPERIMENT_FAILED, false,
	    false, "rebaseline" },
	{ EXPERIMENT_DONE, EXPERIMENT_STAY, EXPERIMENT_STAY, false, true,
	    "done" },
	{ EXPERIMENT_FAILED, EXPERIMENT_STAY, EXPERIMENT_STAY, false, true,
	    "failed" },
};

static void
test_every_state_and_event(void **state)
{
	(void)state;
	assert_int_equal(TEST_COUNT(table), EXPERIMENT_STATE_COUNT);
	for (unsigned i = 0; i < TEST_COUNT(table); i++) {
		enum experiment_state s = table[i].state;

		assert_int_equal(s, i);
		assert_int_equal(experiment_next(s, EXPERIMENT_EV_COMPLETE),
		    table[i].complete);
		assert_int_equal(experiment_next(s, EXPERIMENT_EV_FAIL),
		    table[i].fail);
		assert_int_equal(experiment_holds_withdrawn(s),
		    table[i].withdrawn);
		assert_int_equal(experiment_is_over(s), table[i].over);
		assert_string_equal(experiment_state_name(s), table[i].name);
	}
}

/* With nothing to withdraw the baselines follow each other. */
static void
test_null_run(void **state)
{
	enum experiment_state s =
	    experiment_next(EXPERIMENT_BASELINE, EXPERIMENT_EV_NULL);

	(void)state;
	assert_int_equal(s, EXPERIMENT_REBASELINE);
	assert_int_equal(experiment_next(s, EXPERIMENT_EV_COMPLETE),
	    EXPERIMENT_DONE);
	for (int i = EXPERIMENT_WITHDRAW; i < EXPERIMENT_REBASELINE; i++) {
		assert_int_equal(experiment_next((enum experiment_state)i,
				     EXPERIMENT_EV_NULL),
		    EXPERIMENT_STAY);
	}
	/* What the store's phases mean stays. */
	assert_int_equal(EXPERIMENT_BASELINE, 1);
	assert_int_equal(EXPERIMENT_SWEEP, 4);
	assert_int_equal(EXPERIMENT_REBASELINE, 7);
}

/* However it goes, the test prefix comes back. */
static void
test_no_end_leaves_the_prefix_withdrawn(void **state)
{
	(void)state;
	for (unsigned events = 0; events < 1u << 9; events++) {
		enum experiment_state s = EXPERIMENT_BASELINE;

		for (unsigned k = 0; k < 9; k++) {
			enum experiment_event ev = (events >> k & 1) == 0
			    ? EXPERIMENT_EV_COMPLETE
			    : EXPERIMENT_EV_FAIL;
			enum experiment_state next = experiment_next(s, ev);

			if (next != EXPERIMENT_STAY)
				s = next;
		}
		assert_true(experiment_is_over(s));
		assert_false(experiment_holds_withdrawn(s));
		/* Any failure on the way is a failure in the end. */
		assert_int_equal(s,
		    (events & 0x7f) == 0 ? EXPERIMENT_DONE : EXPERIMENT_FAILED);
	}
}

/* Withdrawn in one stretch: it is withdrawn once and restored once. */
static void
test_prefix_is_withdrawn_once(void **state)
{
	enum experiment_state s = EXPERIMENT_BASELINE;
	unsigned changes = 0;

	(void)state;
	while (!experiment_is_over(s)) {
		enum experiment_state next =
		    experiment_next(s, EXPERIMENT_EV_COMPLETE);

		changes += experiment_holds_withdrawn(s) !=
		    experiment_holds_withdrawn(next);
		s = next;
	}
	assert_int_equal(changes, 2);
}

/* A sweep takes 100 s, a round 2 s, 15 s apart, at most for 300 s. */
static const struct {
	const char *why;
	bool is_null;
	enum experiment_state state;
	int64_t step_left_ms, spent_ms;
	unsigned rounds_left;
	int64_t ms, max_ms;
} lefts[] = {
	{ "all of it", false, EXPERIMENT_BASELINE, 100000, 0, 0, 342000,
	    938000 },
	{ "a null run", true, EXPERIMENT_BASELINE, 100000, 0, 0, 200000,
	    200000 },
	{ "half of the first sweep", false, EXPERIMENT_BASELINE, 50000, 50000,
	    0, 292000, 888000 },
	{ "the order is given", false, EXPERIMENT_WITHDRAW, 0, 500, 0, 241500,
	    837500 },
	{ "the order takes its time", false, EXPERIMENT_WITHDRAW, 0, 30000, 0,
	    240000, 836000 },
	{ "two rounds of settling to come", false, EXPERIMENT_SETTLE, 12000,
	    20000, 2, 233000, 816000 },
	{ "no time for more rounds", false, EXPERIMENT_SETTLE, 12000, 310000, 2,
	    233000, 548000 },
	{ "the sweep is all but over", false, EXPERIMENT_SWEEP, 0, 99000, 0,
	    104000, 419000 },
	{ "on the way back", false, EXPERIMENT_VERIFY, 2000, 0, 1, 102000,
	    417000 },
	{ "the last sweep", false, EXPERIMENT_REBASELINE, 100, 99000, 0, 100,
	    100 },
	{ "done", false, EXPERIMENT_DONE, 5000, 5000, 1, 0, 0 },
	{ "failed", false, EXPERIMENT_FAILED, 5000, 5000, 1, 0, 0 },
};

static void
check_left(size_t i)
{
	struct experiment_time t = { .is_null = lefts[i].is_null,
		.sweep_ms = 100000,
		.round_ms = 2000,
		.interval_ms = 15000,
		.settle_max_ms = 300000,
		.state = lefts[i].state,
		.step_left_ms = lefts[i].step_left_ms,
		.spent_ms = lefts[i].spent_ms,
		.rounds_left = lefts[i].rounds_left };
	struct experiment_left left = experiment_left(&t);

	if (left.ms != lefts[i].ms || left.max_ms != lefts[i].max_ms) {
		fail_msg("%s: %lld to %lld ms", lefts[i].why,
		    (long long)left.ms, (long long)left.max_ms);
	}
}

static void
test_time_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(lefts); i++)
		check_left(i);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_event),
		cmocka_unit_test(test_null_run),
		cmocka_unit_test(test_no_end_leaves_the_prefix_withdrawn),
		cmocka_unit_test(test_prefix_is_withdrawn_once),
		cmocka_unit_test(test_time_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
