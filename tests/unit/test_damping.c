/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/damping.h"

#include <math.h>
#include <stdlib.h>

#include "test.h"

#define MIN_MS INT64_C(60000)
#define HOUR_MS (60 * MIN_MS)

static const struct mono t0 = { .us = 5000000000 };
static const struct damping_conf conf = { .suppress = 3000,
	.reuse = 1000,
	.half_life_ms = 10 * MIN_MS,
	.max_hold_ms = 60 * MIN_MS };
static const struct damping_wish up = { .announce = true };
static const struct damping_wish up_last = { .announce = true,
	.is_last = true };
static const struct damping_wish down = { .is_announced = true };
static const struct damping_wish down_last = { .is_announced = true,
	.is_last = true };
static const struct damping_wish back = {
	.is_announced = true, .announce = true, .is_back = true
};
static const struct damping_wish back_last = {
	.is_announced = true, .announce = true, .is_last = true, .is_back = true
};

static void
test_flaps_suppress_and_decay_frees(void **state)
{
	struct damping d = { 0 };
	int64_t wait;

	(void)state;
	damping_note(&d, &conf, DAMPING_WITHDRAWN, t0);
	damping_note(&d, &conf, DAMPING_WITHDRAWN, t0);
	assert_int_equal(damping_judge(&d, &conf, &up), DAMPING_OK);
	damping_note(&d, &conf, DAMPING_WITHDRAWN, t0);
	assert_int_equal(damping_judge(&d, &conf, &up), DAMPING_SUPPRESSED);
	/* Down goes at once, whatever the penalty. */
	assert_int_equal(damping_judge(&d, &conf, &down), DAMPING_OK);
	wait = damping_wait_ms(&d, &conf, false);
	assert_in_range(wait, 15 * MIN_MS, 16 * MIN_MS); /* log2 3 half lives */
	damping_decay(&d, &conf, mono_add_ms(t0, wait - 2000));
	assert_int_equal(damping_judge(&d, &conf, &up), DAMPING_SUPPRESSED);
	damping_decay(&d, &conf, mono_add_ms(t0, wait));
	assert_int_equal(damping_judge(&d, &conf, &up), DAMPING_OK);
	assert_int_equal(damping_wait_ms(&d, &conf, false), 0);
}

/* However much it flapped, after max_hold without a flap it is free. */
static void
test_the_hold_is_bounded(void **state)
{
	struct damping d = { 0 };

	(void)state;
	for (int i = 0; i < 100000; i++)
		damping_note(&d, &conf, DAMPING_WITHDRAWN, t0);
	assert_true(damping_wait_ms(&d, &conf, false) <= conf.max_hold_ms + 2);
	damping_decay(&d, &conf, mono_add_ms(t0, conf.max_hold_ms + 2));
	assert_int_equal(damping_judge(&d, &conf, &up), DAMPING_OK);
}

static void
test_the_last_announcer_is_never_kept_away(void **state)
{
	struct damping_conf both = conf;
	struct damping d = { 0 };

	(void)state;
	both.updates = 4;
	for (int i = 0; i < 100; i++)
		damping_note(&d, &both, DAMPING_WITHDRAWN, t0);
	assert_int_equal(damping_judge(&d, &both, &up), DAMPING_SUPPRESSED);
	assert_int_equal(damping_judge(&d, &both, &up_last), DAMPING_OK);
	assert_int_equal(damping_judge(&d, &both, &down), DAMPING_OK);
	/* It goes on announcing instead. */
	assert_int_equal(damping_judge(&d, &both, &down_last),
	    DAMPING_NO_UPDATES);
}

