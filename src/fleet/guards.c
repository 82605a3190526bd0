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

#include "api/drain.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "core/guard.h"
#include "fleet/controller_state.h"

#define GRANTED (-1)

bool
guards_service_is_sick(const json_t *status, const char *name)
{
	const json_t *service;
	size_t i;

	json_array_foreach (json_object_get(status, "services"), i, service) {
		if (strcmp(json_text(service, "service"), name) == 0) {
			return strcmp(json_text(service, "health"), "sick") ==
			    0;
		}
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

bool
guards_site_holds(const struct fleet_site *s)
{
	const char *name;
	json_t *unused;

	if (s->taken_revision < s->first_revision)
		return true;
	json_object_foreach (s->permits, name, unused) {
		if (holds_permit(s, name))
			return true;
	}
	return false;
}

bool
guards_site_is_granted(const struct fleet_site *s)
{
	const char *name;
	json_t *unused;

	json_object_foreach (s->permits, name, unused) {
		if (is_granted(s, name))
			return true;
	}
	return false;
}

bool
guards_is_overridden(const struct controller *c, const char *site, enum guard g)
{
	return intent_set_override(&c->intents.set, site, g) != NULL;
}

/*
 * The site is held by no floor: each that there is was overridden for it.  One
 * that was overridden for all sites is none, see floor_of.
 */
static bool
is_released(const struct controller *c, const struct fleet_site *s,
    const struct guard_floor *floor)
{
	bool sites = guards_is_overridden(c, s->name, GUARD_MIN_SITES);
	bool capacity = guards_is_overridden(c, s->name, GUARD_MIN_CAPACITY);

	return (sites || capacity) && (sites || floor->sites == 0) &&
	    (capacity || floor->capacity <= 0);
}

/* Announced, and to somebody. */
static bool
is_heard(const json_t *prefix)
{
	const json_t *peers = json_object_get(prefix, "exported_to");

	return strcmp(json_text(prefix, "real"), "announced") == 0 &&
	    !(json_is_integer(peers) && json_integer_value(peers) == 0);
}

/* What is known of every site, for one prefix. barred NULL: nobody is. */
static struct guard_site *
view_of(const struct controller *c, const char *name,
    const struct guard_floor *floor, const bool *barred)
{
	struct guard_site *view = xcalloc(c->n_sites, sizeof(*view));
	struct prefix prefix;
	bool is_prefix = prefix_parse(name, &prefix, NULL) == 0;

	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];
		const json_t *p = json_object_get(s->service_prefixes, name);
		const struct intent_target target = { .site = s->name,
			.service = json_text(p, "service"),
			.prefix = &prefix };
		bool is_drained = p != NULL && is_prefix &&
		    intent_set_drain_over(&c->intents.set, &target) != NULL;

		view[i].is_live = fleet_site_is_live(s);
		view[i].announces = is_heard(p) && !is_released(c, s, floor);
		view[i].is_well = !guards_service_is_sick(s->status,
				      json_text(p, "service")) &&
		    !is_drained;
		view[i].holds_permit = holds_permit(s, name);
		view[i].is_granted = is_granted(s, name);
		view[i].is_barred = barred != NULL && barred[i];
		view[i].capacity = s->capacity;
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

/* What must go on announcing this prefix. */
static struct guard_floor
floor_of(const struct controller *c, const char *name)
{
	const struct conf_guards *conf = &c->conf->guards;
	struct guard_floor floor = { .sites = conf->min_sites,
		.capacity = conf->min_capacity };
	double all = 0;

	for (size_t i = 0; i < c->n_sites; i++) {
		if (json_object_get(c->sites[i].service_prefixes, name) != NULL)
			all += c->sites[i].capacity;
	}
	if (conf->min_capacity_percent != 0)
		floor.capacity = all * conf->min_capacity_percent / 100;
	if (guards_is_overridden(c, INTENT_FLEET, GUARD_MIN_SITES))
		floor.sites = 0;
	if (guards_is_overridden(c, INTENT_FLEET, GUARD_MIN_CAPACITY))
		floor.capacity = 0;
	return floor;
}

static void
note_alarm(struct controller *c, const char *name,
    const struct guard_floor *floor, enum guard_alarm alarm)
{
	bool was = json_object_get(c->guard_alarms, name) != NULL;
	char subject[PREFIX_TEXT_BYTES + 8], reason[128];
	struct store_event ev = { .kind = "guard",
		.subject = subject,
		.what = alarm == GUARD_QUIET ? "enough sites are well again"
					     : "sick sites are kept announcing",
		.reason = reason };

	if (was == (alarm != GUARD_QUIET))
		return;
	(void)snprintf(subject, sizeof(subject), "prefix/%.*s",
	    PREFIX_TEXT_BYTES - 1, name);
	(void)snprintf(reason, sizeof(reason),
	    floor->capacity > 0
		? "min_sites: %u well sites must announce it, min_capacity: with a capacity of %.0f"
		: "min_sites: %u well sites must announce it",
	    floor->sites, floor->capacity);
	if (alarm != GUARD_QUIET) {
		json_object_set_new(c->guard_alarms, name, json_string(reason));
	} else {
		(void)json_object_del(c->guard_alarms, name);
	}
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
		    prefix_parse(json_text(p, "prefix"), &parsed, NULL) == 0) {
			json_object_set(s->service_prefixes,
			    json_text(p, "prefix"), p);
		}
	}
}

