/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments side by side send one after the other. */
#include "test_prefixes_rig.h"

static unsigned
jobs_given(const struct house *h)
{
	unsigned n = 0;

	for (size_t i = 0; i < SITES; i++)
		n += h->agents[i].job != 0 && !h->agents[i].is_done;
	return n;
}

static void
say_done(struct house *h)
{
	for (size_t i = 0; i < SITES; i++)
		h->agents[i].is_done = true;
}

static void
next_job(struct house *h)
{
	unsigned before = h->sweeps;

	say_done(h);
	TURN_UNTIL(h, h->sweeps > before);
	assert_int_equal(jobs_given(h), 1);
}

/* Also with different senders the rate would be twice what is allowed. */
static void
test_only_one_sends_at_a_time(void **state)
{
	struct house *h = *state;

	use_ring(h);
	null_run(h);
	h->is_slow = true;
	start(h, "akl", house_tests[ONE]);
	start(h, "chc", house_tests[TWO]);
	for (int i = 0; i < 20; i++) {
		fakes_turn(h);
		loop_idle(h->p.lp, 5);
		assert_int_equal(jobs_given(h), 1);
	}
	assert_int_equal(running(h), 2);
	/* Each comes to its turn. */
	next_job(h);
	next_job(h);
}

static void
abort_experiment(struct house *h, unsigned id)
{
	char *path = xasprintf("/v1/experiments/%u/abort", id);

	assert_int_equal(post(h, path, "{}"), 200);
	free(path);
}

/* Hears each order document of akl, also those that are out of date at once. */
struct ear {
	struct house *h;
	uint64_t after;
	json_int_t jobs[64]; /* in the order in which they came */
	size_t n;
	bool is_open, has_twice, is_needed;
};

static void listen_on(struct ear *ear);

static void
on_orders(const struct fetch_answer *answer, void *arg)
{
	struct ear *ear = arg;
	json_t *doc =
	    json_loadb(answer->body != NULL ? (const char *)answer->body : "",
		answer->body_len, 0, NULL);
	json_int_t job =
	    json_integer_value(json_object_get(json_object_get(doc, "sweep"),
		"job"));

	if (doc != NULL) {
		ear->after = (uint64_t)json_integer_value(json_object_get(doc,
		    "revision"));
	}
	json_decref(doc);
	if (job != 0 && (ear->n == 0 || ear->jobs[ear->n - 1] != job)) {
		for (size_t i = 0; i < ear->n; i++)
			ear->has_twice |= ear->jobs[i] == job;
		ear->jobs[ear->n++ % TEST_COUNT(ear->jobs)] = job;
	}
	ear->is_open = ear->is_needed;
	if (ear->is_open)
		listen_on(ear);
}

static void
listen_on(struct ear *ear)
{
	char *url = xasprintf("http://localhost/v1/sites/akl/orders?after=%llu"
			      "&wait_ms=100&boot=boot0",
	    (unsigned long long)ear->after);
	struct fetch_request req = { .method = "GET",
		.url = url,
		.unix_socket = ear->h->path,
		.timeout_ms = 8000,
		.max_body_bytes = 1u << 20 };

	(void)fetch_start(ear->h->fetch, &req, on_orders, ear);
	free(url);
}

/*
 * akl sends for both, and the later turn is collected before the earlier one,
 * by the same report: the earlier job must not be ordered again.
 */
static void
test_no_round_is_ordered_twice(void **state)
{
	struct house *h = *state;
	struct ear ear = { .h = h };
	unsigned turns = 0;

	use_ring(h);
	null_run(h);
	h->is_slow = true;
	start(h, "akl", house_tests[ONE]);
	start(h, "wlg", house_tests[TWO]);
	abort_experiment(h, 3);
	TURN_UNTIL(h, h->agents[0].job != 0 && !h->agents[0].is_done);
	start(h, "chc", house_tests[ONE]);
	h->is_slow = false;
	ear.is_needed = true;
	ear.is_open = true;
	listen_on(&ear);
	while (running(h) > 0) {
		h->agents[2].is_silent = ++turns % 16 != 0;
		say_done(h);
		fakes_turn(h);
	}
	ear.is_needed = false;
	WAIT_FOR(h->p.lp, !ear.is_open);
	assert_true(ear.n >= 6);
	assert_false(ear.has_twice);
	assert_string_equal(state_of(h, 4), "done");
	assert_string_equal(state_of(h, 5), "done");
}

/* One that fails while it sends makes room for the next, but not before its
 * sender has heard of it. */
static void
test_aborted_sender_is_waited_for(void **state)
{
	struct house *h = *state;

	h->fleet.predict.rate_pps = 2; /* its probes take 6 s */
	use_ring(h);
	null_run(h);
	h->is_slow = true;
	start(h, "akl", house_tests[ONE]); /* sent by chc */
	start(h, "chc", house_tests[TWO]); /* sent by akl */
	TURN_UNTIL(h, h->agents[1].job != 0 && !h->agents[1].is_done);
	h->agents[1].is_silent = true;
	abort_experiment(h, 3);
	for (int i = 0; i < 4; i++) {
		fakes_turn(h);
		loop_idle(h->p.lp, 5);
		assert_true(h->agents[0].job == 0 || h->agents[0].is_done);
	}
	h->agents[1].is_silent = false;
	h->is_slow = false;
	TURN_UNTIL(h, running(h) == 0);
	assert_string_equal(state_of(h, 4), "done");
}

