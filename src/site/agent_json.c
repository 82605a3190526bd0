/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an agent tells of itself: the objects of docs/api.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/intent_row.h"
#include "api/drain.h"
#include "api/explain.h"
#include "site/agent_counters.h"
#include "site/agent_guards.h"
#include "site/agent_drain.h"
#include "site/agent_prefixes.h"
#include "site/agent_state.h"
#include "site/clients_link.h"
#include "site/sweep_link.h"
#include "site/uplink.h"
#include "store/utf8.h"

static json_t *
probe_json(const struct agent *a, size_t s, size_t i)
{
	const struct checker_probe *known = checker_probe(a->checker, s, i);
	const struct conf_probe *conf = &a->conf->services[s].probes[i];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, "
			 "s:{s:I, s:I, s:I}}",
	    "probe", conf->name, "kind", conf_probe_kind_name(conf->kind),
	    "target", conf->target != NULL ? conf->target : conf->argv[0],
	    "health", health_name(known->health), "detail", known->detail,
	    "since_ms", (json_int_t)known->since_ms, "last_ms",
	    (json_int_t)known->last_ms, "rtt_us", (json_int_t)known->rtt_us,
	    "stale", known->is_stale, "results", "pass",
	    (json_int_t)known->results[PROBE_PASS], "fail",
	    (json_int_t)known->results[PROBE_FAIL], "untried",
	    (json_int_t)known->results[PROBE_NO_ANSWER_FROM_US]);
}

static json_t *
services_json(const struct agent *a)
{
	json_t *list = json_array();

	for (size_t s = 0; s < a->conf->n_services; s++) {
		json_t *probes = json_array();
		const struct conf_service *conf = &a->conf->services[s];
		char lost[CONF_WHEN_LOST_BYTES];

		for (size_t p = 0; p < a->conf->services[s].n_probes; p++)
			json_array_append_new(probes, probe_json(a, s, p));
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:b, s:I, s:I, s:s, s:o, s:o}",
			"service", conf->name, "health",
			health_name(checker_service(a->checker, s)),
			"unknown_too_long", a->overdue[s], "since_ms",
			(json_int_t)checker_service_since_ms(a->checker, s),
			"need", (json_int_t)conf->need, "when_lost",
			conf_when_lost_format(conf->when_lost_ms, lost),
			"probes", probes, "drain",
			agent_drain_service_json(a, s)));
	}
	return list;
}

static json_t *
bird_json(const struct agent *a)
{
	struct reconcile_bird b;

	reconcile_get_bird(a->reconcile, &b);
	/* As BIRD wrote them: it quotes its configuration. */
	utf8_clean(b.version);
	utf8_clean(b.last_error);
	utf8_clean(b.config_error);
	utf8_clean(b.by_hand);
	return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, "
			 "s:I, s:s, s:s, s:b}",
	    "state", bird_state_name(b.state), "version", b.version,
	    "sessions_up", (json_int_t)b.sessions_up, "sessions_all",
	    (json_int_t)b.sessions_all, "last_error", b.last_error,
	    "config_error", b.config_error, "reconfigurations",
	    (json_int_t)b.reconfigurations, "failures", (json_int_t)b.failures,
	    "confirmed", (json_int_t)b.confirmed, "undone",
	    (json_int_t)b.undone, "foreign", (json_int_t)b.foreign, "change",
	    b.change, "by_hand", b.by_hand, "export_conf", b.has_attrs);
}

/* Announced in BIRD, and no neighbour hears of it. */
static bool
is_unheard(const struct agent *a, size_t i)
{
	return reconcile_real(a->reconcile, i) == REAL_ANNOUNCED &&
	    reconcile_exported_to(a->reconcile, i) == 0;
}

/* The controller gave no permit for some. */
static bool
is_withheld(const struct agent *a)
{
	for (size_t i = 0; i < a->n_prefixes; i++) {
		if (a->prefixes[i].service != NO_SERVICE &&
		    a->prefixes[i].withdraw_forbidden)
			return true;
	}
	return false;
}

/* Healthy, and yet nothing is announced: held by a guard, or drained piece by
 * piece. */
static bool
is_all_withdrawn(const struct agent *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_prefixes; i++) {
		if (a->prefixes[i].service == NO_SERVICE)
			continue;
		if (a->prefixes[i].decision.announce)
			return false;
		n++;
	}
	return n > 0;
}

