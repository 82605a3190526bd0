/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drains that are hastened, and what becomes of one by a reload, or by a
 * restart after its time. */
#include "site/agent_drain.h"

#include "agent_house.h"
#include "api/drain.h"

/* ---- at once ---- */

/* As the end of the daemon asks for it. */
static int
drain_at_once(struct house *h, struct err *err)
{
	const struct drain_request want = { .at_once = true };
	unsigned before = h->durable;

	if (agent_drain(h->agent, &want, "ann", on_durable, h, err) == -1)
		return -1;
	WAIT_FOR(h->p.lp, h->durable > before);
	return 0;
}

static void
test_at_once_hastens_a_drain(void **state)
{
	struct house *h = *state;
	struct intent soft;
	const struct intent *quick;
	struct err err;

	start_with_steps(h,
	    "  - {step: graceful_shutdown, hold: 1h}\n"
	    "  - {step: withdraw}\n");
	announce(h, true);
	soft = begin(h, "drain", "");
	WAIT_FOR(h->p.lp, is_real(h, true, gshut));
	assert_int_equal(drain_at_once(h, &err), 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	/* It holds by itself. */
	quick =
	    intent_set_drain_as_quick(&h->agent->intents.set, "akl", "", true);
	assert_non_null(quick);
	assert_string_equal(quick->actor, "ann");
	end(h, &soft);
	assert_string_equal(step(h), "drained");
	assert_true(agent_is_drained(h->agent));
}

/* What is through needs no other drain, which a freeze would refuse. */
static void
test_at_once_of_what_is_drained(void **state)
{
	struct house *h = *state;
	struct err err;

	announce(h, true);
	(void)begin(h, "drain", "");
	wait_drained(h);
	(void)begin(h, "freeze", "");
	assert_int_equal(drain_at_once(h, &err), 0);
	assert_null(intent_set_drain_as_quick(&h->agent->intents.set, "akl", "",
	    true));
}

/* ---- reloads ---- */

/* A drain that is through stays so by steps that were added in front. */
static void
test_steps_that_a_reload_adds_announce_nothing(void **state)
{
	struct house *h = *state;
	struct intent drain;

	start_with_steps(h, "  - {step: withdraw}\n");
	announce(h, true);
	drain = begin(h, "drain", "");
	wait_drained(h);
	reload_steps(h, gentle);
	assert_false(web(h)->decision.announce);
	assert_string_equal(step(h), "drained");
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	assert_true(agent_drain_is_over(h->agent));
	assert_int_equal(view(h).updates, 2);
	/* And back by those of now, each of which is an update. */
	end(h, &drain);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_int_equal(view(h).updates, 5);
}

/* So does one that only just withdrew. */
static void
test_steps_that_a_reload_adds_in_the_last_one(void **state)
{
	struct house *h = *state;

	start_with_steps(h, "  - {step: withdraw, hold: 1h}\n");
	announce(h, true);
	(void)begin(h, "drain", "");
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	assert_string_equal(step(h), "withdraw");
	reload_steps(h,
	    "  - {step: prepend, hold: 50ms}\n"
	    "  - {step: withdraw, hold: 1h}\n");
	assert_false(web(h)->decision.announce);
	assert_string_equal(step(h), "withdraw");
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	assert_int_equal(view(h).updates, 2);
}

/* A gentle step is not taken for the withdrawal that has its number now. */
static void
test_a_reload_withdraws_nothing_while_a_gentle_step_is_left(void **state)
{
	const struct route_attrs prepended = { .prepend = 3 };
	struct house *h = *state;

	start_with_steps(h,
	    "  - {step: graceful_shutdown, hold: 50ms}\n"
	    "  - {step: prepend, hold: 1h}\n"
	    "  - {step: withdraw}\n");
	announce(h, true);
	(void)begin(h, "drain", "");
	WAIT_FOR(h->p.lp, strcmp(step(h), "prepend") == 0);
	reload_steps(h,
	    "  - {step: prepend, hold: 1h}\n"
	    "  - {step: withdraw}\n");
	assert_true(web(h)->decision.announce);
	assert_string_equal(step(h), "prepend");
	WAIT_FOR(h->p.lp, is_real(h, true, prepended));
	/* Without any left there is nothing to wait for. */
	reload_steps(h, "  - {step: withdraw}\n");
	assert_string_not_equal(step(h), "drained");
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
}

static int
check_reload(const struct house *h, struct err *err)
{
	struct conf *fresh = make_conf(h);
	int rc = agent_check_reload(h->agent, fresh, err);

	conf_free(fresh);
	return rc;
}

static bool
has_event(const struct house *h, const char *what)
{
	char *sql =
	    xasprintf("SELECT count(*) FROM event WHERE what = '%s'", what);
	bool is = file_number(&h->f, sql) > 0;

	free(sql);
	return is;
}

/* A drained prefix is not announced because its service is called otherwise. */
static void
test_no_reload_renames_a_drained_service(void **state)
{
	struct house *h = *state;
	struct intent service;
	struct err err;

	announce(h, true);
	service = begin(h, "drain", "service/web");
	assert_int_equal(check_reload(h, &err), 0);
	h->service = "www";
	assert_int_equal(check_reload(h, &err), -1);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.msg,
	    "service www: 192.0.2.0/24 is drained "
	    "with service/web (drain-akl-"));
	/* As it says. */
	(void)begin(h, "drain", "prefix/192.0.2.0/24");
	assert_int_equal(check_reload(h, &err), 0);
	wait_drained(h);
	reload_conf(h);
	assert_string_equal(step(h), "drained");
	WAIT_FOR(h->p.lp, has_event(h, "drain of service/web: of nothing"));
	assert_false(has_event(h, "drain of 192.0.2.0/24: of nothing"));
	end(h, &service);
	assert_string_equal(step(h), "drained");
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	/* Of what is not drained any name will do. */
	h->service = "web";
	assert_int_equal(check_reload(h, &err), 0);
}

