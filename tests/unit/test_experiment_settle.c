/* SPDX-License-Identifier: GPL-3.0-or-later */
/* When an experiment takes routing for settled, and how long it says it takes. */
#include "fleet/experiment.h"

#include "core/experiment.h"
#include "experiment_rig.h"

/* The experiment's "settle": how its last round judged silence, and how many of
 * the displaced answered; their number. */
static json_int_t
settle_of(struct house *h, unsigned id, json_int_t *answered, char silence[16])
{
	json_int_t displaced = -1;
	const char *name = "";
	json_t *doc;

	(void)state_of(h, id);
	doc = answer_json(h);
	if (json_unpack(doc, "{s:{s:{s:s, s:I, s:I}}}", "experiment", "settle",
		"silence", &name, "displaced", &displaced, "answered",
		answered) == -1)
		fail_msg("no settle: %s", h->body);
	(void)snprintf(silence, 16, "%s", name);
	json_decref(doc);
	return displaced;
}

/* While routes converge, what is sent to akl's clients by the others is lost. */
#define DROPPED_ROUNDS 6
static unsigned settle_rounds;

static void
dropped_at_first(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (job->phase == EXPERIMENT_SETTLE)
		settle_rounds = job->round;
	if (job->phase == EXPERIMENT_SETTLE && job->round <= DROPPED_ROUNDS &&
	    client % SITES == 0)
		return;
	if (at != NOWHERE)
		fake_reply(h, at, job, client, 0);
}

static void
test_no_sweep_while_the_displaced_are_silent(void **state)
{
	struct house *h = *state;
	json_int_t answered = -1;
	char silence[16];

	settle_rounds = 0;
	h->twist = dropped_at_first;
	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	assert_int_equal(settle_rounds, DROPPED_ROUNDS + 3);
	check_known_map(h, 1);
	/* One is silent for good. */
	assert_int_equal(settle_of(h, 1, &answered, silence), 4);
	assert_int_equal(answered, 3);
	assert_string_equal(silence, "steady");
}

/* Three rounds alike are what it takes, however short the time is. */
static void
test_settling_has_its_rounds(void **state)
{
	struct house *h = *state;

	h->fleet.predict.settle_max_ms = 1;
	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	check_known_map(h, 1);
}

static void
dropped_for_good(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (job->phase == EXPERIMENT_SETTLE)
		settle_rounds = job->round;
	if (client % SITES == 0 && h->agents[0].is_withdrawn)
		return;
	if (at != NOWHERE)
		fake_reply(h, at, job, client, 0);
}

static void
test_displaced_that_lost_all_routes_are_unknown(void **state)
{
	struct house *h = *state;
	json_int_t answered = -1;
	char silence[16];

	settle_rounds = 0;
	h->fleet.predict.settle_max_ms = 1000;
	h->twist = dropped_for_good;
	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	/* All the time that there is: of some 20 ms each. */
	assert_true(settle_rounds > 3);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	check_heir(h, "", 4, 22.0);
	assert_int_equal(settle_of(h, 1, &answered, silence), 4);
	assert_int_equal(answered, 0);
	assert_string_equal(silence, "nobody");
}

/* ---- sites that fall silent ---- */

/* Replies to that site are lost in the states from this one on. */
static uint8_t deaf_from, deaf_until;
static size_t deaf_site;

static void
lost_at_a_site(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	bool is_lost = at == deaf_site && job->phase >= deaf_from &&
	    job->phase <= deaf_until;

	if (at != NOWHERE && !is_lost)
		fake_reply(h, at, job, client, 0);
}

/* Runs one, which must fail so; there is no map, and all is announced. */
static void
check_spoilt(struct house *h, const char *why)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	start(h);
	while (strcmp(state_of(h, 1), "failed") != 0) {
		if (strcmp(state_of(h, 1), "done") == 0 ||
		    !mono_before(mono_now(), end))
			fail_msg("not failed: %s", h->body);
		fakes_turn(h);
	}
	assert_answer_has(h, why);
	fakes_turn(h);
	for (size_t i = 0; i < SITES; i++)
		assert_false(h->agents[i].is_withdrawn);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f, "SELECT count(*) FROM heir"), 0);
}

static void
check_silent_from(struct house *h, size_t site, uint8_t from, const char *why)
{
	deaf_from = from;
	deaf_until = EXPERIMENT_REBASELINE;
	deaf_site = site;
	h->twist = lost_at_a_site;
	h->fleet.predict.settle_max_ms = 1000;
	house_get_ready(h);
	check_spoilt(h, why);
}

/* Its clients do not come back: they are not heard at all. */
static void
test_a_withdrawn_site_that_hears_nobody_on_the_way_back(void **state)
{
	check_silent_from(*state, 0, EXPERIMENT_VERIFY,
	    "clients did not come back in time: akl hears nobody any more");
}

/* Two sentinels are too few to tell it from loss: the sweep does. */
static void
test_an_heir_that_hears_nobody_on_the_way_back(void **state)
{
	check_silent_from(*state, 1, EXPERIMENT_VERIFY,
	    "\"reason\":\"chc hears nobody any more, of 4 clients before");
}

static void
test_a_site_that_hears_nobody_in_the_second_baseline(void **state)
{
	check_silent_from(*state, 0, EXPERIMENT_REBASELINE,
	    "\"reason\":\"akl hears nobody any more, of 4 clients before");
}

