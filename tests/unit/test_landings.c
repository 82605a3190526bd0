/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real withdrawals beside their predictions: once each, over restarts. */
#include "campaign_rig.h"
#include "feeds/feed_wire.h"

/* Nobody saw where users went: said, not guessed. */
static void
test_withdrawal_without_feeds(void **state)
{
	struct house *h = *state;

	h->fleet.predict.landing_after_ms = 50;
	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	assert_int_equal(get(h, "/v1/landings"), 200);
	assert_string_equal(h->body, "{\"landings\":[]}");
	h->agents[1].is_drained = true;
	run_until(h, "/v1/landings", "\"down\":\"chc\"");
	assert_answer_has(h, "\"displaced\":4");
	assert_answer_has(h, "\"seen\":0");
	run_until(h, "/v1/events?after=-1&limit=5", "no displaced client");
}

/* How much later it is by the sites' clocks. */
static int64_t ahead_s;

/* A feed's list of a site: these clients, sorted, seen just now. */
static void
report_seen(struct house *h, const char *site, const char *const addrs[],
    uint32_t n, int64_t last_seen)
{
	struct client c[4] = { 0 };
	uint8_t *buf = xcalloc(1, FEED_PART_BYTES_MAX);
	struct feed_part part = { .serial = 1,
		.total = n,
		.half_life_ms = 86400000,
		.clock_s = (uint32_t)(wall_now_ms() / 1000 + ahead_s) };
	char *path = xasprintf("/v1/sites/%s/clients", site);
	size_t len;

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(addr_parse(addrs[i], &c[i].addr, NULL), 0);
		c[i].weight = 1;
		c[i].last_seen = last_seen + ahead_s;
	}
	len = feed_part_encode(&part, c, buf);
	assert_int_equal(ask_bytes(h, path, buf, len), 204);
	free(path);
	free(buf);
}

/* chc's four clients: two come to wlg, as predicted, one to akl, and one is seen
 * at both.  What was seen before the withdrawal says nothing. */
static void
check_withdrawal_with_feeds(struct house *h, int64_t wlg_ahead_s,
    int64_t chc_ahead_s)
{
	static const char *const at_wlg[] = { "203.0.113.2", "2001:db8:1::8",
		"2001:db8:1::b" };
	static const char *const at_akl[] = { "203.0.113.5", "2001:db8:1::b" };
	static const char *const before[] = { "203.0.113.2", "203.0.113.5" };
	int64_t now;

	h->fleet.predict.landing_after_ms = 50;
	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	now = wall_now_ms() / 1000;
	ahead_s = wlg_ahead_s;
	report_seen(h, "wlg", at_wlg, 3, now + 60);
	ahead_s = 0;
	report_seen(h, "akl", at_akl, 2, now + 60);
	ahead_s = chc_ahead_s;
	report_seen(h, "chc", before, 2, now - 60);
	ahead_s = 0;
	h->agents[1].is_drained = true;
	run_until(h, "/v1/landings", "\"down\":\"chc\"");
	assert_answer_has(h, "\"displaced\":4,\"seen\":3,\"agreed\":2");
	assert_answer_has(h, "\"remained\":0,\"several\":1");
	assert_answer_has(h, "\"weight_seen\":12.0,\"weight_agreed\":11.0");
	assert_answer_has(h, "\"heir\":\"wlg\",\"predicted\":1.0");
	/* One withdrawal, one comparison; another set is another one. */
	h->agents[2].is_drained = true;
	run_until(h, "/v1/landings", "\"down\":\"chc,wlg\"");
	h->agents[1].is_drained = h->agents[2].is_drained = false;
	for (int i = 0; i < 5; i++)
		fakes_turn(h);
	assert_int_equal(get(h, "/v1/landings?limit=1"), 200);
	assert_answer_has(h, "\"id\":2,");
}

static void
test_withdrawal_with_feeds(void **state)
{
	check_withdrawal_with_feeds(*state, 0, 0);
}

/* Nobody has landed or remained by a clock that is wrong. */
static void
test_withdrawal_beside_wrong_clocks(void **state)
{
	check_withdrawal_with_feeds(*state, -3600, 3600);
}

