/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole agent without BIRD: what it takes itself for, by what its controller
 * said, of who announces last.
 */
#include "site/agent_guards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "base/xalloc.h"
#include "daemon_parts.h"
#include "http_wire.h"
#include "site/agent.h"
#include "site/agent_state.h"
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

static int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));
	struct agent_env env;
	struct err err = { 0 };

	assert_non_null(h);
	file_make(&h->f);
	h->conf = make_conf(h);
	parts_start(&h->p, &h->f, kinds, TEST_COUNT(kinds));
	h->fetch = fetch_engine_new(h->p.lp);
	env = (struct agent_env){ .lp = h->p.lp,
		.keeper = h->p.k,
		.store = h->p.store,
		.query = h->p.query,
		.fetch = h->fetch,
		.conf = h->conf };
	h->agent = agent_new(&env, &err);
	if (h->agent == NULL)
		fail_msg("%s", err.msg);
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

#define WITH_HOUSE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_a_new_controller_takes_nothing_back),
		WITH_HOUSE(test_what_was_told_long_ago_does_not_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
