/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Before a drain: do the heirs have room, and the others if one of those heirs
 * is lost next?  What lands comes from the newest failover maps of the site and
 * of it with each of its heirs (map_book.c), or from what a campaign says, as
 * shares by weight, times the loads now (loads.c).
 *
 * When other sites are withdrawn already, or being drained, a campaign tells
 * who serves their clients now, and where all of these go.  Maps alone cannot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "core/room.h"
#include "fleet/campaign.h"
#include "fleet/landings.h"
#include "fleet/lands.h"
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

/* A question: where do the loads of `out` go, which are withdrawn together? */
struct question {
	struct controller *c;
	struct room_site *sites;
	size_t site;
	bool *down; /* withdrawn already: their clients are elsewhere now */
	bool *out;  /* the site, and those that are being drained */
	/* Besides the site: in down and out; in out; of these, one whose load
	 * is not known. */
	size_t n_others, n_drained, unmeasured;
	double goes; /* the load of out */
	/* What a campaign says; NULL: there is none. */
	struct lands_campaign *campaign;
	struct pack_pairs *pairs;
	double *load; /* of each site, with what has landed there */
	struct lands_past past;
	int64_t oldest_ms; /* when the oldest map used was measured; 0: none */
};

/* What is decided by older maps is said to be. */
#define MAP_OLD_MS (INT64_C(30) * 86400 * 1000)

/* Sites that are out, or on their way, and what that means for the others. */
static void
find_others(struct question *q)
{
	const struct controller *c = q->c;
	const bool *down = landings_down(c);

	for (size_t i = 0; i < c->n_sites; i++) {
		q->down[i] = i != q->site && down[i];
		q->out[i] = i == q->site ||
		    (!q->down[i] &&
			intent_set_drain(&c->intents.set, c->sites[i].name) !=
			    NULL);
		q->n_others += i != q->site && (q->down[i] || q->out[i]);
		q->n_drained += i != q->site && q->out[i];
		if (q->out[i] && !q->sites[i].has_load)
			q->unmeasured = i;
	}
}

/* What those that are down brought is no longer theirs, and not yet in every
 * load. */
static void
find_loads(struct question *q)
{
	size_t n = q->c->n_sites;

	lands_past_find(q->c, q->down, &q->past);
	q->goes = q->past.lost;
	for (size_t i = 0; i < n; i++) {
		q->sites[i].landed = q->past.landed[i];
		q->load[i] = q->sites[i].load + q->sites[i].landed;
		if (q->out[i])
			q->goes += q->load[i];
	}
}

static void
ask_campaign(struct question *q)
{
	const struct lands_asked asked = { q->down, q->out, q->load };

	q->campaign = lands_campaign_new(q->c, &asked);
	if (q->campaign != NULL)
		q->pairs = lands_campaign_pairs(q->campaign);
}

static void
question_init(struct question *q, struct controller *c, struct room_site *sites,
    size_t site)
{
	*q = (struct question){
		.c = c, .sites = sites, .site = site, .unmeasured = NO_SITE
	};
	q->down = xcalloc(c->n_sites, sizeof(*q->down));
	q->out = xcalloc(c->n_sites, sizeof(*q->out));
	q->load = xcalloc(c->n_sites, sizeof(*q->load));
	find_others(q);
	find_loads(q);
}

static void
question_fini(struct question *q)
{
	lands_campaign_free(q->campaign);
	lands_past_fini(&q->past);
	free(q->down);
	free(q->out);
	free(q->load);
}

static void
note_age(struct question *q, int64_t measured_ms)
{
	if (q->oldest_ms == 0 || measured_ms < q->oldest_ms)
		q->oldest_ms = measured_ms;
}

/* By the map of just these sites; false: there is none. */
static bool
land_by_map(struct question *q, const bool *sites, double *lands)
{
	if (!lands_by_map(q->c, sites, q->load, lands))
		return false;
	note_age(q, map_book_find(q->c, sites)->measured_ms);
	return true;
}

static void
note_campaign(struct question *q)
{
	struct campaign_view view;

	if (campaign_view(q->c, &view))
		note_age(q, view.measured_ms);
}

/* The first level; false: there is no map. */
static bool
land_first(struct question *q, double *lands)
{
	bool *alone = xcalloc(q->c->n_sites, sizeof(*alone));
	bool is_known = false;

	alone[q->site] = true;
	/* Without a campaign, what is known of the site alone. */
	if (q->n_others == 0 || q->pairs == NULL)
		is_known = land_by_map(q, alone, lands);
	free(alone);
	if (is_known || q->pairs == NULL || !pack_pairs_first(q->pairs, lands))
		return is_known;
	note_campaign(q);
	return true;
}

/* The row of an heir; false: it is not known. */
static bool
land_next(struct question *q, size_t heir, double *lands)
{
	bool is_known = false;

	/* The first level has said so. */
	if (!q->sites[heir].has_load)
		return false;
	if (q->n_others == 0) {
		q->out[heir] = true;
		is_known = land_by_map(q, q->out, lands);
		q->out[heir] = false;
	}
	if (is_known || q->pairs == NULL ||
	    !pack_pairs_next(q->pairs, heir, lands))
		return is_known;
	note_campaign(q);
	return true;
}

/* A row for each heir that could be lost next; below zero: not known. */
static double *
land_all_next(struct question *q, const double *level1)
{
	size_t n = q->c->n_sites;
	double *rows = xcalloc(n * n, sizeof(*rows));

	for (size_t h = 0; h < n; h++) {
		if (q->sites[h].announces &&
		    room_is_next(level1, n, q->site, h) &&
		    !land_next(q, h, &rows[h * n]))
			rows[h * n] = -1;
	}
	return rows;
}

