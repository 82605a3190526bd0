/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Few sites have few sets: the same one comes for several reasons, and one of
 * its experiments is disturbed. */
#include "core/pack_state.h"
#include "ranked_world.h"
#include "test.h"

#define N_SITES 4u
#define N_CLIENTS 600u
#define ODD 5u /* clients of one in so many, with a phase of their own */

struct trial {
	struct ranked_world w;
	struct pack *p;
};

static void
few_begin(struct trial *t, unsigned depth)
{
	struct pack_conf conf = { .n_sites = N_SITES,
		.n_clients = N_CLIENTS,
		.depth = depth,
		.seed = 1 };

	*t = (struct trial){ .p = pack_new(&conf, NULL) };
	ranked_world_init(&t->w, N_SITES, N_CLIENTS, 3);
}

static void
trial_end(struct trial *t)
{
	ranked_world_fini(&t->w);
	pack_free(t->p);
}

/* The second of its sites that announces. */
static uint16_t
next_site(const struct ranked_world *w, size_t c, const struct pack_set *set)
{
	struct pack_set more = *set;

	pack_set_add(&more, ranked_world_site(w, c, set));
	return ranked_world_site(w, c, &more);
}

/* phase < 0: calm; else clients c with c % ODD == phase go elsewhere. */
static int
few_measure(struct trial *t, const struct pack_set *set,
    enum pack_purpose purpose, int phase)
{
	(void)ranked_world_measure(&t->w, set);
	for (size_t c = 0; c < N_CLIENTS; c++) {
		if ((int)(c % ODD) == phase &&
		    pack_set_count(set) + 1 < N_SITES)
			t->w.outcome[c] = next_site(&t->w, c, set);
	}
	return pack_add(t->p, set, purpose, t->w.outcome, NULL);
}

/* Baselines and singles; that of site 0 is disturbed if phase >= 0.  Returns
 * its index. */
static unsigned
few_singles(struct trial *t, int phase)
{
	struct pack_set none = { { 0 } };

	(void)few_measure(t, &none, PACK_BASELINE, -1);
	(void)few_measure(t, &none, PACK_BASELINE, -1);
	for (unsigned s = 0; s < N_SITES; s++) {
		struct pack_set set = { { UINT64_C(1) << s } };

		(void)few_measure(t, &set, PACK_SINGLE, s == 0 ? phase : -1);
	}
	return 2;
}

/* Is the next thing to do a repeat?  Of which: 1 + its index. */
static unsigned
repeat_due(struct trial *t)
{
	struct pack_plan plans[PACK_BATCH_MAX];

	if (pack_next(t->p, plans, PACK_BATCH_MAX) == 0 ||
	    plans[0].purpose != PACK_REPEAT)
		return 0;
	return plans[0].repeats;
}

/* No set has two repeats, and there are not too many in all. */
static void
assert_repeats_once(struct trial *t)
{
	size_t n = pack_count(t->p), repeats = 0;

	for (size_t i = 0; i < n; i++) {
		struct pack_check a = check_of(t->p, i);

		repeats += a.repeats != 0;
		for (size_t j = 0; j < i && a.repeats != 0; j++) {
			struct pack_check b = check_of(t->p, j);

			assert_false(b.repeats != 0 &&
			    pack_set_equal(&a.withdrawn, &b.withdrawn));
		}
	}
	assert_true(repeats <= 2 || 5 * repeats <= n + 2);
}

/* The whole campaign with experiments [from, to) disturbed, all alike. */
static void
few_campaign(struct trial *t, unsigned depth, size_t from, size_t to)
{
	struct pack_plan plans[PACK_BATCH_MAX];
	size_t n;

	few_begin(t, depth);
	while ((n = pack_next(t->p, plans, PACK_BATCH_MAX)) > 0) {
		for (size_t k = 0; k < n; k++) {
			size_t i = pack_count(t->p);

			assert_int_equal(few_measure(t, &plans[k].withdrawn,
					     plans[k].purpose,
					     i >= from && i < to ? 1 : -1),
			    i);
			/* It is said of which experiment it is the repeat. */
			assert_int_equal(check_of(t->p, i).repeats,
			    plans[k].repeats);
		}
	}
	assert_repeats_once(t);
}

/* Whichever experiment of four sites it is: it is out in the end, and its set
 * is not measured over and over.  Returns how many there were. */
