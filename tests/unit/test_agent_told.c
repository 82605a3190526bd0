/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole agent without BIRD: what it makes of what its controller said, of who
 * announces last and for which guard a permit is missing.
 */
#include "site/agent_guards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "base/json_text.h"
#include "base/xalloc.h"
#include "daemon_parts.h"
#include "http_wire.h"
#include "loop_wait.h"
#include "site/agent.h"
#include "site/agent_state.h"
#include "store/intent_row.h"
#include "test.h"

static const struct worker_kind kinds[] = {
	{ "test-store", store_main, 0, WALL_NONE },
};

struct house {
	struct store_file f;
	struct conf *conf;
	struct daemon_parts p;
	struct fetch_engine *fetch;
	struct agent *agent;
};

/* Nobody listens there: it counts as heard from for the first half a minute. */
static struct conf *
make_conf(const struct house *h)
{
	struct err err = { 0 };
	const char *dir = h->f.dir;
	char *text = xasprintf("socket: %s/sock\n"
			       "store: %s/a.db\n"
			       "site: akl\n"
			       "controller: http://127.0.0.1:%u\n"
			       "bird: {socket: %s/bird.ctl,\n"
			       "  include: %s/ours.conf}\n"
			       "services:\n"
			       "- name: web\n"
			       "  prefixes: [192.0.2.0/24]\n"
			       "  probes:\n"
			       "  - {name: up, file: %s/flag, when: present}\n",
	    dir, dir, wire_free_port(), dir, dir, dir);
	struct conf *c =
	    conf_parse("a.yml", (const uint8_t *)text, strlen(text), &err);

	if (c == NULL)
		fail_msg("%s", err.msg);
	free(text);
	return c;
}

static void
begin(struct house *h, struct agent *from)
{
	const struct agent_env env = { .lp = h->p.lp,
		.keeper = h->p.k,
		.store = h->p.store,
		.query = h->p.query,
		.fetch = h->fetch,
		.conf = h->conf,
		.from = from };
	struct err err = { 0 };

	h->agent = agent_new(&env, &err);
	if (h->agent == NULL)
		fail_msg("%s", err.msg);
}

static int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	file_make(&h->f);
	h->conf = make_conf(h);
	parts_start(&h->p, &h->f, kinds, TEST_COUNT(kinds));
	h->fetch = fetch_engine_new(h->p.lp);
	begin(h, NULL);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;

	agent_free(h->agent);
	fetch_engine_free(h->fetch);
	parts_stop(&h->p);
	conf_free(h->conf);
	file_remove(&h->f);
	free(h);
	return 0;
}

/* Of a prefix that never flapped nothing is told. */
static void
flap(struct house *h)
{
	const struct route_decision announced = { .announce = true };

	assert_false(h->agent->prefixes[0].decision.announce);
	agent_guards_on_decision(h->agent->guards, &h->agent->prefixes[0],
	    &announced);
	agent_guards_settle(h->agent->guards);
}

static bool
is_last(struct house *h)
{
	struct agent_guards_view v = { 0 };

	agent_guards_step(h->agent->guards);
	agent_guards_see(h->agent->guards, &h->agent->prefixes[0], &v);
	assert_true(v.has_flapped);
	return v.is_last;
}

/* As after half a minute without an answer, and the first one then. */
static void
be_out_of_contact(struct house *h)
{
	struct uplink *up = h->agent->uplink;

	h->agent->uplink = NULL;
	assert_true(is_last(h));
	h->agent->uplink = up;
}

static void
test_a_new_controller_takes_nothing_back(void **state)
{
	struct house *h = *state;
	struct agent_guards *g = h->agent->guards;

	flap(h);
	assert_true(is_last(h)); /* nobody said anything */
	agent_guards_keep_last(g);
	assert_true(is_last(h));
	agent_guards_take_last(g, true, NULL, 0);
	assert_false(is_last(h));
	/* Else each restart would let all go that have to wait. */
	agent_guards_keep_last(g);
	assert_false(is_last(h));
	agent_guards_take_last(g, true, &h->agent->prefixes[0].prefix, 1);
	agent_guards_keep_last(g);
	assert_true(is_last(h));
}

/* Who announced it then may be gone. */
static void
test_what_was_told_long_ago_does_not_hold(void **state)
{
	struct house *h = *state;
	struct agent_guards *g = h->agent->guards;

	flap(h);
	agent_guards_take_last(g, true, NULL, 0);
	be_out_of_contact(h);
	/* The same controller, which has nothing new to say. */
	assert_false(is_last(h));
	agent_guards_keep_last(g);
	assert_true(is_last(h));
	agent_guards_take_last(g, true, NULL, 0);
	agent_guards_keep_last(g);
	assert_false(is_last(h));
}

