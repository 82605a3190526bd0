/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fleet/landing_told.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "core/experiment.h"
#include "fleet/campaign.h"

/* ---- from a campaign ---- */

static void
take_campaign(const struct controller *c, const struct campaign_view *view,
    const bool *down, struct landing_told *out)
{
	struct pack_set set = { { 0 } };

	out->clients = view->clients;
	out->n = view->n;
	out->campaign = view->id;
	out->home = xcalloc(view->n, sizeof(*out->home));
	out->after = xcalloc(view->n, sizeof(*out->after));
	memcpy(out->home, view->home, view->n * sizeof(*out->home));
	for (size_t i = 0; i < c->n_sites; i++) {
		if (down[i])
			pack_set_add(&set, i);
	}
	pack_predict(view->pack, &set, out->after, NULL);
	for (uint32_t i = 0; i < view->n; i++) {
		out->after[i] = out->after[i] < c->n_sites
		    ? (uint16_t)(out->after[i] + 1u)
		    : OUTCOME_NONE;
	}
}

/* ---- from an experiment ---- */

/* Its outcomes count the sites that there were, and its clients are of the list
 * that it asked: both must be those of today. */
static bool
is_of_today(const struct controller *c, uint32_t experiment)
{
	struct err err;
	json_t *row = query_experiment(c->env.query, experiment, &err);
	const char *sites = json_string_value(json_object_get(row, "sites"));
	bool is = sites != NULL && strcmp(sites, c->site_names) == 0 &&
	    json_integer_value(json_object_get(row, "list")) ==
		(json_int_t)c->list;

	json_decref(row);
	return is;
}

static int
read_phase(const struct controller *c, uint32_t experiment, uint8_t phase,
    /* NOLINTNEXTLINE(readability-non-const-parameter): the query fills it */
    uint16_t *outcomes)
{
	struct query_outcomes want = { .experiment = experiment,
		.phase = phase,
		.n = c->n_clients,
		.sites = outcomes };
	struct err err;

	if (query_outcomes(c->env.query, &want, &err) == 0)
		return 0;
	log_warnx("landing: %s", err.msg);
	return -1;
}

/* A withdrawn site is no heir, whoever still had its route. */
static void
forget_withdrawn(const struct controller *c, const bool *down,
    struct landing_told *out)
{
	for (uint32_t i = 0; i < out->n; i++) {
		if (outcome_is_site(out->after[i], c->n_sites) &&
		    down[out->after[i] - 1u])
			out->after[i] = OUTCOME_NONE;
	}
}

static bool
take_experiment(const struct controller *c, uint32_t experiment,
    const bool *down, struct landing_told *out)
{
	if (!is_of_today(c, experiment))
		return false;
	out->clients = c->clients;
	out->n = c->n_clients;
	out->home = xcalloc(out->n, sizeof(*out->home));
	out->after = xcalloc(out->n, sizeof(*out->after));
	if (read_phase(c, experiment, EXPERIMENT_BASELINE, out->home) == 0 &&
	    read_phase(c, experiment, EXPERIMENT_SWEEP, out->after) == 0) {
		forget_withdrawn(c, down, out);
		return true;
	}
	landing_told_fini(out);
	return false;
}

bool
landing_told_find(struct controller *c, const bool *down,
    struct landing_told *out)
{
	const struct fleet_map *measured = map_book_find(c, down);
	struct campaign_view view = { .id = 0 };
	bool has_view = campaign_view(c, &view);
	struct fleet_map *map = NULL;

	*out = (struct landing_told){ .label = "" };
	if (measured != NULL && has_view && measured->campaign == view.id) {
		take_campaign(c, &view, down, out);
	} else if (measured == NULL ||
	    !take_experiment(c, measured->experiment, down, out)) {
		if (!has_view)
			return false;
		measured = NULL;
		take_campaign(c, &view, down, out);
		map = map_predict(c, down, NULL);
	}
	if (measured != NULL) {
		out->label = measured->label;
		out->experiment = measured->experiment;
	} else if (map != NULL) {
		out->label = map->label;
	}
	fleet_map_free(map);
	return true;
}

void
landing_told_fini(struct landing_told *told)
{
	free(told->home);
	free(told->after);
	told->home = told->after = NULL;
}
