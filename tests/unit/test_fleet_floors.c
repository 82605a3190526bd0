/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What must go on announcing, when not everything is known: the controller has
 * just begun, a site is out of reach, its BIRD silent, a floor overridden. */
#include "base/json_text.h"
#include "fleet_house.h"

static struct conf_capacity capacity[SITES] = {
	{ .site = 0, .capacity = 100 },
	{ .site = 1, .capacity = 100 },
	{ .site = 2, .capacity = 300 },
};

static void
use(struct house *h, const struct conf_guards *guards)
{
	h->fleet.capacity = capacity;
	h->fleet.n_capacity = SITES;
	house_use_guards(h, guards);
}

/* akl and chc fall sick and withdraw: wlg is the only one left. */
static void
leave_wlg_alone(struct house *h)
{
	h->agents[0].is_sick = h->agents[1].is_sick = true;
	house_turn(h);
	assert_true(h->agents[0].is_gone && h->agents[1].is_gone);
	assert_false(h->agents[2].is_gone);
}

/* ---- the last announcer ---- */

/* The "last" of wlg's orders; new reference. */
static json_t *
last_of_wlg(struct house *h)
{
	json_t *doc, *last;

	assert_int_equal(get(h, "/v1/sites/wlg/orders?after=0"), 200);
	doc = answer_json(h);
	last = json_incref(json_object_get(doc, "last"));
	json_decref(doc);
	return last;
}

static void
check_last_of_wlg(struct house *h, const char *text)
{
	json_t *last = last_of_wlg(h);
	char *is = json_dumps(last, JSON_ENCODE_ANY);

	assert_string_equal(is, text);
	free(is);
	json_decref(last);
}

/* A controller that has just begun does not say of what it knows nothing: who
 * believed that he is the last of nothing could withdraw as the last one. */
static void
test_a_new_controller_does_not_guess_the_last(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ 0 });
	leave_wlg_alone(h);
	check_last_of_wlg(h, "[\"192.0.2.0/24\"]");
	house_restart_controller(h);
	check_last_of_wlg(h, "null");
	/* Nor is it the last one while others may be about to report. */
	assert_int_equal(fake_post_status(&h->agents[2]), 200);
	assert_int_equal(get(h, "/v1/status"), 200);
	check_last_of_wlg(h, "null");
	house_turn(h);
	check_last_of_wlg(h, "[\"192.0.2.0/24\"]");
}

/* One that is gone is not waited for without end. */
static void
test_the_last_is_told_without_a_site_that_is_gone(void **state)
{
	struct house *h = *state;
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);
	bool is_told = false;

	h->agents[0].is_silent = true;
	use(h, &(struct conf_guards){ 0 });
	while (!is_told && mono_before(mono_now(), end)) {
		json_t *last;

		fakes_turn(h);
		loop_idle(h->p.lp, 20);
		last = last_of_wlg(h);
		is_told = json_is_array(last);
		json_decref(last);
	}
	check_last_of_wlg(h, "[]"); /* chc announces it */
}

/* ---- overrides ---- */

static unsigned
announcing(const struct house *h)
{
	unsigned n = 0;

	for (size_t i = 0; i < SITES; i++)
		n += !h->agents[i].is_gone;
	return n;
}

static void
set_sick(struct house *h, bool sick)
{
	for (size_t i = 0; i < SITES; i++) {
		h->agents[i].is_sick = sick;
		fake_serve(&h->agents[i]); /* all at once, nobody asks */
	}
	house_turn(h);
}

static void
override(struct house *h, const char *guard, const char *site)
{
	char *body = xasprintf("{\"guard\":\"%s\",\"site\":\"%s\","
			       "\"reason\":\"r\",\"for_ms\":600000}",
	    guard, site);

	assert_int_equal(post(h, "/v1/override", body), 200);
	free(body);
	house_turn(h);
}

/* Who holds off one floor has not held off the other. */
static void
test_an_override_is_of_one_floor(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ .min_sites = 1 });
	override(h, "min_capacity", "*");
	set_sick(h, true);
	assert_int_equal(announcing(h), 1);
	set_sick(h, false);
	override(h, "min_sites", "*");
	set_sick(h, true);
	assert_int_equal(announcing(h), 0);
}