/* ---- words ---- */

static int
refuse(const struct question *q, const struct room_answer *a, struct err *err)
{
	const struct controller *c = q->c;
	char next[CONF_NAME_MAX + 16] = "";

	if (a->after != ROOM_NONE) {
		(void)snprintf(next, sizeof(next), ", and %s failing then,",
		    c->sites[a->after].name);
	}
	return err_set(err, ERR_REFUSED,
	    "guard room: draining %s%s%s would bring %.0f to %s, which has %.0f of %.0f in use%s",
	    c->sites[q->site].name,
	    q->n_drained > 0 ? " beside what is being drained" : "", next,
	    a->lands, c->sites[a->heir].name, a->load, a->capacity,
	    q->sites[a->heir].landed > 0 ? ", with what withdrawn sites brought"
					 : "");
}

/* Why it cannot be told of the heir that the answer names. */
static const char *
doubt(const struct room_answer *a, const struct room_site *heir,
    struct room_text *buf)
{
	double room = a->capacity - a->load - a->lands;

	if (a->lost > 0 && room > 0) {
		(void)snprintf(buf->text, sizeof(buf->text),
		    "nobody knows where %.0f go, it has room for %.0f", a->lost,
		    room);
		return buf->text;
	}
	if (a->lost > 0) {
		(void)snprintf(buf->text, sizeof(buf->text),
		    "nobody knows where %.0f go, and it is full already",
		    a->lost);
		return buf->text;
	}
	if (!heir->announces)
		return "it announces nothing now, or is not well";
	return heir->has_capacity ? "its load is not known"
				  : "its capacity is not known";
}

/* Why it cannot be told, or that there is room. */
static void
say(const struct question *q, const struct room_answer *a,
    struct room_text *out)
{
	const struct controller *c = q->c;
	const struct room_site *sites = q->sites;
	const char *next =
	    a->after != ROOM_NONE ? c->sites[a->after].name : NULL;
	struct room_text why;

	if (a->verdict == ROOM_OK) {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room");
	} else if (next == NULL && a->heir == ROOM_NONE) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known: no other site announces and is well");
	} else if (next == NULL) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known, because of the heir %s: %.150s",
		    c->sites[a->heir].name, doubt(a, &sites[a->heir], &why));
	} else if (a->heir == ROOM_NONE) {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room; not known should %s fail, too: %s",
		    next,
		    a->lost > 0 ? "no other site announces and is well"
			: q->pairs == NULL
			? "there is no failover map of both"
			: "of one of them no client is known");
	} else {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room; not known should %s fail, too, because of the heir %s: %.150s",
		    next, c->sites[a->heir].name,
		    doubt(a, &sites[a->heir], &why));
	}
}

/* Behind what was said. */
static void
say_age(const struct question *q, struct room_text *out)
{
	int64_t age_ms = wall_now_ms() - q->oldest_ms;
	size_t len = strlen(out->text);

	if (q->oldest_ms == 0 || age_ms < MAP_OLD_MS)
		return;
	(void)snprintf(out->text + len, sizeof(out->text) - len,
	    "; by a map that is %lld days old",
	    (long long)(age_ms / (INT64_C(86400) * 1000)));
}

/* ---- the check ---- */

/* -1 with err if it is full; else what is known in words. */
static int
judge(struct question *q, struct room_text *out, struct err *err)
{
	size_t n = q->c->n_sites;
	const struct conf_guards *g = &q->c->conf->guards;
	const struct room_conf conf = { .limit_percent = g->room.limit_percent,
		.margin_percent = g->room.margin_percent };
	double *level1 = xcalloc(n, sizeof(*level1)), *level2 = NULL;
	struct room_landing landing = { .goes = q->goes, .level1 = level1 };
	struct room_answer a = { .verdict = ROOM_UNKNOWN };

	if (!land_first(q, level1)) {
		(void)snprintf(out->text, sizeof(out->text), "not known: %s",
		    q->pairs == NULL
			? "there is no failover map of the site's clients"
			: "of a load that goes no client is known");
	} else {
		/* Of two sites nobody would be left. */
		if (g->room.levels > 1 && n - q->n_others > 2)
			level2 = land_all_next(q, level1);
		landing.level2 = level2;
		a = room_check(q->sites, n, q->site, &landing, &conf);
		say(q, &a, out);
		if (q->past.unknown != NO_SITE) {
			(void)snprintf(out->text, sizeof(out->text),
			    "not known: %s is withdrawn, and %s",
			    q->c->sites[q->past.unknown].name, q->past.why);
		} else if (a.verdict == ROOM_OK && level2 != NULL) {
			(void)text_copy(out->text, sizeof(out->text),
			    "all heirs have room, also should one of them fail");
		}
		say_age(q, out);
	}
	free(level1);
	free(level2);
	return a.verdict == ROOM_FULL ? refuse(q, &a, err) : 0;
}

int
fleet_room_check(struct controller *c, size_t site, struct room_text *out,
    struct err *err)
{
	struct room_site *sites = xcalloc(c->n_sites, sizeof(*sites));
	struct question q;
	int rc = 0;

	for (size_t i = 0; i < c->n_sites; i++)
		sites[i] = room_site_of(c, i);
	question_init(&q, c, sites, site);
	if (c->conf->guards.room.levels == 0) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not looked at: the guard is off");
	} else if (!sites[site].has_load) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known: no load of the site is");
	} else if (q.unmeasured != NO_SITE) {
		(void)snprintf(out->text, sizeof(out->text),
		    "not known: no load of %s is, which is being drained",
		    c->sites[q.unmeasured].name);
	} else {
		ask_campaign(&q);
		rc = judge(&q, out, err);
	}
	question_fini(&q);
	free(sites);
	return rc;
}
