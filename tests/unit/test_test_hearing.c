/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sites that would hear no replies: what is refused, spoilt and told. */
#include "fleet/test_hearing.h"

#include "experiment_rig.h"
#include "fleet/controller_state.h"
#include "fleet/test_prefix.h"
#include "store/utf8.h"

static void
assert_refusal(struct house *h, const char *path, const char *body)
{
	assert_int_equal(post(h, path, body), 409);
	assert_answer_has(h,
	    "site wlg: hears no replies to 198.51.100.0/24: there are only "
	    "raw sockets, and it is not local: " HOUSE_REMEDY);
}

/* Be it an heir or one that is withdrawn: by name, with what mends it. */
static void
test_no_experiment_is_started_blind(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	fake_become_deaf(&h->agents[2], house_tests[0]);
	assert_refusal(h, "/v1/experiments", "{\"site\":\"akl\"}");
	assert_refusal(h, "/v1/experiments", "{\"site\":\"wlg\"}");
	assert_refusal(h, "/v1/tests/null-run", "{}");
	assert_refusal(h, "/v1/campaign", "{\"depth\":1}");
	/* A plan begins nothing: it warns. */
	assert_int_equal(post(h, "/v1/campaign",
			     "{\"depth\":1,\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"unheard\":[{\"site\":\"wlg\"");
	assert_answer_has(h, HOUSE_REMEDY);
	assert_int_equal(h->sweeps, 0);
	fake_become_deaf(&h->agents[2], NULL);
	assert_int_equal(post(h, "/v1/campaign",
			     "{\"depth\":1,\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"unheard\":[]");
	start(h);
	run_until(h, 1, "done");
	check_known_map(h, 1);
}

/* What is deaf to others' prefixes, or has no test prefix, harms nobody. */
static void
test_only_who_takes_part_has_to_hear(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	fake_become_deaf(&h->agents[2], "192.0.2.0/24");
	h->agents[1].more = json_pack("{s:[], s:[]}", "tests", "prefixes");
	fake_become_deaf(&h->agents[1], house_tests[0]);
	start(h);
}

/* Nobody is asked over IPv6. */
static void
test_a_family_that_is_not_asked_need_not_be_heard(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	h->n_tests = TESTS;
	h->has_more = true;
	fakes_turn(h);
	fake_become_deaf(&h->agents[2], "2001:db8:2::/48");
	assert_int_equal(post(h, "/v1/clients?upload=u&part=0&last=1",
			     "203.0.113.9\n"),
	    200);
	assert_int_equal(post(h, "/v1/campaign",
			     "{\"depth\":1,\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"unheard\":[]");
	house_load_clients(h);
	assert_int_equal(post(h, "/v1/campaign",
			     "{\"depth\":1,\"dry_run\":true}"),
	    200);
	assert_answer_has(h,
	    "\"test\":\"203.0.113.0/24,2001:db8:2::/48\",\"prefix\":"
	    "\"2001:db8:2::/48\"");
}

/* The route may go while it runs, or the rings not come about. */
static void
test_an_experiment_that_goes_deaf_is_spoilt(void **state)
{
	static const char *const at[] = { "baseline", "settle", "verify" };
	struct house *h = *state;

	h->fleet.predict.pace_ms = 0;
	house_get_ready(h);
	for (unsigned i = 0; i < TEST_COUNT(at); i++) {
		start(h);
		run_until(h, i + 1, at[i]);
		fake_become_deaf(&h->agents[2], house_tests[0]);
		assert_string_equal(state_of(h, i + 1), "failed");
		assert_answer_has(h, "wlg hears no replies to 198.51.100.0/24");
		assert_answer_has(h, HOUSE_REMEDY);
		fakes_turn(h);
		assert_false(h->agents[0].is_withdrawn);
		fake_become_deaf(&h->agents[2], NULL);
	}
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f, "SELECT count(*) FROM heir"), 0);
}

/* ---- packets of another layout ---- */

static void
tell_layout(struct fake *a, const char *layout)
{
	a->layout = layout;
	assert_int_equal(fake_post_status(a), 200);
}

static void
assert_other_layouts(struct house *h, const char *path, const char *body)
{
	assert_int_equal(post(h, path, body), 409);
	assert_answer_has(h,
	    "packet layout: the controller's is " SWEEP_LAYOUT
	    ", not so at chc (not told), wlg (ACS1): all must run one build");
}

/* An upgrade under way: one site has an old build, one the one before that, which
 * does not tell. */
static void
test_no_experiment_is_started_among_builds(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_null(strstr(h->body, "other_layout"));
	tell_layout(&h->agents[1], NULL);
	tell_layout(&h->agents[2], "ACS1");
	assert_other_layouts(h, "/v1/experiments", "{\"site\":\"akl\"}");
	assert_other_layouts(h, "/v1/experiments", "{\"site\":\"wlg\"}");
	assert_other_layouts(h, "/v1/tests/null-run", "{}");
	assert_other_layouts(h, "/v1/campaign", "{\"depth\":1}");
	assert_int_equal(h->sweeps, 0);
	assert_int_equal(post(h, "/v1/campaign",
			     "{\"depth\":1,\"dry_run\":true}"),
	    200);
	assert_answer_has(h,
	    "\"unheard\":[{\"site\":\"chc\",\"test\":\"198.51.100.0/24\","
	    "\"prefix\":\"198.51.100.0/24\",\"reason\":\"its packet layout is "
	    "not told, the controller's is " SWEEP_LAYOUT
	    "\",\"remedy\":\"all must run one build\"},{\"site\":\"wlg\"");
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h,
	    "\"other_layout\":\"hears no replies: its packet layout is ACS1, "
	    "the controller's is " SWEEP_LAYOUT ": all must run one build\"");
	assert_answer_has(h, "\"layout\":\"" SWEEP_LAYOUT "\"");
	/* Who has no test prefix harms nobody. */
	tell_layout(&h->agents[1], SWEEP_LAYOUT);
	h->agents[2].more = json_pack("{s:[], s:[]}", "tests", "prefixes");
	assert_int_equal(fake_post_status(&h->agents[2]), 200);
	assert_int_equal(post(h, "/v1/campaign",
			     "{\"depth\":1,\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"unheard\":[]");
	start(h);
}

static void
test_an_experiment_that_gets_another_build_is_spoilt(void **state)
{
	struct house *h = *state;

	house_get_ready(h);
	start(h);
	run_until(h, 1, "settle");
	tell_layout(&h->agents[2], "ACS3");
	assert_string_equal(state_of(h, 1), "failed");
	assert_answer_has(h, "wlg hears no replies: its packet layout is ACS3");
	fakes_turn(h);
	assert_false(h->agents[0].is_withdrawn);
}

/* Cut between two names, and what has to be done is always told. */
static void
test_a_large_fleet_is_named_in_part(void **state)
{
	struct house *h = *state;
	struct fleet_site sites[50];
	char names[TEST_COUNT(sites)][8];
	struct controller c;
	struct err err;

	house_get_ready(h);
	tell_layout(&h->agents[2], "ACS1");
	c = *h->c;
	c.sites = sites;
	c.n_sites = TEST_COUNT(sites);
	for (size_t i = 0; i < TEST_COUNT(sites); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "pop%02zu", i);
		sites[i] = h->c->sites[2];
		sites[i].name = names[i];
	}
	assert_int_equal(test_hearing_check(&c, c.tests[0], NULL), -1);
	assert_int_equal(test_hearing_check(&c, c.tests[0], &err), -1);
	assert_non_null(strstr(err.msg, " pop00 (ACS1), pop01 (ACS1), "));
	assert_non_null(strstr(err.msg,
	    ", pop12 (ACS1) and 37 more: all must run one build, or"));
}