/* ---- what was due while nobody was there ---- */

/* The end of what is in the store, if it had not been written. */
static void
make_due(const struct house *h)
{
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	file_exec(&h->f, "UPDATE intent SET until_ms = 1, at_once = 1");
}

static void
test_a_drain_past_its_time_withdraws_nothing(void **state)
{
	struct house *h = *state;

	start_with_steps(h,
	    "  - {step: graceful_shutdown, hold: 1h, back: 50ms}\n"
	    "  - {step: withdraw}\n");
	announce(h, true);
	(void)begin(h, "drain", "");
	WAIT_FOR(h->p.lp, is_real(h, true, gshut));
	make_due(h);
	restart_agent(h);
	assert_true(web(h)->decision.announce);
	assert_false(agent_is_drained(h->agent));
	WAIT_FOR(h->p.lp, is_real(h, true, none));
}

/* The way back is as gentle as if somebody had been there. */
static void
test_a_drain_past_its_time_goes_back_in_steps(void **state)
{
	struct house *h = *state;

	announce(h, true);
	(void)begin(h, "drain", "");
	wait_drained(h);
	make_due(h);
	restart_agent(h);
	assert_int_equal(web(h)->drain.at, 2);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_string_equal(step(h), "normal");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_at_once_hastens_a_drain),
		WITH_HOUSE(test_at_once_of_what_is_drained),
		WITH_HOUSE(test_steps_that_a_reload_adds_announce_nothing),
		WITH_HOUSE(test_steps_that_a_reload_adds_in_the_last_one),
		WITH_HOUSE(
		    test_a_reload_withdraws_nothing_while_a_gentle_step_is_left),
		WITH_HOUSE(test_no_reload_renames_a_drained_service),
		WITH_HOUSE(test_a_drain_past_its_time_withdraws_nothing),
		WITH_HOUSE(test_a_drain_past_its_time_goes_back_in_steps),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
