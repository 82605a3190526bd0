/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole agent, on its own, beside a real BIRD: what drains, flap damping and
 * freezes make of each other.
 */
#include "site/agent_drain.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/drain.h"
#include "base/fetch.h"
#include "base/xalloc.h"
#include "bird/include.h"
#include "daemon_parts.h"
#include "loop_wait.h"
#include "real_bird.h"
#include "site/agent.h"
#include "site/agent_guards.h"
#include "site/agent_state.h"
#include "store/intent_row.h"
#include "test.h"

static const struct worker_kind kinds[] = {
	{ "test-store", store_main, 0, WALL_NONE },
};

struct house {
	struct store_file f;
	char flag[128];    /* the service is healthy while it is there */
	const char *steps; /* of a drain */
	const char *service;
	struct conf *conf;
	struct daemon_parts p;
	struct fetch_engine *fetch;
	struct agent *agent;
	struct agent *from; /* a reload's: the one before */
	unsigned durable;
	pid_t bird_pid;
};

/* ---- the house ---- */

static char *
in_dir(const struct house *h, const char *name)
{
	return xasprintf("%s/%s", h->f.dir, name);
}

static void
put(const struct house *h, const char *name, const char *text)
{
	char *path = in_dir(h, name);

	file_write(path, text, strlen(text));
	free(path);
}

static const char gentle[] = "  - {step: graceful_shutdown, hold: 50ms}\n"
			     "  - {step: prepend, hold: 50ms}\n"
			     "  - {step: withdraw}\n";

static struct conf *
make_conf(const struct house *h)
{
	struct err err = { 0 };
	const char *dir = h->f.dir;
	char *text =
	    xasprintf("socket: %s/sock\n"
		      "store: %s/a.db\n"
		      "site: akl\n"
		      "bird: {socket: %s/bird.ctl, poll: 100ms,\n"
		      "  include: %s/ours.conf, min_gap: 0s}\n"
		      "drain:\n"
		      "  steps:\n%s"
		      "services:\n"
		      "- name: %s\n"
		      "  prefixes: [192.0.2.0/24]\n"
		      "  probes:\n"
		      "  - {name: up, file: %s/flag, when: present,\n"
		      "    interval: 50ms, down_after: 1, up_after: 1}\n"
		      "guards: {damping: {updates: 10}}\n",
		dir, dir, dir, dir, h->steps, h->service, dir);
	struct conf *c =
	    conf_parse("a.yml", (const uint8_t *)text, strlen(text), &err);

	if (c == NULL)
		fail_msg("%s", err.msg);
	free(text);
	return c;
}

/* Without export.conf attributes change nothing. */
static void
start_bird(struct house *h, bool with_export)
{
	char *export = bird_include_read("bird/export.conf", NULL);
	char *text = xasprintf("router id 10.0.0.1;\nprotocol device {}\n"
			       "%sinclude \"%s/ours.conf\";\n",
	    with_export ? "include \"export.conf\";\n" : "", h->f.dir);

	assert_non_null(export);
	put(h, "export.conf", export);
	put(h, "bird.conf", text);
	put(h, "ours.conf", "");
	free(export);
	free(text);
	h->bird_pid = bird_spawn(h->f.dir, "bird");
}

static int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	file_make(&h->f);
	(void)snprintf(h->flag, sizeof(h->flag), "%s/flag", h->f.dir);
	h->steps = gentle;
	h->service = "web";
	h->conf = make_conf(h);
	parts_start(&h->p, &h->f, kinds, TEST_COUNT(kinds));
	h->fetch = fetch_engine_new(h->p.lp);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	agent_free(h->agent);
	bird_kill(&h->bird_pid);
	fetch_engine_free(h->fetch);
	parts_stop(&h->p);
	conf_free(h->conf);
	file_remove(&h->f);
	free(h);
	return 0;
}

static void
start_agent(struct house *h)
{
	struct agent_env env = { .lp = h->p.lp,
		.keeper = h->p.k,
		.store = h->p.store,
		.query = h->p.query,
		.fetch = h->fetch,
		.conf = h->conf,
		.from = h->from };
	struct err err = { 0 };

	h->agent = agent_new(&env, &err);
	if (h->agent == NULL)
		fail_msg("%s", err.msg);
}

/* As a reload: the new one takes over from the old one. */
static void
reload_agent(struct house *h)
{
	struct agent *old = h->agent;

	WAIT_FOR(h->p.lp, agent_is_idle(old));
	h->from = old;
	start_agent(h);
	h->from = NULL;
	agent_free(old);
}

/* Before the first agent. */
static void
start_with_steps(struct house *h, const char *steps)
{
	conf_free(h->conf);
	h->steps = steps;
	h->conf = make_conf(h);
}

/* With another configuration. */
static void
reload_conf(struct house *h)
{
	struct conf *old = h->conf;

	h->conf = make_conf(h);
	reload_agent(h);
	conf_free(old);
}

static void
reload_steps(struct house *h, const char *steps)
{
	h->steps = steps;
	reload_conf(h);
}

/* ---- what is ---- */

