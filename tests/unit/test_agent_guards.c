/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole agent beside a real BIRD: what its guards know must outlive another
 * configuration and a restart.
 */
#include "site/agent_guards.h"

#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "base/xalloc.h"
#include "daemon_parts.h"
#include "loop_wait.h"
#include "real_bird.h"
#include "site/agent.h"
#include "site/agent_state.h"
#include "site/uplink.h"
#include "test.h"

#define NEVER_MS 3600000
/* What is kept is in whole milliseconds: its age then, and since then. */
#define ROUNDED_MS 2

/* Nobody listens there. */
#define NO_CONTROLLER "controller: http://127.0.0.1:9\n"

static const struct worker_kind kinds[] = {
	{ "test-store", store_main, 0, WALL_NONE },
};

/* Services s0, s1, ... with a prefix each; healthy while "flag" is there. */
struct wish {
	int n;
	int odd_ms;       /* the interval of the last one; 0: as the others */
	const char *odd;  /* its name; NULL: as the others */
	const char *more; /* lines of the configuration */
};

struct house {
	struct store_file f;
	struct conf *conf, *old; /* the one of the agent before */
	struct daemon_parts p;
	struct fetch_engine *fetch;
	struct agent *agent;
	pid_t bird_pid;
};

/* ---- the house ---- */

static void
put(const struct house *h, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", h->f.dir, name);

	file_write(path, text, strlen(text));
	free(path);
}

static void
remove_flag(const struct house *h)
{
	char *path = xasprintf("%s/flag", h->f.dir);

	assert_int_equal(unlink(path), 0);
	free(path);
}

static char *
service_text(const struct house *h, const struct wish *w, int i)
{
	char name[16];
	bool is_odd = i == w->n - 1;

	(void)snprintf(name, sizeof(name), "s%d", i);
	return xasprintf("- name: %s\n"
			 "  prefixes: [198.51.%d.0/24]\n"
			 "  probes:\n"
			 "  - {name: up, file: %s/flag, when: present,\n"
			 "    interval: %dms, down_after: 2, up_after: 2}\n",
	    is_odd && w->odd != NULL ? w->odd : name, i, h->f.dir,
	    is_odd && w->odd_ms > 0 ? w->odd_ms : 50);
}

static struct conf *
make_conf(const struct house *h, const struct wish *w)
{
	struct err err = { 0 };
	const char *dir = h->f.dir;
	char *text = xasprintf("socket: %s/sock\n"
			       "store: %s/a.db\n"
			       "site: akl\n"
			       "bird: {socket: %s/bird.ctl, poll: 100ms,\n"
			       "  include: %s/ours.conf, min_gap: 0s}\n"
			       "%s"
			       "guards: {brake: {action: hold, window: 30s}}\n"
			       "services:\n",
	    dir, dir, dir, dir, w->more != NULL ? w->more : "");
	struct conf *c;

	for (int i = 0; i < w->n; i++) {
		char *service = service_text(h, w, i);
		char *longer = xasprintf("%s%s", text, service);

		free(service);
		free(text);
		text = longer;
	}
	c = conf_parse("a.yml", (const uint8_t *)text, strlen(text), &err);
	if (c == NULL)
		fail_msg("%s: %s", err.msg, text);
	free(text);
	return c;
}

static void
start_bird(struct house *h)
{
	char *text = xasprintf("router id 10.0.0.1;\nprotocol device {}\n"
			       "include \"%s/ours.conf\";\n",
	    h->f.dir);

	put(h, "bird.conf", text);
	put(h, "ours.conf", "");
	free(text);
	h->bird_pid = bird_spawn(h->f.dir, "bird");
}

static int
setup(void **state)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	file_make(&h->f);
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
	conf_free(h->old);
	file_remove(&h->f);
	free(h);
	return 0;
}

static void
start_agent(struct house *h, const struct wish *w, struct agent *from)
{
	struct agent_env env = { .lp = h->p.lp,
		.keeper = h->p.k,
		.store = h->p.store,
		.query = h->p.query,
		.fetch = h->fetch,
		.from = from };
	struct err err = { 0 };

	conf_free(h->old);
	h->old = h->conf;
	env.conf = h->conf = make_conf(h, w);
	h->agent = agent_new(&env, &err);
	if (h->agent == NULL)
		fail_msg("%s", err.msg);
}

/* The new one takes over from the old one. */
static void
reload(struct house *h, const struct wish *w)
{
	struct agent *old = h->agent;

	WAIT_FOR(h->p.lp, agent_is_idle(old));
	start_agent(h, w, old);
	agent_free(old);
}

/* Another process, as far as the agent can tell. */
static void
restart(struct house *h, const struct wish *w)
{
	WAIT_FOR(h->p.lp, agent_is_idle(h->agent));
	agent_free(h->agent);
	WAIT_FOR(h->p.lp, store_backlog(h->p.store) == 0);
	start_agent(h, w, NULL);
}

/* ---- what is ---- */

static size_t
announced(const struct house *h)
{
	size_t n = 0;

	(void)agent_turn(h->agent);
	for (size_t i = 0; i < h->agent->n_prefixes; i++) {
		n += h->agent->prefixes[i].decision.announce &&
		    reconcile_real(h->agent->reconcile, i) == REAL_ANNOUNCED;
	}
	return agent_is_idle(h->agent) ? n : SIZE_MAX;
}

