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
#include "core/pack_pairs.h"
#include "core/room.h"
#include "fleet/campaign.h"
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

/* ---- what lands ---- */

/* What lands where when the sites of the map are out, of them all; false: the
 * load of one is not known. */
static bool
land_map(const struct controller *c, const struct fleet_map *map,
    const struct room_site *sites, double *lands)
{
	for (size_t k = 0; k < map->counts.n_origins; k++) {
		const struct failover_origin *o = &map->counts.origins[k];

		/* Nobody knows where the load of no clients goes. */
		if (!sites[o->site].has_load || o->all.weight <= 0)
			return false;
		for (size_t i = 0; i < c->n_sites; i++) {
			lands[i] += sites[o->site].load *
			    (o->heirs[0][i].weight + o->heirs[1][i].weight) /
			    o->all.weight;
		}
	}
	return true;
}

/* The first level; false: there is no map. */
static bool
land_alone(struct controller *c, const bool *down,
    const struct room_site *sites, double *lands)
{
	const struct fleet_map *measured = map_book_find(c, down);
	struct fleet_map *predicted;
	bool is_known;

	if (measured != NULL)
		return land_map(c, measured, sites, lands);
	predicted = map_predict(c, down, NULL);
	is_known = predicted != NULL && land_map(c, predicted, sites, lands);
	fleet_map_free(predicted);
	return is_known;
}

/* What a campaign says of each client of the site and of its heirs. */
struct told {
	const struct room_site *sites;
	size_t n, site;
	struct pack_pairs *pairs; /* NULL: there is no campaign */
	double *weight;
};

static void
told_init(const struct controller *c, const struct room_site *sites,
    size_t site, struct told *t)
{
	struct campaign_view view;
	struct pack_pairs_input in;

	*t = (struct told){ .sites = sites, .n = c->n_sites, .site = site };
	if (!campaign_view(c, &view))
		return;
	t->weight = xcalloc(view.n, sizeof(*t->weight));
	for (uint32_t i = 0; i < view.n; i++)
		t->weight[i] = view.clients[i].weight;
	in = (struct pack_pairs_input){ .pack = view.pack,
		.n = view.n,
		.home = view.home,
		.weight = t->weight,
		.n_sites = c->n_sites,
		.site = site };
	t->pairs = pack_pairs_new(&in);
}

static void
told_fini(struct told *t)
{
	pack_pairs_free(t->pairs);
	free(t->weight);
}

static bool
land_pair(const struct told *t, size_t heir, double *lands)
{
	double *of_site = xcalloc(t->n, sizeof(*of_site));
	double *of_heir = xcalloc(t->n, sizeof(*of_heir));
	bool is_known = t->pairs != NULL && t->sites[heir].has_load &&
	    pack_pairs_share(t->pairs, heir, of_site, of_heir);

	for (size_t i = 0; is_known && i < t->n; i++) {
		lands[i] = t->sites[t->site].load * of_site[i] +
		    t->sites[heir].load * of_heir[i];
	}
	free(of_site);
	free(of_heir);
	return is_known;
}

/* A row for each heir that could be lost next; below zero: not known. */
static double *
land_next(struct controller *c, bool *down, const struct room_site *sites,
    size_t site, const double *level1)
{
	size_t n = c->n_sites;
	double *rows = xcalloc(n * n, sizeof(*rows));
	struct told told;

	told_init(c, sites, site, &told);
	for (size_t h = 0; h < n; h++) {
		const struct fleet_map *measured;
		double *row = &rows[h * n];

		if (!room_is_next(level1, n, site, h))
			continue;
		down[h] = true;
		measured = map_book_find(c, down);
		down[h] = false;
		if (measured != NULL ? !land_map(c, measured, sites, row)
				     : !land_pair(&told, h, row))
			row[0] = -1;
	}
	told_fini(&told);
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

/* Why it cannot be told of the heir that the answer names. */
static const char *
doubt(const struct room_answer *a, const struct room_site *heir,
    struct room_text *buf)
{
	if (a->lost > 0) {
		(void)snprintf(buf->text, sizeof(buf->text),
		    "nobody knows where %.0f go, it has room for %.0f", a->lost,
		    a->capacity - a->load - a->lands);
		return buf->text;
	}
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
	struct room_text why;

	if (a->verdict == ROOM_OK) {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room");
	} else if (next == NULL) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known, because of the heir %s: %.150s",
		    c->sites[a->heir].name, doubt(a, &sites[a->heir], &why));
	} else if (a->heir == ROOM_NONE) {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room; not known should %s fail, too: there is no failover map of both",
		    next);
	} else {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room; not known should %s fail, too, because of the heir %s: %.150s",
		    next, c->sites[a->heir].name,
		    doubt(a, &sites[a->heir], &why));
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
	if (!land_alone(c, down, sites, level1)) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known: there is no failover map of the site's clients");
	} else {
		/* Of two sites nobody would be left. */
		if (g->room.levels > 1 && c->n_sites > 2)
			level2 = land_next(c, down, sites, site, level1);
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
