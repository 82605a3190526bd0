/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Before a drain: do the heirs have room, and the others if one of those heirs
 * is lost next?  What lands comes from the newest failover maps of the site and
 * of it with each of its heirs (map_book.c), measured or from what a campaign
 * says, as shares by weight, times the loads now (loads.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "core/room.h"
#include "fleet/map_book.h"

/* It announces a service prefix, and nothing of it is sick or drained. */
static bool
can_inherit(const struct controller *c, const struct fleet_site *s)
{
	const char *state =
	    json_string_value(json_object_get(s->status, "state"));

	return fleet_site_is_live(s) && state != NULL &&
	    strcmp(state, "announcing") == 0 &&
	    intent_set_drain(&c->intents.set, s->name) == NULL;
}

static struct room_site
room_site_of(const struct controller *c, size_t i)
{
	const struct fleet_site *s = &c->sites[i];
	const struct conf_capacity *conf = fleet_site_capacity(c, i);
	struct fleet_load load = fleet_site_load(c, i);

	return (struct room_site){ .has_load = load.source != LOAD_UNKNOWN,
		.has_capacity = conf != NULL,
		.announces = can_inherit(c, s),
		.load = load.load,
		.capacity = conf != NULL ? conf->capacity : 0 };
}

/* What lands where when the sites of `down` are out, of them all; false: there
 * is no map of just these, or the load of one is not known. */
static bool
fill_landing(struct controller *c, const bool *down,
    const struct room_site *sites, double *lands)
{
	const struct fleet_map *map = map_book_find(c, down);
	struct fleet_map *predicted = NULL;
	bool is_known;

	if (map == NULL)
		map = predicted = map_predict(c, down, NULL);
	is_known = map != NULL;
	for (size_t k = 0; is_known && k < map->counts.n_origins; k++) {
		const struct failover_origin *o = &map->counts.origins[k];

		/* Nobody knows where the load of no clients goes. */
		is_known = sites[o->site].has_load && o->all.weight > 0;
		for (size_t i = 0; is_known && i < c->n_sites; i++) {
			lands[i] += sites[o->site].load *
			    (o->heirs[0][i].weight + o->heirs[1][i].weight) /
			    o->all.weight;
		}
	}
	fleet_map_free(predicted);
	return is_known;
}

/* A row for each heir that could be lost next; below zero: not known. */
static double *
next_landings(struct controller *c, bool *down, const struct room_site *sites,
    size_t site, const double *level1)
{
	size_t n = c->n_sites;
	double *rows = xcalloc(n * n, sizeof(*rows));

	for (size_t h = 0; h < n; h++) {
		if (!room_is_next(level1, n, site, h))
			continue;
		down[h] = true;
		if (!fill_landing(c, down, sites, &rows[h * n]))
			rows[h * n] = -1;
		down[h] = false;
	}
	return rows;
}

/* ---- words ---- */

static int
refuse(const struct controller *c, size_t site, const struct room_answer *a,
    struct err *err)
{
	char next[CONF_NAME_MAX + 16] = "";

	if (a->after != ROOM_NONE) {
		(void)snprintf(next, sizeof(next), ", and %s failing then,",
		    c->sites[a->after].name);
	}
	return err_set(err, ERR_REFUSED,
	    "guard room: draining %s%s would bring %.0f to %s, which has %.0f of %.0f in use",
	    c->sites[site].name, next, a->lands, c->sites[a->heir].name,
	    a->load, a->capacity);
}

/* Why it cannot be told of this heir. */
static const char *
doubt(const struct room_site *heir)
{
	if (!heir->announces)
		return "it announces nothing now, or is not well";
	return heir->has_capacity ? "its load is not known"
				  : "its capacity is not known";
}

/* Why it cannot be told, or that there is room. */
static void
say(const struct controller *c, const struct room_answer *a,
    const struct room_site *sites, struct room_text *out)
{
	const char *next =
	    a->after != ROOM_NONE ? c->sites[a->after].name : NULL;

	if (a->verdict == ROOM_OK) {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room");
	} else if (next == NULL) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known, because of the heir %s: %s",
		    c->sites[a->heir].name, doubt(&sites[a->heir]));
	} else if (a->heir == ROOM_NONE) {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room; not known should %s fail, too: there is no failover map of both",
		    next);
	} else {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room; not known should %s fail, too, because of the heir %s: %s",
		    next, c->sites[a->heir].name, doubt(&sites[a->heir]));
	}
}

/* ---- the check ---- */

/* The answer in words; its verdict is the result. */
static struct room_answer
judge(struct controller *c, size_t site, const struct room_site *sites,
    struct room_text *out)
{
	const struct conf_guards *g = &c->conf->guards;
	const struct room_conf conf = { .limit_percent = g->room.limit_percent,
		.margin_percent = g->room.margin_percent };
	struct room_answer a = { .verdict = ROOM_UNKNOWN };
	double *level1 = xcalloc(c->n_sites, sizeof(*level1)), *level2 = NULL;
	struct room_landing landing = { .level1 = level1 };
	bool *down = xcalloc(c->n_sites, sizeof(*down));

	down[site] = true;
	if (!fill_landing(c, down, sites, level1)) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known: there is no failover map of the site's clients");
	} else {
		/* Of two sites nobody would be left. */
		if (g->room.levels > 1 && c->n_sites > 2)
			level2 = next_landings(c, down, sites, site, level1);
		landing.level2 = level2;
		a = room_check(sites, c->n_sites, site, &landing, &conf);
		say(c, &a, sites, out);
		if (a.verdict == ROOM_OK && level2 != NULL) {
			(void)text_copy(out->text, sizeof(out->text),
			    "all heirs have room, also should one of them fail");
		}
	}
	free(down);
	free(level1);
	free(level2);
	return a;
}

int
fleet_room_check(struct controller *c, size_t site, struct room_text *out,
    struct err *err)
{
	struct room_site *sites = xcalloc(c->n_sites, sizeof(*sites));
	struct room_answer a = { .verdict = ROOM_UNKNOWN };

	for (size_t i = 0; i < c->n_sites; i++)
		sites[i] = room_site_of(c, i);
	if (c->conf->guards.room.levels == 0) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not looked at: the guard is off");
	} else if (!sites[site].has_load) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known: no load of the site is");
	} else {
		a = judge(c, site, sites, out);
	}
	free(sites);
	return a.verdict == ROOM_FULL ? refuse(c, site, &a, err) : 0;
}
