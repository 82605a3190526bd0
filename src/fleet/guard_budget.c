/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The budget of withdrawals and the brake of the fleet: which sites may hold
 * permits at all.  Both are limits of core/guard_budget.h, with windows of
 * their own; the engaged brake lets nobody hold one.
 *
 * A site out of reach may hold a permit and use it; it counts for the longest
 * window after the contact was lost, and then no more: what it does is long
 * done, or nobody's to prevent, and a site that is gone for good must not use
 * up the budget of the others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/json_text.h"
#include "base/num.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "core/brake.h"
#include "core/guard_budget.h"
#include "fleet/controller_state.h"
#include "store/age.h"

#define STATE_NAME "budget"
#define BRAKE_TEXT_BYTES 256
/* No window is longer. */
#define AGE_MAX_MS INT64_C(86400000)

enum { LIMIT_BUDGET, LIMIT_BRAKE, LIMIT_COUNT };

static const struct {
	enum guard guard;
	const char *used_up, *has_room;
} limit_words[LIMIT_COUNT] = {
	[LIMIT_BUDGET] = { GUARD_BUDGET, "budget: used up",
	    "budget: has room again" },
	[LIMIT_BRAKE] = { GUARD_BRAKE, "brake: its limit is used up",
	    "brake: its limit has room again" },
};

struct fleet_guards {
	struct brake_conf brake_conf;
	struct brake brake;
	struct brake_item *items; /* one per site */
	struct budget_site *view; /* the same */
	struct budget_limit limits[LIMIT_COUNT];
	bool *may;
	enum guard *barred_by; /* one per site */
	uint64_t revision;     /* of what the store has */
	size_t waiting;        /* sick sites that a limit keeps */
	int held_by;           /* that limit */
	char why[256];         /* of its holding, as it was told */
};

/*
 * Alone it is not worth saying: a site may be sick in many services.  A service
 * that was sick is so until it is seen well, or gone: what is not known of it,
 * or of another one that came meanwhile, is no recovery.
 */
static bool
is_sick(struct fleet_site *s)
{
	json_t *now = json_object();
	const json_t *service;
	bool is = false;
	size_t i;

	json_array_foreach (json_object_get(s->status, "services"), i,
	    service) {
		const char *name = json_text(service, "service");
		const char *health = json_text(service, "health");
		const json_t *before = json_object_get(s->was_sick, name);
		bool was = before != NULL ? json_is_true(before)
					  : s->sick_since.us != 0;
		bool is_this = strcmp(health, "sick") == 0 ||
		    (was && strcmp(health, "healthy") != 0);

		json_object_set_new(now, name, json_boolean(is_this));
		is |= is_this;
	}
	json_decref(s->was_sick);
	s->was_sick = now;
	return is;
}

/* Sick, and yet it announces what is sick. */
static bool
is_kept(const struct fleet_site *s)
{
	const char *name;
	json_t *p;

	if (s->sick_since.us == 0)
		return false;
	json_object_foreach (s->service_prefixes, name, p) {
		if (strcmp(json_text(p, "real"), "announced") == 0 &&
		    guards_service_is_sick(s->status, json_text(p, "service")))
			return true;
	}
	return false;
}

/* A drain of it that is not carried out yet. */
static bool
is_draining(const struct controller *c, const struct fleet_site *s)
{
	const char *name;
	json_t *p;

	json_object_foreach (s->service_prefixes, name, p) {
		struct prefix prefix;
		const struct intent_target target = { .site = s->name,
			.service = json_text(p, "service"),
			.prefix = &prefix };

		if (strcmp(json_text(p, "real"), "announced") == 0 &&
		    prefix_parse(name, &prefix, NULL) == 0 &&
		    intent_set_drain_over(&c->intents.set, &target) != NULL)
			return true;
	}
	return false;
}

static int64_t
longest_window(const struct fleet_guards *g)
{
	int64_t budget = g->limits[LIMIT_BUDGET].window_ms;
	int64_t brake = g->limits[LIMIT_BRAKE].window_ms;

	return budget > brake ? budget : brake;
}