/* One word for the whole site, the worst first. */
static const char *
site_state(const struct agent *a)
{
	size_t sick = 0, unknown = 0;

	if (intent_set_drain(&a->intents.set, a->conf->site) != NULL)
		return agent_drain_is_over(a) ? "drained" : "draining";
	for (size_t i = 0; i < a->n_prefixes; i++) {
		if (reconcile_diverged_ms(a->reconcile, i) > 0)
			return "diverged";
		if (is_unheard(a, i))
			return "isolated";
	}
	for (size_t s = 0; s < a->conf->n_services; s++) {
		enum health h = checker_service(a->checker, s);

		sick += h == HEALTH_SICK;
		unknown += h == HEALTH_UNKNOWN;
	}
	if (sick > 0 && sick == a->conf->n_services)
		return "sick";
	if (sick > 0)
		return "degraded";
	if (unknown > 0)
		return "unknown";
	return is_all_withdrawn(a) ? "withdrawn" : "announcing";
}

/* The test prefixes: what is withdrawn together, and for whom. */
static json_t *
test_prefixes_json(const struct agent *a, size_t test)
{
	const struct conf_test *conf = &a->conf->test;
	json_t *list = json_array();
	char text[PREFIX_TEXT_BYTES];

	for (size_t p = 0; p < conf->n_prefixes; p++) {
		if (conf->number[p] == test) {
			json_array_append_new(list,
			    json_string(prefix_format(&conf->prefixes[p],
				text)));
		}
	}
	return list;
}

static json_t *
tests_json(const struct agent *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->conf->test.n_tests; i++) {
		json_array_append_new(list,
		    json_pack("{s:o, s:I, s:I}", "prefixes",
			test_prefixes_json(a, i), "experiment",
			(json_int_t)a->tests[i].experiment, "given_up",
			(json_int_t)a->tests[i].given_up));
	}
	return list;
}

json_t *
agent_status(const struct agent *a)
{
	uint64_t version;
	int64_t withdrew_ago_ms = agent_guards_withdrew_ago_ms(a->guards);
	json_t *prefixes = agent_prefixes_json(a, &version);
	json_t *site = json_pack(
	    "{s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:o?, "
	    "s:o?}",
	    "site", a->conf->site, "state", site_state(a), "boot", a->boot,
	    "started_ms", (json_int_t)a->started_ms, "tests", tests_json(a),
	    "services", services_json(a), "prefixes", prefixes,
	    "prefixes_version", (json_int_t)version, "intents",
	    intents_to_json(&a->intents.set, a->conf->site, true), "bird",
	    bird_json(a), "sweep",
	    a->sweep != NULL ? sweep_link_status(a->sweep) : NULL, "uplink",
	    a->uplink != NULL ? uplink_status(a->uplink) : NULL);

	agent_load_add(a->counters, site);
	json_object_set_new(site, "guards", agent_guards_json(a->guards));
	if (is_withheld(a)) {
		json_object_set_new(site, "withheld_by",
		    json_string(guard_name(a->withheld_by)));
	}
	json_object_set_new(site, "withdrawals",
	    json_integer((json_int_t)agent_guards_withdrawals(a->guards)));
	if (withdrew_ago_ms >= 0) {
		json_object_set_new(site, "withdrew_ago_ms",
		    json_integer((json_int_t)withdrew_ago_ms));
	}
	json_object_set_new(site, "guard_holds",
	    agent_guards_counts_json(a->guards));
	if (a->env.feeds != NULL && feeds_stats(a->env.feeds) != NULL) {
		json_object_set(site, "feeds", feeds_stats(a->env.feeds));
	}
	if (a->clients != NULL) {
		json_object_set_new(site, "clients_link",
		    clients_link_status(a->clients));
	}
	if (a->uplink != NULL) {
		json_t *up = json_object_get(site, "uplink");

		json_object_set(site, "applied_revision",
		    json_object_get(up, "applied_revision"));
		json_object_set(site, "wanted_revision",
		    json_object_get(up, "wanted_revision"));
	}
	return site;
}

/* ---- explain ---- */

json_t *
agent_explain(const struct agent *a, const char *what, struct err *err)
{
	bool is_site = strcmp(what, a->conf->site) == 0;
	struct prefix wanted = { 0 };
	json_t *site, *list;

	if (!is_site && prefix_parse(what, &wanted, err) == -1) {
		err_set(err, ERR_GONE,
		    "%s: neither this site (%s) nor a prefix", what,
		    a->conf->site);
		return NULL;
	}
	site = agent_status(a);
	list = explain_prefixes(site, is_site ? NULL : &wanted);
	if (json_array_size(list) == 0) {
		json_decref(list);
		json_decref(site);
		err_set(err, ERR_GONE, "%s: not a prefix of site %s", what,
		    a->conf->site);
		return NULL;
	}
	json_object_set_new(site, "prefixes", list);
	return site;
}
