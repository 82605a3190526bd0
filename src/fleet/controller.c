/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/controller.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "core/experiment.h"
#include "fleet/controller_state.h"
#include "fleet/campaign.h"
#include "fleet/landings.h"
#include "fleet/map_book.h"
#include "fleet/experiment.h"
#include "fleet/null_run.h"
#include "fleet/test_prefix.h"
#include "store/intent_row.h"

#define TICK_MS 50
/* More between two ticks is a loop that stood still. */
#define TICK_COUNTS_MS 500
/* After so long what agents said last is of another time. */
#define STOOD_LONG_MS 15000
#define GUARDS_MS 1000
/* An agent reports every second. */
#define LIVE_MS 4000
#define OLD_EXPERIMENTS 1000
/* Agents may have orders that a killed controller gave out but did not get to
 * write down: their numbers must not come again with other orders. */
#define REVISION_GAP 1000000

size_t
controller_find_site(const struct controller *c, const char *name)
{
	for (size_t i = 0; i < c->n_sites; i++) {
		if (strcmp(c->sites[i].name, name) == 0)
			return i;
	}
	return NO_SITE;
}

bool
fleet_site_is_live(const struct fleet_site *s)
{
	return s->status != NULL &&
	    *s->awake_ms - s->contact_awake_ms < LIVE_MS;
}

bool
fleet_site_is_awaited(const struct fleet_site *s)
{
	return s->status == NULL && *s->awake_ms < LIVE_MS;
}

void
controller_note(struct controller *c, const struct store_event *ev)
{
	log_info("%s %s: %s: %s", ev->kind, ev->subject, ev->what, ev->reason);
	store_put_event(c->env.store, ev);
}

/* ---- orders ---- */

static json_t *
ended_ids(const struct controller *c, const char *site)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < c->intents.set.n; i++) {
		const struct intent *in = &c->intents.set.rows[i];

		if (intent_is_about(in, site) && !intent_is_active(in))
			json_array_append_new(ids, json_string(in->id));
	}
	return ids;
}

/* Does the document say something else than the one before? */
static bool
is_news(const json_t *before, json_t *doc)
{
	bool same;

	if (before == NULL)
		return true;
	json_object_set(doc, "revision", json_object_get(before, "revision"));
	same = json_equal(before, doc);
	return !same;
}

void
controller_publish(struct controller *c, size_t site)
{
	struct fleet_site *s = &c->sites[site];
	json_t *doc = json_pack("{s:i, s:i, s:o, s:o}", "revision", 0, "term",
	    1, "intents", intents_to_json(&c->intents.set, s->name, true),
	    "ended", ended_ids(c, s->name));
	const char *by = guards_withheld_by(c, site);
	char *text;

	json_object_set_new(doc, "permits", guards_permits_json(c, site));
	json_object_set_new(doc, "last", guards_last_json(c, site));
	if (by != NULL)
		json_object_set_new(doc, "withheld_by", json_string(by));
	experiments_add_orders(c, site, doc);
	if (!is_news(s->orders, doc)) {
		json_decref(doc);
		return;
	}
	s->revision = ++c->revision;
	if (s->first_revision == 0)
		s->first_revision = s->revision;
	json_object_set_new(doc, "revision",
	    json_integer((json_int_t)s->revision));
	json_decref(s->orders);
	s->orders = doc;
	text = json_dumps(doc, JSON_COMPACT);
	/* Agents know the newest revision, should we forget it. */
	if (store_put_order(c->env.store, s->name, s->revision, text, NULL,
		NULL) == -1) {
		log_warnx("orders of %s: revision %llu is too long to be kept",
		    s->name, (unsigned long long)s->revision);
	}
	free(text);
	fleet_site_wake(s);
}

void
controller_publish_all(struct controller *c)
{
	for (size_t i = 0; i < c->n_sites; i++)
		controller_publish(c, i);
}

static void
on_intent(const struct intent *row, void *arg)
{
	struct controller *c = arg;
	size_t site = controller_find_site(c, row->site);

	c->guards_are_old = true;
	if (strcmp(row->site, INTENT_FLEET) == 0) {
		controller_publish_all(c);
		return;
	}
	if (site == NO_SITE)
		return;
	if (c->holds_publish) {
		c->wants_publish = true;
	} else {
		controller_publish(c, site);
	}
}

