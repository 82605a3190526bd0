/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef API_METRICS_H
#define API_METRICS_H
/*
 * metrics -- numbers for Prometheus, in its text format 0.0.4.
 *
 * All metrics of the project stand in one table; docs/metrics.md explains each.
 * A page is made anew for every request: sources add samples in any order, the
 * text comes out in the order of the table, and within a metric by its labels.
 */
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "api/server.h"

#define METRIC_LABELS_MAX 4u

enum metric {
	/* every daemon */
	METRIC_BUILD_INFO,
	METRIC_START_TIME,
	METRIC_STORE_BACKLOG,
	METRIC_LOOP_STALL_LONGEST,
	METRIC_LOOP_STALLS,
	METRIC_CERTIFICATE_END,
	METRIC_CONNECTIONS,
	METRIC_CONNECTIONS_ENDED,
	/* an agent */
	METRIC_SITE_STATE,
	METRIC_SITE_LOAD,
	METRIC_SERVICE_HEALTH,
	METRIC_PROBE_HEALTH,
	METRIC_PROBE_RTT,
	METRIC_PROBE_RESULTS,
	METRIC_PREFIX_DESIRED,
	METRIC_PREFIX_REAL,
	METRIC_PREFIX_EXPORTED_TO,
	METRIC_PREFIX_DIVERGED,
	METRIC_BIRD_CONNECTED,
	METRIC_BIRD_SESSIONS,
	METRIC_BIRD_SESSIONS_UP,
	METRIC_BIRD_RECONFIGURATIONS,
	METRIC_BIRD_FAILURES,
	METRIC_BIRD_CONFIRMED,
	METRIC_BIRD_UNDONE,
	METRIC_BIRD_FOREIGN,
	METRIC_BIRD_CONFIG_BROKEN,
	METRIC_BIRD_BY_HAND,
	METRIC_INTENTS_ACTIVE,
	METRIC_GUARD_ACTIVE,
	METRIC_GUARD_HOLDS,
	METRIC_UPLINK_SILENT,
	METRIC_UPLINK_LOST_BATCHES,
	METRIC_APPLIED_REVISION,
	METRIC_WANTED_REVISION,
	METRIC_SWEEP_STARTS,
	METRIC_SWEEP_SENT,
	METRIC_SWEEP_TARGETS,
	METRIC_SWEEP_SEND_ERRORS,
	METRIC_SWEEP_REPLIES,
	METRIC_SWEEP_KERNEL_DROPS,
	METRIC_SWEEP_SKIPPED,
	METRIC_SWEEP_CAPTURE,
	METRIC_SWEEP_UNHEARD,
	/* whoever has feeds */
	METRIC_COLLECTOR_STARTS,
	METRIC_FEED_OPEN,
	METRIC_FEED_RECORDS,
	METRIC_FEED_DROPS,
	METRIC_FEED_LAST_RECORD,
	METRIC_RECENT_CLIENTS,
	METRIC_RECENT_BLOCKS,
	METRIC_RECENT_EVICTED,
	METRIC_RECENT_AGE,
	/* a controller */
	METRIC_FLEET_SITE_STATE,
	METRIC_FLEET_AGENT_AGE,
	METRIC_FLEET_APPLIED_REVISION,
	METRIC_FLEET_WANTED_REVISION,
	METRIC_FLEET_INTENTS_ACTIVE,
	METRIC_FLEET_SITE_LOAD,
	METRIC_FLEET_SITE_CAPACITY,
	METRIC_FLEET_GUARD_ACTIVE,
	METRIC_FLEET_CLIENTS,
	METRIC_FLEET_EXPERIMENT_STATE,
	METRIC_FLEET_EXPERIMENT_PROGRESS,
	METRIC_FLEET_EXPERIMENT_REPLIES,
	METRIC_FLEET_TEST_STATE,
	METRIC_FLEET_TEST_REST,
	METRIC_FLEET_TEST_DISTANCE,
	METRIC_FLEET_TEST_NOISE,
	METRIC_FLEET_TEST_BEYOND,
	METRIC_FLEET_OPTOUTS,
	METRIC_COUNT
};

enum metric_type {
	METRIC_GAUGE,
	METRIC_COUNTER,
};

struct metric_family {
	const char *name;
	enum metric_type type;
	/* What is added is divided by it: 1000 turns ms into seconds. A power
	 * of ten; 0 is 1. */
	unsigned scale;
	const char *labels[METRIC_LABELS_MAX + 1]; /* NULL-terminated */
	const char *help;
};

extern const struct metric_family metric_table[METRIC_COUNT];

struct metrics;

/* table: borrowed, n families. */
struct metrics *metrics_new(const struct metric_family *table, size_t n);
void metrics_free(struct metrics *m);

/* Values of the family's labels, in its order. */
#define METRIC_LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define METRIC_NO_LABELS ((const char *const[]){ NULL })

/*
 * Adds a sample; labels: as many as the family has, NULL-terminated, copied.
 * Of samples with the same labels the first one counts.
 */
void metrics_add(struct metrics *m, size_t family, int64_t value,
    const char *const *labels);

/* The whole number that obj has under key; nothing without one. */
void metrics_add_field(struct metrics *m, size_t family, const json_t *obj,
    const char *key, const char *const *labels);

/* Any number that obj has under key, rounded to what the scale leaves; nothing
 * without one, or if it is too large. */
void metrics_add_real(struct metrics *m, size_t family, const json_t *obj,
    const char *key, const char *const *labels);

/*
 * One sample for each of names, 1 for that which is current and 0 for the
 * others; the last label, which is not in labels, is the name.
 */
struct metric_states {
	const char *const *names; /* NULL-terminated */
	const char *current;      /* none of names: all are 0 */
};
void metrics_add_states(struct metrics *m, size_t family,
    const struct metric_states *states, const char *const *labels);

/* The whole text; the caller frees it. */
char *metrics_render(const struct metrics *m);

/* ---- GET /metrics ---- */

typedef void metrics_source_fn(struct metrics *m, void *arg);

struct metrics_page;
struct metrics_page *metrics_page_new(void);
void metrics_page_free(struct metrics_page *page);
/* source is called for each request, as long as the page lives. */
void metrics_page_add(struct metrics_page *page, metrics_source_fn *source,
    void *arg);
void metrics_page_serve(struct metrics_page *page, struct api_server *server);

#endif /* API_METRICS_H */