static void
test_updates_have_a_budget(void **state)
{
	static const struct damping_conf six = {
		.half_life_ms = MIN_MS, .max_hold_ms = MIN_MS, .updates = 6
	};
	struct damping d = { 0 };

	(void)state;
	for (int i = 0; i < 6; i++) {
		assert_int_equal(damping_judge(&d, &six, &up), DAMPING_OK);
		damping_note(&d, &six, DAMPING_ANNOUNCED, t0);
	}
	assert_int_equal(damping_judge(&d, &six, &up), DAMPING_NO_UPDATES);
	assert_int_equal(damping_wait_ms(&d, &six, false), 10 * MIN_MS);
	damping_decay(&d, &six, mono_add_ms(t0, 10 * MIN_MS));
	assert_int_equal(damping_judge(&d, &six, &up), DAMPING_OK);
	damping_decay(&d, &six, mono_add_ms(t0, 2 * HOUR_MS));
	assert_true(damping_is_over(&d));
}

/* Half of a withdrawal, up and down; it alone suppresses, too. */
static void
test_attributes_have_a_smaller_penalty(void **state)
{
	struct damping d = { 0 };

	(void)state;
	damping_note(&d, &conf, DAMPING_ANNOUNCED, t0);
	assert_true(d.penalty == 0);
	for (int i = 0; i < 5; i++)
		damping_note(&d, &conf, DAMPING_CHANGED, t0);
	assert_true(d.penalty == 2500);
	assert_int_equal(damping_judge(&d, &conf, &back), DAMPING_OK);
	damping_note(&d, &conf, DAMPING_CHANGED, t0);
	assert_int_equal(damping_judge(&d, &conf, &up), DAMPING_SUPPRESSED);
	assert_int_equal(damping_judge(&d, &conf, &back), DAMPING_SUPPRESSED);
	assert_int_equal(damping_judge(&d, &conf, &down), DAMPING_OK);
	/* Who is the last may go back as it may be announced. */
	assert_int_equal(damping_judge(&d, &conf, &back_last), DAMPING_OK);
}

/* They use the budget up: the way back waits.  A withdrawal never does, nor
 * does it of the last announcer, for whom it would with as many moves. */
/* Its penalty keeps the last announcer from nothing, and nobody who waits for
 * room in the budget is told to wait for that. */
static void
test_the_last_announcer_waits_for_the_budget_only(void **state)
{
	static const struct damping_conf both = { .suppress = 3000,
		.reuse = 1000,
		.half_life_ms = 60 * MIN_MS,
		.max_hold_ms = 240 * MIN_MS,
		.updates = 6 };
	struct damping d = { 0 };
	struct mono then;
	int64_t wait;

	(void)state;
	for (int i = 0; i < 6; i++)
		damping_note(&d, &both, DAMPING_WITHDRAWN, t0);
	assert_int_equal(damping_judge(&d, &both, &back), DAMPING_SUPPRESSED);
	assert_true(damping_wait_ms(&d, &both, false) > 120 * MIN_MS);
	wait = damping_wait_ms(&d, &both, true);
	assert_int_equal(wait, 10 * MIN_MS);
	then = mono_add_ms(t0, wait);
	damping_decay(&d, &both, then);
	assert_int_equal(damping_judge(&d, &both, &back_last), DAMPING_OK);
	assert_int_equal(damping_wait_ms(&d, &both, true), 0);
}

static void
test_attributes_use_the_budget_up(void **state)
{
	static const struct damping_conf six = {
		.half_life_ms = MIN_MS, .max_hold_ms = MIN_MS, .updates = 6
	};
	struct damping d = { 0 };

	(void)state;
	for (int i = 0; i < 6; i++) {
		assert_int_equal(damping_judge(&d, &six, &back), DAMPING_OK);
		damping_note(&d, &six, DAMPING_CHANGED, t0);
	}
	assert_int_equal(damping_judge(&d, &six, &back), DAMPING_NO_UPDATES);
	assert_int_equal(damping_judge(&d, &six, &back_last),
	    DAMPING_NO_UPDATES);
	assert_int_equal(damping_judge(&d, &six, &up), DAMPING_NO_UPDATES);
	assert_int_equal(damping_judge(&d, &six, &down), DAMPING_OK);
	assert_int_equal(damping_judge(&d, &six, &down_last), DAMPING_OK);
	/* However many steps down there were, not for much more than an hour. */
	for (int i = 0; i < 1000; i++)
		damping_note(&d, &six, DAMPING_CHANGED, t0);
	assert_int_equal(damping_judge(&d, &six, &down_last), DAMPING_OK);
	assert_int_equal(damping_wait_ms(&d, &six, false), 70 * MIN_MS);
	for (int i = 0; i < 6; i++)
		damping_note(&d, &six, DAMPING_ANNOUNCED, t0);
	assert_int_equal(damping_judge(&d, &six, &down_last),
	    DAMPING_NO_UPDATES);
}

