/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/route.h"

#include <assert.h>

static bool
is_frozen(const struct route_inputs *in)
{
	return in->frozen;
}

static bool
is_drained(const struct route_inputs *in)
{
	return in->drained;
}

static bool
is_sick(const struct route_inputs *in)
{
	return in->health == HEALTH_SICK;
}

/* Sick, but one of the last: see core/guard.h. */
static bool
is_kept_by_guard(const struct route_inputs *in)
{
	return in->withdraw_forbidden && in->health == HEALTH_SICK;
}

static bool
is_braked(const struct route_inputs *in)
{
	return in->braked && in->health == HEALTH_SICK;
}

/* The last announcer has used up its updates: see core/damping.h. */
static bool
is_out_of_updates(const struct route_inputs *in)
{
	return in->damped_down && in->announced_before &&
	    in->health == HEALTH_SICK;
}

static bool
is_damped(const struct route_inputs *in)
{
	return in->damped_up && !in->announced_before &&
	    in->health == HEALTH_HEALTHY;
}

static bool
is_healthy(const struct route_inputs *in)
{
	return in->health == HEALTH_HEALTHY;
}

static bool
is_unknown(const struct route_inputs *in)
{
	return in->health == HEALTH_UNKNOWN;
}

static bool
is_in_experiment(const struct route_inputs *in)
{
	return in->test_withdrawn;
}

static bool
is_always(const struct route_inputs *in)
{
	(void)in;
	return true;
}

enum outcome {
	WITHDRAW,
	ANNOUNCE,
	KEEP,
};

/* In order of precedence within each kind. */
static const struct rule {
	enum route_kind kind;
	enum outcome outcome;
	bool (*applies)(const struct route_inputs *in);
	const char *name;
	const char *yes;
	const char *no;
} rules[ROUTE_RULE_COUNT] = {
	[ROUTE_RULE_FREEZE] = { ROUTE_SERVICE, KEEP, is_frozen, "freeze",
	    "an operator froze it: keep what is there", "not frozen" },
	[ROUTE_RULE_DRAIN] = { ROUTE_SERVICE, WITHDRAW, is_drained, "drain",
	    "an operator drained it: withdraw", "no drain withdraws it" },
	[ROUTE_RULE_GUARD] = { ROUTE_SERVICE, KEEP, is_kept_by_guard, "guard",
	    "the service is sick, but the controller gave no permit to withdraw it: keep what is there",
	    "no guard stands in the way" },
	[ROUTE_RULE_BRAKE] = { ROUTE_SERVICE, KEEP, is_braked, "brake",
	    "the service is sick, but too many fail at once: keep what is there",
	    "not so many fail at once that it is the brake's" },
	[ROUTE_RULE_UPDATES] = { ROUTE_SERVICE, KEEP, is_out_of_updates,
	    "updates",
	    "the service is sick, but nobody else announces it and it has flapped too often: keep what is there",
	    "its withdrawal is within the budget of updates" },
	[ROUTE_RULE_SICK] = { ROUTE_SERVICE, WITHDRAW, is_sick, "sick",
	    "the service is sick: withdraw", "the service is not sick" },
	[ROUTE_RULE_DAMPING] = { ROUTE_SERVICE, KEEP, is_damped, "damping",
	    "the service is healthy, but has flapped too often: it has to wait",
	    "flaps do not make it wait" },
	[ROUTE_RULE_HEALTHY] = { ROUTE_SERVICE, ANNOUNCE, is_healthy, "healthy",
	    "the service is healthy: announce",
	    "the service is not known to be healthy" },
	[ROUTE_RULE_KEEP] = { ROUTE_SERVICE, KEEP, is_unknown, "keep",
	    "health is not known yet: keep what is there", "health is known" },
	[ROUTE_RULE_EXPERIMENT] = { ROUTE_TEST, WITHDRAW, is_in_experiment,
	    "experiment", "an experiment holds the test prefix withdrawn",
	    "no experiment holds it withdrawn" },
	[ROUTE_RULE_TEST] = { ROUTE_TEST, ANNOUNCE, is_always, "test",
	    "test prefix: announced unless an experiment withdraws it", "" },
};

struct route_decision
route_decide(const struct route_inputs *in)
{
	const struct route_attrs none = { 0 };

	for (enum route_rule i = 0; i < ROUTE_RULE_COUNT; i++) {
		bool announce = rules[i].outcome == ANNOUNCE ||
		    (rules[i].outcome == KEEP && in->announced_before);

		if (rules[i].kind == in->kind && rules[i].applies(in)) {
			return (struct route_decision){ .announce = announce,
				.attrs = announce ? in->attrs : none,
				.rule = i };
		}
	}
	/* Not reached: each kind has a rule for whatever is left. */
	return (struct route_decision){ .announce = in->announced_before,
		.rule = ROUTE_RULE_KEEP };
}

static bool
inputs_equal(const struct route_inputs *a, const struct route_inputs *b)
{
	return a->kind == b->kind && a->health == b->health &&
	    a->drained == b->drained && route_attrs_equal(a->attrs, b->attrs) &&
	    a->test_withdrawn == b->test_withdrawn && a->frozen == b->frozen &&
	    a->withdraw_forbidden == b->withdraw_forbidden &&
	    a->braked == b->braked && a->damped_down == b->damped_down &&
	    a->damped_up == b->damped_up &&
	    a->announced_before == b->announced_before;
}

struct route_decision
route_decide_next(struct route_last *last, const struct route_inputs *in)
{
	if (!last->is_there || !inputs_equal(&last->in, in)) {
		*last = (struct route_last){ .is_there = true,
			.in = *in,
			.decision = route_decide(in) };
	}
	return last->decision;
}

bool
route_rule_applies(enum route_rule rule, const struct route_inputs *in)
{
	assert(rule < ROUTE_RULE_COUNT);
	return rules[rule].applies(in);
}

bool
route_rule_is_guard(enum route_rule rule)
{
	assert(rule < ROUTE_RULE_COUNT);
	return rules[rule].outcome == KEEP && rule != ROUTE_RULE_KEEP;
}

bool
route_rule_concerns(enum route_rule rule, enum route_kind kind)
{
	assert(rule < ROUTE_RULE_COUNT);
	return rules[rule].kind == kind;
}

const char *
route_rule_name(enum route_rule rule)
{
	assert(rule < ROUTE_RULE_COUNT);
	return rules[rule].name;
}

const char *
route_rule_text(enum route_rule rule, bool applies)
{
	assert(rule < ROUTE_RULE_COUNT);
	return applies ? rules[rule].yes : rules[rule].no;
}