static size_t
disturb_one(unsigned depth, size_t at)
{
	struct pack_summary m;
	struct trial t;
	size_t n;

	few_campaign(&t, depth, at, at + 1);
	n = pack_count(t.p);
	m = summary_of(t.p);
	assert_true(m.by_purpose[PACK_REPEAT] <= 1);
	assert_int_equal(m.suspect + m.cleared, 0);
	if (at < n) {
		struct pack_check check = check_of(t.p, at);

		assert_int_equal(check.is_aside,
		    pack_set_count(&check.withdrawn) < N_SITES - 1);
	}
	trial_end(&t);
	return n;
}

static void
test_few_sites(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth <= 2; depth++) {
		for (size_t at = 2; at < disturb_one(depth, at); at++)
			continue;
	}
}

/* Their sets are known from before it: that does not make it a disturbance. */
static void
test_few_sites_changed_for_good(void **state)
{
	(void)state;
	for (unsigned depth = 1; depth <= 2; depth++) {
		size_t n = SIZE_MAX;

		for (size_t from = 2; from + 1 < n; from++) {
			struct pack_summary m;
			struct trial t;

			few_campaign(&t, depth, from, SIZE_MAX);
			n = pack_count(t.p);
			m = summary_of(t.p);
			assert_int_equal(m.aside + m.suspect, 0);
			trial_end(&t);
		}
	}
}

/* Adds what t has measured to another log, as after a restart. */
static void
few_again(struct trial *t, struct trial *again)
{
	uint16_t outcome[N_CLIENTS];

	for (size_t i = pack_count(again->p); i < pack_count(t->p); i++) {
		struct pack_check check = check_of(t->p, i);

		for (size_t c = 0; c < N_CLIENTS; c++)
			outcome[c] = pack_read(t->p, i, c);
		assert_int_equal(pack_add(again->p, &check.withdrawn,
				     check.purpose, outcome, NULL),
		    i);
	}
}

static void
few_dice(struct trial *t, unsigned seed)
{
	struct pack_plan plans[PACK_BATCH_MAX];
	size_t n;

	while ((n = pack_next(t->p, plans, PACK_BATCH_MAX)) > 0) {
		for (size_t k = 0; k < n; k++) {
			int phase = rand_r(&seed) % (3 * (int)ODD);

			(void)few_measure(t, &plans[k].withdrawn,
			    plans[k].purpose, phase);
		}
	}
}

/* Now this and now that is disturbed: no set is measured a third time for it,
 * and a log that was read back is judged as the one that grew. */
static void
test_many_disturbances(void **state)
{
	size_t repeats = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 30; seed++) {
		struct pack_plan plan;
		struct trial t, again;

		few_begin(&t, 1 + seed % 2);
		few_dice(&t, seed);
		assert_repeats_once(&t);
		few_begin(&again, 1 + seed % 2);
		few_again(&t, &again);
		assert_int_equal(pack_next(again.p, &plan, 1), 0);
		for (size_t i = 0; i < pack_count(t.p); i++) {
			struct pack_check a = check_of(t.p, i);
			struct pack_check b = check_of(again.p, i);

			assert_int_equal(a.repeats, b.repeats);
			assert_int_equal(a.is_suspect, b.is_suspect);
			assert_int_equal(a.is_aside, b.is_aside);
			repeats += a.repeats != 0;
		}
		trial_end(&again);
		trial_end(&t);
	}
	assert_true(repeats > 0);
}

/* A set that comes again in peace needs no repeat. */
static void
test_twin_stands_in_for_repeat(void **state)
{
	struct pack_set set = { { 1 } };
	struct trial t;
	unsigned k;

	(void)state;
	few_begin(&t, 2);
	k = few_singles(&t, 1);
	assert_int_equal(repeat_due(&t), k + 1);
	/* The next is disturbed too: one repeat for both. */
	(void)few_measure(&t, &set, PACK_SEED, 2);
	assert_int_equal(repeat_due(&t), k + 5);
	assert_true(check_of(t.p, k).is_aside);
	assert_true(check_of(t.p, k + 4).is_aside);
	(void)few_measure(&t, &set, PACK_SEED, -1);
	assert_int_equal(repeat_due(&t), 0);
	assert_true(check_of(t.p, k).is_aside);
	assert_true(check_of(t.p, k + 4).is_aside);
	assert_false(check_of(t.p, k + 5).is_aside);
	trial_end(&t);
}

