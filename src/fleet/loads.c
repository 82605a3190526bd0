/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Capacities and loads of the sites: what agents measure, else what the
 * configuration says. */
#include "fleet/controller_state.h"

#define HOUR_MS ((int64_t)3600 * 1000)
/* A withdrawal needs that long until all traffic has moved, unless the
 * configuration says that it has sooner. */
#define LAND_MS 30000
/* Of a load a sixteenth is missing then. */
#define SETTLE_HALF_LIVES 4
#define SETTLE_INTERVALS 3
/* Those of the configuration of agents. */
#define HALF_LIFE_DEFAULT_MS 15000
#define INTERVAL_DEFAULT_MS 5000

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

/* A number of the agent's report, within what can be configured. */
static int64_t
counter_ms(const struct fleet_site *s, const char *key, int64_t otherwise_ms)
{
	const json_t *counter = json_object_get(s->status, "load_counter");
	const json_t *ms = json_object_get(counter, key);

	if (!json_is_integer(ms) || json_integer_value(ms) < 0)
		return otherwise_ms;
	return json_integer_value(ms) < HOUR_MS ? json_integer_value(ms)
						: HOUR_MS;
}

int64_t
fleet_load_settle_ms(const struct controller *c, size_t site)
{
	const struct fleet_site *s = &c->sites[site];
	int64_t land_ms = c->conf->predict.landing_after_ms;

	if (fleet_site_load(c, site).source != LOAD_MEASURED)
		return 0;
	return (land_ms < LAND_MS ? land_ms : LAND_MS) +
	    SETTLE_HALF_LIVES *
	    counter_ms(s, "half_life_ms", HALF_LIFE_DEFAULT_MS) +
	    SETTLE_INTERVALS *
	    counter_ms(s, "interval_ms", INTERVAL_DEFAULT_MS);
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
