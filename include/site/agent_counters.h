/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_AGENT_COUNTERS_H
#define SITE_AGENT_COUNTERS_H
/*
 * agent_counters -- what an agent needs to read the operator's counters
 * (site/counter.h): those of its drains, and that of its load.
 */
#include <jansson.h>

#include "site/agent_state.h"
#include "site/counter.h"

struct agent_counters;

/* Does a drain or the load count so? */
bool agent_counters_need(const struct conf_agent *conf, enum counter_kind kind);

/* After a->probes is there; with it must it go. */
struct agent_counters *agent_counters_new(struct agent *a);
void agent_counters_free(struct agent_counters *ac);
struct counter_env agent_counters_env(const struct agent_counters *ac);

/* The site's load: goes on with what `from` knows, if its counter is the same
 * one. */
void agent_load_inherit(struct agent_counters *ac,
    const struct agent_counters *from);
/* "load" (if it is known) and "load_counter" of docs/api.md. */
void agent_load_add(const struct agent_counters *ac, json_t *site);

#endif /* SITE_AGENT_COUNTERS_H */