/* Out of reach for so long that it does not count any more. */
static bool
is_long_lost(const struct fleet_guards *g, const struct fleet_site *s,
    struct mono now)
{
	return s->lost_since.us != 0 &&
	    mono_diff_ms(now, s->lost_since) > longest_window(g);
}

static struct budget_site
budget_site_of(const struct controller *c, const struct fleet_site *s,
    struct mono now)
{
	bool is_draining_now = is_draining(c, s);
	bool may_act = !is_long_lost(c->guards, s, now);

	return (struct budget_site){ .is_live = fleet_site_is_live(s),
		.is_held = (may_act && guards_site_holds(s)) || is_draining_now,
		.is_granted = guards_site_is_granted(s),
		.is_drained = is_draining_now,
		.is_sick = is_kept(s),
		.is_exempt = guards_is_overridden(c, s->name, GUARD_BUDGET),
		.withdrew_ago_ms = s->has_withdrawn
		    ? mono_diff_ms(now, s->withdrew)
		    : BUDGET_NEVER,
		.prefixes = (unsigned)json_object_size(s->service_prefixes),
		.capacity = s->capacity };
}

/* One that is out of reach stays what it was. */
static void
look_at_health(struct fleet_site *s, struct mono now)
{
	if (!fleet_site_is_live(s)) {
		if (s->lost_since.us == 0)
			s->lost_since = now;
		return;
	}
	s->lost_since = (struct mono){ 0 };
	if (!is_sick(s)) {
		s->sick_since = (struct mono){ 0 };
	} else if (s->sick_since.us == 0) {
		s->sick_since = now;
	}
}

static void
look(struct controller *c)
{
	struct fleet_guards *g = c->guards;
	struct mono now = mono_now();

	for (size_t i = 0; i < c->n_sites; i++) {
		struct fleet_site *s = &c->sites[i];

		look_at_health(s, now);
		g->items[i] =
		    (struct brake_item){ s->sick_since.us != 0, s->sick_since };
		g->view[i] = budget_site_of(c, s, now);
	}
}

/* ---- telling ---- */

static void
note(struct controller *c, const char *what, const char *reason)
{
	const struct store_event ev = { .kind = "guard",
		.subject = "fleet",
		.what = what,
		.reason = reason };

	controller_note(c, &ev);
}

static bool
brake_holds(const struct controller *c)
{
	return c->guards->brake.is_engaged &&
	    !guards_is_overridden(c, INTENT_FLEET, GUARD_BRAKE);
}

/* Who keep it engaged without being heard. */
static unsigned
count_lost_sick(const struct controller *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < c->n_sites; i++) {
		n += c->guards->items[i].is_failing &&
		    !fleet_site_is_live(&c->sites[i]);
	}
	return n;
}

static void
explain_brake(const struct controller *c, char text[BRAKE_TEXT_BYTES])
{
	const struct fleet_guards *g = c->guards;
	char window[DURATION_TEXT_BYTES], lost[80] = "";
	unsigned n_lost = count_lost_sick(c);

	if (n_lost > 0) {
		(void)snprintf(lost, sizeof(lost),
		    "; %u that cannot be heard now count as sick", n_lost);
	}
	(void)snprintf(text, BRAKE_TEXT_BYTES,
	    "%u of %u sites fell sick within %s, more than %u: nobody withdraws any further%s",
	    g->brake.failed, g->brake.of,
	    num_format_duration_ms(g->brake_conf.window_ms, window),
	    g->brake_conf.more_than, lost);
}

static void
step_brake(struct controller *c)
{
	struct fleet_guards *g = c->guards;
	char why[BRAKE_TEXT_BYTES];

	if (g->brake_conf.more_than == 0)
		return;
	switch (brake_step(&g->brake, &g->brake_conf, g->items, c->n_sites,
	    mono_now())) {
	case BRAKE_SAME:
		break;
	case BRAKE_ENGAGED:
		explain_brake(c, why);
		note(c, "brake: many sites are sick at once", why);
		break;
	case BRAKE_RECOVERED:
		note(c, "brake: released", "enough sites are well again");
		break;
	case BRAKE_TIMED_OUT:
		note(c, "brake: released", "its time is over");
		break;
	}
}

