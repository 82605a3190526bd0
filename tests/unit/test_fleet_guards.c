/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The guards of the fleet, through the controller's API. */
#include "fleet_house.h"

#include <math.h>

static struct conf_capacity capacity[SITES] = {
	{ .site = 0, .capacity = 100, .has_load = true, .load = 60 },
	{ .site = 1, .capacity = 100, .has_load = true, .load = 50 },
	{ .site = 2, .capacity = 300, .has_load = true, .load = 100 },
};

static void
use(struct house *h, const struct conf_guards *guards)
{
	h->fleet.capacity = capacity;
	h->fleet.n_capacity = SITES;
	house_use_guards(h, guards);
}

static unsigned
announcing(const struct house *h)
{
	unsigned n = 0;

	for (size_t i = 0; i < SITES; i++)
		n += !h->agents[i].is_gone;
	return n;
}

static unsigned
permits(const struct house *h)
{
	unsigned n = 0;

	for (size_t i = 0; i < SITES; i++)
		n += h->agents[i].has_permit;
	return n;
}

static void
set_sick(struct house *h, bool sick)
{
	for (size_t i = 0; i < SITES; i++) {
		h->agents[i].is_sick = sick;
		fake_serve(&h->agents[i]); /* all at once, nobody asks */
	}
}

/* Nothing configured: nobody needs a permit, as before. */
static void
test_without_guards_nothing_is_held(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ 0 });
	assert_int_equal(permits(h), SITES);
	set_sick(h, true);
	assert_int_equal(announcing(h), 0);
	house_turn(h);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"guards\":[]");
}

static void
test_budget_holds_without_asking(void **state)
{
	struct house *h = *state;

	use(h,
	    &(struct conf_guards){
		.budget = { .window_ms = 600000, .sites = 1 } });
	assert_int_equal(permits(h), 1);
	set_sick(h, true);
	assert_int_equal(announcing(h), SITES - 1);
	house_turn(h);
	assert_int_equal(announcing(h), SITES - 1);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"guard\":\"budget\",\"state\":\"holds\"");
	assert_answer_has(h, "2 sick sites are kept announcing");
	/* A drain is a withdrawal like any other. */
	assert_int_equal(post(h, "/v1/sites/chc/drain", "{}"), 409);
	assert_answer_has(h, "guard budget: with chc, 2 sites");
	/* It is spent for the window, also when all are well again. */
	set_sick(h, false);
	house_turn(h);
	assert_int_equal(announcing(h), SITES);
	assert_int_equal(permits(h), 1);
	/* An override of one site lets that one go. */
	assert_int_equal(post(h, "/v1/override",
			     "{\"guard\":\"budget\",\"site\":\"wlg\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    200);
	house_turn(h);
	assert_true(h->agents[2].has_permit);
	set_sick(h, true);
	house_turn(h);
	assert_int_equal(announcing(h), 1);
}

/* A sick site gets the permit of one that is well. */
static void
test_budget_goes_to_who_needs_it(void **state)
{
	struct house *h = *state;
	size_t sick;

	use(h,
	    &(struct conf_guards){
		.budget = { .window_ms = 600000, .sites = 1 } });
	sick = h->agents[0].has_permit ? 1 : 0;
	h->agents[sick].is_sick = true;
	house_turn(h);
	assert_true(h->agents[sick].is_gone);
	assert_int_equal(announcing(h), SITES - 1);
}

/* What was spent before the controller's restart is not forgotten by what the
 * agents tell. */
static void
test_budget_outlives_the_controller(void **state)
{
	struct house *h = *state;

	use(h,
	    &(struct conf_guards){
		.budget = { .window_ms = 600000, .sites = 1 } });
	set_sick(h, true);
	house_turn(h);
	assert_int_equal(announcing(h), SITES - 1);
	house_restart_controller(h);
	house_turn(h);
	assert_int_equal(announcing(h), SITES - 1);
}

static void
test_brake_stops_further_withdrawals(void **state)
{
	struct house *h = *state;

	use(h,
	    &(struct conf_guards){
		.brake = { .window_ms = 60000, .sites = 1 } });
	assert_int_equal(permits(h), 1);
	set_sick(h, true);
	house_turn(h);
	assert_int_equal(announcing(h), SITES - 1);
	assert_int_equal(permits(h), 0);
	assert_int_equal(get(h, "/v1/status"), 200);
	/* Two, or three: whose reports came together is seen together. */
	assert_answer_has(h, " of 3 sites fell sick within 1m, more than 1");
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/events?limit=50"), 200);
	assert_answer_has(h, "brake: many sites are sick at once");
	assert_int_equal(post(h, "/v1/sites/chc/drain", "{}"), 409);
	assert_answer_has(h, "guard brake");
	/* Let go when enough are well. */
	h->agents[0].is_sick = h->agents[1].is_sick = false;
	house_turn(h);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_null(strstr(h->body, "\"guard\":\"brake\""));
}

static void
test_capacity_that_must_stay(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ .min_capacity_percent = 60 });
	assert_false(h->agents[2].has_permit); /* 300 of 500 */
	assert_true(h->agents[0].has_permit && h->agents[1].has_permit);
	assert_int_equal(post(h, "/v1/sites/wlg/drain", "{}"), 409);
	assert_answer_has(h,
	    "guard min_capacity: draining wlg would leave 192.0.2.0/24 with a capacity of 200, needs 300");
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	set_sick(h, true);
	house_turn(h);
	assert_int_equal(announcing(h), 1);
	assert_false(h->agents[2].is_gone);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "min_capacity: with a capacity of 300");
}

