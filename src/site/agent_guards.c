/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/agent_guards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/guard_acts.h"
#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "core/brake.h"
#include "core/damping.h"
#include "site/agent_state.h"
#include "site/uplink.h"
#include "store/age.h"

/* What a controller said longer ago is no knowledge any more. */
#define CONTACT_MS 30000
#define STATE_NAME "damping"
/* No window of the fleet's budget is longer. */
#define AGE_MAX_MS INT64_C(86400000)

/* What is the same for all prefixes of one decision. */
struct facts {
	struct mono now;
	bool is_frozen, is_braked, is_damping_off, is_in_contact;
	/* At the site's own console, when nobody else can be asked. */
	bool may_be_last;
};

/* What was decided about a prefix and is not in its damping yet. */
struct update {
	size_t i;
	enum damping_update update;
};

struct agent_guards {
	struct agent *a;
	struct facts facts; /* as of the last agent_guards_step */
	struct guard_acts acts;
	struct brake_conf brake_conf;
	struct brake brake;
	struct brake_item *items; /* one per service */
	struct damping_conf damping_conf;
	struct damping *damping; /* one per prefix */
	struct update *updates;  /* room for one per prefix */
	size_t n_updates;
	bool is_last_known;
	bool is_last_old; /* the controller was silent for long since */
	bool *is_last;    /* one per prefix */
	size_t stale;     /* probes without a result that counts */
	uint64_t held[GUARD_COUNT];
	/* In the store: the damping and the last withdrawal, and whether it is
	 * old. */
	uint64_t revision;
	bool is_changed;
	/* Of service prefixes, whatever the reason: since the start, and when
	 * the last one was, also before it. */
	uint64_t withdrawals;
	bool has_withdrawn;
	struct mono withdrew;
};

static bool
is_overridden(const struct agent_guards *g, enum guard guard)
{
	return intent_set_override(&g->a->intents.set, g->a->conf->site,
		   guard) != NULL;
}

static bool
is_in_contact(const struct agent_guards *g)
{
	return g->a->uplink != NULL &&
	    uplink_silent_ms(g->a->uplink) <= CONTACT_MS;
}

static size_t
index_of(const struct agent_guards *g, const struct agent_prefix *p)
{
	return (size_t)(p - g->a->prefixes);
}

/* Nobody else announces it, or nobody can tell. */
static bool
is_last_announcer(const struct agent_guards *g, const struct facts *facts,
    size_t i)
{
	return !g->is_last_known || !facts->is_in_contact || g->is_last[i];
}

static bool
is_frozen(const struct agent_guards *g)
{
	return guard_check_frozen(&g->a->intents.set, g->a->conf->site, NULL) ==
	    -1;
}

static void
note(struct agent_guards *g, const char *what, const char *reason)
{
	char subject[CONF_NAME_MAX + 8];
	struct store_event ev = { .kind = "guard",
		.subject = subject,
		.what = what,
		.reason = reason };

	(void)snprintf(subject, sizeof(subject), "site/%s", g->a->conf->site);
	agent_note(g->a, &ev);
}

/* ---- the brake ---- */

static bool
brake_holds(const struct agent_guards *g)
{
	return g->brake.is_engaged && g->a->conf->guards.brake.holds &&
	    !is_overridden(g, GUARD_BRAKE);
}

static void
explain_brake(const struct agent_guards *g, char *text, size_t size)
{
	char window[DURATION_TEXT_BYTES];

	(void)snprintf(text, size,
	    "%u of %u services began to fail within %s: %s", g->brake.failed,
	    g->brake.of,
	    num_format_duration_ms(g->brake_conf.window_ms, window),
	    brake_holds(g) ? "what they announce is kept"
			   : "told only, they are withdrawn");
}

/* Failing from its first failed check, but well only when the verdict says so:
 * until then it would be withdrawn if the brake let go. */