void
controller_on_experiment(struct controller *c, const struct experiment *ex)
{
	null_run_on_experiment(c, ex);
	map_book_take(c, ex);
	campaign_on_experiment(c, ex);
}

/* One after another is looked at at once; many wait for the tick. */
void
controller_touch_guards(struct controller *c)
{
	c->guards_are_old = true;
	if (mono_diff_ms(mono_now(), c->guards_updated) >= TICK_MS)
		controller_step_guards(c);
}

void
controller_step_guards(struct controller *c)
{
	struct mono now = mono_now();

	if (!c->guards_are_old &&
	    mono_diff_ms(now, c->guards_updated) < GUARDS_MS)
		return;
	c->guards_are_old = false;
	c->guards_updated = now;
	guards_update(c);
}

void
controller_count_awake(struct controller *c)
{
	int64_t ms = mono_diff_ms(mono_now(), c->ticked);
	bool stood = ms > TICK_COUNTS_MS && ms < STOOD_LONG_MS;

	c->awake_ms += stood ? TICK_COUNTS_MS : ms;
	/* What is left of a millisecond counts the next time: many who ask for
	 * drains must not stop the clock. */
	c->ticked = mono_add_ms(c->ticked, ms);
}

static void
on_tick(struct loop *lp, void *arg)
{
	struct controller *c = arg;

	(void)lp;
	controller_count_awake(c);
	experiments_on_tick(c);
	campaign_on_tick(c);
	landings_on_tick(c);
	fleet_clients_on_tick(c);
	controller_step_guards(c);
	fleet_expire_waiters(c);
	loop_timer_set(c->tick, TICK_MS);
}

/* ---- start ---- */

/* Ends it as failed; returns when the test prefix was changed last. */
static int64_t
bury(struct controller *c, json_t *row)
{
	struct store_experiment old = {
		.state = experiment_state_name(EXPERIMENT_FAILED),
		.reason = "the controller was restarted",
		.ended_ms = wall_now_ms(),
		.changed_ms = wall_now_ms() /* now, if it was withdrawn */
	};
	json_int_t id, created_ms, clients, list, asked, campaign;

	if (json_unpack(row,
		"{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:s}", "id", &id,
		"site", &old.site, "created_ms", &created_ms, "clients",
		&clients, "list", &list, "asked", &asked, "campaign", &campaign,
		"purpose", &old.purpose, "sites", &old.sites, "test",
		&old.test) == -1)
		return 0;
	old.id = (uint32_t)id;
	old.created_ms = created_ms;
	old.clients = (uint32_t)clients;
	old.list = (uint32_t)list;
	old.asked = (uint32_t)asked;
	old.campaign = (uint32_t)campaign;
	log_warnx("experiment %lld: %s", (long long)id, old.reason);
	store_put_experiment(c->env.store, &old, NULL, NULL);
	return old.changed_ms;
}

/*
 * An experiment that was running when the last controller died is over: the
 * order documents made now no longer hold its test prefix withdrawn.
 */
static int
bury_old_experiments(struct controller *c, struct err *err)
{
	json_t *rows =
	    query_experiments(c->env.query, NULL, OLD_EXPERIMENTS, err);
	json_t *row;
	size_t i;

	if (rows == NULL)
		return -1;
	json_array_foreach (rows, i, row) {
		int64_t changed_ms =
		    json_integer_value(json_object_get(row, "changed_ms"));

		experiments_note_old(c, row);
		if (json_integer_value(json_object_get(row, "ended_ms")) == 0)
			changed_ms = bury(c, row);
		/* The pause that was due goes on, as far as the clock on the
		 * wall can tell. */
		test_prefixes_resume(c,
		    json_string_value(json_object_get(row, "test")),
		    changed_ms);
	}
	json_decref(rows);
	return 0;
}

static int
load(struct controller *c, struct err *err)
{
	int64_t revision = query_max_revision(c->env.query, err);
	int64_t experiment;

	if (revision == -1)
		return -1;
	c->revision = (uint64_t)revision + REVISION_GAP;
	experiment = query_max_experiment(c->env.query, err);
	if (experiment == -1)
		return -1;
	c->next_experiment = (uint32_t)experiment + 1;
	if (test_prefixes_load(c, err) == -1 ||
	    optouts_load(&c->optouts, c->env.query, err) == -1)
		return -1;
	if (query_clients(c->env.query, &c->list, &c->clients, &c->n_clients,
		err) == -1)
		return -1;
	if (bury_old_experiments(c, err) == -1)
		return -1;
	return intent_book_init(&c->intents, c->env.lp, c->env.store,
	    c->env.query, err);
}