/* One prefix; changed[n_sites]: whose document says something else now. */
static void
update_prefix(struct controller *c, const char *name, const bool *barred,
    bool *changed)
{
	struct guard_floor floor = floor_of(c, name);
	struct guard_site *view = view_of(c, name, &floor, barred);
	bool *permit = xcalloc(c->n_sites, sizeof(*permit));

	note_alarm(c, name, &floor,
	    guard_permits(view, c->n_sites, &floor, permit));
	for (size_t i = 0; i < c->n_sites; i++) {
		if (view[i].is_live && !view[i].is_barred &&
		    is_released(c, &c->sites[i], &floor))
			permit[i] = true;
		changed[i] |= set_permit(c, i, name, permit[i]);
	}
	free(permit);
	free(view);
}

/* What the order documents say of the last announcers. */
static void
update_last(struct controller *c, bool *changed)
{
	for (size_t i = 0; i < c->n_sites; i++) {
		struct fleet_site *s = &c->sites[i];
		json_t *last = guards_last_json(c, i);

		changed[i] |= !json_equal(last, s->last);
		json_decref(s->last);
		s->last = last;
	}
}

static void
update_withheld(struct controller *c, bool *changed)
{
	for (size_t i = 0; i < c->n_sites; i++) {
		const char *by = guards_withheld_by(c, i);

		changed[i] |= by != c->sites[i].withheld_by;
		c->sites[i].withheld_by = by;
	}
}

void
guards_update(struct controller *c)
{
	bool *barred = xcalloc(c->n_sites, sizeof(*barred));
	bool *changed = xcalloc(c->n_sites, sizeof(*changed));
	const char *name;
	json_t *names, *unused;

	fleet_guards_step(c, barred);
	update_last(c, changed);
	if (fleet_guards_use_permits(c)) {
		names = service_prefixes(c);
		json_object_foreach (names, name, unused)
			update_prefix(c, name, barred, changed);
		json_decref(names);
		update_withheld(c, changed);
	}
	/* A revision given to one site is higher than what the others were
	 * promised above, and what they get is higher still: never lower. */
	for (size_t i = 0; i < c->n_sites; i++) {
		if (changed[i])
			controller_publish(c, i);
	}
	free(barred);
	free(changed);
}

