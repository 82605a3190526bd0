/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Before a drain: do the heirs have room?  What lands comes from the newest
 * failover map of the site (maps.c), as shares by weight, times its load now
 * (loads.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "core/room.h"
#include "fleet/controller_state.h"

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

/* Shares of the site's clients by heir; false if no map is known. */
static bool
fill_shares(struct controller *c, size_t site, double *share)
{
	json_t *heirs = fleet_landing(c, c->sites[site].name);
	const json_t *heir;
	size_t i;

	json_array_foreach (heirs, i, heir) {
		const char *name =
		    json_string_value(json_object_get(heir, "heir"));
		size_t k =
		    name != NULL ? controller_find_site(c, name) : NO_SITE;

		if (k != NO_SITE) {
			share[k] = json_number_value(json_object_get(heir,
			    "weight_share"));
		}
	}
	i = json_array_size(heirs);
	json_decref(heirs);
	return i > 0;
}

static int
refuse(const struct controller *c, size_t site, const struct room_answer *a,
    struct err *err)
{
	return err_set(err, ERR_REFUSED,
	    "guard room: draining %s would bring %.0f to %s, which has %.0f of %.0f in use",
	    c->sites[site].name, a->lands, c->sites[a->heir].name, a->load,
	    a->capacity);
}

/* Why it cannot be told, or that there is room. */
static void
say(const struct controller *c, const struct room_answer *a,
    const struct room_site *heir, struct room_text *out)
{
	const char *why = "its load is not known";

	if (a->verdict == ROOM_OK || heir == NULL) {
		(void)snprintf(out->text, sizeof(out->text),
		    "all heirs have room");
		return;
	}
	if (!heir->announces) {
		why = "it announces nothing now, or is not well";
	} else if (!heir->has_capacity) {
		why = "its capacity is not known";
	}
	(void)snprintf(out->text, sizeof(out->text),
	    "not known, because of the heir %s: %s", c->sites[a->heir].name,
	    why);
}

int
fleet_room_check(struct controller *c, size_t site, struct room_text *out,
    struct err *err)
{
	const struct conf_guards *g = &c->conf->guards;
	const struct room_conf conf = { .limit_percent = g->room.limit_percent,
		.margin_percent = g->room.margin_percent };
	struct room_site *sites = xcalloc(c->n_sites, sizeof(*sites));
	double *level1 = xcalloc(c->n_sites, sizeof(*level1));
	/* There are no maps of two sites yet: no second level. */
	const struct room_landing landing = { .level1 = level1 };
	struct room_answer a = { .verdict = ROOM_UNKNOWN };
	const char *unknown = NULL;

	for (size_t i = 0; i < c->n_sites; i++)
		sites[i] = room_site_of(c, i);
	if (g->room.levels == 0) {
		unknown = "not looked at: the guard is off";
	} else if (!sites[site].has_load) {
		unknown = "not known: no load of the site is";
	} else if (!fill_shares(c, site, level1)) {
		unknown = "not known: there is no failover map of the site";
	}
	if (unknown != NULL) {
		(void)snprintf(out->text, sizeof(out->text), "%s", unknown);
	} else {
		for (size_t i = 0; i < c->n_sites; i++)
			level1[i] *= sites[site].load;
		a = room_check(sites, c->n_sites, site, &landing, &conf);
		say(c, &a, a.heir != ROOM_NONE ? &sites[a.heir] : NULL, out);
	}
	free(sites);
	free(level1);
	return a.verdict == ROOM_FULL ? refuse(c, site, &a, err) : 0;
}