/* Who is the only one left is told so, and when it is no longer. */
static void
test_the_last_announcer_is_told(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ 0 });
	for (size_t i = 0; i < SITES; i++)
		assert_false(h->agents[i].is_last);
	h->agents[0].is_sick = h->agents[1].is_sick = true;
	house_turn(h);
	assert_false(h->agents[0].is_last); /* wlg announces it */
	assert_true(h->agents[2].is_last);
	h->agents[2].is_sick = true;
	house_turn(h);
	assert_true(h->agents[0].is_last && h->agents[1].is_last);
	set_sick(h, false);
	house_turn(h);
	assert_false(h->agents[2].is_last);
}

/* Until there is a map of these sites. */
static void
wait_map(struct house *h, const char *sites)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	char *map = xasprintf("/v1/failover?site=%s", sites);

	do {
		fakes_turn(h);
		loop_idle(h->p.lp, 20);
		assert_int_equal(get(h, map), 200);
	} while (strstr(h->body, "\"heirs\"") == NULL &&
	    mono_before(mono_now(), end));
	free(map);
	if (strstr(h->body, "\"heirs\"") != NULL)
		return;
	(void)get(h, "/v1/experiments");
	fail_msg("no map of %s: %s", sites, h->body);
}

static void
measure(struct house *h, const char *sites)
{
	char *body = xasprintf("{\"site\":\"%s\"}", sites);

	house_get_ready(h);
	assert_int_equal(post(h, "/v1/experiments", body), 200);
	free(body);
	wait_map(h, sites);
}

static void
measure_akl(struct house *h)
{
	measure(h, "akl");
}

/* As the house's world, and whoever finds his heir withdrawn goes to the next
 * site. */
static void
to_the_next(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (at == NOWHERE)
		return;
	while (h->agents[at].is_withdrawn)
		at = (at + 1) % SITES;
	fake_reply(h, at, job, client, 0);
}

static void
test_heirs_must_have_room(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = { .limit_percent = 100,
					  .margin_percent = 10,
					  .levels = 2 } };

	use(h, &guards);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"room\":\"not known: there is no failover map");
	measure_akl(h);
	capacity[1].load = 95; /* chc: some of akl's 60 do not fit */
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    409);
	assert_answer_has(h, "guard room: draining akl would bring ");
	assert_answer_has(h, " to chc, which has 95 of 100 in use");
	assert_int_equal(post(h, "/v1/sites/akl/drain",
			     "{\"dry_run\":true,\"force\":\"room\","
			     "\"reason\":\"r\",\"for_ms\":60000}"),
	    200);
	assert_answer_has(h, "\"room\":\"guard room");
	capacity[1].load = 10;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h,
	    "\"room\":\"all heirs have room; not known should chc fail, too: "
	    "there is no failover map of both\"");
	/* What is not known does not stand in the way, and is said. */
	capacity[1].has_load = false;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "because of the heir chc: its load is not known");
	capacity[1].has_load = true;
	capacity[0].has_load = false;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"room\":\"not known: no load of the site is");
	capacity[0].has_load = true;
	capacity[1].load = 50;
}