/* chc sends for akl's experiment, and goes on while the controller is another
 * process. */
static void
restart_while_chc_sends(struct house *h)
{
	use_ring(h);
	null_run(h);
	h->is_slow = true;
	start(h, "akl", house_tests[ONE]);
	TURN_UNTIL(h, h->agents[1].job != 0 && !h->agents[1].is_done);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	h->agents[1].is_deaf = true;
	house_restart_controller(h);
	fakes_turn(h);
	start(h, "chc", house_tests[ONE]); /* akl sends for it */
}

/* What a controller that was killed has ordered goes on until the sites hear
 * from the next. */
static void
test_sender_of_a_killed_controller_is_waited_for(void **state)
{
	struct house *h = *state;

	h->fleet.predict.rate_pps = 2; /* its probes may take 12 s */
	restart_while_chc_sends(h);
	for (int i = 0; i < 4; i++) {
		fakes_turn(h);
		loop_idle(h->p.lp, 60);
		assert_int_equal(h->agents[0].job, 0);
	}
	h->agents[1].is_deaf = false;
	h->is_slow = false;
	TURN_UNTIL(h, running(h) == 0);
	assert_string_equal(state_of(h, 4), "done");
}

static void
load_one_client(struct house *h)
{
	assert_int_equal(post(h, "/v1/clients?upload=one&part=0&last=1",
			     "203.0.113.1\n"),
	    200);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
}

/* akl sends for the experiment after the restart, but not for so long, though
 * that would have but one client to ask. */
static void
check_old_list_is_waited_for(struct house *h)
{
	struct mono killed;

	use_ring(h);
	h->is_slow = true;
	start(h, "akl", house_tests[ONE]);
	TURN_UNTIL(h, h->agents[1].job != 0 && !h->agents[1].is_done);
	load_one_client(h);
	h->agents[1].is_deaf = true;
	killed = mono_now();
	house_restart_controller(h);
	fakes_turn(h);
	/* And once more: the experiment is over then by its row. */
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	fakes_turn(h);
	start(h, "chc", house_tests[ONE]);
	while (mono_diff_ms(mono_now(), killed) < 6000) {
		fakes_turn(h);
		loop_idle(h->p.lp, 20);
		assert_int_equal(h->agents[0].job, 0);
	}
	h->agents[1].is_deaf = false;
	TURN_UNTIL(h, h->agents[0].job != 0);
}

/* What it was sending is the old list, whatever is loaded now: 12 clients take
 * up to 24 s, and 1 takes 2 s. */
static void
test_old_list_is_waited_for(void **state)
{
	struct house *h = *state;

	h->fleet.predict.rate_pps = 1;
	check_old_list_is_waited_for(h);
}

/* 6 of one block take up to 12 s, and 1 takes 2 s. */
static void
test_old_blocks_are_waited_for(void **state)
{
	struct house *h = *state;

	h->fleet.predict.block_gap_ms = 1000;
	check_old_list_is_waited_for(h);
}

/* But not longer than it can be sending. */
static void
test_site_that_hears_nothing_is_not_waited_for_for_ever(void **state)
{
	struct house *h = *state;

	restart_while_chc_sends(h);
	TURN_UNTIL(h, h->agents[0].job != 0);
	assert_true(h->agents[1].is_deaf);
}

/* The last probe of one sweep and the first of the next may be to one block. */
static void
test_gap_is_left_between_two_senders(void **state)
{
	struct house *h = *state;
	struct mono ended;
	unsigned before;

	use_ring(h);
	null_run(h);
	h->is_slow = true;
	h->fleet.predict.block_gap_ms = 500;
	start(h, "akl", house_tests[ONE]);
	start(h, "chc", house_tests[TWO]);
	TURN_UNTIL(h, jobs_given(h) == 1);
	for (int i = 0; i < 3; i++) {
		ended = mono_now();
		next_job(h);
		assert_true(mono_diff_ms(mono_now(), ended) >= 500);
	}
	/* Also when one was stopped. */
	ended = mono_now();
	before = h->sweeps;
	abort_experiment(h, h->agents[0].job != 0 ? 4 : 3);
	TURN_UNTIL(h, h->sweeps > before);
	assert_true(mono_diff_ms(mono_now(), ended) >= 500);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_only_one_sends_at_a_time),
		WITH_HOUSE(test_no_round_is_ordered_twice),
		WITH_HOUSE(test_aborted_sender_is_waited_for),
		WITH_HOUSE(test_sender_of_a_killed_controller_is_waited_for),
		WITH_HOUSE(test_old_list_is_waited_for),
		WITH_HOUSE(test_old_blocks_are_waited_for),
		WITH_HOUSE(
		    test_site_that_hears_nothing_is_not_waited_for_for_ever),
		WITH_HOUSE(test_gap_is_left_between_two_senders),
	};

	return house_main(tests, TEST_COUNT(tests));
}
