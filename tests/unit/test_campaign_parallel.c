/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Campaigns over several test prefixes. */
#include "test_prefixes_rig.h"

static bool
is_campaign(struct house *h, const char *state)
{
	char *want = xasprintf("\"state\":\"%s\"", state);
	json_t *doc;
	char *text;
	bool is;

	assert_int_equal(get(h, "/v1/status"), 200);
	doc = answer_json(h);
	text = json_dumps(json_object_get(doc, "campaign"), JSON_COMPACT);
	is = strstr(text, want) != NULL;
	free(text);
	json_decref(doc);
	free(want);
	return is;
}

static json_int_t
campaign_made(struct house *h)
{
	json_int_t made = 0;
	json_t *doc;

	assert_int_equal(get(h, "/v1/campaign"), 200);
	doc = answer_json(h);
	(void)json_unpack(doc, "{s:{s:I}}", "campaign", "made", &made);
	json_decref(doc);
	return made;
}

static void
test_campaign_uses_both(void **state)
{
	static const char tests[] =
	    "\"tests\":{\"4\":[\"198.51.100.0/24\",\"203.0.113.0/24\"],"
	    "\"6\":[]}";
	struct house *h = *state;
	bool was_both = false;
	json_int_t made;

	use_ring(h);
	assert_int_equal(post(h, "/v1/campaign",
			     "{\"depth\":1,\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"tests\":2");
	assert_answer_has(h, "\"unchecked\":1");
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	while (!is_campaign(h, "done")) {
		fakes_turn(h);
		if (is_campaign(h, "paused"))
			fail_msg("%s", h->body);
		was_both |= h->agents[0].experiment[ONE] != 0 &&
		    h->agents[0].experiment[TWO] != 0;
	}
	assert_true(was_both);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	/* A null run first, one of them for nothing but the comparison. */
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM experiment WHERE site = ''"
			     " AND purpose = 'null run'"
			     " AND test = '203.0.113.0/24'"),
	    1);
	assert_true(file_number(&h->f,
			"SELECT count(*) FROM experiment WHERE site <> ''"
			" AND test = '203.0.113.0/24'") > 0);
	assert_true(file_number(&h->f,
			"SELECT count(*) FROM experiment WHERE site <> ''"
			" AND test = '198.51.100.0/24'") > 0);
	assert_int_equal(heir_clients(h, "akl", "chc"), 4);
	assert_int_equal(heir_clients(h, "chc", "wlg"), 4);
	/* What is put together is of both. */
	assert_int_equal(get(h, "/v1/failover?down=akl,chc"), 200);
	assert_answer_has(h, tests);
	/* What the log teaches is the same after a restart. */
	made = campaign_made(h);
	assert_true(made >= 1 + SITES);
	house_restart_controller(h);
	TURN_UNTIL(h, is_campaign(h, "done"));
	TURN_UNTIL(h, campaign_made(h) >= made);
	/* Refused, with the reason, until it is worked out. */
	TURN_UNTIL(h, get(h, "/v1/failover?down=akl,chc") != 409);
	assert_int_equal(h->status, 200);
	assert_answer_has(h, tests);
	loop_idle(h->p.lp, 200);
	assert_int_equal(campaign_made(h), made);
}

static void
test_campaign_leaves_out_one_that_differs(void **state)
{
	struct house *h = *state;

	h->twist = otherwise;
	use_two(h);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h, is_campaign(h, "done"));
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM experiment WHERE site <> ''"
			     " AND test = '203.0.113.0/24'"),
	    0);
	assert_string_equal(of_test(h, TWO, "state"), "differs");
}

/* A site that does not hear one of them is no reason to wait. */
static void
test_campaign_goes_on_with_the_one_that_is_heard(void **state)
{
	struct house *h = *state;
	int64_t before;

	h->fleet.predict.pace_ms = 0;
	use_ring(h);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h, campaign_made(h) >= 1);
	fake_become_deaf(&h->agents[2], house_tests[ONE]);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	before = file_number(&h->f,
	    "SELECT count(*) FROM experiment WHERE test = '198.51.100.0/24'");
	TURN_UNTIL(h, is_campaign(h, "done"));
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_true(file_number(&h->f,
			"SELECT count(*) FROM experiment WHERE"
			" state = 'done' AND site <> ''"
			" AND test = '203.0.113.0/24'") > 0);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM experiment WHERE"
			     " test = '198.51.100.0/24'"),
	    before);
}

