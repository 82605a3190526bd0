/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What drains, flap damping and freezes make of each other. */
#include "site/agent_drain.h"

#include "agent_house.h"

/* ---- damping ---- */

/* Half-lives are minutes: so much may go in the time of a test. */
static void
assert_penalty(const struct house *h, int64_t want)
{
	assert_in_range(view(h).penalty, want * 8 / 10, want);
}

static void
test_each_step_is_an_update(void **state)
{
	struct house *h = *state;
	struct intent drain;

	announce(h, true);
	assert_int_equal(view(h).updates, 1);
	assert_int_equal(view(h).penalty, 0);
	drain = begin(h, "drain", "");
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	assert_int_equal(view(h).updates, 4);
	assert_penalty(h, 2000);
	end(h, &drain);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_int_equal(view(h).updates, 7);
	assert_penalty(h, 3000);
	/* A new daemon knows, and adds nothing by itself. */
	take(h, &drain);
	restart_agent(h);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_int_equal(view(h).updates, 7);
	assert_penalty(h, 3000);
}

/* It was long on its way: nothing is withdrawn, not for a moment. */
static void
test_a_drain_that_is_over_takes_nothing(void **state)
{
	struct house *h = *state;
	struct intent over = intent_new_drain("akl", "", "", 1, 1);

	announce(h, true);
	over.at_once = true;
	take(h, &over);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_string_equal(step(h), "normal");
	assert_int_equal(view(h).updates, 1);
	assert_penalty(h, 0);
}

