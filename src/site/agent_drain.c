/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "site/agent_drain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/guard_acts.h"
#include "base/xalloc.h"
#include "core/drain.h"
#include "site/agent_counters.h"
#include "site/agent_guards.h"
#include "site/meter.h"

/* What moved in one service in one step: one event, not one per prefix. */
struct moves {
	const char *from, *to;
	size_t n;
	bool went_on;
	/* Prefixes that a guard begins to keep where they are. */
	size_t n_kept;
	enum drain_wait kept_by;
};

/* The drain over a service. */
struct over {
	const struct intent *row; /* NULL: none */
};

struct agent_drain {
	struct agent *agent;
	struct loop_timer *timer; /* something may move then */
	struct meters *meters;
	struct moves *moves; /* of each service */
	/* As of this step: see over_of. */
	struct over *over; /* of each service */
	bool drains_prefix;
};

static const struct conf_drain *
conf_of(const struct agent *a, const struct agent_prefix *p)
{
	return &a->conf->services[p->service].drain;
}

static struct intent_target
target_of(const struct agent *a, const struct agent_prefix *p)
{
	return (struct intent_target){ .site = a->conf->site,
		.service = a->conf->services[p->service].name,
		.prefix = &p->prefix };
}

static const struct intent *
drain_over(const struct agent *a, const struct agent_prefix *p)
{
	const struct intent_target target = target_of(a, p);

	return intent_set_drain_over(&a->intents.set, &target);
}

void
agent_drain_adopt(struct agent *a, struct agent_prefix *p,
    struct route_want found)
{
	if (p->service == NO_SERVICE)
		return;
	p->drain = drain_adopt(conf_of(a, p), found.announced, found.attrs,
	    drain_over(a, p) != NULL);
	p->drain.since = mono_now();
}

void
agent_drain_fill(const struct agent *a, const struct agent_prefix *p,
    struct route_inputs *in)
{
	in->drained = drain_withdraws(conf_of(a, p), &p->drain);
	in->attrs = drain_attrs(conf_of(a, p), &p->drain);
}

bool
agent_drain_is_over(const struct agent *a)
{
	if (intent_set_drain(&a->intents.set, a->conf->site) == NULL)
		return false;
	for (size_t i = 0; i < a->n_prefixes; i++) {
		if (a->prefixes[i].service != NO_SERVICE &&
		    !a->prefixes[i].drain.is_drained)
			return false;
	}
	/* Whoever reads "drained" takes the machine apart. */
	return agent_count_left(a) == 0;
}

static bool
has_target(const struct agent *a, const struct intent *row)
{
	for (size_t i = 0; i < a->n_prefixes; i++) {
		const struct agent_prefix *p = &a->prefixes[i];
		struct intent_target target;

		if (p->service == NO_SERVICE)
			continue;
		target = target_of(a, p);
		if (intent_covers(row, &target))
			return true;
	}
	return false;
}

void
agent_drain_note_idle(struct agent *a)
{
	char subject[CONF_NAME_MAX + 16], what[INTENT_SCOPE_BYTES + 32];
	const struct store_event ev = { .kind = "drain",
		.subject = subject,
		.what = what,
		.reason = "it is not in the configuration any more" };

	(void)snprintf(subject, sizeof(subject), "site/%s", a->conf->site);
	for (size_t i = 0; i < a->intents.set.n; i++) {
		const struct intent *row = &a->intents.set.rows[i];

		if (!intent_is_active(row) || strcmp(row->kind, "drain") != 0 ||
		    strcmp(row->site, a->conf->site) != 0 ||
		    row->scope[0] == '\0' || has_target(a, row))
			continue;
		(void)snprintf(what, sizeof(what), "drain of %s: of nothing",
		    intent_scope_name(row->scope));
		agent_note(a, &ev);
	}
}

/* ---- steps ---- */

static void
note_moves(const struct agent_drain *d, size_t s)
{
	const struct moves *m = &d->moves[s];
	char subject[CONF_NAME_MAX + 16], what[96], reason[96];
	const struct store_event ev = { .kind = "drain",
		.subject = subject,
		.what = what,
		.reason = reason };

	if (m->n == 0)
		return;
	(void)snprintf(subject, sizeof(subject), "service/%s",
	    d->agent->conf->services[s].name);
	(void)snprintf(what, sizeof(what), "%s -> %s", m->from, m->to);
	(void)snprintf(reason, sizeof(reason), "%zu prefix%s%s", m->n,
	    m->n == 1 ? "" : "es",
	    m->went_on ? ": went on with traffic left, wait_max is over" : "");
	agent_note(d->agent, &ev);
}

