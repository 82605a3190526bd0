/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people call: status, drain, restore, explain. */
#include <stdlib.h>
#include <string.h>

#include "api/common.h"
#include "api/drain.h"
#include "api/explain.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "fleet/controller_state.h"
#include "fleet/campaign.h"
#include "fleet/experiment.h"
#include "fleet/test_hearing.h"
#include "fleet/test_prefix.h"
#include "store/intent_row.h"

static struct fleet_site *
find_site(struct controller *c, struct api_request *req, const char *name)
{
	size_t i = controller_find_site(c, name);
	struct err err;

	if (i != NO_SITE)
		return &c->sites[i];
	err_set(&err, ERR_GONE, "site %s: not in this fleet, known: %s", name,
	    c->site_names);
	api_reply_err(req, &err);
	return NULL;
}

/* ---- status ---- */

static const char *
site_state(const struct controller *c, const struct fleet_site *s)
{
	const char *own =
	    json_string_value(json_object_get(s->status, "state"));

	if (!fleet_site_is_live(s))
		return "lost";
	if (intent_set_drain(&c->intents.set, s->name) != NULL) {
		return own != NULL && strcmp(own, "drained") == 0 ? "drained"
								  : "draining";
	}
	return own != NULL ? own : "unknown";
}

static json_t *
site_json(const struct controller *c, const struct fleet_site *s)
{
	struct hearing_text why;
	json_t *site = s->status != NULL
	    ? json_copy(s->status)
	    : json_pack("{s:[], s:[], s:{s:s, s:s, s:i, s:i, s:s}}", "services",
		  "prefixes", "bird", "state", "unknown", "version", "",
		  "sessions_up", 0, "sessions_all", 0, "last_error", "");

	json_object_set_new(site, "site", json_string(s->name));
	json_object_set_new(site, "state", json_string(site_state(c, s)));
	json_object_set_new(site, "agent_age_ms",
	    s->status != NULL
		? json_integer(mono_diff_ms(mono_now(), s->contact))
		: json_null());
	json_object_set_new(site, "applied_revision",
	    json_integer((json_int_t)s->applied_revision));
	json_object_set_new(site, "wanted_revision",
	    json_integer((json_int_t)s->revision));
	json_object_set_new(site, "intents",
	    intents_to_json(&c->intents.set, s->name, true));
	fleet_load_add(c, (size_t)(s - c->sites), site);
	if (json_is_object(json_object_get(site, "sweep")) &&
	    !test_hearing_layout(s, &why)) {
		json_object_set_new(site, "other_layout",
		    json_string(why.text));
	}
	json_object_set_new(site, "permits",
	    guards_permits_json(c, (size_t)(s - c->sites)));
	return site;
}

json_t *
fleet_status(const struct controller *c)
{
	json_t *sites = json_array(), *answer;

	for (size_t i = 0; i < c->n_sites; i++)
		json_array_append_new(sites, site_json(c, &c->sites[i]));
	answer = api_status_frame(c->env.conf, c->started_ms, sites);
	json_object_set_new(answer, "clients",
	    json_pack("{s:I, s:I, s:I}", "list", (json_int_t)c->list, "count",
		(json_int_t)c->n_clients, "optouts", (json_int_t)c->optouts.n));
	json_object_set_new(answer, "experiment",
	    experiment_to_json(experiment_newest(c)));
	json_object_set_new(answer, "experiments", experiments_json(c));
	json_object_set_new(answer, "tests", test_prefixes_json(c));
	json_object_set_new(answer, "campaign", campaign_brief_json(c));
	json_object_set_new(answer, "guards", fleet_guards_json(c));
	return answer;
}

static void
handle_status(struct api_request *req, void *arg)
{
	struct controller *c = arg;

	controller_step_guards(c);
	api_reply_json(req, 200, fleet_status(c));
}

/* ---- drain and restore ---- */

/*
 * What the site will do, as far as its last report tells.  The intents are the
 * controller's, which the site may not have heard of yet.
 */
static void
add_changes(const struct controller *c, const struct fleet_site *s,
    const struct intent_set *wished, json_t *answer)
{
	json_t *site = site_json(c, s);

	explain_add_changes(site, wished, answer);
	json_decref(site);
}

static const char *
hindrance(const struct controller *c, const struct fleet_site *s,
    const struct intent_set *wished)
{
	json_t *site = site_json(c, s);
	const char *why = explain_hindrance(site, wished);

	json_decref(site);
	return why;
}

static const char *
hindrance_of_ending(const struct controller *c, const struct fleet_site *s,
    const struct drain_ending *ending)
{
	json_t *site = site_json(c, s);
	const char *why = drain_ending_hindrance(ending, site);

	json_decref(site);
	return why;
}

/* -1 with err when the site should not be drained so. */
static int
check_drain(struct controller *c, const struct fleet_site *s,
    const struct drain_request *want, struct room_text *room, struct err *err)
{
	json_t *site = site_json(c, s);
	int rc = drain_scope_check(site, want->scope, err);

	json_decref(site);
	controller_step_guards(c);
	if (rc == 0)
		rc = drain_is_new(&c->intents.set, s->name, want, err);
	if (rc == 0) {
		rc = guards_check_drain(c, (size_t)(s - c->sites), want, room,
		    err);
	}
	return rc;
}