static void
test_the_way_back_waits_for_the_budget(void **state)
{
	const struct route_attrs both = { true, 3 };
	struct house *h = *state;

	h->conf->agent->guards.damping.updates = 5;
	announce(h, true);
	drain_and_restore(h);
	/* Its announcement was the fifth. */
	WAIT_FOR(h->p.lp, is_real(h, true, both));
	WAIT_FOR(h->p.lp, web(h)->drain_wait == DRAIN_WAIT_DAMPING);
	assert_string_equal(step(h), "prepend");
	assert_true(view(h).back_waits);
	assert_true(says(h, "\"waits_for\":\"flap damping\""));
	assert_true(says(h, "\"guard\":\"damping\""));
	assert_true(says(h, "\"guard_holds\":{\"freeze\":0,"));
	assert_true(says(h, "\"damping\":1"));
	/* Bad health withdraws at once all the same: only announcements and
	 * withdrawals count in what the last announcer may. */
	assert_false(view(h).down_waits);
	assert_int_equal(unlink(h->flag), 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	put(h, "flag", "");
	WAIT_FOR(h->p.lp, web(h)->decision.announce);
}

static void
test_an_override_lets_the_way_back_go_on(void **state)
{
	struct house *h = *state;

	h->conf->agent->guards.damping.updates = 5;
	announce(h, true);
	drain_and_restore(h);
	WAIT_FOR(h->p.lp,
	    strcmp(step(h), "prepend") == 0 &&
		web(h)->drain_wait == DRAIN_WAIT_DAMPING);
	(void)begin(h, "override", "guard/damping");
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_string_equal(step(h), "normal");
}

static void
test_without_export_conf_steps_are_no_updates(void **state)
{
	struct house *h = *state;

	announce(h, false);
	drain_and_restore(h);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	WAIT_FOR(h->p.lp, strcmp(step(h), "normal") == 0);
	assert_int_equal(view(h).updates, 3);
	assert_penalty(h, 1000);
}

/* What was used up of a greater budget keeps nobody waiting for hours: no
 * drain's way back, nor the withdrawal of the last announcer. */
static void
test_a_smaller_budget_is_one_at_once(void **state)
{
	struct house *h = *state;

	announce(h, true);
	drain_and_restore(h);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_int_equal(view(h).updates, 7);
	h->conf->agent->guards.damping.updates = 2;
	reload_agent(h);
	assert_in_range(view(h).updates, 3, 4);
	assert_in_range(view(h).wait_ms, 1, 90 * 60000);
	assert_penalty(h, 3000);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
}

/* ---- freezes ---- */

static bool
is_sick(const struct house *h)
{
	return checker_service(h->agent->checker, 0) == HEALTH_SICK;
}

/* Drained by force within a freeze, until it is over, as its rows end of
 * themselves: first that of the guard. */
static void
drain_by_force(struct house *h)
{
	struct intent guard = begin(h, "override", "guard/freeze");
	struct intent drain = begin(h, "drain", "");

	wait_drained(h);
	end(h, &guard);
	end(h, &drain);
}

/* The same, until it is restored. */
static void
restore_by_force(struct house *h)
{
	struct intent drain = intent_new("drain", "akl", "a test", "jo");
	struct intent guard = intent_new("override", "akl", "a test", "jo");

	intent_forced_id(&drain, GUARD_FREEZE, guard.id);
	intent_scope_of_guard(GUARD_FREEZE, guard.scope);
	take(h, &guard);
	take(h, &drain);
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	end(h, &drain);
}

static void
check_undone_within_the_freeze(struct house *h, void (*drain)(struct house *h))
{
	announce(h, true);
	(void)begin(h, "freeze", "");
	drain(h);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_string_equal(step(h), "normal");
	assert_int_equal(web(h)->decision.rule, ROUTE_RULE_FREEZE);
	/* Now the freeze keeps that. */
	assert_int_equal(unlink(h->flag), 0);
	WAIT_FOR(h->p.lp, is_sick(h));
	assert_true(web(h)->decision.announce);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_int_equal(web(h)->decision.rule, ROUTE_RULE_FREEZE);
}

static void
test_a_forced_drain_is_undone_within_the_freeze(void **state)
{
	check_undone_within_the_freeze(*state, drain_by_force);
}

/* What let it through is over with it: the site is frozen again. */
static void
test_a_forced_drain_is_restored_within_the_freeze(void **state)
{
	check_undone_within_the_freeze(*state, restore_by_force);
}

/* Nor does it by steps: the route goes back on its way, and is never withdrawn
 * on it. */
static void
test_sick_on_the_way_back_within_a_freeze(void **state)
{
	const struct route_attrs both = { true, 3 };
	struct house *h = *state;

	struct conf_drain_step *prepend =
	    &h->conf->agent->services[0].drain.steps[1];

	prepend->back_ms = INT64_C(600000);
	announce(h, true);
	(void)begin(h, "freeze", "");
	drain_by_force(h);
	WAIT_FOR(h->p.lp, is_real(h, true, both));
	assert_int_equal(unlink(h->flag), 0);
	WAIT_FOR(h->p.lp, is_sick(h));
	assert_true(web(h)->decision.announce);
	WAIT_FOR(h->p.lp, is_real(h, true, both));
	prepend->back_ms = 50;
	WAIT_FOR(h->p.lp, strcmp(step(h), "normal") == 0);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
}

/* It comes when it is well, to a daemon that was started meanwhile, too. */
static void
test_a_forced_drain_of_what_is_sick_meanwhile(void **state)
{
	struct house *h = *state;

	announce(h, true);
	(void)begin(h, "freeze", "");
	assert_int_equal(unlink(h->flag), 0);
	WAIT_FOR(h->p.lp, is_sick(h));
	drain_by_force(h);
	assert_false(web(h)->decision.announce);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	restart_agent(h);
	WAIT_FOR(h->p.lp, is_sick(h));
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	put(h, "flag", "");
	WAIT_FOR(h->p.lp, is_real(h, true, none));
}

/* What the freeze found stays, and says what it waits for. */
static void
test_what_was_drained_before_a_freeze_stays(void **state)
{
	struct house *h = *state;
	struct intent drain, freeze;

	announce(h, true);
	drain = begin(h, "drain", "");
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	freeze = begin(h, "freeze", "");
	assert_string_equal(step(h), "drained");
	assert_int_equal(web(h)->drain_wait, DRAIN_WAIT_NONE);
	end(h, &drain);
	assert_string_equal(step(h), "drained");
	assert_true(says(h, "\"waits_for\":\"the freeze to end\""));
	assert_true(says(h, "\"given_back\":false"));
	assert_false(web(h)->decision.announce);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	end(h, &freeze);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_string_equal(step(h), "normal");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_each_step_is_an_update),
		WITH_HOUSE(test_a_drain_that_is_over_takes_nothing),
		WITH_HOUSE(test_the_way_back_waits_for_the_budget),
		WITH_HOUSE(test_an_override_lets_the_way_back_go_on),
		WITH_HOUSE(test_without_export_conf_steps_are_no_updates),
		WITH_HOUSE(test_a_smaller_budget_is_one_at_once),
		WITH_HOUSE(test_a_forced_drain_is_undone_within_the_freeze),
		WITH_HOUSE(test_a_forced_drain_is_restored_within_the_freeze),
		WITH_HOUSE(test_sick_on_the_way_back_within_a_freeze),
		WITH_HOUSE(test_a_forced_drain_of_what_is_sick_meanwhile),
		WITH_HOUSE(test_what_was_drained_before_a_freeze_stays),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