static void
test_nothing_is_damped_when_it_is_off(void **state)
{
	static const struct damping_conf off = { .half_life_ms = MIN_MS,
		.max_hold_ms = MIN_MS };
	struct damping d = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		damping_note(&d, &off, DAMPING_WITHDRAWN, t0);
	assert_int_equal(damping_judge(&d, &off, &up), DAMPING_OK);
	assert_int_equal(damping_judge(&d, &off, &down_last), DAMPING_OK);
	assert_true(damping_is_over(&d));
}

/* From the store: any numbers, any age. */
static void
test_a_kept_state_is_brought_into_bounds(void **state)
{
	struct damping_conf both = conf;
	struct damping d = {
		.penalty = INFINITY, .updates = NAN, .is_suppressed = true
	};

	(void)state;
	both.updates = 4;
	damping_restore(&d, &both, -5, t0);
	assert_true(damping_wait_ms(&d, &both, false) <= conf.max_hold_ms + 2);
	assert_int_equal(damping_judge(&d, &both, &up), DAMPING_SUPPRESSED);
	assert_true(d.updates == 0);
	d = (struct damping){ .penalty = -1, .updates = 1e300 };
	damping_restore(&d, &both, 0, t0);
	assert_true(d.penalty == 0);
	assert_true(d.updates <= 8); /* as much as is ever remembered */
	/* It ages by what it is told, and is never suppressed for nothing. */
	d = (struct damping){ .penalty = 3000, .is_suppressed = true };
	damping_restore(&d, &conf, 10 * MIN_MS, t0);
	assert_true(fabs(d.penalty - 1500) < 1);
	assert_true(d.is_suppressed);
	d = (struct damping){ .penalty = 900, .is_suppressed = true };
	damping_restore(&d, &conf, 0, t0);
	assert_false(d.is_suppressed);
}

#define STEPS 3u

/* A prefix in a world that flaps and drains, and its updates. */
struct flapper {
	struct damping_conf c;
	struct damping d;
	bool announced, is_last;
	bool is_well;               /* always: drains are all there is */
	unsigned wanted_step, step; /* of a drain, STEPS: withdrawn */
	size_t turns;               /* of is_last */
	int64_t now;
	int64_t at[4000];
	size_t n;
};

static void
hear(struct flapper *f, enum damping_update update)
{
	damping_note(&f->d, &f->c, update, mono_add_ms(t0, f->now));
	assert_true(f->n < TEST_COUNT(f->at));
	f->at[f->n++] = f->now;
}

/* One step of the drain or of the way back. */
static void
step(struct flapper *f)
{
	const struct damping_wish w = { .is_announced = true,
		.announce = true,
		.is_last = f->is_last,
		.is_back = true };
	bool is_down = f->wanted_step > f->step;

	if (f->wanted_step == f->step)
		return;
	if (!is_down && f->announced &&
	    damping_judge(&f->d, &f->c, &w) != DAMPING_OK)
		return;
	f->step = is_down ? f->step + 1 : f->step - 1;
	if (f->announced && f->step < STEPS)
		hear(f, DAMPING_CHANGED);
}

