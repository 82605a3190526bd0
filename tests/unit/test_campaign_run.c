/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Experiments over sets, their pace, and whole campaigns over a made-up world:
 * who loses his site goes to the next one that is left. */
#include "core/experiment.h"
#include "campaign_rig.h"
#include "fleet/campaign_log.h"
#include "fleet/experiment_state.h"
#include "fleet/test_prefix.h"

static void
check_share(struct house *h, const char *down, const char *heir, double want)
{
	char *path = xasprintf("/v1/failover?down=%s", down);
	double share;
	json_t *heirs;

	assert_int_equal(get(h, path), 200);
	heirs = answer_heirs(h);
	share = json_real_value(json_object_get(find_heir(heirs, heir),
	    "clients_share"));
	if (share != want)
		fail_msg("%s: %s: %g: %s", down, heir, share, h->body);
	json_decref(heirs);
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

/* The fleet's order has changed between two experiments over the same set. */
static void
test_set_of_two_names(void **state)
{
	struct house *h = *state;

	h->twist = ring;
	house_get_ready(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl,wlg\"}"),
	    200);
	run_until(h, "/v1/experiments/1", "\"state\":\"done\"");
	house_stop_controller(h);
	file_exec(&h->f, "UPDATE experiment SET site = 'wlg,akl'");
	house_start_controller(h);
	fakes_turn(h);
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl,wlg\"}"),
	    200);
	run_until(h, "/v1/experiments/2", "\"state\":\"done\"");
	assert_int_equal(get(h, "/v1/failover?down=akl,wlg"), 200);
	assert_answer_has(h, "\"experiment\":2");
	house_restart_controller(h);
	assert_int_equal(get(h, "/v1/failover?down=akl,wlg"), 200);
	assert_answer_has(h, "\"experiment\":2");
}

/* Campaigns make hundreds of large sets: their heirs are not kept in memory, and
 * told all the same. */
