/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several test prefixes: null runs, and experiments side by side; how they take turns is
 * in test_test_turns.c. */
#include "test_prefixes_rig.h"

#define PLAN_1 "{\"depth\":1,\"dry_run\":true}"

/* ---- null runs ---- */

static void
restart_with(struct house *h, const char *sql)
{
	house_stop_controller(h);
	file_exec(&h->f, sql);
	house_start_controller(h);
	fakes_turn(h);
}

static void
test_a_second_prefix_is_not_trusted_unseen(void **state)
{
	struct house *h = *state;

	use_two(h);
	assert_string_equal(of_test(h, ONE, "state"), "first");
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
	assert_string_equal(of_test(h, TWO, "test"), house_tests[TWO]);
	start(h, "akl", house_tests[ONE]);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_answer_has(h, "is running");
}

static void
test_null_run_finds_them_alike(void **state)
{
	struct house *h = *state;

	use_two(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	assert_string_equal(of_test(h, TWO, ".first"), house_tests[ONE]);
	assert_int_equal(number_of_test(h, TWO, "compared"), CLIENTS);
	assert_true(number_of_test(h, TWO, "distance") == 0);
	assert_true(number_of_test(h, TWO, "noise") == 0);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/events?after=0&limit=1000"), 200);
	assert_answer_has(h, "unchecked -> alike");
	/* Known again after a restart. */
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	fakes_turn(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	assert_int_equal(number_of_test(h, TWO, "compared"), CLIENTS);
}

static void
test_null_run_finds_one_that_differs(void **state)
{
	struct house *h = *state;

	h->twist = otherwise;
	use_two(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "differs");
	assert_non_null(strstr(of_test(h, TWO, ".reason"),
	    "reach another site than by the first"));
	assert_true(number_of_test(h, TWO, "distance") > 0.3);
	assert_true(number_of_test(h, TWO, "beyond") > 0.01);
	assert_true(number_of_test(h, TWO, "max_beyond") == 0.01);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/events?after=0&limit=1000"), 200);
	assert_answer_has(h, "test prefix 203.0.113.0/24");
	assert_answer_has(h, "unchecked -> differs");
	/* It is not used, though the first one is busy. */
	start(h, "akl", house_tests[ONE]);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	TURN_UNTIL(h, running(h) == 0);
	/* And is again when it has become alike. */
	h->twist = ring;
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	/* One that differs later is taken out. */
	h->twist = otherwise;
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "differs");
}

/* Nobody can answer to the second one. */
static void
unheard(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (test_of(h, job) == ONE && at != NOWHERE)
		fake_reply(h, at, job, client, 0);
}

static void
test_a_prefix_without_answers_differs(void **state)
{
	struct house *h = *state;

	h->twist = unheard;
	use_two(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "differs");
	assert_non_null(strstr(of_test(h, TWO, ".reason"),
	    "answer by one of the two only"));
}

/* That a handful agrees shows nothing: the second one is not used, the first
 * is. */
static void
test_few_clients_show_nothing(void **state)
{
	struct house *h = *state;

	h->fleet.predict.null_run.min_clients = CLIENTS / 2 + 1;
	use_ring(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "unknown");
	assert_string_equal(of_test(h, TWO, ".verdict"), "unknown");
	assert_string_equal(of_test(h, TWO, ".reason"),
	    "6 IPv4 clients reached a site by both, too few to say: at least 7 "
	    "must (fleet.predict.null_run.min_clients)");
	/* A plan does not count on it, and says so. */
	assert_int_equal(post(h, "/v1/campaign", PLAN_1), 200);
	assert_answer_has(h,
	    "\"tests\":1,\"unchecked\":0,\"unusable\":[{"
	    "\"test\":\"203.0.113.0/24\","
	    "\"state\":\"unknown\",\"reason\":\"6 IPv4 ");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/events?after=0&limit=1000"), 200);
	assert_answer_has(h, "unchecked -> unknown");
	start(h, "akl", house_tests[ONE]);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_answer_has(h, "is running");
	TURN_UNTIL(h, running(h) == 0);
	assert_string_equal(state_of(h, 3), "done");
	/* It stays so after a restart, also when it is taken for alike there. */
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	fakes_turn(h);
	assert_string_equal(of_test(h, TWO, "state"), "unknown");
	restart_with(h, "UPDATE null_run SET verdict = 'alike'");
	start(h, "akl", house_tests[ONE]);
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
}

/* 12 clients of IPv4. */
static void
load_ipv4_clients(struct house *h)
{
	char *text = xstrdup("");

	for (unsigned i = 0; i < CLIENTS; i++) {
		char *more = xasprintf("%s203.0.113.%u\n", text, i + 1);

		free(text);
		text = more;
	}
	assert_int_equal(post(h, "/v1/clients?upload=u&part=0&last=1", text),
	    200);
	free(text);
}

/* What was found by IPv4 clients holds for no others. */
static void
test_a_verdict_is_of_families_that_were_asked(void **state)
{
	struct house *h = *state;

	h->has_more = true;
	use_ring(h);
	load_ipv4_clients(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	start(h, "akl", house_tests[ONE]);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 200);
	TURN_UNTIL(h, running(h) == 0);
	house_load_clients(h);
	start(h, "akl", house_tests[ONE]);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
	TURN_UNTIL(h, running(h) == 0);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	start(h, "akl", house_tests[ONE]);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 200);
}

