/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The intents of the controller, by its API: drains, those made at a site's own
 * console, overrides and freezes.
 */
#include "fleet/controller.h"

#include "controller_rig.h"
#include "fleet/controller_state.h"
#include "store/intent_row.h"
#include "test.h"

#define ALPHA                                                                  \
	"{\"id\":\"at-akl\",\"kind\":\"drain\",\"site\":\"akl\","              \
	"\"reason\":\"console\",\"actor\":\"uid 0\",\"created_ms\":5,"         \
	"\"until_ms\":0,\"ended_ms\":%s,\"ended_by\":\"%s\"}"

/* ---- intents ---- */

static void
test_drain_and_restore(void **state)
{
	struct house *h = *state;

	fakes_turn(h);
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"reason\":\"work\",\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"intent\":null");
	assert_answer_has(h, "- route 192.0.2.0/24");
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"reason\":\"work\"}"),
	    200);
	assert_answer_has(h, "\"from\":\"announced\",\"to\":\"withdrawn\"");
	assert_answer_has(h, "\"landing\":null");
	/* Durable when it is answered. */
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM intent WHERE "
			     "site = 'akl' AND ended_ms = 0"),
	    1);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{}"), 409);
	assert_answer_has(h, "drained already by uid");
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"reason\":\"work\"");
	assert_int_equal(post(h, "/v1/sites/akl/restore", ""), 200);
	assert_int_equal(post(h, "/v1/sites/akl/restore", ""), 409);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
	assert_answer_has(h, "\"ended\":[\"drain-akl-");
	assert_int_equal(post(h, "/v1/sites/xyz/drain", ""), 404);
	assert_answer_has(h, "known: akl chc wlg");
}

/* One that goes by steps is hastened by one beside it, once. */
static void
test_a_drain_is_hastened(void **state)
{
	struct house *h = *state;

	fakes_turn(h);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"reason\":\"a\"}"),
	    200);
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"reason\":\"b\",\"at_once\":true}"),
	    200);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"reason\":\"a\"");
	assert_answer_has(h, "\"reason\":\"b\"");
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"at_once\":true}"),
	    409);
	assert_answer_has(h, "drained already by");
	assert_answer_has(h, ": b (");
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{}"), 409);
	/* Both are the site's drain. */
	assert_int_equal(post(h, "/v1/sites/akl/restore", ""), 200);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
}

static void
test_drains_that_are_refused(void **state)
{
	static const char *const bad[] = { "[]", "{\"reason\":1}",
		"{\"for_ms\":-1}", "{\"for_ms\":31622400001}",
		"{\"for_ms\":\"1\"}", "{\"dry_run\":1}", "{\"what\":1}",
		"{\"reason\":null}" };
	struct house *h = *state;
	char text[400];

	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		assert_int_equal(post(h, "/v1/sites/akl/drain", bad[i]), 400);
	(void)snprintf(text, sizeof(text), "{\"reason\":\"%0*d\"}",
	    INTENT_REASON_BYTES, 0);
	assert_int_equal(post(h, "/v1/sites/akl/drain", text), 400);
	(void)snprintf(text, sizeof(text), "{\"reason\":\"%0*d\"}",
	    INTENT_REASON_BYTES - 1, 0);
	assert_int_equal(post(h, "/v1/sites/akl/drain", text), 200);
}

static void
test_drain_for_a_time_ends_by_itself(void **state)
{
	struct house *h = *state;

	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"for_ms\":150}"),
	    200);
	WAIT_FOR(h->p.lp,
	    get(h, "/v1/sites/akl/orders?after=0") == 200 &&
		strstr(h->body, "\"intents\":[]") != NULL);
	assert_answer_has(h, "\"ended\":[\"drain-akl-");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/events?subject=site/akl"), 200);
	assert_answer_has(h, "its time is over");
}

/* It fell due while no controller was there: the first orders know. */
static void
test_a_drain_that_is_over_is_not_ordered(void **state)
{
	struct house *h = *state;
	struct intent over = intent_new_drain("akl", "", "", 1, 1);
	struct store_intent row = intent_to_row(&over);
	const json_t *orders;

	house_stop_controller(h);
	store_put_intent(h->p.store, &row, NULL, NULL);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_start_controller(h);
	orders = h->c->sites[0].orders;
	assert_int_equal(json_array_size(json_object_get(orders, "intents")),
	    0);
	assert_string_equal(json_string_value(json_array_get(
				json_object_get(orders, "ended"), 0)),
	    over.id);
}

