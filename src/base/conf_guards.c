/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The guards of a site and of the fleet. */
#include "base/conf_check.h"

#include <string.h>

#include "base/printable.h"
#include "base/xalloc.h"

#define SEC_MS INT64_C(1000)
#define MIN_MS (60 * SEC_MS)
#define HOUR_MS (60 * MIN_MS)
#define DAY_MS (24 * HOUR_MS)
#define AMOUNT_MAX 1000000000u

/* ---- what may be announced ---- */

static int
check_entries(struct conf_ck *ck, const struct conf_raw *raw,
    struct allow_list *out)
{
	size_t mark = conf_ck_enter(ck, "allow");

	out->entries = xcalloc(raw->allow_count, sizeof(out->entries[0]));
	for (unsigned i = 0; i < raw->allow_count; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (allow_entry_parse(raw->allow[i], &out->entries[i],
			ck->err) == -1)
			return conf_ck_wrap(ck);
		out->n++;
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_allowed(struct conf_ck *ck, const struct allow_list *allow,
    const struct prefix *prefixes, size_t n)
{
	size_t mark = conf_ck_enter(ck, "prefixes");

	for (size_t i = 0; i < n; i++) {
		size_t entry = conf_ck_enter_entry(ck, i);

		if (allow_check(allow, &prefixes[i], ck->err) == -1)
			return conf_ck_wrap(ck);
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_all_allowed(struct conf_ck *ck, const struct conf_agent *a)
{
	size_t mark = conf_ck_enter(ck, "services");

	for (size_t s = 0; s < a->n_services; s++) {
		size_t entry = conf_ck_enter_entry(ck, s);

		if (check_allowed(ck, &a->allow, a->services[s].prefixes,
			a->services[s].n_prefixes) == -1)
			return -1;
		conf_ck_leave(ck, entry);
	}
	conf_ck_leave(ck, mark);
	mark = conf_ck_enter(ck, "test");
	if (check_allowed(ck, &a->allow, a->test.prefixes,
		a->test.n_prefixes) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

/* ---- one site ---- */

static int
check_action(struct conf_ck *ck, const char *text, bool *holds)
{
	char shown[PRINTABLE_TEXT_BYTES];
	size_t mark = conf_ck_enter(ck, "action");

	*holds = text != NULL && strcmp(text, "hold") == 0;
	if (text != NULL && !*holds && strcmp(text, "alarm") != 0) {
		return conf_ck_refuse(ck, "%s: expected alarm or hold",
		    printable(text, shown));
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_site_brake(struct conf_ck *ck, const struct raw_brake *raw,
    struct conf_agent_guards *out)
{
	static const struct raw_brake none = { 0 };
	static const struct conf_count share = { "share", 1, 100, 100 };
	static const struct conf_duration window = { "window", SEC_MS, HOUR_MS,
		5 * SEC_MS };
	static const struct conf_duration release = { "release", 0, DAY_MS,
		10 * MIN_MS };
	size_t mark = conf_ck_enter(ck, "brake");

	if (raw == NULL)
		raw = &none;
	if (conf_ck_percent(ck, &share, raw->share,
		&out->brake.share_percent) == -1 ||
	    conf_ck_duration(ck, &window, raw->window, &out->brake.window_ms) ==
		-1 ||
	    conf_ck_duration(ck, &release, raw->release,
		&out->brake.release_ms) == -1 ||
	    check_action(ck, raw->action, &out->brake.holds) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_damping(struct conf_ck *ck, const struct raw_damping *raw,
    struct conf_agent_guards *out)
{
	static const struct raw_damping none = { 0 };
	static const struct conf_count suppress = { "suppress", 0, 100000,
		6000 };
	struct conf_count reuse = { "reuse", 1, 100000, 3000 };
	static const struct conf_duration half_life = { "half_life", SEC_MS,
		DAY_MS, 15 * MIN_MS };
	static const struct conf_duration max_hold = { "max_hold", SEC_MS,
		DAY_MS, HOUR_MS };
	static const struct conf_count updates = { "updates", 0, 10000, 60 };
	size_t mark = conf_ck_enter(ck, "damping");

	if (raw == NULL)
		raw = &none;
	if (conf_ck_count(ck, &suppress, raw->suppress,
		&out->damping.suppress) == -1)
		return -1;
	if (out->damping.suppress == 1) {
		return conf_ck_refuse(ck,
		    "suppress: expected 0 or 2 to 100000");
	}
	if (out->damping.suppress != 0) {
		reuse.max = out->damping.suppress - 1;
		reuse.initial = out->damping.suppress / 2;
	}
	if (conf_ck_count(ck, &reuse, raw->reuse, &out->damping.reuse) == -1 ||
	    conf_ck_duration(ck, &half_life, raw->half_life,
		&out->damping.half_life_ms) == -1 ||
	    conf_ck_duration(ck, &max_hold, raw->max_hold,
		&out->damping.max_hold_ms) == -1 ||
	    conf_ck_count(ck, &updates, raw->updates, &out->damping.updates) ==
		-1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_check_site_guards(struct conf_ck *ck, const struct conf_raw *raw,
    struct conf_agent *out)
{
	static const struct raw_agent_guards none = { 0 };
	static const struct conf_count stale = { "stale_after", 0, 1000, 5 };
	const struct raw_agent_guards *guards =
	    raw->guards != NULL ? raw->guards : &none;
	size_t mark;

	if (check_entries(ck, raw, &out->allow) == -1 ||
	    check_all_allowed(ck, out) == -1)
		return -1;
	mark = conf_ck_enter(ck, "guards");
	if (conf_ck_count(ck, &stale, guards->stale_after,
		&out->guards.stale_after) == -1 ||
	    check_site_brake(ck, guards->brake, &out->guards) == -1 ||
	    check_damping(ck, guards->damping, &out->guards) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

/* ---- the fleet ---- */

static int
check_capacity_site(struct conf_ck *ck, const char *name,
    const struct conf_controller *c, struct conf_capacity *out)
{
	char shown[PRINTABLE_TEXT_BYTES];
	size_t mark = conf_ck_enter(ck, "site");

	out->site = 0;
	while (out->site < c->n_sites && strcmp(c->sites[out->site], name) != 0)
		out->site++;
	if (out->site == c->n_sites) {
		return conf_ck_refuse(ck, "%s: expected one of fleet.sites",
		    printable(name, shown));
	}
	for (size_t i = 0; i < c->n_capacity; i++) {
		if (c->capacity[i].site == out->site) {
			return conf_ck_refuse(ck,
			    "%s: given twice, expected each site once", name);
		}
	}
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_capacity(struct conf_ck *ck, const struct raw_fleet *raw,
    struct conf_controller *out)
{
	static const struct conf_count capacity = { "capacity", 1, AMOUNT_MAX,
		1 };
	static const struct conf_count load = { "load", 0, AMOUNT_MAX, 0 };
	size_t mark = conf_ck_enter(ck, "capacity");

	out->capacity = xcalloc(raw->capacity_count, sizeof(out->capacity[0]));
	for (unsigned i = 0; i < raw->capacity_count; i++) {
		const struct raw_capacity *r = &raw->capacity[i];
		struct conf_capacity *entry = &out->capacity[i];
		size_t inner = conf_ck_enter_entry(ck, i);

		if (check_capacity_site(ck, r->site, out, entry) == -1 ||
		    conf_ck_count(ck, &capacity, r->capacity,
			&entry->capacity) == -1 ||
		    conf_ck_count(ck, &load, r->load, &entry->load) == -1)
			return -1;
		entry->has_load = r->load != NULL;
		out->n_capacity++;
		conf_ck_leave(ck, inner);
	}
	conf_ck_leave(ck, mark);
	return 0;
}

/* Else it would be a guess what the others carry. */
static int
need_capacities(struct conf_ck *ck, const char *key,
    const struct conf_controller *c)
{
	if (c->n_capacity == c->n_sites)
		return 0;
	(void)conf_ck_enter(ck, key);
	return conf_ck_refuse(ck,
	    "only %zu of %zu sites have a capacity, expected all in `fleet.capacity`",
	    c->n_capacity, c->n_sites);
}

static int
check_min_capacity(struct conf_ck *ck, const char *text,
    struct conf_controller *out)
{
	static const struct conf_count share = { "min_capacity", 0, 99, 0 };
	static const struct conf_count amount = { "min_capacity", 0, AMOUNT_MAX,
		0 };
	struct conf_guards *g = &out->guards;

	if (text == NULL)
		return 0;
	if (strchr(text, '%') != NULL) {
		if (conf_ck_percent(ck, &share, text,
			&g->min_capacity_percent) == -1)
			return -1;
	} else if (conf_ck_count(ck, &amount, text, &g->min_capacity) == -1) {
		return -1;
	}
	if (g->min_capacity_percent == 0 && g->min_capacity == 0)
		return 0;
	return need_capacities(ck, "min_capacity", out);
}

static int
check_budget(struct conf_ck *ck, const struct raw_budget *raw,
    struct conf_controller *out)
{
	static const struct raw_budget none = { 0 };
	static const struct conf_duration window = { "window", SEC_MS, DAY_MS,
		10 * MIN_MS };
	static const struct conf_count sites = { "sites", 0, CONF_SITES_MAX,
		0 };
	static const struct conf_count prefixes = { "prefixes", 0,
		CONF_SITES_MAX * CONF_PREFIXES_MAX, 0 };
	static const struct conf_count share = { "capacity", 0, 100, 0 };
	struct conf_guards *g = &out->guards;
	size_t mark = conf_ck_enter(ck, "budget");

	if (raw == NULL)
		raw = &none;
	if (conf_ck_duration(ck, &window, raw->window, &g->budget.window_ms) ==
		-1 ||
	    conf_ck_count(ck, &sites, raw->sites, &g->budget.sites) == -1 ||
	    conf_ck_count(ck, &prefixes, raw->prefixes, &g->budget.prefixes) ==
		-1 ||
	    conf_ck_percent(ck, &share, raw->capacity,
		&g->budget.capacity_percent) == -1)
		return -1;
	if (g->budget.capacity_percent != 0 &&
	    need_capacities(ck, "capacity", out) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_fleet_brake(struct conf_ck *ck, const struct raw_brake *raw,
    struct conf_guards *g)
{
	static const struct raw_brake none = { 0 };
	static const struct conf_count sites = { "sites", 0, CONF_SITES_MAX,
		0 };
	static const struct conf_duration window = { "window", SEC_MS, HOUR_MS,
		30 * SEC_MS };
	static const struct conf_duration release = { "release", 0, DAY_MS, 0 };
	size_t mark = conf_ck_enter(ck, "brake");

	if (raw == NULL)
		raw = &none;
	if (conf_ck_count(ck, &sites, raw->sites, &g->brake.sites) == -1 ||
	    conf_ck_duration(ck, &window, raw->window, &g->brake.window_ms) ==
		-1 ||
	    conf_ck_duration(ck, &release, raw->release,
		&g->brake.release_ms) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

static int
check_room(struct conf_ck *ck, const struct raw_room *raw,
    struct conf_guards *g)
{
	static const struct raw_room none = { 0 };
	static const struct conf_count limit = { "limit", 1, 1000, 100 };
	static const struct conf_count margin = { "margin", 0, 1000, 10 };
	static const struct conf_count levels = { "levels", 0, 2, 2 };
	size_t mark = conf_ck_enter(ck, "room");

	if (raw == NULL)
		raw = &none;
	if (conf_ck_percent(ck, &limit, raw->limit, &g->room.limit_percent) ==
		-1 ||
	    conf_ck_percent(ck, &margin, raw->margin,
		&g->room.margin_percent) == -1 ||
	    conf_ck_count(ck, &levels, raw->levels, &g->room.levels) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}

int
conf_check_fleet_guards(struct conf_ck *ck, const struct raw_fleet *raw,
    struct conf_controller *out)
{
	static const struct raw_guards none = { 0 };
	const struct raw_guards *guards =
	    raw->guards != NULL ? raw->guards : &none;
	const struct conf_count min_sites = { "min_sites", 0,
		out->n_sites > 0 ? (uint32_t)out->n_sites - 1 : 0, 0 };
	size_t mark;

	if (check_capacity(ck, raw, out) == -1)
		return -1;
	mark = conf_ck_enter(ck, "guards");
	if (conf_ck_count(ck, &min_sites, guards->min_sites,
		&out->guards.min_sites) == -1 ||
	    check_min_capacity(ck, guards->min_capacity, out) == -1 ||
	    check_budget(ck, guards->budget, out) == -1 ||
	    check_fleet_brake(ck, guards->brake, &out->guards) == -1 ||
	    check_room(ck, guards->room, &out->guards) == -1)
		return -1;
	conf_ck_leave(ck, mark);
	return 0;
}
