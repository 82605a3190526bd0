/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SITE_AGENT_METRICS_H
#define SITE_AGENT_METRICS_H
/*
 * agent_metrics -- the numbers of one site, taken from its status.
 */
#include <jansson.h>

#include "api/metrics.h"

/* A metrics_source_fn; arg: the agent. */
metrics_source_fn agent_metrics;

/* The same for a site's object of /v1/status. */
void agent_metrics_add(struct metrics *m, const json_t *site);

#endif /* SITE_AGENT_METRICS_H */
