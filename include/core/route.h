/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H
/*
 * route -- decides for one prefix whether it should be announced, and says
 * why.  Level, not edge: the decision is a function of the present inputs.
 *
 * Rules stand in one table in order of precedence; the first that applies
 * decides.  `explain` walks the same table.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/health.h"

enum route_kind {
	ROUTE_SERVICE, /* carries users' traffic */
	ROUTE_TEST,    /* carries only probes */
};

/* What the neighbours are asked to think of an announced route. */
#define ROUTE_PREPEND_MAX 8u
struct route_attrs {
	bool graceful_shutdown; /* RFC 8326, to those who honour it */
	uint8_t prepend;        /* our AS so many times more */
};

static inline bool
route_attrs_equal(struct route_attrs a, struct route_attrs b)
{
	return a.graceful_shutdown == b.graceful_shutdown &&
	    a.prepend == b.prepend;
}

struct route_inputs {
	enum route_kind kind;
	enum health health;       /* verdict of the service; unused for TEST */
	bool drained;             /* a drain has come to its last step */
	struct route_attrs attrs; /* what its gentle steps ask for */
	bool test_withdrawn;      /* an experiment holds it withdrawn */
	bool frozen;              /* an operator's freeze: nothing changes */
	bool withdraw_forbidden;  /* no permit of the controller's */
	bool braked;              /* too many fail at once: core/brake.h */
	bool damped_down;         /* core/damping.h: a withdrawal must wait */
	bool damped_up;           /* an announcement must wait */
	bool announced_before;    /* what is there: for HEALTH_UNKNOWN */
};

enum route_rule {
	ROUTE_RULE_FREEZE,
	ROUTE_RULE_DRAIN,
	ROUTE_RULE_GUARD,
	ROUTE_RULE_BRAKE,
	ROUTE_RULE_UPDATES,
	ROUTE_RULE_SICK,
	ROUTE_RULE_DAMPING,
	ROUTE_RULE_HEALTHY,
	ROUTE_RULE_KEEP,
	ROUTE_RULE_EXPERIMENT,
	ROUTE_RULE_TEST,
	ROUTE_RULE_COUNT
};

struct route_decision {
	bool announce;
	struct route_attrs attrs; /* zero unless announced */
	enum route_rule rule;
};

struct route_decision route_decide(const struct route_inputs *in);
/*
 * The same, for one prefix after the other: there may be thousands, and most
 * have the inputs of the one before.  *last begins all zero.
 */
struct route_last {
	bool is_there;
	struct route_inputs in;
	struct route_decision decision;
};
struct route_decision route_decide_next(struct route_last *last,
    const struct route_inputs *in);

/* Does the rule apply to these inputs (whether or not it decides)? */
bool route_rule_applies(enum route_rule rule, const struct route_inputs *in);
/* Is the rule about this kind of prefix at all? */
bool route_rule_concerns(enum route_rule rule, enum route_kind kind);
const char *route_rule_name(enum route_rule rule);
/* Does a guard keep what is there, though something else is wished? */
bool route_rule_is_guard(enum route_rule rule);
/* A sentence for people; applies: which of its two forms. */
const char *route_rule_text(enum route_rule rule, bool applies);

#endif /* CORE_ROUTE_H */
