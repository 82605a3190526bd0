/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FEEDS_FEEDS_METRICS_H
#define FEEDS_FEEDS_METRICS_H
/*
 * feeds_metrics -- recent clients and where they come from, as metrics
 * (docs/metrics.md).
 */
#include "api/metrics.h"
#include "feeds/feeds.h"

/* recent: as recent_to_json makes it. */
void feeds_metrics_add(struct metrics *m, const json_t *recent);
/* For metrics_page_add; arg: the struct feeds. */
void feeds_metrics(struct metrics *m, void *arg);

#endif /* FEEDS_FEEDS_METRICS_H */