/* Of clients that weigh nothing no share of the weight is told. */
static void
test_withdrawal_of_no_weight(void **state)
{
	static const char *const at_wlg[] = { "203.0.113.2", "203.0.113.5" };
	struct house *h = *state;
	char list[CLIENTS * 20] = "";

	h->fleet.predict.landing_after_ms = 50;
	h->twist = ring;
	for (unsigned i = 0; i < CLIENTS; i++) {
		size_t len = strlen(list);

		(void)snprintf(list + len, sizeof(list) - len,
		    "203.0.113.%u,0\n", i + 1);
	}
	assert_int_equal(post(h, "/v1/clients?upload=t&part=0&last=1", list),
	    200);
	fakes_turn(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 200);
	run_until(h, "/v1/experiments/1", "\"state\":\"done\"");
	report_seen(h, "wlg", at_wlg, 2, wall_now_ms() / 1000 + 60);
	h->agents[1].is_drained = true;
	run_until(h, "/v1/landings", "\"down\":\"chc\"");
	assert_answer_has(h, "\"seen\":2,\"agreed\":2");
	run_until(h, "/v1/events?after=-1&limit=5",
	    "not compared: the displaced clients seen have no weight");
}

/* Without a campaign the map of the one experiment is the prediction. */
static void
test_withdrawal_beside_one_experiment(void **state)
{
	static const char *const at_wlg[] = { "203.0.113.2", "2001:db8:1::8" };
	static const char *const at_akl[] = { "203.0.113.5" };
	struct house *h = *state;
	int64_t now = wall_now_ms() / 1000;

	h->fleet.predict.landing_after_ms = 50;
	h->twist = ring;
	house_get_ready(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 200);
	run_until(h, "/v1/experiments/1", "\"state\":\"done\"");
	report_seen(h, "wlg", at_wlg, 2, now + 60);
	report_seen(h, "akl", at_akl, 1, now + 60);
	h->agents[1].is_drained = true;
	run_until(h, "/v1/landings", "\"down\":\"chc\"");
	assert_answer_has(h,
	    "\"label\":\"measured\",\"experiment\":1,\"campaign\":0");
	assert_answer_has(h, "\"displaced\":4,\"seen\":3,\"agreed\":2");
	/* Nothing was predicted for two. */
	h->agents[2].is_drained = true;
	for (int i = 0; i < 5; i++)
		fakes_turn(h);
	assert_int_equal(get(h, "/v1/landings"), 200);
	assert_null(strstr(h->body, "chc,wlg"));
}

/* An experiment by hand is newer than the campaign: its map is what is held
 * against the withdrawal, not the campaign's word under its name. */
static void
test_withdrawal_beside_the_newer_map(void **state)
{
	static const char *const at_akl[] = { "203.0.113.2" };
	struct house *h = *state;
	int64_t now = wall_now_ms() / 1000;

	h->fleet.predict.landing_after_ms = 50;
	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	h->twist = back; /* since then the Internet has changed */
	while (post(h, "/v1/experiments", "{\"site\":\"chc\"}") != 200)
		fakes_turn(h);
	assert_int_equal(get(h, "/v1/status"), 200);
	run_until(h, "/v1/failover?down=chc", "\"campaign\":0");
	report_seen(h, "akl", at_akl, 1, now + 60);
	h->agents[1].is_drained = true;
	run_until(h, "/v1/landings", "\"down\":\"chc\"");
	assert_answer_has(h, "\"seen\":1,\"agreed\":1");
	assert_answer_has(h, "\"campaign\":0");
}

static size_t
count_landings(struct house *h)
{
	json_t *doc;
	size_t n;

	assert_int_equal(get(h, "/v1/landings"), 200);
	doc = answer_json(h);
	n = json_array_size(json_object_get(doc, "landings"));
	json_decref(doc);
	return n;
}

static void
turn_often(struct house *h)
{
	for (int i = 0; i < 5; i++) {
		fakes_turn(h);
		loop_idle(h->p.lp, 60); /* the controller's tick */
	}
}

/* Until a restarted controller knows again what was predicted of any set. */
static void
read_back(struct house *h)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (get(h, "/v1/failover?down=akl,chc") != 200) {
		assert_true(mono_before(mono_now(), end));
		fakes_turn(h);
	}
}

static void
measure_all(struct house *h)
{
	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
}

/* As if chc had been withdrawn so much earlier. */
static void
let_pass(struct house *h, int seconds)
{
	char *sql;

	house_stop_controller(h);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM guard_state"
			     " WHERE name = 'landing'"),
	    1);
	sql = xasprintf("UPDATE guard_state SET json = json_set(json,"
			" '$.age_ms', json_extract(json, '$.age_ms') + %d,"
			" '$.since_ms', json_extract(json, '$.since_ms') - %d)"
			" WHERE name = 'landing'",
	    seconds * 1000, seconds * 1000);
	file_exec(&h->f, sql);
	free(sql);
	house_start_controller(h);
}

static json_int_t
since_of_newest(struct house *h)
{
	json_t *doc;
	json_int_t since_ms;

	assert_int_equal(get(h, "/v1/landings?limit=1"), 200);
	doc = answer_json(h);
	since_ms = json_integer_value(json_object_get(
	    json_array_get(json_object_get(doc, "landings"), 0), "since_ms"));
	json_decref(doc);
	return since_ms;
}