/* A start that is refused does not change what those that run go by. */
static void
test_who_is_refused_has_asked_nobody(void **state)
{
	struct house *h = *state;

	h->has_more = true;
	use_ring(h);
	load_ipv4_clients(h);
	null_run(h);
	start(h, "akl", house_tests[ONE]);
	house_load_clients(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	TURN_UNTIL(h, running(h) == 0);
	start(h, "akl", house_tests[ONE]);
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
}

/* akl's clients reach a second site, too, by the second one. */
static void
twice(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	at = ring_at(h, job, client);
	fake_reply(h, at, job, client, 0);
	if (test_of(h, job) == TWO && at == 0)
		fake_reply(h, 2, job, client, 0);
}

static void
test_a_prefix_that_makes_clients_flip_differs(void **state)
{
	struct house *h = *state;

	h->twist = twice;
	use_two(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "differs");
	assert_non_null(strstr(of_test(h, TWO, ".reason"),
	    "reach two sites at once by one of the two only"));
	assert_int_equal(number_of_test(h, TWO, "compared"), CLIENTS);
}

static void
test_null_run_grows_old(void **state)
{
	struct house *h = *state;

	use_two(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	h->fleet.predict.null_run.every_ms = 1;
	loop_idle(h->p.lp, 5);
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
}

/* The sites lose their second prefix and have it again. */
static void
go_and_come_back(struct house *h)
{
	h->n_tests = 1;
	fakes_turn(h);
	assert_int_equal(get(h, "/v1/tests"), 200);
	assert_null(strstr(h->body, house_tests[TWO]));
	h->n_tests = 2;
	fakes_turn(h);
}

/* What was known at the start is not what is known now. */
static void
test_one_that_comes_back_has_its_newest_verdict(void **state)
{
	struct house *h = *state;

	use_two(h);
	null_run(h);
	house_restart_controller(h);
	fakes_turn(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	h->twist = otherwise;
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "differs");
	go_and_come_back(h);
	assert_string_equal(of_test(h, TWO, "state"), "differs");
	/* Also one that was not there at the start. */
	h->twist = ring;
	null_run(h);
	go_and_come_back(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	h->fleet.predict.null_run.every_ms = 1;
	loop_idle(h->p.lp, 5);
	go_and_come_back(h);
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
}

/* As old as it says; of the future, after a clock was set back, it would never
 * grow old. */
static void
test_a_verdict_is_as_old_as_it_says(void **state)
{
	struct house *h = *state;

	use_two(h);
	null_run(h);
	restart_with(h, "UPDATE null_run SET at_ms = at_ms - 3590000");
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	restart_with(h, "UPDATE null_run SET at_ms = at_ms - 10000");
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	restart_with(h, "UPDATE null_run SET at_ms = at_ms + 60000");
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
}

/* With another prefix beside it, it is not the one that was compared. */
static void
test_a_verdict_is_of_those_prefixes(void **state)
{
	struct house *h = *state;

	use_two(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	h->has_more = true;
	fakes_turn(h);
	assert_string_equal(of_test(h, TWO, "test"),
	    "203.0.113.0/24,2001:db8:2::/48");
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
	h->has_more = false;
	fakes_turn(h);
	assert_string_equal(of_test(h, TWO, "test"), house_tests[TWO]);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
}

/* One that never began has no experiment there, and an older one keeps what it
 * found. */
static void
test_a_null_run_that_never_began_has_no_experiment(void **state)
{
	struct house *h = *state;

	use_two(h);
	null_run(h);
	h->agents[2].lacks_second = true;
	fakes_turn(h);
	for (int i = 0; i < 3; i++)
		null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "unknown");
	assert_int_equal(number_of_test(h, TWO, "experiment"), 0);
	assert_int_equal(number_of_test(h, TWO, "first_experiment"), 5);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM null_run"
			     " WHERE experiment = 2 AND first_experiment = 1"
			     " AND verdict = 'alike'"),
	    1);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM null_run"
			     " WHERE experiment = 0 AND first_experiment = 5"
			     " AND verdict = 'unknown'"),
	    1);
	/* And it is the newest, also to those who come later. */
	house_restart_controller(h);
	fakes_turn(h);
	assert_string_equal(of_test(h, TWO, "state"), "unknown");
}