static void
test_one_repeat_for_all_of_a_set(void **state)
{
	struct pack_set set = { { 1 } };
	struct trial t;
	unsigned k;
	size_t repeat;

	(void)state;
	few_begin(&t, 2);
	k = few_singles(&t, 1);
	(void)few_measure(&t, &set, PACK_SEED, 2);
	repeat = (size_t)few_measure(&t, &set, PACK_REPEAT, -1);
	assert_int_equal(check_of(t.p, repeat).repeats, k + 5);
	assert_int_equal(repeat_due(&t), 0);
	assert_true(check_of(t.p, k).is_aside);
	assert_true(check_of(t.p, k + 4).is_aside);
	assert_int_equal(summary_of(t.p).cleared, 0);
	/* Nor is it measured once more for one that comes later. */
	(void)few_measure(&t, &set, PACK_SEED, 3);
	assert_int_equal(repeat_due(&t), 0);
	assert_true(check_of(t.p, repeat + 1).is_aside);
	trial_end(&t);
}

/* What it shows as well is the set's doing, whichever of the two showed it. */
static void
test_repeat_clears_any_twin(void **state)
{
	struct pack_set set = { { 1 } };
	struct trial t;
	unsigned k;

	(void)state;
	few_begin(&t, 2);
	k = few_singles(&t, 1);
	(void)few_measure(&t, &set, PACK_SEED, 2);
	(void)few_measure(&t, &set, PACK_REPEAT, 1);
	assert_int_equal(repeat_due(&t), 0);
	assert_false(check_of(t.p, k).is_suspect);
	assert_true(check_of(t.p, k + 4).is_aside);
	assert_false(check_of(t.p, k + 5).is_suspect);
	trial_end(&t);
}

/* Clients whose way with this set withdrawn was measured, and is evidence. */
static size_t
measured_of(struct trial *t, const struct pack_set *set)
{
	uint8_t label[N_CLIENTS];
	size_t n = 0;

	pack_predict(t->p, set, NULL, label);
	for (size_t c = 0; c < N_CLIENTS; c++)
		n += label[c] == PACK_MEASURED;
	return n;
}

/* A hold-out of the same set teaches nothing: it is no stand-in, and the repeat
 * is of the other. */
static void
test_holdout_of_the_same_set(void **state)
{
	struct pack_set set = { { 1 } };
	struct trial t;
	unsigned k;
	int repeat;

	(void)state;
	few_begin(&t, 1);
	k = few_singles(&t, 1);
	(void)few_measure(&t, &set, PACK_HOLDOUT, -1);
	assert_int_equal(repeat_due(&t), k + 1);
	assert_int_equal(measured_of(&t, &set), 0);
	repeat = few_measure(&t, &set, PACK_REPEAT, -1);
	assert_int_equal(check_of(t.p, (size_t)repeat).repeats, k + 1);
	assert_int_equal(repeat_due(&t), 0);
	assert_true(measured_of(&t, &set) > 0);
	trial_end(&t);
}

/* The other way round: what was disturbed is the hold-out. */
static void
test_disturbed_holdout_of_a_known_set(void **state)
{
	struct pack_set set = { { 1 } };
	struct trial t;
	size_t holdout, repeat;

	(void)state;
	few_begin(&t, 1);
	(void)few_singles(&t, -1);
	holdout = (size_t)few_measure(&t, &set, PACK_HOLDOUT, 1);
	assert_int_equal(repeat_due(&t), holdout + 1);
	repeat = (size_t)few_measure(&t, &set, PACK_REPEAT, -1);
	assert_int_equal(check_of(t.p, repeat).repeats, holdout + 1);
	assert_true(check_of(t.p, holdout).is_aside);
	assert_int_equal(summary_of(t.p).cleared, 0);
	assert_int_equal(repeat_due(&t), 0);
	trial_end(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_sites),
		cmocka_unit_test(test_few_sites_changed_for_good),
		cmocka_unit_test(test_many_disturbances),
		cmocka_unit_test(test_twin_stands_in_for_repeat),
		cmocka_unit_test(test_one_repeat_for_all_of_a_set),
		cmocka_unit_test(test_repeat_clears_any_twin),
		cmocka_unit_test(test_holdout_of_the_same_set),
		cmocka_unit_test(test_disturbed_holdout_of_a_known_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