json_t *
guards_permits_json(const struct controller *c, size_t site)
{
	const char *name;
	json_t *since, *list;

	if (!fleet_guards_use_permits(c))
		return json_null();
	list = json_array();
	json_object_foreach (c->sites[site].permits, name, since) {
		if (json_integer_value(since) == GRANTED)
			json_array_append_new(list, json_string(name));
	}
	return list;
}

/* Does it hold a permit for each prefix that it is known to have? */
static bool
has_all_permits(const struct fleet_site *s)
{
	const char *name;
	json_t *unused;

	json_object_foreach (s->service_prefixes, name, unused) {
		if (!is_granted(s, name))
			return false;
	}
	return s->service_prefixes != NULL;
}

/* A guard that neither the request nor an operator before it holds off. */
static bool
stands(const struct controller *c, size_t site,
    const struct drain_request *want, enum guard g)
{
	return !want->force[g] &&
	    !guards_is_overridden(c, c->sites[site].name, g);
}

/* The first floor of the configuration that stands at the site; GUARD_COUNT:
 * none does. */
static enum guard
standing_floor(const struct controller *c, size_t site,
    const struct drain_request *want)
{
	const struct conf_guards *conf = &c->conf->guards;
	bool has_capacity =
	    conf->min_capacity > 0 || conf->min_capacity_percent != 0;

	if (conf->min_sites != 0 && stands(c, site, want, GUARD_MIN_SITES))
		return GUARD_MIN_SITES;
	if (has_capacity && stands(c, site, want, GUARD_MIN_CAPACITY))
		return GUARD_MIN_CAPACITY;
	return GUARD_COUNT;
}

/* Where nothing is known to stand in the way: it was not heard yet, or its
 * permits are on their way. */
static enum guard
any_guard(const struct conf_guards *conf)
{
	bool has_budget = conf->budget.sites != 0 ||
	    conf->budget.prefixes != 0 || conf->budget.capacity_percent != 0;

	if (conf->brake.sites != 0)
		return GUARD_BRAKE;
	if (has_budget)
		return GUARD_BUDGET;
	return conf->min_sites != 0 ? GUARD_MIN_SITES : GUARD_MIN_CAPACITY;
}

/*
 * A console lets all go that is withheld when the guard named here is forced.
 * So a floor that stands comes first, also where a limit withholds as well: who
 * goes over a budget has not agreed to take down the last announcer.
 */
const char *
guards_withheld_by(const struct controller *c, size_t site)
{
	const struct drain_request nothing_forced = { 0 };
	enum guard g = standing_floor(c, site, &nothing_forced);

	if (!fleet_guards_use_permits(c) || has_all_permits(&c->sites[site]))
		return NULL;
	if (g == GUARD_COUNT)
		g = fleet_guards_barred_by(c, site);
	return guard_name(g != GUARD_COUNT ? g : any_guard(&c->conf->guards));
}

/* Does another site than this one announce it, as far as is known? */
static bool
is_announced_elsewhere(const struct controller *c, size_t site,
    const char *name)
{
	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];

		if (i != site && fleet_site_is_live(s) &&
		    is_heard(json_object_get(s->service_prefixes, name)))
			return true;
	}
	return false;
}

/* After a start: who was not heard yet may be about to say what he announces. */
static bool
is_anybody_awaited(const struct controller *c)
{
	for (size_t i = 0; i < c->n_sites; i++) {
		if (fleet_site_is_awaited(&c->sites[i]))
			return true;
	}
	return false;
}

json_t *
guards_last_json(const struct controller *c, size_t site)
{
	json_t *list, *unused;
	const char *name;

	/* An empty list would say that it is the last of nothing. */
	if (c->sites[site].service_prefixes == NULL || is_anybody_awaited(c))
		return json_null();
	list = json_array();
	json_object_foreach (c->sites[site].service_prefixes, name, unused) {
		if (!is_announced_elsewhere(c, site, name))
			json_array_append_new(list, json_string(name));
	}
	return list;
}

/* ---- drains ---- */