/* Its sender fails on the second one with a long word, whose letters are of
 * several bytes each; skip: how many bytes stand before them. */
static void
null_run_that_fails_on_the_second(struct house *h, size_t skip)
{
	struct fake *sender = &h->agents[0];

	assert_int_equal(post(h, "/v1/tests/null-run", "{}"), 200);
	while (running(h) > 0) {
		/* Experiments come in pairs, and jobs begin with theirs. */
		bool is_second = (sender->job >> 12) % 2 == 0;

		if (sender->job != 0 && !sender->is_done) {
			memset(sender->failed, 0, sizeof(sender->failed));
			if (is_second)
				memset(sender->failed, 'x', skip);
			for (size_t i = skip; is_second && i < 180; i += 3)
				memcpy(sender->failed + i, "\xe2\x82\xac", 3);
			sender->is_done = true;
		}
		fakes_turn(h);
	}
}

/* An agent's word is cut where it must be, and stays JSON. */
static void
test_a_long_reason_is_told(void **state)
{
	struct house *h = *state;

	use_ring(h);
	h->is_slow = true;
	for (size_t skip = 0; skip < 3; skip++) {
		for (int i = 0; i < 3; i++)
			null_run_that_fails_on_the_second(h, skip);
		assert_string_equal(of_test(h, TWO, "state"), "unknown");
		assert_non_null(strstr(of_test(h, TWO, ".reason"),
		    "\xe2\x82\xac"));
	}
	assert_int_equal(post(h, "/v1/campaign", PLAN_1), 200);
	assert_answer_has(h, "3 null runs in a row failed");
}

/* ---- experiments side by side ---- */

/* Both are withdrawn, akl's first and chc's second one. */
static void
withdraw_both(struct house *h)
{
	start(h, "akl", house_tests[ONE]);
	start(h, "chc", house_tests[TWO]);
	TURN_UNTIL(h,
	    h->agents[0].withdrawn[ONE] && h->agents[1].withdrawn[TWO]);
}

static void
test_two_experiments_at_once(void **state)
{
	struct house *h = *state;

	use_ring(h);
	null_run(h);
	withdraw_both(h);
	assert_false(h->agents[0].withdrawn[TWO]);
	assert_false(h->agents[1].withdrawn[ONE]);
	TURN_UNTIL(h, running(h) == 0);
	assert_string_equal(state_of(h, 3), "done");
	assert_string_equal(state_of(h, 4), "done");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(heir_clients(h, "akl", "chc"), 4);
	assert_int_equal(heir_clients(h, "akl", "wlg"), 0);
	assert_int_equal(heir_clients(h, "chc", "wlg"), 4);
	assert_int_equal(heir_clients(h, "chc", "akl"), 0);
}