/* The limit that keeps a permit from the site. */
static int
limit_against(const struct controller *c, size_t site)
{
	const struct fleet_guards *g = c->guards;
	const struct budget_view view = { g->view, c->n_sites, g->limits,
		LIMIT_COUNT };
	const struct budget_limit *limit = budget_exceeded(&view, site);

	if (limit != NULL)
		return (int)(limit - g->limits);
	/* It is as full as may be, or its room is for others. */
	return budget_is_set(&g->limits[LIMIT_BUDGET]) ? LIMIT_BUDGET
						       : LIMIT_BRAKE;
}

/* One that is out of reach is made no member where there is no limit either. */
static enum guard
guard_against(const struct controller *c, size_t site)
{
	int k = limit_against(c, site);

	return budget_is_set(&c->guards->limits[k]) ? limit_words[k].guard
						    : GUARD_COUNT;
}

/* What keeps the first of the sick that wait. */
static int
limit_against_sick(const struct controller *c)
{
	const struct fleet_guards *g = c->guards;

	for (size_t i = 0; i < c->n_sites; i++) {
		if (g->view[i].is_live && g->view[i].is_sick && !g->may[i])
			return limit_against(c, i);
	}
	return LIMIT_BUDGET;
}

static void
explain_budget(const struct controller *c, char *text, size_t size)
{
	const struct fleet_guards *g = c->guards;
	const struct budget_limit *limit = &g->limits[g->held_by];
	struct budget_use use = budget_members(g->view, c->n_sites, limit);
	char window[DURATION_TEXT_BYTES];

	(void)snprintf(text, size,
	    "%zu sick sites are kept announcing: %u sites with %u announcements and a capacity of %.0f count within %s; at most %u, %u and %.0f (0: any)",
	    g->waiting, use.sites, use.prefixes, use.capacity,
	    num_format_duration_ms(limit->window_ms, window), limit->sites,
	    limit->prefixes, limit->capacity);
}

static void
note_budget(struct controller *c, size_t before)
{
	struct fleet_guards *g = c->guards;

	if (g->waiting > 0) {
		g->held_by = limit_against_sick(c);
		explain_budget(c, g->why, sizeof(g->why));
	}
	if (g->waiting > 0 && before == 0)
		note(c, limit_words[g->held_by].used_up, g->why);
	if (g->waiting == 0 && before > 0) {
		note(c, limit_words[g->held_by].has_room,
		    "nobody waits for it");
	}
}

/* ---- the door ---- */

bool
fleet_guards_use_permits(const struct controller *c)
{
	const struct conf_guards *conf = &c->conf->guards;

	return conf->min_sites != 0 || conf->min_capacity != 0 ||
	    conf->min_capacity_percent != 0 ||
	    budget_is_set(&c->guards->limits[LIMIT_BUDGET]) ||
	    budget_is_set(&c->guards->limits[LIMIT_BRAKE]);
}

void
fleet_guards_step(struct controller *c, bool *barred)
{
	struct fleet_guards *g = c->guards;
	const struct budget_view view = { g->view, c->n_sites, g->limits,
		LIMIT_COUNT };
	size_t before = g->waiting;

	look(c);
	step_brake(c);
	g->waiting = budget_admit(&view, g->may);
	note_budget(c, before);
	for (size_t i = 0; i < c->n_sites; i++) {
		bool is_braked = brake_holds(c) &&
		    !guards_is_overridden(c, c->sites[i].name, GUARD_BRAKE);

		barred[i] = is_braked || !g->may[i];
		g->barred_by[i] = is_braked ? GUARD_BRAKE
		    : barred[i]             ? guard_against(c, i)
					    : GUARD_COUNT;
	}
}

enum guard
fleet_guards_barred_by(const struct controller *c, size_t site)
{
	return c->guards->barred_by[site];
}

