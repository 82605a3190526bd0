/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_AGENT_GUARDS_H
#define SITE_AGENT_GUARDS_H
/*
 * agent_guards -- the guards of one site: feeds the decisions of core/brake.h
 * and core/damping.h with what the agent knows, looks after old results, and
 * tells people.  For the agent's own files.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "api/drain.h"
#include "api/server.h"
#include "core/guard.h"
#include "core/route.h"

struct agent;
struct agent_prefix;
struct agent_guards;

/* The agent's prefixes and routes are there. */
struct agent_guards *agent_guards_new(struct agent *a);
/* From the agent before: what it remembers of what is in both. */
void agent_guards_inherit(struct agent_guards *g,
    const struct agent_guards *from);
void agent_guards_free(struct agent_guards *g);
/* The people's part of the API. */
void agent_guards_serve(struct agent_guards *g, struct api_server *server);

/* Now and then: what comes with time. It may decide anew. */
void agent_guards_turn(struct agent_guards *g);
/* Before decisions. */
void agent_guards_step(struct agent_guards *g);
/* What the guards say about a service prefix. */
void agent_guards_fill(const struct agent_guards *g,
    const struct agent_prefix *p, struct route_inputs *in);
/* After a decision about a service prefix that differs from the one before. */
void agent_guards_on_decision(struct agent_guards *g,
    const struct agent_prefix *p, const struct route_decision *before);
/* After all decisions, once BIRD is at work: into the damping, what they
 * changed. */
void agent_guards_settle(struct agent_guards *g);

/* How long a drain's next step back must wait, were it heard; 0: it may. */
int64_t agent_guards_back_wait_ms(const struct agent_guards *g,
    const struct agent_prefix *p);
/* A guard begins to keep a drain's steps, of a prefix, where they are. */
void agent_guards_on_wait(struct agent_guards *g, enum guard guard);

/* After all decisions: into the store, what they changed. */
void agent_guards_keep(struct agent_guards *g);

/* Prefixes that nobody else announces, as the controller knows; is_known false:
 * it does not say. */
void agent_guards_take_last(struct agent_guards *g, bool is_known,
    const struct prefix *last, size_t n);
/* It has just begun and does not know yet: what was said before holds, unless
 * nobody was heard for long since. */
void agent_guards_keep_last(struct agent_guards *g);

/* -1 with err when a drain at this console is refused. */
int agent_guards_check_drain(const struct agent_guards *g,
    const struct drain_request *want, struct err *err);

/* The guards that act now, for the status: [{"guard", "state", "why"}]. */
json_t *agent_guards_json(const struct agent_guards *g);
/* How often each kept a route as it was: {"brake": 3, ...}. */
json_t *agent_guards_counts_json(const struct agent_guards *g);
/* Of service prefixes since the start: the fleet's budget counts them. */
uint64_t agent_guards_withdrawals(const struct agent_guards *g);
/* Since the last one, also of a start before; -1: none is known. */
int64_t agent_guards_withdrew_ago_ms(const struct agent_guards *g);

/* What the guards hold against changes of a service prefix now. */
struct agent_guards_view {
	bool is_braked;
	bool has_flapped; /* else the rest is zero */
	bool is_suppressed, is_last, up_waits, down_waits, back_waits;
	int64_t penalty, updates, wait_ms; /* rounded */
};

void agent_guards_see(const struct agent_guards *g,
    const struct agent_prefix *p, struct agent_guards_view *out);

/* May a change of BIRD's routes undo what was done to its protocols by hand? */
bool agent_guards_may_overrule_hands(const struct agent_guards *g);

#endif /* SITE_AGENT_GUARDS_H */