static void
assert_map_is_over(struct house *h, const char *path, const char *want)
{
	json_t *doc, *tests;
	char *text;

	assert_int_equal(get(h, path), 200);
	doc = answer_json(h);
	tests = json_object_get(json_array_get(json_object_get(doc, "maps"), 0),
	    "tests");
	text = json_dumps(tests, JSON_COMPACT);
	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
	json_decref(doc);
}

/* A map says over which test prefix it was measured, by family. */
static void
test_maps_name_their_test_prefix(void **state)
{
	static const char *const one = "{\"4\":[\"198.51.100.0/24\"],\"6\":[]}";
	static const char *const two =
	    "{\"4\":[\"203.0.113.0/24\"],\"6\":[\"2001:db8:2::/48\"]}";
	struct house *h = *state;

	h->has_more = true;
	use_ring(h);
	null_run(h);
	start(h, "akl", house_tests[ONE]);
	start(h, "chc", of_test(h, TWO, "test"));
	TURN_UNTIL(h, running(h) == 0);
	assert_map_is_over(h, "/v1/failover?site=akl", one);
	assert_map_is_over(h, "/v1/failover?site=chc", two);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	assert_map_is_over(h, "/v1/failover?site=akl", one);
	assert_map_is_over(h, "/v1/failover?site=chc", two);
	/* One of an older version of the store. */
	house_stop_controller(h);
	file_exec(&h->f, "UPDATE experiment SET test = ''");
	house_start_controller(h);
	assert_map_is_over(h, "/v1/failover?site=akl", "{\"4\":[],\"6\":[]}");
}

/* Maps over time of two test prefixes may differ because these do. */
static void
test_diff_names_both_test_prefixes(void **state)
{
	struct house *h = *state;

	use_ring(h);
	null_run(h);
	start(h, "akl", house_tests[ONE]);
	TURN_UNTIL(h, running(h) == 0);
	start(h, "akl", house_tests[ONE]);
	TURN_UNTIL(h, running(h) == 0);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/failover/diff"), 200);
	assert_answer_has(h, "\"tests_differ\":false");
	start(h, "chc", house_tests[ONE]);
	start(h, "akl", house_tests[TWO]);
	TURN_UNTIL(h, running(h) == 0);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/failover/diff"), 200);
	assert_answer_has(h,
	    "\"before_tests\":{\"4\":[\"198.51.100.0/24\"],\"6\":[]},"
	    "\"now_tests\":{\"4\":[\"203.0.113.0/24\"],\"6\":[]},"
	    "\"tests_differ\":true");
}

/* A reply counts for the experiment that it names and for no other one. */
static void
cross(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	struct sweep_job wrong = *job;

	/* The other one's number: of another round or phase, or long over. */
	wrong.experiment =
	    test_of(h, job) == ONE ? job->experiment + 1 : job->experiment - 1;
	wrong.round += 100;
	fake_reply(h, (at + 1) % SITES, &wrong, client, 0);
	ring(h, at, job, client);
}

static void
test_replies_count_for_their_own_experiment(void **state)
{
	struct house *h = *state;

	use_ring(h);
	null_run(h);
	h->twist = cross;
	start(h, "akl", house_tests[ONE]);
	start(h, "chc", house_tests[TWO]);
	TURN_UNTIL(h, running(h) == 0);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(heir_clients(h, "akl", "chc"), 4);
	assert_int_equal(heir_clients(h, "chc", "wlg"), 4);
}

