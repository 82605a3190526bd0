/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Failover maps as the API tells them: which ones, and how they changed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "core/heirs.h"
#include "fleet/map_book.h"
#include "fleet/site_set.h"
#include "fleet/test_names.h"

json_t *
fleet_map_of(struct controller *c, const bool *down, int levels,
    struct err *err)
{
	const struct fleet_map *measured = map_book_find(c, down);
	struct fleet_map *predicted;
	json_t *doc;

	if (measured != NULL)
		return fleet_map_json(c, measured, levels);
	predicted = map_predict(c, down, err);
	if (predicted == NULL)
		return NULL;
	doc = fleet_map_json(c, predicted, levels);
	fleet_map_free(predicted);
	return doc;
}

/* Of one site, if anything is known. */
static void
append_map(struct controller *c, const bool *down, int levels, json_t *maps)
{
	struct err unknown;
	json_t *map = fleet_map_of(c, down, levels, &unknown);

	if (map != NULL)
		json_array_append_new(maps, map);
}

json_t *
fleet_maps(struct controller *c, size_t site)
{
	bool *down = xcalloc(c->n_sites, sizeof(*down));
	json_t *maps = json_array();

	for (size_t i = 0; i < c->n_sites; i++) {
		if (site != NO_SITE && i != site)
			continue;
		down[i] = true;
		append_map(c, down, site != NO_SITE ? 2 : 1, maps);
		down[i] = false;
	}
	free(down);
	return maps;
}

json_t *
fleet_maps_of_depth(struct controller *c, size_t depth)
{
	json_t *maps = json_array();
	size_t n;
	const struct fleet_map **list = map_book_list(c, depth, &n);

	for (size_t i = 0; i < n; i++) {
		const struct fleet_map *map = map_book_find(c, list[i]->down);

		if (map != NULL) {
			json_array_append_new(maps, fleet_map_json(c, map, 1));
		}
	}
	free(list);
	return maps;
}

json_t *
fleet_landing(struct controller *c, const char *site)
{
	size_t i = controller_find_site(c, site);
	json_t *maps, *heirs;

	if (i == NO_SITE)
		return json_null();
	maps = fleet_maps(c, i);
	heirs = json_object_get(json_array_get(maps, 0), "heirs");
	heirs = heirs != NULL ? json_incref(heirs) : json_null();
	json_decref(maps);
	return heirs;
}

/* ---- how they changed ---- */

/* Of the weight of those who answered after the withdrawal, what each site
 * got: n_sites.  All 0 if nobody did. */
static double *
shares_of(const struct controller *c, const struct fleet_map *map,
    double *unknown)
{
	double *share = xcalloc(c->n_sites, sizeof(*share)), known = 0, all = 0;

	for (size_t k = 0; k < map->counts.n_origins; k++) {
		const struct failover_origin *o = &map->counts.origins[k];

		for (size_t i = 0; i < c->n_sites; i++) {
			double w =
			    o->heirs[0][i].weight + o->heirs[1][i].weight;

			share[i] += w;
			known += w;
		}
		all += o->all.weight;
	}
	for (size_t i = 0; i < c->n_sites && known > 0; i++)
		share[i] /= known;
	*unknown = all > 0 ? fmax(0, 1 - known / all) : 1;
	return share;
}

/* The share that moves by itself: by weight, as the distance is, or of older
 * maps by clients. */
static double
noise_of(const struct fleet_map *map, bool *is_by_weight)
{
	if (map->counts.null_moved_weight >= 0)
		return map->counts.null_moved_weight;
	*is_by_weight = false;
	return map->counts.null_both > 0
	    ? (double)map->counts.null_moved / map->counts.null_both
	    : 0;
}

static json_t *
moves_json(const struct controller *c, const double *before, const double *now)
{
	json_t *heirs = json_array();

	for (size_t i = 0; i < c->n_sites; i++) {
		if (before[i] <= 0 && now[i] <= 0)
			continue;
		json_array_append_new(heirs,
		    json_pack("{s:s, s:f, s:f}", "heir", c->sites[i].name,
			"before", before[i], "now", now[i]));
	}
	return heirs;
}

/* Who does not answer tells nothing of where he would go, and answers get lost
 * more at one time than at another: that is no movement, and told apart. */
json_t *
fleet_maps_diff(struct controller *c, const struct fleet_map *a,
    const struct fleet_map *b)
{
	double unknown_before, unknown_now, tv = 0, noise;
	double *before = shares_of(c, a, &unknown_before);
	double *now = shares_of(c, b, &unknown_now);
	bool is_by_weight = true;
	bool is_known = unknown_before < 1 && unknown_now < 1;
	json_t *heirs = moves_json(c, before, now);

	if (is_known)
		tv = heirs_distance(before, now, c->n_sites);
	noise = noise_of(a, &is_by_weight) + noise_of(b, &is_by_weight);
	free(before);
	free(now);
	return json_pack(
	    "{s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:b, s:o, s:f, s:s, s:b, s:f, "
	    "s:f, s:o}",
	    "site", b->name, "before", (json_int_t)a->experiment, "now",
	    (json_int_t)b->experiment, "before_ms", (json_int_t)a->measured_ms,
	    "now_ms", (json_int_t)b->measured_ms, "before_tests",
	    test_names_json(a->tests), "now_tests", test_names_json(b->tests),
	    "tests_differ", test_names_differ(a->tests, b->tests), "distance",
	    is_known ? json_real(tv) : json_null(), "noise", noise, "noise_by",
	    is_by_weight ? "weight" : "clients", "changed",
	    is_known && tv > noise + HEIRS_UNSTABLE_SHARE, "unknown_before",
	    unknown_before, "unknown_now", unknown_now, "heirs", heirs);
}

static void
append_diff(struct controller *c, const struct fleet_map *brief, json_t *diffs)
{
	struct err err = { 0 };
	int64_t id = query_map_before(c->env.query, brief->name,
	    brief->experiment, &err);
	struct fleet_map *before =
	    id > 0 ? map_book_read(c, (uint32_t)id, &err) : NULL;
	const struct fleet_map *now =
	    before != NULL ? map_book_find(c, brief->down) : NULL;

	if (now != NULL)
		json_array_append_new(diffs, fleet_maps_diff(c, before, now));
	fleet_map_free(before);
}

json_t *
fleet_all_diffs(struct controller *c)
{
	json_t *diffs = json_array();
	size_t n;
	const struct fleet_map **list = map_book_list(c, 0, &n);

	for (size_t i = 0; i < n; i++)
		append_diff(c, list[i], diffs);
	free(list);
	return diffs;
}