/* Routing changes: what is decided by an old map is said to be. */
static void
test_room_by_an_old_map(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = { .limit_percent = 100,
					  .margin_percent = 10,
					  .levels = 1 } };
	char *sql = xasprintf("UPDATE experiment SET ended_ms = %lld",
	    (long long)(wall_now_ms() - INT64_C(45) * 86400000 - 60000));

	use(h, &guards);
	measure_akl(h);
	capacity[1].load = 10;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"room\":\"all heirs have room\"");
	house_stop_controller(h);
	file_exec(&h->f, sql);
	free(sql);
	house_start_controller(h);
	house_turn(h);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h,
	    "\"room\":\"all heirs have room; by a map that is 45 days old\"");
	capacity[1].load = 50;
}

/* All of akl's load is somewhere in its map: at an heir, or told as not placed;
 * and what is not placed may come to each of them. */
static void
check_all_load_is_told(struct house *h, double load)
{
	double placed = 0, unplaced;
	json_t *heirs, *entry;
	size_t i;

	assert_int_equal(get(h, "/v1/failover?down=akl"), 200);
	heirs = answer_heirs(h);
	unplaced = json_number_value(json_object_get(find_heir(heirs, ""),
	    "load_unplaced"));
	assert_true(unplaced > 0);
	json_array_foreach (heirs, i, entry) {
		double now = json_number_value(json_object_get(entry, "load"));
		double after =
		    json_number_value(json_object_get(entry, "load_after"));
		double max =
		    json_number_value(json_object_get(entry, "load_after_max"));

		if (json_is_null(json_object_get(entry, "heir")))
			continue;
		placed += after - now;
		assert_true(fabs(max - after - unplaced) < 1e-6);
	}
	assert_true(fabs(placed + unplaced - load) < 1e-6);
	json_decref(heirs);
}

/* By weight 8 of 22 of akl's clients go to chc, 4 to wlg; of the last nobody
 * knows. */
static void
test_the_heirs_heirs_must_have_room(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = { .limit_percent = 100,
					  .margin_percent = 10,
					  .levels = 2 } };

	h->twist = to_the_next;
	use(h, &guards);
	measure_akl(h);
	check_all_load_is_told(h, 60);
	measure(h, "akl,chc");
	capacity[1].load = 25;
	/* wlg would have 100 + 1.1 * (60 * 12 / 22 + 50) of 300. */
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h,
	    "\"room\":\"all heirs have room; not known should wlg fail, too: "
	    "there is no failover map of both\"");
	measure(h, "akl,wlg");
	capacity[1].load = 50;
	/* chc would have 50 + 1.1 * (60 * 12 / 22 + 100) of 100. */
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    409);
	assert_answer_has(h,
	    "guard room: draining akl, and wlg failing then, would bring 146 to chc, which has 50 of 100 in use");
	/* With an idle wlg it is 25 + 1.1 * 60 * 12 / 22. */
	capacity[2].load = 0;
	capacity[1].load = 25;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h,
	    "\"room\":\"all heirs have room, also should one of them fail\"");
	capacity[2].load = 100;
	/* Asked for the heirs alone, the guard does not look further. */
	h->fleet.guards.room.levels = 1;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"room\":\"all heirs have room\"");
	capacity[1].load = 50;
}