static char *
site_names(const struct controller *c)
{
	char *list = xstrdup("");

	for (size_t i = 0; i < c->n_sites; i++) {
		char *longer = xasprintf("%s%s%s", list, i > 0 ? " " : "",
		    c->sites[i].name);

		free(list);
		list = longer;
	}
	return list;
}

/* struct guard_acts: "*" is the fleet. */
static const char *
resolve(const char *site, void *arg, struct err *err)
{
	const struct controller *c = arg;
	size_t i = controller_find_site(c, site);

	if (strcmp(site, INTENT_FLEET) == 0)
		return INTENT_FLEET;
	if (i != NO_SITE)
		return c->sites[i].name;
	(void)err_set(err, ERR_GONE,
	    "site %.40s: not in this fleet, known: %.120s", site,
	    c->site_names);
	return NULL;
}

struct controller *
controller_new(const struct controller_env *env, struct err *err)
{
	struct controller *c = xcalloc(1, sizeof(*c));

	c->env = *env;
	c->conf = env->conf->controller;
	c->started_ms = wall_now_ms();
	c->turn.began = mono_now();
	if (load(c, err) == -1) {
		test_prefixes_free(c);
		optouts_fini(&c->optouts);
		free(c->clients);
		free(c);
		return NULL;
	}
	/* What ended while nobody was there is not ordered, not for a moment. */
	intent_book_end_due(&c->intents);
	c->intents.on_change = on_intent;
	c->intents.arg = c;
	c->guard_acts = (struct guard_acts){
		.book = &c->intents, .resolve = resolve, .arg = c
	};
	c->n_sites = c->conf->n_sites;
	c->sites = xcalloc(c->n_sites, sizeof(*c->sites));
	for (size_t i = 0; i < c->n_sites; i++) {
		c->sites[i].name = c->conf->sites[i];
		c->sites[i].awake_ms = &c->awake_ms;
		LIST_INIT(&c->sites[i].waiters);
		c->sites[i].permits = json_object();
	}
	c->site_names = site_names(c);
	c->guard_alarms = json_object();
	c->maps = map_book_load(c, err);
	c->landings = c->maps != NULL ? landings_new(c, err) : NULL;
	if (c->landings == NULL || campaign_load(c, err) == -1) {
		controller_free(c);
		return NULL;
	}
	c->guards = fleet_guards_new(c);
	controller_publish_all(c);
	c->ticked = mono_now();
	c->tick = loop_timer_new(env->lp, on_tick, c);
	loop_timer_set(c->tick, TICK_MS);
	return c;
}

void
controller_free(struct controller *c)
{
	if (c == NULL)
		return;
	campaign_free(c->campaign);
	map_book_free(c->maps);
	landings_free(c->landings);
	test_prefixes_free(c);
	client_upload_free(c->upload);
	for (size_t i = 0; i < c->n_sites; i++) {
		struct fleet_site *s = &c->sites[i];

		while (!LIST_EMPTY(&s->waiters))
			order_waiter_free(LIST_FIRST(&s->waiters));
		json_decref(s->status);
		json_decref(s->service_prefixes);
		json_decref(s->test_prefixes);
		json_decref(s->last);
		json_decref(s->tests);
		json_decref(s->orders);
		json_decref(s->permits);
		json_decref(s->was_sick);
	}
	free(c->sites);
	free(c->site_names);
	json_decref(c->guard_alarms);
	fleet_guards_free(c->guards);
	loop_timer_free(c->tick);
	intent_book_fini(&c->intents);
	optouts_fini(&c->optouts);
	free(c->clients);
	free(c);
}

void
controller_serve(struct controller *c, struct api_server *server)
{
	fleet_serve_agents(c, server);
	fleet_serve_people(c, server);
	fleet_serve_predict(c, server);
	fleet_serve_landings(c, server);
	fleet_serve_clients(c, server);
	fleet_serve_outcomes(c, server);
	fleet_serve_optouts(c, server);
	fleet_serve_replies(c, server);
}
