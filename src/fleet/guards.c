/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hands out the permits of core/guard.h.
 *
 * A permit is given by the order document that names it and taken away by the
 * first one that does not; it is surely given back when the agent reports that
 * it has seen that document.  After a start nobody is sure to hold none until
 * he has seen a document of this process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "core/guard.h"
#include "fleet/controller_state.h"

#define GRANTED (-1)

static const char *
text_of(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text != NULL ? text : "";
}

static bool
service_is_sick(const json_t *status, const char *name)
{
	const json_t *service;
	size_t i;

	json_array_foreach (json_object_get(status, "services"), i, service) {
		if (strcmp(text_of(service, "service"), name) == 0)
			return strcmp(text_of(service, "health"), "sick") == 0;
	}
	return false;
}

static bool
is_granted(const struct fleet_site *s, const char *name)
{
	const json_t *known = json_object_get(s->permits, name);

	return known != NULL && json_integer_value(known) == GRANTED;
}

static bool
holds_permit(const struct fleet_site *s, const char *name)
{
	const json_t *known = json_object_get(s->permits, name);
	json_int_t since = known != NULL ? json_integer_value(known) : 0;

	return since == GRANTED || s->taken_revision < (uint64_t)since ||
	    s->taken_revision < s->first_revision;
}

/* Announced, and to somebody. */
static bool
is_heard(const json_t *prefix)
{
	const json_t *peers = json_object_get(prefix, "exported_to");

	return strcmp(text_of(prefix, "real"), "announced") == 0 &&
	    !(json_is_integer(peers) && json_integer_value(peers) == 0);
}

/* What is known of every site, for one prefix. */
static struct guard_site *
view_of(const struct controller *c, const char *name)
{
	struct guard_site *view = xcalloc(c->n_sites, sizeof(*view));

	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];
		const json_t *p = json_object_get(s->service_prefixes, name);
		struct prefix prefix;
		const struct intent_target target = { .site = s->name,
			.service = text_of(p, "service"),
			.prefix = &prefix };
		bool is_drained = p != NULL &&
		    prefix_parse(name, &prefix, NULL) == 0 &&
		    intent_set_drain_over(&c->intents.set, &target) != NULL;

		view[i].is_live = fleet_site_is_live(s);
		view[i].announces = is_heard(p);
		view[i].is_well =
		    !service_is_sick(s->status, text_of(p, "service")) &&
		    !is_drained;
		view[i].holds_permit = holds_permit(s, name);
		view[i].is_granted = is_granted(s, name);
	}
	return view;
}

/* All service prefixes that any site has, as the keys of an object. */
static json_t *
service_prefixes(const struct controller *c)
{
	json_t *names = json_object();

	for (size_t i = 0; i < c->n_sites; i++) {
		(void)json_object_update_missing(names,
		    c->sites[i].service_prefixes);
	}
	return names;
}

static void
note_alarm(struct controller *c, const char *name, enum guard_alarm alarm)
{
	bool was = json_object_get(c->guard_alarms, name) != NULL;
	char subject[PREFIX_TEXT_BYTES + 8], reason[96];
	struct store_event ev = { .kind = "guard",
		.subject = subject,
		.what = alarm == GUARD_QUIET ? "enough sites are well again"
					     : "sick sites are kept announcing",
		.reason = reason };

	if (was == (alarm != GUARD_QUIET))
		return;
	if (alarm != GUARD_QUIET) {
		json_object_set_new(c->guard_alarms, name, json_true());
	} else {
		(void)json_object_del(c->guard_alarms, name);
	}
	(void)snprintf(subject, sizeof(subject), "prefix/%.*s",
	    PREFIX_TEXT_BYTES - 1, name);
	(void)snprintf(reason, sizeof(reason),
	    "min_sites: %u well sites must announce it",
	    c->conf->guards.min_sites);
	controller_note(c, &ev);
}

/* True when the site's document says something else about this prefix now. */
static bool
set_permit(struct controller *c, size_t site, const char *name, bool permit)
{
	struct fleet_site *s = &c->sites[site];

	if (is_granted(s, name) == permit)
		return false;
	/* The revision that takes it away is the next one of this site. */
	json_object_set_new(s->permits, name,
	    json_integer(permit ? GRANTED : (json_int_t)(c->revision + 1)));
	return true;
}

/*
 * They go into every site's orders: nobody could read those any more if one
 * site reported nonsense.
 */
void
guards_take_status(struct fleet_site *s)
{
	json_t *p;
	size_t i;

	json_decref(s->service_prefixes);
	s->service_prefixes = json_object();
	json_array_foreach (json_object_get(s->status, "prefixes"), i, p) {
		struct prefix parsed;

		if (json_is_string(json_object_get(p, "service")) &&
		    prefix_parse(text_of(p, "prefix"), &parsed, NULL) == 0) {
			json_object_set(s->service_prefixes,
			    text_of(p, "prefix"), p);
		}
	}
}

void
guards_update(struct controller *c)
{
	struct guard_floor floor = { .sites = c->conf->guards.min_sites };
	bool *permit, *changed;
	const char *name;
	json_t *names, *unused;

	if (c->conf->guards.min_sites == 0)
		return;
	permit = xcalloc(c->n_sites, sizeof(*permit));
	changed = xcalloc(c->n_sites, sizeof(*changed));
	names = service_prefixes(c);
	json_object_foreach (names, name, unused) {
		struct guard_site *view = view_of(c, name);

		note_alarm(c, name,
		    guard_permits(view, c->n_sites, &floor, permit));
		for (size_t i = 0; i < c->n_sites; i++)
			changed[i] |= set_permit(c, i, name, permit[i]);
		free(view);
	}
	/* A revision given to one site is higher than what the others were
	 * promised above, and what they get is higher still: never lower. */
	for (size_t i = 0; i < c->n_sites; i++) {
		if (changed[i])
			controller_publish(c, i);
	}
	json_decref(names);
	free(permit);
	free(changed);
}

json_t *
guards_permits_json(const struct controller *c, size_t site)
{
	const char *name;
	json_t *since, *list;

	if (c->conf->guards.min_sites == 0)
		return json_null();
	list = json_array();
	json_object_foreach (c->sites[site].permits, name, since) {
		if (json_integer_value(since) == GRANTED)
			json_array_append_new(list, json_string(name));
	}
	return list;
}

int
guards_check_drain(const struct controller *c, size_t site, struct err *err)
{
	unsigned min_sites = c->conf->guards.min_sites;
	json_t *names = service_prefixes(c), *unused;
	const char *name;
	int rc = 0;

	json_object_foreach (names, name, unused) {
		struct guard_site *view = view_of(c, name);
		struct guard_floor left = guard_left(view, c->n_sites, site);
		unsigned leaves = left.sites;

		if (rc == 0 && view[site].announces && leaves < min_sites) {
			rc = err_set(err, ERR_REFUSED,
			    "guard min_sites: draining %s would leave %s announced by %u well sites, needs %u",
			    c->sites[site].name, name, leaves, min_sites);
		}
		free(view);
	}
	json_decref(names);
	return rc;
}