/* What would come to the heir if these sites were down, by the map of both. */
static double
comes_by_map(struct house *h, const char *down, const char *heir)
{
	char *path = xasprintf("/v1/failover?down=%s", down);
	const json_t *entry;
	double comes;
	json_t *heirs;

	assert_int_equal(get(h, path), 200);
	assert_null(strstr(h->body, "\"label\":\"measured\""));
	heirs = answer_heirs(h);
	entry = find_heir(heirs, heir);
	comes = entry == NULL
	    ? -1
	    : json_number_value(json_object_get(entry, "load_after")) -
		json_number_value(json_object_get(entry, "load"));
	json_decref(heirs);
	free(path);
	return comes;
}

/* Until the campaign is told to be so. */
static void
run_campaign(struct house *h, const char *body, const char *until)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	house_get_ready(h);
	assert_int_equal(post(h, "/v1/campaign", body), 200);
	do {
		fakes_turn(h);
		assert_int_equal(get(h, "/v1/campaign"), 200);
	} while (strstr(h->body, until) == NULL &&
	    mono_before(mono_now(), end));
	assert_answer_has(h, until);
}

/* Until a drain of akl would be answered so. */
static void
wait_said(struct house *h, const char *text)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	do {
		fakes_turn(h);
		loop_idle(h->p.lp, 20);
		(void)post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}");
	} while (strstr(h->body, text) == NULL && mono_before(mono_now(), end));
	assert_answer_has(h, text);
}

/* Akl's clients go to chc, and all go on to wlg. */
static void
ring(struct house *h, size_t at, const struct sweep_job *job, uint32_t client)
{
	at = client % SITES;
	while (h->agents[at].is_withdrawn)
		at = (at + 1) % SITES;
	fake_reply(h, at, job, client, 0);
}

static void
ring_without_akl(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (client % SITES != 0) {
		ring(h, at, job, client);
	} else if (!h->agents[1].is_withdrawn) {
		fake_reply(h, 1, job, client, 0);
	}
}

/* A map of akl measured when it had no clients: the campaign knows more. */
static void
test_a_map_of_no_clients_tells_nothing(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = {
					  .limit_percent = 100, .levels = 1 } };
	static const char none[] = "\"clients\":0,\"weight\":0.0,\"heirs\"";
	struct mono end;

	h->twist = ring;
	use(h, &guards);
	run_campaign(h, "{\"depth\":1}", "\"phase\":\"holdout\"");
	assert_int_equal(post(h, "/v1/campaign/abort", "{}"), 200);
	h->twist = ring_without_akl;
	assert_int_equal(post(h, "/v1/experiments", "{\"site\":\"akl\"}"), 200);
	end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	do {
		fakes_turn(h);
		loop_idle(h->p.lp, 20);
		assert_int_equal(get(h, "/v1/failover?site=akl"), 200);
	} while (strstr(h->body, none) == NULL && mono_before(mono_now(), end));
	assert_answer_has(h, none);
	capacity[1].load = 20;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"room\":\"all heirs have room\"");
	capacity[1].load = 50;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    409);
	assert_answer_has(h, "would bring 60 to chc, which has 50 of 100");
}

/* Half of akl's clients go nowhere, when they are not let in. */
static void
ring_or_lost(struct house *h, size_t at, const struct sweep_job *job,
    uint32_t client)
{
	if (client % 2 == 0 || !h->agents[client % SITES].is_withdrawn)
		ring(h, at, job, client);
}

/* What is lost may land at one that has too much already. */
static void
test_a_full_site_has_room_for_nothing(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = {
					  .limit_percent = 100, .levels = 1 } };

	h->twist = ring_or_lost;
	use(h, &guards);
	measure_akl(h);
	capacity[1].load = 20;
	capacity[2].load = 320;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "because of the heir wlg: nobody knows where ");
	assert_answer_has(h, " go, and it is full already\"");
	capacity[1].load = 50;
	capacity[2].load = 100;
}