static void
see_services(struct agent_guards *g)
{
	const struct checker *ck = g->a->checker;

	for (size_t s = 0; s < g->a->conf->n_services; s++) {
		struct mono since = { 0 };
		enum brake_sight sight = BRAKE_UNSEEN;

		if (checker_is_failing(ck, s, &since)) {
			sight = BRAKE_FAILING;
		} else if (checker_service(ck, s) == HEALTH_HEALTHY) {
			sight = BRAKE_WELL;
		}
		brake_see(&g->items[s], sight, since);
	}
}

static void
step_brake(struct agent_guards *g)
{
	size_t n = g->a->conf->n_services;
	char why[160];

	see_services(g);
	switch (brake_step(&g->brake, &g->brake_conf, g->items, n,
	    mono_now())) {
	case BRAKE_SAME:
		break;
	case BRAKE_ENGAGED:
		explain_brake(g, why, sizeof(why));
		note(g, "brake: many fail at once", why);
		break;
	case BRAKE_RECOVERED:
		note(g, "brake: released", "enough services are well again");
		break;
	case BRAKE_TIMED_OUT:
		note(g, "brake: released", "its time is over");
		break;
	}
}

/* ---- old results ---- */

static void
step_stale(struct agent_guards *g)
{
	unsigned intervals = g->a->conf->guards.stale_after;
	size_t before = g->stale;
	char why[96];

	if (intervals == 0 || is_overridden(g, GUARD_STALE)) {
		g->stale = 0;
		return;
	}
	g->stale = checker_expire(g->a->checker, intervals);
	(void)snprintf(why, sizeof(why),
	    "%zu probes had no result for %u intervals: they count as unknown",
	    g->stale, intervals);
	if (g->stale > before)
		note(g, "stale: results are too old", why);
	if (g->stale == 0 && before > 0)
		note(g, "stale: over", "all probes have results again");
}

static struct facts
facts_of(const struct agent_guards *g)
{
	bool is_heard = is_in_contact(g);

	return (struct facts){ .now = mono_now(),
		.is_frozen = is_frozen(g),
		.is_braked = brake_holds(g),
		.is_damping_off = is_overridden(g, GUARD_DAMPING),
		.is_in_contact = is_heard,
		.may_be_last = !is_heard &&
		    (is_overridden(g, GUARD_MIN_SITES) ||
			is_overridden(g, g->a->withheld_by)) };
}

/* ---- damping ---- */

static const struct damping_wish up = { .announce = true };
static const struct damping_wish down = { .is_announced = true };
static const struct damping_wish back = {
	.is_announced = true, .announce = true, .is_back = true
};

static bool
must_wait(const struct agent_guards *g, size_t i, struct damping_wish wish)
{
	const struct facts *facts = &g->facts;
	struct damping d = g->damping[i];

	if (facts->is_damping_off || damping_is_over(&d))
		return false;
	wish.is_last = is_last_announcer(g, facts, i);
	/* With time it only gets less: what may be now may be later.  There are
	 * thousands, and each power of two costs more than all the rest. */
	if (damping_judge(&d, &g->damping_conf, &wish) == DAMPING_OK)
		return false;
	damping_decay(&d, &g->damping_conf, facts->now);
	return damping_judge(&d, &g->damping_conf, &wish) != DAMPING_OK;
}

int64_t
agent_guards_back_wait_ms(const struct agent_guards *g,
    const struct agent_prefix *p)
{
	size_t i = index_of(g, p);
	struct damping d = g->damping[i];
	int64_t ms;

	if (!must_wait(g, i, back))
		return 0;
	damping_decay(&d, &g->damping_conf, g->facts.now);
	ms = damping_wait_ms(&d, &g->damping_conf,
	    is_last_announcer(g, &g->facts, i));
	return ms > 0 ? ms : 1;
}

/* What the neighbours hear of a decision; false: nothing.  Without export.conf
 * in bird.conf they hear nothing of attributes. */
static bool
is_update(const struct agent_guards *g, const struct route_decision *before,
    const struct route_decision *now, enum damping_update *out)
{
	if (now->announce != before->announce) {
		*out = now->announce ? DAMPING_ANNOUNCED : DAMPING_WITHDRAWN;
		return true;
	}
	*out = DAMPING_CHANGED;
	return now->announce && !route_attrs_equal(now->attrs, before->attrs) &&
	    reconcile_has_attrs(g->a->reconcile);
}

