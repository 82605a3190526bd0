/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FLEET_FLEET_METRICS_H
#define FLEET_FLEET_METRICS_H
/*
 * fleet_metrics -- the numbers of a fleet, taken from the controller's status.
 */
#include <jansson.h>

#include "api/metrics.h"

/* A metrics_source_fn; arg: the controller. */
metrics_source_fn fleet_metrics;

/* The same for the document of /v1/status. */
void fleet_metrics_add(struct metrics *m, const json_t *status);

#endif /* FLEET_FLEET_METRICS_H */