static void
report_intent(struct house *h, size_t site, const char *ended_ms,
    const char *ended_by)
{
	char *text = xasprintf("[" ALPHA "]", ended_ms, ended_by);
	struct fake *a = &h->agents[site];

	json_decref(a->intents);
	a->intents = json_loads(text, 0, NULL);
	assert_non_null(a->intents);
	free(text);
	assert_int_equal(fake_post_status(a), 200);
}

/* Made at the site's own console while we were out of reach. */
static void
test_intents_of_a_console_are_merged(void **state)
{
	struct house *h = *state;
	char now[32];

	report_intent(h, 0, "0", "");
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"id\":\"at-akl\"");
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"state\":\"draining\"");
	(void)snprintf(now, sizeof(now), "%lld", (long long)wall_now_ms());
	report_intent(h, 0, now, "uid 7");
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"ended\":[\"at-akl\"]");
	/* What was ended once stays ended. */
	report_intent(h, 0, "0", "");
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
}

static void
test_site_speaks_for_itself_only(void **state)
{
	struct house *h = *state;

	report_intent(h, 1, "0", "");
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
	assert_int_equal(get(h, "/v1/sites/chc/orders?after=0"), 200);
	assert_answer_has(h, "\"intents\":[]");
}

/* What everybody else has forgotten does not come back for ever. */
static void
test_intent_ended_long_ago_is_not_new(void **state)
{
	struct house *h = *state;
	uint64_t before;

	assert_int_equal(fake_post_status(&h->agents[0]), 200);
	before = revision_of(h, "akl");
	report_intent(h, 0, "1000", "uid 7");
	assert_int_equal(revision_of(h, "akl"), before);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(file_number(&h->f, "SELECT count(*) FROM intent"), 0);
}

/* The set is full: that must be said, not passed over. */
/* A site with as many rows as anybody takes. */
static void
report_many(struct house *h, json_int_t ended_ms)
{
	struct fake *a = &h->agents[0];
	uint64_t before;

	a->intents = json_array();
	for (int i = 0; i < INTENTS_MAX; i++) {
		json_array_append_new(a->intents,
		    json_pack("{s:o, s:s, s:s, s:I}", "id",
			json_sprintf("i%d", i), "kind", "drain", "site", "akl",
			"ended_ms", ended_ms));
	}
	/* In one go: the controller must not work through them one by one,
	 * with all others' orders waiting. */
	before = revision_of(h, "akl");
	assert_int_equal(fake_post_status(a), 200);
	assert_in_range(revision_of(h, "akl"), before + 1, before + 3);
}

/* However much somebody drained and restored, guards work, and drains. */
static void
test_many_that_ended_stand_in_nobodys_way(void **state)
{
	struct house *h = *state;
	uint64_t before;

	report_many(h, wall_now_ms());
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    200);
	assert_int_equal(post(h, "/v1/sites/chc/drain", ""), 200);
	assert_int_equal(post(h, "/v1/sites/chc/restore", ""), 200);
	assert_int_equal(post(h, "/v1/freeze",
			     "{\"site\":\"*\",\"reason\":\"the loop\"}"),
	    200);
	/* The site tells of all again, and of nothing new.  (The guards have
	 * seen what was drained when somebody has asked.) */
	assert_int_equal(get(h, "/v1/status"), 200);
	before = revision_of(h, "akl");
	assert_int_equal(fake_post_status(&h->agents[0]), 200);
	assert_int_equal(revision_of(h, "akl"), before);
	/* It has not heard of the end of one that we know no more. */
	json_object_set_new(json_array_get(h->agents[0].intents, 0), "ended_ms",
	    json_integer(0));
	assert_int_equal(fake_post_status(&h->agents[0]), 200);
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_answer_has(h, "\"i0\"");
	assert_null(strstr(h->body, "\"kind\":\"drain\""));
}

/* Those that are active leave room for what stops changes. */
static void
test_full_set_refuses_a_drain(void **state)
{
	struct house *h = *state;

	report_many(h, 0);
	assert_int_equal(post(h, "/v1/sites/chc/drain", ""), 409);
	assert_answer_has(h, "which is the most");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    200);
	assert_int_equal(post(h, "/v1/freeze",
			     "{\"site\":\"*\",\"reason\":\"storm\"}"),
	    200);
	assert_int_equal(post(h, "/v1/thaw", "{\"site\":\"*\"}"), 200);
	assert_int_equal(post(h, "/v1/override/end",
			     "{\"guard\":\"budget\",\"site\":\"akl\"}"),
	    200);
	assert_int_equal(post(h, "/v1/sites/akl/restore", "{}"), 200);
	assert_int_equal(post(h, "/v1/sites/chc/drain", ""), 200);
}

/* ---- guards by hand ---- */

