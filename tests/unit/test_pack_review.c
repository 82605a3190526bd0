/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments during which something else happened: set aside, and their sets
 * measured again. */
#include <stdlib.h>
#include <string.h>

#include "core/pack.h"
#include "ranked_world.h"
#include "test.h"

#define N_SITES 60u
#define N_CLIENTS 600u
#define ODD_SET 7 /* clients of one in so many are disturbed */

/* Which experiments are disturbed, by their place in the log. */
enum disturbance {
	NOTHING,
	ONE,        /* the 15th */
	BATCH,      /* the 15th to the 18th */
	TWICE,      /* the 15th and the 19th: its repeat, but other clients */
	ONE_OF_TWO, /* every other one, each time other clients */
	HOLDOUT,    /* the first hold-out */
	SAME_SET,   /* the 15th, and whenever its set is withdrawn */
	FOR_GOOD,   /* from the 15th on */
	COINS,      /* a few clients toss one each time; some mind a site */
};
#define AT 14u

struct trial {
	struct ranked_world w;
	struct pack *p;
	enum disturbance what;
	struct pack_set odd; /* the set of the 15th */
};

static struct pack *
new_pack(bool keep_suspects)
{
	struct pack_conf conf = { .n_sites = N_SITES,
		.n_clients = N_CLIENTS,
		.depth = 2,
		.seed = 1,
		.keep_suspects = keep_suspects };

	return pack_new(&conf, NULL);
}

static bool
is_disturbed(struct trial *t, size_t i, const struct pack_plan *plan)
{
	if (i == AT)
		t->odd = plan->withdrawn;
	switch (t->what) {
	case ONE:
		return i == AT;
	case BATCH:
		return i >= AT && i < AT + 4;
	case TWICE:
		return i == AT || i == AT + 4;
	case ONE_OF_TWO:
		return i >= 10 && i % 2 == 0;
	case HOLDOUT:
		return plan->purpose == PACK_HOLDOUT &&
		    (i == 0 || t->odd.bits[0] != UINT64_MAX);
	case SAME_SET:
		return i >= AT && pack_set_equal(&t->odd, &plan->withdrawn);
	case FOR_GOOD:
		return i >= AT;
	case NOTHING:
	case COINS:
	default:
		return false;
	}
}

/* The second of its sites that announces. */
static uint16_t
next_site(const struct ranked_world *w, size_t c, const struct pack_set *set)
{
	struct pack_set more = *set;

	pack_set_add(&more, ranked_world_site(w, c, set));
	return ranked_world_site(w, c, &more);
}

static bool
has_coin(const struct ranked_world *w, size_t c, size_t i,
    const struct pack_set *set)
{
	unsigned seed = (unsigned)(c * 1000 + i);

	(void)rand_r(&seed);
	if (c % 50 == 0)
		return rand_r(&seed) % 2 == 0;
	return c % 40 == 1 && pack_set_has(set, w->rank[c * N_SITES + 9]);
}

static void
measure(struct trial *t, const struct pack_plan *plan)
{
	size_t i = pack_count(t->p);
	bool is_odd = is_disturbed(t, i, plan);
	const struct pack_set *set = &plan->withdrawn;

	(void)ranked_world_measure(&t->w, set);
	for (size_t c = 0; c < N_CLIENTS; c++) {
		size_t turn =
		    t->what == ONE_OF_TWO || t->what == TWICE ? i / 2 : 0;

		if ((is_odd && (c + turn) % ODD_SET == 0) ||
		    (t->what == COINS && has_coin(&t->w, c, i, set)))
			t->w.outcome[c] = next_site(&t->w, c, set);
	}
	if (is_odd && t->what == HOLDOUT)
		t->odd.bits[0] = UINT64_MAX;
	assert_int_equal(pack_add(t->p, set, plan->purpose, t->w.outcome, NULL),
	    i);
}

static void
trial_begin(struct trial *t, enum disturbance what, bool keep_suspects)
{
	*t = (struct trial){ .what = what, .p = new_pack(keep_suspects) };
	ranked_world_init(&t->w, N_SITES, N_CLIENTS, 3);
}

static void
trial_end(struct trial *t)
{
	ranked_world_fini(&t->w);
	pack_free(t->p);
}

/* Goes on until the log has n experiments, or to the end. */
static size_t
trial_run(struct trial *t, size_t n)
{
	struct pack_plan plans[PACK_BATCH_MAX];
	size_t got;

	while (pack_count(t->p) < n &&
	    (got = pack_next(t->p, plans, PACK_BATCH_MAX)) > 0) {
		for (size_t k = 0; k < got; k++)
			measure(t, &plans[k]);
	}
	return pack_count(t->p);
}

