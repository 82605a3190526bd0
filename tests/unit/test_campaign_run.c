/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments over sets, their pace, and whole campaigns over a made-up world:
 * who loses his site goes to the next one that is left. */
#include "feeds/feed_wire.h"
#include "core/experiment.h"
#include "fleet_house.h"
#include "test.h"

#define RUN_MAX_MS 30000

static void
ring(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	(void)at;
	at = client % SITES;
	while (h->agents[at].is_withdrawn)
		at = (at + 1) % SITES;
	fake_reply(h, at, job, client, 0);
}

/* The other way round, for who loses his site. */
static void
back(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	(void)at;
	at = client % SITES;
	while (h->agents[at].is_withdrawn)
		at = (at + SITES - 1) % SITES;
	fake_reply(h, at, job, client, 0);
}

/* Turns until the last answer of path has text in it. */
static void
run_until(struct house *h, const char *path, const char *text)
{
	struct mono end = mono_add_ms(mono_now(), RUN_MAX_MS);

	while (mono_before(mono_now(), end)) {
		assert_int_equal(get(h, path), 200);
		if (strstr(h->body, text) != NULL)
			return;
		fakes_turn(h);
	}
	fail_msg("never %s: %s", text, h->body);
}

static void
check_share(struct house *h, const char *down, const char *heir, double want)
{
	char *path = xasprintf("/v1/failover?down=%s", down);
	json_t *doc, *entry;
	double share = 0;
	size_t i;

	assert_int_equal(get(h, path), 200);
	doc = answer_json(h);
	json_array_foreach (json_object_get(json_array_get(json_object_get(doc,
							       "maps"),
						0),
				"heirs"),
	    i, entry) {
		const char *name =
		    json_string_value(json_object_get(entry, "heir"));

		if (name != NULL && strcmp(name, heir) == 0) {
			share = json_real_value(json_object_get(entry,
			    "clients_share"));
		}
	}
	if (share != want)
		fail_msg("%s: %s: %g: %s", down, heir, share, h->body);
	json_decref(doc);
	free(path);
}

static void
test_set_of_two(void **state)
{
	struct house *h = *state;

	h->twist = ring;
	house_get_ready(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"wlg,akl\"}"),
	    200);
	/* In the fleet's order, whatever was asked for. */
	assert_answer_has(h, "\"site\":\"akl,wlg\"");
	run_until(h, "/v1/experiments/1", "\"state\":\"settle\"");
	assert_true(h->agents[0].is_withdrawn && h->agents[2].is_withdrawn);
	assert_false(h->agents[1].is_withdrawn);
	run_until(h, "/v1/experiments/1", "\"state\":\"done\"");
	check_share(h, "akl,wlg", "chc", 1);
	assert_answer_has(h, "\"label\":\"measured\"");
	assert_answer_has(h, "\"clients\":8");
	assert_int_equal(get(h, "/v1/failover?down=akl"), 404);
	assert_int_equal(get(h, "/v1/failover?down=akl,chc,wlg"), 400);
	assert_int_equal(get(h, "/v1/failover?down=xyz"), 404);
	assert_int_equal(get(h, "/v1/failover?depth=2"), 200);
	assert_answer_has(h, "\"down\":[\"akl\",\"wlg\"]");
	/* What was measured is known after a restart. */
	house_restart_controller(h);
	check_share(h, "wlg,akl", "chc", 1);
}

static void
test_pace(void **state)
{
	struct house *h = *state;

	h->fleet.predict.pace_ms = 1500;
	h->twist = ring;
	house_get_ready(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 200);
	run_until(h, "/v1/experiments/1", "\"state\":\"done\"");
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_answer_has(h, "fleet.predict.pace");
	/* Nor does a restart forget it. */
	house_restart_controller(h);
	fakes_turn(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"chc\"}"), 409);
	assert_answer_has(h, "fleet.predict.pace");
	WAIT_FOR(h->lp,
	    post(h, "/v1/experiments", "{\"site\":\"chc\"}") == 200);
}