void
agent_guards_settle(struct agent_guards *g)
{
	for (size_t k = 0; k < g->n_updates; k++) {
		const struct update *u = &g->updates[k];

		damping_note(&g->damping[u->i], &g->damping_conf, u->update,
		    g->facts.now);
	}
	g->is_changed |= g->n_updates > 0;
	g->n_updates = 0;
}

/* What is not over, with the time. */
static json_t *
damping_json(const struct agent_guards *g)
{
	json_t *list = json_array(), *doc;
	char text[PREFIX_TEXT_BYTES];

	for (size_t i = 0; i < g->a->n_prefixes; i++) {
		struct damping d = g->damping[i];

		damping_decay(&d, &g->damping_conf, mono_now());
		if (damping_is_over(&d))
			continue;
		json_array_append_new(list,
		    json_pack("[s, f, f, b, f]",
			prefix_format(&g->a->prefixes[i].prefix, text),
			d.penalty, d.updates, d.is_suppressed, d.moves));
	}
	doc = json_pack("{s:o}", "prefixes", list);
	if (g->has_withdrawn) {
		json_object_set_new(doc, "withdrew_ms",
		    json_integer((json_int_t)agent_guards_withdrew_ago_ms(g)));
	}
	age_stamp(doc);
	return doc;
}

/* Several changes of one decision are one row. */
void
agent_guards_keep(struct agent_guards *g)
{
	json_t *doc;
	char *text;

	if (!g->is_changed)
		return;
	g->is_changed = false;
	doc = damping_json(g);
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	if (text == NULL ||
	    store_put_state(g->a->env.store, STATE_NAME, ++g->revision, text) ==
		-1)
		log_warnx("guards: the damping cannot be kept: too long");
	free(text);
}

static void
take_damping(struct agent_guards *g, json_t *row, int64_t age_ms)
{
	const json_t *moves = json_array_get(row, 4);
	const char *text;
	struct damping d = { 0 };
	const struct agent_prefix *p;
	struct prefix prefix;
	int is_suppressed;

	if (json_unpack(row, "[s, F, F, b]", &text, &d.penalty, &d.updates,
		&is_suppressed) == -1 ||
	    prefix_parse(text, &prefix, NULL) == -1)
		return;
	d.is_suppressed = is_suppressed != 0;
	/* Of a version that counted nothing else. */
	d.moves = moves != NULL ? json_number_value(moves) : d.updates;
	damping_restore(&d, &g->damping_conf, age_ms, mono_now());
	p = agent_find_prefix(g->a, &prefix);
	if (p != NULL)
		g->damping[index_of(g, p)] = d;
}

static void
take_withdrew(struct agent_guards *g, const json_t *doc)
{
	const json_t *value = json_object_get(doc, "withdrew_ms");
	int64_t ms = json_integer_value(value);

	if (!json_is_integer(value) || ms < 0)
		return;
	ms = ms < AGE_MAX_MS ? ms : AGE_MAX_MS;
	g->has_withdrawn = true;
	g->withdrew = mono_add_ms(mono_now(), -ms - age_of(doc));
}

/* Prefixes that are no longer ours are forgotten. */
static void
load_damping(struct agent_guards *g)
{
	struct err err = { 0 };
	char *text = NULL;
	int rc =
	    query_state(g->a->env.query, STATE_NAME, &g->revision, &text, &err);
	json_t *doc = rc == 1 ? json_loads(text, 0, NULL) : NULL, *row;
	size_t i;

	if (rc == -1 || (rc == 1 && doc == NULL)) {
		log_warnx("guards: the damping cannot be read: %s",
		    rc == -1 ? err.msg : "not JSON");
	}
	json_array_foreach (json_object_get(doc, "prefixes"), i, row)
		take_damping(g, row, age_of(doc));
	take_withdrew(g, doc);
	json_decref(doc);
	free(text);
}

/* ---- the door ---- */

void
agent_guards_step(struct agent_guards *g)
{
	if (g->a->checker != NULL)
		step_brake(g);
	g->facts = facts_of(g);
	g->is_last_old |= !g->facts.is_in_contact;
}

