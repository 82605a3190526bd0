/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The agent's people's API: for a site on its own, and for the console of a
 * site whose controller is out of reach. */
#include <stdlib.h>
#include <string.h>

#include "api/common.h"
#include "api/drain.h"
#include "api/explain.h"
#include "api/guard_acts.h"
#include "store/intent_row.h"
#include "base/xalloc.h"
#include "site/agent_guards.h"
#include "feeds/recent_api.h"
#include "site/agent_state.h"
#include "site/probe_api.h"

static bool
is_our_site(struct agent *a, struct api_request *req)
{
	const char *site = api_segment(req, 2);
	struct err err;

	if (strcmp(site, a->conf->site) == 0)
		return true;
	err_set(&err, ERR_GONE, "site %s: not here, this is the agent of %s",
	    site, a->conf->site);
	api_reply_err(req, &err);
	return false;
}

/* What a drain changes, from the status before it. */
static json_t *
drain_answer(struct agent *a, const json_t *before,
    const struct drain_request *want, const struct intent *row)
{
	struct intent_set wished = drain_wished(&a->intents.set, want, row);
	json_t *answer = json_pack("{s:s, s:b, s:o?, s:n, s:s*}", "site",
	    a->conf->site, "dry_run", want->dry_run, "intent",
	    want->dry_run ? NULL : intent_to_json(row), "landing", "warning",
	    explain_hindrance(before, &wished));

	explain_add_changes(before, &wished, answer);
	intent_set_fini(&wished);
	return answer;
}

static int
check_drain(struct agent *a, const json_t *now,
    const struct drain_request *want, struct err *err)
{
	if (drain_scope_check(now, want->scope, err) == -1 ||
	    agent_guards_check_drain(a->guards, want, err) == -1)
		return -1;
	return drain_is_new(&a->intents.set, a->conf->site, want, err);
}