static void
test_an_override_is_of_one_floor_the_other_way(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ .min_capacity = 300 });
	override(h, "min_sites", "*");
	set_sick(h, true);
	assert_int_equal(announcing(h), 1);
	assert_false(h->agents[2].is_gone);
	set_sick(h, false);
	override(h, "min_capacity", "wlg");
	set_sick(h, true);
	assert_true(h->agents[2].is_gone);
}

/* With both, a site is let go when both are overridden for it; and then the
 * others stand in for it. */
static void
test_a_site_is_let_go_by_both_floors(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ .min_sites = 1, .min_capacity = 200 });
	override(h, "min_capacity", "wlg");
	h->agents[0].is_sick = h->agents[1].is_sick = true;
	house_turn(h);
	h->agents[2].is_sick = true;
	house_turn(h);
	assert_false(h->agents[2].is_gone);
	set_sick(h, false);
	override(h, "min_sites", "wlg");
	h->agents[2].is_sick = true;
	house_turn(h);
	assert_true(h->agents[2].is_gone);
	set_sick(h, true);
	assert_int_equal(announcing(h), 2);
}

/* ---- drains of what is not known ---- */

#define FORCED(guard)                                                          \
	"{\"dry_run\":true,\"force\":\"" guard                                 \
	"\",\"reason\":\"r\",\"for_ms\":60000}"

static void
check_drain_refused(struct house *h, const char *why)
{
	assert_int_equal(post(h, "/v1/sites/wlg/drain", "{}"), 409);
	assert_answer_has(h, why);
}

/* The last one that is well, and a controller that does not know it yet. */
static void
test_a_drain_of_a_site_not_heard_yet(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ .min_sites = 1 });
	leave_wlg_alone(h);
	house_restart_controller(h);
	check_drain_refused(h,
	    "guard min_sites: what would be left without wlg is not known");
	assert_int_equal(post(h, "/v1/sites/wlg/drain", FORCED("min_sites")),
	    200);
	house_turn(h);
	check_drain_refused(h, "announced by 0 well sites, needs 1");
	h->agents[0].is_sick = h->agents[1].is_sick = false;
	house_turn(h);
	assert_int_equal(post(h, "/v1/sites/wlg/drain", "{}"), 200);
}

static void
test_a_drain_of_capacity_not_heard_yet(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ .min_capacity_percent = 60 });
	house_restart_controller(h);
	check_drain_refused(h,
	    "guard min_capacity: what would be left without wlg is not known");
	override(h, "min_capacity", "*");
	house_restart_controller(h);
	assert_int_equal(post(h, "/v1/sites/wlg/drain", "{}"), 200);
}

/* Without a floor nothing needs to be known. */
static void
test_a_drain_of_a_site_not_heard_yet_without_a_floor(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ 0 });
	house_restart_controller(h);
	assert_int_equal(post(h, "/v1/sites/wlg/drain", "{}"), 200);
}

/* Its BIRD does not answer: it goes on announcing what it has. */
static void
test_a_drain_of_a_site_whose_bird_is_silent(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ .min_sites = 1 });
	leave_wlg_alone(h);
	h->agents[2].is_unsure = true;
	house_turn(h);
	check_drain_refused(h, "announced by 0 well sites, needs 1");
	/* What surely announces nothing takes nothing away. */
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{}"), 200);
}

/* It had nothing when it was last heard; it may have been well again since. */
static void
test_a_drain_of_a_site_out_of_reach(void **state)
{
	struct house *h = *state;
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	use(h, &(struct conf_guards){ .min_sites = 1 });
	leave_wlg_alone(h);
	h->agents[0].is_silent = true;
	assert_int_equal(post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}"),
	    200);
	h->agents[2].is_sick = true; /* kept, but not well */
	while (post(h, "/v1/sites/akl/drain", "{\"dry_run\":true}") == 200 &&
	    mono_before(mono_now(), end)) {
		fakes_turn(h);
		loop_idle(h->p.lp, 20);
	}
	assert_answer_has(h, "guard min_sites: draining akl would leave");
}