/* No sweeps are made for a comparison that cannot be; it comes when it can. */
static void
test_campaign_compares_one_when_it_is_heard(void **state)
{
	static const char null_runs[] =
	    "SELECT count(*) FROM experiment WHERE purpose = 'null run'";
	struct house *h = *state;

	h->fleet.predict.pace_ms = 0;
	use_ring(h);
	fake_become_deaf(&h->agents[2], house_tests[TWO]);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h, campaign_made(h) >= 2);
	assert_string_equal(of_test(h, TWO, "state"), "unchecked");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f, null_runs), 0);
	assert_false(is_campaign(h, "done"));
	fake_become_deaf(&h->agents[2], NULL);
	TURN_UNTIL(h, is_campaign(h, "done"));
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	assert_int_equal(file_number(&h->f, null_runs), 2);
}

static void
test_abort_ends_all_of_a_campaign(void **state)
{
	struct house *h = *state;

	use_ring(h);
	null_run(h);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h,
	    running(h) == 2 &&
		h->agents[0].withdrawn[ONE] + h->agents[1].withdrawn[ONE] +
			h->agents[2].withdrawn[ONE] >
		    0 &&
		h->agents[0].withdrawn[TWO] + h->agents[1].withdrawn[TWO] +
			h->agents[2].withdrawn[TWO] >
		    0);
	assert_int_equal(post(h, "/v1/campaign/abort", "{}"), 200);
	assert_int_equal(running(h), 0);
	fakes_turn(h);
	for (size_t i = 0; i < SITES; i++) {
		assert_false(h->agents[i].withdrawn[ONE]);
		assert_false(h->agents[i].withdrawn[TWO]);
	}
}

/* Pausing lets what runs end, on both, and begins nothing. */
static void
test_pause_and_resume_act_on_both(void **state)
{
	struct house *h = *state;
	unsigned sweeps;

	use_ring(h);
	null_run(h);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h, running(h) == 2);
	assert_int_equal(post(h, "/v1/campaign/pause", "{}"), 200);
	TURN_UNTIL(h, running(h) == 0);
	sweeps = h->sweeps;
	for (int i = 0; i < 10; i++) {
		fakes_turn(h);
		loop_idle(h->p.lp, 10);
	}
	assert_int_equal(h->sweeps, sweeps);
	assert_int_equal(post(h, "/v1/campaign/resume", "{}"), 200);
	TURN_UNTIL(h, is_campaign(h, "done"));
}

/* An old null run stops the campaign for a new one, which may tell otherwise. */
static void
test_null_run_is_repeated_in_a_campaign(void **state)
{
	struct house *h = *state;

	use_ring(h);
	null_run(h);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h, running(h) == 2);
	h->fleet.predict.null_run.every_ms = 1;
	h->twist = otherwise;
	fakes_turn(h);
	loop_idle(h->p.lp, 60);
	h->fleet.predict.null_run.every_ms = 1; /* still old */
	TURN_UNTIL(h,
	    get(h, "/v1/campaign") == 200 &&
		strstr(h->body, "null run over the test prefixes") != NULL);
	h->fleet.predict.null_run.every_ms = 3600000;
	TURN_UNTIL(h, is_campaign(h, "done"));
}

/* With few clients a campaign does with the first one, and the next campaign
 * tries again: there may be more. */
static void
test_campaign_with_few_clients_uses_the_first(void **state)
{
	struct house *h = *state;

	h->fleet.predict.null_run.min_clients = 100;
	use_ring(h);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h, is_campaign(h, "done"));
	assert_string_equal(of_test(h, TWO, "state"), "unknown");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM experiment WHERE site <> ''"
			     " AND test = '203.0.113.0/24'"),
	    0);
	/* One null run, and not again and again. */
	assert_int_equal(file_number(&h->f, "SELECT count(*) FROM null_run"),
	    1);
	assert_int_equal(heir_clients(h, "akl", "chc"), 4);
	h->fleet.predict.null_run.min_clients = 1;
	assert_string_equal(of_test(h, TWO, "state"), "unknown");
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 200);
	TURN_UNTIL(h, is_campaign(h, "done"));
	assert_string_equal(of_test(h, TWO, "state"), "alike");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_true(file_number(&h->f,
			"SELECT count(*) FROM experiment WHERE site <> ''"
			" AND test = '203.0.113.0/24'") > 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_campaign_uses_both),
		WITH_HOUSE(test_campaign_leaves_out_one_that_differs),
		WITH_HOUSE(test_campaign_goes_on_with_the_one_that_is_heard),
		WITH_HOUSE(test_campaign_compares_one_when_it_is_heard),
		WITH_HOUSE(test_abort_ends_all_of_a_campaign),
		WITH_HOUSE(test_pause_and_resume_act_on_both),
		WITH_HOUSE(test_null_run_is_repeated_in_a_campaign),
		WITH_HOUSE(test_campaign_with_few_clients_uses_the_first),
	};

	return house_main(tests, TEST_COUNT(tests));
}
