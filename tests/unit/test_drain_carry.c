/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a reload with other steps makes of a drain. */
#include "core/drain.h"
#include "test.h"

#define SEC INT64_C(1000)

static const struct mono start = { 1000000000 };

/* The steps of those letters, g(raceful_shutdown), p(repend), w(ithdraw), each
 * held for an hour. */
static struct conf_drain
steps(const char *letters)
{
	struct conf_drain conf = { 0 };

	for (; *letters != '\0'; letters++) {
		conf.steps[conf.n_steps++] =
		    (struct conf_drain_step){ .kind = *letters == 'g'
				? DRAIN_GRACEFUL_SHUTDOWN
				: *letters == 'p' ? DRAIN_PREPEND
						  : DRAIN_WITHDRAW,
			    .times = 3,
			    .hold_ms = 3600 * SEC,
			    .back_ms = 3600 * SEC };
	}
	return conf;
}

/* Where a stage of one list of steps is in another. */
static const struct carried {
	const char *from;
	size_t at;
	const char *to;
	size_t want;
} cases[] = {
	/* Withdrawn. */
	{ "w", 1, "gpw", 3 },
	{ "w", 1, "pw", 2 },
	{ "gw", 2, "gpw", 3 },
	{ "gpw", 3, "gw", 2 },
	{ "gpw", 3, "w", 1 },
	/* Gentle, and the step is there. */
	{ "pw", 1, "gpw", 2 },
	{ "gpw", 2, "pw", 1 },
	{ "gw", 1, "gpw", 1 },
	/* And it is not: never a later one. */
	{ "gw", 1, "pw", 0 },
	{ "pw", 1, "gw", 1 },
	{ "gpw", 2, "gw", 1 },
	{ "gw", 1, "w", 0 },
	{ "pw", 1, "w", 0 },
	{ "gpw", 2, "w", 0 },
	/* Normal. */
	{ "w", 0, "gpw", 0 },
	{ "gpw", 0, "w", 0 },
};

static void
check(const struct carried *c)
{
	const struct conf_drain from = steps(c->from), to = steps(c->to);
	const struct drain_stage stage = { .at = c->at };
	struct drain_stage now = drain_carry(&from, &to, &stage, start);

	if (now.at != c->want) {
		fail_msg("%s at %zu -> %s: at %zu", c->from, c->at, c->to,
		    now.at);
	}
	assert_true(drain_withdraws(&to, &now) ==
	    drain_withdraws(&from, &stage));
}

static void
test_a_stage_stays_in_the_step_of_its_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_COUNT(cases); i++)
		check(&cases[i]);
}

static void
test_drained_stays_drained(void **state)
{
	const struct conf_drain plain = steps("w"), gentle = steps("gpw");
	struct drain_stage stage = { .at = 1,
		.is_drained = true,
		.place = DRAIN_PLACE_UNHEARD,
		.since = start };
	struct drain_input in = { .wanted = true,
		.announceable = true,
		.real = { .is_known = true,
		    .is_running = true,
		    .has_attrs = true },
		.now = mono_add_ms(start, SEC) };
	struct drain_stage back;
	struct drain_result r;

	(void)state;
	stage = drain_carry(&plain, &gentle, &stage, in.now);
	r = drain_advance(&gentle, &stage, &in);
	assert_false(r.moved);
	assert_string_equal(drain_stage_name(&gentle, &stage), "drained");
	assert_true(drain_withdraws(&gentle, &stage));
	stage = drain_carry(&gentle, &plain, &stage, in.now);
	r = drain_advance(&plain, &stage, &in);
	assert_false(r.moved);
	assert_string_equal(drain_stage_name(&plain, &stage), "drained");
	/* Its way back is by the steps of now. */
	in.wanted = false;
	back = stage;
	(void)drain_advance(&plain, &back, &in);
	assert_string_equal(drain_stage_name(&plain, &back), "normal");
	stage = drain_carry(&plain, &gentle, &stage, in.now);
	r = drain_advance(&gentle, &stage, &in);
	assert_string_equal(drain_stage_name(&gentle, &stage), "prepend");
	assert_int_equal(r.wait, DRAIN_WAIT_BIRD);
}

/* The time in a step goes on in the same one, and begins anew in another. */
static void
test_time_in_a_step(void **state)
{
	const struct conf_drain both = steps("gpw"), prepend = steps("pw"),
				shutdown = steps("gw");
	const struct drain_stage stage = { .at = 2,
		.going_back = true,
		.place = DRAIN_PLACE_HEARD,
		.since = start };
	const struct mono now = mono_add_ms(start, 60 * SEC);
	struct drain_stage same = drain_carry(&both, &prepend, &stage, now);
	struct drain_stage other = drain_carry(&both, &shutdown, &stage, now);

	(void)state;
	assert_int_equal(same.since.us, start.us);
	assert_int_equal(same.place, DRAIN_PLACE_HEARD);
	assert_true(same.going_back);
	assert_int_equal(other.since.us, now.us);
	assert_int_equal(other.place, DRAIN_PLACE_NOT_YET);
	assert_true(other.going_back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stage_stays_in_the_step_of_its_kind),
		cmocka_unit_test(test_drained_stays_drained),
		cmocka_unit_test(test_time_in_a_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