/* The words are the agent's: cut where they must be, they stay JSON; and what is
 * no list tells nothing. */
static void
test_an_agent_may_say_anything(void **state)
{
	static const char *const texts[] = { "1", "[1, {}, null]",
		"[{\"prefix\": 1}]", "{\"prefix\": \"198.51.100.0/24\"}",
		"[{\"prefix\": \"\", \"reason\": \"\", \"remedy\": []}]" };
	struct house *h = *state;
	char reason[512] = "x";
	struct err err;

	for (size_t i = 1; i + 2 < sizeof(reason); i += 2) {
		reason[i] = '\xc3';
		reason[i + 1] = '\xbc';
	}
	house_get_ready(h);
	start(h);
	run_until(h, 1, "settle");
	fake_become_deaf_by(&h->agents[2], house_tests[0], reason);
	assert_string_equal(state_of(h, 1), "failed");
	assert_answer_has(h, "wlg hears no replies to 198.51.100.0/24: x");
	assert_answer_has(h, HOUSE_REMEDY);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"state\":\"failed\"");
	for (size_t i = 0; i < TEST_COUNT(texts); i++) {
		json_decref(h->agents[2].unheard);
		h->agents[2].unheard =
		    json_loads(texts[i], JSON_DECODE_ANY, NULL);
		assert_non_null(h->agents[2].unheard);
		assert_int_equal(fake_post_status(&h->agents[2]), 200);
		assert_int_equal(post(h, "/v1/campaign",
				     "{\"depth\":1,\"dry_run\":true}"),
		    200);
		assert_answer_has(h, "\"unheard\":[]");
	}
	tell_layout(&h->agents[2], reason);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":1}"), 409);
	assert_answer_has(h, " at wlg (x");
	assert_int_equal(test_hearing_check(h->c, h->c->tests[0], &err), -1);
	assert_true(utf8_is_text(err.msg, strlen(err.msg)));
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "hears no replies: its packet layout is x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_no_experiment_is_started_blind),
		WITH_HOUSE(test_only_who_takes_part_has_to_hear),
		WITH_HOUSE(test_a_family_that_is_not_asked_need_not_be_heard),
		WITH_HOUSE(test_an_experiment_that_goes_deaf_is_spoilt),
		WITH_HOUSE(test_no_experiment_is_started_among_builds),
		WITH_HOUSE(
		    test_an_experiment_that_gets_another_build_is_spoilt),
		WITH_HOUSE(test_a_large_fleet_is_named_in_part),
		WITH_HOUSE(test_an_agent_may_say_anything),
	};

	return house_main(tests, TEST_COUNT(tests));
}