/* As of a prefix that a guard keeps: see note_decision of the agent. */
static void
note_kept(const struct agent_drain *d, size_t s)
{
	const struct moves *m = &d->moves[s];
	char subject[CONF_NAME_MAX + 16], reason[96];
	const struct store_event ev = { .kind = "guard",
		.subject = subject,
		.what = "a drain's step is kept",
		.reason = reason };

	if (m->n_kept == 0)
		return;
	(void)snprintf(subject, sizeof(subject), "service/%s",
	    d->agent->conf->services[s].name);
	(void)snprintf(reason, sizeof(reason), "%zu prefix%s for %s", m->n_kept,
	    m->n_kept == 1 ? " waits" : "es wait", drain_wait_name(m->kept_by));
	agent_note(d->agent, &ev);
}

/* What the prefix waits for now.  Of a freeze there is one count, for all. */
static void
set_wait(struct agent_drain *d, struct agent_prefix *p, enum drain_wait wait)
{
	struct moves *m = &d->moves[p->service];
	bool is_kept = wait == DRAIN_WAIT_DAMPING || wait == DRAIN_WAIT_FREEZE;

	if (is_kept && wait != p->drain_wait) {
		m->n_kept++;
		m->kept_by = wait;
		if (wait == DRAIN_WAIT_DAMPING)
			agent_guards_on_wait(d->agent->guards, GUARD_DAMPING);
	}
	p->drain_wait = wait;
}

static bool
is_announceable(const struct agent *a, const struct agent_prefix *p)
{
	struct route_inputs in = agent_route_inputs(a, p);

	in.drained = false;
	return route_decide(&in).announce;
}

static struct drain_real
real_of(const struct agent *a, const struct agent_prefix *p)
{
	size_t i = (size_t)(p - a->prefixes);
	enum route_real real = reconcile_real(a->reconcile, i);

	return (struct drain_real){ .is_known = real != REAL_UNKNOWN,
		.is_running = !reconcile_bird_is_gone(a->reconcile),
		.announced = real == REAL_ANNOUNCED,
		.attrs = reconcile_real_attrs(a->reconcile, i),
		.has_attrs = reconcile_has_attrs(a->reconcile) };
}

/* Found once for all prefixes of a service, of which there may be thousands. */
static void
find_over(struct agent_drain *d)
{
	const struct agent *a = d->agent;

	d->drains_prefix =
	    intent_set_drains_prefix(&a->intents.set, a->conf->site);
	for (size_t s = 0; s < a->conf->n_services && !d->drains_prefix; s++) {
		const struct intent_target target = { .site = a->conf->site,
			.service = a->conf->services[s].name };

		d->over[s].row =
		    intent_set_drain_over(&a->intents.set, &target);
	}
}

static const struct intent *
over_of(const struct agent_drain *d, const struct agent_prefix *p)
{
	return d->drains_prefix ? drain_over(d->agent, p)
				: d->over[p->service].row;
}

/* Returns when to look again, or -1. */
static int64_t
step_prefix(struct agent_drain *d, struct agent_prefix *p, struct mono now)
{
	const struct agent *a = d->agent;
	const struct conf_drain *conf = conf_of(a, p);
	const struct intent *over = over_of(d, p);
	struct moves *m = &d->moves[p->service];
	const char *from = drain_stage_name(conf, &p->drain);
	struct drain_input in = { .wanted = over != NULL,
		.at_once = over != NULL && over->at_once,
		.now = now };
	struct drain_result r;

	if (in.wanted || p->drain.at > 0) {
		in.announceable =
		    drain_asks_route(conf, &in) && is_announceable(a, p);
		in.real = real_of(a, p);
		in.back_wait_ms = agent_guards_back_wait_ms(a->guards, p);
	}
	in.traffic_known =
	    meters_rate(d->meters, p->service, &in.traffic_per_s);
	r = drain_advance(conf, &p->drain, &in);
	set_wait(d, p, r.wait);
	if (r.moved) {
		if (m->n == 0)
			m->from = from;
		m->to = drain_stage_name(conf, &p->drain);
		m->n++;
		m->went_on |= r.went_on;
	}
	return r.next_ms;
}

/* A freeze holds every step where it is. */
static void
freeze_prefix(struct agent_drain *d, struct agent_prefix *p)
{
	bool is_done =
	    over_of(d, p) != NULL ? p->drain.is_drained : p->drain.at == 0;

	set_wait(d, p, is_done ? DRAIN_WAIT_NONE : DRAIN_WAIT_FREEZE);
}

static bool
is_given_back(const struct agent *a, const struct agent_prefix *p)
{
	const struct intent_target target = target_of(a, p);

	return intent_set_gives_back(&a->intents.set, &target);
}