/* An agent that restored one test prefix by itself spoils that experiment. */
static void
test_trouble_with_one_prefix_spoils_its_experiment(void **state)
{
	struct house *h = *state;

	use_ring(h);
	null_run(h);
	withdraw_both(h);
	h->agents[1].given_up[TWO]++;
	TURN_UNTIL(h, running(h) == 0);
	assert_string_equal(state_of(h, 4), "failed");
	assert_answer_has(h, "chc restored its test prefix");
	assert_string_equal(state_of(h, 3), "done");
}

static void
test_trouble_with_a_site_spoils_all(void **state)
{
	struct house *h = *state;

	use_ring(h);
	null_run(h);
	withdraw_both(h);
	h->agents[2].starts++;
	TURN_UNTIL(h, running(h) == 0);
	assert_string_equal(state_of(h, 3), "failed");
	assert_answer_has(h, "the prober of wlg was restarted");
	assert_string_equal(state_of(h, 4), "failed");
	TURN_UNTIL(h, !h->agents[1].withdrawn[TWO]);
}

static void
test_each_rests_by_itself(void **state)
{
	struct house *h = *state;

	h->fleet.predict.pace_ms = 3600000;
	use_ring(h);
	null_run(h);
	start(h, "akl", house_tests[ONE]);
	TURN_UNTIL(h, running(h) == 0);
	assert_true(number_of_test(h, ONE, "rest_ms") > 3500000);
	assert_true(number_of_test(h, TWO, "rest_ms") == 0);
	start(h, "akl", house_tests[TWO]);
	TURN_UNTIL(h, running(h) == 0);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_answer_has(h, "was changed lately");
	/* Also after a restart. */
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	fakes_turn(h);
	assert_true(number_of_test(h, ONE, "rest_ms") > 3500000);
	assert_true(number_of_test(h, TWO, "rest_ms") > 3500000);
	/* A null run changes nothing and may be at any time. */
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
}

/* Both are restored after the controller's end, and marked. */
static void
test_restart_buries_both(void **state)
{
	struct house *h = *state;

	use_two(h);
	null_run(h);
	start(h, "akl", house_tests[ONE]);
	start(h, "chc", house_tests[TWO]);
	TURN_UNTIL(h,
	    h->agents[0].withdrawn[ONE] && h->agents[1].withdrawn[TWO]);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	TURN_UNTIL(h,
	    !h->agents[0].withdrawn[ONE] && !h->agents[1].withdrawn[TWO]);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM experiment"
			     " WHERE id IN (3, 4) AND state = 'failed'"
			     " AND reason = 'the controller was restarted'"),
	    2);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM experiment WHERE id = 4"
			     " AND test = '203.0.113.0/24'"),
	    1);
}

/* A site that lacks the second prefix, or whose prefixes are other ones. */
static void
test_sites_may_come_and_go(void **state)
{
	struct house *h = *state;

	use_two(h);
	go_and_come_back(h);
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
	assert_int_equal(number_of_test(h, TWO, "sites"), SITES);
}

/* To withdraw one would be to withdraw the other at some site. */
static void
test_prefixes_paired_differently_are_not_used(void **state)
{
	struct house *h = *state;

	h->agents[2].pairs_both = true;
	use_two(h);
	for (size_t i = 0; i < TESTS; i++)
		assert_string_equal(of_test(h, i, "state"), "ambiguous");
	assert_int_equal(post(h, "/v1/campaign", PLAN_1), 200);
	assert_answer_has(h, "\"tests\":0,\"unchecked\":0,\"unusable\":[{");
	assert_answer_has(h, "sites pair it with different prefixes");
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	assert_answer_has(h, "sites pair it with different prefixes");
	/* Nor for a null run, and a campaign says why it waits. */
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h,
	    get(h, "/v1/campaign") == 200 &&
		strstr(h->body, "sites pair its prefixes differently") != NULL);
	assert_int_equal(running(h), 0);
	assert_int_equal(post(h, "/v1/campaign/abort", "{}"), 200);
	h->agents[2].pairs_both = false;
	fakes_turn(h);
	assert_string_equal(of_test(h, ONE, "state"), "first");
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
}