static void
keep_orders(struct house *h, uint64_t revision, const char *text)
{
	assert_int_equal(store_put_order(h->p.store, "akl", revision, text,
			     NULL, NULL),
	    0);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
}

/* It reads the last orders while it knows no controller yet: nothing may be
 * decided by that. */
static void
test_a_reload_is_not_out_of_contact(void **state)
{
	struct house *h = *state;
	struct agent *old = h->agent;

	keep_orders(h, 1,
	    "{\"revision\":1,\"intents\":[],\"ended\":[],\"tests\":[]}");
	flap(h);
	agent_guards_take_last(old->guards, true, NULL, 0);
	assert_false(is_last(h));
	begin(h, old);
	agent_free(old);
	agent_guards_keep_last(h->agent->guards);
	assert_false(is_last(h));
}

static int
drain(const struct house *h, const struct drain_request *want, struct err *err)
{
	return agent_guards_check_drain(h->agent->guards, want, err);
}

/* Its console refuses by the guard that the controller named, and that one is
 * to be forced. */
static void
test_a_console_names_the_guard(void **state)
{
	struct drain_request want = { 0 };
	struct house *h = *state;
	struct err err = { 0 };

	agent_take_permits(h->agent, true, NULL, 0);
	h->agent->prefixes[0].decision.announce = true;
	assert_int_equal(drain(h, &want, &err), -1);
	assert_non_null(strstr(err.msg, "guard min_sites: "));
	h->agent->withheld_by = GUARD_BUDGET;
	assert_int_equal(drain(h, &want, &err), -1);
	assert_non_null(strstr(err.msg, "guard budget: "));
	want.force[GUARD_MIN_SITES] = true;
	assert_int_equal(drain(h, &want, &err), -1);
	want.force[GUARD_BUDGET] = true;
	assert_int_equal(drain(h, &want, &err), 0);
}

static bool
is_held(struct house *h)
{
	struct route_inputs in = { .withdraw_forbidden = true };

	agent_guards_step(h->agent->guards);
	agent_guards_fill(h->agent->guards, &h->agent->prefixes[0], &in);
	return in.withdraw_forbidden;
}

/* Nobody else can be asked: who overrides the guard that was named is heard. */
static void
test_an_override_out_of_contact(void **state)
{
	struct house *h = *state;
	struct intent row = intent_new("override", "akl", "a test", "jo");
	struct uplink *up = h->agent->uplink;

	h->agent->withheld_by = GUARD_BUDGET;
	intent_scope_of_guard(GUARD_BUDGET, row.scope);
	h->agent->uplink = NULL;
	assert_true(is_held(h));
	intent_book_take(&h->agent->intents, &row, NULL, NULL);
	assert_false(is_held(h));
	h->agent->uplink = up;
	assert_true(is_held(h)); /* the controller can be */
}

/* And its status does, as long as one is missing. */
static void
test_the_status_names_the_guard(void **state)
{
	struct house *h = *state;
	json_t *site;

	h->agent->withheld_by = GUARD_BUDGET;
	agent_take_permits(h->agent, true, NULL, 0);
	site = agent_status(h->agent);
	assert_string_equal(json_text(site, "withheld_by"), "budget");
	json_decref(site);
	agent_take_permits(h->agent, true, &h->agent->prefixes[0].prefix, 1);
	site = agent_status(h->agent);
	assert_null(json_object_get(site, "withheld_by"));
	json_decref(site);
}

/* What they said of permits is not known. */
static void
test_orders_that_cannot_be_read_permit_nothing(void **state)
{
	static const char *const orders[] = { "rubbish", "{\"revision\":2}" };
	struct house *h = *state;

	assert_false(h->agent->prefixes[0].withdraw_forbidden);
	for (size_t i = 0; i < TEST_COUNT(orders); i++) {
		agent_free(h->agent);
		keep_orders(h, i + 1, orders[i]);
		begin(h, NULL);
		assert_true(h->agent->prefixes[0].withdraw_forbidden);
	}
}

#define WITH_HOUSE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_a_new_controller_takes_nothing_back),
		WITH_HOUSE(test_what_was_told_long_ago_does_not_hold),
		WITH_HOUSE(test_a_reload_is_not_out_of_contact),
		WITH_HOUSE(test_a_console_names_the_guard),
		WITH_HOUSE(test_the_status_names_the_guard),
		WITH_HOUSE(test_an_override_out_of_contact),
		WITH_HOUSE(test_orders_that_cannot_be_read_permit_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