void
agent_guards_turn(struct agent_guards *g)
{
	step_stale(g);
	for (size_t i = 0; i < g->a->n_prefixes; i++) {
		if (!damping_is_over(&g->damping[i])) {
			damping_decay(&g->damping[i], &g->damping_conf,
			    mono_now());
		}
	}
}

void
agent_guards_fill(const struct agent_guards *g, const struct agent_prefix *p,
    struct route_inputs *in)
{
	size_t i = index_of(g, p);

	in->frozen = g->facts.is_frozen;
	/* What is given back may be announced, and lose what a gentle step put
	 * there; nothing else. */
	if (in->frozen && p->is_given_back) {
		in->frozen = in->announced_before;
	} else if (in->frozen) {
		in->attrs = p->decision.attrs;
	}
	if (g->facts.may_be_last)
		in->withdraw_forbidden = false;
	in->braked = g->facts.is_braked;
	/* Only one of them is asked for. */
	if (in->announced_before) {
		in->damped_down = must_wait(g, i, down);
	} else {
		in->damped_up = must_wait(g, i, up);
	}
}

/* Which guard is behind a rule that keeps a route as it is. */
static enum guard
guard_of(enum route_rule rule)
{
	if (rule == ROUTE_RULE_FREEZE)
		return GUARD_FREEZE;
	if (rule == ROUTE_RULE_BRAKE)
		return GUARD_BRAKE;
	if (rule == ROUTE_RULE_DAMPING || rule == ROUTE_RULE_UPDATES)
		return GUARD_DAMPING;
	return GUARD_MIN_SITES;
}

void
agent_guards_on_decision(struct agent_guards *g, const struct agent_prefix *p,
    const struct route_decision *before)
{
	struct update u = { .i = index_of(g, p) };

	if (is_update(g, before, &p->decision, &u.update))
		g->updates[g->n_updates++] = u;
	if (before->announce && !p->decision.announce) {
		g->withdrawals++;
		g->has_withdrawn = true;
		g->withdrew = g->facts.now;
	}
	if (p->decision.rule != before->rule &&
	    route_rule_is_guard(p->decision.rule))
		g->held[guard_of(p->decision.rule)]++;
}

void
agent_guards_on_wait(struct agent_guards *g, enum guard guard)
{
	g->held[guard]++;
}

void
agent_guards_take_last(struct agent_guards *g, bool is_known,
    const struct prefix *last, size_t n)
{
	g->is_last_known = is_known;
	g->is_last_old = false;
	for (size_t i = 0; i < g->a->n_prefixes; i++)
		g->is_last[i] = false;
	for (size_t k = 0; k < n; k++) {
		const struct agent_prefix *p =
		    agent_find_prefix(g->a, &last[k]);

		if (p != NULL)
			g->is_last[index_of(g, p)] = true;
	}
}

void
agent_guards_keep_last(struct agent_guards *g)
{
	if (g->is_last_old)
		g->is_last_known = false;
}

int
agent_guards_check_drain(const struct agent_guards *g,
    const struct drain_request *want, struct err *err)
{
	const struct agent *a = g->a;
	struct intent wish = { 0 };
	char text[PREFIX_TEXT_BYTES];

	if (!want->force[GUARD_FREEZE] &&
	    guard_check_frozen(&a->intents.set, a->conf->site, err) == -1)
		return -1;
	if (want->force[a->withheld_by] || is_overridden(g, a->withheld_by))
		return 0;
	memcpy(wish.scope, want->scope, sizeof(wish.scope));
	memcpy(wish.site, a->conf->site, strlen(a->conf->site) + 1);
	for (size_t i = 0; i < a->n_prefixes; i++) {
		const struct agent_prefix *p = &a->prefixes[i];
		const struct intent_target target = { .site = a->conf->site,
			.service = p->service == NO_SERVICE
			    ? ""
			    : a->conf->services[p->service].name,
			.prefix = &p->prefix };

		if (p->service == NO_SERVICE || !p->withdraw_forbidden ||
		    !p->decision.announce || !intent_covers(&wish, &target))
			continue;
		return err_set(err, ERR_REFUSED,
		    "guard %s: the controller gave this site no permit to withdraw %s; drain it there, or force it",
		    guard_name(a->withheld_by),
		    prefix_format(&p->prefix, text));
	}
	return 0;
}