/* Withdrawn "at akl" it would be withdrawn at wlg besides. */
static void
test_one_that_a_site_lacks_is_not_used(void **state)
{
	struct house *h = *state;

	use_two(h);
	null_run(h);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	h->agents[2].lacks_second = true;
	fakes_turn(h);
	start(h, "akl", house_tests[ONE]);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_answer_has(h, "does not announce the test prefix");
	TURN_UNTIL(h, running(h) == 0);
}

/* What an agent says may be anything. */
static void
test_nonsense_of_an_agent_is_no_test_prefix(void **state)
{
	static const char *const bodies[] = { "1", "{}", "[1]", "[{}]",
		"[{\"prefixes\":1}]", "[{\"prefixes\":[]}]",
		"[{\"prefixes\":[1]}]", "[{\"prefixes\":[\"x\"]}]",
		"[{\"prefixes\":[\"10.0.0.1/8\"]}]",
		"[{\"prefixes\":[\"10.0.0.0/8\",\"11.0.0.0/8\",\"::/8\"]}]" };
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(bodies); i++) {
		char *body =
		    xasprintf("{\"boot\":\"b\",\"tests\":%s}", bodies[i]);

		assert_int_equal(post(h, "/v1/sites/akl/status", body), 200);
		assert_int_equal(get(h, "/v1/tests"), 200);
		assert_string_equal(h->body, "{\"tests\":[]}");
		free(body);
	}
	/* More than there may be: the rest is left alone. */
	assert_int_equal(post(h, "/v1/sites/akl/status",
			     "{\"boot\":\"b\",\"tests\":["
			     "{\"prefixes\":[\"10.0.0.0/24\"]},"
			     "{\"prefixes\":[\"10.0.1.0/24\"]},"
			     "{\"prefixes\":[\"10.0.2.0/24\"]},"
			     "{\"prefixes\":[\"10.0.3.0/24\"]},"
			     "{\"prefixes\":[\"10.0.4.0/24\"]}]}"),
	    200);
	assert_int_equal(get(h, "/v1/tests"), 200);
	assert_answer_has(h, "10.0.3.0/24");
	assert_null(strstr(h->body, "10.0.4.0/24"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_a_second_prefix_is_not_trusted_unseen),
		WITH_HOUSE(test_null_run_finds_them_alike),
		WITH_HOUSE(test_null_run_finds_one_that_differs),
		WITH_HOUSE(test_a_prefix_without_answers_differs),
		WITH_HOUSE(test_a_prefix_that_makes_clients_flip_differs),
		WITH_HOUSE(test_few_clients_show_nothing),
		WITH_HOUSE(test_a_verdict_is_of_families_that_were_asked),
		WITH_HOUSE(test_who_is_refused_has_asked_nobody),
		WITH_HOUSE(test_null_run_grows_old),
		WITH_HOUSE(test_one_that_comes_back_has_its_newest_verdict),
		WITH_HOUSE(test_a_verdict_is_as_old_as_it_says),
		WITH_HOUSE(test_a_verdict_is_of_those_prefixes),
		WITH_HOUSE(test_a_null_run_that_never_began_has_no_experiment),
		WITH_HOUSE(test_a_long_reason_is_told),
		WITH_HOUSE(test_two_experiments_at_once),
		WITH_HOUSE(test_maps_name_their_test_prefix),
		WITH_HOUSE(test_diff_names_both_test_prefixes),
		WITH_HOUSE(test_replies_count_for_their_own_experiment),
		WITH_HOUSE(test_trouble_with_one_prefix_spoils_its_experiment),
		WITH_HOUSE(test_trouble_with_a_site_spoils_all),
		WITH_HOUSE(test_each_rests_by_itself),
		WITH_HOUSE(test_restart_buries_both),
		WITH_HOUSE(test_sites_may_come_and_go),
		WITH_HOUSE(test_prefixes_paired_differently_are_not_used),
		WITH_HOUSE(test_one_that_a_site_lacks_is_not_used),
		WITH_HOUSE(test_nonsense_of_an_agent_is_no_test_prefix),
	};

	return house_main(tests, TEST_COUNT(tests));
}