static void
start_campaign(struct house *h, const char *body)
{
	assert_int_equal(post(h, "/v1/campaign", body), 200);
	assert_answer_has(h, "\"state\":\"running\"");
}

static void
check_ring(struct house *h)
{
	check_share(h, "akl", "chc", 1);
	check_share(h, "chc", "wlg", 1);
	check_share(h, "wlg", "akl", 1);
	check_share(h, "akl,chc", "wlg", 1);
	check_share(h, "chc,wlg", "akl", 1);
	check_share(h, "akl,wlg", "chc", 1);
}

static void
test_campaign_measures_all(void **state)
{
	struct house *h = *state;

	h->twist = ring;
	house_get_ready(h);
	assert_int_equal(post(h, "/v1/campaign", "{\"depth\":4}"), 400);
	assert_int_equal(post(h, "/v1/campaign/pause", ""), 409);
	assert_int_equal(post(h, "/v1/campaign/burst", ""), 404);
	start_campaign(h, "{\"depth\":2}");
	assert_int_equal(post(h, "/v1/campaign", "{}"), 409);
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	check_ring(h);
	assert_int_equal(get(h, "/v1/outcomes?down=akl"), 200);
	assert_answer_has(h, "203.0.113.1,akl,chc,");
	assert_answer_has(h, "203.0.113.2,chc,chc,");
	/* And once more: what it measures is compared with this. */
	start_campaign(h, "{\"depth\":1}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	assert_int_equal(get(h, "/v1/failover/diff"), 200);
	assert_answer_has(h, "\"changed\":false");
}

/* While somebody is withdrawn, a heavy client of chc does not answer. */
static void
ring_lossy(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (client != 7 || !h->agents[1].is_withdrawn)
		ring(h, at, job, client);
}

static void
measure_chc(struct house *h, unsigned id)
{
	char *path = xasprintf("/v1/experiments/%u", id);

	while (post(h, "/v1/experiments", "{\"site\":\"chc\"}") != 200)
		fakes_turn(h);
	run_until(h, path, "\"state\":\"done\"");
	free(path);
}

/* Lost answers are no change; clients that go elsewhere are one. */
static void
test_diff_is_of_movement(void **state)
{
	struct house *h = *state;

	h->twist = ring;
	house_get_ready(h);
	measure_chc(h, 1);
	h->twist = ring_lossy;
	measure_chc(h, 2);
	assert_int_equal(get(h, "/v1/failover/diff?before=1&now=2"), 200);
	assert_answer_has(h, "\"distance\":0.0,\"noise\":0.0");
	assert_answer_has(h, "\"noise_by\":\"weight\",\"changed\":false");
	assert_answer_has(h, "\"unknown_before\":0.0,\"unknown_now\":0.4545");
	h->twist = back;
	measure_chc(h, 3);
	assert_int_equal(get(h, "/v1/failover/diff?before=2&now=3"), 200);
	assert_answer_has(h, "\"distance\":1.0");
	assert_answer_has(h, "\"changed\":true");
}

/* Of one heir of the only map, for whom there may be heirs of its own. */
static double
heir_real(const json_t *heirs, const char *heir, const char *key)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (heirs, i, entry) {
		const char *name =
		    json_string_value(json_object_get(entry, "heir"));

		if (name != NULL && strcmp(name, heir) == 0)
			return json_real_value(json_object_get(entry, key));
	}
	fail_msg("no heir %s", heir);
	return 0;
}

static json_t *
only_map(struct house *h, const char *path)
{
	json_t *doc, *map;

	assert_int_equal(get(h, path), 200);
	doc = answer_json(h);
	map = json_incref(json_array_get(json_object_get(doc, "maps"), 0));
	json_decref(doc);
	return map;
}

static double
origin_low(const json_t *map, size_t origin, const char *heir)
{
	const json_t *o =
	    json_array_get(json_object_get(map, "origins"), origin);

	return heir_real(json_object_get(o, "heirs"), heir, "low");
}

