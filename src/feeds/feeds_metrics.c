/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "feeds/feeds_metrics.h"

#include <string.h>

#include "base/json_text.h"
#include "feeds/feed.h"
#include "feeds/recent_api.h"

/* All results, those that did not happen too: a counter begins at 0. */
static void
add_records(struct metrics *m, const char *site, const char *name,
    const json_t *feed)
{
	metrics_add_field(m, METRIC_FEED_RECORDS, feed, "used",
	    METRIC_LABELS(site, name, "used"));
	for (size_t i = FEED_OTHER; i < FEED_REASON_COUNT; i++) {
		const char *reason = feed_reason_name((enum feed_reason)i);
		const json_t *of = json_object_get(feed,
		    feed_reason_is_bad((enum feed_reason)i) ? "bad" : "unused");

		metrics_add(m, METRIC_FEED_RECORDS,
		    json_integer_value(json_object_get(of, reason)),
		    METRIC_LABELS(site, name, reason));
	}
}

static void
add_feed(struct metrics *m, const json_t *feed)
{
	const char *site = json_text(feed, "site");
	const char *name = json_text(feed, "feed");
	const char *const *labels = METRIC_LABELS(site, name);

	metrics_add(m, METRIC_FEED_OPEN,
	    strcmp(json_text(feed, "state"), "open") == 0, labels);
	add_records(m, site, name, feed);
	metrics_add_field(m, METRIC_FEED_DROPS, feed, "drops", labels);
	if (json_integer_value(json_object_get(feed, "last_ms")) > 0) {
		metrics_add_field(m, METRIC_FEED_LAST_RECORD, feed, "last_ms",
		    labels);
	}
}

void
feeds_metrics_add(struct metrics *m, const json_t *recent)
{
	const json_t *site, *feed;
	size_t i;

	json_array_foreach (json_object_get(recent, "sites"), i, site) {
		const char *const *labels =
		    METRIC_LABELS(json_text(site, "site"));

		metrics_add_field(m, METRIC_RECENT_CLIENTS, site, "clients",
		    labels);
		metrics_add_field(m, METRIC_RECENT_BLOCKS, site, "blocks",
		    labels);
		metrics_add_field(m, METRIC_RECENT_EVICTED, site,
		    "evicted_clients", labels);
		metrics_add_field(m, METRIC_RECENT_AGE, site, "age_ms", labels);
	}
	json_array_foreach (json_object_get(recent, "feeds"), i, feed)
		add_feed(m, feed);
}

void
feeds_metrics(struct metrics *m, void *arg)
{
	struct feeds *fs = arg;
	json_t *told = feeds_stats(fs), *stats = json_pack("[O*]", told);
	json_t *recent;

	recent = recent_to_json(feeds_book(fs), stats);
	metrics_add_field(m, METRIC_COLLECTOR_STARTS, told, "starts",
	    METRIC_NO_LABELS);
	feeds_metrics_add(m, recent);
	json_decref(recent);
	json_decref(stats);
}