static const struct agent_prefix *
web(const struct house *h)
{
	return &h->agent->prefixes[0];
}

/* As often as the daemon does, or oftener. */
static const char *
step(const struct house *h)
{
	(void)agent_turn(h->agent);
	return drain_stage_name(&h->conf->agent->services[0].drain,
	    &web(h)->drain);
}

/* BIRD has it, with these attributes, and is not just being asked: a test waits
 * for it. */
static bool
is_real(const struct house *h, bool announced, struct route_attrs attrs)
{
	const struct reconcile *r = h->agent->reconcile;

	(void)agent_turn(h->agent);
	return reconcile_is_idle(r) &&
	    (reconcile_real(r, 0) == REAL_ANNOUNCED) == announced &&
	    reconcile_real(r, 0) != REAL_UNKNOWN &&
	    (!announced ||
		route_attrs_equal(reconcile_real_attrs(r, 0), attrs));
}

static const struct route_attrs none = { 0 };

static struct agent_guards_view
view(const struct house *h)
{
	struct agent_guards_view v = { 0 };

	agent_guards_see(h->agent->guards, web(h), &v);
	return v;
}

static bool
says(const struct house *h, const char *word)
{
	json_t *doc = agent_status(h->agent);
	char *text = json_dumps(doc, JSON_COMPACT);
	bool is = strstr(text, word) != NULL;

	free(text);
	json_decref(doc);
	return is;
}

/* ---- what operators do ---- */

static void
on_durable(void *arg)
{
	struct house *h = arg;

	h->durable++;
}

/* Takes it in, and all that came before it is on disk, too. */
static void
take(struct house *h, const struct intent *row)
{
	unsigned before = h->durable;

	intent_book_take(&h->agent->intents, row, on_durable, h);
	WAIT_FOR(h->p.lp, h->durable > before);
}

static struct intent
begin(struct house *h, const char *kind, const char *scope)
{
	struct intent row = intent_new(kind, "akl", "a test", "jo");

	(void)snprintf(row.scope, sizeof(row.scope), "%s", scope);
	take(h, &row);
	return row;
}

static void
end(struct house *h, struct intent *row)
{
	assert_true(intent_end(row, wall_now_ms(), "jo"));
	take(h, row);
}

static void
announce(struct house *h, bool with_export)
{
	if (!bird_is_installed())
		skip();
	put(h, "flag", "");
	start_bird(h, with_export);
	start_agent(h);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
}

static void
drain_and_restore(struct house *h)
{
	struct intent drain = begin(h, "drain", "");

	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	end(h, &drain);
}

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
	WAIT_FOR(h->p.lp,
	    is_real(h, true,
		(struct route_attrs){ .graceful_shutdown = true }));
	assert_int_equal(drain_at_once(h, &err), 0);
	assert_string_equal(step(h), "withdraw");
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
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	(void)begin(h, "freeze", "");
	assert_int_equal(drain_at_once(h, &err), 0);
	assert_null(intent_set_drain_as_quick(&h->agent->intents.set, "akl", "",
	    true));
}

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
	agent_stop(h->agent);
	agent_free(h->agent);
	start_agent(h);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
	assert_int_equal(view(h).updates, 7);
	assert_penalty(h, 3000);
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
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	reload_steps(h, gentle);
	assert_false(web(h)->decision.announce);
	assert_string_equal(step(h), "drained");
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	assert_true(agent_drain_is_over(h->agent));
	assert_int_equal(view(h).updates, 2);
	/* And back by those of now. */
	end(h, &drain);
	assert_true(web(h)->decision.attrs.graceful_shutdown);
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
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
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

	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
	end(h, &guard);
	end(h, &drain);
}

static void
test_a_forced_drain_is_undone_within_the_freeze(void **state)
{
	struct house *h = *state;

	announce(h, true);
	(void)begin(h, "freeze", "");
	drain_by_force(h);
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
	agent_stop(h->agent);
	agent_free(h->agent);
	start_agent(h);
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

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_at_once_hastens_a_drain),
		WITH_HOUSE(test_at_once_of_what_is_drained),
		WITH_HOUSE(test_each_step_is_an_update),
		WITH_HOUSE(test_the_way_back_waits_for_the_budget),
		WITH_HOUSE(test_an_override_lets_the_way_back_go_on),
		WITH_HOUSE(test_without_export_conf_steps_are_no_updates),
		WITH_HOUSE(test_a_smaller_budget_is_one_at_once),
		WITH_HOUSE(test_steps_that_a_reload_adds_announce_nothing),
		WITH_HOUSE(test_steps_that_a_reload_adds_in_the_last_one),
		WITH_HOUSE(
		    test_a_reload_withdraws_nothing_while_a_gentle_step_is_left),
		WITH_HOUSE(test_no_reload_renames_a_drained_service),
		WITH_HOUSE(test_a_forced_drain_is_undone_within_the_freeze),
		WITH_HOUSE(test_sick_on_the_way_back_within_a_freeze),
		WITH_HOUSE(test_a_forced_drain_of_what_is_sick_meanwhile),
		WITH_HOUSE(test_what_was_drained_before_a_freeze_stays),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