/* The members of the window by their withdrawals, each with its age. */
static void
keep_ledger(struct controller *c)
{
	json_t *doc = json_object(), *list = json_array();
	struct mono now = mono_now();
	char *text;

	for (size_t i = 0; i < c->n_sites; i++) {
		const struct fleet_site *s = &c->sites[i];

		if (s->has_withdrawn) {
			json_array_append_new(list,
			    json_pack("[s, I]", s->name,
				(json_int_t)mono_diff_ms(now, s->withdrew)));
		}
	}
	json_object_set_new(doc, "sites", list);
	age_stamp(doc);
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	if (store_put_state(c->env.store, STATE_NAME, ++c->guards->revision,
		text) == -1)
		log_warnx("guards: the budget cannot be kept: too long");
	free(text);
}

static void
load_ledger(struct controller *c, struct fleet_guards *g)
{
	struct err err = { 0 };
	char *text = NULL;
	int rc =
	    query_state(c->env.query, STATE_NAME, &g->revision, &text, &err);
	json_t *doc = rc == 1 ? json_loads(text, 0, NULL) : NULL, *row;
	size_t i;

	if (rc == -1 || (rc == 1 && doc == NULL)) {
		log_warnx("guards: the budget cannot be read: %s",
		    rc == -1 ? err.msg : "not JSON");
	}
	json_array_foreach (json_object_get(doc, "sites"), i, row) {
		const char *name;
		json_int_t age_ms;
		size_t site;

		if (json_unpack(row, "[s, I]", &name, &age_ms) == -1 ||
		    age_ms < 0 || age_ms > AGE_MAX_MS ||
		    (site = controller_find_site(c, name)) == NO_SITE)
			continue;
		c->sites[site].has_withdrawn = true;
		c->sites[site].withdrew =
		    mono_add_ms(mono_now(), -age_ms - age_of(doc));
	}
	json_decref(doc);
	free(text);
}

static void
charge(struct controller *c, struct fleet_site *s, int64_t ago_ms)
{
	struct mono when = mono_add_ms(mono_now(), -ago_ms);

	if (s->has_withdrawn && !mono_before(s->withdrew, when))
		return;
	s->has_withdrawn = true;
	s->withdrew = when;
	keep_ledger(c);
}

/* By itself or by a drain, not long before this process heard of it. */
static bool
has_just_withdrawn(const struct controller *c, const struct fleet_site *s)
{
	int64_t since = wall_now_ms() - longest_window(c->guards);
	const char *name;
	json_t *p;

	json_object_foreach (s->service_prefixes, name, p) {
		const char *rule = json_text(p, "rule");

		if (strcmp(json_text(p, "desired"), "withdrawn") == 0 &&
		    (strcmp(rule, "sick") == 0 || strcmp(rule, "drain") == 0) &&
		    json_integer_value(json_object_get(p, "since_ms")) > since)
			return true;
	}
	return false;
}

/* How long ago it last withdrew something, whenever it was started; BUDGET_NEVER:
 * too long ago to count.  false: its build does not tell, or it knows of none. */
static bool
tells_age(const struct controller *c, const struct fleet_site *s,
    int64_t *ago_ms)
{
	const json_t *ago = json_object_get(s->status, "withdrew_ago_ms");

	if (!json_is_integer(ago) || json_integer_value(ago) < 0)
		return false;
	*ago_ms = json_integer_value(ago);
	if (*ago_ms >= longest_window(c->guards))
		*ago_ms = BUDGET_NEVER;
	return true;
}

/* The count is of one boot: what was withdrawn before the agent was started
 * anew, out of contact, is known by its age only. */
void
fleet_guards_take_status(struct controller *c, struct fleet_site *s)
{
	json_int_t count =
	    json_integer_value(json_object_get(s->status, "withdrawals"));
	bool is_first = s->counted_boot[0] == '\0';
	bool is_same = strcmp(s->counted_boot, s->boot) == 0;
	int64_t ago_ms = BUDGET_NEVER;

	if (is_same) {
		ago_ms = count != s->counted ? 0 : BUDGET_NEVER;
	} else if (!tells_age(c, s, &ago_ms) &&
	    (is_first ? has_just_withdrawn(c, s) : count != 0)) {
		ago_ms = 0;
	}
	if (ago_ms != BUDGET_NEVER)
		charge(c, s, ago_ms);
	s->counted = count;
	(void)text_copy(s->counted_boot, sizeof(s->counted_boot), s->boot);
}