static void
test_heirs_of_large_sets_are_read(void **state)
{
	static char names[6][3] = { "s0", "s1", "s2", "s3", "s4", "s5" };
	static char *sites[6] = { names[0], names[1], names[2], names[3],
		names[4], names[5] };
	struct house *h = *state;

	house_stop_controller(h);
	h->fleet.sites = sites;
	h->fleet.n_sites = 6;
	file_exec(&h->f,
	    "INSERT INTO experiment(id, site, state, reason, created_ms,"
	    " ended_ms, clients, list, answered, bystanders, sites, null_both)"
	    " VALUES (1, 's0,s1,s2,s3', 'done', '', 1, 2, 9, 1, 9, 0, '', 9),"
	    " (2, 's0,s1,s2,s4', 'done', '', 1, 2, 9, 1, 9, 0, '', 9),"
	    " (3, 's0,s1,s2,s3', 'done', '', 1, 2, 9, 1, 9, 0, '', 9);"
	    "INSERT INTO heir(experiment, site, family, heir, clients, weight,"
	    " square) VALUES (1, 's0', 4, 's4', 5, 5.0, 5.0),"
	    " (2, 's1', 4, 's5', 6, 6.0, 6.0), (3, 's3', 4, 's5', 7, 7.0, 7.0)");
	house_start_controller(h);
	check_share(h, "s0,s1,s2,s3", "s5", 1);
	assert_answer_has(h, "\"experiment\":3");
	assert_answer_has(h, "\"label\":\"measured\"");
	assert_answer_has(h, "\"null\":{\"both\":9");
	/* One after the other, and again. */
	check_share(h, "s0,s1,s2,s4", "s5", 1);
	file_exec(&h->f, "UPDATE heir SET heir = 's4' WHERE experiment = 3");
	check_share(h, "s0,s1,s2,s3", "s4", 1);
	assert_int_equal(get(h, "/v1/failover?depth=4"), 200);
	assert_answer_has(h, "\"site\":\"s0,s1,s2,s3\"");
	assert_answer_has(h, "\"site\":\"s0,s1,s2,s4\"");
	assert_int_equal(get(h, "/v1/failover/diff"), 200);
	assert_answer_has(h, "\"before\":1,\"now\":3");
	/* What cannot be read is not known, and keeps nobody from asking. */
	file_exec(&h->f, "UPDATE heir SET family = 6, clients = -1");
	assert_int_equal(get(h, "/v1/failover?down=s0,s1,s2,s4"), 404);
	assert_int_equal(get(h, "/v1/failover?depth=4"), 200);
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
	WAIT_FOR(h->p.lp,
	    post(h, "/v1/experiments", "{\"site\":\"chc\"}") == 200);
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
	const json_t *entry = find_heir(heirs, heir);

	if (entry == NULL)
		fail_msg("no heir %s", heir);
	return json_real_value(json_object_get(entry, key));
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

static json_int_t
campaign_number(struct house *h, const char *key)
{
	json_int_t n = -1;
	json_t *doc;

	assert_int_equal(get(h, "/v1/campaign"), 200);
	doc = answer_json(h);
	assert_int_equal(json_unpack(doc, "{s:{s:I}}", "campaign", key, &n), 0);
	json_decref(doc);
	return n;
}

/* How long it still takes goes by what its experiments took here, not by those
 * that were read from the store, nor by a clock that is set meanwhile. */
static void
test_time_left_after_a_restart(void **state)
{
	const json_int_t hour_ms = 3600000, year_ms = hour_ms * 24 * 365;
	struct house *h = *state;
	json_int_t before, here, left_ms, estimate;
	struct mono end;
	json_t *doc;

	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{\"depth\":2}");
	run_until(h, "/v1/campaign", "\"made\":2");
	assert_int_equal(post(h, "/v1/campaign/pause", ""), 200);
	run_until(h, "/v1/campaign", "\"experiments\":[]");
	house_restart_controller(h);
	WAIT_FOR(h->p.lp, h->c->campaign->to_load == NULL);
	before = campaign_number(h, "made");
	assert_true(before >= 2);
	assert_int_equal(post(h, "/v1/campaign/resume", ""), 200);
	end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	while (!experiments_any_runs(h->c) && mono_before(mono_now(), end))
		fakes_turn(h);
	assert_true(experiments_any_runs(h->c));
	h->c->tests[0]->experiment->created_ms += year_ms;
	while (campaign_number(h, "made") == before &&
	    mono_before(mono_now(), end))
		fakes_turn(h);
	assert_in_range(h->c->campaign->spent_ms, 0, hour_ms);
	assert_int_equal(post(h, "/v1/campaign/pause", ""), 200);
	run_until(h, "/v1/campaign", "\"experiments\":[]");
	here = campaign_number(h, "made") - before;
	assert_true(here > 0);
	h->c->campaign->spent_ms = here * hour_ms;
	/* Of one answer: the campaign is at work. */
	assert_int_equal(get(h, "/v1/campaign"), 200);
	doc = answer_json(h);
	assert_int_equal(json_unpack(doc, "{s:{s:I, s:I}}", "campaign",
			     "left_ms", &left_ms, "estimate", &estimate),
	    0);
	json_decref(doc);
	assert_int_equal(left_ms, estimate * hour_ms);
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
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	assert_no_map_of_disturbed(h);
	run_until(h, "/v1/campaign", "\"set_aside\":[3]");
	assert_no_map_of_disturbed(h);
	h->twist = ring;
	start_campaign(h, "{\"depth\":2}");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	house_restart_controller(h);
	assert_no_map_of_disturbed(h);
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
	check_ring(h);
}

static void
assert_only_disturbed_is_marked(struct house *h)
{
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
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
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

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

/* It waits, says why, and goes on when that is mended. */
static void
test_a_campaign_waits_for_who_does_not_hear(void **state)
{
	struct house *h = *state;

	h->twist = ring;
	h->fleet.predict.pace_ms = 0;
	house_get_ready(h);
	start_campaign(h, "{\"depth\":1}");
	run_until(h, "/v1/campaign", "\"made\":1");
	fake_become_deaf(&h->agents[2], house_tests[0]);
	run_until(h, "/v1/campaign",
	    "\"waiting\":\"site wlg: hears no replies to");
	fake_become_deaf(&h->agents[2], NULL);
	h->agents[1].layout = "ACS1";
	run_until(h, "/v1/campaign", "not so at chc (ACS1): all must run one");
	h->agents[1].layout = SWEEP_LAYOUT;
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
}

/* It withdraws each site in turn: begun without one it would stand there for
 * ever. */
static void
test_a_campaign_needs_all_sites(void **state)
{
	struct house *h = *state;
	struct fake *wlg = &h->agents[2];

	h->twist = ring;
	wlg->more = json_pack("{s:[], s:[]}", "tests", "prefixes");
	house_get_ready(h);
	assert_int_equal(post(h, "/v1/campaign", "{}"), 409);
	assert_answer_has(h, "site wlg: has no test prefix 198.51.100.0/24");
	json_decref(wlg->more);
	wlg->more = NULL;
	fakes_turn(h);
	start_campaign(h, "{}");
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
}

/* So it does for who lost its test prefix to somebody else. */
static void
test_a_campaign_waits_for_who_does_not_announce(void **state)
{
	struct house *h = *state;
	struct fake *wlg = &h->agents[2];

	h->twist = ring;
	h->fleet.predict.pace_ms = 0;
	house_get_ready(h);
	start_campaign(h, "{\"depth\":1}");
	run_until(h, "/v1/campaign", "\"made\":1");
	wlg->more = json_pack("{s:[{s:s, s:n, s:s}]}", "prefixes", "prefix",
	    house_tests[0], "service", "real", "withdrawn");
	run_until(h, "/v1/campaign",
	    "\"waiting\":\"site wlg: does not announce the test prefix");
	json_decref(wlg->more);
	wlg->more = NULL;
	run_until(h, "/v1/campaign", "\"state\":\"done\"");
}

/* Deaf with the longest words that are kept, whose last characters have two
 * bytes each. */
#define LONG_REMEDY                                                            \
	"\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"         \
	"\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"         \
	"\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"         \
	"\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"

static void
become_deaf_at_length(struct fake *a)
{
	char reason[91];

	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	json_decref(a->unheard);
	a->unheard = json_pack("[{s:s, s:s, s:s}]", "prefix", house_tests[0],
	    "reason", reason, "remedy", LONG_REMEDY);
	assert_int_equal(fake_post_status(a), 200);
}

/* Both what it waits for and why it was paused end with what mends it. */
static void
test_a_campaign_tells_what_would_mend_it(void **state)
{
	struct house *h = *state;
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	h->twist = ring;
	house_get_ready(h);
	start_campaign(h, "{}");
	become_deaf_at_length(&h->agents[2]);
	run_until(h, "/v1/campaign", LONG_REMEDY "\",\"depth");
	while (mono_before(mono_now(), end) &&
	    strstr(h->body, "\"state\":\"paused\"") == NULL) {
		fake_become_deaf(&h->agents[2], NULL);
		fakes_turn(h);
		if (h->agents[2].experiment[0] != 0)
			become_deaf_at_length(&h->agents[2]);
		assert_int_equal(get(h, "/v1/campaign"), 200);
	}
	assert_answer_has(h, "\"state\":\"paused\"");
	assert_answer_has(h, LONG_REMEDY "\",\"waiting");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_set_of_two),
		WITH_HOUSE(test_set_of_two_names),
		WITH_HOUSE(test_heirs_of_large_sets_are_read),
		WITH_HOUSE(test_pace),
		WITH_HOUSE(test_campaign_measures_all),
		WITH_HOUSE(test_diff_is_of_movement),
		WITH_HOUSE(test_interval_of_what_is_not_measured),
		WITH_HOUSE(test_campaign_outlives_restarts),
		WITH_HOUSE(test_time_left_after_a_restart),
		WITH_HOUSE(test_disturbed_experiment_is_made_again),
		WITH_HOUSE(test_next_campaign_keeps_mistrust),
		WITH_HOUSE(test_restart_keeps_mistrust),
		WITH_HOUSE(test_marks_are_mended_after_a_crash),
		WITH_HOUSE(test_abort_restores),
		WITH_HOUSE(test_campaign_pauses_when_nothing_works),
		WITH_HOUSE(test_campaign_ends_when_the_fleet_changes),
		WITH_HOUSE(test_a_campaign_waits_for_who_does_not_hear),
		WITH_HOUSE(test_a_campaign_waits_for_who_does_not_announce),
		WITH_HOUSE(test_a_campaign_needs_all_sites),
		WITH_HOUSE(test_a_campaign_tells_what_would_mend_it),
	};

	return house_main(tests, TEST_COUNT(tests));
}
