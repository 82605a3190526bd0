/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_AGENT_DRAIN_H
#define SITE_AGENT_DRAIN_H
/*
 * agent_drain -- leads the agent's prefixes through the steps of their drains
 * (core/drain.h), by the intents, the clock and the traffic that is left.
 */
#include <jansson.h>

#include "site/agent_state.h"

struct agent_drain;

/* After a->counters. */
struct agent_drain *agent_drain_new(struct agent *a);
void agent_drain_free(struct agent_drain *d);
/* The stage of prefix p as it was found: to be called before any decision. */
void agent_drain_adopt(struct agent *a, struct agent_prefix *p,
    struct route_want found);

/* Tells of drains that have nothing here to drain: their service or prefix is
 * not in the configuration any more. */
void agent_drain_note_idle(struct agent *a);

/* Moves every prefix as far as it may go; part of a decision. */
void agent_drain_step(struct agent_drain *d);
/* What BIRD has is another than before: steps may go on, soon. */
void agent_drain_on_read(struct agent_drain *d);
/* What the stage of p asks for. */
void agent_drain_fill(const struct agent *a, const struct agent_prefix *p,
    struct route_inputs *in);

/* Is the whole site drained, through all its steps, and BIRD has none of its
 * service prefixes any more? */
bool agent_drain_is_over(const struct agent *a);

/* "drain" of a prefix, "drain" of a service in docs/api.md. */
json_t *agent_drain_prefix_json(const struct agent *a,
    const struct agent_prefix *p);
json_t *agent_drain_service_json(const struct agent *a, size_t s);

#endif /* SITE_AGENT_DRAIN_H */