/* ---- telling ---- */

static bool
is_damped(const struct agent_prefix *p)
{
	return p->decision.rule == ROUTE_RULE_DAMPING ||
	    p->decision.rule == ROUTE_RULE_UPDATES ||
	    p->drain_wait == DRAIN_WAIT_DAMPING;
}

static void
add_damping(const struct agent_guards *g, json_t *list)
{
	size_t held = 0, first = 0;
	char why[PREFIX_TEXT_BYTES + 64], text[PREFIX_TEXT_BYTES];

	for (size_t i = 0; i < g->a->n_prefixes; i++) {
		if (!is_damped(&g->a->prefixes[i]))
			continue;
		if (held++ == 0)
			first = i;
	}
	if (held == 0)
		return;
	(void)snprintf(why, sizeof(why), "%zu %s: %s", held,
	    held == 1 ? "prefix has to wait" : "prefixes have to wait",
	    prefix_format(&g->a->prefixes[first].prefix, text));
	guard_add_json(list, GUARD_DAMPING, "holds", why);
}

/* Somebody disabled or enabled a protocol: bird/byhand.h. */
static void
add_by_hand(const struct agent_guards *g, json_t *list)
{
	struct reconcile_bird bird;

	reconcile_get_bird(g->a->reconcile, &bird);
	if (bird.by_hand[0] == '\0')
		return;
	guard_add_json(list, GUARD_BY_HAND,
	    agent_guards_may_overrule_hands(g) ? "overridden" : "holds",
	    bird.by_hand);
}

bool
agent_guards_may_overrule_hands(const struct agent_guards *g)
{
	return g->a->conf->bird.overrule_hands ||
	    is_overridden(g, GUARD_BY_HAND);
}

json_t *
agent_guards_json(const struct agent_guards *g)
{
	json_t *list = json_array();
	char why[160];

	guard_add_freeze(list, &g->a->intents.set, g->a->conf->site);
	add_by_hand(g, list);
	if (g->brake.is_engaged) {
		explain_brake(g, why, sizeof(why));
		guard_add_json(list, GUARD_BRAKE,
		    brake_holds(g) ? "holds" : "alarm", why);
	}
	if (g->stale > 0) {
		(void)snprintf(why, sizeof(why),
		    "%zu probes had no result for %u intervals", g->stale,
		    g->a->conf->guards.stale_after);
		guard_add_json(list, GUARD_STALE, "holds", why);
	}
	add_damping(g, list);
	return list;
}

json_t *
agent_guards_counts_json(const struct agent_guards *g)
{
	json_t *counts = json_object();

	for (enum guard k = 0; k < GUARD_COUNT; k++) {
		json_object_set_new(counts, guard_name(k),
		    json_integer((json_int_t)g->held[k]));
	}
	return counts;
}

uint64_t
agent_guards_withdrawals(const struct agent_guards *g)
{
	return g->withdrawals;
}

int64_t
agent_guards_withdrew_ago_ms(const struct agent_guards *g)
{
	return g->has_withdrawn ? mono_diff_ms(mono_now(), g->withdrew) : -1;
}

void
agent_guards_see(const struct agent_guards *g, const struct agent_prefix *p,
    struct agent_guards_view *out)
{
	size_t i = index_of(g, p);
	struct damping d = g->damping[i];

	out->is_braked = g->facts.is_braked;
	/* Most have nothing to tell, and there may be thousands. */
	if (damping_is_over(&d))
		return;
	damping_decay(&d, &g->damping_conf, mono_now());
	out->has_flapped = true;
	out->is_suppressed = d.is_suppressed;
	out->is_last = is_last_announcer(g, &g->facts, i);
	out->up_waits = must_wait(g, i, up);
	out->down_waits = must_wait(g, i, down);
	out->back_waits = must_wait(g, i, back);
	out->penalty = (int64_t)d.penalty;
	out->updates = (int64_t)(d.updates + 0.5);
	out->wait_ms = damping_wait_ms(&d, &g->damping_conf, out->is_last);
}