/* One site after the other: the maps of one tell nothing any more. */
static void
test_the_second_of_two_drains(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = { .limit_percent = 100,
					  .margin_percent = 10,
					  .levels = 2 } };

	h->twist = ring;
	use(h, &guards);
	run_campaign(h, "{\"depth\":2}", "\"phase\":\"holdout\"");
	capacity[1].load = 20;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h,
	    "\"room\":\"all heirs have room, also should one of them fail\"");
	/* What is being drained is on its way, too. */
	assert_int_equal(post(h, "/v1/sites/chc/drain",
			     "{\"force\":\"room\",\"reason\":\"r\","
			     "\"for_ms\":60000}"),
	    200);
	capacity[2].load = 200;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"room\":\"all heirs have room\"");
	capacity[2].load = 220;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    409);
	assert_answer_has(h,
	    "guard room: draining akl beside what is being drained would bring 88 to wlg, which has 220 of 300 in use");
	capacity[1].has_load = false;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "no load of chc is, which is being drained");
	capacity[1].has_load = true;
	/* It is gone: its clients are at wlg, and in no load that was configured. */
	h->agents[1].is_drained = true;
	wait_said(h,
	    "guard room: draining akl would bring 66 to wlg, which has 242 of 300 in use, with what withdrawn sites brought");
	capacity[2].load = 210;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"room\":\"all heirs have room\"");
	capacity[1].load = 50;
	capacity[2].load = 100;
}

static void
measure_load(struct house *h, size_t site, double load, int64_t half_life_ms)
{
	struct fake *a = &h->agents[site];

	json_decref(a->load);
	json_decref(a->more);
	a->load = json_real(load);
	a->more = json_pack("{s:{s:I, s:I}}", "load_counter", "half_life_ms",
	    (json_int_t)half_life_ms, "interval_ms", (json_int_t)1);
}

/* A load that was measured before a site's clients came does not tell of them;
 * it does when its half-lives have gone. */
static void
test_a_measured_load_is_of_before(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = { .limit_percent = 100,
					  .margin_percent = 10,
					  .levels = 2 } };

	h->twist = ring;
	h->fleet.predict.landing_after_ms = 1;
	use(h, &guards);
	run_campaign(h, "{\"depth\":2}", "\"phase\":\"holdout\"");
	measure_load(h, 1, 20, 1);
	measure_load(h, 2, 210, 60000);
	wait_said(h, "\"room\":\"all heirs have room");
	assert_int_equal(post(h, "/v1/sites/chc/drain",
			     "{\"force\":\"room\",\"reason\":\"r\","
			     "\"for_ms\":60000}"),
	    200);
	/* Its clients leave while the drain goes on, and land at wlg. */
	measure_load(h, 1, 0, 1);
	measure_load(h, 2, 220, 60000);
	house_turn(h);
	h->agents[1].is_drained = true;
	wait_said(h,
	    "guard room: draining akl would bring 66 to wlg, which has 242 of 300 in use, with what withdrawn sites brought");
	measure_load(h, 2, 230, 1);
	wait_said(h, "\"room\":\"all heirs have room\"");
	measure_load(h, 2, 240, 1);
	wait_said(h,
	    "guard room: draining akl would bring 66 to wlg, which has 240 of 300 in use\"");
	/* A new controller does not know what there was before. */
	measure_load(h, 2, 220, 60000);
	capacity[1].has_load = false;
	house_restart_controller(h);
	wait_said(h,
	    "\"room\":\"not known: chc is withdrawn, and no load of it is known from before\"");
	capacity[1].has_load = true;
	wait_said(h, "would bring 66 to wlg, which has 275 of 300 in use");
	measure_load(h, 2, 220, 1);
	wait_said(h, "\"room\":\"all heirs have room\"");
}

/* A campaign of depth 1 measures no pair, but knows of some clients where they
 * would go; of the others nobody does. */
static void
test_a_campaign_tells_of_the_heirs_heirs(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = {
					  .limit_percent = 100, .levels = 2 } };
	double want;
	char *text;

	h->twist = to_the_next;
	use(h, &guards);
	run_campaign(h, "{\"depth\":1}", "\"phase\":\"holdout\"");
	want = comes_by_map(h, "akl,wlg", "chc");
	assert_true(want > 0);
	capacity[1].load = 25;
	text = xasprintf("all heirs have room; not known should wlg fail, too, "
			 "because of the heir chc: nobody knows where %.0f go, "
			 "it has room for %.0f",
	    60 + 100 - want, 100 - 25 - want);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, text);
	free(text);
	/* What is known is enough to refuse it. */
	capacity[0].load = 150;
	capacity[2].load = 150;
	text = xasprintf(
	    "guard room: draining akl would bring %.0f to chc, which has 50 of 100 in use",
	    150 * want / 60);
	capacity[1].load = 50;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    409);
	assert_answer_has(h, text);
	free(text);
	capacity[0].load = 60;
	capacity[2].load = 100;
}