int
fleet_guards_check_brake(const struct controller *c, struct err *err)
{
	char why[BRAKE_TEXT_BYTES];

	if (!brake_holds(c))
		return 0;
	explain_brake(c, why);
	return err_set(err, ERR_REFUSED, "guard brake: %s", why);
}

int
fleet_guards_check_budget(const struct controller *c, size_t site,
    struct err *err)
{
	const struct fleet_guards *g = c->guards;
	/* The brake's limit is for sickness, not for operators. */
	const struct budget_view view = { g->view, c->n_sites,
		&g->limits[LIMIT_BUDGET], 1 };
	struct budget_use use;
	const struct budget_limit *limit;
	char window[DURATION_TEXT_BYTES];

	limit = budget_refuses(&view, site, &use);
	if (limit == NULL)
		return 0;
	return err_set(err, ERR_REFUSED,
	    "guard budget: with %s, %u sites, %u announcements and a capacity of %.0f would be withdrawn within %s; at most %u, %u and %.0f (0: any)",
	    c->sites[site].name, use.sites, use.prefixes, use.capacity,
	    num_format_duration_ms(limit->window_ms, window), limit->sites,
	    limit->prefixes, limit->capacity);
}

json_t *
fleet_guards_json(const struct controller *c)
{
	const struct fleet_guards *g = c->guards;
	json_t *list = json_array(), *why;
	char text[BRAKE_TEXT_BYTES];
	const char *name;

	guard_add_freeze(list, &c->intents.set, INTENT_FLEET);
	if (g->brake.is_engaged) {
		explain_brake(c, text);
		guard_add_json(list, GUARD_BRAKE,
		    brake_holds(c) ? "holds" : "overridden", text);
	}
	/* The brake itself, engaged, says more than its limit. */
	if (g->waiting > 0 &&
	    !(g->held_by == LIMIT_BRAKE && g->brake.is_engaged)) {
		guard_add_json(list, limit_words[g->held_by].guard, "holds",
		    g->why);
	}
	json_object_foreach (c->guard_alarms, name, why) {
		(void)snprintf(text, sizeof(text), "%s: %s", name,
		    json_string_value(why));
		guard_add_json(list, GUARD_MIN_SITES, "holds", text);
		/* One stands for all: each has its event. */
		break;
	}
	return list;
}

struct fleet_guards *
fleet_guards_new(struct controller *c)
{
	const struct conf_guards *conf = &c->conf->guards;
	struct fleet_guards *g = xcalloc(1, sizeof(*g));
	double all = 0;

	for (size_t i = 0; i < c->conf->n_capacity; i++) {
		const struct conf_capacity *entry = &c->conf->capacity[i];

		c->sites[entry->site].capacity = entry->capacity;
		all += entry->capacity;
	}
	g->items = xcalloc(c->n_sites, sizeof(*g->items));
	g->view = xcalloc(c->n_sites, sizeof(*g->view));
	g->may = xcalloc(c->n_sites, sizeof(*g->may));
	g->barred_by = xcalloc(c->n_sites, sizeof(*g->barred_by));
	for (size_t i = 0; i < c->n_sites; i++)
		g->barred_by[i] = GUARD_COUNT;
	g->brake_conf = (struct brake_conf){ .more_than = conf->brake.sites,
		.window_ms = conf->brake.window_ms,
		.release_ms = conf->brake.release_ms };
	g->limits[LIMIT_BUDGET] =
	    (struct budget_limit){ .window_ms = conf->budget.window_ms,
		    .sites = conf->budget.sites,
		    .prefixes = conf->budget.prefixes,
		    .capacity = all * conf->budget.capacity_percent / 100 };
	load_ledger(c, g);
	g->limits[LIMIT_BRAKE] =
	    (struct budget_limit){ .window_ms = conf->brake.window_ms,
		    .sites = conf->brake.sites };
	return g;
}

void
fleet_guards_free(struct fleet_guards *g)
{
	if (g == NULL)
		return;
	free(g->items);
	free(g->view);
	free(g->may);
	free(g->barred_by);
	free(g);
}