/* Of the first two heirs of all clients. */
static double
right_share(struct trial *t)
{
	size_t right = 0;

	for (size_t c = 0; c < N_CLIENTS; c++) {
		struct pack_client k;

		pack_client(t->p, c, &k);
		for (size_t d = 1; d <= 2; d++)
			right += k.ranks[d].site == t->w.rank[c * N_SITES + d];
	}
	return (double)right / (2.0 * N_CLIENTS);
}

static void
test_disturbed_set_is_measured_again(void **state)
{
	struct pack_plan plans[PACK_BATCH_MAX];
	struct pack_summary m;
	struct trial t, calm;

	(void)state;
	trial_begin(&t, ONE, false);
	trial_begin(&calm, NOTHING, false);
	(void)trial_run(&t, AT + 1);
	assert_true(check_of(t.p, AT).is_suspect);
	assert_true(check_of(t.p, AT).is_aside);
	assert_true(check_of(t.p, AT).astray > 0.1);
	/* Alone in its batch, and asked for until it was made. */
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(pack_next(t.p, plans, PACK_BATCH_MAX), 1);
		assert_int_equal(plans[0].purpose, PACK_REPEAT);
		assert_int_equal(plans[0].repeats, AT + 1);
		assert_true(pack_set_equal(&plans[0].withdrawn, &t.odd));
	}
	(void)trial_run(&t, PACK_EXPERIMENTS_MAX);
	m = summary_of(t.p);
	assert_int_equal(m.aside, 1);
	assert_int_equal(m.suspect, 0);
	assert_int_equal(m.by_purpose[PACK_REPEAT], 1);
	assert_true(check_of(t.p, AT).is_aside);
	(void)trial_run(&calm, PACK_EXPERIMENTS_MAX);
	assert_true(right_share(&t) > right_share(&calm) - 0.01);
	trial_end(&calm);
	trial_end(&t);
}

/* What was seen while it was disturbed is not believed. */
static void
test_set_aside_is_not_evidence(void **state)
{
	struct trial aside, kept;

	(void)state;
	trial_begin(&aside, ONE, false);
	trial_begin(&kept, ONE, true);
	(void)trial_run(&aside, AT + 1);
	(void)trial_run(&kept, AT + 1);
	assert_true(pack_set_equal(&aside.odd, &kept.odd));
	assert_false(check_of(kept.p, AT).is_suspect);
	assert_int_equal(check_of(aside.p, AT).contradictions, 0);
	assert_true(check_of(kept.p, AT).contradictions > 0.01);
	/* Nor is it what was measured of its set. */
	for (struct trial *t = &aside;; t = &kept) {
		uint16_t site[N_CLIENTS];
		uint8_t label[N_CLIENTS];
		size_t measured = 0;

		pack_predict(t->p, &t->odd, site, label);
		for (size_t c = 0; c < N_CLIENTS; c++)
			measured += label[c] == PACK_MEASURED;
		assert_int_equal(measured > 0, t == &kept);
		if (t == &kept)
			break;
	}
	trial_end(&aside);
	trial_end(&kept);
}

/* The set itself does it: measured twice, said, and believed. */
static void
test_what_the_repeat_shows_too_is_believed(void **state)
{
	struct pack_summary m;
	struct trial t;
	size_t n, repeat = 0;

	(void)state;
	trial_begin(&t, SAME_SET, false);
	n = trial_run(&t, PACK_EXPERIMENTS_MAX);
	m = summary_of(t.p);
	assert_int_equal(m.by_purpose[PACK_REPEAT], 1);
	assert_int_equal(m.aside + m.suspect, 0);
	assert_int_equal(m.cleared, 1);
	for (size_t i = 0; i < n; i++) {
		if (check_of(t.p, i).repeats != 0)
			repeat = i;
	}
	assert_int_equal(check_of(t.p, repeat).repeats, AT + 1);
	assert_false(check_of(t.p, repeat).is_suspect);
	assert_false(check_of(t.p, AT).is_suspect);
	assert_true(check_of(t.p, AT).bystanders > 0.1);
	trial_end(&t);
}

/* It was disturbed once more: neither is believed, and it is not tried again. */
static void
test_disturbed_repeat(void **state)
{
	struct pack_summary m;
	struct trial t;

	(void)state;
	trial_begin(&t, TWICE, false);
	(void)trial_run(&t, AT + 5);
	assert_int_equal(check_of(t.p, AT + 4).repeats, AT + 1);
	assert_true(check_of(t.p, AT).is_aside);
	assert_true(check_of(t.p, AT + 4).is_aside);
	(void)trial_run(&t, PACK_EXPERIMENTS_MAX);
	m = summary_of(t.p);
	assert_int_equal(m.aside, 2);
	assert_int_equal(m.by_purpose[PACK_REPEAT], 1);
	trial_end(&t);
}