/* Whatever is missing or empty: nothing is selected, never all. */
static void
test_empty_selectors_select_nothing(void **state)
{
	static const struct {
		const char *path, *body;
		int status;
	} asked[] = {
		{ "/v1/sites//drain", "{}", 404 },
		{ "/v1/sites//restore", "{}", 404 },
		{ "/v1/sites/drain", "{}", 404 },
		{ "/v1/sites/*/drain", "{}", 404 },
		{ "/v1/sites/*/restore", "{\"all\":true}", 404 },
		{ "/v1/sites/akl/drain", "{\"service\":\"\"}", 400 },
		{ "/v1/sites/akl/drain", "{\"prefix\":\"\"}", 400 },
		{ "/v1/sites/akl/restore", "{\"service\":\"\"}", 400 },
		{ "/v1/override", "{}", 400 },
		{ "/v1/override",
		    "{\"guard\":\"budget\",\"reason\":\"r\",\"for_ms\":1000}",
		    400 },
		{ "/v1/override",
		    "{\"guard\":\"budget\",\"site\":\"\",\"reason\":\"r\","
		    "\"for_ms\":1000}",
		    400 },
		{ "/v1/override",
		    "{\"guard\":\"\",\"site\":\"akl\",\"reason\":\"r\","
		    "\"for_ms\":1000}",
		    400 },
		{ "/v1/override/end", "{\"guard\":\"budget\"}", 400 },
		{ "/v1/override/end", "{\"guard\":\"budget\",\"site\":\"\"}",
		    400 },
		{ "/v1/freeze", "{\"reason\":\"r\"}", 400 },
		{ "/v1/freeze", "{\"reason\":\"r\",\"site\":\"\"}", 400 },
		{ "/v1/freeze", "{\"reason\":\"r\",\"site\":null}", 400 },
		{ "/v1/thaw", "{}", 400 },
		{ "/v1/thaw", "{\"site\":\"\"}", 400 },
		{ "/v1/experiments", "{\"site\":\"\"}", 400 },
		{ "/v1/experiments", "{}", 400 },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(asked); i++) {
		int got = post(h, asked[i].path, asked[i].body);

		if (got != asked[i].status) {
			print_error("%s %s: %s\n", asked[i].path, asked[i].body,
			    h->body);
		}
		assert_int_equal(got, asked[i].status);
	}
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"intents\":[]");
	assert_null(strstr(h->body, "\"kind\""));
}

static void
test_override_is_recorded_and_limited(void **state)
{
	struct house *h = *state;

	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"min_site\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    400);
	assert_answer_has(h, "no such guard");
	assert_answer_has(h, "min_sites min_capacity budget");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\"}"),
	    400);
	assert_answer_has(h, "needs a time");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"for_ms\":60000}"),
	    400);
	assert_answer_has(h, "needs a reason");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":700000000}"),
	    400);
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    200);
	assert_answer_has(h, "\"scope\":\"guard/budget\"");
	assert_answer_has(h, "\"kind\":\"override\"");
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"akl\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    409);
	/* The agent hears of it. */
	assert_true(fake_poll(&h->agents[0]));
	assert_answer_has(h, "guard/budget");
	assert_int_equal(post(h, "/v1/override/end",
			     "{\"guard\":\"budget\",\"site\":\"chc\"}"),
	    409);
	assert_int_equal(post(h, "/v1/override/end",
			     "{\"guard\":\"budget\",\"site\":\"akl\"}"),
	    200);
	assert_answer_has(h, "\"ended\":[{");
}

static void
test_frozen_nothing_is_drained_or_restored(void **state)
{
	struct house *h = *state;

	assert_int_equal(post(h, "/v1/sites/chc/drain", "{}"), 200);
	assert_int_equal(post(h, "/v1/freeze",
			     "{\"site\":\"*\",\"reason\":\"storm\"}"),
	    200);
	assert_answer_has(h, "\"id\":\"freeze-fleet-");
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{}"), 409);
	assert_answer_has(h, "guard freeze: the fleet is frozen by");
	assert_answer_has(h, "storm");
	assert_int_equal(post(h, "/v1/sites/chc/restore", "{}"), 409);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 409);
	assert_answer_has(h, "guard freeze");
	/* Every agent hears of it, and the status shows it. */
	for (size_t i = 0; i < SITES; i++) {
		assert_true(fake_poll(&h->agents[i]));
		assert_answer_has(h, "\"kind\":\"freeze\"");
	}
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"kind\":\"freeze\"");
	/* No site has told of its BIRD yet. */
	assert_answer_has(h, "\"bird\":{\"state\":\"unknown\"");
	assert_int_equal(fake_post_status(&h->agents[0]), 200);
	/* Forced: what it changes is told as it will be. */
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"force\":\"freeze\",\"reason\":\"fire\","
			     "\"for_ms\":60000,\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"to\":\"withdrawn\"");
	/* It is recorded as an override. */
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"force\":\"freeze\",\"reason\":\"fire\","
			     "\"for_ms\":60000}"),
	    200);
	assert_true(fake_poll(&h->agents[0]));
	assert_answer_has(h, "\"scope\":\"guard/freeze\"");
	/* A freeze of the fleet is not ended by thawing a site. */
	assert_int_equal(post(h, "/v1/thaw", "{\"site\":\"akl\"}"), 409);
	assert_int_equal(post(h, "/v1/thaw", "{\"site\":\"*\"}"), 200);
	assert_int_equal(post(h, "/v1/sites/chc/restore", "{}"), 200);
	assert_true(fake_poll(&h->agents[1]));
	assert_answer_has(h, "\"ended\":[\"");
}

