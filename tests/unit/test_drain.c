/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/drain.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define SEC INT64_C(1000)

/* 30 s with the community, 60 s prepended until below 100/s but 10 min at
 * most, then withdrawn, and drained when below 5/s, however long it takes. */
static const struct conf_drain gentle = {
	.steps = {
		{ .kind = DRAIN_GRACEFUL_SHUTDOWN,
		    .hold_ms = 30 * SEC,
		    .back_ms = 10 * SEC },
		{ .kind = DRAIN_PREPEND,
		    .times = 3,
		    .hold_ms = 60 * SEC,
		    .back_ms = 20 * SEC,
		    .below_per_s = 100,
		    .wait_max_ms = 600 * SEC },
		{ .kind = DRAIN_WITHDRAW, .hold_ms = 5 * SEC, .below_per_s = 5 },
	},
	.n_steps = 3,
};

static const struct conf_drain plain = {
	.steps = { { .kind = DRAIN_WITHDRAW } },
	.n_steps = 1,
};

struct run {
	const struct conf_drain *conf;
	struct drain_stage stage;
	struct drain_input in;
	struct drain_result last;
};

/* Advances at a second of the test's clock; returns the stage's name. */
static const char *
at(struct run *r, int64_t sec)
{
	r->in.now = (struct mono){ 1000000000 + sec * 1000000 };
	r->last = drain_advance(r->conf, &r->stage, &r->in);
	return drain_stage_name(r->conf, &r->stage);
}

static void
test_plain_drain_is_immediate(void **state)
{
	struct run r = { .conf = &plain, .in.wanted = true };

	(void)state;
	assert_string_equal(at(&r, 0), "drained");
	assert_true(r.last.moved);
	assert_int_equal(r.last.next_ms, -1);
	assert_true(drain_withdraws(&plain, &r.stage));
	r.in.wanted = false;
	assert_string_equal(at(&r, 1), "normal");
	assert_false(drain_withdraws(&plain, &r.stage));
	assert_string_equal(at(&r, 2), "normal");
	assert_false(r.last.moved);
}

static void
test_steps_take_their_time_and_conditions(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true,
		    .traffic_known = true,
		    .traffic_per_s = 5000 } };
	struct route_attrs attrs;

	(void)state;
	assert_string_equal(at(&r, 0), "graceful_shutdown");
	attrs = drain_attrs(&gentle, &r.stage);
	assert_true(attrs.graceful_shutdown && attrs.prepend == 0);
	assert_int_equal(r.last.next_ms, 30 * SEC);
	assert_string_equal(at(&r, 29), "graceful_shutdown");
	assert_int_equal(r.last.wait, DRAIN_WAIT_HOLD);
	assert_string_equal(at(&r, 30), "prepend");
	attrs = drain_attrs(&gentle, &r.stage);
	/* The steps add up. */
	assert_true(attrs.graceful_shutdown && attrs.prepend == 3);
	assert_false(drain_withdraws(&gentle, &r.stage));
	/* Held, and then too much traffic is left. */
	assert_string_equal(at(&r, 95), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_TRAFFIC);
	assert_int_equal(r.last.next_ms, 595 * SEC);
	r.in.traffic_per_s = 99.9;
	assert_string_equal(at(&r, 100), "withdraw");
	assert_true(drain_withdraws(&gentle, &r.stage));
	assert_false(r.last.went_on);
	/* Withdrawn, not drained before the tail is gone, and that for ever. */
	assert_string_equal(at(&r, 110), "withdraw");
	assert_int_equal(r.last.next_ms, -1);
	assert_string_equal(at(&r, 100000), "withdraw");
	r.in.traffic_per_s = 4;
	assert_string_equal(at(&r, 100001), "drained");
	assert_true(r.last.moved);
	assert_string_equal(at(&r, 100002), "drained");
	assert_false(r.last.moved);
}

static void
test_goes_on_with_traffic_left_after_wait_max(void **state)
{
	struct run r = { .conf = &gentle, .in.wanted = true };

	(void)state;
	(void)at(&r, 0);
	(void)at(&r, 30);
	/* Not known counts as too much. */
	assert_string_equal(at(&r, 90 + 599), "prepend");
	assert_int_equal(r.last.wait, DRAIN_WAIT_COUNTER);
	assert_int_equal(r.last.next_ms, 1 * SEC);
	assert_string_equal(at(&r, 90 + 600), "withdraw");
	assert_true(r.last.went_on);
}

static void
test_restore_walks_back(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .at_once = true } };

	(void)state;
	assert_string_equal(at(&r, 0), "withdraw");
	r.in = (struct drain_input){ .wanted = false };
	/* Out of the withdrawal at once, then by the times of the way back. */
	assert_string_equal(at(&r, 100), "prepend");
	assert_int_equal(r.last.next_ms, 20 * SEC);
	assert_string_equal(at(&r, 119), "prepend");
	assert_string_equal(at(&r, 120), "graceful_shutdown");
	assert_string_equal(at(&r, 129), "graceful_shutdown");
	assert_string_equal(at(&r, 130), "normal");
	assert_int_equal(r.last.next_ms, -1);
}