/* ---- by which guard ---- */

static size_t
find_permit(const struct house *h, bool has)
{
	size_t i = 0;

	while (i < SITES && h->agents[i].has_permit != has)
		i++;
	assert_in_range(i, 0, SITES - 1);
	return i;
}

/* The brake limits permits beforehand: that is no budget, which has none. */
static void
test_the_brakes_limit_is_no_budget(void **state)
{
	struct house *h = *state;
	struct fake *first;

	use(h,
	    &(struct conf_guards){
		.brake = { .window_ms = 60000, .sites = 1 } });
	first = &h->agents[find_permit(h, true)];
	first->is_sick = true;
	house_turn(h);
	assert_true(first->is_gone);
	first->is_sick = false;
	house_turn(h);
	/* One at a time: it is not engaged, but its limit is reached. */
	h->agents[(first->site + 1) % SITES].is_sick = true;
	house_turn(h);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h,
	    "{\"guard\":\"brake\",\"state\":\"holds\",\"why\":\"1 sick sites are kept announcing: 1 sites ");
	assert_answer_has(h, "count within 1m; at most 1, 0 and 0 (0: any)");
	assert_null(strstr(h->body, "\"guard\":\"budget\""));
	/* Engaged, it is told once. */
	first->is_sick = true;
	house_turn(h);
	assert_int_equal(get(h, "/v1/status"), 200);
	assert_answer_has(h, "nobody withdraws any further");
	assert_null(strstr(h->body, "are kept announcing"));
	assert_null(strstr(h->body, "\"guard\":\"budget\""));
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	assert_int_equal(get(h, "/v1/events?limit=50"), 200);
	assert_answer_has(h, "brake: its limit is used up");
	assert_null(strstr(h->body, "budget: used up"));
}

/* The "withheld_by" of a site's orders, "": none; until the next call. */
static const char *
withheld_by(struct house *h, size_t site)
{
	static char text[32];
	char *path = xasprintf("/v1/sites/%s/orders?after=0",
	    fake_name(&h->agents[site]));
	json_t *doc;

	assert_int_equal(get(h, path), 200);
	free(path);
	doc = answer_json(h);
	(void)snprintf(text, sizeof(text), "%s", json_text(doc, "withheld_by"));
	json_decref(doc);
	return text;
}

/* Orders say for which guard permits are missing; where none is, nothing. */
static void
test_orders_name_the_guard(void **state)
{
	static const struct {
		struct conf_guards guards;
		const char *by;
	} rows[] = {
		{ { .min_sites = 1 }, "min_sites" },
		{ { .min_capacity_percent = 60 }, "min_capacity" },
		{ { .budget = { .window_ms = 600000, .sites = 1 } }, "budget" },
		{ { .brake = { .window_ms = 60000, .sites = 1 } }, "brake" },
		{ { .min_sites = 1,
		      .budget = { .window_ms = 600000, .sites = 3 } },
		    "min_sites" },
		{ { .budget = { .window_ms = 600000, .sites = 2 },
		      .brake = { .window_ms = 60000, .sites = 1 } },
		    "brake" },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		use(h, &rows[i].guards);
		assert_string_equal(withheld_by(h, find_permit(h, false)),
		    rows[i].by);
		assert_string_equal(withheld_by(h, find_permit(h, true)), "");
	}
	use(h, &(struct conf_guards){ 0 });
	assert_string_equal(withheld_by(h, 0), "");
}

/* What withholds them changes with what is: the newest is told. */
static void
test_orders_name_the_guard_of_now(void **state)
{
	struct house *h = *state;

	use(h,
	    &(struct conf_guards){
		.budget = { .window_ms = 600000, .sites = 1 },
		.brake = { .window_ms = 60000, .sites = 2 } });
	assert_string_equal(withheld_by(h, find_permit(h, false)), "budget");
	h->agents[0].is_sick = h->agents[1].is_sick = true;
	h->agents[2].is_sick = true;
	house_turn(h);
	for (size_t i = 0; i < SITES; i++)
		assert_string_equal(withheld_by(h, i), "brake");
}