/* Akl's 60 go to chc and wlg: what these have is what their agents say. */
static void
test_a_measured_load_counts(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = { .limit_percent = 100,
					  .margin_percent = 10,
					  .levels = 1 } };

	use(h, &guards);
	measure_akl(h);
	h->agents[1].load = json_real(95.5);
	house_turn(h);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "\"load\":95.5,\"load_by\":\"agent\"");
	assert_answer_has(h, "\"load\":60.0,\"load_by\":\"configuration\"");
	assert_int_equal(get(h, "/v1/failover?down=akl"), 200);
	assert_answer_has(h, "\"load\":95.5");
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    409);
	assert_answer_has(h, " to chc, which has 96 of 100 in use");
	/* Gone: the newest report counts. */
	json_decref(h->agents[1].load);
	h->agents[1].load = json_integer(1);
	house_turn(h);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	assert_answer_has(h, "\"room\":\"all heirs have room\"");
	/* Nor does an idle site bring anything, whatever was configured. */
	json_decref(h->agents[1].load);
	h->agents[1].load = json_real(99);
	h->agents[0].load = json_real(0);
	house_turn(h);
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
}

/* What is no load is as good as none: the configuration's counts. */
static void
test_an_absurd_load_is_none(void **state)
{
	struct house *h = *state;
	struct conf_guards guards = { .room = { .limit_percent = 100,
					  .margin_percent = 10,
					  .levels = 1 } };
	json_t *absurd[] = { json_string("95"), json_real(-1), json_null(),
		json_array() };

	use(h, &guards);
	for (size_t i = 0; i < TEST_COUNT(absurd); i++) {
		json_decref(h->agents[1].load);
		h->agents[1].load = absurd[i];
		house_turn(h);
		assert_int_equal(get(h, "/v1/status"), 200);
		assert_answer_has(h,
		    "\"load\":50.0,\"load_by\":\"configuration\"");
	}
}

/* What only the operator knows is not taken from an agent. */
static void
test_an_agent_has_no_capacity_of_its_own(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ 0 });
	h->fleet.n_capacity = 0;
	h->agents[1].more =
	    json_pack("{s:i, s:s}", "capacity", 9, "load_by", "agent");
	house_restart_controller(h);
	house_turn(h);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_null(strstr(h->body, "\"capacity\":9"));
	assert_null(strstr(h->body, "\"load_by\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_without_guards_nothing_is_held),
		WITH_HOUSE(test_budget_holds_without_asking),
		WITH_HOUSE(test_budget_goes_to_who_needs_it),
		WITH_HOUSE(test_budget_outlives_the_controller),
		WITH_HOUSE(test_brake_stops_further_withdrawals),
		WITH_HOUSE(test_capacity_that_must_stay),
		WITH_HOUSE(test_the_last_announcer_is_told),
		WITH_HOUSE(test_heirs_must_have_room),
		WITH_HOUSE(test_room_by_an_old_map),
		WITH_HOUSE(test_the_heirs_heirs_must_have_room),
		WITH_HOUSE(test_a_campaign_tells_of_the_heirs_heirs),
		WITH_HOUSE(test_a_map_of_no_clients_tells_nothing),
		WITH_HOUSE(test_a_full_site_has_room_for_nothing),
		WITH_HOUSE(test_the_second_of_two_drains),
		WITH_HOUSE(test_a_measured_load_is_of_before),
		WITH_HOUSE(test_a_measured_load_counts),
		WITH_HOUSE(test_an_absurd_load_is_none),
		WITH_HOUSE(test_an_agent_has_no_capacity_of_its_own),
	};

	return house_main(tests, TEST_COUNT(tests));
}