static bool
is_covered(const struct controller *c, size_t site,
    const struct drain_request *want, const char *name)
{
	const struct fleet_site *s = &c->sites[site];
	const json_t *p = json_object_get(s->service_prefixes, name);
	struct intent wish = { 0 };
	struct prefix prefix;
	const struct intent_target target = { .site = s->name,
		.service = json_text(p, "service"),
		.prefix = &prefix };

	if (p == NULL || prefix_parse(name, &prefix, NULL) == -1)
		return false;
	(void)snprintf(wish.site, sizeof(wish.site), "%s", s->name);
	memcpy(wish.scope, want->scope, sizeof(wish.scope));
	return intent_covers(&wish, &target);
}

/* Out of reach, or its BIRD silent, it may. */
static bool
may_announce(const struct fleet_site *s, const json_t *prefix)
{
	const char *real = json_text(prefix, "real");
	bool is_known = fleet_site_is_live(s) &&
	    (strcmp(real, "announced") == 0 || strcmp(real, "withdrawn") == 0);

	return !is_known || is_heard(prefix);
}

/* Nobody can say what a drain would take from a site that never reported: what
 * is to be left may be just what it has. */
static int
check_unheard(const struct controller *c, size_t site,
    const struct drain_request *want, struct err *err)
{
	enum guard g = standing_floor(c, site, want);

	if (c->sites[site].service_prefixes != NULL || g == GUARD_COUNT)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "guard %s: what would be left without %s is not known: it has not reported since the controller began",
	    guard_name(g), c->sites[site].name);
}

static int
check_floor(const struct controller *c, size_t site,
    const struct drain_request *want, const char *name, struct err *err)
{
	struct guard_floor floor = floor_of(c, name), left;
	struct guard_site *view = view_of(c, name, &floor, NULL);
	const struct fleet_site *s = &c->sites[site];

	left = guard_left(view, c->n_sites, site);
	free(view);
	if (!may_announce(s, json_object_get(s->service_prefixes, name)))
		return 0;
	if (left.sites < floor.sites &&
	    stands(c, site, want, GUARD_MIN_SITES)) {
		return err_set(err, ERR_REFUSED,
		    "guard min_sites: draining %s would leave %s announced by %u well sites, needs %u",
		    s->name, name, left.sites, floor.sites);
	}
	if (left.capacity < floor.capacity &&
	    stands(c, site, want, GUARD_MIN_CAPACITY)) {
		return err_set(err, ERR_REFUSED,
		    "guard min_capacity: draining %s would leave %s with a capacity of %.0f, needs %.0f",
		    s->name, name, left.capacity, floor.capacity);
	}
	return 0;
}

int
guards_check_drain(struct controller *c, size_t site,
    const struct drain_request *want, struct room_text *room, struct err *err)
{
	const char *name;
	json_t *unused;

	controller_count_awake(c);
	if (stands(c, site, want, GUARD_FREEZE) &&
	    guard_check_frozen(&c->intents.set, c->sites[site].name, err) == -1)
		return -1;
	if (check_unheard(c, site, want, err) == -1)
		return -1;
	json_object_foreach (c->sites[site].service_prefixes, name, unused) {
		if (is_covered(c, site, want, name) &&
		    check_floor(c, site, want, name, err) == -1)
			return -1;
	}
	if (stands(c, site, want, GUARD_BRAKE) &&
	    fleet_guards_check_brake(c, err) == -1)
		return -1;
	if (stands(c, site, want, GUARD_BUDGET) &&
	    fleet_guards_check_budget(c, site, err) == -1)
		return -1;
	/* Maps are of whole sites. */
	room->text[0] = '\0';
	if (want->scope[0] != '\0' || fleet_room_check(c, site, room, err) == 0)
		return 0;
	if (stands(c, site, want, GUARD_ROOM))
		return -1;
	(void)text_copy(room->text, sizeof(room->text), err->msg);
	return 0;
}