/* Returns when to look again, or -1. */
static int64_t
step_all(struct agent_drain *d)
{
	struct agent *a = d->agent;
	bool is_frozen =
	    guard_check_frozen(&a->intents.set, a->conf->site, NULL) == -1;
	/* One for all: what began together goes on together. */
	struct mono now = mono_now();
	int64_t next_ms = -1;

	find_over(d);
	for (size_t i = 0; i < a->n_prefixes; i++) {
		struct agent_prefix *p = &a->prefixes[i];
		int64_t ms = -1;

		if (p->service == NO_SERVICE)
			continue;
		p->is_given_back = is_frozen && is_given_back(a, p);
		if (is_frozen && !p->is_given_back) {
			freeze_prefix(d, p);
		} else {
			ms = step_prefix(d, p, now);
		}
		if (ms >= 0 && (next_ms == -1 || ms < next_ms))
			next_ms = ms;
	}
	return next_ms;
}

void
agent_drain_step(struct agent_drain *d)
{
	struct agent *a = d->agent;
	int64_t next_ms;

	for (size_t s = 0; s < a->conf->n_services; s++)
		d->moves[s] = (struct moves){ 0 };
	next_ms = step_all(d);
	for (size_t s = 0; s < a->conf->n_services; s++) {
		note_moves(d, s);
		note_kept(d, s);
	}
	if (next_ms >= 0) {
		loop_timer_set(d->timer, next_ms);
	} else {
		loop_timer_cancel(d->timer);
	}
}

static void
on_timer(struct loop *lp, void *arg)
{
	struct agent_drain *d = arg;

	(void)lp;
	agent_decide(d->agent);
}

/* Not at once: it is said in the middle of the reconciler's work. */
void
agent_drain_on_read(struct agent_drain *d)
{
	const struct agent *a = d->agent;

	for (size_t i = 0; i < a->n_prefixes; i++) {
		if (a->prefixes[i].service != NO_SERVICE &&
		    a->prefixes[i].drain.at > 0) {
			loop_timer_set(d->timer, 0);
			return;
		}
	}
}

static bool
is_waiting_for_traffic(const struct agent *a)
{
	for (size_t i = 0; i < a->n_prefixes; i++) {
		enum drain_wait wait = a->prefixes[i].drain_wait;

		if (wait == DRAIN_WAIT_TRAFFIC || wait == DRAIN_WAIT_COUNTER)
			return true;
	}
	return false;
}

static void
on_reading(void *arg)
{
	struct agent_drain *d = arg;

	if (is_waiting_for_traffic(d->agent))
		agent_decide(d->agent);
}

/* ---- life ---- */

struct agent_drain *
agent_drain_new(struct agent *a)
{
	struct agent_drain *d = xcalloc(1, sizeof(*d));
	struct meters_env env = { .counters = agent_counters_env(a->counters),
		.on_reading = on_reading,
		.arg = d };

	d->agent = a;
	d->timer = loop_timer_new(a->env.lp, on_timer, d);
	d->moves = xcalloc(a->conf->n_services, sizeof(*d->moves));
	d->over = xcalloc(a->conf->n_services, sizeof(*d->over));
	d->meters = meters_new(&env, a->conf->services, a->conf->n_services);
	return d;
}

void
agent_drain_free(struct agent_drain *d)
{
	if (d == NULL)
		return;
	meters_free(d->meters);
	loop_timer_free(d->timer);
	free(d->moves);
	free(d->over);
	free(d);
}

/* ---- JSON ---- */

json_t *
agent_drain_prefix_json(const struct agent *a, const struct agent_prefix *p)
{
	if (p->service == NO_SERVICE)
		return json_null();
	return json_pack("{s:s, s:s, s:I, s:b}", "step",
	    drain_stage_name(conf_of(a, p), &p->drain), "waits_for",
	    drain_wait_name(p->drain_wait), "for_ms",
	    (json_int_t)(p->drain_wait != DRAIN_WAIT_NONE
		    ? mono_diff_ms(mono_now(), p->drain.since)
		    : 0),
	    "given_back", p->is_given_back);
}

json_t *
agent_drain_service_json(const struct agent *a, size_t s)
{
	const struct conf_drain *conf = &a->conf->services[s].drain;
	json_t *steps = json_array(), *doc;
	double per_s = 0;

	for (size_t i = 0; i < conf->n_steps; i++) {
		const struct conf_drain_step *step = &conf->steps[i];

		json_array_append_new(steps,
		    json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "step",
			conf_drain_kind_name(step->kind), "times",
			(json_int_t)step->times, "hold_ms",
			(json_int_t)step->hold_ms, "back_ms",
			(json_int_t)step->back_ms, "below",
			(json_int_t)step->below_per_s, "wait_max_ms",
			(json_int_t)step->wait_max_ms));
	}
	doc = json_pack("{s:o, s:s, s:s, s:n}", "steps", steps, "counter",
	    meters_name(a->drain->meters, s), "trouble",
	    meters_trouble(a->drain->meters, s), "per_s");
	if (meters_rate(a->drain->meters, s, &per_s))
		json_object_set_new(doc, "per_s", json_real(per_s));
	return doc;
}