/* Restored half way, and drained again on the way back: each turn begins the
 * time of its step anew. */
static void
test_turning_round(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .traffic_known = true } };

	(void)state;
	(void)at(&r, 0);
	assert_string_equal(at(&r, 30), "prepend");
	r.in.wanted = false;
	assert_string_equal(at(&r, 80), "prepend");
	assert_string_equal(at(&r, 99), "prepend");
	assert_string_equal(at(&r, 100), "graceful_shutdown");
	r.in.wanted = true;
	assert_string_equal(at(&r, 105), "graceful_shutdown");
	assert_string_equal(at(&r, 134), "graceful_shutdown");
	assert_string_equal(at(&r, 135), "prepend");
}

static void
test_at_once_skips_the_gentle_steps(void **state)
{
	struct run r = { .conf = &gentle, .in.wanted = true };

	(void)state;
	assert_string_equal(at(&r, 0), "graceful_shutdown");
	r.in.at_once = true;
	assert_string_equal(at(&r, 1), "withdraw");
}

/* A late look does not take steps without their time. */
static void
test_a_stalled_clock_skips_nothing(void **state)
{
	struct run r = { .conf = &gentle,
		.in = { .wanted = true, .traffic_known = true } };

	(void)state;
	(void)at(&r, 0);
	assert_string_equal(at(&r, 5000), "prepend");
	assert_string_equal(at(&r, 5059), "prepend");
	assert_string_equal(at(&r, 5060), "withdraw");
}

static void
test_adopts_what_it_finds(void **state)
{
	static const struct {
		bool announced, wanted;
		struct route_attrs attrs;
		const char *name;
	} rows[] = {
		{ true, false, { false, 0 }, "normal" },
		{ true, true, { false, 0 }, "normal" },
		{ true, true, { true, 0 }, "graceful_shutdown" },
		{ true, true, { true, 3 }, "prepend" },
		{ true, false, { true, 3 }, "prepend" },
		{ true, true, { false, 1 }, "prepend" },
		{ false, true, { false, 0 }, "withdraw" },
		/* Sick, not drained. */
		{ false, false, { false, 0 }, "normal" },
	};

	(void)state;
	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		struct drain_stage s = drain_adopt(&gentle, rows[i].announced,
		    rows[i].attrs, rows[i].wanted);

		assert_string_equal(drain_stage_name(&gentle, &s),
		    rows[i].name);
	}
}

/* Fewer steps than before, as after a reload. */
static void
test_another_configuration(void **state)
{
	struct run r = { .conf = &gentle, .in.wanted = true };

	(void)state;
	r.in.at_once = true;
	(void)at(&r, 0);
	r.conf = &plain;
	assert_string_equal(at(&r, 1), "drained");
	assert_true(drain_withdraws(&plain, &r.stage));
	r.in.wanted = false;
	assert_string_equal(at(&r, 2), "normal");
}

/* Any sequence of wishes, traffic and times: a stage is never out of range, at
 * most one step further per call but for haste, and it always ends where it
 * should. */
static void
test_random_walks_end_well(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 300; seed++) {
		struct run r = { .conf = &gentle };
		int64_t now = 0;

		srandom(seed);
		for (int i = 0; i < 60; i++) {
			size_t before = r.stage.at;

			now += random() % 50;
			r.in.wanted = random() % 2 == 0;
			r.in.at_once = random() % 8 == 0;
			r.in.traffic_known = random() % 3 != 0;
			r.in.traffic_per_s = (double)(random() % 200);
			(void)at(&r, now);
			assert_true(r.stage.at <= gentle.n_steps);
			if (r.in.wanted && !r.in.at_once)
				assert_true(r.stage.at <= before + 1);
		}
		r.in = (struct drain_input){ .wanted = seed % 2 == 0,
			.traffic_known = true };
		for (int i = 0; i < 6; i++)
			(void)at(&r, now += 700);
		assert_string_equal(at(&r, now),
		    seed % 2 == 0 ? "drained" : "normal");
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_drain_is_immediate),
		cmocka_unit_test(test_steps_take_their_time_and_conditions),
		cmocka_unit_test(test_goes_on_with_traffic_left_after_wait_max),
		cmocka_unit_test(test_restore_walks_back),
		cmocka_unit_test(test_turning_round),
		cmocka_unit_test(test_at_once_skips_the_gentle_steps),
		cmocka_unit_test(test_a_stalled_clock_skips_nothing),
		cmocka_unit_test(test_adopts_what_it_finds),
		cmocka_unit_test(test_another_configuration),
		cmocka_unit_test(test_random_walks_end_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