/* What was forced for a drain is over with it, and the restore says so. */
static void
test_force_ends_with_the_drain(void **state)
{
	static const char forced[] =
	    "{\"force\":\"freeze,min_sites\",\"reason\":\"fire\","
	    "\"for_ms\":60000}";
	struct house *h = *state;

	h->fleet.guards = (struct conf_guards){ .min_sites = 2 };
	house_restart_controller(h);
	fakes_turn(h);
	assert_int_equal(post(h, "/v1/freeze",
			     "{\"site\":\"*\",\"reason\":\"storm\"}"),
	    200);
	assert_int_equal(post(h, "/v1/sites/akl/drain", forced), 200);
	h->agents[0].is_gone = true;
	assert_int_equal(fake_post_status(&h->agents[0]), 200);
	assert_int_equal(post(h, "/v1/sites/akl/restore", "{}"), 200);
	assert_answer_has(h, "\"scope\":\"guard/freeze\"");
	assert_answer_has(h, "\"scope\":\"guard/min_sites\"");
	/* It comes back although the freeze holds, but nothing else goes. */
	assert_answer_has(h, "\"to\":\"announced\"");
	assert_null(strstr(h->body, "a freeze began after"));
	assert_int_equal(get(h, "/v1/sites/akl/orders?after=0"), 200);
	assert_null(strstr(h->body, "\"kind\":\"override\""));
	assert_answer_has(h, "-min_sites\"");
	h->agents[0].is_gone = false;
	fakes_turn(h);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{}"), 409);
	assert_answer_has(h, "guard freeze");
	assert_int_equal(post(h, "/v1/thaw", "{\"site\":\"*\"}"), 200);
	/* Three well sites announce it: one of them can go. */
	assert_int_equal(post(h, "/v1/sites/chc/drain", "{\"dry_run\":true}"),
	    200);
}

/* A freeze that found it withdrawn keeps it so: that is not left unsaid. */
static void
test_a_restore_that_a_later_freeze_keeps(void **state)
{
	struct house *h = *state;
	int64_t drained_ms;

	fakes_turn(h);
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"force\":\"freeze\",\"reason\":\"fire\","
			     "\"for_ms\":60000}"),
	    200);
	drained_ms = wall_now_ms();
	h->agents[0].is_gone = true;
	assert_int_equal(fake_post_status(&h->agents[0]), 200);
	WAIT_FOR(h->p.lp, wall_now_ms() > drained_ms);
	assert_int_equal(post(h, "/v1/freeze",
			     "{\"site\":\"akl\",\"reason\":\"storm\"}"),
	    200);
	assert_int_equal(post(h, "/v1/sites/akl/restore", "{}"), 200);
	assert_answer_has(h, "a freeze began after the drain");
	assert_answer_has(h, "\"changes\":[]");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_drain_and_restore),
		WITH_HOUSE(test_a_drain_is_hastened),
		WITH_HOUSE(test_drains_that_are_refused),
		WITH_HOUSE(test_drain_for_a_time_ends_by_itself),
		WITH_HOUSE(test_a_drain_that_is_over_is_not_ordered),
		WITH_HOUSE(test_intents_of_a_console_are_merged),
		WITH_HOUSE(test_site_speaks_for_itself_only),
		WITH_HOUSE(test_intent_ended_long_ago_is_not_new),
		WITH_HOUSE(test_many_that_ended_stand_in_nobodys_way),
		WITH_HOUSE(test_full_set_refuses_a_drain),
		WITH_HOUSE(test_empty_selectors_select_nothing),
		WITH_HOUSE(test_override_is_recorded_and_limited),
		WITH_HOUSE(test_frozen_nothing_is_drained_or_restored),
		WITH_HOUSE(test_force_ends_with_the_drain),
		WITH_HOUSE(test_a_restore_that_a_later_freeze_keeps),
	};

	return house_main(tests, TEST_COUNT(tests));
}