/* Restarted after it was compared, or before: once, and with its time. */
static void
test_withdrawal_is_compared_once(void **state)
{
	struct house *h = *state;
	json_int_t before_ms;

	h->fleet.predict.landing_after_ms = 50;
	measure_all(h);
	h->agents[1].is_drained = true;
	run_until(h, "/v1/landings", "\"down\":\"chc\"");
	assert_answer_has(h, "\"short\":false");
	house_restart_controller(h);
	read_back(h);
	turn_often(h);
	assert_int_equal(count_landings(h), 1);
	h->agents[1].is_drained = false;
	turn_often(h);
	h->fleet.predict.landing_after_ms = 600000;
	h->agents[1].is_drained = true;
	turn_often(h);
	before_ms = wall_now_ms();
	house_restart_controller(h);
	turn_often(h);
	assert_int_equal(count_landings(h), 1);
	/* A restarted agent does not know yet what its BIRD has. */
	h->agents[1].is_unsure = true;
	turn_often(h);
	h->agents[1].is_unsure = false;
	turn_often(h);
	h->fleet.predict.landing_after_ms = 50;
	run_until(h, "/v1/landings", "\"id\":2,");
	assert_in_range(since_of_newest(h), before_ms - 60000, before_ms);
	turn_often(h);
	assert_int_equal(count_landings(h), 2);
}

/* What began while the controller was away has no time; what a former version
 * compared, which kept nothing else, is not compared again. */
static void
test_withdrawal_while_nobody_looked(void **state)
{
	struct house *h = *state;

	h->fleet.predict.landing_after_ms = 50;
	measure_all(h);
	house_stop_controller(h);
	h->agents[1].is_drained = true;
	house_start_controller(h);
	run_until(h, "/v1/landings", "\"down\":\"chc\"");
	assert_int_equal(since_of_newest(h), 0);
	house_stop_controller(h);
	file_exec(&h->f, "DELETE FROM guard_state WHERE name = 'landing'");
	house_start_controller(h);
	read_back(h);
	turn_often(h);
	assert_int_equal(count_landings(h), 1);
}

/* Over, or changed, before its time: compared with what was seen up to then,
 * unless it was very short. */
static void
test_short_withdrawals(void **state)
{
	static const char *const at_wlg[] = { "203.0.113.2" };
	struct house *h = *state;
	int64_t now = wall_now_ms() / 1000;

	h->fleet.predict.landing_after_ms = 600000;
	measure_all(h);
	report_seen(h, "wlg", at_wlg, 1, now + 60);
	h->agents[1].is_drained = true;
	turn_often(h);
	let_pass(h, 20);
	turn_often(h);
	h->agents[1].is_drained = false;
	turn_often(h);
	assert_int_equal(count_landings(h), 0); /* less than a tenth */
	h->agents[1].is_drained = true;
	turn_often(h);
	let_pass(h, 60);
	turn_often(h);
	assert_int_equal(count_landings(h), 0);
	h->agents[0].is_drained = true; /* another set */
	turn_often(h);
	assert_int_equal(count_landings(h), 1);
	assert_answer_has(h, "\"down\":\"chc\"");
	assert_answer_has(h, "\"seen\":1,\"agreed\":1");
	assert_answer_has(h, "\"short\":true");
	let_pass(h, 60);
	turn_often(h);
	read_back(h);
	h->agents[0].is_drained = h->agents[1].is_drained = false;
	turn_often(h);
	run_until(h, "/v1/landings", "\"down\":\"akl,chc\"");
	/* It was over at a time that nobody knows. */
	h->agents[1].is_drained = true;
	turn_often(h);
	let_pass(h, 60);
	house_stop_controller(h);
	h->agents[1].is_drained = false;
	house_start_controller(h);
	read_back(h);
	turn_often(h);
	assert_int_equal(count_landings(h), 2);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_withdrawal_without_feeds),
		WITH_HOUSE(test_withdrawal_with_feeds),
		WITH_HOUSE(test_withdrawal_beside_wrong_clocks),
		WITH_HOUSE(test_withdrawal_of_no_weight),
		WITH_HOUSE(test_withdrawal_beside_one_experiment),
		WITH_HOUSE(test_withdrawal_beside_the_newer_map),
		WITH_HOUSE(test_withdrawal_is_compared_once),
		WITH_HOUSE(test_withdrawal_while_nobody_looked),
		WITH_HOUSE(test_short_withdrawals),
	};

	return house_main(tests, TEST_COUNT(tests));
}
