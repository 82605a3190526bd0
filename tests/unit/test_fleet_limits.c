/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The guards that count sites, brake and budget, when sites go out of sight. */
#include "fleet/controller_state.h"

#include "fleet_house.h"

#define LONG_MS 60000

/* It says nothing any more, and has not for long. */
static void
lose(struct house *h, size_t site)
{
	h->agents[site].is_silent = true;
	h->c->sites[site].contact_awake_ms -= LONG_MS;
	controller_touch_guards(h->c);
}

static bool
is_braked(struct house *h)
{
	assert_int_equal(get(h, "/v1/status"), 200);
	return strstr(h->body, "\"guard\":\"brake\"") != NULL;
}

static void
engage(struct house *h)
{
	house_use_guards(h,
	    &(struct conf_guards){
		.brake = { .window_ms = 60000, .sites = 1 } });
	for (size_t i = 0; i < SITES; i++) {
		h->agents[i].is_sick = true;
		fake_serve(&h->agents[i]);
	}
	house_turn(h);
	assert_true(is_braked(h));
}

/* What it says of its services instead. */
static void
say_services(struct fake *a, const char *service, const char *health)
{
	json_decref(a->more);
	a->more = json_pack("{s:[{s:s, s:s}]}", "services", "service", service,
	    "health", health);
}

static void
test_lost_sites_do_not_release_the_brake(void **state)
{
	struct house *h = *state;

	engage(h);
	lose(h, 0);
	lose(h, 1);
	house_turn(h);
	assert_true(is_braked(h));
	assert_answer_has(h, "; 2 that cannot be heard now count as sick");
	/* Nor as long as only one is known to be well. */
	h->agents[2].is_sick = false;
	house_turn(h);
	assert_true(is_braked(h));
	h->agents[0].is_silent = h->agents[0].is_sick = false;
	house_turn(h);
	assert_false(is_braked(h));
}

/* Sites that were lost while they were well keep nobody. */
static void
test_sites_lost_while_well_do_not_hold_it(void **state)
{
	struct house *h = *state;

	house_use_guards(h,
	    &(struct conf_guards){
		.brake = { .window_ms = 60000, .sites = 1 } });
	lose(h, 0);
	h->agents[1].is_sick = h->agents[2].is_sick = true;
	house_turn(h);
	assert_true(is_braked(h));
	h->agents[1].is_sick = false;
	house_turn(h);
	assert_false(is_braked(h));
}

/* An agent that was started anew knows nothing yet, perhaps of a service that
 * has another name now. */
static void
test_what_is_not_known_does_not_release_it(void **state)
{
	struct house *h = *state;

	engage(h);
	for (size_t i = 0; i < SITES; i++)
		say_services(&h->agents[i], "web", "unknown");
	house_turn(h);
	assert_true(is_braked(h));
	for (size_t i = 0; i < SITES; i++)
		say_services(&h->agents[i], "www", "unknown");
	house_turn(h);
	assert_true(is_braked(h));
	for (size_t i = 0; i < SITES; i++)
		say_services(&h->agents[i], "www", "healthy");
	house_turn(h);
	assert_false(is_braked(h));
}

/* ---- the budget ---- */

/* Out of contact, the one with the permit withdraws, and its agent is started
 * anew, which tells of it so; then all are sick.  Returns who announce. */
static size_t
withdraw_unheard(struct house *h, json_int_t ago_ms, bool with_controller)
{
	struct fake *a = &h->agents[0];
	size_t announcing = 0;

	house_use_guards(h,
	    &(struct conf_guards){
		.budget = { .window_ms = 600000, .sites = 1 } });
	while (!a->has_permit)
		a++;
	a->is_silent = true;
	house_turn(h);
	a->is_sick = true;
	fake_serve(a);
	assert_true(a->is_gone);
	(void)snprintf(a->boot, sizeof(a->boot), "another");
	a->withdrawals = 0;
	a->wanted = a->applied = 0;
	a->more = json_pack("{s:I}", "withdrew_ago_ms", ago_ms);
	a->is_silent = false;
	if (with_controller)
		house_restart_controller(h);
	house_turn(h);
	for (size_t i = 0; i < SITES; i++)
		h->agents[i].is_sick = true;
	house_turn(h);
	for (size_t i = 0; i < SITES; i++)
		announcing += !h->agents[i].is_gone;
	return announcing;
}

static void
test_budget_counts_what_was_withdrawn_unheard(void **state)
{
	assert_int_equal(withdraw_unheard(*state, 1000, false), SITES - 1);
}

static void
test_budget_counts_it_after_its_own_restart(void **state)
{
	assert_int_equal(withdraw_unheard(*state, 1000, true), SITES - 1);
}

/* Nobody is held for what is over. */
static void
test_budget_forgets_what_is_older_than_its_window(void **state)
{
	assert_int_equal(withdraw_unheard(*state, 600000, false), SITES - 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_lost_sites_do_not_release_the_brake),
		WITH_HOUSE(test_sites_lost_while_well_do_not_hold_it),
		WITH_HOUSE(test_what_is_not_known_does_not_release_it),
		WITH_HOUSE(test_budget_counts_what_was_withdrawn_unheard),
		WITH_HOUSE(test_budget_counts_it_after_its_own_restart),
		WITH_HOUSE(test_budget_forgets_what_is_older_than_its_window),
	};

	return house_main(tests, TEST_COUNT(tests));
}