/* Whom it inherits would count as lost. */
static void
test_an_heir_that_hears_nobody_in_the_sweep(void **state)
{
	check_silent_from(*state, 2, EXPERIMENT_SWEEP,
	    "\"reason\":\"wlg hears nobody any more, of 4 clients before");
}

#define MANY 120u /* 40 at each site, each in a block of its own */

/* Three of five are lost there, in the sweep and in its second attempt. */
static void
half_deaf(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (at != NOWHERE &&
	    (at != deaf_site || job->phase != deaf_from ||
		client / SITES % 5 < 2))
		fake_reply(h, at, job, client, 0);
}

static void
check_half_deaf(struct house *h, size_t site, uint8_t from, const char *why)
{
	char *text = xstrdup("");

	for (unsigned i = 0; i < MANY; i++) {
		char *more = xasprintf("%s10.0.%u.1\n", text, i);

		free(text);
		text = more;
	}
	deaf_from = from;
	deaf_site = site;
	h->twist = half_deaf;
	fakes_turn(h);
	assert_int_equal(post(h, "/v1/clients?upload=m&part=0&last=1", text),
	    200);
	free(text);
	check_spoilt(h, why);
}

/* A map would say that fewer go there than do, and more nowhere. */
static void
test_an_heir_that_hears_a_part_in_the_sweep(void **state)
{
	check_half_deaf(*state, 2, EXPERIMENT_SWEEP,
	    "\"reason\":\"wlg: 24 of the 40 clients that it heard before are not heard any more");
}

static void
test_a_site_that_hears_a_part_of_the_second_baseline(void **state)
{
	check_half_deaf(*state, 0, EXPERIMENT_REBASELINE,
	    "\"reason\":\"akl: 24 of the 40 clients that it heard before are not heard any more");
}

static void
nobody_again(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (at != NOWHERE && job->phase != EXPERIMENT_REBASELINE)
		fake_reply(h, at, job, client, 0);
}

static void
test_nobody_answers_the_second_baseline(void **state)
{
	struct house *h = *state;

	h->twist = nobody_again;
	house_get_ready(h);
	check_spoilt(h, "no client answered the second baseline");
}

/* As long as there is time it may still come. */
static unsigned verify_rounds;

static void
back_after_some_rounds(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (job->phase == EXPERIMENT_VERIFY)
		verify_rounds = job->round;
	if (at != NOWHERE &&
	    (at != 0 || job->phase != EXPERIMENT_VERIFY || job->round > 4))
		fake_reply(h, at, job, client, 0);
}

static void
test_a_site_that_is_slow_to_come_back_is_waited_for(void **state)
{
	struct house *h = *state;

	verify_rounds = 0;
	h->twist = back_after_some_rounds;
	house_get_ready(h);
	start(h);
	run_until(h, 1, "done");
	assert_int_equal(verify_rounds, 5);
	check_known_map(h, 1);
}

static void
check_left(struct house *h, json_int_t at_least, json_int_t at_most)
{
	json_int_t left = -1, max = -1;
	json_t *doc;

	(void)state_of(h, 1);
	doc = answer_json(h);
	assert_int_equal(json_unpack(doc, "{s:{s:I, s:I}}", "experiment",
			     "left_ms", &left, "left_max_ms", &max),
	    0);
	json_decref(doc);
	if (left < at_least || left > at_most || max < left) {
		fail_msg("%lld to %lld ms left", (long long)left,
		    (long long)max);
	}
}

/*
 * With 1 client a second and 2 s for late replies: 14 s for a sweep, 10 s for a
 * round of 8 sentinels; 2 s for each change and 20 ms between two rounds.
 */
static void
test_time_left_is_told(void **state)
{
	struct house *h = *state;
	const json_int_t each = 2000, sweep = 14000, sentinels = 10000;

	h->fleet.predict.rate_pps = 1;
	h->fleet.predict.linger_ms = 2000;
	h->fleet.predict.settle_max_ms = 60000;
	house_get_ready(h);
	h->is_slow = true;
	start(h);
	check_left(h, 3 * sweep + 4 * sentinels + 2 * each,
	    3 * sweep + 4 * sentinels + 2 * each + 40);
	h->is_slow = false;
	h->fleet.predict.linger_ms = 20;
	run_until(h, 1, "settle");
	/* Nobody was silent, and the linger is shorter now. */
	check_left(h, 2 * 12000 + 8000, 2 * 12020 + 4 * 8020 + each + 40);
	run_until(h, 1, "done");
	check_left(h, 0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_no_sweep_while_the_displaced_are_silent),
		WITH_HOUSE(test_settling_has_its_rounds),
		WITH_HOUSE(test_displaced_that_lost_all_routes_are_unknown),
		WITH_HOUSE(
		    test_a_withdrawn_site_that_hears_nobody_on_the_way_back),
		WITH_HOUSE(test_an_heir_that_hears_nobody_on_the_way_back),
		WITH_HOUSE(
		    test_a_site_that_hears_nobody_in_the_second_baseline),
		WITH_HOUSE(test_an_heir_that_hears_nobody_in_the_sweep),
		WITH_HOUSE(test_an_heir_that_hears_a_part_in_the_sweep),
		WITH_HOUSE(
		    test_a_site_that_hears_a_part_of_the_second_baseline),
		WITH_HOUSE(test_nobody_answers_the_second_baseline),
		WITH_HOUSE(test_a_site_that_is_slow_to_come_back_is_waited_for),
		WITH_HOUSE(test_time_left_is_told),
	};

	return house_main(tests, TEST_COUNT(tests));
}