static void
handle_drain(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	struct fleet_site *s = find_site(c, req, api_segment(req, 2));
	struct drain_request want;
	struct intent_set wished;
	struct api_later *later;
	struct intent row;
	struct room_text room;
	json_t *answer;
	struct err err;

	if (s == NULL)
		return;
	if (drain_request_parse(req, &want, &err) == -1 ||
	    check_drain(c, s, &want, &room, &err) == -1) {
		api_reply_err(req, &err);
		return;
	}
	row = drain_intent(s->name, &want, api_actor(req));
	wished = drain_wished(&c->intents.set, &want, &row);
	answer = json_pack("{s:s, s:b, s:o, s:o, s:s*}", "site", s->name,
	    "dry_run", want.dry_run, "intent",
	    want.dry_run ? json_null() : intent_to_json(&row), "landing",
	    fleet_landing(c, s->name), "warning", hindrance(c, s, &wished));
	if (room.text[0] != '\0')
		json_object_set_new(answer, "room", json_string(room.text));
	add_changes(c, s, &wished, answer);
	intent_set_fini(&wished);
	if (want.dry_run) {
		api_reply_json(req, 200, answer);
		return;
	}
	later = api_later_new(req, answer);
	if (drain_take(&c->intents, &want, &row, api_later_send, later, &err) ==
	    -1)
		api_later_refuse(later, &err);
}

static void
handle_restore(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	struct fleet_site *s = find_site(c, req, api_segment(req, 2));
	struct restore_request want;
	struct drain_ending ending;
	json_t *answer;
	struct err err;

	if (s == NULL)
		return;
	if (restore_request_parse(req, &want, &err) == -1 ||
	    guard_check_frozen(&c->intents.set, s->name, &err) == -1 ||
	    drain_ending_make(&c->intents.set, s->name, &want, &ending, &err) ==
		-1) {
		api_reply_err(req, &err);
		return;
	}
	answer = json_pack("{s:s, s:o, s:s*}", "site", s->name, "ended",
	    drain_ending_json(&ending), "warning",
	    hindrance_of_ending(c, s, &ending));
	add_changes(c, s, &ending.after, answer);
	/* There may be thousands: one document tells of all of them. */
	c->holds_publish = true;
	drain_ending_take(&ending, &c->intents, api_later_send,
	    api_later_new(req, answer));
	c->holds_publish = false;
	if (c->wants_publish)
		controller_publish(c, (size_t)(s - c->sites));
	c->wants_publish = false;
	drain_ending_fini(&ending);
}

/* ---- explain ---- */

static json_t *
explain_site(const struct controller *c, const struct fleet_site *s,
    const struct prefix *only)
{
	json_t *site = site_json(c, s);

	json_object_set_new(site, "prefixes", explain_prefixes(site, only));
	return site;
}

static void
handle_explain(struct api_request *req, void *arg)
{
	struct controller *c = arg;
	const char *what = api_param(req, "what");
	size_t only = controller_find_site(c, what != NULL ? what : "");
	json_t *sites = json_array();
	struct prefix prefix;
	struct err err;
	char *subject;

	if (only == NO_SITE &&
	    (what == NULL || prefix_parse(what, &prefix, &err) == -1)) {
		err_set(&err, ERR_GONE,
		    "%s: neither a site of this fleet nor a prefix",
		    what != NULL ? what : "");
		api_reply_err(req, &err);
		json_decref(sites);
		return;
	}
	controller_step_guards(c);
	for (size_t i = 0; i < c->n_sites; i++) {
		json_t *site;

		if (only != NO_SITE && i != only)
			continue;
		site = explain_site(c, &c->sites[i],
		    only == NO_SITE ? &prefix : NULL);
		if (only != NO_SITE ||
		    json_array_size(json_object_get(site, "prefixes")) > 0)
			json_array_append(sites, site);
		json_decref(site);
	}
	if (json_array_size(sites) == 0) {
		err_set(&err, ERR_GONE, "%s: no site has that prefix", what);
		api_reply_err(req, &err);
		json_decref(sites);
		return;
	}
	subject = xasprintf("%s/%s", only != NO_SITE ? "site" : "prefix", what);
	api_reply_json(req, 200,
	    json_pack("{s:s, s:s, s:o, s:o}", "what", what, "kind",
		only != NO_SITE ? "site" : "prefix", "sites", sites, "events",
		api_recent_events(c->env.query, subject)));
	free(subject);
}

void
fleet_serve_people(struct controller *c, struct api_server *server)
{
	static const struct api_route routes[] = {
		{ "GET", "/v1/status", API_READ, handle_status },
		{ "GET", "/v1/explain", API_READ, handle_explain },
		{ "POST", "/v1/sites/+/drain", API_LOCAL, handle_drain },
		{ "POST", "/v1/sites/+/restore", API_LOCAL, handle_restore },
		{ 0 },
	};

	api_server_add(server, routes, c);
	guard_acts_serve(&c->guard_acts, server);
}