/* Nobody has withdrawn these two: half of their clients have a ranking that
 * tells, the others may all go to the site that is left, and do. */
static void
test_interval_of_what_is_not_measured(void **state)
{
	struct house *h = *state;
	json_t *one, *two, *heirs;

	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	one = only_map(h, "/v1/failover?site=akl");
	two = only_map(h, "/v1/failover?down=akl,chc");
	assert_string_equal(json_string_value(json_object_get(two, "label")),
	    "composed");
	heirs = json_object_get(two, "heirs");
	assert_true(heir_real(heirs, "wlg", "weight_share") == 0.5);
	assert_true(heir_real(heirs, "wlg", "high") == 1);
	/* All of as many clients, which were measured or are certified. */
	assert_true(origin_low(two, 1, "wlg") <
	    origin_low(one, 0, "chc") - .001);
	/* What moves by itself was seen in all of its experiments. */
	assert_true(json_integer_value(json_object_get(json_object_get(two,
							   "null"),
			"both")) > 12);
	json_decref(one);
	json_decref(two);
}

/* Killed at any time it goes on from what is on disk. */
static void
test_campaign_outlives_restarts(void **state)
{
	struct house *h = *state;

	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{\"depth\":2}");
	for (int turns = 1; turns < 40; turns += 3) {
		for (int i = 0; i < turns; i++)
			fakes_turn(h);
		house_restart_controller(h);
	}
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	assert_answer_has(h, "\"id\":1,");
	check_ring(h);
	/* Also when it is over. */
	house_restart_controller(h);
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	run_until(h, "/v1/failover?down=akl,chc", "\"heir\":\"wlg\"");
}

/* In this experiment, which withdraws one site, everybody goes on to the next
 * but one. */
#define DISTURBED 3u

static void
ring_disturbed(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	(void)at;
	at = client % SITES;
	if (job->experiment == DISTURBED && job->phase == EXPERIMENT_SWEEP)
		at = (at + 1) % SITES;
	while (h->agents[at].is_withdrawn)
		at = (at + 1) % SITES;
	fake_reply(h, at, job, client, 0);
}

static void
check_disturbed(struct house *h)
{
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	run_until(h, "/v1/campaign", "\"set_aside\":[3]");
	assert_answer_has(h, "\"suspect\":0,\"repeats\":1,\"cleared\":0,");
	check_ring(h);
}

/* Something happened to it: it is not believed, and its set is measured again;
 * no restart forgets that. */
static void
test_disturbed_experiment_is_made_again(void **state)
{
	struct house *h = *state;

	h->twist = ring_disturbed;
	house_get_ready(h);
	start_campaign(h, "{\"depth\":2}");
	run_until(h, "/v1/campaign", "\"phase\":\"repeat\"");
	/* Before the repeat is made, and while it is. */
	for (int i = 0; i < 3; i++) {
		house_restart_controller(h);
		for (int k = 0; k < i; k++)
			fakes_turn(h);
	}
	check_disturbed(h);
	assert_int_equal(get(h, "/v1/events?after=-1&limit=1000"), 200);
	assert_answer_has(h, "experiment 3 again");
	assert_answer_has(h, "of the clients of other sites");
	house_restart_controller(h);
	check_disturbed(h);
}

static void
assert_no_map_of_disturbed(struct house *h)
{
	static const char *const paths[] = { "/v1/failover?down=akl",
		"/v1/failover?down=chc", "/v1/failover?down=wlg",
		"/v1/failover?depth=1" };
	char *of = xasprintf("\"experiment\":%u,", DISTURBED);

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		(void)get(h, paths[i]);
		if (strstr(h->body, of) != NULL)
			fail_msg("%s: %s", paths[i], h->body);
	}
	free(of);
}