/* All that ran side by side while it lasted. */
static void
test_disturbance_of_a_batch(void **state)
{
	struct pack_summary m;
	struct trial t;

	(void)state;
	trial_begin(&t, BATCH, false);
	(void)trial_run(&t, PACK_EXPERIMENTS_MAX);
	m = summary_of(t.p);
	for (size_t i = AT; i < AT + 4; i++)
		assert_true(check_of(t.p, i).is_aside);
	assert_int_equal(m.aside, 4);
	assert_int_equal(m.by_purpose[PACK_REPEAT], 4);
	trial_end(&t);
}

/* The Internet has changed: a repeat clears the whole batch, but for clients
 * whose site it withdraws. */
static void
test_change_for_good_is_no_disturbance(void **state)
{
	struct pack_summary m;
	struct trial t;

	(void)state;
	trial_begin(&t, FOR_GOOD, false);
	(void)trial_run(&t, PACK_EXPERIMENTS_MAX);
	m = summary_of(t.p);
	assert_in_range(m.by_purpose[PACK_REPEAT], 1, 2);
	assert_int_equal(m.aside + m.suspect, 0);
	trial_end(&t);
}

/* Whatever happens, repeats are a small part of a campaign. */
static void
test_repeats_are_bounded(void **state)
{
	struct pack_summary m;
	struct trial t;
	size_t n;

	(void)state;
	trial_begin(&t, ONE_OF_TWO, false);
	n = trial_run(&t, PACK_EXPERIMENTS_MAX);
	m = summary_of(t.p);
	assert_true(m.by_purpose[PACK_REPEAT] > 0);
	assert_true(5UL * m.by_purpose[PACK_REPEAT] <= n + 2);
	trial_end(&t);
}

/* Clients that flap, and such that mind another site, are no disturbance. */
static void
test_restless_clients_are_no_disturbance(void **state)
{
	struct pack_summary m;
	struct trial t;

	(void)state;
	trial_begin(&t, COINS, false);
	(void)trial_run(&t, PACK_EXPERIMENTS_MAX);
	m = summary_of(t.p);
	assert_int_equal(m.by_purpose[PACK_REPEAT], 0);
	assert_int_equal(m.aside + m.suspect, 0);
	trial_end(&t);
}

/* No experiment too many where nothing happens. */
static void
test_calm_costs_nothing(void **state)
{
	struct trial with, without;

	(void)state;
	trial_begin(&with, NOTHING, false);
	trial_begin(&without, NOTHING, true);
	assert_int_equal(trial_run(&with, PACK_EXPERIMENTS_MAX),
	    trial_run(&without, PACK_EXPERIMENTS_MAX));
	trial_end(&with);
	trial_end(&without);
}

/* The repeat of a hold-out is one too: it is not learned from, and it is what
 * the agreement is made of. */
static void
test_repeat_of_a_holdout_is_one(void **state)
{
	struct pack_plan plans[PACK_BATCH_MAX];
	struct pack_progress at;
	struct pack_summary m;
	struct trial t, kept;

	(void)state;
	trial_begin(&t, HOLDOUT, false);
	trial_begin(&kept, HOLDOUT, true);
	(void)trial_run(&t, PACK_EXPERIMENTS_MAX);
	m = summary_of(t.p);
	assert_int_equal(m.aside, 1);
	assert_int_equal(m.by_purpose[PACK_REPEAT], 1);
	assert_int_equal(m.by_purpose[PACK_HOLDOUT], 6);
	(void)trial_run(&kept, PACK_EXPERIMENTS_MAX);
	assert_true(m.holdout > summary_of(kept.p).holdout + 0.01);
	trial_end(&kept);
	assert_int_equal(pack_next(t.p, plans, PACK_BATCH_MAX), 0);
	pack_progress(t.p, &at);
	assert_true(at.is_done);
	/* All that was made counts. */
	assert_int_equal(at.made, pack_count(t.p));
	trial_end(&t);
}

