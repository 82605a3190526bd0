/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Capacities and loads of the sites: what agents measure, else what the
 * configuration says. */
#include "fleet/controller_state.h"

const struct conf_capacity *
fleet_site_capacity(const struct controller *c, size_t site)
{
	for (size_t i = 0; i < c->conf->n_capacity; i++) {
		if (c->conf->capacity[i].site == site)
			return &c->conf->capacity[i];
	}
	return NULL;
}

struct fleet_load
fleet_site_load(const struct controller *c, size_t site)
{
	const struct fleet_site *s = &c->sites[site];
	const struct conf_capacity *conf = fleet_site_capacity(c, site);
	const json_t *measured = json_object_get(s->status, "load");

	/* Of a site that is silent it is a load of another time. */
	if (fleet_site_is_live(s) && json_is_number(measured) &&
	    json_number_value(measured) >= 0) {
		return (struct fleet_load){ .source = LOAD_MEASURED,
			.load = json_number_value(measured) };
	}
	if (conf != NULL && conf->has_load) {
		return (struct fleet_load){ .source = LOAD_CONFIGURED,
			.load = conf->load };
	}
	return (struct fleet_load){ .source = LOAD_UNKNOWN };
}

void
fleet_load_add(const struct controller *c, size_t site, json_t *obj)
{
	static const char *const sources[] = {
		[LOAD_CONFIGURED] = "configuration",
		[LOAD_MEASURED] = "agent",
	};
	const struct conf_capacity *conf = fleet_site_capacity(c, site);
	struct fleet_load load = fleet_site_load(c, site);

	/* Capacities are the operator's word, and not what an agent reports. */
	json_object_del(obj, "capacity");
	json_object_del(obj, "load");
	json_object_del(obj, "load_by");
	if (conf != NULL) {
		json_object_set_new(obj, "capacity",
		    json_integer((json_int_t)conf->capacity));
	}
	if (load.source == LOAD_UNKNOWN)
		return;
	json_object_set_new(obj, "load", json_real(load.load));
	json_object_set_new(obj, "load_by", json_string(sources[load.source]));
}
