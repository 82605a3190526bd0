/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Failover maps as the API tells them: from the aggregates in the store. */
#include <string.h>

#include "base/log.h"
#include "fleet/controller_state.h"

/* Adds one aggregate row to the heir of that name. */
static void
add_row(json_t *by_heir, const char *heir, int family, json_int_t clients,
    double weight)
{
	json_t *entry = json_object_get(by_heir, heir), *families;

	if (entry == NULL) {
		entry = json_pack("{s:o, s:I, s:f, s:f, s:f, s:{s:{s:I, s:f}, "
				  "s:{s:I, s:f}}}",
		    "heir", heir[0] != '\0' ? json_string(heir) : json_null(),
		    "clients", (json_int_t)0, "weight", 0.0, "clients_share",
		    0.0, "weight_share", 0.0, "families", "4", "clients",
		    (json_int_t)0, "weight", 0.0, "6", "clients", (json_int_t)0,
		    "weight", 0.0);
		json_object_set_new(by_heir, heir, entry);
	}
	json_object_set_new(entry, "clients",
	    json_integer(json_integer_value(json_object_get(entry, "clients")) +
		clients));
	json_object_set_new(entry, "weight",
	    json_real(json_real_value(json_object_get(entry, "weight")) +
		weight));
	families = json_object_get(entry, "families");
	json_object_set_new(families, family == 4 ? "4" : "6",
	    json_pack("{s:I, s:f}", "clients", clients, "weight", weight));
}

static void
set_shares(json_t *heirs, json_int_t clients, double weight)
{
	json_t *entry;
	size_t i;

	json_array_foreach (heirs, i, entry) {
		double c = (double)json_integer_value(json_object_get(entry,
		    "clients"));
		double w = json_real_value(json_object_get(entry, "weight"));

		json_object_set_new(entry, "clients_share",
		    json_real(clients > 0 ? c / (double)clients : 0));
		json_object_set_new(entry, "weight_share",
		    json_real(weight > 0 ? w / weight : 0));
	}
}

/* Moves the entry of largest weight from the object to the array. */
static bool
take_largest(json_t *by_heir, json_t *out)
{
	const char *heir, *best = NULL;
	double most = -1;
	json_t *entry;

	json_object_foreach (by_heir, heir, entry) {
		double w = json_real_value(json_object_get(entry, "weight"));

		if (heir[0] != '\0' && w > most) {
			most = w;
			best = heir;
		}
	}
	if (best == NULL)
		return false;
	json_array_append(out, json_object_get(by_heir, best));
	json_object_del(by_heir, best);
	return true;
}

/* Heirs by weight, unknown last; steals rows. */
static json_t *
heirs_json(json_t *rows, json_int_t *clients, double *weight)
{
	json_t *by_heir = json_object(), *out = json_array();
	const json_t *row;
	size_t i;

	*clients = 0;
	*weight = 0;
	json_array_foreach (rows, i, row) {
		json_t *c = json_object_get(row, "clients");
		json_t *w = json_object_get(row, "weight");
		const char *heir =
		    json_string_value(json_object_get(row, "heir"));

		add_row(by_heir, heir != NULL ? heir : "",
		    (int)json_integer_value(json_object_get(row, "family")),
		    json_integer_value(c), json_number_value(w));
		*clients += json_integer_value(c);
		*weight += json_number_value(w);
	}
	while (take_largest(by_heir, out))
		;
	if (json_object_get(by_heir, "") != NULL)
		json_array_append(out, json_object_get(by_heir, ""));
	set_shares(out, *clients, *weight);
	json_decref(by_heir);
	json_decref(rows);
	return out;
}

/* The newest map of one site; JSON null when there is none; NULL with err. */
static json_t *
site_map(struct controller *c, const char *site, struct err *err)
{
	int64_t id = query_latest_map(c->env.query, site, err);
	json_int_t clients, ended_ms = 0, list_clients = 0;
	json_int_t answered = 0, bystanders = 0;
	json_t *experiment, *heirs;
	double weight;

	if (id == -1)
		return NULL;
	if (id == 0)
		return json_null();
	heirs = query_heirs(c->env.query, (uint32_t)id, err);
	if (heirs == NULL)
		return NULL;
	experiment = query_experiment(c->env.query, (uint32_t)id, err);
	if (experiment == NULL) {
		json_decref(heirs);
		return NULL;
	}
	(void)json_unpack(experiment, "{s:I, s:I, s:I, s:I}", "ended_ms",
	    &ended_ms, "clients", &list_clients, "answered", &answered,
	    "bystanders", &bystanders);
	json_decref(experiment);
	heirs = heirs_json(heirs, &clients, &weight);
	return json_pack(
	    "{s:s, s:I, s:I, s:I, s:i, s:I, s:f, s:o, s:I, s:I, s:I}", "site",
	    site, "experiment", (json_int_t)id, "measured_ms", ended_ms,
	    "age_ms", (json_int_t)(wall_now_ms() - ended_ms), "depth", 1,
	    "clients", clients, "weight", weight, "heirs", heirs, "bystanders",
	    bystanders, "answered", answered, "list_clients", list_clients);
}

json_t *
fleet_maps(struct controller *c, const char *site, struct err *err)
{
	json_t *maps = json_array();

	for (size_t i = 0; i < c->n_sites; i++) {
		json_t *map;

		if (site != NULL && strcmp(site, c->sites[i].name) != 0)
			continue;
		map = site_map(c, c->sites[i].name, err);
		if (map == NULL) {
			json_decref(maps);
			return NULL;
		}
		if (json_is_null(map)) {
			json_decref(map);
		} else {
			json_array_append_new(maps, map);
		}
	}
	return maps;
}

json_t *
fleet_landing(struct controller *c, const char *site)
{
	struct err err;
	json_t *map = site_map(c, site, &err), *heirs;

	if (map == NULL) {
		log_warnx("failover map of %s: %s", site, err.msg);
		return json_null();
	}
	heirs = json_is_null(map) ? json_null()
				  : json_incref(json_object_get(map, "heirs"));
	json_decref(map);
	return heirs;
}