/* Who forces the guard that was named is let go by the others, too: a floor
 * comes first, also where a limit withholds as well. */
static void
test_a_floor_is_named_before_a_limit(void **state)
{
	static const struct {
		struct conf_guards guards;
		const char *by;
	} rows[] = {
		{ { .min_sites = 1,
		      .budget = { .window_ms = 600000, .sites = 2 } },
		    "min_sites" },
		{ { .min_sites = 1,
		      .brake = { .window_ms = 600000, .sites = 1 } },
		    "min_sites" },
		{ { .min_capacity = 300,
		      .budget = { .window_ms = 600000, .sites = 2 } },
		    "min_capacity" },
		{ { .min_capacity_percent = 60,
		      .brake = { .window_ms = 600000, .sites = 1 } },
		    "min_capacity" },
	};
	struct house *h = *state;

	for (size_t i = 0; i < TEST_COUNT(rows); i++) {
		set_sick(h, false);
		use(h, &rows[i].guards);
		h->agents[0].is_sick = h->agents[1].is_sick = true;
		house_turn(h);
		assert_false(h->agents[2].has_permit);
		assert_string_equal(withheld_by(h, 2), rows[i].by);
		house_restart_controller(h); /* and nobody was heard yet */
		assert_string_equal(withheld_by(h, 2), rows[i].by);
	}
}

/* One that an operator holds off is no reason, but the other one may be. */
static void
test_a_floor_that_is_overridden_is_not_named(void **state)
{
	struct house *h = *state;

	use(h,
	    &(struct conf_guards){ .min_sites = 1,
		.min_capacity = 300,
		.budget = { .window_ms = 600000, .sites = 2 } });
	leave_wlg_alone(h);
	assert_string_equal(withheld_by(h, 2), "min_sites");
	override(h, "min_sites", "*");
	assert_string_equal(withheld_by(h, 2), "min_capacity");
	override(h, "min_capacity", "wlg");
	assert_string_equal(withheld_by(h, 2), "budget");
	override(h, "budget", "wlg");
	assert_string_equal(withheld_by(h, 2), "");
}

/* Nor is one named that the configuration has not. */
static void
test_no_guard_is_named_that_is_not_there(void **state)
{
	struct house *h = *state;

	use(h, &(struct conf_guards){ .min_sites = 1 });
	override(h, "min_sites", "wlg");
	assert_string_equal(withheld_by(h, 2), "");
	house_restart_controller(h);
	assert_string_equal(withheld_by(h, 2), "min_sites");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_a_new_controller_does_not_guess_the_last),
		WITH_HOUSE(test_the_last_is_told_without_a_site_that_is_gone),
		WITH_HOUSE(test_an_override_is_of_one_floor),
		WITH_HOUSE(test_an_override_is_of_one_floor_the_other_way),
		WITH_HOUSE(test_a_site_is_let_go_by_both_floors),
		WITH_HOUSE(test_a_drain_of_a_site_not_heard_yet),
		WITH_HOUSE(test_a_drain_of_capacity_not_heard_yet),
		WITH_HOUSE(
		    test_a_drain_of_a_site_not_heard_yet_without_a_floor),
		WITH_HOUSE(test_a_drain_of_a_site_whose_bird_is_silent),
		WITH_HOUSE(test_a_drain_of_a_site_out_of_reach),
		WITH_HOUSE(test_the_brakes_limit_is_no_budget),
		WITH_HOUSE(test_orders_name_the_guard),
		WITH_HOUSE(test_orders_name_the_guard_of_now),
		WITH_HOUSE(test_a_floor_is_named_before_a_limit),
		WITH_HOUSE(test_a_floor_that_is_overridden_is_not_named),
		WITH_HOUSE(test_no_guard_is_named_that_is_not_there),
	};

	return house_main(tests, TEST_COUNT(tests));
}
