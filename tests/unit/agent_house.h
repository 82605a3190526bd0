/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef AGENT_HOUSE_H
#define AGENT_HOUSE_H
/*
 * agent_house -- a whole agent, on its own, beside a real BIRD, with one service
 * of one prefix, which is healthy while a file is there.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static inline char *
in_dir(const struct house *h, const char *name)
{
	return xasprintf("%s/%s", h->f.dir, name);
}

static inline void
put(const struct house *h, const char *name, const char *text)
{
	char *path = in_dir(h, name);

	file_write(path, text, strlen(text));
	free(path);
}

static const char gentle[] = "  - {step: graceful_shutdown, hold: 50ms}\n"
			     "  - {step: prepend, hold: 50ms}\n"
			     "  - {step: withdraw}\n";

static inline struct conf *
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
static inline void
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

static inline int
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

static inline int
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

static inline void
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

static inline void
restart_agent(struct house *h)
{
	agent_stop(h->agent);
	agent_free(h->agent);
	start_agent(h);
}

/* As a reload: the new one takes over from the old one. */
static inline void
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
static inline void
start_with_steps(struct house *h, const char *steps)
{
	conf_free(h->conf);
	h->steps = steps;
	h->conf = make_conf(h);
}

/* With another configuration. */
static inline void
reload_conf(struct house *h)
{
	struct conf *old = h->conf;

	h->conf = make_conf(h);
	reload_agent(h);
	conf_free(old);
}

static inline void
reload_steps(struct house *h, const char *steps)
{
	h->steps = steps;
	reload_conf(h);
}

/* ---- what is ---- */

static inline const struct agent_prefix *
web(const struct house *h)
{
	return &h->agent->prefixes[0];
}

/* As often as the daemon does, or oftener. */
static inline const char *
step(const struct house *h)
{
	(void)agent_turn(h->agent);
	return drain_stage_name(&h->conf->agent->services[0].drain,
	    &web(h)->drain);
}

/* BIRD has it, with these attributes, and is not just being asked: a test waits
 * for it. */
static inline bool
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

static const struct route_attrs none = { 0 },
				gshut = { .graceful_shutdown = true };

static inline void
wait_drained(const struct house *h)
{
	WAIT_FOR(h->p.lp, strcmp(step(h), "drained") == 0);
	WAIT_FOR(h->p.lp, is_real(h, false, none));
}

static inline struct agent_guards_view
view(const struct house *h)
{
	struct agent_guards_view v = { 0 };

	agent_guards_see(h->agent->guards, web(h), &v);
	return v;
}

static inline bool
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

static inline void
on_durable(void *arg)
{
	struct house *h = arg;

	h->durable++;
}

/* Takes it in, and all that came before it is on disk, too. */
static inline void
take(struct house *h, const struct intent *row)
{
	unsigned before = h->durable;

	intent_book_take(&h->agent->intents, row, on_durable, h);
	WAIT_FOR(h->p.lp, h->durable > before);
}

static inline struct intent
begin(struct house *h, const char *kind, const char *scope)
{
	struct intent row = intent_new(kind, "akl", "a test", "jo");

	(void)snprintf(row.scope, sizeof(row.scope), "%s", scope);
	take(h, &row);
	return row;
}

static inline void
end(struct house *h, struct intent *row)
{
	assert_true(intent_end(row, wall_now_ms(), "jo"));
	take(h, row);
}

static inline void
announce(struct house *h, bool with_export)
{
	if (!bird_is_installed())
		skip();
	put(h, "flag", "");
	start_bird(h, with_export);
	start_agent(h);
	WAIT_FOR(h->p.lp, is_real(h, true, none));
}

static inline void
drain_and_restore(struct house *h)
{
	struct intent drain = begin(h, "drain", "");

	wait_drained(h);
	end(h, &drain);
}

#define WITH_HOUSE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif /* AGENT_HOUSE_H */