/* ---- life ---- */

static const char *
resolve(const char *site, void *arg, struct err *err)
{
	const struct agent_guards *g = arg;
	const char *own = g->a->conf->site;

	if (strcmp(site, own) == 0 || strcmp(site, INTENT_FLEET) == 0)
		return own;
	(void)err_set(err, ERR_GONE,
	    "site %.40s: not here, this is the agent of %s", site, own);
	return NULL;
}

struct agent_guards *
agent_guards_new(struct agent *a)
{
	const struct conf_agent_guards *conf = &a->conf->guards;
	struct agent_guards *g = xcalloc(1, sizeof(*g));

	g->a = a;
	g->acts = (struct guard_acts){
		.book = &a->intents, .resolve = resolve, .arg = g
	};
	g->brake_conf =
	    (struct brake_conf){ .share_percent = conf->brake.share_percent,
		    .window_ms = conf->brake.window_ms,
		    .release_ms = conf->brake.release_ms };
	g->damping_conf =
	    (struct damping_conf){ .suppress = conf->damping.suppress,
		    .reuse = conf->damping.reuse,
		    .half_life_ms = conf->damping.half_life_ms,
		    .max_hold_ms = conf->damping.max_hold_ms,
		    .updates = conf->damping.updates };
	g->items = xcalloc(a->conf->n_services, sizeof(*g->items));
	g->damping = xcalloc(a->n_prefixes, sizeof(*g->damping));
	g->updates = xcalloc(a->n_prefixes, sizeof(*g->updates));
	g->is_last = xcalloc(a->n_prefixes, sizeof(*g->is_last));
	load_damping(g);
	return g;
}

static void
inherit_services(struct agent_guards *g, const struct agent_guards *from)
{
	const struct conf_agent *conf = g->a->conf, *old = from->a->conf;

	for (size_t s = 0; s < conf->n_services; s++) {
		g->items[s] = brake_item_new(&g->brake);
		for (size_t k = 0; k < old->n_services; k++) {
			if (strcmp(conf->services[s].name,
				old->services[k].name) == 0)
				g->items[s] = from->items[k];
		}
	}
	brake_reckon(&g->brake, &g->brake_conf, g->items, conf->n_services);
}

/* What is more than the new configuration's bounds goes, as over a restart. */
static void
inherit_damping(struct agent_guards *g, size_t i, const struct damping *from)
{
	struct mono now = mono_now();

	g->damping[i] = *from;
	damping_restore(&g->damping[i], &g->damping_conf,
	    mono_diff_ms(now, from->at), now);
}

void
agent_guards_inherit(struct agent_guards *g, const struct agent_guards *from)
{
	const struct agent *a = g->a, *old = from->a;

	g->brake = from->brake;
	g->is_changed = from->is_changed;
	g->has_withdrawn = from->has_withdrawn;
	g->withdrew = from->withdrew;
	memcpy(g->held, from->held, sizeof(g->held));
	g->is_last_known = from->is_last_known && old->uplink != NULL;
	g->is_last_old = from->is_last_old;
	inherit_services(g, from);
	for (size_t i = 0; i < a->n_prefixes; i++) {
		const struct agent_prefix *same =
		    agent_find_prefix(old, &a->prefixes[i].prefix);

		/* Of a new one nobody has said that another announces it. */
		g->is_last[i] = true;
		if (same != NULL) {
			g->is_last[i] = from->is_last[index_of(from, same)];
			inherit_damping(g, i,
			    &from->damping[index_of(from, same)]);
		}
	}
}

void
agent_guards_free(struct agent_guards *g)
{
	if (g == NULL)
		return;
	free(g->items);
	free(g->damping);
	free(g->updates);
	free(g->is_last);
	free(g);
}

void
agent_guards_serve(struct agent_guards *g, struct api_server *server)
{
	guard_acts_serve(&g->acts, server);
}