static void
flap(struct flapper *f)
{
	bool sick = random() % 2 == 0 && !f->is_well, is_up;
	struct damping_wish w;

	f->now += 500 + random() % 3000;
	if (random() % 500 == 0) {
		f->is_last = !f->is_last;
		f->turns++;
	}
	if (random() % 4 == 0)
		f->wanted_step = (unsigned)random() % (STEPS + !f->is_last);
	damping_decay(&f->d, &f->c, mono_add_ms(t0, f->now));
	step(f);
	is_up = !sick && f->step < STEPS;
	w = (struct damping_wish){ .is_announced = f->announced,
		.announce = is_up,
		.is_last = f->is_last };
	/* Nothing holds a drain. */
	if (f->announced != is_up &&
	    (f->step == STEPS ||
		damping_judge(&f->d, &f->c, &w) == DAMPING_OK)) {
		hear(f, is_up ? DAMPING_ANNOUNCED : DAMPING_WITHDRAWN);
		f->announced = is_up;
	}
	if (!is_up && !f->is_last)
		assert_false(f->announced);
	if (is_up && f->is_last)
		assert_true(f->announced);
}

/*
 * A service that flaps and is drained at random, beside others that come and
 * go; nobody drains the last.  What must hold: sick and not the last, it is withdrawn at once; healthy
 * and the last, it is announced at once; in no hour are there more than three
 * times the budget of updates (so many at once, and so many per hour, and as
 * many moves of the last after so many of attributes), the steps down of one
 * drain, and two for each time that it became or ceased to be the last.
 */
static void
test_any_flapping_stays_within_the_budget(void **state)
{
	(void)state;
	srandom(5);
	for (unsigned run = 0; run < 100; run++) {
		static struct flapper f;
		size_t first = 0, most;

		f = (struct flapper){
			.c = conf, .announced = true, .is_last = run % 2 == 0
		};
		f.is_well = run % 3 == 0;
		f.c.updates = 2 + run % 20;
		while (f.now < 3 * HOUR_MS)
			flap(&f);
		most = (size_t)3 * f.c.updates + 2 * (f.turns + STEPS);
		for (size_t i = 0; i < f.n; i++) {
			while (f.at[i] - f.at[first] >= HOUR_MS)
				first++;
			assert_true(i - first + 1 <= most);
		}
	}
}

/* What may be now may be later, if nothing happens meanwhile: whoever finds so
 * need not reckon with the time. */
static void
test_time_holds_nothing_back(void **state)
{
	const struct damping_wish *const wishes[] = { &up, &up_last, &down,
		&down_last, &back, &back_last };

	(void)state;
	srandom(11);
	for (unsigned i = 0; i < 20000; i++) {
		struct damping_conf c = conf;
		struct damping d = { .penalty = (double)(random() % 9000),
			.updates = (double)(random() % 40) / 2,
			.is_suppressed = random() % 2 == 0,
			.at = t0 };
		const struct damping_wish *w = wishes[i % TEST_COUNT(wishes)];

		c.updates = (unsigned)random() % 12;
		d.moves = d.updates / 2;
		if (damping_judge(&d, &c, w) != DAMPING_OK)
			continue;
		damping_decay(&d, &c,
		    mono_add_ms(t0, random() % (3 * HOUR_MS)));
		assert_int_equal(damping_judge(&d, &c, w), DAMPING_OK);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flaps_suppress_and_decay_frees),
		cmocka_unit_test(test_the_hold_is_bounded),
		cmocka_unit_test(test_the_last_announcer_is_never_kept_away),
		cmocka_unit_test(test_updates_have_a_budget),
		cmocka_unit_test(test_attributes_have_a_smaller_penalty),
		cmocka_unit_test(
		    test_the_last_announcer_waits_for_the_budget_only),
		cmocka_unit_test(test_attributes_use_the_budget_up),
		cmocka_unit_test(test_nothing_is_damped_when_it_is_off),
		cmocka_unit_test(test_a_kept_state_is_brought_into_bounds),
		cmocka_unit_test(test_any_flapping_stays_within_the_budget),
		cmocka_unit_test(test_time_holds_nothing_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