/* So many have it as their last verdict. */
static size_t
count_health(const struct house *h, enum health health)
{
	size_t n = 0;

	for (size_t s = 0; s < h->agent->conf->n_services; s++)
		n += checker_service(h->agent->checker, s) == health;
	return n;
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

static bool
is_braked(const struct house *h)
{
	return says(h, "\"guard\":\"brake\",\"state\":\"holds\"");
}

static void
announce(struct house *h, const struct wish *w)
{
	if (!bird_is_installed())
		skip();
	put(h, "flag", "");
	start_bird(h);
	start_agent(h, w, NULL);
	WAIT_FOR(h->p.lp, announced(h) == (size_t)w->n);
}

/* ---- the brake ---- */

static void
expect_braked(struct house *h)
{
	for (size_t i = 0; i < h->agent->n_prefixes; i++)
		assert_true(h->agent->prefixes[i].decision.announce);
	assert_true(is_braked(h));
}

/* All three are sick, and kept. */
static void
brake(struct house *h)
{
	announce(h, &(struct wish){ .n = 3 });
	remove_flag(h);
	WAIT_FOR(h->p.lp, count_health(h, HEALTH_SICK) == 3);
	/* It is when it has no question to BIRD under way. */
	WAIT_FOR(h->p.lp, announced(h) == 3);
	expect_braked(h);
}

/* All the time until so many are sick again, and then still. */
static void
expect_kept(struct house *h, size_t sick, size_t kept)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MAX_MS);

	while (count_health(h, HEALTH_SICK) != sick) {
		expect_braked(h);
		loop_wait(h->p.lp, end, "sick again");
	}
	WAIT_FOR(h->p.lp, announced(h) == kept);
	expect_braked(h);
}

static void
test_brake_outlives_a_changed_probe(void **state)
{
	struct house *h = *state;

	brake(h);
	reload(h, &(struct wish){ .n = 3, .odd_ms = 60 });
	expect_kept(h, 3, 3);
}

/* As with a probe that has no results: it may be unknown for long. */
static void
test_brake_outlives_a_service_that_is_unknown(void **state)
{
	struct house *h = *state;

	brake(h);
	reload(h, &(struct wish){ .n = 3, .odd_ms = NEVER_MS });
	expect_kept(h, 2, 3);
}

static void
test_brake_outlives_a_removed_service(void **state)
{
	struct house *h = *state;

	brake(h);
	reload(h, &(struct wish){ .n = 2 });
	expect_kept(h, 2, 2);
	reload(h, &(struct wish){ .n = 1 });
	expect_kept(h, 1, 1);
}

static void
test_brake_outlives_a_renamed_service(void **state)
{
	struct house *h = *state;

	brake(h);
	reload(h, &(struct wish){ .n = 3, .odd = "other" });
	expect_kept(h, 3, 3);
}

/* A first pass is no recovery: what passed would be withdrawn until the next. */
static void
test_brake_lets_go_when_one_is_well(void **state)
{
	struct house *h = *state;

	brake(h);
	put(h, "flag", "");
	while (is_braked(h)) {
		for (size_t i = 0; i < h->agent->n_prefixes; i++)
			assert_true(h->agent->prefixes[i].decision.announce);
		loop_step(h->p.lp, WAIT_STEP_MS);
		(void)agent_turn(h->agent);
	}
	assert_true(count_health(h, HEALTH_HEALTHY) > 0);
}

/* ---- the budget ---- */

/* The fleet's is charged by it, whenever the controller hears of it. */
static void
test_the_last_withdrawal_is_remembered(void **state)
{
	static const struct wish alone = { .n = 1 };
	struct house *h = *state;
	int64_t ago_ms;

	announce(h, &alone);
	assert_false(says(h, "\"withdrew_ago_ms\""));
	remove_flag(h);
	WAIT_FOR(h->p.lp, announced(h) == 0);
	WAIT_FOR(h->p.lp, agent_guards_withdrew_ago_ms(h->agent->guards) > 100);
	for (int i = 0; i < 4; i++) {
		ago_ms = agent_guards_withdrew_ago_ms(h->agent->guards);
		if (i % 2 == 0) {
			reload(h, &alone);
		} else {
			restart(h, &alone);
		}
		assert_true(agent_guards_withdrew_ago_ms(h->agent->guards) >=
		    ago_ms - ROUNDED_MS);
		assert_true(says(h, "\"withdrew_ago_ms\""));
	}
}

/* ---- the controller ---- */

/* What it said before is no newer by a reload. */
static void
test_a_silent_controller_stays_silent(void **state)
{
	static const struct wish alone = { .n = 1, .more = NO_CONTROLLER };
	struct house *h = *state;
	int64_t silent_ms;

	start_agent(h, &alone, NULL);
	WAIT_FOR(h->p.lp,
	    says(h, "\"state\":\"silent\"") &&
		uplink_silent_ms(h->agent->uplink) > 100);
	silent_ms = uplink_silent_ms(h->agent->uplink);
	reload(h, &alone);
	assert_true(uplink_silent_ms(h->agent->uplink) >= silent_ms);
	assert_true(says(h, "\"state\":\"silent\""));
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOUSE(test_brake_outlives_a_changed_probe),
		WITH_HOUSE(test_brake_outlives_a_service_that_is_unknown),
		WITH_HOUSE(test_brake_outlives_a_removed_service),
		WITH_HOUSE(test_brake_outlives_a_renamed_service),
		WITH_HOUSE(test_brake_lets_go_when_one_is_well),
		WITH_HOUSE(test_the_last_withdrawal_is_remembered),
		WITH_HOUSE(test_a_silent_controller_stays_silent),
	};

	if (sodium_init() == -1 ||
	    curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