static void
handle_drain(struct api_request *req, void *arg)
{
	struct agent *a = arg;
	struct drain_request want;
	struct api_later *later;
	struct intent row;
	json_t *answer, *before;
	struct err err;

	if (!is_our_site(a, req))
		return;
	if (drain_request_parse(req, &want, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	before = agent_status(a);
	if (check_drain(a, before, &want, &err) == -1) {
		api_reply_err(req, &err);
		json_decref(before);
		return;
	}
	row = drain_intent(a->conf->site, &want, api_actor(req));
	/* The words first: once it is decided BIRD must not wait for them. */
	answer = drain_answer(a, before, &want, &row);
	json_decref(before);
	if (want.dry_run) {
		api_reply_json(req, 200, answer);
		return;
	}
	later = api_later_new(req, answer);
	if (drain_take(&a->intents, &want, &row, api_later_send, later, &err) ==
	    -1)
		api_later_refuse(later, &err);
}

int
/* NOLINTNEXTLINE(readability-function-size): as the header has it */
agent_drain(struct agent *a, const struct drain_request *want,
    const char *actor, store_done_cb *on_durable, void *arg, struct err *err)
{
	/* Where nothing is left there is nothing to hasten. */
	const struct intent *active = intent_set_drain_as_quick(&a->intents.set,
	    a->conf->site, "", want->at_once && agent_count_left(a) > 0);
	struct intent row;

	if (active != NULL) {
		row = *active;
	} else if (agent_guards_check_drain(a->guards, want, err) == -1 ||
	    drain_is_new(&a->intents.set, a->conf->site, want, err) == -1) {
		return -1;
	} else {
		row = drain_intent(a->conf->site, want, actor);
	}
	if (intent_book_take(&a->intents, &row, on_durable, arg))
		return 0;
	return err_set(err, ERR_REFUSED,
	    "site %s: the drain was left out: too many drains, overrides and freezes are active",
	    a->conf->site);
}

bool
agent_is_drained(const struct agent *a)
{
	return intent_set_drain(&a->intents.set, a->conf->site) != NULL;
}

size_t
agent_count_left(const struct agent *a)
{
	struct reconcile_bird bird;
	size_t n = 0;

	reconcile_get_bird(a->reconcile, &bird);
	for (size_t i = 0; i < a->n_prefixes; i++) {
		const struct agent_prefix *p = &a->prefixes[i];
		enum route_real real = reconcile_real(a->reconcile, i);
		/* A BIRD that does not run announces nothing. */
		bool is_gone = real == REAL_WITHDRAWN ||
		    (real == REAL_UNKNOWN && bird.state == BIRD_DOWN);

		if (p->service != NO_SERVICE &&
		    (p->decision.announce || !is_gone))
			n++;
	}
	return n;
}

static void
handle_restore(struct api_request *req, void *arg)
{
	struct agent *a = arg;
	struct restore_request want;
	struct drain_ending ending;
	json_t *answer, *before;
	struct err err;

	if (!is_our_site(a, req))
		return;
	if (restore_request_parse(req, &want, &err) == -1 ||
	    guard_check_frozen(&a->intents.set, a->conf->site, &err) == -1 ||
	    drain_ending_make(&a->intents.set, a->conf->site, &want, &ending,
		&err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	before = agent_status(a);
	answer = json_pack("{s:s, s:o, s:s*}", "site", a->conf->site, "ended",
	    drain_ending_json(&ending), "warning",
	    drain_ending_hindrance(&ending, before));
	explain_add_changes(before, &ending.after, answer);
	json_decref(before);
	drain_ending_take(&ending, &a->intents, api_later_send,
	    api_later_new(req, answer));
	drain_ending_fini(&ending);
}

static void
handle_status(struct api_request *req, void *arg)
{
	struct agent *a = arg;
	json_t *sites = json_array();

	json_array_append_new(sites, agent_status(a));
	api_reply_json(req, 200,
	    api_status_frame(a->env.conf, a->started_ms, sites));
}

static void
handle_explain(struct api_request *req, void *arg)
{
	struct agent *a = arg;
	const char *asked = api_param(req, "what");
	const char *what = asked != NULL ? asked : "";
	bool is_site;
	json_t *site, *sites = json_array();
	char *subject;
	struct err err;

	site = agent_explain(a, what, &err);
	if (site == NULL) {
		json_decref(sites);
		api_reply_err(req, &err);
		return;
	}
	is_site = strcmp(what, a->conf->site) == 0;
	json_array_append_new(sites, site);
	subject = xasprintf("%s/%s", is_site ? "site" : "prefix", what);
	api_reply_json(req, 200,
	    json_pack("{s:s, s:s, s:o, s:o}", "what", what, "kind",
		is_site ? "site" : "prefix", "sites", sites, "events",
		api_recent_events(a->env.query, is_site ? NULL : subject)));
	free(subject);
}

static void
handle_not_controller(struct api_request *req, void *arg)
{
	struct agent *a = arg;
	struct err err;

	err_set(&err, ERR_REFUSED, "the agent of %s predicts nothing: %s%s",
	    a->conf->site,
	    a->conf->controller != NULL ? "ask the controller at "
					: "it has no controller",
	    a->conf->controller != NULL ? a->conf->controller : "");
	api_reply_err(req, &err);
}

/* Recent clients are the site's own, whoever else predicts. */
static void
handle_clients(struct api_request *req, void *arg)
{
	struct agent *a = arg;
	json_t *stats;

	if (a->env.feeds == NULL || a->env.conf->n_feeds == 0) {
		handle_not_controller(req, arg);
		return;
	}
	stats = json_pack("[O*]", feeds_stats(a->env.feeds));
	api_reply_json(req, 200,
	    json_pack("{s:o}", "recent",
		recent_to_json(feeds_book(a->env.feeds), stats)));
	json_decref(stats);
}

static void
handle_recent(struct api_request *req, void *arg)
{
	struct agent *a = arg;

	if (a->env.feeds == NULL || a->env.conf->n_feeds == 0) {
		handle_not_controller(req, arg);
	} else {
		recent_reply_list(req, feeds_book(a->env.feeds));
	}
}

void
agent_serve(struct agent *a, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/v1/status", API_READ, handle_status },
		{ "GET", "/v1/explain", API_READ, handle_explain },
		{ "POST", "/v1/sites/+/drain", API_LOCAL, handle_drain },
		{ "POST", "/v1/sites/+/restore", API_LOCAL, handle_restore },
		{ "GET", "/v1/failover", API_READ, handle_not_controller },
		{ "GET", "/v1/clients", API_READ, handle_clients },
		{ "GET", "/v1/clients/recent", API_LOCAL, handle_recent },
		{ "POST", "/v1/clients", API_LOCAL, handle_not_controller },
		{ "POST", "/v1/clients/take", API_LOCAL,
		    handle_not_controller },
		{ "POST", "/v1/experiments", API_LOCAL, handle_not_controller },
		{ 0 },
	};

	api_server_add(server, routes, a);
	agent_guards_serve(a->guards, server);
}

void
agent_serve_probes(struct agent *a, struct api_server *server)
{
	probe_api_serve(a->probe_api, server);
}