/* What was set aside is no map again because another campaign begins. */
static void
test_next_campaign_keeps_mistrust(void **state)
{
	struct house *h = *state;

	h->twist = ring_disturbed;
	house_get_ready(h);
	start_campaign(h, "{\"depth\":2}");
	run_until(h, "/v1/campaign", "\"set_aside\":[3]");
	assert_int_equal(post(h, "/v1/campaign/abort", ""), 200);
	assert_no_map_of_disturbed(h);
	h->twist = ring;
	start_campaign(h, "{\"depth\":2}");
	assert_no_map_of_disturbed(h);
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	check_ring(h);
}

/* Nor after a restart: not while the campaign is read again, and not when it is
 * another one that is. */
static void
test_restart_keeps_mistrust(void **state)
{
	struct house *h = *state;

	h->twist = ring_disturbed;
	house_get_ready(h);
	start_campaign(h, "{\"depth\":2}");
	run_until(h, "/v1/campaign", "\"set_aside\":[3]");
	assert_int_equal(post(h, "/v1/campaign/abort", ""), 200);
	WAIT_FOR(h->lp, store_backlog(h->store) == 0);
	house_restart_controller(h);
	assert_no_map_of_disturbed(h);
	run_until(h, "/v1/campaign", "\"set_aside\":[3]");
	assert_no_map_of_disturbed(h);
	h->twist = ring;
	start_campaign(h, "{\"depth\":2}");
	WAIT_FOR(h->lp, store_backlog(h->store) == 0);
	house_restart_controller(h);
	assert_no_map_of_disturbed(h);
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	check_ring(h);
}

static void
assert_only_disturbed_is_marked(struct house *h)
{
	WAIT_FOR(h->lp, store_backlog(h->store) == 0);
	assert_int_equal(file_number(&h->f,
			     "SELECT count(*) FROM experiment"
			     " WHERE set_aside <> (id = 3)"),
	    0);
}

/* Killed before a mark was stored, it finds out again; and a mark that is wrong
 * by what is known now goes. */
static void
test_marks_are_mended_after_a_crash(void **state)
{
	struct house *h = *state;

	h->twist = ring_disturbed;
	house_get_ready(h);
	start_campaign(h, "{\"depth\":2}");
	run_until(h, "/v1/campaign", "\"set_aside\":[3]");
	assert_int_equal(post(h, "/v1/campaign/abort", ""), 200);
	assert_only_disturbed_is_marked(h);
	house_stop_controller(h);
	file_exec(&h->f,
	    "UPDATE experiment SET set_aside = 1 - set_aside WHERE state = 'done'");
	house_start_controller(h);
	run_until(h, "/v1/campaign", "\"set_aside\":[3]");
	assert_no_map_of_disturbed(h);
	assert_only_disturbed_is_marked(h);
	/* And the other one is believed at once. */
	assert_int_equal(get(h, "/v1/failover?depth=1"), 200);
	assert_answer_has(h, "\"experiment\":2,");
}

static void
test_abort_restores(void **state)
{
	struct house *h = *state;

	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/status", "\"state\":\"settle\"");
	assert_int_equal(post(h, "/v1/campaign/abort", ""), 200);
	assert_answer_has(h, "\"state\":\"aborted\"");
	fakes_turn(h);
	fakes_turn(h);
	for (size_t i = 0; i < SITES; i++)
		assert_false(h->agents[i].is_withdrawn);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"state\":\"failed\"");
}

/* The sweeper of wlg dies in every experiment. */
static void
test_campaign_pauses_when_nothing_works(void **state)
{
	struct house *h = *state;
	struct mono end = mono_add_ms(mono_now(), RUN_MAX_MS);

	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	while (mono_before(mono_now(), end)) {
		h->agents[2].starts++;
		fakes_turn(h);
		assert_int_equal(get(h, "/v1/status"), 200);
		if (strstr(h->body, "\"state\":\"paused\"") != NULL)
			break;
	}
	assert_int_equal(get(h, "/v1/campaign"), 200);
	assert_answer_has(h, "\"state\":\"paused\"");
	assert_answer_has(h, "the prober of wlg was restarted");
	assert_int_equal(post(h, "/v1/campaign/resume", ""), 200);
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
}