/* After a restart the log says the same. */
static void
test_log_again_is_judged_alike(void **state)
{
	struct pack_plan a[PACK_BATCH_MAX], b[PACK_BATCH_MAX];
	uint16_t outcomes[AT + 8][N_CLIENTS];
	struct pack_plan made[AT + 8];
	struct trial t;
	struct pack *p = new_pack(false);
	size_t n = 0, got;

	(void)state;
	trial_begin(&t, ONE, false);
	while (n <= AT) {
		got = pack_next(t.p, a, PACK_BATCH_MAX);
		for (size_t k = 0; k < got; k++, n++) {
			measure(&t, &a[k]);
			made[n] = a[k];
			memcpy(outcomes[n], t.w.outcome, sizeof(outcomes[n]));
		}
	}
	/* In between as well: the repeat is still to be made. */
	for (int made_repeat = 0; made_repeat < 2; made_repeat++) {
		for (size_t i = pack_count(p); i < n; i++) {
			assert_int_equal(pack_add(p, &made[i].withdrawn,
					     made[i].purpose, outcomes[i],
					     NULL),
			    i);
		}
		got = pack_next(t.p, a, PACK_BATCH_MAX);
		assert_int_equal(pack_next(p, b, PACK_BATCH_MAX), got);
		for (size_t k = 0; k < got; k++) {
			assert_int_equal(a[k].purpose, b[k].purpose);
			assert_int_equal(a[k].repeats, b[k].repeats);
			assert_true(pack_set_equal(&a[k].withdrawn,
			    &b[k].withdrawn));
		}
		assert_int_equal(a[0].purpose == PACK_REPEAT, !made_repeat);
		measure(&t, &a[0]);
		made[n] = a[0];
		memcpy(outcomes[n++], t.w.outcome, sizeof(outcomes[0]));
	}
	pack_free(p);
	trial_end(&t);
}

/* A discarded repeat is made once more; one of nothing is just an experiment. */
static void
test_repeat_without_original(void **state)
{
	struct pack_plan plans[PACK_BATCH_MAX];
	struct pack_set set = { { 3 } };
	struct trial t;

	(void)state;
	trial_begin(&t, ONE, false);
	assert_int_equal(pack_add(t.p, &set, PACK_REPEAT,
			     ranked_world_measure(&t.w, &set), NULL),
	    0);
	assert_int_equal(check_of(t.p, 0).purpose, PACK_OTHER);
	assert_int_equal(check_of(t.p, 0).repeats, 0);
	(void)trial_run(&t, AT + 1);
	assert_int_equal(pack_next(t.p, plans, 1), 1);
	assert_int_equal(plans[0].purpose, PACK_REPEAT);
	measure(&t, &plans[0]);
	pack_discard(t.p, pack_count(t.p) - 1);
	assert_int_equal(pack_next(t.p, plans, 1), 1);
	assert_int_equal(plans[0].purpose, PACK_REPEAT);
	/* And that is of the original, not of the one discarded. */
	measure(&t, &plans[0]);
	assert_int_equal(check_of(t.p, pack_count(t.p) - 1).repeats, AT + 1);
	assert_int_equal(pack_next(t.p, plans, 1), 1);
	assert_int_not_equal(plans[0].purpose, PACK_REPEAT);
	trial_end(&t);
}

/* With a handful of clients one that moves is no crowd. */
static void
test_few_clients(void **state)
{
	struct pack_conf conf = {
		.n_sites = 5, .n_clients = 20, .depth = 2, .seed = 1
	};
	struct pack *p = pack_new(&conf, NULL);
	struct pack_plan plans[PACK_BATCH_MAX];
	struct pack_summary m;
	struct ranked_world w;
	size_t n;

	(void)state;
	ranked_world_init(&w, 5, 20, 3);
	while ((n = pack_next(p, plans, PACK_BATCH_MAX)) > 0) {
		for (size_t k = 0; k < n; k++) {
			const struct pack_set *set = &plans[k].withdrawn;
			size_t c = pack_count(p) % 20;

			(void)ranked_world_measure(&w, set);
			if (pack_set_count(set) > 0 && pack_set_count(set) < 4)
				w.outcome[c] = w.rank[c * 5 + 4];
			(void)pack_add(p, set, plans[k].purpose, w.outcome,
			    NULL);
		}
	}
	pack_summary(p, &m);
	assert_int_equal(m.by_purpose[PACK_REPEAT], 0);
	ranked_world_fini(&w);
	pack_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disturbed_set_is_measured_again),
		cmocka_unit_test(test_set_aside_is_not_evidence),
		cmocka_unit_test(test_what_the_repeat_shows_too_is_believed),
		cmocka_unit_test(test_disturbed_repeat),
		cmocka_unit_test(test_disturbance_of_a_batch),
		cmocka_unit_test(test_change_for_good_is_no_disturbance),
		cmocka_unit_test(test_repeats_are_bounded),
		cmocka_unit_test(test_restless_clients_are_no_disturbance),
		cmocka_unit_test(test_calm_costs_nothing),
		cmocka_unit_test(test_repeat_of_a_holdout_is_one),
		cmocka_unit_test(test_log_again_is_judged_alike),
		cmocka_unit_test(test_repeat_without_original),
		cmocka_unit_test(test_few_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