/* Sites come and go with the configuration: its numbers would lie. */
static void
test_campaign_ends_when_the_fleet_changes(void **state)
{
	struct house *h = *state;
	char *first = h->names[0];

	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	fakes_turn(h);
	h->names[0] = h->names[1];
	h->names[1] = first;
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/campaign"), 200);
	assert_answer_has(h, "\"state\":\"failed\"");
	assert_answer_has(h, "sites have changed");
	h->names[1] = h->names[0];
	h->names[0] = first;
}

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

/* A feed's list of a site: these clients, sorted, seen just now. */
static void
report_seen(struct house *h, const char *site, const char *const addrs[],
    uint32_t n, int64_t last_seen)
{
	struct client c[4] = { 0 };
	uint8_t *buf = xcalloc(1, FEED_PART_BYTES_MAX);
	struct feed_part part = {
		.serial = 1, .total = n, .half_life_ms = 86400000
	};
	char *path = xasprintf("/v1/sites/%s/clients", site);
	size_t len;

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(addr_parse(addrs[i], &c[i].addr, NULL), 0);
		c[i].weight = 1;
		c[i].last_seen = last_seen;
	}
	len = feed_part_encode(&part, c, buf);
	assert_int_equal(ask_bytes(h, path, buf, len), 204);
	free(path);
	free(buf);
}

/* chc's four clients: two come to wlg, as predicted, one to akl, and one is seen
 * at both.  What was seen before the withdrawal says nothing. */
static void
test_withdrawal_with_feeds(void **state)
{
	static const char *const at_wlg[] = { "203.0.113.2", "2001:db8:1::8",
		"2001:db8:1::b" };
	static const char *const at_akl[] = { "203.0.113.5", "2001:db8:1::b" };
	static const char *const before[] = { "203.0.113.2", "203.0.113.5" };
	struct house *h = *state;
	int64_t now = wall_now_ms() / 1000;

	h->fleet.predict.landing_after_ms = 50;
	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	report_seen(h, "wlg", at_wlg, 3, now + 60);
	report_seen(h, "akl", at_akl, 2, now + 60);
	report_seen(h, "chc", before, 2, now - 60);
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
		loop_idle(h->lp, 60); /* the controller's tick */
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
	/* The log of the campaign is read back. */
	while (get(h, "/v1/failover?down=akl,chc") != 200)
		fakes_turn(h);
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
	turn_often(h);
	assert_int_equal(count_landings(h), 2);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_set_of_two),
		WITH_HOUSE(test_pace),
		WITH_HOUSE(test_campaign_measures_all),
		WITH_HOUSE(test_diff_is_of_movement),
		WITH_HOUSE(test_interval_of_what_is_not_measured),
		WITH_HOUSE(test_campaign_outlives_restarts),
		WITH_HOUSE(test_disturbed_experiment_is_made_again),
		WITH_HOUSE(test_next_campaign_keeps_mistrust),
		WITH_HOUSE(test_restart_keeps_mistrust),
		WITH_HOUSE(test_marks_are_mended_after_a_crash),
		WITH_HOUSE(test_abort_restores),
		WITH_HOUSE(test_campaign_pauses_when_nothing_works),
		WITH_HOUSE(test_campaign_ends_when_the_fleet_changes),
		WITH_HOUSE(test_withdrawal_without_feeds),
		WITH_HOUSE(test_withdrawal_with_feeds),
		WITH_HOUSE(test_withdrawal_beside_one_experiment),
		WITH_HOUSE(test_withdrawal_beside_the_newer_map),
		WITH_HOUSE(test_withdrawal_is_compared_once),
		WITH_HOUSE(test_withdrawal_while_nobody_looked),
		WITH_HOUSE(test_short_withdrawals),
	};

	return house_main(tests, TEST_COUNT(tests));
}
